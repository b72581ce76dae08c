"""What all calls share: the table of endpoints, the checks before a handler runs, and how handlers
read a request.

A handler is a coroutine function. It takes the request and returns the answer. A module of a
resource lists its handlers in ``ENDPOINTS``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from python_multipart.exceptions import FormParserError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, UploadFile
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from trifacta_emulator.errors import AccessError, ApiError, ValidationError, error_response
from trifacta_emulator.faults.matching import Faults
from trifacta_emulator.http.connection import Call
from trifacta_emulator.options import EmulatorOptions, ServerOptions
from trifacta_emulator.packages.definition import Package
from trifacta_emulator.packages.reader import check_answerable, read_package
from trifacta_emulator.state.people import Authenticator, Person
from trifacta_emulator.state.store import Store

Handler = Callable[[Request], Awaitable[Response]]
#: Longest JSON body of a call. No call of the API needs more.
MOST_JSON_BYTES = 1024 * 1024
_ACCEPTABLE = {"*/*", "application/*", "application/json"}


@dataclass(frozen=True)
class Endpoint:
    """A call of the API.

    :param method: HTTP method
    :param path: as documented, with ``{id}`` for parameters
    :param operation: operation id, for the API description
    :param handler: coroutine function that answers
    :param deployments: whether the caller needs access to deployments
    :param produces: media type of the answer. ``Accept`` may name it in place of JSON
    :param option: name of the option, or property of the options, that must be true, or the call
        does not exist; ``None`` = no such option
    :param once: whether it counts an ``x-execution-id``
    """

    method: str
    path: str
    operation: str
    handler: Handler
    deployments: bool = False
    produces: str = "application/json"
    option: str | None = None
    once: bool = False


@dataclass(frozen=True)
class Context:
    """The emulator that handlers work on."""

    options: EmulatorOptions
    store: Store
    auth: Authenticator
    endpoints: tuple[Endpoint, ...]
    faults: Faults
    server: ServerOptions
    calls: list[Call]
    reset: Callable[[], None]


class AuthMiddleware:
    """Refuses calls of the API without valid credentials, before it reads the body.

    :param app: the next ASGI application
    :param auth: the users and their tokens
    :param options: decide the status and the body of the refusal
    """

    def __init__(
        self,
        app: ASGIApp,
        auth: Authenticator,
        options: EmulatorOptions,
    ) -> None:
        self._app = app
        self._auth = auth
        self._options = options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, as ASGI defines it."""
        if f"{scope['path']}/".startswith("/v4/"):
            header = Headers(scope=scope).get("authorization", "")
            person = self._auth.authenticate(header)
            if person is None:
                refusal = self._unauthorized(header)
                await refusal(scope, receive, send)
                return
            request_state = {**scope.get("state", {}), "person": person}
            scope = {**scope, "state": request_state}
        await self._app(scope, receive, send)

    def _unauthorized(self, header: str) -> Response:
        scheme = header.partition(" ")[0].lower()
        if scheme == "bearer" and self._options.bad_token_status == 400:
            return error_response(
                ApiError(
                    400,
                    "The access token is not valid",
                    name="InvalidAccessTokenException",
                    message="Invalid access token",
                )
            )
        # The body of a 401 is not documented for ordinary calls [?]. A JSON exception is [M].
        if self._options.unauthorized_body == "text":
            return PlainTextResponse("Unauthorized", status_code=401)
        return error_response(ApiError(401, "Authentication is required"))


def routes(endpoints: Iterable[Endpoint]) -> list[Route]:
    """Make one route for each path.

    :param endpoints: the calls to serve
    """
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        methods = by_path.setdefault(endpoint.path, {})
        methods[endpoint.method] = endpoint
    served = []
    for path, methods in by_path.items():
        address = number_id(_lower_case(path))
        served.append(Route(address, _dispatch(methods), methods=list(methods)))
    return served


def number_id(path: str) -> str:
    """Let ``{id}`` of a path be a number. Another path is not known, so its answer is the recorded
    404 [P: AYX].

    :param path: the path of a route
    """
    return path.replace("{id}", "{id:int}")


def context_of(request: Request) -> Context:
    """Find the emulator that received a request.

    :param request: the request
    """
    return cast("Context", request.app.state.context)


def person_of(request: Request) -> Person:
    """Find the authenticated sender of a request.

    :param request: the request
    """
    return cast("Person", request.state.person)


def store_of(request: Request) -> Store:
    """Find the state of the emulator that received a request.

    :param request: the request
    """
    return context_of(request).store


def user_id_of(request: Request) -> int:
    """Find the id of the authenticated sender of a request.

    :param request: the request
    """
    return person_of(request).id


def path_id(request: Request) -> int:
    """Read the ``{id}`` of the path.

    :param request: the request
    """
    return int(request.path_params["id"])


async def json_object(request: Request, most_bytes: int = MOST_JSON_BYTES) -> dict[str, Any]:
    """Read a body that must be a JSON object.

    :param request: the request
    :param most_bytes: longest body
    :raises ApiError: 415 for another Content-Type [P: AAC25]; 413 for a longer body
    :raises ValidationError: it is not a JSON object
    """
    body = await json_value(request, most_bytes)
    if not isinstance(body, dict):
        raise ValidationError("The body must be a JSON object")
    return body


async def optional_object(request: Request) -> dict[str, Any]:
    """Read a body that must be a JSON object or empty.

    :param request: the request
    :returns: the object; an empty one for an empty body
    :raises ApiError: 415 for another Content-Type [P: AAC25]; 413 for a body that is too long
    :raises ValidationError: it is not a JSON object
    """
    if not await _body(request, MOST_JSON_BYTES):
        return {}
    return await json_object(request)


def required_name(body: Mapping[str, Any]) -> str:
    """Read the name of a body. That a name is required is our choice [?].

    :param body: the body
    :raises ValidationError: there is none, or it is blank
    """
    name = body.get("name")
    if not isinstance(name, str) or not name.strip():
        raise ValidationError("name: a non-empty string is required")
    return name


async def json_value(request: Request, most_bytes: int = MOST_JSON_BYTES) -> Any:
    """Read a body that must be JSON.

    :param request: the request
    :param most_bytes: longest body
    :raises ApiError: 415 for another Content-Type [P: AAC25]; 413 for a longer body
    :raises ValidationError: it is not JSON
    """
    if _media_type(request) != "application/json":
        raise ApiError(415, "Content-Type must be application/json")
    try:
        value = json.loads(await _body(request, most_bytes))
        check_answerable(value)
        return value
    # A UnicodeDecodeError is a ValueError too.
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"The body is not valid JSON: {error}") from error


async def uploaded_package(request: Request) -> Package:
    """Read the package of a request: the file of a multipart form, in a part of any name.

    The page says ``data`` [R: SEED, D60]. Clients also send ``archive`` and ``File`` [P: GCF,
    AAC25].

    All checks that need no body come before the body is read.

    :param request: the request
    :raises ApiError: imports are disabled, or another Content-Type
    :raises ValidationError: it is not a readable package
    """
    options = context_of(request).options
    if not options.import_enabled:
        raise AccessError("Import is disabled in this workspace")
    if _media_type(request) != "multipart/form-data":
        raise ApiError(415, "Content-Type must be multipart/form-data")
    try:
        # Large files go to disk while they arrive.
        form = await request.form()
    except FormParserError as error:
        raise ValidationError(f"The form cannot be read: {error}") from error
    try:
        for part in form.values():
            if isinstance(part, UploadFile):
                return await run_in_threadpool(read_package, part.file)
        raise ValidationError(f"data: the form has no file; its parts are {sorted(set(form))}")
    finally:
        await form.close()


async def _body(request: Request, most: int) -> bytes:
    """Read the body, but no more than ``most`` bytes of it."""
    if not hasattr(request.state, "body"):
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                # Name and message are those of Express [I]. The limit is our choice [?].
                raise ApiError(
                    413, f"The body has more than {most} bytes", name="PayloadTooLargeError"
                )
        request.state.body = bytes(body)
    return cast("bytes", request.state.body)


def _media_type(request: Request) -> str:
    # Without parameters and in lower case.
    header = request.headers.get("content-type", "")
    return _without_parameters(header)


def _without_parameters(media_type: str) -> str:
    essence, _, _ = media_type.partition(";")
    return essence.strip().lower()


def _accepted(request: Request) -> set[str]:
    header = request.headers.get("accept", "*/*")
    return {_without_parameters(media_type) for media_type in header.split(",")}


def _lower_case(path: str) -> str:
    # Paths of requests are in lower case here, see ConnectionMiddleware. Names of parameters must
    # stay.
    return re.sub(r"(?<!\{)\b\w+\b(?!\})", _lower_word, path)


def _lower_word(match: re.Match[str]) -> str:
    return match[0].lower()


def _dispatch(methods: dict[str, Endpoint]) -> Handler:
    async def dispatch(request: Request) -> Response:
        # Starlette adds HEAD to each GET.
        method = "GET" if request.method == "HEAD" else request.method
        endpoint = methods[method]
        if endpoint.deployments:
            _require_deployments(request)
        acceptable = _ACCEPTABLE | {endpoint.produces}
        if not acceptable & _accepted(request):
            raise ApiError(415, "Accept must allow application/json")
        return await endpoint.handler(request)

    return dispatch


def _require_deployments(request: Request) -> None:
    auth = context_of(request).auth
    if not auth.may_use_deployments(person_of(request)):
        raise AccessError(
            "Deployments need the Deployment role",
            "User is not authorised to access this API.",
        )
