"""The one place where the client's errors become Airflow's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ._compat import AirflowFailException, AirflowSkipException
from .client.errors import TrifactaError


@contextmanager
def airflow_failures(*, skip: bool = False) -> Iterator[None]:
    """Let errors that no retry can mend end the task at once; others stay as they are and Airflow may retry.

    The new error keeps the class name and message of the old one, and has it as its cause.

    :param skip: every failure skips the task: a sensor's ``soft_fail`` or ``never_fail``
    :raises AirflowFailException: in place of an error that is not ``retryable``
    :raises AirflowSkipException: in place of any error, with ``skip``
    """
    try:
        yield
    except TrifactaError as error:
        text = f"{type(error).__name__}: {error}"
        if skip:
            raise AirflowSkipException(f"Skipping instead of failing: {text}") from error
        if not error.retryable:
            raise AirflowFailException(text) from error
        raise
