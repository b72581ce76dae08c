from __future__ import annotations

from contextlib import ExitStack

import pendulum
import pytest
import requests
from trifacta_emulator import Emulator, EmulatorOptions

from contract.world import Timeline, Wire, World


@pytest.fixture
def time():
    """The time of the instance, of Airflow and of every client."""
    return Timeline()


@pytest.fixture
def start_world(monkeypatch, virtual_time, use_connection, execute, tmp_path):
    """Return a function that starts the world of a change; it takes the task state
    store, or None.
    """
    wire, real_send = Wire(virtual_time), requests.adapters.HTTPAdapter.send
    now = lambda tz=None: pendulum.instance(virtual_time.datetime()).in_timezone(tz or "UTC")  # noqa: E731
    monkeypatch.setattr(pendulum, "now", now)
    monkeypatch.setattr(
        requests.adapters.HTTPAdapter,
        "send",
        lambda adapter, request, **keywords: wire.send(real_send, adapter, request, **keywords),
    )
    with ExitStack() as running:

        def run(change, store):
            options = {
                "clock": virtual_time.datetime,
                "job_start_seconds": 5,
                "job_run_seconds": 60,
                **change.options,
            }
            emulator = running.enter_context(Emulator(EmulatorOptions(**options)))
            use_connection(emulator.url)
            world = World(emulator, virtual_time, wire, tmp_path, execute, store)
            change.prepare(world)
            return world

        yield run
