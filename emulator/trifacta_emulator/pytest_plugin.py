"""The pytest fixtures. pytest finds them as soon as this project is installed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from trifacta_emulator import Emulator

#: Jobs of ``trifacta_dev`` and ``trifacta_prod`` end at once, so that no test waits for them.
_AT_ONCE = {"job_start_seconds": 0, "job_run_seconds": 0}


@pytest.fixture
def make_trifacta_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Emulator]]:
    """Return a function that starts an emulator with the given fields of ``EmulatorOptions``, on a
    free port.

    It stops with the test. During the test, requests to this machine do not use the environment's
    proxy.
    """
    # Late imports: pytest loads this module in every test run, also without the fixtures.
    from trifacta_emulator import Emulator, EmulatorOptions
    from trifacta_emulator.http.loopback import without_proxy

    for name, hosts in without_proxy(os.environ).items():
        monkeypatch.setenv(name, hosts)
    with ExitStack() as stack:

        def make(**options: Any) -> Emulator:
            emulator = Emulator(EmulatorOptions(**options))
            return stack.enter_context(emulator)

        yield make


@pytest.fixture
def trifacta_emulator(make_trifacta_emulator: Callable[..., Emulator]) -> Emulator:
    """Start an empty emulator with default options on a free port; the login is admin@example.com /
    admin-password.
    """
    return make_trifacta_emulator()


@pytest.fixture
def trifacta_dev(make_trifacta_emulator: Callable[..., Emulator]) -> Emulator:
    """Start an empty Dev instance: the first user is an author without a role, and nobody may use
    deployments.
    """
    from trifacta_emulator import User

    author = User("author@example.com", "author-password")
    admin = User("admin@example.com", "admin-password", ("admin",))
    return make_trifacta_emulator(instance_type="dev", users=(author, admin), **_AT_ONCE)


@pytest.fixture
def trifacta_prod(make_trifacta_emulator: Callable[..., Emulator]) -> Emulator:
    """Start an empty Prod instance: the first user has the Deployment role and is no
    administrator.
    """
    from trifacta_emulator import User

    deployer = User("deployer@example.com", "deployer-password", ("deployment",))
    admin = User("admin@example.com", "admin-password", ("admin", "deployment"))
    return make_trifacta_emulator(instance_type="prod", users=(deployer, admin), **_AT_ONCE)
