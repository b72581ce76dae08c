"""Time in the emulator: every date, every expiry and the progress of jobs come from one replaceable
clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the real time, in UTC."""
    return datetime.now(timezone.utc)


class ManualClock:
    """A clock that stands still until a test advances it.

    :param start: the first time it shows, with a time zone; default 2024-01-01 00:00 UTC
    """

    def __init__(self, start: datetime = datetime(2024, 1, 1, tzinfo=timezone.utc)) -> None:
        self._now = start

    def __call__(self) -> datetime:
        """Return the current time."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Advance the clock.

        :param seconds: how far; may be a fraction
        """
        self._now += timedelta(seconds=seconds)


@dataclass(frozen=True)
class WholeSeconds:
    """A clock that shows whole seconds only, as the times of the cloud [P: AYX].

    :param clock: the clock behind it
    """

    clock: Clock

    def __call__(self) -> datetime:
        """Return the current time, without its fraction of a second."""
        return self.clock().replace(microsecond=0)


# A list of thousands of releases writes the same times on each of its pages.
@lru_cache(maxsize=16_384)
def iso(moment: datetime) -> str:
    """Write a time as the vendor does: ISO 8601 with milliseconds and ``Z`` [R: VS-143186630].

    :param moment: a time with a time zone
    """
    text = moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def iso_or_none(moment: datetime | None) -> str | None:
    """Write a time that may be missing; ``None`` stays ``None``.

    :param moment: a time with a time zone, or ``None``
    """
    if moment is None:
        return None
    return iso(moment)
