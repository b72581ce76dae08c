"""Packages that are opened for a promotion: from the worker, and from object storage by
one copy.
"""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from airflow_provider_trifacta._compat import AirflowFailException
from airflow_provider_trifacta.client.errors import (
    PackageFormatError,
    PackageNotFoundError,
    PackageTooLargeError,
    WrongPackageError,
)
from airflow_provider_trifacta.operators._packages import PackageOperator
from airflow_provider_trifacta.operators._storage import open_source
from airflow_provider_trifacta.operators.import_rules import SetImportRulesOperator
from airflow_provider_trifacta.operators.package import ExportFlowPackageOperator
from airflow_provider_trifacta.operators.release import CreateReleaseOperator, DryRunReleaseOperator

pytestmark = pytest.mark.every_airflow

UUID, OTHER = "9bae78c0-2fcb-11e9-9523-77f56ed58844", "9bae78c0-2fcb-11e9-9523-77f56ed58845"


def test_a_local_path_is_opened_where_it_is(make_package):
    path = make_package(flow_name="Local")
    with open_source(str(path)) as package:
        assert package.name == path.name
        assert package.info.flow_names == ["Local"]


def test_an_object_is_spooled_once_and_sent_from_there(make_package, memory):
    content = make_package(flow_name="Remote").read_bytes()
    memory.pipe("/bucket/flow.zip", content)
    with open_source("memory://bucket/flow.zip") as package:
        memory.rm("/bucket/flow.zip")
        assert package.name == "flow.zip"
        assert package.info.flow_names == ["Remote"]
        assert content in b"".join(package.body())


def test_a_file_url_works(make_package):
    path = make_package(flow_name="By URL")
    with open_source(f"file://{path}") as package:
        assert package.info.flow_names == ["By URL"]


@pytest.mark.parametrize("scheme", ["file", "local", "FILE"])
def test_a_file_url_is_looked_at_before_it_is_opened(tmp_path, scheme):
    """A pipe would wait for ever, and a device fill the disk."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        with pytest.raises(PackageNotFoundError, match="not a regular file"):
            open_source(f"{scheme}://{path}")
    with pytest.raises(PackageNotFoundError, match="begins with"):
        open_source(f"{scheme}://folder/flow.zip")


@pytest.mark.usefixtures("memory")
def test_a_missing_object_is_told():
    with pytest.raises(PackageNotFoundError, match=r"There is no object memory://bucket/none\.zip"):
        open_source("memory://bucket/none.zip")


def test_a_defective_object_is_told(memory):
    memory.pipe("/bucket/flow.zip", b"<html>")
    with pytest.raises(PackageFormatError, match=r"flow\.zip is not a readable ZIP"):
        open_source("memory://bucket/flow.zip")


def test_an_unknown_scheme_says_what_to_install():
    with pytest.raises(
        PackageNotFoundError, match=r"nowhere://bucket/flow\.zip cannot be opened.*fsspec"
    ):
        open_source("nowhere://bucket/flow.zip")


def opened(path, uuid):
    operator = PackageOperator(task_id="t", deployment_id=1, package_path=path, package_uuid=uuid)
    return operator.open_package(SimpleNamespace(config=SimpleNamespace(max_package_size=2**20)))


@pytest.mark.parametrize("uuid", [UUID, UUID.upper()])
def test_the_package_that_is_meant_is_opened(make_package, uuid):
    with opened(make_package(uuid=UUID), uuid) as package:
        assert package.info.uuid == UUID


@pytest.mark.parametrize("uuid", [OTHER, None, "None", "", 7])
def test_another_package_at_the_same_path_is_refused(make_package, uuid):
    with pytest.raises(WrongPackageError, match=f"{UUID} and not {uuid}"):
        opened(make_package(uuid=UUID), uuid)


class Endless:
    """An object without an end."""

    name = "endless.zip"

    def __init__(self):
        self.blocks = 0

    def open(self, _mode, **_options):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def read(self, size):
        self.blocks += 1
        return b"x" * size


def test_a_copy_stops_at_its_limit(monkeypatch):
    source = Endless()
    monkeypatch.setattr(
        "airflow_provider_trifacta.operators._storage.object_storage_path", lambda _: source
    )
    with pytest.raises(
        PackageTooLargeError, match=r"s3://bucket/endless\.zip .*'max_package_size'"
    ) as caught:
        open_source("s3://bucket/endless.zip", most=5 * 2**20)
    assert source.blocks == 6
    assert not caught.value.retryable


def test_an_object_of_just_the_limit_is_copied(make_package, memory):
    content = make_package().read_bytes()
    memory.pipe("/bucket/flow.zip", content)
    with open_source("memory://bucket/flow.zip", most=len(content)) as package:
        assert package.size == len(content)
    with pytest.raises(PackageTooLargeError):
        open_source("memory://bucket/flow.zip", most=len(content) - 1)


RULES = [{"onCondition": {"name": "dev"}, "withCondition": {"id": 1}}]


@pytest.mark.parametrize(
    "operator",
    [
        CreateReleaseOperator(
            task_id="t", deployment_id=1, package_path="memory://bucket/flow.zip"
        ),
        DryRunReleaseOperator(
            task_id="t", deployment_id=1, package_path="memory://bucket/flow.zip"
        ),
        SetImportRulesOperator(
            task_id="t",
            deployment_id=1,
            package_path="memory://bucket/flow.zip",
            object_rules=RULES,
        ),
    ],
    ids=lambda operator: type(operator).__name__,
)
def test_the_limit_is_the_connections(
    operator, memory, make_package, emulator, use_connection, execute
):
    use_connection(emulator.url, extra={"max_package_size": 1000})
    memory.pipe("/bucket/flow.zip", make_package().read_bytes())
    with pytest.raises(AirflowFailException, match="1000 bytes") as caught:
        execute(operator)
    assert isinstance(caught.value.__cause__, PackageTooLargeError)
    assert list(emulator.calls) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://store.example.com/flow.zip",
        "https://me:hush@store.example.com/flow.zip?sig=hush",
        "HTTPS://store.example.com/flow.zip",
        "http:/store.example.com/flow.zip",
    ],
)
def test_a_web_address_is_refused_by_that_name(execute, emulator, url, fails):
    operators = {
        "PackageNotFoundError": CreateReleaseOperator(
            task_id="t", deployment_id=1, package_path=url
        ),
        "InvalidInputError": ExportFlowPackageOperator(task_id="t", flow_id=1, package_path=url),
    }
    for name, operator in operators.items():
        with fails(f"{name}: package_path is an http address") as caught:
            execute(operator)
        assert "hush" not in str(caught.value)
        assert "s3fs" not in str(caught.value)
    assert emulator.calls == []
