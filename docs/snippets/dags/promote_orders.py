"""Promote the flow Orders from Dev to Prod, run it there once, and go back if it does not run."""

import os

import pendulum
from airflow.sdk import DAG, task

from airflow_provider_trifacta.task_groups import promote_flow

#: A folder that every worker reaches, or a URL such as s3://bucket/packages.
PACKAGES = os.environ.get("TRIFACTA_PACKAGES", "/packages")

with DAG(
    dag_id="promote_orders",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    schedule=None,
    # Promotions to one deployment must not overlap: the API has no lock.
    max_active_runs=1,
):
    promotion = promote_flow(
        flow_name="Orders",
        deployment_name="Orders",
        package_path=PACKAGES + "/orders_{{ run_id }}.zip",
        dev_conn_id="trifacta_dev",
        prod_conn_id="trifacta_prod",
        # Runs production once, with production's outputs: that is your decision.
        smoke_run=True,
    )

    @task
    def announce(promoted):
        print(f"Release {promoted['release_id']} is live.")

    announce(promotion.output)
