from __future__ import annotations

import io
from datetime import datetime, timezone

import pytest
from trifacta_emulator import Connection, build_package, read_package
from trifacta_emulator.packages.imports import IdSequences, import_package

AT = datetime(2024, 1, 1, tzinfo=timezone.utc)
GENERATIONS = ("6.0", "6.8", "8.0")
REAL = (
    "flow_13__v6.0",
    "flow_63__v6.8",
    "flow_custom_calendars__v7.8",
    "flow_google_forms__v8.0_json5",
    "flow_pricing__v8.6_json5_artifact",
)


def imported_from(content, ids=None):
    package = read_package(io.BytesIO(content))
    return package, import_package(package, ids or IdSequences(), at=AT, user_id=7)


def check_references(package, imported):
    """Every reference leads to the object it led to before."""
    tables, mapping = imported.tables, imported.mapping
    assert list(imported.primary_flow_ids) == [
        mapping["flows"][old] for old in package.primary_flow_ids
    ]
    targets = {
        "flownodes": {"scriptId": "recipes", "flowId": "flows", "flowNodeId": "flownodes"},
        "flowedges": {"flowId": "flows", "inFlowNodeId": "flownodes", "outFlowNodeId": "flownodes"},
        "datasources": {"parsingScriptId": "recipes", "storageLocationId": "storagelocations"},
        "outputobjects": {"flowNodeId": "flownodes"},
        "relationalsources": {"datasourceId": "datasources"},
        "writesettings": {"outputObjectId": "outputobjects"},
        "publications": {"outputObjectId": "outputobjects"},
    }
    for table, columns in targets.items():
        for old, new in zip(package.tables[table], tables[table], strict=True):
            assert new["id"] == mapping[table][old["id"]]
            for column, target in columns.items():
                before = old.get(column)
                assert new[column] == (None if before is None else mapping[target][before])


@pytest.mark.parametrize("generation", GENERATIONS)
def test_new_ids_each_time(generation):
    content, ids = build_package(generation=generation), IdSequences()
    package, first = imported_from(content, ids)
    _, second = imported_from(content, ids)
    for imported in (first, second):
        check_references(package, imported)
    for table, rows in first.tables.items():
        assert not {row["id"] for row in rows} & {row["id"] for row in second.tables[table]}
    assert min(second.primary_flow_ids) > max(first.primary_flow_ids)


@pytest.mark.parametrize("name", REAL)
def test_real_packages(read_real, name):
    package, imported = imported_from(read_real(name))
    check_references(package, imported)
    # Real packages are complete: nothing ends up without its recipe.
    assert all(row["scriptId"] for row in imported.tables["flownodes"])
    assert all(row["parsingScriptId"] for row in imported.tables["datasources"])
    assert all(row["flowNodeId"] for row in imported.tables["outputobjects"])


@pytest.mark.parametrize("generation", GENERATIONS)
def test_connections_stay_as_exported(generation):
    connection = Connection(24, "postgres", "2d7c1650-7daa-11e9-b9eb-0fd11bed75ab")
    _, imported = imported_from(build_package(generation=generation, connections=[connection]))
    assert [row["connectionId"] for row in imported.tables["datasources"]] == [24]


def test_reference_out_of_the_package():
    package = read_package(io.BytesIO(build_package()))
    package.tables["flownodes"][0]["flowNodeId"] = 999
    package.tables["flownodes"][1]["flowNodeId"] = ["odd"]
    imported = import_package(package, IdSequences(), at=AT, user_id=7)
    assert [row["flowNodeId"] for row in imported.tables["flownodes"]] == [None, None]


def test_the_package_stays_as_it_was():
    content = build_package()
    package = read_package(io.BytesIO(content))
    import_package(package, IdSequences(), at=AT, user_id=7)
    assert package == read_package(io.BytesIO(content))
