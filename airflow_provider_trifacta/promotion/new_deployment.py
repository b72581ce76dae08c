"""A new deployment: made once, since names are not unique in the API."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..client.errors import (
    AmbiguousNameError,
    RateLimitError,
    ServerError,
    TransportError,
    TrifactaError,
    UnexpectedResponseError,
)
from ..client.retries import may_repeat_write

if TYPE_CHECKING:
    from ..client.deployments import Deployments
    from ..client.models import Deployment

log = logging.getLogger(__name__)

#: Seconds that a server is given to show a deployment that it was asked for, and between two looks.
_SETTLE_TIMEOUT = 30.0
_SETTLE_INTERVAL = 3.0


def create_once(
    deployments: Deployments,
    name: str,
    *,
    first_attempt: bool = True,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Deployment, str]:
    """Create a deployment unless one has exactly this name, and read back that it alone has.

    :param deployments: the instance's
    :param name: display name
    :param first_attempt: False when an attempt before may have asked for it already; then it is waited for first
    :param sleep: how to wait, in seconds
    :param clock: a clock for the wait, in seconds
    :returns: the deployment, and ``created``, ``reused``, or ``adopted`` when the answer to its creation was lost
    :raises AmbiguousNameError: several have the name, or the one that was made does not show it
    :raises TrifactaError: for the rest
    """
    found = _only(deployments.find(name), name)
    if found:
        return found, "reused"
    if not first_attempt:
        log.info("An earlier attempt may have asked for the deployment; waiting for it to show")
        found = _wait_for(deployments, name, sleep, clock)
        if found:
            return found, "adopted"
    try:
        made = deployments.create(name)
    except (TransportError, ServerError, UnexpectedResponseError) as error:
        if may_repeat_write(error):
            raise  # the server did nothing
        log.warning("Whether the deployment was made is in doubt; looking for it: %s", error)
        try:
            found = _wait_for(deployments, name, sleep, clock)
        except TrifactaError as list_error:
            if not list_error.retryable:
                raise
            raise error from list_error
        if found is None:
            raise
        return found, "adopted"
    # Somebody may have done the same at the same time: the API takes both.
    found = _wait_for(deployments, name, sleep, clock)
    if found is None or found.id != made.id:
        raise AmbiguousNameError(
            f"Deployment {made.id} was made, but {f'deployment {found.id}' if found else 'none'} is listed as "
            f"{name!r}. The server may spell the name another way; every clear would then make another one."
        )
    return made, "created"


def _wait_for(
    deployments: Deployments, name: str, sleep: Callable[[float], None], clock: Callable[[], float]
) -> Deployment | None:
    """Look until the deployment shows, or the time is up; None then."""
    deadline = clock() + _SETTLE_TIMEOUT
    while True:
        left = deadline - clock()
        try:
            found = _only(deployments.find(name), name)
        except (TransportError, RateLimitError, ServerError, UnexpectedResponseError):
            if left <= 0:
                raise
        else:
            if found or left <= 0:
                return found
        sleep(min(_SETTLE_INTERVAL, left))


def _only(found: Sequence[Deployment], name: str) -> Deployment | None:
    if len(found) > 1:
        raise AmbiguousNameError(
            f"{len(found)} deployments are called {name!r}: {', '.join(str(one.id) for one in found)}. Rename or "
            "delete the superfluous ones in Trifacta, or use the id."
        )
    return found[0] if found else None
