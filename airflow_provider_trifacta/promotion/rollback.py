"""Undoing what a run put live: back to what was recorded, and never a guess."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..client.errors import InterruptedChangeError, UnexpectedLiveReleaseError
from .baseline import Baseline, live_release
from .doubt import DEFAULT_SETTLE_TIMEOUT, PackageReleases
from .switch import live_id, refuse_overlap, set_live

if TYPE_CHECKING:
    from ..client.client import TrifactaClient

log = logging.getLogger(__name__)


def roll_back(
    client: TrifactaClient,
    baseline: Baseline,
    package_uuid: str | None,
    *,
    interrupted: bool,
    settle_timeout: float = DEFAULT_SETTLE_TIMEOUT,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> int | None:
    """Make the baseline's live release live again, if what this run promoted is live instead.

    :param client: the instance
    :param baseline: what the deployment looked like before the run
    :param package_uuid: the package that the run promoted; None when it did not come so far
    :param interrupted: whether an attempt before was cut off, and may have rolled back already
    :param settle_timeout: seconds that the server is given to finish or drop an upload, when the package was to be
        promoted and none of its releases shows
    :param sleep: how to wait, in seconds
    :param clock: a clock for the wait, in seconds
    :returns: the release that was rolled back, None when there was nothing to do
    :raises UnexpectedLiveReleaseError: something else is live, the recorded release is gone, or somebody imported
        something at the same time
    :raises AmbiguousSubmissionError: it cannot be told whether the package became a release
    :raises InterruptedChangeError: somebody may have undone the rollback of the attempt before
    :raises TrifactaError: for the rest
    """
    deployment_id, target = baseline.deployment_id, baseline.active_release_id
    package = PackageReleases(
        deployment_id,
        package_uuid or "",
        lambda: client.releases.list(deployment_id),
        lambda: client.without_repetitions.releases.list(deployment_id),
        settle_timeout=settle_timeout,
        sleep=sleep,
        clock=clock,
    )
    releases, before = package.list(), baseline.latest_release_id or 0
    if package_uuid and live_id(releases) == target:
        # The promotion may have been killed in the upload: its release would go live after a look that came too soon.
        made = package.among(releases, after=before)
        if not made or any(release.untouched for release in made):
            log.info("No release of the package %s is live; waiting %s s for it", package_uuid, settle_timeout)
            releases = package.await_activation(made) if made else package.settle(releases)[1]
    live = live_release(releases)
    if live_id(releases) == target:
        return None
    ours = package.among(releases, after=before) if package_uuid else []
    if live is None or live not in ours:
        raise UnexpectedLiveReleaseError(
            f"Release {live.id if live else 'none'} of deployment {deployment_id} is live: neither this run's (of the "
            f"package {package_uuid or 'unknown'}) nor the recorded {target or 'none'}. Somebody decided so; nothing "
            "was written."
        )
    if target is not None and target not in {release.id for release in releases}:
        raise UnexpectedLiveReleaseError(
            f"Release {target} of deployment {deployment_id}, which was live before the run, was deleted: there is "
            f"nothing to go back to. Release {live.id} stays live; nothing was written."
        )
    if interrupted and not live.untouched:
        raise InterruptedChangeError(
            f"An attempt before was cut off and may have rolled release {live.id} back; it is live now and was "
            "changed since its import, so somebody may have activated it again. Nothing was written. Look at the "
            "deployment, and clear this task if it should be rolled back."
        )
    refuse_overlap(deployment_id, releases, set_live(client, deployment_id, target, replacing=live.id))
    return live.id
