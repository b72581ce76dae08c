"""Foreign words: how a text from outside leaves, by the medium that it goes to.

Foreign is what the instance, a package, a file name, a template, an argument, a secrets backend or
an exception of a library says. Known secrets are taken out where an answer is read, because only
there they are known (:mod:`.redact`). Here texts are cut and escaped:

- :func:`one_line` for errors, logs and command lines, and :func:`shown` for a name in them;
- :func:`storable` for XComs, journals, events and the extras of assets;
- :func:`code_span` for Markdown.

The credentials of a URL are hidden in all but what is stored, which code reads.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

#: Characters of a name from outside that are shown.
MOST_CHARACTERS = 200
#: Characters of a whole error, or of a value in a line of a log.
LONGEST_LINE = 20_000
#: Characters of one text in an XCom, and of all its texts and numbers.
LONGEST_STORED = 64 * 1024
MOST_STORED = 1024 * 1024
#: Levels of an XCom.
_MOST_LEVELS = 120
#: Characters that a value without a text counts for, and the punctuation around a text.
_COST = 8
#: Characters that are read for each one that is shown: a text may be mostly white space.
_LOOKED_AT = 20
_CUT = "..."
#: What is in the place of half an emoji, and of a NUL. No database takes them.
_REPLACEMENT = "\ufffd"
_NOT_STORABLE = re.compile("[\ud800-\udfff\0]")

_LINE_BREAKS = re.compile("[\r\n\t\v\f\x1c-\x1f\x85\u2028\u2029]+")
#: How a URL with a login begins. A port is no password, and PASSWORD is the word of our own advice.
_LOGIN = re.compile(
    r"(?<=[a-z0-9+.-]{2}):/{1,2}[^\s/:@\[\]{}\"',]*:(?!\d{1,5}(?:[^\w@]|$)|PASSWORD@|\*\*\*)",
    re.IGNORECASE,
)
_WORD = re.compile(r"\S+")
#: A token in the place of a user. For a storage the user may be the id of a connection.
_USER = re.compile(r"(https?://)[^\s/:@'\"]+@", re.IGNORECASE)
#: Names of parameters that carry a credential or a signature, as stores and web servers use them.
_SECRET_PARAMETER = re.compile(
    r"(?P<name>\b(?:"
    r"x-(?:amz|goog|oss|obs|ms)-(?:signature|credential|security-token)|signature|sig|awsaccesskeyid"
    r"|googleaccessid|ossaccesskeyid|access_?key(?:_?id)?|secret_?(?:access_?)?key|secret"
    r"|client_secret|pass(?:word|wd|phrase)|pwd|(?:access_?|auth_?|refresh_?|id_?|sas_?)?token"
    r"|(?:api|account|private)_?key"
    r")=)(?!\*\*\*)[^\s&;,'\"<>)]+",
    re.IGNORECASE,
)


def without_credentials(text: str) -> str:
    """Return a text in which no URL shows a password, a token or a signature.

    :param text: any text, with URLs anywhere in it
    """
    if ":/" in text:
        text = _WORD.sub(_without_password, text)
        text = _USER.sub(r"\1***@", text)
    if "=" in text:
        text = _SECRET_PARAMETER.sub(r"\g<name>***", text)
    return text


def _without_password(word: re.Match[str]) -> str:
    """Hide a password up to the last ``@`` of a word, because it may hold any character.

    Where the word was cut before that, all of the rest is hidden.
    """
    text = word[0]
    login = _LOGIN.search(text)
    if login is None:
        return text
    password_begins = login.end()
    password_ends = text.rfind("@", password_begins)
    rest = "" if password_ends < 0 else text[password_ends:]
    return f"{text[:password_begins]}***{rest}"


def shown(text: object, most: int = MOST_CHARACTERS) -> str:
    """Return the beginning of a text on one line, with control characters and terminal escapes
    spelled out, and without the credentials of URLs. White space is folded.

    :param text: any value; one that is not a text is turned into one
    :param most: how many characters are returned; three dots stand for the rest
    :returns: the text, fit for a reader
    """
    looked_at, more = _beginning(text, most)
    return _cut(" ".join(looked_at.split()), most, more=more)


def one_line(text: object, most: int = LONGEST_LINE) -> str:
    """Return a text as :func:`shown` does, but with its spaces: it may hold JSON.

    :param text: any value; one that is not a text is turned into one
    :param most: how many characters are returned; three dots stand for the rest
    :returns: the text, fit for an error or a log
    """
    looked_at, more = _beginning(text, most)
    return _cut(_LINE_BREAKS.sub(" ", looked_at), most, more=more)


def _beginning(text: object, most: int) -> tuple[str, bool]:
    """Return what has to be looked at of a text, without credentials, and whether there is more."""
    whole = text if isinstance(text, str) else str(text)
    looked_at = whole[: most * _LOOKED_AT]
    more = len(whole) > len(looked_at)
    return without_credentials(looked_at), more


def _cut(line: str, most: int, *, more: bool = False) -> str:
    if len(line) <= most and not more and line.isprintable():
        return line
    spelled = "".join(map(_spelled, line[: most + 1]))
    if len(spelled) <= most and not more:
        return spelled
    return spelled[:most] + _CUT


def _spelled(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


def code_span(text: object, most: int = MOST_CHARACTERS) -> str:
    """Return a text for Markdown: as a code span, in which no markup, link or HTML is one.

    :param text: any value; None becomes ``?``
    :param most: how many characters are shown
    :returns: the text as :func:`shown` shows it, between backticks
    """
    if text is None:
        return "`?`"
    words = shown(text, most).replace("`", "'").strip()
    return f"`{words}`" if words else "(empty)"


def storable(value: Any) -> Any:
    """Return plain JSON that every database of Airflow takes, of a bounded size.

    Half an emoji and a NUL become a replacement character, and a number that is not finite becomes
    its name. A text longer than :data:`LONGEST_STORED` is cut. What goes beyond
    :data:`MOST_STORED` characters in all is left out.

    :param value: what :mod:`json` reads, and tuples; any other value becomes a text
    :returns: a new value
    """
    return _Store().fit(value, _MOST_LEVELS)


class _Store:
    """Counts what a value takes while it is copied."""

    def __init__(self) -> None:
        self._left = MOST_STORED

    def fit(self, value: Any, levels: int) -> Any:
        self._left -= _COST
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else json.dumps(value)
        if isinstance(value, (Mapping, list, tuple)):
            return self._fit_container(value, levels - 1) if levels else _CUT
        return self._fit_text(value if isinstance(value, str) else str(value))

    def _fit_container(
        self, value: Mapping[Any, Any] | list[Any] | tuple[Any, ...], levels: int
    ) -> Any:
        if isinstance(value, Mapping):
            return self._fit_mapping(value, levels)
        return self._fit_list(value, levels)

    def _fit_mapping(self, value: Mapping[Any, Any], levels: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, entry in value.items():
            if self._left <= 0:
                break
            kept[self._fit_text(str(key))] = self.fit(entry, levels)
        return kept

    def _fit_list(self, value: list[Any] | tuple[Any, ...], levels: int) -> list[Any]:
        kept: list[Any] = []
        for entry in value:
            if self._left <= 0:
                break
            kept.append(self.fit(entry, levels))
        return kept

    def _fit_text(self, text: str) -> str:
        most = max(min(LONGEST_STORED, self._left), 0)
        self._left -= min(len(text), most)
        if len(text) > most:
            text = text[: max(most - len(_CUT), 0)] + _CUT
        if text.isascii() and "\0" not in text:
            return text
        return _NOT_STORABLE.sub(_REPLACEMENT, text)


class OneLine(logging.Filter):
    """Lets a record pass, with each of its values on one line, cut, and without credentials."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Make the values of the record fit for a log.

        :param record: what is logged
        :returns: True: every record passes
        """
        arguments = record.args
        if isinstance(arguments, tuple):
            record.args = tuple(map(_logged, arguments))
        elif arguments:
            record.args = {name: _logged(value) for name, value in arguments.items()}
        return True


def _logged(value: Any) -> Any:
    """Return a value of a log line. A number stays one, because a format may ask for it."""
    return value if isinstance(value, (int, float, type(None))) else one_line(value)


_ONE_LINE = OneLine()


@cache
def logger(name: str) -> logging.Logger:
    """Return the logger of a module. Each value that it logs is made safe.

    :param name: its name
    """
    module_logger = logging.getLogger(name)
    module_logger.addFilter(_ONE_LINE)
    return module_logger
