"""The one place where the client's errors become Airflow's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ._compat import AirflowFailException, AirflowSkipException
from .client.errors import FailedWaitError, PassingWaitError, TrifactaError


@contextmanager
def airflow_failures(*, skip: bool = False, final: bool = False) -> Iterator[None]:
    """Let errors that no retry can mend end the task at once; others stay as they are and Airflow may retry.

    The new error keeps the class name and message of the old one, and has it as its cause.

    :param skip: every failure skips the task: a sensor's ``soft_fail`` or ``never_fail``
    :param final: every failure ends the task: a retry would do again what was done already
    :raises AirflowFailException: in place of an error that is not ``retryable``
    :raises AirflowSkipException: in place of any error, with ``skip``
    """
    try:
        yield
    except TrifactaError as error:
        text = f"{type(error).__name__}: {error}"
        if skip:
            raise AirflowSkipException(f"Skipping instead of failing: {text}") from error
        if final or not error.retryable:
            raise AirflowFailException(text) from error
        raise


def check_event(event: Mapping[str, Any] | None) -> str:
    """Read the event of a trigger.

    :param event: ``{"status": ..., "message": ..., "retryable": ...}``
    :returns: the message of a success
    :raises PassingWaitError: the trigger met more passing failures in a row than it tolerates
    :raises FailedWaitError: for everything else that is no success
    """
    status, message = (event or {}).get("status"), str((event or {}).get("message"))
    if status == "success":
        return message
    if status == "error":
        raise (PassingWaitError if (event or {}).get("retryable") else FailedWaitError)(message)
    if status == "timeout":
        raise FailedWaitError(message)
    raise FailedWaitError(f"The trigger reported something unknown: {sorted(event or {})}.")
