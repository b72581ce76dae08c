"""How much JSON a text holds, counted before it is parsed.

The counts decide how much memory the parser needs.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

#: Texts and comments of JSON5: the punctuation in them does not count. One without an end reaches
#: to the end of the file. No group repeats here, because Python's engine keeps a place in memory
#: for each repetition. The bytes at the end of a line comment are U+2028 and U+2029 in UTF-8.
_QUOTED = re.compile(
    r"""
    "[^"]*"?
    | '[^']*'?
    | //.*?(?:[\r\n]|\xe2\x80[\xa8\xa9]|\Z)
    | /\*.*?(?:\*/|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
#: Escapes that hide the end of a text. They are replaced in this order.
_ESCAPES = (rb"\\", rb"\"", rb"\'")
_OPENING, _CLOSING = b"[{", b"]}"
_NO_BRACKET = bytes(set(range(256)) - set(_OPENING + _CLOSING))
_STEPS = {**dict.fromkeys(_OPENING, 1), **dict.fromkeys(_CLOSING, -1)}
#: Characters that UTF-8 writes in four bytes. Each makes Python keep the whole text with four bytes
#: a character.
_WIDE = re.compile("[\U00010000-\U0010ffff]")
_FIRST_OF_WIDE = range(0xF0, 0xF5)
#: One in so many bytes makes the text too long if each is an escape.
_BYTES_OF_A_RARE_ONE = 16
#: Bytes that become a text at a time.
_BLOCK = 64 * 1024


class Structure(NamedTuple):
    """How much JSON a text holds.

    The parts are bracket levels, texts and comments, objects and lists, and commas and colons.
    """

    depth: int
    quoted: int
    containers: int
    separators: int


def structure_of(raw: bytes, most_quoted: int) -> Structure:
    """Count what parsing a text of JSON or JSON5 would make, without parsing it.

    :param raw: any bytes; the counts mean something for JSON and JSON5 in UTF-8
    :param most_quoted: how many texts and comments are looked at; one more than that is counted,
        and no further
    """
    bare, quoted = _without_quoted(raw, most_quoted)
    containers = bare.count(b"[") + bare.count(b"{")
    separators = bare.count(b",") + bare.count(b":")
    return Structure(_depth(bare), quoted, containers, separators)


def _depth(bare: bytes) -> int:
    """Return how deep the brackets of a text without quotes are nested."""
    brackets = bare.translate(None, _NO_BRACKET)
    levels = accumulate(map(_STEPS.__getitem__, brackets))
    return max(levels, default=0)


def holds_more_parts(raw: bytes, most: int) -> bool:
    """Tell whether a text of JSON has more than so many parts.

    Parts are objects and lists, and the commas and colons outside of texts.

    :param raw: any bytes; the answer means something for JSON in UTF-8
    :param most: how many parts it may have
    """
    # To count those in texts too takes no time, and most answers have few enough.
    if _marks(raw) <= most:
        return False
    bare, quoted = _without_quoted(raw, most + 1)
    # A comma or a colon stands between two texts, or the parser stops there.
    return quoted > most + 1 or _marks(bare) > most


def text_of(content: bytes) -> str:
    """Return the text of an answer of JSON.

    Where an emoji is rare it is an escape, so that the text stays small.

    :param content: the bytes
    :raises ValueError: they are no text
    """
    encoding = json.detect_encoding(content)
    if not _has_rare_wide(content):
        return content.decode(encoding, "surrogatepass")
    narrow: list[str] = []
    for text in codecs.iterdecode(_blocks(content), encoding, "surrogatepass"):
        narrow.append(_WIDE.sub(_as_escape, text))
    return "".join(narrow)


def _has_rare_wide(content: bytes) -> bool:
    """Tell whether a long text has some wide characters, and few enough to make them escapes."""
    if len(content) <= _BLOCK or content.isascii():
        return False
    count = 0
    for first in _FIRST_OF_WIDE:
        count += content.count(bytes([first]))
    return 0 < count <= len(content) // _BYTES_OF_A_RARE_ONE


def _blocks(content: bytes) -> Iterator[bytes]:
    for begin in range(0, len(content), _BLOCK):
        yield content[begin : begin + _BLOCK]


def _as_escape(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]


def _marks(raw: bytes) -> int:
    counts = map(raw.count, (b",", b":", b"[", b"{"))
    return sum(counts)


def _without_quoted(raw: bytes, most: int) -> tuple[bytes, int]:
    """Return a text without its texts and comments, and how many of these it has.

    :param raw: the text
    :param most: how many are taken out; one more than that is too, and no further
    """
    for escape in _ESCAPES:
        raw = raw.replace(escape, b"__")
    # In Latin-1 one byte is one character. All characters that count are ASCII.
    text, quoted = _QUOTED.subn("", raw.decode("latin-1"), count=most + 1)
    return text.encode("latin-1"), quoted
