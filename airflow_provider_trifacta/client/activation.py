"""Which release of a deployment is live, changed on purpose and read back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from .baseline import live_release
from .errors import (
    ServerError,
    TransportError,
    TrifactaError,
    UnexpectedLiveReleaseError,
    UnexpectedResponseError,
)

if TYPE_CHECKING:
    from .client import TrifactaClient

log = logging.getLogger(__name__)

#: Seconds that a server is given to show a change, and between two looks.
_VERIFY_TIMEOUT = 30.0
_VERIFY_INTERVAL = 1.0


def live_release_id(client: TrifactaClient, deployment_id: int) -> int | None:
    """Return the id of a deployment's live release, None when none is."""
    live = live_release(client.releases.list(deployment_id))
    return live.id if live else None


def set_live(
    client: TrifactaClient,
    deployment_id: int,
    target: int | None,
    *,
    replacing: int | None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Make one release live in place of another, and read back that it is.

    The change is sent once. When its answer is lost, the list tells whether it took effect; it is not repeated, since
    somebody may have decided otherwise meanwhile.

    API page: API Releases Patch v4. The API has no compare-and-set: look who is live before you call this.

    :param deployment_id: the deployment
    :param target: the release to be live, None for none
    :param replacing: the release that is live now, None for none
    :param sleep: how to wait, in seconds
    :param clock: a clock for the wait, in seconds
    :raises UnexpectedLiveReleaseError: a third release is live afterwards
    :raises TrifactaError: the change was refused, or did not take effect
    """
    if target == replacing:
        return
    lost: TrifactaError | None = None
    try:
        if target is not None:
            client.releases.activate(target)
        elif replacing is not None:
            client.releases.deactivate(replacing)
    except (TransportError, ServerError, UnexpectedResponseError) as error:
        log.warning("Whether the change took effect is in doubt; reading it back: %s", error)
        lost = error
    deadline = clock() + _VERIFY_TIMEOUT
    while True:
        left = deadline - clock()
        try:
            live = live_release_id(client, deployment_id)
        except (TransportError, ServerError, UnexpectedResponseError) as error:
            if left <= 0:
                raise lost or error from None
        else:
            if live == target:
                return
            if live != replacing:
                raise UnexpectedLiveReleaseError(
                    f"Release {live or 'none'} of deployment {deployment_id} is live, though {target or 'none'} was "
                    f"just made so in place of {replacing or 'none'}: somebody changed it at the same time. Nothing "
                    "more is written."
                )
            if left <= 0:
                raise lost or UnexpectedResponseError(
                    f"Release {target or 'none'} of deployment {deployment_id} does not show as live, though the "
                    "server took the change."
                )
        sleep(min(_VERIFY_INTERVAL, max(left, 0.0)))
