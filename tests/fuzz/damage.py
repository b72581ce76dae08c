"""A server between a task and the emulator that damages answers, as a seed decides."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Values that no field of an answer has, so that nobody may believe them.
ODD_VALUES: list[Any] = [
    None,
    False,
    0,
    -1,
    1.5,
    1e308,
    10**29,
    10**4000,
    float("nan"),
    float("inf"),
    "",
    " ",
    "x" * 50_000,
    "\ud83d",
    "\x00\x1b[31m\r\n",
    "\u202e\u2028",
    "P1D",
    "9999-12-31T23:59:59.999Z",
    "0000-00-00",
    "00000000-0000-1000-8000-000000000000",
    "{{ ti.xcom_pull() }}",
    [],
    {},
    [[]],
    [None],
    [1, "a", {}],
    {"id": {}},
    {"data": [{"id": []}]},
    {"": {"": [0]}},
]
#: Values that a field may have: what they say is wrong, and nobody can see that.
LIES: list[Any] = [True, 1, 2, 3, 7, 101, "Complete", "Failed", "InProgress", "2020-01-01T00:00Z"]
#: Bodies in the place of a whole answer.
BODIES = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"0",
    b'""',
    b"true",
    b"<html><title>Sign in</title></html>",
    b"\x00\xff\xfe" * 40,
    '{"data": []}'.encode("utf-16"),
    b"\xef\xbb\xbf{}",
    b'{"data": null, "count": "many"}',
    b'{"exception": {"name": {}, "message": [], "details": "' + b"x" * 9000 + b'"}}',
    b"[" * 100_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b'{"data": [' + b"{}," * 30_000 + b"{}]}",
    b"1" * 60_000,
]
STATUSES = [200, 201, 202, 204, 206, 304, 400, 401, 403, 404, 409, 410, 418, 429, 500, 502, 503]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all values inside a value."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places(inner, (*path, number))


def _inside(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


class _Repeated(dict):
    """An object that has one of its keys twice."""

    def __init__(self, honest: dict[str, Any], key: str, other: Any) -> None:
        super().__init__(honest)
        self._twice = (key, other)

    def items(self) -> Any:
        return [*super().items(), self._twice]


def _put(rng: random.Random, body: Any, value: Any) -> Any:
    """Put a value into the place of another one, or return it if there is none."""
    found = list(places(body))
    if not found or rng.random() < 0.03:
        return value
    *path, last = rng.choice(found)
    _inside(body, tuple(path))[last] = value
    return body


def _replace(rng: random.Random, body: Any) -> bytes:
    return _dumped(_put(rng, body, rng.choice(ODD_VALUES)))


def _lie(rng: random.Random, body: Any) -> bytes:
    return _dumped(_put(rng, body, rng.choice(LIES)))


def _remove(rng: random.Random, body: Any) -> bytes:
    found = list(places(body))
    if found:
        *path, last = rng.choice(found)
        del _inside(body, tuple(path))[last]
    return _dumped(body)


def _repeat(rng: random.Random, body: Any) -> bytes:
    found = [path for path in places(body) if isinstance(path[-1], str)]
    if not found:
        return _dumped([body, body])
    *path, key = rng.choice(found)
    inner = _inside(body, tuple(path))
    twice = _Repeated(inner, key, rng.choice(ODD_VALUES))
    return _dumped(twice if not path else _put_at(body, path, twice))


def _put_at(body: Any, path: list[Any], value: Any) -> Any:
    _inside(body, tuple(path[:-1]))[path[-1]] = value
    return body


def _nest(rng: random.Random, body: Any) -> bytes:
    depth = rng.choice([50, 120, 900, 5_000])
    deep = rng.choice(["[" * depth + "]" * depth, '{"id":' * depth + "1" + "}" * depth])
    return _dumped(_put(rng, body, "DEEP")).replace(b'"DEEP"', deep.encode())


def _cut(rng: random.Random, body: Any) -> bytes:
    text = _dumped(body)
    return text[: rng.randrange(len(text))]


def _flip(rng: random.Random, body: Any) -> bytes:
    text = bytearray(_dumped(body))
    for _ in range(rng.randint(1, 4)):
        text[rng.randrange(len(text))] = rng.randrange(256)
    return bytes(text)


def _other_body(rng: random.Random, body: Any) -> bytes:  # noqa: ARG001
    return rng.choice(BODIES)


def _dumped(body: Any) -> bytes:
    return json.dumps(body).encode()


#: What a seed chooses from. Of an answer that was flipped or lies, nobody can see that it is wrong.
KINDS: dict[str, Callable[[random.Random, Any], bytes]] = {
    "replace": _replace,
    "lie": _lie,
    "remove": _remove,
    "repeat": _repeat,
    "nest": _nest,
    "cut": _cut,
    "flip": _flip,
    "other body": _other_body,
}
LYING = ("lie", "flip", "status", "before")


@dataclass
class Plan:
    """Which answers of a run are damaged, and how.

    :param seed: decides what is put where
    :param kind: a key of ``KINDS``, ``status``, ``before`` (the answer before), or ``broken off``
    :param first: the number of the first damaged answer
    :param lasting: whether all later answers are damaged too
    """

    seed: str
    kind: str
    first: int
    lasting: bool

    @classmethod
    def of(cls, seed: str, answers: int) -> Plan:
        """Choose the damage of a run that has so many answers."""
        rng = random.Random(seed)
        kind = rng.choice([*KINDS, "status", "before", "broken off"])
        return cls(seed, kind, rng.randrange(max(answers, 1)), rng.random() < 0.3)

    @property
    def lies(self) -> bool:
        """Whether a damaged answer may look like an honest one."""
        return self.kind in LYING


@dataclass
class _Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    announced: int | None = None


@dataclass
class DamagingServer:
    """Passes requests on to a server, and damages answers on their way back.

    :param target: host and port of that server
    """

    target: str
    plan: Plan | None = None
    answers: int = 0
    #: The damaged answers of this plan.
    damaged: list[bytes] = field(default_factory=list)
    _before: bytes = b"null"
    _lock: Any = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                content = self.rfile.read(length)
                reply = outer.ask(self.command, self.path, dict(self.headers), content)
                self.send_response_only(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                size = len(reply.body) if reply.announced is None else reply.announced
                self.send_header("Content-Length", str(size))
                self.end_headers()
                self.wfile.write(reply.body)
                if size != len(reply.body):
                    self.close_connection = True

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        thread.start()

    def begin(self, target: str, plan: Plan | None) -> None:
        """Begin a run at a server."""
        self.target, self.plan = target.removeprefix("http://"), plan
        self.answers, self.damaged, self._before = 0, [], b"null"

    def ask(self, method: str, path: str, headers: dict[str, str], content: bytes) -> _Reply:
        """Pass a request on, and return the answer as the plan says."""
        connection = http.client.HTTPConnection(self.target, timeout=30)
        connection.request(method, path, content, {**headers, "Host": self.target})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        kept = {"Content-Type": answer.headers.get("Content-Type", "application/json")}
        reply = _Reply(answer.status, kept, body)
        with self._lock:
            number, self.answers = self.answers, self.answers + 1
            plan, before, self._before = self.plan, self._before, body
            if plan is None or number < plan.first or (number > plan.first and not plan.lasting):
                return reply
            reply = self._damage(random.Random(f"{plan.seed} {number}"), plan.kind, reply, before)
            self.damaged.append(reply.body)
        return reply

    def _damage(self, rng: random.Random, kind: str, reply: _Reply, before: bytes) -> _Reply:
        if kind == "status":
            return _Reply(rng.choice(STATUSES), reply.headers, reply.body)
        if kind == "before":
            return _Reply(reply.status, reply.headers, before)
        if kind == "broken off":
            end = rng.randrange(len(reply.body) + 1)
            return _Reply(reply.status, reply.headers, reply.body[:end], len(reply.body) + 1)
        try:
            honest = json.loads(reply.body)
        except ValueError:  # a package
            return _Reply(reply.status, reply.headers, reply.body[: len(reply.body) // 2])
        return _Reply(reply.status, reply.headers, KINDS[kind](rng, honest))

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
