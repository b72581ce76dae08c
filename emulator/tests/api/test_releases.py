from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from trifacta_emulator import build_package

AUTHOR = ("author@example.com", "author-password")


def states(api, deployment_id):
    rows = api.json("/v4/releases", deploymentId=deployment_id, noLimit="true")["data"]
    return {row["id"]: row["active"] for row in rows}


def test_create(api, package):
    response = api.upload(api.deployment(), package)
    assert response.status_code == 201
    assert response.json()["release"] == {
        "id": 101,
        "packageUuid": response.json()["release"]["packageUuid"],
        "notes": "first try",
        "active": True,
        "updatedAt": "2024-01-01T00:00:00.000Z",
        "createdAt": "2024-01-01T00:00:00.000Z",
        "deployment": {"id": 1},
        "creator": {"id": 1},
        "updater": {"id": 1},
    }
    assert api.json("/v4/releases/101") == response.json()["release"]


def test_new_release_takes_over(api, clock, package):
    api.deployment()
    first = api.release(1, package)
    other = api.release(api.deployment("other"), package)
    clock.advance(60)
    second = api.release(1, package)
    assert states(api, 1) == {first: None, second: True}
    assert states(api, 2) == {other: True}
    # The page's release moves its updatedAt when it becomes inactive.
    body = api.json(f"/v4/releases/{first}")
    assert (body["createdAt"], body["updatedAt"]) == (
        "2024-01-01T00:00:00.000Z",
        "2024-01-01T00:01:00.000Z",
    )


@pytest.mark.parametrize(
    ("mode", "comment", "expected"),
    [
        ("comment", "why", "why"),
        ("comment", "", "Orders"),
        ("flow_name", "why", "Orders"),
    ],
)
def test_notes(start, mode, comment, expected):
    api = start(release_notes=mode)
    package = build_package("Orders", comment=comment)
    release = api.release(api.deployment(), package)
    assert api.json(f"/v4/releases/{release}")["notes"] == expected


@pytest.mark.parametrize("path", ["releases", "releases/dryRun"])
@pytest.mark.parametrize("part", ["data", "archive", "File"])
def test_part_name(api, package, path, part):
    """The page says ``data`` [R: SEED]; the others are sent by public clients [P: GCF, AAC25]."""
    assert api.upload(api.deployment(), package, path, part).ok


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        (None, b"x", 415),
        ("application/json", b"{}", 415),
        ("application/zip", b"PK", 415),
        ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=x", b"", 400),
        ("multipart/form-data; boundary=x", b"--y\r\n\r\n", 400),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="data"\r\n\r\nabc\r\n--x--\r\n',
            400,
        ),
        (
            "Multipart/Form-Data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="data"; filename="a"\r\n\r\nabc',
            400,
        ),
    ],
)
def test_wrong_uploads(api, content_type, body, status):
    api.deployment()
    headers = {"Content-Type": content_type} if content_type else {}
    response = api("POST", "/v4/deployments/1/releases", data=body, headers=headers)
    assert response.status_code == status
    assert response.json()["exception"]["details"]
    assert states(api, 1) == {}


@pytest.mark.parametrize(
    ("generation", "version", "status"),
    [("8.0", None, 201), ("8.0", "9.8.0", 400), ("6.0", None, 400), ("6.8", None, 201)],
)
def test_version_gate(api, generation, version, status):
    api.deployment()
    package = build_package(generation=generation, product_version=version)
    for path in ("releases/dryRun", "releases"):
        response = api.upload(1, package, path)
        assert response.status_code == (200 if status == 201 and "dry" in path else status)
    if status == 400:
        assert states(api, 1) == {}


@pytest.mark.parametrize(("auth", "status"), [(("admin@example.com", "wrong"), 401), (AUTHOR, 403)])
def test_refusal_before_the_body_is_read(api, package, auth, status):
    api.deployment()
    api.session.auth = auth
    assert api.upload(1, package).status_code == status
    assert api.emulator.calls[-1].request_bytes == 0


def test_unknown_deployment_before_the_body_is_read(api, package):
    assert api.upload(987, package).status_code == 404
    assert api.emulator.calls[-1].request_bytes == 0


def test_import_off(start, package):
    api = start(import_enabled=False)
    assert api.upload(api.deployment(), package).status_code == 403


def test_dry_run_keeps_nothing(api, package):
    """Its ids come from the sequence: the next import has others [R: D64]."""
    api.deployment()
    first = api.upload(1, package, "releases/dryRun")
    assert first.status_code == 200
    assert "release" not in first.json()
    assert states(api, 1) == {}
    second = api.upload(1, package, "releases/dryRun").json()
    real = api.upload(1, package).json()
    assert real.pop("release")["id"] == 101
    assert second.keys() == real.keys()
    assert [one["primaryFlowIds"] for one in (first.json(), second, real)] == [
        [1001],
        [1002],
        [1003],
    ]


def test_large_upload(api):
    # Goes through a file on disk; its definition is the second member.
    package = build_package(artifacts={"artifact_1.data": bytes(range(256)) * 20_000})
    api.deployment()
    assert api.upload(1, package).status_code == 201
    with_noise = build_package(artifacts={"artifact_1.data": random.Random(1).randbytes(3_000_000)})
    assert api.upload(1, with_noise).status_code == 201
    assert api.emulator.calls[-1].request_bytes > 3_000_000


def test_dropped_objects(api, package):
    api.deployment()
    api.emulator.drop_on_next_import({"datasources": [12]})
    assert api.upload(1, b"no zip").status_code == 400
    assert api.upload(1, package, "releases/dryRun").json()["deletedObjects"] == {
        "datasources": [12]
    }
    assert api.upload(1, package).json()["deletedObjects"] == {"datasources": [12]}
    assert api.upload(1, package).json()["deletedObjects"] == {}


def test_activate_and_deactivate(api, clock, package):
    api.deployment()
    first, second = api.release(1, package), api.release(1, package)
    clock.advance(1)
    response = api("PATCH", f"/v4/releases/{first}", json={"active": True})
    assert response.status_code == 200
    assert response.json() == {
        "id": first,
        "updater": {"id": 1},
        "updatedAt": "2024-01-01T00:00:01.000Z",
    }
    assert states(api, 1) == {first: True, second: None}
    # Activating the active one again changes nothing for the other.
    clock.advance(1)
    assert api("PATCH", f"/v4/releases/{first}", json={"active": True}).status_code == 200
    assert api.json(f"/v4/releases/{second}")["updatedAt"] == "2024-01-01T00:00:01.000Z"
    for release in (second, first):
        assert api("PATCH", f"/v4/releases/{release}", json={"active": False}).status_code == 200
    assert states(api, 1) == {first: None, second: None}
    assert api.emulator.store.active_release(1) is None


def test_inactive_as_false(start, package):
    api = start(inactive_value=False)
    api.deployment()
    first, second = api.release(1, package), api.release(1, package)
    assert states(api, 1) == {first: False, second: True}


def test_change_of_notes(api, package):
    release = api.release(api.deployment(), package)
    assert api("PATCH", f"/v4/releases/{release}", json={"notes": "approved"}).status_code == 200
    body = api.json(f"/v4/releases/{release}")
    assert (body["notes"], body["active"]) == ("approved", True)


@pytest.mark.parametrize(
    "body", [{}, {"active": None}, {"active": 1}, {"active": "true"}, {"notes": 5}, {"name": "x"}]
)
def test_wrong_patches(api, package, body):
    release = api.release(api.deployment(), package)
    assert api("PATCH", f"/v4/releases/{release}", json=body).status_code == 400
    assert states(api, 1) == {release: True}


def test_delete(api, package):
    api.deployment()
    first, second = api.release(1, package), api.release(1, package)
    assert api("DELETE", f"/v4/releases/{second}").status_code == 204
    # Nothing takes the place of a deleted active release.
    assert states(api, 1) == {first: None}
    assert api.json("/v4/deployments/1")["numReleases"] == 1
    assert api("PATCH", f"/v4/releases/{second}", json={"active": True}).status_code == 410
    rows = api.json("/v4/releases", deploymentId=1, includeDeleted="true")["data"]
    assert [(row["id"], row["deleted_at"] is None) for row in rows] == [
        (second, False),
        (first, True),
    ]


def test_delete_of_the_active_one_refused(start, package):
    api = start(delete_active_release="refuse")
    api.deployment()
    first, second = api.release(1, package), api.release(1, package)
    assert api("DELETE", f"/v4/releases/{second}").status_code == 400
    assert api("DELETE", f"/v4/releases/{first}").status_code == 204
    assert states(api, 1) == {second: True}


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_list(start, package, order):
    api = start(releases_order=order, list_releases_route=True)
    for name in ("one", "two"):
        api.release(api.deployment(name), package)
    third = api.release(1, package)
    expected = [101, third] if order == "oldest" else [third, 101]
    for path in ("/v4/releases?deploymentId=1", "/v4/deployments/1/releases"):
        assert [row["id"] for row in api.json(path)["data"]] == expected
    assert len(api.json("/v4/releases")["data"]) == 3
    assert api.json("/v4/releases?deploymentId=987")["data"] == []
    assert api.get("/v4/releases?deploymentId=x").status_code == 400


def test_list_needs_deployment(start):
    api = start(releases_need_deployment_id=True)
    assert api.get("/v4/releases").status_code == 400
    assert api.json("/v4/releases", deploymentId=1)["data"] == []


def test_embedded_deployment(api, package):
    release = api.release(api.deployment(), package)
    assert api.json(f"/v4/releases/{release}", embed="deployment")["deployment"]["name"] == "prod"
    assert api.get(f"/v4/releases/{release}?embed=flows").status_code == 400


def test_at_most_one_active_under_load(api, package):
    api.deployment()
    api.release(1, package)
    too_many = []

    def upload(_):
        files = {"data": ("flow.zip", package)}
        url = f"{api.emulator.url}/v4/deployments/1/releases"
        answer = requests.post(url, files=files, auth=api.session.auth, timeout=60)
        return answer.json()["release"]["id"]

    def activate(number):
        ids = [row.id for row in api.emulator.store.releases(1)]
        url = f"{api.emulator.url}/v4/releases/{ids[number % len(ids)]}"
        return requests.patch(
            url, json={"active": True}, auth=api.session.auth, timeout=60
        ).status_code

    def look(_):
        url = f"{api.emulator.url}/v4/releases?noLimit=true"
        rows = requests.get(url, auth=api.session.auth, timeout=60).json()["data"]
        active = [row["id"] for row in rows if row["active"]]
        # From the test's own thread too, past the event loop.
        direct = [row.id for row in api.emulator.store.releases(1) if row.active]
        too_many.extend(seen for seen in (active, direct) if len(seen) != 1)

    def switch(number):
        releases = api.emulator.store.releases(1)
        api.emulator.store.update_release(releases[number % len(releases)].id, active=True)

    with ThreadPoolExecutor(16) as pool:
        uploads = [pool.submit(upload, number) for number in range(40)]
        others = [
            pool.submit(one, number) for number in range(40) for one in (activate, look, switch)
        ]
        ids = [job.result() for job in uploads]
        for job in others:
            job.result()
    assert too_many == []
    assert sorted(ids) == list(range(102, 142))
    assert len([row for row in api.emulator.store.releases(1) if row.active]) == 1
