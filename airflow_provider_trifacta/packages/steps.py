"""The steps of a recipe as text: a step is a syntax tree of a transform.

A tree may be nested more deeply than Python's recursion allows, so nothing here recurses.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..client.models import rows_within, within
from .contents import everywhere
from .definition import id_of, text_of

#: Characters of a step's words that are kept.
_MOST_WORDS = 500
#: Names of an instance's own rows within a text of a step. They differ between instances.
_OWN_NAMES = (
    (re.compile(r"id://\d+"), "id://"),
    (re.compile(r"original_datasource_\d+"), "original_datasource"),
    (re.compile(r"table_[0-9a-f]{40}"), "table"),
)
#: Keys of a value that an instance gives, or that it derives from samples of the data.
_NOT_COMPARED = frozenset(
    {
        *("id", "hash", "annotations", "columnMetadata"),
        *("createdAt", "updatedAt", "createdBy", "updatedBy", "deleted_at", "workspaceId"),
    }
)
_POSITIONAL = re.compile(r"value(\d*)")
_PLAIN_NAME = re.compile(r"\w+")


@dataclass(frozen=True)
class Step:
    """A step of a recipe.

    :param words: the transform in its own words, cut if it is long
    :param digest: tells one step from another, without the ids of an instance
    """

    words: str
    digest: str


def steps_by_script(data: object) -> dict[int | None, list[Step]]:
    """Read the steps of all recipes and datasets of a package, by the id of their script.

    :param data: the data of the flow definition
    """
    steps = {
        id_of(script.get("id")): [_step(row) for row in rows_within(script, "steps")]
        for _, script in everywhere(data, "recipes")
    }
    steps.update(_flat_steps(data))
    steps.pop(None, None)
    return steps


def _flat_steps(data: object) -> dict[int | None, list[Step]]:
    """Read the steps before 6.8, which stand in tables of the whole package."""
    lines = {id_of(row.get("id")): _step(row) for row in rows_within(data, "scriptlines")}
    by_edit: dict[int | None, list[tuple[int, Step]]] = {}
    for row in rows_within(data, "editsscriptlines"):
        index, line = row.get("index"), lines.get(id_of(row.get("scriptlineId")))
        if line is not None:
            order = index if isinstance(index, int) else 0
            by_edit.setdefault(id_of(row.get("editId")), []).append((order, line))
    steps: dict[int | None, list[Step]] = {}
    for script in rows_within(data, "editablescripts"):
        # An edit belongs to one script, so the result does not grow out of bounds.
        own = by_edit.pop(id_of(script.get("currentEditId")), [])
        in_order = sorted(own, key=_index)
        steps[id_of(script.get("id"))] = [step for _, step in in_order]
    return steps


def _index(numbered: tuple[int, Step]) -> int:
    return numbered[0]


def _step(row: Mapping[str, Any]) -> Step:
    task = row.get("task")
    if within(task):
        return Step(words_of(task), digest_of(task))
    # Before a step has a syntax tree, some releases keep its script.
    return Step(words_of(row.get("script")), digest_of(row.get("script")))


def digest_of(value: object) -> str:
    """Return a digest of a value of the definition, without what is an instance's own.

    :param value: any JSON
    """
    digest = hashlib.sha256()
    for part in _canonical(value):
        digest.update(part.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def words_of(value: object) -> str:
    """Return the words of a step, or of any other value of the definition.

    :param value: any JSON
    :returns: its words, cut if they are many; empty for nothing
    """
    parts: list[str] = []
    length = 0
    for part in _spoken(value):
        parts.append(part)
        length += len(part)
        if length > _MOST_WORDS:
            break
    words = "".join(parts)
    cut = f"{words[:_MOST_WORDS]}..." if len(words) > _MOST_WORDS else words
    return text_of(cut) or ""


@dataclass(frozen=True)
class _Text:
    """A text that is ready, among values that are still to be written."""

    text: str


def _canonical(value: object) -> Iterator[str]:
    pending: list[object] = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, _Text):
            yield node.text
        elif isinstance(node, Mapping):
            parts: list[object] = [_Text("{")]
            for key in sorted(key for key in node if key not in _NOT_COMPARED):
                if _is_filled(node[key]):
                    parts += [_Text(f"{json.dumps(key)}:"), node[key], _Text(",")]
            pending += reversed([*parts, _Text("}")])
        elif isinstance(node, list):
            inner: list[object] = []
            for entry in node:
                inner += [entry, _Text(",")]
            pending += reversed([_Text("["), *inner, _Text("]")])
        else:
            yield json.dumps(_without_own_names(node), default=str)


def _is_filled(value: object) -> bool:
    """Tell whether a value says something. Releases add keys that are empty at first."""
    return value is not None and value is not False and value != [] and value != {}


def _without_own_names(value: object) -> object:
    if not isinstance(value, str):
        return value
    for pattern, name in _OWN_NAMES:
        value = pattern.sub(name, value)
    return value


def _spoken(value: object) -> Iterator[str]:
    pending: list[object] = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, _Text):
            yield node.text
        elif isinstance(node, Mapping):
            pending += reversed(_parts_of(node))
        elif isinstance(node, list):
            pending += reversed([_Text("["), *_between(node), _Text("]")])
        elif node is not None:
            yield _spelled(node)


def _spelled(value: object) -> str:
    plain = _without_own_names(value)
    return plain if isinstance(plain, str) else json.dumps(plain, default=str)


def _between(values: Sequence[object]) -> list[object]:
    """Put commas between values."""
    parts: list[object] = []
    for value in values:
        parts += [_Text(", "), value] if parts else [value]
    return parts


def _parts_of(node: Mapping[str, Any]) -> list[object]:
    """Say a node of a syntax tree in the vendor's words, as far as they are known [P]."""
    kind, name = node.get("kind"), text_of(node.get("type")) or "?"
    parameters = node.get("parameters")
    if kind == "task":
        return [_Text(name), *_named(within(parameters), " ")]
    if kind == "func":
        return [_Text(f"{name}("), *_arguments(within(parameters)), _Text(")")]
    value = node.get("value")
    if kind == "column" and isinstance(value, str):
        return [_Text(value if _PLAIN_NAME.fullmatch(value) else f"{{{value}}}")]
    if kind == "constant" and isinstance(value, str) and name == "String":
        return [_Text(f"'{_spelled(value)}'")]
    if "value" in node and kind is not None:
        return [value]
    return [_Text("{"), *_named(node, ", ")[1:], _Text("}")]


def _arguments(parameters: Mapping[str, Any]) -> list[object]:
    keys = _sorted_keys(parameters)
    if all(_POSITIONAL.fullmatch(key) for key in keys):
        return _between([parameters[key] for key in keys])
    return _named(parameters, ", ")[1:]


def _named(values: Mapping[str, Any], between: str) -> list[object]:
    parts: list[object] = []
    for key in _sorted_keys(values):
        parts += [_Text(between), _Text(f"{text_of(key)}: "), values[key]]
    return parts


def _sorted_keys(values: Mapping[str, Any]) -> list[str]:
    keys = [key for key in values if key not in _NOT_COMPARED and _is_filled(values[key])]
    return sorted(keys, key=_order)


def _order(key: str) -> tuple[str, int]:
    found = _POSITIONAL.fullmatch(key)
    number = found[1][:9] if found else ""
    return ("value", int(number or 0)) if found else (key, 0)
