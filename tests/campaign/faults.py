"""What may go wrong, one class or function for each kind."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from campaign import hits
from campaign.hits import Hit, Real
from campaign.people import act, promote_too
from campaign.project import Answer, Reset, Truncate
from campaign.wire import Call

if TYPE_CHECKING:
    from campaign.world import World


def _any(call: Call) -> bool:
    return True


def _writes(call: Call) -> bool:
    return call.writes


def _uploads(call: Call) -> bool:
    return call.uploads


def _posts(call: Call) -> bool:
    return call.method != "GET"


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    :param hit: what happens to the request; None where only ``before`` does
    :param fits: which requests it can hit
    :param before: what happens before the request, once
    :param again: whether it may hit several requests
    """

    hit: Hit | None = None
    fits: Callable[[Call], bool] = _any
    before: Callable[[World, Call, random.Random], None] | None = None
    again: bool = True


def _api_error(chance: random.Random, when: Any) -> Any:
    """Return a 5xx in the API's own form; it may echo what it was sent."""
    status, wait = (
        chance.choice([500, 502, 503, 504]),
        chance.choice([{}, {}, {"Retry-After": "7"}]),
    )
    said = (
        "Internal error for admin@example.com:campaign-secret-7f3a"
        if chance.random() < 0.3
        else "Internal error"
    )
    body = {"exception": {"name": "InternalError", "message": said, "details": said}}
    return Answer(status, headers=wait, body=body, when=when)


def _of_a_gateway(chance: random.Random, statuses: list[int], when: Any) -> Any:
    """Return what a gateway says in place of the API: a page, a text, JSON of its own,
    or nothing.
    """
    status, headers = chance.choice(statuses), chance.choice([{}, {}, {"Retry-After": "5"}])
    form = chance.choice(["HTML", "text", "JSON", "nothing"])
    if form == "JSON":
        said = chance.choice(
            [{"message": "no Route matched with those values"}, {"error": {"code": status}}, []]
        )
        return Answer(status, headers=headers, body=said, when=when)
    if form == "HTML":
        return Answer(status, headers=headers, html=f"<html><h1>{status}</h1></html>", when=when)
    text = f"{status} page not found\n" if form == "text" else ""
    return Answer(status, headers={**headers, "Content-Type": "text/plain"}, html=text, when=when)


def _redirect(chance: random.Random, when: Any) -> Any:
    places = ["/login", "/login", "http://sso.invalid/login?service=trifacta"]
    return Answer.login_redirect(chance.choice(places), when=when)


_GATEWAY, _REFUSAL = [502, 503, 504], [400, 403, 404, 409, 410]
_AFTER: Any = "after_commit"


def _gateway_kinds() -> dict[str, Kind]:
    """Return the kinds of what a gateway says, before the API has done something and after."""
    kinds: dict[str, Kind] = {}
    statuses = {"401": [401], "4xx": _REFUSAL, "429": [429], "5xx": _GATEWAY}
    for name, drawn in statuses.items():
        for moment, when in (("before", "before_body"), ("after", _AFTER)):
            answer = functools.partial(_of_a_gateway, statuses=drawn, when=when)
            kinds[f"{name} of a proxy, {moment}"] = Kind(hits.by_emulator(answer))
    return kinds


#: Every kind, by its name.
KINDS: dict[str, Kind] = {
    "connection refused": Kind(hits.elsewhere("127.0.0.1:1")),
    "name not known": Kind(hits.elsewhere("trifacta.invalid")),
    "reset before the body": Kind(hits.by_emulator(lambda chance: Reset())),
    "reset in the body": Kind(
        hits.by_emulator(
            lambda chance: Reset("in_body", after_bytes=chance.choice([1, 400, 1500]))
        ),
        fits=_posts,
    ),
    "reset after the body": Kind(hits.by_emulator(lambda chance: Reset("after_body"))),
    "reset after the commit": Kind(hits.by_emulator(lambda chance: Reset("after_commit"))),
    "timeout, not handled": Kind(hits.no_answer_in_time(handled=False)),
    "timeout, handled": Kind(hits.no_answer_in_time(handled=True)),
    "slow commit": Kind(hits.slow_commit, fits=_writes, again=False),
    "429 of the API": Kind(
        hits.by_emulator(
            lambda chance: Answer.too_many_requests(
                chance.choice([None, 3, 20]), x_retry_after=None
            )
        )
    ),
    "5xx of the API, before": Kind(
        hits.by_emulator(lambda chance: _api_error(chance, "before_body"))
    ),
    "5xx of the API, after": Kind(hits.by_emulator(lambda chance: _api_error(chance, _AFTER))),
    **_gateway_kinds(),
    "HTML with status 200": Kind(
        hits.by_emulator(
            lambda chance: Answer(
                200, html="<p>Hello</p>", when=chance.choice(["after_body", _AFTER])
            )
        )
    ),
    "truncated answer": Kind(hits.by_emulator(lambda chance: Truncate())),
    "wrong ids": Kind(hits.wrong_ids),
    "redirect, before": Kind(hits.by_emulator(lambda chance: _redirect(chance, "before_body"))),
    "redirect, after": Kind(
        hits.by_emulator(lambda chance: _redirect(chance, _AFTER)), fits=_posts
    ),
    "a list that lags": Kind(hits.lagging_list, fits=_writes, again=False),
    "no package uuids": Kind(before=hits.no_uuids, again=False),
    "clock skew": Kind(before=hits.skew, again=False),
    "late activation": Kind(hits.late_activation, fits=_uploads, again=False),
    "a person acts": Kind(before=act, again=False),
    "a second promoter": Kind(before=promote_too, again=False),
    "killed": Kind(hits.kill, again=False),
    "journal away": Kind(before=hits.journal_away, again=False),
}
#: The kinds that only put words of a gateway in the place of the API's. A 401 may end what is no
#: wait.
OF_A_GATEWAY = {name for name in _gateway_kinds() if not name.startswith("401")}


class Planned:
    """One fault of a run.

    :param name: its kind
    :param at: the number of the request from which on it waits for one that it fits
    :param chance: decides what is left open; it is the run's own
    """

    def __init__(self, name: str, at: int, chance: random.Random) -> None:
        self.name, self.at, self._chance, self._kind = name, at, chance, KINDS[name]
        self._left, self._seconds = 1, 0.0
        if self._kind.again:
            self._left = chance.choice([1] * 6 + [2, 3])
            self._seconds = chance.choice([0.0] * 8 + [30.0, 400.0])
        self._until: float | None = None
        self.fired = 0

    def __str__(self) -> str:
        last = (
            f" for {self._seconds:g} s"
            if self._seconds
            else f" x {self._left}"
            if self._left > 1
            else ""
        )
        return f"{self.name} from request {self.at} on{last}"

    def before(self, world: World, call: Call) -> None:
        """Let happen what happens before a request."""
        if self._kind.before and not self.fired and call.number >= self.at:
            self.fired = 1
            self._kind.before(world, call, self._chance)

    def hits(self, world: World, call: Call) -> bool:
        """Tell whether it hits a request."""
        if not self._kind.hit or call.number < self.at or not self._kind.fits(call):
            return False
        if self._seconds:
            if self._until is None:
                self._until = world.clock.now + self._seconds
            return world.clock.now <= self._until
        return self.fired < self._left

    def hit(
        self, world: World, call: Call, request: Any, real: Real, keywords: dict[str, Any]
    ) -> requests.Response:
        """Let it happen."""
        self.fired += 1
        assert self._kind.hit
        return self._kind.hit(world, call, request, real, keywords, self._chance)

    def lasts(self, world: World) -> bool:
        """Tell whether a read now would be hit too."""
        if self._until is not None:
            return world.clock.now <= self._until
        return 0 < self.fired < self._left
