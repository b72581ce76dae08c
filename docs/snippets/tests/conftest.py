"""What the tests of dags/promote_orders.py share: Airflow's database, and a Dev and a Prod
instance."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Before Airflow is imported: these tests have a database of their own.
DAGS = Path(__file__).resolve().parent.parent / "dags"
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-home-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(DAGS)
subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)

import pytest
from airflow.models import DagBag


@pytest.fixture
def promote(trifacta_dev, trifacta_prod, monkeypatch, tmp_path):
    """Return a function that runs the DAG once. Dev has the flow, and Prod the deployment."""
    monkeypatch.setenv("AIRFLOW_CONN_TRIFACTA_DEV", trifacta_dev.airflow_connection())
    monkeypatch.setenv("AIRFLOW_CONN_TRIFACTA_PROD", trifacta_prod.airflow_connection())
    monkeypatch.setenv("TRIFACTA_PACKAGES", str(tmp_path))
    trifacta_dev.store.create_flow("Orders", dataset_path="/data/orders.csv")
    trifacta_prod.store.create_deployment("Orders")
    return DagBag(str(DAGS / "promote_orders.py")).dags["promote_orders"].test
