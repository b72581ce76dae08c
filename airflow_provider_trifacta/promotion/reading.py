"""Reading what production looks like: which release is live, and whether something shows by now.

A lost answer cannot be asked for again. Only the list of a deployment's releases tells what happened, and it may lag
behind. So there is one loop that looks again, :func:`look`, and one class for what every promotion asks:
:class:`PackageReleases`, the releases that were made of one package.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from ..client.errors import AmbiguousSubmissionError, InvalidInputError, ReleaseNotLiveError, TrifactaError
from ..client.models import uuid_time

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Release

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds that a server has to finish or drop an upload whose answer was lost.
DEFAULT_SETTLE_TIMEOUT = 60.0
#: Seconds that a server has to show a small change, such as an activation.
VERIFY_TIMEOUT = 30.0
#: Seconds for which a task repeats the reads before its first change.
READ_PATIENCE = 120.0
#: Seconds between two looks.
INTERVAL = 3.0
#: How far the clocks of Airflow and of the server may differ.
CLOCK_TOLERANCE = timedelta(minutes=5)
#: A release that is older than the package's export by this much cannot be made of it. Clocks and time zones differ.
_EXPORT_TOLERANCE = timedelta(days=1)


def look(
    client: TrifactaClient,
    read: Callable[[TrifactaClient], T],
    shows: Callable[[T], bool],
    *,
    seconds: float,
    interval: float = INTERVAL,
) -> T:
    """Read again and again until something shows, or the time is up. It changes nothing.

    A read that fails with a transient error is repeated too. The pause is then as long as the server asks.

    :param client: the instance
    :param read: reads once, with a client that does not repeat failed reads
    :param shows: tells whether the awaited state is there
    :param seconds: for how long
    :param interval: seconds between two looks
    :returns: what was read last, whether it shows or not
    :raises TrifactaError: the last look failed, or a look failed for a reason that another look cannot help
    """
    clock, reader = client.clock, client.without_repetitions
    deadline = clock.monotonic() + seconds
    while True:
        # The last look comes after the deadline, so that what shows in the last pause still counts.
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
    """Read what a change is decided by. Nothing is written yet, so a short outage need not cost a retry.

    :param client: the instance
    :param read: reads once
    :raises TrifactaError: as :func:`look`
    """
    return look(client, read, lambda _: True, seconds=READ_PATIENCE)


def live_release(releases: Iterable[Release]) -> Release | None:
    """Return the live one of a deployment's releases; the newest, if a server shows several."""
    return max((release for release in releases if release.active), key=lambda release: release.id, default=None)


def live_id(releases: Iterable[Release]) -> int | None:
    """Return the id of the live one of a deployment's releases, None if none is live."""
    return id_of(live_release(releases))


def about(deployment_id: int, live: Release | None = None, release_id: int | None = None) -> dict[str, Any]:
    """Return the fields of an error about a deployment.

    :param deployment_id: the deployment
    :param live: its live release, None if none is live or it is unknown
    :param release_id: the release that the error is about, if it is about one
    """
    return {"deployment_id": deployment_id, "release_id": release_id, "live_id": id_of(live)}


def id_of(release: Release | None) -> int | None:
    """Return the id of a release, None for no release."""
    return release.id if release else None


def described(release: Release | None) -> str:
    """Return the live release in words, for the beginning of a sentence."""
    return f"Release {release.id}" if release else "No release"


def shows_live(releases: Sequence[Release]) -> bool:
    """Tell whether a list was read far enough to know its newest and its live release."""
    return live_release(releases) is not None


def down_to(release_id: int) -> Callable[[Sequence[Release]], bool]:
    """Return a test whether a list was read far enough to know all newer releases, and the live one.

    :param release_id: the newest release that was known before
    """
    return lambda releases: shows_live(releases) and releases[-1].id <= release_id


def new_since(seen: Iterable[Release], now: Iterable[Release]) -> list[Release]:
    """Return the releases that were made after all those that were seen before."""
    newest = max((release.id for release in seen), default=0)
    return [release for release in now if release.id > newest]


def strangers(seen: Iterable[Release], now: Iterable[Release], made: int | None = None) -> tuple[int, ...]:
    """Return the ids of the releases that others made in the meantime.

    :param seen: the releases before
    :param now: the releases after
    :param made: the release that this task made itself
    """
    return tuple(sorted(release.id for release in new_since(seen, now) if release.id != made))


@dataclass(frozen=True)
class Seen:
    """What one read of a deployment's list showed.

    :param releases: the releases, newest first, as far down as they were read
    :param live: the live one
    :param made: those that were made of the package
    """

    releases: list[Release]
    live: Release | None
    made: list[Release]


@dataclass(eq=False)
class PackageReleases:
    """The releases that were made of one package in one deployment, and what proves that there is one.

    :param client: the instance
    :param deployment_id: the deployment
    :param uuid: the package's ``metadata.uuid``, in its usual spelling
    :param settle_timeout: seconds that the server has to finish or drop an upload
    :raises InvalidInputError: for a negative time
    """

    client: TrifactaClient
    deployment_id: int
    uuid: str
    settle_timeout: float = DEFAULT_SETTLE_TIMEOUT

    def __post_init__(self) -> None:
        time = self.settle_timeout
        if not isinstance(time, (int, float)) or not 0 <= time < math.inf:
            raise InvalidInputError(f"settle_timeout must be 0 or more seconds, not {time!r}.")

    def among(self, releases: Iterable[Release], *, after: int = 0) -> list[Release]:
        """Return those of some releases that were made of the package and have a higher id than ``after``."""
        return [one for one in releases if one.id > after and one.package_uuid == self.uuid]

    def find(self, release_id: int, releases: Iterable[Release]) -> Release | None:
        """Return a release by its id, if it was made of the package, or the server does not tell its package."""
        fitting = (one for one in releases if one.id == release_id and one.package_uuid in (None, self.uuid))
        return next(fitting, None)

    def read(self, latest: int | None, *, until: int | None = None) -> Seen:
        """Read the list as far down as it matters: the newest release, the live one, and all of this package.

        :param latest: the newest release of the baseline, None without a baseline: all that is newer is read
        :param until: a release that the server says it made: look for it until it shows or the time is up
        """

        def enough(releases: Sequence[Release]) -> bool:
            oldest = releases[-1] if releases else None
            if oldest is None or not shows_live(releases) or (latest is not None and oldest.id > latest):
                return False
            # A release that was made before the package was exported cannot be of it. The uuid tells when that was.
            exported = uuid_time(self.uuid)
            return bool(exported and oldest.created_at and oldest.created_at < exported - _EXPORT_TOLERANCE)

        def read(client: TrifactaClient) -> list[Release]:
            return client.releases.list(self.deployment_id, until=enough)

        def shows(now: list[Release]) -> bool:
            return until is not None and self.find(until, now) is not None

        releases = look(self.client, read, shows, seconds=self.settle_timeout) if until else read(self.client)
        return Seen(releases, live_release(releases), self.among(releases))

    def look(self, seen: Sequence[Release], shows: Callable[[list[Release]], bool]) -> list[Release]:
        """Look at all releases newer than those that were seen, until something shows or the time is up."""
        enough = down_to(max((release.id for release in seen), default=0))

        def read(client: TrifactaClient) -> list[Release]:
            return client.releases.list(self.deployment_id, until=enough)

        return look(self.client, read, shows, seconds=self.settle_timeout)

    def prove(self, release_id: int, seen: Sequence[Release]) -> tuple[Release, tuple[int, ...]]:
        """Read back a release that the server says it made. A list counts only if it shows that release as new.

        :param release_id: the id in the answer
        :param seen: the releases before the upload
        :returns: the release in the list (where the id is wrong: the only new one of the package), and those of others
        :raises AmbiguousSubmissionError: no such release is listed in this deployment, or several may be it
        :raises ReleaseNotLiveError: a third release was made live in the meantime
        :raises TrifactaError: the last look failed
        """
        now = self.look(seen, lambda now: self.find(release_id, new_since(seen, now)) is not None)
        new = new_since(seen, now)
        found, fitting = self.find(release_id, new), [one for one in new if one.package_uuid in (None, self.uuid)]
        if found is None and len(fitting) == 1 and fitting[0].package_uuid:
            found = fitting[0]
        if found is None:
            raise self.ambiguous(
                f"the server answered that it made release {release_id}, and the list of the deployment does not show "
                "that release with this package",
                release_id,
            )
        self.refuse_third(found, seen, now)
        return found, strangers(seen, now, found.id)

    def refuse_third(self, release: Release, seen: Sequence[Release], now: Sequence[Release]) -> None:
        """Refuse a release if neither it nor what was live before it is live: a person chose another one.

        A live release that is newer than all that were seen is no such choice: another import made it live by itself.
        """
        before, live = live_release(seen), live_release(now)
        if id_of(live) not in (id_of(before), release.id) and live not in new_since(seen, now):
            raise self.not_live(release, live)

    def not_live(self, release: Release, live: Release | None) -> ReleaseNotLiveError:
        """Make the error for a release of the package that is not live any more.

        :param release: the release
        :param live: what is live
        """
        return ReleaseNotLiveError(
            f"Release {release.id} of deployment {self.deployment_id} was made of this package ({self.uuid}) but is "
            f"not live. {described(live)} is live: another release has been activated in the meantime, and a retry "
            "does not undo that.",
            advice=f"Activate release {release.id} in Trifacta, or import the package again with if_exists='create'.",
            **about(self.deployment_id, live, release.id),
        )

    def ambiguous(self, why: str, release_id: int | None = None) -> AmbiguousSubmissionError:
        """Make the error for a doubt that only a person can end.

        :param why: what cannot be told
        :param release_id: the release in question, if one is known
        """
        return AmbiguousSubmissionError(
            f"It is unknown whether the package {self.uuid} became a release of deployment {self.deployment_id}: "
            f"{why}. This task sends nothing more.",
            advice="Look at the deployment in Trifacta. If the release is there, activate it if necessary, and mark "
            "this task as success. If it is not there, clear this task together with its baseline task. If the list "
            "never shows the package of a release, set if_exists='create'.",
            **about(self.deployment_id, release_id=release_id),
        )
