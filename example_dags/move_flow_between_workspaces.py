"""Move a flow to production without Deployment Manager: export, import, run, and take the name over
at the end.

Two connections: ``trifacta_dev``, whose user may export the flow, and ``trifacta_prod``, the
workspace that it goes to. The cloud editions have no releases, so the name tells which flow is
live: tasks that find it by its name run the new one from ``take_over`` on. Until then, and if a
task before fails, the old flow keeps the name.

Every import makes new flows, so ``import_flow`` imports once: a retry joins what an earlier try
made. ``run`` starts the jobs once in the same way. ``take_over`` may be repeated. If the run fails,
delete the new flow in Trifacta, correct the flow in Dev, and start a new run of this DAG.
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

from airflow_provider_trifacta.hooks.trifacta import TrifactaHook
from airflow_provider_trifacta.operators.package import (
    ExportFlowPackageOperator,
    ImportFlowPackageOperator,
)
from airflow_provider_trifacta.operators.run import RunFlowOperator

with DAG(
    dag_id="move_flow_between_workspaces",
    description=(
        "Exports a flow, imports it into another workspace, runs it, and gives it the old flow's"
        " name."
    ),
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
    # Two runs at the same time would both give their flow the name.
    max_active_runs=1,
    # So that the mapping arrives as a dict.
    render_template_as_native_obj=True,
    tags=["trifacta", "example"],
    params={
        "flow_name": Param(
            "Daily Orders", type="string", description="The flow's name, in both workspaces."
        ),
        "connections": Param(
            {},
            type="object",
            description=(
                'Connections of production by those of the flow, e.g. {"orders dev": "orders"}.'
            ),
        ),
        "folder": Param(os.environ.get("TRIFACTA_PACKAGES", "/packages"), type="string"),
    },
) as dag:
    export = ExportFlowPackageOperator(
        task_id="export",
        flow_name="{{ params.flow_name }}",
        package_path="{{ params.folder }}/move_{{ run_id }}.zip",
        trifacta_conn_id="trifacta_dev",
        retries=2,
    )

    import_flow = ImportFlowPackageOperator(
        task_id="import_flow",
        package_path=export.output["path"],
        package_uuid=export.output["package_uuid"],
        connections="{{ params.connections }}",
        trifacta_conn_id="trifacta_prod",
        retries=2,
    )

    run = RunFlowOperator(
        task_id="run",
        flow_id=import_flow.output,
        trifacta_conn_id="trifacta_prod",
        poke_interval=5,
        timeout=3600,
        retries=2,
    )

    @task(retries=2)
    def take_over(imported: dict[str, Any], params: dict[str, Any] | None = None) -> str:
        """Give the new flow its name. The flow that had it before keeps existing under another
        name."""
        name, (flow_id,) = (params or {})["flow_name"], imported["primary_flow_ids"]
        with TrifactaHook("trifacta_prod").client as client:
            for old in client.flows.list(name):
                if old.name == name and old.id != flow_id:
                    client.flows.rename(old.id, f"{name} (before flow {flow_id})")
            return f"flow {client.flows.rename(flow_id, name).id} is {name}"

    run >> take_over(import_flow.output)
