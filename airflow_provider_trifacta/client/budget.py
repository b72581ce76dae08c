"""What one call may cost: seconds until it ends, and bytes of answers."""

from __future__ import annotations

import math
import time

from .errors import RequestTimeoutError


class Budget:
    """The bounds of one call, with its repetitions, its redirects and, for a list, its pages.

    A server cannot stretch them: the connection asks before each block that it sends or receives.

    :param seconds: how long the call may take in all
    :param option: the extra that sets this time, for the error
    :param size: bytes that all answers of the call may have together
    """

    def __init__(self, seconds: float = math.inf, option: str = "", size: float = math.inf) -> None:
        self._seconds = seconds
        self._option = option
        self._end = time.monotonic() + seconds
        self.bytes_left = size

    def left(self) -> float:
        """Return the seconds that are left; 0 or less when there are none."""
        return self._end - time.monotonic()

    def check(self, what: str) -> None:
        """Raise when no time is left.

        :param what: the request, for the error
        :raises RequestTimeoutError: the call took too long
        """
        if self.left() <= 0:
            raise RequestTimeoutError(
                f"{what} did not end within {self._seconds:g} s, its repetitions included. A larger extra "
                f"{self._option!r} waits longer."
            )
