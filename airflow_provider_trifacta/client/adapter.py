"""The HTTP adapter: answers that come before an upload's end are seen, and idle connections stay alive."""

from __future__ import annotations

import errno
import socket
import ssl
import threading
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

#: A firewall forgets a connection that is silent while the server imports a package; keepalive speaks up.
_KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, option), seconds)
        for option, seconds in (("TCP_KEEPIDLE", 45), ("TCP_KEEPINTVL", 45))
        if hasattr(socket, option)  # absent on some platforms
    ),
]


#: Whether a byte of the present request has left, by thread: a thread sends one request at a time.
_sending = threading.local()


def nothing_sent() -> None:
    """Note that a request begins, of which nothing has left yet."""
    _sending.begun = False


def was_sent() -> bool:
    """Tell whether a byte of this thread's last request has left. Until then no server can have acted on it."""
    return bool(getattr(_sending, "begun", True))


class _Recording:
    """Notes when the first byte of a request leaves. Those of a TLS handshake or of a proxy's tunnel do not count."""

    _in_tunnel = False

    def _tunnel(self) -> None:
        self._in_tunnel = True
        try:
            super()._tunnel()  # type: ignore[misc]
        finally:
            self._in_tunnel = False

    def send(self, data: Any) -> None:
        connection: Any = self
        if connection.sock is None and connection.auto_open:
            connection.connect()  # here, and not within the send below: nothing has left when it fails
        if not self._in_tunnel:
            _sending.begun = True
        super().send(data)  # type: ignore[misc]


class _Connection(_Recording, HTTPConnection):
    pass


class _EarlyAnswerConnection(_Recording, HTTPSConnection):
    """A TLS connection on which a peer that stops reading looks as it does without TLS.

    ``urllib3`` reads the answer after a broken pipe, but takes the TLS form of the same event for a fault of TLS;
    a 401 or 413 during an upload would then be reported as a certificate problem.
    """

    def send(self, data: Any) -> None:
        try:
            super().send(data)
        except ssl.SSLEOFError as error:
            raise BrokenPipeError(errno.EPIPE, "the server closed while it was sent to") from error


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _EarlyAnswerPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _EarlyAnswerConnection


_POOLS = {"http": _Pool, "https": _EarlyAnswerPool}


class TrifactaAdapter(HTTPAdapter):
    """``requests``' adapter with the two changes above. It never retries by itself."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools, with TCP keepalive."""
        options = [*HTTPConnection.default_socket_options, *_KEEPALIVE]
        super().init_poolmanager(*args, socket_options=options, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make the pools behind a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
