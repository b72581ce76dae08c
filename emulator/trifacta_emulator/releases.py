"""``/v4/releases`` and ``/v4/deployments/:id/releases``: imported packages, one of them active."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.bodies import deployment_body, release_body, updated_body
from trifacta_emulator.endpoint import (
    Context,
    Endpoint,
    context_of,
    json_object,
    path_id,
    person_of,
)
from trifacta_emulator.errors import ValidationError, error_response
from trifacta_emulator.fault_middleware import ACTIVATE_LATER
from trifacta_emulator.import_answers import import_answer
from trifacta_emulator.package_reader import Row
from trifacta_emulator.query import embeds, flag, list_answer, select_fields
from trifacta_emulator.uploads import uploaded_package
from trifacta_emulator.versions import parse_version


async def create(request: Request) -> Response:
    """POST a package as multipart part ``data``: a new, active release [R: SEED]."""
    context, deployment_id = context_of(request), path_id(request)
    context.store.deployment(deployment_id)
    package = await uploaded_package(request)
    # One step under the store's lock: concurrent uploads never leave two active releases.
    activate_later = request.scope["state"].get(ACTIVATE_LATER)
    release = context.store.create_release(
        deployment_id, package, person_of(request).id, activate=activate_later is None
    )
    if activate_later is not None:
        activate_later(release.id)
    answer = import_answer(release.imported, parse_version(context.options.product_version))
    answer["release"] = release_body(context, release)
    return JSONResponse(answer, status_code=201)


async def dry_run(request: Request) -> Response:
    """
    POST to ``dryRun``: the same list of objects, 200, nothing kept [R: D64]; without ``release`` (our choice).

    Errors are "reported in the response" [R: D64], as a status or in a 200 [?]: the options decide about those of
    the package and of the rules.
    """
    context, deployment_id = context_of(request), path_id(request)
    context.store.deployment(deployment_id)
    try:
        package = await uploaded_package(request)
        imported = context.store.preview_import(deployment_id, package, person_of(request).id)
    except ValidationError as error:
        if context.options.dry_run_errors == "status":
            raise
        return error_response(error, 200)
    return JSONResponse(import_answer(imported, parse_version(context.options.product_version)))


async def list_all(request: Request) -> Response:
    """GET ``/v4/releases?deploymentId=`` [R: D64]."""
    context, params = context_of(request), request.query_params
    text = params.get("deploymentId")
    if text is None and context.options.releases_need_deployment_id:
        raise ValidationError("deploymentId is required")
    if text is not None and not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise ValidationError(f"deploymentId must be a number, not {text!r}")
    rows = _rows(context, None if text is None else int(text), with_deleted=flag(params, "includeDeleted"))
    return JSONResponse(list_answer(rows, params, filter_field="notes"))


async def list_of_deployment(request: Request) -> Response:
    """GET ``/v4/deployments/:id/releases`` [M]: served only when the options say so."""
    context, params = context_of(request), request.query_params
    with_deleted = flag(params, "includeDeleted")
    deployment = context.store.deployment(path_id(request), include_deleted=with_deleted)
    rows = _rows(context, deployment.id, with_deleted=with_deleted)
    return JSONResponse(list_answer(rows, params, filter_field="notes"))


async def read(request: Request) -> Response:
    """GET one [R: VS-143186685]."""
    context, params = context_of(request), request.query_params
    with_deleted = flag(params, "includeDeleted")
    release = context.store.release(path_id(request), include_deleted=with_deleted)
    wanted = embeds(params, "releases", ("deployment",))
    [body] = select_fields([release_body(context, release, deleted_at=with_deleted)], params.get("fields"))
    if "deployment" in wanted:
        deployment = context.store.deployment(release.deployment_id, include_deleted=True)
        body["deployment"] = deployment_body(context, deployment, counts=False)
    return JSONResponse(body)


async def update(request: Request) -> Response:
    """PATCH ``{"active": true|false}`` [R: D60 API Releases Patch v4]; ``notes`` too [I]."""
    context, release_id = context_of(request), path_id(request)
    context.store.release(release_id)
    body = await json_object(request)
    active, notes = body.get("active"), body.get("notes")
    if not {"active", "notes"} & body.keys():
        raise ValidationError("active (or notes) is required")
    if "active" in body and not isinstance(active, bool):
        raise ValidationError(f"active must be true or false, not {active!r}")
    if "notes" in body and not isinstance(notes, str):
        raise ValidationError(f"notes must be a string, not {notes!r}")
    release = context.store.update_release(release_id, active=active, notes=notes, user_id=person_of(request).id)
    return JSONResponse(updated_body(release))


async def delete(request: Request) -> Response:
    """DELETE, softly [I]; of the active one too unless the options refuse it [?]."""
    context_of(request).store.delete_release(path_id(request), person_of(request).id)
    return Response(status_code=204)


def _rows(context: Context, deployment_id: int | None, *, with_deleted: bool) -> list[Row]:
    rows = [
        release_body(context, row, deleted_at=with_deleted)
        for row in context.store.releases(deployment_id, include_deleted=with_deleted)
    ]
    return rows[::-1] if context.options.releases_order == "newest" else rows


_OF_DEPLOYMENT = "/v4/deployments/{id}/releases"
ENDPOINTS = (
    Endpoint("POST", _OF_DEPLOYMENT, "createRelease", create, deployments=True),
    Endpoint("POST", f"{_OF_DEPLOYMENT}/dryRun", "createReleaseDryRun", dry_run, deployments=True),
    Endpoint(
        "GET",
        _OF_DEPLOYMENT,
        "listReleasesForDeployment",
        list_of_deployment,
        deployments=True,
        option="list_releases_route",
    ),
    Endpoint("GET", "/v4/releases", "listReleases", list_all, deployments=True),
    Endpoint("GET", "/v4/releases/{id}", "getRelease", read, deployments=True),
    Endpoint("PATCH", "/v4/releases/{id}", "patchRelease", update, deployments=True),
    Endpoint("DELETE", "/v4/releases/{id}", "deleteRelease", delete, deployments=True),
)
