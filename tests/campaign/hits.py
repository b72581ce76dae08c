"""How each fault happens: on the way to the instance, in the instance, or to what it answers."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import requests
import urllib3

from campaign.project import Answer, Fault, LateActivation, LateCommit, Reset
from campaign.wire import Call, changed, outside, query_of, with_content

if TYPE_CHECKING:
    from campaign.world import World

Real = Callable[[], requests.Response]
#: What hits a request: gets the world, the call, the request as it is sent, what sends it, the
#: keywords, and chance.
Hit = Callable[["World", Call, Any, Real, dict[str, Any], random.Random], requests.Response]


def by_emulator(make: Callable[[random.Random], Any]) -> Hit:
    """Let the emulator do it, on a real socket."""

    def hit(
        world: World,
        call: Call,
        request: Any,
        real: Real,
        keywords: dict[str, Any],
        chance: random.Random,
    ) -> Any:
        world.emulator_of(request.url).faults.add(Fault(make(chance)))
        return real()

    return hit


def elsewhere(address: str) -> Hit:
    """Send it where nothing answers."""

    def hit(
        world: World,
        call: Call,
        request: Any,
        real: Real,
        keywords: dict[str, Any],
        chance: random.Random,
    ) -> Any:
        request.url = request.url.replace(request.url.split("/")[2], address, 1)
        return real()

    return hit


def no_answer_in_time(handled: bool) -> Hit:
    def hit(
        world: World,
        call: Call,
        request: Any,
        real: Real,
        keywords: dict[str, Any],
        chance: random.Random,
    ) -> Any:
        if not handled:
            world.emulator_of(request.url).faults.add(Fault(Answer(503, when="after_body")))
        real().close()
        world.clock.sleep(keywords["timeout"][1])
        raise requests.ReadTimeout("Read timed out.")

    return hit


def slow_commit(
    world: World,
    call: Call,
    request: Any,
    real: Real,
    keywords: dict[str, Any],
    chance: random.Random,
) -> Any:
    """The server, or a queue before it, handles the request after its answer was given up."""
    emulator, later = world.emulator_of(request.url), chance.choice([1, 5, 20, 50, 70, 150])
    status = chance.choice([502, 504, None])
    if world.edits.planned:
        # A person may begin the next try at once, without the pause of a retry. Then only the
        # condition is left that the server finishes in the settle time: 30 s for a switch.
        later = min(later, 20)
    if call.uploads:
        emulator.faults.add(Fault(LateCommit(status)))
        world.clock.at(later, emulator.commit_late)
        return real()
    lost = (
        Reset("after_body")
        if status is None
        else Answer(status, html="<h1>Gateway</h1>", when="after_body")
    )
    emulator.faults.add(Fault(lost))
    copy = request.copy()
    if call.path.endswith("/package"):
        copy.body = b"".join(request.body)  # its file is closed by then

    def handle() -> None:
        with outside(), requests.Session() as session:
            session.send(copy, timeout=30).close()
        world.say(f"    {call.method} {call.path} of request {call.number} is handled now")

    world.clock.at(later, handle)
    return real()


def abandoned_upload(
    world: World, abandon: Callable[[], object], later: float
) -> Callable[[Call, Any, Real], Any]:
    """Return what happens to an upload that is under way when its task is cleared.

    :param abandon: clears the task
    :param later: seconds until the instance has handled it
    """

    def hit(call: Call, request: Any, real: Real) -> Any:
        emulator = world.emulator_of(request.url)
        emulator.faults.add(Fault(LateCommit(None)))
        world.clock.at(later, emulator.commit_late)
        with contextlib.suppress(requests.RequestException, urllib3.exceptions.HTTPError):
            real().close()
        abandon()
        call.process.ended = True
        raise world.wire.death()

    return hit


def late_activation(
    world: World,
    call: Call,
    request: Any,
    real: Real,
    keywords: dict[str, Any],
    chance: random.Random,
) -> Any:
    emulator, reads = world.emulator_of(request.url), chance.choice([None, 0, 1, 2, 4])
    emulator.faults.add(Fault(LateActivation(reads)))
    if reads is None:
        world.clock.at(chance.choice([1, 4, 10, 40]), emulator.activate_late)
    return real()


def wrong_ids(
    world: World,
    call: Call,
    request: Any,
    real: Real,
    keywords: dict[str, Any],
    chance: random.Random,
) -> Any:
    shift = chance.choice([1, -1, 1000])

    def shifted(value: Any) -> Any:
        if isinstance(value, list):
            return [shifted(one) for one in value]
        if not isinstance(value, dict):
            return value
        return {
            name: one + shift
            if name in ("id", "deploymentId") and isinstance(one, int)
            else shifted(one)
            for name, one in value.items()
        }

    original = real()
    response = changed(original, shifted)
    # No task uses the ids of rules.
    if call.path.endswith("ImportRules") or response.content == original.content:
        world.wire.truthful(call, response)
    return with_content(response, response.content)


def lagging_list(
    world: World,
    call: Call,
    request: Any,
    real: Real,
    keywords: dict[str, Any],
    chance: random.Random,
) -> Any:
    """After this change, lists of releases show for a while what was there before it."""
    with outside():
        stale = requests.get(
            f"{world.prod.url}/v4/releases",
            params={"deploymentId": str(world.deployment_id), "sort": "-id"},
            auth=world.login,
            timeout=30,
        ).content
    end, reads = world.clock.now + chance.choice([2, 10, 25, 50]), [chance.choice([1, 2, 4, 99])]

    def lag(other: Call, response: requests.Response) -> requests.Response:
        if (
            not other.lists
            or "includeDeleted" in query_of(other)
            or world.clock.now > end
            or reads[0] <= 0
        ):
            return response
        reads[0] -= 1
        other.shown, other.fault = None, other.fault or "lagging list"
        response.close()
        return with_content(response, stale) if response.status_code == 200 else response

    world.wire.filters.append(lag)
    return real()


def no_uuids(world: World, call: Call, chance: random.Random) -> None:
    absent = chance.random() < 0.5

    def without(value: Any) -> Any:
        if isinstance(value, list):
            return [without(one) for one in value]
        if not isinstance(value, dict):
            return value
        kept = {
            name: without(one)
            for name, one in value.items()
            if not (absent and name == "packageUuid")
        }
        return kept | ({"packageUuid": None} if "packageUuid" in kept else {})

    def strip(other: Call, response: requests.Response) -> requests.Response:
        json = "json" in response.headers.get("Content-Type", "") and response.status_code < 300
        return changed(response, without) if json and "releases" in other.path else response

    world.wire.filters.append(strip)


def skew(world: World, call: Call, chance: random.Random) -> None:
    world.skew = chance.choice([-7200, -600, -200, -30, 30, 200, 600, 7200])
    if world.prod.store.job_groups():
        # The emulator's jobs go by this clock, and a job that has ended must not begin again.
        world.skew = abs(world.skew)
    world.say(f"    the servers' clocks are {world.skew} s ahead")


def kill(
    world: World,
    call: Call,
    request: Any,
    real: Real,
    keywords: dict[str, Any],
    chance: random.Random,
) -> Any:
    when = chance.choice(["before", "after", "after", "at the next note"])
    if when == "at the next note":
        world.kill_at_note = chance.choice(["before", "after"])
        return world.wire.truthful(call, real())
    if when == "after":
        real().close()
    world.say(f"    killed {when} request {call.number}")
    raise world.wire.death()


def journal_away(world: World, call: Call, chance: random.Random) -> None:
    world.store_away_until = world.clock.now + chance.choice([1, 30, 100])
