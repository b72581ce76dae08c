from __future__ import annotations

import pytest
from trifacta_emulator import (
    PresetFlow,
)

ORDERS = PresetFlow("Daily Orders", dataset_path="s3://dev/in.csv", output_path="s3://dev/out.csv")


@pytest.fixture
def dev(start):
    return start(flows=(ORDERS,))


@pytest.fixture
def run(start, package):
    """Return a function that starts an emulator with a deployment and an active release, and runs
    it."""

    def go(content=package, json=None, **options):
        api = start(job_start_seconds=10, job_run_seconds=50, **options)
        api.deployment()
        api.release(1, content)
        response = api("POST", "/v4/deployments/1/run", json=json)
        assert response.status_code == 201, response.text
        return api, response.json()

    return go
