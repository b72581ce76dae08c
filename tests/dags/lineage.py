"""Two runs of a deployment: one waits in the worker, the other one is deferred."""

from __future__ import annotations

import os

import pendulum

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

from airflow_provider_trifacta.operators.deployment import RunDeploymentOperator

with DAG(
    dag_id="lineage", start_date=pendulum.datetime(2024, 1, 1, tz="UTC"), schedule=None
) as dag:
    in_worker, deferred = (
        RunDeploymentOperator(
            task_id=task_id,
            deployment_id=1,
            trifacta_conn_id=os.environ.get("TEST_CONN_ID", "trifacta_default"),
            poke_interval=0.1,
            deferrable=task_id == "deferred",
        )
        for task_id in ("in_worker", "deferred")
    )
    in_worker >> deferred
