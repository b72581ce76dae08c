from __future__ import annotations

import itertools

import pytest
import requests
from trifacta_emulator import (
    Answer,
    LateActivation,
    LateCommit,
    PackageUuid,
    Truncate,
    build_package,
)

UPLOAD = "/v4/deployments/*/releases"


OTHER_UUID = "00000000-0000-1000-8000-000000000000"


def actives(api):
    return {row["id"]: row["active"] for row in api.json("/v4/releases", deploymentId=1)["data"]}


def statuses(api):
    return [call.status for call in api.emulator.calls]


@pytest.mark.parametrize(("send_bytes", "expected"), [(None, None), (0, 0), (5, 5), (10**9, -1)])
def test_truncated_answer(api, add, package, send_bytes, expected):
    api.deployment()
    add(Truncate(send_bytes), path=UPLOAD)
    with requests.post(
        f"{api.emulator.url}/v4/deployments/1/releases",
        files={"data": package},
        auth=api.session.auth,
        timeout=30,
        stream=True,
    ) as response:
        assert response.status_code == 201
        promised = int(response.headers["content-length"])
        chunks = response.iter_content(1)
        length = {None: promised // 2, -1: promised - 1}.get(expected, expected)
        assert len(b"".join(itertools.islice(chunks, length))) == length
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            next(chunks)
    assert actives(api) == {101: True}


def test_answer_with_nothing_to_truncate(api, add, package):
    release = api.release(api.deployment(), package)
    add(Truncate())
    assert api("DELETE", f"/v4/releases/{release}").status_code == 204


def uuids(api, package):
    """Collect what each kind of answer shows as packageUuid."""
    created = api.upload(1, package).json()["release"]
    one = api.json(f"/v4/releases/{created['id']}")
    listed = api.json("/v4/releases", deploymentId=1)["data"]
    embedded = api.json("/v4/deployments/1", embed="releases")["releases"]["data"]
    latest = [
        api.json("/v4/deployments/1")["latestRelease"],
        api.json("/v4/deployments")["data"][0]["latestRelease"],
    ]
    rows = {"create": [created], "read": [one], "list": [*listed, *embedded, *latest]}
    return {
        kind: {row.get("packageUuid", "absent") for row in found} for kind, found in rows.items()
    }


@pytest.mark.parametrize(
    ("effect", "shown"),
    [
        (PackageUuid(), None),
        (PackageUuid(absent=True), "absent"),
        (PackageUuid(OTHER_UUID), OTHER_UUID),
    ],
)
def test_package_uuid(api, add, package, effect, shown):
    api.deployment()
    add(effect, times=None)
    assert uuids(api, package) == {"create": {shown}, "read": {shown}, "list": {shown}}
    assert api.emulator.store.releases(1)[0].package_uuid != shown


@pytest.mark.parametrize("answers", [("list",), ("read",), ("create",), ("list", "create")])
def test_package_uuid_in_some_answers(api, add, package, answers):
    api.deployment()
    add(PackageUuid(answers=answers), times=None)
    true = {str(uuid) for uuid in uuids(api, package)["read"] | uuids(api, package)["list"]} - {
        "None"
    } or None
    shown = uuids(api, package)
    for kind, values in shown.items():
        assert values == ({None} if kind in answers else true)


def test_late_activation(api, add, package):
    api.deployment()
    first = api.release(1, package)
    armed = add(LateActivation())
    response = api.upload(1, package)
    assert response.status_code == 201
    release = response.json()["release"]
    assert release["active"] is None
    second = release["id"]
    for _ in range(5):
        assert actives(api) == {second: None, first: True}
    assert armed.waiting == 1
    assert api.emulator.activate_late() == 1
    assert actives(api) == {second: True, first: None}
    assert api.emulator.activate_late() == 0
    # The next upload is as usual.
    third = api.release(1, package)
    assert actives(api) == {third: True, second: None, first: None}
    what = [event.what for event in api.emulator.store.events() if event.release_id == second]
    assert what == ["release created", "release activated", "release deactivated"]


def test_late_activation_after_reads(api, add, package):
    api.deployment()
    add(LateActivation(reads=2))
    release = api.upload(1, package).json()["release"]["id"]
    assert api.json("/v4/deployments/1")["latestRelease"]["active"] is None  # does not count
    assert actives(api) == {release: None}
    assert api.json(f"/v4/releases/{release}")["active"] is None
    assert api.json(f"/v4/releases/{release}")["active"] is True


def test_late_activation_of_a_release_that_is_gone(api, add, package):
    api.deployment()
    armed = add(LateActivation())
    release = api.upload(1, package).json()["release"]["id"]
    api("DELETE", f"/v4/releases/{release}")
    assert armed.release() == 1
    assert actives(api) == {}


def test_refused_upload_is_not_activated_late(api, add):
    api.deployment()
    armed = add(LateActivation())
    assert api.upload(1, b"no package").status_code == 400
    assert (armed.fired, armed.waiting) == (1, 0)


def test_late_commit(api, add, package, clock):
    api.deployment()
    armed = add(LateCommit())
    response = api.upload(1, package)
    assert (response.status_code, response.headers["content-type"]) == (
        504,
        "text/html; charset=utf-8",
    )
    for _ in range(5):
        assert actives(api) == {}
    clock.advance(60)
    assert armed.outcomes == []
    assert api.emulator.commit_late() == 1
    # It is done when the call returns.
    assert armed.outcomes == [201]
    assert api.json("/v4/releases/101")["createdAt"] == "2024-01-01T00:01:00.000Z"
    assert actives(api) == {101: True}
    assert api.emulator.commit_late() == 0


def test_late_commit_after_reads(api, add, package):
    api.deployment()
    add(LateCommit(503, reads=2))
    assert api.upload(1, package).status_code == 503
    assert api.get("/v4/releases/101").status_code == 404  # does not count
    assert actives(api) == {}
    assert api.json("/v4/deployments/1", embed="releases")["releases"]["data"] == []
    assert actives(api) == {101: True}
    assert len(api.emulator.store.releases()) == 1


def test_late_commit_behind_another_upload(api, add, package):
    api.deployment()
    add(LateCommit(reads=0))
    assert api.upload(1, package).status_code == 504
    assert api.release(1, package) == 101
    # The lost upload comes last and is the active one then.
    assert actives(api) == {102: True, 101: None}


def test_late_commit_of_a_large_package(api, add):
    api.deployment()
    armed = add(LateCommit())
    assert (
        api.upload(1, build_package(artifacts={"artifact_1.data": bytes(3_000_000)})).status_code
        == 504
    )
    assert armed.release() == 1
    assert armed.outcomes == [201]


def test_late_commit_that_is_refused(api, add):
    api.deployment()
    armed = add(LateCommit())
    assert api.upload(1, b"no package").status_code == 504
    armed.release()
    assert armed.outcomes == [400]


def test_late_commit_with_a_reset(api, add, package):
    api.deployment()
    add(LateCommit(None, reads=1))
    with pytest.raises(requests.ConnectionError):
        api.upload(1, package)
    assert statuses(api)[-1] == 0
    assert [actives(api), actives(api)] == [{}, {101: True}]


def test_upload_that_never_appears(api, add, package):
    api.deployment()
    add(Answer.gateway_timeout(when="after_body"), path=UPLOAD)
    assert api.upload(1, package).status_code == 504
    assert api.emulator.commit_late() == 0
    assert actives(api) == {}


def test_clear_forgets_late_ones(api, add, package):
    api.deployment()
    add(LateCommit())
    add(LateActivation())
    assert api.upload(1, package).status_code == 504
    assert api.upload(1, package).status_code == 201
    api.emulator.faults.clear()
    assert api.emulator.commit_late() == api.emulator.activate_late() == 0
    assert actives(api) == {101: None}
