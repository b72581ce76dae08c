"""Tests of dags/promote_orders.py on an emulated Dev and Prod. They need no network and no running Airflow."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Before Airflow is imported: these tests have a database of their own.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-home-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
DAGS = Path(__file__).resolve().parent.parent / "dags"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(DAGS)

import pytest
from airflow.models import DagBag
from trifacta_emulator import Emulator, EmulatorOptions, PresetFlow


@pytest.fixture(scope="session", autouse=True)
def database():
    """Make Airflow's database, once."""
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)


def connect(monkeypatch, conn_id, emulator):
    """Let an emulator be a connection of Airflow."""
    login = {"login": "admin@example.com", "password": "admin-password"}
    value = {"conn_type": "trifacta", "host": emulator.url, **login}
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(value))


@pytest.fixture
def dev(monkeypatch):
    """Dev, with the flow."""
    options = EmulatorOptions(flows=(PresetFlow("Orders", dataset_path="/data/orders.csv"),))
    with Emulator(options) as emulator:
        connect(monkeypatch, "trifacta_dev", emulator)
        yield emulator


@pytest.fixture
def prod(monkeypatch):
    """Prod, with the deployment. It has no file /data/returns.csv, and its jobs end at once."""
    options = EmulatorOptions(missing_paths=("/data/returns.csv",), job_start_seconds=0, job_run_seconds=0)
    with Emulator(options) as emulator:
        emulator.store.create_deployment("Orders")
        connect(monkeypatch, "trifacta_prod", emulator)
        yield emulator


@pytest.fixture
def promote(monkeypatch, tmp_path):
    """Return a function that runs the DAG once, and returns its run."""
    monkeypatch.setenv("TRIFACTA_PACKAGES", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def run():
        bag = DagBag(str(DAGS / "promote_orders.py"))
        assert bag.import_errors == {}
        return bag.dags["promote_orders"].test()

    return run


@pytest.mark.usefixtures("dev")
def test_the_flow_becomes_the_live_release(promote, prod):
    assert promote().state == "success"
    (release,) = prod.store.releases(1)
    assert prod.store.active_release(1) == release
    assert len(prod.store.job_groups()) == 1


def test_a_flow_that_does_not_run_is_rolled_back(promote, dev, prod):
    promote()
    good = prod.store.active_release(1)
    # Its author lets the flow read a file that Prod does not have.
    dev.store.edit_flow(dev.store.flows()[0].id, dataset_path="/data/returns.csv")
    assert promote().state == "failed"
    assert prod.store.active_release(1).id == good.id
