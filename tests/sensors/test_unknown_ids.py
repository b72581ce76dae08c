"""An unknown id ends both waits, in every mode and with every status that a server has for it. The
error names it."""

from __future__ import annotations

import asyncio
from typing import get_args, get_type_hints

import pytest
from trifacta_emulator import Emulator, EmulatorOptions

from airflow_provider_trifacta._compat import AirflowFailException
from airflow_provider_trifacta.client.errors import (
    JobFailedError,
    PermissionDeniedError,
    ReleaseDeletedError,
)
from airflow_provider_trifacta.sensors.job_group import JobGroupSensor
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor
from airflow_provider_trifacta.triggers.job_group import JobGroupTrigger
from airflow_provider_trifacta.triggers.release import ReleaseActiveTrigger

STATUSES = get_args(get_type_hints(EmulatorOptions)["unknown_id_status"])
MODES = [{"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True}]
UNKNOWN = 987654


@pytest.fixture(params=STATUSES)
def status(request, use_connection):
    with Emulator(EmulatorOptions(unknown_id_status=request.param)) as emulator:
        use_connection(emulator.url)
        emulator.store.create_deployment("Orders")
        yield request.param


def expected(usual, status):
    """A 403 may be about the permission as well as about the id, so it stays what it is."""
    return PermissionDeniedError if status == 403 else usual


@pytest.mark.parametrize("mode", MODES)
def test_the_sensor_of_a_release(execute, status, mode):
    with pytest.raises(AirflowFailException) as caught:
        execute(ReleaseActiveSensor(task_id="wait", release_id=UNKNOWN, **mode))
    error = caught.value.__cause__
    assert type(error) is expected(ReleaseDeletedError, status)
    assert error.release_id == UNKNOWN
    assert "Check the release id" in str(error)


@pytest.mark.parametrize("mode", MODES)
def test_the_sensor_of_job_groups(execute, status, mode):
    with pytest.raises(AirflowFailException) as caught:
        execute(JobGroupSensor(task_id="wait", job_group_ids=[UNKNOWN], **mode))
    error = caught.value.__cause__
    assert type(error) is expected(JobFailedError, status)
    assert error.job_group_ids == [UNKNOWN]
    assert "Check the job group id" in str(error)


@pytest.mark.parametrize(
    ("trigger", "usual", "check"),
    [
        (
            ReleaseActiveTrigger(release_id=UNKNOWN, poke_interval=0.01),
            ReleaseDeletedError,
            "Check the release id",
        ),
        (
            JobGroupTrigger(job_group_ids=[UNKNOWN], poke_interval=0.01),
            JobFailedError,
            "Check the job group id",
        ),
    ],
    ids=["release", "job group"],
)
def test_the_triggers(status, trigger, usual, check):
    async def first():
        return (await anext(trigger.run())).payload

    event = asyncio.run(asyncio.wait_for(first(), 60))
    assert (event["status"], event["retryable"]) == ("error", False)
    assert event["message"].startswith(f"{expected(usual, status).__name__}: ")
    assert str(UNKNOWN) in event["message"]
    assert check in event["message"]
