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

from starlette.datastructures import Headers, MutableHeaders
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

    def __init__(self, app: ASGIApp, faults: Faults, activate: Callable[[int], None]) -> None:
        self._app = app
        self._faults = faults
        self._activate = activate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, as ASGI defines it."""
        if self._faults.idle:
            await self._app(scope, receive, send)
            return
        request = RequestLine.of(scope)
        armed = self._faults.take(request) if request.is_api else None
        if armed is None:
            await self._handle(scope, receive, send)
        else:
            room, activate = self._faults.room, self._activate
            await _Exchange(self._handle, room, activate, armed, scope, receive, send).run()

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        for item in self._faults.room.take_due(RequestLine.of(scope).kind):
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
        if effect.when == "after_body" and not await self._read_body():
            return
        if effect.when == "after_commit":
            await self._handle_unseen(self.receive)
        await self._respond(effect)

    async def _reset(self, effect: Reset) -> None:
        if effect.when in ("in_body", "after_body") and not await self._read_body(
            effect.after_bytes
        ):
            return
        if effect.when == "after_commit":
            await self._handle_unseen(self.receive)
        await self.send({"type": RESET})

    async def _wait(self, effect: Delay | Hold) -> None:
        seconds = effect.seconds if isinstance(effect, Delay) else None
        if effect.when == "in_import":
            await self._pause_import(seconds)
            return
        receive, answered = self.receive, None
        if effect.when == "after_body":
            body = await self._read_body()
            if body is None:
                return
            receive = _replay(body)
        elif effect.when == "after_commit":
            answered = await self._kept_back()
        if not await hold(self.room, self.armed.id, seconds):
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
        state = {**self.scope["state"], PAUSE_IMPORT: pause}
        await self.handle({**self.scope, "state": state}, self.receive, answered.collect)
        if going_on:
            await answered.send(self.send)
        else:
            await self.send({"type": RESET})

    async def _truncate(self, effect: Truncate) -> None:
        answered = await self._kept_back()
        if not answered.body:
            await answered.send(self.send)
            return
        await self.send(answered.start)
        half, most = len(answered.body) // 2, len(answered.body) - 1
        length = half if effect.send_bytes is None else min(effect.send_bytes, most)
        await self.send(
            {"type": "http.response.body", "body": answered.body[:length], "more_body": True}
        )
        await self.send({"type": CLOSE})

    async def _change_uuid(self, effect: PackageUuid) -> None:
        answered = await self._kept_back()
        if Headers(raw=answered.start["headers"]).get("content-type") == "application/json":
            answered.body = bytes(JSONResponse(_changed(json.loads(answered.body), effect)).body)
            MutableHeaders(scope=answered.start)["content-length"] = str(len(answered.body))
        await answered.send(self.send)

    async def _create_inactive(self, effect: LateActivation) -> None:
        def activate_later(release_id: int) -> None:
            async def finish() -> None:
                self.activate(release_id)

            self._put_off("activation", finish, lambda _: None, effect.reads)

        state = {**self.scope["state"], ACTIVATE_LATER: activate_later}
        await self.handle({**self.scope, "state": state}, self.receive, self.send)

    async def _commit_later(self, effect: LateCommit) -> None:
        body = await self._read_body()
        if body is None:
            return

        async def finish() -> None:
            await self._handle_unseen(_replay(body))

        self._put_off("commit", finish, lambda _: body.close(), effect.reads)
        if effect.status is None:
            await self.send({"type": RESET})
        else:
            await self._respond(
                Answer(effect.status, html=GATEWAY_PAGE.format(f"{effect.status} from the gateway"))
            )

    def _put_off(
        self,
        kind: WaitingKind,
        finish: Callable[[], Awaitable[None]],
        abandon: Callable[[bool], None],
        reads: int | None,
    ) -> None:
        self.room.enter(
            Waiting(kind, self.armed.id, finish, abandon, asyncio.get_running_loop(), reads)
        )

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
            await Response(status_code=CLIENT_GONE)(self.scope, self.receive, self.send)
        return body

    async def _respond(self, effect: Answer) -> None:
        if effect.html is not None:
            response = Response(effect.html, effect.status, media_type="text/html")
        elif effect.body is not None:
            response = JSONResponse(effect.body, effect.status)
        elif effect.status >= 400:
            response = error_response(ApiError(effect.status, "A fault of the emulator"))
        else:
            response = Response(status_code=effect.status)
        for name, value in effect.headers.items():
            response.headers[name] = value

        async def marking_send(message: Message) -> None:
            await self.send({**message, FROM_PROXY: effect.html is not None})

        await response(self.scope, self.receive, marking_send)


def _changed(value: Any, effect: PackageUuid) -> Any:
    if isinstance(value, list):
        return [_changed(one, effect) for one in value]
    if not isinstance(value, dict):
        return value
    changed = {key: _changed(one, effect) for key, one in value.items()}
    if "packageUuid" in changed:
        changed["packageUuid"] = effect.value
        if effect.absent:
            del changed["packageUuid"]
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
    while more and (enough is None or body.tell() < enough):
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
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    return receive
