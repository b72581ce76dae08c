"""Examples that need a scheduler: one asks a person, the other one starts a DAG by an asset event."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from airflow import __version__ as version

HERE = tuple(map(int, version.split(".")[:2]))
EXAMPLES = str(Path(__file__).parent.parent.parent / "example_dags")
APPROVAL = "staged_release_with_approval"
DETAILS = f"/dags/{APPROVAL}/dagRuns/{{}}/taskInstances/approve/-1/hitlDetails"


@pytest.fixture
def airflow(standalone, emulator, make_package):
    """An Airflow with the examples, whose defaults are the emulator's deployment and a package."""
    package = make_package(flow_name="Daily Orders")
    return standalone(
        emulator,
        AIRFLOW__CORE__DAGS_FOLDER=EXAMPLES,
        TRIFACTA_DEPLOYMENT_ID="1",
        TRIFACTA_PACKAGE=str(package),
    )


def ask(airflow, **conf):
    """Start a run, and wait until it asks: the run's id and the question."""
    run_id = airflow.start_run(APPROVAL, conf)
    waiting = ("deferred", "awaiting_input")
    airflow.wait_for(lambda: airflow.task_states(APPROVAL, run_id).get("approve") in waiting, "question")
    # An answer before the scheduler has noticed that the task paused fails the task: Airflow 3.3.2 itself.
    noticed = rf"Received executor event with state success .*task_id='approve', run_id='{re.escape(run_id)}'"
    airflow.wait_for(lambda: re.search(noticed, (airflow.home / "standalone.log").read_text()), "pause")
    return run_id, airflow.call("GET", DETAILS.format(run_id))


def answer(airflow, run_id, option):
    """Answer, and wait for the end: the run's state and its tasks'."""
    airflow.call("PATCH", DETAILS.format(run_id), {"chosen_options": [option], "params_input": {}})
    return airflow.run_state(APPROVAL, run_id), airflow.task_states(APPROVAL, run_id)


@pytest.mark.skipif(HERE < (3, 1), reason="people are asked from Airflow 3.1 on")
def test_staged_release_with_approval(airflow, emulator, make_package):
    # Nothing is live, so nothing is expected to be.
    run_id, question = ask(airflow)
    (release,) = emulator.store.releases(1)
    assert not release.active
    assert question["subject"] == f"Make release {release.id} live?"
    assert question["body"].startswith(f"Import of package `{release.package_uuid}` (flows: Daily Orders)")
    assert "The dry run found no problem." in question["body"]
    state, _ = answer(airflow, run_id, "Approve")
    assert state == "success", airflow.log()
    assert emulator.store.active_release(1).id == release.id

    run_id, _ = ask(airflow, package_path=str(make_package()))
    state, tasks = answer(airflow, run_id, "Reject")
    assert (state, tasks["activate"]) == ("success", "skipped")
    assert emulator.store.active_release(1).id == release.id

    run_id, _ = ask(airflow, package_path=str(make_package()))
    # Somebody takes the rejected one meanwhile, so the answer is about what is no more.
    _, rejected, _ = emulator.store.releases(1)
    emulator.store.update_release(rejected.id, active=True)
    state, tasks = answer(airflow, run_id, "Approve")
    assert (state, tasks["activate"]) == ("failed", "failed")
    assert emulator.store.active_release(1).id == rejected.id


@pytest.mark.every_airflow
@pytest.mark.skipif(HERE < (3, 0), reason="there are assets on Airflow 3")
def test_release_events(airflow, emulator):
    consumer = "release_events_consume"
    promoted = airflow.start_run("release_events_promote")
    assert airflow.run_state("release_events_promote", promoted) == "success", airflow.log()
    (release,) = emulator.store.releases(1)
    assert airflow.run_state(consumer) == "success", airflow.log()
    values = "select value from xcom where dag_id = ? and key = ?"
    ((flows,),) = airflow.query(values, "release_events_promote", "primary_flow_ids")
    ((read,),) = airflow.query(values, consumer, "return_value")
    text = f"release {release.id} of deployment 1 is live: package {release.package_uuid}, primary flows {flows}"
    # Airflow 3.0 starts a DAG by an alias, but does not hand it the events.
    assert json.loads(read) == ([] if HERE == (3, 0) else [text])
