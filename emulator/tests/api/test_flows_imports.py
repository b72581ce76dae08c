from __future__ import annotations

import io
import json
import re
import zipfile

import pyjson5
import pytest
from flow_calls import counts, export, post, read
from trifacta_emulator import (
    Connection,
    PresetConnection,
    build_package,
)


@pytest.mark.parametrize("generation", ["6.8", "8.0"])
def test_import(api, generation):
    package = build_package("Orders", generation=generation, dataset_path="s3://dev/in.csv")
    response = post(api, package, params={"folderId": "5"})
    assert response.status_code == 201
    answer = response.json()
    assert "release" not in answer
    [flow_id] = answer["primaryFlowIds"]
    body = api.json(f"/v4/flows/{flow_id}")
    assert re.fullmatch(r"\[[0-9a-f]{8}\] Orders", body["name"])
    assert answer["flows"][0]["name"] == body["name"]
    again, first = read(export(api, flow_id)), read(package)
    assert counts(again) == counts(first)
    assert (again.primary_flow_ids, again.uuid != first.uuid) == ((flow_id,), True)
    assert again.tables["storagelocations"][0]["bucket"] == "dev"


def test_import_6_0(start):
    version = "6.0.1+235.20190426172824.493d6f8"
    api = start(product_version=version)
    answer = post(api, build_package("Orders", generation="6.0", product_version=version)).json()
    assert re.fullmatch(r"\[[0-9a-f]{8}\] Orders", answer["flows"][0]["name"])
    package = read(export(api, answer["primaryFlowIds"][0]))
    assert counts(package) == counts(read(build_package(generation="6.0")))


@pytest.mark.parametrize("unmapped", ["keep", "clear", "refuse"])
def test_import_with_connections(start, unmapped):
    local = PresetConnection("prod", "u-1", vendor="oracle")
    api = start(connections=(local,), unmapped_connections=unmapped)
    # A connection with the same uuid is the one that is here; another one with the same id is not.
    known = build_package(connections=[Connection(24, "dev", "u-1")])
    flow_id = post(api, known).json()["primaryFlowIds"][0]
    [described] = read(export(api, flow_id)).tables["connections"]
    assert (described["id"], described["uuid"], described["name"]) == (12001, "u-1", "prod")
    response = post(api, build_package(connections=[Connection(12001, "other", "u-2")]))
    if unmapped == "refuse":
        assert response.status_code == 400
        assert len(api.emulator.store.flows()) == 1
        return
    tables = read(export(api, response.json()["primaryFlowIds"][0])).tables
    expected = ["u-2"] if unmapped == "keep" else []
    assert [row["uuid"] for row in tables["connections"]] == expected


def test_ids_of_connections_do_not_mix(start, zip_of):
    """One connection is here with another id, which is that of the other one where the package
    comes from."""
    content = build_package(
        connections=[Connection(12001, "a", "u-a"), Connection(12002, "b", "u-b")]
    )
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        [name] = archive.namelist()
        definition = pyjson5.decode(archive.read(name).decode())
    [setting] = definition["data"]["flows"][0]["outputobjects"][0]["writesettings"]
    setting["connectionId"] = 12002
    api = start(connections=(PresetConnection("x", "u-x"), PresetConnection("a", "u-a")))
    flow_id = post(api, zip_of({"flow_1.json": json.dumps(definition)})).json()["primaryFlowIds"][0]
    tables = read(export(api, flow_id)).tables
    uuids = {row["id"]: row["uuid"] for row in tables["connections"]}
    assert uuids[tables["datasources"][0]["connectionId"]] == "u-a"
    assert uuids[tables["writesettings"][0]["connectionId"]] == "u-b"


@pytest.mark.parametrize("path", ["package", "package/dryRun"])
@pytest.mark.parametrize(
    ("options", "part", "package", "status"),
    [
        ({}, "data", build_package(product_version="9.8.0"), 400),
        ({}, "data", build_package(generation="6.0"), 400),
        ({}, "data", b"no zip", 400),
        ({}, "File", build_package(), 0),
        ({"import_enabled": False}, "data", build_package(), 403),
    ],
)
def test_checks_of_imports(start, path, options, part, package, status):
    api = start(**options)
    assert post(api, package, path, part).status_code == (status or (200 if "dry" in path else 201))
    assert len(api.emulator.store.flows()) == (not status and "dry" not in path)


def test_import_without_a_form(api):
    assert api("POST", "/v4/flows/package", json={}).status_code == 415


def test_import_dry_run(dev):
    before = dev.emulator.store.events()
    first, second = (post(dev, build_package("Stock"), "package/dryRun") for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert [one.json()["primaryFlowIds"] for one in (first, second)] == [[1002], [1003]]
    assert dev.emulator.store.events() == before
    assert dev.get("/v4/flows/1002").status_code == 403


def test_dry_run_errors_in_the_body(start):
    response = post(start(dry_run_errors="body"), b"no zip", "package/dryRun")
    assert response.status_code == 200
    assert "ZIP" in response.json()["exception"]["details"]


def test_flow_of_a_release(dev):
    answer = dev.upload(dev.deployment(), export(dev)).json()
    [flow_id] = answer["primaryFlowIds"]
    body = dev.json(f"/v4/flows/{flow_id}")
    assert (body["name"], body["creator"]) == ("Daily Orders", {"id": 1})
    assert [row["id"] for row in dev.json("/v4/flows", flowsFilter="all")["data"]] == [1001]
    assert dev.get(f"/v4/flows/{flow_id}/package").status_code == 403
    dev("DELETE", f"/v4/releases/{answer['release']['id']}")
    assert dev.get(f"/v4/flows/{flow_id}").status_code == 410


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("flow_13__v6.0", "6.0.1+235.20190426172824.493d6f8"),
        ("flow_63__v6.8", "6.8.0"),
        ("flow_63__v6.8", "9.7.0"),
        ("flow_custom_calendars__v7.8", "7.8.0"),
        ("flow_google_forms__v8.0_json5", "9.7.0"),
        ("flow_pricing__v8.6_json5_artifact", "9.7.0"),
    ],
)
def test_real_packages(start, read_real, name, version):
    """What comes out again is as complete as what came in, and imports as a release."""
    api, real = start(product_version=version), read_real(name)
    answer = post(api, real).json()
    again = export(api, answer["primaryFlowIds"][0])
    first, second = read(real), read(again)
    assert counts(second) == counts(first)
    for table, columns in {"connections": ("uuid", "name"), "recipes": ("name", "steps")}.items():
        assert [[row.get(one) for one in columns] for row in second.tables[table]] == [
            [row.get(one) for one in columns] for row in first.tables[table]
        ]
    release = api.upload(api.deployment(), again)
    assert release.status_code == 201, release.text
    for table in ("flows", "flownodes", "datasources", "outputobjects"):
        assert len(release.json()[table]) == len(first.tables[table])


def test_before_6_8_the_answer_to_an_import_names_the_flow(start):
    version = "6.0.1+235.20190426172824.493d6f8"
    api = start(product_version=version)
    old = build_package("2013 POS", generation="6.0", product_version=version)
    answer = post(api, old).json()
    assert re.fullmatch(r"\[[0-9a-f]{8}\] 2013 POS", answer["flowName"])
    assert (
        "flowName"
        not in post(start(product_version="6.8.0"), build_package(generation="6.8")).json()
    )
