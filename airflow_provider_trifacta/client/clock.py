"""Time, as everything here sees it: one object that a client carries, so that no function is handed a clock."""

from __future__ import annotations

import time


class Clock:
    """The real time. Tests give a client another one."""

    def sleep(self, seconds: float) -> None:
        """Wait.

        :param seconds: how long
        """
        time.sleep(seconds)

    def monotonic(self) -> float:
        """Return seconds that only go forward, for the length of waits."""
        return time.monotonic()
