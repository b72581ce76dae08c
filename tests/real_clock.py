"""A clock for the servers of tests that run beside a real scheduler."""

from __future__ import annotations

from trifacta_emulator import ManualClock, utc_now


class AheadOfTime(ManualClock):
    """The real time, and what the test goes ahead of it."""

    def __init__(self) -> None:
        self._began = utc_now()
        super().__init__(self._began)

    def __call__(self):
        return super().__call__() + (utc_now() - self._began)
