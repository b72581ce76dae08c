"""Runs of recipes and flows. Evidence: a client that is generated from the vendor's description,
2025.23."""

from __future__ import annotations

import pytest
import requests
from flow_calls import post
from trifacta_emulator import Fault, PresetFlow, Reset, RunOutcome, User, build_package

GROUPS, RECIPE = "/v4/jobGroups", {"wrangledDataset": {"id": 2001}}
FLOW = "/v4/flows/1001/run"
PARAMETERS = {"overrides": {"data": [{"key": "region", "value": "02"}]}}
SETTINGS = [{"path": "s3://out/a.csv", "action": "create", "format": "csv"}]


def groups(api):
    return api.emulator.store.job_groups()


def test_a_recipe(dev):
    answer = dev("POST", GROUPS, json={**RECIPE, "runParameters": PARAMETERS})
    assert answer.status_code == 201
    [group] = groups(dev)
    ids = [job.id for job in group.jobs]
    assert answer.json() == {
        "reason": "JobStarted",
        "sessionId": group.session_id,
        "id": group.id,
        "jobs": {"data": [{"id": one} for one in ids]},
        "jobGraph": {
            "vertices": ids,
            "edges": [{"source": ids[0], "target": ids[1]}, {"source": ids[1], "target": ids[2]}],
        },
    }
    assert (group.overrides, group.execution, group.creator) == ({"region": "02"}, "photon", 1)
    shown = dev.json(f"{GROUPS}/{group.id}")
    assert (shown["ranfrom"], shown["wrangledDataset"], shown["flowrun"]) == (
        "api",
        {"id": 2001},
        None,
    )
    assert dev.json(f"{GROUPS}/{group.id}/inputs")["data"][0]["name"] == "Daily Orders"
    assert dev.json(f"{GROUPS}/{group.id}/outputs")["files"][0]["uri"] == "s3://dev/out.csv"


@pytest.mark.parametrize("spelling", ["writesettings", "writeSettings"])
def test_overrides_replace_the_output(dev, spelling):
    overrides = {"execution": "spark", "profiler": False, spelling: SETTINGS}
    answer = dev("POST", GROUPS, json={**RECIPE, "overrides": overrides})
    [group] = groups(dev)
    assert (group.execution, [job.type for job in group.jobs]) == (
        "spark",
        ["wrangle", "filewriter"],
    )
    assert group.outputs["files"][0]["uri"] == "s3://out/a.csv"
    job = dev.json(f"{GROUPS}/{answer.json()['id']}", embed="jobs.fileWriterJob.writeSetting")[
        "jobs"
    ]["data"][1]
    assert job["fileWriterJob"]["writeSetting"]["path"] == "s3://out/a.csv"


def test_a_recipe_without_an_output_needs_overrides(start):
    api = start()
    api.emulator.store.create_flow("Orders", adhoc_output=False)
    assert api("POST", GROUPS, json=RECIPE).status_code == 400
    assert (
        api("POST", GROUPS, json={**RECIPE, "overrides": {"execution": "photon"}}).status_code
        == 400
    )
    tables = [{"tableName": "orders", "path": ["public"], "action": "create"}]
    made = {**RECIPE, "overrides": {"writesettings": SETTINGS, "publications": tables}}
    assert api("POST", GROUPS, json=made).status_code == 201
    [group] = groups(api)
    assert [job.type for job in group.jobs] == ["wrangle", "filewriter", "publish"]
    assert group.outputs["tables"][0]["table"] == "orders"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"wrangledDataset": 7},
        {"wrangledDataset": {"id": "x"}},
        {"wrangledDataset": {"id": 2002}},
        {**RECIPE, "what": 1},
        {**RECIPE, "overrides": []},
        {**RECIPE, "overrides": {"writesettings": {}}},
        {**RECIPE, "overrides": {"execution": 7}},
        {**RECIPE, "runParameters": {"data": []}},
    ],
)
def test_what_a_recipe_refuses(dev, body):
    assert dev("POST", GROUPS, json=body).status_code == 400
    assert groups(dev) == ()


def test_a_flow(dev):
    answer = dev("POST", f"{FLOW}?runAsync=true", json={"runParameters": PARAMETERS})
    assert answer.status_code == 201
    [group] = groups(dev)
    body = answer.json()
    assert body["flowRunId"] == group.flow_run_id
    assert body["data"][0].keys() == {"reason", "sessionId", "id", "jobs", "jobGraph", "flowRun"}
    assert dev.json(f"{GROUPS}/{group.id}")["flowrun"] == {"id": group.flow_run_id}
    assert (group.overrides, group.deployment_id, group.release_id) == (
        {"region": "02"},
        None,
        None,
    )
    assert dev("POST", FLOW).status_code == 201, "the body may be empty"


def test_a_flow_with_several_outputs(start, read_real):
    api = start()
    post(api, read_real("flow_google_forms__v8.0_json5"))
    flow = api.emulator.store.flows()[0]
    manual = {row["flowNodeId"] for row in flow.tables["outputobjects"] if row["isAdhoc"]}
    body = api("POST", f"/v4/flows/{flow.id}/run", json={}).json()
    assert len(body["data"]) == len(manual) > 1
    one = min(manual)
    name = api.emulator.store.recipe(one).name
    wanted = {
        "wrangledDatasetIds": [one],
        "overrides": {name: {"profiler": False, "writesettings": SETTINGS}},
    }
    [only] = api("POST", f"/v4/flows/{flow.id}/run", json=wanted).json()["data"]
    group = api.emulator.store.job_group(only["id"])
    assert (group.recipe.id, group.outputs["files"][0]["uri"], group.has_profile) == (
        one,
        "s3://out/a.csv",
        False,
    )


@pytest.mark.parametrize(
    "body",
    [
        {"wrangledDatasetIds": [2002]},
        {"wrangledDatasetIds": 2001},
        {"overrides": {"x": {}}},
        {"what": 1},
        [],
    ],
)
def test_what_a_flow_refuses(dev, body):
    assert dev("POST", FLOW, json=body).status_code == 400
    assert groups(dev) == ()


@pytest.mark.parametrize(("choice", "status"), [("refuse", 400), ("empty", 201)])
def test_a_flow_without_an_output(start, choice, status):
    api = start(run_without_output=choice)
    api.emulator.store.create_flow("Orders", adhoc_output=False)
    answer = api("POST", FLOW)
    assert answer.status_code == status
    if status == 201:
        run = answer.json()
        assert run["data"] == []
        assert api.json(f"/v4/flowRuns/{run['flowRunId']}/status") == "Complete"


def test_a_key_starts_one_run(dev):
    """A used ``x-execution-id`` is a 304; it counts for job groups and flow runs apart."""
    key = {"x-execution-id": "a"}
    statuses = [
        dev("POST", path, json=body, headers=headers).status_code
        for path, body, headers in (
            (GROUPS, RECIPE, key),
            (GROUPS, RECIPE, key),
            (FLOW, {}, key),
            (FLOW, {}, key),
            (FLOW, {}, {"x-execution-id": "b"}),
        )
    ]
    assert statuses == [201, 304, 201, 304, 201]
    assert len(groups(dev)) == 3


def test_a_key_of_a_lost_answer_is_used_and_one_of_a_refused_run_is_not(dev):
    key = {"x-execution-id": "a"}
    assert dev("POST", FLOW, json={"what": 1}, headers=key).status_code == 400
    dev.emulator.faults.add(Fault(Reset("after_commit"), method="POST", path=FLOW))
    with pytest.raises(requests.ConnectionError):
        dev("POST", FLOW, headers=key)
    assert dev("POST", FLOW, headers=key).status_code == 304
    assert len(groups(dev)) == 1


def test_a_flow_run_combines_its_job_groups(start, clock):
    api = start(job_start_seconds=10, job_run_seconds=50)
    api.emulator.store.create_flow("Orders")
    run = api("POST", FLOW, headers={"x-execution-id": "a"}).json()
    path, seen = f"/v4/flowRuns/{run['flowRunId']}", []
    for seconds in (0, 10, 50):
        clock.advance(seconds)
        seen.append(api.json(f"{path}/status"))
    assert seen == ["Created", "InProgress", "Complete"]
    assert api.get(f"{path}/status").text == '"Complete"', "a bare JSON string"
    assert api.json(path, embed="flow") == {
        "id": run["flowRunId"],
        "createdAt": "2024-01-01T00:00:00.000Z",
        "updatedAt": "2024-01-01T00:01:00.000Z",
        "scheduleExecutionId": None,
        "requestId": "a",
        "flow": {"id": 1001, "name": "Orders"},
    }
    assert [one["id"] for one in api.json(f"{path}/jobGroups")["data"]] == [run["data"][0]["id"]]
    assert api.get(path, params={"embed": "jobGroups"}).status_code == 400
    assert api.get("/v4/flowRuns/7/status").status_code == 404


@pytest.mark.parametrize(
    ("status", "word"), [("Failed", "Failed"), ("Canceled", "Canceled"), ("Odd", "Odd")]
)
def test_a_run_ends_as_demanded(dev, clock, status, word):
    dev.emulator.runs.add(RunOutcome(status=status, flow_id=1001))
    run = dev("POST", FLOW).json()
    clock.advance(60)
    assert dev.json(f"/v4/flowRuns/{run['flowRunId']}/status") == word


def test_a_run_fails_without_its_data(start, clock):
    api = start(missing_paths=("s3://dev/in.csv",))
    api.emulator.store.create_flow("Orders", dataset_path="s3://dev/in.csv")
    run = api("POST", GROUPS, json=RECIPE).json()
    clock.advance(60)
    assert api.json(f"{GROUPS}/{run['id']}/status") == "Failed"
    assert "s3://dev/in.csv" in api.json(f"{GROUPS}/{run['id']}/jobs")["data"][0]["errorMessage"]


@pytest.mark.parametrize(("choice", "status"), [("allow", 201), ("refuse", 403)])
def test_the_flow_of_a_release(start, package, choice, status):
    api = start(run_release_flows=choice)
    api.deployment()
    release = api.release(1, package)
    assert api("POST", FLOW).status_code == status
    assert api("POST", GROUPS, json=RECIPE).status_code == status
    assert {one.release_id for one in groups(api)} == ({release} if status == 201 else set())
    assert api("POST", "/v4/deployments/1/run").status_code == 201
    api("DELETE", f"/v4/releases/{release}")
    assert api("POST", FLOW).status_code == 410


def test_a_check_starts_nothing(dev):
    body = dev("POST", GROUPS, json={**RECIPE, "testMode": True}).json()
    assert body == {"datasetId": 2001, "datasetName": "Daily Orders recipe", "sessionId": ""}
    assert groups(dev) == ()


def test_what_is_not_there(dev):
    assert dev("POST", "/v4/flows/9/run").status_code == 403
    assert dev("POST", GROUPS, json={"wrangledDataset": {"id": 9}}).status_code == 404
    dev("DELETE", "/v4/flows/1001")
    assert dev("POST", FLOW).status_code == 410
    assert dev("POST", GROUPS, json=RECIPE).status_code == 410


def test_the_newest_job_group_comes_first(dev):
    ids = [dev("POST", GROUPS, json=RECIPE).json()["id"] for _ in range(3)]
    assert [one["id"] for one in dev.json(GROUPS)["data"]] == ids[::-1]
    found = [
        len(dev.json(GROUPS, **query)["data"])
        for query in ({"flowNodeId": 2001}, {"flowNodeId": 1}, {"ranfor": "plan"})
    ]
    assert found == [3, 0, 0]


def test_the_page_for_people_names_the_flow(dev):
    dev("POST", FLOW)
    assert "<td>1001</td><td></td><td></td>" in dev.get("/").text


def test_flows_of_a_package_run_apart(start):
    api = start()
    for name in ("one", "two"):
        post(api, build_package(name))
    api("POST", "/v4/flows/1002/run")
    assert [one.recipe.home.flow_id for one in groups(api)] == [1002]


def test_a_flow_of_another_user(start):
    """A flow that is not shared with the caller can be neither run nor copied, and its recipes are
    not listed."""
    users = (User("admin@x", "p", ("admin",)), User("owner@x", "p"), User("other@x", "p"))
    api = start(users=users, flows=(PresetFlow("Orders", owner="owner@x"),))
    tried = (
        ("POST", FLOW, {}),
        ("POST", GROUPS, RECIPE),
        ("POST", "/v4/flows/1001/copy", {}),
        ("GET", "/v4/wrangledDatasets/2001", None),
        (
            "POST",
            "/v4/wrangledDatasets",
            {"name": "a", "flow": {"id": 1001}, "importedDataset": {"id": 4001}},
        ),
    )
    for email, statuses, listed in (
        ("other@x", {403}, 0),
        ("owner@x", {200, 201}, 3),
        ("admin@x", {200, 201}, 6),
    ):
        api.session.auth = (email, "p")
        assert {
            api(method, path, json=body).status_code for method, path, body in tried
        } == statuses
        assert len(api.json("/v4/wrangledDatasets")["data"]) == listed
