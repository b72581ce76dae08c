"""Waiting: one decision for each poll, taken alike by every mode of a sensor, in triggers and in runs."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .client.errors import (
    InvalidInputError,
    JobFailedError,
    NotFoundError,
    ReleaseDeletedError,
    ReleaseSupersededError,
    TrifactaError,
)
from .client.ids import parse_id

if TYPE_CHECKING:
    from .client.client import TrifactaClient
    from .client.models import Release

log = logging.getLogger(__name__)

#: What to do when a newer release is live: fail, or wait on.
ON_SUPERSEDED = ("fail", "wait")

_COMPLETE = "Complete"
_RUNNING = ("Created", "Pending", "InProgress")
#: Both spellings are in use.
_CANCELED = ("Canceled", "Cancelled")


class Watch(ABC):
    """Asks again and again until what is waited for is there. It only ever reads.

    :param tolerated_failures: how many polls in a row may fail in passing (connection, timeout, 429, 5xx)
    :param failures: how many polls failed in a row before this watch began
    :raises InvalidInputError: for a negative number
    """

    def __init__(self, *, tolerated_failures: int, failures: int = 0) -> None:
        if not isinstance(tolerated_failures, int) or tolerated_failures < 0:
            raise InvalidInputError(f"tolerated_failures must be 0 or more, not {tolerated_failures!r}.")
        self.tolerated_failures = tolerated_failures
        #: Polls that failed in passing since the last one that did not.
        self.failures = failures
        #: What the last successful poll saw, in words.
        self.state = "Nothing was seen yet"

    def poll(self, client: TrifactaClient) -> bool:
        """Ask once.

        :param client: a client that does not repeat reads: the tolerance is here
        :returns: True when it is there, and only then; False to go on waiting
        :raises TrifactaError: it can never come, a failure that does not pass, or one too many that might
        """
        try:
            done, state = self._look(client)
        except TrifactaError as error:
            if not error.retryable:
                raise
            self.failures += 1
            if self.failures > self.tolerated_failures:
                raise
            log.warning("Poll failed (%s of %s tolerated in a row): %s", self.failures, self.tolerated_failures, error)
            return False
        self.failures = 0
        # Thousands of waits may share a process: only what changes is news.
        log.log(logging.DEBUG if state == self.state else logging.INFO, "%s", state)
        self.state = state
        return done

    @abstractmethod
    def _look(self, client: TrifactaClient) -> tuple[bool, str]:
        """Read, and decide: whether it is there, and the state in words."""


class ReleaseWatch(Watch):
    """Watches one release until it is the live one.

    A release that is gone raises :class:`.ReleaseDeletedError`, a newer live one :class:`.ReleaseSupersededError`
    where that matters.

    :param release_id: the release
    :param on_superseded: ``"fail"`` when a release with a higher id is live, or ``"wait"``: somebody may go back
    :param tolerated_failures: as for :class:`Watch`
    :param failures: as for :class:`Watch`
    :raises InvalidInputError: for another mode or a negative number
    """

    def __init__(self, release_id: int, *, on_superseded: str, tolerated_failures: int, failures: int = 0) -> None:
        if on_superseded not in ON_SUPERSEDED:
            raise InvalidInputError(f"on_superseded must be one of {ON_SUPERSEDED}, not {on_superseded!r}.")
        super().__init__(tolerated_failures=tolerated_failures, failures=failures)
        self.release_id = release_id
        self.on_superseded = on_superseded
        #: The release's deployment, known from the first answer on.
        self.deployment_id: int | None = None
        self._warned = False

    def _look(self, client: TrifactaClient) -> tuple[bool, str]:
        active = self._is_active(client)
        return active, f"Release {self.release_id} is {'active' if active else 'not active'}"

    def _is_active(self, client: TrifactaClient) -> bool:
        release, siblings = self._read(client)
        if release.active:
            return True
        if self.on_superseded == "fail":
            newer = [sibling.id for sibling in siblings if sibling.active and sibling.id > self.release_id]
            if newer:
                raise ReleaseSupersededError(
                    f"Release {self.release_id} is not active: the newer release {newer[0]} of deployment "
                    f"{self.deployment_id} is. Wait for that one, activate this one in Trifacta, or set "
                    "on_superseded='wait'."
                )
        return False

    def _read(self, client: TrifactaClient) -> tuple[Release, list[Release]]:
        """Read the release and, if it matters, its siblings; with one request wherever that is enough."""
        siblings: list[Release] = []
        if self.deployment_id is not None and self.on_superseded == "fail":
            siblings = client.releases.list(self.deployment_id)
            for release in siblings:
                if release.id == self.release_id:
                    return release, siblings
        try:
            release = client.releases.get(self.release_id)
        except NotFoundError as error:
            raise ReleaseDeletedError(
                f"Release {self.release_id} does not exist or was deleted, so it cannot become active. {error}"
            ) from error
        if release.deleted:
            raise ReleaseDeletedError(f"Release {self.release_id} was deleted, so it cannot become active.")
        if release.deployment_id is None and self.on_superseded == "fail" and not self._warned:
            self._warned = True
            log.warning(
                "The server does not tell the deployment of release %s: whether a newer release supersedes it cannot "
                "be seen.",
                self.release_id,
            )
        if self.deployment_id is None and release.deployment_id is not None:
            self.deployment_id = release.deployment_id
            if not release.active and self.on_superseded == "fail":
                siblings = client.releases.list(release.deployment_id)
        return release, siblings


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
    :param tolerated_failures: as for :class:`Watch`
    :param failures: as for :class:`Watch`
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
