"""Whether a request is sent again, and how long to wait before: for every call of the client."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import TypeVar

from .errors import APIError, AuthenticationError, ConnectError, DeploymentManagerMissingError
from .foreign_words import logger

_T = TypeVar("_T")

log = logger(__name__)

#: Seconds: the first wait before a repetition, and the longest one. Each gets up to a second more,
#: by chance.
FIRST_WAIT = 0.5
LONGEST_WAIT = 20.0
#: Seconds: the longest wait that a server may ask for. Its quotas are per minute; absurd values are
#: cut to this.
LONGEST_RETRY_AFTER = 120.0
#: How often a write is sent again if that is safe.
WRITE_RETRIES = 4


def may_repeat_read(error: BaseException) -> bool:
    """A read changes nothing, so it is sent again after every transient error."""
    return bool(getattr(error, "transient", False))


#: The API's name for a path that it does not know, which says nothing about an id in it.
ROUTE_NOT_FOUND = "RouteNotFoundException"
#: Statuses that refuse the form of a request. Nothing was done, even if a proxy answers them.
REFUSED_BY_FORM = (407, 411, 413, 414, 431)


def did_nothing(error: BaseException) -> bool:
    """Tell whether the server provably did nothing with a change that ended in this error.

    This is the one rule for what may have been applied. Two things prove that nothing was. The
    request did not leave as a whole, or a 4xx refuses it, in the API's own words or for its form.

    After everything else the change may have been applied. That is a lost answer, a redirect, a 4xx
    of a gateway, and any 5xx. It is also a 5xx with the API's body or with ``Retry-After``: a proxy
    may answer while the server goes on.

    :param error: what ended the request
    :returns: whether nothing was done
    """
    if getattr(error, "unsent", False):
        return True
    if not isinstance(error, APIError):
        return False
    return 400 <= error.status < 500 and (error.from_api or error.status in REFUSED_BY_FORM)


#: Statuses with which a server, or what stands in front of it, may refuse a parameter of a read.
_REFUSALS_OF_A_FORM = (400, 403, 404, 410)


def refuses_form(error: BaseException) -> bool:
    """Tell whether a read may be refused for its form.

    Then another form of the same read is worth a request. Forms differ in ``sort``, ``embed``,
    ``includeDeleted`` or ``fields``. Here it does not matter who refuses. If the API refuses the
    object itself, the other form is refused too. If a gateway refuses a parameter for ever, the
    caller would not come to an end without the other form.

    :param error: what ended the read
    :returns: whether to read in another form
    """
    if isinstance(error, (AuthenticationError, DeploymentManagerMissingError)):
        return False
    return isinstance(error, APIError) and error.status in _REFUSALS_OF_A_FORM


def may_repeat_write(error: BaseException) -> bool:
    """A change is sent again only if the server provably did nothing, and may do it in a moment.

    An upload that was cut off before its end is left to the caller: it may be large, or not wanted
    there.
    """
    if not isinstance(error, (APIError, ConnectError)):
        return False
    return may_repeat_read(error) and did_nothing(error)


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Read how long the server asks to wait: ``Retry-After`` (seconds or date) or ``x-retry-after``
    (seconds).

    :param headers: the headers of an answer
    :returns: seconds, at most :data:`LONGEST_RETRY_AFTER`; None without a readable header
    """
    # Not at the top: operators load this module for its decisions, and parsing a DAG needs no HTTP
    # library.
    from urllib3.exceptions import HTTPError
    from urllib3.util import Retry

    for name in ("Retry-After", "x-retry-after"):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = Retry().parse_retry_after(value.strip())
        # Odd dates raise the last two.
        except (HTTPError, ValueError, OverflowError, LookupError, TypeError):
            continue
        return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
    return None


def repeating(
    attempt: Callable[[], _T],
    may_repeat: Callable[[BaseException], bool],
    repetitions: int,
    sleep: Callable[[float], None],
    *,
    left: Callable[[], float] = lambda: math.inf,
) -> _T:
    """Make a call, and make it again while its error allows that.

    :param attempt: makes one attempt
    :param may_repeat: tells whether an error allows a repetition, as :func:`may_repeat_read` does
    :param repetitions: how often the call may be made again
    :param sleep: how to wait, in seconds
    :param left: the seconds that the call has left; a repetition that would begin later is not made
    :returns: what the attempt that succeeds returns
    """
    for number in range(1, repetitions + 1):
        try:
            return attempt()
        except Exception as error:
            pause = min(FIRST_WAIT * 2 ** (number - 1), LONGEST_WAIT)
            pause += random.random()  # noqa: S311
            # A request that comes sooner than the server asks would only be refused again.
            pause = max(pause, getattr(error, "retry_after", None) or 0.0)
            if not may_repeat(error) or pause >= left():
                raise
            log.warning(
                "Attempt %s of %s failed, next one in %.1f s: %s",
                number,
                repetitions + 1,
                pause,
                error,
            )
        sleep(pause)
    return attempt()
