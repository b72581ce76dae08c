"""``/v4/connections``: the connections that object import rules map to. No call creates them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import (
    Endpoint,
    context_of,
    path_id,
    store_of,
)
from trifacta_emulator.api.people import PEOPLE, embed_people
from trifacta_emulator.api.query import count_answer, embeds, list_answer, select_fields
from trifacta_emulator.clock import iso
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.records import LocalConnection


async def list_all(request: Request) -> Response:
    """GET, newest first [R: D64] [P: AAC25]. Every user sees all connections: our choice [?]."""
    context = context_of(request)
    params = request.query_params
    wanted = embeds(params, "connections", PEOPLE)
    bodies = []
    for connection in context.store.state.connections.listed():
        bodies.append(embed_people(context, _body(connection), wanted))
    return JSONResponse(list_answer(bodies, params))


async def read(request: Request) -> Response:
    """GET one [P: AAC25]."""
    context = context_of(request)
    params = request.query_params
    connection = context.store.state.connections.read(path_id(request))
    wanted = embeds(params, "connections", PEOPLE)
    body = embed_people(context, _body(connection), wanted)
    [selected] = select_fields([body], params)
    return JSONResponse(selected)


async def count(request: Request) -> Response:
    """GET the number of connections in the list [P: AYX]."""
    return count_answer(store_of(request).state.connections.listed())


async def status(request: Request) -> Response:
    """GET whether a connection works: a bare JSON string [P: AYX]. Each one does [?]."""
    store_of(request).state.connections.read(path_id(request))
    return JSONResponse("SUCCESS")


def _body(connection: LocalConnection) -> Row:
    # Names of Connection in the API description [P: AAC25] [R: D64]. ``credentials`` never has a
    # secret. The values of the host and its port are our choice [?].
    place = {"host": f"{connection.vendor}.example.com", "port": 5432}
    return {
        "id": connection.id,
        "uuid": connection.uuid,
        "name": connection.name,
        "description": "",
        "type": connection.type,
        "vendor": connection.vendor,
        "vendorName": connection.vendor,
        **place,
        "ssl": False,
        "params": {"connectStrOpts": ""},
        "connectParams": {"vendor": connection.vendor, **place},
        "credentials": [{"username": "trifacta"}],
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
    Endpoint("GET", "/v4/connections/count", "countConnections", count),
    Endpoint("GET", "/v4/connections/{id}", "getConnection", read),
    Endpoint("GET", "/v4/connections/{id}/status", "getConnectionStatus", status),
)
