"""Promote a flow with a report of what changes: what the release reads and writes, and how the
package differs from the one that this DAG promoted last.

The task ``dry_run`` has the report as its XCom ``report_text``, in Markdown. ``promoted`` repeats
what the release reads and writes. ``report`` is the same as plain JSON.

``keep`` copies a promoted package to ``live.zip``, which the next run compares with. The first run
has nothing to compare with, and warns of that. If a run fails, ``live.zip`` stays as it is.
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

from airflow_provider_trifacta.task_groups import promote_flow

with DAG(
    dag_id="what_changes",
    description="Promotes a flow, and tells what it reads, what it writes, and what changed.",
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
    # Promotions to one deployment must not overlap: the API has no lock.
    max_active_runs=1,
    tags=["trifacta", "example"],
    params={
        "flow_id": Param(int(os.environ.get("TRIFACTA_FLOW_ID", "1")), type="integer", minimum=1),
        "deployment_id": Param(
            int(os.environ.get("TRIFACTA_DEPLOYMENT_ID", "1")), type="integer", minimum=1
        ),
        "folder": Param(
            os.environ.get("TRIFACTA_PACKAGES", "/packages"),
            type="string",
            description="A folder that every worker reaches.",
        ),
    },
) as dag:
    package = "{{ params.folder }}/flow_{{ params.flow_id }}_{{ run_id }}.zip"
    live = "{{ params.folder }}/flow_{{ params.flow_id }}_live.zip"
    promotion = promote_flow(
        flow_id="{{ params.flow_id }}",
        deployment_id="{{ params.deployment_id }}",
        package_path=package,
        compare_with=live,
        value_rules=[{"type": "fileLocation", "on": "//dev//", "with": "/prod/"}],
        smoke_run=False,
        poke_interval=5,
    )

    @task
    def keep(promoted: dict[str, Any], package: str, live: str) -> list[str]:
        """Keep the package for the next comparison, and return what the release reads."""
        import shutil

        shutil.copyfile(package, live)
        return [place["path"] for place in promoted.get("reads", [])]

    keep(promotion.output, package, live)
