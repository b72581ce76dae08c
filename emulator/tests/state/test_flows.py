from __future__ import annotations

import io

import pytest
from trifacta_emulator import (
    Connection,
    EmulatorOptions,
    MissingObjectError,
    PresetConnection,
    PresetFlow,
    ValidationError,
    build_package,
    read_package,
)
from trifacta_emulator.state.store import Store


@pytest.fixture
def store(clock):
    return Store(EmulatorOptions(clock=clock, connections=(PresetConnection("orders", "u-1"),)))


def exported(store, flow_id):
    return read_package(io.BytesIO(store.export_flow(flow_id)))


def test_edit(store, clock):
    flow = store.create_flow(
        "Orders", dataset_path="s3://dev/in.csv", output_path="/dev/out.csv", user_id=2
    )
    before = exported(store, flow.id)
    clock.advance(60)
    edited = store.edit_flow(
        flow.id,
        name="Sales",
        dataset_path="gs://lake/sales.csv",
        output_path="/new.csv",
        adhoc_output=False,
    )
    assert (edited.name, edited.creator, edited.updater) == ("Sales", 2, 1)
    assert (edited.created_at, edited.updated_at) == (flow.created_at, clock())
    # Records are replaced, not changed.
    assert (flow.name, flow.tables["outputobjects"][0]["isAdhoc"]) == ("Orders", True)
    after = exported(store, flow.id)
    [location], [setting] = after.tables["storagelocations"], after.tables["writesettings"]
    assert (location["type"], location["bucket"], location["path"]) == ("gs", "lake", "/sales.csv")
    assert (setting["path"], after.tables["outputobjects"][0]["isAdhoc"]) == ("/new.csv", False)
    assert after.primary_flow_name == "Sales"
    # The same objects with the same ids.
    assert after.primary_flow_ids == before.primary_flow_ids
    for table in ("recipes", "datasources", "outputobjects"):
        assert [row["id"] for row in after.tables[table]] == [
            row["id"] for row in before.tables[table]
        ]


def test_edit_of_one_thing_leaves_the_rest(store):
    flow = store.create_flow("Orders", dataset_path="s3://dev/in.csv")
    edited = store.edit_flow(flow.id, output_path="/new.csv")
    changed = {table for table, rows in edited.tables.items() if rows != flow.tables[table]}
    assert changed == {"writesettings"}


def test_a_file_in_place_of_a_table(store):
    flow = store.create_flow("Orders", connections=["orders"])
    package = exported(store, flow.id)
    assert [row["tableName"] for row in package.tables["relationalsources"]] == ["orders"]
    store.edit_flow(flow.id, dataset_path="/in.csv")
    package = exported(store, flow.id)
    assert package.tables["relationalsources"] == []
    assert [row["path"] for row in package.tables["storagelocations"]] == ["/in.csv"]
    assert [row["uuid"] for row in package.tables["connections"]] == ["u-1"]


def test_without_a_manual_output(store):
    flow = store.create_flow("Orders", adhoc_output=False)
    assert exported(store, flow.id).tables["outputobjects"] == []


def test_new_ids_for_every_flow(store):
    first, second = store.create_flow("Orders"), store.create_flow("Orders")
    store.create_deployment("prod")
    release = store.create_release(1, exported(store, first.id))
    tables = (first.tables, second.tables, release.imported.tables)
    for table in ("flows", "recipes", "outputobjects"):
        ids = [row["id"] for one in tables for row in one[table]]
        assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("names", [["nothing"], ["orders", "twice"]])
def test_unknown_connections(store, names):
    store.create_connection("twice")
    store.create_connection("twice")
    with pytest.raises(ValueError, match="connections are named"):
        store.create_flow("Orders", connections=names)
    assert store.flows() == ()


def test_preset_flow_with_an_unknown_connection():
    with pytest.raises(ValueError, match="0 connections are named 'x'"):
        Store(EmulatorOptions(flows=(PresetFlow("a", connections=("x",)),)))


def test_missing(store):
    flow = store.create_flow("Orders")
    store.delete_flow(flow.id)
    for flow_id, reason in ((flow.id, "deleted"), (flow.id + 1, "unknown")):
        for call in (store.flow, store.edit_flow, store.delete_flow, store.export_flow):
            with pytest.raises(MissingObjectError) as caught:
                call(flow_id)
            assert caught.value.reason == reason
    assert store.flows() == ()
    assert store.flow(flow.id, include_deleted=True).deleted_at


def test_events(store):
    flow = store.create_flow("Orders", user_id=2)
    store.edit_flow(flow.id, name="Sales")
    package = exported(store, flow.id)
    made = store.import_flow(package)
    store.delete_flow(flow.id)
    assert [(event.user_id, event.deployment_id, event.what) for event in store.events()] == [
        (2, None, "flow 1001 created"),
        (1, None, "flow 1001 edited"),
        (1, None, f"flow 1001 exported as package {package.uuid}"),
        (1, None, f"flow {made.primary_flow_ids[0]} imported"),
        (1, None, "flow 1001 deleted"),
    ]


def test_a_refused_import_uses_no_ids_up(clock):
    store = Store(EmulatorOptions(clock=clock, unmapped_connections="refuse"))
    package = build_package(connections=[Connection(24, "dev", "u-9")])
    with pytest.raises(ValidationError, match="no rule maps"):
        store.import_flow(read_package(io.BytesIO(package)))
    assert store.create_flow("Orders").id == 1001
