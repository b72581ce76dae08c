from __future__ import annotations

import io
import json
import random
import zipfile

import pytest
from trifacta_emulator import build_package

from airflow_provider_trifacta.client.errors import PackageFormatError
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.packages.not_a_zip import SAMPLE_SIZE, what_it_is

NOT_A_ZIP = "is not a readable ZIP file"
AS_TEXT = "because it was copied as text"
DENIED = {"exception": {"name": "AccessControlException", "message": "Permission denied"}}


def stored() -> bytes:
    """A package that is not compressed, as some programs make them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("flow.json", json.dumps({"metadata": {}, "x": ["\n"] * 50}, indent=1))
    return buffer.getvalue()


def without(content: bytes, *numbers: int) -> bytes:
    return bytes(byte for byte in content if byte not in numbers)


@pytest.fixture
def reason(tmp_path):
    """Return a function that tells why a file is refused."""
    path = tmp_path / "flow.zip"

    def refused(content: bytes) -> str:
        path.write_bytes(content)
        with pytest.raises(PackageFormatError) as caught:
            open_package(path)
        return str(caught.value)

    return refused


PACKAGE = build_package("Orders", nested_functions=20)


@pytest.mark.parametrize(
    "content",
    [
        without(PACKAGE, 0),
        without(PACKAGE, 0) + b"\n",
        PACKAGE.decode("utf-8", "replace").encode(),
        PACKAGE.decode("ascii", "replace").encode(),
        PACKAGE.decode("latin-1").encode(),
        PACKAGE.decode("ascii", "ignore").encode(),
        PACKAGE.decode("ascii", "replace").replace("\ufffd", "?").encode(),
        b"\xef\xbb\xbf" + PACKAGE.decode("utf-8", "replace").encode(),
        PACKAGE.replace(b"\n", b"\r\n"),
        stored().replace(b"\n", b"\r\n"),
    ],
    ids=[
        "shell",
        "shell and echo",
        "utf-8",
        "ascii",
        "latin-1",
        "ignore",
        "?",
        "BOM",
        "CR LF",
        "CR LF, stored",
    ],
)
def test_a_zip_that_was_copied_as_text(reason, content):
    said = reason(content)
    assert f"{NOT_A_ZIP}, {AS_TEXT}" in said
    assert "binary mode" in said


@pytest.mark.parametrize(
    "content", [PACKAGE[:-30], PACKAGE[: len(PACKAGE) // 2], stored()[:-30], PACKAGE[:40]]
)
def test_a_zip_that_was_cut_short_is_not_taken_for_that(reason, content):
    said = reason(content)
    assert NOT_A_ZIP in said
    assert AS_TEXT not in said


def test_a_large_one_is_looked_at_in_part():
    noise = random.Random(1)
    text = "".join(chr(noise.randrange(0x80, 0x800)) for _ in range(SAMPLE_SIZE)).encode()
    header = b"PK\x03\x04\x14\x00\x00\x00\x08\x00"
    for start in range(2):
        assert AS_TEXT in what_it_is((header + b"x" * start + text)[:SAMPLE_SIZE])
    assert what_it_is((header + b"\xff" + text)[:SAMPLE_SIZE]) is None


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (DENIED, "(AccessControlException: Permission denied)"),
        ({"exception": {"message": "Permission\n denied", "name": None}}, "(Permission denied)"),
        ({"exception": "denied"}, "(denied)"),
        ({"exception": None}, "the saved error of a server. "),
        ({"exception": {}}, "the saved error of a server. "),
        ({"exception": {"message": "x" * 1000}}, f"({'x' * 200}...)"),
        ({"exception": {"message": "half \ud83d"}}, "(half ?)"),
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_an_error_of_the_server(reason, document, words, indent):
    said = reason(json.dumps(document, indent=indent).encode())
    assert f"{NOT_A_ZIP} but the saved error of a server" in said
    assert words in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (
            "<!DOCTYPE html><html><head><title>Sign in &amp;\n go</title></head></html>",
            "(Sign in & go)",
        ),
        ("\ufeff\n <html><body><h1>502 <b>Bad</b> Gateway</h1>", "(502 Bad Gateway)"),
        (
            "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
            "(Access Denied)",
        ),
        ("<html>", "a web page, such as a login page"),
        ("<title></title>", "a web page, such as a login page"),
    ],
)
def test_a_web_page(reason, page, words):
    said = reason(page.encode())
    assert f"{NOT_A_ZIP} but a web page" in said
    assert words in said


def test_other_things(reason):
    assert "a flow definition that was unpacked" in reason(json.dumps({"metadata": {}}).encode())
    assert "a JSON document" in reason(b'{"a": 1}')
    for content in (
        b"text",
        b'{"a"',
        b"{" * 100_000,
        b'{"a":' * 100_000,
        b"\xff\xfe<\x00h\x00",
        b"[1]",
    ):
        said = reason(content)
        assert NOT_A_ZIP in said
        assert " but " not in said


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("damaged_as_text.zip", AS_TEXT),
        ("server_said_403.zip", "(AccessControlException: Permission denied)"),
    ],
)
def test_real_broken_files(name, words, read_real, reason):
    refused = reason(read_real(f"broken/{name}"))
    assert NOT_A_ZIP in refused
    assert words in refused
