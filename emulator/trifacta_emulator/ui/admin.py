"""``/emulator/...``: faults, run outcomes and edits of flows over HTTP. Not part of the product."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from trifacta_emulator.api.endpoint import Handler, context_of, json_object, path_id
from trifacta_emulator.errors import ValidationError
from trifacta_emulator.faults.matching import Fault
from trifacta_emulator.faults.waiting import WaitingKind
from trifacta_emulator.state.runs import RunOutcome
from trifacta_emulator.ui.guard import change, reading

_LOGIN_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in</title></head>
<body><h1>Sign in</h1><form method="post">
<input name="user"><input name="password" type="password"></form></body>
</html>
"""


async def _add(request: Request) -> Response:
    """POST a fault."""
    body = await json_object(request)
    try:
        fault = Fault.from_json(body)
    except ValueError as error:
        raise ValidationError(str(error)) from error
    return JSONResponse(context_of(request).faults.add(fault).to_json(), status_code=201)


async def _list(request: Request) -> Response:
    """GET the faults with their counters, and with used-up ones."""
    return JSONResponse({"data": [armed.to_json() for armed in context_of(request).faults.all()]})


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
    """PATCH a flow, as its author can in the UI: the fields of ``Flows.edit``."""
    body = await json_object(request)
    kinds = {
        "name": str,
        "description": str,
        "dataset_path": str,
        "output_path": str,
        "adhoc_output": bool,
    }
    for name, value in body.items():
        if name not in kinds or not isinstance(value, kinds[name]):
            raise ValidationError(
                f"{name}: allowed are {', '.join(kinds)}; adhoc_output is a boolean, the others are"
                " strings"
            )
    flow = context_of(request).store.edit_flow(path_id(request), **body)
    return JSONResponse({"id": flow.id, "name": flow.name})


async def _add_outcome(request: Request) -> Response:
    """POST an outcome of the next runs."""
    try:
        outcome = RunOutcome.from_json(await json_object(request))
    except ValueError as error:
        raise ValidationError(str(error)) from error
    context_of(request).store.runs.add(outcome)
    return JSONResponse(outcome.to_json(), status_code=201)


async def _list_outcomes(request: Request) -> Response:
    """GET the outcomes that are not used up."""
    return JSONResponse(
        {"data": [one.to_json() for one in context_of(request).store.runs.waiting()]}
    )


async def _clear_outcomes(request: Request) -> Response:
    """DELETE all outcomes."""
    context_of(request).store.runs.clear()
    return Response(status_code=204)


async def _login(_: Request) -> Response:
    """Show the page that ``Answer.login_redirect`` leads to, for GET and POST."""
    return HTMLResponse(_LOGIN_PAGE)


ROUTES = (
    Route("/emulator/faults", change(_add), methods=["POST"]),
    Route("/emulator/faults", reading(_list), methods=["GET"]),
    Route("/emulator/faults", change(_clear), methods=["DELETE"]),
    Route("/emulator/flows/{id:int}", change(_edit_flow), methods=["PATCH"]),
    Route("/emulator/runs", change(_add_outcome), methods=["POST"]),
    Route("/emulator/runs", reading(_list_outcomes), methods=["GET"]),
    Route("/emulator/runs", change(_clear_outcomes), methods=["DELETE"]),
    Route("/emulator/release-held", change(_finisher("held")), methods=["POST"]),
    Route("/emulator/commit-late", change(_finisher("commit")), methods=["POST"]),
    Route("/emulator/activate-late", change(_finisher("activation")), methods=["POST"]),
    Route("/login", _login, methods=["GET", "POST"]),
)
