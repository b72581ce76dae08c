"""Deployments: the containers of releases in a production instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .errors import InvalidInputError, UnexpectedResponseError
from .models import Deployment
from .paging import list_all

if TYPE_CHECKING:
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

        The request is sent again only where no connection came about, and after a 429 of the API. After any other
        failure jobs may have started.

        :param deployment_id: the deployment
        :param parameters: values by parameter name
        :returns: the answer, ``{"data": [{"id": <job group>, ...}]}`` where it keeps to the page
        """
        data = [{"key": key, "value": value} for key, value in parameters.items()]
        body = {"runParameters": {"overrides": {"data": data}}} if data else None
        return self._transport.write("POST", f"/v4/deployments/{deployment_id}/run", json=body, slow=True)
