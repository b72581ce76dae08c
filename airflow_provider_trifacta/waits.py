"""Waiting: one decision for each poll, the same in every mode of a sensor, in triggers and in runs.

A :class:`Watch` never sends a request. It yields what it wants to know, as a :class:`Read`, and somebody gives it the
answer: :meth:`Watch.poll` with a client of its own, the triggers with answers that many waits share.
"""

from __future__ import annotations

import logging
import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from .client.errors import (
    AuthenticationError,
    ConnectionLookUpError,
    DeploymentManagerMissingError,
    InvalidInputError,
    JobFailedError,
    MissingConnectionError,
    NotFoundError,
    RateLimitError,
    ReleaseDeletedError,
    ReleaseSupersededError,
    TrifactaError,
    UnexpectedResponseError,
)
from .client.ids import parse_id
from .client.models import RUNNING
from .client.texts import quoted, shown

if TYPE_CHECKING:
    from .client.client import TrifactaClient
    from .client.config import ClientConfig
    from .client.models import Release

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds of uninterrupted failures after which a wait gives up.
TOLERATED_OUTAGE = 15 * 60.0
#: Seconds between two polls.
POKE_INTERVAL = 10.0

#: What to do when a newer release is live: fail, or wait on.
ON_SUPERSEDED = ("fail", "wait")
#: A release that is not on the newest page costs one request a poll, and every so many polls the pages above it too.
DEEP_LOOK_EVERY = 10

_COMPLETE = "Complete"
#: Both spellings are in use.
_CANCELED = ("Canceled", "Cancelled")
#: A state is one word. Anything else comes from something between us and the API.
_WORD = re.compile(r"\w+")


def seconds(name: str, value: object, *, positive: bool = False) -> float:
    """Read a length of time.

    :param name: what it is called, for the error
    :param value: seconds, or a timedelta
    :param positive: whether 0 is refused
    :raises InvalidInputError: for anything else, and for what is infinite or negative
    """
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if (
        isinstance(number, bool)
        or not isinstance(number, (int, float))
        or not 0 <= number < math.inf
        or (positive and not number)
    ):
        least = "more than 0" if positive else "0 or more"
        raise InvalidInputError(f"{name} must be {least} seconds, or a timedelta, not {value!r}.")
    return float(number)


@dataclass(frozen=True)
class Read(ABC):
    """A question to an instance. Equal questions may share an answer."""

    #: What the API's quotas count: the method and the path, without ids.
    endpoint: ClassVar[str]
    #: Whether it is asked at once: it belongs to an end that was seen already.
    urgent: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, client: TrifactaClient) -> Any:
        """Ask it, with a client that does not repeat reads: the next poll does that."""


@dataclass(frozen=True)
class NewestReleases(Read):
    """The newest page of a deployment's releases; with ``down_to`` the pages down to that release."""

    deployment_id: int
    down_to: int | None = None
    endpoint = "GET /v4/releases"

    def __call__(self, client: TrifactaClient) -> list[Release]:
        """Return the releases, the newest first where the server can sort."""
        down_to = self.down_to
        if down_to is None:
            return client.releases.list(self.deployment_id, until=lambda _: True)
        return client.releases.list(self.deployment_id, until=lambda rows: any(one.id <= down_to for one in rows))


@dataclass(frozen=True)
class OneRelease(Read):
    """One release."""

    release_id: int
    endpoint = "GET /v4/releases/:id"

    def __call__(self, client: TrifactaClient) -> Release:
        """Return the release."""
        return client.releases.get(self.release_id)


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
    """The states of the newest job groups. Only the triggers ask this, in place of many states."""

    limit: int
    endpoint = "GET /v4/jobGroups"

    def __call__(self, client: TrifactaClient) -> dict[int, object]:
        """Return the states by job group."""
        return client.job_groups.newest_states(self.limit)


@dataclass(frozen=True)
class WhyFailed(Read):
    """The words of the first failed job of a job group."""

    job_group_id: int
    endpoint = "GET /v4/jobGroups/:id/jobs"
    urgent = True

    def __call__(self, client: TrifactaClient) -> str:
        """Return the words; this never fails."""
        return client.job_groups.why_failed(self.job_group_id)


class Connect:
    """Asks for the Airflow connection: its answer is a client that does not repeat reads."""


#: What a poll asks for, step by step. Errors are thrown into it, as if the step had raised them.
Steps = Generator["Read | Connect", Any, T]


class Watch(ABC):
    """Asks again and again until what is waited for is there. It only ever reads.

    It gives up after ``tolerated_outage`` seconds in which every poll failed with a transient error (connection,
    timeout, 429, 5xx, no answer of the API, the look-up of the Airflow connection). A 429 with ``Retry-After`` is no
    failure and no success: it only sets the next pause.

    :param tolerated_outage: seconds, or a timedelta; ``math.inf`` for no end
    :param failing_since: when the polls before this watch began to fail, as seconds since the epoch, if they did
    :param connected_before: whether the Airflow connection was there before. Then a missing one is a transient error:
        Airflow says the same when a secrets backend fails
    :param clock: tells the seconds since the epoch, if not the usual one
    :raises InvalidInputError: for a negative outage
    """

    def __init__(
        self,
        *,
        tolerated_outage: float | timedelta = TOLERATED_OUTAGE,
        failing_since: float | None = None,
        connected_before: bool = False,
        clock: Callable[[], float] | None = None,
    ) -> None:
        endless = tolerated_outage == math.inf
        self.tolerated_outage = math.inf if endless else seconds("tolerated_outage", tolerated_outage)
        #: When the polls began to fail, if the last one did.
        self.failing_since = failing_since
        #: Seconds that the server asked to wait at the last poll; 0 if it did not.
        self.retry_after = 0.0
        #: What the last successful poll saw, in words.
        self.state = "Nothing was seen yet"
        #: The client of the Airflow connection as it was read last.
        self.client: TrifactaClient | None = None
        self._connected = connected_before
        self._clock = clock or time.time

    def poll(self, connect: Callable[[], TrifactaClient]) -> bool:
        """Ask once, with a client of our own.

        :param connect: how to read the Airflow connection: it returns a client that does not repeat reads
        :returns: True when it is there, and only then; False to go on waiting
        :raises TrifactaError: it can never come, a failure that no later poll can cure, or an outage that is too long
        """
        steps, answer, error = self.steps(), None, None
        while True:
            try:
                step = steps.throw(error) if error else steps.send(answer)
            except StopIteration as stop:
                return bool(stop.value)
            try:
                answer, error = connect() if isinstance(step, Connect) else step(self._connected_client()), None
            except Exception as failure:
                error = failure

    def _connected_client(self) -> TrifactaClient:
        assert self.client is not None  # the first step of the first poll connects  # noqa: S101
        return self.client

    def steps(self) -> Steps[bool]:
        """Take the steps of one poll; see :meth:`poll` for its end."""
        self.retry_after = 0.0
        try:
            if self.client is None:
                self.client = yield from self._connect()
            try:
                done, state = yield from self._look()
            except AuthenticationError as refusal:
                yield from self._renew(refusal)
                done, state = yield from self._look()
        except TrifactaError as error:
            if self._ends_with(error):
                raise
            return False
        self.failing_since = None
        # Thousands of waits may share a process: only what changes is news.
        log.log(logging.DEBUG if state == self.state else logging.INFO, "%s", state)
        self.state = state
        return done

    def pause(self, interval: float) -> float:
        """Return the seconds until the next poll.

        :param interval: the usual pause
        """
        return max(interval, self.retry_after)

    def _connect(self) -> Steps[TrifactaClient]:
        try:
            client: TrifactaClient = yield Connect()
        except MissingConnectionError as error:
            if not self._connected:
                raise
            raise ConnectionLookUpError(str(error)) from error
        except TrifactaError:
            raise
        except Exception as error:
            raise ConnectionLookUpError(
                f"The Airflow connection could not be read: {type(error).__name__}: {error}"
            ) from error
        self._connected = True
        return client

    def _renew(self, refusal: AuthenticationError) -> Steps[None]:
        """Read the connection again: other credentials go on, the same ones end the wait."""
        old = self._connected_client()
        new = yield from self._connect()
        if _credentials(new) == _credentials(old):
            raise refusal
        self.client = new
        log.info("The credentials were refused. The Airflow connection has other ones now; the wait goes on with them.")

    def _ends_with(self, error: TrifactaError) -> bool:
        if not error.retryable:
            return True
        asked = getattr(error, "retry_after", None)
        self.retry_after = asked or 0.0
        if isinstance(error, RateLimitError) and asked is not None:
            log.info("The server asks to wait %.0f s: %s", asked, error)
            return False
        now = self._clock()
        if self.failing_since is None:
            self.failing_since = now
        failing = now - self.failing_since
        if failing >= self.tolerated_outage:
            return True
        log.warning("Poll failed (for %.0f s; %.0f s are tolerated): %s", failing, self.tolerated_outage, error)
        return False

    @abstractmethod
    def _look(self) -> Steps[tuple[bool, str]]:
        """Read, and decide: whether it is there, and the state in words."""


def _credentials(client: TrifactaClient) -> tuple[str, str | None, str]:
    return client.config.base_url, client.config.login, client.config.password


class ReleaseWatch(Watch):
    """Watches one release until it is the live one.

    A release that is gone raises :class:`.ReleaseDeletedError`, a newer live one :class:`.ReleaseSupersededError`
    where that matters.

    A poll costs one request where the release is on the newest page of the deployment's list. Otherwise it costs one
    request for the release itself, and the pages above it at every tenth poll. As long as the deployment is not known,
    the release is read first.

    :param release_id: the release
    :param on_superseded: ``"fail"`` when a release with a higher id is live, or ``"wait"``: somebody may go back
    :param deployment_id: its deployment, if that is known
    :param polls: how many polls there were before, which decides when the pages above the release are read
    :param waiting: as for :class:`Watch`
    :raises InvalidInputError: for another mode or a negative number
    """

    def __init__(
        self,
        release_id: int,
        *,
        on_superseded: str = "fail",
        deployment_id: int | None = None,
        polls: int = 0,
        **waiting: Any,
    ) -> None:
        if on_superseded not in ON_SUPERSEDED:
            raise InvalidInputError(f"on_superseded must be one of {ON_SUPERSEDED}, not {on_superseded!r}.")
        super().__init__(**waiting)
        self.release_id = release_id
        self.on_superseded = on_superseded
        #: The release's deployment, known from the first answer on.
        self.deployment_id = deployment_id
        self._polls = polls
        #: Whether the release is not on the newest page.
        self._deep = False
        self._warned = False

    def _look(self) -> Steps[tuple[bool, str]]:
        active = yield from self._is_active()
        return active, f"Release {self.release_id} is {'live' if active else 'not live'}"

    def _is_active(self) -> Steps[bool]:
        all_pages, known = self._polls % DEEP_LOOK_EVERY == 0, self.deployment_id
        siblings: list[Release] = []
        release: Release | None = None
        if known is not None and not self._deep:
            siblings = yield NewestReleases(known)
            release = next((one for one in siblings if one.id == self.release_id), None)
            self._deep = release is None
        if release is None:
            release = yield from self._own()
        self._polls += 1
        if release.active:
            return True
        if self.on_superseded == "wait" or self.deployment_id is None:
            return False
        if all_pages and (known is None or self._deep):
            siblings = yield NewestReleases(self.deployment_id, self.release_id)
        elif known is None:
            siblings = yield NewestReleases(self.deployment_id)
        newer = [sibling.id for sibling in siblings if sibling.active and sibling.id > self.release_id]
        if newer:
            raise ReleaseSupersededError(
                f"Release {self.release_id} is not live: the newer release {newer[0]} of deployment "
                f"{self.deployment_id} is. Wait for that one, activate this one in Trifacta, or set "
                "on_superseded='wait'."
            )
        return False

    def _own(self) -> Steps[Release]:
        try:
            release: Release = yield OneRelease(self.release_id)
        except DeploymentManagerMissingError:
            raise  # the instance knows no releases at all, so this is no news of this one
        except NotFoundError as error:
            raise ReleaseDeletedError(
                f"Release {self.release_id} does not exist or was deleted, so it cannot become active. {error}"
            ) from error
        if release.deleted:
            raise ReleaseDeletedError(f"Release {self.release_id} was deleted, so it cannot become active.")
        if self.deployment_id is None:
            self.deployment_id = release.deployment_id
        if self.deployment_id is None and self.on_superseded == "fail" and not self._warned:
            self._warned = True
            log.warning(
                "The server does not tell the deployment of release %s: whether a newer release supersedes it cannot "
                "be seen.",
                self.release_id,
            )
        return release


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

    A poll costs one request for each job group that is not Complete. An unknown state is a failure; an answer that is
    no single word is none of the API's and a transient error.

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
        return [one for one, state in self._states.items() if state != _COMPLETE]

    def _look(self) -> Steps[tuple[bool, str]]:
        for job_group_id in self.unfinished:
            try:
                state = yield JobGroupStatus(job_group_id)
            except NotFoundError as error:
                raise JobFailedError(
                    f"Job group {job_group_id} does not exist, or this user cannot see it. {error}"
                ) from error
            if not isinstance(state, str) or not _WORD.fullmatch(state):
                raise UnexpectedResponseError(
                    f"GET /v4/jobGroups/{job_group_id}/status answered {_short(state)}, which is no state of a job "
                    "group."
                )
            self._states[job_group_id] = state
            yield from self._refuse_failure(job_group_id, state)
        words = ", ".join(f"{one} {state}" for one, state in self._states.items())
        return not self.unfinished, f"Job groups: {words}"

    def _refuse_failure(self, job_group_id: int, state: str) -> Steps[None]:
        if state == _COMPLETE or state in RUNNING:
            return
        others = [one for one in self.unfinished if one != job_group_id]
        rest = f" Not known to be Complete besides: {others}; they go on." if others else ""
        url = self._connected_client().job_group_url(job_group_id)
        if state == "Failed":
            why = yield WhyFailed(job_group_id)
            raise JobFailedError(
                f"Job group {job_group_id} failed: {why}. See {url}.{rest} Correct the cause, and clear the task that "
                "started it."
            )
        if state in _CANCELED:
            raise JobFailedError(
                f"Job group {job_group_id} was canceled, by a person or by the server. See {url}.{rest} It is not "
                "started again by itself; clear the task that started it if it should run."
            )
        raise JobFailedError(
            f"Job group {job_group_id} has the unknown state {quoted(state)}, which is not taken for a success. "
            f"See {url}.{rest}"
        )


def _short(value: object) -> str:
    return "an empty body" if value is None else shown(repr(value))


def cancel_job_groups(config: ClientConfig, job_group_ids: Sequence[int]) -> None:
    """Cancel job groups. An error of one does not stop the others: it is only logged.

    It uses a client of its own: it may be called in the middle of a request.

    :param config: where
    :param job_group_ids: the job groups; one that has ended stays as it is
    """
    from .client.client import TrifactaClient  # not at import: it loads requests

    with TrifactaClient(config) as client:
        for job_group_id in job_group_ids:
            try:
                client.job_groups.cancel(job_group_id)
                log.info("Canceled job group %s", job_group_id)
            except TrifactaError as error:  # the others should be canceled all the same
                log.warning("Job group %s was not canceled: %s", job_group_id, error)
