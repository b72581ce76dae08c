"""Which release of a deployment is live, changed on purpose and read back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..client.errors import (
    RateLimitError,
    ServerError,
    TransportError,
    TrifactaError,
    UnexpectedLiveReleaseError,
    UnexpectedResponseError,
)
from ..client.retries import WRITE_RETRIES, may_repeat_write, retrying
from .baseline import live_release, new_since

if TYPE_CHECKING:
    from ..client.client import TrifactaClient
    from ..client.models import Release

log = logging.getLogger(__name__)

#: Seconds that a server is given to show a change, and between two looks.
_VERIFY_TIMEOUT = 30.0
_VERIFY_INTERVAL = 1.0


def live_id(releases: Iterable[Release]) -> int | None:
    """Return the id of the live one of a deployment's releases, None when none is."""
    live = live_release(releases)
    return live.id if live else None


def set_live(
    client: TrifactaClient,
    deployment_id: int,
    target: int | None,
    *,
    replacing: int | None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[Release]:
    """Make one release live in place of another, and read back that it is.

    The change is sent once, and again only to a busy server that did nothing, after another look. When its answer is
    lost, the list tells whether it took effect; it is not repeated, since somebody may have decided otherwise.

    API page: API Releases Patch v4. The API has no compare-and-set: look who is live before you call this.

    :param deployment_id: the deployment
    :param target: the release to be live, None for none
    :param replacing: the release that is live now, None for none
    :param sleep: how to wait, in seconds
    :param clock: a clock for the wait, in seconds
    :returns: the deployment's releases, as read back
    :raises UnexpectedLiveReleaseError: a third release is live afterwards
    :raises TrifactaError: the change was refused, or did not take effect
    """
    if target == replacing:
        return client.releases.list(deployment_id)
    lost: TrifactaError | None = None
    asked = False

    def ask() -> None:
        nonlocal asked
        if asked and live_id(client.releases.list(deployment_id)) != replacing:
            return  # decided otherwise while a busy server made us wait
        asked = True
        if target is not None:
            client.releases.activate(target, repeat=False)
        elif replacing is not None:
            client.releases.deactivate(replacing, repeat=False)

    try:
        retrying(may_repeat_write, WRITE_RETRIES, sleep)(ask)
    except (TransportError, ServerError, UnexpectedResponseError) as error:
        log.warning("Whether the change took effect is in doubt; reading it back: %s", error)
        lost = error
    deadline = clock() + _VERIFY_TIMEOUT
    while True:
        left = deadline - clock()
        try:
            # Not repeated there: this loop is the repetition.
            releases = client.without_repetitions.releases.list(deployment_id)
        except (TransportError, RateLimitError, ServerError, UnexpectedResponseError) as error:
            if left <= 0:
                raise lost or error from None
        else:
            live = live_id(releases)
            if live == target:
                return releases
            if live != replacing:
                claim = "was asked to be" if lost else "was just made"
                raise UnexpectedLiveReleaseError(
                    f"Release {live or 'none'} of deployment {deployment_id} is live, though {target or 'none'} "
                    f"{claim} so in place of {replacing or 'none'}: somebody changed it at the same time. Nothing "
                    "more is written."
                )
            if left <= 0:
                raise lost or UnexpectedResponseError(
                    f"Release {target or 'none'} of deployment {deployment_id} does not show as live, though the "
                    "server took the change."
                )
        sleep(min(_VERIFY_INTERVAL, max(left, 0.0)))


def refuse_overlap(
    deployment_id: int, before: Iterable[Release], after: Iterable[Release], *, made: int | None = None
) -> None:
    """Tell when somebody imported something while a change was made, and so may have been overruled by it.

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
            f"Somebody else imported into deployment {deployment_id} at the same time (releases {strangers}). Release "
            f"{live_id(after) or 'none'} is live now, as this task was to see to; if another was meant to be, it has "
            "to be activated again. Promotions and changes of one deployment must not overlap."
        )
