"""The smallest use of each operator and sensor. The reference shows the parts."""

import pendulum
from airflow.sdk import DAG

from airflow_provider_trifacta.operators.deployment import (
    CreateDeploymentOperator,
    GetDeploymentOperator,
    RollbackDeploymentOperator,
)
from airflow_provider_trifacta.operators.import_rules import SetImportRulesOperator
from airflow_provider_trifacta.operators.package import (
    ExportFlowPackageOperator,
    ImportFlowPackageOperator,
)
from airflow_provider_trifacta.operators.release import (
    ActivateReleaseOperator,
    ConfirmPromotionOperator,
    CreateReleaseOperator,
    DeactivateReleaseOperator,
    DryRunReleaseOperator,
)
from airflow_provider_trifacta.operators.run import (
    RunDeploymentOperator,
    RunFlowOperator,
    RunJobGroupOperator,
)
from airflow_provider_trifacta.sensors.job_group import JobGroupSensor
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor

with DAG(dag_id="each_operator", start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), schedule=None):
    # [GetDeploymentOperator]
    baseline = GetDeploymentOperator(task_id="baseline", deployment_name="Orders")
    # [end]
    # [CreateReleaseOperator]
    create = CreateReleaseOperator(
        task_id="create_release",
        deployment_name="Orders",
        package_path="/shared/packages/orders.zip",
        baseline=baseline.output,
    )
    # [end]
    # [ReleaseActiveSensor]
    ReleaseActiveSensor(task_id="active", release_id=create.output["release_id"])
    # [end]
    # [ConfirmPromotionOperator]
    ConfirmPromotionOperator(task_id="confirm", promotion=create.output)
    # [end]
    # [RollbackDeploymentOperator]
    RollbackDeploymentOperator(
        task_id="roll_back",
        baseline=baseline.output,
        package_uuid=create.output["package_uuid"],
        trigger_rule="one_failed",
    )
    # [end]
    # [DryRunReleaseOperator]
    DryRunReleaseOperator(
        task_id="dry_run",
        deployment_name="Orders",
        package_path="/shared/packages/orders.zip",
    )
    # [end]
    # [ActivateReleaseOperator]
    ActivateReleaseOperator(task_id="activate", release_id=7, baseline=baseline.output)
    # [end]
    # [DeactivateReleaseOperator]
    DeactivateReleaseOperator(task_id="deactivate", release_id=7)
    # [end]
    # [CreateDeploymentOperator]
    CreateDeploymentOperator(task_id="deployment", name="Orders")
    # [end]
    # [SetImportRulesOperator]
    SetImportRulesOperator(
        task_id="rules",
        deployment_name="Orders",
        value_rules=[{"type": "fileLocation", "on": "/dev/", "with": "/prod/"}],
    )
    # [end]
    # [ExportFlowPackageOperator]
    export = ExportFlowPackageOperator(
        task_id="export",
        flow_name="Orders",
        package_path="/shared/packages/orders.zip",
        trifacta_conn_id="trifacta_dev",
    )
    # [end]
    # [ImportFlowPackageOperator]
    ImportFlowPackageOperator(
        task_id="import_flow",
        package_path="/shared/packages/orders.zip",
        trifacta_conn_id="trifacta_workspace",
    )
    # [end]
    # [RunDeploymentOperator]
    RunDeploymentOperator(task_id="run", deployment_name="Orders", deferrable=True)
    # [end]
    # [RunFlowOperator]
    RunFlowOperator(task_id="run_flow", flow_name="Orders", deferrable=True)
    # [end]
    # [RunJobGroupOperator]
    run = RunJobGroupOperator(task_id="run_recipe", recipe_id=12, wait_for_completion=False)
    # [end]
    # [JobGroupSensor]
    JobGroupSensor(task_id="jobs", job_group_ids=run.output["job_group_ids"])
    # [end]
