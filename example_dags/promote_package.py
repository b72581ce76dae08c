"""Promote a flow package to production: upload it, wait until the release is active, use its ids.

Needs the connection ``trifacta_default`` of the production instance. The parameters say what to promote where; a
DAG that runs on a schedule would fix them instead.
"""

from __future__ import annotations

import os

import pendulum

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.decorators import task
    from airflow.models.param import Param

from airflow_provider_trifacta.operators.release import CreateReleaseOperator
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor

with DAG(
    dag_id="promote_package",
    description="Uploads a flow package as a release, waits until it is active, and hands its ids on.",
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
    # Promotions to one deployment must not overlap: the API has no lock.
    max_active_runs=1,
    tags=["trifacta", "example"],
    params={
        "deployment_id": Param(int(os.environ.get("TRIFACTA_DEPLOYMENT_ID", "1")), type="integer", minimum=1),
        "package_path": Param(os.environ.get("TRIFACTA_PACKAGE", "/packages/flow.zip"), type="string"),
    },
) as dag:
    create = CreateReleaseOperator(
        task_id="create_release",
        deployment_id="{{ params.deployment_id }}",
        package_path="{{ params.package_path }}",
    )

    wait = ReleaseActiveSensor(
        task_id="wait_until_active",
        release_id=create.output["release_id"],
        poke_interval=10,
        timeout=600,
    )

    @task
    def announce(release_id: int, primary_flow_ids: list[int]) -> str:
        """Use the ids: they are the production instance's, so a run or a notification can name them."""
        message = f"release {release_id} is live with primary flows {primary_flow_ids}"
        print(message)  # noqa: T201 - a task's output is its log
        return message

    wait >> announce(create.output["release_id"], create.output["primary_flow_ids"])
