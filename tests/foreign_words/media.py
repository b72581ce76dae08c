"""What each medium takes. Each function fails on a word that steers its reader."""

from __future__ import annotations

import importlib
import json
import re
import traceback

from foreign_words.words import OF_URLS
from markdown_it import MarkdownIt

from airflow_provider_trifacta.client.foreign_words import LONGEST_LINE, LONGEST_STORED, MOST_STORED

#: What our own Markdown is made of.
OURS = ("Problems", "Warnings", "Changed by import rules", "Reads of ", "Writes of ", "Changes ")
ALLOWED = {
    *("paragraph_open", "paragraph_close", "bullet_list_open", "bullet_list_close", "inline"),
    *("list_item_open", "list_item_close"),
}
ALLOWED_INLINE = {"text", "code_inline", "strong_open", "strong_close", "softbreak"}
_MARKDOWN = MarkdownIt("commonmark", {"linkify": True}).enable(
    ["linkify", "table", "strikethrough"]
)


def no_secret(text, *secrets):
    """Fail if a text has a secret."""
    for secret in secrets:
        assert secret not in text, f"{secret!r} in {text[:300]!r}"


def _serde():
    for name in ("airflow.sdk.serde", "airflow.serialization.serde"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def stored(value, secrets=()):
    """Check an XCom, a journal, an event or an asset's extra."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    text.encode("utf-8")
    assert "\\u0000" not in json.dumps(value)
    assert len(text) < 7 * MOST_STORED
    assert len(json.dumps(value, ensure_ascii=False)) < 2 * MOST_STORED + 100_000
    for one in _texts(value):
        assert len(one) <= LONGEST_STORED
        no_secret(one, *secrets)
    serde = _serde()
    if serde:
        assert serde.deserialize(serde.serialize(value)) == value


def _texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield key
            yield from _texts(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)


def logged(records, secrets=()):
    """Check a log."""
    for record in records:
        line = record.getMessage()
        is_ours = record.name == "task" or record.name.startswith("airflow_provider_trifacta")
        if is_ours:
            assert line.isprintable(), (record.name, line[:300])
            assert len(line) <= 2 * LONGEST_LINE + 1_000
            no_secret(line, *OF_URLS, *secrets)
        no_secret(line, *secrets)


def raised(error, secrets=()):
    """Check an error, and what a log shows of it: also the errors that it came of."""
    text = str(error)
    assert text.isprintable(), text[:300]
    assert len(text) <= 3 * LONGEST_LINE + 100
    no_secret(text, *OF_URLS, *secrets)
    no_secret("".join(traceback.format_exception(error)), *OF_URLS, *secrets)


def printed(text):
    """Check what a command line prints."""
    assert len(text) < 10_000_000
    for line in text.split("\n"):
        assert line.isprintable(), line[:300]
    no_secret(text, *OF_URLS)


def markdown(text, secrets=()):
    """Check a text of Markdown: no link, picture, HTML or bold word of another is one."""
    no_secret(text, *OF_URLS, *secrets)
    assert len(text) < 1_000_000
    for block in _MARKDOWN.parse(text):
        assert block.type in ALLOWED, block.type
        children = block.children or []
        for token, following in zip(
            children, [*children[1:], *[None] * bool(children)], strict=True
        ):
            assert token.type in ALLOWED_INLINE, (token.type, token.content[:200])
            if token.type == "strong_open":
                assert following.content.startswith(OURS)
            if token.type == "text":
                assert re.fullmatch(r"[\w ,():;.'-]*", token.content), token.content[:200]
