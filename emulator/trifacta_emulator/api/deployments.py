"""``/v4/deployments``: containers of releases."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import (
    Context,
    Endpoint,
    context_of,
    json_object,
    path_id,
    required_name,
    store_of,
    user_id_of,
)
from trifacta_emulator.api.people import PEOPLE, embed_people
from trifacta_emulator.api.query import (
    Paging,
    embedded_list,
    embeds,
    flag,
    list_answer,
    paging,
    select_fields,
)
from trifacta_emulator.api.releases import deployment_body, release_body, release_rows, updated_body
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.records import Deployment, Release


async def create(request: Request) -> Response:
    """POST: the body is ``{"name": ...}`` [P: GR], the answer [I]."""
    context = context_of(request)
    name = required_name(await json_object(request))
    deployment = context.store.create_deployment(name, user_id_of(request))
    counts: Row = {}
    if context.options.counts_on_create:
        counts = _counts(context, deployment)
    return JSONResponse(deployment_body(deployment, counts), status_code=201)


async def list_all(request: Request) -> Response:
    """GET: accessible deployments, newest first [R: VS-143186630]. Here every user can
    access all.
    """
    context = context_of(request)
    params = request.query_params
    with_deleted = flag(params, "includeDeleted")
    wanted = embeds(params, "deployments", _associations(context))
    wanted_id = params.get("deploymentId")
    bodies = []
    for deployment in context.store.state.deployments.listed(include_deleted=with_deleted):
        if wanted_id in (None, str(deployment.id)):
            body = _embedded(context, deployment, wanted, with_deleted=with_deleted)
            bodies.append(body)
    return JSONResponse(list_answer(bodies, params))


async def read(request: Request) -> Response:
    """GET one, with ``embed=releases`` [R: D64 API Deployments Get Release List v4]."""
    context = context_of(request)
    params = request.query_params
    with_deleted = flag(params, "includeDeleted")
    deployments = context.store.state.deployments
    deployment = deployments.read(path_id(request), include_deleted=with_deleted)
    wanted = embeds(params, "deployments", _associations(context))
    # Whether limit and offset page the embedded releases, as the page says, is not sure [?].
    without_options = wanted.get("releases") == {}
    if without_options and context.options.embed_paging:
        wanted["releases"] = _page_options(paging(params))
    body = _embedded(context, deployment, wanted, with_deleted=with_deleted)
    [selected] = select_fields([body], params)
    return JSONResponse(selected)


def _page_options(page: Paging) -> dict[str, str]:
    options = {"offset": str(page.offset)}
    if page.limit is not None:
        options["limit"] = str(page.limit)
    return options


async def rename(request: Request) -> Response:
    """PATCH the name. The short answer is [I]."""
    store = store_of(request)
    deployment_id = path_id(request)
    # An unknown deployment is a 404, also with a wrong body.
    store.deployment(deployment_id)
    name = required_name(await json_object(request))
    renamed = store.rename_deployment(deployment_id, name, user_id_of(request))
    return JSONResponse(updated_body(renamed))


async def delete(request: Request) -> Response:
    """Soft-DELETE it with its releases [M]; 204 by the general rule [P: AAC25]."""
    store_of(request).delete_deployment(path_id(request), user_id_of(request))
    return Response(status_code=204)


def _associations(context: Context) -> tuple[str, ...]:
    # Whether releases can be embedded is for the options to decide.
    if context.options.release_list == "plain":
        return PEOPLE
    return ("releases", *PEOPLE)


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


def _counts(context: Context, deployment: Deployment) -> Row:
    releases = context.store.releases(deployment.id)
    latest: Row | int | None = None
    # latestRelease is null without releases [R: VS-143186630]. Otherwise it is an object or an id
    # [?].
    if releases:
        latest = releases[-1].id
        if context.options.latest_release == "object":
            latest = _latest_release(context, releases[-1])
    return {"numReleases": len(releases), "latestRelease": latest}


def _latest_release(context: Context, release: Release) -> Row:
    body = release_body(context.options, release)
    for reference in ("deployment", "creator", "updater"):
        del body[reference]
    return body


_DEPLOYMENTS = "/v4/deployments"
_DEPLOYMENT = "/v4/deployments/{id}"
ENDPOINTS = (
    Endpoint("POST", _DEPLOYMENTS, "createDeployment", create, deployments=True),
    Endpoint("GET", _DEPLOYMENTS, "listDeployments", list_all, deployments=True),
    Endpoint("GET", _DEPLOYMENT, "getDeployment", read, deployments=True),
    Endpoint("PATCH", _DEPLOYMENT, "patchDeployment", rename, deployments=True),
    Endpoint("DELETE", _DEPLOYMENT, "deleteDeployment", delete, deployments=True),
)
