"""The flow definition: the JSON or JSON5 file in a package, in which everything may be missing or odd."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any
from uuid import UUID

import pendulum
import pyjson5

from ..client.errors import PackageFormatError
from ..client.models import canonical_uuid, parse_time
from .inputs import Input, read_inputs
from .rows import id_of, rows_of, text_of

#: Levels of brackets that a definition may have. A recipe step is a syntax tree: 11 levels, and two more for each
#: nested operator or function, so this leaves room for some 440 of them.
MAX_DEPTH = 900
#: Python's recursion limit while a definition is parsed: both parsers recurse, and stop at it.
_RECURSION_LIMIT = 6_000
#: What brackets mean nothing in: texts and comments of JSON5. One that has no end reaches to the end of the file.
_QUOTED = re.compile(
    r"""
    "[^"\\]*(?:\\.[^"\\]*)*"?
    | '[^'\\]*(?:\\.[^'\\]*)*'?
    | //[^\r\n\u2028\u2029]*
    | /\*(?:(?!\*/).)*(?:\*/)?
    """,
    re.VERBOSE | re.DOTALL,
)
_NO_BRACKET = re.compile(r"[^\[\]{}]+")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


@dataclass(frozen=True)
class PackageConnection:
    """A connection that the package's flows refer to. Packages hold its description, never its credentials."""

    id: int | None
    name: str | None
    uuid: str | None
    type: str | None
    vendor: str | None


@dataclass(frozen=True)
class PackageInfo:
    """What a package says of itself. Every id in it is the *source* instance's.

    ``uuid`` is new with every export and becomes the release's ``packageUuid``.
    """

    uuid: str
    exported_at: pendulum.DateTime | None
    product_version: str | None
    edition: str | None
    flow_names: list[str]
    connections: list[PackageConnection]
    inputs: list[Input]


def parse_definition(raw: bytes, where: str) -> Mapping[str, Any]:
    """Parse a flow definition, which is JSON or JSON5.

    The result may be nested more deeply than Python's own recursion limit allows: do not walk it recursively.

    :param raw: the file's content
    :param where: how to call it in an error
    :returns: the definition; it has ``metadata``
    :raises PackageFormatError: for anything that is no definition of a flow
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PackageFormatError(f"{where} is not UTF-8 text ({error.reason} at byte {error.start}).") from None
    depth = nesting(text)
    if depth > MAX_DEPTH:
        raise PackageFormatError(
            f"{where} is nested {depth} levels deep, and at most {MAX_DEPTH} are read. Split the formula of the recipe "
            "step that nests so many functions or conditions, and export the flow again."
        )
    try:
        with _deep_recursion():
            definition = _parse(text)
    except (pyjson5.Json5Exception, RecursionError, ValueError) as error:
        # The exception's own text may hold the whole tree that was read so far.
        reason = str(error.args[0]) if error.args else type(error).__name__
        raise PackageFormatError(f"{where} is not readable JSON or JSON5: {reason}. Export it again.") from None
    if not isinstance(definition, Mapping) or not isinstance(definition.get("metadata"), Mapping):
        raise PackageFormatError(f"{where} has no metadata: it is not a flow exported by Trifacta.")
    kind = definition.get("type", "flow")
    if kind != "flow":
        raise PackageFormatError(f"{where} is a {text_of(kind) or 'nameless thing'}. Only flows can become releases.")
    return definition


def nesting(text: str) -> int:
    """Count the levels of brackets in a text of JSON or JSON5, without parsing it.

    :param text: any text; one that is neither has some number too
    """
    brackets = _NO_BRACKET.sub("", _QUOTED.sub("", text))
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def _parse(text: str) -> object:
    try:
        # First, since it is quicker and takes what JavaScript writes and JSON5 excludes: half of a surrogate pair.
        return json.loads(text)
    except ValueError:
        return pyjson5.decode(text, -1)  # without a limit of its own, which 11 nested operators pass


_recursion_lock = threading.Lock()


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Raise Python's recursion limit for a while. It is the process's, so one thread at a time does that."""
    with _recursion_lock:
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(max(before, _RECURSION_LIMIT))
        try:
            yield
        finally:
            sys.setrecursionlimit(before)


def package_info(definition: Mapping[str, Any], where: str) -> PackageInfo:
    """Read what a package says of itself.

    :param definition: the flow definition
    :param where: how to call it in an error
    :raises PackageFormatError: there is no uuid
    """
    metadata, data = definition["metadata"], definition.get("data")
    return PackageInfo(
        uuid=_uuid(text_of(metadata.get("uuid")), where),
        exported_at=parse_time(metadata.get("exportedAt")),
        product_version=text_of(metadata.get("trifactaVersion")),
        edition=text_of(metadata.get("edition")),
        flow_names=[name for flow in rows_of(data, "flows") if (name := text_of(flow.get("name"))) is not None],
        connections=[_connection(row) for row in rows_of(data, "connections")],
        inputs=read_inputs(data),
    )


def _uuid(value: str | None, where: str) -> str:
    try:
        return canonical_uuid(str(UUID(str(value))))
    except ValueError:
        raise PackageFormatError(
            f"{where} has no usable metadata.uuid ({value!r}), which tells one export from another. Export it again."
        ) from None


def _connection(row: Mapping[str, Any]) -> PackageConnection:
    return PackageConnection(
        id=id_of(row.get("id")),
        name=text_of(row.get("name")),
        uuid=text_of(row.get("uuid")),
        type=text_of(row.get("type")),
        vendor=text_of(row.get("vendor")),
    )
