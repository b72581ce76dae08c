"""The table of a campaign, as Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from campaign.acts import KINDS as ACTS
from campaign.edits import KINDS as EDITS
from campaign.faults import KINDS
from campaign.judge import DOUBT, FALSE_RED, GREEN, RIGHT
from campaign.plans import Result
from campaign.variants import FLOWS

_ENDS = (GREEN, RIGHT, DOUBT, FALSE_RED)
_COLUMNS = ("runs", "green", "red", "doubt", "false red", "violations", "requests")


class Table:
    """Collects results and prints them."""

    def __init__(self) -> None:
        self._results: list[Result] = []

    def add(self, result: Result) -> None:
        """Take a result; its lines are not kept."""
        self._results.append(Result(result.plan, result.verdict, ()))

    @property
    def violations(self) -> list[Result]:
        """The runs that broke a promise."""
        return [one for one in self._results if one.verdict.violations]

    def share(self, end: str, which: Callable[[Result], bool] = lambda _: True) -> float:
        """Return which share of some runs ended like this."""
        chosen = [one for one in self._results if which(one)]
        return sum(one.verdict.end == end for one in chosen) / max(len(chosen), 1)

    def summary(self) -> str:
        """Return the shares that the project promises, in one line."""
        false = 100 * self.share(FALSE_RED, has_journal)
        doubts = [
            100
            * self.share(
                DOUBT, lambda one, has=has: has_journal(one) == has and not about_a_run(one)
            )
            for has in (True, False)
        ]
        return (
            f"{len(self._results)} runs, {len(self.violations)} with a violation. With the journal:"
            f" false red {false:.1f} %; declared doubt, without runs of a deployment and plain"
            f" imports, {doubts[0]:.1f} %. Without the journal: declared doubt {doubts[1]:.1f} %."
        )

    def text(self, *, seeds: bool = False) -> str:
        """Return the whole table."""
        results = self._results
        flows = [
            (flow, [one for one in results if one.plan.variant.flow == flow]) for flow in FLOWS
        ]
        kinds = [
            (kind, [one for one in results if kind in dict(one.plan.faults)]) for kind in KINDS
        ]
        groups = [one for one in results if one.plan.variant.flow == "group"]
        acts = [
            (kind, [one for one in groups if kind in {act.kind for act in one.plan.acts}])
            for kind in ACTS
        ]
        singles = [one for one in results if one.plan.edits]
        edits = [
            (kind, [one for one in singles if kind in {edit.kind for edit in one.plan.edits}])
            for kind in EDITS
        ]
        whole = ("all", results)
        journal = [
            (f"{words} journal", [one for one in results if one.plan.variant.journal == has])
            for words, has in (("with", True), ("without", False))
        ]
        parts = [
            _rows("flow", [*flows, *journal, whole]),
            _rows("fault", [*kinds, whole]),
            _rows("edit", [*edits, ("all with an edit", singles)]),
            _rows("act", [*acts, ("none", [one for one in groups if not one.plan.acts])]),
            self._matrix(),
            self._reasons(seeds=seeds),
            self.summary(),
        ]
        return "\n\n".join(parts)

    def _matrix(self) -> str:
        lines = [f"| fault | {' | '.join(FLOWS)} |", f"|---|{'---|' * len(FLOWS)}"]
        for kind in KINDS:
            cells = []
            for flow in FLOWS:
                here = [
                    one
                    for one in self._results
                    if one.plan.variant.flow == flow and kind in dict(one.plan.faults)
                ]
                counts = [sum(one.verdict.end == end for one in here) for end in _ENDS]
                broken = sum(bool(one.verdict.violations) for one in here)
                cells.append(
                    " ".join(map(str, counts)) + (f" **{broken}!**" if broken else "")
                    if here
                    else ""
                )
            lines.append(f"| {kind} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def _reasons(self, *, seeds: bool) -> str:
        groups: dict[tuple[str, str, str], list[Result]] = defaultdict(list)
        for one in self._results:
            if one.verdict.end in (DOUBT, FALSE_RED):
                groups[one.verdict.end, one.plan.variant.flow, one.verdict.reason].append(one)
        lines = ["| end | flow | error | runs | faults |", "|---|---|---|--:|---|"]
        for (end, flow, reason), found in sorted(
            groups.items(), key=lambda one: (one[0][0], -len(one[1]))
        ):
            faults = ", ".join(sorted({name for one in found for name, _ in one.plan.faults}))
            numbers = (
                f" (seeds {', '.join(str(one.plan.seed) for one in found[:12])})" if seeds else ""
            )
            lines.append(f"| {end} | {flow} | {reason} | {len(found)} | {faults}{numbers} |")
        return "\n".join(lines)


def has_journal(result: Result) -> bool:
    """Tell whether the tasks had a state store."""
    return result.plan.variant.journal


def about_a_run(result: Result) -> bool:
    """Tell whether a run was to be started, or flows imported: if that answer is lost, nothing
    tells what was done."""
    variant = result.plan.variant
    about = variant.flow in ("run", "import") or not variant.counts
    return about or dict(variant.options).get("smoke_run", False)


def _rows(what: str, groups: Iterable[tuple[str, list[Result]]]) -> str:
    lines = [f"| {what} | {' | '.join(_COLUMNS)} |", f"|---|{'--:|' * len(_COLUMNS)}"]
    for name, found in groups:
        ends = [sum(one.verdict.end == end for one in found) for end in _ENDS]
        broken = sum(bool(one.verdict.violations) for one in found)
        requests = sum(one.verdict.requests for one in found) / max(len(found), 1)
        lines.append(
            f"| {name} | {len(found)} | {' | '.join(map(str, ends))} | {broken} | {requests:.0f} |"
        )
    return "\n".join(lines)
