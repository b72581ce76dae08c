"""Exporting a package: whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import resource
import shutil
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
from airflow_provider_trifacta.client.errors import (
    ConnectionLostError,
    DestinationError,
    ServerError,
)
from airflow_provider_trifacta.operators import _storage as destination
from airflow_provider_trifacta.operators._storage import open_source
from airflow_provider_trifacta.operators.package import ExportFlowPackageOperator
from airflow_provider_trifacta.packages.flow_package import open_package

pytestmark = pytest.mark.every_airflow

PACKAGE = {"method": "GET", "path": "/v4/flows/*/package"}


@pytest.fixture
def dev(use_connection):
    options = EmulatorOptions(
        connections=(PresetConnection("orders"),),
        flows=(PresetFlow("Daily Orders", connections=("orders",)),),
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
        operator = ExportFlowPackageOperator(
            task_id="export", flow_id=flow_id, package_path=str(path), **options
        )
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
    assert result == export(flow_id)[0] | {
        key: result[key] for key in ("package_uuid", "sha256", "size")
    }
    with fails("AmbiguousNameError", found_ids=[], similar=["daily orders", "Daily Orders"]):
        export(None, flow_name="DAILY ORDERS")


@pytest.mark.parametrize(
    ("flow_id", "name"), [(1, "Daily Orders"), (None, None), (None, " "), (None, "None")]
)
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


@pytest.mark.parametrize(
    ("comment", "sent"), [(None, ""), ("", ""), ("None", ""), ("undefined", ""), ("why", "why")]
)
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
def test_what_is_no_package_is_not_saved(
    export, scripted, use_connection, tmp_path, headers, body, words, fails
):
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


def test_a_disk_that_takes_no_more_leaves_nothing(export, flow_id, tmp_path, mocker):
    mocker.patch.object(destination.shutil, "copyfileobj", side_effect=os_error(errno.ENOSPC))
    with pytest.raises(DestinationError) as caught:
        export(flow_id, tmp_path / "flow.zip")
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("memory")
def test_an_object_storage_url(export, flow_id):
    url = "memory://bucket/run 1/flow.zip"
    result, _ = export(flow_id, url)
    content = object_storage_path(url).open("rb").read()
    assert (result["path"], result["sha256"]) == (url, hashlib.sha256(content).hexdigest())
    with open_source(url) as package:
        assert package.info.uuid == result["package_uuid"]


def test_an_object_that_is_not_whole_is_an_error(flow_id, export, memory, mocker):
    mocker.patch.object(type(memory), "info", return_value={"size": 3})
    with pytest.raises(DestinationError, match="has 3 bytes"):
        export(flow_id, "memory://bucket/flow.zip")


@pytest.mark.parametrize("scheme", ["file", "FILE", "local"])
@pytest.mark.parametrize(
    "name", ["with space.zip", "with%20escape.zip", "manual__2026-01-01T00:00:00+00:00#1?.zip"]
)
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
    with pytest.raises(DestinationError) as caught:
        export(flow_id, url)
    # A storage's own error may hold credentials, so only its words are taken over.
    assert caught.value.__cause__ is None
    assert "RuntimeError: no space left" in str(caught.value)
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
    # Another test of this process may have attached the real one, which Airflow remembers.
    monkeypatch.setitem(attach.__globals__, "_STORE_CACHE", {})
    attach(scheme, fs=memory)
    put = []
    monkeypatch.setattr(
        type(memory),
        "put_file",
        lambda self, source, target, **_: (
            put.append(target) or self.pipe(target, Path(source).read_bytes())
        ),
    )
    export(flow_id, f"{scheme}://bucket/flow.zip")
    assert [one.strip("/") for one in put] == ["bucket/flow.zip"]


def test_an_unknown_storage_says_what_is_missing(export, flow_id):
    with pytest.raises(DestinationError, match="Object storage needs the provider"):
        export(flow_id, "nowhere://bucket/flow.zip")


def test_a_real_package_comes_through_as_it_is(
    export, scripted, use_connection, real_package, tmp_path
):
    content = real_package.read_bytes()
    use_connection(scripted(lambda _: (200, {"Content-Type": "application/zip"}, content)).url)
    export(13)
    assert (tmp_path / "made" / "flow.zip").read_bytes() == content


def os_error(number):
    return OSError(number, os.strerror(number))


UNKNOWN_CALLS = [errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP]


@pytest.mark.parametrize("number", UNKNOWN_CALLS, ids=errno.errorcode.get)
@pytest.mark.parametrize("before", [None, b"an older and much longer package" * 1000])
def test_a_folder_without_a_move_gets_the_file_in_its_place(
    export, flow_id, tmp_path, mocker, number, before
):
    """As a mounted bucket, which may not remove files either."""
    path = tmp_path / "flow.zip"
    if before:
        path.write_bytes(before)
        path.chmod(0o600)
    mocker.patch("pathlib.Path.replace", side_effect=os_error(number))
    result, _ = export(flow_id, path)
    assert path.stat().st_size == result["size"]
    assert not before or stat.S_IMODE(path.stat().st_mode) == 0o600
    with open_package(path) as package:
        assert package.sha256() == result["sha256"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [*UNKNOWN_CALLS, errno.EINVAL], ids=errno.errorcode.get)
def test_a_folder_that_does_not_know_fsync_takes_the_file(
    export, flow_id, tmp_path, mocker, number
):
    mocker.patch("os.fsync", side_effect=os_error(number))
    result, _ = export(flow_id, tmp_path / "flow.zip")
    assert (tmp_path / "flow.zip").stat().st_size == result["size"]


def test_a_disk_that_loses_what_it_took_is_no_success(export, flow_id, tmp_path, mocker):
    mocker.patch("os.fsync", side_effect=os_error(errno.EIO))
    with pytest.raises(DestinationError) as caught:
        export(flow_id, tmp_path / "flow.zip")
    assert caught.value.__cause__.errno == errno.EIO
    assert caught.value.retryable
    assert list(tmp_path.iterdir()) == []


def test_a_failure_in_the_place_says_that_the_file_may_be_incomplete(tmp_path, monkeypatch, mocker):
    path, real = tmp_path / "flow.zip", shutil.copyfileobj
    path.write_bytes(b"from before")
    copies = []

    def copy(source, target, *_):
        copies.append(target)
        real(source, target)
        if len(copies) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(destination.shutil, "copyfileobj", copy)
    mocker.patch("pathlib.Path.replace", side_effect=os_error(errno.ENOSYS))
    with pytest.raises(DestinationError, match="may be incomplete") as caught:
        destination.save(io.BytesIO(bytes(5000)), str(path))
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_never_written_to_in_its_place(tmp_path, mocker):
    os.mkfifo(tmp_path / "flow.zip")
    mocker.patch("pathlib.Path.replace", side_effect=os_error(errno.ENOSYS))
    with pytest.raises(DestinationError):
        destination.save(io.BytesIO(b"abc"), str(tmp_path / "flow.zip"))


CLEAN_UPS = ["pathlib.Path.unlink", "os.unlink", "os.remove"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOENT, errno.EIO], ids=errno.errorcode.get)
@pytest.mark.parametrize("name", CLEAN_UPS)
def test_a_clean_up_that_fails_does_not_hide_the_reason(tmp_path, mocker, number, name):
    """The disk is really full here: the file that is closed tries once more to write."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    mocker.patch(name, side_effect=os_error(number))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(DestinationError) as caught:
            destination.save(io.BytesIO(bytes(5000)), str(tmp_path / "flow.zip"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert caught.value.__cause__.errno == errno.EFBIG


def test_a_clean_up_that_fails_does_not_end_a_good_export(export, flow_id, tmp_path, mocker):
    mocker.patch("pathlib.Path.replace", side_effect=os_error(errno.ENOSYS))
    mocker.patch("pathlib.Path.unlink", side_effect=os_error(errno.EPERM))
    result, _ = export(flow_id, tmp_path / "flow.zip")
    assert (tmp_path / "flow.zip").stat().st_size == result["size"]


@pytest.mark.parametrize("options", [{}, {"create_intermediate_dirs": False}])
@pytest.mark.parametrize("below", ["flow.zip", "more/flow.zip"])
def test_a_folder_that_may_not_be_entered_is_refused_before_any_request(
    dev, tmp_path, options, below
):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    path = str(closed / below)
    user = os.geteuid()
    if user == 0:  # everything is open to root
        tmp_path.chmod(0o755)
        os.seteuid(65534)
    try:
        with pytest.raises(
            DestinationError, match=r"(?i)permission denied.* Let the user"
        ) as caught:
            destination.check_destination(path, make_folders=not options)
    finally:
        os.seteuid(user)
        closed.chmod(0o700)
    assert caught.value.retryable
    assert list(dev.calls) == []


@pytest.mark.parametrize("options", [{}, {"create_intermediate_dirs": False}])
@pytest.mark.parametrize("name", ["a" * 300, "ä" * 150 + ".zip", "a" * 300 + "/flow.zip"], ids=len)
def test_a_name_that_is_too_long_is_refused_before_any_request(
    export, flow_id, dev, tmp_path, options, name, fails
):
    with fails("DestinationError") as caught:
        export(flow_id, tmp_path / name, **options)
    assert "Give a shorter name" in str(caught.value)
    assert list(dev.calls) == list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a" * 255, "ä" * 127], ids=len)
def test_the_longest_name_of_a_file_system_is_taken(export, flow_id, tmp_path, name):
    export(flow_id, tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.usefixtures("fragile")
@pytest.mark.parametrize(
    "error", [NotImplementedError(), *(OSError(number, "x") for number in UNKNOWN_CALLS)], ids=repr
)
def test_a_storage_without_a_move_gets_the_file_in_its_place(
    export, flow_id, tmp_path, mocker, error
):
    mocker.patch.object(Fragile, "mv", side_effect=error)
    result, _ = export(flow_id, f"fragile://{tmp_path}/packages/flow.zip")
    with open_package(tmp_path / "packages" / "flow.zip") as package:
        assert package.sha256() == result["sha256"]
    assert [file.name for file in (tmp_path / "packages").iterdir()] == ["flow.zip"]


def test_saving_rewinds_nothing_it_was_not_given(tmp_path):
    file = io.BytesIO(b"abcdef")
    destination.save(file, str(tmp_path / "x"))
    assert (tmp_path / "x").read_bytes() == b"abcdef"
