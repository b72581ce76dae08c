"""The wait for a release: until it is the live release of its deployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..client import errors
from ..client.foreign_words import logger
from ..client.models import live_of
from ..client.transport import PAGE_SIZE
from .watch import Read, Steps, Watch, refusal_of_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..client.client import TrifactaClient
    from ..client.models import Release

log = logger(__name__)

#: What to do when a newer release is live: fail, or wait on.
ON_SUPERSEDED = ("fail", "wait")
#: If a release is not on the newest page, every so many polls read all the pages above it.
DEEP_LOOK_EVERY = 10

_WHAT_TO_CHECK = (
    "Check the release id, the Airflow connection (is it the right instance?) and that its user may"
    " see the deployment."
)


@dataclass(frozen=True)
class NewestReleases(Read):
    """The newest page of a deployment's releases; with ``down_to``, all pages down to that
    release.
    """

    deployment_id: int
    down_to: int | None = None
    endpoint = "GET /v4/releases"

    def __call__(self, client: TrifactaClient) -> list[Release]:
        """Return the releases, the newest first if the server can sort."""
        return client.releases.list(self.deployment_id, until=self._is_enough)

    def _is_enough(self, releases: Sequence[Release]) -> bool:
        """Tell whether the list was read far enough."""
        if self.down_to is None:
            return True
        return any(release.id <= self.down_to for release in releases)


@dataclass(frozen=True)
class OneRelease(Read):
    """One release."""

    release_id: int
    endpoint = "GET /v4/releases/:id"

    def __call__(self, client: TrifactaClient) -> Release:
        """Return the release."""
        return client.releases.get(self.release_id)


class ReleaseWatch(Watch):
    """Watches one release until it is the live one.

    A deleted or unknown release raises :class:`.ReleaseDeletedError`. A live release with a higher
    id raises :class:`.ReleaseSupersededError`, unless ``on_superseded`` is ``"wait"``.

    A poll reads the newest page of the deployment's list, because waits on the same deployment can
    share that answer. If the release is not on that page, or the server gives a longer list in its
    place, a poll reads the release itself, and every tenth poll also reads the list down to it. As
    long as the deployment is not known, the release is read first.

    :param release_id: the release
    :param on_superseded: ``"fail"`` when a release with a higher id is live, or ``"wait"``: a
        person may activate the older release again
    :param deployment_id: the deployment of the release, if it is known
    :param polls: how many polls were made before, which decides when the pages above the release
        are read
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
            raise errors.InvalidInputError(
                f"on_superseded must be one of {ON_SUPERSEDED}, not {on_superseded!r}."
            )
        super().__init__(**waiting)
        self.release_id = release_id
        self.on_superseded = on_superseded
        #: The deployment of the release, known from the first answer on.
        self.deployment_id = deployment_id
        self._polls = polls
        #: Whether the release is not on the newest page, or that page is too large to be read at
        #: each poll.
        self._deep = False
        #: The live release, as far as it was read.
        self._live: int | None = None
        self._warned = False

    def _look(self) -> Steps[tuple[bool, str]]:
        active = yield from self._is_active()
        words = f"Release {self.release_id}"
        if self.deployment_id:
            words += f" of deployment {self.deployment_id}"
        words += " is live" if active else " is not live"
        if self._live and not active:
            words += f". Live, as last read: release {self._live}"
        return active, words

    def _is_active(self) -> Steps[bool]:
        looks_at_all_pages = self._polls % DEEP_LOOK_EVERY == 0
        known = self.deployment_id
        siblings: list[Release] = []
        release: Release | None = None
        is_whole = False
        if known is not None and not self._deep:
            siblings = yield from self._newest(known)
            release = _find(siblings, self.release_id)
            # A server that gives the whole list in place of a page is asked for it as rarely as for
            # many pages.
            is_whole = len(siblings) > PAGE_SIZE
            self._deep = release is None or is_whole
        if release is None:
            release = yield from self._own()
        self._polls += 1
        if release.active:
            return True
        if self.on_superseded == "fail" and self.deployment_id is not None:
            lacks_pages = known is None or self._deep
            if looks_at_all_pages and lacks_pages and not is_whole:
                siblings = yield NewestReleases(self.deployment_id, self.release_id)
            elif known is None:
                siblings = yield NewestReleases(self.deployment_id)
        live_release = live_of(siblings)
        live = live_release.id if live_release else None
        if siblings:
            # It is part of the state, which is logged when it changes.
            self._live = live
        if live is not None and live > self.release_id:
            self._refuse_superseded(live)
        return False

    def _refuse_superseded(self, live: int) -> None:
        """Fail where a newer release is live, unless the wait goes on then."""
        if self.on_superseded != "fail":
            return
        raise errors.ReleaseSupersededError(
            f"Release {self.release_id} of deployment {self.deployment_id} is not live: the"
            f" newer release {live} is live. This task changed nothing.",
            advice=(
                f"Wait for release {live}, activate release {self.release_id} in Trifacta, or"
                " set on_superseded='wait'."
            ),
            release_id=self.release_id,
            live_id=live,
            deployment_id=self.deployment_id,
        )

    def _newest(self, deployment_id: int) -> Steps[list[Release]]:
        """Read the newest page. If it is too large, a wait that waits on can do without it.

        :param deployment_id: the deployment
        :raises AnswerTooLargeError: it is too large, and a newer release would end the wait
        """
        try:
            releases: list[Release] = yield NewestReleases(deployment_id)
        except errors.AnswerTooLargeError:
            if self.on_superseded == "fail":
                raise
            return []
        return releases

    def _own(self) -> Steps[Release]:
        """Read the release itself, and learn its deployment."""
        try:
            release: Release = yield OneRelease(self.release_id)
        except errors.PermissionDeniedError as error:
            # Some servers answer 403 for an id that does not exist, so the reader has to check
            # both.
            error.release_id = self.release_id
            error.standing = (
                f"Release {self.release_id} cannot be read, or does not exist. {_WHAT_TO_CHECK}"
            )
            raise
        except errors.TrifactaError as error:
            answer = refusal_of_id(error)
            if answer is None:
                raise
            raise self._gone(
                f"does not exist, was deleted, or this user cannot see it. {answer}"
            ) from error
        if release.deleted:
            raise self._gone("was deleted.")
        if self.deployment_id is None:
            self.deployment_id = release.deployment_id
        if self.deployment_id is None and self.on_superseded == "fail" and not self._warned:
            self._warned = True
            log.warning(
                "The server does not show the deployment of release %s, so the wait cannot see"
                " whether a newer release is live.",
                self.release_id,
            )
        return release

    def _gone(self, why: str) -> errors.ReleaseDeletedError:
        return errors.ReleaseDeletedError(
            f"Release {self.release_id} {why} So it cannot become live. This task changed nothing."
            f" {_WHAT_TO_CHECK}",
            release_id=self.release_id,
            deployment_id=self.deployment_id,
        )


def _find(releases: Sequence[Release], release_id: int) -> Release | None:
    """Return a release by its id, None if it is not there."""
    for release in releases:
        if release.id == release_id:
            return release
    return None
