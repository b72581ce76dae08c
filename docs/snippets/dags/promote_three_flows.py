"""Promote three flows by name, each to the deployment of the same name."""

import os

import pendulum
from airflow.sdk import DAG

from airflow_provider_trifacta.task_groups import promote_flow

PACKAGES = os.environ.get("TRIFACTA_PACKAGES", "/packages")

with DAG(
    dag_id="promote_three_flows",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    schedule=None,
    max_active_runs=1,
):
    for name in ("Orders", "Invoices", "Returns"):
        promote_flow(
            group_id=name.lower(),
            flow_name=name,
            deployment_name=name,
            package_path=f"{PACKAGES}/{name}_{{{{ run_id }}}}.zip",
            smoke_run=True,
        )
