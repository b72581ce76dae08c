"""Reading what production looks like: which release is live, and whether something shows by now.

A lost answer cannot be asked for again. Only the list of a deployment's releases tells what
happened, and it may lag behind. So there is one loop that looks again, :func:`look`, and one value
for what it finds: :class:`Standing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from ..client.errors import TrifactaError
from ..client.foreign_words import logger
from ..client.models import live_of, newest_of, shows_live
from .journal import noted_time

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Release

log = logger(__name__)

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


def look(
    client: TrifactaClient,
    read: Callable[[TrifactaClient], T],
    shows: Callable[[T], bool],
    *,
    seconds: float,
    interval: float = INTERVAL,
) -> T:
    """Read again and again until something shows, or the time is up. It changes nothing.

    A read that fails with a transient error is repeated too. The pause is then as long as the
    server asks.

    :param client: the instance
    :param read: reads once, with a client that does not repeat failed reads
    :param shows: tells whether the awaited state is there
    :param seconds: for how long
    :param interval: seconds between two looks
    :returns: what was read last, whether it shows or not
    :raises TrifactaError: the last look failed, or a look failed for a reason that another look
        cannot help
    """
    clock = client.clock
    reader = client.without_repetitions
    deadline = clock.monotonic() + seconds
    while True:
        # The last look comes after the deadline, so that what shows in the last pause still counts.
        left = deadline - clock.monotonic()
        pause = interval
        try:
            answer = read(reader)
        except TrifactaError as error:
            if left <= 0 or not error.retryable:
                raise
            pause = max(interval, getattr(error, "retry_after", None) or 0.0)
            log.warning("Looking again in %.0f s: %s", min(pause, left), error)
        else:
            if left <= 0 or shows(answer):
                return answer
        clock.sleep(min(pause, left))


def read_patiently(client: TrifactaClient, read: Callable[[TrifactaClient], T]) -> T:
    """Read what a change is decided by. Nothing is written yet, so a short outage costs no retry.

    :param client: the instance
    :param read: reads once
    :raises TrifactaError: as :func:`look`
    """
    return look(client, read, at_once, seconds=READ_PATIENCE)


def at_once(_answer: object) -> bool:
    """End a look with the first answer, as it is."""
    return True


def is_since(made_at: datetime | None, time: datetime | None) -> bool:
    """Tell whether something may have been made at a time or later. It may be, if a time is
    unknown.

    :param made_at: when it was made; None if the server does not show that
    :param time: the time; None if it is unknown
    """
    return time is None or made_at is None or made_at >= time


def down_to(release_id: int) -> Callable[[Sequence[Release]], bool]:
    """Return a test whether a list was read far enough to know all newer releases, and the live
    one.

    :param release_id: the newest release that was known before
    """

    def is_far_enough(releases: Sequence[Release]) -> bool:
        return shows_live(releases) and releases[-1].id <= release_id

    return is_far_enough


@dataclass(frozen=True)
class Standing:
    """How a deployment stands.

    :param deployment_id: the deployment
    :param releases: its releases, newest first, as far down as they were read
    """

    deployment_id: int
    releases: Sequence[Release]

    @classmethod
    def read(
        cls,
        client: TrifactaClient,
        deployment_id: int,
        counts: Callable[[Standing], bool] = at_once,
        *,
        down_to_id: int | None = None,
        seconds: float = VERIFY_TIMEOUT,
        interval: float = INTERVAL,
    ) -> Standing:
        """Read again and again until what is read counts, or the time is up.

        :param client: the instance
        :param deployment_id: the deployment
        :param counts: tells whether what was read is what is waited for
        :param down_to_id: how far down to read; without it, to the live release
        :param seconds: for how long
        :param interval: seconds between two looks
        :returns: what was read last, whether it counts or not
        :raises TrifactaError: the last look failed
        """
        until = shows_live if down_to_id is None else down_to(down_to_id)

        def read(reader: TrifactaClient) -> Standing:
            releases = reader.releases.list(deployment_id, until=until)
            return cls(deployment_id, releases)

        return look(client, read, counts, seconds=seconds, interval=interval)

    @property
    def live(self) -> Release | None:
        """The live release; the newest, if a server shows several."""
        return live_of(self.releases)

    @property
    def live_id(self) -> int | None:
        """The id of the live release, None if none is live."""
        return self.live.id if self.live else None

    @property
    def newest_id(self) -> int:
        """The id of the newest release, 0 if there is none."""
        newest = newest_of(self.releases)
        return newest.id if newest else 0

    @property
    def words(self) -> str:
        """The live release in words, for the beginning of a sentence."""
        return f"Release {self.live.id}" if self.live else "No release"

    def __iter__(self) -> Iterator[Release]:
        return iter(self.releases)

    def __contains__(self, release_id: int | None) -> bool:
        return any(release.id == release_id for release in self.releases)

    def new_since(self, before: Standing) -> list[Release]:
        """Return the releases that were made since."""
        newest_before = before.newest_id
        return [release for release in self.releases if release.id > newest_before]

    def made_since(self, before: Standing, but: int | None = None) -> tuple[int, ...]:
        """Return the ids of the releases that were made since, except one."""
        ids = [release.id for release in self.new_since(before) if release.id != but]
        return tuple(sorted(ids))

    def state(self, *release_ids: int | None) -> dict[str, Any]:
        """Return what a journal compares: which release is live, and when it and some others were
        changed.

        :param release_ids: the others
        """
        concerned = (self.live_id, *release_ids)
        times: dict[str, str | None] = {}
        for release in self.releases:
            if release.id in concerned:
                times[str(release.id)] = noted_time(release.updated_at)
        return {"live": self.live_id, "updated": times}

    def about(self, release_id: int | None = None) -> dict[str, Any]:
        """Return the fields of an error about the deployment.

        :param release_id: the release that it is about, if it is about one
        """
        return {
            "deployment_id": self.deployment_id,
            "release_id": release_id,
            "live_id": self.live_id,
        }

    def error(
        self, kind: type[TrifactaError], text: str, release_id: int | None = None, **fields: Any
    ) -> TrifactaError:
        """Make an error about the deployment that says what is live."""
        return kind(text, **self.about(release_id), **fields)
