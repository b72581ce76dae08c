"""The canaries, and how one is found in what was written somewhere."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

#: What each canary has around its core: characters that every encoding writes in another way.
_AROUND = ("+<'", "&\u00e9\u20ac %2F")
#: Characters of a core that identify it, so that one that was cut is found too.
_PART = 9


def canary(name: str, *, plain: bool = False) -> str:
    """Return a secret for a field.

    :param name: the field
    :param plain: without the characters that a token may not have
    """
    core = core_of(name)
    return core if plain else f"{_AROUND[0]}{core}{_AROUND[1]}"


def core_of(name: str) -> str:
    """Return the part of a canary that each text encoding keeps."""
    return f"Can4ry{hashlib.sha256(name.encode()).hexdigest()[: 2 * _PART]}"


def encodings(text: str) -> dict[str, str]:
    """Return a text as a server may echo it."""
    return {
        "raw": text,
        "base64": base64.b64encode(text.encode()).decode(),
        "url": quote(text, safe=""),
        "form": quote_plus(text),
        "html": html.escape(text),
        "json": json.dumps(text)[1:-1],
    }


@dataclass
class Canaries:
    """What must not be found.

    :param names: the fields, by which a finding is called
    """

    names: tuple[str, ...]
    _patterns: dict[str, re.Pattern[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.names:
            forms = sorted({re.escape(form) for form in _forms(core_of(name))})
            self._patterns[name] = re.compile(b"|".join(forms), re.IGNORECASE)

    def found_in(self, content: bytes | str) -> dict[str, str]:
        """Return the canaries in a text, each with what stands around it."""
        raw = content.encode("utf-8", "replace") if isinstance(content, str) else content
        found = {}
        for name, pattern in self._patterns.items():
            match = pattern.search(raw)
            if match:
                around = raw[max(match.start() - 120, 0) : match.end() + 60]
                found[name] = around.decode("utf-8", "replace")
        return found

    def found_below(self, folder: Path) -> dict[str, str]:
        """Return the canaries in the files of a folder, by file and name."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return {
            f"{path.relative_to(folder)}: {name}": around
            for path in files
            for name, around in self.found_in(path.read_bytes()).items()
        }


def rows_of(database: Path) -> Iterator[tuple[str, str]]:
    """Yield each table of a database, with all that its rows hold as text."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60) as connected:
        names = connected.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (name,) in names:
            rows = connected.execute(f'select * from "{name}"').fetchall()
            yield name, "\n".join(map(_text_of, rows))


def _text_of(row: tuple[object, ...]) -> str:
    values = (
        value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in row
    )
    return " | ".join(map(str, values))


def _forms(core: str) -> Iterator[bytes]:
    """Yield what of a core shows that it is there, in each encoding."""
    for part in (core[-2 * _PART : -_PART], core[-_PART:]):
        yield part.encode()
        yield part.encode().hex().encode()
        yield "".join(f"\\u{ord(one):04x}" for one in part).encode()
        yield "".join(f"%{ord(one):02x}" for one in part).encode()
        yield "".join(f"&#{ord(one)};" for one in part).encode()
        # Base64 writes three bytes as four characters, so the text depends on what stands before.
        for before in range(3):
            encoded = base64.b64encode(b"x" * before + part.encode())
            yield encoded[4 if before else 0 : len(encoded) // 4 * 4 - 4]
