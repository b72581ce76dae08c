from __future__ import annotations

import contextlib

import pytest
from trifacta_emulator import Answer, Fault, Reset, build_package

RUN = "/v4/deployments/1/run"


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
        "flowrun": {"id": 18001},  # in lower case [P: AAC25]
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


def test_running_jobs_go_on_after_their_release_is_deleted(run, clock):
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
