"""Doubt: an upload may have made a release whose answer nobody read. The list of releases tells, given time."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..client.errors import (
    AmbiguousSubmissionError,
    InvalidInputError,
    RateLimitError,
    ReleaseNotLiveError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)
from .baseline import live_release, made_of, new_since

if TYPE_CHECKING:
    from ..client.models import Release

log = logging.getLogger(__name__)

#: Seconds that a server is given to finish or drop an upload whose answer was lost.
DEFAULT_SETTLE_TIMEOUT = 60.0
#: Seconds between two looks at the list meanwhile.
_INTERVAL = 3.0


class PackageReleases:
    """The releases of one package in one deployment, and what may be said of them.

    :param deployment_id: the deployment
    :param uuid: the package's ``metadata.uuid``
    :param list_releases: reads the deployment's releases
    :param look: the same without repetitions, which would outlast the time
    :param settle_timeout: seconds that the server is given to finish or drop an upload
    :param sleep: how to wait, in seconds
    :param clock: a clock for the wait, in seconds
    :raises InvalidInputError: for a negative time
    """

    def __init__(
        self,
        deployment_id: int,
        uuid: str,
        list_releases: Callable[[], list[Release]],
        look: Callable[[], list[Release]],
        *,
        settle_timeout: float = DEFAULT_SETTLE_TIMEOUT,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not isinstance(settle_timeout, (int, float)) or not 0 <= settle_timeout < math.inf:
            raise InvalidInputError(f"settle_timeout must be 0 or more seconds, not {settle_timeout!r}.")
        self.deployment_id = deployment_id
        self.uuid = uuid
        self.list = list_releases
        self._look = look
        self.settle_timeout = settle_timeout
        self._sleep = sleep
        self._clock = clock

    def among(self, releases: list[Release], *, after: int = 0) -> list[Release]:
        """Return those of some releases that were made of the package and have a higher id than ``after``."""
        return made_of(releases, self.uuid, after=after)

    def settle(self, seen: list[Release]) -> tuple[Release | None, list[Release]]:
        """Look for a release of the package that was not there before, until it shows or the time is up.

        :param seen: the releases before the upload
        :returns: the release, or None when none came about; and the last list
        :raises ReleaseNotLiveError: it came about, and somebody made a third release live
        :raises AmbiguousSubmissionError: what is there cannot be told apart
        :raises TrifactaError: the last look failed
        """
        found, releases = self._look_for(lambda now: self._appeared(seen, now))
        if not found:
            self._refuse_strangers(seen, releases)
        return found, releases

    def await_activation(self, made: list[Release]) -> list[Release]:
        """Look at releases that a server has made and not activated yet, until one is live or the time is up.

        :param made: the releases
        :returns: the last list
        :raises TrifactaError: the last look failed
        """
        ids = {release.id for release in made}
        return self._look_for(lambda now: next((one for one in now if one.id in ids and one.active), None))[1]

    def _look_for(self, find: Callable[[list[Release]], Release | None]) -> tuple[Release | None, list[Release]]:
        deadline = self._clock() + self.settle_timeout
        while True:
            left = deadline - self._clock()
            try:
                releases = self._look()
                found = find(releases)
            except (TransportError, RateLimitError, ServerError, UnexpectedResponseError):
                if left <= 0:
                    raise
            else:
                if found or left <= 0:
                    return found, releases
            self._sleep(min(_INTERVAL, left))

    def _appeared(self, seen: list[Release], now: list[Release]) -> Release | None:
        """Return the one new release of this package that may be taken for this promotion's."""
        new = new_since(seen, now)
        if now and all(release.package_uuid is None for release in now):
            new = now
        self.refuse_unidentified(new)
        found = self.among(new)
        if len(found) > 1:
            raise self.ambiguous(f"several new releases were made of it ({[release.id for release in found]})")
        if not found:
            return None
        (release,) = found
        before, live = live_release(seen), live_release(now)
        if live == before is None or (live and live.id in {release.id, before.id if before else None}):
            log.info("Release %s was made of the package after all (active: %s)", release.id, release.active)
            return release
        raise self.not_live(release, live)

    def refuse_unidentified(self, releases: list[Release]) -> None:
        """Stop where it cannot be told whether a release was made of the package.

        :raises AmbiguousSubmissionError: one of them does not tell its package
        """
        if any(release.package_uuid is None for release in releases):
            raise self.ambiguous("the list does not tell which package a release was made of")

    def _refuse_strangers(self, seen: list[Release], now: list[Release]) -> None:
        strangers = [release.id for release in new_since(seen, now)]
        if strangers:
            raise self.ambiguous(f"releases of other packages appeared meanwhile ({strangers})")

    def not_live(self, release: Release, live: Release | None) -> ReleaseNotLiveError:
        """Make the error for a release of the package that somebody replaced since."""
        return ReleaseNotLiveError(
            f"Release {release.id} of deployment {self.deployment_id} was made of this package ({self.uuid}) but is "
            f"not live; {f'release {live.id}' if live else 'no release'} is. Somebody decided so, and a retry does not "
            f"undo it. Activate release {release.id} in Trifacta if it should be live, or import the package anew with "
            "if_exists='create'."
        )

    def ambiguous(self, why: str) -> AmbiguousSubmissionError:
        """Make the error for a doubt that only a person can end."""
        return AmbiguousSubmissionError(
            f"Whether the package {self.uuid} became a release of deployment {self.deployment_id} cannot be told: "
            f"{why}. Nothing more is sent. Look at the deployment in Trifacta: if the release is there, activate it if "
            "need be and mark this task as success; if not, clear the task with its baseline, or, where the list never "
            "tells packages, set if_exists='create'."
        )
