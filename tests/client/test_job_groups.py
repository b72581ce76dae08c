from __future__ import annotations

import pytest
from trifacta_emulator import Emulator, EmulatorOptions, read_package

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient


@pytest.mark.parametrize("status", [200, 202])
def test_a_job_group_is_canceled_as_often_as_one_likes(make_package, status):
    with Emulator(EmulatorOptions(job_run_seconds=3600, cancel_status=status)) as emulator:
        emulator.store.create_deployment("Orders")
        with make_package().open("rb") as file:
            emulator.store.create_release(1, read_package(file))
        (group,) = emulator.store.run_deployment(1)
        config = ClientConfig(base_url=emulator.url, login="admin@example.com", password="admin-password")
        with TrifactaClient(config) as client:
            assert client.job_groups.status(group.id) in ("Created", "InProgress")
            for _ in range(2):
                client.job_groups.cancel(group.id)
            assert client.job_groups.status(group.id) == "Canceled"
            assert client.job_group_url(group.id) == f"{emulator.url}/jobs/{group.id}"
