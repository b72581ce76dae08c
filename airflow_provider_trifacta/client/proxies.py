"""Proxies: their URLs hold passwords, so what is wrong with one is told without it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from .errors import ConfigurationError

#: Schemes of proxies that ``requests`` knows; the last ones with its extra for SOCKS.
_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_ADVICE = "In its login and password, write %2F for /, %3F for ?, %23 for #, %40 for @ and %5B for [."


def check_proxy(url: str, where: str) -> None:
    """Refuse a proxy URL that would not connect to the proxy that it names.

    :param url: the URL; one without a scheme is taken as ``http://``, as ``requests`` does
    :param where: how to call it in the error
    :raises ConfigurationError: naming ``where``, and nothing of the URL
    """
    scheme, separator, rest = url.rpartition("://") if "://" not in url else url.partition("://")
    scheme = scheme.lower() if separator else "http"
    if scheme not in _SCHEMES:
        raise ConfigurationError(f"{where} must begin with one of {', '.join(f'{one}://' for one in _SCHEMES)}.")
    if not rest.isprintable() or " " in rest or any(one in rest.removesuffix("/") for one in "/?#\\"):
        raise ConfigurationError(
            f"{where} is not a proxy URL: after the port it holds a path, '?', '#', '\\' or white space. {_ADVICE}"
        )
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        usable = bool(parts.hostname) and (parts.port is None or 0 < parts.port < 65536)
        usable = usable and _host_that_connects(f"{scheme}://{rest}") == parts.hostname
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(
            f"{where} is not a proxy URL such as http://user:password@proxy.example.com:3128. {_ADVICE}"
        )


def _host_that_connects(url: str) -> str | None:
    """Return the host that ``urllib3`` reads in a URL, which parses it by itself; None for what it refuses."""
    from urllib3.exceptions import LocationParseError  # not at import: DAG parsing needs no HTTP library
    from urllib3.util import parse_url

    try:
        return (parse_url(url).host or "").strip("[]").lower()
    except LocationParseError:
        return None


def check_environment(base_url: str, proxies: Mapping[str, str]) -> None:
    """Refuse a proxy of the environment that would be used and cannot be.

    :param base_url: the instance
    :param proxies: the connection's own proxies, which come first
    :raises ConfigurationError: naming the kind of variable, and nothing of its value
    """
    found = environment_proxies(base_url)
    from requests.utils import select_proxy

    chosen = select_proxy(base_url, {**found, **proxies})
    if chosen and chosen not in proxies.values():
        names = sorted(f"{scheme.upper()}_PROXY" for scheme, url in found.items() if url == chosen)
        check_proxy(chosen, f"The proxy of this worker's environment ({' or '.join(names)})")


def environment_proxies(base_url: str) -> dict[str, str]:
    """Return the environment's proxies by scheme; none where ``NO_PROXY`` exempts the instance."""
    from requests.utils import get_environ_proxies

    return {scheme: url for scheme, url in get_environ_proxies(base_url).items() if scheme != "no"}


def proxy_logins(urls: Iterable[str]) -> list[tuple[str, str]]:
    """Return login and password, as they are written, of the proxy URLs that have a password."""
    found = []
    for url in urls:
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
        except ValueError:
            continue
        if parts.password:
            found.append((parts.username or "", parts.password))
    return found
