"""The beginning and the end of a deployment: open one by name with its first release, and take one
offline.

``open_deployment`` can be run again: it finds the deployment by its name, and the release if the
package is live. ``take_offline`` deactivates the live release; a deployment without one cannot run.
Clearing either task changes only what differs.
"""

from __future__ import annotations

import os

import pendulum

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.models.param import Param

from airflow_provider_trifacta.operators.deployment import (
    CreateDeploymentOperator,
    GetDeploymentOperator,
)
from airflow_provider_trifacta.operators.release import (
    CreateReleaseOperator,
    DeactivateReleaseOperator,
)

with DAG(
    dag_id="open_deployment",
    description="Makes a deployment of a name, unless there is one, and promotes a package to it.",
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
    # Promotions to one deployment must not overlap: the API has no lock.
    max_active_runs=1,
    tags=["trifacta", "example"],
    params={
        "deployment_name": Param("Orders", type="string", minLength=1),
        "package_path": Param(
            os.environ.get("TRIFACTA_PACKAGE", "/packages/flow.zip"), type="string"
        ),
    },
):
    deployment = CreateDeploymentOperator(task_id="deployment", name="{{ params.deployment_name }}")
    CreateReleaseOperator(
        task_id="create_release",
        deployment_id=deployment.output["deployment_id"],
        package_path="{{ params.package_path }}",
    )

with DAG(
    dag_id="take_offline",
    description="Deactivates the live release of a deployment.",
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["trifacta", "example"],
    params={
        "deployment_id": Param(
            int(os.environ.get("TRIFACTA_DEPLOYMENT_ID", "1")), type="integer", minimum=1
        ),
    },
):
    live = GetDeploymentOperator(task_id="live", deployment_id="{{ params.deployment_id }}")
    offline = DeactivateReleaseOperator(
        task_id="deactivate",
        release_id="{{ ti.xcom_pull(task_ids='live')['active_release_id'] }}",
    )
    live >> offline
