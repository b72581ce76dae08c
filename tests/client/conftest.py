"""Servers below HTTP: they send bytes that no HTTP library would."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

import pytest
import trustme


class RawServer:
    """Calls a function with each connection, in a thread, and closes it afterwards.

    :param talk: called with the connected socket
    :param tls: makes it a TLS server
    """

    def __init__(self, talk, tls: ssl.SSLContext | None = None) -> None:
        self._talk = talk
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.connections = 0
        #: How many pieces were sent in drips.
        self.pieces = 0
        self.closing = threading.Event()
        port = self._listener.getsockname()[1]
        self.url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.closing(connection):
            connection.settimeout(20)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with contextlib.closing(connection):
                self._talk(connection)

    def drip(self, connection, piece: bytes) -> None:
        """Send a piece again and again, slowly, until the other side has enough.

        Not more than 40 times: a client that this machine starves would find so many headers at
        once that another limit comes first.
        """
        for _ in range(40):
            if self.closing.wait(0.005):
                return
            self.pieces += 1
            connection.sendall(piece)
        self.closing.wait(60)

    def close(self) -> None:
        self.closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def read_request(connection) -> bytes:
    """Read a request with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            while len(body) < int(value):
                piece = connection.recv(65536)
                if not piece:
                    break
                body += piece
    return head + b"\r\n\r\n" + body


@pytest.fixture
def raw():
    """Return a function that starts a server below HTTP; it stops after the test."""
    servers = []

    def start(talk, tls=None) -> RawServer:
        servers.append(RawServer(talk, tls))
        return servers[-1]

    start.read_request = read_request
    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Return a server context for localhost and the path of the CA bundle that trusts it."""
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    bundle = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(bundle)
    return context, str(bundle)
