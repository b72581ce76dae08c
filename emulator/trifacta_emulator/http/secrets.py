"""What the log of calls leaves out: credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_plus

#: Parts of names of headers and query parameters that carry credentials.
_SECRET_NAME = re.compile(
    r"auth(?!ors?\b)|token|cookie|secret|passw|pwd|credential|signature|session|(api|access|private|subscription)[-_]?key",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(r"\b(basic|bearer|digest|negotiate)\s+\S", re.IGNORECASE)
_HIDDEN = "***"


def harmless(headers: Mapping[str, str]) -> dict[str, str]:
    """Leave out the headers that carry credentials.

    :param headers: request headers
    """
    kept = {}
    for name, text in headers.items():
        if not _is_secret(name, text):
            kept[name] = text
    return kept


def without_secrets(query: str) -> str:
    """Hide the values of query parameters that carry credentials.

    :param query: query string, without ``?``
    """
    parts = []
    for part in query.split("&"):
        name, equals, text = part.partition("=")
        if equals and _is_secret(unquote_plus(name), unquote_plus(text)):
            part = f"{name}={_HIDDEN}"
        parts.append(part)
    return "&".join(parts)


def _is_secret(name: str, text: str) -> bool:
    return bool(_SECRET_NAME.search(name) or _SECRET_VALUE.search(text))
