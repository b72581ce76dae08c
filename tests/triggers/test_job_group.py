"""The trigger of job groups; what all triggers share is tested with that of releases."""

from __future__ import annotations

import asyncio
import json

import pytest

from airflow_provider_trifacta.emulator import Emulator, EmulatorOptions, RunOutcome
from airflow_provider_trifacta.emulator.package_reader import read_package
from airflow_provider_trifacta.triggers import _polling
from airflow_provider_trifacta.triggers.job_group import JobGroupTrigger

pytestmark = pytest.mark.every_airflow

KEYWORDS = {
    "job_group_ids": [301, 302],
    "cancel_on_kill": True,
    "trifacta_conn_id": "trifacta_default",
    "tolerated_outage": 600.0,
    "failing_since": 1_700_000_000.0,
    "poke_interval": 0.01,
    "exponential_backoff": True,
    "max_wait": 60.0,
    "began": 1_700_000_000.0,
    "not_before": 1_700_000_001.0,
    "deadline": 4_000_000_000.0,
}


@pytest.fixture
def prod(use_connection, make_package):
    with Emulator(EmulatorOptions(job_start_seconds=0, job_run_seconds=0)) as emulator:
        use_connection(emulator.url)
        emulator.store.create_deployment("Orders")
        with make_package().open("rb") as file:
            emulator.store.create_release(1, read_package(file))
        yield emulator


def test_it_is_rebuilt_equal():
    path, keywords = JobGroupTrigger(**KEYWORDS).serialize()
    assert path == "airflow_provider_trifacta.triggers.job_group.JobGroupTrigger"
    assert json.loads(json.dumps(keywords)) == KEYWORDS
    assert JobGroupTrigger(**keywords).serialize() == (path, keywords)


@pytest.mark.parametrize(("ending", "status"), [("Complete", "success"), ("Failed", "error"), ("Odd", "error")])
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
    assert _polling._instances == {}
