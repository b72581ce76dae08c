from __future__ import annotations

import base64
import http.client
import logging
import socket
import ssl

import pytest
import requests
import trustme
from trifacta_emulator import Answer, Emulator, Fault, LateCommit, Reset, Truncate

ADMIN = ("admin@example.com", "admin-password")
LOGIN = base64.b64encode(":".join(ADMIN).encode()).decode()
BODY = b'{"name": "prod"}'


@pytest.fixture
def dial(api):
    """Open a connection and send a POST whose body is still to come."""
    host, _, port = api.emulator.url.removeprefix("http://").partition(":")
    opened = []

    def _dial(length):
        connection = socket.create_connection((host, int(port)), timeout=30)
        opened.append(connection)
        head = (
            f"POST /v4/deployments HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {LOGIN}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
        connection.sendall(head.encode())
        return connection

    yield _dial
    for connection in opened:
        connection.close()


def add(api, effect, **matcher):
    return api.emulator.faults.add(Fault(effect, **matcher))


def test_reset_after_the_headers(api, dial):
    add(api, Reset())
    # Nothing unread lies in the server's buffer, which would make the kernel reset by itself.
    with pytest.raises(ConnectionResetError):
        dial(1000).recv(1)
    [call] = api.emulator.calls
    assert (call.method, call.status, call.request_bytes, call.response_bytes) == ("POST", 0, 0, 0)
    assert api.emulator.store.deployments() == ()


def test_reset_in_the_middle_of_the_body(api, dial):
    add(api, Reset("in_body", after_bytes=50_000))
    connection = dial(1_000_000)
    connection.sendall(b" " * 40_000)
    # A later request is answered, so this much has arrived.
    api.get("/v4/people/current")
    connection.setblocking(False)
    with pytest.raises(BlockingIOError):
        connection.recv(1)
    connection.settimeout(30)
    connection.sendall(b" " * 10_000)
    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    assert api.emulator.calls[-1].request_bytes == 50_000


def test_reset_in_the_middle_of_a_shorter_body(api, dial):
    add(api, Reset("in_body", after_bytes=50_000))
    connection = dial(len(BODY))
    connection.sendall(BODY)
    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    assert api.emulator.store.deployments() == ()


@pytest.mark.parametrize(("when", "created"), [("after_body", 0), ("after_commit", 1)])
def test_reset_after_the_body(api, dial, when, created):
    armed = add(api, Reset(when))
    connection = dial(len(BODY))
    connection.sendall(BODY)
    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    assert len(api.emulator.store.deployments()) == created
    assert armed.outcomes == [201] * created
    assert api.emulator.calls[-1].status == 0


def test_reset_of_a_late_commit(api, package):
    api.deployment()
    armed = add(api, LateCommit(None))
    with pytest.raises(requests.ConnectionError):
        api.upload(1, package)
    armed.release()
    assert len(api.emulator.store.releases()) == 1


def test_truncated_answer_ends_without_a_reset(api, dial):
    add(api, Truncate(3))
    connection = dial(len(BODY))
    connection.sendall(BODY)
    received = b""
    while chunk := connection.recv(4096):
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    assert (body, b"HTTP/1.1 201" in head) == (b'{"i', True)
    assert api.emulator.calls[-1].response_bytes > 3


def test_answer_that_closes_on_a_sending_client(api, dial):
    add(api, Answer(413, headers={"Connection": "close"}))
    connection = dial(10_000_000)
    received = b""
    while chunk := connection.recv(4096):
        received += chunk
    assert received.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("when", ["before_body", "after_commit"])
def test_clients_see_a_connection_error(api, when, caplog):
    armed = add(api, Reset(when), times=2)
    for number in (1, 2):
        with pytest.raises(requests.ConnectionError):
            api("POST", "/v4/deployments", json={"name": f"d{number}"})
    assert armed.fired == 2
    assert api.get("/v4/deployments").status_code == 200
    # Uvicorn does not complain about answers that are missing.
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("effect", [Reset(), Reset("after_commit"), Truncate()])
def test_over_tls(tmp_path, effect):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    ca, cert, key = (tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(ca)
    certificate.private_key_pem.write_to_path(key)
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(cert, append=True)
    with Emulator(tls=(cert, key)) as emulator:
        emulator.faults.add(Fault(effect))
        with pytest.raises(
            (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, ssl.SSLError)
        ):
            requests.get(f"{emulator.url}/v4/deployments", auth=ADMIN, verify=str(ca), timeout=30)
        again = requests.get(
            f"{emulator.url}/v4/deployments", auth=ADMIN, verify=str(ca), timeout=30
        )
        assert again.status_code == 200


@pytest.mark.parametrize(
    "path", ["/v4/Deployments", "/V4/DEPLOYMENTS/", "/v4/deployments/", "/v4/people/CURRENT"]
)
def test_spelling_of_paths(api, path):
    response = api.get(path, allow_redirects=False)
    assert response.status_code == 200
    assert api.emulator.calls[-1].path == path


def test_request_ids_differ(api):
    ids = {api.get("/v4/deployments").headers["x-trifacta-request-id"] for _ in range(3)}
    assert len(ids) == 3


def test_log(api):
    response = api(
        "POST",
        "/v4/deployments?x=1",
        data=b'{"name": "a"}',
        headers={"Content-Type": "application/json"},
    )
    [call] = api.emulator.calls
    assert (call.method, call.path, call.query, call.status) == (
        "POST",
        "/v4/deployments",
        "x=1",
        201,
    )
    assert (call.request_bytes, call.response_bytes) == (13, len(response.content))
    assert call.headers["content-type"] == "application/json"
    assert not {"authorization", "cookie"} & call.headers.keys()


def test_client_that_goes_away(api, caplog):
    deployment = api.deployment()
    connection = http.client.HTTPConnection(api.emulator.url.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", f"/v4/deployments/{deployment}/releases")
    connection.putheader("Authorization", "Basic YWRtaW5AZXhhbXBsZS5jb206YWRtaW4tcGFzc3dvcmQ=")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders(b"--x\r\n")
    connection.sock.shutdown(socket.SHUT_WR)
    connection.sock.recv(100)
    connection.close()
    assert api.json(f"/v4/deployments/{deployment}")["numReleases"] == 0
    assert 499 in [call.status for call in api.emulator.calls]
    assert not [record for record in caplog.records if record.exc_info]
