"""Examples that need a scheduler: one asks a person, the other one starts a DAG by an
asset event.
"""

from __future__ import annotations

import json
import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from airflow import __version__ as version
from trifacta_emulator import Emulator, EmulatorOptions, ManualClock, PresetFlow, utc_now

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


def wait_until_pause_is_noticed(airflow, run_id, task_id):
    """Before the scheduler has noticed that a task paused, an answer or event fails it: Airflow
    3.3.2 itself."""
    noticed = (
        rf"Received executor event with state success .*task_id='{task_id}',"
        rf" run_id='{re.escape(run_id)}'"
    )
    airflow.wait_for(
        lambda: re.search(noticed, (airflow.home / "standalone.log").read_text()), "pause"
    )


def ask(airflow, **conf):
    """Start a run, and wait until it asks: the run's id and the question."""
    run_id = airflow.start_run(APPROVAL, conf)
    waiting = ("deferred", "awaiting_input")
    airflow.wait_for(
        lambda: airflow.task_states(APPROVAL, run_id).get("approve") in waiting, "question"
    )
    wait_until_pause_is_noticed(airflow, run_id, "approve")
    return run_id, airflow.call("GET", DETAILS.format(run_id))


def answer(airflow, run_id, option):
    """Answer, and wait for the end: the run's state and its tasks'."""
    airflow.call("PATCH", DETAILS.format(run_id), {"chosen_options": [option], "params_input": {}})
    return airflow.run_state(APPROVAL, run_id), airflow.task_states(APPROVAL, run_id)


@pytest.mark.system
@pytest.mark.skipif(HERE < (3, 1), reason="people are asked from Airflow 3.1 on")
def test_staged_release_with_approval(airflow, emulator, make_package):
    # Nothing is live, so nothing is expected to be.
    run_id, question = ask(airflow)
    (release,) = emulator.store.releases(1)
    assert not release.active
    assert question["subject"] == f"Make release {release.id} live?"
    body = question["body"]
    assert body.startswith(
        f"Import of package `{release.package_uuid}` (flows: `Daily Orders`)\n\n"
        "Deployment: `Orders` (1). No release is live now. The package was exported at "
    )
    assert "**Reads of `Daily Orders`**" in body
    assert "**Writes of `Daily Orders`**" in body
    assert "The dry run found no problem" in body
    state, _ = answer(airflow, run_id, "Approve")
    assert state == "success", airflow.log()
    assert emulator.store.active_release(1).id == release.id

    run_id, _ = ask(airflow, package_path=str(make_package()))
    state, tasks = answer(airflow, run_id, "Reject")
    assert (state, tasks["activate"]) == ("success", "skipped")
    assert emulator.store.active_release(1).id == release.id

    run_id, _ = ask(airflow, package_path=str(make_package()))
    # A person activates the rejected one in the meantime, so the answer is about an old state.
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
    text = (
        f"release {release.id} of deployment 1 is live: package {release.package_uuid}, primary"
        f" flows {flows}"
    )
    # Airflow 3.0 starts a DAG by an alias, but does not hand it the events.
    assert json.loads(read) == ([] if HERE == (3, 0) else [text])


@pytest.mark.system
@pytest.mark.skipif(HERE < (3, 3), reason="pools are alike on every line")
def test_two_dags_promote_to_one_deployment_in_turn(standalone, tmp_path):
    """Both begin at once. The smoke run's jobs last until their wait is deferred, in which it keeps
    the slot."""
    weekly, urgent = "promote_orders_weekly", "promote_orders_urgent"
    folder, packages = tmp_path / "dags", tmp_path / "packages"
    folder.mkdir()
    packages.mkdir()
    shutil.copy(Path(EXAMPLES) / "one_deployment_two_dags.py", folder)
    person = {"conn_type": "trifacta", "login": "admin@example.com", "password": "admin-password"}
    flow = PresetFlow("Daily Orders", dataset_path="/dev/orders.csv")
    clock = ManualClock(utc_now())
    with (
        Emulator(EmulatorOptions(flows=(flow,))) as dev,
        Emulator(EmulatorOptions(clock=clock)) as prod,
    ):
        deployment_id = prod.store.create_deployment("Orders").id
        airflow = standalone(
            prod,
            AIRFLOW__CORE__DAGS_FOLDER=str(folder),
            AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE="True",
            AIRFLOW_CONN_TRIFACTA_DEV=json.dumps({**person, "host": dev.url}),
            AIRFLOW_CONN_TRIFACTA_PROD=json.dumps({**person, "host": prod.url}),
            TRIFACTA_FLOW_ID=str(dev.store.flows()[0].id),
            TRIFACTA_DEPLOYMENT_ID=str(deployment_id),
            TRIFACTA_PACKAGES=str(packages),
        )
        # Tasks of a pool that is not there wait for it.
        runs = {dag_id: airflow.start_run(dag_id) for dag_id in (urgent, weekly)}
        for run in runs.items():
            airflow.wait_for(
                lambda run=run: (
                    airflow.task_states(*run).get("promote_flow.baseline") == "scheduled"
                ),
                f"begin of {run}",
            )
        airflow.run(
            "pools", "set", "trifacta_orders", "1", "Promotions to Orders", "--include-deferred"
        )

        def ended(dag_id):
            """Let the jobs of a deferred wait end, and tell the run's state once it has ended."""
            if (
                airflow.task_states(dag_id, runs[dag_id]).get("promote_flow.smoke_jobs")
                == "deferred"
            ):
                wait_until_pause_is_noticed(airflow, runs[dag_id], "promote_flow.smoke_jobs")
                clock.advance(60)
            ((state,),) = airflow.query("select state from dag_run where run_id = ?", runs[dag_id])
            return state if state in ("success", "failed") else None

        def end():
            states = {dag_id: ended(dag_id) for dag_id in runs}
            return states if all(states.values()) else None

        states = airflow.wait_for(end, "end of both", 240)
        columns = (
            "select start_date, end_date, dag_id, task_id from task_instance where dag_id = ? and"
            " run_id = ?"
        )
        times = sorted(
            row for run in runs.items() for row in airflow.query(columns, *run) if row[0]
        )
        assert [(one, later) for one, later in pairwise(times) if one[1] > later[0]] == []
        # The slot is free between two tasks. Where the other promotion began just then, one of them
        # has stopped.
        stopped = [dag_id for dag_id, state in states.items() if state == "failed"]
        for dag_id in stopped:
            logs = airflow.home.rglob(f"dag_id={dag_id}/**/attempt=*.log")
            assert any("UnexpectedLiveReleaseError" in one.read_text() for one in logs)
            airflow.clear(dag_id, runs[dag_id])
            assert (
                airflow.wait_for(lambda dag_id=dag_id: ended(dag_id), "end of the rest", 240)
                == "success"
            )
        releases = prod.store.releases(deployment_id)
        assert len({one.package_uuid for one in releases}) == len(releases)
        assert 2 <= len(releases) <= 2 + len(stopped)
