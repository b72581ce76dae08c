"""Deployments: the containers of releases in a production instance."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from .errors import (
    AmbiguousNameError,
    InvalidInputError,
    RateLimitError,
    ServerError,
    TransportError,
    TrifactaError,
    UnexpectedResponseError,
)
from .models import Deployment
from .paging import list_all
from .retries import may_repeat_write

if TYPE_CHECKING:
    from .transport import Transport

log = logging.getLogger(__name__)

#: Seconds that a server is given to show a deployment that it was asked for, and between two looks.
_SETTLE_TIMEOUT = 30.0
_SETTLE_INTERVAL = 3.0


class Deployments:
    """Calls below ``/v4/deployments``. Every call raises the errors of :mod:`.errors`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, name: str) -> Deployment:
        """Create a deployment (``POST /v4/deployments``).

        Names are not unique in the API: a second call makes a second deployment.

        :param name: display name
        :raises InvalidInputError: for an empty name
        """
        if not isinstance(name, str) or not name.strip():
            raise InvalidInputError(f"A deployment's name must be a text, not {name!r}.")
        return Deployment.from_json(self._transport.write("POST", "/v4/deployments", json={"name": name}))

    def list(self) -> list[Deployment]:
        """Return all deployments that the user can see (API Deployments Get List v4)."""
        return [Deployment.from_json(item) for item in list_all(self._transport, "/v4/deployments")]

    def find(self, name: str) -> Sequence[Deployment]:
        """Return the deployments of exactly this name. The server's own filter is fuzzy and is not relied on.

        :param name: display name
        """
        return [deployment for deployment in self.list() if deployment.name == name]

    def probe(self) -> None:
        """Ask for one deployment, which shows whether this user may use any (``GET /v4/deployments?limit=1``)."""
        body = self._transport.read("/v4/deployments", {"limit": 1})
        if not isinstance(body, Mapping) or not isinstance(body.get("data"), Sequence):
            raise UnexpectedResponseError('GET /v4/deployments did not answer a list under "data".')

    def get(self, deployment_id: int) -> Deployment:
        """Return one deployment (``GET /v4/deployments/:id``).

        :param deployment_id: its id
        """
        return Deployment.from_json(self._transport.read(f"/v4/deployments/{deployment_id}"))

    def run(self, deployment_id: int, parameters: Mapping[str, str]) -> object:
        """Run the live release of a deployment (API Deployments Run v4).

        The request is sent again only after a refused connection, a 429, or a 503 with Retry-After. After any other
        failure jobs may have started.

        :param deployment_id: the deployment
        :param parameters: values by parameter name
        :returns: the answer, ``{"data": [{"id": <job group>, ...}]}`` where it keeps to the page
        """
        data = [{"key": key, "value": value} for key, value in parameters.items()]
        body = {"runParameters": {"overrides": {"data": data}}} if data else None
        return self._transport.write("POST", f"/v4/deployments/{deployment_id}/run", json=body, slow=True)


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
