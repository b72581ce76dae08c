"""Serves the emulator from a background thread."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn

from trifacta_emulator.app import create_app
from trifacta_emulator.faults.matching import Faults
from trifacta_emulator.http.connection import Call, Protocol
from trifacta_emulator.http.loopback import is_loopback
from trifacta_emulator.options import EmulatorOptions, ServerOptions
from trifacta_emulator.state.document import read_state, write_state
from trifacta_emulator.state.people import Authenticator
from trifacta_emulator.state.snapshot import Snapshot, put_back, take_snapshot
from trifacta_emulator.state.store import Store

log = logging.getLogger(__name__)

_START_SECONDS = 30
_GRACE_SECONDS = 2  # for unfinished answers at the stop
_CLOSE_SECONDS = 0.1
_POLL_SECONDS = 0.002


class _Server(uvicorn.Server):
    """Uvicorn that says when it serves, and that a signal stops at once."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self.ready.set()

    async def main_loop(self) -> None:
        await self._wake.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Uvicorn's own shutdown takes at least a tenth of a second, which adds up over a test
        # suite.
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._until_empty(self.server_state.tasks, _GRACE_SECONDS)
        await self._until_empty(self.server_state.connections, _CLOSE_SECONDS)
        for connection in list(self.server_state.connections):
            # A TLS connection would wait for a last message of the peer, which may never come.
            connection.transport.abort()
        await self._until_empty(self.server_state.connections, _CLOSE_SECONDS)

    @staticmethod
    async def _until_empty(things: Collection[object], seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while things and loop.time() < deadline:
            await asyncio.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake.set)


class Emulator:
    """An emulated Trifacta instance with Deployment Manager, on a port of this machine.

    Use it as a context manager, or call :meth:`start` and :meth:`stop`. The state survives a
    restart.

    :param options: kind and behaviour of the instance; default ``EmulatorOptions()``
    :param host: address to listen on
    :param port: port to listen on; ``0`` (default) = a free one, new at each start
    :param tls: paths of the certificate and key files, to serve HTTPS; ``None`` = HTTP
    :param server: its name, its admin token and its host names; default ``ServerOptions()``
    """

    def __init__(
        self,
        options: EmulatorOptions | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: tuple[str | Path, str | Path] | None = None,
        server: ServerOptions | None = None,
    ) -> None:
        self.options = options or EmulatorOptions()
        #: All state. Tests may read and change it at any time.
        self.store = Store(self.options)
        #: How the next runs end; see :class:`RunOutcome`.
        self.runs = self.store.runs
        #: Users and tokens.
        self.auth = Authenticator(self.options)
        #: Faults on demand; see :class:`Fault`.
        self.faults = Faults()
        #: The requests answered so far, oldest first.
        self.calls: list[Call] = []
        self._server_options = server or ServerOptions()
        self._start_state: Snapshot | None = None
        self._host = host
        self._port = port
        self._tls = tls
        self._bound_port: int | None = None
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Base URL, e.g. ``http://127.0.0.1:45123``.

        :raises RuntimeError: not started
        """
        if self._bound_port is None:
            raise RuntimeError("the emulator is not running")
        host = self._host
        if ":" in host:
            host = f"[{host}]"
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{host}:{self._bound_port}"

    def start(self) -> Emulator:
        """Start the server, and return when it answers requests.

        :returns: the emulator itself
        :raises OSError: the port is in use, or a TLS file cannot be read
        :raises RuntimeError: it is already running, or the server did not start
        """
        if self._thread is not None:
            raise RuntimeError("the emulator is already running")
        if not is_loopback(self._host):
            log.warning(
                "The emulator listens on %s, so other machines can reach it. Its passwords are"
                " public and its page needs no login: do not give it real data.",
                self._host,
            )
        self._start_state = take_snapshot(self.store.state, self.auth)
        config = self._config()
        # This reads the TLS files, so that a wrong file raises here and not in the thread.
        config.load()
        # Binding before the thread starts makes the port known here.
        listener = self._bind()
        self.faults.room.open()
        server = _Server(config)
        thread = threading.Thread(
            target=server.run, args=([listener],), name="trifacta-emulator", daemon=True
        )
        self._server = server
        self._thread = thread
        thread.start()
        if not server.ready.wait(_START_SECONDS):
            self.stop()
            raise RuntimeError("the emulator did not start")
        self._bound_port = listener.getsockname()[1]
        return self

    def stop(self) -> None:
        """Stop the server and its thread; does nothing if it is not running.

        Held requests are reset. Pending late commits and activations never happen.
        """
        if self._server is None or self._thread is None:
            return
        self.faults.room.close()
        self._server.stop()
        self._thread.join()
        self._server = None
        self._thread = None
        self._bound_port = None

    def reset(self) -> None:
        """Put everything back as it was at the last start: state, users, tokens, faults, run
        outcomes and calls.

        :raises RuntimeError: it was never started
        """
        if self._start_state is None:
            raise RuntimeError("the emulator was never started")
        self.faults.clear()
        put_back(self._start_state, self.store.state, self.auth)
        self.calls.clear()

    def state(self) -> dict[str, Any]:
        """Write all state as one JSON document, as ``GET /emulator/state`` does."""
        return write_state(self.store.state, self.auth)

    def load_state(self, document: Mapping[str, Any]) -> None:
        """Replace all state, as ``PUT /emulator/state`` does. A document that is wrong changes
        nothing.

        :param document: as :meth:`state` returns it, or by hand
        :raises ValueError: the document is wrong; the text says where
        """
        read_state(document, self.store.state, self.auth)

    def airflow_connection(self, email: str | None = None) -> str:
        """Write the value of an ``AIRFLOW_CONN_...`` variable for this emulator, as JSON.

        :param email: the user to sign in; ``None`` = the first one
        :raises ValueError: there is no such user
        :raises RuntimeError: not started
        """
        for person in self.auth.people:
            user = person.user
            if email in (None, user.email):
                connection = {
                    "conn_type": "trifacta",
                    "host": self.url,
                    "login": user.email,
                    "password": user.password,
                }
                return json.dumps(connection)
        raise ValueError(f"there is no user {email!r}")

    def drop_on_next_import(self, dropped: Mapping[str, Any]) -> None:
        """Let the next successful import report dropped objects; see
        :meth:`Releases.drop_on_next_import`.

        :param dropped: becomes ``deletedObjects`` of the answer, e.g. ``{"datasources": [12]}``
        """
        self.store.drop_on_next_import(dropped)

    def activate_late(self) -> int:
        """Activate the releases with a pending late activation; see :class:`LateActivation`.

        :returns: how many
        """
        return self.faults.activate_late()

    def commit_late(self) -> int:
        """Handle the uploads with a pending late commit; see :class:`LateCommit`.

        :returns: how many
        """
        return self.faults.commit_late()

    def __enter__(self) -> Emulator:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _config(self) -> uvicorn.Config:
        allowed_hosts = (*self._server_options.allowed_hosts, self._host)
        app = create_app(
            self.options,
            self.store,
            self.auth,
            self.calls,
            self.faults,
            replace(self._server_options, allowed_hosts=allowed_hosts),
            self.reset,
        )
        certificate, key = self._tls or (None, None)
        return uvicorn.Config(
            app,
            # The same in every environment, regardless of optional packages.
            http=Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            ssl_certfile=certificate and str(certificate),
            ssl_keyfile=key and str(key),
        )

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # asyncio turns Nagle's algorithm off only if the protocol is named. Otherwise an answer
        # takes 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
            # A port in use may fail only here.
            listener.listen()
        except OSError:
            listener.close()
            raise
        return listener
