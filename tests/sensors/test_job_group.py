"""The sensor of job groups; what all sensors share is tested with that of releases."""

from __future__ import annotations

import pytest
from request_patterns import STATUS
from trifacta_emulator import (
    Answer,
    Emulator,
    EmulatorOptions,
    Fault,
    ManualClock,
    RunOutcome,
    read_package,
)

from airflow_provider_trifacta._compat import AirflowFailException, AirflowSkipException
from airflow_provider_trifacta.client.errors import ServerError, WaitOutageError
from airflow_provider_trifacta.sensors.job_group import JobGroupSensor

try:
    from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSensorTimeout
except ImportError:
    from airflow.exceptions import AirflowRescheduleException, AirflowSensorTimeout

pytestmark = pytest.mark.every_airflow

MODES = [{"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True}]


class PolledClock(ManualClock):
    """A clock that each request for the time moves on: whoever polls comes to the end."""

    def __call__(self):
        self.advance(0.1)
        return super().__call__()


@pytest.fixture
def deployed(use_connection, make_package):
    with Emulator(EmulatorOptions(clock=PolledClock())) as emulator:
        use_connection(emulator.url, extra={"read_retries": 0})
        emulator.store.create_deployment("Orders")
        with make_package().open("rb") as file:
            emulator.store.create_release(1, read_package(file))
        yield emulator


@pytest.fixture
def started(deployed):
    return [deployed.store.run_deployment(1)[0].id for _ in range(2)]


@pytest.fixture
def wait(execute):
    def run(job_group_ids, **options):
        options = {"poke_interval": 0.01, **options}
        while True:
            try:
                return execute(
                    JobGroupSensor(task_id="wait", job_group_ids=job_group_ids, **options)
                )
            except AirflowRescheduleException:
                continue

    return run


@pytest.mark.parametrize("mode", MODES)
def test_it_waits_until_all_are_complete(wait, deployed, started, mode):
    _, ti = wait(started, **mode)
    assert [one.status for one in deployed.store.job_groups()] == ["Complete", "Complete"]
    urls = [f"{deployed.url}/jobs/{job_group_id}" for job_group_id in started]
    assert ti.pushed == {"job_group_ids": started, "job_urls": urls}
    assert {call.method for call in deployed.calls} == {"GET"}
    assert len(deployed.calls) > 2, "the first look was too early"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (
            RunOutcome(status="Failed", message="no such table"),
            "failed: .*recipe .*output .*: job .*no such table",
        ),
        (RunOutcome(status="Canceled"), "was canceled"),
        (RunOutcome(status="Paused"), "unknown state 'Paused'"),
    ],
)
def test_each_mode_fails_alike(wait, execute, deployed, started, mode, outcome, words):
    deployed.runs.add(outcome)
    bad = deployed.store.run_deployment(1)[0].id
    with pytest.raises(AirflowFailException, match=f"JobFailedError: Job group {bad} .*{words}"):
        wait([*started, bad], **mode)
    assert len(execute.ti.pushed["job_urls"]) == 3, "the link is wanted most now"
    assert {call.method for call in deployed.calls} == {"GET"}, "nothing is canceled"


@pytest.mark.parametrize("mode", MODES)
def test_soft_fail_skips(wait, deployed, mode):
    deployed.runs.add(RunOutcome(status="Failed"))
    bad = deployed.store.run_deployment(1)[0].id
    with pytest.raises(AirflowSkipException):
        wait(bad, soft_fail=True, **mode)


@pytest.mark.parametrize("mode", MODES)
def test_the_time_is_up(wait, deployed, mode):
    deployed.runs.add(RunOutcome(status="InProgress"))
    endless = deployed.store.run_deployment(1)[0].id
    with pytest.raises(AirflowSensorTimeout):
        wait(str(endless), timeout=0, **mode)
    assert deployed.store.job_group(endless).canceled_at is None


@pytest.mark.parametrize(("mode", "error"), [(MODES[0], ServerError), (MODES[2], ServerError)])
def test_an_outage_that_is_not_tolerated(wait, deployed, started, mode, error):
    deployed.faults.add(Fault(Answer(500), **STATUS, times=None))
    with pytest.raises(error, check=lambda error: error.status == 500):
        wait(started, tolerated_outage=0, **mode)
    assert len(deployed.calls) == 1


@pytest.mark.parametrize("mode", MODES)
def test_an_outage_that_is_tolerated(wait, deployed, started, mode):
    deployed.faults.add(Fault(Answer(500), **STATUS, times=3))
    deployed.faults.add(
        Fault(Answer(200, body={"message": "no healthy upstream"}), **STATUS, times=3)
    )
    wait(started, **mode)
    assert [one.status for one in deployed.store.job_groups()] == ["Complete", "Complete"]


def test_an_outage_that_goes_on_in_the_triggerer(wait, execute, deployed, started):
    deployed.faults.add(Fault(Answer(500), **STATUS, times=None))
    with pytest.raises(WaitOutageError, match="ServerError"):
        wait(started, tolerated_outage=0.2, deferrable=True)
    assert execute.deferred.trigger.failing_since is not None
    assert len(deployed.calls) > 2


def test_bad_input_ends_before_any_request(wait, deployed):
    with pytest.raises(AirflowFailException, match="InvalidInputError: job_group_ids"):
        wait("None")
    assert list(deployed.calls) == []
