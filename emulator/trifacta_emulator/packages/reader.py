"""Reads a flow package: a ZIP with one flow definition, in JSON or JSON5.

The file comes from outside, so every step is limited: the list of members, the unpacked size, the
number of values and the depth. The vendor's own limits are not known [?]; all limits here are our
choice.
"""

from __future__ import annotations

import io
import json
import lzma
import re
import struct
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import pyjson5

from trifacta_emulator.errors import ValidationError
from trifacta_emulator.packages.definition import Package, cut, read_definition

# At the root of the ZIP: flow_<id>_<uuid>.json, flow_<name>.json or flow_<name>.json5 [P]. A person
# may zip it again: any name, one folder around everything and the leftovers of file managers are
# accepted, which is our choice [?].
_DEFINITION = (".json", ".json5")
_LEFTOVERS = (".DS_Store", "Thumbs.db", "desktop.ini")
# The largest definition seen has 0.5 MB, 4,682 objects and lists, and 16,547 commas and colons [P].
# A recipe step is a syntax tree: 11 levels deep, and two more for each nested function [P].
MAX_DEFINITION_BYTES = 8 * 1024 * 1024
MAX_CONTAINERS = 200_000
MAX_SEPARATORS = 500_000
MAX_MEMBERS = 10_000
MAX_DIRECTORY_BYTES = 2 * 1024 * 1024
MAX_UNPACKED_BYTES = 256 * 1024 * 1024
MAX_RATIO = 100
MAX_DEPTH = 900
# High enough for MAX_DEPTH.
_RECURSION_LIMIT = 6_000
_recursion_lock = threading.Lock()

# Texts and comments, whose commas and brackets do not count. A repeated group would take memory for
# each repetition.
_TEXT = re.compile(
    r"""("|').*?(?:\1|\Z)|//.*?(?:[\r\n]|\xe2\x80[\xa8\xa9]|\Z)|/\*.*?(?:\*/|\Z)""", re.DOTALL
)


def read_package(file: IO[bytes]) -> Package:
    """Read and check a package.

    :param file: the ZIP, seekable; it stays open
    :raises ValidationError: not a ZIP, no definition or several, or an unreadable or incomplete
        definition
    """
    name, content = _unpack(file)
    _check_size(content)
    try:
        document = _parsed(name, content)
    except (ValueError, RecursionError, pyjson5.Json5Exception) as error:
        # Only the first argument of the error: its text may repeat the whole document.
        reason = error.args[0] if error.args else type(error).__name__
        raise ValidationError(
            f"The flow definition {cut(name)!r} cannot be parsed: {cut(reason)}"
        ) from error
    return read_definition(document)


def _parsed(name: str, content: bytes) -> Any:
    text = content.decode("utf-8-sig")
    with deep_recursion():
        document = pyjson5.decode(text, -1) if name.endswith("5") else json.loads(text)
        _check_depth(document)
        document = _well_formed(document)
        check_answerable(document)
    return document


def check_answerable(value: Any) -> None:
    """Check that an answer can repeat a parsed JSON value. NaN and half surrogate pairs cannot be
    written.

    :param value: the parsed value
    :raises ValueError: an answer cannot repeat it
    """
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"a text holds half of a surrogate pair: {error.object[error.start]!r}"
        ) from error


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Raise Python's recursion limit to walk a flow definition. One thread at a time: the limit is
    global.
    """
    with _recursion_lock:
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(max(before, _RECURSION_LIMIT))
        try:
            yield
        finally:
            sys.setrecursionlimit(before)


class _Bounded:
    """The file as ``zipfile`` sees it. ``zipfile`` reads the whole list of members at once, so this
    limits its size.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.opened = False
        self.seek = file.seek
        self.tell = file.tell

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if not self.opened and size > MAX_DIRECTORY_BYTES:
            raise ValidationError(
                f"The list of members takes {size} bytes, more than {MAX_MEMBERS} members need"
            )
        return self._file.read(size)

    def close(self) -> None:
        """Leave the file open: it belongs to the caller."""


def _unpack(file: IO[bytes]) -> tuple[str, bytes]:
    """Take the definition out of the ZIP: its name and its content."""
    # Before Python 3.11 a SpooledTemporaryFile lacks methods that zipfile needs. The file inside it
    # has them.
    raw = getattr(file, "_file", file)
    try:
        bounded = _Bounded(raw)
        with zipfile.ZipFile(bounded) as archive:
            bounded.opened = True
            _check_unpacked(archive, raw.seek(0, io.SEEK_END))
            return _definition(archive)
    # Damaged offsets and names end in a ValueError or struct.error.
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        ValueError,
        struct.error,
    ) as error:
        raise ValidationError(f"The file is not a readable ZIP archive: {cut(error)}") from error
    # Encrypted members raise RuntimeError; unknown compressions raise its subclass
    # NotImplementedError.
    except RuntimeError as error:
        raise ValidationError(f"The archive cannot be unpacked: {cut(error)}") from error


def _check_unpacked(archive: zipfile.ZipFile, size: int) -> None:
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > MAX_UNPACKED_BYTES and unpacked > MAX_RATIO * size:
        raise ValidationError(f"The archive would unpack from {size} to {unpacked} bytes")


def _definition(archive: zipfile.ZipFile) -> tuple[str, bytes]:
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise ValidationError(f"The archive has {len(infos)} members, more than {MAX_MEMBERS}")
    members = [info for info in infos if _is_member(info)]
    definitions = [info for info in members if info.filename.lower().endswith(_DEFINITION)]
    if len(definitions) != 1:
        names = ", ".join(repr(cut(info.filename)) for info in definitions[:5]) or "none"
        raise ValidationError(
            f"The package must hold exactly one flow definition (flow_*.json); found: {names}"
        )
    [definition] = definitions
    if not _is_at_root(definition, members):
        raise ValidationError(
            f"The flow definition {cut(definition.filename)!r} is not at the root of the package"
        )
    if definition.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Python unpacks other methods in pieces of unlimited size. Exports are deflated [P].
        raise ValidationError(
            f"The flow definition is compressed with method {definition.compress_type}, which is"
            " not supported"
        )
    # The directory may lie about the size, so the read itself is limited too.
    with archive.open(definition) as member:
        content = member.read(MAX_DEFINITION_BYTES + 1)
    if len(content) > MAX_DEFINITION_BYTES:
        raise ValidationError(f"The flow definition is larger than {MAX_DEFINITION_BYTES} bytes")
    return definition.filename, content


def _is_at_root(definition: zipfile.ZipInfo, members: Sequence[zipfile.ZipInfo]) -> bool:
    """Tell whether a definition is at the root, or in one folder around everything."""
    *folder, _ = _path(definition)
    if len(folder) > 1:
        return False
    return all(_path(info)[: len(folder)] == folder for info in members)


def _path(info: zipfile.ZipInfo) -> list[str]:
    return info.filename.replace("\\", "/").split("/")


def _is_member(info: zipfile.ZipInfo) -> bool:
    """Tell whether an entry is a file of the package: no folder, and nothing that a file manager
    left.
    """
    *folders, name = _path(info)
    if info.filename.endswith("/") or "__MACOSX" in folders:
        return False
    return not name.startswith("._") and name not in _LEFTOVERS


def _check_size(content: bytes) -> None:
    """Refuse a definition that would take much more memory than its size."""
    for escape in (rb"\\", rb"\"", rb"\'"):
        content = content.replace(escape, b"..")
    # One character for each byte is enough: the punctuation is ASCII.
    text = content.decode("latin-1")
    most_texts = MAX_CONTAINERS + MAX_SEPARATORS
    bare, texts = _TEXT.subn("", text, count=most_texts)
    containers = bare.count("[") + bare.count("{")
    separators = bare.count(",") + bare.count(":")
    too_large = containers > MAX_CONTAINERS or separators > MAX_SEPARATORS
    if too_large or texts == most_texts:
        raise ValidationError(
            f"The flow definition is too large: {containers} objects and lists, {separators} commas"
            " and colons"
        )


def _check_depth(document: Any) -> None:
    depth = 0
    level = _containers([document])
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
        deeper: list[Any] = []
        for container in level:
            members = container.values() if isinstance(container, dict) else container
            deeper += _containers(members)
        level = deeper


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, (dict, list))]


def _well_formed(document: Any) -> Any:
    """Replace half surrogate pairs. JavaScript writes them as escapes, but no answer can repeat
    them.
    """
    whole = [document]
    pending: list[Any] = [whole]
    while pending:
        container = pending.pop()
        # A copy, because the loop changes the container.
        members = list(_members(container))
        for key, value in members:
            if isinstance(value, str) and not value.isascii():
                utf_16 = value.encode("utf-16", "surrogatepass")
                container[key] = utf_16.decode("utf-16", "replace")
            elif isinstance(value, (dict, list)):
                pending.append(value)
    return whole[0]


def _members(container: dict[str, Any] | list[Any]) -> Iterable[tuple[Any, Any]]:
    if isinstance(container, dict):
        return container.items()
    return enumerate(container)
