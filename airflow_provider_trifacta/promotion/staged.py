"""Staged promotion: the release is made, but what was live before stays live until somebody activates the new one.

An import goes live by itself, and the API has no other way: the release before is put back at once. For that moment
the new one is live.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..client.errors import InterruptedChangeError, UnexpectedLiveReleaseError
from .baseline import Baseline, down_to, live_id, live_release
from .doubt import described, look, production_stands
from .promoter import Promoter, Promotion
from .switch import refuse_overlap, set_live

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Release
    from ..packages.flow_package import FlowPackage

log = logging.getLogger(__name__)

#: Seconds between two looks whether an import that did not say so went live.
_INTERVAL = 1.0


class StagedPromoter(Promoter):
    """A :class:`.Promoter` that puts the baseline's live release back.

    :param baseline: what the deployment looked like before this run
    :param options: as for :class:`.Promoter`
    """

    def __init__(
        self,
        client: TrifactaClient,
        deployment_id: int,
        package: FlowPackage,
        *,
        baseline: Baseline,
        **options: Any,
    ) -> None:
        super().__init__(client, deployment_id, package, baseline=baseline, **options)
        self._request["staged"] = True
        #: What is to stay live.
        self._before = baseline.active_release_id
        #: The releases before the import.
        self._seen: list[Release] = []

    def run(self) -> Promotion:
        """Make the release or find it, and leave the baseline's release live.

        :raises UnexpectedLiveReleaseError: a third release is live, or there was another import at the same time
        :raises InterruptedChangeError: the staged release is live, and nothing proves that a person activated it
        :raises TrifactaError: as :meth:`.Promoter.run`; a retry finishes what was begun
        """
        promotion = super().run()
        release = promotion.release
        made_now = promotion.outcome != "reused" and not promotion.recalled
        if not made_now and not self._must_be_put_back(release):
            return promotion
        with (
            production_stands(lambda: self._not_approved(release), also=True),
            production_stands(
                lambda: f"It was not verified that release {self._before or 'none'} is live again: look which one is."
            ),
        ):
            went_live = release.active or bool(promotion.imported and promotion.imported.release.active)
            releases = self._put_back(release, made_now=made_now, went_live=went_live)
        if any(one.id == release.id and not one.untouched for one in releases):
            # It was live and is not any more; if it is live in a later try, a person activated it.
            self._journal.answered(put_back=True)
        with production_stands(lambda: f"Release {release.id} of this task is imported and staged."):
            refuse_overlap(self._deployment_id, self._seen, releases, made=release.id)
        return promotion

    def _not_approved(self, release: Release) -> str:
        return f"Release {release.id} of deployment {self._deployment_id} is imported and was not approved."

    def _put_back(self, release: Release, *, made_now: bool, went_live: bool) -> list[Release]:
        if made_now:
            self._refuse_surprise(self._seen, f"Release {release.id} of this run may have replaced it since.")
        now = self._await_live(release, went_live=went_live)
        if live_id(now) != release.id:
            if went_live:
                log.info("Release %s is staged: release %s is live again", release.id, self._before or "none")
            else:
                log.warning(
                    "Release %s is staged: it did not go live by itself, and release %s is still live. If the server "
                    "activates it later, nothing puts that back.",
                    release.id,
                    self._before or "none",
                )
            return now
        releases = set_live(self._client, self._deployment_id, self._before, now, shows=release.id)
        window = _window(releases, release.id, self._before)
        log.info(
            "Release %s is staged: release %s is live again, %s s after the import",
            release.id,
            self._before or "none",
            "an unknown number of" if window is None else f"{window:.1f}",
        )
        return releases

    def _find_reusable(self, releases: list[Release]) -> Release | None:
        self._seen = releases
        made = self._doubt.among(releases, after=self._latest)
        if not made:
            return None
        release, live = max(made, key=lambda one: one.id), live_release(releases)
        self._refuse_third(release, live, made)
        return live if live in made else release

    def _accept_recalled(self, release: Release, releases: Sequence[Release]) -> None:
        self._seen = list(releases)
        self._refuse_third(release, live_release(releases), [release])

    def _refuse_third(self, release: Release, live: Release | None, made: Sequence[Release]) -> None:
        if live not in made and (live.id if live else None) != self._before:
            raise UnexpectedLiveReleaseError(
                f"Release {release.id} of deployment {self._deployment_id} was staged, but release "
                f"{live.id if live else 'none'} is live and not the baseline's {self._before or 'none'}: another "
                "release has been activated in the meantime. Nothing was written."
            )

    def _upload(self, seen: list[Release]) -> Promotion:
        self._seen = seen
        # Also with ``if_exists="create"``: what is put back must be what was live.
        self._refuse_surprise(seen, "Nothing was uploaded.")
        return super()._upload(seen)

    def _refuse_surprise(self, seen: list[Release], consequence: str) -> None:
        live = live_release(seen)
        if (live.id if live else None) != self._before:
            raise UnexpectedLiveReleaseError(
                f"{described(live)} of deployment {self._deployment_id} is live before the import, "
                f"but the baseline recorded {self._before or 'none'}, which cannot be put back over it. {consequence}"
            )

    def _must_be_put_back(self, release: Release) -> bool:
        """Tell an import whose restore was cut off from an activation by a person.

        :raises InterruptedChangeError: it is live and was changed, and nothing proves that we put it back before
        """
        if release.untouched:
            # It is live since its import, or will be in a moment.
            log.info("Nobody touched release %s since its import; finishing what an earlier try began", release.id)
            return True
        if not release.active:
            log.info("Release %s is staged already", release.id)
            return False
        entry = self._journal.entry(**self._request)
        if entry and entry.answer.get("put_back"):
            log.info("Release %s was staged by an earlier try and activated since: that is a decision", release.id)
            return False
        raise InterruptedChangeError(
            f"Release {release.id} of deployment {self._deployment_id} was to be staged, and it is live. It was "
            "changed since its import, so a person may have activated it, or an earlier try was cut off while it put "
            f"release {self._before or 'none'} back. Nothing was written. If release {release.id} is to be live, mark "
            f"this task as success. If not, activate release {self._before or 'none'} in Trifacta, and clear this task."
        )

    def _await_live(self, release: Release, *, went_live: bool) -> list[Release]:
        """Read the list that the change back is decided by.

        An import that does not say that it is live is waited for: put back before, it would go live after.
        """
        enough = down_to(self._latest)

        def moved(now: Sequence[Release]) -> bool:
            return any(one.id == release.id for one in now) and (went_live or live_id(now) != self._before)

        now = look(
            self._client,
            lambda client: client.releases.list(self._deployment_id, until=enough),
            moved,
            seconds=self._doubt.settle_timeout,
            interval=_INTERVAL,
        )
        live = live_release(now)
        if (live.id if live else None) not in (release.id, self._before):
            raise UnexpectedLiveReleaseError(
                f"{described(live)} of deployment {self._deployment_id} is live after the import of release "
                f"{release.id}, and not the baseline's {self._before or 'none'}: another release has been activated at "
                "the same time. Nothing more is written."
            )
        return now


def _window(releases: list[Release], release_id: int, before: int | None) -> float | None:
    """Return for how many seconds a release was live, by the server's own clock."""
    times = {release.id: release for release in releases}
    release, changed = times.get(release_id), times.get(before or release_id)
    if not release or not changed or not release.created_at or not changed.updated_at:
        return None
    return float((changed.updated_at - release.created_at).total_seconds())
