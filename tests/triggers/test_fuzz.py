"""Answers and keywords that are wrong anywhere, to each trigger: it always ends in one event.

A failure names its seed, which makes the same answers again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import resource
import time
from collections import Counter
from dataclasses import fields

import pytest
from fuzz.damage import DamagingServer, Plan
from fuzz.odd import JSON
from fuzz.works import LONGEST, LONGEST_ERROR, MOST_MEMORY, OPTIONS, Site
from trifacta_emulator import Emulator

from airflow_provider_trifacta.triggers import _watch_trigger
from airflow_provider_trifacta.triggers.job_group import JobGroupTrigger
from airflow_provider_trifacta.triggers.release import ReleaseActiveTrigger

#: Seconds of virtual time that a wait has, and how often it polls.
PATIENCE, INTERVAL = 60, 10
STATUSES = ("success", "timeout", "error", "needs_worker")


def one_job(site):
    (group,) = site.store.run_deployment(site.deployment.id)
    return JobGroupTrigger, {"job_group_ids": [group.id]}


def many_jobs(site):
    groups = [site.store.run_deployment(site.deployment.id)[0] for _ in range(12)]
    return JobGroupTrigger, {"job_group_ids": [group.id for group in groups]}


def release(site):
    return ReleaseActiveTrigger, {"release_id": site.newer.id, "deployment_id": 1}


def release_of_an_unknown_deployment(site):
    return ReleaseActiveTrigger, {"release_id": site.newer.id}


def older_release(site):
    return ReleaseActiveTrigger, {"release_id": site.older.id, "deployment_id": 1}


def release_that_is_waited_for(site):
    keywords = {"release_id": site.older.id, "deployment_id": 1, "on_superseded": "wait"}
    return ReleaseActiveTrigger, keywords


#: Each wait, and how it ends without damage.
WAITS = {
    one_job: "success",
    many_jobs: "success",
    release: "success",
    release_of_an_unknown_deployment: "success",
    older_release: "error",
    release_that_is_waited_for: "timeout",
}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Nothing is logged, because pytest would keep each record."""
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)


@pytest.fixture
def server(use_connection):
    one = DamagingServer("")
    use_connection(one.url)
    yield one
    one.close()


@pytest.fixture
def events_of(virtual):
    """Return a function that runs a trigger, and returns the payloads of its events."""

    def run(trigger):
        async def collect():
            return [event.payload async for event in trigger.run()]

        found = virtual(asyncio.wait_for(collect(), 24 * 3600))
        assert _watch_trigger.instances == {}
        return found

    return run


def check(events):
    """Return the status of the one event."""
    (event,) = events
    json.dumps(event, allow_nan=False, ensure_ascii=False).encode()
    assert event["status"] in STATUSES
    return event["status"]


@pytest.mark.slow
@pytest.mark.parametrize("wait", WAITS, ids=lambda wait: wait.__name__)
def test_a_damaged_answer_ends_each_wait_in_an_event(
    wait, server, events_of, tmp_path, rounds, tell
):
    outcomes: Counter[str] = Counter()
    slowest, count = 0.0, rounds(15)
    with Emulator(OPTIONS) as emulator:
        site = Site(emulator, tmp_path)
        kind, keywords = wait(site)
        before, answers = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
        for seed in range(-1, count):
            plan = Plan.of(f"{wait.__name__} {seed}", answers) if seed >= 0 else None
            server.begin(emulator.url, plan)
            deadline = time.time() + PATIENCE
            trigger = kind(**keywords, poke_interval=INTERVAL, deadline=deadline)
            started = time.monotonic()
            try:
                (event,) = events_of(trigger)
                status = check([event])
                assert len(event["message"]) < LONGEST_ERROR
                honest = plan is None or not plan.lies
                assert not honest or status != "success" or WAITS[wait] == "success"
            except BaseException as error:
                damaged = [body[:400] for body in server.damaged]
                raise AssertionError(f"{plan}: {error!r}, {damaged}") from error
            slowest = max(slowest, time.monotonic() - started)
            outcomes[status] += 1
            if plan is None:
                assert status == WAITS[wait]
                answers = server.answers
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    tell(f"{count} waits, slowest {slowest:.2f} s, {grown} MiB more, {dict(outcomes)}")
    assert slowest < LONGEST
    assert grown < MOST_MEMORY


@pytest.mark.slow
@pytest.mark.parametrize("wait", [one_job, release], ids=["job_group", "release"])
def test_an_odd_keyword_ends_each_wait_in_an_event(
    wait, events_of, use_connection, tmp_path, rounds, tell
):
    outcomes: Counter[str] = Counter()
    wrong, slowest, count = [], 0.0, rounds(100)
    with Emulator(OPTIONS) as emulator:
        use_connection(emulator.url)
        kind, keywords = wait(Site(emulator, tmp_path))
        for seed in range(count):
            rng = random.Random(f"{wait.__name__} {seed}")
            name, value = rng.choice(fields(kind)).name, rng.choice(JSON)
            waiting = {"poke_interval": INTERVAL, "deadline": time.time() + PATIENCE}
            trigger = kind(**{**keywords, **waiting, name: value})
            started = time.monotonic()
            try:
                outcomes[check(events_of(trigger))] += 1
            except Exception as error:
                wrong.append(f"{name}={str(value)[:60]!r}: {error!r:.200}")
            slowest = max(slowest, time.monotonic() - started)
    tell(f"{count} waits, slowest {slowest:.2f} s, {dict(outcomes)}")
    assert wrong == []
    assert slowest < LONGEST


def test_a_failure_of_our_own_code_is_an_event_too(events_of, monkeypatch):
    def fail(*_, **__):
        raise KeyError("x")

    monkeypatch.setattr(ReleaseActiveTrigger, "_watch", fail)
    (event,) = events_of(ReleaseActiveTrigger(release_id=1))
    assert (event["status"], event["retryable"]) == ("error", True)
    assert "KeyError" in event["message"]
