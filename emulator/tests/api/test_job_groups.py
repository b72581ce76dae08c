from __future__ import annotations

import contextlib

import pytest
from trifacta_emulator import Answer, Connection, Fault, Reset, RunOutcome, build_package

RUN = "/v4/deployments/1/run"


@pytest.fixture
def run(start, package):
    """Return a function that starts an emulator with a deployment and an active release, and runs it."""

    def go(content=package, json=None, **options):
        api = start(job_start_seconds=10, job_run_seconds=50, **options)
        api.deployment()
        api.release(1, content)
        response = api("POST", RUN, json=json)
        assert response.status_code == 201, response.text
        return api, response.json()

    return go


def test_the_answer_of_the_page(run):
    api, body = run()
    [started] = body["data"]
    assert body.keys() == {"data"}
    assert started.keys() == {"reason", "sessionId", "id"}
    assert started["reason"] == "JobStarted"
    [group] = api.emulator.store.job_groups()
    assert (started["id"], started["sessionId"]) == (group.id, group.session_id)
    assert (group.deployment_id, group.release_id, group.overrides) == (1, 101, {})


@pytest.mark.parametrize(("shape", "keys"), [("jobs", {"jobs"}), ("flow_run", {"jobs", "flowRun", "jobGraph"})])
def test_the_answers_of_other_releases(run, shape, keys):
    api, body = run(run_answer=shape)
    [started] = body["data"]
    assert started.keys() == {"reason", "sessionId", "id"} | keys
    ids = [job.id for job in api.emulator.store.job_groups()[0].jobs]
    assert started["jobs"] == {"data": [{"id": one} for one in ids]}
    assert ("flowRunId" in body) is (shape == "flow_run")


def test_it_goes_on_with_the_clock(run, clock):
    api, body = run()
    path = f"/v4/jobGroups/{body['data'][0]['id']}"
    seen = []
    for seconds in (0, 9, 1, 49, 1, 3600):
        clock.advance(seconds)
        jobs = [job["status"] for job in api.json(f"{path}/jobs")["data"]]
        seen.append((api.json(f"{path}/status"), *jobs))
    assert seen == [
        ("Created", "Created", "Created", "Created"),
        ("Created", "Created", "Created", "Created"),
        ("InProgress", "InProgress", "Created", "Created"),
        ("InProgress", "InProgress", "Created", "Created"),
        ("Complete", "Complete", "Complete", "Complete"),
        ("Complete", "Complete", "Complete", "Complete"),
    ]
    assert api.get(f"{path}/status").text == '"Complete"', "a bare JSON string"


def test_a_job_group_as_a_resource(run, clock):
    api, body = run()
    group_id = body["data"][0]["id"]
    clock.advance(60)
    group = api.json(f"/v4/jobGroups/{group_id}", embed="jobs")
    jobs = group.pop("jobs")["data"]
    assert group == {
        "id": group_id,
        "name": None,
        "description": None,
        "ranfrom": "api",
        "ranfor": "recipe",
        "status": "Complete",
        "profilingEnabled": True,
        "runParameterReferenceDate": "2024-01-01T00:00:00.000Z",
        "createdAt": "2024-01-01T00:00:00.000Z",
        "updatedAt": "2024-01-01T00:01:00.000Z",
        "workspace": {"id": 1},
        "creator": {"id": 1},
        "updater": {"id": 1},
        "snapshot": {"id": group_id},
        "wrangledDataset": {"id": 2001},
        "flowRun": {"id": 18001},
    }
    assert jobs == api.json(f"/v4/jobGroups/{group_id}/jobs")["data"]
    assert [job["jobType"] for job in jobs] == ["wrangle", "filewriter", "profile"]
    assert api.json(f"/v4/jobs/{jobs[1]['id']}/status") == "Complete"
    assert api.json("/v4/jobGroups")["data"] == [group]


@pytest.mark.parametrize("path", ["", "/status", "/jobs", "/inputs", "/outputs"])
def test_what_is_not_there(start, path):
    assert start().get(f"/v4/jobGroups/7{path}").status_code == 404


def test_what_else_is_refused(run):
    api, body = run()
    assert api.get("/v4/jobs/7/status").status_code == 404
    assert api("POST", "/v4/jobGroups/7/cancel").status_code == 404
    wrong = api.get(f"/v4/jobGroups/{body['data'][0]['id']}", params={"embed": "*"})
    assert (wrong.status_code, "Valid associations are jobs" in wrong.text) == (400, True)
    assert api.get("/v4/jobGroups", params={"embed": "*"}).status_code == 400


@pytest.mark.parametrize(
    "embed", ["wrangledDataset", "creator", "jobs,wrangledDataset", "jobs.scriptResults", "jobs(limit=1,sort=-id)"]
)
def test_what_may_be_embedded(run, embed):
    api, body = run()
    group = api.json(f"/v4/jobGroups/{body['data'][0]['id']}", embed=embed)
    assert group["wrangledDataset"].keys() == {"id"}
    assert len(group.get("jobs", {"data": []})["data"]) == (0 if "jobs" not in embed else 1 if "limit" in embed else 3)


def test_filters_see_no_null(run):
    api, body = run()
    assert api.json("/v4/jobGroups", filter="none")["data"] == []
    jobs = f"/v4/jobGroups/{body['data'][0]['id']}/jobs"
    assert len(api.json(jobs, filter="created", filterType="exactIgnoreCase")["data"]) == 3


def test_the_jobs_follow_from_what_is_written(run, read_real):
    """Of four manual outputs, some write a file and some a table."""
    api, body = run(read_real("flow_google_forms__v8.0_json5"))
    outputs = {row["id"]: row for row in api.emulator.store.active_release(1).imported.tables["outputobjects"]}
    assert len(body["data"]) == sum(row["isAdhoc"] for row in outputs.values()) > 1
    for group in api.emulator.store.job_groups():
        wrote = group.outputs
        types = {job.type for job in group.jobs} - {"wrangle", "profile"}
        assert types == {*["filewriter"] * bool(wrote["files"]), *["publish"] * bool(wrote["tables"])} != set()


def test_parameters_are_kept(run):
    data = [{"key": "region", "value": "02"}, {"key": "day", "value": "1"}]
    api, _ = run(json={"runParameters": {"overrides": {"data": data}}})
    assert api.emulator.store.job_groups()[0].overrides == {"region": "02", "day": "1"}


@pytest.mark.parametrize("body", [{}, {"runParameters": {}}, {"runParameters": {"overrides": {"data": []}}}])
def test_parameters_may_be_empty(run, body):
    api, _ = run(json=body)
    assert api.emulator.store.job_groups()[0].overrides == {}


@pytest.mark.parametrize(
    "body",
    [
        [],
        "x",
        {"overrides": {"runParameters": {"data": []}}},
        {"runParameters": []},
        {"runParameters": {"overrides": {"data": {}}}},
        {"runParameters": {"overrides": {"data": ["x"]}}},
        {"runParameters": {"overrides": {"data": [{"key": "x"}]}}},
        {"runParameters": {"overrides": {"data": [{"key": "x", "value": 2}]}}},
    ],
)
def test_malformed_parameters_start_nothing(run, body):
    api, _ = run()
    assert api("POST", RUN, json=body).status_code == 400
    assert len(api.emulator.store.job_groups()) == 1


@pytest.mark.parametrize("without", ["release", "output"])
@pytest.mark.parametrize(("choice", "status"), [("refuse", 400), ("empty", 201)])
def test_nothing_to_run(start, without, choice, status):
    api = start(run_without_output=choice)
    api.deployment()
    if without == "output":
        api.release(1, build_package(adhoc_output=False))
    response = api("POST", RUN)
    assert response.status_code == status
    assert status == 400 or response.json() == {"data": []}
    assert api.emulator.store.job_groups() == ()


def test_who_may_run(start, package):
    api = start()
    api.deployment()
    api.release(1, package)
    assert api("POST", RUN, auth=("author@example.com", "author-password")).status_code == 403
    assert api("POST", "/v4/deployments/9/run").status_code == 404
    api("DELETE", "/v4/deployments/1")
    assert api("POST", RUN).status_code == 410


def test_running_jobs_go_on_whatever_becomes_of_their_release(run, clock):
    api, body = run()
    api("DELETE", "/v4/releases/101")
    clock.advance(60)
    assert api.json(f"/v4/jobGroups/{body['data'][0]['id']}/status") == "Complete"


@pytest.mark.parametrize(("word", "status"), [("Canceled", 200), ("Cancelled", 202)])
def test_cancelling(run, clock, word, status):
    api, body = run(canceled_word=word, cancel_status=status)
    group_id = body["data"][0]["id"]
    clock.advance(20)
    response = api("POST", f"/v4/jobGroups/{group_id}/cancel")
    ids = [job["id"] for job in api.json(f"/v4/jobGroups/{group_id}/jobs")["data"]]
    assert (response.status_code, response.json()) == (status, {"jobIds": ids, "jobgroupId": group_id})
    clock.advance(3600)
    assert api.json(f"/v4/jobGroups/{group_id}/status") == word
    assert api.json(f"/v4/jobGroups/{group_id}")["updatedAt"] == "2024-01-01T00:00:20.000Z"


def test_cancelling_what_has_ended_does_nothing(run, clock):
    api, body = run()
    clock.advance(60)
    path = f"/v4/jobGroups/{body['data'][0]['id']}"
    events = len(api.emulator.store.events())
    assert api("POST", f"{path}/cancel").status_code == 200
    assert api.json(f"{path}/status") == "Complete"
    assert len(api.emulator.store.events()) == events


@pytest.mark.parametrize(("shape", "message"), [("text", "no such table"), ("object", {"message": "no such table"})])
def test_a_failure_on_demand(run, clock, shape, message):
    api, _ = run(job_error_shape=shape)
    api.emulator.runs.add(RunOutcome(status="Failed", message="no such table", times=2))
    groups = [api("POST", RUN).json()["data"][0]["id"] for _ in range(3)]
    clock.advance(59)
    assert api.json(f"/v4/jobGroups/{groups[0]}/status") == "InProgress"
    clock.advance(1)
    assert [api.json(f"/v4/jobGroups/{one}/status") for one in groups] == ["Failed", "Failed", "Complete"]
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
    assert api.json(f"/v4/jobGroups/{body['data'][0]['id']}/status") == ("Complete" if there else "Failed")


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
    assert states == [("Complete", None), ("Failed", "Path does not exist: hdfs:///prod/returns.csv")]


def test_what_it_reads_and_writes(run):
    api, body = run(build_package("Orders", dataset_path="s3://bucket/in.csv", output_path="s3://bucket/out.csv"))
    path = f"/v4/jobGroups/{body['data'][0]['id']}"
    assert api.json(f"{path}/inputs") == {"data": [{"name": "Orders", "inputs": [{"uri": "s3://bucket/in.csv"}]}]}
    files = [{"uri": "s3://bucket/out.csv", "fileType": "FILE", "isPrimaryOutput": True}]
    assert api.json(f"{path}/outputs") == {"files": files, "tables": []}


def test_a_table_that_it_reads(run):
    connection = Connection(24, "orders", "d75255f0-a245-11e7-8618-adc1dbb4bed0")
    api, body = run(build_package(connections=[connection]))
    [flow] = api.json(f"/v4/jobGroups/{body['data'][0]['id']}/inputs")["data"]
    assert flow["inputs"] == [
        {"vendor": None, "databaseConnectString": None, "relationalPath": ["public"], "table": "orders", "action": None}
    ]


@pytest.mark.parametrize("name", ["flow_13__v6.0", "flow_63__v6.8", "flow_google_forms__v8.0_json5"])
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


@pytest.mark.parametrize("effect", [Reset("after_commit"), Answer.gateway_timeout()])
def test_the_answer_may_be_lost_after_the_start(run, effect):
    api, _ = run()
    api.emulator.faults.add(Fault(effect, method="POST", path="/v4/deployments/*/run"))
    with contextlib.suppress(OSError):
        assert api("POST", RUN).status_code == 504
    assert len(api.emulator.store.job_groups()) == 2


def test_the_pages_for_people(run, clock):
    api, body = run()
    group_id = body["data"][0]["id"]
    clock.advance(60)
    for path in ("/", "/deployments/1", f"/jobs/{group_id}"):
        page = api.get(path, auth=("nobody", "x"))
        assert page.status_code == 200
        assert f"/jobs/{group_id}" in page.text
        assert "Complete" in page.text
    assert "filewriter" in page.text
    assert api.get("/jobs/9").status_code == 404
