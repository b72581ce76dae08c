"""Where a package goes to: a path on the worker, or an object storage URL. Whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import uuid4

from .._compat import object_storage_path
from ..client.errors import DestinationError, InvalidInputError, TrifactaError
from ._storage import OBJECT_STORES, check_url, copy, is_url, needs, storage_words, temporary_space, without_file_scheme


def check_destination(path: Any) -> str:
    """Check that a path is one that a file can be written to, before any request.

    :param path: a local path, or any URL that ``ObjectStoragePath`` takes
    :returns: the same as text; a ``file://`` URL as the local path that it means, as ``ObjectStoragePath`` reads it
    :raises InvalidInputError: for what is no path, or the path of a folder
    """
    text = str(path) if isinstance(path, os.PathLike) or is_url(str(path)) else path
    if not isinstance(text, str) or text.strip() in ("", "None"):
        raise InvalidInputError(
            f"package_path must be the path or URL that the package is to be saved as, not {path!r}."
        )
    text = without_file_scheme(text)
    check_url(text)
    if text.endswith("/") or (not is_url(text) and Path(text).is_dir()):
        raise InvalidInputError(f"package_path must name a file, and {text} is a folder.")
    if text.partition(":")[0].lower() in ("s3", "s3a") and "?versionId=" in text:
        raise InvalidInputError(f"package_path is {text}, and nothing can be written to a version of an object.")
    return text


def save(file: BinaryIO, path: str) -> None:
    """Put a file where it belongs: it is there afterwards as a whole, or what was there before still is.

    A file is written beside its place and then moved there; parent folders are made. It has the mode of the file that
    it replaces; a new one can be read by its owner and group, as far as the umask allows. An object is handed over
    whole, which object stores take as one step. Its size is read back.

    :param file: the content, at its beginning
    :param path: what :func:`check_destination` returned
    :raises DestinationError: it cannot be written there
    :raises TemporarySpaceError: there is no room for the copy that is handed over
    """
    try:
        if is_url(path):
            _save_object(file, path)
        else:
            _save_local(file, Path(path))
    except TrifactaError:
        raise
    except Exception as error:  # each kind of storage has its own
        raise DestinationError(
            f"The package cannot be saved as {path}: {storage_words(error)}.{needs(path)}"
        ) from error


def _save_local(file: BinaryIO, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, because a move is one step only within a file system.
    part = path.with_name(_part_of(path.name))
    try:
        with open(part, "xb", opener=_private) as whole:
            with contextlib.suppress(OSError):  # no file to replace, or a file system without modes
                os.fchmod(whole.fileno(), stat.S_IMODE(path.stat().st_mode))
            shutil.copyfileobj(file, whole)
            whole.flush()
            os.fsync(whole.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _private(path: str, flags: int) -> int:
    # A package holds paths, queries and names of connections: not for everybody on the machine.
    return os.open(path, flags, 0o640)


def _save_object(file: BinaryIO, path: str) -> None:
    target = object_storage_path(path)
    system, place = target.fs, str(target.path)
    if path.partition(":")[0].lower() in OBJECT_STORES:
        _put(file, system, place)
        return
    folder, _, name = place.rpartition("/")
    part = f"{folder}/{_part_of(name)}"
    system.makedirs(folder, exist_ok=True)
    try:
        _put(file, system, part)
        system.mv(part, place)
    except BaseException:
        with contextlib.suppress(Exception):
            system.rm_file(part)
        raise


def _put(file: BinaryIO, system: Any, place: str) -> None:
    with temporary_space():
        named = tempfile.NamedTemporaryFile(prefix="trifacta-package-")  # noqa: SIM115 - closed by the next line
    with named:
        copy(file, cast(BinaryIO, named))
        size = named.tell()
        system.put_file(named.name, place)
    system.invalidate_cache()
    saved = system.info(place).get("size")
    if saved != size:
        raise OSError(f"the object has {saved} bytes and not {size}")


def _part_of(name: str) -> str:
    return f".{name}.{uuid4().hex}.part"
