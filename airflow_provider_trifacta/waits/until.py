"""Waiting in one process until something is there, and the verdict on job groups at the end of a
promotion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from ..client.errors import AuthenticationError, JobFailedError, TrifactaError
from ..client.foreign_words import logger
from .job_groups import JobGroupsWatch
from .watch import POKE_INTERVAL

if TYPE_CHECKING:
    from ..client.client import Clock, TrifactaClient

log = logger(__name__)


def wait_until(
    poll: Callable[[], bool],
    words: str,
    *,
    clock: Clock,
    seconds: float,
    pause: Callable[[float], float] = float,
    failing: Callable[[], str] = str,
) -> bool:
    """Poll until it is there, or the time is up. The last poll comes when the time is up.

    :param poll: polls once
    :param words: what is waited for, for the log
    :param clock: the time
    :param seconds: for how long
    :param pause: returns the seconds until the next poll, of the usual pause
    :param failing: returns for how long the polls fail, in words; an empty text if they do not
    :returns: whether it is there
    """
    deadline = clock.monotonic() + seconds
    until = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    while True:
        left = deadline - clock.monotonic()
        if poll():
            return True
        if left <= 0:
            return False
        trouble = failing()
        if trouble:
            trouble = f"; {trouble}"
        log.info("Waiting for %s until %s%s", words, f"{until:%H:%M:%S} UTC", trouble)
        clock.sleep(min(pause(POKE_INTERVAL), left))


@dataclass(frozen=True)
class JobsEnd:
    """How job groups ended, as they were read just now.

    :param complete: whether all of them are Complete; None if they still run or could not be read
    :param words: how they stand, as a sentence
    """

    complete: bool | None
    words: str


class JobsVerdict:
    """The verdict on the job groups of a smoke run, by the jobs themselves and not by the task that
    waited for them.

    A wait may give up although the jobs succeed, for example in an outage. So the jobs are read
    with a watch, as any wait reads them. Refused credentials are raised: they say nothing about the
    jobs.

    :param job_group_ids: the job groups
    :param client: the instance
    :param connect: reads the Airflow connection again, after the server refused the credentials
    :param tolerated_outage: seconds for which all polls may fail
    """

    def __init__(
        self,
        job_group_ids: Sequence[int],
        client: TrifactaClient,
        connect: Callable[[], TrifactaClient],
        *,
        tolerated_outage: float,
    ) -> None:
        self._connect = connect
        self._watch = JobGroupsWatch(
            job_group_ids,
            tolerated_outage=tolerated_outage,
            clock=client.clock.monotonic,
            connected_before=True,
        )
        self._watch.client = client.without_repetitions
        self._clock = client.clock

    @property
    def job_group_ids(self) -> tuple[int, ...]:
        """The job groups."""
        return tuple(self._watch.job_group_ids)

    def look(self) -> JobsEnd:
        """Read the jobs once.

        :raises AuthenticationError: the server refuses the credentials, and the Airflow connection
            has no others
        """
        ids = list(self.job_group_ids)
        try:
            if self._watch.poll(self._connect):
                return JobsEnd(True, f"All job groups are Complete: {ids}.")
        except AuthenticationError:
            raise
        except JobFailedError as error:
            return JobsEnd(False, error.told)
        except TrifactaError as error:
            return JobsEnd(False, f"The state of the job groups {ids} cannot be read: {error.told}")
        if self._watch.failing_since is not None:
            return JobsEnd(None, f"The state of the job groups {ids} cannot be read.")
        return JobsEnd(None, f"Job groups {self._watch.unfinished} are still running.")

    def pause(self, interval: float) -> float:
        """Return the seconds until the next look.

        :param interval: the usual pause
        """
        return self._watch.pause(interval)

    def failing(self) -> str:
        """Return for how long the looks fail, in words; an empty text if they do not."""
        since = self._watch.failing_since
        if since is None:
            return ""
        failing = self._clock.monotonic() - since
        return f"failing for {failing:.0f} of {self._watch.tolerated_outage:.0f} s"
