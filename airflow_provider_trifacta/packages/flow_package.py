"""Reading a flow package, the ZIP that a Dev instance exports, before it is sent anywhere."""

from __future__ import annotations

import hashlib
import logging
import lzma
import os
import socket
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from ..client.errors import PackageChangedError, PackageFormatError, PackageNotFoundError, PackageTooLargeError
from ..client.texts import listed, shown
from .definition import PackageInfo, package_info, parse_definition
from .misfits import SAMPLE_SIZE, what_it_is

if TYPE_CHECKING:
    from ..client.adapter import MultipartFile

log = logging.getLogger(__name__)

#: Bytes that a flow definition may unpack to. The largest real one seen has half a megabyte.
MAX_DEFINITION_SIZE = 8 * 1024 * 1024
#: Members that a package may have, and bytes that its ZIP may take to list them. Real ones have a handful.
MAX_MEMBERS = 10_000
MAX_DIRECTORY_SIZE = 2 * 1024 * 1024
#: Bytes that all members may unpack to before their ratio to the file's size is looked at, and that ratio.
#: Real packages stay below 30.
MAX_UNPACKED_SIZE = 256 * 1024 * 1024
MAX_RATIO = 100
#: Bytes that are read at a time for the digest.
_BLOCK_SIZE = 1024 * 1024
#: What :mod:`zipfile` raises for damaged, encrypted (RuntimeError) and unknown things, besides BadZipFile.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError, ValueError)
#: What file managers put into a folder without a word.
_LEFT_BEHIND = (".DS_Store", "Thumbs.db", "desktop.ini")


class FlowPackage:
    """An open flow package: inspected once, and sent from the same open file.

    Use it as a context manager. :func:`open_package` makes it. ``warnings`` says what is odd about the ZIP.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._opened = os.fstat(file.fileno())
        self.name = name
        self.size = self._opened.st_size
        # Only what is needed of the definition is kept: parsed, it may be a hundred times as large.
        self.info, self.warnings = _read_package(file, self.size, shown(name))
        for warning in self.warnings:
            log.warning("%s", warning)

    def __enter__(self) -> FlowPackage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def body(self, progress: Callable[[int, int], None] | None = None) -> MultipartFile:
        """Return the request body that sends this file.

        :param progress: called with (bytes sent, bytes in all) after each block
        """
        from ..client.adapter import MultipartFile  # not at the top: it loads an HTTP library

        return MultipartFile(self._file, self.size, self.name, progress=progress, before_end=self._ensure_unchanged)

    def sha256(self) -> str:
        """Return the SHA-256 of the file, as hex digits.

        :raises PackageChangedError: the file was written to since it was opened
        """
        digest = hashlib.sha256()
        self._file.seek(0)
        while block := self._file.read(_BLOCK_SIZE):
            digest.update(block)
        self._ensure_unchanged()
        return digest.hexdigest()

    def _ensure_unchanged(self) -> None:
        now = os.fstat(self._file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self.size, self._opened.st_mtime_ns):
            raise PackageChangedError(
                f"The package {self.name} was written to after it was checked. Nothing was imported. Do not write to "
                "a package while it is promoted."
            )


def open_package(path: str | os.PathLike[str]) -> FlowPackage:
    """Open a local package file and read what it says of itself, within milliseconds.

    :param path: path on this host
    :raises PackageNotFoundError: when there is no readable file
    :raises PackageFormatError: when it is no ZIP with exactly one readable flow definition
    :raises PackageTooLargeError: when it would unpack to far more than a package can hold
    """
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    host = socket.gethostname()
    if not isinstance(text, str) or text.strip() in ("", "None"):
        raise PackageNotFoundError(
            f"package_path must be the path of an exported flow package (a ZIP), not {path!r}. If it comes from a "
            "template or an XCom, check that the task before gave it."
        )
    try:
        # Looked at before it is opened: opening a named pipe would wait for ever.
        if not stat.S_ISREG(Path(text).stat().st_mode):
            raise PackageNotFoundError(f"{text} on host {host} is not a regular file but a folder or device.")
        file = Path(text).open("rb")  # noqa: SIM115 - closed by FlowPackage
    except FileNotFoundError:
        raise PackageNotFoundError(
            f"There is no file {text} on host {host}. Workers may not share a disk: for a task, put the package where "
            "every worker can read it."
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise PackageNotFoundError(f"{text!r} on host {host} cannot be read: {error}.") from None
    try:
        return FlowPackage(file, Path(text).name)
    except BaseException:
        file.close()
        raise


class _Bounded:
    """The file as :mod:`zipfile` sees it while it opens a ZIP: it reads the whole list of members in one piece."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name = file, name
        self.opening = True
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1, /) -> bytes:
        if self.opening and size > MAX_DIRECTORY_SIZE:
            raise _too_many_members(self._name, f"a list of {size} bytes")
        return self._file.read(size)

    def close(self) -> None:
        """Leave the file open: it is the package's."""


def _read_package(file: BinaryIO, size: int, name: str) -> tuple[PackageInfo, list[str]]:
    """Return what a package says of itself, and what is odd about the ZIP."""
    if size == 0:
        raise PackageFormatError(f"The package {name} is empty (0 bytes). Export the flow again.")
    bounded = _Bounded(file, name)
    try:
        with zipfile.ZipFile(bounded) as archive:
            bounded.opening = False
            _refuse_bombs(archive, size, name)
            member = _definition_member(archive, name)
            signs = _signs_of_a_hand(archive, member)
            raw = _read_member(file, archive, member, name)
    except _DAMAGED as error:
        raise PackageFormatError(
            f"The package {name} is not a readable ZIP file"
            + (_what_it_is(file) or f" ({shown(error)}). It may be cut short: export the flow again.")
        ) from None
    where = f"The flow definition {shown(member.filename)} in {name}"
    by_hand = (
        f"The package {name} was zipped again by hand: it holds {signs}. It is sent as it is, and the server may "
        "refuse it. Promote the ZIP that Trifacta exported."
    )
    return package_info(parse_definition(raw, where), where), [by_hand] if signs else []


def _what_it_is(file: BinaryIO) -> str | None:
    try:
        file.seek(0)
        return what_it_is(file.read(SAMPLE_SIZE))
    except OSError:
        return None


def _too_many_members(name: str, found: str) -> PackageTooLargeError:
    return PackageTooLargeError(
        f"The package {name} has {found} where at most {MAX_MEMBERS} members belong. Refused as a ZIP bomb."
    )


def _refuse_bombs(archive: zipfile.ZipFile, size: int, name: str) -> None:
    if len(archive.infolist()) > MAX_MEMBERS:
        raise _too_many_members(name, f"{len(archive.infolist())} members")
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > MAX_UNPACKED_SIZE and unpacked > MAX_RATIO * size:
        raise PackageTooLargeError(
            f"The package {name} would unpack from {size} to {unpacked} bytes, which no flow package does. "
            "Refused as a ZIP bomb."
        )


def _definition_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Find the flow definition: the one JSON or JSON5 file. Other members are artifacts of the flow.

    It stands at the root of the ZIP, or in a folder that holds everything, as when a person zips what was unpacked.
    """
    members = [one for one in archive.infolist() if not _is_folder(one) and not _is_left_behind(_path(one))]
    definitions = [member for member in members if member.filename.lower().endswith((".json", ".json5"))]
    if not definitions:
        raise PackageFormatError(
            f"The package {name} holds no flow definition (a .json or .json5 file) among its "
            f"{len(archive.infolist())} members. Is it the ZIP that Trifacta exported?"
        )
    if len(definitions) > 1:
        names = listed([member.filename for member in definitions], 5)
        raise PackageFormatError(
            f"The package {name} holds {len(definitions)} flow definitions ({names}) where exactly one belongs. "
            "Promote each exported ZIP by itself."
        )
    folder = _path(definitions[0])[:-1]
    if len(folder) > 1 or any(_path(member)[: len(folder)] != folder for member in members):
        raise PackageFormatError(
            f"The package {name} was zipped again by hand: its flow definition {shown(definitions[0].filename)} lies "
            "in a folder. Promote the ZIP that Trifacta exported."
        )
    return definitions[0]


def _is_folder(member: zipfile.ZipInfo) -> bool:
    return member.filename.endswith("/")  # unlike zipfile's own test, also where the name is empty


def _path(member: zipfile.ZipInfo) -> list[str]:
    # Some programs of Windows write backslashes.
    return member.filename.replace("\\", "/").split("/")


def _is_left_behind(path: list[str]) -> bool:
    return "__MACOSX" in path[:-1] or path[-1].startswith("._") or path[-1] in _LEFT_BEHIND


def _signs_of_a_hand(archive: zipfile.ZipFile, definition: zipfile.ZipInfo) -> str:
    """Name what Trifacta does not put into a package; empty when there is nothing."""
    folder = _path(definition)[:-1]
    members = archive.infolist()
    signs = [f"the folder {shown(folder[0])}"] if folder else []
    if not folder and any(_is_folder(one) and "__MACOSX" not in _path(one) for one in members):
        signs.append("a folder")
    if any(_is_left_behind(_path(one)) for one in members):
        signs.append("files of a file manager")
    return " and ".join(signs)


def _read_member(file: BinaryIO, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> bytes:
    where = f"The flow definition {shown(member.filename)} in {name}"
    if member.flag_bits & 0x1:
        raise PackageFormatError(f"{where} is encrypted. Trifacta cannot read it either: export the flow again.")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Python unpacks other methods in pieces of any size.
        raise PackageFormatError(
            f"{where} is packed by the method {member.compress_type}, which Trifacta does not use. Promote the ZIP "
            "that Trifacta exported."
        )
    try:
        with archive.open(member) as stream:
            raw = stream.read(MAX_DEFINITION_SIZE + 1)  # the size in the ZIP's directory may lie
    except _DAMAGED as error:
        if what := _what_it_is(file):
            raise PackageFormatError(f"The package {name} is not a readable ZIP file{what}") from None
        raise PackageFormatError(
            f"{where} is damaged and cannot be unpacked ({shown(error)}). Export it again."
        ) from None
    if len(raw) > MAX_DEFINITION_SIZE:
        raise PackageTooLargeError(f"{where} unpacks to more than {MAX_DEFINITION_SIZE} bytes. Refused as a ZIP bomb.")
    return raw
