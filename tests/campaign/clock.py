"""The time of a run: only sleeping moves it, and things may happen in the meantime."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import selectors
import time as real_time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

START = datetime(2024, 6, 3, 6, tzinfo=timezone.utc)
#: Seconds until Airflow notices that a task's process is gone, between two tries, and until it
#: looks after a person cleared a task.
NOTICED_AFTER, RETRY_DELAY, SCHEDULED_AFTER = 300.0, 60.0, 2.0


class TooLongError(BaseException):
    """The run takes more virtual time or more requests than any run may."""


class Clock:
    """Seconds since the run began.

    :param most: seconds that a run may take
    """

    def __init__(self, most: float) -> None:
        self.now = 0.0
        #: Called after each sleep: it may end the process that slept.
        self.woken: Callable[[], object] = lambda: None
        self._most = most
        self._number = itertools.count()
        self._events: list[tuple[float, int, Callable[[], object]]] = []

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        """Let something happen so many seconds from now."""
        heapq.heappush(self._events, (self.now + seconds, next(self._number), act))

    def sleep(self, seconds: float) -> None:
        """Move on, through everything that happens until then."""
        end = self.now + max(seconds, 0.0)
        while self._events and self._events[0][0] <= end:
            due, _, act = heapq.heappop(self._events)
            self.now = max(self.now, due)
            act()
        self.now = max(self.now, end)
        if self.now > self._most:
            raise TooLongError(f"more than {self._most:.0f} s")
        self.woken()

    def datetime(self, skew: float = 0.0) -> datetime:
        """Return the time of day, by a clock that is so many seconds ahead."""
        return START + timedelta(seconds=self.now + skew)


class Times:
    """Stands for the modules and classes that tell the time, as the code under test
    imports them.
    """

    def __init__(self) -> None:
        self.clock = Clock(0)
        times = self

        class Time:
            """The module ``time``."""

            def __getattr__(self, name: str) -> Any:
                return getattr(real_time, name)

            def sleep(self, seconds: float) -> None:
                times.clock.sleep(seconds)

            def monotonic(self) -> float:
                return times.clock.now

            def time(self) -> float:
                return START.timestamp() + times.clock.now

        class Kind(type):
            def __instancecheck__(cls, instance: object) -> bool:
                return isinstance(instance, datetime)

        class Datetime(datetime, metaclass=Kind):
            """The class ``datetime``."""

            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return times.clock.datetime().astimezone(tz)

        self.time, self.datetime = Time(), Datetime

    def clock_now(self) -> datetime:
        """Return the time of day."""
        return self.clock.datetime()

    def module(self, real: Any, **replaced: Any) -> Any:
        """Return what stands for a module, with some of its functions replaced."""

        class Module:
            def __getattr__(self, name: str) -> Any:
                return replaced[name] if name in replaced else getattr(real, name)

        return Module()


class _Selector(selectors.DefaultSelector):
    """Does not wait for a timer: it moves the clock. It waits for threads, which are real."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if self.loop.busy or timeout is None:
            return super().select(0.02)
        self.loop.clock.sleep(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on the virtual clock, for triggers."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.busy = clock, 0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.clock.now

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        self.busy += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._done)
        return future

    def _done(self, _: object) -> None:
        self.busy -= 1
