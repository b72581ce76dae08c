"""Every form in which a secret travels is known, and replaced in errors and in answers that echo
it."""

from __future__ import annotations

import base64
import json
from functools import partial
from urllib.parse import quote

import pytest

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.errors import RedirectError, ServerError
from airflow_provider_trifacta.client.redact import Redactor

PASSWORD = 'pä/ss "word"#1'
CONFIG = ClientConfig(
    base_url="https://trifacta.example.com",
    login="me",
    password=PASSWORD,
    proxies={"https": "http://proxy-user:pr%2Foxy-pass@proxy:3128"},
)


def basic(login, password):
    return base64.b64encode(f"{login}:{password}".encode()).decode()


FORMS = [
    PASSWORD,
    quote(PASSWORD, safe=""),
    json.dumps(PASSWORD)[1:-1],
    basic("me", PASSWORD),
    quote(basic("me", PASSWORD), safe=""),
    "pr%2Foxy-pass",
    "pr/oxy-pass",
    basic("proxy-user", "pr/oxy-pass"),
]


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_known(form):
    assert form in CONFIG.secrets
    assert Redactor(CONFIG)(f"it was {form}.") == "it was ***."


def test_the_environments_proxies_have_secrets_too(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://me:env-secret@proxy:3128")
    config = ClientConfig(base_url="https://trifacta.example.com", password="a-long-token")
    assert {"env-secret", basic("me", "env-secret"), "a-long-token"} <= set(config.secrets)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("escaped", [False, True])
def test_an_answer_that_echoes_credentials_is_redacted(scripted, form, escaped):
    text = (
        "".join(f"\\u{ord(one):04x}" for one in form)
        if escaped
        else json.dumps(form, ensure_ascii=False)[1:-1]
    )
    body = f'{{"data": [{{"id": 1, "name": "was {text}"}}]}}'.encode()
    server = scripted(lambda _: (200, {"Content-Type": "application/json"}, body))
    config = ClientConfig(
        base_url=server.url, login=CONFIG.login, password=PASSWORD, proxies=CONFIG.proxies
    )
    with TrifactaClient(config) as client:
        (found,) = client.deployments.list()
    assert found.name == "was ***"


def test_a_short_password_does_not_make_names_unreadable(scripted):
    server = scripted(lambda _: (200, {}, {"data": [{"id": 1, "name": "Daily Orders"}]}))
    with TrifactaClient(ClientConfig(base_url=server.url, login="me", password="Orders")) as client:
        assert client.deployments.find("Daily Orders")


@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_within_base64_is_known(before, encode):
    text = encode(b"x" * before + PASSWORD.encode() + b" and more").decode()
    assert Redactor(CONFIG)(text) != text
    inner = base64.urlsafe_b64decode(Redactor(CONFIG)(text).partition("***")[0] + "====")
    assert not inner.strip(b"x").startswith(PASSWORD.encode()[:3])


@pytest.mark.parametrize("header", ["Content-Type", "x-trifacta-request-id"])
def test_a_header_that_echoes_credentials_is_redacted(scripted, header):
    # A server writes UTF-8, and the libraries read Latin-1.
    echo = PASSWORD.encode().decode("latin-1")
    server = scripted(lambda _: (500, {header: f"a {echo}; b"}, b"no"))
    config = ClientConfig(base_url=server.url, password=PASSWORD, login="me", read_retries=0)
    with TrifactaClient(config) as client, pytest.raises(ServerError) as caught:
        client.deployments.list()
    assert "***" in str(caught.value)
    assert "word" not in str(caught.value)


@pytest.mark.parametrize("encode", [str, partial(quote, safe="")])
def test_a_redirect_with_a_credential_is_not_followed(scripted, encode):
    secret = "long-secret+1"
    target = f"/v4/next?ticket={encode(secret)}"
    server = scripted(lambda _: (302, {"Location": target}, b""))
    config = ClientConfig(base_url=server.url, password=secret, login="me", read_retries=0)
    with TrifactaClient(config) as client, pytest.raises(RedirectError) as caught:
        client.deployments.list()
    assert len(server.seen) == 1
    assert "long-secret" not in str(caught.value)
