"""Follow every link within a built site: the file must be there, and the element with the anchor's
name in it."""

from __future__ import annotations

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links and the anchors of an HTML page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name == "id" and value:
                self.anchors.add(value)


read = cache(Page)


def broken(site: Path) -> list[str]:
    """Return the links of a site that lead nowhere, each with its page."""
    found = []
    for path in sorted(site.rglob("*.html")):
        for link in read(path).links:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            missing = not target.is_file() or (
                url.fragment and unquote(url.fragment) not in read(target).anchors
            )
            if missing and not (target.is_dir() or link == "#"):
                found.append(f"{path.relative_to(site)}: {link}")
    return found


if __name__ == "__main__":
    lines = broken(Path(sys.argv[1]).resolve())
    sys.exit("\n".join(["These links lead nowhere:", *lines]) if lines else 0)
