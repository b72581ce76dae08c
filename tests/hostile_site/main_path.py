"""The suite's main path, for ``test_hostile_site.py``, which runs this in processes whose
environment is hostile.

Two promotions between two instances in real DAG runs: one is kept, and one is rolled back. The
tests' ``conftest.py`` is not loaded, since it makes an environment a friendly one. This has what
users' tests have, the emulator's plugin.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.models import DagBag
from trifacta_emulator import Emulator, EmulatorOptions, RunOutcome

DAGS = Path(__file__).parent / "dags"
#: The conditions of each site to run this at, in addition to the environment.
SITES = json.loads(os.environ.get("TEST_SITES", "[[]]"))


@pytest.fixture(params=SITES, ids=", ".join)
def conditions(request):
    return request.param


@pytest.fixture
def host(conditions):
    if "IPv6" not in conditions:
        return "127.0.0.1"
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return "::1"
    except OSError:
        pytest.skip("no IPv6 loopback on this machine")


@pytest.fixture
def dev(trifacta_emulator, host):
    """The plugin's emulator, or one at another address."""
    if host == "127.0.0.1":
        yield trifacta_emulator
        return
    with Emulator(host=host) as emulator:
        yield emulator


@pytest.fixture
def prod(host):
    with Emulator(EmulatorOptions(job_start_seconds=0, job_run_seconds=0), host=host) as emulator:
        yield emulator


@pytest.fixture
def site(conditions, dev, prod, monkeypatch, tmp_path):
    """A flow in Dev and a deployment in Prod; ``site.run()`` promotes, and returns the states of
    run and tasks."""
    flow_id, deployment_id = (
        dev.store.create_flow("Orders").id,
        prod.store.create_deployment("Orders").id,
    )
    folder = tmp_path / "packages"
    folder.mkdir()
    conf = {
        "flow_id": flow_id,
        "deployment_id": deployment_id,
        "folder": str(folder),
        "region": "02",
    }
    # Airflow 3 only runs what is in one of its bundles.
    bundle = {
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(DAGS)},
    }
    bundles = json.dumps([{"name": "dags-folder", **bundle}])
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", bundles)
    monkeypatch.setenv("TEST_NATIVE", "1" if "native rendering" in conditions else "")
    user = {"conn_type": "trifacta", "login": "admin@example.com", "password": "admin-password"}
    for name, emulator in (("DEV", dev), ("PROD", prod)):
        monkeypatch.setenv(
            f"AIRFLOW_CONN_TRIFACTA_{name}", json.dumps({**user, "host": emulator.url})
        )

    def run():
        bag = DagBag(str(DAGS / "main_path.py"))
        assert bag.import_errors == {}
        options = {"logical_date": None} if "no logical date" in conditions else {}
        dag_run = bag.dags["main_path"].test(run_conf=conf, **options)
        assert (dag_run.logical_date is None) == bool(options)
        tasks = {
            one.task_id.rpartition(".")[2]: str(one.state) for one in dag_run.get_task_instances()
        }
        return str(dag_run.state), tasks

    return SimpleNamespace(dev=dev, prod=prod, deployment_id=deployment_id, run=run)


def test_one_promotion_is_kept_and_the_next_one_is_rolled_back(site):
    state, tasks = site.run()
    assert (state, tasks["promoted"], tasks["roll_back"]) == ("success", "success", "skipped")
    first = site.prod.store.active_release(site.deployment_id)
    (job_group,) = site.prod.store.job_groups()
    assert (job_group.status, dict(job_group.overrides)) == ("Complete", {"region": "02"})

    site.prod.runs.add(RunOutcome(status="Failed", message="Path does not exist"))
    state, tasks = site.run()
    assert (state, tasks["roll_back"]) == ("failed", "success")
    assert site.prod.store.active_release(site.deployment_id).id == first.id
    assert len(site.prod.store.releases(site.deployment_id)) == 2
    assert len(site.prod.store.job_groups()) == 2


def test_without_a_temporary_directory_nothing_is_promoted(site, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    state, tasks = site.run()
    assert (state, tasks["export"], tasks["create_release"]) == (
        "failed",
        "failed",
        "upstream_failed",
    )
    assert "TemporarySpaceError" in capsys.readouterr().out
    assert site.prod.store.releases(site.deployment_id) == ()
