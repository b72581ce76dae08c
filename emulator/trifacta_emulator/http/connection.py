"""The outermost layer: the log of calls, the spelling of paths, and endings of the connection
itself.

ASGI has no message for a TCP reset or for a close in the middle of an answer. So faults send
messages of our own, like an answer. This layer logs them and carries them out on the transport.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from trifacta_emulator.http.secrets import harmless, without_secrets

#: Type of a message: reset the connection. Unsent data is lost.
RESET = "emulator.reset"
#: Type of a message: send the pending data and close the connection, although the answer is not
#: complete.
CLOSE = "emulator.close"
#: In ``http.response.start``: true if the answer comes from something in front of the API.
FROM_PROXY = "emulator.from_proxy"
#: In the scope: the path as it was sent, for answers that repeat it.
ASKED_PATH = "emulator.asked_path"
#: Status in the log for a client that went away.
CLIENT_GONE = 499

_TRANSPORT = "emulator.transport"
_NO_ANSWER = 0
#: A server that runs for weeks keeps the newest calls only.
_MOST_CALLS = 20_000
_JSON = "application/json"
_JSON_UTF_8 = "application/json; charset=utf-8"

#: One line for each call. It is silent until somebody sets its level, as ``--log`` does.
CALL_LOG = logging.getLogger("trifacta_emulator.calls")
CALL_LOG.setLevel(logging.WARNING)


@dataclass(frozen=True)
class Call:
    """A request that the emulator answered or broke off.

    :param method: HTTP method
    :param path: as sent, without the query
    :param query: query string as sent, without ``?`` and without credentials
    :param status: status of the answer; 499 = the client went away before it sent everything; 0 =
        the connection was reset without an answer
    :param headers: request headers without credentials; names in lower case
    :param request_bytes: number of bytes read from the body; 0 if the answer came before the body
    :param response_bytes: declared size of the answer's body
    """

    method: str
    path: str
    query: str
    status: int
    headers: dict[str, str]
    request_bytes: int
    response_bytes: int


class Protocol(H11Protocol):
    """Uvicorn's HTTP protocol, with the transport in the state of each request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep the transport where requests find it.

        :param transport: the connection
        """
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {**self.app_state, _TRANSPORT: transport}


class ConnectionMiddleware:
    """Passes each request on, with its path in one spelling, and watches what goes in and out.

    Paths are case-insensitive [P: SDK] and may end in a slash [P: VC], without a redirect.

    :param app: the next ASGI application
    :param calls: the log of calls
    :param clock: gives the ``Date`` of answers
    """

    def __init__(
        self,
        app: ASGIApp,
        calls: list[Call],
        clock: Callable[[], datetime],
    ) -> None:
        self._app = app
        self._calls = calls
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, as ASGI defines it."""
        exchange = _Exchange(scope, receive, send, self._calls, self._clock)
        path = scope["path"].lower().rstrip("/") or "/"
        changed = {
            **scope,
            "path": path,
            "raw_path": path.encode(),
            ASKED_PATH: scope["raw_path"].decode("latin-1"),
        }
        await self._app(changed, exchange.receive, exchange.send)


class _Exchange:
    """One request and its answer."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        calls: list[Call],
        clock: Callable[[], datetime],
    ) -> None:
        self._clock = clock
        self._scope = scope
        self._receive = receive
        self._send = send
        self._calls = calls
        self._received = 0
        self._answered = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        # The log comes first: when the client sees the answer, a test may already look at the log.
        kind = message["type"]
        if kind == "http.response.start":
            self._answered = True
            headers = MutableHeaders(scope=message)
            self._complete(headers, from_proxy=bool(message.get(FROM_PROXY)))
            self._log(message["status"], int(headers.get("content-length", "0")))
        elif kind == RESET and not self._answered:
            self._log(_NO_ANSWER, 0)
        if kind in (RESET, CLOSE):
            await self._end(reset=kind == RESET)
        else:
            await self._send(message)

    def _complete(self, headers: MutableHeaders, *, from_proxy: bool) -> None:
        now = self._clock().astimezone(timezone.utc)
        headers.setdefault("date", format_datetime(now, usegmt=True))
        if from_proxy:
            return
        if headers.get("content-type") == _JSON:
            # As Express writes it [I].
            headers["content-type"] = _JSON_UTF_8
        # Every answer of the API has one [P: AAC25].
        headers["x-trifacta-request-id"] = str(uuid.uuid4())

    def _log(self, status: int, response_bytes: int) -> None:
        scope = self._scope
        if scope["path"].lower().startswith("/emulator/"):
            # Calls that control the emulator are not calls of the API.
            return
        query = without_secrets(scope["query_string"].decode("latin-1"))
        call = Call(
            method=scope["method"],
            path=scope["path"],
            query=query,
            status=status,
            headers=harmless(Headers(scope=scope)),
            request_bytes=self._received,
            response_bytes=response_bytes,
        )
        self._calls.append(call)
        del self._calls[:-_MOST_CALLS]
        address = scope["raw_path"].decode("latin-1")
        if query:
            address += f"?{query}"
        CALL_LOG.info(
            "%s %s %s %s %d>%d",
            self._clock().isoformat(timespec="milliseconds"),
            call.method,
            address,
            status or "reset",
            self._received,
            response_bytes,
        )

    async def _end(self, *, reset: bool) -> None:
        transport: asyncio.Transport = self._scope["state"][_TRANSPORT]
        if reset:
            # With a linger time of 0 the kernel sends RST instead of FIN.
            linger = struct.pack("ii", 1, 0)
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
        else:
            transport.close()
        # Wait until the server notices the end. Otherwise it sends an answer of its own.
        message: Message = {"type": ""}
        while message["type"] != "http.disconnect":
            message = await self._receive()
