"""A promotion whose task is killed by the test; everything it needs comes from the environment."""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

from airflow_provider_trifacta.operators.deployment import GetDeploymentOperator
from airflow_provider_trifacta.operators.release import CreateReleaseOperator
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor

with DAG(
    dag_id="killed",
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=1)},
) as dag:
    baseline = GetDeploymentOperator(task_id="baseline", deployment_id=1)
    create = CreateReleaseOperator(
        task_id="create_release",
        deployment_id=1,
        package_path=os.environ.get("TEST_PACKAGE", ""),
        baseline=baseline.output,
        settle_timeout=5,
    )
    ReleaseActiveSensor(task_id="wait", release_id=create.output["release_id"], deferrable=True, poke_interval=1)
