"""Checks of a proxy's URL. It may hold a password, so no error quotes it."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit

from .errors import ConfigurationError

_SCHEMES = ("http", "https")
_ADVICE = (
    "In its login and password, write %2F for /, %3F for ?, %23 for #, %40 for @ and %5B for [."
)


def check_proxy(url: str, where: str) -> None:
    """Refuse a proxy URL that would not connect to the proxy that it names.

    :param url: the URL; one without a scheme gets ``http://``, as with ``requests``
    :param where: what the error calls it
    :raises ConfigurationError: the URL cannot be used; the error names ``where``, and nothing of
        the URL
    """
    scheme, separator, rest = url.rpartition("://") if "://" not in url else url.partition("://")
    scheme = scheme.lower() if separator else "http"
    if scheme.startswith("socks"):
        raise ConfigurationError(
            f"{where} is a SOCKS proxy, which this provider cannot use. Give an HTTP proxy in the"
            " connection's extra 'proxies', or exempt the instance with NO_PROXY in the"
            " environment."
        )
    if scheme not in _SCHEMES:
        raise ConfigurationError(f"{where} must begin with http:// or https://.")
    has_white_space = " " in rest or not rest.isprintable()
    if has_white_space or set("/?#\\") & set(rest.removesuffix("/")):
        raise ConfigurationError(
            f"{where} is not a proxy URL: after the port it holds a path, '?', '#', '\\' or white"
            f" space. {_ADVICE}"
        )
    from urllib3.util import parse_url  # not at the top: parsing a DAG needs no HTTP library

    usable = False
    with suppress(ValueError):
        parts = urlsplit(f"{scheme}://{rest}")
        # ``urllib3`` connects to the host that its own parser reads.
        connects_to = (parse_url(f"{scheme}://{rest}").host or "").strip("[]").lower()
        usable = connects_to == parts.hostname and (parts.port is None or 0 < parts.port < 65536)
    if not usable:
        raise ConfigurationError(
            f"{where} is not a proxy URL such as http://user:password@proxy.example.com:3128."
            f" {_ADVICE}"
        )
