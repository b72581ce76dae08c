from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import client_table
import pytest
from trifacta_emulator import Emulator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "clients" in item.path.parts:
            item.add_marker("clients")


@pytest.fixture
def conforms() -> Callable[..., object]:
    """Compare what a client did with its rows in README.md, at the end of the block."""

    @contextmanager
    def _conforms(client: str, *emulators: Emulator) -> Iterator[None]:
        assert client in client_table.CLIENTS
        for one in emulators:
            one.calls.clear()
        yield
        calls = [call for one in emulators for call in one.calls]
        assert client_table.done(calls) == client_table.rows(client), client_table.written(
            client, calls
        )

    return _conforms
