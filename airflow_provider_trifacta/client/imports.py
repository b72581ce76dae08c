"""What an import answers: what it made, and what it left out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import MissingMappingError
from .models import Release, object_of, optional_id, rows_within
from .texts import shown, shown_json

#: How many dropped objects are kept for a retry.
_DROPPED_KEPT = 20
#: What an answer asks for: the argument to write, the list in the answer, and what names an entry of it.
_HELD_UP = (
    ("connections", "connectionsWithoutMapping", ("name", "uuid", "id")),
    ("environment_parameters", "referencedEnvironmentParameters", ("overrideKey", "name")),
)
#: Characters of the missing mappings that an error shows.
_MAPPING_EXCERPT = 2_000


@dataclass(frozen=True)
class FlowImport:
    """What the import of a package made (API Flows Package Post v4 [R]). Every id is one of this instance.

    :param primary_flow_ids: the flows that a run starts with; None if the answer does not show them
    :param flows: all new flows: dicts with ``id``, ``name`` (None if it is not shown) and ``primary``
    :param dropped: the objects of the package that the import left out, by their kind; empty if it kept everything
    """

    primary_flow_ids: list[int] | None
    flows: list[dict[str, Any]]
    dropped: Mapping[str, Any]

    @classmethod
    def from_json(cls, body: object) -> FlowImport:
        """Build it from the answer to an upload.

        Something was made by now, so an answer that lacks anything must not hide the rest.

        :param body: the answer
        :raises MissingMappingError: the import is held up
        """
        data = object_of(body, "The answer to the upload")
        _refuse_hold_up(data)
        return cls(**_made(data))


@dataclass(frozen=True)
class ImportResult(FlowImport):
    """What an import made as a release (API Releases Create v4 [R])."""

    release: Release

    @classmethod
    def from_json(cls, body: object) -> ImportResult:
        """Build it from the answer to an upload. The release is live by now, so only its id has to be there.

        :param body: the answer
        """
        data = object_of(body, "The answer to the upload")
        return cls(release=Release.from_json(data.get("release")), **_made(data))


def _made(data: Mapping[str, Any]) -> dict[str, Any]:
    given = data.get("primaryFlowIds")
    ids = [optional_id(flow_id) for flow_id in given] if isinstance(given, list) else [None]
    primary = None if None in ids else ids
    flows = [new_flow(row.get("id"), row.get("name"), primary) for row in rows_within(data, "flows")]
    return {
        "primary_flow_ids": primary,
        "flows": [flow for flow in flows if flow["id"]],
        "dropped": dropped_objects(data.get("deletedObjects")),
    }


def new_flow(flow_id: object, name: object, primary: Collection[object] | None) -> dict[str, Any]:
    """Describe a new flow for an XCom.

    :param flow_id: its id; what is not an id becomes None
    :param name: its name; what is not a text becomes None
    :param primary: the primary flows, if they are known
    """
    known = optional_id(flow_id)
    return {"id": known, "name": shown(name) if isinstance(name, str) else None, "primary": known in (primary or ())}


def _refuse_hold_up(data: Mapping[str, Any]) -> None:
    """Refuse the answer that asks for mappings [P: AAC25]. The contents of its lists are not documented.

    :raises MissingMappingError: with the arguments to write
    """
    needed: dict[str, dict[str, str]] = {}
    for name, key, labels in _HELD_UP:
        if isinstance(data.get(key), list) and data[key]:
            needed[name] = {_called(row, labels): "<name here>" for row in data[key]}
    if needed or ("packageContents" in data and "flows" not in data):
        words = " and ".join(f"{name}={shown_json(values, _MAPPING_EXCERPT)}" for name, values in needed.items())
        raise MissingMappingError(
            f"The server holds the import up, because it lacks mappings. Add {words or 'mappings'}.", mapping=needed
        )


def _called(row: object, labels: tuple[str, ...]) -> str:
    known = [row.get(label) for label in labels] if isinstance(row, Mapping) else [row]
    return shown(next(filter(None, known), row))


def dropped_objects(deleted: object) -> dict[str, Any]:
    """Return the parts of ``deletedObjects`` that hold something. The vendor's page shows only an empty one [R]."""
    named = deleted if isinstance(deleted, Mapping) else {"deletedObjects": deleted}
    return {str(kind): value for kind, value in named.items() if _holds_something(value)}


def first_dropped(dropped: Mapping[str, Any]) -> dict[str, Any]:
    """Return the beginning of what an import dropped, small enough to be kept; empty if it dropped nothing.

    :param dropped: what :func:`dropped_objects` returned
    """
    objects = [
        f"{shown(kind)}: {shown_json(one)}"
        for kind, value in dropped.items()
        for one in (value if isinstance(value, list) else [value])
        if _holds_something(one)
    ]
    return {"count": len(objects), "objects": objects[:_DROPPED_KEPT]} if objects else {}


def _holds_something(value: object) -> bool:
    """Tell whether there is a filled leaf at any depth. A loop, not a recursion: a server decides about the depth."""
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, Mapping):
            pending.extend(one.values())
        elif isinstance(one, list):
            pending.extend(one)
        elif one:
            return True
    return False
