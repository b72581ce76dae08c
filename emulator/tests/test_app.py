from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/v4/nothing", 404, "RouteNotFoundException"),
        ("GET", "/nothing", 404, "RouteNotFoundException"),
        ("GET", "/v4", 404, "RouteNotFoundException"),
        ("PUT", "/v4/deployments", 404, "RouteNotFoundException"),
        ("GET", "/v4/deployments/1/releases", 404, "RouteNotFoundException"),
        ("POST", "/", 405, "MethodNotAllowedException"),
    ],
)
def test_unknown_routes(api, method, path, status, name):
    response = api(method, path)
    assert response.status_code == status
    assert response.json()["exception"]["name"] == name
    assert response.headers["x-trifacta-request-id"]


def test_bug_is_a_500_in_the_vendors_shape(api, monkeypatch):
    monkeypatch.setattr(api.emulator.store.state.deployments, "listed", lambda **_: 1 / 0)
    response = api.get("/v4/deployments")
    assert response.status_code == 500
    assert response.json()["exception"]["name"] == "InternalServerErrorException"
    assert "Traceback" not in response.text
    assert response.headers["x-trifacta-request-id"]
