"""The steps of a recipe as text: a step is a syntax tree of a transform.

A tree may be nested more deeply than Python's recursion allows, so nothing here recurses.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..client.models import rows_within, within
from .contents import everywhere
from .definition import id_in, text_of

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
class Compared:
    """A value of a package as it is compared: a step of a recipe, or a field of a part.

    :param words: the value in words, cut if it is long
    :param digest: tells one value from another, without the ids of an instance
    """

    words: str
    digest: str

    @classmethod
    def of(cls, value: object) -> Compared:
        """Return a value of the definition as it is compared.

        :param value: any JSON
        """
        return cls(words_of(value), digest_of(value))


def steps_by_script(data: object) -> dict[int | None, list[Compared]]:
    """Read the steps of all recipes and datasets of a package, by the id of their script.

    :param data: the data of the flow definition
    """
    steps = {}
    for _, script in everywhere(data, "recipes"):
        steps[id_in(script, "id")] = [_step(step) for step in rows_within(script, "steps")]
    steps.update(_flat_steps(data))
    steps.pop(None, None)
    return steps


def _flat_steps(data: object) -> dict[int | None, list[Compared]]:
    """Read the steps before 6.8, which stand in tables of the whole package."""
    lines = {id_in(line, "id"): _step(line) for line in rows_within(data, "scriptlines")}
    by_edit: dict[int | None, list[tuple[int, Compared]]] = {}
    for entry in rows_within(data, "editsscriptlines"):
        line = lines.get(id_in(entry, "scriptlineId"))
        if line is None:
            continue
        index = entry.get("index")
        numbered = (index if isinstance(index, int) else 0, line)
        by_edit.setdefault(id_in(entry, "editId"), []).append(numbered)
    steps: dict[int | None, list[Compared]] = {}
    for script in rows_within(data, "editablescripts"):
        # An edit belongs to one script, so the result does not grow out of bounds.
        numbered_steps = by_edit.pop(id_in(script, "currentEditId"), [])
        numbered_steps.sort(key=_index)
        steps[id_in(script, "id")] = [step for _, step in numbered_steps]
    return steps


def _index(numbered: tuple[int, Compared]) -> int:
    return numbered[0]


def _step(entry: Mapping[str, Any]) -> Compared:
    task = entry.get("task")
    # Before a step has a syntax tree, some releases keep its script.
    return Compared.of(task if within(task) else entry.get("script"))


def digest_of(value: object) -> str:
    """Return a digest of a value of the definition, without what is an instance's own.

    :param value: any JSON
    """
    digest = hashlib.sha256()
    for text in _texts(value, _canonical):
        digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def words_of(value: object) -> str:
    """Return the words of a step, or of any other value of the definition.

    :param value: any JSON
    :returns: its words, cut if they are many; empty for nothing
    """
    parts: list[str] = []
    length = 0
    for text in _texts(value, _spoken):
        parts.append(text)
        length += len(text)
        if length > _MOST_WORDS:
            break
    words = "".join(parts)
    if len(words) > _MOST_WORDS:
        words = f"{words[:_MOST_WORDS]}..."
    return text_of(words) or ""


@dataclass(frozen=True)
class _Text:
    """A text that is ready, among values that are still to be written."""

    text: str


def _texts(value: object, spell: Callable[[object], list[object]]) -> Iterator[str]:
    """Write a value, one node of its tree after the other.

    :param value: any JSON
    :param spell: returns what a node is written as: texts that are ready, and values within it
    """
    pending: list[object] = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, _Text):
            yield node.text
        else:
            pending += reversed(spell(node))


def _canonical(node: object) -> list[object]:
    """Write a node as JSON, with its keys in order."""
    parts: list[object] = []
    if isinstance(node, Mapping):
        for key in sorted(_compared_keys(node)):
            parts += [_Text(f"{json.dumps(key)}:"), node[key], _Text(",")]
        return [_Text("{"), *parts, _Text("}")]
    if isinstance(node, list):
        for entry in node:
            parts += [entry, _Text(",")]
        return [_Text("["), *parts, _Text("]")]
    return [_Text(json.dumps(_without_own_names(node), default=str))]


def _compared_keys(node: Mapping[str, Any]) -> list[str]:
    return [key for key in node if key not in _NOT_COMPARED and is_filled(node[key])]


def is_filled(value: object) -> bool:
    """Tell whether a value says something. Releases add keys that are empty at first.

    :param value: a value of the definition
    """
    return value is not None and value is not False and value != [] and value != {}


def _without_own_names(value: object) -> object:
    if not isinstance(value, str):
        return value
    for pattern, name in _OWN_NAMES:
        value = pattern.sub(name, value)
    return value


def _spoken(node: object) -> list[object]:
    """Write a node in words."""
    if isinstance(node, Mapping):
        return _parts_of(node)
    if isinstance(node, list):
        return [_Text("["), *_between(node), _Text("]")]
    return [] if node is None else [_Text(_spelled(node))]


def _spelled(value: object) -> str:
    plain = _without_own_names(value)
    return plain if isinstance(plain, str) else json.dumps(plain, default=str)


def _between(values: Sequence[object]) -> list[object]:
    """Put commas between values."""
    parts: list[object] = []
    for value in values:
        if parts:
            parts.append(_Text(", "))
        parts.append(value)
    return parts


def _parts_of(node: Mapping[str, Any]) -> list[object]:
    """Say a node of a syntax tree in the vendor's words, as far as they are known [P]."""
    kind = node.get("kind")
    name = text_of(node.get("type")) or "?"
    value = node.get("value")
    parameters = within(node, "parameters")
    if kind == "task":
        return [_Text(name), *_named(parameters, " ")]
    if kind == "func":
        return [_Text(f"{name}("), *_arguments(parameters), _Text(")")]
    if kind == "column" and isinstance(value, str):
        return [_Text(value if _PLAIN_NAME.fullmatch(value) else f"{{{value}}}")]
    is_string = kind == "constant" and name == "String"
    if is_string and isinstance(value, str):
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
    return sorted(_compared_keys(values), key=_order)


def _order(key: str) -> tuple[str, int]:
    """Put positional arguments into their order; other keys are in that of their names."""
    positional = _POSITIONAL.fullmatch(key)
    if positional is None:
        return key, 0
    number = positional[1][:9] or "0"
    return "value", int(number)
