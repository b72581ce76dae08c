from __future__ import annotations

import pytest

from airflow_provider_trifacta.client.config import ClientConfig, resolve_base_url
from airflow_provider_trifacta.client.errors import ConfigurationError

#: An access token as the vendor's pages show it.
JWT = "eyJ0b2tlbklkIjoiaHVzaCJ9.eyJpYXQiOjE1NjI4MTkwMDZ9.4OoYhush_-x"


@pytest.mark.parametrize(
    ("host", "schema", "port", "expected"),
    [
        ("trifacta.example.com", None, None, "https://trifacta.example.com"),
        ("trifacta.example.com", "", None, "https://trifacta.example.com"),
        ("trifacta.example.com", "http", None, "http://trifacta.example.com"),
        ("trifacta.example.com", "HTTP", 3005, "http://trifacta.example.com:3005"),
        ("trifacta.example.com", "https://", 3005, "https://trifacta.example.com:3005"),
        ("trifacta.example.com:3005", None, None, "https://trifacta.example.com:3005"),
        ("trifacta.example.com:3005", None, 3005, "https://trifacta.example.com:3005"),
        ("http://trifacta.example.com:3005/", None, None, "http://trifacta.example.com:3005"),
        ("HTTPS://Trifacta.Example.com", None, None, "https://trifacta.example.com"),
        ("https://trifacta.example.com", "https", 443, "https://trifacta.example.com:443"),
        (
            "https://trifacta.example.com/base/path/",
            None,
            None,
            "https://trifacta.example.com/base/path",
        ),
        ("trifacta.example.com/base", None, 3005, "https://trifacta.example.com:3005/base"),
        (" trifacta.example.com ", None, None, "https://trifacta.example.com"),
        ("10.1.2.3:3005", "http", None, "http://10.1.2.3:3005"),
        ("[::1]:3005", "http", None, "http://[::1]:3005"),
        ("https://[fe80::1]/x", None, None, "https://[fe80::1]/x"),
        ("::1", None, 3005, "https://[::1]:3005"),
        ("2001:db8::5", "http", 3005, "http://[2001:db8::5]:3005"),
        ("2001:DB8::5/base", None, None, "https://[2001:db8::5]/base"),
        ("http://2001:db8::5", None, 3005, "http://[2001:db8::5]:3005"),
        ("[2001:db8::5]", None, 3005, "https://[2001:db8::5]:3005"),
    ],
)
def test_fields_become_one_base_url(host, schema, port, expected):
    assert resolve_base_url(host, schema=schema, port=port) == expected


@pytest.mark.parametrize(
    ("host", "schema", "port", "words"),
    [
        (None, None, None, "no host"),
        ("  ", None, None, "no host"),
        (
            "http://a.example.com",
            "https",
            None,
            "host says http:// but its schema field says https",
        ),
        ("a.example.com:3005", None, 443, "host says port 3005 but its port field says 443"),
        ("ftp://a.example.com", None, None, "must start with http:// or https://"),
        ("a.example.com", "trifacta", None, "schema must be http or https"),
        ("a.example.com:port", None, None, "not a host or URL"),
        ("a.example.com:99999", None, None, "not a host or URL"),
        ("a.example.com", None, 0, "port 0 is not between"),
        ("a.example.com?x=1", None, None, "must not hold"),
        ("a example.com", None, None, "not a host or URL"),
        ("https://", None, None, "not a host or URL"),
        ("::1::2", None, None, "not a host or URL"),
        ("1:2:3", None, None, "not a host or URL"),
        ("[::1", None, None, "not a host or URL"),
        ("https://a.example.com/v4", None, None, "Leave that out"),
        ("a.example.com", "base/path", None, "https%3A%2F%2FNAME%2FPATH"),
        ("a.example.com", "34hush@b.example.com", None, "schema holds '@'"),
    ],
)
def test_unusable_or_contradicting_fields_are_named(host, schema, port, words):
    with pytest.raises(ConfigurationError) as caught:
        resolve_base_url(host, schema=schema, port=port)
    assert words in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "https:/name",
            "https:name",
            "https//name",
            "https:///name",
            "https:\\\\name",
            "http:/name:3005/base",
        ),
        *(
            "HTTPS:/name",
            "http",
            "https",
            "https:3005",
            "https://https://name",
            "https://http:/name",
        ),
    ],
)
def test_half_a_scheme_is_not_taken_for_a_name(host):
    for schema in (None, "https", "/name"):
        with pytest.raises(ConfigurationError, match="Write https://NAME"):
            resolve_base_url(host, schema=schema)


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("https://a.example.com/flows/5", "/flows/5"),
        ("a.example.com:3005/deployments/12/", "/deployments/12"),
        ("https://a.example.com/base/jobs/7/details", "/jobs/7/details"),
        ("https://a.example.com/login", "/login"),
    ],
)
def test_the_address_of_a_page_is_no_host(host, path):
    with pytest.raises(ConfigurationError, match=f"Leave out the path '{path}'"):
        resolve_base_url(host)


@pytest.mark.parametrize(
    "path", ["/flows", "/deployments", "/login/trifacta", "/flows/team", "/httpsproxy", "/x/5"]
)
def test_what_may_be_a_prefix_is_taken(path):
    """An instance may be behind any path of a reverse proxy."""
    assert (
        resolve_base_url(f"https://httpd.example.com{path}") == f"https://httpd.example.com{path}"
    )


@pytest.mark.parametrize(
    "host", ["https://me:hunter2-secret@a.example.com", "me:hunter2-secret@a.example.com:port"]
)
def test_credentials_in_the_host_are_refused_and_not_shown(host):
    with pytest.raises(ConfigurationError) as caught:
        resolve_base_url(host)
    assert "hunter2-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("login", "password", "words"),
    [
        ("me", "", "no password"),
        (None, "", "no password"),
        ("me", "***", "password is ***"),
        ("***", "long-secret", "login is ***"),
        ("me", "long-secret\n", "line break"),
        ("m:e", "long-secret", "colon"),
        (" me", "long-secret", "login begins or ends with a space"),
        ("me ", "long-secret", "login begins or ends with a space"),
        (" ", "long-secret", "login begins or ends with a space"),
        ("me", " long-secret", "password begins or ends with a space"),
        ("me", "long-secret ", "password begins or ends with a space"),
        (None, "long-secret ", "password begins or ends with a space"),
        (None, "Bearer long-secret", "begins with 'Bearer'"),
        (None, "bearer long-secret", "begins with 'Bearer'"),
        (None, "Authorization: Bearer long-secret", "begins with 'Bearer'"),
        *((None, f"{one}long-secret{one}", "quote") for one in "\"'`"),
        (None, "\u201clong-secret\u201d", "quote"),
        (None, 'long-secret"', "quote"),
        (None, "long-secret of me", "holds a space"),
        ("me", "Bearer long-secret", "Leave the login empty"),
        ("me", JWT, "Leave the login empty"),
    ],
)
def test_unusable_credentials_are_refused_without_showing_them(login, password, words):
    with pytest.raises(ConfigurationError) as caught:
        ClientConfig(base_url="https://a", login=login, password=password)
    assert words in str(caught.value)
    assert "long-secret" not in str(caught.value)
    assert JWT[:20] not in str(caught.value)


@pytest.mark.parametrize(
    ("login", "password"),
    [
        (None, JWT),
        (None, "dG9rZW4tb2Y+bWU/=="),
        ("me", "'quoted'"),
        ("me", "four words of mine"),
        ("me", "eyJ.no.token!"),
        ("me", "a.b.c"),
        ("first last", "long-secret"),
    ],
)
def test_credentials_that_may_be_meant_are_taken(login, password):
    assert ClientConfig(base_url="https://a", login=login, password=password).password == password


def test_the_configuration_does_not_show_its_secrets():
    config = ClientConfig(
        base_url="https://a", password="long-secret", proxies={"https": "http://u:proxy-secret@p"}
    )
    assert "secret" not in repr(config)


@pytest.mark.parametrize("agent", ["", " ", "two\nlines", "Täglich"])
def test_a_user_agent_that_is_no_header_is_refused(agent):
    with pytest.raises(ConfigurationError, match="user_agent"):
        ClientConfig(base_url="https://a", login="me", password="long-secret", user_agent=agent)
