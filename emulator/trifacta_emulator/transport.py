"""
Faults of the connection itself: a real RST, and an end in the middle of an answer.

ASGI has nothing for either. Messages of our own travel through ``send`` like an answer does, so that the log sees
them, and the outermost layer carries them out on the transport, which the protocol class puts into the scope.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

#: Reset the connection; whatever was not sent yet is lost.
RESET = "emulator.reset"
#: Send what there is and close the connection, though the answer is not complete.
CLOSE = "emulator.close"
_TRANSPORT = "emulator.transport"


class Protocol(H11Protocol):
    """Uvicorn's HTTP protocol, with the transport in the state of each request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep the transport where requests find it."""
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {**self.app_state, _TRANSPORT: transport}


class ConnectionMiddleware:
    """
    Carries out ``RESET`` and ``CLOSE``.

    :param app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, as ASGI wants it."""
        transport: asyncio.Transport = scope["state"][_TRANSPORT]

        async def ending_send(message: Message) -> None:
            if message["type"] not in (RESET, CLOSE):
                await send(message)
                return
            if message["type"] == RESET:
                # Closing without lingering is what makes the kernel send RST rather than FIN.
                linger = struct.pack("ii", 1, 0)
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                transport.abort()
            else:
                transport.close()
            # Until the server has noticed: it would answer in our place otherwise.
            while (await receive())["type"] != "http.disconnect":
                pass

        await self._app(scope, receive, ending_send)
