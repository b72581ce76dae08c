"""What was seen: the answers of an instance, and reasons where there is none. No text of an answer
leaves this module.

What leaves is a boolean, a number of a closed set, or a word that the vendor's documents have. What
leaves of the instance's own words is for :mod:`.structure` to choose.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from operator import getitem
from typing import Any, NamedTuple

from .package import Package
from .structure import SafeWords, followed

_WORDS = """
active count createdAt createdObjectMapping creator data datasources deleted deletedObjects
deleted_at deployment description details exception field flowName flownodes flowedges flows id
importRuleChanges latestRelease message name newValue notes numReleases object oldValue on
onCondition outputobjects packageUuid primaryFlowIds recipes release rule tableName type updatedAt
updater value webhookflowtasks with withCondition
"""
#: Names of fields that a report may hold.
WORDS = frozenset(_WORDS.split())
#: Fields whose texts people wrote, and fields whose names are the vendor's.
_WRITTEN = frozenset(("comment", "description", "email", "flowName", "name", "notes", "title"))
_OF_VENDOR = frozenset(("authorizationRoles", "exception", "maximalPrivileges"))
#: An id in a path.
_ID = re.compile(r"\{[^}]*\}|(?<=/):\w+")
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?")


class NotTestedError(Exception):
    """The answers do not show an item. The text says why, in words of this package alone."""


def need(condition: Any, why: str) -> Any:
    """Return what an item needs, such as a list that is not empty.

    :param condition: the object, or whether a condition holds
    :param why: why the item is not tested without it
    :raises NotTestedError: it is empty or false
    """
    if not condition:
        raise NotTestedError(why)
    return condition


class Answer(NamedTuple):
    """An answer of the instance.

    :param status: HTTP status
    :param body: its JSON; None if it is not JSON
    :param is_json: whether it is
    :param is_page: whether it is a page for people, as of a proxy
    :param has_request_id: whether it has the vendor's header of that name
    """

    status: int
    body: Any
    is_json: bool
    is_page: bool
    has_request_id: bool

    @property
    def by_api(self) -> bool:
        """Whether the API gave it: an error of what is in front of it has no ``exception``."""
        if self.is_page:
            return False
        return self.status < 400 or self._has_exception

    @property
    def refused(self) -> bool:
        """Whether it says no, by its status or in its body."""
        return self.status >= 400 or self._has_exception

    @property
    def _has_exception(self) -> bool:
        return isinstance(self.body, Mapping) and "exception" in self.body


@dataclass
class Answers:
    """All answers by the keys of their calls.

    :param by_token: whether the connection has an access token in place of a password
    :param seen: the answers
    :param missing: why there is no answer
    :param package: the package that releases were made of
    :param names: names that the probe knows of before it asks: the host, the user
    """

    by_token: bool
    seen: dict[str, Answer] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    package: Package | None = None
    names: frozenset[str] = frozenset()

    @property
    def safe_words(self) -> SafeWords:
        """Lets words of the instance's description pass, but none that names something there."""
        answers = dict(self.seen)
        answers.pop("spec", None)
        written = _written_in([answer.body for answer in answers.values()])
        return SafeWords(self.names | written, WORDS)

    @property
    def product(self) -> tuple[int, int, int] | None:
        """The release of the instance, as its description tells."""
        version = None
        with suppress(LookupError, TypeError):
            version = _VERSION.match(self.seen["spec"].body["info"]["version"])
        if not version:
            return None
        major, minor, patch = version.groups(default="0")
        return int(major), int(minor), int(patch)

    def __getitem__(self, key: str) -> Answer:
        need(key in self.seen, self.missing.get(key, "stopped before"))
        return self.seen[key]

    def body(self, key: str, *way: str | int) -> Any:
        """Return the JSON of a success, or the part of it at the end of a way."""
        answer = self[key]
        need(not answer.refused, f"HTTP {answer.status}")
        return reduce(getitem, way, answer.body)

    def rows(self, key: str) -> list[Mapping[str, Any]]:
        """Return the rows of a list."""
        rows = self.body(key)["data"]
        return [row for row in rows if isinstance(row, Mapping)]

    def by_status(self, key: str, meaning: Mapping[int, Any]) -> Any:
        """Return what the status of an answer means. Other statuses say nothing."""
        status = self[key].status
        need(status in meaning, f"HTTP {status}")
        return meaning[status]

    def allowed(self, key: str) -> bool:
        """Tell whether a request was accepted.

        A server that fails or asks for patience has not decided.
        """
        answer = self[key]
        is_decided = answer.status < 500 and answer.status not in (401, 429)
        need(is_decided, f"HTTP {answer.status}")
        return not answer.refused


def shape(entity: Mapping[str, Any] | None) -> str:
    """Return the names of an object's fields, as far as documents have them."""
    fields = set(entity or ())  # a body may be empty
    names = sorted(WORDS & fields)
    if fields - WORDS:
        names.append("other")
    return " ".join(names)


def of_spec(answers: Answers, method: str, path: str, *keys: str) -> Any:
    """Look at an operation of the instance's own description.

    :param answers: all answers
    :param method: the operation's method
    :param path: its path below ``/v4``
    :param keys: the way from the operation to what is wanted; references are followed
    :returns: what is there
    :raises NotTestedError: the description does not say it
    """
    spec = answers.body("spec")
    part: Any = spec["paths"]
    try:
        for key in (_place_of(path, part), method, *keys):
            part = followed(part[key], spec)
    except (LookupError, TypeError):
        raise NotTestedError("not in open-api-spec") from None
    return part


def parameters_of(answers: Answers, method: str, path: str) -> list[Mapping[str, Any]]:
    """Return the parameters of an operation, with those of all operations of its path.

    :param answers: all answers
    :param method: the operation's method
    :param path: its path below ``/v4``
    :raises NotTestedError: the description has no such operation
    """
    spec = answers.body("spec")
    operation = of_spec(answers, method, path)
    paths = spec["paths"]
    of_path = paths[_place_of(path, paths)].get("parameters", [])
    of_operation = operation.get("parameters", ())
    return [followed(parameter, spec) for parameter in (*of_path, *of_operation)]


def _place_of(path: str, paths: Mapping[str, Any]) -> str:
    """Find a path of the description: it may lack the ``/v4``, and name its ids in another way."""
    wanted = _plain(path)
    for place in paths:
        if _plain(place) == wanted:
            return place
    return path


def _plain(path: str) -> str:
    return _ID.sub("{}", path).removeprefix("/v4").rstrip("/").lower()


def _written_in(bodies: list[Any]) -> set[str]:
    """Return the texts that people wrote, in lower case, and the names of their addresses."""
    written: set[str] = set()
    unread = list(bodies)
    while unread:
        part = unread.pop()
        if isinstance(part, list):
            unread += part
        elif isinstance(part, Mapping):
            for name, value in part.items():
                if name not in _OF_VENDOR:
                    unread.append(value)
                if name in _WRITTEN and isinstance(value, str):
                    text = value.lower()
                    user, _, _ = text.partition("@")
                    written |= {text, user}
    return written
