"""What may go wrong, one class or function for each kind."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from campaign.people import act, promote_too
from campaign.project import Answer, Fault, LateActivation, LateCommit, Reset, Truncate
from campaign.wire import Call, KilledError, changed, outside, query_of, with_content

if TYPE_CHECKING:
    from campaign.world import World

Real = Callable[[], requests.Response]
#: What hits a request: gets the world, the call, the request as it is sent, what sends it, the keywords, and chance.
Hit = Callable[["World", Call, Any, Real, dict[str, Any], random.Random], requests.Response]


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


def _by_emulator(make: Callable[[random.Random], Any]) -> Hit:
    """Let the emulator do it, on a real socket."""

    def hit(world: World, call: Call, request: Any, real: Real, keywords: dict[str, Any], chance: random.Random) -> Any:
        world.emulator_of(request.url).faults.add(Fault(make(chance)))
        return real()

    return hit


def _elsewhere(address: str) -> Hit:
    """Send it where nothing answers."""

    def hit(world: World, call: Call, request: Any, real: Real, keywords: dict[str, Any], chance: random.Random) -> Any:
        request.url = request.url.replace(request.url.split("/")[2], address, 1)
        return real()

    return hit


def _no_answer_in_time(handled: bool) -> Hit:
    def hit(world: World, call: Call, request: Any, real: Real, keywords: dict[str, Any], chance: random.Random) -> Any:
        if not handled:
            world.emulator_of(request.url).faults.add(Fault(Answer(503, when="after_body")))
        real().close()
        world.clock.sleep(keywords["timeout"][1])
        raise requests.ReadTimeout("Read timed out.")

    return hit


def _slow_commit(
    world: World, call: Call, request: Any, real: Real, keywords: dict[str, Any], chance: random.Random
) -> Any:
    """The server, or a queue before it, handles the request after its answer was given up."""
    emulator, later = world.emulator_of(request.url), chance.choice([1, 5, 20, 50, 70, 150])
    status = chance.choice([502, 504, None])
    if call.uploads:
        emulator.faults.add(Fault(LateCommit(status)))
        world.clock.at(later, emulator.commit_late)
        return real()
    lost = Reset("after_body") if status is None else Answer(status, html="<h1>Gateway</h1>", when="after_body")
    emulator.faults.add(Fault(lost))
    copy = request.copy()

    def handle() -> None:
        with outside(), requests.Session() as session:
            session.send(copy, timeout=30).close()
        world.say(f"    {call.method} {call.path} of request {call.number} is handled now")

    world.clock.at(later, handle)
    return real()


def _late_activation(
    world: World, call: Call, request: Any, real: Real, keywords: dict[str, Any], chance: random.Random
) -> Any:
    emulator, reads = world.emulator_of(request.url), chance.choice([None, 0, 1, 2, 4])
    emulator.faults.add(Fault(LateActivation(reads)))
    if reads is None:
        world.clock.at(chance.choice([1, 4, 10, 40]), emulator.activate_late)
    return real()


def _wrong_ids(
    world: World, call: Call, request: Any, real: Real, keywords: dict[str, Any], chance: random.Random
) -> Any:
    shift = chance.choice([1, -1, 1000])

    def shifted(value: Any) -> Any:
        if isinstance(value, list):
            return [shifted(one) for one in value]
        if not isinstance(value, dict):
            return value
        return {
            name: one + shift if name in ("id", "deploymentId") and isinstance(one, int) else shifted(one) for name, one in value.items()
        }

    response = changed(real(), shifted)
    # The ids of rules mean nothing to anybody.
    if call.path.endswith("ImportRules") and response.status_code == 200:
        call.shown = world.state()
    return response


def _lagging_list(
    world: World, call: Call, request: Any, real: Real, keywords: dict[str, Any], chance: random.Random
) -> Any:
    """After this change, lists of releases show for a while what was there before it."""
    with outside():
        stale = requests.get(
            f"{world.prod.url}/v4/releases",
            params={"deploymentId": world.deployment_id, "sort": "-id"},
            auth=world.login,
            timeout=30,
        ).content
    end, reads = world.clock.now + chance.choice([2, 10, 25, 50]), [chance.choice([1, 2, 4, 99])]

    def lag(other: Call, response: requests.Response) -> requests.Response:
        if not other.lists or "includeDeleted" in query_of(other) or world.clock.now > end or reads[0] <= 0:
            return response
        reads[0] -= 1
        other.shown, other.fault = None, other.fault or "lagging list"
        response.close()
        return with_content(response, stale) if response.status_code == 200 else response

    world.wire.filters.append(lag)
    return real()


def _no_uuids(world: World, call: Call, chance: random.Random) -> None:
    absent = chance.random() < 0.5

    def without(value: Any) -> Any:
        if isinstance(value, list):
            return [without(one) for one in value]
        if not isinstance(value, dict):
            return value
        kept = {name: without(one) for name, one in value.items() if not (absent and name == "packageUuid")}
        return kept | ({"packageUuid": None} if "packageUuid" in kept else {})

    def strip(other: Call, response: requests.Response) -> requests.Response:
        json = "json" in response.headers.get("Content-Type", "") and response.status_code < 300
        return changed(response, without) if json and "releases" in other.path else response

    world.wire.filters.append(strip)


def _skew(world: World, call: Call, chance: random.Random) -> None:
    world.skew = chance.choice([-7200, -600, -200, -30, 30, 200, 600, 7200])
    world.say(f"    the servers' clocks are {world.skew} s ahead")


def _kill(world: World, call: Call, request: Any, real: Real, keywords: dict[str, Any], chance: random.Random) -> Any:
    when = chance.choice(["before", "after", "after", "at the next note"])
    if when == "at the next note":
        world.kill_at_note = chance.choice(["before", "after"])
        return real()
    if when == "after":
        real().close()
    world.say(f"    killed {when} request {call.number}")
    world.wire.die()
    raise AssertionError


def _journal_away(world: World, call: Call, chance: random.Random) -> None:
    world.store_away_until = world.clock.now + chance.choice([1, 30, 100])


def _api_error(chance: random.Random, when: Any) -> Any:
    """Return a 5xx in the API's own form; it may echo what it was sent."""
    status, wait = chance.choice([500, 502, 503, 504]), chance.choice([{}, {}, {"Retry-After": "7"}])
    said = "Internal error for admin@example.com:campaign-secret-7f3a" if chance.random() < 0.3 else "Internal error"
    body = {"exception": {"name": "InternalError", "message": said, "details": said}}
    return Answer(status, headers=wait, body=body, when=when)


def _proxy_page(chance: random.Random, statuses: list[int], when: Any) -> Any:
    status, wait = chance.choice(statuses), chance.choice([{}, {}, {"Retry-After": "5"}])
    return Answer(status, headers=wait, html=f"<html><h1>{status}</h1></html>", when=when)


def _redirect(chance: random.Random, when: Any) -> Any:
    places = ["/login", "/login", "http://sso.invalid/login?service=trifacta"]
    return Answer.login_redirect(chance.choice(places), when=when)


_GATEWAY, _REFUSAL, _AFTER = [502, 503, 504], [400, 403, 404], "after_commit"

#: Every kind, by its name.
KINDS: dict[str, Kind] = {
    "connection refused": Kind(_elsewhere("127.0.0.1:1")),
    "name not known": Kind(_elsewhere("trifacta.invalid")),
    "reset before the body": Kind(_by_emulator(lambda chance: Reset())),
    "reset in the body": Kind(
        _by_emulator(lambda chance: Reset("in_body", after_bytes=chance.choice([1, 400, 1500]))), fits=_posts
    ),
    "reset after the body": Kind(_by_emulator(lambda chance: Reset("after_body"))),
    "reset after the commit": Kind(_by_emulator(lambda chance: Reset("after_commit"))),
    "timeout, not handled": Kind(_no_answer_in_time(handled=False)),
    "timeout, handled": Kind(_no_answer_in_time(handled=True)),
    "slow commit": Kind(_slow_commit, fits=_writes, again=False),
    "429 of the API": Kind(
        _by_emulator(lambda chance: Answer.too_many_requests(chance.choice([None, 3, 20]), x_retry_after=None))
    ),
    "5xx of the API, before": Kind(_by_emulator(lambda chance: _api_error(chance, "before_body"))),
    "5xx of the API, after": Kind(_by_emulator(lambda chance: _api_error(chance, _AFTER))),
    "429 of a proxy, before": Kind(_by_emulator(lambda chance: _proxy_page(chance, [429], "before_body"))),
    "429 of a proxy, after": Kind(_by_emulator(lambda chance: _proxy_page(chance, [429], _AFTER))),
    "5xx of a proxy, before": Kind(_by_emulator(lambda chance: _proxy_page(chance, _GATEWAY, "before_body"))),
    "5xx of a proxy, after": Kind(_by_emulator(lambda chance: _proxy_page(chance, _GATEWAY, _AFTER))),
    "4xx page of a proxy": Kind(
        _by_emulator(lambda chance: _proxy_page(chance, _REFUSAL, chance.choice(["before_body", _AFTER])))
    ),
    "HTML with status 200": Kind(
        _by_emulator(lambda chance: Answer(200, html="<p>Hello</p>", when=chance.choice(["after_body", _AFTER])))
    ),
    "truncated answer": Kind(_by_emulator(lambda chance: Truncate())),
    "wrong ids": Kind(_wrong_ids),
    "redirect, before": Kind(_by_emulator(lambda chance: _redirect(chance, "before_body"))),
    "redirect, after": Kind(_by_emulator(lambda chance: _redirect(chance, _AFTER)), fits=_posts),
    "a list that lags": Kind(_lagging_list, fits=_writes, again=False),
    "no package uuids": Kind(before=_no_uuids, again=False),
    "clock skew": Kind(before=_skew, again=False),
    "late activation": Kind(_late_activation, fits=_uploads, again=False),
    "a person acts": Kind(before=act, again=False),
    "a second promoter": Kind(before=promote_too, again=False),
    "killed": Kind(_kill, again=False),
    "journal away": Kind(before=_journal_away, again=False),
}


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
        last = f" for {self._seconds:g} s" if self._seconds else f" x {self._left}" if self._left > 1 else ""
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

    def hit(self, world: World, call: Call, request: Any, real: Real, keywords: dict[str, Any]) -> requests.Response:
        """Let it happen."""
        self.fired += 1
        assert self._kind.hit
        return self._kind.hit(world, call, request, real, keywords, self._chance)

    def lasts(self, world: World) -> bool:
        """Tell whether a request now would be hit too."""
        return self._until is not None and world.clock.now <= self._until
