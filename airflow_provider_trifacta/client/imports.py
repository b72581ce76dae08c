"""What an import answers: what it made, and what it left out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import MissingMappingError
from .models import Release, object_of, optional_id, rows_within, within
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
    primary = _primary_flow_ids(data)
    flows: list[dict[str, Any]] = []
    for row in rows_within(data, "flows"):
        flow = new_flow(row.get("id"), row.get("name"), primary)
        if flow["id"]:
            flows.append(flow)
    return {
        "primary_flow_ids": primary,
        "flows": flows,
        "dropped": dropped_objects(data.get("deletedObjects")),
    }


def _primary_flow_ids(data: Mapping[str, Any]) -> list[int] | None:
    """Return the flows that a run starts with; None if one of them is not shown."""
    given = data.get("primaryFlowIds")
    if not isinstance(given, list):
        return None
    primary: list[int] = []
    for entry in given:
        flow_id = optional_id(entry)
        if flow_id is None:
            return None
        primary.append(flow_id)
    return primary


def _rule_changes(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what import rules changed. The shape of an item is not documented [?], so any JSON
    will do.
    """
    if "importRuleChanges" not in data:
        return None
    changes = data["importRuleChanges"]
    if not isinstance(changes, Mapping):
        changes = {"importRuleChanges": changes}
    return _first_objects(changes)


def _counts(data: Mapping[str, Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for noun, key in _MADE:
        objects = data.get(key)
        if isinstance(objects, list):
            counts[noun] = len(objects)
    recipes = _recipes(data)
    if recipes is not None:
        counts["recipes"] = recipes
    return counts


def _recipes(data: Mapping[str, Any]) -> int | None:
    """Count the recipes. A node of a flow is a recipe if it is ``wrangled``, else a dataset [R]."""
    marks = [node.get("wrangled") for node in rows_within(data, "flownodes")]
    if marks and all(isinstance(mark, bool) for mark in marks):
        return marks.count(True)
    recipes = data.get("recipes")  # later releases have this list [P: AAC25]
    return len(recipes) if isinstance(recipes, list) else None


def new_flow(flow_id: object, name: object, primary: Collection[object] | None) -> dict[str, Any]:
    """Describe a new flow for an XCom.

    :param flow_id: its id; what is not an id becomes None
    :param name: its name; what is not a text becomes None
    :param primary: the primary flows, if they are known
    """
    known_id = optional_id(flow_id)
    known_name = shown(name) if isinstance(name, str) else None
    is_primary = known_id in (primary or ())
    return {"id": known_id, "name": known_name, "primary": is_primary}


def _refuse_hold_up(data: Mapping[str, Any]) -> None:
    """Refuse the answer that asks for mappings [P: AAC25]. The contents of its lists are not
    documented.

    :raises MissingMappingError: with the arguments to write
    """
    needed: dict[str, dict[str, str]] = {}
    for argument, key, labels in _HELD_UP:
        entries = data.get(key)
        if isinstance(entries, list) and entries:
            needed[argument] = {_called(entry, labels): "<name here>" for entry in entries}
    shows_package_only = "packageContents" in data and "flows" not in data
    if not needed and not shows_package_only:
        return
    arguments: list[str] = []
    for argument, mapping in needed.items():
        arguments.append(f"{argument}={shown_json(mapping, _MAPPING_EXCERPT)}")
    raise MissingMappingError(
        "The server holds the import up, because it lacks mappings. Add"
        f" {' and '.join(arguments) or 'mappings'}.",
        mapping=needed,
    )


def _called(entry: object, labels: tuple[str, ...]) -> str:
    """Return the first label that an entry has; the whole entry as text if it has none."""
    for label in labels:
        name = within(entry).get(label)
        if name:
            return shown(name)
    return shown(entry)


def dropped_objects(deleted: object) -> dict[str, Any]:
    """Return the parts of ``deletedObjects`` that hold something.

    The vendor's page shows only an empty one [R].
    """
    objects_by_kind = deleted if isinstance(deleted, Mapping) else {"deletedObjects": deleted}
    dropped: dict[str, Any] = {}
    for kind, objects in objects_by_kind.items():
        if _holds_something(objects):
            dropped[str(kind)] = objects
    return dropped


def first_dropped(dropped: Mapping[str, Any]) -> dict[str, Any]:
    """Return the beginning of what an import dropped, small enough to be kept.

    It is empty if nothing was dropped.

    :param dropped: what :func:`dropped_objects` returned
    """
    first = _first_objects(dropped)
    return first if first["count"] else {}


def _first_objects(objects_by_kind: Mapping[str, Any]) -> dict[str, Any]:
    """Return how many objects an answer names by their kind, and the first ones as texts."""
    count = 0
    first: list[str] = []
    for kind, value in objects_by_kind.items():
        for entry in value if isinstance(value, list) else [value]:
            if not _holds_something(entry):
                continue
            count += 1
            if count <= _OBJECTS_KEPT:
                first.append(f"{shown(kind)}: {shown_json(entry)}")
    return {"count": count, "objects": first}


def _holds_something(value: object) -> bool:
    """Tell whether there is a filled leaf at any depth.

    This is a loop and not a recursion, because a server decides about the depth.
    """
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, Mapping):
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
        elif node:
            return True
    return False
