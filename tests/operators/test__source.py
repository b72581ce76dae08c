from __future__ import annotations

import os

import pytest

from airflow_provider_trifacta.client.errors import PackageFormatError, PackageNotFoundError, WrongPackageError
from airflow_provider_trifacta.operators._source import open_source

pytestmark = pytest.mark.every_airflow


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


def test_a_missing_object_is_told(memory):
    with pytest.raises(PackageNotFoundError, match=r"There is no object memory://bucket/none\.zip"):
        open_source("memory://bucket/none.zip")


def test_a_defective_object_is_told(memory):
    memory.pipe("/bucket/flow.zip", b"<html>")
    with pytest.raises(PackageFormatError, match=r"flow\.zip is not a readable ZIP"):
        open_source("memory://bucket/flow.zip")


def test_an_unknown_scheme_says_what_to_install():
    with pytest.raises(PackageNotFoundError, match=r"nowhere://bucket/flow\.zip cannot be opened.*fsspec"):
        open_source("nowhere://bucket/flow.zip")


UUID, OTHER = "9bae78c0-2fcb-11e9-9523-77f56ed58844", "9bae78c0-2fcb-11e9-9523-77f56ed58845"


@pytest.mark.parametrize("uuid", [UUID, UUID.upper()])
def test_the_package_that_is_meant_is_opened(make_package, uuid):
    with open_source(make_package(uuid=UUID), uuid, with_uuid=True) as package:
        assert package.info.uuid == UUID


@pytest.mark.parametrize("uuid", [OTHER, None, "None", "", 7])
def test_another_package_at_the_same_path_is_refused(make_package, uuid):
    with pytest.raises(WrongPackageError, match=f"holds the package {UUID} and not {uuid}: "):
        open_source(make_package(uuid=UUID), uuid, with_uuid=True)
