"""``/emulator/...`` for tests in another process: health, calls, reset, state, and the live
release.
"""

from __future__ import annotations

from dataclasses import asdict

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import trifacta_emulator
from trifacta_emulator.api.endpoint import (
    context_of,
    json_object,
    path_id,
    store_of,
)
from trifacta_emulator.errors import ValidationError
from trifacta_emulator.state.document import read_state, write_state
from trifacta_emulator.ui.guard import check_change, check_json_change, check_read, guarded

#: A state document holds the flows of all releases.
_MOST_STATE_BYTES = 64 * 1024 * 1024


async def _health(request: Request) -> Response:
    """GET whether it serves, and what it is."""
    context = context_of(request)
    options = context.options
    return JSONResponse(
        {
            "status": "ok",
            "name": context.server.name,
            "emulator_version": trifacta_emulator.__version__,
            "product_version": options.product_version,
            "edition": options.edition,
            "instance_type": options.instance_type,
            "deployment_manager": options.has_deployments,
        }
    )


async def _calls(request: Request) -> Response:
    """GET the calls since the start or the last clearing, oldest first."""
    calls = [asdict(call) for call in list(context_of(request).calls)]
    return JSONResponse({"data": calls})


async def _clear_calls(request: Request) -> Response:
    """DELETE all calls."""
    context_of(request).calls.clear()
    return Response(status_code=204)


async def _reset(request: Request) -> Response:
    """POST: everything is again as it was at the start."""
    context_of(request).reset()
    return Response(status_code=204)


async def _state(request: Request) -> Response:
    """GET the whole state as one document."""
    context = context_of(request)
    return JSONResponse(write_state(context.store.state, context.auth))


async def _replace_state(request: Request) -> Response:
    """PUT the whole state. A document that is wrong changes nothing."""
    context = context_of(request)
    document = await json_object(request, _MOST_STATE_BYTES)
    try:
        await run_in_threadpool(read_state, document, context.store.state, context.auth)
    except ValueError as error:
        raise ValidationError(str(error)) from error
    return Response(status_code=204)


async def _change_release(request: Request) -> Response:
    """PATCH a release, as a person does on the page of the instance: ``{"active": true}``."""
    body = await json_object(request)
    if set(body) != {"active"} or not isinstance(body["active"], bool):
        raise ValidationError("active: true or false is required, and nothing else")
    store = store_of(request)
    release = store.update_release(path_id(request), active=body["active"])
    return JSONResponse({"id": release.id, "active": release.active})


_STATE = "/emulator/state"
_CALLS = "/emulator/calls"
_RELEASE = "/emulator/releases/{id:int}"
ROUTES = (
    Route("/emulator/health", _health, methods=["GET"]),
    Route(_CALLS, guarded(_calls, check_read), methods=["GET"]),
    Route(_CALLS, guarded(_clear_calls, check_json_change), methods=["DELETE"]),
    Route("/emulator/reset", guarded(_reset, check_json_change), methods=["POST"]),
    # The state shows passwords, so only who may change it may read it.
    Route(_STATE, guarded(_state, check_change), methods=["GET"]),
    Route(_STATE, guarded(_replace_state, check_change), methods=["PUT"]),
    Route(_RELEASE, guarded(_change_release, check_json_change), methods=["PATCH"]),
)
