"""Where a package comes from: a path on the worker, or an object storage URL."""

from __future__ import annotations

import shutil
import tempfile
from typing import Any

from .._compat import object_storage_path
from ..client.errors import PackageNotFoundError, WrongPackageError
from ..client.models import canonical_uuid
from ..packages.flow_package import FlowPackage, open_package

#: Bytes copied at a time.
_BLOCK_SIZE = 1024 * 1024


def open_source(path: Any, uuid: Any = None, *, with_uuid: bool = False) -> FlowPackage:
    """Open a package, wherever it is.

    One in object storage is copied once to a temporary file, so that what was inspected is what is sent, and memory
    does not grow with it.

    :param path: a local path, or any URL that ``ObjectStoragePath`` takes
    :param uuid: the ``metadata.uuid`` that it must have
    :param with_uuid: whether it must have one; a uuid that was given but renders to nothing is not any
    :raises WrongPackageError: it has another one
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
    if "://" not in str(path):  # an ObjectStoragePath is as good as its URL
        return open_package(path)
    try:
        source = object_storage_path(str(path))
        with source.open("rb") as remote:
            file = tempfile.TemporaryFile(prefix="trifacta-package-")  # noqa: SIM115 - closed by FlowPackage
            try:
                shutil.copyfileobj(remote, file, _BLOCK_SIZE)
                file.flush()
                return FlowPackage(file, source.name)
            except BaseException:
                file.close()
                raise
    except FileNotFoundError:
        raise PackageNotFoundError(f"There is no object {path}.") from None
    except IsADirectoryError:
        raise PackageNotFoundError(f"{path} is a folder and not a package.") from None
    except (ImportError, ValueError) as error:
        raise PackageNotFoundError(
            f"{path} cannot be opened: {error}. Object storage needs the provider of its scheme and its fsspec "
            "package, for example apache-airflow-providers-amazon[s3fs] for s3://."
        ) from error
