"""``/v4/connections``: what object import rules lead to. They are made with the store or the command line."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.bodies import connection_body
from trifacta_emulator.endpoint import Endpoint, context_of, path_id
from trifacta_emulator.query import list_answer, select_fields


async def list_all(request: Request) -> Response:
    """GET [P: AAC25]; all are accessible to all here, and the oldest comes first (our choices)."""
    rows = [connection_body(row) for row in context_of(request).store.connections()]
    return JSONResponse(list_answer(rows, request.query_params))


async def read(request: Request) -> Response:
    """GET one [P: AAC25]."""
    connection = context_of(request).store.connection(path_id(request))
    [body] = select_fields([connection_body(connection)], request.query_params.get("fields"))
    return JSONResponse(body)


ENDPOINTS = (
    Endpoint("GET", "/v4/connections", "listConnections", list_all),
    Endpoint("GET", "/v4/connections/{id}", "getConnection", read),
)
