from __future__ import annotations

import pytest
from trifacta_emulator import Connection, PresetConnection, RunOutcome, build_package

RUN = "/v4/deployments/1/run"


@pytest.mark.parametrize(
    ("shape", "message"), [("text", "no such table"), ("object", {"message": "no such table"})]
)
def test_a_failure_on_demand(run, clock, shape, message):
    api, _ = run(job_error_shape=shape)
    api.emulator.runs.add(RunOutcome(status="Failed", message="no such table", times=2))
    groups = [api("POST", RUN).json()["data"][0]["id"] for _ in range(3)]
    clock.advance(59)
    assert api.json(f"/v4/jobGroups/{groups[0]}/status") == "InProgress"
    clock.advance(1)
    assert [api.json(f"/v4/jobGroups/{one}/status") for one in groups] == [
        "Failed",
        "Failed",
        "Complete",
    ]
    jobs = api.json(f"/v4/jobGroups/{groups[0]}/jobs")["data"]
    assert [(job["status"], job["errorMessage"]) for job in jobs] == [
        ("Failed", message),
        ("Created", None),
        ("Created", None),
    ]


@pytest.mark.parametrize(
    ("missing", "dataset", "there"),
    [
        ("/prod/a.csv", "/prod/a.csv", False),
        ("/prod", "/prod/a.csv", False),
        ("/prod/", "/prod/a.csv", False),
        ("/", "/prod/a.csv", False),
        ("/prod/a", "/prod/a.csv", True),
        ("/prod/a", "/prod/ab/c.csv", True),
        ("s3://bucket/in", "s3://bucket/in/a.csv", False),
        ("s3://bucket", "s3://bucket/in/a.csv", False),
        ("/in", "s3://bucket/in/a.csv", False),
        ("s3://other", "s3://bucket/in/a.csv", True),
    ],
)
def test_what_is_below_a_missing_path(run, clock, missing, dataset, there):
    api, body = run(build_package(dataset_path=dataset), missing_paths=(missing,))
    clock.advance(60)
    assert api.json(f"/v4/jobGroups/{body['data'][0]['id']}/status") == (
        "Complete" if there else "Failed"
    )


def test_a_dataset_that_is_not_there_fails_the_job(start, clock):
    api = start(missing_paths=("/prod/returns.csv",))
    api.deployment()
    rule = {"type": "fileLocation", "on": "//dev//", "with": "/prod/"}
    api("PATCH", "/v4/deployments/1/valueImportRules", json=[rule])
    states = []
    for path in ("/dev/orders.csv", "/dev/returns.csv"):
        api.release(1, build_package(dataset_path=path))
        group_id = api("POST", RUN).json()["data"][0]["id"]
        clock.advance(60)
        jobs = api.json(f"/v4/jobGroups/{group_id}/jobs")["data"]
        states.append((api.json(f"/v4/jobGroups/{group_id}/status"), jobs[0]["errorMessage"]))
    assert states == [
        ("Complete", None),
        ("Failed", "Path does not exist: hdfs:///prod/returns.csv"),
    ]


def test_what_it_reads_and_writes(run):
    api, body = run(
        build_package(
            "Orders", dataset_path="s3://bucket/in.csv", output_path="s3://bucket/out.csv"
        )
    )
    path = f"/v4/jobGroups/{body['data'][0]['id']}"
    assert api.json(f"{path}/inputs") == {
        "data": [{"name": "Orders", "inputs": [{"uri": "s3://bucket/in.csv"}]}]
    }
    files = [{"uri": "s3://bucket/out.csv", "fileType": "FILE", "isPrimaryOutput": True}]
    assert api.json(f"{path}/outputs") == {"files": files, "tables": []}


def test_a_table_that_it_reads(run):
    connection = Connection(24, "orders", "d75255f0-a245-11e7-8618-adc1dbb4bed0")
    local = PresetConnection("orders", connection.uuid)
    api, body = run(build_package(connections=[connection]), connections=(local,))
    [flow] = api.json(f"/v4/jobGroups/{body['data'][0]['id']}/inputs")["data"]
    assert flow["inputs"] == [
        {
            "vendor": "postgres",
            "databaseConnectString": "jdbc:postgresql://postgres.example.com:5432/trifacta",
            "relationalPath": ["public"],
            "table": "orders",
            "action": "read",
        }
    ]


@pytest.mark.parametrize(
    "name", ["flow_13__v6.0", "flow_63__v6.8", "flow_google_forms__v8.0_json5"]
)
def test_real_packages_run_if_they_have_a_manual_output(start, read_real, name):
    content = read_real(name)
    version = "6.0.1+235.20190426172824.493d6f8" if "v6.0" in name else "9.7.0"
    api = start(product_version=version, edition="Enterprise", run_without_output="empty")
    api.deployment()
    if api.upload(1, content).status_code != 201:
        pytest.skip("of another edition")
    release = api.emulator.store.active_release(1)
    manual = [row for row in release.imported.tables["outputobjects"] if row.get("isAdhoc")]
    assert len(api("POST", RUN).json()["data"]) == len(manual)
