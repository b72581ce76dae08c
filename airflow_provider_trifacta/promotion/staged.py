"""A staged promotion: the release is made, but what was live before stays live until a person
activates the new one.

Every import goes live by itself, and the API has no option against that. So the staged promoter
imports the package and activates the release before it again at once. In between, the new release
is live for a moment.

The hard part is a retry. It may find the new release live for two reasons that need opposite
actions:

* An earlier try was cut off before it put the old release back. Then this try has to finish that.
* An earlier try put the old release back, and a person has activated the new one since. That is a
  decision, and a retry must not undo it.

Two traces tell them apart. If the release was not changed since its import, no try has put the old
one back yet. And a try that has put it back notes that in the journal. If neither trace is there, a
person has to look.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..client.errors import InterruptedChangeError, ReleaseNotLiveError
from ..client.foreign_words import logger
from ..client.models import newest_of
from .baseline import Baseline
from .journal import production_stands
from .promoter import Promoter, Promotion
from .standing import Standing
from .switch import live_request, put_back, refuse_earlier_overlap, refuse_overlap, settle_switch

if TYPE_CHECKING:
    from ..client.models import Release

log = logger(__name__)

#: Seconds between two looks whether an import that did not say so went live.
_INTERVAL = 1.0


@dataclass(eq=False)
class StagedPromoter(Promoter):
    """A :class:`.Promoter` that puts the baseline's live release back.

    :param client: the instance
    :param deployment_id: the deployment
    :param package: the open package
    :param baseline: what the deployment looked like before this run
    :param options: as for :class:`.Promoter`
    """

    baseline: Baseline = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._request["staged"] = True
        #: The release that is to stay live.
        self._before = self.baseline.active_release_id
        #: The tries of the way back. It is a change of its own, so it has a part of the journal.
        self._way_back = self.tries.part("put_back")
        #: The releases before the import.
        self._seen = Standing(self.deployment_id, [])

    def run(self) -> Promotion:
        """Make the release or find it, and leave the baseline's release live.

        :raises UnexpectedLiveReleaseError: a third release is live, or another import ran at the
            same time
        :raises ReleaseNotLiveError: the release was deleted before the release before was live
            again
        :raises InterruptedChangeError: the staged release is live, and nothing proves that a person
            activated it
        :raises TrifactaError: as :meth:`.Promoter.run`; a retry finishes what was begun
        """
        settle_switch(self.client, self.deployment_id, self._way_back)
        promotion = super().run()
        release = promotion.release
        made_now = promotion.outcome != "reused" and not promotion.recalled
        if not made_now and not self._must_be_put_back(release):
            if not release.active:
                self._refuse_overlap(promotion, self._seen)
            return promotion
        # From here on an error must say two things: which release is live, and that the new one was
        # not approved.
        not_verified = (
            f"It was not verified that release {self._before or 'none'} is live again: look which"
            " one is."
        )
        not_approved = (
            f"Release {release.id} of deployment {self.deployment_id} was imported, and was not"
            " approved."
        )
        went_live = release.active
        if promotion.imported and promotion.imported.release.active:
            went_live = True
        with production_stands(not_approved, also=True), production_stands(not_verified):
            now = self._put_back(release, made_now=made_now, went_live=went_live)
        with production_stands(f"Release {release.id} of this task is imported and staged."):
            self._refuse_overlap(promotion, now)
        return promotion

    def _refuse_overlap(self, promotion: Promotion, now: Standing) -> None:
        """Stop if another import ran during the upload or the way back, also in an earlier try."""
        others = {*promotion.overrun, *now.made_since(self._seen, promotion.release.id)}
        refuse_overlap(now, sorted(others))
        refuse_earlier_overlap(now, self._before, self._way_back)

    def _put_back(self, release: Release, *, made_now: bool, went_live: bool) -> Standing:
        """Make the release before live again.

        :param release: the staged release
        :param made_now: whether this try imported it, and not an earlier one
        :param went_live: whether the import said that the release is live
        :returns: the releases, as read back
        """
        if made_now:
            self._refuse_surprise(
                self._seen, f"Release {release.id} of this run may have replaced it since."
            )
        now = self._await_live(release, went_live=went_live)
        if release.id not in now:
            raise ReleaseNotLiveError(
                f"Release {release.id} of deployment {self.deployment_id} was imported by this run"
                f" and is not there any more: it was deleted in the meantime. {now.words} is live."
                " To stage the package once more, clear the baseline's task too.",
                standing="This task changed nothing more.",
                **now.about(release.id),
            )
        if now.live_id != release.id:
            if went_live:
                self._note_put_back()
                self._log_staged(release, "live again")
            else:
                log.warning(
                    "Release %s of deployment %s is staged. It did not go live by itself, and"
                    " release %s is still live. If the server activates release %s later, nothing"
                    " puts that back.",
                    release.id,
                    self.deployment_id,
                    self._before or "none",
                    release.id,
                )
            return now
        tries = self._way_back.as_first() if made_now else self._way_back
        after = put_back(self.client, now.live or release, self._before, now, tries)
        self._note_put_back()
        window = _window(after, release.id, self._before)
        seconds = "an unknown number of" if window is None else f"{window:.1f}"
        self._log_staged(release, f"live again, {seconds} s after the import")
        return after

    def _note_put_back(self) -> None:
        """Note that the release was live and is not any more. If a later try finds it live, a
        person activated it.
        """
        self.tries.journal.answered(put_back=True)

    def _log_staged(self, release: Release, how: str) -> None:
        before = self._before or "none"
        log.info(
            "Release %s of deployment %s is staged: release %s is %s",
            release.id,
            self.deployment_id,
            before,
            how,
        )

    def _find_reusable(self, seen: Standing) -> Release | None:
        """Return the newest release of this run. It is not live until a person activates it."""
        self._seen = seen
        made = self._releases.among(seen, after=self._latest)
        newest = newest_of(made)
        if newest is None:
            return None
        self._refuse_third(newest, seen, made)
        return seen.live if seen.live in made else newest

    def _accept_recalled(
        self,
        release: Release,
        seen: Standing,
        was_live: bool,  # noqa: ARG002
    ) -> tuple[Release, Standing]:
        self._seen = seen
        self._refuse_third(release, seen, [release])
        return release, seen

    def _accept(
        self,
        release: Release,
        now: Standing,
        *,
        was_live: bool,  # noqa: ARG002
        retry: bool,  # noqa: ARG002
    ) -> tuple[Release, Standing]:
        """Wait for nothing: a staged release is to be put back."""
        return release, now

    def _refuse_third(self, release: Release, now: Standing, made: Sequence[Release]) -> None:
        """Refuse if neither a release of this run nor the baseline's release is live: a person
        chose another one.
        """
        if now.live not in made and now.live_id != self._before:
            raise self.baseline.another_is_live(
                now,
                f"Release {release.id} of this task was staged. Nothing was changed. Activate the"
                " release that should be live in Trifacta, and clear the baseline's task to"
                " promote the package once more.",
                release_id=release.id,
            )

    def _upload(self, seen: Standing) -> Promotion:
        self._seen = seen
        # The release that is put back must be the one that was live.
        self._refuse_surprise(seen, "Nothing was uploaded.")
        if self._way_back.journal.last_request:
            # It was of an earlier release, and it is settled.
            self._way_back.journal.withdraw()
        return super()._upload(seen)

    def _refuse_surprise(self, now: Standing, consequence: str) -> None:
        """Refuse to put the baseline's release back over another one that was live right before the
        import.
        """
        if now.live_id != self._before:
            raise self.baseline.another_is_live(
                now,
                f"So the baseline's release cannot be put back over it. {consequence} Clear the"
                " baseline's task to stage the package over what is live now.",
                where=" before the import",
            )

    def _must_be_put_back(self, release: Release) -> bool:
        """Tell an import that an earlier try did not put back from an activation by a person.

        :param release: what an earlier try imported
        :returns: True to put the release before back; False to leave everything as it is
        :raises InterruptedChangeError: it is live and was changed, and nothing proves that it was
            put back before
        """
        was_put_back = self._was_put_back()
        if release.untouched and not was_put_back:
            # It has been live since its import, or goes live in a moment.
            log.info(
                "Release %s was not changed since its import: finishing what an earlier try of this"
                " task began",
                release.id,
            )
            return True
        if not release.active:
            log.info(
                "Release %s of deployment %s is staged already", release.id, self.deployment_id
            )
            return False
        if was_put_back:
            log.info(
                "An earlier try staged release %s of deployment %s, and a person has activated it"
                " since: it stays live",
                release.id,
                self.deployment_id,
            )
            return False
        raise InterruptedChangeError(
            f"Release {release.id} of deployment {self.deployment_id} was to be staged, and it is"
            " live. It was changed since its import. Either a person activated it, or an earlier"
            f" try was cut off while it put release {self._before or 'none'} back. Nothing was"
            f" changed. If release {release.id} should be live, mark this task as success. If not,"
            f" activate release {self._before or 'none'} in Trifacta, and clear this task.",
            deployment_id=self.deployment_id,
            release_id=release.id,
            live_id=release.id,
        )

    def _was_put_back(self) -> bool:
        """Tell whether an earlier try noted that it made the release before live again."""
        upload = self.tries.journal.entry(**self._request)
        if upload and upload.answer.get("put_back"):
            return True
        request = live_request(self.deployment_id, self._before)
        way_back = self._way_back.journal.entry(**request)
        return way_back is not None and bool(way_back.answer.get("done"))

    def _await_live(self, release: Release, *, went_live: bool) -> Standing:
        """Read the list by which the change back is decided.

        If the import does not say that its release is live, this waits until it is. Otherwise the
        server could activate it after the release before was put back.
        """

        def shows(now: Standing) -> bool:
            is_decided = went_live or now.live_id != self._before
            return release.id in now and is_decided

        now = Standing.read(
            self.client,
            self.deployment_id,
            shows,
            down_to_id=self._latest,
            seconds=self.settle_timeout,
            interval=_INTERVAL,
        )
        if now.live_id not in (release.id, self._before):
            raise self.baseline.another_is_live(
                now,
                "This task changes nothing more. Activate the release that should be live.",
                where=f" after the import of release {release.id}",
                when="at the same time",
                release_id=release.id,
            )
        return now


def _window(releases: Iterable[Release], release_id: int, before: int | None) -> float | None:
    """Return for how many seconds a release was live, by the server's clock; None if unknown."""
    by_id = {release.id: release for release in releases}
    release = by_id.get(release_id)
    changed = by_id.get(before or release_id)
    if release is None or changed is None:
        return None
    if release.created_at is None or changed.updated_at is None:
        return None
    window = changed.updated_at - release.created_at
    return float(window.total_seconds())
