"""The connection to an instance: who gets the credentials, what leaves, and in what time.

:mod:`.responses` is its other half, and reads what comes back. Both ask the budget of the call
before each block.
"""

from __future__ import annotations

import base64
import errno
import queue
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import parse_url

from .calls import exchange
from .errors import ConfigurationError, RedirectError
from .responses import Answer, BoundedResponse, read_answer
from .tls import refuse_special_files

if TYPE_CHECKING:
    from .calls import Request
    from .config import ClientConfig
    from .limits import Claim

#: Seconds that one block of an upload may take to leave, if the connect timeout is shorter.
_UPLOAD_BLOCK_TIMEOUT = 60.0
_PORTS = {"http": 80, "https": 443}
#: A firewall forgets a connection that is silent while the server imports a package. Keepalive
#: prevents that.
_KEEPALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
for _name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
    if hasattr(socket, _name):  # some platforms lack them
        _KEEPALIVE.append((socket.IPPROTO_TCP, getattr(socket, _name), 45))


class Server(NamedTuple):
    """The receiver of a request."""

    scheme: str
    host: str
    port: int


def server_of(url: str) -> Server | None:
    """Return the server of a URL, as it is sent. None if that is not sure.

    ``requests`` and ``urllib3`` choose the server with different parsers, by their versions, and
    the two understand odd URLs in different ways. Only a URL that both read alike has a server.
    """
    try:
        ours = urlsplit(url)
        theirs = parse_url(url)
        our_scheme = ours.scheme.lower()
        usual_port = _PORTS[our_scheme]
        server = Server(our_scheme, (ours.hostname or "").lower(), ours.port or usual_port)
    except (ValueError, KeyError):
        return None
    host = (theirs.host or "").lower().strip("[]")
    their_scheme = (theirs.scheme or "").lower()
    read_alike = server == (their_scheme, host, theirs.port or usual_port)
    holds_login = "@" in ours.netloc or theirs.auth is not None
    if not host or not read_alike or holds_login:
        return None
    return server


def prepared(url: str) -> str:
    """Return a URL as it is sent; an empty text if it cannot be sent."""
    try:
        return requests.Request("GET", url).prepare().url or ""
    except ValueError:  # as the errors of requests and urllib3 for a URL are
        return ""


def may_follow(old: Server | None, new: Server | None) -> bool:
    """Tell whether the credentials may go to another server.

    They may if it is the same server, or the same one over https. Another port of a host belongs
    to another program. The usual ports of http and https belong to one.
    """
    if not old or not new or old.host != new.host:
        return False
    if old == new:
        return True
    if (old.scheme, new.scheme) != ("http", "https"):
        return False
    usual_ports = (_PORTS["http"], _PORTS["https"])
    return old.port == new.port or (old.port, new.port) == usual_ports


class _Connection(HTTPConnection):
    """Notes when the first byte of a request leaves, and sends in the time that is left.

    The bytes of a TLS handshake or of a proxy's tunnel do not count as the request's. Each
    connection is made by a thread of its own, because the look-up of a name has no timeout.
    """

    response_class: Any = BoundedResponse

    def _new_conn(self) -> Any:
        # When nobody holds this queue any more, a socket in it that came too late is closed.
        results: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def connect() -> None:
            try:
                results.put(super(_Connection, self)._new_conn())
            except BaseException as error:  # it belongs to the thread that waits
                results.put(error)

        threading.Thread(target=connect, name="trifacta-connect", daemon=True).start()
        timeout = min(exchange.left(), threading.TIMEOUT_MAX)
        try:
            result = results.get(timeout=timeout)
        except queue.Empty:
            raise exchange.budget.exceeded(exchange.what) from None
        if isinstance(result, BaseException):
            raise result
        return result

    def _tunnel(self) -> None:
        try:
            super()._tunnel()
        finally:
            exchange.begun = False  # what was sent went to the proxy

    def send(self, data: Any) -> None:
        if self.sock is None and self.auto_open:
            self.connect()  # here, and not within the send below: nothing has left when it fails
        timeout = exchange.left()
        if isinstance(self.timeout, (int, float)):
            timeout = min(self.timeout, timeout)
        # Set each time: a connection that is used again still has the timeout of its last answer.
        self.sock.settimeout(timeout)
        exchange.begun = True
        try:
            super().send(data)
        except TimeoutError:
            if exchange.budget.left() <= 0:
                raise exchange.budget.exceeded(exchange.what) from None
            raise
        except ssl.SSLEOFError as error:
            # ``urllib3`` reads the answer after a broken pipe. It takes the TLS form of that for a
            # fault of TLS, so a 401 or 413 during an upload would be reported as a certificate
            # problem.
            raise BrokenPipeError(errno.EPIPE, "the server closed while it was sent to") from error


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _NewConnections:
    """Gives a request that may change something a new connection.

    A server may close a kept connection at the moment when it is sent on. A read is repeated then.
    Of a change it would be unknown whether the server has seen it.
    """

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        if exchange.alone and connection.sock is not None:
            connection.close()
            connection = self._new_conn()  # type: ignore[attr-defined]
        return connection


class _Pool(_NewConnections, urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(_NewConnections, urllib3.HTTPSConnectionPool):
    ConnectionCls = _TLSConnection

    def _validate_conn(self, conn: Any) -> None:
        """Connect. ``urllib3`` would warn of an unverified server with each request."""
        if conn.sock is None:
            conn.connect()


class TrifactaAdapter(HTTPAdapter):
    """``requests``' adapter with the connections above. It never retries by itself."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools, with TCP keepalive."""
        kwargs["socket_options"] = [*HTTPConnection.default_socket_options, *_KEEPALIVE]
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make the pools behind a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        return manager


class Session:
    """The connections to one instance.

    :param config: where and how
    :param connections: how many are kept open
    """

    def __init__(self, config: ClientConfig, connections: int) -> None:
        self._config = config
        self.adapter = TrifactaAdapter(pool_connections=1, pool_maxsize=connections)
        self._settings: dict[str, Mapping[str, Any]] = {}
        # Header dictionaries are ASCII, and a ``.netrc`` file wins over them. So the header is set
        # last, in UTF-8.
        self._credentials: Any = _authorization(config)
        self._headers = {
            **requests.utils.default_headers(),
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": config.user_agent,
        }
        base = prepared(config.base_url)
        self._server = server_of(base)
        #: How the URLs of this server begin. A slash ends the host for every parser.
        self._origin = "/".join(base.split("/", 3)[:3]) + "/"

    def exchange(
        self, request: Request, url: str, params: Mapping[str, Any] | None, claim: Claim
    ) -> Answer:
        """Send a request, and read its answer. Redirects are left to the caller.

        :param request: what is sent
        :param url: where it goes
        :param params: query parameters
        :param claim: takes the room that the answer needs in the memory of the process
        :raises TrifactaError: the call is out of time, or the request would go to another server
        """
        exchange.what = f"{request.method} {request.path}"
        exchange.budget = request.budget
        exchange.begun = False
        exchange.alone = request.method != "GET"
        timeout = self._timeout(request)
        sent = requests.PreparedRequest()  # streams a body that has a length and can be iterated
        sent.prepare(
            method=request.method,
            url=url,
            headers={**self._headers, **request.headers},
            params=params,
            json=request.json,
            data=request.body,
        )
        self._refuse_other_server(sent.url or "")
        sent.headers["Authorization"] = self._credentials
        response = self.adapter.send(sent, timeout=timeout, **self._settings_for(url))
        return read_answer(response, request, self._config, claim)

    def _timeout(self, request: Request) -> tuple[float, float]:
        """Return the seconds to connect and send a block, and those to wait for the answer."""
        config = self._config
        connect = config.connect_timeout
        if request.body:
            connect = max(connect, _UPLOAD_BLOCK_TIMEOUT)
        answer = config.upload_timeout if request.slow else config.read_timeout
        return min(connect, exchange.left()), answer

    def _refuse_other_server(self, url: str) -> None:
        """Refuse a URL to which the credentials may not go."""
        if self._server is None:
            raise ConfigurationError("The connection's host makes no usable URL.")
        if url.startswith(self._origin) or may_follow(self._server, server_of(url)):
            return
        raise RedirectError(
            f"A request was not sent: it would go to another server than {self._server.host}."
        )

    def _settings_for(self, url: str) -> Mapping[str, Any]:
        """Return the proxies and TLS files for a URL. Each server's are looked up once."""
        server = url[: url.index("/", 8)]
        if server not in self._settings:
            config = self._config
            refuse_special_files(config)
            merge = requests.Session().merge_environment_settings
            proxies = dict(config.proxies)
            self._settings[server] = merge(url, proxies, True, config.verify, config.cert)
        return self._settings[server]


def _authorization(config: ClientConfig) -> bytes:
    """Return the header that carries the credentials."""
    if not config.login:
        return f"Bearer {config.password}".encode()
    login = f"{config.login}:{config.password}".encode()
    return b"Basic " + base64.b64encode(login)
