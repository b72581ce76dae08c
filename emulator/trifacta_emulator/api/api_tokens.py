"""``/v4/apiAccessTokens``: the caller's access tokens [P: AAC25]."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import Endpoint, context_of, json_object, person_of
from trifacta_emulator.api.query import list_answer
from trifacta_emulator.checks import is_whole_number
from trifacta_emulator.clock import iso, iso_or_none
from trifacta_emulator.errors import ValidationError
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.state.people import Token


async def create(request: Request) -> Response:
    """POST ``{"lifetimeSeconds", "description"}``. Only this answer shows the token's value."""
    body = await json_object(request)
    lifetime = body.get("lifetimeSeconds")
    if not is_whole_number(lifetime):
        raise ValidationError("lifetimeSeconds: a whole number is required")
    description = body.get("description", "")
    if not isinstance(description, str):
        raise ValidationError("description must be a string")
    auth = context_of(request).auth
    token = auth.create_token(person_of(request), lifetime, description)
    answer = {"tokenValue": token.value, "tokenInfo": _info(token)}
    return JSONResponse(answer, status_code=201)


async def list_own(request: Request) -> Response:
    """GET the caller's tokens."""
    tokens = context_of(request).auth.tokens(person_of(request))
    bodies = [_info(token) for token in tokens]
    return JSONResponse(list_answer(bodies, request.query_params, filter_field="description"))


async def read(request: Request) -> Response:
    """GET one token, without its value."""
    auth = context_of(request).auth
    token = auth.token(request.path_params["tokenId"], person_of(request))
    return JSONResponse(_info(token))


async def delete(request: Request) -> Response:
    """DELETE: 204 [I]."""
    auth = context_of(request).auth
    auth.delete_token(request.path_params["tokenId"], person_of(request))
    return Response(status_code=204)


def _info(token: Token) -> Row:
    return {
        "tokenId": token.id,
        "description": token.description,
        "expiredAt": iso_or_none(token.expires_at),
        "createdAt": iso(token.created_at),
        "lastUsed": iso_or_none(token.last_used),
    }


_TOKENS = "/v4/apiAccessTokens"
_TOKEN = "/v4/apiAccessTokens/{tokenId}"  # noqa: S105
ENDPOINTS = (
    Endpoint("POST", _TOKENS, "createApiAccessToken", create),
    Endpoint("GET", _TOKENS, "listApiAccessTokens", list_own),
    Endpoint("GET", _TOKEN, "getApiAccessToken", read),
    Endpoint("DELETE", _TOKEN, "deleteApiAccessToken", delete),
)
