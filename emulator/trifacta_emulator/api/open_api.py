"""``/v4/open-api-spec``: the instance describes itself."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import Endpoint, context_of
from trifacta_emulator.options import EmulatorOptions

_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}


async def spec(request: Request) -> Response:
    """GET the description: ``info.version`` is the product's version, the paths are those that are
    served.
    """
    context = context_of(request)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in context.endpoints:
        operations = paths.setdefault(endpoint.path, {})
        method = endpoint.method.lower()
        operations[method] = _operation(endpoint, context.options)
    # The vendor's title is not known [?]. Clients read info.version [P].
    info = {"title": "Trifacta API (emulated)", "version": context.options.product_version}
    return JSONResponse({"openapi": "3.0.1", "info": info, "paths": paths})


def _operation(endpoint: Endpoint, options: EmulatorOptions) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.operation,
        "responses": _responses(endpoint.operation, options),
    }
    parameters = []
    for name in re.findall(r"\{(\w+)\}", endpoint.path):
        parameters.append(_parameter(name, "path", required=True))
    if endpoint.once and options.execution_ids == "count":
        parameters.append(_parameter("x-execution-id", "header", required=False))
    if parameters:
        operation["parameters"] = parameters
    return operation


def _parameter(name: str, place: str, *, required: bool) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": required,
        "schema": _TEXT,
    }


def _responses(operation: str, options: EmulatorOptions) -> dict[str, Any]:
    """Describe the answers of an operation: those that the options decide. The vendor describes all
    [P: AAC25].
    """
    words = {"description": "see the vendor's documentation"}
    status = 200
    properties: dict[str, Any] | None = None
    if operation == "runDeployment":
        status = 201
        properties = _run_answer(options.run_answer)
    elif operation == "getJobGroup":
        states = ["Created", "InProgress", "Complete", "Failed", options.canceled_word]
        properties = {"status": {**_TEXT, "enum": states}}
    elif operation == "getJobGroupJobs":
        message = _TEXT if options.job_error_shape == "text" else {"type": "object"}
        properties = {"data": _array({"errorMessage": message})}
    elif operation == "patchFlow":
        if options.flow_patch_body == "short":
            properties = {"id": _NUMBER}
    elif operation == "cancelJobGroup":
        status = options.cancel_status
        properties = {"jobIds": {"type": "array", "items": _NUMBER}}
    else:
        return {"default": words}
    if properties is None:
        return {str(status): words}
    content = {"application/json": {"schema": _object(properties)}}
    return {str(status): {**words, "content": content}}


def _run_answer(shape: str) -> dict[str, Any]:
    element: dict[str, Any] = {
        "reason": _TEXT,
        "sessionId": _TEXT,
        "id": _NUMBER,
    }
    if shape != "v4":
        jobs = _array({"id": _NUMBER})
        element["jobs"] = _object({"data": jobs})
    if shape != "flow_run":
        return {"data": _array(element)}
    element["flowRun"] = _object({"id": _NUMBER})
    return {"flowRunId": _NUMBER, "data": _array(element)}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _array(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": _object(properties)}


ENDPOINTS = (Endpoint("GET", "/v4/open-api-spec", "getOpenApiSpec", spec),)
