from __future__ import annotations

import base64
import json
import logging

import pytest

from airflow_provider_trifacta._compat import redact
from airflow_provider_trifacta.client.errors import (
    ConfigurationError,
    InvalidInputError,
    ServerError,
)
from airflow_provider_trifacta.hooks.trifacta import TrifactaHook

pytestmark = pytest.mark.every_airflow


@pytest.fixture
def connect(monkeypatch):
    def put(conn_id="trifacta_default", **fields):
        monkeypatch.setenv(
            f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"conn_type": "trifacta", **fields})
        )

    return put


def test_the_default_connection_becomes_a_client(connect):
    connect(host="a.example.com", login="me", password="long-secret", extra={"read_timeout": 5})
    hook = TrifactaHook()
    assert hook.get_conn() is hook.client
    assert hook.client.config.base_url == "https://a.example.com"
    assert hook.client.config.read_timeout == 5.0
    assert hook.client.deployment_url(3) == "https://a.example.com/deployments/3"


def test_a_polling_client_does_not_repeat_reads(use_connection, scripted):
    server = scripted(lambda _: (503, {"Retry-After": "0"}, {}))
    use_connection(server.url)
    hook = TrifactaHook()
    assert hook.config.without_repetitions.read_retries == 0
    with pytest.raises(ServerError):
        hook.client.without_repetitions.deployments.get(1)
    assert len(server.seen) == 1
    assert hook.client.config.read_retries > 0


def test_a_missing_connection_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="There is no connection 'none_such'"):
        TrifactaHook("none_such").client  # noqa: B018


def test_an_unsafe_connection_is_noted_and_only_a_change_warns_of_it(
    use_connection, scripted, caplog, monkeypatch
):
    """Each process of a wait makes a client and reads: its log must not fill with the
    same warning.
    """
    # An earlier test may have had a server on the same port.
    monkeypatch.setattr("airflow_provider_trifacta.client.transport._warned", set())
    caplog.set_level(logging.INFO)
    server = scripted(lambda _: (200, {}, {"id": 1}))
    use_connection(server.url)
    for _ in range(2):
        assert TrifactaHook().client.deployments.get(1).id == 1
    notes = [record for record in caplog.records if "it uses plain http" in record.getMessage()]
    assert [record.levelno for record in notes] == [logging.INFO] * 2
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    for _ in range(2):
        TrifactaHook().client.releases.activate(1)
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert server.url in warning.getMessage()
    assert "plain http" in warning.getMessage()


def test_https_does_not_warn(connect, caplog):
    connect(host="https://a.example.com", login="me", password="long-secret")
    assert TrifactaHook().client
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_bad_connection_is_told_at_use_and_not_at_construction(connect):
    connect(host="", login="me", password="long-secret")
    hook = TrifactaHook()
    with pytest.raises(ConfigurationError, match="no host"):
        hook.client  # noqa: B018


def test_no_secret_in_representations_or_logs(connect, caplog):
    caplog.set_level(logging.DEBUG)
    connect(
        host="http://a.example.com",
        login="me",
        password="long-secret",
        extra={"proxies": "http://u:proxy-secret@p"},
    )
    hook = TrifactaHook()
    texts = [repr(hook), repr(hook.client), repr(hook.client.config), str(vars(hook)), caplog.text]
    assert not [text for text in texts if "long-secret" in text or "proxy-secret" in text]


def test_airflow_masks_what_is_derived_of_the_secrets(use_connection):
    extra = {"proxies": "http://proxy-user:pr%2Foxy-pass@proxy:3128"}
    use_connection("http://127.0.0.1:1", password="a/long#password", extra=extra)
    assert TrifactaHook().get_conn()
    basic = base64.b64encode(b"admin@example.com:a/long#password").decode()
    for secret in ("a/long#password", "a%2Flong%23password", basic, "pr%2Foxy-pass", "pr/oxy-pass"):
        assert secret not in redact(f"the server said {secret} to us")


@pytest.mark.parametrize("conn_id", [None, 7, "", " ", "\ud83d", "a\nb", ["x"], {"id": 1}])
def test_what_is_no_name_of_a_connection_is_refused(conn_id):
    with pytest.raises(InvalidInputError) as caught:
        _ = TrifactaHook(conn_id).client
    str(caught.value).encode()
    assert TrifactaHook(conn_id).test_connection()[0] is False
