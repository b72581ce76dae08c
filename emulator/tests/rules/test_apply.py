from __future__ import annotations

import json

import pytest
from rule_packages import (
    DEV,
    PARAMETERISED,
    PATHS,
    PROD_UUID,
    UNCHANGED,
    VERSIONS,
    imported,
    package_of,
    replacing,
    tables_of,
)
from trifacta_emulator import Connection, build_package


def rule(on, to):
    return {"tableName": "connections", "onCondition": on, "withCondition": to}


def shown_connection(answer):
    [row] = answer["datasources"]
    return row["connectionId"] if "connectionId" in row else (row["connection"] or {}).get("id")


@pytest.mark.parametrize("generation", VERSIONS)
@pytest.mark.parametrize(
    ("on", "to"),
    [
        ({"uuid": DEV.uuid}, {"id": 12001}),
        ({"id": "24"}, {"id": "12001"}),
        ({"id": 24}, {"uuid": PROD_UUID}),
        ({"name": "dev db", "type": "jdbc"}, {"name": "prod db"}),
    ],
)
def test_connection_is_mapped(target, generation, on, to):
    api = target([rule(on, to)], product_version=VERSIONS[generation])
    answer = imported(api, package_of(generation, connections=[DEV]))
    assert shown_connection(answer) == 12001
    assert answer["importRuleChanges"] == {
        "object": [
            {
                "rule": {"id": 10001},
                "tableName": "connections",
                "onCondition": on,
                "withCondition": to,
                "id": 24,
                "oldValue": {"id": 24, "uuid": DEV.uuid, "name": "dev db"},
                "newValue": {"id": 12001, "uuid": PROD_UUID, "name": "prod db"},
            }
        ],
        "value": [],
    }


@pytest.mark.parametrize(
    "on",
    [
        {"uuid": "u"},
        {"uuid": "/.*/"},
        {"uuid": DEV.uuid, "name": "x"},
        {"vendorName": "x"},
        {"id": "024"},
        {"name": "Dev db"},
    ],
)
@pytest.mark.parametrize("to", [{"id": 12001}, {"id": 999}])
def test_rule_that_does_not_match_is_silent(target, on, to):
    answer = imported(target([rule(on, to)]), build_package(connections=[DEV]))
    assert answer["importRuleChanges"] == UNCHANGED
    assert shown_connection(answer) == 24


def test_later_rule_sees_the_result(target):
    rules = [
        rule({"id": "12001"}, {"id": 12002}),
        rule({"uuid": DEV.uuid}, {"id": 12001}),
        rule({"uuid": DEV.uuid}, {"id": 12002}),
        rule({"uuid": PROD_UUID}, {"name": "other db"}),
        rule({"name": "other db"}, {"id": 12002}),
    ]
    answer = imported(target(rules), build_package(connections=[DEV]))
    assert shown_connection(answer) == 12002
    # The first sees the exported one, the third no longer does, the last leads where it is already.
    changes = answer["importRuleChanges"]["object"]
    assert [
        (item["rule"]["id"], item["oldValue"]["id"], item["newValue"]["id"]) for item in changes
    ] == [
        (10002, 24, 12001),
        (10004, 12001, 12002),
    ]
    assert {item["id"] for item in changes} == {24}


def test_each_connection_by_its_own_rule(target):
    stock = Connection(25, "dev stock", "u-stock")
    rules = [rule({"uuid": "u-stock"}, {"id": 12002}), rule({"uuid": DEV.uuid}, {"id": 12001})]
    answer = imported(target(rules), build_package(connections=[DEV, stock]))
    changes = answer["importRuleChanges"]["object"]
    assert [(item["id"], item["newValue"]["id"]) for item in changes] == [(24, 12001), (25, 12002)]


@pytest.mark.parametrize("path", ["releases", "releases/dryRun"])
@pytest.mark.parametrize(
    ("to", "details"),
    [
        ({"id": 999}, "leads to no connection"),
        ({"name": "prod db", "id": 12002}, "leads to no connection"),
        ({"type": "jdbc"}, "leads to 2 connections"),
    ],
)
def test_rule_that_leads_nowhere(target, path, to, details):
    rules = [rule({"uuid": DEV.uuid}, to)]
    package = build_package(connections=[DEV])
    api = target(rules)
    before = api.release(1, build_package())
    response = api.upload(1, package, path)
    assert response.status_code == 400
    assert response.json()["exception"]["name"] == "ApiValidationFailed"
    assert details in response.json()["exception"]["details"]
    # No release, and the active one stays.
    [release] = api.json("/v4/releases")["data"]
    assert (release["id"], release["active"]) == (before, True)
    api("PATCH", "/v4/deployments/1/objectImportRules", json=[])
    answer = imported(api, package)
    # What was refused used no ids up.
    assert (answer["release"]["id"], answer["primaryFlowIds"]) == (before + 1, [1002])
    answer = imported(target(rules, unknown_rule_target="ignore"), package, path)
    assert (shown_connection(answer), answer["importRuleChanges"]) == (24, UNCHANGED)


@pytest.mark.parametrize("generation", ["6.8", "8.0"])
@pytest.mark.parametrize(
    ("choice", "shown"),
    [("keep", 24), ("clear", None), ("refuse", "'dev db' (2d7c1650-7daa-11e9-b9eb-0fd11bed75ab)")],
)
def test_connection_that_is_not_here(target, generation, choice, shown):
    api = target(unmapped_connections=choice)
    response = api.upload(1, build_package(generation=generation, connections=[DEV]))
    if choice == "refuse":
        assert response.status_code == 400
        assert shown in response.json()["exception"]["details"]
        assert api.json("/v4/releases") == {"data": []}
    else:
        assert response.status_code == 201
        assert shown_connection(response.json()) == shown
        assert response.json()["importRuleChanges"] == UNCHANGED


def test_connection_that_is_here_by_uuid(target):
    exported = Connection(24, "another name", PROD_UUID)
    answer = imported(target(unmapped_connections="refuse"), build_package(connections=[exported]))
    assert shown_connection(answer) == 12001
    # No rule did that.
    assert answer["importRuleChanges"] == UNCHANGED
    answer = imported(
        target([rule({"uuid": PROD_UUID}, {"id": 12002})]), build_package(connections=[exported])
    )
    assert shown_connection(answer) == 12002


@pytest.mark.parametrize("generation", ["6.0", "6.8"])
def test_real_packages(target, read_real, generation):
    name, version, old = {
        "6.0": ("flow_13__v6.0", "6.0.1", 24),
        "6.8": ("flow_63__v6.8", "6.8.0", 5),
    }[generation]
    values = [
        replacing("fileLocation", "//developpement//", "/production/"),
        replacing("host", "adls1", "prod"),
    ]
    api = target([rule({"id": str(old)}, {"id": 12001})], values, product_version=version)
    answer = imported(api, read_real(name))
    rows = [
        row.get("connectionId", (row.get("connection") or {}).get("id"))
        for row in answer["datasources"]
    ]
    assert 12001 in rows
    assert old not in rows
    [change] = answer["importRuleChanges"]["object"]
    assert (change["oldValue"]["id"], change["newValue"]["id"]) == (old, 12001)
    changed = [item["newValue"] for item in answer["importRuleChanges"]["value"]]
    if generation == "6.0":
        files = ("Societaires", "Contrats", "Risques")
        assert changed == [f"/production/data/{file}.csv" for file in files]
    else:
        assert changed == [
            "adl://victorprod.azuredatalakestore.net:443/home/trifacta/queryResults/Customers___2.csv"
        ]


def test_connection_that_is_not_described(target, zip_of):
    sources = [
        {"id": number, "connectionId": one} for number, one in enumerate((99, 98, None, [1], "99"))
    ]
    metadata = {"trifactaVersion": "8.0.0", "uuid": "u", "primaryFlowIds": [1]}
    flow = {"id": 1, "name": "Orders", "datasources": sources}
    package = zip_of(
        {"flow_1_u.json": json.dumps({"metadata": metadata, "data": {"flows": [flow]}})}
    )
    api = target([rule({"id": "99"}, {"id": 12001})], unmapped_connections="clear")
    tables = tables_of(api, imported(api, package))
    assert [row["connectionId"] for row in tables["datasources"]] == [12001, None, None, [1], "99"]
    api = target([rule({"id": "99"}, {"id": 12001})], unmapped_connections="refuse")
    assert api.upload(1, package).status_code == 400


def test_rules_apply_to_later_imports_of_their_deployment(target):
    api = target()
    api.deployment("other")
    package = build_package(
        connections=[DEV], dataset_path="/dev/in.csv", output_path="/dev/out.csv"
    )
    first = imported(api, package)
    before = tables_of(api, first)
    objects, values = (
        [rule({"id": "24"}, {"id": 12001})],
        [replacing("fileLocation", "dev", "prod")],
    )
    api("PATCH", "/v4/deployments/1/objectImportRules", json=objects)
    api("PATCH", "/v4/deployments/1/valueImportRules", json=values)
    second = imported(api, package)
    assert shown_connection(second) == 12001
    assert len(second["importRuleChanges"]["value"]) == 2
    elsewhere = api.upload(2, package).json()
    assert (shown_connection(elsewhere), elsewhere["importRuleChanges"]) == (24, UNCHANGED)
    # Not retroactive, neither when made nor when taken away.
    assert tables_of(api, first) is before
    assert before["writesettings"][0]["path"] == "/dev/out.csv"
    api("PATCH", "/v4/deployments/1/valueImportRules", json=[])
    assert tables_of(api, second)["writesettings"][0]["path"] == "/prod/out.csv"
    third = imported(api, package)
    assert shown_connection(third) == 12001
    assert third["importRuleChanges"]["value"] == []


def test_dry_run_reports_the_same_and_keeps_nothing(target):
    api = target(
        [rule({"id": "24"}, {"id": 12001})], [replacing("s3Bucket", "wrangle-dev", "wrangle-prod")]
    )
    package = build_package(connections=[DEV], **PATHS)
    events = api.emulator.store.events()
    api.emulator.drop_on_next_import({"datasources": [12]})
    preview, again = (imported(api, package, "releases/dryRun") for _ in range(2))
    assert preview.keys() == again.keys()
    assert api.emulator.store.events() == events
    assert api.json("/v4/releases") == {"data": []}
    answer = imported(api, package)
    assert answer.pop("release")
    # A dry run does not use the dropped objects up, the import does.
    assert (
        answer["deletedObjects"]
        == preview["deletedObjects"]
        == again["deletedObjects"]
        == {"datasources": [12]}
    )
    assert answer["importRuleChanges"]["object"] == preview["importRuleChanges"]["object"]
    assert [len(answer["importRuleChanges"][kind]) for kind in ("object", "value")] == [1, 2]
    assert imported(api, package)["deletedObjects"] == {}


@pytest.mark.parametrize("what", ["rule", "connection", "version", "file"])
def test_dry_run_errors(target, what):
    objects = [rule({"id": "24"}, {"id": 999})] if what == "rule" else []
    choices = {"unmapped_connections": "refuse"} if what == "connection" else {}
    package = build_package(
        connections=[DEV], product_version="10.0.0" if what == "version" else None
    )
    if what == "file":
        package = b"no zip"
    strict, lenient = target(objects, **choices), target(objects, dry_run_errors="body", **choices)
    error, body = (api.upload(1, package, "releases/dryRun") for api in (strict, lenient))
    assert (error.status_code, body.status_code) == (400, 200)
    assert body.json() == error.json()
    assert body.json()["exception"].keys() == {"name", "message", "details"}
    # The import itself is refused either way.
    assert lenient.upload(1, package).status_code == 400


def test_other_dry_run_errors_keep_their_status(target):
    api = target(dry_run_errors="body")
    assert api.upload(9, build_package(), "releases/dryRun").status_code == 404
    assert api("POST", "/v4/deployments/1/releases/dryRun", json={}).status_code == 415
    api.session.auth = ("admin@example.com", "wrong")
    assert api.upload(1, build_package(), "releases/dryRun").status_code == 401


def test_history(target):
    api = target([rule({"id": "24"}, {"id": 12001})], [replacing("fileLocation", "dev", "prod")])
    # Two rules change the location, which counts once.
    values = [
        replacing("s3Bucket", "wrangle-dev", "wrangle-prod"),
        replacing("fileLocation", "dev", "prod"),
    ]
    api("PATCH", "/v4/deployments/1/valueImportRules", json=values)
    api.release(1, build_package(connections=[DEV], **PATHS))
    api.release(1, build_package())
    what = [event.what for event in api.emulator.store.events() if "created" in event.what]
    assert what[1:] == [
        "release created and activated; objects changed by import rules: 3",
        "release created and activated; objects changed by import rules: 0",
    ]
    assert what[1] in api.get("/").text


def test_an_object_rule_reaches_the_connection_of_a_parameterised_dataset(target):
    api = target([rule({"uuid": DEV.uuid}, {"uuid": PROD_UUID})])
    answer = imported(api, package_of("8.0", connections=[DEV], **PARAMETERISED))
    assert shown_connection(answer) == 12001
