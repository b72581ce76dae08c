"""Every link of every page leads somewhere in this repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    page for pattern in ("*.md", "docs/*.md", "emulator/*.md", ".github/**/*.md") for page in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]+))?\)")


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    headings = re.findall(r"^#+ +(.+?) *$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for path, anchor in LINK.findall(text):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{path} does not exist"
        assert ROOT in target.parents, f"{path} is not in the repository"
        assert not anchor or anchor in anchors_of(target), f"{path}#{anchor} has no such heading"


def test_there_are_pages_and_each_picture_is_used():
    assert {"README.md", "CONTRIBUTING.md", "SECURITY.md", "howto.md"} <= {page.name for page in PAGES}
    text = "".join(page.read_text() for page in PAGES)
    unused = [one.name for one in (ROOT / "docs" / "images").iterdir() if one.name not in text]
    assert unused == []
