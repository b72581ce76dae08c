"""What every request passes: the log and the request id, the path's spelling, the credentials."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trifacta_emulator.auth import Authenticator
from trifacta_emulator.errors import ApiError, error_response
from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.transport import RESET

#: In ``http.response.start``: true when the answer comes from something in front of the API.
FROM_PROXY = "emulator.from_proxy"
_NO_ANSWER = 0
_SECRET_HEADERS = {"authorization", "proxy-authorization", "cookie"}


@dataclass(frozen=True)
class Call:
    """
    A request the emulator answered, or broke off.

    :param method: HTTP method.
    :param path: as sent, without the query.
    :param query: query string as sent, without ``?``.
    :param status: status of the answer; 499 = the client went away before it sent everything; 0 = the connection
        was reset without an answer.
    :param headers: request headers, names in lower case, without credentials.
    :param request_bytes: size of the body as far as it was read; an early answer leaves it at 0.
    :param response_bytes: size of the answer's body, as declared.
    """

    method: str
    path: str
    query: str
    status: int
    headers: dict[str, str]
    request_bytes: int
    response_bytes: int


class LogMiddleware:
    """
    Adds ``x-trifacta-request-id`` to every answer of the API [P: AAC25] and logs the call before the answer leaves.

    Calls of the emulator's administration are not logged: they are none of the API.

    :param app: what answers.
    :param calls: where to log.
    """

    def __init__(self, app: ASGIApp, calls: list[Call]) -> None:
        self._app = app
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, as ASGI wants it."""
        received = 0
        answered = False

        async def counting_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        def log(status: int, response_bytes: int) -> None:
            if scope["path"].lower().startswith("/emulator/"):
                return
            headers = {name: value for name, value in Headers(scope=scope).items() if name not in _SECRET_HEADERS}
            call = Call(
                method=scope["method"],
                path=scope["path"],
                query=scope["query_string"].decode("latin-1"),
                status=status,
                headers=headers,
                request_bytes=received,
                response_bytes=response_bytes,
            )
            self._calls.append(call)

        async def logging_send(message: Message) -> None:
            nonlocal answered
            # Before the client can see the answer: an assertion on the log never comes too early.
            if message["type"] == "http.response.start":
                answered = True
                headers = MutableHeaders(scope=message)
                if not message.get(FROM_PROXY):
                    headers["x-trifacta-request-id"] = str(uuid.uuid4())
                log(message["status"], int(headers.get("content-length", "0")))
            elif message["type"] == RESET and not answered:
                log(_NO_ANSWER, 0)
            await send(message)

        await self._app(scope, counting_receive, logging_send)


class PathMiddleware:
    """
    Makes paths case-insensitive [P: SDK] and ignores a trailing slash [P: VC], without a redirect.

    :param app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, as ASGI wants it."""
        path = scope["path"].lower().rstrip("/") or "/"
        await self._app({**scope, "path": path, "raw_path": path.encode()}, receive, send)


class AuthMiddleware:
    """
    Answers 401 to calls of the API without valid credentials, before anything of the body is read.

    :param app: what answers.
    :param auth: knows users and tokens.
    :param options: decide the body of the 401.
    """

    def __init__(self, app: ASGIApp, auth: Authenticator, options: EmulatorOptions) -> None:
        self._app = app
        self._auth = auth
        self._options = options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, as ASGI wants it."""
        path = scope["path"]
        if path == "/v4" or path.startswith("/v4/"):
            person = self._auth.authenticate(Headers(scope=scope).get("authorization", ""))
            if person is None:
                await self._unauthorized()(scope, receive, send)
                return
            scope = {**scope, "state": {**scope.get("state", {}), "person": person}}
        await self._app(scope, receive, send)

    def _unauthorized(self) -> Response:
        # The body of a 401 is not documented for ordinary calls [?]; a JSON exception is [M].
        if self._options.unauthorized_body == "text":
            return PlainTextResponse("Unauthorized", status_code=401)
        return error_response(ApiError(401, "Authentication is required"))
