"""What the tests of tries run. A person edits this file between two tries of a task."""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

from airflow_provider_trifacta.operators.deployment import (
    GetDeploymentOperator,
    RunDeploymentOperator,
)
from airflow_provider_trifacta.operators.release import (
    ActivateReleaseOperator,
    CreateReleaseOperator,
)
from airflow_provider_trifacta.operators.run import RunFlowOperator
from airflow_provider_trifacta.task_groups import promote_flow

RETRIES = 3
ARGUMENTS = {
    "start_date": pendulum.datetime(2024, 1, 1, tz="UTC"),
    "schedule": None,
    "catchup": False,
    "default_args": {"retries": RETRIES, "retry_delay": timedelta(seconds=1)},
    "params": {"deployment_id": 1, "release_id": 1, "flow_id": 1, "package_path": "/nowhere"},
}
DEPLOYMENT = "{{ params.deployment_id }}"

with DAG(dag_id="edited_activate", **ARGUMENTS) as edited_activate:
    ActivateReleaseOperator(task_id="activate", release_id="{{ params.release_id }}")

with DAG(dag_id="edited_run", **ARGUMENTS) as edited_run:
    RunDeploymentOperator(task_id="run", deployment_id=DEPLOYMENT, poke_interval=0.2)

with DAG(dag_id="edited_run_flow", **ARGUMENTS) as edited_run_flow:
    RunFlowOperator(task_id="run", flow_id="{{ params.flow_id }}", poke_interval=0.2)

with DAG(dag_id="run_twice_at_once", **ARGUMENTS) as run_twice_at_once:
    baseline = GetDeploymentOperator(task_id="baseline", deployment_id=DEPLOYMENT)
    CreateReleaseOperator(
        task_id="create_release",
        deployment_id=DEPLOYMENT,
        package_path="{{ params.package_path }}",
        baseline=baseline.output,
        settle_timeout=5,
    )

with DAG(dag_id="cleared_group", **ARGUMENTS) as cleared_group:
    promote_flow(
        flow_id=1001,
        deployment_id=DEPLOYMENT,
        package_path=os.environ.get("TEST_FOLDER", "") + "/{{ run_id }}.zip",
        smoke_run=False,
        poke_interval=0.5,
        rollback_outage=2,
        default_args={"settle_timeout": 20},
    )
