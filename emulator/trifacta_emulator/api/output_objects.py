"""``/v4/outputObjects``: the outputs of flows, and the numbers of rows of lists that have no other
call here.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.answers import LATEST_SHAPE, output_row
from trifacta_emulator.api.endpoint import Endpoint, context_of, person_of
from trifacta_emulator.api.people import has_access
from trifacta_emulator.api.query import count_answer, list_answer
from trifacta_emulator.api.recipes import stamp_of
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.state.recipes import home_of_flow


async def list_all(request: Request) -> Response:
    """GET the outputs of the flows that the caller has access to [P: SAA], newest first: our choice
    [?].

    The node is ``flowNode`` in 7.1 [P: SAA] and ``flownode`` in the description of 2025 [P: AAC25].
    """
    rows = _rows(request)
    if context_of(request).store.state.product.release < LATEST_SHAPE:
        for row in rows:
            row["flowNode"] = row.pop("flownode")
    return JSONResponse(list_answer(rows, request.query_params, filter_field="execution"))


async def count(request: Request) -> Response:
    """GET the number of outputs in the list [P: AYX]."""
    return count_answer(_rows(request))


async def count_settings(request: Request) -> Response:
    """GET the number of settings of files that outputs write [P: AYX]."""
    outputs = {row["id"] for row in _rows(request)}
    flows = context_of(request).store.state.flows.listed()
    settings = {
        row["id"]: row["outputObjectId"] for flow in flows for row in flow.tables["writesettings"]
    }
    return count_answer([one for one in settings.values() if one in outputs])


async def count_schedules(_: Request) -> Response:
    """GET the number of schedules [P: AYX]. There are none here [?]."""
    return count_answer(())


def _rows(request: Request) -> list[Row]:
    rows: dict[int, Row] = {}
    for flow in context_of(request).store.state.flows.listed():
        if not has_access(person_of(request), flow):
            continue
        nodes = {row["id"] for row in flow.tables["flownodes"] if row["flowId"] == flow.id}
        for row in flow.tables["outputobjects"]:
            if row["flowNodeId"] in nodes:
                rows[row["id"]] = output_row(row, stamp_of(home_of_flow(flow)))
    return sorted(rows.values(), key=lambda row: int(row["id"]), reverse=True)


_OUTPUTS = "/v4/outputObjects"
ENDPOINTS = (
    Endpoint("GET", _OUTPUTS, "listOutputObjects", list_all),
    Endpoint("GET", f"{_OUTPUTS}/count", "countOutputObjects", count),
    Endpoint("GET", "/v4/writeSettings/count", "countWriteSettings", count_settings),
    Endpoint("GET", "/v4/schedules/count", "countSchedules", count_schedules),
)
