"""One call to the API: what is sent, and what it may cost."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from .errors import RequestTimeoutError

if TYPE_CHECKING:
    from .adapter import MultipartFile

#: The header by which a server takes a request once [P: AAC25].
EXECUTION_ID = "x-execution-id"
#: What a write returns if the server has taken a request of the same execution id before: it answers 304 [P: AAC25].
ACCEPTED_BEFORE: Final = object()


@dataclass
class Budget:
    """The bounds of one call, with its repetitions, its redirects and, for a list, its pages.

    A server cannot stretch them: the connection looks at ``end`` before each block.

    :param seconds: how long the call may take in all
    :param option: the extra that sets this time, for the error
    :param bytes_left: bytes that all its answers may still have together
    :param end: when the time is over, by the monotonic clock
    :param pages: how many pages of a list were read
    """

    seconds: float
    option: str
    bytes_left: float
    end: float
    pages: int = 0

    def left(self) -> float:
        """Return the seconds that are left; 0 or less if there are none."""
        return self.end - time.monotonic()

    def exceeded(self, what: str) -> RequestTimeoutError:
        """Return the error of a call that took too long.

        :param what: the request
        """
        return RequestTimeoutError(
            f"{what} did not end within {self.seconds:g} s, its repetitions included. A larger extra {self.option!r} "
            "waits longer."
        )


class Exchange(threading.local):
    """The present request of a thread: a thread sends one at a time."""

    #: Method and path, for an error.
    what: str
    budget: Budget
    #: Whether a byte of it has left. Until then no server can have acted on it.
    begun = True

    def left(self) -> float:
        """Return the seconds that its call has left.

        :raises RequestTimeoutError: there are none
        """
        left = self.budget.left()
        if left <= 0:
            raise self.budget.exceeded(self.what)
        return left


exchange = Exchange()


@dataclass
class Request:
    """What is sent, and where its answer goes."""

    method: str
    path: str
    budget: Budget
    params: Mapping[str, Any] | None = None
    json: object = None
    body: MultipartFile | None = None
    file: BinaryIO | None = None
    slow: bool = False
    parse: bool = True
    execution_id: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Its own headers."""
        own = {"Accept": "*/*"} if self.file else {}
        own |= {"Content-Type": self.body.content_type} if self.body else {}
        return own | ({EXECUTION_ID: self.execution_id} if self.execution_id else {})
