from __future__ import annotations

import contextlib

import pytest
from trifacta_emulator import Answer, Fault, Reset, RunOutcome, build_package

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


@pytest.mark.parametrize(
    ("shape", "keys"), [("jobs", {"jobs"}), ("flow_run", {"jobs", "flowRun", "jobGraph"})]
)
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
        "flowrun": {"id": 18001},
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


def test_what_clients_embed(run, clock):
    """Evidence: the vendor's Python package, an audit of a live tenant, and the page of 6.0 about
    the list."""
    api, body = run()
    path = f"/v4/jobGroups/{body['data'][0]['id']}"
    assert api.json(path, embed="creator")["creator"] == {
        "id": 1,
        "email": "admin@example.com",
        "name": "admin",
    }
    recipe = api.json(path, embed="wrangledDataset")["wrangledDataset"]
    assert (recipe["id"], recipe["flow"]) == (
        2001,
        {"id": 1001, "name": "Orders", "cpProject": None},
    )
    assert recipe["recipe"].keys() == {"id"}
    whole = api.json(path, embed="wrangledDataset.recipe")["wrangledDataset"]["recipe"]
    assert whole["name"] == "Orders recipe"
    assert [
        len(api.json(path, embed="jobs(limit=1,sort=-id)")["jobs"]["data"]),
        len(api.json(path)),
    ] == [1, 16]
    embed = "jobs.scriptResults,jobs.fileWriterJob.writeSetting"
    early = api.json(path, embed=embed)["jobs"]["data"]
    clock.advance(60)
    jobs = api.json(path, embed=embed)["jobs"]["data"]
    assert [len(one["scriptResults"]["data"]) for one in early] == [0, 0, 0]
    assert [len(one["scriptResults"]["data"]) for one in jobs] == [0, 1, 0]
    settings = [
        one["fileWriterJob"] and one["fileWriterJob"]["writeSetting"]["path"] for one in jobs
    ]
    assert settings == [None, "/trifacta/queryResults/orders_clean.csv", None]
    assert {one["cpJobId"] for one in jobs} == {None}
    [listed] = api.json("/v4/jobGroups", embed="jobs,wrangledDataset")["data"]
    assert (len(listed["jobs"]["data"]), listed["wrangledDataset"]["flow"]["name"]) == (3, "Orders")


def test_profiles(run, clock):
    api, body = run()
    path = f"/v4/jobGroups/{body['data'][0]['id']}"
    early = [
        api.get(f"{path}/{one}").status_code for one in ("profile", "profileResults", "pdfResults")
    ]
    clock.advance(60)
    late = [api.get(f"{path}/{one}") for one in ("profile", "profileResults", "pdfResults")]
    # The vendor's Python package asks for the PDF until it is no longer a 404.
    assert (early, [one.status_code for one in late]) == ([400, 400, 404], [200, 200, 200])
    assert "profilerTypeCheckHistograms" in late[0].json()
    assert late[2].headers["content-type"] == "application/pdf"


@pytest.mark.parametrize("what", ["profile", "profileResults", "pdfResults"])
def test_a_job_group_without_a_profile(run, clock, what):
    api, _ = run(run_answer="jobs")
    api.emulator.runs.add(RunOutcome())
    failed = api("POST", RUN).json()["data"][0]["id"]
    clock.advance(60)
    answer = api.get(f"/v4/jobGroups/{failed}/{what}")
    assert (answer.status_code, answer.json()["exception"]["name"]) == (
        400,
        "ProfilingDataNotFoundException",
    )


def test_filters_see_no_null(run):
    api, body = run()
    assert api.json("/v4/jobGroups", filter="none")["data"] == []
    jobs = f"/v4/jobGroups/{body['data'][0]['id']}/jobs"
    assert len(api.json(jobs, filter="created", filterType="exactIgnoreCase")["data"]) == 3


def test_the_jobs_follow_from_what_is_written(run, read_real):
    """Of four manual outputs, some write a file and some a table."""
    api, body = run(read_real("flow_google_forms__v8.0_json5"))
    outputs = {
        row["id"]: row
        for row in api.emulator.store.active_release(1).imported.tables["outputobjects"]
    }
    assert len(body["data"]) == sum(row["isAdhoc"] for row in outputs.values()) > 1
    for group in api.emulator.store.job_groups():
        wrote = group.outputs
        types = {job.type for job in group.jobs} - {"wrangle", "profile"}
        assert (
            types
            == {*["filewriter"] * bool(wrote["files"]), *["publish"] * bool(wrote["tables"])}
            != set()
        )


def test_parameters_are_kept(run):
    data = [{"key": "region", "value": "02"}, {"key": "day", "value": "1"}]
    api, _ = run(json={"runParameters": {"overrides": {"data": data}}})
    assert api.emulator.store.job_groups()[0].overrides == {"region": "02", "day": "1"}


@pytest.mark.parametrize(
    "body", [{}, {"runParameters": {}}, {"runParameters": {"overrides": {"data": []}}}]
)
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
    assert (response.status_code, response.json()) == (
        status,
        {"jobIds": ids, "jobgroupId": group_id},
    )
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
