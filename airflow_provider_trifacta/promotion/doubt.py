"""Doubt: a change may have been made although nobody read the answer. What is listed later tells, given time.

One rule says what may have happened, :func:`~airflow_provider_trifacta.client.retries.did_nothing`. One loop looks
again,
:func:`look`. :class:`Doubt` is what both are for: the releases of one package in one deployment.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from ..client.errors import (
    AmbiguousSubmissionError,
    InvalidInputError,
    ReleaseNotLiveError,
    TrifactaError,
)
from .baseline import Baseline, down_to, live_release, made_of, new_since

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Release

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds that a server is given to finish or drop an upload whose answer was lost.
DEFAULT_SETTLE_TIMEOUT = 60.0
#: Seconds that a server is given to show a small change, such as an activation.
VERIFY_TIMEOUT = 30.0
#: Seconds for which a task repeats the reads that come before its first change.
READ_PATIENCE = 120.0
#: Seconds between two looks.
INTERVAL = 3.0
#: How far the clocks of Airflow and of the server may differ.
CLOCK_TOLERANCE = timedelta(minutes=5)


def look(
    client: TrifactaClient,
    read: Callable[[TrifactaClient], T],
    shows: Callable[[T], bool],
    *,
    seconds: float,
    interval: float = INTERVAL,
) -> T:
    """Read again and again until something shows, or the time is up. It changes nothing.

    A read that fails for a reason that may pass is repeated too, and waits as long as the server asks.

    :param client: the instance
    :param read: reads once, with a client that does not repeat reads by itself
    :param shows: tells whether it is there
    :param seconds: for how long
    :param interval: seconds between two looks
    :returns: what was read last, whether it shows or not
    :raises TrifactaError: the last look failed, or one failed for a reason that does not pass
    """
    clock, reader = client.clock, client.without_repetitions
    deadline = clock.monotonic() + seconds
    while True:
        left, pause = deadline - clock.monotonic(), interval
        try:
            found = read(reader)
        except TrifactaError as error:
            if left <= 0 or not error.retryable:
                raise
            pause = max(interval, getattr(error, "retry_after", None) or 0.0)
            log.warning("Looking again in %.0f s: %s", min(pause, left), error)
        else:
            if left <= 0 or shows(found):
                return found
        clock.sleep(min(pause, left))


def read_patiently(client: TrifactaClient, read: Callable[[TrifactaClient], T]) -> T:
    """Read what a change is decided by: nothing was written yet, so a server that is away for a moment costs no retry.

    :param client: the instance
    :param read: reads once
    :raises TrifactaError: as :func:`look`
    """
    return look(client, read, lambda _: True, seconds=READ_PATIENCE)


@contextmanager
def production_stands(words: Callable[[], str], *, also: bool = False) -> Iterator[None]:
    """Make every error that leaves the block say how production stands, unless it does so already.

    :param words: makes the sentence, when there is an error
    :param also: whether to add the sentence to what the error says already
    """
    try:
        yield
    except TrifactaError as error:
        if also or not error.standing:
            error.standing = f"{error.standing} {words()}".strip()
        raise


def described(release: Release | None) -> str:
    """Return the live release in words, for the beginning of a sentence."""
    return f"Release {release.id}" if release else "No release"


class Doubt:
    """The releases of one package in one deployment, and what may be concluded from them.

    :param client: the instance
    :param deployment_id: the deployment
    :param uuid: the package's ``metadata.uuid``
    :param settle_timeout: seconds that the server is given to finish or drop an upload
    :raises InvalidInputError: for a negative time
    """

    def __init__(
        self,
        client: TrifactaClient,
        deployment_id: int,
        uuid: str,
        *,
        settle_timeout: float = DEFAULT_SETTLE_TIMEOUT,
    ) -> None:
        if not isinstance(settle_timeout, (int, float)) or not 0 <= settle_timeout < math.inf:
            raise InvalidInputError(f"settle_timeout must be 0 or more seconds, not {settle_timeout!r}.")
        self._client = client
        self.deployment_id = deployment_id
        self.uuid = uuid
        self.settle_timeout = settle_timeout

    def among(self, releases: Sequence[Release], *, after: int = 0) -> list[Release]:
        """Return those of some releases that were made of the package and have a higher id than ``after``."""
        return made_of(releases, self.uuid, after=after)

    def find(self, release_id: int, releases: Sequence[Release]) -> Release | None:
        """Return a release whose id is known, if the list shows it and it was made of the package.

        Where a server does not tell packages, the id and the deployment have to be enough.
        """
        fitting = (one for one in releases if one.id == release_id and one.package_uuid in (None, self.uuid))
        return next(fitting, None)

    def settle(self, seen: Sequence[Release]) -> tuple[Release | None, list[Release]]:
        """Look for a release of the package that was not there before, until it shows or the time is up.

        :param seen: the releases before the upload
        :returns: the release, or None when none came about; and the last list
        :raises ReleaseNotLiveError: it came about, and a third release was made live
        :raises AmbiguousSubmissionError: what is there cannot be told apart
        :raises TrifactaError: the last look failed
        """
        releases = self._look(seen, lambda now: self._appeared(seen, now) is not None)
        found = self._appeared(seen, releases)
        if found is None:
            strangers = [release.id for release in new_since(seen, releases)]
            if strangers:
                raise self.ambiguous(f"releases of other packages appeared in the meantime ({strangers})")
        return found, releases

    def await_activation(self, made: Sequence[Release]) -> list[Release]:
        """Look at releases that a server has made and not activated yet, until one is live or the time is up.

        :param made: the releases
        :returns: the last list
        :raises TrifactaError: the last look failed
        """
        ids = {release.id for release in made}
        return self._look(made, lambda now: any(one.id in ids and one.active for one in now))

    def prove(self, release_id: int, seen: Sequence[Release]) -> tuple[Release, list[Release]]:
        """Read back a release that the server says it made: a list counts only once it shows that one.

        :param release_id: the id in the answer
        :param seen: the releases before the upload
        :returns: the release as it is listed, and the list
        :raises AmbiguousSubmissionError: it is not listed in this deployment, or was made of another package
        :raises ReleaseNotLiveError: a third release was made live in the meantime
        :raises TrifactaError: the last look failed
        """
        now = self._look(seen, lambda now: self.find(release_id, now) is not None)
        found = self.find(release_id, now)
        if found is None:
            raise self.ambiguous(
                f"the server answered that it made release {release_id}, and the list of the deployment does not show "
                "that release with this package"
            )
        self._refuse_third(found, seen, now)
        return found, now

    def _look(self, seen: Sequence[Release], shows: Callable[[list[Release]], bool]) -> list[Release]:
        enough = down_to(max((release.id for release in seen), default=0))
        return look(
            self._client,
            lambda client: client.releases.list(self.deployment_id, until=enough),
            shows,
            seconds=self.settle_timeout,
        )

    def _appeared(self, seen: Sequence[Release], now: Sequence[Release]) -> Release | None:
        """Return the one new release of this package that may be taken for this promotion's."""
        new = new_since(seen, now)
        if now and all(release.package_uuid is None for release in now):
            new = list(now)
        self.refuse_unidentified(new)
        found = self.among(new)
        if len(found) > 1:
            raise self.ambiguous(f"several new releases were made of it ({[release.id for release in found]})")
        if not found:
            return None
        (release,) = found
        self._refuse_third(release, seen, now)
        log.info("Release %s was made of the package after all (live: %s)", release.id, release.active)
        return release

    def _refuse_third(self, release: Release, seen: Sequence[Release], now: Sequence[Release]) -> None:
        """Refuse a release where neither it nor what was live before it is live: a person chose another one."""
        before, live = live_release(seen), live_release(now)
        if live is None and before is None:
            return
        allowed = {release.id, before.id if before else None}
        newer = max((one.id for one in seen), default=0)
        if live is None or (live.id not in allowed and live.id <= newer):
            raise self.not_live(release, live)

    def refuse_unidentified(self, releases: Sequence[Release]) -> None:
        """Stop where it cannot be told whether a release was made of the package.

        :raises AmbiguousSubmissionError: one of them does not tell its package
        """
        if any(release.package_uuid is None for release in releases):
            raise self.ambiguous("the list does not tell which package a release was made of")

    def refuse_undone(self, baseline: Baseline | None, began: datetime | None, releases: Sequence[Release]) -> None:
        """Stop a retry where a person has taken back what an earlier attempt made.

        That the old release is live does not prove that the earlier attempt did nothing: it may have made its release,
        and a person may have activated the old one again and deleted the new one. Two things show that: a deleted
        release of the package, and a live release that was changed since the baseline. A server may not tell about
        deleted releases, so their absence proves nothing.

        :param baseline: what the deployment looked like before the run, if it was recorded
        :param began: when the run began, which stands in for a baseline
        :param releases: the releases now, none of which is this run's
        :raises ReleaseNotLiveError: a person acted
        :raises TrifactaError: the deleted releases cannot be read at the moment
        """
        live = live_release(releases)
        for one in self._deleted(baseline, began):
            raise ReleaseNotLiveError(
                f"An earlier attempt made release {one.id} of deployment {self.deployment_id} from this package "
                f"({self.uuid}), and that release was deleted. {described(live)} is live. Nothing was uploaded, since "
                f"a retry does not undo a person's decision. {_TO_PROMOTE_AGAIN}"
            )
        recorded = baseline.active_updated_at if baseline and live and live.id == baseline.active_release_id else None
        if live and recorded and live.updated_at and live.updated_at != recorded:
            raise ReleaseNotLiveError(
                f"Release {live.id} of deployment {self.deployment_id} is live and was changed after the baseline was "
                f"recorded (at {live.updated_at}), and an earlier attempt may have uploaded the package {self.uuid}. "
                f"So somebody may have gone back to it. Nothing was uploaded. {_TO_PROMOTE_AGAIN}"
            )

    def _deleted(self, baseline: Baseline | None, began: datetime | None) -> list[Release]:
        """Return the releases of the package that were made in this run and deleted since, if the server tells."""
        after = baseline.latest_release_id or 0 if baseline else 0
        # Every import changes the release that was live, and so does going back to it: what is older than that change
        # is older than the baseline.
        times = [began - CLOCK_TOLERANCE] if began else []
        if baseline and baseline.active_updated_at:
            times.append(baseline.active_updated_at)
        if not baseline and not times:
            return []

        def in_this_run(one: Release) -> bool:
            return one.id > after and all(one.created_at is not None and one.created_at >= since for since in times)

        try:
            rows = self._client.releases.list(
                self.deployment_id, until=lambda rows: not in_this_run(rows[-1]), include_deleted=True
            )
        except TrifactaError as error:
            if error.retryable:
                raise
            log.info("The server does not tell about deleted releases: %s", error)
            return []
        return [one for one in self.among(rows) if one.deleted and in_this_run(one)]

    def not_live(self, release: Release, live: Release | None) -> ReleaseNotLiveError:
        """Make the error for a release of the package that is not live any more.

        :param release: the release
        :param live: what is live
        """
        return ReleaseNotLiveError(
            f"Release {release.id} of deployment {self.deployment_id} was made of this package ({self.uuid}) but is "
            f"not live; {f'release {live.id}' if live else 'no release'} is. Another release has been activated in the "
            f"meantime, and a retry does not undo that. Activate release {release.id} in Trifacta if it should be "
            "live, or import the package once more with if_exists='create'."
        )

    def ambiguous(self, why: str) -> AmbiguousSubmissionError:
        """Make the error for a doubt that only a person can end.

        :param why: what cannot be told
        """
        return AmbiguousSubmissionError(
            f"It is unknown whether the package {self.uuid} became a release of deployment {self.deployment_id}: "
            f"{why}. Nothing more is sent. Look at the deployment in Trifacta. If the release is there, activate it if "
            "necessary, and mark this task as success. If it is not there, clear this task together with its baseline "
            "task. Where the list never tells packages, set if_exists='create'."
        )


_TO_PROMOTE_AGAIN = "To promote the package all the same, clear the baseline's task too, or set if_exists='create'."
