"""``/v4/outputObjects``: the outputs of flows, and counts of lists that have no other call here."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.answers import LATEST_SHAPE, output_row
from trifacta_emulator.api.endpoint import (
    Endpoint,
    person_of,
    store_of,
)
from trifacta_emulator.api.people import has_access
from trifacta_emulator.api.query import count_answer, list_answer
from trifacta_emulator.api.recipes import stamp_of
from trifacta_emulator.packages.definition import Row, ids_of, rows_among, rows_where
from trifacta_emulator.state.recipes import home_of_flow


async def list_all(request: Request) -> Response:
    """GET the outputs of the flows that the caller has access to [P: SAA], newest first: our choice
    [?].

    The node is ``flowNode`` in 7.1 [P: SAA] and ``flownode`` in the description of 2025 [P: AAC25].
    """
    outputs = _outputs(request)
    product = store_of(request).state.product
    if product.release < LATEST_SHAPE:
        for output in outputs:
            output["flowNode"] = output.pop("flownode")
    answer = list_answer(outputs, request.query_params, filter_field="execution")
    return JSONResponse(answer)


async def count(request: Request) -> Response:
    """GET the number of outputs in the list [P: AYX]."""
    return count_answer(_outputs(request))


async def count_settings(request: Request) -> Response:
    """GET the number of settings of files that outputs write [P: AYX]."""
    output_ids = ids_of(_outputs(request))
    # Flows of one package share their tables, so a setting can come more than once.
    setting_ids = set()
    for flow in store_of(request).state.flows.listed():
        settings = rows_among(flow.tables["writesettings"], "outputObjectId", output_ids)
        setting_ids |= ids_of(settings)
    return count_answer(setting_ids)


async def count_schedules(_: Request) -> Response:
    """GET the number of schedules [P: AYX]. There are none here [?]."""
    return count_answer(())


def _outputs(request: Request) -> list[Row]:
    """Write the outputs of the flows that lists show to the caller, newest first."""
    person = person_of(request)
    outputs: dict[int, Row] = {}
    for flow in store_of(request).state.flows.listed():
        if not has_access(person, flow):
            continue
        tables = flow.tables
        stamp = stamp_of(home_of_flow(flow))
        nodes = rows_where(tables["flownodes"], "flowId", flow.id)
        for output in rows_among(tables["outputobjects"], "flowNodeId", ids_of(nodes)):
            outputs[output["id"]] = output_row(output, stamp)
    newest_first = sorted(outputs, reverse=True)
    return [outputs[output_id] for output_id in newest_first]


_OUTPUTS = "/v4/outputObjects"
ENDPOINTS = (
    Endpoint("GET", _OUTPUTS, "listOutputObjects", list_all),
    Endpoint("GET", f"{_OUTPUTS}/count", "countOutputObjects", count),
    Endpoint("GET", "/v4/writeSettings/count", "countWriteSettings", count_settings),
    Endpoint("GET", "/v4/schedules/count", "countSchedules", count_schedules),
)
