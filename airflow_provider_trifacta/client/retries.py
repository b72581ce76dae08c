"""When a request is sent again, and how long to wait before: one place for every call of the client."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping

import tenacity

from .errors import APIError, ConnectError

log = logging.getLogger(__name__)

#: Seconds: first wait before a repetition, and the longest one; each gets up to a second of jitter.
FIRST_WAIT = 0.5
LONGEST_WAIT = 20.0
#: Seconds: the longest wait that a server may ask for. Its quotas are per minute; absurd values are cut to this.
LONGEST_RETRY_AFTER = 120.0
#: How often a write is sent again where that is safe.
WRITE_RETRIES = 4


def may_repeat_read(error: BaseException) -> bool:
    """A read changes nothing, so it is asked again after every passing failure."""
    return bool(getattr(error, "transient", False))


#: Refusals that say nothing was done even when a proxy answers them: they are about the request's form.
_REFUSED_BY_ANYBODY = (407, 411, 413, 414, 431)


def did_nothing(error: BaseException) -> bool:
    """Tell whether the server provably did nothing with a change that ended in this error.

    This is the one rule for what may have happened. Two things prove that nothing did: the request did not leave as a
    whole, or a 4xx refuses it, in the API's own words or for its form. Everything else may have acted: a lost answer,
    any 5xx (also one with the API's body or with ``Retry-After``, since a proxy may answer while the server goes on), a
    redirect, and a 4xx page of something in front of the API.

    :param error: what ended the request
    """
    if getattr(error, "unsent", False):
        return True
    if not isinstance(error, APIError):
        return False
    return 400 <= error.status < 500 and (error.from_api or error.status in _REFUSED_BY_ANYBODY)


def may_repeat_write(error: BaseException) -> bool:
    """A change is sent again only where the server provably did nothing, and may do it in a moment.

    An upload that was cut off before its end is left to whoever asked for it: it may be large, or not wanted there.
    """
    return isinstance(error, (APIError, ConnectError)) and may_repeat_read(error) and did_nothing(error)


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Read how long the server asks to wait: ``Retry-After`` (seconds or date) or ``x-retry-after`` (seconds).

    :returns: seconds, at most :data:`LONGEST_RETRY_AFTER`; None without a readable header
    """
    # Not at import: operators load this module for its decisions, and DAG parsing needs no HTTP library.
    from urllib3.exceptions import HTTPError
    from urllib3.util import Retry

    for name in ("Retry-After", "x-retry-after"):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = Retry().parse_retry_after(value.strip())
        except (HTTPError, ValueError, OverflowError, LookupError, TypeError):  # the last two from odd dates
            continue
        return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
    return None


def retrying(
    may_repeat: Callable[[BaseException], bool],
    repetitions: int,
    sleep: Callable[[float], None],
    *,
    left: Callable[[], float] = lambda: math.inf,
) -> tenacity.Retrying:
    """Make the loop that runs one call.

    :param may_repeat: :func:`may_repeat_read` or :func:`may_repeat_write`
    :param repetitions: how often the call may be sent again
    :param sleep: how to wait, in seconds
    :param left: the seconds that the call has left; a repetition that would begin later is not made
    """
    pauses: dict[int, float] = {}
    backoff = tenacity.wait_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT) + tenacity.wait_random(0, 1)

    def wait(state: tenacity.RetryCallState) -> float:
        if state.attempt_number not in pauses:  # once for each, since chance is part of it
            error = state.outcome.exception() if state.outcome else None
            asked = getattr(error, "retry_after", None)
            pauses[state.attempt_number] = backoff(state) if asked is None else max(asked, backoff(state))
        return pauses[state.attempt_number]

    def stop(state: tenacity.RetryCallState) -> bool:
        return state.attempt_number > repetitions or wait(state) >= left()

    def announce(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        seconds = state.next_action.sleep if state.next_action else 0.0
        log.warning(
            "Attempt %s of %s failed, next one in %.1f s: %s",
            state.attempt_number,
            repetitions + 1,
            seconds,
            error,
        )

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_repeat),
        stop=stop,
        wait=wait,
        sleep=sleep,
        before_sleep=announce,
        reraise=True,
    )
