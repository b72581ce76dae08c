"""Promote the flow Orders, and call a webhook if the promotion was not kept."""

import os

import pendulum
import requests
from airflow.sdk import DAG

from airflow_provider_trifacta.task_groups import promote_flow

PACKAGES = os.environ.get("TRIFACTA_PACKAGES", "/packages")


def call_webhook(context):
    """Say how production stands. The status is missing only if the task was killed early."""
    ti = context["ti"]
    status = (
        ti.xcom_pull(task_ids=ti.task_id, key="promotion_status", map_indexes=ti.map_index) or {}
    )
    message = {
        "state": status.get("state", "unknown"),
        "text": f"{status.get('text', '')} {status.get('advice', '')}",
        "cause": status.get("cause"),
        "deployment": status.get("deployment_name"),
        "link": status.get("deployment_url"),
    }
    requests.post(os.environ["ALERT_WEBHOOK"], json=message, timeout=10).raise_for_status()


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
    promotion.promoted.on_failure_callback = [call_webhook]
