"""``/v4/deployments/:id/objectImportRules`` and ``/valueImportRules``: what an import maps to what."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.bodies import rule_body
from trifacta_emulator.endpoint import (
    Endpoint,
    Handler,
    context_of,
    json_value,
    path_id,
    person_of,
)
from trifacta_emulator.errors import ApiError
from trifacta_emulator.import_rule_checks import checked_rules
from trifacta_emulator.query import list_answer
from trifacta_emulator.records import RuleKind


def _reader(kind: RuleKind, filter_field: str) -> Handler:
    async def read(request: Request) -> Response:
        """GET the rules in their order [M]; that lists' general parameters work here as well is [I]."""
        context = context_of(request)
        if not context.options.import_rules_readable:
            raise ApiError(404, f"Cannot GET {request.url.path}")
        rows = [rule_body(rule) for rule in context.store.import_rules(path_id(request), kind)]
        return JSONResponse(list_answer(rows, request.query_params, filter_field=filter_field))

    return read


def _replacer(kind: RuleKind) -> Handler:
    async def replace(request: Request) -> Response:
        """PATCH: replaces all rules of the kind and answers with those that were replaced [R; the shape is M]."""
        context, deployment_id = context_of(request), path_id(request)
        context.store.deployment(deployment_id)
        rules = checked_rules(kind, await json_value(request))
        replaced = context.store.replace_import_rules(deployment_id, kind, rules, person_of(request).id)
        return JSONResponse({"deleted": {"data": [rule_body(rule) for rule in replaced]}})

    return replace


_OBJECT = "/v4/deployments/{id}/objectImportRules"
_VALUE = "/v4/deployments/{id}/valueImportRules"
# The operation ids of the PATCHes are [M], those of the GETs [I].
ENDPOINTS = (
    Endpoint("GET", _OBJECT, "getObjectImportRules", _reader("object", "tableName"), deployments=True),
    Endpoint("PATCH", _OBJECT, "updateObjectImportRules", _replacer("object"), deployments=True),
    Endpoint("GET", _VALUE, "getValueImportRules", _reader("value", "type"), deployments=True),
    Endpoint("PATCH", _VALUE, "updateValueImportRules", _replacer("value"), deployments=True),
)
