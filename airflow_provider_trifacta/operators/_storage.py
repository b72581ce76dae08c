"""Package files, on the worker or in object storage: opened for a promotion, saved by an export."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import uuid4

from .._compat import object_storage_path, redact
from ..client import errors
from ..client.config import DEFAULT_MAX_PACKAGE_SIZE
from ..client.files import refuse_special
from ..client.foreign_words import logger
from ..client.texts import shown
from ..packages.flow_package import FlowPackage, open_package

log = logger(__name__)

#: Schemes of storages where an object appears as a whole. Elsewhere a file grows under its name.
_OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "adl", "az")
#: Bytes of a part of an object. By itself s3fs reads 50 MiB at a time, and uploads ten such parts
#: at a time.
_PART_SIZE = 8 * 1024 * 1024
_S3_PARTS = {"chunksize": _PART_SIZE, "max_concurrency": 4}
#: Bytes copied at a time.
_BLOCK_SIZE = 1024 * 1024
#: How a folder answers that does not know a call, such as a bucket that is mounted.
_UNKNOWN_CALL = (errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP)
#: The same for ``fsync``.
_UNKNOWN_SYNC = (*_UNKNOWN_CALL, errno.EINVAL)
#: What helps, by the cause.
_LET_WRITE = "Let the user of the worker enter the folder and write to it, or give another path."
_MAKE_ROOM = "Free some space there, or give another path."
_MOUNT = "Check whether the folder is mounted on this worker and can be written to."
_HELP = {
    errno.EACCES: _LET_WRITE,
    errno.EPERM: _LET_WRITE,
    errno.EROFS: _MOUNT,
    errno.ENOENT: _MOUNT,
    errno.EIO: _MOUNT,
    errno.ESTALE: _MOUNT,
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.ENAMETOOLONG: "Give a shorter name: most file systems take 255 bytes.",
    errno.ENOTDIR: "A part of the path before the last one is a file. Correct the path.",
    errno.ELOOP: "The path has symbolic links that lead to each other. Correct them.",
}
#: Causes that no retry removes.
_LASTING = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP)
#: Characters of a storage's own words in an error.
_EXCERPT = 600

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_WEB = re.compile(r"https?:/", re.IGNORECASE)
# A scheme has at least two letters, so that a drive letter is not one.
_ONE_SLASH = re.compile(r"([a-z][a-z0-9+.-]+):/(?!/)", re.IGNORECASE)


def open_source(path: Any, most: int = DEFAULT_MAX_PACKAGE_SIZE) -> FlowPackage:
    """Open a package on the worker or in object storage.

    An object is copied once to a temporary file. So the checked bytes are the sent bytes, and
    memory use does not grow with the package.

    :param path: a local path, or any URL that ``ObjectStoragePath`` takes
    :param most: bytes that are copied at most
    :raises PackageNotFoundError: the object does not exist, or its kind of storage is not installed
    :raises PackageTooLargeError: the object is larger than ``most``
    :raises SourceError: the storage cannot be read; a retry may succeed
    :raises TemporarySpaceError: there is no room for the copy
    :raises PackageError: see :func:`~airflow_provider_trifacta.packages.flow_package.open_package`
    """
    text = str(path)  # an ObjectStoragePath becomes its URL
    try:
        local = _without_file_scheme(text)
        if local != text:
            # It checks the type of the file first: a pipe or a device may have no end.
            return open_package(local)
        _check_url(text)
    except errors.InvalidInputError as error:
        raise errors.PackageNotFoundError(str(error)) from None
    if not _is_url(text):
        return open_package(path)
    file = temporary_file()
    try:
        name = _fetch(text, file, most)
        return FlowPackage(file, name)
    except BaseException:
        close_quietly(file)
        raise


def close_quietly(file: BinaryIO) -> None:
    """Close a file whose content is not needed.

    :param file: the file
    """
    # Closing tries again to write what could not be written.
    with contextlib.suppress(OSError):
        file.close()


def _fetch(url: str, file: BinaryIO, most: int) -> str:
    """Copy an object into a file, and return its name."""
    try:
        source = object_storage_path(url)
        with source.open("rb", block_size=_PART_SIZE) as remote:
            if not _copy(remote, file, most):
                raise errors.PackageTooLargeError(
                    f"{_named(url)} is larger than {most} bytes. The copy was stopped, and nothing"
                    " was sent. If this is the right file, raise 'max_package_size' in the extras"
                    " of the task's Trifacta connection."
                )
        return str(source.name)
    except errors.TrifactaError:
        raise
    except FileNotFoundError:
        raise errors.PackageNotFoundError(
            f"There is no object {_named(url)}. Nothing was sent."
        ) from None
    except IsADirectoryError:
        raise errors.PackageNotFoundError(
            f"{_named(url)} is a folder and not a package. Nothing was sent."
        ) from None
    except (ImportError, ValueError) as error:
        raise errors.PackageNotFoundError(
            f"{_named(url)} cannot be opened: {_storage_words(error)}. Nothing was sent."
            f"{_needs(url)}"
        ) from None  # its own words may hold credentials
    except Exception as error:  # each kind of storage has its own errors
        raise errors.SourceError(
            f"The storage of {_named(url)} cannot be read: {_storage_words(error)}. Nothing was"
            " sent. If a retry fails too, check the permissions and the Airflow connection of the"
            " storage."
        ) from None


def check_destination(path: Any, *, make_folders: bool = False) -> str:
    """Check that a file can be written to a path. This sends no request.

    :param path: a local path, or any URL that ``ObjectStoragePath`` takes
    :param make_folders: whether the local folder may be missing, because :func:`save` makes it
    :returns: the same as text; a ``file://`` URL as its local path
    :raises InvalidInputError: it is not a path, or the path of a folder
    :raises DestinationError: the local folder does not exist, as a share that is not mounted, or
        may not be entered, or the name is too long
    """
    text = str(path) if isinstance(path, os.PathLike) or _is_url(str(path)) else path
    if not isinstance(text, str) or text.strip() in ("", "None"):
        raise errors.InvalidInputError(
            f"package_path must be the path or URL of the file to write, not {_named(repr(path))}."
        )
    text = _without_file_scheme(text)
    _check_url(text)
    if text.endswith("/") or (not _is_url(text) and _is_folder(text, text)):
        raise errors.InvalidInputError(
            f"package_path must name a file, and {_named(text)} is a folder."
        )
    if text.partition(":")[0].lower() in ("s3", "s3a") and "?versionId=" in text:
        raise errors.InvalidInputError(
            f"package_path is {_named(text)}. A version of an object cannot be written."
        )
    if not make_folders and not _is_url(text) and not _is_folder(str(Path(text).parent), text):
        raise errors.DestinationError(
            f"The package cannot be saved as {_named(text)}: its folder does not exist"
            " on this worker. Nothing was sent. Make or mount it, or set"
            " create_intermediate_dirs=True if the task should make it."
        )
    return text


def _is_folder(path: str, destination: str) -> bool:
    try:
        return stat.S_ISDIR(Path(path).stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        raise _destination_error(error, destination, "Nothing was sent.") from error


def _destination_error(error: Exception, path: str, state: str) -> errors.DestinationError:
    """Return the error of a file that cannot be written: the cause, what was done, what helps."""
    words = f"The package cannot be saved as {_named(path)}: {_storage_words(error)}. {state}"
    if _is_url(path):
        return errors.DestinationError(f"{words}{_needs(path)}", retryable=True)
    number = error.errno if isinstance(error, OSError) else None
    if number in _HELP:
        words = f"{words} {_HELP[number]}"
    return errors.DestinationError(words, retryable=number not in _LASTING)


def save(file: BinaryIO, path: str, *, make_folders: bool = False) -> None:
    """Write a file as a whole, or leave what was there.

    The file is written beside its place and then moved there. It gets the mode of the file that it
    replaces. A new file can be read by its owner and group, as far as the umask allows. An object
    is uploaded as a whole, which object stores do in one step, and its size is read back.

    A folder without a move, such as a bucket that is mounted, gets the file in its place. Only
    there a failure may leave a part of it, and the error says so.

    :param file: the content, at its beginning
    :param path: what :func:`check_destination` returned
    :param make_folders: whether to make local folders that do not exist
    :raises DestinationError: the file cannot be written
    :raises TemporarySpaceError: there is no room for the copy that is uploaded
    """
    try:
        if _is_url(path):
            _save_object(file, path)
        else:
            if make_folders:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            _save_local(file, Path(path))
    except errors.TrifactaError:
        raise
    except Exception as error:  # each kind of storage has its own errors
        failed = _destination_error(error, path, "The instance was not changed.")
        # A storage's own words may hold credentials.
        raise failed from (None if _is_url(path) else error)


def _save_local(file: BinaryIO, path: Path) -> None:
    # In the same folder, because a move is one step only within a file system.
    part = path.with_name(_part_name())
    start = file.tell()
    try:
        _write(file, part, path, os.O_EXCL)
        moved = _move(part, path)
    except BaseException:
        _remove(part)
        raise
    if moved:
        return
    _remove(part)
    file.seek(start)
    with _in_place(str(path)):
        _write(file, path, path, os.O_TRUNC)
        size = file.tell() - start
        saved = path.stat().st_size
        if saved != size:
            raise OSError(f"the file has {saved} bytes and not {size}")


def _write(file: BinaryIO, target: Path, replaced: Path, flag: int) -> None:
    """Write a file into another one, with the mode of the file that it replaces."""
    # A package holds paths, queries and names of connections, so not every user of the machine may
    # read it.
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | flag
    descriptor = os.open(target, flags, 0o640)
    whole = os.fdopen(descriptor, "wb")
    try:
        refuse_special(os.fstat(descriptor))
        # There may be no file to replace, and a file system may have no modes.
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, stat.S_IMODE(replaced.stat().st_mode))
        shutil.copyfileobj(file, whole)
        whole.flush()
        _sync(descriptor)
    except BaseException:
        close_quietly(whole)
        raise
    whole.close()


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNKNOWN_SYNC:
            raise


def _move(part: Path, path: Path) -> bool:
    """Move a file to its place; tell whether the folder knows that call."""
    try:
        part.replace(path)
    except OSError as error:
        if error.errno not in _UNKNOWN_CALL:
            raise
        return False
    return True


def _remove(part: Path) -> None:
    """Remove what is left beside the place.

    It never raises: there is a reason before it, or the file is saved.
    """
    try:
        part.unlink(missing_ok=True)
    except OSError as error:
        log.warning("The hidden file %s stays: %s", shown(str(part)), _storage_words(error))


@contextlib.contextmanager
def _in_place(path: str) -> Iterator[None]:
    log.info("Writing %s in its place, because its folder cannot move a file", shown(path))
    try:
        yield
    except errors.TrifactaError:
        raise
    except Exception as error:  # each kind of storage has its own errors
        state = (
            "The instance was not changed. The folder cannot move files, so the package was "
            "written in its place: what is there now may be incomplete. Do not promote it."
        )
        failed = _destination_error(error, path, state)
        raise failed from (None if _is_url(path) else error)


def _save_object(file: BinaryIO, path: str) -> None:
    target = object_storage_path(path)
    system = target.fs
    place = str(target.path)
    scheme = path.partition(":")[0].lower()
    if scheme in _OBJECT_STORES:
        options = _S3_PARTS if scheme in ("s3", "s3a") else {}
        _put(file, system, place, options)
        return
    folder = place.rpartition("/")[0]
    part = f"{folder}/{_part_name()}"
    start = file.tell()
    system.makedirs(folder, exist_ok=True)
    try:
        _put(file, system, part)
        moved = _move_object(system, part, place)
    except BaseException:
        _remove_object(system, part)
        raise
    if moved:
        return
    _remove_object(system, part)
    file.seek(start)
    with _in_place(path):
        _put(file, system, place)


def _move_object(system: Any, part: str, place: str) -> bool:
    """Move a file of a storage to its place; tell whether the storage knows that call."""
    try:
        system.mv(part, place)
    except NotImplementedError:
        return False
    except OSError as error:
        if error.errno not in _UNKNOWN_CALL:
            raise
        return False
    return True


def _remove_object(system: Any, part: str) -> None:
    with contextlib.suppress(Exception):
        system.rm_file(part)


def _put(file: BinaryIO, system: Any, place: str, options: dict[str, int] | None = None) -> None:
    with _temporary_space():
        named = tempfile.NamedTemporaryFile(prefix="trifacta-package-")  # noqa: SIM115 - closed by the next line
    try:
        _copy(file, cast(BinaryIO, named))
        size = named.tell()
        system.put_file(named.name, place, **(options or {}))
    finally:
        close_quietly(cast(BinaryIO, named))
    system.invalidate_cache()
    saved = system.info(place).get("size")
    if saved != size:
        raise OSError(f"the object has {saved} bytes and not {size}")


def _part_name() -> str:
    # Without the name of the file, which may be as long as a name may be.
    return f".trifacta-package-{uuid4().hex}.part"


def temporary_file() -> BinaryIO:
    """Open a temporary file without a name.

    :raises TemporarySpaceError: there is no room for it
    """
    with _temporary_space():
        return tempfile.TemporaryFile(prefix="trifacta-package-")


@contextlib.contextmanager
def _temporary_space() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise errors.TemporarySpaceError(
            "This worker has no room for a temporary copy of the package:"
            f" {_storage_words(error)}. Nothing was sent or saved. Free some space, or set TMPDIR"
            " to a directory that can be written to."
        ) from error


def _copy(source: BinaryIO, target: BinaryIO, most: int | None = None) -> bool:
    """Copy a file into a temporary one, but stop where it has too many bytes.

    :returns: whether all of it was copied
    """
    copied = 0
    while block := source.read(_BLOCK_SIZE):
        copied += len(block)
        if most is not None and copied > most:
            return False
        with _temporary_space():
            target.write(block)
    with _temporary_space():
        target.flush()
    return True


def _is_url(path: str) -> bool:
    return _URL.match(path) is not None  # a local path may hold "://" later in its text


def _check_url(path: str) -> None:
    """Refuse a URL that does not mean what it says."""
    if _WEB.match(path):
        # It is not quoted: its query may be a signature.
        raise errors.InvalidInputError(
            "package_path is an http address, and packages are not read from or written to web"
            " servers. Give a path on the worker or an object storage such as s3://. A task before"
            " this one can download the file."
        )
    one_slash = _ONE_SLASH.match(path)
    if one_slash:
        raise errors.InvalidInputError(
            f"package_path is {_named(path)}, with one slash after its scheme. Write"
            f" {shown(one_slash[1])}://. pathlib.Path drops the second slash of a URL: give a text"
            " or an ObjectStoragePath."
        )
    if not _is_url(path):
        return
    if not path.isprintable():
        raise errors.InvalidInputError(
            f"package_path is {_named(path)}. Its control character would be left out of the name."
        )
    if path.endswith("/") or "/" not in path.partition("://")[2]:
        raise errors.InvalidInputError(
            f"package_path must name a file, and {_named(path)} is a folder."
        )


def _without_file_scheme(path: str) -> str:
    """Return the local path of a ``file://`` or ``local://`` URL; else the path.

    ``ObjectStoragePath`` reads such a URL in the same way.
    """
    scheme, _, rest = path.partition(":")
    if scheme.lower() not in ("file", "local") or not rest.startswith("/"):
        return path
    if not rest.startswith("///"):
        raise errors.InvalidInputError(
            f"package_path is {_named(path)}, and the URL of a file begins with {scheme}:///."
        )
    return rest[2:]


def _storage_words(error: BaseException) -> str:
    """Return a storage's own words, on one line and without credentials."""
    text = redact(" ".join(f"{type(error).__name__}: {error}".split())).rstrip(".")
    return shown(text, _EXCERPT)


def _named(path: object) -> str:
    """Return what an error or a log calls a path, without the credentials of a URL."""
    return shown(path, _EXCERPT)


def _needs(path: str) -> str:
    """Return what the storage of a URL needs, as an error says it; empty for a local path."""
    if not _is_url(path):
        return ""
    return (
        " Object storage needs the provider of its scheme and its fsspec package, for example"
        " apache-airflow-providers-amazon[s3fs] for s3://."
    )
