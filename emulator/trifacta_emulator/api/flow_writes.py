"""``/v4/flows``: the calls that make, copy and delete flows."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import (
    Endpoint,
    json_object,
    path_id,
    store_of,
    user_id_of,
)
from trifacta_emulator.api.flows import flow_body
from trifacta_emulator.api.people import require_access
from trifacta_emulator.errors import ValidationError


async def create(request: Request) -> Response:
    """POST ``{"name", "description"}``: 201, an empty flow [R: D60 API Flows Create v4].

    ``folderId`` and ``settings`` are accepted but ignored: our choice [?].
    """
    body = await json_object(request)
    name = _text(body, "name")
    if not name:
        raise ValidationError("name: a non-empty string is required")
    flow = store_of(request).create_empty_flow(
        name,
        _text(body, "description"),
        user_id_of(request),
        increment_name=body.get("incrementName") is True,
    )
    return JSONResponse(flow_body(flow), status_code=201)


async def copy(request: Request) -> Response:
    """POST ``{"name", "description", "copyDatasources"}``: 201, a copy with its recipes and outputs
    [P: AAC25, GA].
    """
    store = store_of(request)
    flow_id = path_id(request)
    require_access(request, flow_id)
    store.flow(flow_id)
    body = await json_object(request)
    flow = store.copy_flow(
        flow_id,
        name=_text(body, "name"),
        description=_text(body, "description"),
        copy_datasets=body.get("copyDatasources") is True,
        user_id=user_id_of(request),
    )
    return JSONResponse(flow_body(flow), status_code=201)


async def delete(request: Request) -> Response:
    """DELETE: 204 by the general rule [P: AAC25]."""
    flow_id = path_id(request)
    require_access(request, flow_id)
    store_of(request).delete_flow(flow_id, user_id_of(request))
    return Response(status_code=204)


def _text(body: dict[str, Any], key: str) -> str:
    text = body.get(key)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise ValidationError(f"{key} must be a string, not {text!r}")
    return text.strip()


ENDPOINTS = (
    Endpoint("POST", "/v4/flows", "createFlow", create),
    Endpoint("POST", "/v4/flows/{id}/copy", "copyFlow", copy),
    Endpoint("DELETE", "/v4/flows/{id}", "deleteFlow", delete),
)
