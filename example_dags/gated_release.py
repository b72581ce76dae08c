"""Declare the import rules, check the import with a dry run, and upload only a package without
problems.

Rules that are null stay as they are, and an empty list removes them all. Nothing is written if the
deployment has the declared rules already. A DAG for one deployment would have its rules in its
code, where they are reviewed. It would need neither the parameters nor ``rules_are_given``.

Clearing ``set_rules`` declares the same rules again, and clearing ``dry_run`` checks again. Then
``create_release`` finds the release that this run made, and uploads nothing. Rules act on later
imports only: to import again with changed rules, clear ``baseline`` too.
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

from airflow_provider_trifacta.operators.deployment import GetDeploymentOperator
from airflow_provider_trifacta.operators.import_rules import SetImportRulesOperator
from airflow_provider_trifacta.operators.release import CreateReleaseOperator, DryRunReleaseOperator

with DAG(
    dag_id="gated_release",
    description=(
        "Sets import rules, tries the import, and uploads the package if nothing would go wrong."
    ),
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
    # Promotions to one deployment must not overlap: the API has no lock.
    max_active_runs=1,
    # So that the rules arrive as lists, and null as None.
    render_template_as_native_obj=True,
    tags=["trifacta", "example"],
    params={
        "deployment_id": Param(
            int(os.environ.get("TRIFACTA_DEPLOYMENT_ID", "1")), type="integer", minimum=1
        ),
        "package_path": Param(
            os.environ.get("TRIFACTA_PACKAGE", "/packages/flow.zip"), type="string"
        ),
        "object_rules": Param(
            None,
            type=["null", "array"],
            items={"type": "object"},
            description=(
                'Connections, e.g. [{"onCondition": {"name": "orders dev"}, '
                '"withCondition": {"name": "orders prod"}}]'
            ),
        ),
        "value_rules": Param(
            None,
            type=["null", "array"],
            items={"type": "object"},
            description=(
                'Buckets and paths, e.g. [{"type": "s3Bucket", "on": "dev", "with": "prod"}]'
            ),
        ),
    },
) as dag:

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def rules_are_given(params: dict[str, Any] | None = None) -> bool:
        """Leave the rules alone unless some are declared."""
        return any((params or {})[kind] is not None for kind in ("object_rules", "value_rules"))

    set_rules = SetImportRulesOperator(
        task_id="set_rules",
        deployment_id="{{ params.deployment_id }}",
        object_rules="{{ params.object_rules }}",
        value_rules="{{ params.value_rules }}",
        # A rule may name a connection of the package in place of its uuid.
        package_path="{{ params.package_path }}",
        retries=2,
        retry_delay=pendulum.duration(minutes=2),
    )

    dry_run = DryRunReleaseOperator(
        task_id="dry_run",
        deployment_id="{{ params.deployment_id }}",
        package_path="{{ params.package_path }}",
        # The rules may have been skipped, but must not have failed.
        trigger_rule="none_failed",
        retries=2,
        retry_delay=pendulum.duration(minutes=2),
    )

    baseline = GetDeploymentOperator(task_id="baseline", deployment_id="{{ params.deployment_id }}")

    create = CreateReleaseOperator(
        task_id="create_release",
        deployment_id="{{ params.deployment_id }}",
        package_path="{{ params.package_path }}",
        baseline=baseline.output,
        retries=2,
        retry_delay=pendulum.duration(minutes=2),
    )

    rules_are_given() >> set_rules >> dry_run >> baseline >> create
