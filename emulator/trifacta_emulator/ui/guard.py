"""Who may use ``/emulator/...``.

With an admin token: who sends it, from any machine. Without one: everybody may read; a change needs
a JSON body and must come from this machine. So no web page can make a browser change the emulator.
"""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.responses import Response

from trifacta_emulator.api.endpoint import Handler, context_of, json_object
from trifacta_emulator.errors import ApiError
from trifacta_emulator.http.loopback import is_loopback


def reading(handler: Handler) -> Handler:
    """Let a handler answer who may read.

    :param handler: the handler
    """

    async def guarded(request: Request) -> Response:
        _check_token(request)
        return await handler(request)

    return guarded


def private(handler: Handler) -> Handler:
    """Let a handler answer who may change: for what shows passwords.

    :param handler: the handler
    """

    async def guarded(request: Request) -> Response:
        check_change(request)
        return await handler(request)

    return guarded


def change(handler: Handler) -> Handler:
    """Let a handler answer who may change.

    :param handler: the handler
    """

    async def guarded(request: Request) -> Response:
        check_change(request)
        if context_of(request).server.admin_token is None:
            await json_object(request)
        return await handler(request)

    return guarded


def check_change(request: Request) -> None:
    """Check that a request may change the emulator, for a handler that reads its body itself.

    :param request: the request
    :raises ApiError: it may not
    """
    _check_token(request)
    client = request.client.host if request.client else ""
    if context_of(request).server.admin_token is None and not is_loopback(client):
        raise ApiError(
            403, "Only this machine may change the emulator. --admin-token lets others do it"
        )


def _check_token(request: Request) -> None:
    token = context_of(request).server.admin_token
    sent = request.headers.get("authorization", "")
    # Headers are Latin-1, and the token is ASCII.
    if token is not None and not hmac.compare_digest(
        sent.encode("latin-1"), f"Bearer {token}".encode()
    ):
        raise ApiError(401, "Send the admin token of this emulator: Authorization: Bearer TOKEN")
