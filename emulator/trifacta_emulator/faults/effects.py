"""Effects: what a fault does to a request. Each effect is a dataclass.

The JSON form of an effect has the same fields and ``type``: ``{"type": "answer", "status": 503}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any, Literal, get_args

from trifacta_emulator.checks import (
    build,
    check,
    check_choice,
    check_int,
    check_int_or_none,
    check_seconds,
)

When = Literal["before_body", "after_body", "after_commit"]
WaitWhen = Literal["before_body", "after_body", "in_import", "after_commit"]
ResetWhen = Literal["before_body", "in_body", "after_body", "after_commit"]
UuidAnswer = Literal["list", "read", "create"]

GATEWAY_PAGE = (
    "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
#: HTTP/1.1 has Latin-1 in headers.
_HEADER_TEXT = re.compile(r"[\x00-\xff]*")
_BODILESS = (204, 304)


@dataclass(frozen=True)
class Answer:
    """Answers in place of the API.

    With the header ``Connection: close`` the connection closes at once, even while the client is
    still sending. Otherwise the rest of the client's body is read and dropped.

    :param status: 200 to 599
    :param headers: headers of the answer, by name
    :param body: JSON value; ``None`` = the vendor's error body for a status from 400 on, and no
        body below
    :param html: an HTML page in place of the JSON. Such an answer comes from something in front of
        the API, so it has no ``x-trifacta-request-id``
    :param when: ``before_body`` = before the body is read; ``after_body`` = all is read, nothing is
        done; ``after_commit`` = the request is really handled, and its own answer is lost
    """

    status: int
    _: KW_ONLY
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    html: str | None = None
    when: When = "before_body"

    def __post_init__(self) -> None:
        check_int("status", self.status, 200, 599)
        check_choice("when", self.when, get_args(When))
        if self.html is not None:
            check(isinstance(self.html, str), f"html must be a string, not {self.html!r}")
            check(self.body is None, "give body or html, not both")
        if self.status in _BODILESS:
            empty = self.html is None and self.body is None
            check(empty, f"an answer with status {self.status} has no body")
        check(isinstance(self.headers, Mapping), f"headers must be an object, not {self.headers!r}")
        for name, text in self.headers.items():
            _check_header(name, text)

    @classmethod
    def too_many_requests(
        cls,
        retry_after: int | str | datetime | None = None,
        *,
        x_retry_after: int | str | None = None,
        when: When = "before_body",
    ) -> Answer:
        """Make the vendor's 429 [P: AAC25].

        :param retry_after: ``Retry-After``: seconds, a time (written as an HTTP date) or any text
        :param x_retry_after: ``x-retry-after``: seconds [P: AAC25], or any text
        :param when: see the class
        """
        headers = _retry_headers(retry_after)
        if x_retry_after is not None:
            headers["x-retry-after"] = str(x_retry_after)
        return cls(429, headers=headers, when=when)

    @classmethod
    def unavailable(
        cls, retry_after: int | str | datetime | None = None, *, when: When = "before_body"
    ) -> Answer:
        """Make a 503 of a proxy, as an HTML page.

        :param retry_after: ``Retry-After``: seconds, a time (written as an HTTP date) or any text
        :param when: see the class
        """
        headers = _retry_headers(retry_after)
        page = GATEWAY_PAGE.format("503 Service Temporarily Unavailable")
        return cls(503, headers=headers, html=page, when=when)

    @classmethod
    def gateway_timeout(cls, *, when: When = "after_commit") -> Answer:
        """Make a 504 of a proxy, as an HTML page. By default the request is handled first.

        :param when: see the class
        """
        page = GATEWAY_PAGE.format("504 Gateway Time-out")
        return cls(504, html=page, when=when)

    @classmethod
    def login_redirect(cls, location: str = "/login", *, when: When = "before_body") -> Answer:
        """Make a redirect to a login page, like single sign-on in front of the instance.

        :param location: target; the emulator serves a page at ``/login``, with status 200
        :param when: see the class
        """
        return cls(302, headers={"Location": location}, html="", when=when)


def _check_header(name: Any, text: Any) -> None:
    is_name = isinstance(name, str) and _HEADER_NAME.fullmatch(name)
    check(is_name, f"headers: not a header name: {name!r}")
    is_line = isinstance(text, str) and _HEADER_TEXT.fullmatch(text) and text.isprintable()
    check(is_line, f"headers: {name} must be one line of text, not {text!r}")
    check(
        name.lower() not in ("content-length", "transfer-encoding"),
        f"headers: the emulator sets {name}; use the effect truncate for an incomplete answer",
    )


@dataclass(frozen=True)
class Delay:
    """Delays a request, then handles it normally.

    :param seconds: longest time; releasing held requests ends it earlier
    :param when: ``before_body`` = before the body is read; ``after_body`` = after the body is read,
        so that the request is handled even if the client has gone; ``in_import`` = after the
        package of an upload is read, and before it is imported; ``after_commit`` = before the
        answer
    """

    seconds: float
    _: KW_ONLY
    when: WaitWhen = "before_body"

    def __post_init__(self) -> None:
        check_seconds("seconds", self.seconds)
        check_choice("when", self.when, get_args(WaitWhen))


@dataclass(frozen=True)
class Hold:
    """Holds a request until a test releases it, then handles it normally.

    :param when: see :class:`Delay`
    """

    when: WaitWhen = "before_body"

    def __post_init__(self) -> None:
        check_choice("when", self.when, get_args(WaitWhen))


@dataclass(frozen=True)
class Reset:
    """Resets the connection (RST) without an answer.

    :param when: ``before_body`` = after the headers; ``in_body`` = after a part of the body;
        ``after_body`` = all is read, nothing is done; ``after_commit`` = the request is really
        handled first
    :param after_bytes: for ``in_body``: after this number of bytes of the body, or at the end of a
        shorter body
    """

    when: ResetWhen = "before_body"
    _: KW_ONLY
    after_bytes: int | None = None

    def __post_init__(self) -> None:
        check_choice("when", self.when, get_args(ResetWhen))
        if self.when == "in_body":
            check_int("after_bytes", self.after_bytes, 1)
        else:
            check(self.after_bytes is None, "after_bytes needs when = in_body")


@dataclass(frozen=True)
class Truncate:
    """Handles the request and cuts the answer: less comes than ``Content-Length`` says.

    :param send_bytes: number of bytes of the body, always fewer than all; ``None`` = half. An
        answer without a body is not changed
    """

    send_bytes: int | None = None

    def __post_init__(self) -> None:
        check_int_or_none("send_bytes", self.send_bytes, 0)


@dataclass(frozen=True)
class PackageUuid:
    """Changes ``packageUuid`` of every release in an answer. Other kinds of requests never match.

    :param value: the new value; ``None`` = null
    :param absent: leave the key out instead
    :param answers: the answers to change: ``list`` (releases, and deployments with their releases
        or their ``latestRelease``), ``read`` (one release), ``create``
    """

    value: str | None = None
    _: KW_ONLY
    absent: bool = False
    answers: Sequence[UuidAnswer] = ("list", "read", "create")

    def __post_init__(self) -> None:
        if self.value is not None:
            check(isinstance(self.value, str), f"value must be a string, not {self.value!r}")
            check(not self.absent, "give value or absent, not both")
        check(isinstance(self.absent, bool), f"absent must be true or false, not {self.absent!r}")
        kinds = get_args(UuidAnswer)
        is_list = isinstance(self.answers, (list, tuple)) and bool(self.answers)
        check(is_list, f"answers must be a list of {', '.join(kinds)}, not {self.answers!r}")
        for answer in self.answers:
            check_choice("answers", answer, kinds)
        object.__setattr__(self, "answers", tuple(self.answers))


@dataclass(frozen=True)
class LateActivation:
    """Creates the release inactive; the active one stays active. Only uploads match.

    :param reads: number of answers with releases (lists and single releases) that still show it
        inactive. Then it becomes active. ``None`` = a test activates it
    """

    reads: int | None = None

    def __post_init__(self) -> None:
        check_int_or_none("reads", self.reads, 0)


@dataclass(frozen=True)
class LateCommit:
    """Answers an upload at once and handles it later, like a server that continues after its proxy
    gave up.

    Only uploads match. For an upload that never happens, use ``Answer`` or ``Reset`` with
    ``when="after_body"``.

    :param status: status of the answer, an HTML page of a proxy; ``None`` = a reset instead
    :param reads: number of lists of releases that do not show the release yet. Then it exists.
        ``None`` = a test commits it
    """

    status: int | None = 504
    _: KW_ONLY
    reads: int | None = None

    def __post_init__(self) -> None:
        check_int_or_none("status", self.status, 400, 599)
        check_int_or_none("reads", self.reads, 0)


Effect = Answer | Delay | Hold | Reset | Truncate | PackageUuid | LateActivation | LateCommit
#: Effects by their ``type`` in JSON.
EFFECTS: dict[str, type[Effect]] = {
    "answer": Answer,
    "delay": Delay,
    "hold": Hold,
    "reset": Reset,
    "truncate": Truncate,
    "package_uuid": PackageUuid,
    "late_activation": LateActivation,
    "late_commit": LateCommit,
}


def effect_from_json(document: Any) -> Effect:
    """Read the JSON form of an effect.

    :param document: an object with ``type`` and the fields of the effect
    :raises ValueError: it is no such object, or a field is wrong
    """
    check(isinstance(document, dict), f"effect must be an object, not {document!r}")
    arguments = dict(document)
    name = arguments.pop("type", None)
    check_choice("effect.type", name, tuple(EFFECTS))
    try:
        return build(EFFECTS[name], arguments)
    except ValueError as error:
        raise ValueError(f"effect {name}: {error}") from error


def effect_to_json(effect: Effect) -> dict[str, Any]:
    """Write the JSON form of an effect, with all its fields.

    :param effect: the effect
    """
    document: dict[str, Any] = {}
    for name, kind in EFFECTS.items():
        if type(effect) is kind:
            document["type"] = name
    for argument in fields(effect):
        document[argument.name] = getattr(effect, argument.name)
    return document


def _retry_headers(retry_after: int | str | datetime | None) -> dict[str, str]:
    if retry_after is None:
        return {}
    if isinstance(retry_after, datetime):
        moment = retry_after.astimezone(timezone.utc)
        return {"Retry-After": format_datetime(moment, usegmt=True)}
    return {"Retry-After": str(retry_after)}
