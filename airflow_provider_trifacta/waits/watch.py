"""The decision that every wait takes at each poll: it is there, wait on, or fail.

A :class:`Watch` never sends a request by itself. It is a generator that yields what it wants to
know, as a :class:`Read`, and receives the answer. So two callers can drive the same decision:
:meth:`Watch.poll` with a client of its own, and the triggers with answers that many waits share.
"""

from __future__ import annotations

import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ..client import errors
from ..client.foreign_words import logger
from ..client.retries import ROUTE_NOT_FOUND

if TYPE_CHECKING:
    from ..client.client import TrifactaClient

log = logger(__name__)

T = TypeVar("T")

#: A wait gives up when every poll has failed with a transient error for this many seconds.
TOLERATED_OUTAGE = 15 * 60.0
#: Seconds between two polls.
POKE_INTERVAL = 10.0
#: The longest time that an argument may give: the system's own calls take no much longer pause. A
#: time of day in seconds since the epoch is less, too.
_MOST_SECONDS = 9e9
#: How often a wait sends credentials that something refuses which may not be the API: accounts may
#: lock.
MOST_REFUSALS = 3


def seconds(name: str, value: object, *, positive: bool = False) -> float:
    """Read a length of time.

    :param name: the name of the argument, for the error
    :param value: seconds, or a timedelta
    :param positive: whether 0 is refused
    :returns: the seconds
    :raises InvalidInputError: for anything else, and for a negative time or one of more than 285
        years
    """
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, (int, float)) and not isinstance(number, bool):
        is_refused_zero = positive and number == 0
        if 0 <= number <= _MOST_SECONDS and not is_refused_zero:
            return float(number)
    least = "more than 0" if positive else "0 or more"
    raise errors.InvalidInputError(
        f"{name} must be {least} seconds and at most {_MOST_SECONDS:.0f}, or a timedelta, not"
        f" {value!r}."
    )


@dataclass(frozen=True)
class Read(ABC):
    """A question to an instance. Waits that ask equal questions may share one answer."""

    #: What the API's quotas count: the method and the path, without ids.
    endpoint: ClassVar[str]
    #: Whether it is asked at once. That is right for details of an end that was seen already.
    urgent: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, client: TrifactaClient) -> Any:
        """Ask the question.

        :param client: a client that does not repeat failed reads, because the next poll does that
        """


class Connect:
    """Asks for the Airflow connection. The answer is a client that does not repeat failed reads."""


#: What one poll asks for, step by step. If a step fails, its error is thrown into the generator.
Steps = Generator["Read | Connect", Any, T]


class Watch(ABC):
    """Polls until the awaited state is there. It only reads, so a wait never changes production.

    A poll that fails with a transient error does not end the wait. Transient are: a failed
    connection, a timeout, 429, 5xx, an answer that the API does not document, and a failed look-up
    of the Airflow connection. The wait gives up when all polls of ``tolerated_outage`` seconds have
    failed. A 429 with ``Retry-After`` proves that the server is there, so it does not count as a
    failure: it only lengthens the next pause.

    A 401 makes the wait read the Airflow connection again. If it holds the same credentials, a 401
    in the API's own words ends the wait. Any other 401 may be of a gateway. It ends the wait at the
    third poll that it refuses.

    :param tolerated_outage: seconds, or a timedelta; ``math.inf`` for no limit
    :param failing_since: when the polls before this watch began to fail, in seconds since the
        epoch; None if the last one succeeded
    :param refusals: how many polls before this watch were refused with a 401 that is not in the
        API's own words
    :param connected_before: whether this task has read the Airflow connection before. If so, a
        missing connection is a transient error, because Airflow gives the same error when a secrets
        backend fails
    :param clock: returns the seconds since the epoch; for tests
    :raises InvalidInputError: for a negative outage
    """

    def __init__(
        self,
        *,
        tolerated_outage: float | timedelta = TOLERATED_OUTAGE,
        failing_since: float | None = None,
        refusals: int = 0,
        connected_before: bool = False,
        clock: Callable[[], float] | None = None,
    ) -> None:
        #: For how long all polls may fail, in seconds.
        self.tolerated_outage = math.inf
        if tolerated_outage != math.inf:
            self.tolerated_outage = seconds("tolerated_outage", tolerated_outage)
        #: When the polls began to fail; None if the last one succeeded.
        self.failing_since = failing_since
        #: How many polls were refused with a 401 that is not in the API's own words, since one was
        #: accepted.
        self.refusals = refusals
        self._refusal: errors.AuthenticationError | None = None
        #: Seconds that the server asked to wait at the last poll; 0 if it did not.
        self.retry_after = 0.0
        #: What the last successful poll saw, in words.
        self.state = "Nothing was seen yet"
        #: The client of the Airflow connection, as it was read last.
        self.client: TrifactaClient | None = None
        self._connected = connected_before
        self._clock = clock or time.time

    def poll(self, connect: Callable[[], TrifactaClient]) -> bool:
        """Poll once, with a client of this process.

        :param connect: reads the Airflow connection and returns a client that does not repeat
            failed reads
        :returns: True if the awaited state is there; False to wait on
        :raises TrifactaError: the state can never come, or a later poll cannot help, or the outage
            lasts too long
        """
        steps = self.steps()
        answer: Any = None
        error: Exception | None = None
        while True:
            try:
                step = steps.throw(error) if error else steps.send(answer)
            except StopIteration as stop:
                return bool(stop.value)
            error = None
            try:
                answer = connect() if isinstance(step, Connect) else step(self._connected_client())
            except Exception as failure:
                # The generator alone decides what an error means, so it receives every one.
                error = failure

    def _connected_client(self) -> TrifactaClient:
        assert self.client is not None  # the first step of the first poll connects  # noqa: S101
        return self.client

    def steps(self) -> Steps[bool]:
        """Take the steps of one poll. It returns and raises as :meth:`poll` does."""
        self.retry_after = 0.0
        try:
            if self.client is None:
                self.client = yield from self._connect()
            elif self._refusal and self.refusals >= MOST_REFUSALS:
                # The connection could not be read when these credentials were refused for the last
                # time.
                yield from self._renew(self._refusal)
            try:
                done, state = yield from self._counted_look()
            except errors.AuthenticationError as refusal:
                yield from self._renew(refusal)
                done, state = yield from self._counted_look()
        except errors.TrifactaError as error:
            if self._ends_with(error):
                raise
            return False
        self.failing_since = None
        self.refusals = 0
        # Thousands of waits may share a process, so a state is logged as information only when it
        # has changed.
        level = logging.DEBUG if state == self.state else logging.INFO
        log.log(level, "%s", state)
        self.state = state
        return done

    def pause(self, interval: float) -> float:
        """Return the seconds until the next poll.

        :param interval: the usual pause
        """
        return max(interval, self.retry_after)

    def _counted_look(self) -> Steps[tuple[bool, str]]:
        """Look, and count a 401 that is not in the API's own words."""
        try:
            seen: tuple[bool, str] = yield from self._look()
        except errors.AuthenticationError as refusal:
            if not refusal.from_api:
                self.refusals += 1
                self._refusal = refusal
            raise
        return seen

    def _connect(self) -> Steps[TrifactaClient]:
        try:
            client: TrifactaClient = yield Connect()
        except errors.MissingConnectionError as error:
            if not self._connected:
                raise
            raise errors.ConnectionLookUpError(str(error)) from error
        except errors.TrifactaError:
            raise
        except Exception as error:
            raise errors.ConnectionLookUpError(
                f"The Airflow connection could not be read: {type(error).__name__}: {error}"
            ) from error
        self._connected = True
        return client

    def _renew(self, refusal: errors.AuthenticationError) -> Steps[None]:
        """Read the Airflow connection again after a 401.

        A token may have been renewed during the wait. If the connection holds other credentials
        now, the wait goes on with them. If it holds the same ones, another look in this poll cannot
        help.
        """
        old = self._connected_client()
        new = yield from self._connect()
        if _credentials(new) == _credentials(old):
            raise refusal
        self.client = new
        self.refusals = 0
        log.info(
            "The server refused the credentials. The Airflow connection holds new ones: the wait"
            " goes on."
        )

    def _ends_with(self, error: errors.TrifactaError) -> bool:
        """Tell whether an error ends the wait, and note since when the polls fail."""
        refused = isinstance(error, errors.AuthenticationError) and not error.from_api
        if refused and self.refusals >= MOST_REFUSALS:
            return True
        if not refused and not error.retryable:
            return True
        asked = getattr(error, "retry_after", None)
        self.retry_after = asked or 0.0
        if isinstance(error, errors.RateLimitError) and asked is not None:
            log.info("The server asks to wait %.0f s: %s", asked, error)
            return False
        now = self._clock()
        if self.failing_since is None:
            self.failing_since = now
        failing = now - self.failing_since
        # How often credentials are sent is decided by their number, and not by the time.
        if failing >= self.tolerated_outage and not refused:
            return True
        log.warning(
            "The poll failed. Polls have failed for %.0f s, and %.0f s are tolerated: %s",
            failing,
            self.tolerated_outage,
            error,
        )
        return False

    @abstractmethod
    def _look(self) -> Steps[tuple[bool, str]]:
        """Read and decide.

        :returns: whether the awaited state is there, and the present state in words
        """


def refusal_of_id(error: errors.TrifactaError) -> str | None:
    """Return how the server said that it does not know an id, as a sentence; None if the error says
    something else.

    An instance that does not know the call answers 404 too. That says nothing about this id.

    :param error: what ended a read by id
    """
    if not isinstance(error, errors.NotFoundError) or error.name == ROUTE_NOT_FOUND:
        return None
    request = f", request id {error.request_id}" if error.request_id else ""
    return f"The server answered {error.status} to {error.method} {error.path}{request}."


def _credentials(client: TrifactaClient) -> tuple[str, str | None, str]:
    return client.config.base_url, client.config.login, client.config.password
