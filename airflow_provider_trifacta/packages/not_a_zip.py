"""Tells what a file is that should be a ZIP and is not, such as a saved login page."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping

from ..client.texts import shown

#: Bytes of a file that are checked.
SAMPLE_SIZE = 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REPLACED = "\ufffd".encode()
#: So many replacement characters show that bytes were replaced. Fewer may be there by chance.
_SOME = 3
#: The byte in the first member's header that names its packing, and the usual packing, whose result
#: is not text.
_METHOD, _DEFLATED = 8, 8
#: The part of a page that is searched for a title. A search without limits may take hours.
_TITLE_WITHIN = 64 * 1024
_TITLE = re.compile(
    r"<(title|h1|message)\b[^>]{0,200}>(.{0,1000}?)</\1>", re.IGNORECASE | re.DOTALL
)


def what_it_is(sample: bytes) -> str | None:
    """Tell what a file is that is not a readable ZIP.

    :param sample: its first bytes
    :returns: the rest of the sentence "X is not a readable ZIP file", with the advice; None if
        nothing is known
    """
    start = sample.removeprefix(_BYTE_ORDER_MARK).lstrip()
    if start.startswith(b"PK"):
        damage = _damage(sample)
        if damage is None:
            return None
        return (
            f", because it was copied as text: {damage}. Copy the original again in binary mode, or"
            " export the flow again."
        )
    text = start.decode("utf-8", "replace")
    if text.startswith("<"):
        return (
            f" but a web page{_quoted(_title(text))}, such as a login page. Export the flow again."
        )
    return _json(text) if text.startswith("{") else None


def _damage(sample: bytes) -> str | None:
    """Tell what changed the bytes of a ZIP; None if that is not known."""
    if sample.startswith(_BYTE_ORDER_MARK):
        return "a byte order mark is before it"
    if b"\0" not in sample:
        return "its NUL bytes are missing"  # every header has some
    if sample.count(_REPLACED) >= _SOME:
        return "bytes that are not text were replaced by U+FFFD"
    lines = sample.count(b"\n")
    if lines > 1 and sample.count(b"\r\n") == lines:
        return "each LF has a CR before it"
    if sample[_METHOD : _METHOD + 1] == bytes([_DEFLATED]) and _is_utf8(sample):
        return "bytes that are not text were replaced or removed"
    return None


def _is_utf8(sample: bytes) -> bool:
    try:
        sample.decode()
    except UnicodeDecodeError as error:
        # The sample may end inside a character.
        return len(sample) == SAMPLE_SIZE and error.start >= len(sample) - 3
    return True


def _title(text: str) -> str | None:
    title = _TITLE.search(text, 0, _TITLE_WITHIN)
    if title is None:
        return None
    without_tags = re.sub(r"<[^>]*>", " ", title[2])
    return html.unescape(without_tags)


def _json(text: str) -> str | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, Mapping):
        return None
    if "exception" in document:
        words = _words_of(document["exception"])
        return f" but the saved error of a server{_quoted(words)}. Export the flow again."
    if "metadata" in document:
        return (
            " but a flow definition that was unpacked from one. Promote the ZIP that Trifacta"
            " exported."
        )
    return " but a JSON document. Export the flow again."


def _words_of(exception: object) -> str | None:
    if not isinstance(exception, Mapping):
        return exception if isinstance(exception, str) else None
    words = []
    for key in ("name", "message"):
        text = exception.get(key)
        if isinstance(text, str) and text:
            words.append(text)
    return ": ".join(words)


def _quoted(text: str | None) -> str:
    # A text of JSON may hold half of a surrogate pair.
    words = shown((text or "").encode("utf-8", "replace").decode())
    return f" ({words})" if words else ""
