"""What the probe found: a table for people, and JSON for an issue."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple, get_args

from .. import __version__
from .answers import WORDS, Answers, NotTestedError
from .choices import Item, roles_of
from .evidence import associations_of, description_of
from .items import ITEMS

Verdict = Literal["confirmed", "refuted", "not tested"]
_ROLES = ("admin", "deployment", "wrangler", "dataAdmin", "user")
#: Rows that tell an order. More are not reported, because strangers read the report.
_ENOUGH = 2


class Finding(NamedTuple):
    """What was found about an item.

    :param item: the item
    :param verdict: the verdict
    :param seen: what was seen; None if it was not tested
    :param why: why it was not tested
    """

    item: Item
    verdict: Verdict
    seen: Any = None
    why: str = ""


def judge(answers: Answers) -> list[Finding]:
    """Compare the answers with our reading.

    :param answers: all answers
    :returns: a finding for each item
    """
    return [_judge(item, answers) for item in ITEMS]


def _judge(item: Item, answers: Answers) -> Finding:
    try:
        seen = _closed(item, item.see(answers))
    except NotTestedError as error:
        return Finding(item, "not tested", why=str(error))
    except Exception:  # of many kinds: an answer may have any shape
        return Finding(item, "not tested", why="nothing there, or of another shape")
    return Finding(item, "confirmed" if _same(seen, item.values[0]) else "refuted", seen)


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and type(one) is type(other)


def _closed(item: Item, seen: Any) -> Any:
    """Let nothing pass but values of the item, a status, and names of fields that
    documents have.
    """
    if any(_same(seen, value) for value in item.values) or (
        isinstance(seen, int) and 100 <= seen < 600
    ):
        return seen
    is_fields = isinstance(seen, str) and set(seen.split()) <= WORDS | {"other"}
    return seen if is_fields or seen is None or isinstance(seen, bool) else "other"


def as_json(answers: Answers, findings: Sequence[Finding]) -> dict[str, Any]:
    """Write the report for an issue.

    :param answers: all answers
    :param findings: what :func:`judge` returned
    :returns: the JSON. ``options`` starts an emulator like the instance; ``scene`` is what the
        probe found there; ``associations`` and ``description`` are what the instance says of its
        API
    """
    product = _product(answers)
    told = [one for one in findings if one.item.option and one.verdict != "not tested"]
    options = {
        one.item.name: one.seen
        for one in told
        if any(_same(one.seen, value) for value in one.item.values)
    }
    return {
        "probe": __version__,
        "product_version": product,
        "options": {**({"product_version": product} if product else {}), **options},
        "scene": {name: _or_none(look, answers) for name, look in _SCENE.items()},
        "items": [_entry(one) for one in findings],
        "associations": associations_of(answers),
        "description": description_of(answers),
    }


def _or_none(look: Callable[[Answers], Any], answers: Answers) -> Any:
    with suppress(Exception):  # as above
        return look(answers)


def _entry(one: Finding) -> dict[str, Any]:
    told = {"why": one.why} if one.why else {"seen": one.seen}
    return {"item": one.item.name, "evidence": one.item.mark, "verdict": one.verdict, **told}


_SCENE: dict[str, Callable[[Answers], Any]] = {
    "roles": lambda a: [one for one in _ROLES if one in roles_of(a)],
    "flows": lambda a: min(len(a.rows("flows")), _ENOUGH),
    "deployments": lambda a: min(len(a.rows("deployments")), _ENOUGH),
    "releases": lambda a: min(max(row["numReleases"] for row in a.rows("deployments")), _ENOUGH),
    "job_groups": lambda a: min(len(a.rows("job_groups")), 1),
}


def as_text(answers: Answers, findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of the table for people.

    :param answers: all answers
    :param findings: what :func:`judge` returned
    """
    found = [one.verdict for one in findings]
    counts = ", ".join(f"{found.count(verdict)} {verdict}" for verdict in get_args(Verdict))
    yield f"Trifacta {_product(answers) or 'of unknown version'}: {counts}"
    rows = [("VERDICT", "ITEM", "MARK", "OUR READING", "SEEN", "ABOUT")]
    for one in findings:
        reading, seen = _written(one.item.values[0]), one.why or _written(one.seen)
        if one.item.is_fields:
            reading, seen = "documented fields", one.why or _difference(one)
        rows.append(
            (one.verdict, one.item.name, f"[{one.item.mark}]", reading, seen, one.item.text)
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _difference(one: Finding) -> str:
    ours, seen = set(one.item.values[0].split()), set(str(one.seen).split())
    changes = [
        *(f"-{name}" for name in sorted(ours - seen)),
        *(f"+{name}" for name in sorted(seen - ours)),
    ]
    return " ".join(changes) or "documented fields"


def _product(answers: Answers) -> str | None:
    return ".".join(map(str, answers.product)) if answers.product else None
