"""The metadata that Airflow shows and loads."""

from __future__ import annotations

from typing import Any

from .hooks.form import CONN_FIELDS, UI_FIELD_BEHAVIOUR


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata. Airflow calls this at every start, so it imports
    very little.
    """
    return {
        "package-name": "airflow-provider-trifacta",
        "name": "Trifacta",
        "description": (
            "Runs, moves and promotes flows of Trifacta, Dataprep, Designer Cloud and Alteryx One."
        ),
        "integrations": [
            {
                "integration-name": "Trifacta",
                "external-doc-url": "https://help.alteryx.com/",
                "tags": ["service"],
            },
        ],
        "hooks": _modules("hooks", "trifacta"),
        "operators": _modules(
            "operators", "deployment", "import_rules", "package", "release", "run"
        ),
        "sensors": _modules("sensors", "job_group", "release"),
        "triggers": _modules("triggers", "deployment", "job_group", "release"),
        "asset-uris": [
            {
                "schemes": ["trifacta"],
                "handler": "airflow_provider_trifacta.assets.sanitize_uri",
                "factory": "airflow_provider_trifacta.assets.deployment_asset",
            }
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


def _modules(kind: str, *names: str) -> list[dict[str, Any]]:
    """Describe the modules of a kind, such as those with operators."""
    modules = [f"airflow_provider_trifacta.{kind}.{name}" for name in names]
    return [{"integration-name": "Trifacta", "python-modules": modules}]
