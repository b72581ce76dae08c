"""Import rules: how a deployment maps connections and paths of a package when it is imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .errors import UnexpectedResponseError
from .models import ImportRule

if TYPE_CHECKING:
    from .transport import Transport


class ImportRules:
    """Calls below ``/v4/deployments/:id/…ImportRules``. Every call raises the errors of :mod:`.errors`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, deployment_id: int) -> list[ImportRule]:
        """Return the object rules and the value rules of a deployment.

        Only their change is documented; that they can be read back is the vendor's usual convention.

        :param deployment_id: the deployment
        """
        rules = []
        for kind in ("objectImportRules", "valueImportRules"):
            # Not paged: rules apply in their order, and a list of them is one object to the API.
            path = f"/v4/deployments/{deployment_id}/{kind}"
            body = self._transport.read(path, {"noLimit": "true"})
            rows = body.get("data") if isinstance(body, Mapping) else None
            if not isinstance(rows, list):
                raise UnexpectedResponseError(f'GET {path} did not answer a list under "data".')
            rules += [ImportRule.from_json(row) for row in rows]
        return rules
