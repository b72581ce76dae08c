from __future__ import annotations

import pytest
from flow_calls import counts, export, post, read

FLOWS = "/v4/flows"


def test_a_new_flow(api):
    """Evidence: the page API Flows Create v4 of 6.0."""
    answer = api("POST", f"{FLOWS}/", json={"name": "My Flow", "description": "This is my flow."})
    assert answer.status_code == 201
    body = answer.json()
    assert (body["name"], body["description"], body["creator"]) == (
        "My Flow",
        "This is my flow.",
        {"id": 1},
    )
    assert body == api.json(f"{FLOWS}/{body['id']}")
    assert counts(read(export(api, body["id"])))["flownodes"] == 0


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": 7}, {"name": "x", "description": 7}])
def test_a_name_is_required(api, body):
    assert api("POST", FLOWS, json=body).status_code == 400
    assert api.json(FLOWS)["data"] == []


def test_a_name_that_is_taken(api):
    names = [
        api("POST", FLOWS, json={"name": "My Flow", "incrementName": increment}).json()["name"]
        for increment in (False, False, True, True)
    ]
    assert names == ["My Flow", "My Flow", "My Flow (2)", "My Flow (3)"]


@pytest.mark.parametrize(("own", "datasets"), [(True, {4001, 4002}), (False, {4001})])
def test_a_copy(dev, own, datasets):
    body = {"name": "Second", "description": "", "copyDatasources": own}
    answer = dev("POST", f"{FLOWS}/1001/copy", json=body)
    assert answer.status_code == 201
    copied = answer.json()["id"]
    assert answer.json()["name"] == "Second"
    assert counts(read(export(dev, copied))) == counts(read(export(dev)))
    flows = dev.emulator.store.flows()
    assert {row["id"] for flow in flows for row in flow.tables["datasources"]} == datasets
    # It runs by itself, and so does a new recipe on its dataset.
    assert dev("POST", f"{FLOWS}/{copied}/run").status_code == 201
    recipe = {"name": "Late", "flow": {"id": copied}, "importedDataset": {"id": max(datasets)}}
    assert dev("POST", "/v4/wrangledDatasets", json=recipe).status_code == 201
    assert len(dev.json(f"{FLOWS}/{copied}", embed="flowNodes")["flowNodes"]["data"]) == 3


def test_a_copy_without_a_name(dev):
    # Google's operator sends empty texts.
    body = {"name": "", "description": "", "copyDatasources": False}
    assert dev("POST", f"{FLOWS}/1001/copy", json=body).json()["name"] == "Copy of Daily Orders"


def test_a_copy_has_one_flow_of_a_package(start, read_real):
    api = start(product_version="9.7.0")
    assert post(api, read_real("flow_google_forms__v8.0_json5")).status_code == 201
    first = api.emulator.store.flows()[0]
    copied = api("POST", f"{FLOWS}/{first.id}/copy", json={}).json()["id"]
    assert len(api.emulator.store.flow(copied).tables["flows"]) == 1
    assert api.get(f"{FLOWS}/{copied}/package").status_code == 200


def test_deleting(dev):
    assert dev("DELETE", f"{FLOWS}/1001").status_code == 204
    assert [
        dev(method, f"{FLOWS}/1001{path}").status_code
        for method, path in (("GET", ""), ("DELETE", ""))
    ] == [
        410,
        410,
    ]
    assert dev("POST", f"{FLOWS}/1001/copy", json={}).status_code == 410
    assert dev("DELETE", f"{FLOWS}/9").status_code == 403
