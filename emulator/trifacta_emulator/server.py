"""Serves the emulated API from a background thread."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn

from trifacta_emulator.app import create_app
from trifacta_emulator.auth import Authenticator
from trifacta_emulator.faults import Faults
from trifacta_emulator.loopback import is_loopback
from trifacta_emulator.middleware import Call
from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.store import Store
from trifacta_emulator.transport import Protocol

log = logging.getLogger(__name__)

_START_SECONDS = 30
_GRACE_SECONDS = 2  # for answers that are under way at the stop
_CLOSE_SECONDS = 0.1
_POLL_SECONDS = 0.002


class _Server(uvicorn.Server):
    """Uvicorn that tells when it serves and is woken up to stop."""

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
        # Uvicorn's own takes a tenth of a second and more, which adds up over a test suite.
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._until_empty(self.server_state.tasks, _GRACE_SECONDS)
        await self._until_empty(self.server_state.connections, _CLOSE_SECONDS)
        for connection in list(self.server_state.connections):
            # A TLS connection waits for the peer's goodbye, which may never come.
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
    """
    An emulated Trifacta instance with Deployment Manager, on a port of this machine.

    Use it as a context manager, or call :meth:`start` and :meth:`stop`. State outlives a restart.

    :param options: what it is and how it behaves; default ``EmulatorOptions()``.
    :param host: address to listen on.
    :param port: port to listen on; ``0`` (default) = a free one, new at each start.
    :param tls: paths of certificate and key file to serve HTTPS; ``None`` = HTTP.
    """

    def __init__(
        self,
        options: EmulatorOptions | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: tuple[str | Path, str | Path] | None = None,
    ) -> None:
        self.options = options or EmulatorOptions()
        #: All state; tests may read and change it through its methods at any time.
        self.store = Store(self.options)
        #: How the next runs end; see :class:`RunOutcome`.
        self.runs = self.store.runs
        #: Users and tokens.
        self.auth = Authenticator(self.options)
        #: What is to go wrong; see :class:`Fault`.
        self.faults = Faults()
        #: The requests answered so far, oldest first.
        self.calls: list[Call] = []
        self._host = host
        self._port = port
        self._tls = tls
        self._bound_port: int | None = None
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """
        Base URL, e.g. ``http://127.0.0.1:45123``.

        :raises RuntimeError: not started.
        """
        if self._bound_port is None:
            raise RuntimeError("the emulator is not running")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self._bound_port}"

    def start(self) -> Emulator:
        """
        Start to serve; returns once requests are answered.

        :return: itself.
        :raises OSError: the port is taken, or a TLS file cannot be read.
        :raises RuntimeError: already running, or the server did not come up.
        """
        if self._thread is not None:
            raise RuntimeError("the emulator is already running")
        config = uvicorn.Config(
            create_app(self.options, self.store, self.auth, self.calls, self.faults),
            # The same in every environment, whatever optional packages are there.
            http=Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            ssl_certfile=self._tls and str(self._tls[0]),
            ssl_keyfile=self._tls and str(self._tls[1]),
        )
        if not is_loopback(self._host):
            log.warning(
                "The emulator listens on %s, where other machines reach it. Its passwords are published, and its page "
                "needs no login: give it nothing that is real.",
                self._host,
            )
        # TLS files are read here, so that a wrong one is the caller's exception and not the thread's.
        config.load()
        # Bound before the thread starts: the port is known and ours.
        listener = self._bind()
        self.faults.room.open()
        self._server = server = _Server(config)
        self._thread = threading.Thread(target=server.run, args=([listener],), name="trifacta-emulator", daemon=True)
        self._thread.start()
        if not server.ready.wait(_START_SECONDS):
            self.stop()
            raise RuntimeError("the emulator did not start")
        self._bound_port = listener.getsockname()[1]
        return self

    def stop(self) -> None:
        """
        Stop serving and end the thread; does nothing when not running.

        Held requests are reset; late commits and activations that wait never come.
        """
        if self._server is None or self._thread is None:
            return
        self.faults.room.close()
        self._server.stop()
        self._thread.join()
        self._server = self._thread = self._bound_port = None

    def drop_on_next_import(self, dropped: Mapping[str, Any]) -> None:
        """
        Let the next successful import report dropped objects; see :meth:`Store.drop_on_next_import`.

        :param dropped: becomes ``deletedObjects`` of the answer, e.g. ``{"datasources": [12]}``.
        """
        self.store.drop_on_next_import(dropped)

    def activate_late(self) -> int:
        """
        Activate the releases whose activation is late; see :class:`LateActivation`.

        :return: how many.
        """
        return self.faults.activate_late()

    def commit_late(self) -> int:
        """
        Handle the uploads whose commit is late; see :class:`LateCommit`.

        :return: how many.
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

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # With the protocol named, asyncio turns Nagle's algorithm off; an answer takes 40 ms otherwise.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
            # A port in use can also show up only here.
            listener.listen()
        except OSError:
            listener.close()
            raise
        return listener
