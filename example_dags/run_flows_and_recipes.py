"""Run flows and recipes, on any edition: no Deployment Manager is needed.

``run_flow`` runs a flow by its name, then one recipe of it with another output. A retry joins the
jobs of the try before it. ``promote_and_run`` runs the flows that a promotion brought, as long as
their release is live.
"""

from __future__ import annotations

import os

import pendulum

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.models.param import Param

from airflow_provider_trifacta.operators.release import CreateReleaseOperator
from airflow_provider_trifacta.operators.run import RunFlowOperator, RunJobGroupOperator
from airflow_provider_trifacta.sensors.job_group import JobGroupSensor

COMMON = {
    "start_date": pendulum.datetime(2024, 1, 1, tz="UTC"),
    "schedule": None,
    "catchup": False,
    "max_active_runs": 1,
    "tags": ["trifacta", "example"],
}

with DAG(
    dag_id="run_flow",
    description="Runs a flow by its name, then one recipe of it with another output.",
    params={
        "flow_name": Param(os.environ.get("TRIFACTA_FLOW_NAME", "Orders"), type="string"),
        "recipe_name": Param(
            os.environ.get("TRIFACTA_RECIPE_NAME", "Orders recipe"), type="string"
        ),
        "region": Param("02", type="string"),
        "path": Param("hdfs:///reports/orders.csv", type="string"),
    },
    **COMMON,
) as run_flow:
    flow = RunFlowOperator(
        task_id="flow",
        flow_name="{{ params.flow_name }}",
        run_parameters={"region": "{{ params.region }}"},
        retries=2,
        retry_delay=pendulum.duration(seconds=1),
        poke_interval=1,
    )
    recipe = RunJobGroupOperator(
        task_id="recipe",
        flow_name="{{ params.flow_name }}",
        recipe_name="{{ params.recipe_name }}",
        write_settings=[{"path": "{{ params.path }}", "action": "create", "format": "csv"}],
        profiler=False,
        # The sensor waits.
        wait_for_completion=False,
        retries=2,
        retry_delay=pendulum.duration(seconds=1),
    )
    jobs = JobGroupSensor(
        task_id="jobs", job_group_ids=recipe.output["job_group_ids"], poke_interval=1
    )
    flow >> recipe

with DAG(
    dag_id="promote_and_run",
    description="Promotes a package, and runs the flows that it brought.",
    params={
        "deployment_id": Param(
            int(os.environ.get("TRIFACTA_DEPLOYMENT_ID", "1")), type="integer", minimum=1
        ),
        "package_path": Param(
            os.environ.get("TRIFACTA_PACKAGE", "/packages/flow.zip"), type="string"
        ),
    },
    **COMMON,
) as promote_and_run:
    create = CreateReleaseOperator(
        task_id="create_release",
        deployment_id="{{ params.deployment_id }}",
        package_path="{{ params.package_path }}",
    )
    RunFlowOperator(
        task_id="run",
        # The whole return value: after a lost answer its flows are unknown, and the task says what
        # to do.
        flow_id=create.output,
        # Nothing is started if another release is live by now.
        release_id=create.output["release_id"],
        poke_interval=1,
    )
