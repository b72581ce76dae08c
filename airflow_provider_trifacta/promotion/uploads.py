"""The releases of one package: which of a deployment's releases were made of it, and what a lost
answer means.

An upload is not idempotent: sent twice, it makes two releases. Its answer may get lost on the way,
or the worker may be killed before it reads the answer. The next try then does not know whether
there is a release. It must not upload a second time, and it must not undo what a person has decided
in the meantime.

What the server said decides. A complete 201 names the release, and :meth:`PackageReleases.prove`
reads it back by its id. What is inferred decides only where the answer was lost: that a release
shows the uuid of its package. An instance may give its releases uuids of its own. So another uuid
proves another package only where a release shows one that this task knows.

The rule for one lost answer is :func:`~airflow_provider_trifacta.client.retries.did_nothing`. If
that rule does not prove that nothing was done, :meth:`PackageReleases.settle` looks until the
release shows or the time is up. If no release of an earlier try shows, one question is left: did a
person remove it?
:meth:`PackageReleases.refuse_undone` answers that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..client.errors import (
    AmbiguousSubmissionError,
    InvalidInputError,
    PromotionNotProvenError,
    ReleaseNotLiveError,
    TrifactaError,
)
from ..client.foreign_words import logger
from ..client.models import newest_of, shows_live, uuid_time
from ..client.retries import refuses_form
from .baseline import Baseline
from .journal import production_stands
from .standing import (
    DEFAULT_SETTLE_TIMEOUT,
    INTERVAL,
    Standing,
    at_once,
    is_since,
    look,
)

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Release
    from .journal import Entry

log = logger(__name__)

#: A release that is older than the package's export by this much cannot be made of it. Clocks and
#: time zones differ.
_EXPORT_TOLERANCE = timedelta(days=1)
_TO_PROMOTE_AGAIN = "To promote the package all the same, clear the baseline's task too."


@dataclass(frozen=True)
class Since:
    """From where on a release may be one that an earlier try of this task made.

    :param known: how the deployment stood before: the baseline, or what the earlier try noted; None
        if neither is there
    :param began: when the run began, by which releases are told apart where nothing is known
    """

    known: Baseline | None
    began: datetime | None

    @classmethod
    def of(cls, baseline: Baseline | None, earlier: Entry | None, began: datetime | None) -> Since:
        """Take the best that is known.

        :param baseline: what the deployment looked like before the run, if it was recorded
        :param earlier: what the earlier try noted about its upload, if it did
        :param began: when the run began
        """
        if baseline is None and earlier:
            baseline = Baseline.parse(earlier.before)
        return cls(baseline, began)

    @property
    def can_tell(self) -> bool:
        """Whether anything is known by which releases of this run are told from older ones."""
        return self.known is not None or self.began is not None

    def counts(self, release: Release) -> bool:
        """Tell whether a release may be the earlier try's. A release without a time may be."""
        if self.known:
            return release.id > self.known.newest_id
        return is_since(release.created_at, self.began)

    def counts_deleted(self, release: Release) -> bool:
        """Tell the same of a deleted release. The newest that was known may be older than one that
        was deleted.
        """
        if not self.counts(release):
            return False
        if self.known is None:
            return True
        # Every import changes the release that was live before it, and so does going back to that
        # release. So a release of this run is never older than the last change that the baseline
        # recorded.
        times = (self.known.active_updated_at, self.known.read_at or self.began)
        return all(is_since(release.created_at, time) for time in times)

    def oldest(self, seen: Standing) -> int:
        """Return the id down to which a list has to be read.

        :param seen: a list that was read before
        """
        if self.known:
            return self.known.newest_id
        newest = newest_of(release for release in seen if not self.counts(release))
        return newest.id if newest else 0


@dataclass(frozen=True)
class Settled:
    """What a lost answer came to.

    :param release: the release of the package, None if none shows
    :param now: how the deployment stands
    :param was_live: whether a list showed the release as live
    """

    release: Release | None
    now: Standing
    was_live: bool = False


@dataclass(eq=False)
class PackageReleases:
    """The releases of one package in a deployment, and the question whether it became one.

    :param client: the instance
    :param deployment_id: the deployment
    :param uuid: the package's ``metadata.uuid``, in its usual spelling
    :param settle_timeout: seconds that the server has to finish or drop an upload
    :param release_id: the release that was made of the package, if the server named it: then no
        other is of it
    :raises InvalidInputError: for a negative time
    """

    client: TrifactaClient
    deployment_id: int
    uuid: str
    settle_timeout: float = DEFAULT_SETTLE_TIMEOUT
    release_id: int | None = None

    def __post_init__(self) -> None:
        time = self.settle_timeout
        is_number = isinstance(time, (int, float))
        if not is_number or not 0 <= time < math.inf:
            raise InvalidInputError(f"settle_timeout must be 0 or more seconds, not {time!r}.")

    def among(self, releases: Iterable[Release], *, after: int = 0) -> list[Release]:
        """Return those of some releases that were made of the package.

        :param releases: the releases in question
        :param after: only those with a higher id than this
        """
        newer = [release for release in releases if release.id > after]
        return [release for release in newer if self._is_of_package(release)]

    def _is_of_package(self, release: Release) -> bool:
        if self.release_id is not None:
            return release.id == self.release_id
        return release.package_uuid == self.uuid

    @property
    def is_known(self) -> bool:
        """Whether anything is known by which a release of the package can be found."""
        return self.release_id is not None or bool(self.uuid)

    @property
    def words(self) -> str:
        """What an error calls the releases of the package."""
        if self.release_id is not None:
            return f"release {self.release_id}"
        return f"a release of the package {self.uuid or 'unknown'}"

    def not_proven_others(
        self, releases: Iterable[Release], listed: Iterable[Release]
    ) -> list[Release]:
        """Return those of some releases that are not proven to be made of another package.

        :param releases: the releases in question
        :param listed: all that were read. If one of them shows the package's uuid, this instance
            shows such uuids, and another uuid proves another package
        """
        shows_package_uuids = any(release.package_uuid == self.uuid for release in listed)
        if not shows_package_uuids:
            return list(releases)
        return [release for release in releases if release.package_uuid in (None, self.uuid)]

    def read(self, latest: int | None, *, until: int | None = None) -> Standing:
        """Read the list as far down as it matters: the newest release, the live one, and all of
        this package.

        :param latest: the newest release of the baseline, None without a baseline: all that is
            newer is read
        :param until: a release that the server says it made: look for it until it shows or the time
            is up
        """

        def enough(releases: Sequence[Release]) -> bool:
            if not shows_live(releases):
                return False
            oldest = releases[-1]
            if latest is not None and oldest.id > latest:
                return False
            # A release that was made before the package was exported cannot be of it. The uuid
            # tells when that was.
            exported = uuid_time(self.uuid)
            if exported is None or oldest.created_at is None:
                return False
            return oldest.created_at < exported - _EXPORT_TOLERANCE

        def read(client: TrifactaClient) -> Standing:
            releases = client.releases.list(self.deployment_id, until=enough)
            return Standing(self.deployment_id, releases)

        def shows(now: Standing) -> bool:
            return until in now

        if not until:
            return read(self.client)
        return look(self.client, read, shows, seconds=self.settle_timeout)

    def look(
        self, down_to_id: int, shows: Callable[[Standing], bool], *, seconds: float | None = None
    ) -> Standing:
        """Look at all releases newer than one, until something shows or the time is up.

        :param down_to_id: the release down to which the list is read
        :param shows: tells whether the awaited state is there
        :param seconds: for how long; without it, for the settle timeout
        """
        time = self.settle_timeout if seconds is None else seconds
        return Standing.read(
            self.client, self.deployment_id, shows, down_to_id=down_to_id, seconds=time
        )

    def look_again(self, down_to_id: int) -> Standing:
        """Look a second time, after a pause. An import writes its release first, and that may
        vanish.

        :param down_to_id: the release down to which the list is read
        """
        self.client.clock.sleep(INTERVAL)
        return self.look(down_to_id, at_once)

    def prove(self, made: Release, seen: Standing) -> tuple[Release, Standing]:
        """Read back a release that the server says it made. A list counts only if it shows that
        release as new.

        :param made: the release in the answer
        :param seen: the releases before the upload
        :returns: the release in the list, and how the deployment stands
        :raises AmbiguousSubmissionError: the list does not show that release in this deployment
        :raises ReleaseNotLiveError: a third release was made live in the meantime
        :raises TrifactaError: the last look failed
        """

        def listed(now: Standing) -> Release | None:
            return _release_of(now, made.id, made.package_uuid)

        def shows(now: Standing) -> bool:
            return listed(now) is not None

        now = self.look(seen.newest_id, shows)
        release = listed(now)
        if release is None:
            raise self.ambiguous(
                f"the server answered that it made release {made.id}, and the list of the"
                " deployment does not show that release as the answer describes it",
                made.id,
            )
        self.refuse_third(release, seen, now)
        return release, now

    def await_live(
        self, release: Release, now: Standing, *, was_live: bool, retry: bool
    ) -> tuple[Release, Standing]:
        """Look until a release is live, or the time is up.

        :param release: the release, as it was read
        :param now: how the deployment stood then
        :param was_live: whether the server said that it is live, or a list showed it
        :param retry: whether an earlier try made the release
        :returns: the release, and how the deployment stands. It may be not live yet where this try
            made it and nothing has said that it was live
        :raises ReleaseNotLiveError: it was live, and is not any more
        :raises PromotionNotProvenError: an earlier try made it, and nothing shows that it ever was
            live
        :raises TrifactaError: the last look failed
        """
        must_be_live = was_live or retry
        if now.live_id == release.id or not must_be_live:
            return release, now

        def shows(now: Standing) -> bool:
            return now.live_id == release.id

        now = self.look(release.id, shows)
        if now.live_id == release.id:
            return _release_of(now, release.id) or release, now
        if was_live:
            raise self.not_live(release, now)
        raise PromotionNotProvenError(
            f"Release {release.id} of deployment {self.deployment_id} was made of this package"
            f" ({self.uuid}), and is not live. Nothing shows that it ever was. {now.words} is live."
            f" Either the server has not activated release {release.id}, or a person has chosen"
            " what is live. A retry does not undo that. Nothing was changed.",
            advice=(
                f"If release {release.id} should be live, activate it in Trifacta and mark this"
                " task as success."
            ),
            **now.about(release.id),
        )

    def refuse_third(self, release: Release, seen: Standing, now: Standing) -> None:
        """Refuse a release if neither it nor what was live before it is live: a person chose
        another one.

        A live release that is newer than all that were seen is no such choice: another import made
        it live by itself.
        """
        if now.live_id in (seen.live_id, release.id):
            return
        if now.live not in now.new_since(seen):
            raise self.not_live(release, now)

    def not_live(self, release: Release, now: Standing) -> ReleaseNotLiveError:
        """Make the error for a release of the package that is not live any more.

        :param release: the release
        :param now: how the deployment stands
        """
        return ReleaseNotLiveError(
            f"Release {release.id} of deployment {self.deployment_id} was made of this package"
            f" ({self.uuid}) but is not live. {now.words} is live: what is live has changed since,"
            " and this task does not undo that.",
            advice=(
                f"Activate release {release.id} in Trifacta. To import the package again, clear the"
                " baseline's task too."
            ),
            **now.about(release.id),
        )

    def ambiguous(
        self, why: str, release_id: int | None = None, *, advice: str = ""
    ) -> AmbiguousSubmissionError:
        """Make the error for a doubt that only a person can end.

        :param why: what is unknown
        :param release_id: the release in question, if one is known
        :param advice: what to do next, in place of the usual advice
        """
        usual_advice = (
            "Look at the deployment in Trifacta. If the release is there, activate it if necessary,"
            " and mark this task as success. If it is not there, clear this task together with its"
            " baseline task."
        )
        return AmbiguousSubmissionError(
            f"It is unknown whether the package {self.uuid} became a release of deployment"
            f" {self.deployment_id}: {why}. This task sends nothing more.",
            advice=advice or usual_advice,
            deployment_id=self.deployment_id,
            release_id=release_id,
        )

    def refuse_not_proven(self, releases: Sequence[Release], words: str) -> None:
        """Stop if an earlier upload may have made one of some releases.

        :param releases: those that are not proven to be of another package
        :param words: what is known of them, for the middle of a sentence
        :raises AmbiguousSubmissionError: there is one
        """
        newest = newest_of(releases)
        if newest is None:
            return
        if newest.package_uuid == self.uuid:
            raise self.ambiguous(
                f"release {newest.id} was made of it, and it is unknown in which run", newest.id
            )
        uuid = f"the uuid {newest.package_uuid}" if newest.package_uuid else "no uuid"
        raise self.ambiguous(
            f"release {newest.id} {words} and shows {uuid}. The package has the uuid {self.uuid}",
            newest.id,
            advice=(
                f"If this instance shows the package's uuid, release {newest.id} is another import:"
                " clear this task together with its baseline task. If it does not, activate"
                f" release {newest.id} and mark this task as success, or delete it and clear both."
            ),
        )

    def settle_lost(self, seen: Standing, error: TrifactaError) -> tuple[Release, Settled]:
        """End the doubt about an upload of this try whose answer was lost.

        :param seen: the releases before the upload
        :param error: what the upload ended with
        :returns: the release that it made, and what else was found
        :raises AmbiguousSubmissionError: it cannot be told whether the upload made a release
        :raises ReleaseNotLiveError: it made one, and a third release was made live
        :raises TrifactaError: ``error``: no release showed, or the list cannot be read at the
            moment. A retry looks again before it sends anything
        """
        log.warning(
            "The upload to deployment %s may have been applied. Looking for its release for %s"
            " s: %s",
            self.deployment_id,
            self.settle_timeout,
            error,
        )
        unknown = (
            f"It is unknown whether the package {self.uuid} became a release: look there first."
        )
        with production_stands(unknown):
            try:
                settled = self.settle_new(seen)
            except (ReleaseNotLiveError, AmbiguousSubmissionError):
                raise
            except TrifactaError as list_error:
                # Without the list nothing is known. Airflow may retry the upload's error, and a
                # retry looks first.
                if list_error.retryable:
                    raise error from list_error
                raise self.ambiguous(f"its releases cannot be listed ({list_error})") from error
        if settled.release:
            return settled.release, settled
        none = (
            f"No release of the package {self.uuid} showed within {self.settle_timeout:g} s. "
            f"{settled.now.words} is live. A retry looks again before it uploads."
        )
        with production_stands(none):
            raise error

    def settle_earlier(self, seen: Standing, since: Since, *, has_baseline: bool) -> Settled:
        """End the doubt about an upload of an earlier try.

        :param seen: the releases now
        :param since: from where on a release may be the earlier try's
        :param has_baseline: whether a later check compares the live release with the baseline
        :returns: the release that the upload made, none if it is safe to upload
        :raises AmbiguousSubmissionError: it cannot be told whether the upload made a release
        :raises ReleaseNotLiveError: it made one, or may have made one, and a person has decided
            otherwise
        :raises TrifactaError: the list cannot be read
        """
        log.info(
            "An earlier try may have uploaded the package to deployment %s. Waiting %s s for its"
            " release to show",
            self.deployment_id,
            self.settle_timeout,
        )

        def is_new(release: Release) -> bool:
            return release.id > seen.newest_id

        # Where nothing is known, a release that is there already may be older than this run, and is
        # not adopted.
        counts = since.counts if since.can_tell else is_new
        settled = self.settle(seen, counts, since.oldest(seen))
        if settled.release:
            return settled
        others = [release for release in settled.now if since.counts(release)]
        not_proven = self.not_proven_others(others, [*seen, *settled.now])
        self.refuse_not_proven(
            not_proven,
            "is newer than what was there before, may be an earlier upload of this run,",
        )
        self.refuse_undone(since, settled.now)
        if since.known and not has_baseline:
            self._refuse_other_live(since.known, settled.now)
        return settled

    def recall(
        self, release_id: int, uuid: str | None, latest: int | None
    ) -> tuple[Release, Standing]:
        """Read back a release that an earlier try of the task made and noted.

        :param release_id: the release
        :param uuid: the uuid that the answer named, if it was noted
        :param latest: the newest release of the baseline, None without a baseline
        :returns: the release, and what the list showed
        :raises ReleaseNotLiveError: it is not there any more
        :raises TrifactaError: the list cannot be read
        """
        seen = self.read(latest, until=release_id)
        release = _release_of(seen, release_id, uuid)
        if release is None:
            raise ReleaseNotLiveError(
                f"Release {release_id} of deployment {self.deployment_id}, which an earlier try of"
                f" this task made from the package {self.uuid}, is not there any more. {seen.words}"
                " is live. Nothing was uploaded, because a retry does not undo a person's"
                " decision.",
                advice="To promote the package once more, clear the baseline's task too.",
                **seen.about(release_id),
            )
        log.info(
            "An earlier try of this task made release %s of deployment %s",
            release_id,
            self.deployment_id,
        )
        return release, seen

    def settle_new(self, seen: Standing) -> Settled:
        """Look for a release of the package that was not there before, until it shows or the time
        is up.

        :param seen: the releases before the upload
        :returns: the release, none if none appeared
        :raises ReleaseNotLiveError: it appeared, and a third release was made live
        :raises AmbiguousSubmissionError: new releases appeared, and none shows the package's uuid,
            or several do
        :raises TrifactaError: the last look failed
        """

        def is_new(release: Release) -> bool:
            return release.id > seen.newest_id

        settled = self.settle(seen, is_new, seen.newest_id)
        if settled.release is None:
            # Also where they are of other packages, a later upload would replace them. So a person
            # has to look first.
            self.refuse_not_proven(settled.now.new_since(seen), "appeared in the meantime")
        return settled

    def settle(self, seen: Standing, counts: Callable[[Release], bool], down_to_id: int) -> Settled:
        """Look for a release of the package, until two looks show it or the time is up.

        :param seen: how the deployment stood before
        :param counts: tells whether a release may be the one
        :param down_to_id: the release down to which lists are read
        :returns: the release, none if none showed
        :raises ReleaseNotLiveError: it showed, and a third release was made live
        :raises AmbiguousSubmissionError: releases cannot be told apart, or the release vanished
            again
        :raises TrifactaError: the last look failed
        """
        clock = self.client.clock
        deadline = clock.monotonic() + self.settle_timeout
        vanished: Release | None = None

        def own(now: Standing) -> Release | None:
            return self._only_one([release for release in now if counts(release)])

        def shows(now: Standing) -> bool:
            return own(now) is not None

        while True:
            left = max(0.0, deadline - clock.monotonic())
            now = self.look(down_to_id, shows, seconds=left)
            first = own(now)
            if first is None:
                break
            now = self.look_again(down_to_id)
            second = own(now)
            if second and second.id == first.id:
                self.refuse_third(second, seen, now)
                log.info(
                    "The upload was applied: release %s of deployment %s was made of the package"
                    " and is %s",
                    second.id,
                    self.deployment_id,
                    "live" if second.active else "not live",
                )
                return Settled(second, now, first.active or second.active)
            vanished = first
            if clock.monotonic() >= deadline:
                break
        if vanished:
            raise self.vanished(vanished)
        return Settled(None, now)

    def vanished(self, release: Release) -> AmbiguousSubmissionError:
        """Make the error for a release that one look showed, and the next one did not.

        :param release: the release
        """
        return self.ambiguous(
            f"release {release.id} was made of it, and is not there any more. The server gave the"
            " import up, or a person deleted the release",
            release.id,
        )

    def await_activation(self, made: Sequence[Release]) -> Standing:
        """Look at releases that are made and not live yet, until one of them is live or the time is
        up.

        An import makes its release first and activates it a moment later.

        :param made: the releases
        :returns: the last list
        :raises TrifactaError: the last look failed
        """
        ids = {release.id for release in made}

        def shows(now: Standing) -> bool:
            return now.live_id in ids

        return self.look(max(ids), shows)

    def _only_one(self, releases: Sequence[Release]) -> Release | None:
        """Return the one release of the package among some, which must be this task's."""
        self.refuse_unidentified(releases)
        made = self.among(releases)
        if len(made) > 1:
            ids = [release.id for release in made]
            raise self.ambiguous(f"several new releases were made of it ({ids})", max(ids))
        return made[0] if made else None

    def refuse_unidentified(self, releases: Sequence[Release]) -> None:
        """Stop if the list does not show whether a release was made of the package.

        :param releases: the releases in question
        :raises AmbiguousSubmissionError: one of them does not show its package
        """
        for release in releases:
            if release.package_uuid is None:
                raise self.ambiguous(
                    "the list does not show which package a release was made of", release.id
                )

    def refuse_undone(self, since: Since, now: Standing) -> None:
        """Stop a retry if a person has undone what an earlier try made.

        The old release is live, and no release of the package is there. That does not prove that
        the earlier try did nothing. It may have made its release, and a person may have gone back
        to the old one and deleted the new one. Two traces show that: a deleted release that may be
        of the package, and a live release that was changed since the baseline. Some servers do not
        list deleted releases, so their absence proves nothing, and both traces are looked for.

        :param since: from where on a release may be the earlier try's
        :param now: how the deployment stands: this run made none of its releases
        :raises ReleaseNotLiveError: a person acted
        :raises AmbiguousSubmissionError: a release was deleted that may be this package's
        :raises TrifactaError: the deleted releases cannot be read at the moment
        """
        deleted = self._deleted(since)
        own = self.among(deleted)
        if own:
            raise ReleaseNotLiveError(
                f"An earlier try of this task made release {own[0].id} of deployment"
                f" {self.deployment_id} from this package ({self.uuid}), and that release was"
                f" deleted. {now.words} is live. Nothing was uploaded, because a retry does not"
                " undo a person's decision.",
                advice=_TO_PROMOTE_AGAIN,
                **now.about(own[0].id),
            )
        not_proven = self.not_proven_others(deleted, now)
        self.refuse_not_proven(not_proven, "was made since this run began, was deleted,")
        live = now.live
        recorded = since.known
        if live is None or recorded is None:
            return
        if live.id != recorded.active_release_id:
            return
        changed_before = recorded.active_updated_at
        if changed_before is None or live.updated_at is None:
            return
        if live.updated_at != changed_before:
            raise ReleaseNotLiveError(
                f"Release {live.id} of deployment {self.deployment_id} is live and was changed"
                f" after the baseline was recorded (at {live.updated_at}). An earlier try of this"
                f" task may have uploaded the package {self.uuid}, and a person may have gone back"
                f" to release {live.id} since. Nothing was uploaded.",
                advice=_TO_PROMOTE_AGAIN,
                **now.about(),
            )

    def _refuse_other_live(self, known: Baseline, now: Standing) -> None:
        """Stop a retry if another release is live than an earlier try found before its upload.

        :param known: what the earlier try saw
        :param now: how the deployment stands
        :raises ReleaseNotLiveError: another release has been activated in the meantime
        """
        if now.live_id != known.active_release_id:
            raise ReleaseNotLiveError(
                f"{now.words} of deployment {self.deployment_id} is live. An earlier try of this"
                f" task, which may have uploaded the package {self.uuid}, found release"
                f" {known.active_release_id or 'none'} live: another release has been activated in"
                " the meantime. Nothing was uploaded, because a retry does not undo that.",
                advice=(
                    "To promote the package all the same, give this task a baseline, and clear both"
                    " tasks."
                ),
                **now.about(),
            )

    def _deleted(self, since: Since) -> list[Release]:
        """Return the releases of this run that were deleted since, if the server shows them."""
        if not since.can_tell:
            return []

        def is_older(releases: Sequence[Release]) -> bool:
            return bool(releases) and not since.counts_deleted(releases[-1])

        try:
            releases = self.client.releases.list(
                self.deployment_id, until=is_older, include_deleted=True
            )
        except TrifactaError as error:
            if error.retryable and not refuses_form(error):
                raise
            log.info("The server does not list deleted releases: %s", error)
            return []
        deleted = [release for release in releases if release.deleted]
        return [release for release in deleted if since.counts_deleted(release)]


def _release_of(now: Standing, release_id: int, uuid: str | None = None) -> Release | None:
    """Return a release by its id. A list or an answer that shows no uuid does not contradict."""
    for release in now:
        if release.id != release_id:
            continue
        if uuid is None or release.package_uuid in (None, uuid):
            return release
    return None


def overrun_by(earlier: Entry | None, made: Release, now: Standing) -> tuple[int, ...]:
    """Return the releases that others made while an earlier try imported one, as far as the journal
    tells.

    :param earlier: what the earlier try noted before its upload
    :param made: the release that it made
    :param now: how the deployment stands
    """
    if earlier is None:
        return ()
    latest = earlier.before.get("latest_release_id") or 0
    ids = [release.id for release in now if latest < release.id < made.id]
    return tuple(sorted(ids))
