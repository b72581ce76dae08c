"""One promotion with all of its steps. Each run has an instance of its own."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import DAG

from airflow_provider_trifacta.task_groups import promote_flow

#: The second DAG rolls back in a pool of its own. A test closes that pool: a task that waits for it
#: never starts.
for dag_id, pool in {"promotion": "default_pool", "promotion_with_pool": "rollbacks"}.items():
    with DAG(
        dag_id=dag_id,
        start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
        schedule=None,
        catchup=False,
        max_active_runs=16,
        params={"prod": "trifacta_prod", "folder": "/nowhere"},
    ) as dag:
        promote_flow(
            flow_id=1001,
            deployment_name="Orders",
            package_path="{{ params.folder }}/orders.zip",
            prod_conn_id="{{ params.prod }}",
            smoke_run=True,
            deferrable=True,
            poke_interval=0.5,
            rollback_outage=2,
            default_args={"retries": 0, "retry_delay": timedelta(0)},
        )
        dag.get_task("promote_flow.roll_back").pool = pool
    globals()[dag_id] = dag
