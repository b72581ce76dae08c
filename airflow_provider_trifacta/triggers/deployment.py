"""A trigger that starts DAGs when another release of a deployment is live. It needs Airflow 3.3."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow import __version__

from .._compat import KEEPS_STATE, asset_stores
from ..client.foreign_words import logger

if not KEEPS_STATE:
    raise ImportError(
        "DeploymentChangedTrigger needs Airflow 3.3 or later, which remembers for a trigger what it"
        f" saw. This is Airflow {__version__}. On earlier lines let the operators announce their"
        " own releases: put an AssetAlias among their outlets."
    )

from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from ..client.errors import AuthenticationError
from ..client.ids import parse_id
from ..client.models import Release
from ..hooks.trifacta import TrifactaHook
from ..waits import LiveReleaseWatch, seconds
from ._polling import Poll
from ._watch_trigger import Polls, sharing_key

log = logger(__name__)

#: Seconds between two looks. A change is rare, and nobody waits for it in front of a screen.
POKE_INTERVAL = 60.0
#: Seconds until the next try after an error that another poll cannot help, such as a deployment
#: that does not exist.
_REST = 300.0
#: Refused credentials are sent again only after so many rests, or as soon as the Airflow connection
#: holds others: accounts may lock.
_RESTS_OF_REFUSED = 12


@dataclass(eq=False)
class _Look:
    """What one look saw.

    :param instance: the base URL of the instance, without the scheme
    :param live: the live release; None if none is live
    :param seen_at: when it was read
    :param when_kept: called when Airflow has kept the event that follows from it
    """

    instance: str
    live: Release | None
    seen_at: datetime
    when_kept: list[Callable[[], Awaitable[None]]] = field(default_factory=list)


class DeploymentChangedTrigger(BaseEventTrigger):
    """Starts DAGs when another release of a deployment is live, whoever did that. It only reads.

    .. code-block:: python

        changed = DeploymentChangedTrigger(deployment_id=4, trifacta_conn_id="trifacta_prod")
        watcher = AssetWatcher(name="orders", trigger=changed)
        ORDERS = deployment_asset(4, host="trifacta.example.com", watchers=[watcher])

    Each event has the payload ``{"deployment_id": int, "release_id": int | None,
    "previous_release_id": int | None, "package_uuid": str | None, "updated_at": str | None,
    "previous_seen_at": str, "seen_at": str}``. None as a release means that none is live.
    ``updated_at`` is when the release was changed last, by the clock of the server: an activation
    changes it. The change came between ``previous_seen_at`` and ``seen_at``.

    The first look only notes what is live. Later looks compare with the note, which Airflow's asset
    state store keeps. The note is renewed after Airflow has kept the event. So a restart of the
    triggerer loses no change, and reports none twice. One exception: a triggerer that is killed in
    the one or two seconds between the event and its note leaves an equal event twice. A release
    that was live only between two looks is not seen.

    An outage only delays the events. After an error that another look cannot help, it rests for
    five minutes and tries again. Refused credentials are sent again once an hour, or when the
    Airflow connection holds others. All waits on the instance as the same user share their looks.

    API page: API Releases Get List v4.

    :param deployment_id: the deployment: an int, or a string of digits
    :param trifacta_conn_id: the Airflow connection
    :param poke_interval: seconds between two looks, or a timedelta; more than 0
    :raises InvalidInputError: an argument cannot be used
    """

    def __init__(
        self,
        *,
        deployment_id: int | str,
        trifacta_conn_id: str = TrifactaHook.default_conn_name,
        poke_interval: float | timedelta = POKE_INTERVAL,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.deployment_id = parse_id(deployment_id, "deployment_id")
        self.trifacta_conn_id = trifacta_conn_id
        self.poke_interval = seconds("poke_interval", poke_interval, positive=True)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the keywords that make an equal trigger."""
        return f"{type(self).__module__}.{type(self).__name__}", {
            "deployment_id": self.deployment_id,
            "trifacta_conn_id": self.trifacta_conn_id,
            "poke_interval": self.poke_interval,
        }

    def shared_stream_key(self) -> Hashable:
        """Return what only an equal trigger has. A stream is the way to learn from Airflow that it
        has kept an event.
        """
        return (*self.serialize()[1].values(), "trifacta deployment")

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Return what looks at the deployment.

        :param kwargs: as :meth:`serialize` gives them
        """
        return _Looks(**kwargs)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Airflow calls :meth:`filter_shared_stream` in its place."""
        raise NotImplementedError("Airflow runs this trigger by its shared stream")
        yield

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[_Look]
    ) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each look that sees another live release than the one before.

        :param shared_stream: the looks
        """
        memory = _Memory(asset_stores(self.asset_state_store), self.deployment_id)
        async for look in shared_stream:
            if not await memory.is_ready(look):
                continue
            payload = memory.change(look)
            if payload is not None:
                log.info("Deployment %s has changed: %s", self.deployment_id, payload)
                yield TriggerEvent(payload)  # type: ignore[no-untyped-call, unused-ignore]


class _Memory:
    """What was live, as the events say it, and as the notes of the assets keep it.

    :param stores: the state stores of the watched assets
    :param deployment_id: the deployment
    """

    def __init__(self, stores: Sequence[Any], deployment_id: int) -> None:
        self._stores = stores
        self._deployment_id = deployment_id
        self._key = ""
        #: What the last event said, or what was live at the first look.
        self._reported: Mapping[str, Any] | None = None
        #: What the notes must say, but do not say yet.
        self._unsaved: Mapping[str, Any] | None = None

    async def is_ready(self, look: _Look) -> bool:
        """Tell whether a look can be compared: what was live before is known, and noted.

        :param look: the look. If it is the first of all, it is noted
        """
        # Another instance has other releases of the same ids.
        key = f"trifacta live release: {look.instance}/deployments/{self._deployment_id}"
        try:
            if key != self._key:
                note = await self._read(key)
                self._key = key
                self._reported = note
                self._unsaved = None
                if note is None:
                    log.info("Deployment %s is looked at for the first time", self._deployment_id)
                    self._reported = self._unsaved = self._note_of(look)
            await self._save()
        except Exception as error:
            # The next look tries again. Without the note it cannot tell what has changed.
            log.warning("Airflow's asset state store fails: %s: %s", type(error).__name__, error)
            return False
        return True

    def change(self, look: _Look) -> dict[str, Any] | None:
        """Return what an event says; None if the same release is live as before.

        :param look: the look
        """
        before = self._reported or {}
        now = self._note_of(look)
        self._reported = now
        if before.get("release_id") == now["release_id"]:
            return None

        async def keep() -> None:
            self._unsaved = now
            try:
                await self._save()
            except Exception as error:  # the next look tries again
                log.warning("The change cannot be noted yet: %s", error)

        look.when_kept.append(keep)
        live = look.live
        return {
            "deployment_id": self._deployment_id,
            "release_id": now["release_id"],
            "previous_release_id": before.get("release_id"),
            "package_uuid": live.package_uuid if live else None,
            "updated_at": _text_of(live.updated_at) if live else None,
            "previous_seen_at": before.get("seen_at"),
            "seen_at": now["seen_at"],
        }

    async def _read(self, key: str) -> Mapping[str, Any] | None:
        """Return the note of the first asset that has one: another may be newer."""
        for store in self._stores:
            note = await store.aget(key)
            if isinstance(note, Mapping):
                return note
        return None

    async def _save(self) -> None:
        note = self._unsaved
        if note is None:
            return
        for store in self._stores:
            await store.aset(self._key, dict(note))
        if self._unsaved is note:
            self._unsaved = None

    def _note_of(self, look: _Look) -> dict[str, Any]:
        release_id = look.live.id if look.live else None
        return {"release_id": release_id, "seen_at": _text_of(look.seen_at)}


def _text_of(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


class _Looks(SharedStreamProducer):
    """Looks at a deployment, again and again.

    :param deployment_id: as for :class:`DeploymentChangedTrigger`
    :param trifacta_conn_id: as there
    :param poke_interval: as there
    """

    def __init__(self, deployment_id: int, trifacta_conn_id: str, poke_interval: float) -> None:
        self._deployment_id = deployment_id
        self._poke_interval = poke_interval
        self._polls = Polls(trifacta_conn_id)

    async def open_stream(self) -> AsyncIterator[tuple[_Look, _Look]]:
        """Yield what each look sees. It never ends: Airflow would start it again at once."""
        try:
            while True:
                try:
                    async for look in self._looks():
                        yield look, look
                except Exception as error:
                    log.error(
                        "Deployment %s cannot be watched, and is looked at again later: %s: %s",
                        self._deployment_id,
                        type(error).__name__,
                        error,
                    )
                    await self._rest(is_refused=isinstance(error, AuthenticationError))
        finally:
            self._polls.close()

    async def _looks(self) -> AsyncIterator[_Look]:
        # The Airflow connection may be made or repaired while DAGs wait for the deployment.
        watch = LiveReleaseWatch(
            self._deployment_id, tolerated_outage=math.inf, connected_before=True
        )
        loop = asyncio.get_running_loop()
        due = loop.time()
        spread = self._poke_interval * random.random()  # noqa: S311
        while True:
            poll = Poll(due, self._poke_interval, spread=spread)
            try:
                is_sure = await self._polls.poll(watch, poll)
            except TimeoutError as error:
                log.warning("%s", error)
                is_sure = False
            asked_at = loop.time() if poll.began is None else poll.began
            if is_sure and self._polls.config is not None:
                instance = self._polls.config.base_url.partition("://")[2]
                yield _Look(instance, watch.live, datetime.now(timezone.utc))
            due = max(asked_at + self._poke_interval, loop.time() + watch.retry_after)
            spread = 0.0

    async def _rest(self, *, is_refused: bool) -> None:
        """Wait until another try makes sense.

        :param is_refused: whether the credentials were refused
        """
        config = self._polls.config
        if config is None or not is_refused:
            await asyncio.sleep(_REST)
            return
        refused = sharing_key(config)
        for _ in range(_RESTS_OF_REFUSED):
            await asyncio.sleep(_REST)
            if await self._key_now() not in (None, refused):
                return

    async def _key_now(self) -> str | None:
        """Return what the Airflow connection leads to now; None if it cannot be read."""
        poll = Poll(asyncio.get_running_loop().time(), self._poke_interval)
        try:
            return sharing_key(await self._polls.look_up(poll))
        except Exception as error:
            log.warning("The Airflow connection cannot be read: %s", type(error).__name__)
            return None

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Note the changes whose events Airflow has kept.

        :param batch: looks, in their order
        """
        for item in batch:
            if not item.outcome.is_clean:
                continue
            for keep in item.broker_payload.when_kept:
                await keep()
