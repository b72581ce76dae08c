"""Make an older release live again. A person starts it: airflow dags trigger go_back --conf
'{...}'."""

import pendulum
from airflow.sdk import DAG, Param

from airflow_provider_trifacta.operators.deployment import GetDeploymentOperator
from airflow_provider_trifacta.operators.release import ActivateReleaseOperator

with DAG(
    dag_id="go_back",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    schedule=None,
    max_active_runs=1,
    params={
        "deployment_name": Param("Orders", type="string"),
        "release_id": Param(
            None, type=["null", "integer"], description="The release that should be live."
        ),
    },
):
    live = GetDeploymentOperator(
        task_id="live",
        deployment_name="{{ params.deployment_name }}",
        trifacta_conn_id="trifacta_prod",
    )
    ActivateReleaseOperator(
        task_id="activate",
        release_id="{{ params.release_id }}",
        # Refuses a release of another deployment, and if another release is activated between the
        # two tasks.
        baseline=live.output,
        trifacta_conn_id="trifacta_prod",
    )
