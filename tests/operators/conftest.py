from __future__ import annotations

import pytest


@pytest.fixture
def memory():
    """Object storage in this process."""
    fsspec = pytest.importorskip("fsspec")
    try:
        from airflow.sdk.io import attach
    except ImportError:
        from airflow.io.store import attach

    system = fsspec.filesystem("memory")
    attach("memory", fs=system)
    yield system
    system.rm("/", recursive=True)


@pytest.fixture(autouse=True)
def no_real_waits(virtual_time):
    """Operators make their client by themselves: no test of theirs waits in real time."""
