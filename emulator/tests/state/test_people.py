from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from trifacta_emulator import PresetToken, User


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("user", [("admin@example.com", "p:w:ü")])
def test_password_with_colons_and_other_letters(start, user):
    api = start(users=(User(*user),))
    api.session.auth = None
    response = api.get("/v4/people/current", headers={"Authorization": basic(":".join(user))})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("instance_type", "user", "status"),
    [
        ("both", "admin", 200),
        ("both", "author", 403),
        ("prod", "author", 200),
        ("dev", "admin", 403),
    ],
)
@pytest.mark.parametrize("path", ["/v4/deployments", "/v4/releases"])
def test_role(start, instance_type, user, status, path):
    api = start(instance_type=instance_type)
    api.session.auth = (f"{user}@example.com", f"{user}-password")
    assert api.get("/v4/people/current").status_code == 200
    assert api.get(path).status_code == status


def test_preset_token_expires(start, clock):
    api = start(
        tokens=(PresetToken("secret", "admin@example.com", clock() + timedelta(seconds=60)),)
    )
    api.session.auth = None
    headers = {"Authorization": "Bearer secret"}
    assert api.get("/v4/deployments", headers=headers).status_code == 200
    clock.advance(59.999)
    assert api.get("/v4/deployments", headers=headers).status_code == 200
    clock.advance(0.001)
    assert api.get("/v4/deployments", headers=headers).status_code == 401


def test_tokens_off(start):
    api = start(tokens=(PresetToken("secret", "admin@example.com"),), api_tokens_enabled=False)
    assert api("POST", "/v4/apiAccessTokens", json={"lifetimeSeconds": 60}).status_code == 403
    api.session.auth = None
    assert (
        api.get("/v4/people/current", headers={"Authorization": "Bearer secret"}).status_code == 401
    )
