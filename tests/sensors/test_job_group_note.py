"""The note of a wait for jobs: every end but a job's own bad end, and a person's mark,
leaves one.
"""

from __future__ import annotations

import io

import pytest
from trifacta_emulator import (
    Answer,
    Emulator,
    EmulatorOptions,
    Fault,
    RunOutcome,
    build_package,
    read_package,
)

from airflow_provider_trifacta._compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowTaskTimeout,
    TaskDeferralError,
    TaskDeferralTimeout,
)
from airflow_provider_trifacta.client import errors
from airflow_provider_trifacta.sensors.job_group import JobGroupSensor

pytestmark = pytest.mark.every_airflow

STATUS = {"method": "GET", "path": "/v4/jobGroups/*/status"}
modes = pytest.mark.parametrize("deferrable", [False, True])


@pytest.fixture
def wait(execute, use_connection, monkeypatch):
    """Return a function that waits for two job groups of an instance."""
    monkeypatch.setattr("time.sleep", lambda _: None)

    def run(emulator, ids, **options):
        use_connection(emulator.url)
        options = {"poke_interval": 0.01, "timeout": 5, "tolerated_outage": 0, **options}
        return execute(JobGroupSensor(task_id="wait", job_group_ids=ids, **options))

    return run


@modes
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(403), AirflowFailException),
        (Answer(401), AirflowFailException),
        (Answer(503), (errors.ServerError, errors.WaitOutageError)),
    ],
)
def test_a_wait_that_gives_up_leaves_a_note(wait, execute, emulator, deferrable, answer, error):
    emulator.faults.add(Fault(answer, **STATUS, times=None))
    with pytest.raises(error):
        wait(emulator, [16001, 16002], deferrable=deferrable)
    note = execute.ti.pushed["gave_up"]
    assert note["job_group_ids"] == [16001, 16002]
    assert note["why"]


@modes
def test_a_timeout_leaves_a_note(wait, execute, deferrable):
    with Emulator(EmulatorOptions(job_run_seconds=3600)) as emulator:
        ids = run_jobs(emulator)
        with pytest.raises(AirflowSensorTimeout):
            wait(emulator, ids, deferrable=deferrable, timeout=0.05)
    assert execute.ti.pushed["gave_up"]["job_group_ids"] == ids


@modes
def test_a_job_that_ends_badly_leaves_none(wait, execute, deferrable):
    with Emulator(EmulatorOptions(job_start_seconds=0, job_run_seconds=0)) as emulator:
        emulator.runs.add(RunOutcome(message="no such table"))
        ids = run_jobs(emulator)
        with pytest.raises(AirflowFailException):
            wait(emulator, ids, deferrable=deferrable)
    assert "gave_up" not in execute.ti.pushed


@modes
def test_a_wait_that_succeeds_leaves_none(wait, execute, deferrable):
    with Emulator(EmulatorOptions(job_start_seconds=0, job_run_seconds=0)) as emulator:
        wait(emulator, run_jobs(emulator), deferrable=deferrable)
    assert "gave_up" not in execute.ti.pushed


def run_jobs(emulator):
    deployment = emulator.store.create_deployment("Orders")
    emulator.store.create_release(deployment.id, read_package(io.BytesIO(build_package())))
    return [one.id for one in emulator.store.run_deployment(deployment.id)]


def ended_by(execute, monkeypatch, error):
    """Run a wait whose process is ended by an error of Airflow."""

    def poke(_self, _context):
        raise error

    monkeypatch.setattr(JobGroupSensor, "poke", poke)
    with pytest.raises(type(error)):
        execute(JobGroupSensor(task_id="wait", job_group_ids=[7], deferrable=False))
    return execute.ti.pushed


def test_an_execution_timeout_leaves_a_note(execute, monkeypatch):
    assert ended_by(execute, monkeypatch, AirflowTaskTimeout("too long"))["gave_up"][
        "job_group_ids"
    ] == [7]


class TerminatedError(BaseException):
    """How a person's mark ends a process: Airflow raises no ``Exception`` for its signal."""


@pytest.mark.parametrize("error", [TerminatedError(), SystemExit(1), KeyboardInterrupt()])
def test_a_process_that_is_ended_by_a_signal_leaves_none(execute, monkeypatch, error):
    assert "gave_up" not in ended_by(execute, monkeypatch, error)


@pytest.mark.parametrize("error", ["Trigger failure", "Trigger timeout"])
def test_a_triggerer_that_lost_the_wait_leaves_a_note(error):
    pushed = {}

    class Instance:
        def xcom_push(self, key, value):
            pushed[key] = value

    sensor = JobGroupSensor(task_id="wait", job_group_ids=[7], deferrable=True)
    with pytest.raises((TaskDeferralError, TaskDeferralTimeout, AirflowSensorTimeout)):
        sensor.resume_execution("__fail__", {"error": error}, {"ti": Instance()})
    assert pushed["gave_up"]["job_group_ids"] == [7]
