from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from importlib import import_module
from itertools import pairwise

import pytest

from airflow_provider_trifacta._compat import AirflowNotFoundException
from airflow_provider_trifacta.client.limits import ROW
from airflow_provider_trifacta.hooks.trifacta import TrifactaHook
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.triggers import _watch_trigger
from airflow_provider_trifacta.triggers.release import ReleaseActiveTrigger
from airflow_provider_trifacta.waits import NewestReleases

pytestmark = pytest.mark.every_airflow

KEYWORDS = {
    "release_id": 101,
    "trifacta_conn_id": "trifacta_default",
    "on_superseded": "fail",
    "deployment_id": 1,
    "tolerated_outage": 900.0,
    "failing_since": None,
    "refusals": 0,
    "poke_interval": 0.01,
    "exponential_backoff": False,
    "max_wait": None,
    "began": None,
    "not_before": None,
    "deadline": 4_000_000_000.0,
}


def rebuilt(trigger):
    """Send a trigger through what Airflow stores of it."""
    path, keywords = trigger.serialize()
    module_name, _, name = path.rpartition(".")
    return getattr(import_module(module_name), name)(**json.loads(json.dumps(keywords)))


def run(trigger):
    """Run a trigger to its end and return its events."""

    async def events():
        return [event.payload async for event in trigger.run()]

    found = asyncio.run(asyncio.wait_for(events(), 60))
    assert _watch_trigger.instances == {}
    return [json.loads(json.dumps(event)) for event in found]


def wait(**keywords):
    return run(rebuilt(ReleaseActiveTrigger(**{**KEYWORDS, **keywords})))


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
    monkeypatch.setattr(
        _watch_trigger.TrifactaHook, "get_connection", lambda *_: pytest.fail("looked up")
    )
    ReleaseActiveTrigger(**KEYWORDS)


def test_an_active_release_is_reported(release_id):
    (event,) = wait(release_id=release_id)
    assert event["status"] == "success"


@pytest.mark.slow
def test_what_is_waited_for_is_enough(release_id):
    trigger = rebuilt(ReleaseActiveTrigger(release_id=release_id))
    assert trigger.given_up_after is None
    assert run(trigger)[0]["status"] == "success"


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
    server = scripted(lambda _: hang.wait(30) and None)
    use_connection(server.url, extra={"connect_timeout": 0.05, "read_timeout": 0.05})
    (event,) = wait(deadline=time.time() - 1)
    hang.set()
    assert event["status"] == "timeout"


@pytest.mark.parametrize(
    ("status", "words", "retryable", "requests"),
    [
        (403, "PermissionDeniedError", False, 1),
        (404, "ReleaseDeletedError", False, 1),
        (401, "AuthenticationError", False, 1),
        (500, "ServerError", True, 1),
    ],
)
def test_errors_are_reported_with_what_the_task_must_do(
    scripted, use_connection, status, words, retryable, requests
):
    server = scripted(lambda _: (status, {}, {"exception": {"name": "Refused", "message": "no"}}))
    use_connection(server.url)
    (event,) = wait(tolerated_outage=0, deployment_id=None)
    assert event["status"] == "error"
    assert event["message"].startswith(f"{words}: ")
    assert event["retryable"] is retryable
    assert len(server.seen) == requests


@pytest.mark.parametrize("before", [0, 1, 2])
def test_the_third_401_that_may_be_of_a_gateway_ends_the_wait(scripted, use_connection, before):
    server = scripted(lambda _: (401, {}, b"Unauthorized"))
    use_connection(server.url)
    (event,) = wait(refusals=before)
    assert (event["status"], event["retryable"]) == ("error", False)
    assert event["message"].startswith("AuthenticationError: ")
    assert len(server.seen) == 3 - before


def test_a_wait_that_an_older_version_deferred_goes_on():
    assert (
        ReleaseActiveTrigger(
            **{key: KEYWORDS[key] for key in KEYWORDS if key != "refusals"}
        ).refusals
        == 0
    )


class Script:
    """A server of release 101 of deployment 1: the answers that are listed, then a live release for
    ever.

    It notes the loop's time of each request.
    """

    def __init__(self, scripted, *answers):
        self.left = list(answers)
        self.url = scripted(self).url

    def __call__(self, request):
        row = {"id": 101, "active": None, "deployment": {"id": 1}}
        if self.left:
            answer = self.left.pop(0)
            if answer != "waiting":
                return answer
        else:
            row["active"] = True
        return 200, {}, {"data": [row]} if "?" in request.path else row


@pytest.fixture
def at(monkeypatch):
    """The loop's time of each request, from the beginning on."""
    times = []
    ask = NewestReleases.__call__

    def note(read, client):
        times.append(asyncio.get_running_loop().time() - 1000)
        return ask(read, client)

    monkeypatch.setattr(NewestReleases, "__call__", note)
    monkeypatch.setattr(_watch_trigger.random, "random", lambda: 0.25)
    return times


@pytest.fixture
def wait_for_hours(virtual, monkeypatch):
    """Return a function that runs a trigger in virtual time."""

    def wait(**keywords):
        async def events():
            # The wall clock moves with the loop.
            loop = asyncio.get_running_loop()
            monkeypatch.setattr(_watch_trigger.time, "time", loop.time)
            trigger = rebuilt(
                ReleaseActiveTrigger(**{**KEYWORDS, "poke_interval": 10.0, **keywords})
            )
            return [event.payload async for event in trigger.run()]

        (event,) = virtual(events())
        monkeypatch.undo()
        return event

    return wait


FAILURE = (500, {}, {})


def test_an_outage_is_tolerated_for_a_time(scripted, use_connection, wait_for_hours, at):
    use_connection(Script(scripted, *[FAILURE] * 100).url)
    event = wait_for_hours(tolerated_outage=60.0)
    assert (event["status"], event["retryable"]) == ("error", True)
    assert at == [2.5, 12.5, 22.5, 32.5, 42.5, 52.5, 62.5]


def test_an_outage_that_began_before_the_trigger_counts(
    scripted, use_connection, wait_for_hours, at
):
    use_connection(Script(scripted, *[FAILURE] * 100).url)
    assert wait_for_hours(tolerated_outage=60.0, failing_since=950.0)["status"] == "error"
    assert at == [2.5, 12.5]


def test_waits_that_begin_together_are_spread(scripted, use_connection, wait_for_hours, at):
    use_connection(Script(scripted, "waiting", "waiting").url)
    assert wait_for_hours(poke_interval=40.0)["status"] == "success"
    assert at == [10, 50, 90]


def test_retry_after_sets_the_pause_and_is_no_failure(scripted, use_connection, wait_for_hours, at):
    busy = (429, {"Retry-After": "57"}, {})
    use_connection(Script(scripted, busy, busy, "waiting").url)
    assert wait_for_hours(tolerated_outage=0.0, not_before=1030.0)["status"] == "success"
    assert at == [32.5, 89.5, 146.5, 156.5]


def test_no_pause_goes_past_the_deadline(scripted, use_connection, wait_for_hours, at):
    busy = (429, {"Retry-After": "57"}, {})
    use_connection(Script(scripted, *[busy] * 9).url)
    assert wait_for_hours(deadline=1050.0)["status"] == "timeout"
    assert at == [2.5, 50]


@pytest.mark.parametrize("max_wait", [None, 30.0])
def test_backoff_holds_when_deferred(scripted, use_connection, wait_for_hours, at, max_wait):
    use_connection(Script(scripted, *["waiting"] * 6).url)
    assert wait_for_hours(exponential_backoff=True, max_wait=max_wait)["status"] == "success"
    found = [late - early for early, late in pairwise([0, *at])]
    assert found == pytest.approx(
        [2.5, 12.5, 25, 50, 100, 200, 400] if max_wait is None else [2.5, 12.5, 25, *[30] * 4]
    )


def test_backoff_goes_on_where_the_wait_was(scripted, use_connection, wait_for_hours, at):
    use_connection(Script(scripted, "waiting").url)
    wait_for_hours(exponential_backoff=True, max_wait=3600.0, began=1000.0 - 500)
    assert [late - early for early, late in pairwise(at)] == pytest.approx([512.5])


@pytest.mark.parametrize(
    "error", [RuntimeError("vault is sealed"), AirflowNotFoundException("isn't defined")]
)
def test_a_look_up_that_fails_is_a_transient_error(
    scripted, use_connection, wait_for_hours, at, monkeypatch, error
):
    use_connection(Script(scripted).url)
    look_up, failures = TrifactaHook.get_connection, [error] * 5

    def flaky(conn_id):
        if failures:
            raise failures.pop()
        return look_up(conn_id)

    monkeypatch.setattr(TrifactaHook, "get_connection", staticmethod(flaky))
    assert wait_for_hours(tolerated_outage=60.0)["status"] == "success"
    assert at == [50]


def test_a_look_up_that_fails_too_long_is_an_error(wait_for_hours, monkeypatch):
    monkeypatch.setattr(TrifactaHook, "get_connection", staticmethod(lambda _: 1 / 0))
    event = wait_for_hours(tolerated_outage=60.0)
    assert event["message"].startswith("ConnectionLookUpError: ")
    assert (event["status"], event["retryable"]) == ("error", True)


def test_a_renewed_token_goes_on(scripted, use_connection, wait_for_hours, at):
    def renew_and_refuse():
        use_connection(server.url, login="", password="token-2")
        return 401, {}, {}

    class Renewing(Script):
        def __call__(self, request):
            if self.left and self.left[0] == "renew":
                self.left.pop(0)
                return renew_and_refuse()
            expected = "token-1" if "renew" in self.left else "token-2"
            assert request.headers["Authorization"] == f"Bearer {expected}"
            return super().__call__(request)

    server = Renewing(scripted, "waiting", "renew", "waiting")
    use_connection(server.url, login="", password="token-1")
    assert wait_for_hours(tolerated_outage=0.0)["status"] == "success"
    assert len(at) == 4


def test_waits_on_a_deployment_share_its_list(
    scripted, use_connection, virtual, at, monkeypatch, caplog
):
    rows = [
        {"id": number, "active": None, "deployment": {"id": 1}} for number in (104, 103, 102, 101)
    ]
    use_connection(
        scripted(lambda _: (503, {}, {}) if len(at) == 2 else (200, {}, {"data": rows})).url
    )
    # Two connections that lead to the same place share too.
    use_connection(json.loads(os.environ["AIRFLOW_CONN_TRIFACTA_DEFAULT"])["host"], conn_id="other")

    async def scenario():
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(_watch_trigger.time, "time", loop.time)
        triggers = [
            ReleaseActiveTrigger(
                **{
                    **KEYWORDS,
                    "release_id": number,
                    "poke_interval": 10.0,
                    "deadline": 1025.0,
                    "trifacta_conn_id": conn_id,
                }
            )
            for number in (101, 102, 103, 104)
            for conn_id in ("trifacta_default", "other")
        ]

        async def first(trigger):
            async for event in trigger.run():
                return event.payload
            return None

        return await asyncio.gather(*[first(trigger) for trigger in triggers])

    # Airflow's own set-up of logs, in another test of this process, may have switched it off.
    monkeypatch.setattr(
        logging.getLogger("airflow_provider_trifacta.waits.watch"), "disabled", False
    )
    events = virtual(scenario())
    assert {event["status"] for event in events} == {"timeout"}
    assert at == [2.5, 12.5, 22.5, 25]
    lines = [one for one in caplog.records if one.name == "airflow_provider_trifacta.waits.watch"]
    assert [one.levelname for one in lines].count("WARNING") == 8, "each wait has its own line"


class LongList:
    """A server of release 101, which is not live, whose list is larger than a triggerer reads.

    The release goes live when the list was read as often as a test says.
    """

    def __init__(self, scripted, live_after=10**9, size=2**20):
        self.lists, self.live_after, self.size = 0, live_after, size
        server = scripted(self)
        self.url, self.seen = server.url, server.seen

    def __call__(self, request):
        row = {
            "id": 101,
            "active": True if self.lists >= self.live_after else None,
            "deployment": {"id": 1},
        }
        if "?" not in request.path:
            return 200, {}, row
        self.lists += 1
        return 200, {}, {"data": [{**row, "notes": "x" * self.size}]}


def test_a_list_that_is_too_large_sends_the_wait_back_to_a_worker(scripted, use_connection):
    server = LongList(scripted)
    use_connection(server.url)
    (event,) = wait()
    assert (event["status"], event["deadline"]) == ("needs_worker", KEYWORDS["deadline"])
    assert server.lists == 1, (
        "a triggerer does not ask for the whole list, which it could not read either"
    )


def test_a_wait_that_no_newer_release_ends_needs_no_list(scripted, use_connection):
    server = LongList(scripted, live_after=1)
    use_connection(server.url)
    (event,) = wait(on_superseded="wait")
    assert event["status"] == "success"
    assert server.lists == 1


def test_an_answer_is_read_up_to_the_limit_of_its_kind(scripted, use_connection):
    for size, status in ((ROW.size - 200, "success"), (ROW.size + 200, "error")):
        row = {"id": 101, "active": True, "deployment": {"id": 1}, "notes": "x" * size}
        row["notes"] = "x" * (size - len(json.dumps({**row, "notes": ""})))
        use_connection(scripted(lambda _, row=row: (200, {}, row)).url)
        (event,) = wait(deployment_id=None, tolerated_outage=0)
        assert event["status"] == status, event


def test_the_parts_of_an_answer_are_bounded_too(scripted, use_connection):
    row = {"id": 101, "active": True, "deployment": {"id": 1}, "notes": ["\u0100"] * ROW.parts}
    use_connection(scripted(lambda _: (200, {}, row)).url)
    (event,) = wait(deployment_id=None, tolerated_outage=0)
    assert event["message"].startswith(
        "AnswerTooLargeError: GET /v4/releases/101 answered more than 16384 "
    )


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
    assert _watch_trigger.instances == {}
    assert {call.method for call in emulator.calls[before:]} == {"GET"}
