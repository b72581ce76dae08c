"""Promotions whose tasks are killed by the test, each into the deployment and of the package of its
run."""

from __future__ import annotations

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
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor

ARGUMENTS = {
    "start_date": pendulum.datetime(2024, 1, 1, tz="UTC"),
    "schedule": None,
    "catchup": False,
    "default_args": {"retries": 2, "retry_delay": timedelta(seconds=1)},
    "params": {"deployment_id": 1, "package_path": "/nowhere"},
}
DEPLOYMENT = "{{ params.deployment_id }}"
PACKAGE = "{{ params.package_path }}"
#: Longer than any test waits: whoever settles for that long fails the test.
FOREVER = 24 * 60 * 60

for dag_id, settle_timeout in (("killed", 5), ("killed_at_once", FOREVER)):
    with DAG(dag_id=dag_id, **ARGUMENTS) as dag:
        baseline = GetDeploymentOperator(task_id="baseline", deployment_id=DEPLOYMENT)
        create = CreateReleaseOperator(
            task_id="create_release",
            deployment_id=DEPLOYMENT,
            package_path=PACKAGE,
            baseline=baseline.output,
            settle_timeout=settle_timeout,
        )
        ReleaseActiveSensor(
            task_id="wait", release_id=create.output["release_id"], deferrable=True, poke_interval=1
        )
    globals()[dag_id] = dag

with DAG(dag_id="killed_changes", **ARGUMENTS) as killed_changes:
    baseline = GetDeploymentOperator(task_id="baseline", deployment_id=DEPLOYMENT)
    stage = CreateReleaseOperator(
        task_id="stage",
        deployment_id=DEPLOYMENT,
        package_path=PACKAGE,
        baseline=baseline.output,
        activate=False,
        settle_timeout=FOREVER,
    )
    activate = ActivateReleaseOperator(
        task_id="activate", release_id=stage.output["release_id"], baseline=baseline.output
    )
    run = RunDeploymentOperator(
        task_id="run",
        deployment_id=DEPLOYMENT,
        release_id=stage.output["release_id"],
        poke_interval=0.2,
    )
    activate >> run
