"""``/v4/flows``: flows of authors, and their packages."""

from __future__ import annotations

import re
from collections.abc import Collection

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import (
    Context,
    Endpoint,
    context_of,
    json_object,
    path_id,
    person_of,
    store_of,
    user_id_of,
)
from trifacta_emulator.api.people import PEOPLE, embed_people, has_access, require_access
from trifacta_emulator.api.query import embeds, flag, list_answer, select_fields
from trifacta_emulator.api.recipes import flow_embeds
from trifacta_emulator.api.releases import updated_body
from trifacta_emulator.clock import iso, iso_or_none
from trifacta_emulator.errors import AccessError, MissingObjectError, ValidationError
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.records import Flow, Home
from trifacta_emulator.state.people import Person
from trifacta_emulator.state.recipes import home_of_flow

_FILTERS = ("owned", "shared", "all")
#: Embeds of a flow that clients use [P: AAC25, NZ]. The product has more.
_EMBEDS = (*PEOPLE, "flowNodes", "flowNodes.recipe", "flowEdges")
#: From here on the list shows the caller's own flows only. The real release of that change is not
#: known [?].
_OWN_FLOWS = (7, 0, 0)


async def list_all(request: Request) -> Response:
    """GET the flows that the caller has access to, newest first [R: D64]. Flows of releases are
    left out [?].

    ``flowFilter`` chooses among them [R: D64]. In later releases it is ``flowsFilter``, and without
    it the list holds the caller's own [P: NZ].
    """
    context = context_of(request)
    params = request.query_params
    usual = "owned" if context.store.state.product.release >= _OWN_FLOWS else "all"
    kind = params.get("flowsFilter", params.get("flowFilter", usual))
    if kind not in _FILTERS:
        raise ValidationError(f"flowsFilter must be one of {', '.join(_FILTERS)}, not {kind!r}")
    wanted = embeds(params, "flows", _EMBEDS)
    with_deleted = flag(params, "includeDeleted")
    bodies = []
    for flow in context.store.state.flows.listed(include_deleted=with_deleted):
        if _is_listed(flow, person_of(request), kind):
            body = flow_body(flow, deleted_at=with_deleted)
            bodies.append(_embedded(context, body, home_of_flow(flow), wanted))
    return JSONResponse(list_answer(bodies, params))


def _is_listed(flow: Flow, person: Person, kind: str) -> bool:
    if not has_access(person, flow):
        return False
    owned = flow.creator == person.id
    return {"all": True, "owned": owned, "shared": not owned}[kind]


async def read(request: Request) -> Response:
    """GET one that the caller has access to [R: D64].

    The flow of a release can be read too, by the id that its import answered: our choice [?].
    """
    context = context_of(request)
    params = request.query_params
    flow_id = path_id(request)
    wanted = embeds(params, "flows", _EMBEDS)
    with_deleted = flag(params, "includeDeleted")
    require_access(request, flow_id)
    try:
        flow = context.store.state.flows.read(flow_id, include_deleted=with_deleted)
        body = flow_body(flow, deleted_at=with_deleted)
        home = home_of_flow(flow)
    except MissingObjectError as error:
        if error.reason == "deleted":
            raise
        body = _released_body(context, flow_id)
        home = context.store.flow_home(flow_id)
    embedded = _embedded(context, body, home, wanted)
    [selected] = select_fields([embedded], params)
    return JSONResponse(selected)


def _released_body(context: Context, flow_id: int) -> Row:
    row, imported = context.store.released_flow(flow_id)
    at = iso(imported.at)
    return _written(row, at, at, imported.user_id, imported.user_id)


def _embedded(
    context: Context,
    body: Row,
    home: Home,
    wanted: Collection[str],
) -> Row:
    return embed_people(context, body | flow_embeds(home, wanted), wanted)


async def update(request: Request) -> Response:
    """PATCH name and description; only the owner may [R: D64]. The page has no body of the answer
    ("None").
    """
    context = context_of(request)
    flow_id = path_id(request)
    person = person_of(request)
    if context.store.flow(flow_id).creator != person.id:
        raise AccessError.to("flows", flow_id)
    body = await json_object(request)
    if not body:
        raise ValidationError("name or description is required")
    for field, text in body.items():
        if field not in ("name", "description") or not isinstance(text, str):
            raise ValidationError(
                f"{field}: only name and description can be changed, and they are strings"
            )
    flow = context.store.edit_flow(flow_id, **body, user_id=person.id)
    if context.options.flow_patch_body == "short":
        return JSONResponse(updated_body(flow))
    return Response()


async def export(request: Request) -> Response:
    """GET the package, a ZIP [P: VC, AAC25]. Its headers are our choice [?]."""
    flow = _exportable(request)
    comment = request.query_params.get("comment", "")
    store = store_of(request)
    content = store.export_flow(flow.id, comment=comment, user_id=user_id_of(request))
    name = re.sub(r"[^A-Za-z0-9]+", "_", flow.name)
    headers = {"Content-Disposition": f'attachment; filename="flow_{name}.zip"'}
    return Response(content, media_type="application/zip", headers=headers)


async def export_dry_run(request: Request) -> Response:
    """GET to ``package/dryRun``: whether the export is allowed [P: AAC25]. The answer is not known
    [?].
    """
    _exportable(request)
    return JSONResponse({})


def _exportable(request: Request) -> Flow:
    context = context_of(request)
    require_access(request, path_id(request))
    flow = context.store.flow(path_id(request))
    if not context.options.export_enabled:
        raise AccessError("Export is disabled in this workspace")
    return flow


def flow_body(flow: Flow, *, deleted_at: bool = False) -> Row:
    """Write a flow.

    :param flow: the flow
    :param deleted_at: add ``deleted_at``
    """
    created_at = iso(flow.created_at)
    updated_at = iso(flow.updated_at)
    body = _written(flow.row, created_at, updated_at, flow.creator, flow.updater)
    if flow.folder_id:
        body["folder"] = {"id": flow.folder_id}
    if deleted_at:
        # As in the other answers to includeDeleted=true [R: D64].
        body["deleted_at"] = iso_or_none(flow.deleted_at)
    return body


def _written(
    row: Row,
    created: str,
    updated: str,
    creator: int,
    updater: int,
) -> Row:
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
    Endpoint("PATCH", "/v4/flows/{id}", "patchFlow", update),
    Endpoint("GET", _PACKAGE, "getFlowPackage", export, produces="application/zip"),
    Endpoint("GET", f"{_PACKAGE}/dryRun", "getFlowPackageDryRun", export_dry_run),
)
