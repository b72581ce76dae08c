"""Promote, check the live release, and roll back when the promotion or the check fails.

``roll_back`` runs when any task before it failed, also when ``create_release`` died half-way. It
activates the release that the baseline recorded; if nothing was live, it deactivates this run's. If
a third release has been activated in the meantime, it writes nothing and fails.

A run that rolled back is red: ``announce`` never runs then, and a run is as red as its last tasks.

Clearing ``roll_back`` finds the recorded release live and writes nothing. If a person has activated
this run's release again in the meantime, it is rolled back again. Clearing ``create_release`` after
a rollback is refused, because the rollback was a decision: promote a corrected export in a new run.
"""

from __future__ import annotations

import os
from typing import Any

import pendulum

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.decorators import task
    from airflow.models.param import Param

from airflow_provider_trifacta.operators.deployment import (
    GetDeploymentOperator,
    RollbackDeploymentOperator,
)
from airflow_provider_trifacta.operators.release import CreateReleaseOperator
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor

with DAG(
    dag_id="rollback",
    description=(
        "Uploads a flow package, checks it, and goes back to the release before when the check"
        " fails."
    ),
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
    # Promotions to one deployment must not overlap: the API has no lock.
    max_active_runs=1,
    tags=["trifacta", "example"],
    params={
        "deployment_id": Param(
            int(os.environ.get("TRIFACTA_DEPLOYMENT_ID", "1")), type="integer", minimum=1
        ),
        "package_path": Param(
            os.environ.get("TRIFACTA_PACKAGE", "/packages/flow.zip"), type="string"
        ),
        "check_fails": Param(False, type="boolean", description="To see a rollback."),
    },
) as dag:
    baseline = GetDeploymentOperator(task_id="baseline", deployment_id="{{ params.deployment_id }}")

    create = CreateReleaseOperator(
        task_id="create_release",
        deployment_id="{{ params.deployment_id }}",
        package_path="{{ params.package_path }}",
        baseline=baseline.output,
        retries=2,
        retry_delay=pendulum.duration(minutes=2),
    )

    wait = ReleaseActiveSensor(
        task_id="wait_until_active",
        release_id=create.output["release_id"],
        poke_interval=10,
        timeout=600,
    )

    @task
    def check(release: dict[str, Any], params: dict[str, Any] | None = None) -> None:
        """Stand for a test of the live flow: a job of it, and a comparison of what it wrote."""
        if (params or {})["check_fails"]:
            raise RuntimeError(f"release {release['release_id']} is not good enough")

    @task
    def announce(release: dict[str, Any]) -> str:
        """Come last, and only when all went well. Without a task after the check, a rollback would
        end green."""
        return f"release {release['release_id']} is live and good"

    checked = check(create.output)

    roll_back = RollbackDeploymentOperator(
        task_id="roll_back",
        baseline=baseline.output,
        # Templates, because create.output["package_uuid"] fails this task when the promotion did
        # not come so far.
        package_uuid="{{ ti.xcom_pull(task_ids='create_release', key='package_uuid') }}",
        release_id="{{ ti.xcom_pull(task_ids='create_release', key='release_id') }}",
        # Failures of the tasks before reach the check as upstream_failed, which counts.
        trigger_rule="one_failed",
        retries=2,
        retry_delay=pendulum.duration(minutes=2),
    )

    wait >> checked >> [announce(create.output), roll_back]
