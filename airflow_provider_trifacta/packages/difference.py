"""How two packages differ: what a person wants to see before one replaces the other.

Parts are compared by name. What an instance gives by itself is left out: ids, times, hashes, and
what it derives from samples of the data. So two exports of an unchanged flow are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from difflib import SequenceMatcher
from typing import Any, Literal

from ..client.gate import code_span
from ..client.texts import quoted, sentence, shown, shown_within
from .flow_package import FlowPackage
from .snapshot import Part, snapshot_of
from .steps import Step

Kind = Literal["added", "removed", "changed"]

#: How many pairs of steps are compared to find which of them are new. Above it, steps are compared
#: by their number in the recipe.
_MOST_PAIRS = 250_000
_KINDS = ("flow", "connection", "input", "recipe", "step", "output", "write_setting", "parameter")
#: What is told of a part that was added or removed.
_NAMED_FIELDS = ("path", "tableName", "connection", "value", "transform")
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


@dataclass(frozen=True)
class PackageSide:
    """One of the two packages.

    :param file: the name of the file
    :param uuid: the uuid of the export
    :param exported_at: when it was exported, as ISO 8601; None if the package does not say
    :param product_version: the release of the product that exported it
    """

    file: str
    uuid: str
    exported_at: str | None
    product_version: str | None


@dataclass(frozen=True)
class FieldChange:
    """A field of a part that differs.

    :param field: its name
    :param before: its value in the old package, in words; None if it was empty
    :param after: its value in the new package, in words; None if it is empty
    """

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class PackageChange:
    """One difference of two packages.

    :param kind: ``added``, ``removed`` or ``changed``
    :param what: ``flow``, ``connection``, ``input``, ``recipe``, ``step``, ``output``,
        ``write_setting`` or ``parameter``
    :param flow: the flow of the part; None for a connection
    :param name: the name of the part; for a step, of the recipe or input that it belongs to
    :param fields: what differs in a part that changed; what a part has that was added or removed
    :param number: for a step, its number in the recipe: in the new package, or in the old one if it
        was removed
    """

    kind: Kind
    what: str
    flow: str | None
    name: str | None
    fields: list[FieldChange] = field(default_factory=list)
    number: int | None = None


@dataclass(frozen=True)
class PackageDifference:
    """How two packages differ.

    :param old: the old package
    :param new: the new package
    :param changes: the differences; empty if the packages hold the same
    """

    old: PackageSide
    new: PackageSide
    changes: list[PackageChange]

    def as_dict(self, most: int | None = None) -> dict[str, Any]:
        """Return it as plain JSON.

        :param most: how many changes are kept; all if it is left out
        """
        plain = asdict(PackageDifference(self.old, self.new, self.changes[:most]))
        return {**shown_within(plain), "count": len(self.changes)}

    def as_text(self, most: int | None = None) -> str:
        """Return it as plain text.

        :param most: how many changes are named; all if it is left out
        """
        lines = [f"{sign} {_side(side)}" for sign, side in (("-", self.old), ("+", self.new))]
        changes = [f"  {line}" for line in self._lines(quoted, most, signs=True)]
        return "\n".join([*lines, "", *changes])

    def as_markdown(self, most: int | None = None) -> str:
        """Return it in Markdown.

        :param most: how many changes are named; all if it is left out
        """
        sides = f"From {code_span(_side(self.old))} to {code_span(_side(self.new))}:"
        return "\n".join([sides, "", *self.markdown_lines(most)])

    def markdown_lines(self, most: int | None = None) -> list[str]:
        """Return the changes as a list in Markdown.

        :param most: how many changes are named; all if it is left out
        """
        # A sign at the beginning of an item would begin another list.
        return [f"* {sentence(line)}" for line in self._lines(code_span, most, signs=False)]

    def _lines(
        self, show: Callable[[object], str], most: int | None, *, signs: bool
    ) -> Iterator[str]:
        if not self.changes:
            yield "nothing that is compared"
        for change in self.changes[:most]:
            sign = f"{_SIGNS[change.kind]} " if signs else ""
            yield f"{sign}{_line(change, show)}"
        if most is not None and len(self.changes) > most:
            yield f"and {len(self.changes) - most} more"


def compare(old: FlowPackage, new: FlowPackage) -> PackageDifference:
    """Compare two open packages. This sends no request.

    :param old: the old package
    :param new: the new package
    :returns: how they differ
    """
    before, after = _parts(old), _parts(new)
    names = _new_names(before, after)
    renamed = [_renamed(part, names) for part in before]
    changes: list[PackageChange] = []
    for left, right in _paired(renamed, after, same_ids=_share_a_flow(before, after)):
        changes += _changes(left, right)
    return PackageDifference(_side_of(old), _side_of(new), sorted(changes, key=_order))


def _side_of(package: FlowPackage) -> PackageSide:
    info = package.info
    at = info.exported_at.isoformat() if info.exported_at else None
    return PackageSide(shown(package.name), info.uuid, at, info.product_version)


def _parts(package: FlowPackage) -> list[Part]:
    return snapshot_of(package.info, package.parse())


def _flows(parts: Sequence[Part]) -> dict[str | None, object]:
    return {part.name: part.own_id for part in parts if part.what == "flow"}


def _share_a_flow(old: Sequence[Part], new: Sequence[Part]) -> bool:
    """Tell whether a flow has the same id in both packages, so that one instance exported both."""
    ids = set(_flows(old).values()) & set(_flows(new).values())
    return bool(ids - {None})


def _new_names(old: Sequence[Part], new: Sequence[Part]) -> dict[str | None, str | None]:
    """Return the new names of flows that were renamed, by their old ones."""
    before, after = _flows(old), _flows(new)
    gone = [name for name in before if name not in after]
    come = [name for name in after if name not in before]
    if len(before) == len(after) == len(gone) == 1:
        return dict(zip(gone, come, strict=True))
    names = {after[name]: name for name in come if after[name] is not None}
    return {name: names[before[name]] for name in gone if before[name] in names}


def _renamed(part: Part, names: Mapping[str | None, str | None]) -> Part:
    """Return a part of the old package under the new name of its flow."""
    if part.flow not in names:
        return part
    flow = names[part.flow]
    return replace(part, flow=flow, name=flow if part.what == "flow" else part.name)


def _paired(
    old: Sequence[Part], new: Sequence[Part], *, same_ids: bool
) -> Iterator[tuple[Part | None, Part | None]]:
    """Find the same part in both packages: by its name, and then by its id, for a new name.

    :param old: the parts of the old package
    :param new: the parts of the new package
    :param same_ids: whether an id stands for the same object in both
    """
    left, right = _by_name(old), _by_name(new)
    gone = [part for key, part in left.items() if key not in right]
    come = [part for key, part in right.items() if key not in left]
    for key, part in left.items():
        if key in right:
            yield part, right[key]
    rest: list[Part] = []
    by_id: dict[tuple[str, object], Part] = {}
    for part in come:
        is_known = same_ids or part.what == "connection"  # a connection's id is its uuid
        key = (part.what, part.own_id)
        if part.own_id is None or not is_known or key in by_id:
            rest.append(part)
        else:
            by_id[key] = part
    for part in gone:
        yield part, by_id.pop((part.what, part.own_id), None)
    for part in [*rest, *by_id.values()]:
        yield None, part


def _by_name(parts: Sequence[Part]) -> dict[tuple[object, ...], Part]:
    """Return parts by kind, flow and name. Several of one name are numbered in their order."""
    named: dict[tuple[object, ...], Part] = {}
    count: dict[tuple[object, ...], int] = {}
    for part in parts:
        flow = None if part.what in ("flow", "connection") else part.flow
        key = (part.what, flow, part.name)
        count[key] = count.get(key, 0) + 1
        numbered = (*key, count[key])
        named[numbered] = part
    return named


def _changes(old: Part | None, new: Part | None) -> Iterator[PackageChange]:
    if old is None and new is not None:
        yield PackageChange("added", new.what, new.flow, new.name, _differing({}, new.fields))
        steps: tuple[list[Step], list[Step]] = ([], new.steps)
    elif new is None and old is not None:
        yield PackageChange("removed", old.what, old.flow, old.name, _differing(old.fields, {}))
        return
    elif old is not None and new is not None:
        fields = _differing(old.fields, new.fields)
        if fields:
            yield PackageChange("changed", new.what, new.flow, new.name, fields)
        steps = (old.steps, new.steps)
    else:
        return
    yield from _step_changes(new, *steps)


def _differing(
    old: Mapping[str, tuple[str, str]], new: Mapping[str, tuple[str, str]]
) -> list[FieldChange]:
    changes = []
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if (before and before[1]) != (after and after[1]):
            changes.append(
                FieldChange(name, before[0] if before else None, after[0] if after else None)
            )
    return changes


def _step_changes(part: Part, old: list[Step], new: list[Step]) -> Iterator[PackageChange]:
    for left, right, number in _step_pairs(old, new):
        kind: Kind = "changed"
        if left is None:
            kind = "added"
        elif right is None:
            kind = "removed"
        words = FieldChange(
            "transform", left.words if left else None, right.words if right else None
        )
        yield PackageChange(kind, "step", part.flow, part.name, [words], number)


def _step_pairs(old: list[Step], new: list[Step]) -> Iterator[tuple[Step | None, Step | None, int]]:
    """Return the steps that differ, each with its number."""
    begin = 0
    while begin < min(len(old), len(new)) and old[begin].digest == new[begin].digest:
        begin += 1
    end = 0
    while end < min(len(old), len(new)) - begin and old[-1 - end].digest == new[-1 - end].digest:
        end += 1
    left, right = old[begin : len(old) - end], new[begin : len(new) - end]
    for first, last, other_first, other_last in _different(left, right):
        pair = left[first:last], right[other_first:other_last]
        yield from _pairs(*pair, begin + first + 1, begin + other_first + 1)


def _different(left: list[Step], right: list[Step]) -> list[tuple[int, int, int, int]]:
    if len(left) * len(right) > _MOST_PAIRS:
        return [(0, len(left), 0, len(right))]
    before, after = [step.digest for step in left], [step.digest for step in right]
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [block[1:] for block in blocks if block[0] != "equal"]


def _pairs(
    left: list[Step], right: list[Step], number: int, new_number: int
) -> Iterator[tuple[Step | None, Step | None, int]]:
    for index in range(max(len(left), len(right))):
        before = left[index] if index < len(left) else None
        after = right[index] if index < len(right) else None
        if before is not None and after is not None and before.digest == after.digest:
            continue
        yield before, after, (number if after is None else new_number) + index


def _order(change: PackageChange) -> tuple[str, int, str, int]:
    return (
        change.flow or "",
        _KINDS.index("recipe" if change.what == "step" else change.what),
        change.name or "",
        change.number or 0,
    )


def _side(side: PackageSide) -> str:
    at = (side.exported_at or "unknown")[:19].replace("T", " ")
    return f"{side.file}: package {side.uuid}, exported {at} by {shown(side.product_version)}"


def _line(change: PackageChange, show: Callable[[object], str]) -> str:
    what = change.what.replace("_", " ")
    if change.what == "step":
        what = f"step {change.number} of"
    line = f"{what} {show(change.name)} {change.kind}"
    if change.kind == "changed":
        details = [_before_after(one, show) for one in change.fields]
    else:
        kept = [one for one in change.fields if one.field in _NAMED_FIELDS]
        details = [f"{one.field} {show(one.after or one.before)}" for one in kept]
    return f"{line}: {', '.join(details)}" if details else line


def _before_after(change: FieldChange, show: Callable[[object], str]) -> str:
    before = "nothing" if change.before is None else show(change.before)
    after = "nothing" if change.after is None else show(change.after)
    # The name of an option is a text of the package.
    is_plain = change.field.replace(" ", "").isalpha()
    name = change.field if is_plain else show(change.field)
    return f"{name} from {before} to {after}"
