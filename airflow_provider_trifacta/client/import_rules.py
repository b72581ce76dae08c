"""Import rules: how a deployment maps connections and paths of a package when it is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .errors import UnexpectedResponseError
from .models import ImportRule

if TYPE_CHECKING:
    from .transport import Transport

#: The two kinds of rules: their path, and the keys that make a rule.
RULE_KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "object": ("objectImportRules", ("tableName", "onCondition", "withCondition")),
    "value": ("valueImportRules", ("type", "on", "with")),
}


class ImportRules:
    """Calls below ``/v4/deployments/:id/…ImportRules``. Every call raises the errors of :mod:`.errors`.

    Rules apply in their order, at import only, and never to a release that is there already.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, deployment_id: int, kind: str) -> list[ImportRule]:
        """Return the rules of one kind.

        Only their change is documented; that they can be read back is the vendor's usual convention.

        :param deployment_id: the deployment
        :param kind: ``"object"`` or ``"value"``
        :raises UnexpectedResponseError: a rule lacks a part, so that it could neither be compared nor put back
        """
        name, keys = RULE_KINDS[kind]
        # Not paged: a list of rules is one object to the API.
        path = f"/v4/deployments/{deployment_id}/{name}"
        body = self._transport.read(path, {"noLimit": "true"})
        rules = [ImportRule.from_json(row, keys) for row in _rows(body, path)]
        if any(part is None for rule in rules for part in rule.rule.values()):
            raise UnexpectedResponseError(f"GET {path} answered rules without {', '.join(keys)}.")
        return rules

    def replace(self, deployment_id: int, kind: str, rules: Sequence[Mapping[str, Any]]) -> None:
        """Replace all rules of one kind (API Deployments Object / Value Import Rules Patch v4).

        :param deployment_id: the deployment
        :param kind: ``"object"`` or ``"value"``
        :param rules: the whole new list; empty to have none
        """
        name, _ = RULE_KINDS[kind]
        self._transport.write("PATCH", f"/v4/deployments/{deployment_id}/{name}", json=[dict(rule) for rule in rules])


def _rows(body: object, path: str) -> list[Any]:
    rows = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(rows, list):
        raise UnexpectedResponseError(f'GET {path} did not answer a list under "data".')
    return rows
