"""The event trigger: an event for each change of what is live, and for nothing else, over restarts
of the triggerer, outages and lagging lists.
"""

from __future__ import annotations

import asyncio
import io
import json
import time
from importlib import import_module

import pytest
from airflow import __version__ as version
from trifacta_emulator import Answer, Emulator, Fault, Reset, build_package, read_package

from airflow_provider_trifacta._compat import KEEPS_STATE
from airflow_provider_trifacta.client.errors import InvalidInputError
from airflow_provider_trifacta.client.releases import Releases
from airflow_provider_trifacta.hooks.trifacta import TrifactaHook
from airflow_provider_trifacta.triggers import _watch_trigger
from airflow_provider_trifacta.triggers.release import ReleaseActiveTrigger

pytestmark = [pytest.mark.every_airflow]

MODULE = "airflow_provider_trifacta.triggers.deployment"

if KEEPS_STATE:
    import structlog
    from airflow.sdk.execution_time.context import AssetStateStoreAccessors
    from airflow.triggers.shared_stream import SharedStreamManager

    from airflow_provider_trifacta.triggers import deployment
    from airflow_provider_trifacta.triggers.deployment import DeploymentChangedTrigger

needs_store = pytest.mark.skipif(not KEEPS_STATE, reason="Airflow 3.3 keeps what a trigger saw")


@pytest.mark.skipif(KEEPS_STATE, reason="this Airflow keeps what a trigger saw")
def test_an_older_airflow_is_named():
    with pytest.raises(ImportError, match=f"needs Airflow 3.3.*{version}"):
        import_module(MODULE)


@pytest.fixture
def release_of(emulator):
    """Return a function that makes a release, live at once, as anybody does it."""
    return lambda: emulator.store.create_release(1, read_package(io.BytesIO(build_package())))


class StateStore:
    """Stands for the asset state store. It keeps JSON, until a test breaks it."""

    def __init__(self) -> None:
        self.kept = {}
        self.breaks = 0

    def _break(self):
        if self.breaks:
            self.breaks -= 1
            raise ConnectionError("the API server is away")

    async def aget(self, key, default=None):
        self._break()
        return json.loads(self.kept[key]) if key in self.kept else default

    async def aset(self, key, value):
        self._break()
        self.kept[key] = json.dumps(value)


class Triggerer:
    """As much of a triggerer as drives one event trigger: it shares streams, and tells the trigger
    which events it has kept.
    """

    def __init__(self, trigger, stores, *, keeps=True) -> None:
        self._trigger = trigger
        self._keeps = keeps
        trigger.asset_state_store = AssetStateStoreAccessors(inlets=[])
        trigger.asset_state_store._by_name = dict(enumerate(stores))
        self._manager = SharedStreamManager(log=structlog.get_logger())
        self.events = []
        #: Set when the trigger has seen a look, with an event or without one.
        self.looks = 0
        self._task = None

    async def __aenter__(self):
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._manager.stop_all()
        if not self._task.cancelled() and self._task.exception():
            raise self._task.exception()

    async def _run(self):
        key = self._trigger.shared_stream_key()
        stream = self._manager.subscribe(trigger_id=1, trigger=self._trigger, key=key)
        try:
            async for event in self._trigger.filter_shared_stream(self._counted(stream)):
                number = self._manager.bind_pending_event(trigger_id=1, key=key)
                self.events.append(json.loads(json.dumps(event.payload)))
                if self._keeps:
                    self._manager.confirm_persisted([number])
        finally:
            await self._manager.unsubscribe(1, key)

    async def _counted(self, stream):
        async for look in stream:
            yield look
            self.looks += 1

    async def until(self, condition, seconds=20):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0.005)

    async def looks_again(self, times=2):
        """Wait until so many looks have ended that began after now."""
        wanted = self.looks + times + 1
        await self.until(lambda: self.looks >= wanted)


@pytest.fixture
def state_store():
    return StateStore()


@pytest.fixture
def triggerer(state_store):
    """Return a function that starts a triggerer with a trigger as Airflow stored it."""

    def start(*stores, keeps=True, **keywords):
        keywords = {"deployment_id": 1, "poke_interval": 0.01, **keywords}
        path, stored = DeploymentChangedTrigger(**keywords).serialize()
        module_name, _, name = path.rpartition(".")
        trigger = getattr(import_module(module_name), name)(**json.loads(json.dumps(stored)))
        return Triggerer(trigger, stores or [state_store], keeps=keeps)

    return start


def releases_in(events):
    return [(event["previous_release_id"], event["release_id"]) for event in events]


@needs_store
def test_anybodys_change_is_an_event(emulator, triggerer, release_of):
    first = release_of()

    async def story():
        async with triggerer() as running:
            await running.looks_again()
            assert running.events == []
            second = release_of()
            await running.until(lambda: len(running.events) == 1)
            emulator.store.update_release(first.id, active=True)
            await running.until(lambda: len(running.events) == 2)
            await running.looks_again()
            return second, running.events

    second, events = asyncio.run(story())
    assert releases_in(events) == [(first.id, second.id), (second.id, first.id)]
    event = events[0]
    assert event["deployment_id"] == 1
    assert event["package_uuid"] == second.package_uuid
    assert event["updated_at"]
    assert event["previous_seen_at"] < event["seen_at"]
    assert {call.method for call in emulator.calls} == {"GET"}


@needs_store
def test_that_nothing_is_live_any_more_is_an_event(emulator, triggerer, release_of):
    release = release_of()

    async def story():
        async with triggerer() as running:
            await running.looks_again()
            emulator.store.delete_release(release.id)
            await running.until(lambda: running.events)
            release_of()
            await running.until(lambda: len(running.events) == 2)
            return running.events

    gone, again = asyncio.run(story())
    assert releases_in([gone]) == [(release.id, None)]
    assert (gone["package_uuid"], gone["updated_at"]) == (None, None)
    assert again["previous_release_id"] is None


@needs_store
@pytest.mark.parametrize("happens", ["before", "during", "not at all"])
def test_a_restart_neither_loses_nor_repeats(emulator, triggerer, release_of, happens):
    first = release_of()

    async def story():
        events = []
        async with triggerer() as running:
            await running.looks_again()
            if happens == "before":
                release_of()
                await running.until(lambda: running.events)
                await running.looks_again()
            events += running.events
        if happens == "during":
            release_of()
        async with triggerer() as running:
            await running.looks_again()
            if happens == "during":
                await running.until(lambda: running.events)
            await running.looks_again()
            return events + running.events

    events = asyncio.run(story())
    live = emulator.store.active_release(1).id
    assert releases_in(events) == ([] if happens == "not at all" else [(first.id, live)])


@needs_store
def test_an_event_that_airflow_did_not_keep_comes_again(triggerer, release_of):
    release_of()

    async def story():
        async with triggerer() as running:
            await running.looks_again()
        release_of()
        lost = []
        for _ in range(2):
            async with triggerer(keeps=False) as running:
                await running.until(lambda: running.events)
                await running.looks_again()
                lost += running.events
        async with triggerer() as running:
            await running.until(lambda: running.events)
            await running.looks_again()
            kept = running.events
        async with triggerer() as running:
            await running.looks_again()
            return lost, kept, running.events

    lost, kept, after = asyncio.run(story())
    assert releases_in(lost) == releases_in(kept) * 2
    assert len(kept) == 1
    assert after == []


@needs_store
def test_a_store_that_fails_costs_no_event(state_store, triggerer, release_of):
    first = release_of()

    async def story():
        state_store.breaks = 3
        async with triggerer() as running:
            await running.until(lambda: state_store.kept)
            # The note of the event cannot be written at once.
            second = release_of()
            await running.until(lambda: running.events)
            state_store.breaks = 3
            third = release_of()
            await running.until(lambda: len(running.events) == 2)
            await running.looks_again(8)
            events = running.events
        async with triggerer() as running:
            await running.looks_again()
            return second, third, events, running.events

    second, third, events, after = asyncio.run(story())
    assert releases_in(events) == [(first.id, second.id), (second.id, third.id)]
    assert after == []


@needs_store
def test_several_assets_share_a_watcher(triggerer, release_of):
    old, new = StateStore(), StateStore()
    release_of()

    async def story():
        async with triggerer(old) as running:
            await running.looks_again()
        release_of()
        async with triggerer(new, old) as running:
            await running.until(lambda: running.events)
            await running.looks_again()
            return running.events

    assert len(asyncio.run(story())) == 1
    (of_old,), (of_new,) = old.kept.values(), new.kept.values()
    assert of_old == of_new


@needs_store
@pytest.mark.parametrize(
    "effect", [Answer(503), Answer(404), Answer(403), Answer(401), Reset("before_body")]
)
def test_an_outage_delays_an_event(monkeypatch, emulator, triggerer, release_of, effect):
    monkeypatch.setattr(deployment, "_REST", 0.01)
    first = release_of()

    async def story():
        async with triggerer() as running:
            await running.looks_again()
            fault = emulator.faults.add(Fault(effect, path="/v4/*", times=4))
            second = release_of()
            await running.until(lambda: running.events)
            return second, running.events, fault

    second, events, _ = asyncio.run(story())
    assert releases_in(events) == [(first.id, second.id)]


@needs_store
def test_refused_credentials_are_rarely_sent_again(
    monkeypatch, emulator, triggerer, use_connection
):
    rests = []

    async def rest(_):
        rests.append(1)
        if len(rests) >= 2 * deployment._RESTS_OF_REFUSED:
            await asyncio.Event().wait()

    use_connection(emulator.url, password="wrong")
    monkeypatch.setattr(deployment.asyncio, "sleep", rest)

    async def story():
        sleep = asyncio.get_running_loop()
        async with triggerer():
            for _ in range(2000):
                waited = sleep.create_future()
                sleep.call_later(0.005, waited.set_result, None)
                await waited
                if len(rests) >= 2 * deployment._RESTS_OF_REFUSED:
                    return

    asyncio.run(story())
    assert len(rests) >= 2 * deployment._RESTS_OF_REFUSED
    assert len(emulator.calls) <= 3


@needs_store
def test_another_instance_is_looked_at_for_the_first_time(triggerer, release_of, use_connection):
    release_of()

    async def story():
        async with triggerer() as running:
            await running.looks_again()
        with Emulator() as other:
            other.store.create_deployment("Orders")
            use_connection(other.url)
            async with triggerer() as running:
                await running.looks_again()
                return running.events

    assert asyncio.run(story()) == []


@needs_store
def test_a_list_that_lags_behind_is_no_change(emulator, triggerer, release_of, monkeypatch):
    """The list shows the release of before as live; the release itself does not."""
    first = release_of()
    real = Releases.list
    lagging = []

    def list_of_before(self, deployment_id, **options):
        rows = real(self, deployment_id, **options)
        return lagging[0] if lagging else rows

    monkeypatch.setattr(Releases, "list", list_of_before)

    async def story():
        async with triggerer() as running:
            await running.looks_again()
            before = real(TrifactaHook().client.releases, 1)
            second = release_of()
            await running.until(lambda: running.events)
            await running.looks_again()
            lagging.append(before)
            asked = len(emulator.calls)
            await running.until(lambda: len(emulator.calls) > asked + 3)
            lagging.clear()
            await running.looks_again()
            return second, running.events

    second, events = asyncio.run(story())
    assert releases_in(events) == [(first.id, second.id)]


@needs_store
def test_a_list_that_is_empty_once_is_no_change(triggerer, release_of, monkeypatch):
    release_of()
    real = Releases.list
    empty = []

    def list_of_once(self, deployment_id, **options):
        return empty.pop() if empty else real(self, deployment_id, **options)

    monkeypatch.setattr(Releases, "list", list_of_once)

    async def story():
        async with triggerer() as running:
            for _ in range(3):
                await running.looks_again()
                empty.append([])
            await running.looks_again()
            return running.events

    assert asyncio.run(story()) == []


@needs_store
def test_it_shares_its_looks_with_the_waits(triggerer, release_of):
    waits_for = release_of().id
    release_of()

    async def story():
        async with triggerer(poke_interval=0.05) as running:
            await running.looks_again()
            wait = ReleaseActiveTrigger(
                release_id=waits_for, deployment_id=1, on_superseded="wait", poke_interval=0.05
            )
            ends = asyncio.create_task(anext(wait.run()))
            await running.looks_again()
            assert len(_watch_trigger.instances) == 1
            assert next(iter(_watch_trigger.instances.values())).users == 2
            ends.cancel()
            await asyncio.wait([ends])

    asyncio.run(story())


@needs_store
@pytest.mark.parametrize(
    "keywords",
    [
        {"deployment_id": 0},
        {"deployment_id": "orders"},
        {"deployment_id": None},
        {"deployment_id": 1, "poke_interval": 0},
        {"deployment_id": 1, "poke_interval": -1},
    ],
)
def test_wrong_arguments_are_refused_when_a_dag_is_parsed(keywords):
    with pytest.raises(InvalidInputError):
        DeploymentChangedTrigger(**keywords)


@needs_store
def test_an_equal_watch_is_one_trigger():
    one = DeploymentChangedTrigger(deployment_id="4", poke_interval=60)
    assert one.serialize() == DeploymentChangedTrigger(deployment_id=4).serialize()
    assert one.shared_stream_key() == DeploymentChangedTrigger(deployment_id=4).shared_stream_key()
    other = DeploymentChangedTrigger(deployment_id=5)
    assert other.shared_stream_key() != one.shared_stream_key()
