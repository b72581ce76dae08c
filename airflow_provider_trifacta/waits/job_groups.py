"""The wait for job groups: until all of them are Complete."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..client.errors import (
    JobFailedError,
    PermissionDeniedError,
    TrifactaError,
    UnexpectedResponseError,
)
from ..client.foreign_words import logger
from ..client.models import RUNNING
from ..client.texts import quoted, shown
from .watch import Read, Steps, Watch, refusal_of_id

if TYPE_CHECKING:
    from ..client.client import TrifactaClient
    from ..client.config import ClientConfig

log = logger(__name__)

_COMPLETE = "Complete"
#: The API's pages use both spellings.
_CANCELED = ("Canceled", "Cancelled")
#: A state is one word. Another text comes from a proxy or gateway between the worker and the API.
_WORD = re.compile(r"\w+")

_WHAT_TO_CHECK = (
    "Check the job group id, the Airflow connection (is it the right instance?) and that its user"
    " may see the flow."
)


@dataclass(frozen=True)
class JobGroupStatus(Read):
    """The state of one job group."""

    job_group_id: int
    endpoint = "GET /v4/jobGroups/:id/status"

    def __call__(self, client: TrifactaClient) -> object:
        """Return the state, which is a word if the server keeps to the API."""
        return client.job_groups.status(self.job_group_id)


@dataclass(frozen=True)
class NewestJobGroups(Read):
    """The states of the newest job groups. Only the triggers ask this: one list in place of many
    single states.
    """

    limit: int
    endpoint = "GET /v4/jobGroups"

    def __call__(self, client: TrifactaClient) -> dict[int, object]:
        """Return the states by job group."""
        return client.job_groups.newest_states(self.limit)


@dataclass(frozen=True)
class WhyFailed(Read):
    """The message of the first failed job of a job group."""

    job_group_id: int
    endpoint = "GET /v4/jobGroups/:id/jobs"
    urgent = True

    def __call__(self, client: TrifactaClient) -> str:
        """Return the message; this never fails."""
        return client.job_groups.why_failed(self.job_group_id)


class JobGroupsWatch(Watch):
    """Watches job groups until all are Complete. The first one with another end raises
    :class:`.JobFailedError`.

    A poll costs one request for each job group that is not Complete. A state that the API does not
    document is a failure: only Complete is a success. An answer that is not one word does not come
    from the API, so it is a transient error.

    :param job_group_ids: the job groups
    :param waiting: as for :class:`Watch`
    :raises InvalidInputError: for a negative number
    """

    def __init__(self, job_group_ids: Sequence[int], **waiting: Any) -> None:
        super().__init__(**waiting)
        self.job_group_ids = list(job_group_ids)
        self._states: dict[int, str | None] = dict.fromkeys(job_group_ids)

    @property
    def unfinished(self) -> list[int]:
        """The job groups that were not seen Complete yet."""
        states = self._states.items()
        return [job_group_id for job_group_id, state in states if state != _COMPLETE]

    @property
    def failed(self) -> list[int]:
        """The job groups that were seen to end otherwise than Complete."""
        goes_on = {None, *RUNNING}
        return [
            job_group_id
            for job_group_id in self.unfinished
            if self._states[job_group_id] not in goes_on
        ]

    def _look(self) -> Steps[tuple[bool, str]]:
        for job_group_id in self.unfinished:
            state = yield from self._state_of(job_group_id)
            self._states[job_group_id] = state
            yield from self._refuse_failure(job_group_id, state)
        states = [f"{job_group_id} {state}" for job_group_id, state in self._states.items()]
        return not self.unfinished, f"Job groups: {', '.join(states)}"

    def _state_of(self, job_group_id: int) -> Steps[str]:
        try:
            state = yield JobGroupStatus(job_group_id)
        except PermissionDeniedError as error:
            # Some servers answer 403 for an id that does not exist, so the reader has to check
            # both.
            error.job_group_ids = [job_group_id]
            error.standing = (
                f"Job group {job_group_id} cannot be read, or does not exist. {_WHAT_TO_CHECK}"
            )
            raise
        except TrifactaError as error:
            answer = refusal_of_id(error)
            if answer is None:
                raise
            raise JobFailedError(
                f"Job group {job_group_id} does not exist, or this user cannot see it. {answer} "
                f"{self._rest(job_group_id)}{_WHAT_TO_CHECK}",
                job_group_ids=[job_group_id],
            ) from error
        if not isinstance(state, str) or not _WORD.fullmatch(state):
            answer = "an empty body" if state is None else shown(repr(state))
            raise UnexpectedResponseError(
                f"GET /v4/jobGroups/{job_group_id}/status answered {answer}, which is not the state"
                " of a job group.",
                job_group_ids=[job_group_id],
            )
        return state

    def _refuse_failure(self, job_group_id: int, state: str) -> Steps[None]:
        """Fail if a job group has ended otherwise than Complete."""
        if state == _COMPLETE or state in RUNNING:
            return
        url = self._connected_client().job_group_url(job_group_id)
        if state == "Failed":
            why = yield WhyFailed(job_group_id)
            end = f"failed: {why}."
            advice = "Correct the cause, and clear the task that started it."
        elif state in _CANCELED:
            end = "was canceled, by a person or by the server."
            advice = (
                "Clear the task that started it if it should run again. Nothing starts it by"
                " itself."
            )
        else:
            end = f"has the unknown state {quoted(state)}, and only {_COMPLETE} is a success."
            advice = "Look at it in Trifacta."
        raise JobFailedError(
            f"Job group {job_group_id} {end} See {url}. {self._rest(job_group_id)}".rstrip(),
            advice=advice,
            job_group_ids=[job_group_id],
        )

    def _rest(self, but: int) -> str:
        """Name the others that were not seen Complete: a failed wait does not cancel them."""
        others = [job_group_id for job_group_id in self.unfinished if job_group_id != but]
        if not others:
            return ""
        return f"Job groups {others} may still be running, and this task does not cancel them. "


def cancel_job_groups(config: ClientConfig, job_group_ids: Sequence[int]) -> None:
    """Cancel job groups. If one cannot be canceled, that is logged, and the others are canceled all
    the same.

    It uses a client of its own, because it may be called while the task's client is in the middle
    of a request.

    :param config: where
    :param job_group_ids: the job groups; one that has ended stays as it is
    """
    from ..client.client import TrifactaClient  # not at import: it loads requests

    with TrifactaClient(config) as client:
        for job_group_id in job_group_ids:
            try:
                client.job_groups.cancel(job_group_id)
                log.info("Canceled job group %s", job_group_id)
            except TrifactaError as error:
                log.warning("Job group %s was not canceled: %s", job_group_id, error)
