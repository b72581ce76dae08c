"""What the triggers share: polling in threads until a watch decides."""

from __future__ import annotations

import asyncio
import random
import time
from abc import abstractmethod
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from ..client.errors import TrifactaError
from ..hooks.trifacta import TrifactaHook
from ..waits import Watch
from ._polling import polling

#: Seconds after its own deadline at which a trigger that does not report is given up.
_BACKSTOP = 300.0


class WatchTrigger(BaseTrigger):
    """Polls until a watch decides, as the sensor of the same watch does, and changes nothing.

    Nothing blocks the event loop: polls run in threads, and the connection is looked up when the trigger starts.
    When it is cancelled, which a restart of the triggerer does too, it just stops.

    The event is ``{"status": "success" | "timeout" | "error", "message": str, "retryable": bool}``.

    :param trifacta_conn_id: the Airflow connection
    :param tolerated_failures: as the sensor's
    :param failures: polls that failed in a row before
    :param poke_interval: seconds between two polls
    :param deadline: when to give up, as seconds since the epoch: a wall clock, since the trigger may move to another
        host
    :param awaited: keywords of the subclass, which say what is waited for
    """

    def __init__(
        self,
        *,
        trifacta_conn_id: str,
        tolerated_failures: int,
        failures: int,
        poke_interval: float,
        deadline: float,
        **awaited: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.trifacta_conn_id = trifacta_conn_id
        self.tolerated_failures = tolerated_failures
        self.failures = failures
        self.poke_interval = poke_interval
        self.deadline = deadline
        self._awaited = awaited

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the keywords that make an equal trigger."""
        return (
            f"{type(self).__module__}.{type(self).__name__}",
            {
                **self._awaited,
                "trifacta_conn_id": self.trifacta_conn_id,
                "tolerated_failures": self.tolerated_failures,
                "failures": self.failures,
                "poke_interval": self.poke_interval,
                "deadline": self.deadline,
            },
        )

    @property
    def given_up_after(self) -> timedelta:
        """How long Airflow should wait for the event, if the triggerer loses it; from now on."""
        return timedelta(seconds=self.deadline - time.time() + _BACKSTOP)

    @abstractmethod
    def _watch(self) -> Watch:
        """Make the watch."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield one event."""
        try:
            event = await self._wait()
        except TrifactaError as error:
            event = {"status": "error", "message": f"{type(error).__name__}: {error}", "retryable": error.retryable}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call, unused-ignore]

    async def _wait(self) -> dict[str, Any]:
        watch = self._watch()
        # Everything of the connection is read within the one call that leaves the event loop.
        config = await sync_to_async(lambda: TrifactaHook(self.trifacta_conn_id).polling_config)()
        # The task has just polled; a random first pause keeps waits that began together apart.
        pause = self.poke_interval * random.random()  # noqa: S311
        async with polling(config) as instance:
            while True:
                await asyncio.sleep(min(pause, max(self.deadline - time.time(), 0)))
                pause = self.poke_interval
                last = time.time() >= self.deadline
                try:
                    # An instance that keeps its threads busy must not hold the wait beyond its deadline for long.
                    longest = max(self.deadline - time.time(), 0) + config.connect_timeout + config.read_timeout
                    done = await instance.run(watch.poll, longest)
                except TimeoutError:
                    done, last = False, True
                if done:
                    return {"status": "success", "message": watch.state, "retryable": False}
                if last:
                    return {"status": "timeout", "message": f"Not in time. {watch.state}", "retryable": False}
