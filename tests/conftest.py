from __future__ import annotations

import os
import tempfile

# Before Airflow is imported anywhere: each test process has an Airflow home, and so a database, of its own.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-home-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"

import json
import shutil
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest_plugins = ["airflow_provider_trifacta.emulator.pytest_plugin"]

ROOT = Path(__file__).resolve().parent.parent
REAL_PACKAGES = sorted((ROOT.parent / "shared" / "packages").glob("*.zip"))


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["AIRFLOW_HOME"], ignore_errors=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes ``real_package`` once for each real package, or skip it where there are none."""
    if "real_package" in metafunc.fixturenames:
        missing = pytest.param(None, marks=pytest.mark.skip(reason="no real packages beside the project"))
        metafunc.parametrize("real_package", REAL_PACKAGES or [missing], ids=lambda path: path and path.stem)


class ScriptedServer:
    """A server that answers what a test tells it to, for what no faithful emulator would do."""

    def __init__(self, respond, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[SimpleNamespace] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                request = SimpleNamespace(
                    method=self.command, path=self.path, headers=self.headers, length=length, handler=self
                )
                request.read_body = lambda: self.rfile.read(length)
                outer.seen.append(request)
                reply = respond(request)
                if reply is None:
                    self.close_connection = True
                    return
                status, headers, body = reply
                if not isinstance(body, bytes):
                    body = json.dumps(body).encode()
                    headers = {"Content-Type": "application/json", **headers}
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PATCH = answer

            def log_message(self, *args) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *args: None
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        name = "localhost" if tls else "127.0.0.1"
        self.url = f"{'https' if tls else 'http'}://{name}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def scripted():
    """Return a function that starts a scripted server; it stops after the test."""
    servers = []

    def start(respond, tls=None) -> ScriptedServer:
        servers.append(ScriptedServer(respond, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
