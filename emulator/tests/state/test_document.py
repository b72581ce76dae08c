from __future__ import annotations

import base64
import json

import pytest
from trifacta_emulator import (
    Emulator,
    EmulatorOptions,
    ManualClock,
    PresetConnection,
    PresetFlow,
    PresetToken,
    RunOutcome,
    User,
    build_package,
)

READS = (
    "/v4/people/current?includePrivileges=true",
    "/v4/apiAccessTokens",
    "/v4/connections",
    "/v4/flows?flowsFilter=all&includeDeleted=true&embed=flowNodes.recipe,flowEdges,creator",
    "/v4/wrangledDatasets?embed=flow,recipe,outputObjects",
    "/v4/deployments?includeDeleted=true&embed=releases",
    "/v4/deployments/1/objectImportRules",
    "/v4/deployments/1/valueImportRules",
    "/v4/deployments/2",
    "/v4/releases?includeDeleted=true",
    "/v4/jobGroups?embed=jobs.scriptResults,jobs.fileWriterJob.writeSetting,wrangledDataset.recipe,updater",
    "/v4/jobGroups/16001/inputs",
    "/v4/jobGroups/16001/outputs",
    "/v4/flowRuns/18001?embed=flow",
    "/v4/flowRuns/18001/jobGroups",
)
OBJECT_RULE = {
    "tableName": "connections",
    "onCondition": {"id": "24"},
    "withCondition": {"id": 12001},
}
VALUE_RULE = {"type": "fileLocation", "on": "/dev", "with": "/prod"}


@pytest.fixture
def lived(start, clock):
    """An instance in which a lot has happened."""
    users = (User("admin@example.com", "admin-password", ("admin", "deployment")), User("b@x", "b"))
    flows = (
        PresetFlow("Orders", connections=("orders",)),
        PresetFlow("Old"),
        PresetFlow("B", owner="b@x"),
    )
    api = start(
        users=users,
        flows=flows,
        connections=(PresetConnection("orders"),),
        tokens=(PresetToken("t", "b@x"),),
    )
    store = api.emulator.store
    api.deployment("Orders")
    api.deployment("Gone")
    api("PATCH", "/v4/deployments/1/objectImportRules", json=[OBJECT_RULE])
    api("PATCH", "/v4/deployments/1/valueImportRules", json=[VALUE_RULE])
    for comment in ("first", "second", "third"):
        clock.advance(60)
        api.release(1, build_package("Orders", dataset_path="s3://b/dev/in.csv", comment=comment))
    api.release(2, build_package("Gone"))
    api("DELETE", "/v4/deployments/2")
    api("DELETE", "/v4/releases/103")
    api("PATCH", "/v4/releases/101", json={"active": True})
    api("POST", "/v4/deployments/1/run", json={})
    api("POST", "/v4/flows/1001/run", headers={"x-execution-id": "seven"})
    api("POST", "/v4/jobGroups/16001/cancel")
    api("POST", "/v4/flows/package", files={"data": build_package("Imported")})
    api("POST", "/v4/apiAccessTokens", json={"lifetimeSeconds": 600})
    store.delete_flow(1002)
    store.share_flow(1003, 1)
    store.drop_on_next_import({"datasources": [12]})
    api.emulator.runs.add(RunOutcome(message="no such table", times=2))
    clock.advance(30)
    return api


def test_another_emulator_answers_the_same(lived, start, clock):
    document = json.loads(json.dumps(lived.emulator.state()))
    other = start()
    other.emulator.load_state(document)
    assert other.emulator.state() == document
    for path in READS:
        mine, theirs = lived.get(path), other.get(path)
        assert (theirs.status_code, theirs.text) == (mine.status_code, mine.text), path
    for api in (lived, other):
        assert (
            api("POST", "/v4/flows/1001/run", headers={"x-execution-id": "seven"}).status_code
            == 304
        )
    package = build_package("Next")
    [mine, theirs] = [api.upload(1, package).json() for api in (lived, other)]
    assert (theirs["release"], theirs["deletedObjects"]) == (
        mine["release"],
        mine["deletedObjects"],
    )
    for api in (lived, other):
        group = api("POST", "/v4/deployments/1/run", json={}).json()["data"][0]["id"]
        clock.advance(60)
        assert api.json(f"/v4/jobGroups/{group}/status") == "Failed"
        clock.advance(-60)


def test_a_change_of_the_document_changes_no_state(lived):
    before = lived.emulator.state()
    document = lived.emulator.state()
    document["flows"][0]["tables"]["flows"][0]["name"] = "Changed"
    document["deployments"][0]["releases"].clear()
    assert lived.emulator.state() == before
    lived.emulator.load_state(before)
    before["flows"][0]["tables"]["flows"][0]["name"] = "Changed"
    assert lived.emulator.state() != before


def test_a_name_in_the_document_is_the_name(lived):
    document = lived.emulator.state()
    document["flows"][0]["name"] = "Sales"
    lived.emulator.load_state(document)
    assert lived.json("/v4/flows/1001")["name"] == "Sales"


BY_HAND = {
    "users": [
        {"email": "dev@example.com", "password": "p"},
        {"email": "ops@example.com", "password": "q", "roles": ["deployment"]},
    ],
    "tokens": [{"value": "secret", "email": "ops@example.com"}],
    "connections": [{"name": "orders"}],
    "flows": [
        {
            "name": "Daily",
            "connections": ["orders"],
            "owner": "ops@example.com",
            "shared_with": ["dev@example.com"],
        }
    ],
    "deployments": [
        {
            "name": "Orders",
            "value_rules": [{"rule": VALUE_RULE}],
            "releases": [
                {
                    "flow": {
                        "name": "Orders",
                        "dataset_path": "s3://b/dev/in.csv",
                        "description": "first",
                    }
                },
                {"package": base64.b64encode(build_package("Orders")).decode()},
                {"flow": {"name": "Orders"}, "active": False},
            ],
        },
        {"id": 7, "name": "Other"},
    ],
    "run_outcomes": [{"message": "no such table"}],
}


def test_by_hand(start):
    api = start()
    api.emulator.load_state(BY_HAND)
    store = api.emulator.store
    api.session.auth = ("ops@example.com", "q")
    assert [(flow["name"], flow["creator"]) for flow in api.json("/v4/flows")["data"]] == [
        ("Daily", {"id": 2})
    ]
    rows = api.json("/v4/releases", deploymentId=1)["data"]
    assert [(row["id"], row["active"]) for row in rows] == [(103, None), (102, True), (101, None)]
    assert rows[2]["notes"] == "first"
    assert [row["path"] for row in store.release(101).imported.tables["storagelocations"]] == [
        "/prod/in.csv"
    ]
    assert [deployment.id for deployment in store.deployments()] == [7, 1]
    assert api.deployment() == 8
    assert store.flow(1001).visible_to(1)
    assert len(api.emulator.runs.waiting()) == 1
    api.session.auth = None
    assert api.get("/v4/flows", headers={"Authorization": "Bearer secret"}).status_code == 200


def test_without_users_they_stay(api):
    token = api("POST", "/v4/apiAccessTokens", json={"lifetimeSeconds": -1}).json()["tokenValue"]
    api.emulator.load_state({})
    api.session.auth = None
    assert api.get("/v4/flows", headers={"Authorization": f"Bearer {token}"}).status_code == 200


WRONG = [
    ([], "state must be an object"),
    ({"version": 2}, "state.version"),
    ({"flos": []}, "unknown fields: flos"),
    ({"users": []}, "at least one user"),
    ({"users": [{"email": "a", "password": "b", "roles": ["boss"]}]}, "a role must be one of"),
    ({"users": [{"email": "a"}]}, "password is required"),
    ({"tokens": [{"value": "a", "email": "nobody"}]}, r"tokens\[0\].email"),
    ({"connections": [{"name": 5}]}, r"connections\[0\].name must be a text"),
    ({"connections": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "twice"),
    ({"flows": [{}]}, "name is required"),
    ({"flows": [{"name": "a", "owner": "nobody"}]}, "unknown user"),
    ({"flows": [{"name": "a", "connections": ["b"]}]}, "0 connections are named 'b'"),
    ({"flows": [{"id": 1, "tables": {"flows": []}}]}, "must have exactly the tables"),
    ({"flows": [{"id": 1, "tables_of": 2}]}, "tables_of"),
    ({"deployments": [{"name": "a", "creator": 9}]}, "creator is not the id of a user"),
    ({"deployments": [{"name": "a", "created_at": "yesterday"}]}, "created_at must be a time"),
    ({"deployments": [{"name": "a", "created_at": "2024-01-01T00:00:00"}]}, "time zone"),
    ({"deployments": [{"name": "a", "value_rules": [{"rule": {"type": "x"}}]}]}, "."),
    ({"deployments": [{"name": "a", "releases": [{}]}]}, "needs a flow or a package"),
    ({"deployments": [{"name": "a", "releases": [{"package": "%"}]}]}, "base64"),
    ({"deployments": [{"name": "a", "releases": [{"package": "YQ=="}]}]}, "."),
    ({"job_groups": [{"flow_id": 1}]}, "flow_id is not the id of a flow"),
    ({"run_outcomes": [{"times": 0}]}, "times"),
    ({"ids": {"flows": -1}}, "state.ids.flows"),
    ({"execution_ids": {"x": []}}, "unknown fields: x"),
    ({"history": [{}]}, "what is required"),
]


@pytest.mark.parametrize(("document", "message"), WRONG, ids=[str(one)[:60] for one, _ in WRONG])
def test_a_wrong_document_changes_nothing(lived, document, message):
    before = lived.emulator.state()
    with pytest.raises(ValueError, match=message):
        lived.emulator.load_state(document)
    assert lived.emulator.state() == before


def test_two_live_releases_are_refused(lived):
    document = lived.emulator.state()
    for release in document["deployments"][0]["releases"]:
        release |= {"active": True, "deleted_at": None}
    with pytest.raises(ValueError, match="more than one active release"):
        lived.emulator.load_state(document)


def test_lists_show_it_at_once_although_they_lag(clock):
    with Emulator(EmulatorOptions(clock=clock, list_lag_seconds=60)) as emulator:
        emulator.load_state(BY_HAND)
        assert len(emulator.store.state.releases.listed()) == 3
        assert len(emulator.store.state.flows.listed()) == 1


def test_an_emulator_that_never_started_has_nothing_to_reset():
    with pytest.raises(RuntimeError, match="never started"):
        Emulator(EmulatorOptions(clock=ManualClock())).reset()
