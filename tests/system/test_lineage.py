"""OpenLineage in a whole Airflow: tasks of their own processes, a triggerer, and a connection of
Airflow's database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from trifacta_emulator import Emulator, EmulatorOptions, read_package


@pytest.mark.system
@pytest.mark.every_airflow
def test_events_of_real_tasks(standalone, make_package, tmp_path):
    pytest.importorskip(
        "openlineage", reason="apache-airflow-providers-openlineage is not installed"
    )
    package = make_package(dataset_path="s3://dev/in.csv", output_path="s3://prod/out.csv")
    events = tmp_path / "events"
    with (
        Emulator(EmulatorOptions(job_start_seconds=0, job_run_seconds=2)) as emulator,
        package.open("rb") as file,
    ):
        emulator.store.create_deployment("Orders")
        emulator.store.create_release(1, read_package(file))
        airflow = standalone(
            emulator,
            AIRFLOW__CORE__DAGS_FOLDER=str(Path(__file__).parent.parent / "dags"),
            AIRFLOW__OPENLINEAGE__TRANSPORT=json.dumps(
                {"type": "file", "log_file_path": str(events), "append": True}
            ),
            TEST_CONN_ID="stored",
        )
        person = {
            "conn_type": "trifacta",
            "login": "admin@example.com",
            "password": "admin-password",
        }
        airflow.wait_for(
            lambda: airflow.query("select 1 from serialized_dag where dag_id = 'lineage'"), "DAG"
        )
        airflow.run(
            "connections",
            "add",
            "stored",
            "--conn-json",
            json.dumps({**person, "host": emulator.url}),
        )
        run_id = airflow.start_run("lineage")
        assert airflow.run_state("lineage", run_id) == "success", airflow.log()
        told = {}
        for line in events.read_text().splitlines():
            event = json.loads(line)
            told[event["job"]["name"], event["eventType"]] = [
                [one["namespace"] + "/" + one["name"] for one in event[key]]
                for key in ("inputs", "outputs")
            ]
        for task in ("in_worker", "deferred"):
            assert told[f"lineage.{task}", "COMPLETE"] == [
                ["s3://dev/in.csv"],
                ["s3://prod/out.csv"],
            ], airflow.log()
            assert "OpenLineage is told 1 inputs and 1 outputs" in airflow.task_log(
                "lineage", run_id, task, 1
            )
