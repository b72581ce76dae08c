"""Judges a run: what is there, beside what was asked for and what the run says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from campaign import history
from campaign.asked import Asked, own_releases
from campaign.edits import DEPLOYMENT
from campaign.wire import Call
from campaign.world import TASK, World

#: How a run may end.
GREEN, RIGHT, DOUBT, FALSE_RED = "green", "red", "doubt", "false red"
_NOTHING = re.compile(r"\bNothing was (imported|uploaded|written|changed|started|sent)\b")
_STARTED = re.compile(r"run (\d+ )?(?P<what>of \w+ \d+ |)started ")
_LIVE = (
    "release created and activated",
    "release activated",
    "release deactivated",
    "release deleted",
)


@dataclass(frozen=True)
class Verdict:
    """The judgement of one run.

    :param end: one of the four ends
    :param reason: for a red run, its error's class
    :param violations: which promises it broke
    :param requests: how many requests its tasks made
    """

    end: str
    reason: str
    violations: tuple[str, ...]
    requests: int
    seconds: float


@dataclass(frozen=True)
class _Change:
    """An event that matters, and where it stands among the requests.

    :param index: its number among the events
    :param call: the request of a task that made it, None where another user did
    """

    index: int
    event: Any
    call: Call | None


def judge(world: World, asked: Asked, *, away: bool) -> Verdict:
    """Judge a run that has ended.

    :param away: whether a read at its end would have failed too
    """
    changes = _changes(world)
    if not world.overlaps:
        _count(world, asked, changes)
    _others_untouched(world)
    _waits_only_read(world, asked)
    _secrets(world)
    for check in asked.checks:
        check()
    if not world.overlaps:
        _decisions_stay(world, asked, changes)
        _rules_stay(world, changes)
    _errors_are_true(world, changes)
    state, disturbed = world.state(), _disturbed(world, changes)
    if asked.green:
        if asked.proves_end:
            _green_is_proven(world, asked, disturbed)
        end = GREEN
    elif any(one.doubts for one in asked.ended):
        end = DOUBT
    elif (
        asked.wanted(state)
        and asked.proves_end
        and not disturbed
        and not away
        and asked.ended[-1].error
    ):
        end = FALSE_RED
    else:
        end = RIGHT
    bad = [one for one in asked.ended if one.state == "failed"]
    reason = "" if asked.green else ", ".join(f"{one.task_id}: {_name(one.cause)}" for one in bad)
    return Verdict(end, reason, tuple(world.violations), world.wire.count, world.clock.now)


def _name(error: BaseException | None) -> str:
    return type(error).__name__ if error else "killed"


def _changes(world: World) -> list[_Change]:
    """Return what was done in the run, with the requests that did it; a late effect counts for its
    request."""
    found = []
    for index, event in enumerate(world.prod.store.events()):
        if index < world.events_before:
            continue
        call = history.call_of(world, index) if event.user_id == TASK else None
        found.append(_Change(index, event, call))
    return found


def _disturbed(world: World, changes: list[_Change]) -> bool:
    """Tell whether others changed what matters to the run."""
    return any(
        one.event.user_id != TASK
        and one.event.deployment_id in (None, world.deployment_id)
        and (
            one.event.what.startswith(("flow ", *_LIVE))
            or "canceled" in one.event.what
            or "import rules" in one.event.what
        )
        for one in changes
    )


def _count(world: World, asked: Asked, changes: list[_Change]) -> None:
    done = [one.event for one in changes if one.event.user_id == TASK]
    made = [one.release_id for one in done if one.what.startswith("release created")]
    # A new argument is another promotion. So is a clear, where nothing remembers the first one.
    most = asked.releases * (1 + len(world.edits.used) + world.edits.clears * asked.forgets)
    if len(made) > most:
        world.wrong(f"{len(made)} releases were made: {made}")
    # "run started ...", "run 7 of flow 3 started ...", "run of recipe 5 started ..."
    started = [_STARTED.match(one.what) for one in done]
    ran = [one["what"] for one in started if one]
    again = len(set(ran)) < len(ran) and asked.releases < 2 and asked.proves_end
    # A person who clears a task lets it run once more.
    passes = world.edits.passes
    if len(ran) > asked.runs * passes or (again and passes == 1):
        world.wrong(f"jobs were started {len(ran)} times: {ran}")
    imported = [one.what for one in done if one.what.endswith(" imported")]
    if len(imported) > asked.imports * passes:
        world.wrong(f"{len(imported)} packages were imported as flows: {imported}")


def _others_untouched(world: World) -> None:
    ours: tuple[int | None, ...] = (None, world.deployment_id)
    if DEPLOYMENT in world.edits.edited:
        ours += (world.other_id,)
    for event in world.prod.store.events()[world.events_before :]:
        if event.user_id == TASK and event.deployment_id not in ours:
            world.wrong(f"deployment {event.deployment_id} was touched: {event.what}")


def _waits_only_read(world: World, asked: Asked) -> None:
    for call in world.wire.calls:
        if call.task in asked.waits and call.method != "GET":
            world.wrong(f"the wait {call.task} wrote: {call.method} {call.path}")


def _secrets(world: World) -> None:
    for text in world.given:
        if any(one in text for one in world.secrets()):
            world.wrong(f"a secret is shown: {text[:200]}")


def _decisions_stay(world: World, asked: Asked, changes: list[_Change]) -> None:
    """Look for a change that undid what its task could have read to be another's decision."""
    reads = [
        one for one in world.wire.calls if one.lists and one.shown and one.process.user_id == TASK
    ]
    if not reads:
        return
    for change in changes:
        call, what = change.call, change.event.what
        if (
            call is None
            or not what.startswith(_LIVE[:3])
            or change.event.deployment_id != world.deployment_id
        ):
            continue
        before = [one for one in reads if one.number < call.number]
        if not before:
            continue
        # What was done before the run looked first is what it found. Without a baseline, a try that
        # asks first is like the first one.
        asks_first = not any(
            one.writes and one.number < call.number and one.try_number != call.try_number
            for one in world.wire.calls
        )
        forgets = asked.forgets or (asks_first and not asked.has_baseline)
        begun = next(
            one for one in reads if not forgets or one.try_number == call.try_number
        ).events[1]
        # A new baseline, and a person who clears a task, found what was done before.
        passes = [
            one.events[1] for one in reads if one.process.pass_number == call.process.pass_number
        ]
        begun = max([begun, call.process.cleared, *passes[:1]])
        known, last = before[-1].events[1], None
        for one in changes:
            if begun <= one.index < known and one.event.what.startswith(_LIVE):
                last = one
        if last is None or last.event.user_id == TASK:
            continue
        live = before[-1].shown.live
        ours = live in {one.id for one in own_releases(world)}
        if ours and "roll_back" in call.task and call.process.first:
            continue  # as documented: the first try rolls back what is live of its run
        if ours and call.task == "stage" and call.process.first:
            # As documented: the way back follows the import at once. Nobody can tell whether the
            # server or a person activated the new release a moment before.
            continue
        if call.process.first and history.live_ids(world, begun)[0] == live:
            continue  # what others did came to nothing
        recorded = history.live_ids(world, reads[0].events[1])[0]
        is_cleared = call.task == "activate" and call.process.first and asked.has_baseline
        if is_cleared and live == recorded:
            continue  # a person cleared it, and what is live is what the baseline recorded
        world.wrong(
            f"request {call.number} changed what is live ({what}) over another's decision:"
            f" {last.event.what}"
        )


def _rules_stay(world: World, changes: list[_Change]) -> None:
    """Look for a retry that replaced rules which it could have read to be another's."""
    ours = [one for one in changes if one.call and "import rules" in one.event.what]
    for change in ours:
        assert change.call
        reads = [
            one
            for one in world.wire.calls
            if one.method == "GET"
            and one.path == change.call.path
            and one.shown
            # A person who clears a task lets it do it again over what it finds.
            and (one.process is change.call.process or not change.call.process.first)
        ]
        known = max((one.events[1] for one in reads if one.number < change.call.number), default=0)
        begun = min((one.events[1] for one in reads), default=0)
        others = [
            one.event
            for one in changes
            if begun <= one.index < known
            and one.event.what.split()[:3] == change.event.what.split()[:3]
        ]
        if others and others[-1].user_id != TASK:
            world.wrong(f"request {change.call.number} replaced the rules that another set")


def _errors_are_true(world: World, changes: list[_Change]) -> None:
    """Look for a try that says that nothing was done, and did something."""
    for task_id, number, text in world.claims:
        # A staged release that was imported and not put back says so, and that the change back was
        # not made.
        if (
            _NOTHING.search(text)
            and not any(words in text for words in ("is imported", "was imported"))
            and any(
                one.call and (one.call.task, one.call.try_number) == (task_id, number)
                for one in changes
            )
        ):
            world.wrong(f"try {number} of {task_id} changed something, and says: {text[:300]}")


def _green_is_proven(world: World, asked: Asked, disturbed: bool) -> None:
    if DEPLOYMENT in world.edits.edited:
        return  # what is noted of reads is about the first deployment
    writes = [one for one in world.wire.calls if one.writes and not one.process.is_stale]
    last_write = max((one.number for one in writes), default=-1)
    shows = asked.shows or asked.wanted
    proofs = [
        one
        for one in world.wire.calls
        if one.number > last_write
        and asked.reads in one.path
        and one.shown
        and (world.overlaps or shows(one.shown))
    ]
    if not proofs:
        world.wrong("green, and nothing that was read since the last change shows it")
    if not (disturbed or world.overlaps or asked.wanted(world.state())):
        world.wrong("green without any act of others, and it is not as asked")
    after = {
        one.index
        for one in _changes(world)
        if one.event.user_id != TASK and "created" in one.event.what
    }
    deciding = [
        one for one in world.wire.calls if one.lists and one.shown and one.number < last_write
    ]
    uploads = [one for one in world.wire.calls if one.writes and not one.path.endswith("/run")]
    # Without a journal, a later try does not know when an earlier one asked.
    same_try = bool(proofs and writes) and proofs[-1].process is writes[-1].process
    knows = world.journal or same_try
    if (
        proofs
        and knows
        and deciding
        and uploads
        and any(
            max(deciding[-1].events[1], proofs[-1].process.cleared) <= one < proofs[-1].events[0]
            for one in after
        )
    ):
        world.wrong("green, and it does not tell that another import ran at the same time")
