from __future__ import annotations

import http.client
import socket

import pytest


@pytest.mark.parametrize("path", ["/v4/Deployments", "/V4/DEPLOYMENTS/", "/v4/deployments/", "/v4/people/CURRENT"])
def test_spelling_of_paths(api, path):
    response = api.get(path, allow_redirects=False)
    assert response.status_code == 200
    assert api.emulator.calls[-1].path == path


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/v4/nothing", 404, "NotFoundException"),
        ("GET", "/nothing", 404, "NotFoundException"),
        ("GET", "/v4", 404, "NotFoundException"),
        ("PUT", "/v4/deployments", 405, "MethodNotAllowedException"),
        ("POST", "/v4/people/current", 405, "MethodNotAllowedException"),
        ("GET", "/v4/deployments/1/releases", 405, "MethodNotAllowedException"),
        ("POST", "/", 405, "MethodNotAllowedException"),
    ],
)
def test_unknown_routes(api, method, path, status, name):
    response = api(method, path)
    assert response.status_code == status
    assert response.json()["exception"]["name"] == name
    assert response.headers["x-trifacta-request-id"]


def test_allowed_methods_are_named(api):
    allow = api("PUT", "/v4/deployments").headers["allow"]
    assert {part.strip() for part in allow.split(",")} == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize(
    ("accept", "status"),
    [("application/json", 200), ("*/*", 200), ("text/html, application/*;q=0.8", 200), ("text/html", 415)],
)
def test_accept(api, accept, status):
    assert api.get("/v4/deployments", headers={"Accept": accept}).status_code == status


def test_request_ids_differ(api):
    ids = {api.get("/v4/deployments").headers["x-trifacta-request-id"] for _ in range(3)}
    assert len(ids) == 3


def test_log(api):
    response = api("POST", "/v4/deployments?x=1", data=b'{"name": "a"}', headers={"Content-Type": "application/json"})
    [call] = api.emulator.calls
    assert (call.method, call.path, call.query, call.status) == ("POST", "/v4/deployments", "x=1", 201)
    assert (call.request_bytes, call.response_bytes) == (13, len(response.content))
    assert call.headers["content-type"] == "application/json"
    assert not {"authorization", "cookie"} & call.headers.keys()


def test_bug_is_a_500_in_the_vendors_shape(api, monkeypatch):
    monkeypatch.setattr(api.emulator.store, "deployments", lambda **_: 1 / 0)
    response = api.get("/v4/deployments")
    assert response.status_code == 500
    assert response.json()["exception"]["name"] == "InternalServerErrorException"
    assert "Traceback" not in response.text
    assert response.headers["x-trifacta-request-id"]


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
