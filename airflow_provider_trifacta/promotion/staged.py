"""Staged promotion: the release is made, but what was live before stays live until somebody activates the new one.

An import goes live by itself, and the API has no other way: the release before is put back at once. For that moment
the new one is live.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from ..client.errors import (
    RateLimitError,
    ServerError,
    TransportError,
    TrifactaError,
    UnexpectedLiveReleaseError,
    UnexpectedResponseError,
)
from .baseline import live_release
from .promoter import Promoter, Promotion
from .switch import live_id, refuse_overlap, set_live

if TYPE_CHECKING:
    from ..client.client import TrifactaClient
    from ..client.models import Release
    from ..packages.flow_package import FlowPackage
    from .baseline import Baseline

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
        self._clock = options.get("clock", time.monotonic)
        #: What is to stay live.
        self._before = baseline.active_release_id
        #: The releases before the import.
        self._seen: list[Release] = []

    def run(self) -> Promotion:
        """Make the release or find it, and leave the baseline's release live.

        :raises UnexpectedLiveReleaseError: a third release is live, or somebody promoted something at the same time
        :raises TrifactaError: as :meth:`.Promoter.run`; a retry finishes what was begun
        """
        promotion = super().run()
        release = promotion.release
        if promotion.outcome == "reused" and not self._must_be_put_back(release):
            return promotion
        try:
            releases = self._put_back(promotion)
        except TrifactaError:
            log.error(
                "Release %s of deployment %s is imported, but it was not verified that release %s is live again: look "
                "at the deployment",
                release.id,
                self._deployment_id,
                self._before or "none",
            )
            raise
        refuse_overlap(self._deployment_id, self._seen, releases, made=release.id)
        return promotion

    def _put_back(self, promotion: Promotion) -> list[Release]:
        release = promotion.release
        if promotion.outcome != "reused":
            self._refuse_surprise(self._seen, f"Release {release.id} of this run may have replaced it since.")
        if not release.active and not self._goes_live(release):
            log.warning(
                "Release %s is staged: it did not go live by itself, and release %s still is. Should the server "
                "activate it later, nobody puts that back.",
                release.id,
                self._before or "none",
            )
            return []
        releases = set_live(
            self._client,
            self._deployment_id,
            self._before,
            replacing=release.id,
            sleep=self._sleep,
            clock=self._clock,
        )
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
        made = self._releases.among(releases, after=self._latest)
        if not made:
            return None
        release, live = max(made, key=lambda one: one.id), live_release(releases)
        if live not in made and (live.id if live else None) != self._before:
            raise UnexpectedLiveReleaseError(
                f"Release {release.id} of deployment {self._deployment_id} was staged, but release "
                f"{live.id if live else 'none'} is live and not the baseline's "
                f"{self._before or 'none'}: somebody changed it since. Nothing was written."
            )
        return live if live in made else release

    def _upload(self, seen: list[Release]) -> Promotion:
        self._seen = seen
        # Whatever ``if_exists`` says: what is put back must be what was live.
        self._refuse_surprise(seen, "Nothing was uploaded.")
        return super()._upload(seen)

    def _refuse_surprise(self, seen: list[Release], consequence: str) -> None:
        live = live_id(seen)
        if live != self._before:
            raise UnexpectedLiveReleaseError(
                f"Release {live or 'none'} of deployment {self._deployment_id} is live before the import, "
                f"but the baseline recorded {self._before or 'none'}, which cannot be put back over it. {consequence}"
            )

    def _must_be_put_back(self, release: Release) -> bool:
        """Tell an import whose restore was cut off from an activation by a person."""
        if not release.active:
            log.info("Release %s is staged already", release.id)
            return False
        if release.untouched:
            log.info("Release %s is live since its import; finishing what an attempt before began", release.id)
            return True
        log.warning("Release %s was changed since its import: somebody activated it. Nothing is written.", release.id)
        return False

    def _goes_live(self, release: Release) -> bool:
        """Wait for an import to go live that does not say that it is: put back before, it would go live after."""
        deadline = self._clock() + self._releases.settle_timeout
        while True:
            left = deadline - self._clock()
            try:
                live = live_id(self._client.without_repetitions.releases.list(self._deployment_id))
            except (TransportError, RateLimitError, ServerError, UnexpectedResponseError):
                if left <= 0:
                    raise
            else:
                if live == release.id:
                    return True
                if live != self._before:
                    raise UnexpectedLiveReleaseError(
                        f"Release {live or 'none'} of deployment {self._deployment_id} is live after the "
                        f"import of release {release.id}, and not the baseline's {self._before or 'none'}: somebody "
                        "changed it at the same time. Nothing more is written."
                    )
                if left <= 0:
                    return False
            self._sleep(min(_INTERVAL, left))


def _window(releases: list[Release], release_id: int, before: int | None) -> float | None:
    """Return for how many seconds a release was live, by the server's own clock."""
    times = {release.id: release for release in releases}
    release, changed = times.get(release_id), times.get(before or release_id)
    if not release or not changed or not release.created_at or not changed.updated_at:
        return None
    return float((changed.updated_at - release.created_at).total_seconds())
