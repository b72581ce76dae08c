"""Promote a flow package to production: record the baseline, upload, wait until the release is
active, use its ids.

Needs the connection ``trifacta_default`` of the production instance. The parameters say what to
promote and where. A DAG with a schedule would have fixed values instead.

Each run makes a release of its own. Clearing ``create_release`` finds the release that its run
made. Clearing ``baseline`` too imports the package once more.
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

from airflow_provider_trifacta.operators.deployment import GetDeploymentOperator
from airflow_provider_trifacta.operators.release import CreateReleaseOperator
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor

with DAG(
    dag_id="promote_package",
    description=(
        "Uploads a flow package as a release, waits until it is active, and hands its ids on."
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
    def announce(release: dict[str, Any]) -> str:
        """Use the ids: they are the production instance's, so a run or a notification can name
        them.

        The flows' ids are unknown when the answer to the upload was lost, or its release was made
        before.
        """
        flows = release["primary_flow_ids"]
        named = (
            f"primary flows {flows}"
            if flows is not None
            else "primary flows that Trifacta's page shows"
        )
        message = f"release {release['release_id']} ({release['outcome']}) is live with {named}"
        print(message)  # noqa: T201 - a task's output is its log
        return message

    wait >> announce(create.output)
