"""A server that echoes what it was sent: in names, errors, pages, headers and redirects.

The path before ``/v4`` says how: ``/MODE/ENCODING``. It passes each request on to the emulator, so
that a task gets as far as it would at an honest instance, unless the mode answers by itself.
"""

from __future__ import annotations

import base64
import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from canary.secrets import encodings

#: Keys of an answer whose texts become echoes.
_TEXTS = ("name", "notes", "email", "message", "description", "displayName", "errorMessage")
#: The modes: ``names`` is an instance where everything works.
MODES = ("names", "error", "page", "odd type", "redirect", "other host", "states", "headers")
#: The encodings of :func:`.encodings`, and ``escaped``: the raw text, each character of it as an
#: escape of JSON.
ENCODINGS = ("raw", "base64", "url", "html", "escaped")


class Echo:
    """The server.

    :param target: host and port of the emulator
    :param login: the login and password of the emulator
    """

    def __init__(self, target: str, login: str = "admin@example.com:admin-password") -> None:
        self._target = target.removeprefix("http://")
        self._login = "Basic " + base64.b64encode(login.encode()).decode()
        #: What was sent, by mode.
        self.heard: dict[str, set[str]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                content = self.rfile.read(length)
                status, headers, body = outer.ask(self, content)
                self.send_response_only(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value.encode().decode("latin-1"))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def host(self, mode: str, encoding: str) -> str:
        """Return the host of a connection."""
        return f"http://127.0.0.1:{self.port}/{mode.replace(' ', '_')}/{encoding}"

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def ask(self, request: Any, content: bytes) -> tuple[int, dict[str, str], bytes]:
        """Answer a request. One to a proxy has the whole URL in place of its path."""
        url = urlsplit(request.path)
        _, mode, encoding, path = url.path.split("/", 3)
        said = _said(request, url.query, content)
        self.heard.setdefault(mode, set()).update(said)
        encoded = {
            "escaped": lambda text: text,
        }.get(encoding, lambda text: encodings(text)[encoding])
        echo = " ".join(map(encoded, said))
        if mode == "error":
            exception = {"name": "ValidationFailed", "message": echo, "details": [echo]}
            return self._json(400, {"exception": exception}, encoding)
        if mode == "page":
            return 500, {"Content-Type": f"text/html; x={_header(echo)}"}, echo.encode()
        if mode == "odd_type":
            return 200, {"Content-Type": _header(echo)}, echo.encode()
        if mode in ("redirect", "other_host"):
            name = "127.0.0.1" if mode == "redirect" else "localhost"
            where = f"http://{name}:{self.port}/page/{encoding}/x?e={_header(echo)}"
            return 302, {"Location": where}, b""
        if mode == "states" and path.endswith("/status"):
            return self._json(200, echo, encoding)
        status, headers, body = self._pass_on(request, f"/{path}?{url.query}", content)
        if mode == "headers":
            headers = {**headers, "x-trifacta-request-id": _header(echo), "Set-Cookie": "a=b"}
            if status < 300 and request.command != "GET":
                status, body = 500, b'{"exception": {"name": "Oops"}}'
        elif "json" in headers["Content-Type"]:
            return self._json(status, _with_echoes(json.loads(body or b"null"), echo), encoding)
        return status, headers, body

    def _pass_on(
        self, request: Any, path: str, content: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self._target, timeout=60)
        kept = {"Content-Type": request.headers.get("Content-Type", "application/json")}
        sent = {**kept, "Authorization": self._login, "Host": self._target}
        connection.request(request.command, path, content, sent)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, {"Content-Type": answer.headers.get("Content-Type", "")}, body

    def _json(self, status: int, value: Any, encoding: str) -> tuple[int, dict[str, str], bytes]:
        text = _escaped(value) if encoding == "escaped" else json.dumps(value, ensure_ascii=False)
        return status, {"Content-Type": "application/json"}, text.encode()


def _said(request: Any, query: str, content: bytes) -> list[str]:
    """Return what a request says that may be secret: its credentials, its query and its body."""
    found = []
    for name in ("Authorization", "Proxy-Authorization"):
        value = request.headers.get(name)
        if value:
            found.append(value)
            kind, _, credentials = value.partition(" ")
            if kind == "Basic":
                login = base64.b64decode(credentials).decode("utf-8", "replace")
                found += [login, login.partition(":")[2]]
            else:
                found.append(credentials)
    found += [query] if query else []
    if content.startswith(b"{"):
        found += [content.decode("utf-8", "replace"), *_texts(json.loads(content))]
    return found


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for entry in inner for text in _texts(entry)]


def _with_echoes(value: Any, echo: str) -> Any:
    if isinstance(value, list):
        return [_with_echoes(entry, echo) for entry in value]
    if isinstance(value, dict):
        return {
            key: echo if key in _TEXTS and isinstance(entry, str) else _with_echoes(entry, echo)
            for key, entry in value.items()
        }
    return value


def _escaped(value: Any) -> str:
    """Return JSON in which each character of each text is an escape."""
    if isinstance(value, str):
        units = value.encode("utf-16-be")
        pairs = (units[at : at + 2].hex() for at in range(0, len(units), 2))
        return '"' + "".join(f"\\u{pair}" for pair in pairs) + '"'
    if isinstance(value, list):
        return "[" + ",".join(map(_escaped, value)) + "]"
    if isinstance(value, dict):
        # Keys stay as they are, so that the answer can be read.
        entries = (f"{json.dumps(key)}:{_escaped(entry)}" for key, entry in value.items())
        return "{" + ",".join(entries) + "}"
    return json.dumps(value)


def _header(text: str) -> str:
    """Return a text without what ends a header."""
    return " ".join(text.split())[:4000]
