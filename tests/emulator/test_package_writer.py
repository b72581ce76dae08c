from __future__ import annotations

import io
import json
import zipfile

import pyjson5
import pytest

from airflow_provider_trifacta.emulator import EmulatorOptions, PresetConnection, PresetFlow, build_package
from airflow_provider_trifacta.emulator.package_reader import read_package
from airflow_provider_trifacta.emulator.package_writer import generation_of
from airflow_provider_trifacta.emulator.store import Store
from airflow_provider_trifacta.emulator.versions import parse_version

VERSIONS = {"6.0": "6.0.1", "6.8": "6.8.0", "8.0": "9.7.0"}


def document(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        [name] = [one for one in archive.namelist() if one.startswith("flow_")]
        text = archive.read(name).decode()
    return pyjson5.decode(text) if name.endswith("5") else json.loads(text)


def store_of(generation, **flow):
    flows = (PresetFlow("Orders", **flow),) if flow else ()
    options = EmulatorOptions(
        product_version=VERSIONS[generation], connections=(PresetConnection("orders", "u-1"),), flows=flows
    )
    return Store(options)


@pytest.mark.parametrize(
    ("version", "generation"),
    [("6.0.1", "6.0"), ("6.4.2", "6.0"), ("6.8", "6.8"), ("7.8.0+1.a", "6.8"), ("8.0", "8.0"), ("10.1.0", "8.0")],
)
def test_generation(version, generation):
    assert generation_of(parse_version(version)) == generation


@pytest.mark.parametrize(
    ("generation", "name"),
    [("6.0", "flow_13__v6.0"), ("6.8", "flow_63__v6.8"), ("8.0", "flow_google_forms__v8.0_json5")],
)
@pytest.mark.parametrize("flow", [{"connections": ("orders",)}, {"dataset_path": "s3://dev/in.csv"}])
def test_structure_is_that_of_real_packages(read_real, generation, name, flow):
    """What is exported has no key that a real package of the generation lacks."""
    real, made = document(read_real(name)), document(store_of(generation, **flow).export_flow(1001))
    assert made.keys() == real.keys()
    assert made["metadata"].keys() == real["metadata"].keys()
    assert made["data"].keys() == real["data"].keys()
    # Keys of other real packages of these generations; which ones a dataset has depends on what it reads.
    others = {"container", "blobHost", "cpProject", "relationalsource", "vendor", "flowId"}
    for table, rows in made["data"].items():
        for row in rows[:1] if real["data"][table] else []:
            assert row.keys() <= real["data"][table][0].keys() | others, table
    if generation != "6.0":
        flow, real_flow = made["data"]["flows"][0], real["data"]["flows"][0]
        for table in ("flownodes", "flowedges", "recipes", "outputobjects", "datasources"):
            assert flow[table][0].keys() <= real_flow[table][0].keys() | others, table


@pytest.mark.parametrize("generation", VERSIONS)
@pytest.mark.parametrize("flow", [{"connections": ("orders",)}, {"dataset_path": "s3://dev/in.csv"}])
def test_tables_survive(generation, flow):
    """An export says everything that the instance knows of the flow, with its ids."""
    store = store_of(generation, **flow)
    exported = store.flow(1001).tables
    again = read_package(io.BytesIO(store.export_flow(1001))).tables
    for table, rows in exported.items():
        assert len(again[table]) == len(rows), table
        # The row of a flow holds the rest of it too, as far as the form is nested.
        for old, new in zip(rows, again[table], strict=True) if table != "flows" else ():
            # Not every form says it of every row.
            said = {key: value for key, value in old.items() if value is not None and key != "flowId"}
            assert {key: new.get(key) for key in said} == said


@pytest.mark.parametrize("generation", ["6.8", "8.0"])
def test_several_flows_of_a_package(generation):
    """Each flow has its own objects, also where they do not say which flow is theirs."""
    content = document(build_package("Orders", generation="6.8"))
    other = json.loads(json.dumps(content["data"]["flows"][0]))
    for table in ("flownodes", "flowedges", "recipes", "outputobjects", "datasources"):
        for row in other[table]:
            for key in ("id", "scriptId", "flowNodeId", "inFlowNodeId", "outFlowNodeId", "parsingScriptId"):
                row[key] = row[key] + 500 if isinstance(row.get(key), int) else row.get(key)
            for inner in row.get("writesettings", []):
                inner["id"] += 500
    other |= {"id": 513, "name": "Stock"}
    content["data"]["flows"].append(other)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("flow_13_u.json", json.dumps(content))
    store = store_of(generation)
    made = store.import_flow(read_package(buffer))
    assert len(store.flows()) == 2
    exported = document(store.export_flow(made.primary_flow_ids[0]))
    flows = exported["data"]["flows"]
    assert exported["metadata"]["primaryFlowIds"] == [flows[0]["id"]]
    tables = ("flownodes", "flowedges", "recipes", "outputobjects", "datasources")
    assert [[len(flow[table]) for table in tables] for flow in flows] == [[2, 1, 2, 1, 1]] * 2


def test_positions_are_left_out_and_the_rest_is_kept(read_real):
    content = read_real("flow_custom_calendars__v7.8")
    store = store_of("8.0")
    [flow_id] = store.import_flow(read_package(io.BytesIO(content))).primary_flow_ids
    first, again = (document(one)["data"]["flows"][0] for one in (content, store.export_flow(flow_id)))
    assert first.keys() - again.keys() == {"flowgraphvertices"}
    assert (again["notes"], again["runparameters"]) == (first["notes"], first["runparameters"])
