"""Promotions for the rows of the runbook. Each run has a deployment and an instance of its own."""

from __future__ import annotations

from datetime import timedelta

import pendulum

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

from airflow_provider_trifacta import task_groups
from airflow_provider_trifacta.promotion import standing
from airflow_provider_trifacta.task_groups import promote_flow

# An outage that a read tolerates by itself takes minutes.
standing.READ_PATIENCE = 0.5
# The last two tasks wait a minute for each of their retries.
task_groups._END_ARGS["retry_delay"] = timedelta(seconds=5)

#: The groups differ in what they do between the upload and the end, so that no row runs tasks that
#: it does not need.
GROUPS = {
    "smoke": {"smoke_run": True, "dry_run": False, "retries": 0},
    "plain": {"smoke_run": False, "dry_run": False, "retries": 0},
    "checked": {"smoke_run": False, "dry_run": True, "retries": 0},
    "retried": {"smoke_run": False, "dry_run": False, "retries": 1},
}

for dag_id, options in GROUPS.items():
    with DAG(
        dag_id=dag_id,
        start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
        schedule=None,
        catchup=False,
        params={"prod": "trifacta_prod", "folder": "/nowhere"},
    ) as dag:
        promote_flow(
            flow_id=1001,
            deployment_name="Orders",
            package_path="{{ params.folder }}/orders.zip",
            prod_conn_id="{{ params.prod }}",
            smoke_run=options["smoke_run"],
            dry_run=options["dry_run"],
            deferrable=True,
            poke_interval=0.2,
            tolerated_outage=1,
            rollback_outage=2,
            # Long enough that the wait for a retry is seen.
            default_args={"retries": options["retries"], "retry_delay": timedelta(seconds=5)},
        )
    globals()[dag_id] = dag
