"""The metadata that Airflow shows and loads."""

from __future__ import annotations

from typing import Any

from .hooks.form import CONN_FIELDS, UI_FIELD_BEHAVIOUR


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata. Airflow calls this at every start, so it imports very little."""
    return {
        "package-name": "airflow-provider-trifacta",
        "name": "Trifacta",
        "description": "Runs, moves and promotes flows of Trifacta, Dataprep, Designer Cloud and Alteryx One.",
        "integrations": [
            {
                "integration-name": "Trifacta",
                "external-doc-url": "https://help.alteryx.com/",
                "tags": ["service"],
            }
        ],
        "hooks": [
            {"integration-name": "Trifacta", "python-modules": ["airflow_provider_trifacta.hooks.trifacta"]},
        ],
        "operators": [
            {
                "integration-name": "Trifacta",
                "python-modules": [
                    "airflow_provider_trifacta.operators.deployment",
                    "airflow_provider_trifacta.operators.import_rules",
                    "airflow_provider_trifacta.operators.package",
                    "airflow_provider_trifacta.operators.release",
                    "airflow_provider_trifacta.operators.run",
                ],
            },
        ],
        "sensors": [
            {
                "integration-name": "Trifacta",
                "python-modules": [
                    "airflow_provider_trifacta.sensors.job_group",
                    "airflow_provider_trifacta.sensors.release",
                ],
            },
        ],
        "triggers": [
            {
                "integration-name": "Trifacta",
                "python-modules": [
                    "airflow_provider_trifacta.triggers.job_group",
                    "airflow_provider_trifacta.triggers.release",
                ],
            },
        ],
        "extra-links": [
            "airflow_provider_trifacta.links.TrifactaDeploymentLink",
            "airflow_provider_trifacta.links.TrifactaJobLink",
        ],
        "connection-types": [
            {
                "connection-type": "trifacta",
                "hook-class-name": "airflow_provider_trifacta.hooks.trifacta.TrifactaHook",
                "hook-name": "Trifacta",
                "conn-fields": CONN_FIELDS,
                "ui-field-behaviour": UI_FIELD_BEHAVIOUR,
            }
        ],
    }
