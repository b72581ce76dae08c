"""
A fixture for tests of DAGs. Load it in the ``conftest.py`` at the root of the tests::

    pytest_plugins = ["airflow_provider_trifacta.emulator.pytest_plugin"]
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from airflow_provider_trifacta.emulator import Emulator
from airflow_provider_trifacta.emulator.loopback import without_proxy


@pytest.fixture
def trifacta_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """
    Give an empty emulator with default options on a free port; sign in as admin@example.com / admin-password.

    During the test no request to this machine goes through a proxy of the environment.
    """
    for name, value in without_proxy(os.environ).items():
        monkeypatch.setenv(name, value)
    with Emulator() as emulator:
        yield emulator
