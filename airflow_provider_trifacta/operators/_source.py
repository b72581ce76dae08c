"""Where a package comes from: a path on the worker, or an object storage URL."""

from __future__ import annotations

from typing import Any, BinaryIO

from .._compat import object_storage_path
from ..client.errors import InvalidInputError, PackageNotFoundError, SourceError, TrifactaError, WrongPackageError
from ..client.models import canonical_uuid
from ..packages.flow_package import FlowPackage, open_package
from ._storage import check_url, copy, is_url, needs, storage_words, temporary_file, without_file_scheme


def open_source(path: Any, uuid: Any = None, *, with_uuid: bool = False) -> FlowPackage:
    """Open a package, wherever it is.

    One in object storage is copied once to a temporary file, so that what was inspected is what is sent, and memory
    does not grow with it.

    :param path: a local path, or any URL that ``ObjectStoragePath`` takes
    :param uuid: the ``metadata.uuid`` that it must have
    :param with_uuid: whether it must have one; a uuid that was given but renders to nothing is not any
    :raises WrongPackageError: it has another one
    :raises PackageNotFoundError: there is no such object, or its kind of storage is not installed
    :raises SourceError: the storage cannot be read, which may pass
    :raises TemporarySpaceError: there is no room for the copy
    :raises PackageError: see :func:`~airflow_provider_trifacta.packages.flow_package.open_package`
    """
    package = _open(path)
    if not with_uuid or package.info.uuid == canonical_uuid(str(uuid)):
        return package
    with package:
        raise WrongPackageError(
            f"{path} holds the package {package.info.uuid} and not {uuid}: another task or run wrote to the same path "
            "since, or an XCom gave nothing. Nothing was sent. Give each flow and run a path of its own."
        )


def _open(path: Any) -> FlowPackage:
    text = str(path)  # an ObjectStoragePath is as good as its URL
    try:
        local = without_file_scheme(text)
        if local != text:
            return open_package(local)  # where it is looked at first: a pipe has no end, and a device may have none
        check_url(text)
    except InvalidInputError as error:
        raise PackageNotFoundError(str(error)) from None
    if not is_url(text):
        return open_package(path)
    file = temporary_file()
    try:
        name = _fetch(text, file)
        return FlowPackage(file, name)
    except BaseException:
        file.close()
        raise


def _fetch(url: str, file: BinaryIO) -> str:
    """Copy an object into a file, and return its name."""
    try:
        source = object_storage_path(url)
        with source.open("rb") as remote:
            copy(remote, file)
        return str(source.name)
    except TrifactaError:
        raise
    except FileNotFoundError:
        raise PackageNotFoundError(f"There is no object {url}.") from None
    except IsADirectoryError:
        raise PackageNotFoundError(f"{url} is a folder and not a package.") from None
    except (ImportError, ValueError) as error:
        raise PackageNotFoundError(f"{url} cannot be opened: {storage_words(error)}.{needs(url)}") from error
    except Exception as error:  # each kind of storage has its own
        raise SourceError(
            f"The storage of {url} cannot be read: {storage_words(error)}. Nothing was sent. Check the permissions "
            "and the Airflow connection of the storage, if it stays so."
        ) from error
