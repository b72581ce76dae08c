"""Export a flow to object storage. The storage's own connection is part of the URL: s3://CONNECTION@BUCKET/KEY."""

import os

import pendulum
from airflow.sdk import DAG

from airflow_provider_trifacta.operators.package import ExportFlowPackageOperator

PACKAGES = os.environ.get("TRIFACTA_PACKAGES", "s3://aws_default@packages/orders")

with DAG(
    dag_id="export_package", start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), schedule=None
):
    ExportFlowPackageOperator(
        task_id="export",
        flow_name="Orders",
        package_path=PACKAGES + "/{{ run_id }}.zip",
        trifacta_conn_id="trifacta_dev",
        retries=2,
    )
