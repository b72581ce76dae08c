"""Run the live release of a deployment every night, and wait for its jobs in the triggerer."""

import pendulum
from airflow.sdk import DAG

from airflow_provider_trifacta.operators.run import RunDeploymentOperator

with DAG(
    dag_id="run_deployment",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    schedule="@daily",
    catchup=False,
    max_active_runs=1,
):
    RunDeploymentOperator(
        task_id="run",
        deployment_name="Orders",
        run_parameters={"region": "02"},
        trifacta_conn_id="trifacta_prod",
        deferrable=True,
        retries=2,  # before Airflow 3.3: 0
    )
