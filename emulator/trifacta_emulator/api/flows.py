"""``/v4/flows``: flows of authors, and their packages."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import Context, Endpoint, context_of, path_id, person_of
from trifacta_emulator.api.query import embeds, flag, list_answer, select_fields
from trifacta_emulator.api.recipes import flow_embeds
from trifacta_emulator.clock import iso, iso_or_none
from trifacta_emulator.errors import ApiError, MissingObjectError, ValidationError
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.records import Flow

_FILTERS = ("owned", "shared", "all")
#: Embeds of a flow. Each shows no more than an id, and the product has more of them: our choice [?].
_EMBEDS = ("creator", "updater", "workspace")
_NODES = ("flowNodes", "flowNodes.recipe", "flowEdges")


async def list_all(request: Request) -> Response:
    """GET the caller's own flows, unless ``flowsFilter`` says otherwise [P: NZ]. Flows of releases are left out [?]."""
    context, params = context_of(request), request.query_params
    wanted = params.get("flowsFilter", "owned")
    if wanted not in _FILTERS:
        raise ValidationError(f"flowsFilter must be one of {', '.join(_FILTERS)}, not {wanted!r}")
    embeds(params, "flows", _EMBEDS)
    mine, with_deleted = person_of(request).id, flag(params, "includeDeleted")
    # Flows of all other users count as shared: our choice [?].
    rows = [
        flow_body(row, deleted_at=with_deleted)
        for row in context.store.flows(include_deleted=with_deleted)
        if wanted == "all" or (row.creator == mine) == (wanted == "owned")
    ]
    return JSONResponse(list_answer(rows, params))


async def read(request: Request) -> Response:
    """GET one. The flow of a release can be read too, by the id that its import answered: our choice [?]."""
    context, flow_id = context_of(request), path_id(request)
    wanted = embeds(request.query_params, "flows", (*_EMBEDS, *_NODES))
    with_deleted = flag(request.query_params, "includeDeleted")
    try:
        body = flow_body(context.store.flow(flow_id, include_deleted=with_deleted), deleted_at=with_deleted)
    except MissingObjectError as error:
        if error.reason == "deleted":
            raise
        row, imported = context.store.released_flow(flow_id)
        body = _written(row, iso(imported.at), iso(imported.at), imported.user_id, imported.user_id)
    [body] = select_fields([body], request.query_params.get("fields"))
    if set(_NODES) & set(wanted):
        body |= flow_embeds(context.store.flow_home(flow_id), wanted)
    return JSONResponse(body)


async def export(request: Request) -> Response:
    """GET the package, a ZIP [P: VC, AAC25]. Its headers are our choice [?]."""
    context, flow = _exportable(request)
    comment = request.query_params.get("comment", "")
    content = context.store.export_flow(flow.id, comment=comment, user_id=person_of(request).id)
    name = re.sub(r"[^A-Za-z0-9]+", "_", flow.name)
    headers = {"Content-Disposition": f'attachment; filename="flow_{name}.zip"'}
    return Response(content, media_type="application/zip", headers=headers)


async def export_dry_run(request: Request) -> Response:
    """GET to ``package/dryRun``: whether the export is allowed [P: AAC25]. The answer is not known [?]."""
    _exportable(request)
    return JSONResponse({})


def _exportable(request: Request) -> tuple[Context, Flow]:
    context = context_of(request)
    flow = context.store.flow(path_id(request))
    if not context.options.export_enabled:
        raise ApiError(403, "Export is disabled in this workspace")
    return context, flow


def flow_body(flow: Flow, *, deleted_at: bool = False) -> Row:
    """Write a flow.

    :param flow: the flow
    :param deleted_at: add ``deleted_at``
    """
    body = _written(flow.row, iso(flow.created_at), iso(flow.updated_at), flow.creator, flow.updater)
    body["folder"] = {"id": flow.folder_id} if flow.folder_id else None
    if deleted_at:
        # As in the other answers to includeDeleted=true [R: D64].
        body["deleted_at"] = iso_or_none(flow.deleted_at)
    return body


def _written(row: Row, created: str, updated: str, creator: int, updater: int) -> Row:
    # [R: D60, D64 API Flows Get v4]
    return {
        "id": row["id"],
        "name": row["name"],
        "description": row.get("description"),
        "folder": None,
        "createdAt": created,
        "updatedAt": updated,
        "creator": {"id": creator},
        "updater": {"id": updater},
        "workspace": {"id": 1},
    }


_PACKAGE = "/v4/flows/{id}/package"
ENDPOINTS = (
    Endpoint("GET", "/v4/flows", "listFlows", list_all),
    Endpoint("GET", "/v4/flows/{id}", "getFlow", read),
    Endpoint("GET", _PACKAGE, "getFlowPackage", export, produces="application/zip"),
    Endpoint("GET", f"{_PACKAGE}/dryRun", "getFlowPackageDryRun", export_dry_run),
)
