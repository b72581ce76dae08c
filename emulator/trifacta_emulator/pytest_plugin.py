"""The fixture for tests of anything that talks to Trifacta; pytest finds it as soon as this project is installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from trifacta_emulator import Emulator


@pytest.fixture
def trifacta_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """
    Give an empty emulator with default options on a free port; sign in as admin@example.com / admin-password.

    During the test no request to this machine goes through a proxy of the environment.
    """
    # pytest loads this module in every test run, also in those that never use the fixture.
    from trifacta_emulator import Emulator
    from trifacta_emulator.loopback import without_proxy

    for name, value in without_proxy(os.environ).items():
        monkeypatch.setenv(name, value)
    with Emulator() as emulator:
        yield emulator
