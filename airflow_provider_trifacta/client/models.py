"""Typed results of the API.

Fields that are not listed here are ignored, so newer servers do no harm.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import pendulum

from .errors import UnexpectedResponseError
from .texts import shown

Row = TypeVar("Row", bound="_Row")
_LARGEST_ID = 10**30  # Python does not write very large numbers
#: Characters of a time; the parser is slow with long texts.
_LONGEST_TIME = 64
_INNER_CAPITAL = re.compile(r"(?<=.)(?=[A-Z])")
#: A package is exported at least this long before its import.
_SHORTEST_TRIP = timedelta(seconds=1)
#: The states of a job group that has not ended.
RUNNING = ("Created", "Pending", "InProgress")


def object_of(value: object, what: str) -> Mapping[str, Any]:
    """Return a JSON object.

    :raises UnexpectedResponseError: the value is of another type
    """
    if not isinstance(value, Mapping):
        raise UnexpectedResponseError(f"{what} is not a JSON object but {type(value).__name__}.")
    return value


def within(body: object, *keys: str) -> Mapping[str, Any]:
    """Return an object of an answer, by the way to it; an empty one if it is not there."""
    for key in keys:
        body = body.get(key) if isinstance(body, Mapping) else None
    return body if isinstance(body, Mapping) else {}


def rows_within(body: object, key: str) -> list[Mapping[str, Any]]:
    """Return the objects of a list in an answer; what is not an object is left out."""
    rows = within(body).get(key)
    if not isinstance(rows, list):
        return []
    return [row for row in rows if isinstance(row, Mapping)]


def _id(data: Mapping[str, Any], what: str) -> int:
    given = data.get("id")
    known = optional_id(given)
    if known is None:
        raise UnexpectedResponseError(
            f"{what}'s id is {shown(repr(given))}, not a positive integer."
        )
    return known


def optional_id(value: object) -> int | None:
    """Return an id; None for what is not an id."""
    # bool is an int to Python, and an id of True would travel far before a reader noticed it.
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value < _LARGEST_ID else None


def _id_of(value: object) -> int | None:
    return optional_id(within(value).get("id"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _name(value: object) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("name")
    return _text(value)


def _message(value: object) -> str | None:
    message = within(value).get("message") or value  # an object in some releases
    if isinstance(message, str):
        return message
    return json.dumps(message, default=str) if message else None


def _id_of_flow_within(value: object) -> int | None:
    return _id_of(within(value, "flow"))


def _is_true(value: object) -> bool:
    return value is True


def _is_false(value: object) -> bool:
    return value is False


def _uuid(value: object) -> str | None:
    return canonical_uuid(_text(value) or "") or None


def canonical_uuid(text: str) -> str:
    """Return a UUID in its usual spelling. Any other text stays as it is."""
    try:
        return str(UUID(text))
    except ValueError:
        return text


def uuid_time(text: str | None) -> pendulum.DateTime | None:
    """Return the time of the export, which a version-1 uuid carries; None for any other text."""
    try:
        uuid = UUID(text or "")
    except ValueError:
        return None
    if uuid.version != 1:
        return None
    # Counted in tenths of a microsecond from the beginning of the Gregorian calendar.
    return pendulum.datetime(1582, 10, 15).add(microseconds=uuid.time // 10)


def comment_of(text: str | None) -> str | None:
    """Return the comment of a package, if any.

    7.6 writes ``undefined`` for none [P], and a template ``None``.
    """
    words = (text or "").strip()
    return None if words in ("", "None", "undefined") else words


def parse_time(value: object) -> pendulum.DateTime | None:
    """Read a time of the API (ISO 8601), as UTC if it has no zone; None for any other value."""
    if not isinstance(value, str) or len(value) > _LONGEST_TIME:
        return None
    parsed: object = None
    with suppress(Exception):  # the parser raises many kinds of errors for odd texts
        parsed = pendulum.parse(value)
    return parsed if isinstance(parsed, pendulum.DateTime) else None


def _by(reader: Callable[[Any], Any], *keys: str) -> Mapping[str, Any]:
    """Say how a field is read from an answer.

    :param reader: makes its value
    :param keys: where it is, if not under its own name; the first filled one counts
    """
    return {"reader": reader, "keys": keys}


_TEXT = _by(_text)
_CREATED_AT = _by(parse_time, "createdAt")
_UPDATED_AT = _by(parse_time, "updatedAt")


@dataclass(frozen=True)
class _Row:
    """A row of an answer. It has an id; each other field says how it is read.

    Errors call it by the class's name.
    """

    id: int

    @classmethod
    def from_json(cls: type[Row], body: object) -> Row:
        """Build it from a JSON value.

        :param body: the value
        :raises UnexpectedResponseError: the value is not an object with an integer id
        """
        what = f"The {_INNER_CAPITAL.sub(' ', cls.__name__).lower()}"
        data = object_of(body, what)
        known: dict[str, Any] = {"id": _id(data, what)}
        for model_field in fields(cls)[1:]:
            keys = model_field.metadata["keys"] or (model_field.name,)
            read = model_field.metadata["reader"]
            known[model_field.name] = read(_first_filled(data, keys))
        return cls(**known)


def _first_filled(data: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """Return the first entry that holds something; that of the first key if none does."""
    for key in keys:
        if data.get(key):
            return data[key]
    return data.get(keys[0])


def size_of_texts(row: _Row) -> int:
    """Return the bytes of memory that the texts of a row take."""
    size = 0
    for value in vars(row).values():
        if isinstance(value, str):
            size += sys.getsizeof(value)
    return size


@dataclass(frozen=True)
class Person(_Row):
    """A user. https://api.trifacta.com -> people [R]."""

    email: str | None = field(metadata=_TEXT)


@dataclass(frozen=True)
class Deployment(_Row):
    """A deployment: the container of a flow's releases (API Deployments Get List v4 [R])."""

    name: str | None = field(metadata=_TEXT)
    created_at: pendulum.DateTime | None = field(metadata=_CREATED_AT)
    updated_at: pendulum.DateTime | None = field(metadata=_UPDATED_AT)


@dataclass(frozen=True)
class Flow(_Row):
    """A flow: what people design, and what a package is exported from (API Flows Get v4 [R])."""

    name: str | None = field(metadata=_TEXT)
    description: str | None = field(metadata=_TEXT)
    created_at: pendulum.DateTime | None = field(metadata=_CREATED_AT)
    updated_at: pendulum.DateTime | None = field(metadata=_UPDATED_AT)


@dataclass(frozen=True)
class Recipe(_Row):
    """A recipe of a flow, which the API calls a wrangled dataset. Its id is what a job group runs
    [P].

    The name is the row's own [P], or that of its embedded ``recipe`` object [P].
    """

    name: str | None = field(metadata=_by(_name, "name", "recipe"))
    flow_id: int | None = field(metadata=_by(_id_of, "flow"))
    #: Whether it is an imported dataset instead. Both are in one list.
    imported: bool = field(metadata=_by(_is_false, "wrangled"))


@dataclass(frozen=True)
class Job(_Row):
    """A job: one step of a job group (API JobGroups Get Jobs v4 [R])."""

    status: str | None = field(metadata=_TEXT)
    type: str | None = field(metadata=_by(_text, "jobType"))
    message: str | None = field(metadata=_by(_message, "errorMessage"))


@dataclass(frozen=True)
class JobGroup(_Row):
    """A job group: what a run starts for one output (API JobGroups Get v4 [R])."""

    status: str | None = field(metadata=_TEXT)
    created_at: pendulum.DateTime | None = field(metadata=_CREATED_AT)
    creator_id: int | None = field(metadata=_by(_id_of, "creator"))
    recipe_id: int | None = field(metadata=_by(_id_of, "wrangledDataset"))
    flow_id: int | None = field(metadata=_by(_id_of_flow_within, "wrangledDataset"))
    flow_run_id: int | None = field(metadata=_by(_id_of, "flowrun", "flowRun"))


@dataclass(frozen=True)
class Connection(_Row):
    """A connection of the instance, without its credentials. https://api.trifacta.com ->
    connections [R].
    """

    name: str | None = field(metadata=_TEXT)
    uuid: str | None = field(metadata=_TEXT)
    type: str | None = field(metadata=_TEXT)


@dataclass(frozen=True)
class Release(_Row):
    """A release: one import of a package into a deployment (API Releases Get v4 [R]).

    ``active`` is true for the live release only: the API says ``true`` or ``null``, never false
    [R].
    """

    active: bool = field(metadata=_by(_is_true))
    package_uuid: str | None = field(metadata=_by(_uuid, "packageUuid"))
    notes: str | None = field(metadata=_TEXT)
    deployment_id: int | None = field(metadata=_by(_id_of, "deployment"))
    created_at: pendulum.DateTime | None = field(metadata=_CREATED_AT)
    updated_at: pendulum.DateTime | None = field(metadata=_UPDATED_AT)
    deleted: bool = field(default=False, metadata=_by(bool, "deleted_at", "deletedAt"))

    @property
    def exported_at(self) -> pendulum.DateTime | None:
        """When its package was exported; None if its uuid does not show that.

        An instance may give a release an uuid of its own, which carries the time of the import. So
        an uuid counts only if its time is more than a second before the import.
        """
        time = uuid_time(self.package_uuid)
        if time is None or self.created_at is None:
            return None
        return time if self.created_at - time > _SHORTEST_TRIP else None

    @property
    def untouched(self) -> bool:
        """Whether it is unchanged since its import: its two times are the same [I]."""
        return self.created_at is not None and self.created_at == self.updated_at


def newest_of(releases: Iterable[Release]) -> Release | None:
    """Return the release with the highest id, None if there is none."""
    return max(releases, key=lambda release: release.id, default=None)


def live_of(releases: Iterable[Release]) -> Release | None:
    """Return the live release; the newest, if a server shows several. None if none is live."""
    return newest_of([release for release in releases if release.active])


def shows_live(releases: Iterable[Release]) -> bool:
    """Tell whether a list was read far enough to know its newest and its live release."""
    return any(release.active for release in releases)


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

        :param body: the answer
        :param keys: the keys that make the rule
        """
        data = object_of(body, "The import rule")
        rule = {key: data.get(key) for key in keys}
        return cls(_id(data, "The import rule"), parse_time(data.get("createdAt")), rule)
