"""The log of a job that failed, in the log of the task that waited for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ._compat import AirflowTaskTimeout
from .client.errors import TrifactaError
from .client.foreign_words import logger

if TYPE_CHECKING:
    from .client import ClientConfig, TrifactaClient

log = logger(__name__)

#: Seconds that one log may take. The task has its verdict, and holds a worker.
_SECONDS = 30.0


@contextmanager
def job_logs_shown(
    config: Callable[[], ClientConfig],
    failed: Callable[[], Sequence[int]],
) -> Iterator[None]:
    """Log how the log of each failed job ends, under the error that ends a wait.

    This never changes how the task ends.

    :param config: returns where the instance is; called only if a job failed
    :param failed: returns the job groups that ended otherwise than Complete
    """
    try:
        yield
    except Exception as error:
        job_group_ids = failed()
        if job_group_ids:
            cause = error.__cause__ if isinstance(error.__cause__, TrifactaError) else error
            log.error("%s: %s", type(cause).__name__, cause)
        try:
            if job_group_ids:
                _show_all(config(), job_group_ids)
        except (Exception, AirflowTaskTimeout) as failure:  # AirflowTaskTimeout is not an Exception
            # The verdict on the job stands all the same.
            log.warning("The log of a job cannot be shown: %s", type(failure).__name__)
        raise


def _show_all(config: ClientConfig, job_group_ids: Sequence[int]) -> None:
    from .client.client import TrifactaClient  # not at import: it loads requests

    bounded = replace(config, read_retries=0, total_timeout=_SECONDS)
    with TrifactaClient(bounded) as client:
        for job_group_id in job_group_ids:
            _show(client, job_group_id)


def _show(client: TrifactaClient, job_group_id: int) -> None:
    try:
        job_log = client.job_groups.log(job_group_id)
    except TrifactaError as error:
        log.info("The instance does not show the log of job group %s: %s", job_group_id, error)
        return
    if not job_log.lines:
        log.info("The log of job group %s is empty", job_group_id)
        return
    head = "The last lines of the log" if job_log.is_cut else "The log"
    # Each line is marked as the job's own: none can pass for a line of Airflow's.
    log.error("%s of job group %s:", head, job_group_id)
    for line in job_log.lines:
        log.error("  | %s", line)
