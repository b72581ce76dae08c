"""Which release of a deployment is live, changed on purpose and read back."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..client.errors import (
    InterruptedChangeError,
    TrifactaError,
    UnexpectedLiveReleaseError,
    UnexpectedResponseError,
)
from ..client.retries import WRITE_RETRIES, did_nothing, may_repeat_write, retrying
from .baseline import down_to, live_id, live_release, new_since
from .doubt import VERIFY_TIMEOUT, described, look, production_stands
from .journal import Journal

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Release

log = logging.getLogger(__name__)

#: Seconds between two looks whether a change shows.
_INTERVAL = 1.0


def set_live(
    client: TrifactaClient,
    deployment_id: int,
    target: int | None,
    seen: Sequence[Release],
    *,
    shows: int | None = None,
    journal: Journal | None = None,
    retry: bool = False,
) -> list[Release]:
    """Make one release live in place of what is live, and read back that it is.

    The change is asked for once, and again only where the server provably did nothing, after another look. When its
    answer is lost, the list tells whether it took effect; it is not asked for again, since a person may have decided
    otherwise.

    A retry asks again only where the journal proves that this is safe: nothing was asked for, or what was asked for did
    not take effect and nothing else has changed since.

    API page: API Releases Patch v4. The API has no compare-and-set, so read the list right before you call this.

    :param client: the instance
    :param deployment_id: the deployment
    :param target: the release to be live, None for none
    :param seen: the deployment's releases, as read just now
    :param shows: a release that a list must show to count: without it a list that lags behind could show an old state
    :param journal: what earlier tries of the task noted
    :param retry: whether an earlier try may have asked for the change already
    :returns: the deployment's releases, as read back
    :raises InterruptedChangeError: an earlier try may have made the change, and things are different now
    :raises UnexpectedLiveReleaseError: a third release is live afterwards
    :raises TrifactaError: the change was refused, or did not take effect
    """
    journal = journal or Journal()
    before = live_release(seen)
    enough = down_to(max((*(release.id for release in seen), shows or 0)))
    request = live_request(deployment_id, target)
    state = _state(seen, target)

    def read(reader: TrifactaClient) -> list[Release]:
        return reader.releases.list(deployment_id, until=enough)

    def read_both(reader: TrifactaClient) -> list[Release]:
        # What is to be live may be far down.
        return reader.releases.list(deployment_id, until=down_to(min(filter(None, (target, live_id(seen))))))

    def counts(now: Sequence[Release]) -> bool:
        # One that shows neither of the two releases is not the deployment's list.
        known = (shows,) if shows else (target, live_id(seen))
        return any(release.id in known for release in now)

    if live_id(seen) == target:
        return list(seen)
    entry = journal.entry(**request) if retry else None
    if retry and not journal.nothing_asked(**request):
        if entry is None:
            raise _interrupted(deployment_id, target, before)
        # What an earlier try asked for may take effect while this one looks.
        now = look(client, read_both, lambda now: live_id(now) == target, seconds=VERIFY_TIMEOUT, interval=_INTERVAL)
        if live_id(now) == target:
            return now
        if _state(now, target) != dict(entry.before):
            raise _interrupted(deployment_id, target, live_release(now))
        log.info("An earlier try asked for the same change, and nothing has changed since: asking again")

    journal.asked(request, **state)
    with production_stands(
        lambda: (
            f"{described(before)} of deployment {deployment_id} was live before, and it was asked for "
            f"{f'release {target}' if target else 'no release'} to be live: look which one is."
        )
    ):
        try:
            lost = _ask(client, deployment_id, target, before, enough)
        except TrifactaError:
            journal.withdraw(request, entry)
            raise
        try:
            now = look(
                client,
                read,
                # A third release that is live ends the wait too.
                lambda now: counts(now) and live_id(now) != (before.id if before else None),
                seconds=VERIFY_TIMEOUT,
                interval=_INTERVAL,
            )
        except TrifactaError as error:
            if lost and error.retryable:
                raise lost from error
            raise
        live = live_release(now)
        if counts(now) and live_id(now) == target:
            journal.answered(done=True)
            return now
        if live_id(now) not in (target, before.id if before else None) and (live or counts(now)):
            raise UnexpectedLiveReleaseError(
                f"{described(live)} of deployment {deployment_id} is live, though {target or 'none'} "
                f"{'was asked to be' if lost else 'was just made'} so in place of {before.id if before else 'none'}: "
                "another release has been activated at the same time. Nothing more is written."
            )
        raise lost or UnexpectedResponseError(
            f"Release {target or 'none'} of deployment {deployment_id} does not show as live, though the server took "
            "the change."
        )


def live_request(deployment_id: int, target: int | None) -> dict[str, Any]:
    """Return how the journal names the request to make a release live.

    :param deployment_id: the deployment
    :param target: the release, None for none
    """
    return {"what": "set_live", "deployment_id": deployment_id, "target": target}


def _ask(
    client: TrifactaClient, deployment_id: int, target: int | None, before: Release | None, enough: Any
) -> TrifactaError | None:
    """Ask for the change.

    :returns: the error that leaves open whether it was made; None where the server says that it was
    :raises TrifactaError: it was not made
    """
    asked = False

    def ask() -> None:
        nonlocal asked
        if asked and live_id(client.releases.list(deployment_id, until=enough)) != (before.id if before else None):
            return  # decided otherwise while a busy server made us wait
        asked = True
        if target is not None:
            client.releases.activate(target, repeat=False)
        elif before is not None:
            client.releases.deactivate(before.id, repeat=False)

    try:
        retrying(may_repeat_write, WRITE_RETRIES, client.clock.sleep)(ask)
    except TrifactaError as error:
        if did_nothing(error):
            error.standing = f"Nothing was changed. {described(before)} of deployment {deployment_id} is live."
            raise
        log.warning("It is unknown whether the change took effect; reading it back: %s", error)
        return error
    return None


def _state(releases: Sequence[Release], target: int | None) -> dict[str, Any]:
    """Return what tells whether anything was done to the live release and to the target."""
    live = live_release(releases)
    concerned = [one for one in releases if one.id == target or (live and one.id == live.id)]
    return {
        "live": live.id if live else None,
        "updated": {str(one.id): one.updated_at.isoformat() if one.updated_at else None for one in concerned},
    }


def _interrupted(deployment_id: int, target: int | None, live: Release | None) -> InterruptedChangeError:
    return InterruptedChangeError(
        f"An earlier try was cut off and may have made {f'release {target}' if target else 'no release'} of deployment "
        f"{deployment_id} live already. {described(live)} is live now, so another release may have been activated in "
        "the meantime. Nothing was written. Look at the deployment, and clear this task if the change is still wanted."
    )


def refuse_overlap(
    deployment_id: int, before: Iterable[Release], after: Iterable[Release], *, made: int | None = None
) -> None:
    """Stop where somebody imported something while a change was made, and so may have been overruled by it.

    :param deployment_id: the deployment
    :param before: its releases when the change was decided
    :param after: its releases after the change
    :param made: the release that this run made itself meanwhile
    :raises UnexpectedLiveReleaseError: there are new ones
    """
    after = list(after)
    strangers = sorted(release.id for release in new_since(before, after) if release.id != made)
    if strangers:
        raise UnexpectedLiveReleaseError(
            f"Another import into deployment {deployment_id} ran at the same time (releases {strangers}). "
            f"{described(live_release(after))} is live, as requested. To go back, activate the other release. "
            "Promotions and changes of one deployment must not overlap."
        )
