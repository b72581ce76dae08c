from __future__ import annotations

import contextlib
import json
import logging
from urllib.parse import quote

import pytest
from trifacta_emulator import Emulator

from airflow_provider_trifacta._compat import BaseHook, Connection
from airflow_provider_trifacta.client import TrifactaClient
from airflow_provider_trifacta.client.config import ClientConfig
from airflow_provider_trifacta.client.errors import ConfigurationError
from airflow_provider_trifacta.hooks.trifacta import config_from_connection

pytestmark = pytest.mark.every_airflow


def connection(extra=None, **fields) -> Connection:
    fields = {"host": "a.example.com", "login": "me", "password": "long-secret", **fields}
    return Connection(
        conn_id="c",
        conn_type="trifacta",
        extra=json.dumps(extra) if isinstance(extra, dict) else extra,
        **fields,
    )


def test_a_bare_connection_gets_the_defaults():
    assert config_from_connection(connection()) == ClientConfig(
        base_url="https://a.example.com", login="me", password="long-secret"
    )


@pytest.mark.parametrize("login", [None, ""])
def test_without_a_login_the_password_is_a_token(login):
    config = config_from_connection(connection(login=login, password="the-long-token"))
    assert (config.login, config.password) == (None, "the-long-token")


@pytest.mark.parametrize("port", [None, 0])
def test_a_blank_port_is_none(port):
    assert config_from_connection(
        connection(host="a.example.com:3005", port=port)
    ).base_url.endswith(":3005")


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).touch()


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("extra", "field", "expected"),
    [
        ({"verify": True}, "verify", True),
        ({"verify": False}, "verify", False),
        ({"verify": "false"}, "verify", False),
        ({"verify": " True "}, "verify", True),
        ({"verify": "ca.pem"}, "verify", "ca.pem"),
        ({"verify": "."}, "verify", "."),
        ({"cert": "cert.pem"}, "cert", "cert.pem"),
        ({"cert": ["cert.pem", "key.pem"]}, "cert", ("cert.pem", "key.pem")),
        ({"cert": '["cert.pem", "key.pem"]'}, "cert", ("cert.pem", "key.pem")),
        ({"cert": "['cert.pem', 'key.pem']"}, "cert", ("cert.pem", "key.pem")),
        ({"proxies": "{'https': 'http://p:1'}"}, "proxies", {"https": "http://p:1"}),
        ({"proxies": {"https": "http://p:1"}}, "proxies", {"https": "http://p:1"}),
        ({"proxies": '{"https": "http://p:1"}'}, "proxies", {"https": "http://p:1"}),
        ({"proxies": "http://p:1"}, "proxies", {"http": "http://p:1", "https": "http://p:1"}),
        ({"connect_timeout": 3}, "connect_timeout", 3.0),
        ({"connect_timeout": "3.5"}, "connect_timeout", 3.5),
        ({"read_timeout": "7"}, "read_timeout", 7.0),
        ({"upload_timeout": 1200}, "upload_timeout", 1200.0),
        ({"read_retries": "0"}, "read_retries", 0),
        ({"read_retries": 10}, "read_retries", 10),
        ({"user_agent": " our-airflow/7 "}, "user_agent", "our-airflow/7"),
        ({"max_package_size": 2**30}, "max_package_size", 2**30),
    ],
)
def test_extras_are_read_typed_or_as_text(extra, field, expected):
    value = getattr(config_from_connection(connection(extra)), field)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_blank_extras_mean_the_default(blank):
    names = [
        "verify",
        "cert",
        "proxies",
        "connect_timeout",
        "read_timeout",
        "upload_timeout",
        "read_retries",
        "user_agent",
        "max_package_size",
    ]
    assert config_from_connection(
        connection(dict.fromkeys(names, blank))
    ) == config_from_connection(connection())


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"verify": "no-such.pem"}, "'verify' must be true, false or the path"),
        ({"verify": 1}, "'verify' must be true, false or the path"),
        ({"cert": "no-such.pem"}, "'cert' must be the path"),
        ({"cert": ["a", "b", "c"]}, "'cert' must be the path"),
        ({"cert": 5}, "'cert' must be the path"),
        ({"proxies": "p:1"}, "'proxies' must be one proxy URL"),
        ({"proxies": ["http://p"]}, "'proxies' must be one proxy URL"),
        ({"proxies": {"https": 1}}, "'proxies' must be one proxy URL"),
        ({"connect_timeout": 0}, "'connect_timeout' must be more than 0"),
        ({"connect_timeout": "soon"}, "'connect_timeout' must be a number, not 'soon'"),
        ({"connect_timeout": True}, "'connect_timeout' must be a number"),
        ({"read_timeout": -1}, "'read_timeout' must be more than 0"),
        ({"read_timeout": "NaN"}, "'read_timeout' must be a number"),
        ({"upload_timeout": "Infinity"}, "'upload_timeout' must be a number"),
        ({"read_retries": 1.5}, "'read_retries' must be a whole number from 0 to 10"),
        ({"read_retries": 11}, "'read_retries' must be a whole number from 0 to 10"),
        ({"read_retries": "-1"}, "'read_retries' must be a whole number from 0 to 10"),
        ({"user_agent": 7}, "'user_agent' must be a text"),
        ({"user_agent": "a\nb"}, "user_agent must be printable"),
        ({"max_package_size": -1}, "'max_package_size' must be a whole number of bytes"),
        ("[1]", "extra is not a JSON object"),
    ],
)
def test_unusable_extras_are_named(extra, words):
    with pytest.raises(ConfigurationError) as caught:
        config_from_connection(connection(extra))
    assert words in str(caught.value)


def test_a_proxy_password_is_not_shown():
    with pytest.raises(ConfigurationError) as caught:
        config_from_connection(
            connection({"proxies": {"https": "http://u:proxy-secret@p", "http": 1}})
        )
    assert "proxy-secret" not in str(caught.value)


def test_unknown_extras_are_reported_once(caplog):
    caplog.set_level(logging.WARNING)
    config_from_connection(connection({"veryfy": False, "verify": True}))
    assert "not known and have no effect: veryfy." in caplog.text


def test_a_connection_uri_brings_the_same(monkeypatch):
    query = f"verify=false&connect_timeout=3&read_retries=1&proxies={quote('http://p:1', safe='')}"
    uri = f"trifacta://us%40er:p%40ss%2F%3A%23@https%3A%2F%2Fcloud.example.com:3005/?{query}"
    monkeypatch.setenv("AIRFLOW_CONN_BY_URI", uri)
    config = config_from_connection(BaseHook.get_connection("by_uri"))
    assert config.base_url == "https://cloud.example.com:3005"
    assert (config.login, config.password) == ("us@er", "p@ss/:#")
    assert (config.verify, config.connect_timeout, config.read_retries) == (False, 3.0, 1)
    assert config.proxies == {"http": "http://p:1", "https": "http://p:1"}


@pytest.mark.parametrize(
    ("uri", "base_url"),
    [
        ("trifacta://u:long-secret@[::1]:3005", "https://[::1]:3005"),
        ("trifacta://u:long-secret@[::1]:3005/http", "http://[::1]:3005"),
        ("trifacta://u:long-secret@[2001:db8::5]/?verify=false", "https://[2001:db8::5]"),
        ("trifacta://u:long-secret@%5B%3A%3A1%5D:3005", "https://[::1]:3005"),
        ("trifacta://u:long-secret@http%3A%2F%2F%5B%3A%3A1%5D%3A3005", "http://[::1]:3005"),
    ],
)
def test_a_connection_uri_may_hold_an_ipv6_address(monkeypatch, uri, base_url):
    monkeypatch.setenv("AIRFLOW_CONN_BY_URI", uri)
    assert config_from_connection(BaseHook.get_connection("by_uri")).base_url == base_url


def test_the_fields_may_hold_an_ipv6_address():
    config = config_from_connection(connection(host="2001:db8::5", port=3005))
    assert config.base_url == "https://[2001:db8::5]:3005"


def test_the_extra_may_be_a_dict():
    """As ``airflow.sdk.Connection(extra={...})`` keeps it; Airflow 2 makes it text."""
    fields = {"host": "a.example.com", "login": "me", "password": "long-secret"}
    given = Connection(
        conn_id="c", conn_type="trifacta", extra={"verify": False, "read_timeout": 7}, **fields
    )
    config = config_from_connection(given)
    assert (config.verify, config.read_timeout) == (False, 7.0)


def test_an_instance_at_an_ipv6_address(monkeypatch):
    try:
        emulator = Emulator(host="::1").start()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with contextlib.closing(contextlib.ExitStack()) as stack:
        stack.callback(emulator.stop)
        port = emulator.url.rpartition(":")[2]
        uri = f"trifacta://admin%40example.com:admin-password@[::1]:{port}/http"
        monkeypatch.setenv("AIRFLOW_CONN_BY_URI", uri)
        client = stack.enter_context(
            TrifactaClient(config_from_connection(BaseHook.get_connection("by_uri")))
        )
        assert client.deployments.create("Orders").id == 1
        assert client.deployment_url(1) == f"http://[::1]:{port}/deployments/1"


PEM = "-----BEGIN PRIVATE KEY-----\nMIIEhushhush\n-----END PRIVATE KEY-----\n"


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("pem", [PEM, PEM.replace("\n", ""), PEM.replace("\n", r"\n"), PEM * 100])
@pytest.mark.parametrize(
    "extra",
    [
        lambda pem: {"cert": pem},
        lambda pem: {"cert": ["cert.pem", pem]},
        lambda pem: {"verify": pem},
    ],
)
def test_a_key_in_place_of_its_path_is_refused_as_that(extra, pem):
    with pytest.raises(ConfigurationError, match="where its path belongs") as caught:
        config_from_connection(connection(extra(pem)))
    assert "hush" not in str(caught.value)
    for name, value in extra(pem).items():
        given = {name: tuple(value) if isinstance(value, list) else value}
        with pytest.raises(ConfigurationError, match="where its path belongs") as caught:
            ClientConfig(base_url="https://a.example.com", password="long-secret", **given)
        assert "hush" not in str(caught.value)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    "value", ["no-such-hush.pem", "hush" * 2000, "hush\0", ["hush", 5], {"hush": 1}]
)
@pytest.mark.parametrize("name", ["verify", "cert"])
def test_a_path_that_is_none_is_not_quoted(name, value):
    with pytest.raises(ConfigurationError) as caught:
        config_from_connection(connection({name: value}))
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "proxy", ["http://u:hush/hush@p:1", "http://u:hush#hush@p:1", "http://u:12?hush@p:1"]
)
def test_a_proxy_with_a_password_that_is_not_encoded_is_blamed_on_the_proxy(proxy, monkeypatch):
    for extra in ({"proxies": proxy}, {"proxies": {"https": proxy}}):
        with pytest.raises(ConfigurationError, match="proxy") as caught:
            config_from_connection(connection(extra))
        assert "hush" not in str(caught.value)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigurationError, match="environment") as caught:
        config_from_connection(connection())
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "host", ["https://u:hush@a.example.com", "u:hu/sh@a.example.com", "https://u:hush/@a:1"]
)
def test_a_password_in_the_host_is_not_quoted(host):
    with pytest.raises(ConfigurationError, match="holds credentials") as caught:
        config_from_connection(connection(host=host))
    assert "hu" not in str(caught.value)


def test_a_part_of_a_password_among_the_extras_is_not_shown(monkeypatch, caplog):
    """A password with a question mark that is not encoded begins the query of a URI."""
    caplog.set_level(logging.WARNING)
    monkeypatch.setenv("AIRFLOW_CONN_BY_URI", "trifacta://a.example.com:12?hu@sh=1&veryfy=false")
    with pytest.raises(ConfigurationError, match="no password"):
        config_from_connection(BaseHook.get_connection("by_uri"))
    assert "no effect: (not shown), veryfy." in caplog.text
    assert "hu@sh" not in caplog.text
