"""``/emulator/...``: faults, run outcomes and edits of flows over HTTP. Not part of the product."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from trifacta_emulator.api.endpoint import (
    Handler,
    context_of,
    json_object,
    path_id,
    store_of,
)
from trifacta_emulator.errors import ValidationError
from trifacta_emulator.faults.matching import Fault
from trifacta_emulator.faults.waiting import WaitingKind
from trifacta_emulator.state.runs import RunOutcome
from trifacta_emulator.ui.guard import check_json_change, check_read, guarded

_LOGIN_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in</title></head>
<body><h1>Sign in</h1><form method="post">
<input name="user"><input name="password" type="password"></form></body>
</html>
"""


#: What an author may change, with the kinds of values.
_EDITS: dict[str, type] = {
    "name": str,
    "description": str,
    "dataset_path": str,
    "output_path": str,
    "adhoc_output": bool,
}


async def _add(request: Request) -> Response:
    """POST a fault."""
    body = await json_object(request)
    try:
        fault = Fault.from_json(body)
    except ValueError as error:
        raise ValidationError(str(error)) from error
    armed = context_of(request).faults.add(fault)
    return JSONResponse(armed.to_json(), status_code=201)


async def _list(request: Request) -> Response:
    """GET the faults with their counters, and with used-up ones."""
    faults = context_of(request).faults.all()
    bodies = [armed.to_json() for armed in faults]
    return JSONResponse({"data": bodies})


async def _clear(request: Request) -> Response:
    """DELETE all faults."""
    context_of(request).faults.clear()
    return Response(status_code=204)


def _finisher(kind: WaitingKind) -> Handler:
    async def finish(request: Request) -> Response:
        """POST: finish what waits. It is done before the answer."""
        items = context_of(request).faults.room.take(kind=kind)
        for item in items:
            await item.finish()
        return JSONResponse({"released": len(items)})

    return finish


async def _edit_flow(request: Request) -> Response:
    """PATCH a flow, as its author can in the UI: the fields of ``Flows.edit_flow``."""
    edits = await json_object(request)
    for name, edit in edits.items():
        kind = _EDITS.get(name)
        if kind is None or not isinstance(edit, kind):
            raise ValidationError(
                f"{name}: allowed are {', '.join(_EDITS)}; adhoc_output is a boolean, the others"
                " are strings"
            )
    flow = store_of(request).edit_flow(path_id(request), **edits)
    return JSONResponse({"id": flow.id, "name": flow.name})


async def _add_outcome(request: Request) -> Response:
    """POST an outcome of the next runs."""
    body = await json_object(request)
    try:
        outcome = RunOutcome.from_json(body)
    except ValueError as error:
        raise ValidationError(str(error)) from error
    store_of(request).runs.add(outcome)
    return JSONResponse(outcome.to_json(), status_code=201)


async def _list_outcomes(request: Request) -> Response:
    """GET the outcomes that are not used up."""
    outcomes = store_of(request).runs.waiting()
    bodies = [outcome.to_json() for outcome in outcomes]
    return JSONResponse({"data": bodies})


async def _clear_outcomes(request: Request) -> Response:
    """DELETE all outcomes."""
    store_of(request).runs.clear()
    return Response(status_code=204)


async def _login(_: Request) -> Response:
    """Show the page that ``Answer.login_redirect`` leads to, for GET and POST."""
    return HTMLResponse(_LOGIN_PAGE)


def _post(path: str, handler: Handler) -> Route:
    return _change("POST", path, handler)


def _get(path: str, handler: Handler) -> Route:
    return Route(path, guarded(handler, check_read), methods=["GET"])


def _patch(path: str, handler: Handler) -> Route:
    return _change("PATCH", path, handler)


def _delete(path: str, handler: Handler) -> Route:
    return _change("DELETE", path, handler)


def _change(method: str, path: str, handler: Handler) -> Route:
    checked = guarded(handler, check_json_change)
    return Route(path, checked, methods=[method])


ROUTES = (
    _post("/emulator/faults", _add),
    _get("/emulator/faults", _list),
    _delete("/emulator/faults", _clear),
    _patch("/emulator/flows/{id:int}", _edit_flow),
    _post("/emulator/runs", _add_outcome),
    _get("/emulator/runs", _list_outcomes),
    _delete("/emulator/runs", _clear_outcomes),
    _post("/emulator/release-held", _finisher("held")),
    _post("/emulator/commit-late", _finisher("commit")),
    _post("/emulator/activate-late", _finisher("activation")),
    Route("/login", _login, methods=["GET", "POST"]),
)
