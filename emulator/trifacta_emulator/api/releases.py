"""``/v4/releases`` and ``/v4/deployments/:id/releases``: imported packages, at most one of them
active.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.answers import import_answer
from trifacta_emulator.api.endpoint import (
    Context,
    Endpoint,
    context_of,
    json_object,
    path_id,
    store_of,
    uploaded_package,
    user_id_of,
)
from trifacta_emulator.api.people import PEOPLE, embed_people
from trifacta_emulator.api.query import embeds, flag, list_answer, number_or_none, select_fields
from trifacta_emulator.clock import iso, iso_or_none
from trifacta_emulator.errors import ValidationError, error_response
from trifacta_emulator.faults.middleware import ACTIVATE_LATER, PAUSE_IMPORT
from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.records import Deployment, Flow, Release

#: Seconds between a release and the rows of its package [P: SEED].
_ROWS_LATER = 0.24
_EMBEDS = ("deployment", *PEOPLE)


async def create(request: Request) -> Response:
    """POST a package as multipart part ``data``: a new, active release [R: SEED]."""
    store = store_of(request)
    options = context_of(request).options
    user_id = user_id_of(request)
    deployment_id = path_id(request)
    # An unknown deployment is a 404, without a look at the package.
    store.deployment(deployment_id)
    package = await uploaded_package(request)
    activate_later = request.scope["state"].get(ACTIVATE_LATER)
    announced = None
    if options.release_row == "before_import":
        announced = store.announce_release(deployment_id, package, user_id)
    try:
        await _pause(request, seconds=_ROWS_LATER if announced else 0)
        # One call, so that concurrent uploads never leave two active releases.
        release = store.create_release(
            deployment_id,
            package,
            user_id,
            activate=activate_later is None,
            announced=announced,
        )
    except BaseException:
        if announced:
            store.withdraw_release(announced.id)
        raise
    if activate_later is not None:
        activate_later(release.id)
    answer = import_answer(release.imported, store.state.product)
    answer["release"] = release_body(options, release)
    return JSONResponse(answer, status_code=201)


async def _pause(request: Request, seconds: float) -> None:
    """Wait between the release and the rows of its package: for a fault, and as long as the product
    takes.
    """
    pause = request.scope["state"].get(PAUSE_IMPORT)
    if pause is not None:
        await pause()
    elif seconds:
        await asyncio.sleep(seconds)


async def dry_run(request: Request) -> Response:
    """POST to ``dryRun``: the same list of objects with 200, and nothing is kept [R: D64].

    The answer has no ``release``: our choice [?]. Errors are "reported in the response" [R: D64].
    Whether as a status or in a 200 is not known [?], so the options decide.
    """
    context = context_of(request)
    deployment_id = path_id(request)
    context.store.deployment(deployment_id)
    try:
        package = await uploaded_package(request)
        imported = context.store.preview_import(deployment_id, package, user_id_of(request))
    except ValidationError as error:
        if context.options.dry_run_errors == "status":
            raise
        return error_response(error, 200)
    return JSONResponse(import_answer(imported, context.store.state.product))


async def list_all(request: Request) -> Response:
    """GET ``/v4/releases?deploymentId=`` [R: D64]."""
    deployment_id = number_or_none(request.query_params, "deploymentId")
    if deployment_id is None and context_of(request).options.releases_need_deployment_id:
        raise ValidationError("deploymentId is required")
    with_deleted = flag(request.query_params, "includeDeleted")
    return _listed(request, deployment_id, with_deleted=with_deleted)


async def list_of_deployment(request: Request) -> Response:
    """GET ``/v4/deployments/:id/releases`` [M]; it exists only if the options say so."""
    with_deleted = flag(request.query_params, "includeDeleted")
    store = store_of(request)
    deployment = store.deployment(path_id(request), include_deleted=with_deleted)
    return _listed(request, deployment.id, with_deleted=with_deleted)


async def read(request: Request) -> Response:
    """GET one [R: VS-143186685]."""
    context = context_of(request)
    params = request.query_params
    with_deleted = flag(params, "includeDeleted")
    release = context.store.state.releases.read(path_id(request), include_deleted=with_deleted)
    body = release_body(context.options, release, deleted_at=with_deleted)
    embedded = _embedded(context, body, params)
    [selected] = select_fields([embedded], params)
    return JSONResponse(selected)


async def update(request: Request) -> Response:
    """PATCH ``{"active": true|false}`` [R: D60 API Releases Patch v4], and ``notes`` [I]."""
    store = store_of(request)
    release_id = path_id(request)
    store.release(release_id)
    body = await json_object(request)
    active = body.get("active")
    notes = body.get("notes")
    if not {"active", "notes"} & body.keys():
        raise ValidationError("active (or notes) is required")
    if "active" in body and not isinstance(active, bool):
        raise ValidationError(f"active must be true or false, not {active!r}")
    if "notes" in body and not isinstance(notes, str):
        raise ValidationError(f"notes must be a string, not {notes!r}")
    user_id = user_id_of(request)
    release = store.update_release(release_id, active=active, notes=notes, user_id=user_id)
    return JSONResponse(updated_body(release))


async def delete(request: Request) -> Response:
    """Soft-DELETE [I]. The active one can be deleted too, unless the options refuse it [?]."""
    store_of(request).delete_release(path_id(request), user_id_of(request))
    return Response(status_code=204)


def _listed(
    request: Request,
    deployment_id: int | None,
    *,
    with_deleted: bool,
) -> Response:
    context = context_of(request)
    params = request.query_params
    bodies = release_rows(context, deployment_id, with_deleted=with_deleted)
    # A wrong embed is an error where there is no release too.
    embeds(params, "releases", _EMBEDS)
    embedded = [_embedded(context, body, params) for body in bodies]
    return JSONResponse(list_answer(embedded, params, filter_field="notes"))


def _embedded(context: Context, body: Row, params: Mapping[str, str]) -> Row:
    wanted = embeds(params, "releases", _EMBEDS)
    if "deployment" in wanted:
        deployment_id = body["deployment"]["id"]
        deployment = context.store.deployment(deployment_id, include_deleted=True)
        body["deployment"] = deployment_body(deployment, {})
    return embed_people(context, body, wanted)


def release_rows(
    context: Context,
    deployment_id: int | None,
    *,
    with_deleted: bool,
) -> list[Row]:
    """Write a list of releases, in the order that the options decide.

    :param context: the emulator
    :param deployment_id: only releases of this deployment; ``None`` = all
    :param with_deleted: deleted ones too, and ``deleted_at`` in each
    """
    bodies = []
    for release in context.store.state.releases.listed(include_deleted=with_deleted):
        if deployment_id in (None, release.deployment_id):
            bodies.append(release_body(context.options, release, deleted_at=with_deleted))
    if context.options.releases_order != "newest":
        bodies.reverse()
    return bodies


def release_body(
    options: EmulatorOptions,
    release: Release,
    *,
    deleted_at: bool = False,
) -> Row:
    """Write a release [R: VS-143186685].

    :param options: decide how an inactive release looks
    :param release: the release
    :param deleted_at: add ``deleted_at``, as in answers to ``includeDeleted=true`` [R: D64]
    """
    body: Row = {
        "id": release.id,
        "packageUuid": release.package_uuid,
        "notes": release.notes,
        # Inactive is null, not false [R: VS-143186685].
        "active": True if release.active else options.inactive_value,
        "updatedAt": iso(release.updated_at),
        "createdAt": iso(release.created_at),
        "deployment": {"id": release.deployment_id},
        "creator": {"id": release.creator},
        "updater": {"id": release.updater},
    }
    if deleted_at:
        body["deleted_at"] = iso_or_none(release.deleted_at)
    return body


def deployment_body(
    deployment: Deployment,
    counts: Row,
    *,
    deleted_at: bool = False,
) -> Row:
    """Write a deployment [R: VS-143186630] for the list; the same for a single one [I].

    :param deployment: the deployment
    :param counts: ``numReleases`` and ``latestRelease``, or nothing
    :param deleted_at: add ``deleted_at``, as in answers to ``includeDeleted=true`` [R: D64]
    """
    body: Row = {
        "id": deployment.id,
        "name": deployment.name,
        "createdAt": iso(deployment.created_at),
        "updatedAt": iso(deployment.updated_at),
        **counts,
        "creator": {"id": deployment.creator},
        "updater": {"id": deployment.updater},
    }
    if deleted_at:
        body["deleted_at"] = iso_or_none(deployment.deleted_at)
    return body


def updated_body(record: Deployment | Release | Flow) -> Row:
    """Write the short answer to a PATCH [R: D60 API Releases Patch v4]; the same for deployments
    and flows [I].

    :param record: the changed record
    """
    return {
        "id": record.id,
        "updater": {"id": record.updater},
        "updatedAt": iso(record.updated_at),
    }


_OF_DEPLOYMENT = "/v4/deployments/{id}/releases"
_RELEASE = "/v4/releases/{id}"
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
    Endpoint(
        "GET",
        "/v4/releases",
        "listReleases",
        list_all,
        deployments=True,
        option="has_release_list",
    ),
    Endpoint("GET", _RELEASE, "getRelease", read, deployments=True),
    Endpoint("PATCH", _RELEASE, "patchRelease", update, deployments=True),
    Endpoint("DELETE", _RELEASE, "deleteRelease", delete, deployments=True),
)
