"""``/v4/connections``: the connections that object import rules map to. No call creates them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import Endpoint, context_of, path_id
from trifacta_emulator.api.query import list_answer, select_fields
from trifacta_emulator.clock import iso
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.records import LocalConnection


async def list_all(request: Request) -> Response:
    """GET [P: AAC25]. Every user sees all connections, the oldest first: our choices [?]."""
    rows = [_body(row) for row in context_of(request).store.connections()]
    return JSONResponse(list_answer(rows, request.query_params))


async def read(request: Request) -> Response:
    """GET one [P: AAC25]."""
    connection = context_of(request).store.connection(path_id(request))
    [body] = select_fields([_body(connection)], request.query_params.get("fields"))
    return JSONResponse(body)


def _body(connection: LocalConnection) -> Row:
    # Without credentials, host and port [P: AAC25].
    return {
        "id": connection.id,
        "uuid": connection.uuid,
        "name": connection.name,
        "description": "",
        "type": connection.type,
        "vendor": connection.vendor,
        "vendorName": connection.vendor,
        "credentialType": "basic",
        "credentialsShared": True,
        "isGlobal": False,
        "disableTypeInference": False,
        "createdAt": iso(connection.created_at),
        "updatedAt": iso(connection.updated_at),
        "creator": {"id": connection.creator},
        "updater": {"id": connection.updater},
        "workspace": {"id": 1},
    }


ENDPOINTS = (
    Endpoint("GET", "/v4/connections", "listConnections", list_all),
    Endpoint("GET", "/v4/connections/{id}", "getConnection", read),
)
