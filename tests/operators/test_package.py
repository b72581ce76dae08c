"""Exporting a package: whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

try:
    from airflow.sdk.io import attach
except ImportError:  # Airflow 2
    from airflow.io.store import attach

from trifacta_emulator import (
    Answer,
    Emulator,
    EmulatorOptions,
    Fault,
    PresetConnection,
    PresetFlow,
    Reset,
    Truncate,
    build_package,
)

from airflow_provider_trifacta._compat import AirflowFailException, object_storage_path
from airflow_provider_trifacta.client.errors import ConnectionLostError, DestinationError, ServerError
from airflow_provider_trifacta.operators import _storage as destination
from airflow_provider_trifacta.operators._storage import open_source
from airflow_provider_trifacta.operators.package import ExportFlowPackageOperator
from airflow_provider_trifacta.packages.flow_package import open_package

pytestmark = pytest.mark.every_airflow

PACKAGE = {"method": "GET", "path": "/v4/flows/*/package"}


@pytest.fixture
def dev(use_connection):
    options = EmulatorOptions(
        connections=(PresetConnection("orders"),), flows=(PresetFlow("Daily Orders", connections=("orders",)),)
    )
    with Emulator(options) as emulator:
        use_connection(emulator.url, extra={"read_retries": 0})
        yield emulator


@pytest.fixture
def flow_id(dev):
    return dev.store.flows()[0].id


@pytest.fixture
def export(execute, tmp_path):
    def run(flow_id, path=tmp_path / "made" / "flow.zip", **options):
        options = {"create_intermediate_dirs": True, **options}
        operator = ExportFlowPackageOperator(task_id="export", flow_id=flow_id, package_path=str(path), **options)
        return execute(operator)

    return run


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_folder_that_does_not_exist_is_not_made(export, flow_id, dev, tmp_path, scheme):
    """It may be a share that is not mounted now, so a retry may help."""
    with pytest.raises(DestinationError):
        export(flow_id, f"{scheme}{tmp_path}/share/flow.zip", create_intermediate_dirs=False)
    assert list(tmp_path.iterdir()) == list(dev.calls) == []


@pytest.mark.parametrize("as_text", [False, True])
def test_the_package_is_there_and_described(export, flow_id, dev, tmp_path, as_text):
    result, ti = export(str(flow_id) if as_text else flow_id, comment="from here")
    path = tmp_path / "made" / "flow.zip"
    content = path.read_bytes()
    with open_package(path) as package:
        info = package.info
    connection = dev.store.connections()[0]
    assert result == ti.pushed
    assert result == {
        "path": str(path),
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "package_uuid": info.uuid,
        "connections": [
            {
                "id": connection.id,
                "name": "orders",
                "uuid": connection.uuid,
                "type": connection.type,
                "vendor": connection.vendor,
            }
        ],
    }
    assert info.flow_names == ["Daily Orders"]
    assert [one.name for one in path.parent.iterdir()] == ["flow.zip"]


def test_a_flow_by_its_name(export, flow_id, dev, fails):
    dev.store.create_flow("daily orders")
    result, _ = export(None, flow_name="Daily Orders")
    assert result == export(flow_id)[0] | {key: result[key] for key in ("package_uuid", "sha256", "size")}
    with fails("AmbiguousNameError", found_ids=[], similar=["daily orders", "Daily Orders"]):
        export(None, flow_name="DAILY ORDERS")


@pytest.mark.parametrize(("flow_id", "name"), [(1, "Daily Orders"), (None, None), (None, " "), (None, "None")])
def test_exactly_one_of_id_and_name_is_needed(export, dev, fails, flow_id, name):
    with fails("InvalidInputError: flow_"):
        export(flow_id, flow_name=name)
    assert not dev.calls


@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o640), (0o077, 0o600), (0o002, 0o640)])
def test_a_new_package_is_not_for_everybody(export, flow_id, tmp_path, umask, expected):
    before = os.umask(umask)
    try:
        export(flow_id)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "made" / "flow.zip").stat().st_mode) == expected


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666])
def test_a_package_keeps_the_mode_of_the_file_it_replaces(export, flow_id, tmp_path, mode):
    path = tmp_path / "flow.zip"
    path.touch()
    path.chmod(mode)
    export(flow_id, path)
    assert path.stat().st_size
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize(("comment", "sent"), [(None, ""), ("", ""), ("None", ""), ("undefined", ""), ("why", "why")])
def test_what_a_template_makes_of_no_value_is_no_comment(export, flow_id, tmp_path, comment, sent):
    export(flow_id, comment=comment)
    with open_package(tmp_path / "made" / "flow.zip") as package:
        assert package.info.comment == sent


def test_every_export_has_its_own_uuid(export, flow_id):
    assert export(flow_id)[0]["package_uuid"] != export(flow_id)[0]["package_uuid"]


def test_the_comment_tells_where_it_comes_from(flow_id):
    operator = ExportFlowPackageOperator(task_id="export", flow_id=flow_id, package_path="x")
    assert "comment" in operator.template_fields
    assert "{{ dag.dag_id }}" in operator.comment
    assert "{{ run_id }}" in operator.comment


FAILURES = [
    pytest.param(Answer(500), ServerError, id="500"),
    pytest.param(Reset("before_body"), ConnectionLostError, id="reset"),
    pytest.param(Truncate(100), ConnectionLostError, id="cut short"),
    pytest.param(Answer(403), AirflowFailException, id="403"),
    pytest.param(Answer(404), AirflowFailException, id="404"),
]


@pytest.mark.parametrize(("effect", "error"), FAILURES)
@pytest.mark.parametrize("before", [None, b"kept from before"])
def test_a_failed_export_leaves_no_half_file(export, flow_id, dev, tmp_path, effect, error, before):
    path = tmp_path / "flow.zip"
    if before:
        path.write_bytes(before)
    dev.faults.add(Fault(effect, **PACKAGE))
    with pytest.raises(error):
        export(flow_id, path)
    assert [one.name for one in tmp_path.iterdir()] == (["flow.zip"] if before else [])
    assert not before or path.read_bytes() == before


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        ({"Content-Type": "application/zip"}, b"no zip", "PackageFormatError"),
        ({}, b"PK\x05\x06" + bytes(18), "PackageFormatError: no flow definition"),
        ({"Content-Type": "application/octet-stream"}, build_package()[:-30], "PackageFormatError"),
    ],
)
def test_what_is_no_package_is_not_saved(export, scripted, use_connection, tmp_path, headers, body, words, fails):
    use_connection(scripted(lambda _: (200, headers, body)).url)
    with fails(words):
        export(7)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"flow_id": "None"}, "flow_id"),
        ({"flow_id": 0}, "flow_id"),
        ({"path": "None"}, "package_path"),
        ({"path": ""}, "package_path"),
        ({"path": "/tmp"}, "must name a file"),
        ({"path": "memory://folder/"}, "must name a file"),
        ({"path": "file://packages/flow.zip"}, "begins with file:///"),
        ({"path": "file:/packages/flow.zip"}, "begins with file:///"),
        ({"comment": 7}, "comment"),
    ],
)
def test_bad_input_ends_before_any_request(export, flow_id, dev, execute, options, words, fails):
    with fails(f"InvalidInputError: {words}"):
        export(**{"flow_id": flow_id, **options})
    assert list(dev.calls) == []
    assert execute.ti.pushed == {}


def test_a_disk_that_takes_no_more_leaves_nothing(export, flow_id, tmp_path, monkeypatch):
    def full(_source, target, *_):
        target.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(destination.shutil, "copyfileobj", full)
    with pytest.raises(DestinationError, match="No space left"):
        export(flow_id, tmp_path / "flow.zip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("memory")
def test_an_object_storage_url(export, flow_id):
    url = "memory://bucket/run 1/flow.zip"
    result, _ = export(flow_id, url)
    content = object_storage_path(url).open("rb").read()
    assert (result["path"], result["sha256"]) == (url, hashlib.sha256(content).hexdigest())
    with open_source(url) as package:
        assert package.info.uuid == result["package_uuid"]


def test_an_object_that_is_not_whole_is_an_error(flow_id, export, memory, monkeypatch):
    monkeypatch.setattr(type(memory), "info", lambda _self, _path, **_options: {"size": 3})
    with pytest.raises(DestinationError, match="has 3 bytes"):
        export(flow_id, "memory://bucket/flow.zip")


@pytest.mark.parametrize("scheme", ["file", "FILE", "local"])
@pytest.mark.parametrize("name", ["with space.zip", "with%20escape.zip", "manual__2026-01-01T00:00:00+00:00#1?.zip"])
def test_a_file_url_is_a_local_path(export, flow_id, tmp_path, scheme, name):
    result, _ = export(flow_id, f"{scheme}://{tmp_path}/{name}")
    assert result["path"] == str(tmp_path / name)
    assert [one.name for one in tmp_path.iterdir()] == [name]
    with open_source(f"file://{tmp_path}/{name}") as package:
        assert package.info.uuid == result["package_uuid"]


class Fragile(LocalFileSystem):
    """A storage where files grow under their names, as over SFTP. It takes so many bytes."""

    protocol = "fragile"
    takes: int | None = None

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(str(path).removeprefix("fragile://"))

    def put_file(self, source, target, **_):
        content = Path(source).read_bytes()
        with open(target, "wb") as file:
            file.write(content[: self.takes])
        if self.takes is not None:
            raise RuntimeError("no space left")


@pytest.fixture
def fragile():
    fsspec.register_implementation("fragile", Fragile, clobber=True)
    system = Fragile(skip_instance_cache=True)
    attach("fragile", fs=system)
    return system


def test_a_storage_that_takes_no_more_keeps_what_was_there(export, flow_id, tmp_path, fragile):
    url = f"fragile://{tmp_path}/packages/flow.zip"
    first, _ = export(flow_id, url)
    fragile.takes = 100
    with pytest.raises(DestinationError, match="RuntimeError: no space left"):
        export(flow_id, url)
    assert [one.name for one in (tmp_path / "packages").iterdir()] == ["flow.zip"]
    with open_package(tmp_path / "packages" / "flow.zip") as package:
        assert package.info.uuid == first["package_uuid"]
    fragile.takes = None
    again, _ = export(flow_id, url)
    with open_package(tmp_path / "packages" / "flow.zip") as package:
        assert package.info.uuid == again["package_uuid"] != first["package_uuid"]
    assert [one.name for one in (tmp_path / "packages").iterdir()] == ["flow.zip"]


@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs"])
def test_an_object_store_is_handed_the_object_itself(export, flow_id, memory, scheme, monkeypatch):
    """Which need no second name, and users may not be allowed one."""
    attach(scheme, fs=memory)
    put = []
    monkeypatch.setattr(
        type(memory),
        "put_file",
        lambda self, source, target, **_: put.append(target) or self.pipe(target, Path(source).read_bytes()),
    )
    export(flow_id, f"{scheme}://bucket/flow.zip")
    assert [one.strip("/") for one in put] == ["bucket/flow.zip"]


def test_an_unknown_storage_says_what_is_missing(export, flow_id):
    with pytest.raises(DestinationError, match="Object storage needs the provider"):
        export(flow_id, "nowhere://bucket/flow.zip")


def test_a_real_package_comes_through_as_it_is(export, scripted, use_connection, real_package, tmp_path):
    content = real_package.read_bytes()
    use_connection(scripted(lambda _: (200, {"Content-Type": "application/zip"}, content)).url)
    export(13)
    assert (tmp_path / "made" / "flow.zip").read_bytes() == content


def test_saving_rewinds_nothing_it_was_not_given(tmp_path):
    file = io.BytesIO(b"abcdef")
    destination.save(file, str(tmp_path / "x"))
    assert (tmp_path / "x").read_bytes() == b"abcdef"
