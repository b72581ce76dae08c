"""The tasks that meet an echoing server, and the connections that they use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_provider_trifacta.operators.deployment import (
    CreateDeploymentOperator,
    GetDeploymentOperator,
    RollbackDeploymentOperator,
    RunDeploymentOperator,
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
from airflow_provider_trifacta.operators.run import RunFlowOperator, RunJobGroupOperator
from airflow_provider_trifacta.sensors.job_group import JobGroupSensor
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor
from canary.secrets import canary

#: What is secret in a connection.
IN_CONNECTIONS = ("password", "token", "proxy_password")
#: What is secret in an argument. The author of a DAG wrote it, so Airflow stores it as an argument.
IN_ARGUMENTS = ("run_parameter", "signature", "store_password")
#: Where Airflow keeps what the author of a DAG wrote, as it was written.
OF_THE_AUTHOR = ("serialized_dag", "dag_code", "rendered_task_instance_fields")
#: Tasks that are enough where a server does not let any task do its work.
FEW = ("baseline", "run_flow", "release_sensor", "job_sensor", "export")
#: Connections that cannot be used, by what is wrong: their errors must not quote the secret.
BROKEN: dict[str, dict[str, Any]] = {
    "login in the host": {"host": f"https://me:{canary('password', plain=True)}@127.0.0.1"},
    "odd proxy": {"extra": {"proxies": {"http": f"http://me:{canary('proxy_password')}@:x"}}},
    "unknown extra": {"extra": {"api_secret": canary("token")}},
    "token as a certificate": {"extra": {"verify": f"-----BEGIN {canary('token')}"}},
    "break in a password": {"password": f"{canary('password')}\n"},
    "Bearer": {"login": None, "password": f"Bearer {canary('token', plain=True)}"},
    "no JSON": {"extra": f'{{"proxies": "http://me:{canary("proxy_password")}@p'},
}
#: Retries of reads take time, and no canary depends on them.
_EXTRA = {"read_retries": 0}
_WAIT = {"poke_interval": 0.2, "tolerated_outage": 0, "timeout": 10}


def connection(host: str, credentials: str = "login") -> dict[str, Any]:
    """Return an Airflow connection with canaries.

    :param host: its host
    :param credentials: ``login``, ``token`` or ``proxy``
    """
    extra: dict[str, Any] = dict(_EXTRA)
    found = {"conn_type": "trifacta", "host": host, "login": "me", "password": canary("password")}
    if credentials == "token":
        found |= {"login": None, "password": canary("token", plain=True)}
    if credentials == "proxy":
        address = host.partition("://")[2].partition("/")[0]
        password = canary("proxy_password", plain=True)
        extra["proxies"] = {"http": f"http://me:{password}@{address}"}
        found["host"] = host.replace(address, "instance.invalid")
    return {**found, "extra": extra}


def as_json(fields: Mapping[str, Any]) -> str:
    """Return a connection as the environment has it."""
    return json.dumps({"conn_type": "trifacta", **fields})


def tasks(conn_id: str, package: str, folder: str) -> dict[str, Any]:
    """Return a task of each kind, by a name; each is an operator's class and its arguments.

    :param conn_id: the connection
    :param package: the path of a package
    :param folder: where an export goes
    """
    parameters = {"db_password": canary("run_parameter"), "region": "EU"}
    url = (
        f"s3://KEY:{canary('store_password', plain=True)}@bucket/flow.zip"
        f"?X-Amz-Signature={canary('signature', plain=True)}"
    )
    baseline = {"deployment_id": 1, "active_release_id": 101, "latest_release_id": 101}
    promotion = {"release_id": 101, "deployment_id": 1, "package_uuid": "x"}
    found: dict[str, tuple[Any, dict[str, Any]]] = {
        "baseline": (GetDeploymentOperator, {"deployment_id": 1}),
        "by_name": (GetDeploymentOperator, {"deployment_name": "Orders"}),
        "new": (CreateDeploymentOperator, {"name": "New"}),
        "dry_run": (DryRunReleaseOperator, {"deployment_id": 1, "package_path": package}),
        "create": (CreateReleaseOperator, {"deployment_id": 1, "package_path": package}),
        "from_store": (CreateReleaseOperator, {"deployment_id": 1, "package_path": url}),
        "rules": (
            SetImportRulesOperator,
            {"deployment_id": 1, "value_rules": [], "object_rules": []},
        ),
        "export": (
            ExportFlowPackageOperator,
            {"flow_id": 1001, "package_path": f"{folder}/{conn_id}.zip", "comment": "x"},
        ),
        "export_to_store": (ExportFlowPackageOperator, {"flow_id": 1001, "package_path": url}),
        "import": (ImportFlowPackageOperator, {"package_path": package}),
        "run": (
            RunDeploymentOperator,
            {"deployment_id": 1, "run_parameters": parameters, **_WAIT},
        ),
        "run_flow": (
            RunFlowOperator,
            {"flow_id": 1001, "run_parameters": parameters, "deferrable": True, **_WAIT},
        ),
        "run_recipe": (
            RunJobGroupOperator,
            {"recipe_id": 2001, "run_parameters": parameters, "deferrable": True, **_WAIT},
        ),
        "release_sensor": (ReleaseActiveSensor, {"release_id": 101, "deferrable": True, **_WAIT}),
        "job_sensor": (JobGroupSensor, {"job_group_ids": [1], "deferrable": True, **_WAIT}),
        "activate": (ActivateReleaseOperator, {"release_id": 101}),
        "confirm": (ConfirmPromotionOperator, {"promotion": promotion}),
        "roll_back": (
            RollbackDeploymentOperator,
            {"baseline": baseline, "package_uuid": None, "tolerated_outage": 0},
        ),
        "deactivate": (DeactivateReleaseOperator, {"release_id": 101}),
    }
    return {
        name: (kind, {**arguments, "trifacta_conn_id": conn_id})
        for name, (kind, arguments) in found.items()
    }
