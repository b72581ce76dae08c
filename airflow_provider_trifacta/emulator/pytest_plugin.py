"""
A fixture for tests of DAGs. Load it in the ``conftest.py`` at the root of the tests::

    pytest_plugins = ["airflow_provider_trifacta.emulator.pytest_plugin"]
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_trifacta.emulator import Emulator


@pytest.fixture
def trifacta_emulator() -> Iterator[Emulator]:
    """Give an empty emulator with default options on a free port; sign in as admin@example.com / admin-password."""
    with Emulator() as emulator:
        yield emulator
