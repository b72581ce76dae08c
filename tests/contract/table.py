"""The table of the guide: what a retry and a clear of each operator do, with the journal and
without it.

``PYTHONPATH=tests python -m contract.table`` writes it into the page; a test compares the two.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from contract.changes import CHANGES, Change
from contract.rows import Cell, cell_named, has_row_named

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-it-works" / "retries.md"
BEGIN, END = (
    "<!-- The contract: tests/contract/table.py writes this table. -->\n",
    "<!-- The end of the contract. -->\n",
)

FINISHES, FINISHES_OR_STOPS, STOPS = "finishes it", "finishes it, or stops", "stops"
AGAIN, STOPS_ONCE, AS_A_RETRY = "does it again", "stops once, then does it again", "finishes it"
#: What the sentence says: a retry finishes what an earlier try began; if it cannot tell, it stops;
#: a clear does it again.
THE_SENTENCE = {"retry": (FINISHES, FINISHES_OR_STOPS, STOPS), "clear": (AGAIN,)}

_UPLOAD = (
    "An upload is never sent twice for one baseline. To promote the package once more, clear the"
    " baseline's task too."
)
_TOLD = (
    "If the answer was lost, the first clear ends with an error that lists what appeared. The next"
    " one does it again. Without the journal nothing tells that an answer was lost."
)
_JOINS = "It joins jobs that still run."
_FORGETS = (
    "Nothing remembers an earlier try. The retry looks for the deployment for 30 s, and makes it if"
    " none shows. So it also makes it again after a person has deleted it."
)
_RUNS = (
    "Nothing remembers the jobs, and the API takes no execution id for a deployment. Use"
    " `retries=0`."
)
_NEVER_TWICE = "What an earlier try made is used, as long as it is there."

#: Why a cell differs from the sentence: by change, ``retry`` or ``clear``, and whether there is a
#: journal.
REASONS: dict[tuple[str, str, bool], str] = {
    ("create", "clear", True): _UPLOAD,
    ("create", "clear", False): _UPLOAD,
    ("staged", "clear", True): _UPLOAD,
    ("staged", "clear", False): _UPLOAD,
    ("new deployment", "retry", False): _FORGETS,
    ("new deployment", "clear", True): _TOLD,
    ("import", "clear", True): f"{_TOLD} {_NEVER_TWICE}",
    ("run", "retry", False): _RUNS,
    ("run", "clear", True): f"{_TOLD} {_JOINS}",
    ("flows", "clear", True): f"{_TOLD} {_JOINS}",
    ("recipe", "clear", True): f"{_TOLD} {_JOINS}",
    ("recipe, no execution id", "clear", True): f"{_TOLD} {_JOINS}",
}


def word(change: Change, then: str, *, journal: bool) -> str:
    """Return what a retry or a clear of a change does, from the rows of the contract.

    :param change: the change
    :param then: ``retry`` or ``clear``
    :param journal: whether there is a journal
    """
    faults = [
        fault
        for fault in ("killed before", "killed after", "done")
        if has_row_named(change.name, fault, then)
    ]
    plain = [cell_named(change.name, f"{fault}, {then}", journal=journal) for fault in faults]
    after_a_person = [
        cell_named(change.name, f"{fault}, a person, {then}", journal=journal)
        for fault in faults[1:]
    ]
    if then == "retry":
        return _word_of_retry(change, plain, after_a_person)
    if any(cell.undone for cell in after_a_person):
        return AGAIN if all(cell.green for cell in [*plain, *after_a_person]) else STOPS_ONCE
    return AS_A_RETRY if all(cell.green for cell in plain) else STOPS_ONCE


def _word_of_retry(change: Change, plain: list[Cell], after_a_person: list[Cell]) -> str:
    if any(cell.undone for cell in after_a_person) or any(
        cell.made > change.parts for cell in plain
    ):
        return AGAIN
    green = [cell for cell in plain if cell.green]
    if len(green) == len(plain):
        return FINISHES
    return FINISHES_OR_STOPS if green else STOPS


def table() -> str:
    """Return the table and its footnotes, as Markdown."""
    lines = [
        (
            "| Operator | A retry, with the journal | without it | A clear, with the journal |"
            " without it |"
        ),
        "|---|---|---|---|---|",
    ]
    numbers: dict[str, int] = {}
    for change in CHANGES.values():
        cells = [change.title]
        for then in ("retry", "clear"):
            for journal in (True, False):
                said = word(change, then, journal=journal)
                reason = REASONS.get((change.name, then, journal))
                mark = (
                    f" <sup>{numbers.setdefault(reason, len(numbers) + 1)}</sup>" if reason else ""
                )
                cells.append(f"{said}{mark}")
        lines.append(f"| {' | '.join(cells)} |")
    notes = [
        textwrap.fill(f"{number}. {reason}", 118, subsequent_indent="   ", break_on_hyphens=False)
        for reason, number in numbers.items()
    ]
    return "\n".join([*lines, "", *notes, ""])


def differing() -> set[tuple[str, str, bool]]:
    """Return the cells that differ from the sentence."""
    return {
        (change.name, then, journal)
        for change in CHANGES.values()
        for then in ("retry", "clear")
        for journal in (True, False)
        if word(change, then, journal=journal) not in THE_SENTENCE[then]
    }


def block_of(page: str) -> str:
    """Return the table as a page has it."""
    return page.partition(BEGIN)[2].partition(END)[0]


def main() -> None:
    """Write the table into the page."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}")


if __name__ == "__main__":
    main()
