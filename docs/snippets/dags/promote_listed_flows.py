"""Promote the flows that a task lists when the DAG runs."""

import os

import pendulum
from airflow.sdk import DAG, task, task_group

from airflow_provider_trifacta.task_groups import promote_flow

PACKAGES = os.environ.get("TRIFACTA_PACKAGES", "/packages")


@task
def list_flows(run_id=None):
    """Stand for your list: a table, a file, or the deployments of Prod. Airflow fills in the id of
    the run."""
    return [
        {
            "flow_name": name,
            "deployment_name": name,
            "package_path": f"{PACKAGES}/{name}_{run_id}.zip",
        }
        for name in ("Orders", "Invoices")
    ]


@task_group
def promote(flow_name, deployment_name, package_path):
    promote_flow(
        flow_name=flow_name,
        deployment_name=deployment_name,
        package_path=package_path,
        smoke_run=True,
    )


with DAG(
    dag_id="promote_listed_flows",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    schedule=None,
    max_active_runs=1,
):
    promote.expand_kwargs(list_flows())
