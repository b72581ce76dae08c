"""How much JSON a text holds, counted before it is parsed: that decides how much memory its parser
needs.
"""

from __future__ import annotations

import codecs
import json
import re
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
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
#: Characters that UTF-8 writes in four bytes. Each makes Python keep the whole text with four bytes
#: a character.
_WIDE = re.compile("[\U00010000-\U0010ffff]")
_FIRST_OF_WIDE = range(0xF0, 0xF5)
#: One in so many bytes makes the text too long if each is an escape.
_BYTES_OF_A_RARE_ONE = 16
#: Bytes that become a text at a time.
_BLOCK = 64 * 1024


class Structure(NamedTuple):
    """How much JSON a text holds: bracket levels, texts and comments, objects and lists, and commas
    and colons.
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
    brackets = bare.translate(None, _NO_BRACKET)
    return Structure(
        depth=max(accumulate(map(_STEPS.__getitem__, brackets)), default=0),
        quoted=quoted,
        containers=bare.count(b"[") + bare.count(b"{"),
        separators=bare.count(b",") + bare.count(b":"),
    )


def holds_more_parts(raw: bytes, most: int) -> bool:
    """Tell whether a text of JSON has more than so many parts: objects, lists, commas and colons
    outside of texts.

    :param raw: any bytes; the answer means something for JSON in UTF-8
    :param most: how many parts it may have
    """
    if _marks(raw) <= most:  # with those in texts, which takes no time to count
        return False
    bare, quoted = _without_quoted(raw, most + 1)
    # A comma or a colon stands between two texts, or the parser stops there.
    return quoted > most + 1 or _marks(bare) > most


def text_of(content: bytes) -> str:
    """Return the text of an answer of JSON. Where an emoji is rare it is an escape, so that the
    text stays small.

    :param content: the bytes
    :raises ValueError: they are no text
    """
    encoding = json.detect_encoding(content)
    count = 0
    if len(content) > _BLOCK and not content.isascii():
        count = sum(content.count(bytes([first])) for first in _FIRST_OF_WIDE)
    if not 0 < count <= len(content) // _BYTES_OF_A_RARE_ONE:
        return content.decode(encoding, "surrogatepass")
    blocks = (content[at : at + _BLOCK] for at in range(0, len(content), _BLOCK))
    texts = codecs.iterdecode(blocks, encoding, "surrogatepass")
    return "".join(_WIDE.sub(_as_escape, text) for text in texts)


def _as_escape(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]


def _marks(raw: bytes) -> int:
    return sum(map(raw.count, (b",", b":", b"[", b"{")))


def _without_quoted(raw: bytes, most: int) -> tuple[bytes, int]:
    """Return a text without its texts and comments, and how many of these it has; most of them and
    one more count.
    """
    for escape in _ESCAPES:
        raw = raw.replace(escape, b"__")
    # In Latin-1 one byte is one character. All characters that count are ASCII.
    text, quoted = _QUOTED.subn("", raw.decode("latin-1"), count=most + 1)
    return text.encode("latin-1"), quoted
