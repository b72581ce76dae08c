"""What an import answers: what it made, and what it left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .models import Release, object_of, optional_id
from .texts import shown, shown_json

#: How many dropped objects are kept for a retry.
_DROPPED_KEPT = 20


@dataclass(frozen=True)
class ImportResult:
    """What an import made (API Releases Create v4 [R]).

    ``primary_flow_ids`` are the new flows' ids in this instance, never the ids inside the package. They are None when
    the answer does not show them. ``dropped`` are the objects of the package that the import left out, by their kind;
    empty if the import kept everything.
    """

    release: Release
    primary_flow_ids: list[int] | None
    dropped: Mapping[str, Any]

    @classmethod
    def from_json(cls, body: object) -> ImportResult:
        """Build it from the answer to an upload.

        The release is live by now, so an answer that lacks anything else must not hide its id.
        """
        data = object_of(body, "The answer to the upload")
        flow_ids = data.get("primaryFlowIds")
        ids = [optional_id(flow_id) for flow_id in flow_ids] if isinstance(flow_ids, list) else [None]
        known = [flow_id for flow_id in ids if flow_id is not None]
        return cls(
            release=Release.from_json(data.get("release")),
            primary_flow_ids=known if len(known) == len(ids) else None,
            dropped=dropped_objects(data.get("deletedObjects")),
        )


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
