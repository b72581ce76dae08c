"""Mappings of a plain import, and the answer that asks for them."""

from __future__ import annotations

import json

import pytest
from flow_calls import export, post, read
from trifacta_emulator import Connection, PresetConnection, build_package

DEV, PROD = "d75255f0-a245-11e7-8618-adc1dbb4bed0", "11111111-1111-11e7-8618-adc1dbb4bed0"
MAPPED = [{"connectionUuid": DEV, "mappedConnectionUuid": PROD}]
PATH = "s3://dev/{env.region}/in.csv"


@pytest.fixture
def prod(start):
    def _prod(**options):
        return start(connections=(PresetConnection("prod", PROD),), **options)

    return _prod


def package(**more):
    return build_package("Orders", connections=[Connection(24, "dev", DEV)], **more)


def with_parameter():
    return build_package("Orders", dataset_path=PATH, dataset_parameters={"env.region": "eu"})


@pytest.mark.parametrize(
    "parts",
    [[json.dumps(MAPPED)], [json.dumps(one) for one in MAPPED]],
    ids=["one list", "one part for each"],
)
def test_a_connection_is_mapped(prod, parts):
    api = prod()
    answer = post(api, package(), data={"connectionIdMapping": parts}).json()
    assert answer["importRuleChanges"] == {"object": [], "value": []}
    [described] = read(export(api, answer["primaryFlowIds"][0])).tables["connections"]
    assert (described["name"], described["uuid"]) == ("prod", PROD)


@pytest.mark.parametrize(
    ("mapping", "key", "value", "environment"),
    [
        ({"mappedOverrideKey": "env.country"}, "env.country", "eu", True),
        ({"mappedValue": "us"}, "env.region", "us", False),
    ],
)
def test_an_environment_parameter_is_mapped(prod, mapping, key, value, environment):
    api, parts = prod(), json.dumps([{"overrideKey": "env.region", **mapping}])
    flow_id = post(api, with_parameter(), data={"environmentParameterMapping": parts}).json()[
        "primaryFlowIds"
    ][0]
    [parameter] = read(export(api, flow_id)).tables["datasources"][0]["runParameters"]
    edit = parameter["runParameterEdit"]
    assert (edit["overrideKey"], edit["value"]) == (key, {"variable": {"value": value}})
    assert edit["isEnvironmentParameter"] is environment


def test_the_new_flows_are_in_the_folder(prod):
    api = prod(product_version="7.6.0")
    answer = post(api, build_package("Orders", generation="6.8"), params={"folderId": "5"}).json()
    assert answer["flows"][0]["folderId"] == 5
    assert api.json(f"/v4/flows/{answer['primaryFlowIds'][0]}")["folder"] == {"id": 5}


@pytest.mark.parametrize("path", ["package", "package/dryRun"])
@pytest.mark.parametrize(("choice", "params"), [("from_ui", {"fromUI": "true"}), ("always", {})])
def test_an_import_without_mappings_is_held_up(prod, path, choice, params):
    api = prod(import_hold_up=choice)
    response = post(api, package(), path, params=params)
    assert response.status_code == (200 if "dry" in path else 201)
    answer = response.json()
    assert [one["uuid"] for one in answer["connectionsWithoutMapping"]] == [DEV]
    assert (answer["referencedEnvironmentParameters"], "flows" in answer) == ([], False)
    answer = post(api, with_parameter(), path, params=params).json()
    assert [one["overrideKey"] for one in answer["referencedEnvironmentParameters"]] == [
        "env.region"
    ]
    assert api.emulator.store.flows() == ()
    mapped = {"connectionIdMapping": json.dumps(MAPPED)}
    assert "flows" in post(api, package(), path, params=params, data=mapped).json()


def test_without_the_parameter_nothing_is_held_up(prod):
    assert "flows" in post(prod(), package()).json()


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("connectionIdMapping", "{"),
        ("connectionIdMapping", "[5]"),
        ("connectionIdMapping", '[{"connectionUuid": 5, "mappedConnectionUuid": "x"}]'),
        ("connectionIdMapping", '[{"connectionUuid": "x"}]'),
        (
            "environmentParameterMapping",
            '{"overrideKey": "a", "mappedValue": "b", "mappedOverrideKey": "c"}',
        ),
        ("environmentParameterMapping", "[" * 100_000),
    ],
)
def test_wrong_mappings_are_refused(prod, part, text):
    api = prod()
    response = post(api, package(), data={part: text})
    assert response.status_code == 400
    assert part in response.json()["exception"]["details"]
    assert api.emulator.store.flows() == ()


@pytest.mark.parametrize("folder", ["", "x", "-1", "9" * 30])
def test_a_wrong_folder_is_refused(prod, folder):
    assert post(prod(), package(), params={"folderId": folder}).status_code == 400


@pytest.mark.parametrize(("choice", "status"), [("refuse", 400), ("ignore", 201)])
def test_a_connection_that_is_not_here(prod, choice, status):
    api, mapping = (
        prod(unknown_rule_target=choice),
        [{"connectionUuid": DEV, "mappedConnectionUuid": "nowhere"}],
    )
    assert (
        post(api, package(), data={"connectionIdMapping": json.dumps(mapping)}).status_code
        == status
    )
