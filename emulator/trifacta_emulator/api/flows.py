"""``/v4/flows``: flows of authors, and their packages."""

from __future__ import annotations

import re
from collections.abc import Collection

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.answers import flow_parts, import_answer
from trifacta_emulator.api.endpoint import (
    Context,
    Endpoint,
    context_of,
    json_object,
    path_id,
    person_of,
    uploaded_package,
)
from trifacta_emulator.api.people import PEOPLE, embed_people
from trifacta_emulator.api.query import embeds, flag, list_answer, select_fields
from trifacta_emulator.api.releases import updated_body
from trifacta_emulator.clock import iso, iso_or_none
from trifacta_emulator.errors import AccessError, MissingObjectError, ValidationError, error_response
from trifacta_emulator.packages.definition import NEW_FLOW_DEFINITION, Row, Tables
from trifacta_emulator.packages.imports import ImportedPackage
from trifacta_emulator.records import Flow
from trifacta_emulator.state.people import Person

_FILTERS = ("owned", "shared", "all")
#: Embeds of a flow that clients use [P: AAC25, NZ]. The product has more.
_EMBEDS = (*PEOPLE, "flowNodes", "flowNodes.recipe", "flowEdges")
#: From here on the list shows the caller's own flows only. The real release of that change is not known [?].
_OWN_FLOWS = (7, 0, 0)


async def list_all(request: Request) -> Response:
    """GET the flows that the caller has access to, newest first [R: D64]. Flows of releases are left out [?].

    ``flowFilter`` chooses among them [R: D64]. In later releases it is ``flowsFilter``, and without it the list holds
    the caller's own [P: NZ].
    """
    context, params = context_of(request), request.query_params
    usual = "owned" if context.store.state.product.release >= _OWN_FLOWS else "all"
    kind = params.get("flowsFilter", params.get("flowFilter", usual))
    if kind not in _FILTERS:
        raise ValidationError(f"flowsFilter must be one of {', '.join(_FILTERS)}, not {kind!r}")
    wanted, with_deleted = embeds(params, "flows", _EMBEDS), flag(params, "includeDeleted")
    me = person_of(request)
    rows = [
        _embedded(context, _body(row, deleted_at=with_deleted), row.tables, wanted)
        for row in context.store.state.flows.listed(include_deleted=with_deleted)
        if has_access(me, row) and (kind == "all" or (row.creator == me.id) == (kind == "owned"))
    ]
    return JSONResponse(list_answer(rows, params))


async def read(request: Request) -> Response:
    """GET one that the caller has access to [R: D64].

    The flow of a release can be read too, by the id that its import answered: our choice [?].
    """
    context, params = context_of(request), request.query_params
    wanted, with_deleted = embeds(params, "flows", _EMBEDS), flag(params, "includeDeleted")
    try:
        flow = accessible_flow(request, include_deleted=with_deleted)
        body, tables = _body(flow, deleted_at=with_deleted), flow.tables
    except MissingObjectError as error:
        if error.reason == "deleted":
            raise
        row, imported = context.store.released_flow(path_id(request))
        body = _written(row, iso(imported.at), iso(imported.at), imported.user_id, imported.user_id)
        tables = imported.tables
    [body] = select_fields([_embedded(context, body, tables, wanted)], params)
    return JSONResponse(body)


async def update(request: Request) -> Response:
    """PATCH name and description; only the owner may [R: D64]. The page has no body of the answer ("None")."""
    context, flow = context_of(request), accessible_flow(request)
    person = person_of(request)
    if flow.creator != person.id:
        raise AccessError.to("flows", flow.id)
    body = await json_object(request)
    if not body:
        raise ValidationError("name or description is required")
    for field, value in body.items():
        if field not in ("name", "description") or not isinstance(value, str):
            raise ValidationError(f"{field}: only name and description can be changed, and they are strings")
    changed = context.store.edit_flow(flow.id, **body, user_id=person.id)
    return JSONResponse(updated_body(changed)) if context.options.flow_patch_body == "short" else Response()


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


async def import_package(request: Request) -> Response:
    """POST a package, which becomes ordinary flows [R: D64, D68 Flows Package Post].

    ``folderId``, ``connectionIdMapping`` and ``environmentParameterMapping`` are accepted but ignored: our choice [?].
    """
    context = context_of(request)
    package = await uploaded_package(request)
    made = context.store.import_flow(package, person_of(request).id)
    return JSONResponse(_answer(context, made), status_code=201)


async def import_dry_run(request: Request) -> Response:
    """POST to ``package/dryRun``: the same with 200, and nothing is kept [R: D60 Flows Package Post DryRun v4].

    Errors are those of a release's dry run [I].
    """
    context = context_of(request)
    try:
        made = context.store.preview_flow(await uploaded_package(request), person_of(request).id)
    except ValidationError as error:
        if context.options.dry_run_errors == "status":
            raise
        return error_response(error, 200)
    return JSONResponse(_answer(context, made))


def _answer(context: Context, made: ImportedPackage) -> Row:
    product = context.store.state.product
    answer = import_answer(made, product)
    if product.release < NEW_FLOW_DEFINITION:
        # The page of 6.0 shows only this and the rule changes [R: D60]. The rest is our choice [?].
        names = {row["id"]: row["name"] for row in made.tables["flows"]}
        answer["flowName"] = names[made.primary_flow_ids[0]]
    return answer


def _exportable(request: Request) -> tuple[Context, Flow]:
    context, flow = context_of(request), accessible_flow(request)
    if not context.options.export_enabled:
        raise AccessError("Export is disabled in this workspace")
    return context, flow


def has_access(person: Person, flow: Flow) -> bool:
    """Tell whether a person may read, run and export a flow.

    An administrator may do that with each flow [M]. Other users need to own it, or it is shared with them [R: D64].

    :param person: the caller
    :param flow: the flow
    """
    return person.is_admin or flow.visible_to(person.id)


def accessible_flow(request: Request, *, include_deleted: bool = False) -> Flow:
    """Find the flow of the path.

    :param request: the request
    :param include_deleted: also find a deleted one
    :raises MissingObjectError: unknown or deleted
    :raises AccessError: the caller has no access to it [R: D64]
    """
    find = context_of(request).store.state.flows
    found = (find.read if request.method == "GET" else find.find)(path_id(request), include_deleted=include_deleted)
    if not has_access(person_of(request), found):
        raise AccessError.to("flows", found.id)
    return found


def _embedded(context: Context, body: Row, tables: Tables, wanted: Collection[str]) -> Row:
    body |= flow_parts(body, tables, wanted)
    return embed_people(context, body, wanted)


def _body(flow: Flow, *, deleted_at: bool = False) -> Row:
    body = _written(flow.row, iso(flow.created_at), iso(flow.updated_at), flow.creator, flow.updater)
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
    Endpoint("POST", "/v4/flows/package", "importFlowPackage", import_package),
    Endpoint("POST", "/v4/flows/package/dryRun", "importFlowPackageDryRun", import_dry_run),
    Endpoint("GET", "/v4/flows/{id}", "getFlow", read),
    Endpoint("PATCH", "/v4/flows/{id}", "patchFlow", update),
    Endpoint("GET", _PACKAGE, "getFlowPackage", export, produces="application/zip"),
    Endpoint("GET", f"{_PACKAGE}/dryRun", "getFlowPackageDryRun", export_dry_run),
)
