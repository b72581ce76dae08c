from __future__ import annotations

import io
import json
import tempfile
import zipfile

import pytest
from trifacta_emulator import Connection, ValidationError, build_package, read_package
from trifacta_emulator.packages import reader

GOOD = {
    "metadata": {"trifactaVersion": "8.0.0", "uuid": "u", "primaryFlowIds": [1]},
    "data": {"flows": [{"id": 1, "name": "Orders"}]},
}
TEXT = json.dumps(GOOD)


def read(content):
    return read_package(io.BytesIO(content))


def test_smallest_package(zip_of):
    package = read(zip_of({"flow_1_u.json": TEXT}))
    assert (package.uuid, package.comment, package.edition) == ("u", "", "")
    assert package.primary_flow_name == "Orders"


def test_json5(zip_of):
    metadata = "{trifactaVersion: '8.0', uuid: 'it\\'s', primaryFlowIds: [1,],}"
    text = f"{{metadata: {metadata}, data: {{flows: [{{id: 1, name: 'a'}}]}},}}"
    assert read(zip_of({"flow_a.json5": text})).uuid == "it's"
    with pytest.raises(ValidationError, match="cannot be parsed"):
        read(zip_of({"flow_a.json": text}))


def test_byte_order_mark(zip_of):
    assert read(zip_of({"flow_a.json": "\ufeff" + TEXT})).uuid == "u"


@pytest.mark.parametrize("name", ["flow_a.json", "flow_a.json5"])
def test_deep(zip_of, name):
    text = TEXT.replace('"Orders"', '"Orders", "x": ' + '{"a":' * 890 + "1" + "}" * 890)
    assert read(zip_of({name: text})).primary_flow_name == "Orders"


def test_half_surrogate_pair(zip_of):
    text = TEXT.replace("Orders", r"half \ud800 of it, whole \ud83d\ude00")
    assert (
        read(zip_of({"flow_a.json": text})).primary_flow_name
        == "half \ufffd of it, whole \U0001f600"
    )


@pytest.mark.parametrize("size", [10, 10**6])
def test_spooled_file(size):
    # What an upload arrives in, in memory and on disk.
    with tempfile.SpooledTemporaryFile(max_size=size) as file:
        file.write(build_package("Orders"))
        assert read_package(file).primary_flow_name == "Orders"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "found: none"),
        ({"flow_1.txt": TEXT}, "found: none"),
        ({"__MACOSX/flow_1.json": TEXT}, "found: none"),
        ({"a/sub/flow_1.json": TEXT}, "not at the root"),
        ({"flow_1.json": TEXT, "flow_2.json5": TEXT}, "found: 'flow_1.json', 'flow_2.json5'"),
        ({"flow_1.json": "{"}, "cannot be parsed"),
        ({"flow_1.json5": "{"}, "cannot be parsed"),
        ({"flow_1.json": "[" * 100_000}, "cannot be parsed"),
        ({"flow_1.json5": "[" * 100_000}, "cannot be parsed"),
        # What no answer could say again.
        ({"flow_1.json": TEXT.replace('"u"', "NaN")}, "cannot be parsed"),
        ({"flow_1.json5": TEXT.replace('"u"', "-Infinity")}, "cannot be parsed"),
        ({"flow_1.json": '{"a":' * 901 + "1" + "}" * 901}, "more than 900 levels"),
        ({"flow_1.json": "[]"}, "no metadata"),
        ({"flow_1.json": "{}"}, "no metadata"),
        ({"flow_1.json": json.dumps({**GOOD, "data": []})}, "no data"),
        ({"flow_1.json": json.dumps({**GOOD, "type": "plan"})}, "type 'plan'"),
    ],
)
def test_refused_archives(zip_of, members, message):
    with pytest.raises(ValidationError, match=message.replace("[", r"\[")):
        read(zip_of(members))


@pytest.mark.parametrize("key", ["trifactaVersion", "uuid", "primaryFlowIds"])
@pytest.mark.parametrize("value", [None, 5, "", [], [2], [[1]], {}])
def test_refused_metadata(zip_of, key, value):
    document = {**GOOD, "metadata": {**GOOD["metadata"], key: value}}
    with pytest.raises(ValidationError, match=key):
        read(zip_of({"flow_1.json": json.dumps(document)}))


@pytest.mark.parametrize(
    "data",
    [
        {"flows": {}},
        {"flows": [5]},
        {"flows": [{"name": "no id"}]},
        {"flows": [{"id": 1}]},
        {"flows": [{"id": 1, "name": "a", "recipes": [{"id": "1"}]}]},
        {"flows": [{"id": 1, "name": "a"}], "flownodes": 5},
    ],
)
def test_refused_data(zip_of, data):
    with pytest.raises(ValidationError, match="flow definition"):
        read(zip_of({"flow_1.json": json.dumps({**GOOD, "data": data})}))


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)])
def test_not_a_zip(content):
    with pytest.raises(ValidationError):
        read(content)


def test_every_cut_and_every_wrong_byte_is_refused_or_read():
    content = build_package()
    for position in range(len(content)):
        damaged = content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]
        for broken in (content[:position], damaged):
            try:
                read(broken)
            except ValidationError:
                continue
            assert broken is damaged


def test_encrypted_member(zip_of):
    content = bytearray(zip_of({"flow_1.json": TEXT}))
    # The flag of encryption, in the member's header and in the directory.
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ValidationError, match="cannot be unpacked"):
        read(bytes(content))


def test_bounded_definition(monkeypatch):
    monkeypatch.setattr(reader, "MAX_DEFINITION_BYTES", 1000)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("flow_bomb.json", " " * 100_000)
    with pytest.raises(ValidationError, match="larger than 1000"):
        read(buffer.getvalue())


@pytest.mark.parametrize(
    ("name", "version", "flow", "counts"),
    [
        ("flow_13__v6.0", (6, 0, 1), "Contrôles v2", (20, 22, 20, 4, 0)),
        ("flow_63__v6.8", (6, 8, 0), "SQL test2", (2, 1, 2, 1, 1)),
        ("flow_custom_calendars__v7.8", (7, 8, 0), "Custom Calendars", (2, 1, 2, 1, 0)),
        (
            "flow_google_forms__v8.0_json5",
            (8, 0, 0),
            "Google Forms Analytics Design Pattern",
            (6, 5, 6, 1, 8),
        ),
        (
            "flow_pricing__v8.6_json5_artifact",
            (8, 6, 0),
            "Pricing Optimization Design Pattern",
            (8, 7, 8, 5, 2),
        ),
    ],
)
def test_real_packages(read_real, name, version, flow, counts):
    package = read(read_real(name))
    assert (package.version.release, package.primary_flow_name) == (version, flow)
    tables = ("flownodes", "flowedges", "recipes", "datasources", "outputobjects")
    assert tuple(len(package.tables[table]) for table in tables) == counts


@pytest.mark.parametrize("generation", ["6.0", "6.8", "8.0"])
def test_every_generation_ends_up_in_the_same_tables(generation):
    paths = {"dataset_path": "s3://bucket/in.csv", "output_path": "s3://bucket/out.csv"}
    tables = read(build_package(generation=generation, **paths)).tables
    [source], [location], [setting] = (
        tables["datasources"],
        tables["storagelocations"],
        tables["writesettings"],
    )
    assert (location["type"], location["bucket"], location["path"]) == ("s3", "bucket", "/in.csv")
    assert source["storageLocationId"] == location["id"]
    assert (setting["path"], setting["outputObjectId"]) == (
        "s3://bucket/out.csv",
        tables["outputobjects"][0]["id"],
    )
    tables = read(
        build_package(generation=generation, connections=[Connection(24, "db", "u")])
    ).tables
    [table] = tables["relationalsources"]
    assert (table["tableName"], table["datasourceId"]) == ("orders", tables["datasources"][0]["id"])
