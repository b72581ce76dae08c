"""The promotions of ``scripts/distributed``: one mapped group for each flow of the run's
configuration."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, get_current_context, task, task_group

from airflow_provider_trifacta.task_groups import promote_flow

with DAG(
    dag_id="promotions",
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    schedule=None,
    max_active_runs=1,
):

    @task
    def flows() -> list[dict[str, Any]]:
        """Return the flow, the deployment and the package's place of each promotion."""
        return get_current_context()["dag_run"].conf["flows"]

    @task_group
    def promote(flow_id: int, deployment_id: int, package_path: str) -> None:
        promote_flow(
            flow_id=flow_id,
            deployment_id=deployment_id,
            package_path=package_path,
            value_rules=[{"type": "fileLocation", "on": "//dev//", "with": "/prod/"}],
            smoke_run=True,
            deferrable=True,
            poke_interval=5,
            default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
        )

    promote.expand_kwargs(flows())
