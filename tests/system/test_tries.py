"""What Airflow makes of a task's tries where people edit its DAG file, clear it while it runs, or
stop its worker, under a real scheduler."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import psutil
import pytest
from airflow import __version__ as version
from killing import clients_of, kill_client_of
from trifacta_emulator import Emulator, EmulatorOptions, Fault, Hold, PresetFlow, read_package

from airflow_provider_trifacta._compat import KEEPS_STATE

PERSON = {"login": "admin@example.com", "password": "admin-password"}
#: Seconds for one step on a busy machine.
PATIENCE = 300
#: Seconds after which Airflow takes a worker for lost that has sent no heartbeat.
HEARTBEAT_TIMEOUT = 30
UPLOAD = ("POST", "/v4/deployments/*/releases")
LIST = ("GET", "/v4/releases")
ACTIVATE = ("PATCH", "/v4/releases/*")
RUN = ("POST", "/v4/deployments/*/run")
RUN_FLOW = ("POST", "/v4/flows/*/run")

pytestmark = [
    pytest.mark.every_airflow,
    pytest.mark.skipif(version.startswith("3.0."), reason="it does not retry a killed task"),
    # Earlier lines, which start an Airflow of their own for it, follow each night.
    *([] if KEEPS_STATE else [pytest.mark.system]),
]


@pytest.fixture(scope="module")
def prod():
    with Emulator(EmulatorOptions(job_start_seconds=0, job_run_seconds=2)) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def dev():
    flow = PresetFlow("Daily Orders", dataset_path="/dev/orders.csv")
    with Emulator(EmulatorOptions(flows=(flow,))) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def dag_file(tmp_path_factory):
    """A DAG file that the tests edit."""
    folder = tmp_path_factory.mktemp("dags")
    return Path(shutil.copy(Path(__file__).parent / "tries_dags" / "edited.py", folder))


@pytest.fixture(scope="module")
def airflow(shared_standalone, prod, dev, dag_file, tmp_path_factory):
    """One Airflow for all of these tests, since it takes half a minute to start."""
    connections = {
        f"AIRFLOW_CONN_TRIFACTA_{name}": json.dumps(
            {"conn_type": "trifacta", **PERSON, "host": instance.url}
        )
        for name, instance in (("DEV", dev), ("PROD", prod))
    }
    return shared_standalone(
        prod,
        AIRFLOW__CORE__DAGS_FOLDER=str(dag_file.parent),
        AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT=str(HEARTBEAT_TIMEOUT),
        AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL="2",
        TEST_FOLDER=str(tmp_path_factory.mktemp("packages")),
        **connections,
    )


@pytest.fixture
def lower_retries(dag_file):
    """Return a function that lowers ``retries`` in the DAG file, until the end of the test.

    By the numbers alone the next try then looks like the first one after a clear: Airflow allows
    three retries to the task, and the file one.
    """
    text = dag_file.read_text()
    yield lambda: dag_file.write_text(text.replace("RETRIES = 3", "RETRIES = 1"))
    dag_file.write_text(text)


def make_releases(prod, make_package, count):
    """Make a deployment with so many releases; the last one is live."""
    deployment_id = prod.store.create_deployment("Orders").id
    releases = []
    for _ in range(count):
        with make_package().open("rb") as package:
            release = prod.store.create_release(deployment_id, read_package(package))
        releases.append(release)
    return deployment_id, releases


def arm(instance, request, when="after_commit", skip=0):
    """Hold a request when it is done and its answer is not sent, or at another moment."""
    method, path = request
    return instance.faults.add(Fault(Hold(when), method=method, path=path, skip=skip))


def wait_for_request(airflow, held) -> None:
    airflow.wait_for(lambda: held.waiting, "request", PATIENCE)


def kill_at(airflow, instance, held) -> None:
    """Kill the task whose request is held."""
    wait_for_request(airflow, held)
    kill_client_of(instance.url)
    held.release()


def sent(instance, request, since):
    """Return how many requests of a kind an instance took."""
    method, path = request
    first, _, last = path.partition("*")
    return sum(
        call.method == method and call.path.startswith(first) and call.path.endswith(last)
        for call in instance.calls[since:]
    )


def test_a_retry_activates_over_nobody_after_retries_were_lowered(
    airflow, prod, make_package, lower_retries
):
    _, (older, wanted, _) = make_releases(prod, make_package, 3)
    calls_before, held = len(prod.calls), arm(prod, ACTIVATE)
    run_id = airflow.start_run("edited_activate", {"release_id": wanted.id})
    wait_for_request(airflow, held)
    prod.store.update_release(older.id, active=True)
    lower_retries()
    kill_at(airflow, prod, held)
    assert airflow.run_state("edited_activate", run_id, PATIENCE) == "failed", airflow.log()
    assert airflow.tries("edited_activate", run_id) == {"activate": 2}
    assert prod.store.active_release(older.deployment_id).id == older.id
    assert sent(prod, ACTIVATE, calls_before) == 1
    log = airflow.task_log("edited_activate", run_id, "activate", 2)
    assert "InterruptedChangeError" in log


@pytest.mark.system
@pytest.mark.skipif(not KEEPS_STATE, reason="nothing remembers the jobs before Airflow 3.3")
def test_a_retry_runs_a_deployment_once_after_retries_were_lowered(
    airflow, prod, make_package, lower_retries
):
    deployment_id, _ = make_releases(prod, make_package, 1)
    jobs_before, held = len(prod.store.job_groups()), arm(prod, RUN)
    run_id = airflow.start_run("edited_run", {"deployment_id": deployment_id})
    wait_for_request(airflow, held)
    lower_retries()
    kill_at(airflow, prod, held)
    assert airflow.run_state("edited_run", run_id, PATIENCE) == "failed", airflow.log()
    assert airflow.tries("edited_run", run_id) == {"run": 2}
    (job_group,) = prod.store.job_groups()[jobs_before:]
    log = airflow.task_log("edited_run", run_id, "run", 2)
    assert "AmbiguousSubmissionError" in log
    assert str(job_group.id) in log


@pytest.mark.system
def test_a_retry_runs_a_flow_once_after_retries_were_lowered(airflow, prod, lower_retries):
    flow = prod.store.create_flow("Nightly")
    jobs_before, held = len(prod.store.job_groups()), arm(prod, RUN_FLOW)
    run_id = airflow.start_run("edited_run_flow", {"flow_id": flow.id})
    wait_for_request(airflow, held)
    lower_retries()
    kill_at(airflow, prod, held)
    assert airflow.run_state("edited_run_flow", run_id, PATIENCE) == "success", airflow.log()
    assert airflow.tries("edited_run_flow", run_id) == {"run": 2}
    (job_group,) = prod.store.job_groups()[jobs_before:]
    assert job_group.status == "Complete"


def clear_all(airflow, dag_id, run_id, date) -> None:
    """Clear the whole run, as a person does."""
    if version.startswith("2."):
        airflow.run("tasks", "clear", "--yes", "-s", date, "-e", date, dag_id)
    else:
        airflow.clear(dag_id, run_id)


def test_a_group_that_is_cleared_during_its_upload_ends_red_and_names_that_upload(
    airflow, prod, make_package
):
    """The server finishes the abandoned upload while the second pass looks for it."""
    deployment_id, (recorded,) = make_releases(prod, make_package, 1)
    calls_before, held = len(prod.calls), arm(prod, UPLOAD, "after_body")
    dag_id, date = "cleared_group", "2024-05-05T00:00:00+00:00"
    run_id = airflow.start_run(dag_id, {"deployment_id": deployment_id}, date)
    wait_for_request(airflow, held)
    clear_all(airflow, dag_id, run_id, date)

    def uploads_again() -> bool:
        states = airflow.task_states(dag_id, run_id)
        tries = airflow.tries(dag_id, run_id)["create_release"]
        return tries == 2 and states["promote_flow.create_release"] == "running"

    airflow.wait_for(uploads_again, "second try of the upload", PATIENCE)
    held.release()
    assert airflow.run_state(dag_id, run_id, PATIENCE) == "failed", airflow.log()
    assert sent(prod, UPLOAD, calls_before) == 1
    _, abandoned = prod.store.releases(deployment_id)
    status = airflow.xcom(dag_id, run_id, "promote_flow.promoted", "promotion_status")
    live = prod.store.active_release(deployment_id)
    assert status["live_release_id"] == live.id, status
    assert status["previous_release_id"] == recorded.id
    attempts = airflow.tries(dag_id, run_id)["create_release"]
    log = airflow.task_log(dag_id, run_id, "promote_flow.create_release", attempts)
    expected = "UnexpectedLiveReleaseError" if KEEPS_STATE else "AmbiguousSubmissionError"
    assert expected in log, log[-4000:]
    words = "own abandoned upload" if KEEPS_STATE else "may be an earlier upload of this run"
    assert words in log, log[-4000:]
    assert f"release {abandoned.id}" in log.lower()


@pytest.mark.system
@pytest.mark.skipif(not KEEPS_STATE, reason="the journal of Airflow 3.3 refuses the first process")
def test_a_stopped_worker_that_goes_on_after_the_second_try_sends_nothing(
    airflow, prod, make_package
):
    """The first process has decided to upload, and its worker stops until the second ends."""
    deployment_id, _ = make_releases(prod, make_package, 1)
    # The baseline reads the list first.
    calls_before, held = len(prod.calls), arm(prod, LIST, "before_body", skip=1)
    conf = {"deployment_id": deployment_id, "package_path": str(make_package())}
    run_id = airflow.start_run("run_twice_at_once", conf)
    wait_for_request(airflow, held)
    (task_pid,) = clients_of(prod.url)
    task = psutil.Process(task_pid)
    worker = task.parent()
    stopped = [worker, task]
    try:
        for process in stopped:
            os.kill(process.pid, signal.SIGSTOP)
        held.release()
        assert airflow.run_state("run_twice_at_once", run_id, PATIENCE) == "success", airflow.log()
        assert airflow.tries("run_twice_at_once", run_id)["create_release"] == 2
    finally:
        for process in stopped:
            os.kill(process.pid, signal.SIGCONT)
    airflow.wait_for(lambda: not task.is_running(), "end of the first process", PATIENCE)
    assert sent(prod, UPLOAD, calls_before) == 1
    _, release = prod.store.releases(deployment_id)
    assert prod.store.active_release(deployment_id) == release
    returned = airflow.xcom("run_twice_at_once", run_id, "create_release")
    assert returned["release_id"] == release.id
