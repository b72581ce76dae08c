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
_HEADINGS = ("VERDICT", "ITEM", "MARK", "OUR READING", "SEEN", "ABOUT")
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
    verdict: Verdict = "confirmed" if _same(seen, item.values[0]) else "refuted"
    return Finding(item, verdict, seen)


def _same(seen: Any, value: Any) -> bool:
    """Tell whether two values are equal, where True is not 1."""
    return bool(seen == value) and type(seen) is type(value)


def _is_value_of(item: Item, seen: Any) -> bool:
    return any(_same(seen, value) for value in item.values)


def _closed(item: Item, seen: Any) -> Any:
    """Let only values of the item, a status, and names of documented fields pass."""
    if _is_value_of(item, seen) or seen is None or isinstance(seen, bool):
        return seen
    if isinstance(seen, int):
        is_safe = 100 <= seen < 600
    else:
        is_safe = isinstance(seen, str) and set(seen.split()) <= WORDS | {"other"}
    return seen if is_safe else "other"


def as_json(answers: Answers, findings: Sequence[Finding]) -> dict[str, Any]:
    """Write the report for an issue.

    :param answers: all answers
    :param findings: what :func:`judge` returned
    :returns: the JSON. ``options`` starts an emulator like the instance; ``scene`` is what the
        probe found there; ``associations`` and ``description`` are what the instance says of its
        API
    """
    product = _product(answers)
    options: dict[str, Any] = {}
    if product:
        options["product_version"] = product
    for finding in findings:
        if _is_an_option(finding):
            options[finding.item.name] = finding.seen
    return {
        "probe": __version__,
        "product_version": product,
        "options": options,
        "scene": {name: _or_none(look, answers) for name, look in _SCENE.items()},
        "items": [_entry(finding) for finding in findings],
        "associations": associations_of(answers),
        "description": description_of(answers),
    }


def _is_an_option(finding: Finding) -> bool:
    """Tell whether the emulator can be switched to what was seen."""
    if not finding.item.option or finding.verdict == "not tested":
        return False
    return _is_value_of(finding.item, finding.seen)


def _or_none(look: Callable[[Answers], Any], answers: Answers) -> Any:
    with suppress(Exception):  # as above
        return look(answers)


def _entry(finding: Finding) -> dict[str, Any]:
    item = finding.item
    entry: dict[str, Any] = {
        "item": item.name,
        "evidence": item.mark,
        "verdict": finding.verdict,
    }
    if finding.why:
        entry["why"] = finding.why
    else:
        entry["seen"] = finding.seen
    return entry


def _roles(answers: Answers) -> list[str]:
    roles = roles_of(answers)
    return [role for role in _ROLES if role in roles]


def _flows(answers: Answers) -> int:
    return min(len(answers.rows("flows")), _ENOUGH)


def _deployments(answers: Answers) -> int:
    return min(len(answers.rows("deployments")), _ENOUGH)


def _releases(answers: Answers) -> int:
    counts: list[int] = [deployment["numReleases"] for deployment in answers.rows("deployments")]
    return min(max(counts), _ENOUGH)


def _job_groups(answers: Answers) -> int:
    return min(len(answers.rows("job_groups")), 1)


_SCENE: dict[str, Callable[[Answers], Any]] = {
    "roles": _roles,
    "flows": _flows,
    "deployments": _deployments,
    "releases": _releases,
    "job_groups": _job_groups,
}


def as_text(answers: Answers, findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of the table for people.

    :param answers: all answers
    :param findings: what :func:`judge` returned
    """
    verdicts = [finding.verdict for finding in findings]
    counts = [f"{verdicts.count(verdict)} {verdict}" for verdict in get_args(Verdict)]
    product = _product(answers) or "of unknown version"
    yield f"Trifacta {product}: {', '.join(counts)}"
    table = [_HEADINGS, *(_cells(finding) for finding in findings)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        yield "  ".join(padded).rstrip()


def _cells(finding: Finding) -> tuple[str, ...]:
    item = finding.item
    if item.is_fields:
        reading = "documented fields"
        seen = finding.why or _difference(finding)
    else:
        reading = _written(item.values[0])
        seen = finding.why or _written(finding.seen)
    return (finding.verdict, item.name, f"[{item.mark}]", reading, seen, item.text)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _difference(finding: Finding) -> str:
    """Return the names of fields that are seen and not in our reading, or the other way round."""
    ours = set(finding.item.values[0].split())
    seen = set(str(finding.seen).split())
    missing = [f"-{name}" for name in sorted(ours - seen)]
    added = [f"+{name}" for name in sorted(seen - ours)]
    return " ".join(missing + added) or "documented fields"


def _product(answers: Answers) -> str | None:
    if answers.product is None:
        return None
    return ".".join(map(str, answers.product))
