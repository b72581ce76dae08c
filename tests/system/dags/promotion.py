"""A whole promotion whose tasks are killed by the test; where it keeps the package comes from the
environment."""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

from airflow_provider_trifacta.task_groups import promote_flow

with DAG(
    dag_id="promotion",
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
    max_active_runs=1,
) as dag:
    promote_flow(
        flow_id=1001,
        deployment_id=1,
        package_path=os.environ.get("TEST_FOLDER", "") + "/{{ run_id }}.zip",
        value_rules=[{"type": "fileLocation", "on": "//dev//", "with": "/prod/"}],
        smoke_run=True,
        poke_interval=0.2,
        deferrable=True,
        # Longer than any test waits: whoever settles for that long fails the test.
        default_args={"retry_delay": timedelta(seconds=1), "settle_timeout": 24 * 60 * 60},
    )
