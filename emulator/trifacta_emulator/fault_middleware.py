"""Lets faults happen to requests."""

from __future__ import annotations

import asyncio
import json
from typing import IO, Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trifacta_emulator.effects import (
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
from trifacta_emulator.errors import ApiError, MissingObjectError, error_response
from trifacta_emulator.faults import ArmedFault, Faults
from trifacta_emulator.messages import Answered, read_body, replay
from trifacta_emulator.middleware import FROM_PROXY
from trifacta_emulator.request_line import RequestLine
from trifacta_emulator.store import Store
from trifacta_emulator.transport import CLOSE, RESET
from trifacta_emulator.waiting import Waiting, hold

#: In a request's state: what to call with the id of the new release, which is to be created inactive.
ACTIVATE_LATER = "emulator.activate_later"
_CLIENT_GONE = 499


class FaultMiddleware:
    """
    Applies the first fault that matches a request; without one the request passes.

    :param app: what answers.
    :param faults: the list of faults.
    :param store: the emulator's state, for late activations.
    """

    def __init__(self, app: ASGIApp, faults: Faults, store: Store) -> None:
        self._app = app
        self._faults = faults
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, as ASGI wants it."""
        request = RequestLine.of(scope)
        armed = self._faults.take(request) if request.is_api else None
        if armed is None:
            await self._handle(scope, receive, send)
        else:
            await _Exchange(self._handle, self._faults, self._store, armed, scope, receive, send).run()

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        for item in self._faults.room.take_due(RequestLine.of(scope).kind):
            await item.finish()
        await self._app(scope, receive, send)


class _Exchange:
    """A request that a fault hits."""

    def __init__(
        self,
        handle: ASGIApp,
        faults: Faults,
        store: Store,
        armed: ArmedFault,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        self._handle = handle
        self._room = faults.room
        self._store = store
        self._armed = armed
        self._scope = scope
        self._receive = receive
        self._send = send

    async def run(self) -> None:
        effect = self._armed.fault.effect
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
            await self._handle_unseen(self._receive)
        await self._respond(effect)

    async def _reset(self, effect: Reset) -> None:
        if effect.when in ("in_body", "after_body") and not await self._read_body(effect.after_bytes):
            return
        if effect.when == "after_commit":
            await self._handle_unseen(self._receive)
        await self._send({"type": RESET})

    async def _wait(self, effect: Delay | Hold) -> None:
        seconds = effect.seconds if isinstance(effect, Delay) else None
        receive, answered = self._receive, None
        if effect.when == "after_body":
            body = await self._read_body()
            if body is None:
                return
            receive = replay(body)
        elif effect.when == "after_commit":
            answered = await self._kept_back()
        if not await hold(self._room, self._armed.id, seconds):
            await self._send({"type": RESET})
        elif answered is None:
            await self._handle(self._scope, receive, self._send)
        else:
            await answered.send(self._send)

    async def _truncate(self, effect: Truncate) -> None:
        answered = await self._kept_back()
        if not answered.body:
            await answered.send(self._send)
            return
        await self._send(answered.start)
        half, most = len(answered.body) // 2, len(answered.body) - 1
        length = half if effect.send_bytes is None else min(effect.send_bytes, most)
        await self._send({"type": "http.response.body", "body": answered.body[:length], "more_body": True})
        await self._send({"type": CLOSE})

    async def _change_uuid(self, effect: PackageUuid) -> None:
        answered = await self._kept_back()
        if Headers(raw=answered.start["headers"]).get("content-type") == "application/json":
            answered.body = bytes(JSONResponse(_changed(json.loads(answered.body), effect)).body)
            MutableHeaders(scope=answered.start)["content-length"] = str(len(answered.body))
        await answered.send(self._send)

    async def _create_inactive(self, effect: LateActivation) -> None:
        def activate_later(release_id: int) -> None:
            async def finish() -> None:
                try:
                    release = self._store.release(release_id)
                    self._store.update_release(release_id, active=True, user_id=release.creator)
                except MissingObjectError:
                    return  # deleted meanwhile

            self._room.enter(self._waiting("activation", finish, lambda _: None, effect.reads))

        state = {**self._scope["state"], ACTIVATE_LATER: activate_later}
        await self._handle({**self._scope, "state": state}, self._receive, self._send)

    async def _commit_later(self, effect: LateCommit) -> None:
        body = await self._read_body()
        if body is None:
            return

        async def finish() -> None:
            await self._handle_unseen(replay(body))

        self._room.enter(self._waiting("commit", finish, lambda _: body.close(), effect.reads))
        if effect.status is None:
            await self._send({"type": RESET})
        else:
            await self._respond(Answer(effect.status, html=GATEWAY_PAGE.format(f"{effect.status} from the gateway")))

    def _waiting(self, kind: Any, finish: Any, abandon: Any, reads: int | None) -> Waiting:
        return Waiting(kind, self._armed.id, finish, abandon, asyncio.get_running_loop(), reads)

    async def _kept_back(self) -> Answered:
        answered = Answered()
        await self._handle(self._scope, self._receive, answered.collect)
        return answered

    async def _handle_unseen(self, receive: Receive) -> None:
        answered = Answered()
        await self._handle(self._scope, receive, answered.collect)
        self._armed.outcomes.append(answered.start["status"])

    async def _read_body(self, enough: int | None = None) -> IO[bytes] | None:
        body = await read_body(self._receive, enough)
        if body is None:
            # Nobody reads this; it only ends up in the log of calls.
            await Response(status_code=_CLIENT_GONE)(self._scope, self._receive, self._send)
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
            await self._send({**message, FROM_PROXY: effect.html is not None})

        await response(self._scope, self._receive, marking_send)


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
