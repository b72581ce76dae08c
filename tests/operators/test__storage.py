"""Packages in object storage, against an S3 server; and what storages and disks say
when they fail.
"""

from __future__ import annotations

import errno
import io
import tempfile
from pathlib import Path

import pytest
from trifacta_emulator import Emulator, EmulatorOptions, PresetFlow

from airflow_provider_trifacta._compat import AirflowFailException
from airflow_provider_trifacta.client.errors import (
    DestinationError,
    InvalidInputError,
    PackageNotFoundError,
    SourceError,
    TemporarySpaceError,
)
from airflow_provider_trifacta.operators import _storage
from airflow_provider_trifacta.operators._storage import check_destination, open_source, save
from airflow_provider_trifacta.operators.package import ExportFlowPackageOperator
from airflow_provider_trifacta.operators.release import CreateReleaseOperator

try:
    from airflow.sdk.io import attach
except ImportError:  # Airflow 2
    from airflow.io.store import attach

every_airflow = pytest.mark.every_airflow

ODD_KEYS = [
    "flow.zip",
    "with space.zip",
    " first and last .zip",
    "Aufträge 日本 😀.zip",
    "a#b.zip",
    "a?b.zip",
    "a%b.zip",
    "a%20b.zip",
    "a+b.zip",
    "a&b=c.zip",
    "manual__2026-01-01T00:00:00.5+00:00/flow.zip",
    "a//b.zip",
    "/flow.zip",
    "./flow.zip",
    "a/../flow.zip",
    "s3://a/flow.zip",
    "a@b.zip",
    "a[b]*c.zip",
    "a'b\"c.zip",
    "a\\b.zip",
    "{a}.zip",
    "~;,!$HOME|^`.zip",
]


@pytest.fixture(scope="session")
def s3_server():
    """An S3 server and a client of its own, which shows what is really there."""
    pytest.importorskip("s3fs", reason="S3 is tested on the newest Airflow")
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(
        ip_address="127.0.0.1", port=0, verbose=False
    )
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "a-key-id", "aws_secret_access_key": "a-long-secret"}
    client = boto3.client(
        "s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", **keys
    )
    client.create_bucket(Bucket="bucket")
    yield client
    server.stop()


def s3_system(endpoint):
    import s3fs

    return s3fs.S3FileSystem(
        key="a-key-id",
        secret="a-long-secret",
        endpoint_url=endpoint,
        client_kwargs={"region_name": "us-east-1"},
        config_kwargs={"retries": {"max_attempts": 0}, "connect_timeout": 2},
        skip_instance_cache=True,
    )


class Bucket:
    def __init__(self, client):
        self._client = client

    def content(self):
        """Return what is in the bucket, by key."""
        listed = self._client.list_objects_v2(Bucket="bucket").get("Contents", [])
        return {
            one["Key"]: self._client.get_object(Bucket="bucket", Key=one["Key"])["Body"].read()
            for one in listed
        }

    def put(self, key, content):
        self._client.put_object(Bucket="bucket", Key=key, Body=content)

    def empty(self):
        for key in self.content():
            self._client.delete_object(Bucket="bucket", Key=key)


@pytest.fixture
def bucket(s3_server):
    # Under a connection id of its own: what is attached stays so in this process.
    attach("s3", conn_id="moto", fs=s3_system(s3_server.meta.endpoint_url))
    bucket = Bucket(s3_server)
    bucket.empty()
    return bucket


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_package_goes_to_the_very_key_that_was_named(bucket, make_package, key):
    content = make_package().read_bytes()
    save(io.BytesIO(content), check_destination(f"s3://moto@bucket/{key}"))
    assert bucket.content() == {key: content}


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_package_comes_from_the_very_key_that_was_named(bucket, make_package, key):
    content = make_package(flow_name="Odd").read_bytes()
    bucket.put("flow" if key != "flow" else "other", b"another object")
    bucket.put(key, content)
    with open_source(f"s3://moto@bucket/{key}") as package:
        assert package.info.flow_names == ["Odd"]
        assert content in b"".join(package.body())


@pytest.mark.usefixtures("bucket")
def test_a_large_package_is_uploaded_in_small_parts(s3_server):
    """Several parts are in memory at a time, and a worker may have little of it."""
    save(io.BytesIO(bytes(17 * 2**20)), check_destination("s3://moto@bucket/large.zip"))
    assert s3_server.head_object(Bucket="bucket", Key="large.zip")["ETag"].endswith('-3"')


def test_a_flow_goes_through_a_bucket_to_production(bucket, execute, use_connection):
    url = "s3://moto@bucket/manual__2026-01-01T00:00:00+00:00/Täglich #1.zip"
    with Emulator(EmulatorOptions(flows=(PresetFlow("Daily"),))) as one:
        use_connection(one.url)
        one.store.create_deployment("Orders")
        flow_id = one.store.flows()[0].id
        exported, _ = execute(
            ExportFlowPackageOperator(task_id="e", flow_id=flow_id, package_path=url)
        )
        uuid = exported["package_uuid"]
        create = CreateReleaseOperator(
            task_id="c", deployment_id=1, package_path=url, package_uuid=uuid
        )
        created, _ = execute(create)
        assert one.store.active_release(1).id == created["release_id"]
    assert list(bucket.content()) == ["manual__2026-01-01T00:00:00+00:00/Täglich #1.zip"]


@pytest.mark.usefixtures("bucket")
def test_a_missing_object_is_told_and_is_no_passing_failure():
    with pytest.raises(PackageNotFoundError):
        open_source("s3://moto@bucket/none.zip")


@pytest.mark.usefixtures("bucket")
def test_a_missing_bucket_is_told_in_the_words_of_the_storage(make_package):
    with (
        make_package().open("rb") as file,
        pytest.raises(DestinationError, match="bucket does not exist") as caught,
    ):
        save(file, "s3://moto@no-such-bucket/flow.zip")
    assert caught.value.retryable


@pytest.mark.usefixtures("s3_server")
def test_a_storage_that_is_away_may_come_back(make_package):
    attach("s3", conn_id="away", fs=s3_system("http://127.0.0.1:9"))
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:9") as caught:
        open_source("s3://away@bucket/flow.zip")
    assert caught.value.retryable
    with (
        make_package().open("rb") as file,
        pytest.raises(DestinationError, match=r"127\.0\.0\.1:9") as caught,
    ):
        save(file, "s3://away@bucket/flow.zip")
    assert caught.value.retryable


class StorageError(Exception):
    """Has no relative, as those of botocore."""


LEAK = "403 https://me:a-long-secret@store/x?X-Amz-Signature=abcdef&sig=ghijkl no access"


@every_airflow
def test_the_words_of_a_storage_are_passed_on_without_credentials(
    memory, make_package, monkeypatch
):
    def refuse(*_, **__):
        raise StorageError(LEAK)

    for name in ("_open", "put_file"):
        monkeypatch.setattr(type(memory), name, refuse)
    with pytest.raises(SourceError) as source:
        open_source("memory://bucket/flow.zip")
    with make_package().open("rb") as file, pytest.raises(DestinationError) as destination:
        save(file, "memory://bucket/flow.zip")
    for caught in (source, destination):
        assert "StorageError: 403 https://me:***@store/x" in str(caught.value)
        assert not [
            secret
            for secret in ("a-long-secret", "abcdef", "ghijkl")
            if secret in str(caught.value)
        ]
        assert caught.value.retryable


@every_airflow
@pytest.mark.parametrize(
    "path", ["s3:/bucket/flow.zip", Path("s3://bucket/flow.zip"), "gs:/flow.zip"]
)
def test_one_slash_after_the_scheme_is_refused_by_name(path):
    with pytest.raises(InvalidInputError, match="one slash"):
        check_destination(path)
    with pytest.raises(PackageNotFoundError, match="one slash"):
        open_source(path)


@every_airflow
@pytest.mark.parametrize(
    "path", ["s3://bucket/folder/", "s3://bucket", "s3://bucket/", "memory://bucket/a/"]
)
def test_a_folder_is_refused_by_name(path):
    with pytest.raises(InvalidInputError, match="is a folder"):
        check_destination(path)
    with pytest.raises(PackageNotFoundError, match="is a folder"):
        open_source(path)


@every_airflow
@pytest.mark.parametrize("path", ["s3://bucket/a\tb.zip", "s3://bucket/a\n.zip"])
def test_a_name_that_would_lose_a_character_is_refused(path):
    with pytest.raises(InvalidInputError, match="control character"):
        check_destination(path)


@every_airflow
def test_a_version_of_an_object_cannot_be_written():
    with pytest.raises(InvalidInputError, match="version"):
        check_destination("s3://bucket/flow.zip?versionId=7")


@every_airflow
@pytest.mark.parametrize("name", ["a://b.zip", "c:d.zip", "with:/slash.zip"])
def test_a_local_path_may_look_like_a_url_further_on(make_package, tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(make_package(flow_name="Local").read_bytes())
    assert check_destination(str(path)) == str(path)
    with open_source(str(path)) as package:
        assert package.info.flow_names == ["Local"]


@every_airflow
@pytest.mark.parametrize("path", ["s3:/bucket/flow.zip", "s3://bucket/folder/"])
def test_nothing_is_asked_of_the_instance_for_such_a_path(emulator, execute, path):
    for operator in (
        ExportFlowPackageOperator(task_id="e", flow_id=1, package_path=path),
        CreateReleaseOperator(task_id="c", deployment_id=1, package_path=path),
    ):
        with pytest.raises(AirflowFailException):
            execute(operator)
    assert list(emulator.calls) == []


@pytest.fixture
def no_temporary_directory(mocker):
    """Let there be no directory for temporary files, as with a read-only root file system."""

    none = FileNotFoundError(2, "No usable temporary directory found in ['/tmp', '/var/tmp']")
    mocker.patch.object(tempfile, "tempdir", None)
    mocker.patch.object(tempfile, "_get_default_tempdir", side_effect=none)


@pytest.mark.usefixtures("no_temporary_directory")
@every_airflow
def test_no_temporary_directory_is_named_and_may_pass(memory, make_package, emulator, execute):
    content = make_package().read_bytes()
    memory.pipe("/bucket/flow.zip", content)
    with pytest.raises(TemporarySpaceError) as caught:
        open_source("memory://bucket/flow.zip")
    assert caught.value.retryable
    with pytest.raises(TemporarySpaceError):
        save(io.BytesIO(content), "memory://bucket/other.zip")
    with pytest.raises(TemporarySpaceError):
        execute(
            ExportFlowPackageOperator(
                task_id="e", flow_id=1, package_path="memory://bucket/other.zip"
            )
        )
    assert list(emulator.calls) == []


@every_airflow
def test_no_space_for_a_temporary_copy_is_named_and_may_pass(memory, make_package, mocker):
    full = mocker.MagicMock(spec=io.BytesIO)
    full.write.side_effect = OSError(errno.ENOSPC, "No space left on device")
    memory.pipe("/bucket/flow.zip", make_package().read_bytes())
    mocker.patch.object(_storage.tempfile, "TemporaryFile", return_value=full)
    with pytest.raises(TemporarySpaceError) as caught:
        open_source("memory://bucket/flow.zip")
    assert caught.value.retryable
