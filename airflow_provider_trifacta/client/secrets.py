"""All that gives a secret away: the secrets of a configuration, and every form in which they travel."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote

from .proxies import environment_proxies, proxy_logins

if TYPE_CHECKING:
    from .config import ClientConfig


def secrets_of(config: ClientConfig) -> list[str]:
    """Return every text that must not be shown, longest first.

    They are the password or token, the passwords of proxies (the environment's too), what Basic authentication makes
    of them, and each of these as it stands in URLs, in JSON, and in text whose white space was folded.

    :param config: the configuration
    """
    pairs = [(config.login or "", config.password)]
    for login, password in proxy_logins([*config.proxies.values(), *environment_proxies(config.base_url).values()]):
        pairs += [(login, password), (unquote(login), unquote(password))]
    found = set()
    for login, password in pairs:
        basic = base64.b64encode(f"{login}:{password}".encode("utf-8", "replace")).decode()
        found |= {*_spellings(password), *_spellings(basic)}
    return sorted(filter(None, found), key=len, reverse=True)


def _spellings(secret: str) -> set[str]:
    written = secret.encode("utf-8", "replace").decode()
    encoded = {quote(written, safe=""), quote_plus(written), quote(written)}
    return {secret, unquote(written), *encoded, json.dumps(secret)[1:-1], " ".join(secret.split())}
