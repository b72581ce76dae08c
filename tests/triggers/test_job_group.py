"""The trigger of job groups; what all triggers share is tested with that of releases."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

import pytest
from trifacta_emulator import Emulator, EmulatorOptions, RunOutcome, read_package

from airflow_provider_trifacta.triggers import _watch_trigger
from airflow_provider_trifacta.triggers.job_group import JobGroupTrigger

pytestmark = pytest.mark.every_airflow

KEYWORDS = {
    "job_group_ids": [301, 302],
    "cancel_on_kill": True,
    "trifacta_conn_id": "trifacta_default",
    "tolerated_outage": 600.0,
    "failing_since": 1_700_000_000.0,
    "refusals": 2,
    "poke_interval": 0.01,
    "exponential_backoff": False,
    "max_wait": 60.0,
    "began": 1_700_000_000.0,
    "not_before": 1_700_000_001.0,
    "deadline": 4_000_000_000.0,
}


@pytest.fixture
def start(use_connection, make_package):
    """Return a function that starts an instance with a live release, whose jobs take so many
    seconds."""
    with contextlib.ExitStack() as started:

        def start(seconds):
            options = EmulatorOptions(job_start_seconds=0, job_run_seconds=seconds)
            emulator = started.enter_context(Emulator(options))
            use_connection(emulator.url)
            emulator.store.create_deployment("Orders")
            with make_package().open("rb") as file:
                emulator.store.create_release(1, read_package(file))
            return emulator

        yield start


@pytest.fixture
def prod(start):
    return start(0)


@pytest.fixture
def slow(start):
    """An instance whose jobs outlast every test."""
    return start(3600)


def test_it_is_rebuilt_equal():
    path, keywords = JobGroupTrigger(**KEYWORDS).serialize()
    assert path == "airflow_provider_trifacta.triggers.job_group.JobGroupTrigger"
    assert json.loads(json.dumps(keywords)) == KEYWORDS
    assert JobGroupTrigger(**keywords).serialize() == (path, keywords)


@pytest.mark.parametrize(
    ("ending", "status"), [("Complete", "success"), ("Failed", "error"), ("Odd", "error")]
)
def test_its_event(prod, ending, status):
    if ending != "Complete":
        prod.runs.add(RunOutcome(status=ending, message="no"))
    ids = [prod.store.run_deployment(1)[0].id for _ in range(2)]

    async def first():
        async for event in JobGroupTrigger(**{**KEYWORDS, "job_group_ids": ids}).run():
            return event.payload
        return None

    event = asyncio.run(asyncio.wait_for(first(), 60))
    assert (event["status"], event["retryable"]) == (status, False)
    assert str(ids[0]) in event["message"]


def test_the_awaited_ids_are_enough(prod):
    ids = [prod.store.run_deployment(1)[0].id]

    async def first():
        async for event in JobGroupTrigger(job_group_ids=ids, poke_interval=0.01).run():
            return event.payload
        return None

    assert asyncio.run(asyncio.wait_for(first(), 60))["status"] == "success"
    _, keywords = JobGroupTrigger(job_group_ids=ids).serialize()
    assert keywords["cancel_on_kill"] is False


@pytest.fixture
def endless(slow):
    return [slow.store.run_deployment(1)[0].id for _ in range(2)]


def kill(trigger, message, *, after=lambda: True):
    """Run a trigger and cancel it, as Airflow 3.3 does: ``on_kill`` follows the message of a
    person's action."""
    seen = []

    async def run_trigger():
        try:
            async for event in trigger.run():
                pytest.fail(f"there is nothing to tell: {event}")
        except asyncio.CancelledError as error:
            seen.append(error.args)
            if error.args == ("user",):
                await trigger.on_kill()
            raise

    async def scenario():
        task = asyncio.create_task(run_trigger())
        while not after():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        task.cancel(*message)
        # A second cancellation comes a second later.
        await asyncio.sleep(0.05)
        task.cancel(*message)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(scenario(), 60))
    return seen[0]


@pytest.mark.parametrize(
    ("wanted", "message", "canceled"),
    [
        (True, ("user",), True),
        (False, ("user",), False),
        (True, (), False),
    ],
)
@pytest.mark.parametrize("moment", ["in its wait", "in its pause", "at once"])
def test_a_kill_cancels_the_jobs_where_that_is_wanted(
    slow, endless, monkeypatch, wanted, message, canceled, moment
):
    interval = 3600.0 if moment == "in its pause" else 0.01
    trigger = JobGroupTrigger(
        job_group_ids=endless,
        cancel_on_kill=wanted,
        poke_interval=interval,
        deadline=4_000_000_000.0,
    )
    monkeypatch.setattr(_watch_trigger.random, "random", lambda: 0.0)
    after = (lambda: True) if moment == "at once" else lambda: len(slow.calls) >= 2
    assert kill(trigger, message, after=after) == message, "the message is what Airflow goes by"
    wait_until(lambda: not canceled or all_canceled(slow, endless))
    assert all_canceled(slow, endless) is canceled
    assert canceled or not [call for call in slow.calls if call.method != "GET"]


def all_canceled(slow, ids):
    return all(slow.store.job_group(one).canceled_at is not None for one in ids)


def wait_until(true):
    """The canceling thread outlives the event loop, as it outlives the triggerer's patience."""
    deadline = time.monotonic() + 30
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_kill_uses_the_connection_that_was_read(slow, endless, monkeypatch):
    trigger = JobGroupTrigger(job_group_ids=endless, cancel_on_kill=True, poke_interval=0.01)

    def read_and_gone():
        if len(slow.calls) < 2:
            return False
        monkeypatch.delenv("AIRFLOW_CONN_TRIFACTA_DEFAULT", raising=False)
        return True

    assert kill(trigger, ("user",), after=read_and_gone) == ("user",)
    wait_until(lambda: all_canceled(slow, endless))
    assert all_canceled(slow, endless)


def test_a_canceled_wait_cancels_nothing(prod):
    prod.runs.add(RunOutcome(status="InProgress"))
    endless = prod.store.run_deployment(1)[0].id

    async def start_and_cancel():
        async def consume():
            async for _ in JobGroupTrigger(**{**KEYWORDS, "job_group_ids": [endless]}).run():
                pytest.fail("there is nothing to tell")

        task = asyncio.create_task(consume())
        while len(prod.calls) < 3:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(start_and_cancel(), 60))
    assert {call.method for call in prod.calls} == {"GET"}
    assert prod.store.job_group(endless).canceled_at is None
    assert _watch_trigger.instances == {}


def test_many_waits_share_the_list_of_job_groups(prod):
    prod.runs.add(RunOutcome(status="InProgress", times=12))
    ids = [prod.store.run_deployment(1)[0].id for _ in range(12)]

    async def first(one):
        keywords = {
            **KEYWORDS,
            "job_group_ids": [one],
            "deadline": time.time() + 0.5,
            "poke_interval": 0.1,
        }
        async for event in JobGroupTrigger(**keywords).run():
            return event.payload["status"]
        return None

    async def scenario():
        return await asyncio.gather(*[first(one) for one in ids])

    assert asyncio.run(asyncio.wait_for(scenario(), 60)) == ["timeout"] * 12
    lists = [call for call in prod.calls if call.path == "/v4/jobGroups"]
    assert 2 <= len(lists) <= 7
    assert len(prod.calls) - len(lists) < 40, "12 at the end, and one in twenty before"
