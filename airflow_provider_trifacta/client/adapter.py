"""The HTTP adapter: answers that come before an upload's end are seen, and idle connections stay alive."""

from __future__ import annotations

import errno
import socket
import ssl
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


class _EarlyAnswerConnection(HTTPSConnection):
    """A TLS connection on which a peer that stops reading looks as it does without TLS.

    ``urllib3`` reads the answer after a broken pipe, but takes the TLS form of the same event for a fault of TLS;
    a 401 or 413 during an upload would then be reported as a certificate problem.
    """

    def send(self, data: Any) -> None:
        try:
            super().send(data)
        except ssl.SSLEOFError as error:
            raise BrokenPipeError(errno.EPIPE, "the server closed while it was sent to") from error


class _EarlyAnswerPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _EarlyAnswerConnection


_POOLS = {"http": urllib3.HTTPConnectionPool, "https": _EarlyAnswerPool}


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
