"""A transport that threads share, as for polls, sends what another one sends, with the
same errors.
"""

from __future__ import annotations

import base64

import pytest
import requests

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.errors import (
    ConnectError,
    RateLimitError,
    RedirectError,
    TLSError,
)
from airflow_provider_trifacta.client.transport import Transport


def config_of(url, **options):
    return ClientConfig(
        base_url=url, login="me", password="very-long-secret", read_retries=0, **options
    )


def polling_client(url, **options):
    config = config_of(url, **options)
    return TrifactaClient(config, transport=Transport(config, connections=2))


def row(_request):
    return 200, {"Set-Cookie": "session=stale"}, {"id": 7, "active": None, "deployment": {"id": 1}}


def sent(server):
    return [(one.method, one.path, sorted(one.headers.items())) for one in server.seen]


def test_it_sends_what_a_transport_of_one_thread_sends(scripted, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server = scripted(row)
    config = config_of(server.url)
    for transport in (Transport(config), Transport(config, connections=2)):
        with TrifactaClient(config, transport=transport) as client:
            for _ in range(2):
                assert client.releases.get(7).id == 7
            with pytest.raises(Exception, match="did not answer a list"):
                client.releases.list(1)
    usual, polling = sent(server)[:3], sent(server)[3:]
    assert polling == usual
    value = dict(polling[0][2])["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(value) == b"me:very-long-secret"
    assert "Cookie" not in dict(polling[1][2])


def test_it_uses_the_environments_proxy_and_bundle_and_looks_at_them_once(scripted, monkeypatch):
    proxy = scripted(row)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    looks = []
    merge = requests.Session.merge_environment_settings

    def counted(*arguments):
        looks.append(arguments)
        return merge(*arguments)

    monkeypatch.setattr(requests.Session, "merge_environment_settings", counted)
    with polling_client("http://trifacta.example.com") as client:
        for _ in range(3):
            assert client.releases.get(7).id == 7
    assert {one.path for one in proxy.seen} == {"http://trifacta.example.com/v4/releases/7"}
    assert len(looks) == 1


def test_it_uses_the_connections_proxy(scripted):
    proxy = scripted(row)
    with polling_client("http://trifacta.example.com", proxies={"http": proxy.url}) as client:
        assert client.releases.get(7).id == 7
    assert len(proxy.seen) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((429, {"Retry-After": "57"}, {}), RateLimitError),
        ((302, {"Location": "http://elsewhere.example.com/login"}, b""), RedirectError),
    ],
)
def test_errors_are_the_same(scripted, answer, error):
    with polling_client(scripted(lambda _: answer).url) as client, pytest.raises(error):
        client.releases.get(7)


def test_connection_errors_are_the_same(scripted):
    with polling_client("http://127.0.0.1:9") as client, pytest.raises(ConnectError):
        client.releases.get(7)
    url = scripted(row).url.replace("http://", "https://")
    with polling_client(url) as client, pytest.raises(TLSError):
        client.releases.get(7)
