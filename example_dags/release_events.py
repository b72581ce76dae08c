"""Run other DAGs when a release goes live, by an asset event that carries its ids.

An ``AssetAlias`` among the outlets gets an event only when the run made something live. A plain
``Asset`` gets one with every success of the task, also if the task had nothing to do.

Airflow 3.1 and later. Airflow 3.0 starts the consumer too, but does not hand it the events when it
is scheduled by an alias; there, schedule it by the asset,
``Asset("trifacta://HOST/deployments/ID")``. On Airflow 2 this file defines no DAG.

Clearing ``create_release`` adds another event for the same release, so a consumer must tolerate the
same event twice. Clearing the consumer's task reads the events of its run again.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pendulum

try:
    from airflow.sdk import DAG, AssetAlias, Param, task
except ImportError:  # Airflow 2
    AssetAlias = None

from airflow_provider_trifacta.operators.deployment import GetDeploymentOperator
from airflow_provider_trifacta.operators.release import CreateReleaseOperator

if AssetAlias is not None:
    #: One alias for all deployments: each event says which one it is about.
    RELEASES = AssetAlias("trifacta-releases")

    with DAG(
        dag_id="release_events_promote",
        description="Makes a flow package live, and says so in an asset event.",
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
    ):
        baseline = GetDeploymentOperator(
            task_id="baseline", deployment_id="{{ params.deployment_id }}"
        )

        create = CreateReleaseOperator(
            task_id="create_release",
            deployment_id="{{ params.deployment_id }}",
            package_path="{{ params.package_path }}",
            baseline=baseline.output,
            outlets=[RELEASES],
            retries=2,
            retry_delay=pendulum.duration(minutes=2),
        )

    with DAG(
        dag_id="release_events_consume",
        description="Reads which releases went live from the events that started it.",
        start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
        # It only reads, so it may run as soon as it is unpaused.
        schedule=[RELEASES],
        catchup=False,
        max_active_runs=1,
        tags=["trifacta", "example"],
    ):

        @task
        def read_releases(triggering_asset_events: Any = None) -> list[str]:
            """Use the ids. Several events may start one run; a run that a person starts
            has none.
            """
            messages = []
            for event in triggering_asset_events.get(RELEASES, ()):
                release = event.extra
                # JSON text, because not every Airflow 3 takes a list here. Not there when the
                # answer to the upload was lost, or the release was made by an earlier try.
                flows = (
                    json.loads(release["primary_flow_ids"])
                    if "primary_flow_ids" in release
                    else "unknown"
                )
                messages.append(
                    f"release {release['release_id']} of deployment {release['deployment_id']} is"
                    f" live: package {release.get('package_uuid', 'unknown')}, primary flows"
                    f" {flows}"
                )
            print("\n".join(messages))  # noqa: T201 - a task's output is its log
            return messages

        read_releases()
