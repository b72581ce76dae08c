from __future__ import annotations

import io
import json
import uuid
import zipfile
from datetime import datetime, timedelta, timezone

import pyjson5
import pytest
from trifacta_emulator import Connection, build_package

AT = datetime(2023, 12, 31, 8, 30, 15, 123456, tzinfo=timezone.utc)
GENERATIONS = ("6.0", "6.8", "8.0")


def opened(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def document(content):
    [(name, text)] = [(k, v) for k, v in opened(content).items() if k.startswith("flow_")]
    return pyjson5.decode(text.decode()) if name.endswith("5") else json.loads(text)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_deterministic(generation):
    arguments = {
        "generation": generation,
        "exported_at": AT,
        "artifacts": {"artifact_1.data": b"{}\n"},
    }
    assert build_package("Orders", **arguments) == build_package("Orders", **arguments)
    assert build_package("Orders", **arguments) != build_package("Stock", **arguments)


def test_each_export_has_a_new_uuid():
    uuids = {document(build_package())["metadata"]["uuid"] for _ in range(20)}
    assert len(uuids) == 20


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("exported_at", [AT, None])
def test_uuid_tells_the_time_of_the_export(generation, exported_at):
    metadata = document(build_package(generation=generation, exported_at=exported_at))["metadata"]
    made = uuid.UUID(metadata["uuid"])
    assert made.version == 1
    assert made.variant == uuid.RFC_4122
    time = datetime(1582, 10, 15, tzinfo=timezone.utc) + timedelta(microseconds=made.time // 10)
    assert time.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z" == metadata["exportedAt"]


@pytest.mark.parametrize(
    ("generation", "name"),
    [("6.0", "flow_13_u.json"), ("6.8", "flow_13_u.json"), ("8.0", "flow_Orders_EU.json5")],
)
def test_file_names(generation, name):
    content = build_package(
        "Orders, EU", generation=generation, uuid="u", artifacts={"artifact_7.data": b"x"}
    )
    members = opened(content)
    assert list(members) == [name, "artifact_7.data"]
    assert members["artifact_7.data"] == b"x"


@pytest.mark.parametrize(
    "text", ["it's", 'a "quote"', "back\\slash", "line\nbreak \u2028 \x01", "ünïcode 🚀", "{}[],:"]
)
@pytest.mark.parametrize("generation", GENERATIONS)
def test_any_text(generation, text):
    made = document(build_package(text, generation=generation, comment=text))
    assert made["data"]["flows"][0]["name"] == text
    if generation == "8.0":
        assert made["metadata"]["comment"] == text


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_parameterised_dataset(generation):
    data = document(
        build_package(
            generation=generation,
            dataset_path="s3://lake/{region}/orders-{day}.csv",
            dataset_parameters={"day": "mon", "region": "eu"},
        )
    )["data"]
    flat = generation == "6.0"
    [source] = (data if flat else data["flows"][0])["datasources"]
    assert (source["isDynamic"], source["isDynamicOrConverted"], source["isConverted"]) == (
        True,
        True,
        False,
    )
    assert source["dynamicPath"] == "//orders-.csv"
    [location] = data["storagelocations"] if flat else [source["storageLocation"]]
    assert (location["bucket"], location["path"]) == ("lake", "/eu/orders-mon.csv")
    edits = (
        data["runparameteredits"]
        if flat
        else [one["runParameterEdit"] for one in source["runParameters"]]
    )
    # Put in at their places, these are the path of the location.
    path = source["dynamicPath"]
    for edit in reversed(edits):
        [place] = edit["insertionIndices"]
        path = path[: place["index"]] + edit["value"]["variable"]["value"] + path[place["index"] :]
    assert path == location["path"]
    assert [edit["overrideKey"] for edit in edits] == ["region", "day"]


@pytest.mark.parametrize("path", [None, "/in.csv", "/{region}/{region}.csv", "/{Region}.csv"])
def test_a_parameter_must_be_in_the_path(path):
    with pytest.raises(ValueError, match=r"must hold \{region\} once"):
        build_package(dataset_path=path, dataset_parameters={"region": "eu"})


def test_json5_is_not_json():
    [text] = opened(build_package()).values()
    assert text.startswith(
        b"{\n  type: 'flow',\n  kind: 'artifact',\n  metadata: {\n    trifactaVersion: '8.0.0+"
    )
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(text)


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("adhoc", [True, False])
def test_output(generation, adhoc):
    data = document(build_package(generation=generation, adhoc_output=adhoc))["data"]
    outputs = (data if generation == "6.0" else data["flows"][0])["outputobjects"]
    assert [row["isAdhoc"] for row in outputs] == [True] * adhoc


@pytest.mark.parametrize("generation", GENERATIONS)
def test_connections(generation):
    connection = Connection(
        24, "postgres", "2d7c1650-7daa-11e9-b9eb-0fd11bed75ab", vendor="postgres"
    )
    [made] = document(build_package(generation=generation, connections=[connection]))["data"][
        "connections"
    ]
    assert (made["id"], made["name"], made["uuid"], made["type"]) == (
        24,
        "postgres",
        connection.uuid,
        "jdbc",
    )
    assert ("vendor" in made) == (generation != "6.0")


@pytest.mark.parametrize(
    ("generation", "name"),
    [("6.0", "flow_13__v6.0"), ("6.8", "flow_63__v6.8"), ("8.0", "flow_google_forms__v8.0_json5")],
)
@pytest.mark.parametrize(
    "paths", [{}, {"dataset_path": "s3://bucket/in.csv", "output_path": "s3://bucket/out.csv"}]
)
def test_structure_is_that_of_real_packages(read_real, generation, name, paths):
    """What is built has no key that a real package of the generation lacks."""
    real = document(read_real(name))
    made = document(
        build_package(generation=generation, connections=[Connection(1, "c", "u")], **paths)
    )
    assert made.keys() == real.keys()
    assert made["metadata"].keys() == real["metadata"].keys()
    assert made["data"].keys() == real["data"].keys()
    for table, rows in made["data"].items():
        for row in rows[:1] if real["data"][table] else []:
            assert row.keys() <= real["data"][table][0].keys(), table
    if generation != "6.0":
        flow, real_flow = made["data"]["flows"][0], real["data"]["flows"][0]
        for table in ("flownodes", "flowedges", "recipes", "outputobjects", "datasources"):
            # Keys of other real packages of these generations; which ones a dataset has depends on
            # what it reads.
            others = {"container", "blobHost", "cpProject", "relationalsource"}
            assert flow[table][0].keys() <= real_flow[table][0].keys() | others, table


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("s3://wrangle-dev/a/b.csv", ("s3", "wrangle-dev", "/a/b.csv", "s3://wrangle-dev/a/b.csv")),
        ("/a/b.csv", ("hdfs", None, "/a/b.csv", "hdfs:///a/b.csv")),
        (
            None,
            ("hdfs", None, "/trifacta/uploads/orders.csv", "hdfs:///trifacta/uploads/orders.csv"),
        ),
    ],
)
@pytest.mark.parametrize("connections", [[], [Connection(24, "files", "u", type="amazons3")]])
def test_paths(generation, path, location, connections):
    content = build_package(
        generation=generation, dataset_path=path, output_path=path, connections=connections
    )
    data = document(content)["data"]
    if generation == "6.0":
        [source], [made], [setting] = (
            data["datasources"],
            data["storagelocations"],
            data["writesettings"],
        )
        tables = data["relationalsources"]
    else:
        [source] = data["flows"][0]["datasources"]
        made, [setting] = (
            source["storageLocation"],
            data["flows"][0]["outputobjects"][0]["writesettings"],
        )
        tables = [source["relationalsource"]] if "relationalsource" in source else []
        assert (source["type"], source["bucket"], source["path"]) == (
            made["type"],
            made["bucket"],
            made["path"],
        )
    assert source["connectionId"] == (24 if connections else None)
    assert setting["path"] == (path or "/trifacta/queryResults/orders_clean.csv")
    if connections and path is None:
        # A connection without a path means a table.
        assert (made["type"], made["path"], tables[0]["tableName"]) == ("amazons3", "", "orders")
    else:
        assert (made["type"], made["bucket"], made["path"], made["fullUri"]) == location
        assert tables == []


def test_unknown_generation():
    with pytest.raises(ValueError, match="generation"):
        build_package(generation="5.1")
