"""What nobody in this Airflow did starts DAGs, also across a restart of the triggerer; and a failed
job's log stands in the log of its task.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from killing import clients_of
from trifacta_emulator import (
    Emulator,
    EmulatorOptions,
    PresetFlow,
    RunOutcome,
    build_package,
    read_package,
)

from airflow_provider_trifacta._compat import KEEPS_STATE

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ("deployment_changes.py", "run_flows_and_recipes.py")
CONSUMER = "deployment_changed"
#: Seconds for one step on a busy machine: a triggerer first builds an API of its own, to reach the
#: asset state store.
PATIENCE = 600

pytestmark = pytest.mark.skipif(not KEEPS_STATE, reason="the watch needs Airflow 3.3")


@pytest.fixture(scope="module")
def instance():
    options = EmulatorOptions(flows=(PresetFlow("Orders"),), job_start_seconds=0, job_run_seconds=0)
    with Emulator(options) as emulator:
        emulator.store.create_deployment("Orders")
        yield emulator


@pytest.fixture(scope="module")
def release_of(instance):
    """Return a function that makes a release, live at once, as anybody does it."""
    return lambda: instance.store.create_release(1, read_package(io.BytesIO(build_package())))


@pytest.fixture(scope="module")
def airflow(shared_standalone, instance, release_of, tmp_path_factory):
    release_of()
    folder = tmp_path_factory.mktemp("dags")
    for name in EXAMPLES:
        shutil.copy(ROOT / "example_dags" / name, folder)
    return shared_standalone(
        instance,
        AIRFLOW__CORE__DAGS_FOLDER=str(folder),
        # After so many seconds another triggerer takes over what the killed one had.
        AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD="5",
        TRIFACTA_HOST=instance.url,
        TRIFACTA_DEPLOYMENT_ID="1",
        TRIFACTA_WATCH_SECONDS="1",
    )


def changes_seen(airflow):
    """Return the releases before and after each change, as the events have them."""
    rows = airflow.query("select extra from asset_event order by id")
    payloads = [json.loads(extra).get("payload") for (extra,) in rows]
    return [(one["previous_release_id"], one["release_id"]) for one in payloads if one]


def noted(airflow):
    """Return which release the asset's note has as live; None if there is no note."""
    rows = airflow.query("select value from asset_state_store")
    return json.loads(rows[0][0])["release_id"] if rows else None


def looks(instance):
    return sum(call.path == "/v4/releases" for call in list(instance.calls))


def wait_for_looks(airflow, instance, count=3):
    wanted = looks(instance) + count
    airflow.wait_for(lambda: looks(instance) >= wanted, "look of the triggerer", PATIENCE)


def kill_triggerer(airflow, instance):
    airflow.wait_for(lambda: clients_of(instance.url), "look of the triggerer", PATIENCE)
    for process in clients_of(instance.url):
        os.kill(process, signal.SIGKILL)
    airflow.wait_for(lambda: not clients_of(instance.url), "end of the triggerer")


@pytest.mark.system
def test_anybodys_activation_starts_a_dag_also_after_a_restart(airflow, instance, release_of):
    first = instance.store.active_release(1)
    airflow.wait_for(lambda: noted(airflow) == first.id, "first look", PATIENCE)
    second = release_of()
    airflow.wait_for(lambda: changes_seen(airflow), "event", PATIENCE)
    airflow.wait_for(lambda: noted(airflow) == second.id, "note", PATIENCE)
    assert airflow.run_state(CONSUMER, seconds=PATIENCE) == "success", airflow.log()
    (row,) = airflow.query(
        "select value from xcom where dag_id = ? and key = 'return_value'", CONSUMER
    )
    (message,) = json.loads(row[0])
    words = f"deployment 1: release {second.id} is live in place of {first.id}, seen at "
    assert message.startswith(words)

    kill_triggerer(airflow, instance)
    instance.store.update_release(first.id, active=True)
    airflow.start_triggerer()
    expected = [(first.id, second.id), (second.id, first.id)]
    airflow.wait_for(lambda: changes_seen(airflow) == expected, "event", PATIENCE)
    airflow.wait_for(lambda: noted(airflow) == first.id, "note", PATIENCE)

    kill_triggerer(airflow, instance)
    airflow.start_triggerer()
    wait_for_looks(airflow, instance, 20)
    assert changes_seen(airflow) == expected

    def runs():
        return airflow.query("select state from dag_run where dag_id = ?", CONSUMER)

    airflow.wait_for(lambda: runs() == [("success",)] * 2, "second run", PATIENCE)
    assert {call.method for call in instance.calls} == {"GET"}


@pytest.mark.system
def test_a_failed_jobs_log_stands_under_the_error(airflow, instance):
    instance.runs.add(RunOutcome(message="no such table"))
    run_id = airflow.start_run("run_flow")
    assert airflow.run_state("run_flow", run_id, PATIENCE) == "failed"
    log = airflow.task_log("run_flow", run_id, "flow", 1)
    group = instance.store.job_groups()[-1]
    error, shown = log.index("JobFailedError"), log.index(f"log of job group {group.id}")
    assert error < shown
    assert "ERROR no such table" in log[shown:]
