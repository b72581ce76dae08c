"""Waiting for job groups: all must be Complete, and whatever is not known to be running or Complete is a failure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .errors import JobFailedError, NotFoundError
from .ids import parse_id
from .watch import Watch

if TYPE_CHECKING:
    from .client import TrifactaClient

_COMPLETE = "Complete"
_RUNNING = ("Created", "Pending", "InProgress")
#: Both spellings are in use.
_CANCELED = ("Canceled", "Cancelled")


def parse_job_group_ids(value: object) -> list[int]:
    """Check the ids of job groups, before any request.

    :param value: one id, or a list of them; an id is an int or a string of digits
    :returns: the ids, each once
    :raises InvalidInputError: for anything else, and for an empty list: nothing to wait for is no success
    """
    values = value if isinstance(value, Sequence) and not isinstance(value, str) and value else [value]
    return list(dict.fromkeys(parse_id(one, "job_group_ids") for one in values))


class JobGroupsWatch(Watch):
    """Watches job groups until all are Complete. The first that ended otherwise raises :class:`.JobFailedError`.

    :param job_group_ids: the job groups
    :param tolerated_failures: as for :class:`.Watch`
    :param failures: as for :class:`.Watch`
    :raises InvalidInputError: for a negative number
    """

    def __init__(self, job_group_ids: Sequence[int], *, tolerated_failures: int, failures: int = 0) -> None:
        super().__init__(tolerated_failures=tolerated_failures, failures=failures)
        self.job_group_ids = list(job_group_ids)
        self._states: dict[int, object] = dict.fromkeys(job_group_ids)

    @property
    def unfinished(self) -> list[int]:
        """The job groups that were not seen Complete yet."""
        return [one for one, state in self._states.items() if state != _COMPLETE]

    def _look(self, client: TrifactaClient) -> tuple[bool, str]:
        for job_group_id in self.unfinished:
            try:
                self._states[job_group_id] = client.job_groups.status(job_group_id)
            except NotFoundError as error:
                raise JobFailedError(
                    f"Job group {job_group_id} does not exist, or this user cannot see it. {error}"
                ) from error
            self._refuse_failure(client, job_group_id)
        words = ", ".join(f"{one} {state}" for one, state in self._states.items())
        return not self.unfinished, f"Job groups: {words}"

    def _refuse_failure(self, client: TrifactaClient, job_group_id: int) -> None:
        state = self._states[job_group_id]
        if state == _COMPLETE or state in _RUNNING:
            return
        others = [one for one in self.unfinished if one != job_group_id]
        rest = f" Not known to be Complete besides: {others}; they go on." if others else ""
        url = client.job_group_url(job_group_id)
        if state == "Failed":
            raise JobFailedError(
                f"Job group {job_group_id} failed: {client.job_groups.why_failed(job_group_id)}. See {url}.{rest} "
                "Correct the cause, and clear the task that started it."
            )
        if state in _CANCELED:
            raise JobFailedError(
                f"Job group {job_group_id} was canceled, by a person or by the server. See {url}.{rest} It is not "
                "started again by itself; clear the task that started it if it should run."
            )
        raise JobFailedError(
            f"Job group {job_group_id} has the unknown state {str(state)[:80]!r}, which is not taken for a success. "
            f"See {url}.{rest}"
        )
