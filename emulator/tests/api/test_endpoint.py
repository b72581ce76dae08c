from __future__ import annotations

import base64

import pytest


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("*/*", 200),
        ("text/html, application/*;q=0.8", 200),
        ("text/html", 415),
    ],
)
def test_accept(api, accept, status):
    assert api.get("/v4/deployments", headers={"Accept": accept}).status_code == status


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "header",
    [
        None,
        basic("admin@example.com:wrong"),
        basic("nobody@example.com:admin-password"),
        "Basic !!!",
        "Basic",
        "Basic /w==",
        "Bearer nothing",
        "Digest x",
    ],
)
@pytest.mark.parametrize("path", ["/v4/people/current", "/v4/deployments/1", "/v4/nothing"])
def test_bad_credentials(api, header, path):
    api.session.auth = lambda request: request  # no .netrc either
    response = api.get(path, headers={"Authorization": header} if header else {})
    assert response.status_code == 401
    assert response.json()["exception"].keys() == {"name", "message", "details"}
    assert response.headers["x-trifacta-request-id"]


@pytest.mark.parametrize("body", ["json", "text"])
def test_a_refused_token_may_be_a_400(start, body):
    api = start(bad_token_status=400, unauthorized_body=body)
    api.session.auth = lambda request: request
    response = api.get("/v4/people/current", headers={"Authorization": "Bearer unknown"})
    assert response.status_code == 400
    assert response.json()["exception"]["name"] == "InvalidAccessTokenException"
    for header in ("Basic eDp5", "Digest x", ""):
        assert api.get("/v4/people/current", headers={"Authorization": header}).status_code == 401


def test_401_without_json(start):
    api = start(unauthorized_body="text")
    api.session.auth = ("admin@example.com", "wrong")
    response = api.get("/v4/people/current")
    assert (response.status_code, response.text) == (401, "Unauthorized")
