"""
What a fault does to a request: one dataclass per effect, the same in Python and as JSON.

The JSON form has the fields of the dataclass and ``type``: ``{"type": "answer", "status": 503}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any, Literal, get_args

from trifacta_emulator.checks import check, check_choice, check_int, check_seconds

When = Literal["before_body", "after_body", "after_commit"]
ResetWhen = Literal["before_body", "in_body", "after_body", "after_commit"]
UuidAnswer = Literal["list", "read", "create"]

GATEWAY_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_BODILESS = (204, 304)


@dataclass(frozen=True)
class Answer:
    """
    Answers in place of the API, or in place of the API's own answer.

    With ``{"Connection": "close"}`` among the headers the connection is closed at once, also on a client that
    is still sending; otherwise the rest of its body is read and dropped.

    :param status: 200 to 599.
    :param headers: of the answer, by name.
    :param body: JSON value; ``None`` = the vendor's error body from 400 on, and none below.
    :param html: an HTML page in place of the JSON. Such an answer comes from something in front of the API:
        it has no ``x-trifacta-request-id``.
    :param when: ``before_body``: before anything of the body is read; ``after_body``: all is read, nothing is
        done; ``after_commit``: the request is really handled, and its own answer is lost.
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
        check(self.html is None or isinstance(self.html, str), f"html must be a string, not {self.html!r}")
        check(self.html is None or self.body is None, "body and html exclude each other")
        has_body = self.html is not None or self.body is not None
        check(not (has_body and self.status in _BODILESS), f"an answer with status {self.status} has no body")
        check(isinstance(self.headers, Mapping), f"headers must be an object, not {self.headers!r}")
        for name, value in self.headers.items():
            check(isinstance(name, str) and _HEADER_NAME.fullmatch(name), f"headers: no name of a header: {name!r}")
            check(
                isinstance(value, str) and value.isprintable() and max(value, default="") <= "\xff",
                f"headers: {name} must be one line of text, not {value!r}",
            )
            check(
                name.lower() not in ("content-length", "transfer-encoding"),
                f"headers: {name} is set by the emulator; an answer that breaks off is the effect truncate",
            )

    @classmethod
    def too_many_requests(
        cls,
        retry_after: int | str | datetime | None = None,
        *,
        x_retry_after: int | str | None = None,
        when: When = "before_body",
    ) -> Answer:
        """
        Make the vendor's 429 [P: AAC25].

        :param retry_after: ``Retry-After``: seconds, a time (written as an HTTP date) or any text.
        :param x_retry_after: ``x-retry-after``: seconds [P: AAC25], or any text.
        :param when: see the class.
        """
        headers = _retry_headers(retry_after)
        if x_retry_after is not None:
            headers["x-retry-after"] = str(x_retry_after)
        return cls(429, headers=headers, when=when)

    @classmethod
    def unavailable(cls, retry_after: int | str | datetime | None = None, *, when: When = "before_body") -> Answer:
        """
        Make a 503 of a proxy, as an HTML page.

        :param retry_after: ``Retry-After``: seconds, a time (written as an HTTP date) or any text.
        :param when: see the class.
        """
        page = GATEWAY_PAGE.format("503 Service Temporarily Unavailable")
        return cls(503, headers=_retry_headers(retry_after), html=page, when=when)

    @classmethod
    def gateway_timeout(cls, *, when: When = "after_commit") -> Answer:
        """
        Make a 504 of a proxy, as an HTML page; by default after the request was handled.

        :param when: see the class.
        """
        return cls(504, html=GATEWAY_PAGE.format("504 Gateway Time-out"), when=when)

    @classmethod
    def login_redirect(cls, location: str = "/login", *, when: When = "before_body") -> Answer:
        """
        Make a redirect to a login page, as single sign-on in front of the instance does.

        :param location: where to; the emulator serves a page at ``/login``, with status 200.
        :param when: see the class.
        """
        return cls(302, headers={"Location": location}, html="", when=when)


@dataclass(frozen=True)
class Delay:
    """
    Lets a request wait, then goes on as if nothing had been.

    :param seconds: how long, at most: releasing what is held ends it earlier.
    :param when: ``before_body``: before the body is read; ``after_body``: with all of the body read, so that the
        request is handled even when the client has gone; ``after_commit``: before the answer.
    """

    seconds: float
    _: KW_ONLY
    when: When = "before_body"

    def __post_init__(self) -> None:
        check_seconds("seconds", self.seconds)
        check_choice("when", self.when, get_args(When))


@dataclass(frozen=True)
class Hold:
    """
    Lets a request wait until it is released, then goes on as if nothing had been.

    :param when: as for :class:`Delay`.
    """

    when: When = "before_body"

    def __post_init__(self) -> None:
        check_choice("when", self.when, get_args(When))


@dataclass(frozen=True)
class Reset:
    """
    Resets the connection (RST) without an answer.

    :param when: ``before_body``: after the headers; ``in_body``: after some of the body; ``after_body``: all is
        read, nothing is done; ``after_commit``: the request is really handled first.
    :param after_bytes: for ``in_body``: once at least so many bytes of the body have arrived, or all of a
        shorter one.
    """

    when: ResetWhen = "before_body"
    _: KW_ONLY
    after_bytes: int | None = None

    def __post_init__(self) -> None:
        check_choice("when", self.when, get_args(ResetWhen))
        if self.when == "in_body":
            check_int("after_bytes", self.after_bytes, 1)
        else:
            check(self.after_bytes is None, "after_bytes goes with when = in_body only")


@dataclass(frozen=True)
class Truncate:
    """
    Handles the request and breaks the answer off: ``Content-Length`` says more than comes.

    :param send_bytes: so much of the body, always less than all; ``None`` = half. An answer without a body is
        left alone.
    """

    send_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.send_bytes is not None:
            check_int("send_bytes", self.send_bytes, 0)


@dataclass(frozen=True)
class PackageUuid:
    """
    Changes ``packageUuid`` of every release in an answer. Requests of other kinds never match.

    :param value: what it shows instead; ``None`` = null.
    :param absent: the key is left out instead.
    :param answers: in which answers: ``list`` (of releases; deployments with their releases or their
        ``latestRelease``), ``read`` (of one release), ``create``.
    """

    value: str | None = None
    _: KW_ONLY
    absent: bool = False
    answers: Sequence[UuidAnswer] = ("list", "read", "create")

    def __post_init__(self) -> None:
        check(self.value is None or isinstance(self.value, str), f"value must be a string, not {self.value!r}")
        check(isinstance(self.absent, bool), f"absent must be true or false, not {self.absent!r}")
        check(not self.absent or self.value is None, "value and absent exclude each other")
        valid = isinstance(self.answers, (list, tuple)) and self.answers
        check(valid, f"answers must be a list of {', '.join(get_args(UuidAnswer))}, not {self.answers!r}")
        for answer in self.answers:
            check_choice("answers", answer, get_args(UuidAnswer))
        object.__setattr__(self, "answers", tuple(self.answers))


@dataclass(frozen=True)
class LateActivation:
    """
    Creates the release inactive; the one that was active stays so. Only uploads match.

    :param reads: so many further answers with releases (lists and single ones) still show it inactive, then
        it is active; ``None`` = only when the emulator is told.
    """

    reads: int | None = None

    def __post_init__(self) -> None:
        if self.reads is not None:
            check_int("reads", self.reads, 0)


@dataclass(frozen=True)
class LateCommit:
    """
    Answers an upload at once and handles it later, like a server that goes on after its proxy gave up. Only
    uploads match.

    For an upload that is lost for good, take ``Answer`` or ``Reset`` with ``when="after_body"``.

    :param status: of the answer, an HTML page of a proxy; ``None`` = a reset instead.
    :param reads: so many further lists of releases do not show the release, then it is there; ``None`` = only
        when the emulator is told.
    """

    status: int | None = 504
    _: KW_ONLY
    reads: int | None = None

    def __post_init__(self) -> None:
        if self.status is not None:
            check_int("status", self.status, 400, 599)
        if self.reads is not None:
            check_int("reads", self.reads, 0)


Effect = Answer | Delay | Hold | Reset | Truncate | PackageUuid | LateActivation | LateCommit


def _retry_headers(value: int | str | datetime | None) -> dict[str, str]:
    if value is None:
        return {}
    if isinstance(value, datetime):
        value = format_datetime(value.astimezone(timezone.utc), usegmt=True)
    return {"Retry-After": str(value)}
