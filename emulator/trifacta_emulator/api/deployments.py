"""``/v4/deployments``: containers of releases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import (
    Context,
    Endpoint,
    context_of,
    json_object,
    path_id,
    person_of,
)
from trifacta_emulator.api.people import PEOPLE, embed_people
from trifacta_emulator.api.query import (
    embedded_list,
    embeds,
    flag,
    list_answer,
    paging,
    select_fields,
)
from trifacta_emulator.api.releases import deployment_body, release_body, release_rows, updated_body
from trifacta_emulator.errors import ValidationError
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.records import Deployment


async def create(request: Request) -> Response:
    """POST: the body is ``{"name": ...}`` [P: GR], the answer [I]."""
    context = context_of(request)
    name = _name(await json_object(request))
    deployment = context.store.create_deployment(name, person_of(request).id)
    counts = _counts(context, deployment) if context.options.counts_on_create else {}
    return JSONResponse(deployment_body(deployment, counts), status_code=201)


async def list_all(request: Request) -> Response:
    """GET: accessible deployments, newest first [R: VS-143186630]. Here every user can
    access all.
    """
    context, params = context_of(request), request.query_params
    with_deleted = flag(params, "includeDeleted")
    wanted = embeds(params, "deployments", _associations(context))
    rows = [
        _embedded(context, row, wanted, with_deleted=with_deleted)
        for row in context.store.state.deployments.listed(include_deleted=with_deleted)
        if params.get("deploymentId") in (None, str(row.id))
    ]
    return JSONResponse(list_answer(rows, params))


async def read(request: Request) -> Response:
    """GET one, with ``embed=releases`` [R: D64 API Deployments Get Release List v4]."""
    context, params = context_of(request), request.query_params
    with_deleted = flag(params, "includeDeleted")
    deployment = context.store.state.deployments.read(
        path_id(request), include_deleted=with_deleted
    )
    wanted = embeds(params, "deployments", _associations(context))
    if "releases" in wanted and context.options.embed_paging and not wanted["releases"]:
        # The page says that limit and offset page the releases; we are not sure [?].
        page = paging(params)
        limit = {} if page.limit is None else {"limit": str(page.limit)}
        wanted["releases"] = {"offset": str(page.offset), **limit}
    whole = _embedded(context, deployment, wanted, with_deleted=with_deleted)
    [body] = select_fields([whole], params)
    return JSONResponse(body)


async def rename(request: Request) -> Response:
    """PATCH the name. The short answer is [I]."""
    context, deployment_id = context_of(request), path_id(request)
    context.store.deployment(deployment_id)
    name = _name(await json_object(request))
    renamed = context.store.rename_deployment(deployment_id, name, person_of(request).id)
    return JSONResponse(updated_body(renamed))


async def delete(request: Request) -> Response:
    """Soft-DELETE it with its releases [M]; 204 by the general rule [P: AAC25]."""
    context_of(request).store.delete_deployment(path_id(request), person_of(request).id)
    return Response(status_code=204)


def _associations(context: Context) -> tuple[str, ...]:
    # Whether releases can be embedded is for the options to decide.
    return PEOPLE if context.options.release_list == "plain" else ("releases", *PEOPLE)


def _embedded(
    context: Context,
    deployment: Deployment,
    wanted: Mapping[str, Mapping[str, str]],
    *,
    with_deleted: bool,
) -> Row:
    body = deployment_body(deployment, _counts(context, deployment), deleted_at=with_deleted)
    if "releases" in wanted:
        rows = release_rows(context, deployment.id, with_deleted=with_deleted)
        body["releases"] = embedded_list(rows, wanted["releases"])
    return embed_people(context, body, wanted)


def _name(body: dict[str, Any]) -> str:
    name = body.get("name")
    # A name is required: our choice [?].
    if not isinstance(name, str) or not name.strip():
        raise ValidationError("name: a non-empty string is required")
    return name


def _counts(context: Context, deployment: Deployment) -> Row:
    releases = context.store.releases(deployment.id)
    # latestRelease is null without releases [R: VS-143186630]. Otherwise it is an object or an id
    # [?].
    latest: Row | int | None = None
    if releases:
        keys = ("id", "notes", "packageUuid", "active", "createdAt", "updatedAt")
        body = release_body(context.options, releases[-1])
        latest = (
            {key: body[key] for key in keys}
            if context.options.latest_release == "object"
            else body["id"]
        )
    return {"numReleases": len(releases), "latestRelease": latest}


ENDPOINTS = (
    Endpoint("POST", "/v4/deployments", "createDeployment", create, deployments=True),
    Endpoint("GET", "/v4/deployments", "listDeployments", list_all, deployments=True),
    Endpoint("GET", "/v4/deployments/{id}", "getDeployment", read, deployments=True),
    Endpoint("PATCH", "/v4/deployments/{id}", "patchDeployment", rename, deployments=True),
    Endpoint("DELETE", "/v4/deployments/{id}", "deleteDeployment", delete, deployments=True),
)
