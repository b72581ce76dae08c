"""Make the deployment Orders, set its import rules, check the import of a package, and
promote it.
"""

import os

import pendulum
from airflow.sdk import DAG

from airflow_provider_trifacta.operators.deployment import CreateDeploymentOperator
from airflow_provider_trifacta.operators.import_rules import SetImportRulesOperator
from airflow_provider_trifacta.operators.release import CreateReleaseOperator, DryRunReleaseOperator

PACKAGE = os.environ.get("TRIFACTA_PACKAGES", "/packages") + "/orders.zip"

with DAG(
    dag_id="prepare_deployment",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    schedule=None,
    max_active_runs=1,
    default_args={"trifacta_conn_id": "trifacta_prod"},
):
    deployment = CreateDeploymentOperator(task_id="deployment", name="Orders")
    where = {"deployment_id": deployment.output["deployment_id"], "package_path": PACKAGE}

    rules = SetImportRulesOperator(
        task_id="rules",
        object_rules=[
            {"onCondition": {"name": "dev warehouse"}, "withCondition": {"name": "prod warehouse"}}
        ],
        value_rules=[{"type": "s3Bucket", "on": "wrangle-dev", "with": "wrangle-prod"}],
        **where,  # the package: a rule may name a connection that it describes
    )
    gate = DryRunReleaseOperator(task_id="gate", **where)
    create = CreateReleaseOperator(task_id="create_release", **where)

    rules >> gate >> create
