"""Exporting a flow: the whole file, again from its beginning after a failure, or an error."""

from __future__ import annotations

import errno
import gzip
import io
import os

import pytest

from airflow_provider_trifacta.client.config import ClientConfig
from airflow_provider_trifacta.client.errors import (
    ConnectionLostError,
    DestinationError,
    GatewayPageError,
    NotFoundError,
    RedirectError,
    ServerError,
    TemporarySpaceError,
    UnexpectedResponseError,
)
from airflow_provider_trifacta.client.flows import Flows
from airflow_provider_trifacta.client.transport import Transport

ZIP = b"PK\x03\x04" + bytes(range(256)) * 1000
GOOD = (200, {"Content-Type": "application/zip"}, ZIP)
CUT = (
    200,
    {"Content-Type": "application/zip", "Content-Length": str(len(ZIP) + 5), "Connection": "close"},
    ZIP,
)


@pytest.fixture
def export(scripted):
    """Return a function that exports from a server that gives these answers in turn: (content,
    requests)."""

    def run(*answers, comment=None, read_retries=1, file=None):
        left = list(answers)
        server = scripted(lambda _: left.pop(0) if len(left) > 1 else left[0])
        config = ClientConfig(
            base_url=server.url, login="me", password="secret", read_retries=read_retries
        )
        transport = Transport(config, sleep=lambda _: None)
        file = file or io.BytesIO(b"what was there, longer or not" * 100_000)
        try:
            Flows(transport).export(7, file, comment=comment)
        finally:
            transport.close()
            run.seen = server.seen
        assert file.tell() == 0
        return file.read(), server.seen

    return run


@pytest.mark.parametrize("kind", ["application/zip", "application/octet-stream", ""])
def test_the_file_as_it_is(export, kind):
    content, (request,) = export((200, {"Content-Type": kind}, ZIP))
    assert content == ZIP
    assert (request.method, request.path) == ("GET", "/v4/flows/7/package")
    assert request.headers["Accept"] == "*/*"


@pytest.mark.parametrize("comment", [None, "", " ", "None", "undefined"])
def test_what_stands_for_no_comment_is_not_sent(export, comment):
    _, (request,) = export(GOOD, comment=comment)
    assert request.path == "/v4/flows/7/package"


def test_the_comment_goes_with_it(export):
    _, (request,) = export(GOOD, comment="DAG a, run 1+2 & ü")
    assert request.path == "/v4/flows/7/package?comment=DAG+a%2C+run+1%2B2+%26+%C3%BC"


@pytest.mark.parametrize("failure", [None, (502, {}, b"x"), CUT], ids=["lost", "502", "cut short"])
def test_a_passing_failure_is_repeated_from_the_beginning(export, failure):
    content, seen = export(failure, GOOD)
    assert content == ZIP
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, ConnectionLostError),
        (CUT, ConnectionLostError),
        ((500, {}, {}), ServerError),
        ((404, {}, {"exception": {"message": "no"}}), NotFoundError),
        ((404, {}, {}), GatewayPageError),
        ((200, {"Content-Type": "text/html"}, b"<html>Sign in</html>"), UnexpectedResponseError),
        (
            (200, {"Content-Type": "application/json"}, b'{"exception": {"message": "no"}}'),
            UnexpectedResponseError,
        ),
        ((200, {"Content-Type": "application/zip"}, b""), UnexpectedResponseError),
        ((204, {}, b""), UnexpectedResponseError),
        ((302, {"Location": "https://elsewhere.example/login"}, b""), RedirectError),
    ],
)
def test_anything_else_is_an_error(export, answer, error):
    with pytest.raises(error):
        export(answer)


def test_a_compressed_answer_is_unpacked(export):
    packed = gzip.compress(ZIP)
    content, _ = export(
        (200, {"Content-Type": "application/zip", "Content-Encoding": "gzip"}, packed)
    )
    assert content == ZIP


def test_a_redirect_within_the_server_is_followed(export):
    content, seen = export((307, {"Location": "/files/1"}, b""), GOOD)
    assert content == ZIP
    assert [request.path for request in seen] == ["/v4/flows/7/package", "/files/1"]


def test_a_full_disk_is_not_taken_for_a_fault_of_the_connection(export, mocker):
    full = mocker.Mock(spec=io.BytesIO)
    full.write.side_effect = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(TemporarySpaceError, match=os.strerror(errno.ENOSPC)) as caught:
        export(GOOD, file=full)
    assert caught.value.retryable


def test_a_file_that_takes_no_data_is_named(export, mocker):
    closed = mocker.Mock(spec=io.BytesIO)
    closed.write.side_effect = OSError(errno.EIO, "Input/output error")
    with pytest.raises(DestinationError, match=os.strerror(errno.EIO)):
        export(GOOD, file=closed)
