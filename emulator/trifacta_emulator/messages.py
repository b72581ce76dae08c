"""Bodies and answers kept back on their way, for faults."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from typing import IO

from starlette.types import Message, Receive, Send

_IN_MEMORY = 1024 * 1024
_CHUNK = 64 * 1024


@dataclass
class Answered:
    """An answer of the API that the client has not got yet."""

    start: Message = field(default_factory=dict)
    body: bytes = b""

    async def collect(self, message: Message) -> None:
        """
        Take a message, in place of the client.

        :param message: as ASGI sends it.
        """
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.body += message.get("body", b"")

    async def send(self, send: Send) -> None:
        """
        Let the client have it.

        :param send: sends to the client.
        """
        await send(self.start)
        await send({"type": "http.response.body", "body": self.body})


async def read_body(receive: Receive, enough: int | None = None) -> IO[bytes] | None:
    """
    Read the body of a request; what is large goes to disk.

    :param receive: gives the body.
    :param enough: stop once at least so many bytes are there; ``None`` = read all.
    :return: the body from its start, or ``None`` when the client went away.
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


def replay(body: IO[bytes]) -> Receive:
    """
    Give a body again, once; the file is closed at its end.

    :param body: as :func:`read_body` gave it.
    """

    async def receive() -> Message:
        if body.closed:
            return {"type": "http.disconnect"}
        chunk = body.read(_CHUNK)
        if not chunk:
            body.close()
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    return receive
