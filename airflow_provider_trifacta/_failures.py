"""Turns the errors of this package into Airflow's. No other module does that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ._compat import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
    AirflowTaskTimeout,
)
from .client.errors import FailedWaitError, TrifactaError, WaitOutageError
from .client.foreign_words import one_line, shown

#: The XCom by which a step of a group says what it ended with: ``{"error": class name, "text":
#: first sentence}``.
ERROR_KEY = "error"
#: The XCom of a wait for jobs that gave up: ``{"job_group_ids": [...], "why": "..."}``. A job's own
#: bad end leaves none, and neither does a person who marks the task.
GAVE_UP_KEY = "gave_up"
_FIRST_SENTENCE = re.compile(r".+?[.!?](?=\s|$)", re.DOTALL)
_MOST_CHARACTERS = 300


def in_short(error: BaseException) -> dict[str, str]:
    """Return the class and the first sentence of an error, as the last task of a group shows them.

    :param error: what a task ended with
    """
    cause = error
    if isinstance(error.__cause__, TrifactaError):
        cause = error.__cause__
    text = shown(str(cause), _MOST_CHARACTERS)
    sentence = _FIRST_SENTENCE.match(text)
    return {"error": type(cause).__name__, "text": sentence[0] if sentence else text}


@contextmanager
def reported(ti: Any, *, in_group: bool) -> Iterator[None]:
    """Let a step of a group push what it ends with.

    :param ti: the task instance
    :param in_group: whether the task is a step of a group
    """
    try:
        yield
    except (AirflowSkipException, AirflowRescheduleException):
        raise
    except (Exception, AirflowTaskTimeout) as error:  # AirflowTaskTimeout is not an Exception
        if in_group:
            ti.xcom_push(key=ERROR_KEY, value=in_short(error))
        raise


@contextmanager
def airflow_failures(
    *, skip: bool = False, final: bool = False, advice: str | None = None
) -> Iterator[None]:
    """Make errors that a retry cannot fix end the task at once. Other errors stay as they are, and
    Airflow may retry.

    The new error has the class name and the message of the old one. The old one, with its fields,
    is its cause.

    :param skip: every error skips the task: a sensor's ``soft_fail`` or ``never_fail``
    :param final: every error ends the task, because a retry would repeat what was done already
    :param advice: what to do next, in place of what the error advises
    :raises AirflowFailException: in place of an error that is not ``retryable``
    :raises AirflowSkipException: in place of any error, with ``skip``
    """
    try:
        yield
    except TrifactaError as error:
        ends_task = final or not error.retryable
        wants_advice = bool(error.advice) or ends_task
        if advice and wants_advice:
            error.advice = advice
        text = f"{type(error).__name__}: {error}"
        if skip:
            raise AirflowSkipException(f"Skipping instead of failing: {text}") from error
        if ends_task:
            raise AirflowFailException(text) from error
        raise


def check_event(event: Mapping[str, Any] | None, **about: Any) -> str:
    """Read the event of a trigger.

    :param event: ``{"status": ..., "message": ..., "advice": ..., "retryable": ...}``
    :param about: fields of the error, such as ``job_group_ids``
    :returns: the message of a success
    :raises WaitOutageError: the trigger saw transient errors for longer than ``tolerated_outage``
    :raises FailedWaitError: for everything else that is not a success
    """
    event = event or {}
    status = event.get("status")
    message = one_line(event.get("message"))
    if status == "success":
        return message
    if status in ("error", "timeout"):
        kind = WaitOutageError if event.get("retryable") else FailedWaitError
        advice = str(event.get("advice") or "")
        raise kind(message, advice=advice, **about)
    unknown = f"The trigger reported something unknown: an event with the keys {sorted(event)}."
    raise FailedWaitError(unknown, **about)
