"""Dataprep's hook, operators and sensor of the real ``apache-airflow-providers-google``.

``scripts/test --clients`` makes an environment that has it.
"""

from __future__ import annotations

import json
from importlib import import_module, metadata
from types import SimpleNamespace

import client_table
import pytest
from conftest import NO_GOOGLE
from trifacta_emulator import PresetFlow, PresetToken

NOT_EMULATED = (404, "RouteNotFoundException")
RECIPE = {"wrangledDataset": {"id": 2001}}


@pytest.fixture
def dataprep(tmp_path, monkeypatch):
    """Load the client, with a home of its own for Airflow."""
    try:
        metadata.version("apache-airflow-providers-google")
    except metadata.PackageNotFoundError:
        pytest.skip(NO_GOOGLE)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__CORE__UNIT_TEST_MODE", "True")
    parts = {
        one: import_module(f"airflow.providers.google.cloud.{one}.dataprep")
        for one in ("hooks", "operators", "sensors")
    }
    hook = parts["hooks"].GoogleDataprepHook
    for name in dir(hook):
        # It asks five times, with pauses, even where the answer is a 404.
        if hasattr(getattr(hook, name), "retry"):
            monkeypatch.setattr(getattr(hook, name).retry, "sleep", lambda _: None)
    return SimpleNamespace(
        hook=hook,
        **vars(parts["operators"]),
        Sensor=parts["sensors"].DataprepJobGroupIsFinishedSensor,
        RetryError=import_module("tenacity").RetryError,
    )


@pytest.fixture
def api(start, monkeypatch):
    tokens = (PresetToken("secret", "admin@example.com"),)
    api = start(
        flows=(PresetFlow("Daily"),), tokens=tokens, job_start_seconds=0, job_run_seconds=50
    )
    extra = {"token": "secret", "base_url": api.emulator.url}
    connection = json.dumps({"conn_type": "dataprep", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_DATAPREP_DEFAULT", connection)
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DATAPREP_DEFAULT", connection)
    return api


def test_every_call(dataprep, api, clock, conforms):
    hook = dataprep.hook()

    def run(kind, **arguments):
        return getattr(dataprep, f"Dataprep{kind}Operator")(task_id=kind, **arguments).execute({})

    with conforms(client_table.GOOGLE, api.emulator):
        group = run("RunJobGroup", body_request=RECIPE)
        assert group["reason"] == "JobStarted"
        sensor = dataprep.Sensor(task_id="wait", job_group_id=group["id"])
        assert not sensor.poke({})
        clock.advance(60)
        assert sensor.poke({})
        assert hook.get_job_group_status(job_group_id=group["id"]) == "Complete"
        jobs = run("GetJobsForJobGroup", job_group_id=group["id"])["data"]
        assert {one["status"] for one in jobs} == {"Complete"}
        shown = run("GetJobGroup", job_group_id=group["id"], embed="", include_deleted=False)
        assert (shown["status"], shown["ranfrom"]) == ("Complete", "api")
        flow = run("RunFlow", flow_id=1001, body_request={})
        assert [one["id"] for one in flow["data"]] == [api.emulator.store.job_groups()[-1].id]
        copy = run("CopyFlow", flow_id=1001)
        assert copy["id"] == 1002
        assert run("DeleteFlow", flow_id=copy["id"]) is None
        made = hook.create_flow(body_request={"name": "New", "description": "made by a task"})
        body = {"name": "New recipe", "flow": {"id": made["id"]}, "importedDataset": {"id": 4001}}
        assert hook.create_wrangled_dataset(body_request=body)["flow"] == {"id": made["id"]}
        for refused in (
            lambda: hook.create_imported_dataset(
                body_request={"uri": "gs://test/uri", "name": "in"}
            ),
            lambda: hook.delete_imported_dataset(dataset_id=4001),
            lambda: hook.create_output_object(
                body_request={"execution": "dataflow", "profiler": False}
            ),
            lambda: hook.create_write_settings(
                body_request={"path": "gs://test/out", "action": "create"}
            ),
        ):
            with pytest.raises(dataprep.RetryError) as caught:
                refused()
            answer = caught.value.last_attempt.exception().response
            assert (answer.status_code, answer.json()["exception"]["name"]) == NOT_EMULATED
    assert len(api.emulator.store.job_groups()) == 2
