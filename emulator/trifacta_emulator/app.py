"""Puts the emulator together as one ASGI application."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from trifacta_emulator.api import (
    api_tokens,
    connections,
    deployments,
    flow_packages,
    flow_writes,
    flows,
    import_rules,
    job_groups,
    open_api,
    output_objects,
    people,
    recipes,
    releases,
    runs,
)
from trifacta_emulator.api.endpoint import AuthMiddleware, Context, Endpoint, context_of, routes
from trifacta_emulator.errors import (
    AccessError,
    ApiError,
    MissingObjectError,
    ValidationError,
    error_response,
    route_not_found,
)
from trifacta_emulator.faults.matching import Faults
from trifacta_emulator.faults.middleware import FaultMiddleware
from trifacta_emulator.http.connection import ASKED_PATH, CLIENT_GONE, Call, ConnectionMiddleware
from trifacta_emulator.http.hosts import HostMiddleware
from trifacta_emulator.options import EmulatorOptions, ServerOptions
from trifacta_emulator.state.people import Authenticator
from trifacta_emulator.state.store import Store
from trifacta_emulator.ui import admin, control, page

#: All calls of the API. The options decide which of them exist.
ENDPOINTS = (
    *people.ENDPOINTS,
    *open_api.ENDPOINTS,
    *api_tokens.ENDPOINTS,
    *connections.ENDPOINTS,
    *deployments.ENDPOINTS,
    *import_rules.ENDPOINTS,
    *releases.ENDPOINTS,
    *flow_packages.ENDPOINTS,
    *flows.ENDPOINTS,
    *flow_writes.ENDPOINTS,
    *recipes.ENDPOINTS,
    *output_objects.ENDPOINTS,
    *runs.ENDPOINTS,
    *job_groups.ENDPOINTS,
)


def create_app(
    options: EmulatorOptions,
    store: Store,
    auth: Authenticator,
    calls: list[Call],
    faults: Faults,
    server: ServerOptions,
    reset: Callable[[], None],
) -> ASGIApp:
    """Make the application.

    :param options: the instance's options
    :param store: its state
    :param auth: its users and tokens
    :param calls: the log of requests
    :param faults: the list of faults
    :param server: the server's own options
    :param reset: puts everything back as it was at the start
    """
    served = tuple(endpoint for endpoint in ENDPOINTS if _is_served(endpoint, options))
    pages = [
        Route("/", page.show, methods=["GET"]),
        Route("/deployments/{id:int}", page.show_deployment, methods=["GET"]),
        Route("/jobs/{id:int}", page.show_job_group, methods=["GET"]),
    ]
    app = Starlette(
        routes=[*routes(served), *pages, *admin.ROUTES, *control.ROUTES],
        exception_handlers=dict.fromkeys(_HANDLED, _on_error),
    )
    app.router.redirect_slashes = False
    app.state.context = Context(
        options=options,
        store=store,
        auth=auth,
        endpoints=served,
        faults=faults,
        server=server,
        calls=calls,
        reset=reset,
    )
    # From the inside to the outside.
    layers: ASGIApp = AuthMiddleware(app, auth, options)
    layers = FaultMiddleware(layers, faults, store.activate_late)
    layers = HostMiddleware(layers, server.allowed_hosts)
    return ConnectionMiddleware(layers, calls, options.clock)


def _is_served(endpoint: Endpoint, options: EmulatorOptions) -> bool:
    if endpoint.deployments and not options.has_deployments:
        return False
    return endpoint.option is None or bool(getattr(options, endpoint.option))


async def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, ClientDisconnect):
        # The client is gone, so this answer only reaches the log of calls.
        return Response(status_code=CLIENT_GONE)
    context = context_of(request)
    major, minor, _ = context.store.state.product.release
    old_style = (major, minor) == (6, 0)
    api_error = _api_error(request, error, context.options)
    return error_response(api_error, old_style=old_style)


def _api_error(
    request: Request,
    error: Exception,
    options: EmulatorOptions,
) -> ApiError:
    if isinstance(error, ApiError):
        return error
    of_api = request.url.path.startswith("/v4/")
    if isinstance(error, MissingObjectError):
        if not of_api:
            return ApiError(404, str(error))
        return _missing(error, options)
    if isinstance(error, HTTPException):
        if error.status_code == 400:
            # A multipart body cannot be parsed.
            return ValidationError(error.detail)
        # A page of the emulator's own is not the API's, which answers another method like an
        # unknown path [P: AYX].
        if of_api or error.status_code == 404:
            return route_not_found(request.method, request.scope[ASKED_PATH])
        return ApiError(error.status_code, error.detail, dict(error.headers or {}))
    # A bug of the emulator: the traceback goes to the server's log, not to the client.
    return ApiError(500, f"{type(error).__name__} in the emulator")


def _missing(error: MissingObjectError, options: EmulatorOptions) -> ApiError:
    status: int = options.unknown_id_status
    if error.reason == "deleted":
        status = options.deleted_id_status
    elif error.kind == "flows":
        status = options.unknown_flow_status
    if status == 403:
        # In the words of a missing permission, because nobody can tell the two apart [P: AYX].
        return AccessError.to(error.kind, error.object_id)
    return ApiError(status, str(error))


_HANDLED = (ApiError, MissingObjectError, HTTPException, ClientDisconnect, Exception)
