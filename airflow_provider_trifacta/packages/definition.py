"""The flow definition: the JSON or JSON5 file in a package. It says which flow, export and
connections these are.

Every value in it may be missing or odd. A table that is missing, or that has another type, counts
as empty.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

import pendulum
import pyjson5

from ..client.errors import PackageFormatError, PackageTooLargeError
from ..client.models import parse_time, rows_within
from ..client.structure import structure_of
from ..client.texts import quoted, shown

#: What the errors of most packages end with.
EXPORT_AGAIN = "Nothing was sent. Export the flow again."
SEND_THE_ORIGINAL = "Nothing was sent. Promote the ZIP that Trifacta exported."
#: Most objects and lists in a definition, and most commas and colons: they decide how much memory
#: the parser needs. The real packages seen have up to 4,682 and 16,547.
MAX_CONTAINERS = 200_000
MAX_SEPARATORS = 500_000
#: Most levels of brackets in a definition. A recipe step is a syntax tree. It has 11 levels, and
#: two more for each nested operator or function, so about 440 of those fit.
MAX_DEPTH = 900
#: Python's recursion limit while a definition is parsed. Both parsers recurse, and stop at this
#: limit.
_RECURSION_LIMIT = 6_000
#: Most texts and comments: as many as a definition may hold values.
_MAX_QUOTED = MAX_CONTAINERS + MAX_SEPARATORS
#: Characters of a text that are kept. Many rows may refer to one text, and each reader copies it.
_LONGEST = 500


@dataclass(frozen=True)
class ContainedFlow:
    """A flow of the package. A deployment runs its primary one."""

    id: int | None
    name: str | None
    primary: bool


@dataclass(frozen=True)
class PackageConnection:
    """A connection that the package's flows use. A package holds its description, never its
    credentials.
    """

    id: int | None
    name: str | None
    uuid: str | None
    type: str | None
    vendor: str | None


@dataclass(frozen=True)
class PackageInfo:
    """What a package says about itself. Every id in it belongs to the *source* instance.

    ``uuid`` is new with every export and becomes the release's ``packageUuid``.
    """

    uuid: str
    exported_at: pendulum.DateTime | None
    product_version: str | None
    edition: str | None
    comment: str | None
    flows: list[ContainedFlow]
    connections: list[PackageConnection]

    @property
    def flow_names(self) -> list[str]:
        """The names of the flows that have one."""
        return [flow.name for flow in self.flows if flow.name is not None]

    def flow_name(self, flow_id: int | None) -> str | None:
        """Return the name of a flow. Without a known id it is that of the only flow, if there is
        one.

        :param flow_id: the id of the flow, as a part of the package has it
        """
        only = self.flows[0].name if len(self.flows) == 1 else None
        return self._flow_names_by_id.get(flow_id, only)

    @cached_property
    def _flow_names_by_id(self) -> dict[int | None, str | None]:
        return {flow.id: flow.name for flow in self.flows}


def parse_definition(raw: bytes, where: str) -> Mapping[str, Any]:
    """Parse a flow definition, which is JSON or JSON5.

    The result may be nested more deeply than Python's own recursion limit allows: do not walk it
    recursively.

    :param raw: the file's content
    :param where: what an error calls it
    :returns: the definition; it has ``metadata``
    :raises PackageFormatError: the text does not define a flow
    :raises PackageTooLargeError: it would take far more memory than a flow needs
    """
    _keep_budget(raw, where)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PackageFormatError(
            f"{where} is not UTF-8 text ({error.reason} at byte {error.start}). {SEND_THE_ORIGINAL}"
        ) from None
    try:
        with _deep_recursion():
            definition = _parse(text)
    except (pyjson5.Json5Exception, RecursionError, ValueError) as error:
        # The exception's own text may hold everything that was read so far.
        reason = str(error.args[0]) if error.args else type(error).__name__
        raise PackageFormatError(
            f"{where} is not readable JSON or JSON5: {shown(reason)}. {EXPORT_AGAIN}"
        ) from None
    if not isinstance(definition, Mapping) or not isinstance(definition.get("metadata"), Mapping):
        raise PackageFormatError(
            f"{where} has no metadata, so it is not a flow that Trifacta exported. {EXPORT_AGAIN}"
        )
    kind = definition.get("type", "flow")
    if kind != "flow":
        is_named = isinstance(kind, str) and kind
        nature = f"it is a {shown(kind)}" if is_named else "it has no type"
        raise PackageFormatError(
            f"{where} is not a flow: {nature}. Only flows can become releases. Nothing was sent."
        )
    return definition


def _keep_budget(raw: bytes, where: str) -> None:
    """Refuse a definition that is too large or too deep for any flow, before it is parsed."""
    structure = structure_of(raw, _MAX_QUOTED)
    if structure.quoted > _MAX_QUOTED:
        raise PackageTooLargeError(
            f"{where} holds more than {_MAX_QUOTED} texts and comments, more than any flow needs."
            f" {EXPORT_AGAIN}"
        )
    if structure.containers > MAX_CONTAINERS or structure.separators > MAX_SEPARATORS:
        raise PackageTooLargeError(
            f"{where} holds {structure.containers} objects and lists and {structure.separators}"
            f" commas and colons. The limits are {MAX_CONTAINERS} and {MAX_SEPARATORS}, more than"
            f" any flow needs. {EXPORT_AGAIN}"
        )
    if structure.depth > MAX_DEPTH:
        raise PackageFormatError(
            f"{where} is nested {structure.depth} levels deep, and at most {MAX_DEPTH} are read."
            " Nothing was sent. Split the formula of the recipe step that nests many functions or"
            " conditions, and export the flow again."
        )


def _parse(text: str) -> object:
    try:
        # First, because it is faster. It also reads half of a surrogate pair: JavaScript writes it,
        # JSON5 excludes it.
        return json.loads(text)
    except ValueError:
        # It gets no depth limit of its own: 11 nested operators would exceed that.
        return pyjson5.decode(text, -1)


_recursion_lock = threading.Lock()


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Raise Python's recursion limit for a while. The limit belongs to the process, so one thread
    does it at a time.
    """
    with _recursion_lock:
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(max(before, _RECURSION_LIMIT))
        try:
            yield
        finally:
            sys.setrecursionlimit(before)


def package_info(definition: Mapping[str, Any], where: str) -> PackageInfo:
    """Read what a package says about itself.

    :param definition: the flow definition
    :param where: what an error calls it
    :raises PackageFormatError: it has no uuid
    """
    metadata = definition["metadata"]
    data = definition.get("data")
    primary_ids = metadata.get("primaryFlowIds")
    if not isinstance(primary_ids, list):
        primary_ids = []
    primary = set(map(id_of, primary_ids)) - {None}
    return PackageInfo(
        uuid=_uuid(metadata, where),
        product_version=text_in(metadata, "trifactaVersion"),
        edition=text_in(metadata, "edition"),
        comment=text_in(metadata, "comment"),
        flows=[_flow(flow, primary) for flow in rows_within(data, "flows")],
        connections=[_connection(connection) for connection in rows_within(data, "connections")],
        exported_at=parse_time(text_in(metadata, "exportedAt")),
    )


def _uuid(metadata: Mapping[str, Any], where: str) -> str:
    given = text_in(metadata, "uuid")
    try:
        return str(UUID(str(given)))
    except ValueError:
        raise PackageFormatError(
            f"{where} has no usable metadata.uuid ({quoted(given)}), which tells one export from"
            f" another. {EXPORT_AGAIN}"
        ) from None


def _flow(flow: Mapping[str, Any], primary: Set[int | None]) -> ContainedFlow:
    flow_id = id_in(flow, "id")
    return ContainedFlow(flow_id, text_in(flow, "name"), flow_id in primary)


def _connection(connection: Mapping[str, Any]) -> PackageConnection:
    return PackageConnection(
        id=id_in(connection, "id"),
        name=text_in(connection, "name"),
        uuid=text_in(connection, "uuid"),
        type=text_in(connection, "type"),
        vendor=text_in(connection, "vendor"),
    )


def id_in(entry: Mapping[str, Any], key: str) -> int | None:
    """Return an id that an entry of the definition has, as :func:`id_of` reads it."""
    return id_of(entry.get(key))


def text_in(entry: Mapping[str, Any], key: str) -> str | None:
    """Return a text that an entry of the definition has, as :func:`text_of` reads it."""
    return text_of(entry.get(key))


def id_of(value: object) -> int | None:
    """Return an id of the definition. None stands for a value that is not an id, such as a number
    that is too long.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 < value < 2**63 else None


def text_of(value: object) -> str | None:
    """Return the beginning of a text of the definition. None stands for a value that is not a text.

    JavaScript can write half of a surrogate pair, which no encoding takes. U+FFFD replaces it.
    """
    if not isinstance(value, str):
        return None
    start = value[:_LONGEST]
    if start.isascii():
        return start
    return start.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
