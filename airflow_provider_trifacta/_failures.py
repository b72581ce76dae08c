"""The one place where the client's errors become Airflow's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ._compat import AirflowFailException, AirflowSkipException
from .client.errors import TrifactaError


@contextmanager
def airflow_failures(*, soft_fail: bool = False) -> Iterator[None]:
    """Let errors that no retry can mend end the task at once; others stay as they are and Airflow may retry.

    The new error keeps the class name and message of the old one, and has it as its cause.

    :param soft_fail: a sensor's setting: every failure skips the task
    :raises AirflowFailException: in place of an error that is not ``retryable``
    :raises AirflowSkipException: in place of any error, with ``soft_fail``
    """
    try:
        yield
    except TrifactaError as error:
        text = f"{type(error).__name__}: {error}"
        if soft_fail:
            raise AirflowSkipException(f"Skipping due to soft_fail: {text}") from error
        if not error.retryable:
            raise AirflowFailException(text) from error
        raise
