"""Proxy URLs that cannot be used are blamed on the proxy, and nothing of them is quoted."""

from __future__ import annotations

import pytest

from airflow_provider_trifacta.client.config import ClientConfig, check_environment, proxy_logins
from airflow_provider_trifacta.client.errors import ConfigurationError
from airflow_provider_trifacta.client.proxies import check_proxy

BASE = "https://trifacta.example.com"


@pytest.mark.parametrize(
    "url",
    [
        "http://proxy.example.com:3128",
        "http://proxy.example.com:3128/",
        "proxy.example.com:3128",
        "https://user:p%2Fss%23%40@proxy:3128",
        "HTTP://user:p@Proxy:3128",
        "http://[::1]:3128",
    ],
)
def test_a_usable_proxy_passes(url):
    check_proxy(url, "The proxy")


@pytest.mark.parametrize(
    "url",
    [
        *(f"http://user:hush{one}hush@proxy:3128" for one in "/#?\\ \n\t\x1b"),
        "http://user:12/34hush@proxy:3128",
        "http://user:hush[hush@proxy:3128",
        "http://user:hush]hush@proxy:3128",
        "http://user:hush@",
        "http://user:hush@proxy:port",
        "http://user:hush@proxy:99999",
        "http://user:hush@proxy:3128/path",
        "ftp://user:hush@proxy:3128",
        "user:hush@://proxy",
        "http://",
        "",
    ],
)
def test_another_one_is_refused_without_a_word_of_it(url, monkeypatch):
    with pytest.raises(ConfigurationError) as caught:
        check_proxy(url, "The proxy")
    assert str(caught.value).startswith("The proxy ")
    assert not [word for word in ("hush", "user:12", "34") if word in str(caught.value)]
    with pytest.raises(ConfigurationError):
        ClientConfig(base_url=BASE, password="long-secret", proxies={"https": url})
    for name in ("HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, url)
        if url and "\0" not in url:
            with pytest.raises(ConfigurationError, match="environment") as caught:
                check_environment(BASE, {})
            assert "hush" not in str(caught.value)
        monkeypatch.delenv(name)


@pytest.mark.parametrize("scheme", ["socks4", "socks4a", "socks5", "socks5h", "SOCKS5", "socks"])
def test_a_socks_proxy_is_refused_by_that_name(scheme, monkeypatch):
    """The connections of this provider cannot go through one, with or without PySocks."""
    url = f"{scheme}://user:hush@127.0.0.1:1080"
    with pytest.raises(ConfigurationError, match="SOCKS") as caught:
        ClientConfig(base_url=BASE, password="long-secret", proxies={"https": url})
    assert "hush" not in str(caught.value)
    for name in ("HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, url)
        with pytest.raises(
            ConfigurationError, match=rf"environment \({name}\) is a SOCKS proxy"
        ) as caught:
            check_environment(BASE, {})
        assert "hush" not in str(caught.value)
        check_environment(BASE, {"https": "http://proxy:3128"})
        monkeypatch.delenv(name)


def test_a_proxy_of_the_environment_that_is_not_used_does_no_harm(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hush#hush@proxy")
    check_environment("http://trifacta.example.com", {})
    check_environment(BASE, {"https": "http://proxy:3128"})
    for name in ("NO_PROXY", "no_proxy"):  # the second one counts where both are set
        monkeypatch.setenv(name, "trifacta.example.com")
    check_environment(BASE, {})


def test_logins_are_those_with_a_password():
    urls = ["http://proxy", "http://me:p%2F@proxy", "me:pw@proxy:1", "http://[broken"]
    assert proxy_logins(urls) == [("me", "p%2F"), ("me", "pw")]
