from __future__ import annotations

import pytest
from trifacta_emulator import (
    Answer,
    Emulator,
    EmulatorOptions,
    Fault,
    PresetFlow,
    RunOutcome,
    read_package,
)

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient


@pytest.mark.parametrize("status", [200, 202])
def test_a_job_group_is_canceled_as_often_as_one_likes(make_package, status):
    with Emulator(EmulatorOptions(job_run_seconds=3600, cancel_status=status)) as emulator:
        emulator.store.create_deployment("Orders")
        with make_package().open("rb") as file:
            emulator.store.create_release(1, read_package(file))
        (group,) = emulator.store.run_deployment(1)
        config = ClientConfig(
            base_url=emulator.url, login="admin@example.com", password="admin-password"
        )
        with TrifactaClient(config) as client:
            assert client.job_groups.status(group.id) in ("Created", "InProgress")
            for _ in range(2):
                client.job_groups.cancel(group.id)
            assert client.job_groups.status(group.id) == "Canceled"
            assert client.job_group_url(group.id) == f"{emulator.url}/jobs/{group.id}"


@pytest.mark.parametrize("quiet", [None, "/v4/jobGroups/*", "/v4/jobGroups/*/outputs"])
def test_what_failed_is_named_as_far_as_the_server_tells(quiet):
    options = EmulatorOptions(flows=(PresetFlow("Orders"),), job_start_seconds=0, job_run_seconds=0)
    with Emulator(options) as emulator:
        flow, recipe = emulator.store.flows()[0], emulator.store.recipes()[0]
        emulator.runs.add(RunOutcome(message="no such table"))
        _, (group,) = emulator.store.run_flow(flow.id)
        config = ClientConfig(
            base_url=emulator.url, login="admin@example.com", password="admin-password"
        )
        if quiet:
            emulator.faults.add(Fault(Answer(400), path=quiet, times=None))
        with TrifactaClient(config) as client:
            words = client.job_groups.why_failed(group.id)
    names = f"flow 'Orders' ({flow.id}), recipe '{recipe.name}' ({recipe.id})"
    expected = {"/v4/jobGroups/*": "job ", "/v4/jobGroups/*/outputs": f"{names}: job "}
    assert words.startswith(expected.get(quiet, f"{names}, output '"))
    assert words.endswith(f"job {group.jobs[0].id} (wrangle): no such table")
