"""Makes faults happen to requests.

The middleware stands in front of the check of credentials. It lets a request pass, or hands it to
an exchange that carries out the effect of a fault.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import IO, Any

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trifacta_emulator.errors import ApiError, error_response
from trifacta_emulator.faults.effects import (
    GATEWAY_PAGE,
    Answer,
    Delay,
    Hold,
    LateActivation,
    LateCommit,
    PackageUuid,
    Reset,
    Truncate,
)
from trifacta_emulator.faults.matching import ArmedFault, Faults, RequestLine
from trifacta_emulator.faults.waiting import Waiting, WaitingKind, WaitingRoom, hold
from trifacta_emulator.http.connection import CLIENT_GONE, CLOSE, FROM_PROXY, RESET

#: In a request's state: a function to call with the id of the new release, which the upload must
#: leave inactive.
ACTIVATE_LATER = "emulator.activate_later"
#: In a request's state: a coroutine function that an upload awaits before it imports its package.
PAUSE_IMPORT = "emulator.pause_import"
_IN_MEMORY = 1024 * 1024
_CHUNK = 64 * 1024


class FaultMiddleware:
    """Applies the first fault that matches a request. Without a fault the request passes.

    :param app: the next ASGI application
    :param faults: the list of faults
    :param activate: activates a release by its id, for late activations
    """

    def __init__(
        self,
        app: ASGIApp,
        faults: Faults,
        activate: Callable[[int], None],
    ) -> None:
        self._app = app
        self._faults = faults
        self._activate = activate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, as ASGI defines it."""
        if self._faults.idle:
            await self._app(scope, receive, send)
            return
        request = RequestLine.of(scope)
        armed = None
        if request.is_api:
            armed = self._faults.take(request)
        if armed is None:
            await self._handle(scope, receive, send)
            return
        exchange = _Exchange(
            handle=self._handle,
            room=self._faults.room,
            activate=self._activate,
            armed=armed,
            scope=scope,
            receive=receive,
            send=send,
        )
        await exchange.run()

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = RequestLine.of(scope)
        for item in self._faults.room.take_due(request.kind):
            await item.finish()
        await self._app(scope, receive, send)


@dataclass
class _Exchange:
    """A request that a fault hits, and its answer."""

    handle: ASGIApp
    room: WaitingRoom
    activate: Callable[[int], None]
    armed: ArmedFault
    scope: Scope
    receive: Receive
    send: Send

    async def run(self) -> None:
        effect = self.armed.fault.effect
        if isinstance(effect, Answer):
            await self._answer(effect)
        elif isinstance(effect, (Delay, Hold)):
            await self._wait(effect)
        elif isinstance(effect, Reset):
            await self._reset(effect)
        elif isinstance(effect, Truncate):
            await self._truncate(effect)
        elif isinstance(effect, PackageUuid):
            await self._change_uuid(effect)
        elif isinstance(effect, LateActivation):
            await self._create_inactive(effect)
        else:
            await self._commit_later(effect)

    async def _answer(self, effect: Answer) -> None:
        if effect.when == "after_body":
            body = await self._read_body()
            if body is None:
                return
        if effect.when == "after_commit":
            await self._handle_unseen(self.receive)
        await self._respond(effect)

    async def _reset(self, effect: Reset) -> None:
        if effect.when in ("in_body", "after_body"):
            body = await self._read_body(effect.after_bytes)
            if body is None:
                return
        if effect.when == "after_commit":
            await self._handle_unseen(self.receive)
        await self.send({"type": RESET})

    async def _wait(self, effect: Delay | Hold) -> None:
        seconds = None
        if isinstance(effect, Delay):
            seconds = effect.seconds
        if effect.when == "in_import":
            await self._pause_import(seconds)
            return
        receive = self.receive
        answered = None
        if effect.when == "after_body":
            body = await self._read_body()
            if body is None:
                return
            receive = _replay(body)
        elif effect.when == "after_commit":
            answered = await self._kept_back()
        going_on = await hold(self.room, self.armed.id, seconds)
        if not going_on:
            await self.send({"type": RESET})
        elif answered is None:
            await self.handle(self.scope, receive, self.send)
        else:
            await answered.send(self.send)

    async def _pause_import(self, seconds: float | None) -> None:
        going_on = True

        async def pause() -> None:
            nonlocal going_on
            going_on = await hold(self.room, self.armed.id, seconds)
            if not going_on:
                raise ApiError(503, "The emulator is stopping")

        answered = _Answered()
        scope = self._scope_with(PAUSE_IMPORT, pause)
        await self.handle(scope, self.receive, answered.collect)
        if going_on:
            await answered.send(self.send)
        else:
            await self.send({"type": RESET})

    def _scope_with(self, name: str, function: Callable[..., Any]) -> Scope:
        """Return the request with a function in its state that the API calls."""
        return {**self.scope, "state": {**self.scope["state"], name: function}}

    async def _truncate(self, effect: Truncate) -> None:
        answered = await self._kept_back()
        size = len(answered.body)
        if not size:
            await answered.send(self.send)
            return
        length = size // 2
        if effect.send_bytes is not None:
            length = min(effect.send_bytes, size - 1)
        part = answered.body[:length]
        await self.send(answered.start)
        await self.send({"type": "http.response.body", "body": part, "more_body": True})
        await self.send({"type": CLOSE})

    async def _change_uuid(self, effect: PackageUuid) -> None:
        answered = await self._kept_back()
        headers = MutableHeaders(scope=answered.start)
        if headers.get("content-type") == "application/json":
            changed = _changed(json.loads(answered.body), effect)
            answered.body = bytes(JSONResponse(changed).body)
            headers["content-length"] = str(len(answered.body))
        await answered.send(self.send)

    async def _create_inactive(self, effect: LateActivation) -> None:
        def activate_later(release_id: int) -> None:
            async def finish() -> None:
                self.activate(release_id)

            self._put_off("activation", finish, _forget, effect.reads)

        scope = self._scope_with(ACTIVATE_LATER, activate_later)
        await self.handle(scope, self.receive, self.send)

    async def _commit_later(self, effect: LateCommit) -> None:
        body = await self._read_body()
        if body is None:
            return

        async def finish() -> None:
            await self._handle_unseen(_replay(body))

        def abandon(_: bool) -> None:
            body.close()

        self._put_off("commit", finish, abandon, effect.reads)
        if effect.status is None:
            await self.send({"type": RESET})
        else:
            page = GATEWAY_PAGE.format(f"{effect.status} from the gateway")
            await self._respond(Answer(effect.status, html=page))

    def _put_off(
        self,
        kind: WaitingKind,
        finish: Callable[[], Awaitable[None]],
        abandon: Callable[[bool], None],
        reads: int | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        item = Waiting(kind, self.armed.id, finish, abandon, loop, reads)
        self.room.enter(item)

    async def _kept_back(self) -> _Answered:
        answered = _Answered()
        await self.handle(self.scope, self.receive, answered.collect)
        return answered

    async def _handle_unseen(self, receive: Receive) -> None:
        answered = _Answered()
        await self.handle(self.scope, receive, answered.collect)
        self.armed.outcomes.append(answered.start["status"])

    async def _read_body(self, enough: int | None = None) -> IO[bytes] | None:
        body = await _read_body(self.receive, enough)
        if body is None:
            # The client is gone, so this answer only reaches the log of calls.
            gone = Response(status_code=CLIENT_GONE)
            await gone(self.scope, self.receive, self.send)
        return body

    async def _respond(self, effect: Answer) -> None:
        response = _response(effect)
        from_proxy = effect.html is not None

        async def marking_send(message: Message) -> None:
            await self.send({**message, FROM_PROXY: from_proxy})

        await response(self.scope, self.receive, marking_send)


def _response(effect: Answer) -> Response:
    if effect.html is not None:
        response = Response(effect.html, effect.status, media_type="text/html")
    elif effect.body is not None:
        response = JSONResponse(effect.body, effect.status)
    elif effect.status >= 400:
        response = error_response(ApiError(effect.status, "A fault of the emulator"))
    else:
        response = Response(status_code=effect.status)
    for name, text in effect.headers.items():
        response.headers[name] = text
    return response


def _forget(_: bool) -> None:
    """Abandon a late activation: there is nothing to close."""


def _changed(value: Any, effect: PackageUuid) -> Any:
    if isinstance(value, list):
        return [_changed(element, effect) for element in value]
    if not isinstance(value, dict):
        return value
    changed = {}
    for name, member in value.items():
        if name != "packageUuid":
            changed[name] = _changed(member, effect)
        elif not effect.absent:
            changed[name] = effect.value
    return changed


@dataclass
class _Answered:
    """An answer of the API that the client has not received yet."""

    start: Message = field(default_factory=dict)
    body: bytes = b""

    async def collect(self, message: Message) -> None:
        """Take a message in place of the client."""
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.body += message.get("body", b"")

    async def send(self, send: Send) -> None:
        """Send the answer to the client."""
        await send(self.start)
        await send({"type": "http.response.body", "body": self.body})


async def _read_body(receive: Receive, enough: int | None = None) -> IO[bytes] | None:
    """Read the body of a request, or at least the first ``enough`` bytes. A large body goes to
    disk.

    :returns: the body from its start, or ``None`` if the client went away
    """
    body = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - outlives this call
    more = True
    while more:
        if enough is not None and body.tell() >= enough:
            break
        message = await receive()
        if message["type"] == "http.disconnect":
            body.close()
            return None
        body.write(message.get("body", b""))
        more = message.get("more_body", False)
    body.seek(0)
    return body


def _replay(body: IO[bytes]) -> Receive:
    """Make a function that gives a body again, once. The file is closed at its end."""

    async def receive() -> Message:
        if body.closed:
            return {"type": "http.disconnect"}
        chunk = body.read(_CHUNK)
        if not chunk:
            body.close()
        return {
            "type": "http.request",
            "body": chunk,
            "more_body": bool(chunk),
        }

    return receive
