"""kill -9 of a real task, then Airflow's own retry, under a real scheduler."""

from __future__ import annotations

import os
import random
import signal
from urllib.parse import urlsplit

import psutil
import pytest
from airflow import __version__ as version

from airflow_provider_trifacta.emulator.effects import Hold
from airflow_provider_trifacta.emulator.faults import Fault

pytestmark = pytest.mark.every_airflow

CREATE = {"method": "POST", "path": "/v4/deployments/*/releases"}


def kill_client_of(url: str) -> None:
    """Kill the process that has a connection to a server: the task that is uploading."""
    port = urlsplit(url).port
    for connection in psutil.net_connections("tcp"):
        if connection.raddr and connection.raddr.port == port and connection.pid not in (None, os.getpid()):
            os.kill(connection.pid, signal.SIGKILL)
            return
    raise AssertionError("no task is connected to the emulator")


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
