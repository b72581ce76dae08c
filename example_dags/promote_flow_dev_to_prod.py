"""The whole promotion: export from Dev, promote to Prod, run it once, and keep it or roll back.

Two connections: ``trifacta_dev``, whose user owns the flow, and ``trifacta_prod``, whose user has
the Deployment role.

``smoke_run`` starts the jobs of the new release, and ``smoke_jobs`` waits for them. ``promoted`` is
green only when the jobs are Complete and the release is live. Otherwise ``roll_back`` makes live
again what ``baseline`` recorded, ``promoted`` fails, and so the run is red. A retry never starts
the jobs a second time: on Airflow 3.3 it joins them, and before that ``smoke_run`` has no retries.

Clearing one task, with those after it, goes on with the release that this run made. Clearing the
whole group promotes once more. After a rollback ``create_release`` refuses to promote the same
export again: correct the flow, and start a new run. Each run keeps the package that it promoted:
the API cannot give it back.
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

from airflow_provider_trifacta.task_groups import promote_flow

with DAG(
    dag_id="promote_flow_dev_to_prod",
    description=(
        "Exports a flow from Dev, promotes it to Prod, runs it, and keeps it or rolls back."
    ),
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    # A DAG with a schedule may run as soon as it is unpaused, and so promote. Every Monday would be
    # "0 6 * * 1".
    schedule=None,
    catchup=False,
    # Promotions to one deployment must not overlap: the API has no lock.
    max_active_runs=1,
    tags=["trifacta", "example"],
    params={
        "flow_id": Param(int(os.environ.get("TRIFACTA_FLOW_ID", "1")), type="integer", minimum=1),
        "deployment_id": Param(
            int(os.environ.get("TRIFACTA_DEPLOYMENT_ID", "1")), type="integer", minimum=1
        ),
        "folder": Param(
            os.environ.get("TRIFACTA_PACKAGES", "/packages"),
            type="string",
            description=(
                "Where packages are kept: a folder that every worker reaches, or"
                " s3://conn_id@bucket/packages."
            ),
        ),
    },
) as dag:
    promotion = promote_flow(
        flow_id="{{ params.flow_id }}",
        deployment_id="{{ params.deployment_id }}",
        package_path="{{ params.folder }}/flow_{{ params.flow_id }}_{{ run_id }}.zip",
        dev_conn_id="trifacta_dev",
        prod_conn_id="trifacta_prod",
        # What lies below /dev/ in Dev lies below /prod/ in Prod. The outer slashes make it a
        # regular expression: /dev/.
        value_rules=[{"type": "fileLocation", "on": "//dev//", "with": "/prod/"}],
        # Runs production once, with production's outputs: that is your decision.
        smoke_run=True,
        poke_interval=5,
        timeout=3600,
    )

    @task
    def announce(promoted: dict[str, Any]) -> str:
        """Stand for what follows a promotion, with the ids of production."""
        return (
            f"release {promoted['release_id']} is live, with the flows"
            f" {promoted['primary_flow_ids']}"
        )

    announce(promotion.output)
