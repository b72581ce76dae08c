"""A flow package: the ZIP that a Dev instance exports. It is checked before anything is sent."""

from __future__ import annotations

import hashlib
import os
import socket
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from ..client.calls import MultipartFile
from ..client.errors import (
    PackageChangedError,
    PackageFormatError,
    PackageNotFoundError,
    PackageTooLargeError,
)
from ..client.files import SpecialFileError, open_regular
from ..client.foreign_words import logger
from ..client.texts import listed, shown
from ..client.zips import DAMAGED, PACKED_BY, open_zip
from .contents import Contents, read_contents
from .definition import EXPORT_AGAIN, SEND_THE_ORIGINAL, PackageInfo, package_info, parse_definition
from .not_a_zip import SAMPLE_SIZE, what_it_is

log = logger(__name__)

#: Most bytes of an unpacked flow definition. The largest real one seen has half a megabyte.
MAX_DEFINITION_SIZE = 8 * 1024 * 1024
#: Most members of a package, and most bytes of the ZIP's list of them. Real packages have a
#: handful.
MAX_MEMBERS = 10_000
MAX_DIRECTORY_SIZE = 2 * 1024 * 1024
#: A package is a ZIP bomb if it unpacks to more than this many bytes, and to more than this many
#: times its size. Real packages stay below 30 times.
MAX_UNPACKED_SIZE = 256 * 1024 * 1024
MAX_RATIO = 100
#: Bytes that are read at a time for the digest.
_BLOCK_SIZE = 1024 * 1024
_BOMB = "It was refused as a ZIP bomb. Nothing was sent."
#: Characters of a path that an error shows.
_MOST_OF_A_PATH = 600
#: Files that file managers put into a folder.
_LEFT_BEHIND = (".DS_Store", "Thumbs.db", "desktop.ini")


class FlowPackage:
    """An open flow package. It is checked once, and sent from the same open file.

    Use it as a context manager; :func:`open_package` makes it. ``warnings`` says what is odd about
    the ZIP.

    :param file: the open file; the package closes it
    :param name: what logs, errors and the server call it
    :raises PackageError: see :func:`open_package`
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._opened = os.fstat(file.fileno())
        self.name = name
        self.size = self._opened.st_size
        # The text of the definition is kept, and not the parsed one, which may be a hundred times
        # as large.
        self._definition, self._where, self.warnings = _read_package(file, self.size, shown(name))
        self.info: PackageInfo = package_info(self.parse(), self._where)
        for warning in self.warnings:
            log.warning("%s", warning)

    @cached_property
    def contents(self) -> Contents:
        """What the flows are made of. It is read on first use, because a promotion does not need
        it.
        """
        return read_contents(self.parse())

    def parse(self) -> Mapping[str, Any]:
        """Parse the flow definition once more. It may take far more memory than the file."""
        return parse_definition(self._definition, self._where)

    def __enter__(self) -> FlowPackage:
        return self

    def __exit__(self, *_: object) -> None:
        # What was only read is whole, and another reason to fail goes first.
        with suppress(OSError):
            self._file.close()

    def body(
        self,
        progress: Callable[[int, int, float], None] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> MultipartFile:
        """Return the request body that sends this file.

        :param progress: called with (bytes sent, bytes in all, seconds so far) every 15 seconds of
            the upload
        :param fields: further parts of the form, by name
        """
        return MultipartFile(
            self._file,
            self.size,
            self.name,
            progress=progress,
            before_end=self._ensure_unchanged,
            fields=fields or {},
        )

    def sha256(self) -> str:
        """Return the SHA-256 of the file, as hex digits.

        :raises PackageChangedError: the file was changed after it was opened
        """
        digest = hashlib.sha256()
        self._file.seek(0)
        while block := self._file.read(_BLOCK_SIZE):
            digest.update(block)
        self._ensure_unchanged()
        return digest.hexdigest()

    def _ensure_unchanged(self) -> None:
        now = os.fstat(self._file.fileno())
        before = self._opened
        written = (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns)
        # A program can write and then set the old time of change, but not the time of that setting.
        # A file that was replaced as a whole loses its name, which sets that time too. It is still
        # the file that was checked.
        touched = now.st_ctime_ns != before.st_ctime_ns and now.st_nlink == before.st_nlink
        if written or touched:
            raise PackageChangedError(
                f"The package {shown(self.name)} was changed after it was checked: its content,"
                " its mode or its name. Nothing was imported. Retry, and do not write to a package"
                " while it is promoted."
            )


def open_package(path: str | os.PathLike[str]) -> FlowPackage:
    """Open a local package file, check it and read what it says about itself. This takes
    milliseconds.

    :param path: path on this host
    :raises PackageNotFoundError: there is no readable file at the path
    :raises PackageFormatError: it is not a ZIP with exactly one readable flow definition
    :raises PackageTooLargeError: it would unpack to far more than a package can hold
    """
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str) or text.strip() in ("", "None"):
        raise PackageNotFoundError(
            "package_path must be the path of an exported flow package (a ZIP), not"
            f" {shown(repr(path))}. Nothing was sent. If it comes from a template or an XCom, check"
            " the task that pushes it."
        )
    there = f"{shown(text, _MOST_OF_A_PATH)} on host {socket.gethostname()}"
    try:
        file = open_regular(text)
    except (IsADirectoryError, SpecialFileError) as error:
        raise PackageNotFoundError(
            f"{there} is not a regular file but {error}. Nothing was sent. Give the path of the"
            " ZIP."
        ) from None
    except FileNotFoundError:
        raise PackageNotFoundError(
            f"There is no file {there}. Nothing was sent. Workers may not share a disk: put the"
            " package where every worker can read it."
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise PackageNotFoundError(
            f"{there} cannot be read: {_cause(error)}. Nothing was sent."
        ) from None
    try:
        return FlowPackage(file, Path(text).name)
    except BaseException:
        file.close()
        raise


def _cause(error: OSError | ValueError) -> str:
    """Return why a file cannot be opened, without its path."""
    if isinstance(error, OSError) and error.strerror:
        return shown(error.strerror)
    return shown(error)


def _read_package(file: BinaryIO, size: int, name: str) -> tuple[bytes, str, list[str]]:
    """Return the definition's text, what an error calls it, and what is odd about the ZIP."""
    if size == 0:
        raise PackageFormatError(f"The package {name} is empty (0 bytes). {EXPORT_AGAIN}")

    def refused(size_of_list: int) -> PackageTooLargeError:
        return _too_many_members(name, f"a list of {size_of_list} bytes")

    try:
        with open_zip(file, MAX_DIRECTORY_SIZE, refused) as archive:
            _refuse_bombs(archive, size, name)
            member = _definition_member(archive, name)
            warnings = _foreign_members(archive, member, name)
            where = f"The flow definition {shown(member.filename)} in {name}"
            raw = _read_member(file, archive, member, name, where)
    except DAMAGED as error:
        rest = _what_it_is(file)
        if rest is None:
            rest = f" ({shown(error)}). It may be incomplete: export the flow again."
        raise PackageFormatError(f"The package {name} is not a readable ZIP file{rest}") from None
    return raw, where, warnings


def _what_it_is(file: BinaryIO) -> str | None:
    try:
        file.seek(0)
        return what_it_is(file.read(SAMPLE_SIZE))
    except OSError:
        return None


def _too_many_members(name: str, size: str) -> PackageTooLargeError:
    return PackageTooLargeError(
        f"The package {name} has {size}, and at most {MAX_MEMBERS} members are read. {_BOMB}"
    )


def _refuse_bombs(archive: zipfile.ZipFile, size: int, name: str) -> None:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise _too_many_members(name, f"{len(members)} members")
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED_SIZE and unpacked > MAX_RATIO * size:
        raise PackageTooLargeError(
            f"The package {name} would unpack from {size} to {unpacked} bytes, which no flow"
            f" package does. {_BOMB}"
        )


def _definition_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Find the flow definition: the only JSON or JSON5 file. Other members are artifacts of the
    flow.

    It is at the root of the ZIP, or in one folder that holds everything: a person may zip an
    unpacked package again.
    """
    members = []
    definitions = []
    for member in archive.infolist():
        if _is_folder(member) or _is_left_behind(member):
            continue
        members.append(member)
        if member.filename.lower().endswith((".json", ".json5")):
            definitions.append(member)
    if not definitions:
        raise PackageFormatError(
            f"The package {name} holds no flow definition (a .json or .json5 file) among its "
            f"{len(archive.infolist())} members. {SEND_THE_ORIGINAL}"
        )
    if len(definitions) > 1:
        names = listed([member.filename for member in definitions], 5)
        raise PackageFormatError(
            f"The package {name} holds {len(definitions)} flow definitions ({names}) and must hold"
            " one. Nothing was sent. Promote each exported ZIP by itself."
        )
    folder = _folder(definitions[0])
    holds_all = all(_path(member)[: len(folder)] == folder for member in members)
    if len(folder) > 1 or not holds_all:
        raise PackageFormatError(
            f"The package {name} was zipped again by hand: its flow definition"
            f" {shown(definitions[0].filename)} is in a folder. {SEND_THE_ORIGINAL}"
        )
    return definitions[0]


def _is_folder(member: zipfile.ZipInfo) -> bool:
    return member.filename.endswith("/")  # zipfile's own test fails if the name is empty


def _path(member: zipfile.ZipInfo) -> list[str]:
    # Some programs on Windows write backslashes.
    return member.filename.replace("\\", "/").split("/")


def _folder(member: zipfile.ZipInfo) -> list[str]:
    return _path(member)[:-1]


def _is_left_behind(member: zipfile.ZipInfo) -> bool:
    """Tell whether a member is of a file manager."""
    if "__MACOSX" in _folder(member):
        return True
    name = _path(member)[-1]
    return name.startswith("._") or name in _LEFT_BEHIND


def _foreign_members(archive: zipfile.ZipFile, definition: zipfile.ZipInfo, name: str) -> list[str]:
    """Warn of what Trifacta does not put into a package."""
    folder = _folder(definition)
    foreign = []
    if folder:
        foreign.append(f"the folder {shown(folder[0])}")
    elif any(map(_is_own_folder, archive.infolist())):
        foreign.append("a folder")
    if any(map(_is_left_behind, archive.infolist())):
        foreign.append("files of a file manager")
    if not foreign:
        return []
    warning = (
        f"The package {name} was zipped again by hand: it holds {' and '.join(foreign)}."
        " It is sent unchanged, and the server may refuse it. Promote the ZIP that Trifacta"
        " exported."
    )
    return [warning]


def _is_own_folder(member: zipfile.ZipInfo) -> bool:
    """Tell whether a member is a folder, and none that a file manager made."""
    return _is_folder(member) and "__MACOSX" not in _path(member)


def _read_member(
    file: BinaryIO, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, where: str
) -> bytes:
    if member.flag_bits & 0x1:
        raise PackageFormatError(
            f"{where} is encrypted, so Trifacta cannot read it. {EXPORT_AGAIN}"
        )
    if member.compress_type not in PACKED_BY:
        raise PackageFormatError(
            f"{where} is packed by the method {member.compress_type}, which Trifacta does not use."
            f" {SEND_THE_ORIGINAL}"
        )
    try:
        with archive.open(member) as stream:
            # The size in the ZIP's directory may be wrong.
            raw = stream.read(MAX_DEFINITION_SIZE + 1)
    except DAMAGED as error:
        rest = _what_it_is(file)
        if rest is not None:
            raise PackageFormatError(
                f"The package {name} is not a readable ZIP file{rest}"
            ) from None
        raise PackageFormatError(
            f"{where} is damaged and cannot be unpacked ({shown(error)}). {EXPORT_AGAIN}"
        ) from None
    if len(raw) > MAX_DEFINITION_SIZE:
        raise PackageTooLargeError(
            f"{where} unpacks to more than {MAX_DEFINITION_SIZE} bytes. {_BOMB}"
        )
    return raw
