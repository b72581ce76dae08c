"""Which names a request may call the emulator by.

A web page can make its own name resolve to this machine (DNS rebinding), and then send requests as
if it came from here. The browser says that name in ``Host``, so each path is served under the
emulator's own names only.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from trifacta_emulator.errors import ApiError, error_response
from trifacta_emulator.http.loopback import is_loopback

#: The ``Host`` header: a name or address, and perhaps a port.
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(?::\d*)?")


class HostMiddleware:
    """Answers 403 to a request that calls the emulator by a name that is not its own.

    Its own names are those of loopback, the address that the request came in on, and the allowed
    ones.

    :param app: the next ASGI application
    :param allowed: further names and addresses
    """

    def __init__(self, app: ASGIApp, allowed: tuple[str, ...]) -> None:
        self._app = app
        self._allowed = {name.strip("[]").lower() for name in allowed}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, as ASGI defines it."""
        host = host_of(Headers(scope=scope).get("host", ""))
        address, *_ = scope.get("server") or ("",)
        if host and self._is_own(host, address):
            await self._app(scope, receive, send)
            return
        refusal = ApiError(
            403,
            "Host is no name of this emulator. Start it with --allow-host NAME, or ask for"
            " localhost",
            name="HostNotAllowedException",
            message="Unknown host name",
        )
        await error_response(refusal)(scope, receive, send)

    def _is_own(self, host: str, address: str) -> bool:
        return is_loopback(host) or host == address or host in self._allowed


def host_of(header: str) -> str | None:
    """Read the name or address of a ``Host`` header, in lower case.

    :param header: its value
    :returns: the name; ``None`` if it cannot be read
    """
    match = _HOST.fullmatch(header)
    if match is None:
        return None
    return match[1].strip("[]").lower()
