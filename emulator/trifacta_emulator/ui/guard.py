"""Who may use ``/emulator/...``.

With an admin token: who sends it, from any machine. Without one: everybody may read; a change needs
a JSON body and must come from this machine. So no web page can make a browser change the emulator.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from trifacta_emulator.api.endpoint import Handler, context_of, json_object
from trifacta_emulator.errors import ApiError
from trifacta_emulator.http.loopback import is_loopback

#: Raises an error if a request is not allowed.
Check = Callable[[Request], Awaitable[None]]


def guarded(handler: Handler, check: Check) -> Handler:
    """Let a handler answer only who may ask.

    :param handler: the handler
    :param check: :func:`check_read`, :func:`check_change` or :func:`check_json_change`
    """

    async def checked(request: Request) -> Response:
        await check(request)
        return await handler(request)

    return checked


async def check_read(request: Request) -> None:
    """Check that a request may read what shows no passwords.

    :param request: the request
    :raises ApiError: it may not
    """
    _check_token(request)


async def check_change(request: Request) -> None:
    """Check that a request may change the emulator, or read what shows passwords. The handler reads
    the body itself, if there is one.

    :param request: the request
    :raises ApiError: it may not
    """
    _check_token(request)
    if context_of(request).server.admin_token is not None:
        return
    client = request.client.host if request.client else ""
    if not is_loopback(client):
        raise ApiError(
            403, "Only this machine may change the emulator. --admin-token lets others do it"
        )


async def check_json_change(request: Request) -> None:
    """Check that a request may change the emulator. Without an admin token its body must be JSON,
    which no web page can send to another site.

    :param request: the request
    :raises ApiError: it may not
    :raises ValidationError: the body is not a JSON object
    """
    await check_change(request)
    if context_of(request).server.admin_token is None:
        await json_object(request)


def _check_token(request: Request) -> None:
    token = context_of(request).server.admin_token
    if token is None:
        return
    sent = request.headers.get("authorization", "")
    expected = f"Bearer {token}"
    # Headers are Latin-1, and the token is ASCII.
    if not hmac.compare_digest(sent.encode("latin-1"), expected.encode()):
        raise ApiError(401, "Send the admin token of this emulator: Authorization: Bearer TOKEN")
