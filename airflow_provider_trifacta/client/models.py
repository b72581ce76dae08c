"""Typed results of the API. Fields that are not listed here are ignored, so newer servers do no harm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import pendulum

from .errors import UnexpectedResponseError
from .texts import shown, shown_json

_Model = TypeVar("_Model", bound="_Row")
_LARGEST_ID = 10**30  # Python does not write very large numbers
#: Characters of a time; the parser is slow with long texts.
_LONGEST_TIME = 64
#: How many dropped objects are kept for a retry.
_DROPPED_KEPT = 20
#: The states of a job group that has not ended.
RUNNING = ("Created", "Pending", "InProgress")


def _object(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UnexpectedResponseError(f"{what} is not a JSON object but {type(value).__name__}.")
    return value


def _id(data: Mapping[str, Any], what: str) -> int:
    known = _optional_id(data.get("id"))
    if known is None:
        raise UnexpectedResponseError(f"{what}'s id is {shown(repr(data.get('id')))}, not a positive integer.")
    return known


def _optional_id(value: object) -> int | None:
    # bool is an int to Python, and an id of True would travel far before a reader noticed it.
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LARGEST_ID
    return value if usable and isinstance(value, int) else None


def _id_of(value: object) -> int | None:
    return _optional_id(value.get("id")) if isinstance(value, Mapping) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _uuid(value: object) -> str | None:
    return canonical_uuid(_text(value) or "") or None


def canonical_uuid(text: str) -> str:
    """Return a UUID in its usual spelling. Any other text stays as it is."""
    try:
        return str(UUID(text))
    except ValueError:
        return text


def uuid_time(text: str | None) -> pendulum.DateTime | None:
    """Return the time that a version-1 uuid carries: that of the export. None for any other text."""
    try:
        uuid = UUID(text or "")
    except ValueError:
        return None
    if uuid.version != 1:
        return None
    # Counted in tenths of a microsecond from the beginning of the Gregorian calendar.
    return pendulum.datetime(1582, 10, 15).add(microseconds=uuid.time // 10)


def comment_of(text: str | None) -> str | None:
    """Return the comment of a package, if any. 7.6 writes ``undefined`` for none [P], and a template ``None``."""
    words = (text or "").strip()
    return None if words in ("", "None", "undefined") else words


def exported_before(package: str, other: str | None) -> bool:
    """Compare two version-1 uuids by the export times that they carry. Other uuids do not compare."""
    first, second = uuid_time(package), uuid_time(other)
    return first is not None and second is not None and first < second


def parse_time(value: object) -> pendulum.DateTime | None:
    """Read a time of the API (ISO 8601), as UTC if it has no zone. None for a text that is not a time."""
    if not isinstance(value, str) or len(value) > _LONGEST_TIME:
        return None
    try:
        parsed = pendulum.parse(value)
    except Exception:  # the parser raises many kinds of errors for odd texts
        return None
    return parsed if isinstance(parsed, pendulum.DateTime) else None


def _by(reader: Callable[[Any], Any], *keys: str) -> Mapping[str, Any]:
    """Say how a field is read from an answer: by which function, and from which key if not from its own name."""
    return {"reader": reader, "keys": keys}


@dataclass(frozen=True)
class _Row:
    """A row of an answer. It has an id; each other field says how it is read. ``_WHAT`` names a row in errors."""

    _WHAT: ClassVar[str]
    id: int

    @classmethod
    def from_json(cls: type[_Model], body: object) -> _Model:
        """Build it from a JSON value.

        :raises UnexpectedResponseError: the value is not an object with an integer id
        """
        data = _object(body, cls._WHAT)
        known: dict[str, Any] = {"id": _id(data, cls._WHAT)}
        for one in fields(cls)[1:]:
            found = [data.get(key) for key in one.metadata["keys"] or (one.name,)]
            known[one.name] = one.metadata["reader"](next(filter(None, found), found[0]))
        return cls(**known)


@dataclass(frozen=True)
class Person(_Row):
    """A user. https://api.trifacta.com -> people [R]."""

    _WHAT = "The person"

    email: str | None = field(metadata=_by(_text))


@dataclass(frozen=True)
class Deployment(_Row):
    """A deployment: the container of a flow's releases (API Deployments Get List v4 [R])."""

    _WHAT = "The deployment"

    name: str | None = field(metadata=_by(_text))
    created_at: pendulum.DateTime | None = field(metadata=_by(parse_time, "createdAt"))
    updated_at: pendulum.DateTime | None = field(metadata=_by(parse_time, "updatedAt"))


@dataclass(frozen=True)
class JobGroup(_Row):
    """A job group: what a run starts for one output (API JobGroups Get v4 [R])."""

    _WHAT = "The job group"

    status: str | None = field(metadata=_by(_text))
    created_at: pendulum.DateTime | None = field(metadata=_by(parse_time, "createdAt"))
    creator_id: int | None = field(metadata=_by(_id_of, "creator"))
    recipe_id: int | None = field(metadata=_by(_id_of, "wrangledDataset"))
    flow_id: int | None = field(metadata=_by(lambda value: _id_of(value and value.get("flow")), "wrangledDataset"))
    flow_run_id: int | None = field(metadata=_by(_id_of, "flowrun", "flowRun"))


@dataclass(frozen=True)
class Connection(_Row):
    """A connection of the instance, without its credentials. https://api.trifacta.com -> connections [R]."""

    _WHAT = "The connection"

    name: str | None = field(metadata=_by(_text))
    uuid: str | None = field(metadata=_by(_text))
    type: str | None = field(metadata=_by(_text))


@dataclass(frozen=True)
class Release(_Row):
    """A release: one import of a package into a deployment (API Releases Get v4 [R]).

    ``active`` is true for the live release only: the API says ``true`` or ``null``, never false [R].
    """

    _WHAT = "The release"

    active: bool = field(metadata=_by(lambda value: value is True))
    package_uuid: str | None = field(
        metadata=_by(lambda value: canonical_uuid(_text(value) or "") or None, "packageUuid")
    )
    notes: str | None = field(metadata=_by(_text))
    deployment_id: int | None = field(metadata=_by(_id_of, "deployment"))
    created_at: pendulum.DateTime | None = field(metadata=_by(parse_time, "createdAt"))
    updated_at: pendulum.DateTime | None = field(metadata=_by(parse_time, "updatedAt"))
    deleted: bool = field(default=False, metadata=_by(bool, "deleted_at", "deletedAt"))

    @classmethod
    def of_deployment(
        cls, rows: Sequence[object], deployment_id: int, parsed: list[Release], *, deleted: bool
    ) -> list[Release]:
        """Build the releases of one deployment, newest first.

        :param rows: rows of a list, which may hold releases of other deployments too
        :param deployment_id: the deployment
        :param parsed: the first rows, if they were built before; the rest is added
        :param deleted: whether deleted releases are wanted too
        :raises UnexpectedResponseError: a row does not show its deployment, so it may belong to any
        """
        parsed += map(cls.from_json, rows[len(parsed) :])
        releases = [one for one in parsed if deleted or not one.deleted]
        homeless = [one.id for one in releases if one.deployment_id is None]
        if homeless:
            raise UnexpectedResponseError(
                f"GET /v4/releases does not show which deployment the releases {homeless[:5]} belong to."
            )
        own = [one for one in releases if one.deployment_id == deployment_id]
        return sorted(own, key=lambda one: one.id, reverse=True)

    @property
    def untouched(self) -> bool:
        """Whether it is unchanged since its import: its two times are the same [I]."""
        return self.created_at is not None and self.created_at == self.updated_at


@dataclass(frozen=True)
class ImportRule:
    """One import rule of a deployment (API Deployments Object / Value Import Rules Patch v4 [R]).

    :param rule: the rule itself, as it is sent to the API
    """

    id: int
    created_at: pendulum.DateTime | None
    rule: Mapping[str, Any]

    @classmethod
    def from_json(cls, body: object, keys: tuple[str, ...]) -> ImportRule:
        """Build it from an answer, as the other models are built.

        :param keys: the keys that make the rule
        """
        data = _object(body, "The import rule")
        rule = {key: data.get(key) for key in keys}
        return cls(_id(data, "The import rule"), parse_time(data.get("createdAt")), rule)


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
        data = _object(body, "The answer to the upload")
        flow_ids = data.get("primaryFlowIds")
        ids = [_optional_id(flow_id) for flow_id in flow_ids] if isinstance(flow_ids, list) else [None]
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
