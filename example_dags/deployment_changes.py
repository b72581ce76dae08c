"""Run DAGs when anybody makes another release of a deployment live, in Airflow or not.

The first DAG says what has changed. The second fails if what is live is not what this Airflow
promoted last: a person imported, activated or rolled back a release by hand. It knows the
promotions by their asset events. So each of them needs an ``AssetAlias`` among its outlets, as in
``release_events.py``.

A watch reads the deployment in each interval, and changes nothing. It needs Airflow 3.3. On earlier
lines this file defines no DAG.
"""

from __future__ import annotations

import os
from typing import Any

import pendulum

try:
    from airflow.sdk import DAG, AssetWatcher, task

    from airflow_provider_trifacta.triggers.deployment import DeploymentChangedTrigger
except ImportError:  # an earlier Airflow
    DeploymentChangedTrigger = None

from airflow_provider_trifacta.assets import deployment_asset
from airflow_provider_trifacta.hooks.trifacta import TrifactaHook

CONN_ID = "trifacta_default"
DEPLOYMENT_ID = int(os.environ.get("TRIFACTA_DEPLOYMENT_ID", "1"))
#: How long a promotion may take from its import until it announces the release, smoke run included.
GRACE_MINUTES = int(os.environ.get("TRIFACTA_GRACE_MINUTES", "60"))

if DeploymentChangedTrigger is not None:
    changed = DeploymentChangedTrigger(
        deployment_id=DEPLOYMENT_ID,
        trifacta_conn_id=CONN_ID,
        poke_interval=float(os.environ.get("TRIFACTA_WATCH_SECONDS", "60")),
    )
    #: The fields of the connection make the same asset as the operators announce releases for.
    ORDERS = deployment_asset(
        DEPLOYMENT_ID,
        host=os.environ.get("TRIFACTA_HOST", "https://trifacta.example.com:3005"),
        watchers=[AssetWatcher(name=f"deployment-{DEPLOYMENT_ID}", trigger=changed)],
    )

    with DAG(
        dag_id="deployment_changed",
        description="Says which release is live now, after anybody's change.",
        start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
        # It only reads, so it may run as soon as it is unpaused.
        schedule=[ORDERS],
        catchup=False,
        max_active_runs=1,
        tags=["trifacta", "example"],
    ):

        @task
        def tell(triggering_asset_events: Any = None) -> list[str]:
            """Use what the watcher saw. The events of promotions come too, without a payload."""
            messages = []
            for event in triggering_asset_events.get(ORDERS, ()):
                change = event.extra.get("payload")
                if change:
                    messages.append(
                        f"deployment {change['deployment_id']}: release {change['release_id']} is"
                        f" live in place of {change['previous_release_id']}, seen at"
                        f" {change['seen_at']}"
                    )
            print("\n".join(messages))  # noqa: T201 - a task's output is its log
            return messages

        tell()

    with DAG(
        dag_id="deployment_drift",
        description="Fails if what is live is not what this Airflow promoted last.",
        start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
        schedule=[ORDERS],
        catchup=False,
        max_active_runs=1,
        tags=["trifacta", "example"],
    ):
        # A promotion announces its release when it is proven. Until then it looks like a drift, so
        # the task looks again. Give the task your on_failure_callback.
        @task(
            inlets=[ORDERS],
            retries=GRACE_MINUTES // 10,
            retry_delay=pendulum.duration(minutes=10),
        )
        def compare(inlet_events: Any = None) -> int | None:
            """Compare what is live now with the last release that a task announced."""
            promoted = None
            for event in inlet_events[ORDERS]:
                promoted = event.extra.get("release_id", promoted)
            with TrifactaHook(CONN_ID).client as client:
                releases = client.releases.list(DEPLOYMENT_ID)
            live = next((release.id for release in releases if release.active), None)
            if live != promoted:
                raise RuntimeError(
                    f"Release {live} of deployment {DEPLOYMENT_ID} is live, and this Airflow"
                    f" promoted release {promoted} last."
                )
            return live

        compare()
