"""``/v4/open-api-spec``: the instance describes itself."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import Endpoint, context_of


async def spec(request: Request) -> Response:
    """GET the description: ``info.version`` is the product's version, the paths are those that are served."""
    context = context_of(request)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in context.endpoints:
        operation: dict[str, Any] = {
            "operationId": endpoint.operation,
            "responses": {"default": {"description": "see the vendor's documentation"}},
        }
        text = {"type": "string"}
        names = re.findall(r"\{(\w+)\}", endpoint.path)
        parameters: list[dict[str, Any]] = [
            {"name": name, "in": "path", "required": True, "schema": text} for name in names
        ]
        if endpoint.once and context.options.execution_ids == "count":
            parameters.append({"name": "x-execution-id", "in": "header", "required": False, "schema": text})
        if parameters:
            operation["parameters"] = parameters
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    # The vendor's title is not known [?]. Clients read info.version [P].
    info = {"title": "Trifacta API (emulated)", "version": context.options.product_version}
    return JSONResponse({"openapi": "3.0.1", "info": info, "paths": paths})


ENDPOINTS = (Endpoint("GET", "/v4/open-api-spec", "getOpenApiSpec", spec),)
