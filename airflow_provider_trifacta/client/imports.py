"""What an import answers: what it made, and what it left out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import MissingMappingError
from .models import Release, object_of, optional_id, rows_within
from .texts import shown, shown_json

#: How many objects that an import dropped, or that import rules changed, are kept for a retry or an
#: XCom.
_OBJECTS_KEPT = 20
#: What an import makes: the word for it, and the list in the answer. Recipes are counted by
#: :func:`_recipes`.
_MADE = (("flows", "flows"), ("datasets", "datasources"), ("outputs", "outputobjects"))
#: What an answer asks for: the argument to write, the list in the answer, and what names an entry
#: of it.
_HELD_UP = (
    ("connections", "connectionsWithoutMapping", ("name", "uuid", "id")),
    ("environment_parameters", "referencedEnvironmentParameters", ("overrideKey", "name")),
)
#: Characters of the missing mappings that an error shows.
_MAPPING_EXCERPT = 2_000


@dataclass(frozen=True)
class FlowImport:
    """What the import of a package made (API Flows Package Post v4 [R]). Every id is one of this
    instance.

    :param primary_flow_ids: the flows that a run starts with; None if the answer does not show them
    :param flows: all new flows: dicts with ``id``, ``name`` (None if it is not shown) and
        ``primary``
    :param dropped: the objects of the package that the import left out, by their kind; empty if it
        kept everything
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
    """What an import made as a release (API Releases Create v4 [R]).

    :param release: the release
    :param rule_changes: what the import rules of the deployment changed: ``count``, and the first
        ``objects`` as texts; None if the answer does not show it
    :param counts: how many flows, datasets, recipes and outputs were made, as far as the answer
        shows them
    """

    release: Release
    rule_changes: Mapping[str, Any] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, body: object) -> ImportResult:
        """Build it from the answer to an upload. The release is live by now, so only its id has to
        be there.

        :param body: the answer
        """
        data = object_of(body, "The answer to the upload")
        return cls(
            release=Release.from_json(data.get("release")),
            rule_changes=_rule_changes(data),
            counts=_counts(data),
            **_made(data),
        )


def _made(data: Mapping[str, Any]) -> dict[str, Any]:
    given = data.get("primaryFlowIds")
    ids = [optional_id(flow_id) for flow_id in given] if isinstance(given, list) else [None]
    primary = None if None in ids else ids
    flows = [
        new_flow(row.get("id"), row.get("name"), primary) for row in rows_within(data, "flows")
    ]
    return {
        "primary_flow_ids": primary,
        "flows": [flow for flow in flows if flow["id"]],
        "dropped": dropped_objects(data.get("deletedObjects")),
    }


def _rule_changes(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what import rules changed. The shape of an item is not documented [?], so any JSON
    will do.
    """
    if "importRuleChanges" not in data:
        return None
    changes = data["importRuleChanges"]
    return _first_objects(
        changes if isinstance(changes, Mapping) else {"importRuleChanges": changes}
    )


def _counts(data: Mapping[str, Any]) -> dict[str, int]:
    counts = {noun: len(data[key]) for noun, key in _MADE if isinstance(data.get(key), list)}
    recipes = _recipes(data)
    return counts if recipes is None else {**counts, "recipes": recipes}


def _recipes(data: Mapping[str, Any]) -> int | None:
    """Count the recipes. A node of a flow is a recipe if it is ``wrangled``, else a dataset [R]."""
    nodes = rows_within(data, "flownodes")
    if nodes and all(isinstance(node.get("wrangled"), bool) for node in nodes):
        return len([node for node in nodes if node["wrangled"]])
    recipes = data.get("recipes")  # later releases have this list [P: AAC25]
    return len(recipes) if isinstance(recipes, list) else None


def new_flow(flow_id: object, name: object, primary: Collection[object] | None) -> dict[str, Any]:
    """Describe a new flow for an XCom.

    :param flow_id: its id; what is not an id becomes None
    :param name: its name; what is not a text becomes None
    :param primary: the primary flows, if they are known
    """
    known = optional_id(flow_id)
    return {
        "id": known,
        "name": shown(name) if isinstance(name, str) else None,
        "primary": known in (primary or ()),
    }


def _refuse_hold_up(data: Mapping[str, Any]) -> None:
    """Refuse the answer that asks for mappings [P: AAC25]. The contents of its lists are not
    documented.

    :raises MissingMappingError: with the arguments to write
    """
    needed: dict[str, dict[str, str]] = {}
    for name, key, labels in _HELD_UP:
        if isinstance(data.get(key), list) and data[key]:
            needed[name] = {_called(row, labels): "<name here>" for row in data[key]}
    if needed or ("packageContents" in data and "flows" not in data):
        words = " and ".join(
            f"{name}={shown_json(values, _MAPPING_EXCERPT)}" for name, values in needed.items()
        )
        raise MissingMappingError(
            "The server holds the import up, because it lacks mappings. Add"
            f" {words or 'mappings'}.",
            mapping=needed,
        )


def _called(row: object, labels: tuple[str, ...]) -> str:
    known = [row.get(label) for label in labels] if isinstance(row, Mapping) else [row]
    return shown(next(filter(None, known), row))


def dropped_objects(deleted: object) -> dict[str, Any]:
    """Return the parts of ``deletedObjects`` that hold something. The vendor's page shows only an
    empty one [R].
    """
    named = deleted if isinstance(deleted, Mapping) else {"deletedObjects": deleted}
    return {str(kind): value for kind, value in named.items() if _holds_something(value)}


def first_dropped(dropped: Mapping[str, Any]) -> dict[str, Any]:
    """Return the beginning of what an import dropped, small enough to be kept; empty if it dropped
    nothing.

    :param dropped: what :func:`dropped_objects` returned
    """
    first = _first_objects(dropped)
    return first if first["count"] else {}


def _first_objects(named: Mapping[str, Any]) -> dict[str, Any]:
    """Return how many objects an answer names by their kind, and the first ones as texts."""
    objects: list[tuple[str, Any]] = []
    for kind, value in named.items():
        values = value if isinstance(value, list) else [value]
        objects += [(kind, entry) for entry in values if _holds_something(entry)]
    first = [f"{shown(kind)}: {shown_json(entry)}" for kind, entry in objects[:_OBJECTS_KEPT]]
    return {"count": len(objects), "objects": first}


def _holds_something(value: object) -> bool:
    """Tell whether there is a filled leaf at any depth. A loop, not a recursion: a server decides
    about the depth.
    """
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
