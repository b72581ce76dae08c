"""The pytest fixture. pytest finds it as soon as this project is installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from trifacta_emulator import Emulator


@pytest.fixture
def trifacta_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Start an empty emulator with default options on a free port; the login is admin@example.com / admin-password.

    During the test, requests to this machine do not use the environment's proxy.
    """
    # Late imports: pytest loads this module in every test run, also without the fixture.
    from trifacta_emulator import Emulator
    from trifacta_emulator.http.loopback import without_proxy

    for name, value in without_proxy(os.environ).items():
        monkeypatch.setenv(name, value)
    with Emulator() as emulator:
        yield emulator
