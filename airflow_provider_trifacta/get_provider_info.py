"""What Airflow shows and loads of this provider."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata; Airflow calls this at every start, so it imports nothing else."""
    return {
        "package-name": "airflow-provider-trifacta",
        "name": "Trifacta",
        "description": "Promotes Trifacta (Alteryx Designer Cloud, self-managed) flows through Deployment Manager.",
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
            {"integration-name": "Trifacta", "python-modules": ["airflow_provider_trifacta.operators.release"]},
        ],
        "sensors": [
            {"integration-name": "Trifacta", "python-modules": ["airflow_provider_trifacta.sensors.release"]},
        ],
        "connection-types": [
            {
                "connection-type": "trifacta",
                "hook-class-name": "airflow_provider_trifacta.hooks.trifacta.TrifactaHook",
                "hook-name": "Trifacta",
            }
        ],
    }
