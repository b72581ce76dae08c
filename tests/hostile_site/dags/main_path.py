"""One promotion with everything in it. Its ids are templates, as where they come from a run's
configuration."""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.decorators import task

from airflow_provider_trifacta.task_groups import promote_flow


@task
def announce(promotion: dict) -> int:
    return promotion["release_id"]


with DAG(
    dag_id="main_path",
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    schedule=None,
    max_active_runs=1,
    render_template_as_native_obj=bool(os.environ.get("TEST_NATIVE")),
) as dag:
    promotion = promote_flow(
        flow_id="{{ dag_run.conf['flow_id'] }}",
        deployment_id="{{ dag_run.conf['deployment_id'] }}",
        package_path="{{ dag_run.conf['folder'] }}/{{ run_id }}.zip",
        value_rules=[{"type": "fileLocation", "on": "//dev//", "with": "/prod/"}],
        smoke_run=True,
        run_parameters={"region": "{{ dag_run.conf['region'] }}"},
        poke_interval=0.01,
        default_args={"retry_delay": timedelta(0)},
    )
    announce(promotion.output)
