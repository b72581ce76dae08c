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
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..client.errors import AmbiguousSubmissionError, ReleaseNotLiveError, TrifactaError
from .baseline import Baseline
from .journal import production_stands
from .reading import CLOCK_TOLERANCE, PackageReleases, Seen, about, described, id_of, live_release, new_since, strangers

if TYPE_CHECKING:
    from ..client.models import Release
    from .journal import Entry

log = logging.getLogger(__name__)

_TO_PROMOTE_AGAIN = "To promote the package all the same, clear the baseline's task too, or set if_exists='create'."


class Doubt(PackageReleases):
    """The question whether a package became a release of a deployment, and how it is answered."""

    def settle_lost(self, seen: Sequence[Release], error: TrifactaError) -> tuple[Release, tuple[int, ...]]:
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
            return adopted, strangers(seen, now, adopted.id)
        error.standing = (
            f"No release of the package {self.uuid} showed within {self.settle_timeout:g} s. "
            f"{described(live_release(now))} is live. A retry looks again before it uploads."
        )
        raise error

    def settle_earlier(
        self, seen: Sequence[Release], baseline: Baseline | None, earlier: Entry | None, began: datetime | None
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
            others = {*strangers(seen, now, adopted.id), *overrun_by(earlier, adopted, now)}
            return adopted, tuple(sorted(others))
        # Without a baseline, the state that the earlier try noted before its upload replaces it.
        known = baseline or (Baseline.parse(earlier.before) if earlier else None)
        self.refuse_undone(known, began, now)
        if known and not baseline:
            self._refuse_other_live(known, now)
        return None, ()

    def recall(self, release_id: int, latest: int | None) -> tuple[Release, Seen]:
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
                f"from the package {self.uuid}, is not there any more. {described(seen.live)} is live. Nothing was "
                "uploaded, because a retry does not undo a person's decision.",
                advice="To promote the package once more, clear the baseline's task too.",
                **about(self.deployment_id, seen.live, release_id),
            )
        log.info("An earlier try of this task made release %s of deployment %s", release_id, self.deployment_id)
        return found, seen

    def settle(self, seen: Sequence[Release]) -> tuple[Release | None, list[Release]]:
        """Look for a release of the package that was not there before, until it shows or the time is up.

        :param seen: the releases before the upload
        :returns: the release, or None if none appeared; and the last list
        :raises ReleaseNotLiveError: it appeared, and a third release was made live
        :raises AmbiguousSubmissionError: the new releases cannot be told apart
        :raises TrifactaError: the last look failed
        """
        now = self.look(seen, lambda now: self._appeared(seen, now) is not None)
        found = self._appeared(seen, now)
        others = strangers(seen, now)
        if found is None and others:
            # Other imports ran at the same time. A later upload would replace them, so a person has to look first.
            raise self.ambiguous(f"releases of other packages appeared in the meantime ({list(others)})")
        return found, now

    def await_activation(self, made: Sequence[Release]) -> list[Release]:
        """Look at releases that are made and not live yet, until one of them is live or the time is up.

        An import makes its release first and activates it a moment later.

        :param made: the releases
        :returns: the last list
        :raises TrifactaError: the last look failed
        """
        ids = {release.id for release in made}
        return self.look(made, lambda now: any(one.id in ids and one.active for one in now))

    def _appeared(self, seen: Sequence[Release], now: Sequence[Release]) -> Release | None:
        """Return the one new release of the package, which must be this task's."""
        new = new_since(seen, now)
        if now and all(release.package_uuid is None for release in now):
            # The server shows no package at all, so "no release of the package" would prove nothing.
            new = list(now)
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

    def refuse_undone(self, baseline: Baseline | None, began: datetime | None, releases: Sequence[Release]) -> None:
        """Stop a retry if a person has undone what an earlier try made.

        The old release is live, and no release of the package is there. That does not prove that the earlier try did
        nothing. It may have made its release, and a person may have gone back to the old one and deleted the new one.
        Two traces show that: a deleted release of the package, and a live release that was changed since the baseline.
        Some servers do not list deleted releases, so their absence proves nothing, and both traces are looked for.

        :param baseline: what the deployment looked like before the run, if it was recorded
        :param began: when the run began; it limits which deleted releases count
        :param releases: the releases now, none of which this run made
        :raises ReleaseNotLiveError: a person acted
        :raises TrifactaError: the deleted releases cannot be read at the moment
        """
        live = live_release(releases)
        for one in self._deleted(baseline, began):
            raise ReleaseNotLiveError(
                f"An earlier try of this task made release {one.id} of deployment {self.deployment_id} from this "
                f"package ({self.uuid}), and that release was deleted. {described(live)} is live. Nothing was "
                "uploaded, because a retry does not undo a person's decision.",
                advice=_TO_PROMOTE_AGAIN,
                **about(self.deployment_id, live, one.id),
            )
        recorded = baseline.active_updated_at if baseline and live and live.id == baseline.active_release_id else None
        if live and recorded and live.updated_at and live.updated_at != recorded:
            raise ReleaseNotLiveError(
                f"Release {live.id} of deployment {self.deployment_id} is live and was changed after the baseline "
                f"was recorded (at {live.updated_at}). An earlier try of this task may have uploaded the package "
                f"{self.uuid}, and a person may have gone back to release {live.id} since. Nothing was uploaded.",
                advice=_TO_PROMOTE_AGAIN,
                **about(self.deployment_id, live),
            )

    def _refuse_other_live(self, known: Baseline, releases: Sequence[Release]) -> None:
        """Stop a retry if another release is live than an earlier try found before its upload.

        :param known: what the earlier try saw
        :param releases: the releases now
        :raises ReleaseNotLiveError: another release has been activated in the meantime
        """
        live = live_release(releases)
        if id_of(live) != known.active_release_id:
            raise ReleaseNotLiveError(
                f"{described(live)} of deployment {self.deployment_id} is live. An earlier try of this task, which "
                f"may have uploaded the package {self.uuid}, found release {known.active_release_id or 'none'} "
                "live: another release has been activated in the meantime. Nothing was uploaded, because a retry does "
                "not undo that.",
                advice="Set if_exists='create' to promote the package all the same.",
                **about(self.deployment_id, live),
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
            if error.retryable:
                raise
            log.info("The server does not list deleted releases: %s", error)
            return []
        return [one for one in self.among(rows) if one.deleted and in_this_run(one)]


def overrun_by(earlier: Entry | None, made: Release, releases: Sequence[Release]) -> tuple[int, ...]:
    """Return the releases that others made while an earlier try imported one, as far as the journal tells.

    :param earlier: what the earlier try noted before its upload
    :param made: the release that it made
    :param releases: the releases now
    """
    if earlier is None:
        return ()
    latest = earlier.before.get("latest_release_id") or 0
    return tuple(sorted(one.id for one in releases if latest < one.id < made.id))
