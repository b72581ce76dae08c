"""Triggers that wait for releases."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from ..client.errors import TrifactaError
from ..client.watch import ReleaseWatch
from ..hooks.trifacta import TrifactaHook
from ._polling import polling


class ReleaseActiveTrigger(BaseTrigger):
    """Polls until a release is active, decides as :class:`.ReleaseActiveSensor` does, and changes nothing.

    Nothing blocks the event loop: polls run in threads, and the connection is looked up when the trigger starts.
    When it is cancelled, which a restart of the triggerer does too, it just stops.

    The event is ``{"status": "active" | "timeout" | "error", "message": str, "retryable": bool}``.

    :param release_id: the release
    :param trifacta_conn_id: the Airflow connection
    :param on_superseded: as the sensor's
    :param tolerated_failures: as the sensor's
    :param failures: polls that failed in a row before
    :param poke_interval: seconds between two polls
    :param deadline: when to give up, as seconds since the epoch: a wall clock, since the trigger may move to another
        host
    """

    def __init__(
        self,
        *,
        release_id: int,
        trifacta_conn_id: str,
        on_superseded: str,
        tolerated_failures: int,
        failures: int,
        poke_interval: float,
        deadline: float,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.release_id = release_id
        self.trifacta_conn_id = trifacta_conn_id
        self.on_superseded = on_superseded
        self.tolerated_failures = tolerated_failures
        self.failures = failures
        self.poke_interval = poke_interval
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the keywords that make an equal trigger."""
        return (
            f"{type(self).__module__}.{type(self).__name__}",
            {
                "release_id": self.release_id,
                "trifacta_conn_id": self.trifacta_conn_id,
                "on_superseded": self.on_superseded,
                "tolerated_failures": self.tolerated_failures,
                "failures": self.failures,
                "poke_interval": self.poke_interval,
                "deadline": self.deadline,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield one event."""
        try:
            event = await self._wait()
        except TrifactaError as error:
            event = {"status": "error", "message": f"{type(error).__name__}: {error}", "retryable": error.retryable}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call, unused-ignore]

    async def _wait(self) -> dict[str, Any]:
        watch = ReleaseWatch(
            self.release_id,
            on_superseded=self.on_superseded,
            tolerated_failures=self.tolerated_failures,
            failures=self.failures,
        )
        # Everything of the connection is read within the one call that leaves the event loop.
        config = await sync_to_async(lambda: TrifactaHook(self.trifacta_conn_id).polling_config)()
        # The sensor has just polled; a random first pause keeps waits that began together apart.
        pause = self.poke_interval * random.random()  # noqa: S311
        async with polling(config) as instance:
            while True:
                await asyncio.sleep(min(pause, max(self.deadline - time.time(), 0)))
                pause = self.poke_interval
                last = time.time() >= self.deadline
                try:
                    # An instance that keeps its threads busy must not hold the wait beyond its deadline for long.
                    longest = max(self.deadline - time.time(), 0) + config.connect_timeout + config.read_timeout
                    active = await instance.run(watch.poll, longest)
                except TimeoutError:
                    active, last = False, True
                if active:
                    return {"status": "active", "message": f"Release {self.release_id} is active", "retryable": False}
                if last:
                    return {
                        "status": "timeout",
                        "message": f"Release {self.release_id} did not become active in time",
                        "retryable": False,
                    }
