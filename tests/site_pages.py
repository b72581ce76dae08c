"""The pages of the site in the order of its tables of contents, and the files that they show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SNIPPETS = DOCS / "snippets"
_TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```", re.M | re.S)
_INCLUDE = re.compile(r"^```\{literalinclude\} (\S+)\n((?::[\w-]+:.*\n)*)```", re.M)


@dataclass(frozen=True)
class Shown:
    """A file that a page shows.

    :param path: the file
    :param options: of the directive, such as ``language``
    """

    path: Path
    options: dict[str, str]


def pages() -> list[Path]:
    """Return the pages, in the order of the index."""
    index = (DOCS / "index.md").read_text()
    lines = [line for tree in _TOCTREE.findall(index) for line in tree.splitlines()]
    names = [
        re.sub(r"^.+<(.+)>$", r"\1", line) for line in lines if line and not line.startswith(":")
    ]
    return [DOCS / f"{name}.md" for name in names]


def shown_by(page: Path) -> list[Shown]:
    """Return the files that a page shows, in their order."""
    found = []
    for path, options in _INCLUDE.findall(page.read_text()):
        pairs = re.findall(r"^:([\w-]+): ?(.*)$", options, re.M)
        found.append(Shown((page.parent / path).resolve(), dict(pairs)))
    return found
