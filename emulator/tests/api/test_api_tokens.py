from __future__ import annotations

import pytest

TOKENS = "/v4/apiAccessTokens"


def create(api, **body):
    return api("POST", TOKENS, json={"lifetimeSeconds": 60, **body})


def bearer(api, value, path="/v4/people/current"):
    api.session.auth = lambda request: request
    return api.get(path, headers={"Authorization": f"Bearer {value}"})


def test_life_of_a_token(api):
    created = create(api, description="for the DAG")
    assert created.status_code == 201
    value, info = created.json()["tokenValue"], created.json()["tokenInfo"]
    assert info == {
        "tokenId": info["tokenId"],
        "description": "for the DAG",
        "expiredAt": "2024-01-01T00:01:00.000Z",
        "createdAt": "2024-01-01T00:00:00.000Z",
        "lastUsed": None,
    }
    path = f"{TOKENS}/{info['tokenId']}"
    assert api.json(path) == info
    assert api.json(TOKENS) == {"data": [info]}
    admin = api.session.auth
    assert bearer(api, value).json()["email"] == "admin@example.com"
    api.session.auth = admin
    assert api.json(path)["lastUsed"] == "2024-01-01T00:00:00.000Z"
    assert api("DELETE", path).status_code == 204
    assert api.get(path).status_code == 404
    assert api("DELETE", path).status_code == 404
    assert bearer(api, value).status_code == 401


def test_expiry(api, clock):
    value = create(api).json()["tokenValue"]
    clock.advance(60)
    assert bearer(api, value).status_code == 401


def test_never_expires(api, clock):
    created = create(api, lifetimeSeconds=-1).json()
    assert created["tokenInfo"]["expiredAt"] is None
    clock.advance(10**9)
    assert bearer(api, created["tokenValue"]).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"lifetimeSeconds": "60"},
        {"lifetimeSeconds": True},
        {"lifetimeSeconds": 0},
        {"lifetimeSeconds": -2},
        {"lifetimeSeconds": 10**15},
        {"lifetimeSeconds": 60, "description": 5},
    ],
)
def test_wrong_body(api, body):
    response = api("POST", TOKENS, json=body)
    assert response.status_code == 400
    assert response.json()["exception"]["name"] == "ApiValidationFailed"


@pytest.mark.parametrize(("lifetime", "status"), [(-1, 400), (86401, 400), (86400, 201)])
def test_maximum_lifetime(start, lifetime, status):
    assert create(start(max_token_lifetime_days=1), lifetimeSeconds=lifetime).status_code == status


@pytest.mark.parametrize(("allowed", "status"), [(False, 403), (True, 201)])
def test_tokens_of_users(start, allowed, status):
    api = start(user_tokens_allowed=allowed)
    api.session.auth = ("author@example.com", "author-password")
    assert create(api).status_code == status


def test_others_tokens(start):
    api = start(user_tokens_allowed=True)
    admins = create(api).json()["tokenInfo"]["tokenId"]
    admin, api.session.auth = api.session.auth, ("author@example.com", "author-password")
    authors = create(api).json()["tokenInfo"]["tokenId"]
    assert api("DELETE", f"{TOKENS}/{admins}").status_code == 404
    assert [row["tokenId"] for row in api.json(TOKENS)["data"]] == [authors]
    api.session.auth = admin
    assert api("DELETE", f"{TOKENS}/{authors}").status_code == 204
