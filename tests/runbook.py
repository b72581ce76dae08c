"""The runbook as its tests read it: what each row shows, its steps, and what it ends with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "runbook.md"
_STEP = re.compile(r"^\d+\. (.*?)(?=^\d+\. |\Z)", re.M | re.S)
_CODE = re.compile(r"^ *```bash\n(.*?)^ *```", re.M | re.S)
_LINK = re.compile(r"\]\(#([\w-]+)\)")


@dataclass(frozen=True)
class State:
    """One column of a row's table: how a run and production look.

    :param errors: the class of each error, by its task
    :param tasks: the states of tasks, by their names in the group
    :param run: the state of the run; empty while it runs
    :param status: ``state`` of the XCom ``promotion_status``; empty where there is none yet
    :param live: words for the live release
    :param new_releases: how many releases the run has made
    """

    errors: dict[str, str]
    tasks: dict[str, str]
    run: str
    status: str
    live: str
    new_releases: int


@dataclass(frozen=True)
class Row:
    """One incident of the page.

    :param find: how it looks
    :param after: how it ends if one follows the steps
    :param steps: the code of each step; None for a step that people do elsewhere
    """

    find: State
    after: State
    steps: tuple[str | None, ...]


def sections() -> dict[str, str]:
    """Return the text of each section by its anchor."""
    parts = re.split(r"^##+ (.+)\n", PAGE.read_text(), flags=re.M)[1:]
    return {anchor_of(title): text for title, text in zip(parts[::2], parts[1::2], strict=True)}


def anchor_of(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def rows() -> dict[str, Row]:
    """Return the rows by their anchors: the sections that say what one finds."""
    found = sections()
    return {anchor: _row(text, found) for anchor, text in found.items() if "| You find |" in text}


def index() -> list[tuple[str, set[str]]]:
    """Return the rows of the first table: the anchor of the section, and the errors that lead
    there."""
    lines = [
        line
        for line in PAGE.read_text().partition("\n## ")[0].splitlines()
        if line.startswith("| ")
    ]
    found = [(_LINK.search(line), set(re.findall(r"`(\w+Error)`", line))) for line in lines]
    return [(link[1], errors) for link, errors in found if link]


def _row(text: str, found: dict[str, str]) -> Row:
    cells = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", text, re.M)
    table = {name: (find, after) for name, find, after in cells}
    find, after = (
        _state({name: both[column] for name, both in table.items()}) for column in (0, 1)
    )
    steps = text.partition("**Do**")[2]
    return Row(find, after, tuple(_code(step, found) for step in _STEP.findall(steps)))


def _code(step: str, found: dict[str, str]) -> str | None:
    """Return the code of a step: its own, or that of the section that it links."""
    link = _LINK.search(step)
    code = _CODE.search(step) or (link and _CODE.search(found[link[1]]))
    return code and re.sub(r"^   ", "", code[1], flags=re.M)


def _state(cells: dict[str, str]) -> State:
    run = re.search(r"run `(\w+)`", cells["Graph"])
    return State(
        errors=dict(re.findall(r"`(\w+)`: `(\w+)", cells["Error"])),
        tasks=dict(re.findall(r"`(\w+)` `(\w+)`", cells["Graph"])),
        run=run[1] if run else "",
        status=cells["`promotion_status`"].strip("`").replace("none", ""),
        live=cells["Live"],
        new_releases=int(cells["New releases"]),
    )
