"""``/v4/deployments/:id/objectImportRules`` and ``/valueImportRules``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import (
    Endpoint,
    Handler,
    context_of,
    json_value,
    path_id,
    store_of,
    user_id_of,
)
from trifacta_emulator.api.query import list_answer
from trifacta_emulator.clock import iso
from trifacta_emulator.errors import route_not_found
from trifacta_emulator.http.connection import ASKED_PATH
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.records import ImportRule, RuleKind
from trifacta_emulator.rules.checks import checked_rules


def _reader(kind: RuleKind, filter_field: str) -> Handler:
    async def read(request: Request) -> Response:
        """GET the rules in their order [M], with the general parameters of lists [I]."""
        context = context_of(request)
        if not context.options.import_rules_readable:
            raise route_not_found("GET", request.scope[ASKED_PATH])
        rules = context.store.import_rules(path_id(request), kind)
        bodies = [_body(rule) for rule in rules]
        return JSONResponse(list_answer(bodies, request.query_params, filter_field=filter_field))

    return read


def _replacer(kind: RuleKind) -> Handler:
    async def replace(request: Request) -> Response:
        """PATCH: replaces all rules of the kind and answers with the replaced ones [R: D64]; the
        shape is [M].
        """
        store = store_of(request)
        deployment_id = path_id(request)
        store.deployment(deployment_id)
        rules = checked_rules(kind, await json_value(request))
        user_id = user_id_of(request)
        replaced = store.replace_import_rules(deployment_id, kind, rules, user_id)
        bodies = [_body(rule) for rule in replaced]
        return JSONResponse({"deleted": {"data": bodies}})

    return replace


def _body(rule: ImportRule) -> Row:
    # The rule as sent, and the usual columns [M].
    return {
        **rule.rule,
        "id": rule.id,
        "createdAt": iso(rule.created_at),
        "updatedAt": iso(rule.updated_at),
        "deployment": {"id": rule.deployment_id},
        "creator": {"id": rule.creator},
        "updater": {"id": rule.updater},
    }


_OBJECT = "/v4/deployments/{id}/objectImportRules"
_VALUE = "/v4/deployments/{id}/valueImportRules"
# Operation ids: those of the PATCHes are [M], those of the GETs [I].
ENDPOINTS = (
    Endpoint(
        "GET", _OBJECT, "getObjectImportRules", _reader("object", "tableName"), deployments=True
    ),
    Endpoint("PATCH", _OBJECT, "updateObjectImportRules", _replacer("object"), deployments=True),
    Endpoint("GET", _VALUE, "getValueImportRules", _reader("value", "type"), deployments=True),
    Endpoint("PATCH", _VALUE, "updateValueImportRules", _replacer("value"), deployments=True),
)
