"""Deployments: the containers of releases in a production instance."""

from __future__ import annotations

from .errors import InvalidInputError
from .models import Deployment
from .paging import list_all
from .transport import Transport


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

    def probe(self) -> None:
        """Ask for one deployment, which shows whether this user may use any (``GET /v4/deployments?limit=1``)."""
        self._transport.read("/v4/deployments", {"limit": 1})

    def get(self, deployment_id: int) -> Deployment:
        """Return one deployment (``GET /v4/deployments/:id``).

        :param deployment_id: its id
        """
        return Deployment.from_json(self._transport.read(f"/v4/deployments/{deployment_id}"))
