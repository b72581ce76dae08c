from __future__ import annotations

import pytest

PATH = "/v4/deployments"


def test_create(api):
    response = api("POST", PATH, json={"name": "Orders, EU"})
    assert response.status_code == 201
    assert response.json() == {
        "id": 1,
        "name": "Orders, EU",
        "createdAt": "2024-01-01T00:00:00.000Z",
        "updatedAt": "2024-01-01T00:00:00.000Z",
        "creator": {"id": 1},
        "updater": {"id": 1},
    }


def test_create_with_counts(start):
    body = start(counts_on_create=True)("POST", PATH, json={"name": "a"}).json()
    assert (body["numReleases"], body["latestRelease"]) == (0, None)


@pytest.mark.parametrize(
    "body", ["{}", '{"name": ""}', '{"name": " "}', '{"name": 5}', "[]", "null", "{", '"\xff"', ""]
)
def test_create_refuses(api, body):
    data = body.encode("latin-1")
    response = api("POST", PATH, data=data, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.json()["exception"]["name"] == "ApiValidationFailed"
    assert api.json(PATH)["data"] == []


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", PATH), ("PATCH", f"{PATH}/1"), ("PATCH", "/v4/releases/101")]
)
def test_content_type(api, package, method, path, content_type):
    api.release(api.deployment(), package)
    headers = {"Content-Type": content_type} if content_type else {}
    assert api(method, path, data=b'{"name": "a"}', headers=headers).status_code == 415


def test_names(api, start):
    assert [api.deployment("same"), api.deployment("same")] == [1, 2]
    strict = start(unique_deployment_names=True)
    first = strict.deployment("same")
    assert strict("POST", PATH, json={"name": "same"}).status_code == 400
    assert strict("PATCH", f"{PATH}/{first}", json={"name": "same"}).status_code == 200
    other = strict.deployment("other")
    assert strict("PATCH", f"{PATH}/{other}", json={"name": "same"}).status_code == 400


def test_list(api, clock, package):
    api.deployment("one")
    clock.advance(1.5)
    api.deployment("two")
    release = api.upload(1, package).json()["release"]
    two, one = api.json(PATH)["data"]
    assert two == {
        "id": 2,
        "name": "two",
        "createdAt": "2024-01-01T00:00:01.500Z",
        "updatedAt": "2024-01-01T00:00:01.500Z",
        "numReleases": 0,
        "latestRelease": None,
        "creator": {"id": 1},
        "updater": {"id": 1},
    }
    assert one["numReleases"] == 1
    keys = ("id", "notes", "packageUuid", "active", "createdAt", "updatedAt")
    assert one["latestRelease"] == {key: release[key] for key in keys}
    assert [row["id"] for row in api.json(PATH, deploymentId=1)["data"]] == [1]


def test_latest_release_as_id(start, package):
    api = start(latest_release="id")
    release = api.release(api.deployment(), package)
    assert api.json(f"{PATH}/1")["latestRelease"] == release


def test_list_pages(api):
    for number in range(30):
        api.emulator.store.create_deployment(f"d{number}")
    assert [row["id"] for row in api.json(PATH)["data"]] == list(range(30, 5, -1))
    assert [row["id"] for row in api.json(PATH, limit=10, offset=25)["data"]] == [5, 4, 3, 2, 1]
    assert len(api.json(PATH, noLimit="true")["data"]) == 30
    assert api.json(PATH, limit=1, includeCount="true")["count"] == 30
    found = api.json(PATH, filter="d7", filterType="exact", fields="name", sort="id")
    assert found["data"] == [{"id": 8, "name": "d7"}]
    assert api.get(PATH, params={"limit": "no"}).status_code == 400


def test_read_with_releases(api, package):
    api.deployment()
    ids = [api.release(1, package) for _ in range(3)]
    body = api.json(f"{PATH}/1", embed="releases")
    assert [row["id"] for row in body["releases"]["data"]] == ids[::-1]
    assert (body["numReleases"], body["latestRelease"]["id"]) == (3, ids[-1])
    assert "releases" not in api.json(f"{PATH}/1")
    assert body["releases"]["data"][0] == api.json(f"/v4/releases/{ids[-1]}")
    embedded = api.json(f"{PATH}/1", embed="releases(limit=1,fields=notes,sort=id)", fields="name")
    assert embedded == {
        "id": 1,
        "name": "prod",
        "releases": {"data": [{"id": ids[0], "notes": "first try"}]},
    }


@pytest.mark.parametrize(
    ("embed_paging", "params", "expected"),
    [
        (True, {}, 25),
        (True, {"limit": 1}, 1),
        (True, {"noLimit": "true"}, 27),
        (False, {"limit": 1}, 27),
    ],
)
def test_paging_of_embedded_releases(start, package, embed_paging, params, expected):
    api = start(embed_paging=embed_paging)
    api.deployment()
    for _ in range(27):
        api.release(1, package)
    assert len(api.json(f"{PATH}/1", embed="releases", **params)["releases"]["data"]) == expected


@pytest.mark.parametrize(
    ("choice", "listed", "embedded"), [("both", 200, 200), ("embed", 404, 200), ("plain", 200, 400)]
)
def test_ways_to_list_releases(start, package, choice, listed, embedded):
    api = start(release_list=choice)
    release = api.release(api.deployment(), package)
    plain = api.get("/v4/releases", params={"deploymentId": 1})
    embed = api.get(f"{PATH}/1", params={"embed": "releases"})
    assert (plain.status_code, embed.status_code) == (listed, embedded)
    if choice == "embed":
        assert plain.json()["exception"]["name"] == "RouteNotFoundException"
    if choice == "plain":
        assert embed.json()["exception"]["name"] == "ValidationFailed"
        details = "No association releases in deployments! Valid associations are creator, updater"
        assert embed.json()["exception"]["details"] == details
    assert api.get(f"/v4/releases/{release}").status_code == 200
    assert api("PATCH", f"/v4/releases/{release}", json={"active": False}).status_code == 200


def test_bad_embed(api):
    api.deployment()
    response = api.get(f"{PATH}/1", params={"embed": "*"})
    assert response.status_code == 400
    assert response.json()["exception"] == {
        "name": "ValidationFailed",
        "message": "Input validation failed",
        "details": (
            "No association * in deployments! Valid associations are releases, creator, updater"
        ),
    }


def test_rename(api, clock):
    api.deployment("old")
    clock.advance(60)
    response = api("PATCH", f"{PATH}/1", json={"name": "new"})
    assert response.status_code == 200
    assert response.json() == {
        "id": 1,
        "updater": {"id": 1},
        "updatedAt": "2024-01-01T00:01:00.000Z",
    }
    body = api.json(f"{PATH}/1")
    assert (body["name"], body["createdAt"]) == ("new", "2024-01-01T00:00:00.000Z")
    assert api("PATCH", f"{PATH}/1", json={}).status_code == 400


def test_delete(api, package):
    api.deployment()
    release = api.release(1, package)
    response = api("DELETE", f"{PATH}/1")
    assert (response.status_code, response.content) == (204, b"")
    assert api.json(PATH)["data"] == []
    for path in (f"{PATH}/1", f"/v4/releases/{release}"):
        assert api.get(path).status_code == 410
        assert api("DELETE", path).status_code == 410
        assert api.json(path, includeDeleted="true")["deleted_at"] == "2024-01-01T00:00:00.000Z"
    assert api.upload(1, package).status_code == 410
    assert [row["deleted_at"] for row in api.json(PATH, includeDeleted="true")["data"]] != [None]
    assert api.json("/v4/releases", deploymentId=1)["data"] == []
    # Ids are not used again.
    assert api.deployment() == 2


@pytest.mark.parametrize(("option", "status"), [({}, 404), ({"unknown_id_status": 400}, 400)])
@pytest.mark.parametrize("path", [f"{PATH}/987", f"{PATH}/987/releases", "/v4/releases/987"])
def test_unknown_ids(start, option, status, path):
    api = start(**option)
    method, body = (
        ("POST", {}) if path.endswith("releases") else ("PATCH", {"name": "a", "active": True})
    )
    response = api(method, path, json=body)
    assert response.status_code == status
    assert "987 does not exist" in response.json()["exception"]["details"]


def test_deleted_as_404(start):
    api = start(deleted_id_status=404)
    api.deployment()
    api("DELETE", f"{PATH}/1")
    assert api.get(f"{PATH}/1").status_code == 404


@pytest.mark.parametrize("text", ["abc", "1.5", "-1", "9" * 30, "\u0663"])
def test_ids_that_are_no_numbers(api, text):
    """[P: AYX] Such a path is not known, and its answer is the recorded 404."""
    answer = api.get(f"{PATH}/{text}")
    name = "DataNotFoundException" if text == "9" * 30 else "RouteNotFoundException"
    assert (answer.status_code, answer.json()["exception"]["name"]) == (404, name)


@pytest.mark.parametrize("body", [b'{"name": "\\ud800"}', b'{"name": "a", "other": NaN}'])
def test_a_body_that_no_answer_could_say_again_is_refused(api, body):
    response = api(
        "POST", "/v4/deployments", data=body, headers={"Content-Type": "application/json"}
    )
    assert (response.status_code, "not valid JSON" in response.text) == (400, True)
    assert api.json("/v4/deployments")["data"] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v4/deployments"),
        ("POST", "/v4/deployments"),
        ("GET", "/v4/deployments/1"),
        ("POST", "/v4/deployments/1/run"),
        ("GET", "/v4/releases/7"),
    ],
)
def test_without_deployment_manager_its_paths_are_unknown(start, method, path):
    api = start(deployment_manager=False)
    response = api(method, path, json={"name": "x"} if method == "POST" else None)
    assert response.status_code == 404
    assert response.json() == {
        "exception": {
            "name": "RouteNotFoundException",
            "message": "This route does not exist",
            "details": f"Cannot {method} {path}",
        }
    }
    assert not [
        one
        for one in api.json("/v4/open-api-spec")["paths"]
        if "deployments" in one or "releases" in one
    ]
    assert api.get("/v4/people/current").status_code == 200
