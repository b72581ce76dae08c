from __future__ import annotations

import io
import json
import os
import socket
import sys
import time
import zipfile
from datetime import datetime, timezone

import pytest
from trifacta_emulator import Connection, build_package

from airflow_provider_trifacta.client.errors import (
    PackageChangedError,
    PackageError,
    PackageFormatError,
    PackageNotFoundError,
    PackageTooLargeError,
)
from airflow_provider_trifacta.client.structure import Structure, structure_of
from airflow_provider_trifacta.packages import flow_package as package_module
from airflow_provider_trifacta.packages.definition import PackageConnection
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.packages.report import report_on

UUID = "9bae78c0-2fcb-11e9-9523-77f56ed58844"
DEFINITION = {"metadata": {"uuid": UUID}, "data": {"flows": [{"name": "f"}], "connections": []}}


def zipped(*members, compression=zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members:
            archive.writestr(
                name, content if isinstance(content, (bytes, str)) else json.dumps(content)
            )
    return buffer.getvalue()


@pytest.fixture
def write(tmp_path):
    def make(content: bytes):
        path = tmp_path / "flow.zip"
        path.write_bytes(content)
        return path

    return make


EXPECTED = {
    "flow_23__v6.0_parameterised": (
        *("b4928f70-7f17-11e9-8945-a53ff6ff821c", "6.0.1", "Enterprise"),
        *(["Contrôles"], ["postgres"]),
    ),
    "flow_53__v6.8_parameterised": (
        *("49c72d30-4d94-11ea-934f-29f0e9447986", "6.8.0", "Enterprise"),
        *(["SQL Flow"], ["PostgreSQL"]),
    ),
    "flow_customer_sales__v8.9_json5_parameterised": (
        *("57035e20-433c-11ec-8e8a-317f2db27cb0", "8.9.0", "SaaS"),
        *(["Customer Sales Analysis"], ["redshift"]),
    ),
    "flow_dataprep_demo__v6.8_dataprep_sheet": (
        *("a48fb220-98d8-11ea-ba1b-3f4cd2e89c01", "6.8.2", "Dataprep"),
        *(["Customer Sales Analysis"], []),
    ),
    "flow_personalize__v7.1": (
        *("8cd3fa60-cae7-11ea-846a-a5ce134e0805", "7.1.0", "Enterprise"),
        *(["Personalize - Completed (Without outputs)"], []),
    ),
    "flow_update_reviews__v7.6": (
        *("35fbf550-f1b9-11ea-9742-3f2bb43c750a", "7.6.0", "SaaS"),
        *(["Update Review Data"], ["Internal Analytics"]),
    ),
    "flow_13__v6.0": (
        "6d21a0c0-7f37-11e9-86eb-1bd94541d5a7",
        "6.0.1",
        "Enterprise",
        ["Contrôles v2"],
        ["postgres"],
    ),
    "flow_63__v6.8": (
        "53399fb0-5253-11ea-8fec-9d890937dbb6",
        "6.8.0",
        "Enterprise",
        ["SQL test2"],
        ["PostgreSQL"],
    ),
    "flow_custom_calendars__v7.8": (
        "97d7cc90-2f30-11eb-8f3a-133e6698dc68",
        "7.8.0",
        "Dataprep",
        ["Custom Calendars"],
        [],
    ),
    "flow_google_forms__v8.0_json5": (
        *("f10b7550-75c1-11eb-971e-55dd858f4ddb", "8.0.0", "Dataprep"),
        *(["Google Forms Analytics Design Pattern"], []),
    ),
    "flow_pricing__v8.6_json5_artifact": (
        *("0c6ac080-00eb-11ec-874e-e19f319844ba", "8.6.0", "Dataprep"),
        *(["Pricing Optimization Design Pattern"], []),
    ),
}


def test_real_packages_are_read(real_package):
    with open_package(real_package) as package:
        info = package.info
        uuid, version, edition, flows, connections = EXPECTED[real_package.stem]
        assert info.uuid == uuid
        assert info.product_version.startswith(f"{version}+")
        assert info.edition == edition
        assert info.flow_names == flows
        assert [connection.name for connection in info.connections] == connections
        assert info.exported_at.tzinfo is not None
        assert package.size == real_package.stat().st_size


@pytest.mark.parametrize("generation", ["6.0", "6.8", "8.0"])
def test_every_generation_is_read(write, generation):
    exported = datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=timezone.utc)
    content = build_package(
        flow_name="Pöst 'Sales'",
        generation=generation,
        uuid=UUID,
        exported_at=exported,
        connections=[
            Connection(
                id=5,
                name="db",
                uuid="e75c2470-d728-11e9-8f1a-a3332515213f",
                type="jdbc",
                vendor="postgres",
            )
        ],
    )
    with open_package(write(content)) as package:
        assert package.info.uuid == UUID
        assert package.info.exported_at == exported
        assert package.info.product_version.startswith(generation)
        assert package.info.flow_names == ["Pöst 'Sales'"]
        (connection,) = package.info.connections
        assert isinstance(connection, PackageConnection)
        assert (connection.id, connection.name, connection.type) == (5, "db", "jdbc")
        assert connection.uuid == "e75c2470-d728-11e9-8f1a-a3332515213f"


def encrypted() -> bytes:
    content = bytearray(zipped(("flow.json", DEFINITION)))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    return bytes(content)


def damaged() -> bytes:
    content = bytearray(zipped(("flow.json", DEFINITION), compression=zipfile.ZIP_STORED))
    content[content.index(b"metadata")] ^= 0xFF
    return bytes(content)


def repacked(method) -> bytes:
    content = bytearray(zipped(("flow.json", DEFINITION)))
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(signature) + offset] = method
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty (0 bytes)"),
        (b"<html>Not found</html>", "is not a readable ZIP file"),
        (zipped(("flow.json", DEFINITION))[:-30], "is not a readable ZIP file"),
        (zipped(), "holds no flow definition"),
        (
            zipped(("artifact_1.data", b"x"), ("readme.txt", b"x")),
            "holds no flow definition (a .json or .json5 file) among its 2",
        ),
        (
            zipped(("a.json", DEFINITION), ("b.JSON5", DEFINITION)),
            "holds 2 flow definitions (a.json, b.JSON5)",
        ),
        (zipped(("flow.json", b"{")), "is not readable JSON or JSON5"),
        (zipped(("flow.json", b"")), "is not readable JSON or JSON5"),
        (zipped(("flow.json", b"[" * 100_000)), "is nested 100000 levels deep"),
        (zipped(("flow.json", b'{"a":' * 901 + b"1" + b"}" * 901)), "is nested 901 levels deep"),
        (zipped(("flow.json", b"{a:" * 901 + b"1" + b"}" * 901)), "is nested 901 levels deep"),
        (zipped(("flow.json", b"\xff\xfe{}")), "is not UTF-8 text"),
        (zipped(("flow.json", b"[1]")), "has no metadata"),
        (zipped(("flow.json", {"data": {}})), "has no metadata"),
        (zipped(("flow.json", {"type": "plan", **DEFINITION})), "is a plan. Only flows"),
        (zipped(("flow.json", {"metadata": {}})), "has no usable metadata.uuid (None)"),
        (
            zipped(("flow.json", {"metadata": {"uuid": "abc"}})),
            "has no usable metadata.uuid ('abc')",
        ),
        (encrypted(), "is encrypted"),
        (damaged(), "is damaged and cannot be unpacked"),
        (repacked(99), "is packed by the method 99"),
        (repacked(zipfile.ZIP_BZIP2), "is packed by the method 12"),
        (repacked(zipfile.ZIP_LZMA), "is packed by the method 14"),
    ],
)
def test_each_defect_has_its_own_error(write, content, words):
    with pytest.raises(PackageFormatError) as caught:
        open_package(write(content))
    assert words in str(caught.value)
    assert "flow.zip" in str(caught.value)


def test_odd_but_sound_packages_are_taken(write):
    definition = b"\xef\xbb\xbf" + json.dumps({**DEFINITION, "data": None}).encode()
    content = zipped(("__MACOSX/._flow.json", b"x"), ("sub/flow.JSON", definition))
    with open_package(write(content)) as package:
        assert package.info.uuid == UUID
        assert package.info.flow_names == []
        assert package.info.exported_at is None


def test_a_text_that_no_encoding_can_write_is_taken(write):
    definition = (
        r'{"metadata": {"uuid": "%s"}, "data": {"flows": [{"name": "half \ud83d of it, whole'
        r' \ud83d\ude00"}]}}'
    )
    with open_package(write(zipped(("flow.json", definition % UUID)))) as package:
        assert package.info.flow_names == ["half \ufffd of it, whole \U0001f600"]


@pytest.mark.parametrize("generation", ["6.0", "6.8", "8.0"])
@pytest.mark.parametrize("functions", [11, 200, 400])
def test_recipes_are_read_however_many_functions_they_nest(write, generation, functions):
    before = sys.getrecursionlimit()
    path = write(
        build_package("deep", generation=generation, uuid=UUID, nested_functions=functions)
    )
    with open_package(path) as package:
        assert package.info.uuid == UUID
        assert [recipe.name for recipe in report_on(package).recipes] == ["deep recipe"]
    assert sys.getrecursionlimit() == before


def test_what_stands_in_texts_and_comments_does_not_count():
    text = """{a: '[[[\\'[,', "b": "]]\\"[[[:", // [[[,
        c: [/* [[[ ' " :: */ {}]}"""
    assert structure_of(text.encode(), 700_000) == Structure(
        depth=3, quoted=5, containers=3, separators=5
    )
    # What has no end is nothing that a parser takes, but it must not be slow either.
    for endless in (b"/*" * 200_000, b'"' + b"\\" * 200_001, b"'" + b"[" * 200_000):
        found = structure_of(endless, 700_000)
        assert (found.depth, found.containers, found.separators) == (0, 0, 0)


@pytest.mark.parametrize(
    ("text", "containers"),
    [
        (r'["\\", [], "\\\"[", []]', 3),
        (b"// \\\n[[]]".decode(), 2),  # a backslash goes on to the next line in texts only
        ("// a\u2028[[]]", 2),
        ("/* \\*/[[]]", 2),
        ("'a\\\\', []", 1),
        ('/* *\\\\/ " */ [[]] /* " */', 2),
    ],
)
def test_nothing_that_a_parser_reads_is_passed_over(text, containers):
    assert structure_of(text.encode(), 700_000).containers == containers


def test_zip_bombs_are_refused_without_unpacking(write, monkeypatch):
    monkeypatch.setattr(package_module, "MAX_UNPACKED_SIZE", 1_000_000)
    with pytest.raises(PackageTooLargeError, match="ZIP bomb"):
        open_package(
            write(zipped(("flow.json", DEFINITION), ("artifact_1.data", b"\0" * 2_000_000)))
        )


def test_a_big_honest_package_is_no_bomb(write, monkeypatch):
    monkeypatch.setattr(package_module, "MAX_UNPACKED_SIZE", 1_000_000)
    with open_package(
        write(zipped(("flow.json", DEFINITION), ("artifact_1.data", os.urandom(2_000_000))))
    ) as package:
        assert package.size > 2_000_000


def test_a_definition_is_read_up_to_a_limit(write, monkeypatch):
    monkeypatch.setattr(package_module, "MAX_DEFINITION_SIZE", 1000)
    with pytest.raises(PackageTooLargeError, match="more than 1000 bytes"):
        open_package(write(zipped(("flow.json", b" " * 1001))))


def test_a_missing_file_names_the_host(tmp_path):
    with pytest.raises(PackageNotFoundError) as caught:
        open_package(tmp_path / "none.zip")
    assert str(tmp_path / "none.zip") in str(caught.value)
    assert socket.gethostname() in str(caught.value)


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/null"):
        with pytest.raises(PackageNotFoundError, match="not a regular file"):
            open_package(path)


@pytest.mark.parametrize("seen", ["regular", "gone"])
def test_a_pipe_that_is_swapped_in_is_refused_without_waiting(tmp_path, monkeypatch, seen):
    """What is at the path may change after the look at it."""
    pipe, regular = tmp_path / "pipe", tmp_path / "regular"
    regular.touch()
    if seen == "regular":
        os.mkfifo(pipe)
    looked_at = regular.stat()
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.stat", lambda *_, **__: looked_at)
        with pytest.raises(PackageNotFoundError) as caught:
            open_package(pipe)
    assert ("not a regular file" in str(caught.value)) is (seen == "regular")


@pytest.mark.parametrize("path", ["", "  ", None, "None", 5, ["a.zip"]])
def test_a_path_that_is_none_is_explained(path):
    with pytest.raises(PackageNotFoundError, match="package_path must be the path"):
        open_package(path)


def test_an_impossible_path_is_explained():
    with pytest.raises(PackageNotFoundError, match="cannot be read"):
        open_package("a\0b")


def test_all_defects_are_package_errors():
    assert issubclass(PackageFormatError, PackageError)
    assert not PackageFormatError.retryable


def test_what_was_inspected_is_what_is_sent(write):
    path = write(build_package(uuid=UUID))
    content = path.read_bytes()
    with open_package(path) as package:
        path.unlink()
        path.write_bytes(b"another file of the same name")
        body = b"".join(package.body())
    assert content in body
    assert len(body) == len(package.body())


@pytest.mark.parametrize("rewritten", [True, False])
def test_a_rewrite_in_place_is_noticed_though_its_time_is_set_back(write, rewritten):
    """As programs do that copy the times of a file too."""
    path = write(build_package(uuid=UUID))
    before = path.stat()
    with open_package(path) as package:
        if not rewritten:
            package.sha256()
            return
        time.sleep(0.02)  # the clock of a file system has steps
        with path.open("r+b") as file:
            file.write(b"x")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        now = path.stat()
        assert (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
        with pytest.raises(PackageChangedError):
            package.sha256()
        with pytest.raises(PackageChangedError):
            b"".join(package.body())


@pytest.mark.parametrize("change", ["truncate", "append", "rewrite"])
def test_a_package_written_to_meanwhile_breaks_the_upload_off(write, change):
    path = write(build_package(uuid=UUID))
    with open_package(path) as package:
        body = package.body()
        blocks = iter(body)
        next(blocks)
        with path.open("r+b") as file:
            if change == "truncate":
                file.truncate(100)
            elif change == "append":
                file.seek(0, os.SEEK_END)
                file.write(b"x")
            else:
                file.write(b"x")
        os.utime(path, ns=(1, 1))
        with pytest.raises(PackageChangedError, match="Nothing was imported"):
            list(blocks)
        assert not body.sent_completely
