"""Make the package orders.zip the live release of a deployment, and wait until it is."""

import os

import pendulum
from airflow.sdk import DAG

from airflow_provider_trifacta.operators.deployment import GetDeploymentOperator
from airflow_provider_trifacta.operators.release import CreateReleaseOperator
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor

PACKAGE = os.environ.get("TRIFACTA_PACKAGES", "/shared/packages") + "/orders.zip"

with DAG(
    dag_id="promote_a_zip",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    schedule=None,
    max_active_runs=1,
    default_args={"trifacta_conn_id": "trifacta_prod", "retries": 2},
):
    baseline = GetDeploymentOperator(task_id="baseline", deployment_name="Orders")
    create = CreateReleaseOperator(
        task_id="create_release",
        deployment_name="Orders",
        package_path=PACKAGE,
        baseline=baseline.output,
    )
    ReleaseActiveSensor(task_id="active", release_id=create.output["release_id"])
