"""Stage a release, ask a person in Airflow with the dry run's report before them, and activate it
when they approve.

Airflow 3.1 and later; before, this file defines no DAG. The question is under "Required Actions" of
the run.

Until a person answers, the next run waits. Rejecting skips ``activate``: the run ends green, the
live release stays live, and the staged release stays in the deployment. ``activate`` refuses if
another release has been activated in the meantime: only the release that the baseline recorded is
replaced, or none if there was none.

Clearing ``create_release`` finds the staged release. Clearing ``approve`` asks again. Clearing
``activate`` does nothing if the release is live. If a person has gone back to the baseline's
release, it activates the new one again.
"""

from __future__ import annotations

import os

import pendulum
from airflow import __version__ as airflow_version

if tuple(int(part) for part in airflow_version.split(".")[:2]) >= (3, 1):
    from airflow.providers.standard.operators.hitl import ApprovalOperator
    from airflow.sdk import DAG, Param

    from airflow_provider_trifacta.operators.deployment import GetDeploymentOperator
    from airflow_provider_trifacta.operators.release import (
        ActivateReleaseOperator,
        CreateReleaseOperator,
        DryRunReleaseOperator,
    )

    with DAG(
        dag_id="staged_release_with_approval",
        description="Tries and stages a flow package, and makes it live when a person approves.",
        start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
        schedule=None,
        catchup=False,
        # Promotions to one deployment must not overlap: the API has no lock.
        max_active_runs=1,
        tags=["trifacta", "example"],
        params={
            "deployment_id": Param(
                int(os.environ.get("TRIFACTA_DEPLOYMENT_ID", "1")), type="integer", minimum=1
            ),
            "package_path": Param(
                os.environ.get("TRIFACTA_PACKAGE", "/packages/flow.zip"), type="string"
            ),
        },
    ) as dag:
        dry_run = DryRunReleaseOperator(
            task_id="dry_run",
            deployment_id="{{ params.deployment_id }}",
            package_path="{{ params.package_path }}",
            retries=2,
            retry_delay=pendulum.duration(minutes=2),
        )

        baseline = GetDeploymentOperator(
            task_id="baseline", deployment_id="{{ params.deployment_id }}"
        )

        create = CreateReleaseOperator(
            task_id="create_release",
            deployment_id="{{ params.deployment_id }}",
            package_path="{{ params.package_path }}",
            baseline=baseline.output,
            activate=False,
            retries=2,
            retry_delay=pendulum.duration(minutes=2),
        )

        approve = ApprovalOperator(
            task_id="approve",
            subject=(
                "Make release {{ ti.xcom_pull(task_ids='create_release', key='release_id') }} live?"
            ),
            # From XCom as it is: text of a package must not be rendered as a template.
            body=dry_run.output["report_text"],
        )

        activate = ActivateReleaseOperator(
            task_id="activate",
            release_id=create.output["release_id"],
            # An item of the returned dict, which .output[...] cannot select; None, for no live
            # release, is one too.
            baseline=baseline.output,
        )

        dry_run >> baseline >> create >> approve >> activate
