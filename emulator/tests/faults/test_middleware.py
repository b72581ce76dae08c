from __future__ import annotations

import http.client
from concurrent.futures import ThreadPoolExecutor
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
    build_package,
)

UPLOAD = "/v4/deployments/*/releases"
OTHER_UUID = "00000000-0000-1000-8000-000000000000"


def actives(api):
    return {row["id"]: row["active"] for row in api.json("/v4/releases", deploymentId=1)["data"]}


def statuses(api):
    return [call.status for call in api.emulator.calls]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500, 502, 503, 504, 520, 599])
def test_answer_in_the_vendors_shape(api, add, status):
    add(Answer(status))
    response = api.get("/v4/deployments")
    assert response.status_code == status
    assert response.json()["exception"].keys() == {"name", "message", "details"}
    assert response.headers["x-trifacta-request-id"]
    assert api.get("/v4/deployments").status_code == 200


def test_answer_with_a_body_and_headers(api, add):
    add(
        Answer(
            503, headers={"X-One": "1", "Content-Type": "application/problem+json"}, body=[1, None]
        )
    )
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


def test_answer_before_and_after_the_body(api, add):
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
    # Committed, and the client does not know.
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
    ("when", "created"),
    [("before_body", {}), ("after_body", {101: True}), ("after_commit", {101: True})],
)
def test_client_that_gives_up(api, add, package, when, created):
    api.deployment()
    armed = add(Hold(when), path=UPLOAD)
    url = f"{api.emulator.url}/v4/deployments/1/releases"
    request = requests.Request(
        "POST", url, files={"data": ("flow.zip", package)}, auth=api.session.auth
    ).prepare()
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


@pytest.mark.parametrize(
    "effect", [Hold(), Delay(3600), Hold("after_commit"), Delay(3600, when="after_body")]
)
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
        assert (
            requests.get(f"{emulator.url}/v4/deployments", auth=auth, timeout=60).status_code == 200
        )
