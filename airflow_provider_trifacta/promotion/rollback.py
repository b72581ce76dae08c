"""The way back to the baseline, if a promotion is not kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from ..client import errors
from ..client.foreign_words import logger
from ..client.models import canonical_uuid
from ..client.texts import sentence
from .baseline import Baseline
from .standing import DEFAULT_SETTLE_TIMEOUT, Standing, down_to, read_patiently
from .switch import live_request, put_back, refuse_earlier_overlap, refuse_overlap
from .tries import Tries
from .uploads import PackageReleases

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Release

log = logger(__name__)

#: Seconds before the second try of a rollback.
_INTERVAL = 10.0
#: Seconds between two tries of a rollback in a long outage.
_LONGEST_INTERVAL = 60.0

T = TypeVar("T")


@dataclass(frozen=True)
class Undone:
    """What a rollback did.

    :param release_id: the release that was live before it
    :param restored_package: the package of the release that is live again; None if none is live, or
        it is unknown
    """

    release_id: int
    restored_package: str | None


def outlast(
    client: TrifactaClient, act: Callable[[Tries], T], tries: Tries, *, seconds: float, what: str
) -> T:
    """Do something, and do it again as long as it fails with an error that may pass, until the time
    is up.

    :param client: the instance
    :param act: what to do; it gets the tries, which are those of a retry once it may have changed
        something
    :param tries: the tries of the task
    :param seconds: for how long to try again
    :param what: what is waited for, for the log
    :raises TrifactaError: the last try failed, or a try failed for a reason that another try cannot
        help
    """
    clock = client.clock
    deadline = clock.monotonic() + seconds
    pause = _INTERVAL
    # The last error of a try that may have changed something.
    begun: errors.TrifactaError | None = None
    while True:
        try:
            return act(tries.as_retry() if begun else tries)
        except errors.TrifactaError as error:
            left = deadline - clock.monotonic()
            if begun and not error.retryable and not error.standing:
                # It may say that nothing was changed, which is true of its own try only.
                raise begun from error
            if left <= 0 or not error.retryable:
                raise
            # From the first change on, an error says how production stands.
            if error.standing:
                begun = error
            asked = getattr(error, "retry_after", None) or 0.0
            pause = min(max(pause, asked), left)
            log.warning(
                "%s. Trying again in %.0f s, for %.0f s more at most: %s", what, pause, left, error
            )
        clock.sleep(pause)
        pause = min(2 * pause, _LONGEST_INTERVAL)


def roll_back(
    client: TrifactaClient,
    baseline: Baseline,
    package_uuid: str | None,
    *,
    release_id: int | None = None,
    tries: Tries | None = None,
    settle_timeout: float = DEFAULT_SETTLE_TIMEOUT,
) -> Undone | None:
    """Make the baseline's live release live again, if a release of this run is live instead.

    It never guesses. If anything but this run's release is live, a person or another run decided
    that, and it stays. The run's release is known by its id, if the task that made it got the
    answer. Only without an id is it known by the package, because an instance may give its releases
    uuids of its own.

    :param client: the instance
    :param baseline: what the deployment looked like before the run
    :param package_uuid: the package that the run promoted; None if the run ended before it had one
    :param release_id: the release that the run made, if it is known. One that the baseline knew
        already is of another run, and counts as unknown
    :param tries: the tries of the task; without them, this is a first try
    :param settle_timeout: seconds that the server has to finish or drop the upload of the package,
        if none of its releases shows
    :returns: what was rolled back, None if there was nothing to do
    :raises UnexpectedLiveReleaseError: another release is live, the recorded release is gone, or
        another import ran at the same time
    :raises AmbiguousSubmissionError: it cannot be told whether the package became a release
    :raises InterruptedChangeError: a person may have undone the rollback of an earlier try
    :raises TrifactaError: for the rest
    """
    tries = tries or Tries()
    target = baseline.active_release_id
    package = _releases_of_run(client, baseline, package_uuid, release_id, settle_timeout)
    now = _read(package, baseline)
    release_id = package.release_id
    if release_id is not None and release_id not in now:
        now = _await_release(package, release_id, now, baseline)
    if release_id is None or release_id in now:
        now = _await_promotion(package, now, baseline)
    else:
        # It was deleted, or the answer that named it was wrong. A release of the package is of this
        # run too.
        package = replace(package, release_id=None)
    ours = package.among(now, after=baseline.newest_id)
    if now.live_id == target:
        # There is nothing to do. But if an earlier try was cut off after its change, the change is
        # reported.
        undone = _undone_before(baseline, ours, tries)
        if undone is None:
            return None
        refuse_earlier_overlap(now, target, tries)
        return Undone(undone.id, _package_of(now.live))
    live = _refuse_surprise(baseline, package, now, ours)
    if target is not None and target not in now:
        raise errors.UnexpectedLiveReleaseError(
            f"Release {target} of deployment {baseline.deployment_id}, which was live before the"
            f" run, was deleted, so there is nothing to go back to. Release {live.id} stays live."
            " Nothing was changed. Activate another release in Trifacta, or promote a package.",
            **now.about(target),
        )
    after = put_back(client, live, target, now, tries)
    refuse_overlap(after, after.made_since(now))
    return Undone(live.id, _package_of(after.live))


def _package_of(release: Release | None) -> str | None:
    return release.package_uuid if release else None


def _undone_before(baseline: Baseline, ours: Sequence[Release], tries: Tries) -> Release | None:
    """Return the release of this run that an earlier try took back, if it noted one.

    :param baseline: what the deployment looked like before the run
    :param ours: the releases of this run
    :param tries: the tries of the task. Only a retry reports what an earlier try did
    """
    if not tries.is_retry:
        return None
    request = live_request(baseline.deployment_id, baseline.active_release_id)
    entry = tries.journal.entry(**request)
    if entry is None:
        return None
    for release in ours:
        if release.id == entry.before.get("live"):
            return release
    return None


def _releases_of_run(
    client: TrifactaClient,
    baseline: Baseline,
    package_uuid: str | None,
    release_id: int | None,
    settle_timeout: float = DEFAULT_SETTLE_TIMEOUT,
) -> PackageReleases:
    """Return the releases that the run made, by the id of its release or by its package."""
    if release_id is not None and release_id <= baseline.newest_id:
        release_id = None
    uuid = canonical_uuid(package_uuid or "")
    return PackageReleases(client, baseline.deployment_id, uuid, settle_timeout, release_id)


def _read(package: PackageReleases, baseline: Baseline) -> Standing:
    """Read all that is newer than the baseline, what is live, and what to go back to."""
    target = baseline.active_release_id
    has_newer = down_to(baseline.newest_id)

    def enough(releases: Sequence[Release]) -> bool:
        if not has_newer(releases):
            return False
        return target is None or any(release.id <= target for release in releases)

    def read(reader: TrifactaClient) -> Standing:
        releases = reader.releases.list(package.deployment_id, until=enough)
        return Standing(package.deployment_id, releases)

    return read_patiently(package.client, read)


def _await_promotion(package: PackageReleases, before: Standing, baseline: Baseline) -> Standing:
    """Wait for a release that the run may have uploaded right before the rollback.

    The task that promotes may have been killed in its upload. A rollback that looks too soon would
    find nothing to do, and the release would go live after it.

    :param package: the releases of the package that the run promoted
    :param before: how the deployment stands, as read just now
    :param baseline: what the deployment looked like before the run
    :returns: how it stands after the wait
    """
    target = baseline.active_release_id
    made = package.among(before, after=baseline.newest_id)
    if not package.is_known or before.live_id != target:
        return before
    if made and not any(release.untouched for release in made):
        return before  # none of them goes live by itself any more
    log.info(
        "%s is not live in deployment %s. Waiting %s s for it",
        sentence(package.words),
        package.deployment_id,
        package.settle_timeout,
    )
    try:
        now = package.await_activation(made) if made else package.settle_new(before).now
    except (errors.AmbiguousSubmissionError, errors.ReleaseNotLiveError):
        # Whether the package became a release is in doubt. A rollback need not know that where
        # another live release shows its package: that release is not of this run in any case, and
        # it stays.
        now = _read(package, baseline)
        newer = [release for release in now if release.id > baseline.newest_id]
        if any(release.package_uuid is None for release in newer):
            raise
        if now.live in package.among(newer):
            raise
        if now.live_id == target:
            raise
        return now
    # This wait reads only down to the newest release, and what to go back to may be further down.
    return before if now.live_id == target else _read(package, baseline)


def _await_release(
    package: PackageReleases, release_id: int, before: Standing, baseline: Baseline
) -> Standing:
    """Wait for a release that the server said it made to show in the list, which may lag behind."""
    log.info(
        "Release %s does not show in deployment %s. Waiting %s s for it",
        release_id,
        package.deployment_id,
        package.settle_timeout,
    )

    def shows(now: Standing) -> bool:
        return release_id in now

    package.look(before.newest_id, shows)
    now = _read(package, baseline)
    if release_id not in now:
        _refuse_hidden(package, release_id, now)
    return now


def _refuse_hidden(package: PackageReleases, release_id: int, now: Standing) -> None:
    """Refuse a list that lacks a release which is there: it cannot show what is live either.

    :raises UnexpectedResponseError: the release is there; a later try may read another list
    """

    def read(reader: TrifactaClient) -> Release:
        return reader.releases.get(release_id)

    try:
        release = read_patiently(package.client, read)
    except (errors.NotFoundError, errors.BadRequestError, errors.PermissionDeniedError):
        return  # it was deleted
    if release.deleted or release.deployment_id not in (None, package.deployment_id):
        return
    raise errors.UnexpectedResponseError(
        f"Release {release_id} is there, and the list of the releases of deployment"
        f" {package.deployment_id} does not show it. So it is unknown which release is live."
        " Nothing was changed.",
        **now.about(release_id),
    )


def _refuse_surprise(
    baseline: Baseline, package: PackageReleases, now: Standing, ours: Sequence[Release]
) -> Release:
    """Return the live release, if this run made it."""
    if now.live is None or now.live not in ours:
        where = f" and is not of this run ({package.words})"
        newer = [release for release in now if release.id > baseline.newest_id]
        goes_by_uuid = package.uuid and package.release_id is None
        if goes_by_uuid and now.live in package.not_proven_others(newer, now):
            where = (
                f" and shows the uuid {_package_of(now.live)}, while this run promoted"
                f" {package.uuid}. It is of this run only if this instance gives releases uuids of"
                " its own"
            )
        raise baseline.another_is_live(
            now,
            "Nothing was changed. Activate the release that should be live in Trifacta.",
            where=where,
            release_id=baseline.active_release_id,
        )
    return now.live
