"""How two packages differ: what a person wants to see before one replaces the other.

Parts are compared by name. What an instance gives by itself is left out: ids, times, hashes, and
what it derives from samples of the data. So two exports of an unchanged flow are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, Literal

from ..client.foreign_words import code_span
from ..client.texts import quoted, sentence, shown, shown_within
from .flow_package import FlowPackage
from .snapshot import Part, snapshot_of
from .steps import Compared

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
        lines = [f"- {_side(self.old)}", f"+ {_side(self.new)}", ""]
        lines += [f"  {line}" for line in self._lines(quoted, most, signs=True)]
        return "\n".join(lines)

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
    before = snapshot_of(old.info, old.parse())
    after = snapshot_of(new.info, new.parse())
    names = _new_names(before, after)
    renamed = [_renamed(part, names) for part in before]
    changes: list[PackageChange] = []
    for left, right in _paired(renamed, after, same_ids=_share_a_flow(before, after)):
        changes += _changes(left, right)
    return PackageDifference(_side_of(old), _side_of(new), sorted(changes, key=_order))


def _side_of(package: FlowPackage) -> PackageSide:
    info = package.info
    exported_at = info.exported_at.isoformat() if info.exported_at else None
    return PackageSide(shown(package.name), info.uuid, exported_at, info.product_version)


def _flow_ids(parts: Sequence[Part]) -> dict[str | None, object]:
    return {part.name: part.own_id for part in parts if part.what == "flow"}


def _share_a_flow(old: Sequence[Part], new: Sequence[Part]) -> bool:
    """Tell whether a flow has the same id in both packages, so that one instance exported both."""
    ids = set(_flow_ids(old).values())
    ids &= set(_flow_ids(new).values())
    return bool(ids - {None})


def _new_names(old: Sequence[Part], new: Sequence[Part]) -> dict[str | None, str | None]:
    """Return the new names of flows that were renamed, by their old ones."""
    old_ids = _flow_ids(old)
    new_ids = _flow_ids(new)
    gone = [name for name in old_ids if name not in new_ids]
    come = [name for name in new_ids if name not in old_ids]
    if len(old_ids) == len(new_ids) == len(gone) == 1:
        return {gone[0]: come[0]}
    names_by_id = {new_ids[name]: name for name in come}
    names_by_id.pop(None, None)
    names = {}
    for name in gone:
        if old_ids[name] in names_by_id:
            names[name] = names_by_id[old_ids[name]]
    return names


def _renamed(part: Part, names: Mapping[str | None, str | None]) -> Part:
    """Return a part of the old package under the new name of its flow."""
    if part.flow not in names:
        return part
    flow = names[part.flow]
    if part.what == "flow":
        return replace(part, flow=flow, name=flow)
    return replace(part, flow=flow)


def _paired(
    old: Sequence[Part], new: Sequence[Part], *, same_ids: bool
) -> Iterator[tuple[Part | None, Part | None]]:
    """Find the same part in both packages: by its name, and then by its id, for a new name.

    :param old: the parts of the old package
    :param new: the parts of the new package
    :param same_ids: whether an id stands for the same object in both
    """
    before = _by_name(old)
    after = _by_name(new)
    gone: list[Part] = []
    for name, part in before.items():
        if name in after:
            yield part, after[name]
        else:
            gone.append(part)
    unpaired: list[Part] = []
    by_id: dict[tuple[str, object], Part] = {}
    for name, part in after.items():
        if name in before:
            continue
        # The id of a connection is its uuid, which is the same everywhere.
        is_known = part.own_id is not None and (same_ids or part.what == "connection")
        key = (part.what, part.own_id)
        if is_known and key not in by_id:
            by_id[key] = part
        else:
            unpaired.append(part)
    for part in gone:
        yield part, by_id.pop((part.what, part.own_id), None)
    for part in [*unpaired, *by_id.values()]:
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
    if new is None:
        if old is not None:
            yield _part_change("removed", old, _differing(old.fields, {}))
        return
    if old is None:
        yield _part_change("added", new, _differing({}, new.fields))
        yield from _step_changes(new, [])
        return
    fields = _differing(old.fields, new.fields)
    if fields:
        yield _part_change("changed", new, fields)
    yield from _step_changes(new, old.steps)


def _part_change(kind: Kind, part: Part, fields: list[FieldChange]) -> PackageChange:
    return PackageChange(kind, part.what, part.flow, part.name, fields)


def _differing(old: Mapping[str, Compared], new: Mapping[str, Compared]) -> list[FieldChange]:
    changes = []
    for name in dict.fromkeys([*old, *new]):
        before = old.get(name)
        after = new.get(name)
        if not _is_same(before, after):
            changes.append(_field_change(name, before, after))
    return changes


def _is_same(before: Compared | None, after: Compared | None) -> bool:
    if before is None or after is None:
        return before is after
    return before.digest == after.digest


def _field_change(name: str, before: Compared | None, after: Compared | None) -> FieldChange:
    old_words = before.words if before else None
    new_words = after.words if after else None
    return FieldChange(name, old_words, new_words)


def _step_changes(part: Part, old_steps: list[Compared]) -> Iterator[PackageChange]:
    for before, after, number in _step_pairs(old_steps, part.steps):
        kind: Kind = "changed"
        if before is None:
            kind = "added"
        elif after is None:
            kind = "removed"
        transform = _field_change("transform", before, after)
        yield PackageChange(kind, "step", part.flow, part.name, [transform], number)


def _step_pairs(
    old: list[Compared], new: list[Compared]
) -> Iterator[tuple[Compared | None, Compared | None, int]]:
    """Return the steps that differ, each with its number."""
    start = _count_of_same(old, new)
    old, new = old[start:], new[start:]
    end = _count_of_same(reversed(old), reversed(new))
    old = old[: len(old) - end]
    new = new[: len(new) - end]
    for old_from, old_to, new_from, new_to in _different(old, new):
        old_number = start + old_from + 1
        new_number = start + new_from + 1
        yield from _pairs(old[old_from:old_to], new[new_from:new_to], old_number, new_number)


def _count_of_same(old: Iterable[Compared], new: Iterable[Compared]) -> int:
    """Count the steps at the beginning that are the same in both."""
    count = 0
    for before, after in zip(old, new, strict=False):
        if not _is_same(before, after):
            break
        count += 1
    return count


def _different(old: list[Compared], new: list[Compared]) -> list[tuple[int, int, int, int]]:
    """Return where steps differ: the ranges of their indices in both lists."""
    if len(old) * len(new) > _MOST_PAIRS:
        return [(0, len(old), 0, len(new))]
    before = [step.digest for step in old]
    after = [step.digest for step in new]
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [block[1:] for block in blocks if block[0] != "equal"]


def _pairs(
    old: list[Compared], new: list[Compared], old_number: int, new_number: int
) -> Iterator[tuple[Compared | None, Compared | None, int]]:
    """Pair the steps of two ranges.

    :param old: the steps in the old package
    :param new: the steps in the new package
    :param old_number: the number of the first old step in its recipe
    :param new_number: the number of the first new step
    """
    for index, (before, after) in enumerate(zip_longest(old, new)):
        if not _is_same(before, after):
            first = old_number if after is None else new_number
            yield before, after, first + index


def _order(change: PackageChange) -> tuple[str, int, str, int]:
    # The steps of a recipe stand below it.
    kind = "recipe" if change.what == "step" else change.what
    return (change.flow or "", _KINDS.index(kind), change.name or "", change.number or 0)


def _side(side: PackageSide) -> str:
    exported_at = (side.exported_at or "unknown")[:19].replace("T", " ")
    version = shown(side.product_version)
    return f"{side.file}: package {side.uuid}, exported {exported_at} by {version}"


def _line(change: PackageChange, show: Callable[[object], str]) -> str:
    subject = change.what.replace("_", " ")
    if change.what == "step":
        subject = f"step {change.number} of"
    line = f"{subject} {show(change.name)} {change.kind}"
    details = []
    for field_change in change.fields:
        if change.kind == "changed":
            details.append(_before_after(field_change, show))
        elif field_change.field in _NAMED_FIELDS:
            text = field_change.after or field_change.before
            details.append(f"{field_change.field} {show(text)}")
    return f"{line}: {', '.join(details)}" if details else line


def _before_after(change: FieldChange, show: Callable[[object], str]) -> str:
    before = "nothing" if change.before is None else show(change.before)
    after = "nothing" if change.after is None else show(change.after)
    # The name of an option is a text of the package.
    is_plain = change.field.replace(" ", "").isalpha()
    name = change.field if is_plain else show(change.field)
    return f"{name} from {before} to {after}"
