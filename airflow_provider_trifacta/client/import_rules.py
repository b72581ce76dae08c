"""Import rules: how a deployment maps connections and paths of a package when it is imported."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .errors import TrifactaError, UnexpectedResponseError
from .models import ImportRule

if TYPE_CHECKING:
    from .models import Release
    from .transport import Transport

log = logging.getLogger(__name__)

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


def rules_changed_since(import_rules: ImportRules, deployment_id: int, release: Release) -> bool:
    """Tell whether a release's package would be imported differently now. Deleted rules cannot be noticed.

    Rules that cannot be read are warned of, and taken as unchanged; a failure that may pass is raised.

    :param deployment_id: the release's deployment
    """
    unreadable = "Whether import rules changed since release %s cannot be read, so it is taken as it is: %s"
    rules: list[ImportRule] = []
    unread: list[object] = []
    for kind in RULE_KINDS:
        try:
            rules += import_rules.list(deployment_id, kind)
        except TrifactaError as error:
            if error.transient:
                raise
            unread.append(error)
    made = release.created_at
    newer = [rule.id for rule in rules if made and rule.created_at and rule.created_at > made]
    if newer:
        log.info("Import rules %s are newer than release %s: importing the package again", newer, release.id)
        return True
    if rules and (made is None or any(rule.created_at is None for rule in rules)):
        unread.append("the answers have no times")
    for why in unread:
        log.warning(unreadable, release.id, why)
    return False
