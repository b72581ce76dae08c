"""A failed job's log in the log of the task: in the worker, after the wait, and without any effect
on how the task ends.
"""

from __future__ import annotations

import io
import logging

import pytest
from trifacta_emulator import (
    Answer,
    Delay,
    Emulator,
    EmulatorOptions,
    Fault,
    PresetFlow,
    Reset,
    RunOutcome,
    Truncate,
    build_package,
    read_package,
)

from airflow_provider_trifacta import _job_log
from airflow_provider_trifacta._compat import (
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
)
from airflow_provider_trifacta.client.job_groups import JobGroups
from airflow_provider_trifacta.operators.deployment import RunDeploymentOperator
from airflow_provider_trifacta.operators.run import RunFlowOperator, RunJobGroupOperator
from airflow_provider_trifacta.sensors.job_group import JobGroupSensor

pytestmark = pytest.mark.every_airflow

LOGS = {"method": "GET", "path": "/v4/jobGroups/*/logs"}
modes = pytest.mark.parametrize("deferrable", [False, True])
WAITS = ["sensor", "deployment", "flow", "recipe"]


@pytest.fixture
def instance(use_connection):
    """An instance with a flow, a deployment and a live release, whose jobs end at once."""
    options = EmulatorOptions(flows=(PresetFlow("Daily"),), job_start_seconds=0, job_run_seconds=0)
    with Emulator(options) as emulator:
        use_connection(emulator.url)
        emulator.store.create_deployment("Orders")
        emulator.store.create_release(1, read_package(io.BytesIO(build_package())))
        yield emulator


@pytest.fixture
def wait(execute, instance, caplog, monkeypatch):
    """Return a function that waits for a job group, and returns the error and the log of the
    task.
    """
    monkeypatch.setattr("time.sleep", lambda _: None)

    def run(kind="sensor", error=AirflowFailException, **options):
        options = {"task_id": "wait", "poke_interval": 0.01, **options}
        if kind == "sensor":
            ids = [group.id for group in instance.store.run_deployment(1)]
            operator = JobGroupSensor(job_group_ids=ids, timeout=5, **options)
        elif kind == "deployment":
            operator = RunDeploymentOperator(deployment_id=1, **options)
        elif kind == "flow":
            operator = RunFlowOperator(flow_name="Daily", **options)
        else:
            recipe_id = instance.store.recipes()[0].id
            operator = RunJobGroupOperator(recipe_id=recipe_id, **options)
        caplog.clear()
        caplog.set_level(logging.INFO)
        with pytest.raises(error) as caught:
            execute(operator)
        return caught.value, [one for one in caplog.records if one.name == _job_log.__name__]

    return run


def asked(instance):
    return [call for call in instance.calls if call.path.endswith("/logs")]


@modes
@pytest.mark.parametrize("kind", WAITS)
def test_a_failed_job_shows_its_log_under_the_error(wait, instance, kind, deferrable):
    instance.runs.add(RunOutcome(message="no such table"))
    error, records = wait(kind, deferrable=deferrable)
    messages = [record.getMessage() for record in records]
    lines = [message for message in messages if message.startswith("  | ")]
    told, head = messages[: -len(lines)][-2:]
    assert "no such table" in told
    group = instance.store.job_groups()[-1]
    assert str(group.id) in head
    assert messages[-len(lines) :] == lines
    assert any(line.endswith("no such table") for line in lines)
    assert len(asked(instance)) == 1
    # It is a help for the reader, and no part of the error.
    assert lines[0].removeprefix("  | ") not in str(error)


@pytest.mark.parametrize("kind", WAITS)
@pytest.mark.parametrize("answer", [None, Answer(503)])
def test_it_is_read_only_if_a_job_failed(wait, instance, kind, answer):
    if answer is None:
        with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
            wait(kind)
    else:
        status = {"method": "GET", "path": "/v4/jobGroups/*/status"}
        instance.faults.add(Fault(answer, **status, times=None))
        wait(kind, error=Exception, tolerated_outage=0)
    assert asked(instance) == []


@modes
@pytest.mark.parametrize("kind", WAITS)
@pytest.mark.parametrize(
    "effect",
    [Answer(404), Answer(403), Answer(503), Answer(200), Reset("before_body"), Truncate(20)],
    ids=lambda effect: f"{type(effect).__name__}-{getattr(effect, 'status', '')}",
)
def test_an_instance_that_does_not_serve_it_costs_one_line(
    wait, instance, kind, effect, deferrable
):
    instance.runs.add(RunOutcome(message="no such table"))
    instance.faults.add(Fault(effect, **LOGS, times=None))
    error, (*_, told, last) = wait(kind, deferrable=deferrable)
    assert "no such table" in str(error)
    assert "no such table" in told.getMessage()
    assert len(last.getMessage().splitlines()) == 1
    assert len(asked(instance)) == 1


@pytest.mark.parametrize("kind", WAITS)
@pytest.mark.parametrize("failure", [RuntimeError("odd"), AirflowTaskTimeout("time is up")])
def test_no_failure_to_read_it_changes_the_end(wait, instance, monkeypatch, kind, failure):
    def read(*_):
        raise failure

    monkeypatch.setattr(JobGroups, "log", read)
    instance.runs.add(RunOutcome(message="no such table"))
    error, _ = wait(kind)
    assert "no such table" in str(error)


@pytest.mark.slow
def test_a_server_that_drips_is_left(wait, instance, monkeypatch):
    monkeypatch.setattr(_job_log, "_SECONDS", 0.2)
    instance.runs.add(RunOutcome(message="no such table"))
    instance.faults.add(Fault(Delay(3), **LOGS))
    error, _ = wait()
    assert "no such table" in str(error)


@modes
def test_a_sensor_that_skips_shows_it_too(wait, instance, deferrable):
    instance.runs.add(RunOutcome(message="no such table"))
    _, records = wait(error=AirflowSkipException, soft_fail=True, deferrable=deferrable)
    assert any(one.getMessage().endswith("no such table") for one in records)
