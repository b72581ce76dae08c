"""Promotions of several flows, one group for each; what they are comes from the environment."""

from __future__ import annotations

import json
import os
from datetime import timedelta

import pendulum

try:
    from airflow.sdk import DAG, task, task_group
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.decorators import task, task_group

from airflow_provider_trifacta.task_groups import promote_flow

#: [flow id, deployment id] of each.
FLOWS = json.loads(os.environ.get("TEST_FLOWS", "[[1, 1]]"))
#: Options of every promotion.
OPTIONS = json.loads(os.environ.get("TEST_OPTIONS", "{}"))
FOLDER = os.environ.get("TEST_FOLDER", "/nowhere")
ARGUMENTS = {
    "start_date": pendulum.datetime(2024, 1, 1, tz="UTC"),
    "schedule": None,
    "catchup": False,
    "max_active_runs": 1,
}
FAST = {"default_args": {"retry_delay": timedelta(0)}, "poll_interval": 0.01, **OPTIONS}


@task
def announce(promotion: dict) -> int:
    return promotion["release_id"]


with DAG(dag_id="looped", **ARGUMENTS) as looped:
    for flow_id, deployment_id in FLOWS:
        group = promote_flow(
            group_id=f"flow_{flow_id}",
            flow_id=flow_id,
            deployment_id=deployment_id,
            package_path=f"{FOLDER}/{{{{ run_id }}}}/{flow_id}.zip",
            **FAST,
        )
        announce.override(task_id=f"announce_{flow_id}")(group.output)

with DAG(dag_id="mapped", **ARGUMENTS) as mapped:

    @task_group
    def promote(flow_id: int, deployment_id: int, package_path: str) -> None:
        group = promote_flow(flow_id=flow_id, deployment_id=deployment_id, package_path=package_path, **FAST)
        announce(group.output)

    promote.expand_kwargs(
        [
            {"flow_id": flow_id, "deployment_id": deployment_id, "package_path": f"{FOLDER}/{flow_id}.zip"}
            for flow_id, deployment_id in FLOWS
        ]
    )
