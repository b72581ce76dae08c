from __future__ import annotations

import io
import json

import pytest
from trifacta_emulator import EmulatorOptions, ValidationError, read_package
from trifacta_emulator.state.flow_edits import edited
from trifacta_emulator.state.store import Store

UPSTREAM, DOWNSTREAM = 1001, 1002


def flow(number, reads=None):
    node, script, source = number * 10 + 1, number * 10 + 2, number * 10 + 3
    location = {"id": number, "type": "s3", "bucket": "dev", "path": f"/{number}.csv"}
    setting = {"id": number, "path": f"/out/{number}.csv"}
    return {
        "id": number,
        "name": f"flow {number}",
        "flownodes": [
            {
                "id": node,
                "scriptId": script,
                "flowNodeId": reads,
                "referenceId": None,
                "wrangled": True,
            }
        ],
        "recipes": [{"id": script, "name": "recipe"}],
        "datasources": [{"id": source, "parsingScriptId": script, "storageLocation": location}],
        "outputobjects": [
            {"id": number, "flowNodeId": node, "isAdhoc": True, "writesettings": [setting]}
        ],
    }


@pytest.fixture
def store(clock, zip_of):
    """A package of two flows, of which the second one reads what the first one makes."""
    made = Store(EmulatorOptions(clock=clock))
    document = {
        "metadata": {"trifactaVersion": "8.0.0", "uuid": "u", "primaryFlowIds": [2]},
        "data": {"flows": [flow(1), flow(2, reads=11)]},
    }
    made.import_flow(read_package(io.BytesIO(zip_of({"flow_2.json": json.dumps(document)}))))
    return made


def exported(store, flow_id):
    return read_package(io.BytesIO(store.export_flow(flow_id))).tables


def test_only_the_flow_itself_changes(store, clock):
    clock.advance(60)
    arguments = {
        "dataset_path": "gs://lake/new.csv",
        "output_path": "/new.csv",
        "adhoc_output": False,
    }
    store.edit_flow(DOWNSTREAM, name="Sales", **arguments)
    tables = exported(store, DOWNSTREAM)
    assert [row["bucket"] for row in tables["storagelocations"]] == ["dev", "lake"]
    assert [row["path"] for row in tables["writesettings"]] == ["/out/1.csv", "/new.csv"]
    assert [row["isAdhoc"] for row in tables["outputobjects"]] == [True, False]
    assert [row["name"] for row in tables["flows"]][1] == "Sales"
    assert store.flow(UPSTREAM).updated_at < store.flow(DOWNSTREAM).updated_at


def test_another_file_has_no_parameters(store):
    parameters = {"dataset_path": "s3://dev/{region}.csv", "dataset_parameters": {"region": "eu"}}
    flow_id = store.create_flow("Orders", **parameters).id
    [before] = exported(store, flow_id)["datasources"]
    store.edit_flow(flow_id, dataset_path="/x.csv")
    [after] = exported(store, flow_id)["datasources"]
    told = [
        (one["isDynamic"], one["dynamicPath"], len(one["runParameters"])) for one in (before, after)
    ]
    assert told == [(True, "/.csv", 1), (False, None, 0)]


def test_the_other_flow_goes_along_as_it_is(store):
    store.edit_flow(UPSTREAM, name="Raw")
    tables = exported(store, DOWNSTREAM)
    assert next(row["name"] for row in tables["flows"]) == "Raw"
    assert store.flow(UPSTREAM).name == "Raw"
    store.edit_flow(DOWNSTREAM, name="Sales")
    assert [row["name"] for row in exported(store, UPSTREAM)["flows"]] == ["Raw", "Sales"]


def test_the_tables_given_stay_as_they_were(store):
    tables = store.flow(UPSTREAM).tables
    before = json.dumps(tables)
    assert (
        edited(tables, UPSTREAM, name="x", dataset_path="/x", output_path="/x", adhoc_output=False)
        != tables
    )
    assert edited(tables, UPSTREAM) == tables
    assert json.dumps(tables) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "name must not be empty"),
        ({"dataset_path": ""}, "dataset_path must not be empty"),
        ({"output_path": ""}, "output_path must not be empty"),
        ({"dataset_path": "/x"}, "flows 1003 has no dataset"),
        ({"output_path": "/x"}, "flows 1003 has no output to a file"),
        ({"adhoc_output": True}, "flows 1003 has no output"),
    ],
)
def test_nothing_to_change(store, change, message):
    flow_id = store.create_flow("Orders", adhoc_output=False).id
    before = store.flow(flow_id)
    if "dataset_path" in change:
        before.tables["datasources"].clear()
    with pytest.raises(ValidationError, match=message):
        store.edit_flow(flow_id, **change)
    assert store.flow(flow_id) == before


def test_no_output_is_no_manual_output(store):
    flow_id = store.create_flow("Orders", adhoc_output=False).id
    assert store.edit_flow(flow_id, adhoc_output=False).tables["outputobjects"] == []
