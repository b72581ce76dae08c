"""What happened in the deployment, as the production instance itself knows it: which release was
live when, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from campaign.world import RIVAL, TASK

if TYPE_CHECKING:
    from campaign.wire import Call, Process
    from campaign.world import World

#: Events that may change which release is live.
LIVE_EVENTS = (
    "release created and activated",
    "release activated",
    "release deactivated",
    "release deleted",
)
#: Faults by which an answer says what is not so.
LIES = ("wrong ids", "a list that lags", "lagging list")


def live_ids(world: World, since: int, until: int | None = None) -> list[int | None]:
    """Return which releases were live from an event on: the one before it, and one for each change
    since.

    :param since: how many events had happened then
    :param until: how many events had happened at the end of that time; None for now
    """
    live: int | None = None
    found: list[int | None] = []
    events = world.prod.store.events()
    for index, event in enumerate(events[:until]):
        if index == since:
            found.append(live)
        if event.deployment_id != world.deployment_id:
            continue
        if event.what.startswith(LIVE_EVENTS[:2]):
            live = event.release_id
        elif event.what.startswith(LIVE_EVENTS[2:]) and event.release_id == live:
            following = events[index + 1] if index + 1 < len(events) else None
            # An activation deactivates the release before in the same step.
            if (
                following is None
                or following.at != event.at
                or not following.what.startswith(LIVE_EVENTS[:2])
            ):
                live = None
            else:
                continue
        if index >= since and (not found or found[-1] != live):
            found.append(live)
    return found or [live]


def last_read(world: World, process: Process) -> int | None:
    """Return how many events had happened when a process began its last read of the releases; None
    if it has not."""
    reads = [
        call
        for call in world.wire.calls
        if call.lists and call.process is process and call.end == "200"
    ]
    return reads[-1].events[0] if reads else None


def was_lied_to(world: World) -> bool:
    """Tell whether an answer of the instance said what is not so."""
    return any(call.fault in LIES for call in world.wire.calls)


def made_by_run(
    world: World, newest_before: int, since: int = 0, *, user_id: int = TASK
) -> set[int]:
    """Return the releases that the run's tasks made, also deleted ones.

    :param newest_before: the newest release that was there before
    :param since: how many events had happened then
    :param user_id: who the run's tasks are for the instance
    """
    return {
        event.release_id
        for event in _own_events(world, since, user_id)
        if event.what.startswith("release created") and (event.release_id or 0) > newest_before
    }


def deleted_ids(world: World) -> set[int | None]:
    """Return the releases that were deleted."""
    return {
        event.release_id
        for event in world.prod.store.events()
        if event.what.startswith("release deleted")
    }


def others_changed(world: World, since: int, *, user_id: int = TASK) -> bool:
    """Tell whether others changed which release is live.

    :param since: how many events had happened then
    :param user_id: who the run's tasks are for the instance
    """
    return any(
        event.user_id != user_id
        and event.deployment_id == world.deployment_id
        and event.what.startswith(LIVE_EVENTS)
        for event in world.prod.store.events()[since:]
    )


def releases_made(world: World, *, user_id: int = TASK) -> list[tuple[Any, Call]]:
    """Return the releases that the run's tasks made, also deleted ones, and the
    requests that did.

    :param user_id: who the run's tasks are for the instance
    """
    releases = {
        one.id: one for one in world.prod.store.releases(world.deployment_id, include_deleted=True)
    }
    found = []
    for index, event in enumerate(world.prod.store.events()):
        made = event.user_id == user_id and event.what.startswith("release created")
        call = call_of(world, index) if made and index >= world.events_before else None
        if call and event.release_id in releases:
            found.append((releases[event.release_id], call))
    return found


def call_of(world: World, index: int) -> Call | None:
    """Return the request that made one of the run's events; a late effect counts for the request
    before it.

    :param index: the number of the event
    """
    user_id = world.prod.store.events()[index].user_id
    asking = [
        call
        for call in world.wire.calls
        if call.writes and call.events and call.process.user_id == user_id
    ]
    for call in asking:
        if len(call.events) == 2 and call.events[0] <= index < call.events[1]:
            return call
    earlier = [call for call in asking if call.events[0] <= index]
    return earlier[-1] if earlier else None


def changed_by(world: World, name: str, since: int = 0) -> list[Any]:
    """Return what a task changed about which release is live.

    :param name: the task's id
    :param since: how many events had happened then
    """
    found = []
    for index, event in enumerate(world.prod.store.events()):
        ours = event.user_id in (TASK, RIVAL)
        if index >= since and ours and event.what.startswith(LIVE_EVENTS):
            call = call_of(world, index)
            if call and call.task == name:
                found.append(event)
    return found


def undone_by(world: World, name: str, since: int = 0) -> set[int | None]:
    """Return the releases that a task may say that it took back: those that were live when it asked
    for a change.

    :param name: the task's id
    :param since: how many events had happened then
    """
    found: set[int | None] = set()
    for call in world.wire.calls:
        if call.writes and call.task == name and call.events and call.events[0] >= since:
            found |= set(live_ids(world, call.process.began, call.events[0]))
    return found


def changed_anything(world: World, process: Process) -> bool:
    """Tell whether a try changed anything in the production instance, as far as the instance has
    done it by now."""
    for index, event in enumerate(world.prod.store.events()):
        if index >= process.began and event.user_id == process.user_id:
            call = call_of(world, index)
            if call and (call.task, call.try_number) == (process.task, process.try_number):
                return True
    return False


def _own_events(world: World, since: int, user_id: int) -> list[Any]:
    return [
        event
        for event in world.prod.store.events()[max(since, world.events_before) :]
        if event.user_id == user_id and event.deployment_id == world.deployment_id
    ]
