"""Every answer that the vendor's API description 2025.23.2 describes has its fields, types and
words."""

from __future__ import annotations

import re

import client_models
import pytest
from flow_calls import post
from trifacta_emulator import PresetConnection, PresetFlow, RunOutcome, build_package
from trifacta_emulator.app import ENDPOINTS

#: Answers of the paths that are GET: the path, its query, the model.
READS = (
    ("/v4/people/current", {"includePrivileges": "true"}, "personReadResponse"),
    ("/v4/apiAccessTokens", {}, "apiAccessTokenList"),
    ("/v4/connections", {"includeCount": "true"}, "connectionList"),
    ("/v4/connections/12001", {}, "connection"),
    ("/v4/flows", {}, "flowList"),
    ("/v4/flows/1001", {}, "flow"),
    ("/v4/wrangledDatasets", {}, "wrangledDatasetList"),
    ("/v4/wrangledDatasets/2001", {"embed": "flow,recipe,outputObjects"}, "wrangledDataset"),
    ("/v4/jobGroups", {"embed": "jobs,wrangledDataset", "includeCount": "true"}, "jobGroupList"),
    ("/v4/jobGroups/16001", {}, "jobGroup"),
    ("/v4/jobGroups/16002", {"embed": "creator,wrangledDataset.recipe"}, "jobGroup"),
    ("/v4/jobGroups/16001/jobs", {}, "jobList"),
    ("/v4/jobGroups/16003/jobs", {}, "jobList"),
    ("/v4/jobGroups/16001/inputs", {}, "jobGroupInputs"),
    ("/v4/jobGroups/16002/inputs", {}, "jobGroupInputs"),
    ("/v4/jobGroups/16001/outputs", {}, "jobGroupOutputs"),
    ("/v4/jobGroups/16003/outputs", {}, "jobGroupOutputs"),
    ("/v4/outputObjects", {"includeCount": "true"}, "outputObjectList"),
    ("/v4/flowRuns/18001", {}, "flowRun"),
    ("/v4/flowRuns/18001/jobGroups", {}, "jobGroupList"),
)
RECIPE = {"wrangledDataset": {"id": 2001}}
TABLE = {
    "publications": [
        {"tableName": "a", "path": ["public"], "action": "create", "connectionId": 12001}
    ]
}
WRITES = (
    (
        "POST",
        "/v4/apiAccessTokens",
        {"lifetimeSeconds": -1, "description": "a"},
        "apiAccessTokenCreateResponse",
    ),
    ("POST", "/v4/flows", {"name": "a"}, "flow"),
    ("POST", "/v4/flows/1001/copy", {"name": "b"}, "flow"),
    ("POST", "/v4/flows/1001/run", {}, "runFlowResult"),
    ("PATCH", "/v4/flows/1001", {"name": "c"}, "updatedObject"),
    ("POST", "/v4/jobGroups", RECIPE, "runJobResult"),
    ("POST", "/v4/jobGroups", {**RECIPE, "testMode": True}, "runJobTestModeResult"),
    (
        "POST",
        "/v4/wrangledDatasets",
        {"name": "a", "flow": {"id": 1001}, "importedDataset": {"id": 4001}},
        "wrangledDataset",
    ),
    ("POST", "/v4/jobGroups/16001/cancel", {}, "jobGroupCancelInformation"),
)
#: Calls whose answers the description leaves open, or does not know.
WITHOUT_MODEL = {
    *("/v4/open-api-spec", "/v4/apiAccessTokens/{tokenId}"),
    *("/v4/flows/{id}/package", "/v4/flows/{id}/package/dryRun"),
    *(
        "/v4/jobGroups/{id}/profile",
        "/v4/jobGroups/{id}/profileResults",
        "/v4/jobGroups/{id}/pdfResults",
    ),
    *("/v4/jobGroups/{id}/logs", "/v4/connections/{id}/status"),
    *(
        f"/v4/{name}/count"
        for name in (
            "connections",
            "wrangledDatasets",
            "outputObjects",
            "writeSettings",
            "schedules",
        )
    ),
    *("/v4/jobGroups/{id}/status", "/v4/jobs/{id}/status", "/v4/flowRuns/{id}/status"),
}


@pytest.fixture
def api(start, clock):
    """A workspace with a table and a file, runs of each kind, and a token."""
    api = start(
        connections=(PresetConnection("orders"),),
        flows=(
            PresetFlow("Daily", connections=("orders",)),
            PresetFlow("Files", dataset_path="s3://in/a.csv"),
        ),
    )
    api("POST", "/v4/apiAccessTokens", json={"lifetimeSeconds": 60})
    api.emulator.runs.add(RunOutcome(flow_id=1002))
    assert api("POST", "/v4/flows/1001/run").status_code == 201
    assert api("POST", "/v4/jobGroups", json={"wrangledDataset": {"id": 2003}}).status_code == 201
    assert api("POST", "/v4/jobGroups", json={**RECIPE, "overrides": TABLE}).status_code == 201
    clock.advance(60)
    return api


@pytest.mark.parametrize(
    ("path", "query", "model"), READS, ids=lambda one: one if isinstance(one, str) else ""
)
def test_what_is_read(api, path, query, model):
    assert client_models.problems(api.json(path, **query), model) == []


@pytest.mark.parametrize(
    ("method", "path", "body", "model"), WRITES, ids=lambda one: one if isinstance(one, str) else ""
)
def test_what_is_written(api, method, path, body, model):
    answer = api(method, path, json=body)
    assert answer.ok, answer.text
    assert client_models.problems(answer.json(), model) == []


def test_within_an_answer(api):
    flow = api.json("/v4/flows/1001", embed="flowNodes.recipe,flowEdges")
    whole = api.json("/v4/wrangledDatasets/2001", embed="recipe,outputObjects")
    jobs = api.json("/v4/jobGroups/16001", embed="jobs.fileWriterJob.writeSetting")["jobs"]["data"]
    found = [
        *(("wrangledDataset", one) for one in flow["flowNodes"]["data"]),
        *(("recipe", one["recipe"]) for one in flow["flowNodes"]["data"]),
        *(("flowEdge", one) for one in flow["flowEdges"]["data"]),
        *(("outputObject", one) for one in whole["outputObjects"]["data"]),
        *(
            ("writeSetting", one["fileWriterJob"]["writeSetting"])
            for one in jobs
            if one["fileWriterJob"]
        ),
    ]
    assert len(found) == 7
    assert [client_models.problems(one, model) for model, one in found] == [[]] * 7


@pytest.mark.parametrize("path", ["package", "package/dryRun"])
def test_an_import(api, path):
    body = post(api, build_package("Orders"), path).json()
    assert client_models.problems(body, "importFlowPackageSuccessfulResponse") == []


def test_states_are_bare_words(api):
    for path in ("jobGroups/16001", "jobs/17001", "flowRuns/18001"):
        assert api.json(f"/v4/{path}/status") in (
            "Created",
            "InProgress",
            "Complete",
            "Failed",
            "Canceled",
        )


def test_every_call_with_a_model_is_here():
    tried = {path for path, *_ in READS} | {path for _, path, *_ in WRITES}
    known = {re.sub(r"/\d+", "/{id}", path) for path in tried} | {
        "/v4/flows/package",
        "/v4/flows/package/dryRun",
    }
    # The description of the cloud has no deployments and releases. A call that answers nothing has
    # no model.
    served = {one.path for one in ENDPOINTS if not one.deployments and one.method != "DELETE"}
    assert served - known == WITHOUT_MODEL


def test_a_model_that_does_not_fit_is_noticed():
    good = {
        "id": 7,
        "createdAt": "2024-01-01T00:00:00.000Z",
        "updatedAt": "2024-01-01T00:00:00.000Z",
    }
    assert client_models.problems(good, "flow") == []
    for change in ({"id": None}, {"createdAt": "2024"}, {"creator": 7}, {"name": 7}):
        assert len(client_models.problems({**good, **change}, "flow")) == 1
    assert len(client_models.problems({"data": [good, {}]}, "flowList")) == 3
