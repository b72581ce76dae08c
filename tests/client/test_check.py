"""The connection test tells which thing is wrong."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest
import trustme
from trifacta_emulator import Emulator, EmulatorOptions

from airflow_provider_trifacta.client.check import check
from airflow_provider_trifacta.client.config import ClientConfig


def config(url, login="admin@example.com", password="admin-password", **options):
    return ClientConfig(base_url=url, login=login, password=password, **options)


def test_all_is_well(emulator):
    ok, words = check(config(emulator.url))
    assert ok
    assert words == f"Logged in to {emulator.url} as admin@example.com; Deployment Manager is available."
    assert [(call.path, call.query) for call in emulator.calls] == [
        ("/v4/people/current", ""),
        ("/v4/deployments", "limit=1"),
    ]


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
    ok, words = check(config(scripted(lambda _: (403, {}, {})).url))
    assert not ok
    assert "GET /v4/people/current answered 403" in words


def test_a_user_without_deployment_manager(emulator):
    ok, words = check(config(emulator.url, login="author@example.com", password="author-password"))
    assert not ok
    assert words.startswith(f"Logged in to {emulator.url} as author@example.com, but this user cannot use Deployment")


def test_an_instance_without_deployment_manager():
    with Emulator(EmulatorOptions(instance_type="dev")) as emulator:
        ok, words = check(config(emulator.url))
    assert not ok
    assert "cannot use Deployment Manager" in words


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
