"""``/v4/open-api-spec``: the instance describes itself."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import Endpoint, context_of
from trifacta_emulator.options import EmulatorOptions


async def spec(request: Request) -> Response:
    """GET the description: ``info.version`` is the product's version, the paths are those that are
    served.
    """
    context = context_of(request)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in context.endpoints:
        operation: dict[str, Any] = {
            "operationId": endpoint.operation,
            "responses": _responses(endpoint.operation, context.options),
        }
        text = {"type": "string"}
        names = re.findall(r"\{(\w+)\}", endpoint.path)
        parameters: list[dict[str, Any]] = [
            {"name": name, "in": "path", "required": True, "schema": text} for name in names
        ]
        if endpoint.once and context.options.execution_ids == "count":
            parameters.append(
                {"name": "x-execution-id", "in": "header", "required": False, "schema": text}
            )
        if parameters:
            operation["parameters"] = parameters
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    # The vendor's title is not known [?]. Clients read info.version [P].
    info = {"title": "Trifacta API (emulated)", "version": context.options.product_version}
    return JSONResponse({"openapi": "3.0.1", "info": info, "paths": paths})


def _responses(operation: str, options: EmulatorOptions) -> dict[str, Any]:
    """Describe the answers of an operation: those that the options decide. The vendor describes all
    [P: AAC25].
    """
    text = {"type": "string"}
    error = text if options.job_error_shape == "text" else {"type": "object"}
    states = ["Created", "InProgress", "Complete", "Failed", options.canceled_word]
    described: dict[str, tuple[int, dict[str, Any] | None]] = {
        "runDeployment": (201, _run_answer(options.run_answer)),
        "getJobGroup": (200, {"status": {**text, "enum": states}}),
        "getJobGroupJobs": (200, {"data": _array({"errorMessage": error})}),
        "patchFlow": (
            200,
            {"id": {"type": "integer"}} if options.flow_patch_body == "short" else None,
        ),
        "cancelJobGroup": (
            options.cancel_status,
            {"jobIds": {"type": "array", "items": {"type": "integer"}}},
        ),
    }
    words = {"description": "see the vendor's documentation"}
    if operation not in described:
        return {"default": words}
    status, properties = described[operation]
    if properties is None:
        return {str(status): words}
    return {
        str(status): {**words, "content": {"application/json": {"schema": _object(properties)}}}
    }


def _run_answer(shape: str) -> dict[str, Any]:
    number = {"type": "integer"}
    element: dict[str, Any] = {
        "reason": {"type": "string"},
        "sessionId": {"type": "string"},
        "id": number,
    }
    if shape != "v4":
        element["jobs"] = _object({"data": _array({"id": number})})
    if shape == "flow_run":
        return {
            "flowRunId": number,
            "data": _array({**element, "flowRun": _object({"id": number})}),
        }
    return {"data": _array(element)}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _array(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": _object(properties)}


ENDPOINTS = (Endpoint("GET", "/v4/open-api-spec", "getOpenApiSpec", spec),)
