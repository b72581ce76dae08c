"""Doubt: an upload may have been applied although its answer was lost, in this try or in an earlier one.

Why this needs a module. An upload is not idempotent: sent twice, it makes two releases. Its answer may get lost on the
way, or the worker may be killed before it reads the answer. The next try then does not know whether there is a release.
It must not upload a second time, and it must not undo what a person has decided in the meantime.

The rule for one lost answer is :func:`~airflow_provider_trifacta.client.retries.did_nothing`. If that rule does
not prove that nothing was done, :meth:`Doubt.settle` looks until the release shows or the time is up. If no release of
an earlier try shows, one question is left: did a person remove it? :meth:`Doubt.refuse_undone` answers that.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..client.errors import AmbiguousSubmissionError, InvalidInputError, ReleaseNotLiveError, TrifactaError
from ..client.models import uuid_time
from ..client.retries import refuses_form
from .baseline import Baseline
from .journal import production_stands
from .standing import CLOCK_TOLERANCE, DEFAULT_SETTLE_TIMEOUT, Standing, look, shows_live

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Release
    from .journal import Entry

log = logging.getLogger(__name__)

#: A release that is older than the package's export by this much cannot be made of it. Clocks and time zones differ.
_EXPORT_TOLERANCE = timedelta(days=1)
_TO_PROMOTE_AGAIN = "To promote the package all the same, clear the baseline's task too, or set if_exists='create'."


@dataclass(eq=False)
class Doubt:
    """The question whether a package became a release of a deployment, and how it is answered.

    :param client: the instance
    :param deployment_id: the deployment
    :param uuid: the package's ``metadata.uuid``, in its usual spelling
    :param settle_timeout: seconds that the server has to finish or drop an upload
    :param release_id: the release that was made of the package, if the server named it: then no other is of it
    :raises InvalidInputError: for a negative time
    """

    client: TrifactaClient
    deployment_id: int
    uuid: str
    settle_timeout: float = DEFAULT_SETTLE_TIMEOUT
    release_id: int | None = None

    def __post_init__(self) -> None:
        time = self.settle_timeout
        if not isinstance(time, (int, float)) or not 0 <= time < math.inf:
            raise InvalidInputError(f"settle_timeout must be 0 or more seconds, not {time!r}.")

    def among(self, releases: Iterable[Release], *, after: int = 0) -> list[Release]:
        """Return those of some releases that were made of the package and have a higher id than ``after``."""
        return [release for release in releases if release.id > after and self._is_of_package(release)]

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

    def find(self, release_id: int, releases: Iterable[Release]) -> Release | None:
        """Return a release by its id, if it was made of the package, or the server does not tell its package."""
        fitting = (one for one in releases if one.id == release_id and one.package_uuid in (None, self.uuid))
        return next(fitting, None)

    def read(self, latest: int | None, *, until: int | None = None) -> Standing:
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

        def read(client: TrifactaClient) -> Standing:
            return Standing(self.deployment_id, client.releases.list(self.deployment_id, until=enough))

        def shows(now: Standing) -> bool:
            return until is not None and self.find(until, now.releases) is not None

        return look(self.client, read, shows, seconds=self.settle_timeout) if until else read(self.client)

    def look(self, seen: Standing, shows: Callable[[Standing], bool]) -> Standing:
        """Look at all releases newer than those that were seen, until something shows or the time is up."""
        lower, seconds = seen.newest_id, self.settle_timeout
        return Standing.read(self.client, self.deployment_id, shows, down_to_id=lower, seconds=seconds)

    def prove(self, release_id: int, seen: Standing) -> tuple[Release, tuple[int, ...]]:
        """Read back a release that the server says it made. A list counts only if it shows that release as new.

        :param release_id: the id in the answer
        :param seen: the releases before the upload
        :returns: the release in the list (where the id is wrong: the only new one of the package), and those of others
        :raises AmbiguousSubmissionError: no such release is listed in this deployment, or several may be it
        :raises ReleaseNotLiveError: a third release was made live in the meantime
        :raises TrifactaError: the last look failed
        """
        now = self.look(seen, lambda now: self.find(release_id, now.new_since(seen)) is not None)
        new = now.new_since(seen)
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
        return found, now.made_since(seen, found.id)

    def refuse_third(self, release: Release, seen: Standing, now: Standing) -> None:
        """Refuse a release if neither it nor what was live before it is live: a person chose another one.

        A live release that is newer than all that were seen is no such choice: another import made it live by itself.
        """
        if now.live_id not in (seen.live_id, release.id) and now.live not in now.new_since(seen):
            raise self.not_live(release, now)

    def not_live(self, release: Release, now: Standing) -> ReleaseNotLiveError:
        """Make the error for a release of the package that is not live any more.

        :param release: the release
        :param now: how the deployment stands
        """
        return ReleaseNotLiveError(
            f"Release {release.id} of deployment {self.deployment_id} was made of this package ({self.uuid}) but is "
            f"not live. {now.words} is live: another release has been activated in the meantime, and a retry "
            "does not undo that.",
            advice=f"Activate release {release.id} in Trifacta, or import the package again with if_exists='create'.",
            **now.about(release.id),
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
            deployment_id=self.deployment_id,
            release_id=release_id,
        )

    def settle_lost(self, seen: Standing, error: TrifactaError) -> tuple[Release, tuple[int, ...]]:
        """End the doubt about an upload of this try whose answer was lost.

        :param seen: the releases before the upload
        :param error: what the upload ended with
        :returns: the release that it made, and the releases that others made in the meantime
        :raises AmbiguousSubmissionError: it cannot be told whether the upload made a release
        :raises ReleaseNotLiveError: it made one, and a third release was made live
        :raises TrifactaError: ``error``: no release showed, or the list cannot be read at the moment. A retry looks
            again before it sends anything
        """
        log.warning(
            "The upload to deployment %s may have been applied. Looking for its release for %s s: %s",
            self.deployment_id,
            self.settle_timeout,
            error,
        )
        unknown = f"It is unknown whether the package {self.uuid} became a release: look there first."
        with production_stands(lambda: unknown):
            try:
                adopted, now = self.settle(seen)
            except (ReleaseNotLiveError, AmbiguousSubmissionError):
                raise
            except TrifactaError as list_error:
                # Without the list nothing is known. Airflow may retry the upload's error, and a retry looks first.
                if list_error.retryable:
                    error.standing = unknown
                    raise error from list_error
                raise self.ambiguous(f"its releases cannot be listed ({list_error})") from error
        if adopted:
            return adopted, now.made_since(seen, adopted.id)
        error.standing = (
            f"No release of the package {self.uuid} showed within {self.settle_timeout:g} s. "
            f"{now.words} is live. A retry looks again before it uploads."
        )
        raise error

    def settle_earlier(
        self, seen: Standing, baseline: Baseline | None, earlier: Entry | None, began: datetime | None
    ) -> tuple[Release | None, tuple[int, ...]]:
        """End the doubt about an upload of an earlier try.

        :param seen: the releases now
        :param baseline: what the deployment looked like before the run, if it was recorded
        :param earlier: what the earlier try noted about its upload, if it did
        :param began: when the run began
        :returns: the release that the upload made, None if it is safe to upload; and the releases that others made at
            the same time
        :raises AmbiguousSubmissionError: it cannot be told whether the upload made a release
        :raises ReleaseNotLiveError: it made one, or may have made one, and a person has decided otherwise
        :raises TrifactaError: the list cannot be read
        """
        log.info(
            "An earlier try may have uploaded the package to deployment %s. Waiting %s s for its release to show",
            self.deployment_id,
            self.settle_timeout,
        )
        adopted, now = self.settle(seen)
        if adopted:
            others = {*now.made_since(seen, adopted.id), *overrun_by(earlier, adopted, now)}
            return adopted, tuple(sorted(others))
        # Without a baseline, the state that the earlier try noted before its upload replaces it.
        known = baseline or (Baseline.parse(earlier.before) if earlier else None)
        self.refuse_undone(known, began, now)
        if known and not baseline:
            self._refuse_other_live(known, now)
        return None, ()

    def recall(self, release_id: int, latest: int | None) -> tuple[Release, Standing]:
        """Read back a release that an earlier try of the task made and noted.

        :param release_id: the release
        :param latest: the newest release of the baseline, None without a baseline
        :returns: the release, and what the list showed
        :raises ReleaseNotLiveError: it is not there any more
        :raises TrifactaError: the list cannot be read
        """
        seen = self.read(latest, until=release_id)
        found = self.find(release_id, seen.releases)
        if found is None:
            raise ReleaseNotLiveError(
                f"Release {release_id} of deployment {self.deployment_id}, which an earlier try of this task made "
                f"from the package {self.uuid}, is not there any more. {seen.words} is live. Nothing was "
                "uploaded, because a retry does not undo a person's decision.",
                advice="To promote the package once more, clear the baseline's task too.",
                **seen.about(release_id),
            )
        log.info("An earlier try of this task made release %s of deployment %s", release_id, self.deployment_id)
        return found, seen

    def settle(self, seen: Standing) -> tuple[Release | None, Standing]:
        """Look for a release of the package that was not there before, until it shows or the time is up.

        :param seen: the releases before the upload
        :returns: the release, or None if none appeared; and the last list
        :raises ReleaseNotLiveError: it appeared, and a third release was made live
        :raises AmbiguousSubmissionError: the new releases cannot be told apart
        :raises TrifactaError: the last look failed
        """
        now = self.look(seen, lambda now: self._appeared(seen, now) is not None)
        found = self._appeared(seen, now)
        others = now.made_since(seen)
        if found is None and others:
            # Other imports ran at the same time. A later upload would replace them, so a person has to look first.
            raise self.ambiguous(f"releases of other packages appeared in the meantime ({list(others)})")
        return found, now

    def await_activation(self, made: Sequence[Release]) -> Standing:
        """Look at releases that are made and not live yet, until one of them is live or the time is up.

        An import makes its release first and activates it a moment later.

        :param made: the releases
        :returns: the last list
        :raises TrifactaError: the last look failed
        """
        ids = {release.id for release in made}
        seen = Standing(self.deployment_id, made)
        return self.look(seen, lambda now: now.live_id in ids)

    def _appeared(self, seen: Standing, now: Standing) -> Release | None:
        """Return the one new release of the package, which must be this task's."""
        new = now.new_since(seen)
        if now.releases and all(release.package_uuid is None for release in now.releases):
            # The server shows no package at all, so "no release of the package" would prove nothing.
            new = list(now.releases)
        self.refuse_unidentified(new)
        found = self.among(new)
        if len(found) > 1:
            ids = [release.id for release in found]
            raise self.ambiguous(f"several new releases were made of it ({ids})", max(ids))
        if not found:
            return None
        (release,) = found
        self.refuse_third(release, seen, now)
        log.info(
            "The upload was applied: release %s of deployment %s was made of the package and is %s",
            release.id,
            self.deployment_id,
            "live" if release.active else "not live",
        )
        return release

    def refuse_unidentified(self, releases: Sequence[Release]) -> None:
        """Stop if the list does not show whether a release was made of the package.

        :param releases: the releases in question
        :raises AmbiguousSubmissionError: one of them does not show its package
        """
        unknown = next((release for release in releases if release.package_uuid is None), None)
        if unknown:
            raise self.ambiguous("the list does not show which package a release was made of", unknown.id)

    def refuse_undone(self, baseline: Baseline | None, began: datetime | None, now: Standing) -> None:
        """Stop a retry if a person has undone what an earlier try made.

        The old release is live, and no release of the package is there. That does not prove that the earlier try did
        nothing. It may have made its release, and a person may have gone back to the old one and deleted the new one.
        Two traces show that: a deleted release of the package, and a live release that was changed since the baseline.
        Some servers do not list deleted releases, so their absence proves nothing, and both traces are looked for.

        :param baseline: what the deployment looked like before the run, if it was recorded
        :param began: when the run began; it limits which deleted releases count
        :param now: how the deployment stands: this run made none of its releases
        :raises ReleaseNotLiveError: a person acted
        :raises TrifactaError: the deleted releases cannot be read at the moment
        """
        live = now.live
        for one in self._deleted(baseline, began):
            raise ReleaseNotLiveError(
                f"An earlier try of this task made release {one.id} of deployment {self.deployment_id} from this "
                f"package ({self.uuid}), and that release was deleted. {now.words} is live. Nothing was "
                "uploaded, because a retry does not undo a person's decision.",
                advice=_TO_PROMOTE_AGAIN,
                **now.about(one.id),
            )
        recorded = baseline.active_updated_at if baseline and live and live.id == baseline.active_release_id else None
        if live and recorded and live.updated_at and live.updated_at != recorded:
            raise ReleaseNotLiveError(
                f"Release {live.id} of deployment {self.deployment_id} is live and was changed after the baseline "
                f"was recorded (at {live.updated_at}). An earlier try of this task may have uploaded the package "
                f"{self.uuid}, and a person may have gone back to release {live.id} since. Nothing was uploaded.",
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
                f"{now.words} of deployment {self.deployment_id} is live. An earlier try of this task, which "
                f"may have uploaded the package {self.uuid}, found release {known.active_release_id or 'none'} "
                "live: another release has been activated in the meantime. Nothing was uploaded, because a retry does "
                "not undo that.",
                advice="Set if_exists='create' to promote the package all the same.",
                **now.about(),
            )

    def _deleted(self, baseline: Baseline | None, began: datetime | None) -> list[Release]:
        """Return the releases of the package that were made in this run and deleted since, if the server shows them."""
        after = baseline.latest_release_id or 0 if baseline else 0
        # Every import changes the release that was live before it, and so does going back to that release. So a release
        # of this run is never older than the last change that the baseline recorded.
        times = [began - CLOCK_TOLERANCE] if began else []
        if baseline and baseline.active_updated_at:
            times.append(baseline.active_updated_at)
        if not baseline and not times:
            return []

        def in_this_run(one: Release) -> bool:
            return one.id > after and all(one.created_at is not None and one.created_at >= since for since in times)

        try:
            rows = self.client.releases.list(
                self.deployment_id, until=lambda rows: not in_this_run(rows[-1]), include_deleted=True
            )
        except TrifactaError as error:
            if error.retryable and not refuses_form(error):
                raise
            log.info("The server does not list deleted releases: %s", error)
            return []
        return [one for one in self.among(rows) if one.deleted and in_this_run(one)]


def overrun_by(earlier: Entry | None, made: Release, now: Standing) -> tuple[int, ...]:
    """Return the releases that others made while an earlier try imported one, as far as the journal tells.

    :param earlier: what the earlier try noted before its upload
    :param made: the release that it made
    :param now: how the deployment stands
    """
    if earlier is None:
        return ()
    latest = earlier.before.get("latest_release_id") or 0
    return tuple(sorted(one.id for one in now.releases if latest < one.id < made.id))
