"""kill -9 of real tasks, then Airflow's own retry, under a real scheduler."""

from __future__ import annotations

import json
import os
import random
import signal
from urllib.parse import urlsplit

import psutil
import pytest
from airflow import __version__ as version

from airflow_provider_trifacta.emulator import Emulator, EmulatorOptions, PresetFlow
from airflow_provider_trifacta.emulator.clock import ManualClock, utc_now
from airflow_provider_trifacta.emulator.effects import Hold
from airflow_provider_trifacta.emulator.faults import Fault

START = utc_now()
CREATE = {"method": "POST", "path": "/v4/deployments/*/releases"}


def kill_client_of(url: str) -> None:
    """Kill the process that has a connection to a server: the task that is uploading."""
    port = urlsplit(url).port
    for connection in psutil.net_connections("tcp"):
        if connection.raddr and connection.raddr.port == port and connection.pid not in (None, os.getpid()):
            os.kill(connection.pid, signal.SIGKILL)
            return
    raise AssertionError("no task is connected to the emulator")


@pytest.mark.every_airflow
@pytest.mark.parametrize(
    ("effect", "outcome"),
    [
        pytest.param(Hold("before_body"), "created", id="in-mid-upload"),
        pytest.param(Hold("after_commit"), "reused", id="before-the-answer"),
    ],
)
def test_one_release_and_a_green_run(standalone, emulator, make_package, effect, outcome):
    # Too large for the buffers between the two, so that the task really is in the middle of it.
    path = make_package(artifacts={"artifact_1.data": random.Random(1).randbytes(30_000_000)})
    armed = emulator.faults.add(Fault(effect, **CREATE))
    airflow = standalone(emulator, TEST_PACKAGE=str(path))
    airflow.trigger("killed")
    airflow.wait_for(lambda: armed.waiting, "upload")
    kill_client_of(emulator.url)
    armed.release()
    if version.startswith("3.0."):
        # Airflow 3.0 does not retry a killed task: somebody clears it.
        assert airflow.run_state("killed") == "failed"
        airflow.run("tasks", "clear", "killed", "--task-regex", "create_release", "--downstream", "--yes")
        airflow.wait_for(lambda: airflow.tries("killed", "create_release") >= 2, "second try")
    assert airflow.run_state("killed") == "success", airflow.log()
    (release,) = emulator.store.releases(1)
    assert emulator.store.active_release(1) == release
    assert airflow.tries("killed", "create_release") >= 2
    rows = airflow.query("select value from xcom where task_id = 'create_release' and key = 'outcome'")
    assert [outcome in str(value) for (value,) in rows] == [True]


@pytest.fixture
def dev():
    with Emulator(EmulatorOptions(flows=(PresetFlow("Daily Orders", dataset_path="/dev/orders.csv"),))) as emulator:
        yield emulator


class AheadOfTime(ManualClock):
    """The real time, and what the test goes ahead of it."""

    def __call__(self):
        return super().__call__() + (utc_now() - START)


@pytest.fixture
def clock():
    return AheadOfTime(START)


@pytest.fixture
def prod(clock):
    """An instance whose jobs take an hour."""
    with Emulator(EmulatorOptions(clock=clock, job_run_seconds=3600)) as emulator:
        emulator.store.create_deployment("Orders")
        yield emulator


#: For each step of a promotion: a request that it alone makes, and whether it is killed before or after it is done.
KILLS = {
    "baseline": ("GET", "/v4/deployments/*", "before_body"),
    "export": ("GET", "/v4/flows/*/package", "after_commit"),
    "import_rules": ("PATCH", "/v4/deployments/*/valueImportRules", "after_commit"),
    "dry_run": ("POST", "/v4/deployments/*/releases/dryRun", "after_commit"),
    "create_release": ("POST", "/v4/deployments/*/releases", "after_commit"),
    "active": ("GET", "/v4/releases/*", "before_body"),
    "promoted": ("GET", "/v4/releases", "before_body"),
}
RUN = ("POST", "/v4/deployments/*/run", "after_commit")
ROLL_BACK = ("PATCH", "/v4/releases/*", "after_commit")


@pytest.mark.every_airflow
@pytest.mark.skipif(version.startswith("3.0."), reason="Airflow 3.0 does not retry a killed task")
def test_whichever_step_of_a_promotion_is_killed_it_ends_the_same(standalone, dev, prod, clock, tmp_path):
    connection = {"conn_type": "trifacta", "login": "admin@example.com", "password": "admin-password"}
    environment = {
        f"AIRFLOW_CONN_TRIFACTA_{name}": json.dumps({**connection, "host": instance.url})
        for name, instance in (("DEV", dev), ("PROD", prod))
    }
    airflow = standalone(prod, TEST_FOLDER=str(tmp_path / "packages"), **environment)

    def arm(method, path, when):
        instance = dev if "flows" in path else prod
        return instance, instance.faults.add(Fault(Hold(when), method=method, path=path))

    def kill(step, instance, armed):
        airflow.wait_for(lambda: armed.waiting, f"request of {step}")
        kill_client_of(instance.url)
        armed.release()

    def tries(run_id):
        statement = "select task_id, try_number from task_instance where dag_id = 'promotion' and run_id = ?"
        return {task_id.rpartition(".")[2]: number for task_id, number in airflow.query(statement, run_id)}

    # A run in which every step is killed once, but for the smoke run.
    run_id = airflow.start_run("promotion")
    for step, request in KILLS.items():
        if step == "promoted":
            # The list is read by many steps, so it is only watched once the smoke run has read it.
            _, smoke = arm(*RUN)
            airflow.wait_for(lambda held=smoke: held.waiting, "smoke run")
            armed = arm(*request)
            smoke.release()
            # It waits in the triggerer while the jobs run.
            airflow.wait_for(lambda: "deferred" in airflow.task_states("promotion", run_id).values(), "deferral")
            clock.advance(7200)
            kill(step, *armed)
        else:
            kill(step, *arm(*request))
    assert airflow.run_state("promotion", run_id) == "success", airflow.log()
    (release,) = prod.store.releases(1)
    assert prod.store.active_release(1) == release
    assert [one.status for one in prod.store.job_groups()] == ["Complete"]
    assert {step: number for step, number in tries(run_id).items() if step != "roll_back"} == {
        **dict.fromkeys(KILLS, 2),
        "smoke_run": 1,
    }

    # The death of the smoke run ends in the rollback, and that is killed too.
    run_id = airflow.start_run("promotion")
    kill("smoke_run", *arm(*RUN))
    kill("roll_back", *arm(*ROLL_BACK))
    assert airflow.run_state("promotion", run_id) == "failed"
    assert prod.store.active_release(1).id == release.id
    assert len(prod.store.releases(1)) == 2
    assert len(prod.store.job_groups()) == 2
    assert (tries(run_id)["smoke_run"], tries(run_id)["roll_back"]) == (1, 2)
    assert sorted(one.name for one in (tmp_path / "packages").iterdir() if not one.name.startswith(".")) == sorted(
        f"{row[0]}.zip" for row in airflow.query("select run_id from dag_run where dag_id = 'promotion'")
    )
