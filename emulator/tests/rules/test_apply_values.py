from __future__ import annotations

import io
import json
import zipfile

import pytest
from rule_packages import (
    DEV,
    EVERYWHERE,
    PARAMETERISED,
    PATHS,
    UNCHANGED,
    VERSIONS,
    imported,
    package_of,
    replacing,
    tables_of,
)
from trifacta_emulator import build_package


@pytest.mark.parametrize("generation", VERSIONS)
def test_bucket_and_path(target, generation):
    values = [
        replacing("s3Bucket", "wrangle-dev", "wrangle-prod"),
        replacing("fileLocation", "//dev//", "/prod/"),
    ]
    api = target(values=values, product_version=VERSIONS[generation])
    answer = imported(api, package_of(generation, **PATHS))
    tables = tables_of(api, answer)
    [location], [setting] = tables["storagelocations"], tables["writesettings"]
    assert (location["bucket"], location["path"]) == ("wrangle-prod", "/prod/in/orders.csv")
    assert setting["path"] == "s3://wrangle-prod/prod/out/orders.csv"
    changes = answer["importRuleChanges"]
    assert changes["object"] == []
    place = {"tableName": "storagelocations", "id": location["id"]}
    assert changes["value"] == [
        {
            "rule": {"id": 11001},
            **values[0],
            **place,
            "field": "bucket",
            "oldValue": "wrangle-dev",
            "newValue": "wrangle-prod",
        },
        {
            "rule": {"id": 11001},
            **values[0],
            "tableName": "writesettings",
            "id": setting["id"],
            "field": "path",
            "oldValue": "s3://wrangle-dev/dev/out/orders.csv",
            "newValue": "s3://wrangle-prod/dev/out/orders.csv",
        },
        {
            "rule": {"id": 11002},
            **values[1],
            **place,
            "field": "path",
            "oldValue": "/dev/in/orders.csv",
            "newValue": "/prod/in/orders.csv",
        },
        {
            "rule": {"id": 11002},
            **values[1],
            "tableName": "writesettings",
            "id": setting["id"],
            "field": "path",
            "oldValue": "s3://wrangle-prod/dev/out/orders.csv",
            "newValue": "s3://wrangle-prod/prod/out/orders.csv",
        },
    ]
    # The answer's datasource leads to the location in the report.
    [source] = answer["datasources"]
    assert place["id"] in (
        source.get("storageLocationId"),
        (source.get("storageLocation") or {}).get("id"),
    )


@pytest.mark.parametrize(
    ("rules", "dataset", "output"),
    [
        ([("s3Bucket", "dev", "prod")], "s3://dev/dev/a", "s3://prod/dev/a"),
        ([("s3Bucket", "/^dev$/", "prod")], "s3://dev-2/a", "s3://dev-2/a"),
        ([("s3Bucket", "dev", "prod")], "gs://dev/a", "gs://dev/a"),
        ([("s3Bucket", "dev", "prod")], "/dev/a", "/dev/a"),
        ([("s3Bucket", "dev", "prod")], "s3a://dev/a", "s3a://prod/a"),
        ([("fileLocation", "dev", "prod")], "s3://dev/dev/dev", "s3://dev/prod/prod"),
        ([("fileLocation", "dev", "prod")], "/dev/a", "/prod/a"),
        ([("fileLocation", "Dev", "prod")], "/dev/a", "/dev/a"),
        ([("fileLocation", "/[0-9]+/", "N")], "/a1/b22.csv", "/aN/bN.csv"),
        ([("fileLocation", "/(a)/", "$1\\1")], "/a", "/$1\\1"),
        ([("fileLocation", "a.c", "x")], "/abc/a.c", "/abc/x"),
        ([("fileLocation", "/", "|")], "/a/b", "|a|b"),
        ([("fileLocation", "dev", "")], "/dev/a", "//a"),
        ([("fileLocation", "dev", "test"), ("fileLocation", "test", "prod")], "/dev/a", "/prod/a"),
        ([("fileLocation", "test", "prod"), ("fileLocation", "dev", "test")], "/dev/a", "/test/a"),
        ([("fileLocation", "dev", "x"), ("fileLocation", "x", "dev")], "/dev/a", "/dev/a"),
    ],
)
def test_what_value_rules_do(target, rules, dataset, output):
    api = target(values=[replacing(*one) for one in rules])
    answer = imported(api, build_package(dataset_path=dataset, output_path=dataset))
    tables = tables_of(api, answer)
    [location], [setting] = tables["storagelocations"], tables["writesettings"]
    assert setting["path"] == output
    found = (
        f"{location['type']}://{location['bucket']}{location['path']}"
        if location["bucket"]
        else location["path"]
    )
    assert found == output
    if dataset == output and len(rules) == 1:
        assert answer["importRuleChanges"] == UNCHANGED


@pytest.mark.parametrize("generation", VERSIONS)
def test_tables(target, generation):
    values = [
        replacing("dbTableName", "orders", "orders_v2"),
        replacing("dbPath", "/^public$/", "prod"),
    ]
    api = target(values=values, product_version=VERSIONS[generation])
    answer = imported(api, package_of(generation, connections=[DEV]))
    [table] = tables_of(api, answer)["relationalsources"]
    assert (table["tableName"], table["relationalPath"]) == ("orders_v2", ["prod"])
    items = [
        (item["field"], item["oldValue"], item["newValue"])
        for item in answer["importRuleChanges"]["value"]
    ]
    assert items == [("tableName", "orders", "orders_v2"), ("relationalPath", ["public"], ["prod"])]


def test_hosts(target):
    values = [replacing("host", "dev", "prod"), replacing("userinfo", "dev", "me")]
    path = "wasbs://dev@dev.blob.example.com:443/dev/dev"
    api = target(values=values)
    tables = tables_of(api, imported(api, build_package(output_path=path)))
    assert tables["writesettings"][0]["path"] == "wasbs://me@prod.blob.example.com:443/dev/dev"
    # A bucket is no host.
    tables = tables_of(api, imported(api, build_package(output_path="s3://dev/a")))
    assert tables["writesettings"][0]["path"] == "s3://dev/a"


@pytest.mark.parametrize("generation", VERSIONS)
@pytest.mark.parametrize("path", ["releases", "releases/dryRun"])
def test_no_rule_reaches_a_parameterised_dataset(target, generation, path):
    api = target(values=EVERYWHERE, product_version=VERSIONS[generation])
    answer = imported(
        api, package_of(generation, output_path="s3://dev-out/dev/x.csv", **PARAMETERISED), path
    )
    # Of the flow's one output, and not of its one dataset.
    assert {change["tableName"] for change in answer["importRuleChanges"]["value"]} == {
        "writesettings"
    }
    if path == "releases":
        tables = tables_of(api, answer)
        [source], [location] = tables["datasources"], tables["storagelocations"]
        assert (source["isDynamic"], source["dynamicPath"]) == (True, "/dev/.csv")
        assert (location["bucket"], location["path"]) == ("dev-lake", "/dev/eu.csv")


def test_no_rule_reaches_a_real_query(target, read_real):
    values = [replacing("dbTableName", "//.*//", "x"), replacing("dbPath", "//.*//", "x")]
    api = target(values=values, product_version="6.8.0+186.20191205223719.226ea1c")
    answer = imported(api, read_real("flow_53__v6.8_parameterised"))
    assert answer["importRuleChanges"]["value"] == []


def test_a_location_that_a_fixed_dataset_reads_too_is_changed(target):
    api = target(values=EVERYWHERE)
    answer = imported(api, zipped(document_of_one_location()))
    [change, _] = answer["importRuleChanges"]["value"]
    assert (change["tableName"], change["newValue"]) == ("storagelocations", "prod-lake")


def document_of_one_location():
    location = {"id": 7, "type": "s3", "bucket": "dev-lake", "path": "/dev/eu.csv"}
    sources = [
        {"id": number, "isDynamic": dynamic, "parsingScriptId": None, "storageLocation": location}
        for number, dynamic in ((1, True), (2, False))
    ]
    return {
        "metadata": {"trifactaVersion": "8.0.0", "uuid": "u", "primaryFlowIds": [1]},
        "data": {"flows": [{"id": 1, "name": "Orders", "datasources": sources}]},
    }


def zipped(document):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("flow_1.json", json.dumps(document))
    return buffer.getvalue()
