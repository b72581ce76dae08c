"""Promotions of several flows, one group for each; what they are comes from the environment."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pendulum

try:
    from airflow.sdk import DAG, task, task_group
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.decorators import task, task_group

try:
    from airflow.sdk.exceptions import AirflowSkipException
except ImportError:  # before Airflow 3.2
    from airflow.exceptions import AirflowSkipException

from airflow_provider_trifacta.task_groups import promote_flow

#: [flow id, deployment id] of each.
FLOWS = json.loads(os.environ.get("TEST_FLOWS", "[[1, 1]]"))
#: Options of every promotion.
OPTIONS = json.loads(os.environ.get("TEST_OPTIONS", "{}"))
FOLDER = os.environ.get("TEST_FOLDER", "/nowhere")
ROWS = [
    {"flow_id": flow_id, "deployment_id": deployment_id, "package_path": f"{FOLDER}/{flow_id}.zip"}
    for flow_id, deployment_id in FLOWS
]


def promotion(**options):
    """Make the group of a promotion. Its last two tasks have pauses of their own, which a test does
    not wait for."""
    group = promote_flow(**options)
    for task_id in ("roll_back", "promoted"):
        name = f"{group.group_id}.{task_id}"
        if name in group.children:
            group.children[name].retry_delay = timedelta(0)
    return group


ARGUMENTS = {
    "start_date": pendulum.datetime(2024, 1, 1, tz="UTC"),
    "schedule": None,
    "catchup": False,
    "max_active_runs": 1,
}
FAST = {
    "default_args": {"retry_delay": timedelta(0)},
    "poke_interval": 0.01,
    "smoke_run": True,
    "create_intermediate_dirs": True,
    **OPTIONS,
}


@task
def announce(promotion: dict) -> int:
    return promotion["release_id"]


def alert(context) -> None:
    """Note what an alert could say: Airflow calls it when the last task of a group has failed."""
    ti, raised = (
        context["ti"],
        context.get("exception"),
    )  # DAG.test() of Airflow 3.0 and 3.1 gives none
    status = ti.xcom_pull(task_ids=ti.task_id, key="promotion_status")
    error = [type(raised.__cause__).__name__, raised.__cause__.release_id] if raised else None
    Path(FOLDER).parent.joinpath("alerts").write_text(json.dumps([error, status]))


with DAG(dag_id="looped", **ARGUMENTS) as looped:
    for flow_id, deployment_id in FLOWS:
        group = promotion(
            group_id=f"flow_{flow_id}",
            flow_id=flow_id,
            deployment_id=deployment_id,
            package_path=f"{FOLDER}/{{{{ run_id }}}}/{flow_id}.zip",
            **FAST,
        )
        group.promoted.on_failure_callback = [alert]
        announce.override(task_id=f"announce_{flow_id}")(group.output)


@task
def list_flows() -> list[dict]:
    return ROWS


@task_group
def promote(flow_id: int, deployment_id: int, package_path: str) -> None:
    group = promotion(
        flow_id=flow_id, deployment_id=deployment_id, package_path=package_path, **FAST
    )
    announce(group.output)


# Airflow expands the first one when the run begins, and the second one task by task.
with DAG(dag_id="mapped", **ARGUMENTS) as mapped:
    promote.expand_kwargs(ROWS)

with DAG(dag_id="mapped_at_run_time", **ARGUMENTS) as mapped_at_run_time:
    promote.expand_kwargs(list_flows())

for how in ("empty", "skipped", "failing"):
    with DAG(dag_id=f"mapped_{how}", **ARGUMENTS) as no_list:

        @task(retries=0)
        def list_none(how: str = how) -> list[dict]:
            if how == "empty":
                return []
            raise AirflowSkipException if how == "skipped" else ValueError

        promote.expand_kwargs(list_none())
    globals()[no_list.dag_id] = no_list


@task.branch
def choose() -> str:
    return "something_else"


@task
def something_else() -> None:
    pass


@task
def region_of_today() -> dict[str, str]:
    return {"region": "02"}


ONE = {"flow_id": FLOWS[0][0], "deployment_id": FLOWS[0][1], **FAST}

with DAG(dag_id="skipped", **ARGUMENTS) as skipped:
    choose() >> [something_else(), promotion(package_path=f"{FOLDER}/x.zip", **ONE)]

with DAG(dag_id="parameters", **ARGUMENTS) as parameters:
    region = region_of_today()
    choose() >> [something_else(), region]
    promotion(package_path=f"{FOLDER}/x.zip", run_parameters=region, **ONE)

with DAG(dag_id="one_path", **ARGUMENTS) as one_path:

    @task_group
    def promote_from_one_path(flow_id: int, deployment_id: int) -> None:
        promotion(
            flow_id=flow_id, deployment_id=deployment_id, package_path=f"{FOLDER}/x.zip", **FAST
        )

    promote_from_one_path.expand_kwargs(
        [{"flow_id": one, "deployment_id": other} for one, other in FLOWS]
    )
