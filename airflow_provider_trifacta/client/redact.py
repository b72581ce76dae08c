"""Secrets, and unusual JSON: what takes the credentials out of texts that come from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from .errors import UnexpectedResponseError
from .structure import text_of
from .texts import MOST_LEVELS, shown

if TYPE_CHECKING:
    from .config import ClientConfig

_TOKENS = re.compile(r'\\.|["\[\]{}]', re.DOTALL)
_NO_CONTENT = dict.fromkeys(map(ord, "[]{}, \t\r\n"))
#: Characters of a text from outside (an HTML page, a long message) that are quoted in an error.
_EXCERPT = 400
#: Characters of it that are looked at.
_LOOKED_AT = 64 * 1024


class Redactor:
    """Takes the credentials out of text that comes from elsewhere (answers, library messages).

    :param config: has the credentials
    """

    def __init__(self, config: ClientConfig) -> None:
        self._secrets, self._long = config.secrets, config.long_secrets

    def __call__(self, text: str) -> str:
        """Return the text with every secret replaced."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def excerpt(self, text: str) -> str:
        """Return the beginning of a text on one line, without secrets, also where one is cut in
        two.
        """
        if len(text) > _LOOKED_AT:
            longest = max(map(len, self._secrets), default=0)
            text = self(text[:_LOOKED_AT])[
                : _LOOKED_AT - longest
            ]  # the end may be the beginning of a secret
        return shown(self(" ".join(self(text).split())), _EXCERPT)

    def describe(self, content: bytes, headers: Mapping[str, str]) -> str:
        """Return the kind of an answer's body and its beginning, for an error."""
        kind = self.excerpt(headers.get("Content-Type", "no content type").partition(";")[0])
        text = self.excerpt(content[: 2 * _LOOKED_AT].decode("utf-8", "replace"))
        return f"{kind} {text!r}" if text else "an empty body"

    def within(self, value: object) -> object:
        """Replace every secret in a JSON value, in its place, and return it: a server may echo what
        it was sent.
        """
        if isinstance(value, str):
            for secret in self._long:
                value = value.replace(secret, "***")
            return value
        if isinstance(value, list):
            for number, entry in enumerate(value):
                value[number] = self.within(entry)
        if isinstance(value, dict):
            for key, entry in value.items():
                value[key] = self.within(entry)
            if any(secret in key for key in value for secret in self._long):
                return {self.within(key): entry for key, entry in value.items()}
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
        return redact.within(parse(content))
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
        pass
    else:
        if content.count(b"[") + content.count(b"{") <= MOST_LEVELS or not _is_deep(value):
            return value
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
    return json.loads("".join([*kept, text[at:]]))


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        inner = (
            one.values() if isinstance(one, dict) else one
            for one in level
            if isinstance(one, (dict, list))
        )
        level = list(chain.from_iterable(inner))
    return bool(level)
