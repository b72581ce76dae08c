"""The trigger that starts DAGs when a deployment has changed, over the deaths of its triggerer."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

from airflow.sdk.execution_time.context import AssetStateStoreAccessors
from airflow.triggers.shared_stream import AdvanceItem, AdvanceOutcome

from campaign.asked import Asked
from campaign.project import DeploymentChangedTrigger, VirtualLoop
from campaign.tasks import NOTICED_AFTER, Ended, cancel_all
from campaign.wire import KilledError, Process
from campaign.world import PERSON, Store, World, package

#: Seconds that it watches, and when people act.
_WATCHED, _ACTS = 4 * 3600, (1000, 1010, 3000)


class _AssetStore:
    """The state store of an asset: the same as a task's, for a coroutine."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def aget(self, key: str, default: Any = None) -> Any:
        return self._store.get(key, default)

    async def aset(self, key: str, value: Any) -> None:
        self._store.set(key, value)


class _Triggerer:
    """Runs the trigger, and keeps its events."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._store = Store(world)
        self._keywords = {
            "deployment_id": world.deployment_id,
            "trifacta_conn_id": "trifacta_default",
            "poke_interval": 200.0,
        }
        self.process = Process("watch")
        self.events: list[dict[str, Any]] = []
        self.deaths = 0

    @property
    def notes(self) -> list[dict[str, Any]]:
        """What the asset's state store keeps."""
        return [json.loads(text) for text in self._store.kept.values()]

    def run(self) -> None:
        """Watch to the end; a triggerer that is killed is started again."""
        while self._world.clock.now < _WATCHED:
            loop = VirtualLoop(self._world.clock)
            with contextlib.closing(loop):
                try:
                    loop.run_until_complete(self._until_it_ends())
                except KilledError:
                    # Its process is gone, so nothing of it gets out any more.
                    loop.run_until_complete(cancel_all())
                loop.run_until_complete(loop.shutdown_default_executor())
            if self.process.dead:
                self.process.dead = False
                self.deaths += 1
                self._world.clock.sleep(NOTICED_AFTER)

    async def _until_it_ends(self) -> None:
        life = asyncio.ensure_future(self._life())
        while not life.done() and not self.process.dead and self._world.clock.now < _WATCHED:
            await asyncio.sleep(60)
        life.cancel()
        await asyncio.wait([life])
        if not life.cancelled() and life.exception() and not self.process.dead:
            self._world.wrong(f"the trigger ends with {life.exception()!r}")

    async def _life(self) -> None:
        trigger = DeploymentChangedTrigger(**self._keywords)
        trigger.asset_state_store = AssetStateStoreAccessors(inlets=[])
        trigger.asset_state_store._by_name = {"orders": _AssetStore(self._store)}
        looks = trigger.create_shared_stream_producer(self._keywords)
        stream = looks.open_stream()
        async with contextlib.aclosing(stream):
            async for event in trigger.filter_shared_stream(self._one_by_one(looks, stream)):
                self.events.append(event.payload)
                self._world.say(f"    event {event.payload}")

    async def _one_by_one(self, looks: Any, stream: Any) -> AsyncIterator[Any]:
        async for look, payload in stream:
            yield look
            # Airflow has kept the event, if there was one.
            await looks.advance([AdvanceItem(payload, AdvanceOutcome(acked=1, failed=0))])


def watch(world: World) -> Asked:
    """Watch while people import, activate and deactivate releases."""
    store, first = world.prod.store, world.state().live

    def imports() -> None:
        store.create_release(world.deployment_id, package("ours").content, user_id=PERSON)

    def goes_back() -> None:
        if first in world.state().releases:  # another person may have deleted it
            store.update_release(first, active=True, user_id=PERSON)

    for at, act in zip(_ACTS, (imports, goes_back, imports), strict=True):
        world.clock.at(at, act)
    world.events_before = world.event_count() + len(_ACTS)
    asked = Asked(lambda _: True, waits=("watch",), proves_end=False)
    triggerer = _Triggerer(world)
    before, world.wire.process = world.wire.process, triggerer.process
    try:
        triggerer.run()
    finally:
        world.wire.process = before
    _check(world, triggerer)
    asked.ended.append(Ended("watch", "success"))
    return asked


def _check(world: World, triggerer: _Triggerer) -> None:
    """Look for an event that is false, repeated or lost. It may be repeated by a triggerer that
    died between the event and its note.
    """
    events = triggerer.events
    for event, following in pairwise(events):
        is_repeated = triggerer.deaths and following["release_id"] == event["release_id"]
        if not is_repeated and following["previous_release_id"] != event["release_id"]:
            world.wrong(f"an event is lost or repeated between {event} and {following}")
    for event in events:
        if event["release_id"] == event["previous_release_id"]:
            world.wrong(f"nothing has changed: {event}")
    live = world.state().live
    if events and live != events[-1]["release_id"]:
        world.wrong(f"the last event is {events[-1]}, and {live} is live")
    for note in triggerer.notes:
        if note["release_id"] != live:
            world.wrong(f"the note is {note}, and {live} is live")
