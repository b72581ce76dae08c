"""Staged promotion: the release is made, but what was live before stays live until somebody activates the new one.

An import goes live by itself, and the API has no other way: the release before is put back at once. For that moment
the new one is live.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from .activation import set_live
from .baseline import live_release
from .errors import UnexpectedLiveReleaseError
from .promotion import Promoter, Promotion

if TYPE_CHECKING:
    from .baseline import Baseline
    from .client import TrifactaClient
    from .models import Release
    from .package import FlowPackage

log = logging.getLogger(__name__)


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
        #: What is to stay live.
        self._before = baseline.active_release_id

    def run(self) -> Promotion:
        """Make the release or find it, and leave the baseline's release live.

        :raises UnexpectedLiveReleaseError: a third release is live
        :raises TrifactaError: as :meth:`.Promoter.run`; a retry finishes what was begun
        """
        promotion = super().run()
        imported = time.monotonic()
        if promotion.outcome == "reused" and not self._must_be_put_back(promotion.release):
            return promotion
        set_live(self._client, self._deployment_id, self._before, replacing=promotion.release.id)
        log.info(
            "Release %s is staged: release %s is live again, %.1f s after the import",
            promotion.release.id,
            self._before or "none",
            time.monotonic() - imported,
        )
        return promotion

    def _find_reusable(self, releases: list[Release]) -> Release | None:
        made = self._releases.among(releases, after=self._latest)
        if not made:
            return None
        release, live = made[0], live_release(releases)
        if live not in made and (live.id if live else None) != self._before:
            raise UnexpectedLiveReleaseError(
                f"Release {release.id} of deployment {self._deployment_id} was staged, but release "
                f"{live.id if live else 'none'} is live and not the baseline's "
                f"{self._before or 'none'}: somebody changed it since. Nothing was written."
            )
        return live if live in made else release

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
