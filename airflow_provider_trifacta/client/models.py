"""Typed results of the API. Fields that are not listed here are ignored, so newer servers do no harm."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pendulum

from .errors import UnexpectedResponseError
from .texts import shown


def _object(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UnexpectedResponseError(f"{what} is not a JSON object but {type(value).__name__}.")
    return value


#: No id is larger, and Python does not write very large numbers.
_LARGEST_ID = 10**30


def _id(value: object, what: str) -> int:
    known = _optional_id(value)
    if known is None:
        raise UnexpectedResponseError(f"{what} is {shown(repr(value))}, not a positive integer.")
    return known


def _optional_id(value: object) -> int | None:
    # bool is an int to Python, and an id of True would travel far before anyone noticed.
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LARGEST_ID
    return value if usable and isinstance(value, int) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def canonical_uuid(text: str) -> str:
    """Spell a UUID in one way; another text stays as it is."""
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
    """Return the comment of a package, None for what is no comment.

    ``undefined`` is what 7.6 writes into a package without one, and ``None`` what a template makes of no value.
    """
    words = (text or "").strip()
    return None if words in ("", "None", "undefined") else words


def exported_before(package: str, other: str | None) -> bool:
    """Compare two version-1 uuids by the export times that they carry; others do not compare."""
    first, second = uuid_time(package), uuid_time(other)
    return first is not None and second is not None and first < second


#: Characters of a time; the parser is slow with long texts.
_LONGEST_TIME = 64


def parse_time(value: object) -> pendulum.DateTime | None:
    """Read a time of the API (ISO 8601); times without a zone are UTC.

    :returns: a timezone-aware time, or None where there is no readable one
    """
    if not isinstance(value, str) or len(value) > _LONGEST_TIME:
        return None
    try:
        parsed = pendulum.parse(value)
    except Exception:  # whatever the parser raises for odd texts
        return None
    return parsed if isinstance(parsed, pendulum.DateTime) else None


@dataclass(frozen=True)
class Person:
    """A user. https://api.trifacta.com -> people."""

    id: int
    email: str | None

    @classmethod
    def from_json(cls, body: object) -> Person:
        """Build it from an answer; raises :class:`.UnexpectedResponseError` without an integer id."""
        data = _object(body, "The person")
        return cls(id=_id(data.get("id"), "The person's id"), email=_text(data.get("email")))


@dataclass(frozen=True)
class Deployment:
    """A deployment: the container of a flow's releases (API Deployments Get List v4)."""

    id: int
    name: str | None
    created_at: pendulum.DateTime | None
    updated_at: pendulum.DateTime | None

    @classmethod
    def from_json(cls, body: object) -> Deployment:
        """Build it from an answer; raises :class:`.UnexpectedResponseError` without an integer id."""
        data = _object(body, "The deployment")
        return cls(
            id=_id(data.get("id"), "The deployment's id"),
            name=_text(data.get("name")),
            created_at=parse_time(data.get("createdAt")),
            updated_at=parse_time(data.get("updatedAt")),
        )


@dataclass(frozen=True)
class Release:
    """A release: one import of a package into a deployment (API Releases Get v4).

    ``active`` is true for the live release only: the API says ``true`` or ``null``, never false.
    """

    id: int
    active: bool
    package_uuid: str | None
    notes: str | None
    deployment_id: int | None
    created_at: pendulum.DateTime | None
    updated_at: pendulum.DateTime | None
    deleted: bool = False

    @classmethod
    def from_json(cls, body: object) -> Release:
        """Build it from an answer; raises :class:`.UnexpectedResponseError` without an integer id."""
        data = _object(body, "The release")
        deployment = data.get("deployment")
        return cls(
            id=_id(data.get("id"), "The release's id"),
            active=data.get("active") is True,
            package_uuid=canonical_uuid(_text(data.get("packageUuid")) or "") or None,
            notes=_text(data.get("notes")),
            deployment_id=_optional_id(deployment.get("id")) if isinstance(deployment, Mapping) else None,
            created_at=parse_time(data.get("createdAt")),
            updated_at=parse_time(data.get("updatedAt")),
            deleted=bool(data.get("deleted_at") or data.get("deletedAt")),
        )

    @property
    def untouched(self) -> bool:
        """Whether nobody changed it since its import: its times are the same (inferred, not documented)."""
        return self.created_at is not None and self.created_at == self.updated_at


#: The states of a job group that has not ended.
RUNNING = ("Created", "Pending", "InProgress")


@dataclass(frozen=True)
class JobGroup:
    """A job group: what a run starts for one output (API JobGroups Get v4)."""

    id: int
    status: str | None
    created_at: pendulum.DateTime | None

    @classmethod
    def from_json(cls, body: object) -> JobGroup:
        """Build it from an answer; raises :class:`.UnexpectedResponseError` without an integer id."""
        data = _object(body, "The job group")
        return cls(
            id=_id(data.get("id"), "The job group's id"),
            status=_text(data.get("status")),
            created_at=parse_time(data.get("createdAt")),
        )


@dataclass(frozen=True)
class Connection:
    """A connection of the instance, without its credentials. https://api.trifacta.com -> connections."""

    id: int
    name: str | None
    uuid: str | None
    type: str | None

    @classmethod
    def from_json(cls, body: object) -> Connection:
        """Build it from an answer; raises :class:`.UnexpectedResponseError` without an integer id."""
        data = _object(body, "The connection")
        return cls(
            id=_id(data.get("id"), "The connection's id"),
            name=_text(data.get("name")),
            uuid=_text(data.get("uuid")),
            type=_text(data.get("type")),
        )


@dataclass(frozen=True)
class ImportRule:
    """One import rule of a deployment (API Deployments Object / Value Import Rules Patch v4).

    ``rule`` is the rule itself, as it is sent to the API.
    """

    id: int
    created_at: pendulum.DateTime | None
    rule: Mapping[str, Any]

    @classmethod
    def from_json(cls, body: object, keys: tuple[str, ...]) -> ImportRule:
        """Build it from an answer; raises :class:`.UnexpectedResponseError` without an integer id.

        :param keys: the keys that make the rule
        """
        data = _object(body, "The import rule")
        return cls(
            id=_id(data.get("id"), "The import rule's id"),
            created_at=parse_time(data.get("createdAt")),
            rule={key: data.get(key) for key in keys},
        )


@dataclass(frozen=True)
class ImportResult:
    """What an import made (API Releases Create v4).

    ``primary_flow_ids`` are the new flows' ids in this instance, never the ids inside the package; None when the
    answer did not tell them. ``deleted_objects`` is what the import left out, as the API gave it.
    """

    release: Release
    primary_flow_ids: list[int] | None
    deleted_objects: object

    @classmethod
    def from_json(cls, body: object) -> ImportResult:
        """Build it from the answer to a create; raises :class:`.UnexpectedResponseError` without a release id.

        The release id alone is indispensable: the release is live by now, and an answer that lacks anything else
        must not hide its id.
        """
        data = _object(body, "The answer to the upload")
        flow_ids = data.get("primaryFlowIds")
        ids = [_optional_id(flow_id) for flow_id in flow_ids] if isinstance(flow_ids, list) else [None]
        known = [flow_id for flow_id in ids if flow_id is not None]
        return cls(
            release=Release.from_json(data.get("release")),
            primary_flow_ids=known if len(known) == len(ids) else None,
            deleted_objects=data.get("deletedObjects"),
        )

    @property
    def dropped(self) -> dict[str, Any]:
        """The parts of ``deleted_objects`` that hold something; empty when the import kept everything.

        The page only shows an empty object, so any filled leaf at any depth counts.
        """
        return dropped_objects(self.deleted_objects)


def dropped_objects(deleted: object) -> dict[str, Any]:
    """Return the parts of ``deletedObjects`` that hold something."""
    named = deleted if isinstance(deleted, Mapping) else {"deletedObjects": deleted}
    return {str(kind): value for kind, value in named.items() if _holds_something(value)}


#: How many dropped objects are kept for a retry.
_DROPPED_KEPT = 20


def first_dropped(dropped: Mapping[str, Any]) -> dict[str, Any]:
    """Return the beginning of what an import dropped, small enough to be kept; empty where nothing was.

    :param dropped: what :func:`dropped_objects` returned
    """
    objects = [
        f"{shown(kind)}: {shown(_as_text(one))}"
        for kind, value in dropped.items()
        for one in (value if isinstance(value, list) else [value])
        if _holds_something(one)
    ]
    return {"count": len(objects), "objects": objects[:_DROPPED_KEPT]} if objects else {}


def _as_text(value: object) -> str:
    try:
        return json.dumps(value, default=str)
    except RecursionError:
        return f"a {type(value).__name__} that is nested too deep to be shown"


def _holds_something(value: object) -> bool:
    """Tell whether there is a filled leaf at any depth. Not recursive: a server decides about the depth."""
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
