"""``/v4/apiAccessTokens``: the caller's access tokens [P: AAC25]."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import Endpoint, context_of, json_object, person_of
from trifacta_emulator.api.query import list_answer
from trifacta_emulator.clock import iso, iso_or_none
from trifacta_emulator.errors import ValidationError
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.state.people import Token


async def create(request: Request) -> Response:
    """POST ``{"lifetimeSeconds", "description"}``. Only this answer shows the token's value."""
    body = await json_object(request)
    lifetime, description = body.get("lifetimeSeconds"), body.get("description", "")
    if not isinstance(lifetime, int) or isinstance(lifetime, bool):
        raise ValidationError("lifetimeSeconds: a whole number is required")
    if not isinstance(description, str):
        raise ValidationError("description must be a string")
    token = context_of(request).auth.create_token(person_of(request), lifetime, description)
    return JSONResponse({"tokenValue": token.value, "tokenInfo": _info(token)}, status_code=201)


async def list_own(request: Request) -> Response:
    """GET the caller's tokens."""
    rows = [_info(token) for token in context_of(request).auth.tokens(person_of(request))]
    return JSONResponse(list_answer(rows, request.query_params, filter_field="description"))


async def read(request: Request) -> Response:
    """GET one token, without its value."""
    token_id = request.path_params["tokenId"]
    return JSONResponse(_info(context_of(request).auth.token(token_id, person_of(request))))


async def delete(request: Request) -> Response:
    """DELETE: 204 [I]."""
    context_of(request).auth.delete_token(request.path_params["tokenId"], person_of(request))
    return Response(status_code=204)


def _info(token: Token) -> Row:
    return {
        "tokenId": token.id,
        "description": token.description,
        "expiredAt": iso_or_none(token.expires_at),
        "createdAt": iso(token.created_at),
        "lastUsed": iso_or_none(token.last_used),
    }


ENDPOINTS = (
    Endpoint("POST", "/v4/apiAccessTokens", "createApiAccessToken", create),
    Endpoint("GET", "/v4/apiAccessTokens", "listApiAccessTokens", list_own),
    Endpoint("GET", "/v4/apiAccessTokens/{tokenId}", "getApiAccessToken", read),
    Endpoint("DELETE", "/v4/apiAccessTokens/{tokenId}", "deleteApiAccessToken", delete),
)
