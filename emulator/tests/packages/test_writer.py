from __future__ import annotations

import io
import json
import zipfile
from datetime import datetime, timezone

import pyjson5
import pytest
from trifacta_emulator import (
    EmulatorOptions,
    PresetConnection,
    PresetFlow,
    ValidationError,
    build_package,
    read_package,
)
from trifacta_emulator.packages.definition import parse_version
from trifacta_emulator.packages.generations import generation_of
from trifacta_emulator.state.store import Store

VERSIONS = {"6.0": "6.0.1", "6.8": "6.8.0", "8.0": "9.7.0"}


def definition(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        [name] = [one for one in archive.namelist() if one.startswith("flow_")]
        return name, archive.read(name).decode()


def document_of(name, text):
    return pyjson5.decode(text) if name.endswith("5") else json.loads(text)


def document(content):
    return document_of(*definition(content))


def store_of(generation, **flow):
    flows = (PresetFlow("Orders", **flow),) if flow else ()
    options = EmulatorOptions(
        product_version=VERSIONS[generation],
        connections=(PresetConnection("orders", "u-1"),),
        flows=flows,
    )
    return Store(options)


@pytest.mark.parametrize(
    ("version", "generation"),
    [
        ("6.0.1", "6.0"),
        ("6.4.2", "6.0"),
        ("6.8", "6.8"),
        ("7.8.0+1.a", "6.8"),
        ("8.0", "8.0"),
        ("10.1.0", "8.0"),
    ],
)
def test_generation(version, generation):
    assert generation_of(parse_version(version).release) == generation


#: A real package of each form.
REAL = {
    "6.0.1": "flow_13__v6.0",
    "6.8.0": "flow_63__v6.8",
    "7.1.0": "flow_personalize__v7.1",
    "7.6.0": "flow_update_reviews__v7.6",
    "7.8.0": "flow_custom_calendars__v7.8",
    "8.0.0": "flow_google_forms__v8.0_json5",
    "8.6.0": "flow_pricing__v8.6_json5_artifact",
    "8.9.0": "flow_customer_sales__v8.9_json5_parameterised",
}


@pytest.mark.parametrize(("version", "real"), REAL.items())
@pytest.mark.parametrize(
    "flow", [{"connections": ("orders",)}, {"dataset_path": "s3://dev/in.csv"}]
)
def test_exports_look_like_real_packages(read_real, version, real, flow):
    """[P: VC] Columns and layout, such as ``host`` and ``userinfo`` of a location from 7.1 on."""
    options = EmulatorOptions(
        product_version=version,
        connections=(PresetConnection("orders", "u-1"),),
        flows=(PresetFlow("Orders", **flow),),
    )
    (name, text), (real_name, real_text) = (
        definition(one) for one in (Store(options).export_flow(1001), read_real(real))
    )
    assert name.rpartition(".")[2] == real_name.rpartition(".")[2]
    # Everything up to the first value that differs, and the end: layout, quotes, order.
    assert (
        text[: text.index("rifactaVersion") + 16]
        == real_text[: real_text.index("rifactaVersion") + 16]
    )
    assert text[-3:].lstrip("'\"],}") == real_text[-3:].lstrip("'\"],}")
    made, seen = document_of(name, text), document_of(real_name, real_text)
    assert list(made) == list(seen)
    assert list(made["metadata"]) == list(seen["metadata"])
    assert made["data"].keys() == seen["data"].keys()
    if version == "6.0.1":
        for table, rows in made["data"].items():
            for row in rows[:1] if seen["data"][table] else []:
                # A connection had no vendor in 6.0.
                assert row.keys() <= seen["data"][table][0].keys() | {"vendor"}, table
        return
    assert list(made["data"]) == list(seen["data"])
    assert made["metadata"]["lastMigration"] == seen["metadata"]["lastMigration"]
    flow, real_flow = made["data"]["flows"][0], seen["data"]["flows"][0]
    assert flow.keys() == real_flow.keys()
    # What else a dataset has depends on what it reads.
    kinds = {"relationalsource", "convertedSource"}
    for table in ("flownodes", "flowedges", "recipes", "outputobjects", "datasources"):
        if real_flow[table]:
            assert flow[table][0].keys() - kinds == real_flow[table][0].keys() - kinds, table
    for row, real_row in zip(flow["datasources"], real_flow["datasources"], strict=False):
        assert row["storageLocation"].keys() == real_row["storageLocation"].keys()


@pytest.mark.parametrize(
    ("version", "name", "file"),
    [
        ("7.6.0", "Custom Calendars / EU", "flow_Custom Calendars _ EU.json"),
        ("7.8.0", "Custom Calendars / EU", "flow_Custom Calendars _ EU.json"),
        ("8.0.0", "Custom Calendars / EU", "flow_Custom_Calendars_EU.json5"),
    ],
)
def test_from_7_6_on_the_file_has_the_flow_s_name(version, name, file):
    """[P: VC] Before, its name has the flow's id."""
    store = Store(EmulatorOptions(product_version=version, flows=(PresetFlow(name),)))
    assert definition(store.export_flow(1001))[0] == file


@pytest.mark.parametrize(
    ("version", "without", "with_one"),
    [
        ("6.8.0", None, None),
        ("7.0.0", None, None),
        ("7.1.0", "", "why"),
        ("7.5.9", "", "why"),
        ("7.6.0", "undefined", "why"),
        ("7.7.1", "undefined", "why"),
        ("7.8.0", "", "why"),
        ("9.7.0", "", "why"),
    ],
)
def test_the_comment(version, without, with_one):
    """[P: VC] There is one from 7.1 on, and 7.6 writes ``undefined`` for none."""
    store = Store(EmulatorOptions(product_version=version, flows=(PresetFlow("Orders"),)))
    comments = [
        document(store.export_flow(1001, comment=one))["metadata"].get("comment")
        for one in ("", "why")
    ]
    assert comments == [without, with_one]


@pytest.mark.parametrize("column", ["m²", "½", "a①", "größe", "it's", "class", "a b", ""])
def test_any_column_of_a_recipe_can_be_exported(column):
    store = store_of("8.0", dataset_path="/in.csv")
    store.flow(1001).tables["recipes"][0]["columnMetadata"] = {column: {"id": 1}}
    [recipe, _] = document(store.export_flow(1001))["data"]["flows"][0]["recipes"]
    assert recipe["columnMetadata"] == {column: {"id": 1}}
    assert read_package(io.BytesIO(store.export_flow(1001))).tables["recipes"]


def levels(formula):
    count = 0
    while formula["kind"] == "func":
        formula, count = formula["parameters"]["value1"], count + 1
    return count


@pytest.mark.slow
@pytest.mark.parametrize("version", ["6.0.1+235.20190426172824.493d6f8", "6.8.1", "8.0.1"])
def test_recipes_are_imported_and_exported_however_many_functions_they_nest(version):
    package = build_package(generation=version[:3], nested_functions=400)
    store = Store(EmulatorOptions(product_version=version))
    store.import_flow(read_package(io.BytesIO(package)))
    [flow] = store.flows()
    again = read_package(io.BytesIO(store.export_flow(flow.id)))
    if not version.startswith(
        "6.0"
    ):  # whose steps, in tables of their own, the emulator does not keep
        [step] = again.tables["recipes"][0]["steps"]
        assert levels(step["task"]["parameters"]["value"]) == 400


def test_what_is_nested_too_deeply_is_refused():
    store = store_of("8.0", dataset_path="/in.csv")
    deep = {}
    for _ in range(7000):
        deep = {"a": deep}
    store.flow(1001).tables["recipes"][0]["steps"] = [deep]
    with pytest.raises(ValidationError, match="too deeply"):
        store.export_flow(1001)


def test_a_clock_beyond_what_a_zip_can_date():
    store = Store(
        EmulatorOptions(
            flows=(PresetFlow("Orders"),), clock=lambda: datetime(2200, 1, 1, tzinfo=timezone.utc)
        )
    )
    assert document(store.export_flow(1001))["metadata"]["exportedAt"] == "2200-01-01T00:00:00.000Z"


@pytest.mark.parametrize("generation", VERSIONS)
@pytest.mark.parametrize(
    "flow",
    [
        {"connections": ("orders",)},
        {"dataset_path": "s3://dev/in.csv"},
        {"dataset_path": "s3://dev/{a}/{b}.csv", "dataset_parameters": {"b": "1", "a": "2"}},
    ],
)
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
            # The edits of recipes are not kept.
            left_out = {"flowId", "currentEditId", "redoLeafEditId"}
            said = {
                key: value
                for key, value in old.items()
                if value is not None and key not in left_out
            }
            assert {key: new.get(key) for key in said} == said


@pytest.mark.parametrize(
    ("version", "real"),
    [
        ("6.0.1", "flow_23__v6.0_parameterised"),
        ("8.9.0", "flow_customer_sales__v8.9_json5_parameterised"),
    ],
)
def test_parameters_look_like_real_ones(read_real, version, real):
    flow = PresetFlow(
        "Orders", dataset_path="s3://dev/{region}.csv", dataset_parameters={"region": "eu"}
    )
    store = Store(EmulatorOptions(product_version=version, flows=(flow,)))
    made, seen = document(store.export_flow(1001))["data"], document(read_real(real))["data"]
    if version == "6.0.1":
        for table in ("runparameters", "runparameteredits"):
            # The emulator keeps no times and people of rows.
            stamps = {"createdAt", "updatedAt", "createdBy", "updatedBy", "deleted_at"}
            assert made[table][0].keys() == seen[table][0].keys() - stamps
        assert made["runparameters"][0]["datasourceId"] == made["datasources"][0]["id"]
        assert "runParameters" not in made["datasources"][0]
        return
    made, seen = (
        next(one for one in data["flows"][0]["datasources"] if one["isDynamic"])
        for data in (made, seen)
    )
    assert made.keys() - {"convertedSource"} == seen.keys()
    [parameter], [real_parameter] = made["runParameters"], seen["runParameters"]
    assert parameter.keys() == real_parameter.keys()
    # Parameters of the whole workspace are newer.
    newer = {"isEnvironmentParameter"}
    assert parameter["runParameterEdit"].keys() == real_parameter["runParameterEdit"].keys() - newer


@pytest.mark.parametrize("generation", ["6.8", "8.0"])
def test_several_flows_of_a_package(generation):
    """Each flow has its own objects, also where they do not say which flow is theirs."""
    content = document(build_package("Orders", generation="6.8"))
    other = json.loads(json.dumps(content["data"]["flows"][0]))
    for table in ("flownodes", "flowedges", "recipes", "outputobjects", "datasources"):
        for row in other[table]:
            for key in (
                "id",
                "scriptId",
                "flowNodeId",
                "inFlowNodeId",
                "outFlowNodeId",
                "parsingScriptId",
            ):
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
    first, again = (
        document(one)["data"]["flows"][0] for one in (content, store.export_flow(flow_id))
    )
    assert first["flowgraphvertices"] != []
    assert again["flowgraphvertices"] == []
    assert again["notes"] == [{**note, "flowGraphVertexId": None} for note in first["notes"]] != []
    assert again["runparameters"] == first["runparameters"] != []
