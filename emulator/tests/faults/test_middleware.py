from __future__ import annotations

import http.client
import itertools
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timezone

import pytest
import requests
from trifacta_emulator import (
    Answer,
    Delay,
    Emulator,
    EmulatorOptions,
    Fault,
    Hold,
    LateActivation,
    LateCommit,
    PackageUuid,
    Truncate,
    build_package,
)

UPLOAD = "/v4/deployments/*/releases"
OTHER_UUID = "00000000-0000-1000-8000-000000000000"


@pytest.fixture
def add(api):
    def _add(effect, **matcher):
        return api.emulator.faults.add(Fault(effect, **matcher))

    return _add


@pytest.fixture
def upload(api):
    """Upload from another thread, with a session of its own."""
    with ThreadPoolExecutor(4) as pool:

        def _upload(package) -> Future[requests.Response]:
            url = f"{api.emulator.url}/v4/deployments/1/releases"
            files = {"data": ("flow.zip", package)}
            return pool.submit(requests.post, url, files=files, auth=api.session.auth, timeout=60)

        yield _upload
        # A test that failed must not leave a thread waiting.
        api.emulator.faults.clear()


def actives(api):
    return {row["id"]: row["active"] for row in api.json("/v4/releases", deploymentId=1)["data"]}


def statuses(api):
    return [call.status for call in api.emulator.calls]


# -- answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500, 502, 503, 504, 520, 599])
def test_answer_in_the_vendors_shape(api, add, status):
    add(Answer(status))
    response = api.get("/v4/deployments")
    assert response.status_code == status
    assert response.json()["exception"].keys() == {"name", "message", "details"}
    assert response.headers["x-trifacta-request-id"]
    assert api.get("/v4/deployments").status_code == 200


def test_answer_with_a_body_and_headers(api, add):
    add(Answer(503, headers={"X-One": "1", "Content-Type": "application/problem+json"}, body=[1, None]))
    response = api.get("/v4/deployments")
    assert (response.json(), response.headers["x-one"]) == ([1, None], "1")
    assert response.headers["content-type"] == "application/problem+json"


def test_answer_of_a_proxy(api, add):
    add(Answer(502, html="<h1>Bad Gateway</h1>"))
    response = api.get("/v4/deployments")
    assert (response.status_code, response.text) == (502, "<h1>Bad Gateway</h1>")
    assert response.headers["content-type"].startswith("text/html")
    assert "x-trifacta-request-id" not in response.headers


@pytest.mark.parametrize("status", [200, 204, 302, 304])
def test_answer_without_a_body(api, add, status):
    add(Answer(status))
    response = api.get("/v4/deployments", allow_redirects=False)
    assert (response.status_code, response.content) == (status, b"")


def test_answer_needs_no_login(api, add):
    add(Answer(503))
    assert requests.get(f"{api.emulator.url}/v4/deployments", timeout=30).status_code == 503


def test_answer_before_and_after_the_body(api, add, package):
    api.deployment()
    big = build_package(artifacts={"artifact_1.data": bytes(3_000_000)})
    size = len(big)
    add(Answer(413), path=UPLOAD)
    add(Answer(503, when="after_body"), path=UPLOAD)
    assert api.upload(1, big).status_code == 413
    assert api.emulator.calls[-1].request_bytes == 0
    assert api.upload(1, big).status_code == 503
    assert api.emulator.calls[-1].request_bytes > size
    # The connection is still good, and nothing was imported.
    assert api.json("/v4/releases")["data"] == []


def test_answer_after_the_commit(api, add, package):
    api.deployment()
    armed = add(Answer.gateway_timeout(), path=UPLOAD)
    response = api.upload(1, package)
    assert response.status_code == 504
    assert "504 Gateway Time-out" in response.text
    assert armed.outcomes == [201]
    assert actives(api) == {101: True}
    assert statuses(api)[1:] == [504, 200]


def test_refusal_behind_an_answer_after_the_commit(api, add):
    api.deployment()
    armed = add(Answer.gateway_timeout())
    assert api.upload(1, b"no package").status_code == 504
    assert armed.outcomes == [400]


@pytest.mark.parametrize(
    ("answer", "status", "header", "value"),
    [
        (Answer.too_many_requests(7), 429, "retry-after", "7"),
        (Answer.too_many_requests(x_retry_after=57), 429, "x-retry-after", "57"),
        (Answer.too_many_requests(10**12), 429, "retry-after", "1000000000000"),
        (Answer.unavailable("in a while"), 503, "retry-after", "in a while"),
        (Answer.unavailable(-5), 503, "retry-after", "-5"),
        (
            Answer.unavailable(datetime(2024, 1, 1, tzinfo=timezone.utc)),
            503,
            "retry-after",
            "Mon, 01 Jan 2024 00:00:00 GMT",
        ),
    ],
)
def test_retry_after(api, add, answer, status, header, value):
    add(answer)
    response = api.get("/v4/deployments")
    assert (response.status_code, response.headers[header]) == (status, value)
    if status == 429:
        assert response.json()["exception"]["name"] == "TooManyRequestsException"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_redirect_to_a_login_page(api, add, method):
    add(Answer.login_redirect())
    response = api(method, "/v4/deployments", json={"name": "prod"} if method == "POST" else None)
    assert [one.status_code for one in response.history] == [302]
    assert response.url == f"{api.emulator.url}/login"
    assert (response.status_code, "<form" in response.text) == (200, True)
    assert api.emulator.store.deployments() == ()


def test_which_requests(api, add):
    add(Answer(503), method="GET", path="/v4/deployments/*", skip=1, times=2)
    api.deployment()
    assert [api.get("/v4/deployments/1").status_code for _ in range(4)] == [200, 503, 503, 200]


def test_pages_of_the_emulator_are_never_hit(api, add):
    armed = add(Answer(503), times=None)
    assert api.get("/").status_code == 200
    assert api.get("/login").status_code == 200
    assert api.get("/emulator/faults").status_code == 200
    assert armed.seen == 0


# -- waits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effect", [Hold(), Delay(3600), Hold("after_body")])
def test_hold_before_handling(api, add, upload, package, effect):
    api.deployment()
    armed = add(effect, path=UPLOAD)
    answer = upload(package)
    armed.wait_until_waiting()
    assert actives(api) == {}
    assert armed.waiting == 1
    assert armed.release() == 1
    assert answer.result(30).status_code == 201
    assert actives(api) == {101: True}
    assert armed.waiting == armed.release() == 0


@pytest.mark.parametrize("effect", [Hold("after_commit"), Delay(3600, when="after_commit")])
def test_hold_before_the_answer(api, add, upload, package, effect):
    api.deployment()
    armed = add(effect, path=UPLOAD)
    answer = upload(package)
    armed.wait_until_waiting()
    # Committed, and nobody knows.
    assert actives(api) == {101: True}
    assert not answer.done()
    assert api.emulator.faults.release_held() == 1
    response = answer.result(30)
    assert (response.status_code, response.json()["release"]["id"]) == (201, 101)


@pytest.mark.parametrize("when", ["before_body", "after_body", "after_commit"])
def test_delay_ends_by_itself(api, add, package, when):
    api.deployment()
    add(Delay(0.01, when=when), path=UPLOAD)
    assert api.upload(1, package).status_code == 201
    add(Delay(0))
    assert api.get("/v4/deployments").status_code == 200


@pytest.mark.parametrize(
    ("when", "created"), [("before_body", {}), ("after_body", {101: True}), ("after_commit", {101: True})]
)
def test_client_that_gives_up(api, add, package, when, created):
    api.deployment()
    armed = add(Hold(when), path=UPLOAD)
    url = f"{api.emulator.url}/v4/deployments/1/releases"
    request = requests.Request("POST", url, files={"data": ("flow.zip", package)}, auth=api.session.auth).prepare()
    connection = http.client.HTTPConnection(api.emulator.url.removeprefix("http://"), timeout=30)
    connection.request("POST", request.path_url, request.body, dict(request.headers))
    armed.wait_until_waiting()
    connection.close()
    # The server sees the end of the connection before this later request.
    api.get("/v4/people/current")
    armed.release()
    while not (ended := [call.status for call in api.emulator.calls[1:] if call.method == "POST"]):
        api.get("/v4/people/current")
    assert ended == [201 if created else 499]
    assert actives(api) == created


def test_several_held(api, add, upload, package):
    api.deployment()
    armed = add(Hold("after_body"), path=UPLOAD, times=3)
    answers = [upload(package) for _ in range(3)]
    armed.wait_until_waiting(3)
    assert armed.release() == 3
    assert {answer.result(30).status_code for answer in answers} == {201}
    assert list(actives(api).values()) == [True, None, None]


def test_clear_lets_go(api, add, upload, package):
    api.deployment()
    armed = add(Hold(), path=UPLOAD)
    answer = upload(package)
    armed.wait_until_waiting()
    api.emulator.faults.clear()
    assert answer.result(30).status_code == 201


@pytest.mark.parametrize("effect", [Hold(), Delay(3600), Hold("after_commit"), Delay(3600, when="after_body")])
def test_stop_ends_waits(package, clock, effect):
    emulator = Emulator(EmulatorOptions(clock=clock)).start()
    emulator.store.create_deployment("prod")
    armed = emulator.faults.add(Fault(effect))
    url = f"{emulator.url}/v4/deployments/1/releases"
    auth = ("admin@example.com", "admin-password")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(requests.post, url, files={"data": package}, auth=auth, timeout=60)
        armed.wait_until_waiting()
        emulator.stop()
        with pytest.raises(requests.ConnectionError):
            answer.result(30)
    assert emulator.calls[-1].status == 0
    with emulator:
        # It can be used again.
        assert emulator.faults.room.count(armed.id) == 0
        assert requests.get(f"{emulator.url}/v4/deployments", auth=auth, timeout=60).status_code == 200


# -- answers that are changed ------------------------------------------------------------------------------


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
    latest = [api.json("/v4/deployments/1")["latestRelease"], api.json("/v4/deployments")["data"][0]["latestRelease"]]
    rows = {"create": [created], "read": [one], "list": [*listed, *embedded, *latest]}
    return {kind: {row.get("packageUuid", "absent") for row in found} for kind, found in rows.items()}


@pytest.mark.parametrize(
    ("effect", "shown"),
    [(PackageUuid(), None), (PackageUuid(absent=True), "absent"), (PackageUuid(OTHER_UUID), OTHER_UUID)],
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
    true = {str(uuid) for uuid in uuids(api, package)["read"] | uuids(api, package)["list"]} - {"None"} or None
    shown = uuids(api, package)
    for kind, values in shown.items():
        assert values == ({None} if kind in answers else true)


# -- late ones ---------------------------------------------------------------------------------------------


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
    assert (response.status_code, response.headers["content-type"]) == (504, "text/html; charset=utf-8")
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
    assert api.upload(1, build_package(artifacts={"artifact_1.data": bytes(3_000_000)})).status_code == 504
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
