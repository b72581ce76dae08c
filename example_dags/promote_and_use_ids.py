"""Chain a task that takes single ids from XCom: ``create.output["key"]`` selects the XCom of that
key.

This works for ``release_id``, ``outcome`` and everything else that is always known.
``primary_flow_ids`` and ``previous_release_id`` may be unknown and then have no XCom: take the
whole return value for those, as ``promote_package`` does.

Without a baseline a second run with the same package reuses the release that is live already.
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

with DAG(
    dag_id="promote_and_use_ids",
    description="Makes sure that a package is live, and hands single ids to the task after it.",
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
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
    create = CreateReleaseOperator(
        task_id="create_release",
        deployment_id="{{ params.deployment_id }}",
        package_path="{{ params.package_path }}",
    )

    @task
    def open_change_ticket(release_id: int, outcome: str, url: str) -> str:
        """Stand for the task that comes after a promotion."""
        return f"release {release_id} was {outcome}: {url}"

    open_change_ticket(
        create.output["release_id"], create.output["outcome"], create.output["deployment_url"]
    )
