from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from datetime import datetime, timezone
from pathlib import Path

import pytest
from trifacta_emulator import Connection, build_package

import airflow_provider_trifacta
from airflow_provider_trifacta.package import main
from airflow_provider_trifacta.packages import flow_package as package_module

HOWTO = (
    Path(airflow_provider_trifacta.__file__).parent.parent
    / "docs"
    / "guides"
    / "look-into-a-package.md"
)
UUID = "9bae78c0-2fcb-11e9-9523-77f56ed58844"
DOCUMENTED = {
    "flow_name": "Orders",
    "exported_at": datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc),
    "comment": "before the May release",
    "connections": [Connection(5, "dev warehouse", "e75c2470-d728-11e9-8f1a-a3332515213f")],
}


@pytest.fixture
def write(tmp_path):
    def make(content: bytes, name: str = "orders.zip") -> str:
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return make


def zipped(definition: object) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("flow.json", json.dumps(definition))
    return buffer.getvalue()


def test_the_text_is_as_documented(write, capsys):
    assert main([write(build_package(**DOCUMENTED))]) == 0
    out = capsys.readouterr()
    documented = re.search(
        r"^\$ python -m airflow_provider_trifacta.package .*?\n(.*?)```",
        HOWTO.read_text(),
        re.M | re.S,
    )

    def lines(text: str) -> list[str]:
        # How well a ZIP is packed is up to the library.
        return [line for line in text.splitlines() if not line.startswith(("Size ", "SHA-256 "))]

    assert lines(out.out) == lines(documented[1])
    assert out.err == ""


def test_the_json_has_the_documented_keys(write, capsys):
    assert main(["--json", write(build_package(**DOCUMENTED))]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == [
        *(
            "file",
            "size",
            "sha256",
            "package_uuid",
            "exported_at",
            "product_version",
            "edition",
            "comment",
        ),
        *("flows", "inputs", "recipes", "outputs", "connections", "warnings"),
    ]
    assert list(document["flows"][0]) == ["id", "name", "primary"]
    assert list(document["inputs"][0]) == [
        *("id", "name", "flow_id", "kind", "path", "connection", "parameterised", "parameters"),
        *("converted", "table"),
    ]
    assert list(document["recipes"][0]) == ["id", "name", "flow_id"]
    assert list(document["outputs"][0]) == ["id", "recipe", "flow_id", "manual", "targets"]
    assert list(document["outputs"][0]["targets"][0]) == [
        "kind",
        "path",
        "format",
        "action",
        "connection",
        "table",
        "parameters",
    ]
    assert list(document["connections"][0]) == ["id", "name", "uuid", "type", "vendor", "rule"]
    section = HOWTO.read_text()
    for part in (
        document,
        document["inputs"][0],
        document["outputs"][0],
        document["outputs"][0]["targets"][0],
        document["connections"][0],
    ):
        assert all(f"`{key}`" in section for key in part)
    assert document["file"] == "orders.zip"


def test_columns_are_aligned_and_empty_ones_left_out(write, capsys):
    flows = [
        {
            "id": number,
            "name": name,
            "flownodes": [{"id": 10 + number, "scriptId": 20 + number}],
            "recipes": [{"id": 20 + number, "name": f"recipe of {name}"}],
            "outputobjects": [
                {
                    "id": 30 + number,
                    "flowNodeId": 10 + number,
                    "isAdhoc": adhoc,
                    "publications": publications,
                }
            ],
        }
        for number, name, adhoc, publications in (
            (1, "a", True, [{"tableName": "t", "path": ["s"], "connectionId": 5}, {}]),
            (2, "longer", False, []),
        )
    ]
    connections = [{"id": 5, "name": "db"}, {"id": 6, "name": "lake", "uuid": UUID}]
    metadata = {"uuid": UUID, "primaryFlowIds": [1], "trifactaVersion": "9.7.0"}
    assert (
        main(
            [
                write(
                    zipped(
                        {"metadata": metadata, "data": {"flows": flows, "connections": connections}}
                    )
                )
            ]
        )
        == 0
    )
    lines = capsys.readouterr().out.splitlines()
    uuid = json.dumps({"uuid": UUID})
    assert lines[lines.index("Flows (2)") :] == [
        "Flows (2)",
        "  a       primary",
        "  longer",
        "",
        "Inputs (0)",
        "",
        "Recipes (2)",
        "  recipe of a       a",
        "  recipe of longer  longer",
        "",
        "Outputs (2)",
        "  manual     recipe of a       a       table           s.t (through db)",
        "  manual     recipe of a       a       table           ?",
        "  scheduled  recipe of longer  longer  writes nothing",
        "",
        "Connections (2)",
        "  db",
        f"  lake  {UUID}",
        "",
        "Object import rules that map them, unless production has connections of the same uuids",
        (
            '  {"tableName": "connections", "onCondition": {"id": "5"}, "withCondition": {"id":'
            ' "<id in production>"}}'
        ),
        (
            f'  {{"tableName": "connections", "onCondition": {uuid}, "withCondition": {{"id": "<id'
            ' in production>"}}'
        ),
    ]
    assert lines[2:6] == [f"Package   {UUID}", "Exported  -", "Exporter  9.7.0", "Comment   -"]


def test_parameterised_inputs_are_told(write, capsys):
    metadata = {"uuid": UUID, "primaryFlowIds": [1], "trifactaVersion": "9.7.0"}
    flow = {
        "id": 1,
        "name": "a",
        "recipes": [{"id": 20 + number, "name": f"set {number}"} for number in (1, 2, 3)],
        "datasources": [
            {
                "id": 31,
                "parsingScriptId": 21,
                "isDynamic": True,
                "dynamicPath": "/.csv",
                "storageLocation": {"path": "/eu.csv", "fullUri": "s3://dev/eu.csv"},
                "runParameters": [{"runParameterEdit": {"overrideKey": "region"}}],
            },
            {
                "id": 32,
                "parsingScriptId": 22,
                "isDynamic": True,
                "connectionId": 5,
                "relationalsource": {"raw": ["select 1"]},
            },
            {"id": 33, "parsingScriptId": 23},
        ],
    }
    data = {"flows": [flow], "connections": [{"id": 5, "name": "db"}]}
    assert main([write(zipped({"metadata": metadata, "data": data}))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[lines.index("Inputs (3)") : lines.index("Recipes (0)")] == [
        "Inputs (3)",
        "  file   set 1  s3://dev/.csv (parameterised: region)",
        "  query  set 2  select 1 (through db, parameterised)",
        "  file   set 3  ?",
        "",
        "Import rules do not change parameterised inputs: production reads them where they are now",
        "",
    ]


def test_a_zip_made_by_hand_is_told_once(write, capsys):
    content = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(build_package())) as exported,
        zipfile.ZipFile(content, "w") as archive,
    ):
        for name in exported.namelist():
            archive.writestr(f"orders/{name}", exported.read(name))
    path = write(content.getvalue())
    run = [sys.executable, "-m", "airflow_provider_trifacta.package", path]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.count("zipped again by hand") == 1
    assert done.stderr == ""
    assert main(["--json", path]) == 0
    assert "zipped again by hand" in json.loads(capsys.readouterr().out)["warnings"][0]


def test_warnings_come_last(write, capsys):
    assert main([write(build_package("Orders", generation="6.0", adhoc_output=False))]) == 0
    out = capsys.readouterr().out
    warnings = out.split("\nWarnings\n")[1]
    assert warnings.startswith("  - Exported by 6.0.1+235.20190426172824.493d6f8, before 6.8")
    assert "\n  - The primary flow 'Orders' has no manual output" in warnings
    assert "\nOutputs (0)\n" in out


def test_names_steer_no_terminal_and_make_no_lines(write, capsys):
    flow = {"id": 1, "name": "a\x1b[31m\nWarnings\u202e"}
    metadata = {
        "uuid": UUID,
        "primaryFlowIds": [1],
        "trifactaVersion": "9.7.0",
        "comment": "x\r\ny",
    }
    assert main([write(zipped({"metadata": metadata, "data": {"flows": [flow]}}))]) == 0
    out = capsys.readouterr().out
    assert "  a\\x1b[31m Warnings\\u202e  primary\n" in out
    assert "\nComment   x y\n" in out
    assert "\x1b" not in out
    assert out.count("\nWarnings\n") == 1


def test_a_terminal_without_the_letters_still_gets_a_report(write):
    package = write(build_package("Commandes réglées"))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    run = [sys.executable, "-m", "airflow_provider_trifacta.package"]
    text = subprocess.run([*run, package], env=environment, capture_output=True, check=True).stdout
    assert b"  Commandes r\\xe9gl\\xe9es  primary\n" in text
    document = json.loads(
        subprocess.run([*run, "--json", package], env=environment, capture_output=True).stdout
    )
    assert document["flows"][0]["name"] == "Commandes réglées"


def needing_a_newer_unzip() -> bytes:
    content = bytearray(build_package())
    content[content.rindex(b"PK\x01\x02") + 6] = 99
    return bytes(content)


def with_names_that_are_no_text() -> bytes:
    content = bytearray(build_package("Orders"))
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 9] |= 0x08  # the name is UTF-8
    content[entry + 46] = 0xFF
    return bytes(content)


def hexadecimal(field: str) -> bytes:
    """A package with a number in place of something, which Python reads and does not write."""
    flow = {"id": 1, "name": "f"}
    parts = {
        "type": "flow",
        "metadata": {"uuid": UUID, "primaryFlowIds": [1]},
        "data": {"flows": [flow]},
    }
    {"type": parts, "uuid": parts["metadata"]}.get(field, flow)[field] = "HEX"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("flow.json5", json.dumps(parts).replace('"HEX"', "0x" + "f" * 5000))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty (0 bytes)"),
        (b"<html>Not found</html>", "is not a readable ZIP file"),
        (build_package()[:-40], "is not a readable ZIP file"),
        (needing_a_newer_unzip(), "is not a readable ZIP file"),
        (with_names_that_are_no_text(), "is not a readable ZIP file"),
        (zipped([]), "has no metadata"),
        (hexadecimal("type"), "is not a flow: it has no type"),
        (hexadecimal("uuid"), "has no usable metadata.uuid (None)"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_is_no_package_is_told_on_stderr(write, capsys, content, words, options):
    assert main([*options, write(content)]) == 1
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.startswith("FAILED: ")
    assert words in out.err
    assert out.err.count("\n") == 1


@pytest.mark.parametrize("field", ["name", "id"])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_numbers_that_cannot_be_written_are_not_told(write, capsys, field, options):
    assert main([*options, write(hexadecimal(field))]) == 0
    assert UUID in capsys.readouterr().out


def test_a_missing_file_and_a_bomb(tmp_path, write, capsys, monkeypatch):
    assert main([str(tmp_path / "none.zip")]) == 1
    assert "There is no file" in capsys.readouterr().err
    assert main([str(tmp_path)]) == 1
    assert "is not a regular file" in capsys.readouterr().err
    monkeypatch.setattr(package_module, "MAX_DEFINITION_SIZE", 1000)
    assert main([write(build_package())]) == 1
    assert "refused as a ZIP bomb" in capsys.readouterr().err


def test_a_disk_that_fails_is_told(write, capsys, monkeypatch):
    def fail(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(package_module.FlowPackage, "sha256", fail)
    assert main([write(build_package())]) == 1
    assert "Input/output error" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.zip", "b.zip", "c.zip"],
        ["--xml", "a.zip"],
        ["--markdown", "a.zip"],
        ["--markdown", "--json", "a.zip", "b.zip"],
    ],
)
def test_wrong_usage(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m airflow_provider_trifacta.package" in capsys.readouterr().err


def test_it_runs_without_airflow(write):
    package = write(build_package())
    code = (
        "import sys; from airflow_provider_trifacta.package import main; code = main(sys.argv[1:]);"
        " print([name for name in sys.modules if name.partition('.')[0] in ('airflow',"
        " 'requests')]); sys.exit(code)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, package], capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith("orders.zip\n")
    assert run.stdout.splitlines()[-1] == "[]"
