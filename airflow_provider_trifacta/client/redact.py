"""Secrets, and unusual JSON: what takes the credentials out of texts that come from elsewhere."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .errors import UnexpectedResponseError
from .structure import text_of
from .texts import MOST_LEVELS, shown

if TYPE_CHECKING:
    from .config import ClientConfig

_TOKENS = re.compile(r'\\.|["\[\]{}]', re.DOTALL)
_NO_CONTENT = dict.fromkeys(map(ord, "[]{}, \t\r\n"))
#: An escape of JSON or of JavaScript.
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|x([0-9a-f]{2})|([\"'/\\]))", re.IGNORECASE)
_SURROGATES = re.compile("[\ud800-\udfff]")
#: How often a text is decoded to look for a secret: JSON within HTML within a URL.
_MOST_LAYERS = 4
#: Characters of a text from outside (an HTML page, a long message) that are quoted in an error.
_EXCERPT = 400
#: Characters of it that are looked at.
_LOOKED_AT = 64 * 1024


class Redactor:
    """Takes the credentials out of text that comes from elsewhere (answers, library messages).

    :param config: has the credentials
    """

    def __init__(self, config: ClientConfig) -> None:
        self._secrets = config.secrets
        self._long = config.long_secrets

    def __call__(self, text: str) -> str:
        """Return the text with every secret replaced."""
        return _without(self._secrets, text)

    def excerpt(self, text: str) -> str:
        """Return the beginning of a text on one line, without secrets or a part of one."""
        if len(text) > _LOOKED_AT:
            longest = max(map(len, self._secrets), default=0)
            # Its end is left out, because that may be the beginning of a secret.
            text = self(text[:_LOOKED_AT])[: _LOOKED_AT - longest]
        folded = " ".join(self(text).split())
        return shown(self(folded), _EXCERPT)

    def describe(self, content: bytes, headers: Mapping[str, str]) -> str:
        """Return the kind of an answer's body and its beginning, for an error."""
        header = text_of_header(headers, "Content-Type") or "no content type"
        kind = self.excerpt(header.partition(";")[0])
        text = self.excerpt(content[: 2 * _LOOKED_AT].decode("utf-8", "replace"))
        return f"{kind} {text!r}" if text else "an empty body"

    def may_hold_secret(self, content: bytes) -> bool:
        """Tell whether a body has a secret in any form. Most have none, and their values need no
        look.

        :param content: the body, of JSON
        """
        return any(_holds_any(self._long, layer) for layer in _layers(text_of(content)))

    def within(self, value: object) -> object:
        """Replace every secret in a JSON value, in its place, and return it.

        A server may echo what it was sent.
        """
        if isinstance(value, str):
            return _without(self._long, value)
        if isinstance(value, list):
            for number, entry in enumerate(value):
                value[number] = self.within(entry)
        if isinstance(value, dict):
            for key, entry in value.items():
                value[key] = self.within(entry)
            without = {_without(self._long, key): entry for key, entry in value.items()}
            if list(without) != list(value):
                return without
        return value


def _without(secrets: Sequence[str], text: str) -> str:
    """Replace secrets in a text, also where it spells them with escapes: then the whole text is
    decoded.
    """
    for secret in secrets:
        text = text.replace(secret, "***")
    for layer in _layers(text):
        if _holds_any(secrets, layer):
            return _without(secrets, layer)
    return text


def _holds_any(secrets: Sequence[str], text: str) -> bool:
    return any(secret in text for secret in secrets)


def _layers(text: str) -> Iterator[str]:
    """Yield a text, and what it is without its escapes, as often as they were put around it."""
    yield text
    for _ in range(_MOST_LAYERS):
        decoded = _decoded(text)
        if decoded == text:
            break
        yield decoded
        text = decoded


def _decoded(text: str) -> str:
    """Return a text without the escapes of JSON, HTML and URLs."""
    if "\\" in text:
        text = _ESCAPE.sub(_character_of, text)
    if "&" in text:
        text = html.unescape(text)
    if "%" in text:
        text = unquote(text)
    if _SURROGATES.search(text):  # two escapes of JSON make one emoji
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _character_of(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2]
    return chr(int(code, 16)) if code else escape[3]


def text_of_header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header as the server means it: the libraries read Latin-1, and it may be UTF-8.

    :param headers: the headers of an answer
    :param name: its name
    :returns: its text, None if there is none
    """
    value = headers.get(name)
    with suppress(UnicodeError):
        return value and value.encode("latin-1").decode()
    return value


def read_unusual_json(
    content: bytes, headers: Mapping[str, str], what: str, redact: Redactor
) -> object:
    """Return the JSON body of an answer that may hold a secret or many levels, or is not JSON.

    :param content: the body
    :param headers: the headers of the answer
    :param what: the request and the status, for the error
    :param redact: takes the secrets out
    :returns: the JSON body
    :raises UnexpectedResponseError: the body is not JSON
    """
    try:
        if b"\0" in content:  # of UTF-16 or UTF-32, whose parts were not counted
            raise ValueError("it holds a NUL byte")
        value = parse(content)
        return redact.within(value) if redact.may_hold_secret(content) else value
    except (ValueError, RecursionError):
        raise UnexpectedResponseError(
            f"{what} with {redact.describe(content, headers)} instead of JSON. Check that the"
            " connection's host is the base URL of a Trifacta instance, and not of a login page or"
            " a proxy in front of it."
        ) from None


def parse(content: bytes) -> Any:
    """Read JSON. What is nested deeper than any answer becomes a text, or null if it holds nothing.

    :param content: the text
    :returns: its value
    :raises ValueError: it is not JSON
    """
    text = text_of(content)
    try:
        value = json.loads(text)
    except RecursionError:
        return json.loads(_without_deep_levels(text))
    containers = content.count(b"[") + content.count(b"{")
    if containers <= MOST_LEVELS or not _is_deep(value):
        return value
    return json.loads(_without_deep_levels(text))


def _without_deep_levels(text: str) -> str:
    """Return a text of JSON with a text or null in place of what is nested too deeply."""
    kept: list[str] = []
    depth = at = 0
    quoted = False
    for token in _TOKENS.finditer(text):
        mark = text[token.start()]
        if mark == '"':
            quoted = not quoted
        elif quoted or mark == "\\":
            continue
        elif mark in "[{":
            depth += 1
            if depth == MOST_LEVELS + 1:
                kept.append(text[at : token.start()])
                at = token.start()
        else:
            if depth == MOST_LEVELS + 1:
                filled = text[at : token.end()].translate(_NO_CONTENT)
                kept.append('"..."' if filled else "null")
                at = token.end()
            depth -= 1
    kept.append(text[at:])
    return "".join(kept)


def _is_deep(value: object) -> bool:
    level: list[object] = [value]
    for _ in range(MOST_LEVELS + 1):
        inner: list[object] = []
        for node in level:
            if isinstance(node, dict):
                inner.extend(node.values())
            elif isinstance(node, list):
                inner.extend(node)
        level = inner
    return bool(level)
