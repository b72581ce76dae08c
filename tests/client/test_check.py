"""The connection test tells which thing is wrong."""

from __future__ import annotations

import io
import socket
import ssl
import threading

import pytest
import requests
import trustme
from trifacta_emulator import Answer, Emulator, EmulatorOptions, Fault, build_package, read_package

from airflow_provider_trifacta.client.check import check
from airflow_provider_trifacta.client.config import ClientConfig


def config(url, login="admin@example.com", password="admin-password", **options):
    return ClientConfig(base_url=url, login=login, password=password, **options)


ASKED = {"dev": ["/v4/flows"], "prod": ["/v4/deployments", "/v4/deployments/1", "/v4/releases"]}


@pytest.mark.parametrize("role", [None, "dev", "prod"])
def test_all_is_well(emulator, role):
    ok, words = check(config(emulator.url), role)
    assert ok
    assert words.startswith(f"Logged in to {emulator.url} as admin@example.com. As ")
    assert words.count(": yes, ") == (1 if role else 2)
    asked = ASKED[role] if role else ASKED["dev"] + ASKED["prod"]
    assert [call.path for call in emulator.calls] == ["/v4/people/current", *asked]
    assert {call.method for call in emulator.calls} == {"GET"}


def test_an_unknown_name():
    ok, words = check(config("https://nowhere.invalid"))
    assert not ok
    assert "the host name is not known" in words


def test_a_closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ok, words = check(config(f"http://127.0.0.1:{port}"))
    assert not ok
    assert "nothing listens there" in words
    assert "3005" in words


def test_an_untrusted_certificate(scripted):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    ok, words = check(config(scripted(lambda _: (200, {}, {}), tls=context).url))
    assert not ok
    assert "failed in TLS" in words
    assert "'verify'" in words


def test_a_silent_server(scripted):
    done = threading.Event()
    ok, words = check(config(scripted(lambda _: done.wait(20) and None).url, read_timeout=0.05))
    done.set()
    assert not ok
    assert "gave no answer in time" in words


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_login_page(scripted, elsewhere):
    target = "https://sso.example.com/login" if elsewhere else "/login"

    def respond(request):
        if request.path == "/login":
            return 200, {"Content-Type": "text/html"}, b"<html>Sign in</html>"
        return 302, {"Location": target}, b""

    ok, words = check(config(scripted(respond).url))
    assert not ok
    assert "login page" in words
    assert target in words


def test_wrong_credentials(emulator):
    ok, words = check(config(emulator.url, password="wrong-password"))
    assert not ok
    assert words.startswith("The instance was reached, but it refuses the credentials.")
    assert "answered 401" in words


def test_a_user_who_may_nothing(scripted):
    ok, words = check(config(scripted(lambda _: (403, {}, {"exception": {"message": "no"}})).url))
    assert not ok
    assert "GET /v4/people/current answered 403" in words
    assert "something in front" not in words


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "text/html"}, b"<html>Closed</html>"),
        ({"Content-Type": "text/plain"}, b"404 page not found\n"),
        ({"Content-Type": "application/json"}, b'{"message":"no Route matched with those values"}'),
        ({}, b""),
    ],
    ids=["HTML", "text", "JSON", "nothing"],
)
@pytest.mark.parametrize("status", [400, 403, 404, 409, 410])
def test_a_gateway_answers_after_one_request_with_the_status(scripted, status, headers, body):
    server = scripted(lambda _: (status, headers, body))
    ok, words = check(config(server.url))
    assert not ok
    assert f"answered {status}" in words
    assert "something in front of the API answered" in words
    assert len(server.seen) == 1


def test_a_401_that_may_be_of_a_gateway_says_so(scripted):
    server = scripted(lambda _: (401, {}, b"Unauthorized"))
    ok, words = check(config(server.url))
    assert not ok
    assert "something in front of" in words
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [400, 401])
def test_a_refused_token(status):
    with Emulator(EmulatorOptions(bad_token_status=status)) as emulator:
        ok, words = check(config(emulator.url, login=None, password="an-expired-token"))
        assert len(emulator.calls) == 1
    assert not ok
    assert words.startswith("The instance was reached, but it refuses the credentials.")
    assert f"answered {status}" in words


@pytest.mark.parametrize(("role", "works"), [(None, True), ("dev", True), ("prod", False)])
def test_a_user_without_deployment_manager(emulator, role, works):
    """That is who a Dev connection names."""
    ok, words = check(
        config(emulator.url, login="author@example.com", password="author-password"), role
    )
    assert ok is works
    assert words.startswith(f"Logged in to {emulator.url} as author@example.com. As ")
    assert ("As Dev: yes" in words) is (role != "prod")
    assert ("As Prod: no, this user cannot use Deployment Manager" in words) is (role != "dev")


def test_an_instance_without_deployment_manager():
    with Emulator(EmulatorOptions(instance_type="dev")) as emulator:
        assert check(config(emulator.url), "dev")[0]
        ok, words = check(config(emulator.url), "prod")
    assert not ok
    assert "cannot use Deployment Manager" in words


def test_a_user_who_sees_no_flows_is_not_one_for_dev(emulator):
    emulator.faults.add(Fault(Answer(403), path="/v4/flows"))
    ok, words = check(config(emulator.url))
    assert ok
    assert "As Dev: no, flows cannot be listed" in words
    assert "As Prod: yes" in words


def test_a_new_instance_has_no_releases_to_read():
    with Emulator(EmulatorOptions()) as emulator:
        ok, words = check(config(emulator.url), "prod")
        assert [call.path for call in emulator.calls] == ["/v4/people/current", "/v4/deployments"]
    assert ok
    assert "no deployment yet" in words


@pytest.mark.parametrize("choice", ["both", "embed", "plain"])
@pytest.mark.parametrize("releases", [0, 30])
def test_releases_are_read_as_the_operators_read_them(choice, releases):
    with Emulator(EmulatorOptions(release_list=choice)) as emulator:
        deployment = emulator.store.create_deployment("Orders")
        for _ in range(releases):
            emulator.store.create_release(deployment.id, read_package(io.BytesIO(build_package())))
        assert check(config(emulator.url), "prod")[0]
        path = "/v4/deployments/1" if choice == "embed" else "/v4/releases"
        assert emulator.calls[-1].path == path
        assert {call.method for call in emulator.calls} == {"GET"}


@pytest.mark.parametrize("path", ["/v4/deployments/1", "/v4/releases"])
@pytest.mark.parametrize(
    "answer", [Answer(403), Answer(404), Answer(500), Answer(200, body={"id": 1})]
)
def test_what_the_first_task_cannot_read_is_no_yes(emulator, path, answer):
    emulator.faults.add(Fault(answer, path=path, times=10))
    ok, words = check(config(emulator.url), "prod")
    assert ok is (path == "/v4/deployments/1" and answer.status == 200)
    assert ("releases of deployment 1 cannot be read" in words) is not ok


def test_an_instance_where_deployments_are_unknown():
    with Emulator(EmulatorOptions(deployment_manager=False)) as emulator:
        ok, words = check(config(emulator.url))
    assert ok
    assert "no Deployment Manager" in words
    assert "ImportFlowPackageOperator" in words


def test_something_that_answers_anything(scripted):
    ok, words = check(config(scripted(lambda _: (200, {}, {"id": 1})).url))
    assert not ok
    assert "deployments cannot be listed" in words


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"Content-Type": "text/html"}, b"<html>It works!</html>"),
        (200, {}, {"status": "UP"}),
        (404, {"Content-Type": "text/html"}, b"<html>Not Found</html>"),
        (200, {}, []),
    ],
    ids=["HTML", "other JSON", "404", "a list"],
)
def test_something_else_than_a_trifacta(scripted, answer):
    ok, words = check(config(scripted(lambda _: answer).url))
    assert not ok
    assert "answers, but not as a Trifacta instance does" in words


def test_a_failing_server_is_asked_once(scripted):
    server = scripted(lambda _: (500, {}, {}))
    ok, words = check(config(server.url))
    assert not ok
    assert "answered 500" in words
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "answer",
    [
        (404, {}, {"exception": {"name": "RouteNotFoundException", "message": "Cannot GET"}}),
        (404, {"Content-Type": "text/html"}, b"<html>no such page</html>"),
        (200, {"Content-Type": "text/html"}, b"<html>the page of a flow</html>"),
        (200, {}, {"data": []}),
    ],
)
def test_a_host_with_a_path_is_blamed_on_the_path(scripted, answer):
    url = scripted(lambda _: answer).url
    ok, words = check(config(f"{url}/data/library"))
    assert not ok
    assert "The connection's host has the path '/data/library': leave it out" in words
    assert "permission" not in words
    ok, words = check(config(url))
    assert not ok
    assert "has the path" not in words


def test_an_instance_behind_a_path_is_well(scripted, emulator):
    """A reverse proxy takes the path off."""

    def forward(request):
        assert request.path.startswith("/base/v4/")
        names = ("Authorization", "Accept")
        headers = {name: request.headers[name] for name in names}
        got = requests.get(
            emulator.url + request.path.removeprefix("/base"), headers=headers, timeout=10
        )
        return got.status_code, {"Content-Type": got.headers["Content-Type"]}, got.content

    ok, words = check(config(f"{scripted(forward).url}/base"))
    assert ok
    assert words.count(": yes, ") == 2


@pytest.mark.parametrize("login", ["admin@example.com", None])
def test_a_login_beside_a_token_is_named(emulator, login):
    headers = {
        "Authorization": requests.auth._basic_auth_str("admin@example.com", "admin-password")
    }
    url = f"{emulator.url}/v4/apiAccessTokens"
    made = requests.post(url, json={"lifetimeSeconds": -1}, headers=headers, timeout=10)
    ok, words = check(config(emulator.url, login=login, password=made.json()["tokenValue"]))
    assert ok is (login is None)
    assert ("a token needs no login" in words) is (login is not None)
