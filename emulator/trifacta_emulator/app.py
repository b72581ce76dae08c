"""Puts the emulator together as one ASGI application."""

from __future__ import annotations

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
    people,
    recipes,
    releases,
    runs,
)
from trifacta_emulator.api.endpoint import AuthMiddleware, Context, routes
from trifacta_emulator.errors import ApiError, MissingObjectError, error_response, route_not_found
from trifacta_emulator.faults.matching import Faults
from trifacta_emulator.faults.middleware import FaultMiddleware
from trifacta_emulator.http.connection import CLIENT_GONE, Call, ConnectionMiddleware
from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.state.people import Authenticator
from trifacta_emulator.state.store import Store
from trifacta_emulator.ui import admin, page

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
    *runs.ENDPOINTS,
    *job_groups.ENDPOINTS,
)
#: Paths that exist only with Deployment Manager.
_MANAGED = ("/v4/deployments", "/v4/releases")


def create_app(
    options: EmulatorOptions, store: Store, auth: Authenticator, calls: list[Call], faults: Faults
) -> ASGIApp:
    """Make the application.

    :param options: the instance's options
    :param store: its state
    :param auth: its users and tokens
    :param calls: the log of requests
    :param faults: the list of faults
    """
    served = tuple(
        endpoint
        for endpoint in ENDPOINTS
        if (endpoint.option is None or getattr(options, endpoint.option))
        and (options.deployment_manager or not endpoint.deployments)
    )
    app = Starlette(
        routes=[
            *routes(served),
            Route("/", page.show, methods=["GET"]),
            Route("/deployments/{id}", page.show_deployment, methods=["GET"]),
            Route("/jobs/{id}", page.show_job_group, methods=["GET"]),
            *admin.ROUTES,
        ],
        exception_handlers=dict.fromkeys(_HANDLED, _on_error),
    )
    app.router.redirect_slashes = False
    app.state.context = Context(options, store, auth, served, faults)
    faulty = FaultMiddleware(AuthMiddleware(app, auth, options), faults, store.activate_late)
    return ConnectionMiddleware(faulty, calls)


async def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, ApiError):
        return error_response(error)
    if isinstance(error, MissingObjectError):
        # 404 or 400 for unknown ids, 410 for deleted ones [P: AAC25]: the options decide.
        options: EmulatorOptions = request.app.state.context.options
        status = options.unknown_id_status if error.reason == "unknown" else options.deleted_id_status
        return error_response(ApiError(status, str(error)))
    if isinstance(error, HTTPException):
        if not request.app.state.context.options.deployment_manager and request.url.path.startswith(_MANAGED):
            return route_not_found(request.method, request.url.path)
        # Unknown routes, wrong methods and multipart bodies that cannot be parsed.
        details = error.detail if error.status_code == 400 else f"Cannot {request.method} {request.url.path}"
        return error_response(ApiError(error.status_code, details, dict(error.headers or {})))
    if isinstance(error, ClientDisconnect):
        # The client is gone, so this answer only reaches the log of calls.
        return Response(status_code=CLIENT_GONE)
    # A bug of the emulator: the traceback goes to the server's log, not to the client.
    return error_response(ApiError(500, f"{type(error).__name__} in the emulator"))


_HANDLED = (ApiError, MissingObjectError, HTTPException, ClientDisconnect, Exception)
