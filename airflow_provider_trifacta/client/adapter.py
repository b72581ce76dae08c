"""The HTTP adapter: early answers to an upload are seen, idle connections stay alive, and a call's time is kept."""

from __future__ import annotations

import errno
import http.client
import io
import socket
import ssl
import threading
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HeaderParsingError
from urllib3.util.response import assert_header_parsing

from .budget import Budget
from .errors import UnexpectedResponseError

#: A firewall forgets a connection that is silent while the server imports a package; keepalive speaks up.
_KEEPALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, option), seconds)
        for option, seconds in (("TCP_KEEPIDLE", 45), ("TCP_KEEPINTVL", 45))
        if hasattr(socket, option)  # absent on some platforms
    ),
]

#: Bytes that may come before the body of an answer: interim answers, the status line and the headers.
_LARGEST_HEAD = 1024 * 1024
#: Bytes of one line where a reader asks for a line of any length, as older versions of ``urllib3`` do for a chunk.
_LONGEST_LINE = 64 * 1024


class _Exchange(threading.local):
    """The present request of a thread: a thread sends one at a time."""

    def __init__(self) -> None:
        self.what = "The request"
        self.budget = Budget()
        #: Whether a byte of it has left.
        self.begun = True


_exchange = _Exchange()


def begin_exchange(what: str, budget: Budget) -> None:
    """Note that a request begins, of which nothing has left yet.

    :param what: method and path, for an error
    :param budget: the time that it has
    """
    _exchange.what, _exchange.budget, _exchange.begun = what, budget, False


def was_sent() -> bool:
    """Tell whether a byte of this thread's last request has left. Until then no server can have acted on it."""
    return _exchange.begun


class _Incoming(io.RawIOBase):
    """What arrives on a connection, in the time that the call has left.

    A timeout of a socket begins again with each byte, so that a server which drips could stretch it without end.
    """

    def __init__(self, sock: Any, source: Any) -> None:
        self._sock = sock
        self._source = source
        self._what, self._budget = _exchange.what, _exchange.budget
        #: Bytes that may still come before the body; None in the body, whose reader counts.
        self.head_left: int | None = _LARGEST_HEAD

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._source.fileno())

    def close(self) -> None:
        self._source.close()
        super().close()

    def readinto(self, buffer: Any) -> int | None:
        self._budget.check(self._what)
        left = self._budget.left()
        timeout = self._sock.gettimeout()
        if timeout is None or timeout > left:
            self._sock.settimeout(max(left, 0.001))
        try:
            count: int | None = self._source.readinto(buffer)
        except TimeoutError:
            self._budget.check(self._what)
            raise
        if self.head_left is not None:
            self.head_left -= count or 0
            if self.head_left < 0:
                raise UnexpectedResponseError(
                    f"{self._what} was answered with more than {_LARGEST_HEAD} bytes of headers."
                )
        return count


class _Reader(io.BufferedReader):
    """A buffer over :class:`_Incoming` that never reads without a limit, whatever a server announces."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            raise http.client.HTTPException("the answer announces a piece of negative length")
        return super().read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        if size is not None and size >= 0:
            return super().readline(size)
        line = super().readline(_LONGEST_LINE + 1)
        if len(line) > _LONGEST_LINE:
            raise http.client.HTTPException("the answer holds a line that is too long")
        return line


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._incoming = _Incoming(sock, self.fp.detach())
        self.fp = _Reader(self._incoming)

    def begin(self) -> None:
        super().begin()
        self._incoming.head_left = None
        try:
            assert_header_parsing(self.msg)
        except (HeaderParsingError, TypeError):
            # ``urllib3`` would log them whole, and go on without those that tell where the body ends.
            raise http.client.HTTPException("the headers of the answer cannot be read") from None

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        if status == http.HTTPStatus.SWITCHING_PROTOCOLS:
            raise http.client.HTTPException("the server switches to another protocol, which was not asked for")
        # Other interim answers are passed over like 100. Else the real answer, which comes after one, would be taken
        # for that to the next request on this connection.
        return version, (100 if 100 < status < 200 else status), reason


class _Recording:
    """Notes when the first byte of a request leaves, and sends in the time that is left.

    The bytes of a TLS handshake or of a proxy's tunnel do not count as the request's.
    """

    response_class: Any = _Response
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
        what, budget = _exchange.what, _exchange.budget
        budget.check(what)
        timeout, left = connection.timeout, max(budget.left(), 0.001)
        # Set each time: a connection that is used again still has the timeout of its last answer.
        connection.sock.settimeout(min(timeout, left) if isinstance(timeout, (int, float)) else left)
        if not self._in_tunnel:
            _exchange.begun = True
        try:
            super().send(data)  # type: ignore[misc]
        except TimeoutError:
            budget.check(what)
            raise


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

    def _validate_conn(self, conn: Any) -> None:
        """Connect. ``urllib3`` would warn of an unverified server with each request; the hook does so once."""
        if conn.sock is None:
            conn.connect()


_POOLS = {"http": _Pool, "https": _EarlyAnswerPool}


class TrifactaAdapter(HTTPAdapter):
    """``requests``' adapter with the changes above. It never retries by itself."""

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
