"""Promote the flow Orders, and tell how production stands if the promotion was not kept."""

import os

import pendulum
from airflow.sdk import DAG

from airflow_provider_trifacta.task_groups import promote_flow

PACKAGES = os.environ.get("TRIFACTA_PACKAGES", "/packages")
ALERTS = os.environ.get("ALERTS", PACKAGES + "/alerts.txt")


def alert(context):
    """Stand for your channel. The status is missing only if the task was killed before it could
    read anything."""
    ti = context["ti"]
    status = (
        ti.xcom_pull(task_ids=ti.task_id, key="promotion_status", map_indexes=ti.map_index) or {}
    )
    with open(ALERTS, "a") as file:
        file.write(
            f"{status.get('state', 'unknown')}: {status.get('text', '')}"
            f" {status.get('advice', '')}\n"
        )


with DAG(
    dag_id="promote_with_alert",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    schedule=None,
    max_active_runs=1,
):
    promotion = promote_flow(
        flow_name="Orders",
        deployment_name="Orders",
        package_path=PACKAGES + "/orders_{{ run_id }}.zip",
        smoke_run=True,
    )
    promotion.promoted.on_failure_callback = [alert]
