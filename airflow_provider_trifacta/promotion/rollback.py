"""Undoing what a run put live: back to what was recorded, and never a guess."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..client.errors import UnexpectedLiveReleaseError
from .baseline import Baseline, down_to, live_id, live_release
from .doubt import DEFAULT_SETTLE_TIMEOUT, Doubt, described, read_patiently
from .journal import Journal
from .switch import live_request, refuse_overlap, set_live

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..client import TrifactaClient
    from ..client.models import Release

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Undone:
    """What a rollback did.

    :param release_id: the release that was live before it
    :param restored_package: the package of the release that is live again; None where none is, or it is unknown
    """

    release_id: int
    restored_package: str | None


def roll_back(
    client: TrifactaClient,
    baseline: Baseline,
    package_uuid: str | None,
    *,
    retry: bool = False,
    journal: Journal | None = None,
    settle_timeout: float = DEFAULT_SETTLE_TIMEOUT,
) -> Undone | None:
    """Make the baseline's live release live again, if what this run promoted is live instead.

    :param client: the instance
    :param baseline: what the deployment looked like before the run
    :param package_uuid: the package that the run promoted; None when it did not come so far
    :param retry: whether an earlier try may have rolled back already
    :param journal: what earlier tries of the task noted
    :param settle_timeout: seconds that the server is given to finish or drop an upload, when the package was to be
        promoted and none of its releases shows
    :returns: what was rolled back, None when there was nothing to do
    :raises UnexpectedLiveReleaseError: something else is live, the recorded release is gone, or there was another
        import at the same time
    :raises AmbiguousSubmissionError: it cannot be told whether the package became a release
    :raises InterruptedChangeError: the rollback of an earlier try may have been undone by a person
    :raises TrifactaError: for the rest
    """
    deployment_id, target = baseline.deployment_id, baseline.active_release_id
    doubt = Doubt(client, deployment_id, package_uuid or "", settle_timeout=settle_timeout)
    latest = baseline.latest_release_id or 0

    def enough(releases: Sequence[Release]) -> bool:
        # What is newer than the baseline, what is live, and what to go back to.
        wanted = target is None or any(release.id <= target for release in releases)
        return down_to(latest)(releases) and wanted

    releases = read_patiently(client, lambda reader: reader.releases.list(deployment_id, until=enough))
    made = doubt.among(releases, after=latest)
    if package_uuid and live_id(releases) == target and (not made or any(release.untouched for release in made)):
        # The promotion may have been killed in the upload: its release would go live after a look that came too soon.
        log.info("No release of the package %s is live; waiting %s s for it", package_uuid, settle_timeout)
        now = doubt.await_activation(made) if made else doubt.settle(releases)[1]
        if live_id(now) != target:
            # These looks ended at the newest release; what to go back to may be further down.
            releases = read_patiently(client, lambda reader: reader.releases.list(deployment_id, until=enough))
    live = live_release(releases)
    ours = doubt.among(releases, after=latest) if package_uuid else []
    if live_id(releases) == target:
        # An earlier try may have been cut off after it had rolled back.
        entry = journal.entry(**live_request(deployment_id, target)) if journal and retry else None
        undone = next((one for one in ours if entry and one.id == entry.before.get("live")), None)
        return Undone(undone.id, live.package_uuid if live else None) if undone else None
    if live is None or live not in ours:
        raise UnexpectedLiveReleaseError(
            f"{described(live)} of deployment {deployment_id} is live: neither this run's (of the package "
            f"{package_uuid or 'unknown'}) nor the recorded {target or 'none'}. Another release has been activated in "
            "the meantime. Nothing was written."
        )
    if target is not None and target not in {release.id for release in releases}:
        raise UnexpectedLiveReleaseError(
            f"Release {target} of deployment {deployment_id}, which was live before the run, was deleted: there is "
            f"nothing to go back to. Release {live.id} stays live; nothing was written."
        )
    # A release that nobody touched since its import cannot have been rolled back, nor activated again after that.
    after = set_live(
        client, deployment_id, target, releases, shows=live.id, journal=journal, retry=retry and not live.untouched
    )
    refuse_overlap(deployment_id, releases, after)
    restored = live_release(after)
    return Undone(live.id, restored.package_uuid if restored else None)
