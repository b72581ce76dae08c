"""
Reads a flow package: a ZIP with one flow definition, in JSON or JSON5, of any generation.

Both shapes end up as the same flat tables, so that the import knows one shape only: 6.0 to 6.4 have flat
tables already, from 6.8 on everything is nested in its flow [P: exported packages].
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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import pyjson5

from trifacta_emulator.checks import check_answerable
from trifacta_emulator.errors import ValidationError
from trifacta_emulator.versions import Version, parse_version

Row = dict[str, Any]
Tables = dict[str, list[Row]]

# At the root of the ZIP: flow_<id>_<uuid>.json, flow_<name>.json, flow_<name>.json5 [P]. What is taken of a ZIP that
# a person made is our choice [?]: any name, one folder around everything, and what file managers leave behind.
_DEFINITION = (".json", ".json5")
_LEFT_BEHIND = (".DS_Store", "Thumbs.db", "desktop.ini")
# The vendor's own limits are not known [?]; these are our choice. The largest definition seen has 0.5 MB, 4,682 objects
# and lists, and 16,547 commas and colons [P]. A recipe step is a syntax tree, 11 levels deep and two more for each
# nested function [P], and Python's recursion limit is raised far enough for it.
MAX_DEFINITION_BYTES = 8 * 1024 * 1024
MAX_CONTAINERS, MAX_SEPARATORS = 200_000, 500_000
MAX_MEMBERS, MAX_DIRECTORY_BYTES = 10_000, 2 * 1024 * 1024
MAX_UNPACKED_BYTES, MAX_RATIO = 256 * 1024 * 1024, 100
MAX_DEPTH = 900
_RECURSION_LIMIT = 6_000
_recursion_lock = threading.Lock()

# Texts and comments, in which no comma is one; a group that repeats would take memory for each repetition.
_TEXT = re.compile(r"""("|').*?(?:\1|\Z)|//.*?(?:[\r\n]|\xe2\x80[\xa8\xa9]|\Z)|/\*.*?(?:\*/|\Z)""", re.DOTALL)

# Our table name: its name in the flat form, its name within a flow.
_TABLES = {
    "flownodes": ("flownodes", "flownodes"),
    "flowedges": ("flowedges", "flowedges"),
    "recipes": ("editablescripts", "recipes"),
    "datasources": ("datasources", "datasources"),
    "outputobjects": ("outputobjects", "outputobjects"),
    "references": ("referenceinfos", "references"),
    "webhookflowtasks": ("webhookflowtasks", "webhookflowtasks"),
}
# What a storage location says; its fullUri and hash follow from these, and a dataset of 6.8 repeats some.
_LOCATION = ("type", "bucket", "path", "host", "userinfo", "blobHost", "container")


@dataclass(frozen=True)
class Package:
    """
    A flow package as read, with the ids of the exporting instance.

    :param uuid: ``metadata.uuid``; new at each export.
    :param version: ``metadata.trifactaVersion``.
    :param edition: ``metadata.edition``, or ``""``.
    :param comment: ``metadata.comment``, or ``""`` (before 7.1 there is none).
    :param primary_flow_ids: ``metadata.primaryFlowIds``.
    :param tables: rows by table: flows, flownodes, flowedges, recipes, datasources, storagelocations,
        relationalsources, outputobjects, writesettings, publications, references, webhookflowtasks, connections.
    """

    uuid: str
    version: Version
    edition: str
    comment: str
    primary_flow_ids: tuple[int, ...]
    tables: Tables

    @property
    def primary_flow_name(self) -> str:
        """Name of the first primary flow."""
        names = {row["id"]: str(row["name"]) for row in self.tables["flows"]}
        return names[self.primary_flow_ids[0]]


def read_package(file: IO[bytes]) -> Package:
    """
    Read and check a package.

    :param file: the ZIP, seekable; stays open.
    :raises ValidationError: not a ZIP, no or several definitions, unreadable or incomplete definition.
    """
    # Before Python 3.11 a SpooledTemporaryFile lacks the methods zipfile needs; the file inside it has them.
    raw = getattr(file, "_file", file)
    try:
        bounded = _Bounded(raw)
        with zipfile.ZipFile(bounded) as archive:
            bounded.opened = True
            _check_unpacked(archive, raw.seek(0, io.SEEK_END))
            name, content = _definition(archive)
    # Damaged offsets and names end in a ValueError or struct.error.
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, struct.error) as error:
        raise ValidationError(f"The file is not a readable ZIP archive: {_cut(error)}") from error
    # Encrypted members raise RuntimeError, unknown compressions NotImplementedError, one of its kind.
    except RuntimeError as error:
        raise ValidationError(f"The archive cannot be unpacked: {_cut(error)}") from error
    _check_size(content)
    try:
        text = content.decode("utf-8-sig")
        with deep_recursion():
            document = pyjson5.decode(text, -1) if name.endswith("5") else json.loads(text)
            _check_depth(document)
            document = _well_formed(document)
            check_answerable(document)
    except (ValueError, RecursionError, pyjson5.Json5Exception) as error:
        # Not the error's own text, which may hold what was parsed so far.
        reason = error.args[0] if error.args else type(error).__name__
        raise ValidationError(f"The flow definition {_cut(name)!r} cannot be parsed: {_cut(reason)}") from error
    return _package(document)


class _Bounded:
    """The file as ``zipfile`` sees it: it reads the whole list of members in one piece, however many there are."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.opened = False
        self.seek, self.tell = file.seek, file.tell

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if not self.opened and size > MAX_DIRECTORY_BYTES:
            raise ValidationError(f"The archive needs {size} bytes to list its members, more than {MAX_MEMBERS} need")
        return self._file.read(size)

    def close(self) -> None:
        """Stay open: the file is the caller's."""


def _check_unpacked(archive: zipfile.ZipFile, size: int) -> None:
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > MAX_UNPACKED_BYTES and unpacked > MAX_RATIO * size:
        raise ValidationError(f"The archive would unpack from {size} to {unpacked} bytes")


def _check_size(content: bytes) -> None:
    """Refuse a definition that would take much more memory than its size."""
    for escape in (rb"\\", rb"\"", rb"\'"):
        content = content.replace(escape, b"..")
    # Bytes as characters: the punctuation is ASCII.
    bare, texts = _TEXT.subn("", content.decode("latin-1"), count=MAX_CONTAINERS + MAX_SEPARATORS)
    containers, separators = bare.count("[") + bare.count("{"), bare.count(",") + bare.count(":")
    if containers > MAX_CONTAINERS or separators > MAX_SEPARATORS or texts == MAX_CONTAINERS + MAX_SEPARATORS:
        raise ValidationError(
            f"The flow definition is too large: {containers} objects and lists, {separators} commas and colons"
        )


def _cut(text: object) -> str:
    """Cut a text of the package for an error; an answer repeats no more of it."""
    return str(text)[:200]


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Raise Python's recursion limit, to walk a flow definition. One thread at a time: the limit is the process's."""
    with _recursion_lock:
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(max(before, _RECURSION_LIMIT))
        try:
            yield
        finally:
            sys.setrecursionlimit(before)


def _check_depth(document: Any) -> None:
    level, depth = [document], 0
    while level := [one for one in level if isinstance(one, (dict, list))]:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
        level = [value for one in level for value in (one.values() if isinstance(one, dict) else one)]


def _well_formed(document: Any) -> Any:
    """Replace half surrogate pairs, which JavaScript writes as escapes and no answer of ours could repeat."""
    whole = [document]
    pending: list[Any] = [whole]
    while pending:
        one = pending.pop()
        for key, value in list(one.items() if isinstance(one, dict) else enumerate(one)):
            if isinstance(value, str) and not value.isascii():
                one[key] = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            elif isinstance(value, (dict, list)):
                pending.append(value)
    return whole[0]


def _definition(archive: zipfile.ZipFile) -> tuple[str, bytes]:
    if len(archive.infolist()) > MAX_MEMBERS:
        raise ValidationError(f"The archive has {len(archive.infolist())} members, more than {MAX_MEMBERS}")
    members = [
        info for info in archive.infolist() if not info.filename.endswith("/") and not _is_left_behind(_path(info))
    ]
    found = [info for info in members if info.filename.lower().endswith(_DEFINITION)]
    if len(found) != 1:
        names = ", ".join(repr(_cut(info.filename)) for info in found[:5]) or "none"
        raise ValidationError(f"The package must hold exactly one flow definition (flow_*.json); found: {names}")
    folder = _path(found[0])[:-1]
    if len(folder) > 1 or any(_path(info)[: len(folder)] != folder for info in members):
        raise ValidationError(f"The flow definition {_cut(found[0].filename)!r} is not at the root of the package")
    if found[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Python unpacks other methods in pieces of any size. Exports are deflated [P].
        raise ValidationError(f"The flow definition is packed by the method {found[0].compress_type}")
    # The size in the directory may lie, so the read itself is bounded too.
    with archive.open(found[0]) as member:
        content = member.read(MAX_DEFINITION_BYTES + 1)
    if len(content) > MAX_DEFINITION_BYTES:
        raise ValidationError(f"The flow definition is larger than {MAX_DEFINITION_BYTES} bytes")
    return found[0].filename, content


def _path(info: zipfile.ZipInfo) -> list[str]:
    return info.filename.replace("\\", "/").split("/")


def _is_left_behind(path: list[str]) -> bool:
    return "__MACOSX" in path[:-1] or path[-1].startswith("._") or path[-1] in _LEFT_BEHIND


def _package(document: Any) -> Package:
    metadata, data = (_object(document, key) for key in ("metadata", "data"))
    if document.get("type", "flow") != "flow":
        raise ValidationError(f"Not a flow package but a package of type {_cut(document['type'])!r}")
    try:
        version = parse_version(_text(metadata, "trifactaVersion"))
    except ValueError as error:
        raise ValidationError(f"metadata.trifactaVersion: {_cut(error)}") from error
    tables = _tables(data)
    primary = metadata.get("primaryFlowIds")
    known = {row["id"] for row in tables["flows"]}
    if not isinstance(primary, list) or not primary or any(one not in known for one in map(_id, primary)):
        raise ValidationError(f"metadata.primaryFlowIds names no flow of the package: {_cut(primary)}")
    comment, edition = metadata.get("comment"), metadata.get("edition")
    return Package(
        uuid=_text(metadata, "uuid"),
        version=version,
        edition=edition if isinstance(edition, str) else "",
        comment=comment if isinstance(comment, str) else "",
        primary_flow_ids=tuple(primary),
        tables=tables,
    )


def _tables(data: dict[str, Any]) -> Tables:
    flows = _rows(data, "flows")
    for flow in flows:
        _text(flow, "name")
    # A flow of the nested form carries its own nodes.
    nested = "flownodes" not in data
    tables: Tables = {"flows": flows, "connections": _rows(data, "connections")}
    for table, (flat_name, nested_name) in _TABLES.items():
        if nested:
            tables[table] = [{**row, "flowId": flow["id"]} for flow in flows for row in _rows(flow, nested_name)]
        else:
            tables[table] = _rows(data, flat_name)
    if nested:
        tables |= _within_datasources(tables["datasources"]) | _within_outputs(tables["outputobjects"])
    else:
        for table in ("storagelocations", "relationalsources", "writesettings", "publications"):
            tables[table] = _rows(data, table)
        _put_parameters_within(tables["datasources"], data)
    tables["storagelocations"] = [
        {"id": row["id"], **{key: row.get(key) for key in _LOCATION}} for row in tables["storagelocations"]
    ]
    return tables


def _put_parameters_within(sources: list[Row], data: dict[str, Any]) -> None:
    # In the nested form a parameter stands within its dataset, and the value that applies within the parameter [P].
    edits = {row["id"]: row for row in _rows(data, "runparameteredits")}
    parameters: dict[Any, list[Row]] = {}
    for row in _rows(data, "runparameters"):
        dataset, edit = row.get("datasourceId"), row.get("runParameterEditId")
        if isinstance(dataset, int) and isinstance(edit, int) and edit in edits:
            value = {key: edits[edit].get(key) for key in ("insertionIndices", "value", "id", "overrideKey")}
            one = {"id": row["id"], "type": row.get("type"), "runParameterEdit": value}
            parameters.setdefault(dataset, []).append(one)
    for source in sources:
        # Those of one dataset: of several with the same id, the first one's.
        source["runParameters"] = parameters.pop(source["id"], [])


def _within_datasources(sources: list[Row]) -> Tables:
    # Several sources may share a location [P].
    locations: dict[int, Row] = {}
    relational: list[Row] = []
    for source in sources:
        location, table = source.pop("storageLocation", None), source.pop("relationalsource", None)
        if isinstance(location, dict) and isinstance(location.get("id"), int):
            locations.setdefault(location["id"], location)
            source["storageLocationId"] = location["id"]
        if isinstance(table, dict) and isinstance(table.get("id"), int):
            relational.append({**table, "datasourceId": source["id"]})
    return {"storagelocations": list(locations.values()), "relationalsources": relational}


def _within_outputs(outputs: list[Row]) -> Tables:
    tables: Tables = {"writesettings": [], "publications": []}
    for output in outputs:
        for table, rows in tables.items():
            rows += [{**row, "outputObjectId": output["id"]} for row in _rows(output, table)]
            output.pop(table, None)
    return tables


def _rows(parent: dict[str, Any], key: str) -> list[Row]:
    rows = parent.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValidationError(f"{key} of the flow definition is not a list of objects")
    for row in rows:
        if not isinstance(row.get("id"), int):
            raise ValidationError(f"{key} of the flow definition holds an object without an id")
        if not isinstance(row.get("uuid"), (str, type(None))):
            raise ValidationError(f"{key} of the flow definition holds an object with an odd uuid")
    return rows


def _id(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _object(parent: Any, key: str) -> dict[str, Any]:
    value = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(value, dict):
        raise ValidationError(f"The flow definition has no {key}")
    return value


def _text(parent: dict[str, Any], key: str) -> str:
    value = parent.get(key)
    if not isinstance(value, str) or not value:
        raise ValidationError(f"The flow definition has no {key}")
    return value
