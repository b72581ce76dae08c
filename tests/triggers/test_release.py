from __future__ import annotations

import asyncio
import json
import threading
import time
from importlib import import_module

import pytest

from airflow_provider_trifacta.client import TrifactaClient
from airflow_provider_trifacta.client.config import ClientConfig
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.triggers import _polling
from airflow_provider_trifacta.triggers import _watching as module
from airflow_provider_trifacta.triggers.release import ReleaseActiveTrigger

pytestmark = pytest.mark.every_airflow

KEYWORDS = {
    "release_id": 101,
    "trifacta_conn_id": "trifacta_default",
    "on_superseded": "fail",
    "tolerated_failures": 2,
    "failures": 0,
    "poke_interval": 0.01,
    "deadline": 4_000_000_000.0,
}


def rebuilt(trigger):
    """Send a trigger through what Airflow stores of it."""
    path, keywords = trigger.serialize()
    module_name, _, name = path.rpartition(".")
    return getattr(import_module(module_name), name)(**json.loads(json.dumps(keywords)))


def wait(**keywords):
    """Run a trigger to its end and return its events."""

    async def events():
        return [event.payload async for event in rebuilt(ReleaseActiveTrigger(**{**KEYWORDS, **keywords})).run()]

    found = asyncio.run(asyncio.wait_for(events(), 60))
    assert _polling._instances == {}
    return [json.loads(json.dumps(event)) for event in found]


@pytest.fixture
def client(emulator):
    config = ClientConfig(base_url=emulator.url, login="admin@example.com", password="admin-password")
    with TrifactaClient(config) as client:
        yield client


@pytest.fixture
def release_id(client, make_package):
    with open_package(make_package()) as package:
        return client.releases.create(1, package.body()).release.id


def test_it_is_rebuilt_equal():
    trigger = ReleaseActiveTrigger(**KEYWORDS)
    path, keywords = trigger.serialize()
    assert path == "airflow_provider_trifacta.triggers.release.ReleaseActiveTrigger"
    assert keywords == KEYWORDS
    assert rebuilt(trigger).serialize() == trigger.serialize()


def test_making_one_looks_up_nothing(monkeypatch):
    monkeypatch.setattr(module.TrifactaHook, "get_connection", lambda *args: pytest.fail("looked up"))
    ReleaseActiveTrigger(**KEYWORDS)


def test_an_active_release_is_reported(release_id):
    (event,) = wait(release_id=release_id)
    assert event["status"] == "success"


def test_it_waits_until_the_release_is_activated(release_id, client, emulator):
    client.releases.deactivate(release_id)
    before = len(emulator.calls)

    def activate_after_three_polls():
        deadline = time.monotonic() + 30
        while len(emulator.calls) < before + 3 and time.monotonic() < deadline:
            time.sleep(0.005)
        client.releases.activate(release_id)

    thread = threading.Thread(target=activate_after_three_polls)
    thread.start()
    (event,) = wait(release_id=release_id)
    thread.join()
    assert event["status"] == "success"
    assert {call.method for call in emulator.calls[before:]} <= {"GET", "PATCH"}


def test_it_looks_once_more_at_the_deadline(release_id, client, emulator):
    client.releases.deactivate(release_id)
    before = len(emulator.calls)
    (event,) = wait(release_id=release_id, deadline=time.time() - 1, poke_interval=3600.0)
    assert event["status"] == "timeout"
    assert len(emulator.calls) > before
    client.releases.activate(release_id)
    (event,) = wait(release_id=release_id, deadline=time.time() - 1, poke_interval=3600.0)
    assert event["status"] == "success"


def test_a_poll_that_hangs_does_not_hold_the_wait_beyond_its_deadline(scripted, use_connection):
    hang = threading.Event()
    server = scripted(lambda request: hang.wait(30) and None)
    use_connection(server.url, extra={"connect_timeout": 0.05, "read_timeout": 0.05})
    (event,) = wait(deadline=time.time() - 1, tolerated_failures=9)
    hang.set()
    assert event["status"] == "timeout"


@pytest.mark.parametrize(
    ("status", "words", "retryable", "requests"),
    [(403, "PermissionDeniedError", False, 1), (404, "ReleaseDeletedError", False, 1), (500, "ServerError", True, 3)],
)
def test_errors_are_reported_with_what_the_task_must_do(scripted, use_connection, status, words, retryable, requests):
    server = scripted(lambda request: (status, {}, {}))
    use_connection(server.url)
    (event,) = wait()
    assert event["status"] == "error"
    assert event["message"].startswith(f"{words}: ")
    assert event["retryable"] is retryable
    assert len(server.seen) == requests


def test_failures_before_the_trigger_count(scripted, use_connection):
    server = scripted(lambda request: (500, {}, {}))
    use_connection(server.url)
    assert wait(failures=2)[0]["status"] == "error"
    assert len(server.seen) == 1


def test_a_bad_connection_is_an_error_event(use_connection):
    use_connection("")
    (event,) = wait()
    assert event["message"].startswith("ConfigurationError: The connection has no host")
    assert event["retryable"] is False


def test_being_cancelled_is_silent_and_harmless(release_id, client, emulator):
    client.releases.deactivate(release_id)
    before = len(emulator.calls)

    async def scenario():
        events = []

        async def run():
            async for event in ReleaseActiveTrigger(**{**KEYWORDS, "release_id": release_id}).run():
                events.append(event)

        task = asyncio.ensure_future(run())
        while len(emulator.calls) < before + 2:
            await asyncio.sleep(0.005)
            assert not task.done(), events or task.exception()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return events

    assert asyncio.run(scenario()) == []
    assert _polling._instances == {}
    assert {call.method for call in emulator.calls[before:]} == {"GET"}


def test_waits_that_begin_together_are_spread(release_id, client, monkeypatch):
    client.releases.deactivate(release_id)
    pauses = []
    real_sleep = asyncio.sleep

    async def note(seconds):
        pauses.append(seconds)
        if len(pauses) > 1:
            raise asyncio.CancelledError
        await real_sleep(0)

    monkeypatch.setattr(module.random, "random", lambda: 0.25)
    monkeypatch.setattr(module.asyncio, "sleep", note)
    with pytest.raises(asyncio.CancelledError):
        wait(release_id=release_id, poke_interval=40.0)
    assert pauses == [10.0, 40.0]
