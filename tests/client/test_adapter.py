"""A call ends in its time, and takes no more memory than it may, even if a server sends without
end."""

from __future__ import annotations

import contextlib
import gzip
import io
import logging
import socket
import threading
import time
import tracemalloc
from types import SimpleNamespace

import pytest

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient, calls
from airflow_provider_trifacta.client import transport as transport_module
from airflow_provider_trifacta.client.calls import MultipartFile
from airflow_provider_trifacta.client.errors import (
    AnswerTooLargeError,
    ConnectError,
    ConnectionLostError,
    NotFoundError,
    PackageTooLargeError,
    RequestTimeoutError,
    ServerError,
    TrifactaError,
    UnexpectedResponseError,
)
from airflow_provider_trifacta.client.retries import did_nothing
from airflow_provider_trifacta.client.transport import Transport

pytestmark = pytest.mark.every_airflow

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SIZED = HEAD + b"Content-Length: 100000\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def transports():
    """Return a function that makes the transport of a task and that of polls. They do not really
    wait."""
    made = []

    def make(url, **options):
        config = ClientConfig(base_url=url, login="me", password="very-long-secret", **options)
        made.append(Transport(config, sleep=lambda _: None))
        made.append(Transport(config, sleep=lambda _: None, connections=2))
        return made[-2:]

    yield make
    for transport in made:
        transport.close()


def in_time(transport, **options):
    """Read a path; return the error, which comes before any timeout of the connection."""
    started = time.monotonic()
    with pytest.raises(TrifactaError) as caught:
        transport.read("/v4/x", **options)
    assert time.monotonic() - started < transport.config.read_timeout
    return caught.value


@pytest.fixture
def time_by_drips(monkeypatch):
    """Return a function that lets only the drips of a server move the time of calls: by two seconds
    a piece.

    So the length of a call does not depend on how fast this machine is.
    """

    def use(server):
        clock = SimpleNamespace(monotonic=lambda: 2.0 * server.pieces)
        monkeypatch.setattr(calls, "time", clock)
        monkeypatch.setattr(transport_module, "time", clock)

    return use


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"", b"H"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
        (HEAD, b"X"),
        (HEAD, b"X: 1\r\n"),
        (SIZED, b" "),
        (CHUNKED, b"1\r\n \r\n"),
        (CHUNKED, b"1;"),
        (CHUNKED + b"0\r\n", b"X: 1\r\n"),
    ],
    ids=[
        "status line",
        "100",
        "103",
        "header",
        "headers",
        "body",
        "chunks",
        "chunk line",
        "trailers",
    ],
)
@pytest.mark.parametrize("tls", [False, True])
def test_a_server_that_drips_cannot_stretch_a_call(
    raw, transports, authority, time_by_drips, begin, piece, tls
):
    def talk(connection):
        raw.read_request(connection)
        connection.sendall(begin)
        server.drip(connection, piece)

    context, bundle = authority
    server = raw(talk, context if tls else None)
    time_by_drips(server)
    options = {"verify": bundle} if tls else {}
    for transport in transports(server.url, total_timeout=30, **options):
        pieces = server.pieces
        # Many headers and a long line have a limit of their own, which may come first.
        with pytest.raises(RequestTimeoutError, match="'read_timeout'"):
            transport.read("/v4/x")
        assert server.pieces - pieces >= 15, "it ends when its time is over, and not before"
    assert server.connections == 2, "no repetition once the time is over"


def test_a_write_whose_answer_drips_may_have_been_done(raw, transports, time_by_drips):
    def talk(connection):
        raw.read_request(connection)
        server.drip(connection, b"HTTP/1.1 100 Continue\r\n\r\n")

    server = raw(talk)
    time_by_drips(server)
    transport, _ = transports(server.url, total_timeout=30)
    with pytest.raises(RequestTimeoutError) as caught:
        transport.write("PATCH", "/v4/x", json={})
    assert not did_nothing(caught.value)


def test_a_proxy_that_drips_cannot_either_and_nothing_was_done(raw, transports, time_by_drips):
    def talk(connection):
        raw.read_request(connection)
        server.drip(connection, b"HTTP/1.1 100 Continue\r\n\r\n")

    server = raw(talk)
    time_by_drips(server)
    transport, _ = transports(
        "https://localhost:1", total_timeout=30, proxies={"https": server.url}
    )
    with pytest.raises(TrifactaError) as caught:
        transport.write("PATCH", "/v4/x", json={})
    assert did_nothing(caught.value)


def test_an_upload_that_is_read_in_drips_ends_in_its_own_time(raw, transports, tmp_path):
    def talk(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while not server.closing.wait(0.005) and connection.recv(4096):
            pass

    server = raw(talk)
    path = tmp_path / "p.zip"
    path.write_bytes(b"x" * 50_000_000)
    transport, _ = transports(server.url, upload_total_timeout=0.5, total_timeout=0.01)
    started = time.monotonic()
    with (
        path.open("rb") as file,
        pytest.raises(RequestTimeoutError, match="'upload_timeout'") as caught,
    ):
        transport.write("POST", "/v4/x", body=MultipartFile(file, 50_000_000, "p.zip"))
    assert 0.4 < time.monotonic() - started < transport.config.read_timeout
    assert did_nothing(caught.value), "it was not sent as a whole"


def test_repetitions_belong_to_the_call(scripted, transports):
    server = scripted(lambda _: (503, {"Retry-After": "60"}, {}))
    for transport in transports(server.url, total_timeout=30):
        with pytest.raises(ServerError):
            transport.read("/v4/x")
    assert len(server.seen) == 2, "the pause that the server asks for does not fit in"


def test_a_connection_that_is_used_again_has_its_time_again(scripted, transports):
    server = scripted(lambda _: (200, {}, {}))
    for transport in transports(server.url, read_timeout=0.2):
        for _ in range(3):
            assert transport.read("/v4/x") == {}


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b'HTTP/1.1 404 Not Found\r\nContent-Length: 34\r\n\r\n{"exception": {"message": "None"}}',
    ],
)
def test_a_connection_is_used_again(raw, transports, answer):
    def talk(connection):
        while raw.read_request(connection):
            connection.sendall(answer)

    server = raw(talk)
    for number, transport in enumerate(transports(server.url), 1):
        for _ in range(3):
            with contextlib.suppress(NotFoundError):
                transport.read("/v4/x")
        assert server.connections == number


def test_endless_headers_end_before_the_time_does(raw, transports):
    def talk(connection):
        raw.read_request(connection)
        while not server.closing.is_set():
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    server = raw(talk)
    for transport in transports(server.url, read_retries=0):
        assert isinstance(in_time(transport), UnexpectedResponseError)


@pytest.mark.parametrize("status", [102, 103, 199])
def test_an_interim_answer_is_never_taken_for_the_answer(raw, transports, status):
    """Else the answer would be taken for that to the next request on the connection."""

    def talk(connection):
        number = 0
        while raw.read_request(connection):
            number += 1
            connection.sendall(f"HTTP/1.1 {status} Wait\r\n\r\n".encode())
            time.sleep(0.02)
            connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}".encode())

    server = raw(talk)
    for transport in transports(server.url):
        assert [transport.read("/v4/x"), transport.read("/v4/x")] == [1, 2]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        CHUNKED + b"-1\r\n" + b"x" * 100,
        CHUNKED + b"-5\r\nabcde\r\n0\r\n\r\n",
        CHUNKED + b"zz\r\n",
        CHUNKED + b"\r\n",
        CHUNKED + b"5\r\nab",
        CHUNKED + b"1" * 100_000 + b"\r\n",
        HEAD + b"Content-Length: 5, 6\r\n\r\n{}",
        HEAD + b"Content-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        HEAD + b"no header\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/9.9 one\r\n\r\n",
        b"\x00\xff\r\n\r\n",
        b"",
    ],
)
def test_what_is_not_http_is_one_of_our_errors(raw, transports, answer, caplog):
    def talk(connection):
        raw.read_request(connection)
        connection.sendall(answer)

    for transport in transports(raw(talk).url, read_retries=0):
        error = in_time(transport)
        assert isinstance(error, (ConnectionLostError, UnexpectedResponseError))
        assert error.retryable
        with pytest.raises(TrifactaError) as caught:
            transport.write("PATCH", "/v4/x", json={})
        assert not did_nothing(caught.value)
    libraries = [
        record
        for record in caplog.records
        if not record.name.startswith("airflow_provider_trifacta")
    ]
    assert [record for record in libraries if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    ("head", "named"),
    [
        (b"X: y\r\n" * 101, "100 headers"),
        (b"X: y\r\n" * 10_000, "100 headers"),
        (b"no header\r\n", "colon"),
        (b"X: y\r\nbroken by a proxy\r\nY: z\r\n", "colon"),
        (b"X: " + b"y" * 70_000 + b"\r\n", "65536 bytes"),
    ],
    ids=["101", "10,000", "no colon", "no colon between", "long"],
)
@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found", b"503 Busy"])
def test_headers_that_cannot_be_read_are_named_and_leave_a_change_in_doubt(
    raw, transports, head, named, status
):
    def talk(connection):
        while raw.read_request(connection):
            connection.sendall(
                b"HTTP/1.1 " + status + b"\r\n" + head + b"Content-Length: 2\r\n\r\n{}"
            )

    server = raw(talk)
    transport, _ = transports(server.url, read_retries=0)
    error = in_time(transport)
    with pytest.raises(UnexpectedResponseError) as caught:
        transport.write("PATCH", "/v4/x", json={})
    for one, request in ((error, "GET /v4/x"), (caught.value, "PATCH /v4/x")):
        assert type(one) is UnexpectedResponseError
        assert request in str(one)
        assert named in str(one)
        assert one.retryable
    assert not did_nothing(caught.value)
    assert server.connections == 2, "the rest of such an answer is never taken for the next one"


def test_many_headers_are_read(raw, transports):
    def talk(connection):
        while raw.read_request(connection):
            connection.sendall(
                b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 98 + b"Content-Length: 2\r\n\r\n{}"
            )

    for transport in transports(raw(talk).url):
        assert transport.read("/v4/x") == {}


# Kept connections


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def one_request(raw, lines):
    """Return a server's talk that answers one request of a connection, and closes it when the next
    one arrives."""

    def talk(connection):
        lines.append(raw.read_request(connection).partition(b" ")[0].decode())
        connection.sendall(OK)
        if second := raw.read_request(connection).partition(b" ")[0].decode():
            lines.append(f"{second}, not answered")

    return talk


def tunnel(raw, target):
    """Return a proxy's talk: it carries bytes to a server of this machine and back."""

    def talk(connection):
        raw.read_request(connection)
        with socket.create_connection(("127.0.0.1", target)) as server:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=carry, args=(server, connection), daemon=True)
            back.start()
            carry(connection, server)
            back.join()

    def carry(source, sink):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_RDWR)

    return talk


@pytest.mark.parametrize("way", ["plain", "tls", "http proxy", "tunnel"])
def test_a_change_never_goes_out_on_a_kept_connection(raw, transports, authority, tmp_path, way):
    """A server that closes a kept connection at that moment would leave the change in doubt."""
    context, bundle = authority
    lines = []
    server = raw(one_request(raw, lines), context if way in ("tls", "tunnel") else None)
    url, options = server.url, {"verify": bundle, "read_retries": 0}
    if way == "http proxy":
        url, options["proxies"] = "http://trifacta.example.com", {"http": server.url}
    if way == "tunnel":
        options["proxies"] = {"https": raw(tunnel(raw, int(server.url.rpartition(":")[2]))).url}
    path = tmp_path / "p.zip"
    path.write_bytes(b"x" * 1000)
    for transport in transports(url, **options):
        lines.clear()
        for change in ("PATCH", "POST"):
            transport.read("/v4/x")
            with path.open("rb") as file:
                body = MultipartFile(file, 1000, "p.zip") if change == "POST" else None
                transport.write(change, "/v4/x", json=None if body else {}, body=body)
            with pytest.raises(ConnectionLostError):
                transport.read("/v4/x")  # this one goes out on the connection of the change
        assert lines == ["GET", "PATCH", "GET, not answered", "GET", "POST", "GET, not answered"]


# Sizes


def test_the_client_asks_for_what_it_need_not_unpack(scripted, transports):
    server = scripted(lambda _: (200, {}, {}))
    for transport in transports(server.url):
        transport.read("/v4/x")
    assert {request.headers["Accept-Encoding"] for request in server.seen} == {"identity"}


def bomb(layers, size=50_000_000):
    packed = bytes(size)
    for _ in range(layers):
        packed = gzip.compress(packed)
    return packed


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", bomb(1)),
        ("gzip", bomb(2)),
        ("gzip, gzip", bomb(2)),
        ("deflate", b"x"),
        ("br", b"x"),
        ("gzip", b"no gzip"),
        ("gzip", gzip.compress(b"{}")[:-5]),
        ("gzip", gzip.compress(b"{}") * 2),
    ],
)
@pytest.mark.parametrize("status", [200, 302, 500])
def test_a_packed_answer_is_never_unpacked_without_a_limit(
    scripted, transports, encoding, body, status
):
    server = scripted(lambda _: (status, {"Content-Encoding": encoding}, body))
    for transport in transports(server.url, read_retries=0):
        tracemalloc.start()
        error = in_time(transport)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8_000_000
        assert isinstance(
            error, ServerError if status == 500 else (UnexpectedResponseError, ConnectionLostError)
        )


def test_an_answer_that_is_packed_unasked_is_read(scripted, transports):
    server = scripted(lambda _: (200, {"Content-Encoding": "gzip"}, gzip.compress(b'{"a": 1}')))
    for transport in transports(server.url):
        assert transport.read("/v4/x") == {"a": 1}


@pytest.mark.parametrize(
    "body", [b"[" + b"[]," * 400_000 + b"1]", b"[" + b'{"a":1},' * 300_000 + b"1]"]
)
def test_json_of_many_containers_is_refused_before_it_is_parsed(scripted, transports, body):
    server = scripted(lambda _: (200, {}, body))
    transport, _ = transports(server.url)
    assert isinstance(in_time(transport), AnswerTooLargeError)


@pytest.fixture
def export(scripted):
    def run(headers, body, limit=100_000):
        server = scripted(lambda _: (200, {"Content-Type": "application/zip", **headers}, body))
        config = ClientConfig(
            base_url=server.url, login="me", password="very-long-secret", max_package_size=limit
        )
        file = io.BytesIO()
        with TrifactaClient(config) as client:
            client.flows.export(1, file)
        return file.getvalue()

    return run


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, bytes(100_001)),
        ({"Content-Encoding": "gzip"}, bomb(1)),
        ({"Content-Length": "9" * 400}, b"x"),
    ],
)
def test_an_export_that_is_too_large_is_refused_as_it_arrives(export, headers, body):
    with pytest.raises(PackageTooLargeError, match="'max_package_size'") as caught:
        export(headers, body)
    assert not caught.value.retryable


def test_an_export_of_just_that_size_is_kept(export):
    assert export({}, b"x" * 100_000) == b"x" * 100_000


def test_a_name_look_up_that_hangs_ends_with_the_call(transports, monkeypatch):
    asked, answered = threading.Event(), threading.Event()

    def hang(*_, **__):
        asked.set()
        answered.wait(20)
        raise socket.gaierror("not known")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    for transport in transports("http://slow.example.com", total_timeout=0.3):
        error = in_time(transport)
        assert isinstance(error, RequestTimeoutError)
        assert error.unsent
    assert asked.is_set()
    answered.set()


def test_the_errors_of_a_connection_come_from_its_thread_as_they_are(transports, monkeypatch):
    def fail(*_, **__):
        raise socket.gaierror("not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    for transport in transports("http://none.example.com", read_retries=0):
        error = in_time(transport)
        assert isinstance(error, ConnectError)
        assert error.unsent
