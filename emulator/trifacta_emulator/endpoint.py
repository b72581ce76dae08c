"""One table row per API call, and what handlers share: context, ids in paths, JSON bodies."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from trifacta_emulator.auth import Authenticator, Person
from trifacta_emulator.checks import check_answerable
from trifacta_emulator.errors import ApiError, ValidationError
from trifacta_emulator.faults import Faults
from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.store import Store

Handler = Callable[[Request], Awaitable[Response]]
_ACCEPTABLE = {"*/*", "application/*", "application/json"}


@dataclass(frozen=True)
class Endpoint:
    """
    A call the emulator serves.

    :param method: HTTP method.
    :param path: as documented, with ``{id}`` for parameters.
    :param operation: operation id, for the API description.
    :param handler: coroutine function that answers.
    :param deployments: whether the caller needs access to deployments.
    :param produces: media type of the answer, which ``Accept`` may name as well as JSON.
    :param option: the yes/no option that must be on for this call to exist, or ``None``.
    """

    method: str
    path: str
    operation: str
    handler: Handler
    deployments: bool = False
    produces: str = "application/json"
    option: str | None = None


@dataclass(frozen=True)
class Context:
    """What handlers work on."""

    options: EmulatorOptions
    store: Store
    auth: Authenticator
    endpoints: tuple[Endpoint, ...]
    faults: Faults


def context_of(request: Request) -> Context:
    """
    Find the context of the emulator that got a request.

    :param request: the request.
    """
    return cast("Context", request.app.state.context)


def person_of(request: Request) -> Person:
    """
    Find who sent a request, as authenticated before.

    :param request: the request.
    """
    return cast("Person", request.state.person)


def path_id(request: Request) -> int:
    """
    Read the ``{id}`` of the path.

    :param request: the request.
    :raises ValidationError: not a number; that this is a 400 is our choice.
    """
    text = request.path_params["id"]
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ValidationError(f"id must be a number, not {text!r}")
    return int(text)


async def json_object(request: Request) -> dict[str, Any]:
    """
    Read a body that must be a JSON object.

    :param request: the request.
    :raises ApiError: 415 for another Content-Type [P: AAC25 error table].
    :raises ValidationError: no JSON object.
    """
    body = await json_value(request)
    if not isinstance(body, dict):
        raise ValidationError("The body must be a JSON object")
    return body


async def json_value(request: Request) -> Any:
    """
    Read a body that must be JSON.

    :param request: the request.
    :raises ApiError: 415 for another Content-Type [P: AAC25 error table].
    :raises ValidationError: no JSON.
    """
    if media_type(request) != "application/json":
        raise ApiError(415, "Content-Type must be application/json")
    try:
        value = await request.json()
        check_answerable(value)
        return value
    # UnicodeDecodeError is a ValueError too.
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"The body is not valid JSON: {error}") from error


def media_type(request: Request) -> str:
    """
    Give the media type of the body, without parameters and in lower case.

    :param request: the request.
    """
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def routes(endpoints: Iterable[Endpoint]) -> list[Route]:
    """
    Make one route per path, so that a wrong method is a 405 with all the right ones.

    :param endpoints: the calls.
    """
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    return [Route(_lower_case(path), _dispatch(methods), methods=list(methods)) for path, methods in by_path.items()]


def _lower_case(path: str) -> str:
    # Requests arrive in lower case here (PathMiddleware); names of parameters must stay.
    return re.sub(r"(?<!\{)\b\w+\b(?!\})", lambda match: match[0].lower(), path)


def _dispatch(methods: dict[str, Endpoint]) -> Handler:
    async def dispatch(request: Request) -> Response:
        # Starlette answers HEAD wherever GET is.
        endpoint = methods["GET" if request.method == "HEAD" else request.method]
        context = context_of(request)
        if endpoint.deployments and not context.auth.may_use_deployments(person_of(request)):
            raise ApiError(403, "You are not authorized to use deployments")
        accepted = {part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "*/*").split(",")}
        if not accepted & {*_ACCEPTABLE, endpoint.produces}:
            raise ApiError(415, "Accept must allow application/json")
        return await endpoint.handler(request)

    return dispatch
