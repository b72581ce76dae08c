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
from typing import Any, NamedTuple
from uuid import UUID

import pendulum
import pyjson5

from ..client.errors import PackageFormatError, PackageTooLargeError
from ..client.models import canonical_uuid, parse_time
from ..client.texts import quoted, shown
from .contents import ContainedFlow, Output, Recipe, read_contents
from .inputs import Input, read_inputs
from .rows import id_of, rows_of, text_of

#: Objects and lists that it may hold, and commas and colons between their values: what parsing it costs in memory.
#: The real ones seen have up to 4,682 and 16,547.
MAX_CONTAINERS = 200_000
MAX_SEPARATORS = 500_000
#: Levels of brackets that a definition may have. A recipe step is a syntax tree: 11 levels, and two more for each
#: nested operator or function, so this leaves room for some 440 of them.
MAX_DEPTH = 900
#: Python's recursion limit while a definition is parsed: both parsers recurse, and stop at it.
_RECURSION_LIMIT = 6_000
#: What punctuation means nothing in: texts and comments of JSON5. One that has no end reaches to the end of the file.
#: Without groups that repeat, in which Python's engine keeps a place for each repetition. The three last characters of
#: a line comment's end are U+2028 and U+2029 in UTF-8.
_QUOTED = re.compile(
    r"""
    "[^"]*"?
    | '[^']*'?
    | //.*?(?:[\r\n]|\xe2\x80[\xa8\xa9]|\Z)
    | /\*.*?(?:\*/|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
#: Escapes that would end a text, or keep one from ending, in the order in which they are made harmless.
_ESCAPES = (rb"\\", rb"\"", rb"\'")
#: As many texts as the values that a definition may hold.
_MAX_QUOTED = MAX_CONTAINERS + MAX_SEPARATORS
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


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
    comment: str | None
    flows: list[ContainedFlow]
    connections: list[PackageConnection]
    inputs: list[Input]
    recipes: list[Recipe]
    outputs: list[Output]

    @property
    def flow_names(self) -> list[str]:
        """The names of the flows that have one."""
        return [flow.name for flow in self.flows if flow.name is not None]


class Structure(NamedTuple):
    """How much JSON a text holds: levels of brackets, texts and comments, objects and lists, and commas and colons."""

    depth: int
    quoted: int
    containers: int
    separators: int


def parse_definition(raw: bytes, where: str) -> Mapping[str, Any]:
    """Parse a flow definition, which is JSON or JSON5.

    The result may be nested more deeply than Python's own recursion limit allows: do not walk it recursively.

    :param raw: the file's content
    :param where: how to call it in an error
    :returns: the definition; it has ``metadata``
    :raises PackageFormatError: for anything that is no definition of a flow
    :raises PackageTooLargeError: for one that would take far more memory than a flow needs
    """
    _keep_budget(raw, where)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PackageFormatError(f"{where} is not UTF-8 text ({error.reason} at byte {error.start}).") from None
    try:
        with _deep_recursion():
            definition = _parse(text)
    except (pyjson5.Json5Exception, RecursionError, ValueError) as error:
        # The exception's own text may hold the whole tree that was read so far.
        reason = str(error.args[0]) if error.args else type(error).__name__
        raise PackageFormatError(f"{where} is not readable JSON or JSON5: {shown(reason)}. Export it again.") from None
    if not isinstance(definition, Mapping) or not isinstance(definition.get("metadata"), Mapping):
        raise PackageFormatError(f"{where} has no metadata: it is not a flow exported by Trifacta.")
    kind = definition.get("type", "flow")
    if kind != "flow":
        what = shown(kind) if isinstance(kind, str) and kind else "nameless thing"
        raise PackageFormatError(f"{where} is a {what}. Only flows can become releases.")
    return definition


def _keep_budget(raw: bytes, where: str) -> None:
    """Refuse a definition that is too large or deep for any flow, before it is parsed."""
    found = structure_of(raw)
    if found.quoted > _MAX_QUOTED:
        raise PackageTooLargeError(
            f"{where} holds more than {_MAX_QUOTED} texts and comments, and no flow needs as many. Nothing was parsed."
        )
    if found.containers > MAX_CONTAINERS or found.separators > MAX_SEPARATORS:
        raise PackageTooLargeError(
            f"{where} holds {found.containers} objects and lists and {found.separators} commas and colons. At most "
            f"{MAX_CONTAINERS} and {MAX_SEPARATORS} are read, and no flow needs as many. Nothing was parsed."
        )
    if found.depth > MAX_DEPTH:
        raise PackageFormatError(
            f"{where} is nested {found.depth} levels deep, and at most {MAX_DEPTH} are read. Split the formula of the "
            "recipe step that nests so many functions or conditions, and export the flow again."
        )


def structure_of(raw: bytes) -> Structure:
    """Count what parsing a text of JSON or JSON5 would make, without parsing it.

    :param raw: any text, in UTF-8; one that is neither has some numbers too
    """
    for escape in _ESCAPES:
        raw = raw.replace(escape, b"__")
    # One byte is one character here: all that counts is ASCII.
    text, quoted_parts = _QUOTED.subn("", raw.decode("latin-1"), count=_MAX_QUOTED + 1)
    bare = text.encode("latin-1")
    brackets = bare.translate(None, _NO_BRACKET)
    return Structure(
        depth=max(accumulate(map(_STEPS.__getitem__, brackets)), default=0),
        quoted=quoted_parts,
        containers=bare.count(b"[") + bare.count(b"{"),
        separators=bare.count(b",") + bare.count(b":"),
    )


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
    connections = [_connection(row) for row in rows_of(data, "connections")]
    names: dict[int | None, str | None] = {one.id: one.name for one in connections if one.id is not None}
    contents = read_contents(data, metadata.get("primaryFlowIds"), names)
    return PackageInfo(
        uuid=_uuid(text_of(metadata.get("uuid")), where),
        exported_at=parse_time(text_of(metadata.get("exportedAt"))),
        product_version=text_of(metadata.get("trifactaVersion")),
        edition=text_of(metadata.get("edition")),
        comment=text_of(metadata.get("comment")),
        flows=contents.flows,
        connections=connections,
        inputs=read_inputs(data),
        recipes=contents.recipes,
        outputs=contents.outputs,
    )


def _uuid(value: str | None, where: str) -> str:
    try:
        return canonical_uuid(str(UUID(str(value))))
    except ValueError:
        raise PackageFormatError(
            f"{where} has no usable metadata.uuid ({quoted(value)}), which tells one export from another. Export "
            "it again."
        ) from None


def _connection(row: Mapping[str, Any]) -> PackageConnection:
    return PackageConnection(
        id=id_of(row.get("id")),
        name=text_of(row.get("name")),
        uuid=text_of(row.get("uuid")),
        type=text_of(row.get("type")),
        vendor=text_of(row.get("vendor")),
    )
