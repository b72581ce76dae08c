"""What the reference shows of an operator, a sensor or the task group: how to import it, its
smallest use, every argument with its default, and how many requests it makes.

It adds to the docstrings, which say what an argument means.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator, BaseSensorOperator

_DOCS = Path(__file__).resolve().parent
#: The smallest use of each operator, between ``# [NAME]`` and ``# [end]``.
_EXAMPLES = _DOCS / "snippets" / "dags" / "each_operator.py"
#: The first line of an argument in a docstring.
_ARGUMENT = re.compile(r":param (\w+):")
_FIELD = re.compile(r":(?:param|returns|raises)\b")
#: Airflow's own arguments of a sensor that every wait depends on.
_OF_EVERY_SENSOR = {
    "poke_interval": "seconds between two looks, or a timedelta",
    "timeout": "seconds after which the wait fails, or a timedelta",
    "mode": "``poke`` keeps the worker's slot between two looks; ``reschedule`` frees it. With"
    " ``deferrable=True`` the triggerer waits, and it has no effect",
}
#: A row of the table of requests: what, with 10 releases, with 3,000.
_REQUESTS = re.compile(r"^\| (\w+)(.*?) \| (\d+) \| (\d+) \|$", re.M)


def process_signature(
    _app: Any, what: str, name: str, obj: Any, *_: Any
) -> tuple[str, None] | None:
    """Leave out the signature of an operator and of the task group: the table of arguments says
    more. What the task group returns is made by it alone.
    """
    is_group = name.endswith((".promote_flow", ".PromotionGroup"))
    return ("", None) if is_group or (what == "class" and _is_operator(obj)) else None


def process_docstring(
    _app: Any, what: str, name: str, obj: Any, _options: Any, lines: list[str]
) -> None:
    """Add to the docstring of an operator, a sensor or the task group."""
    is_group = what == "function" and name.endswith("task_groups.promote_flow")
    if not is_group and not (what == "class" and _is_operator(obj)):
        return
    defaults = _defaults(obj)
    if inspect.isclass(obj) and issubclass(obj, BaseSensorOperator):
        _add_waiting(lines, defaults)
    described = list(_with_defaults(lines, defaults))
    first = described.index("") if "" in described else len(described)
    shown = [*_import(name), *_example(obj.__name__)]
    lines[:] = [
        *described[: first + 1],
        *shown,
        *described[first + 1 :],
        "",
        *_requests(obj.__name__),
    ]


def _is_operator(obj: Any) -> bool:
    return inspect.isclass(obj) and issubclass(obj, (BaseOperator, BaseSensorOperator))


def _defaults(obj: Any) -> dict[str, Any]:
    """Return the default of each argument; the nearest class counts."""
    owners = obj.__mro__ if inspect.isclass(obj) else [obj]
    defaults: dict[str, Any] = {}
    for owner in owners:
        function = vars(owner).get("__init__") if inspect.isclass(owner) else owner
        if not inspect.isfunction(inspect.unwrap(function) if function else None):
            continue
        function = inspect.unwrap(function)
        for argument in inspect.signature(function).parameters.values():
            defaults.setdefault(argument.name, _value_of(argument.default, function))
    return defaults


def _value_of(default: Any, function: Any) -> Any:
    """Return a default itself where Sphinx keeps its name, such as ``TOLERATED_OUTAGE``."""
    if type(default).__name__ != "DefaultValue":
        return default
    return function.__globals__.get(default.name, default)


def _add_waiting(lines: list[str], defaults: dict[str, Any]) -> None:
    """Describe the arguments that a sensor has of Airflow, before what it returns and raises."""
    arguments = [number for number, line in enumerate(lines) if _ARGUMENT.match(line)]
    if not arguments:
        return
    end = next(
        (
            number
            for number in range(arguments[-1] + 1, len(lines))
            if not lines[number].startswith(" ")
        ),
        len(lines),
    )
    text = "\n".join(lines)
    added = [
        f":param {name}: {words}"
        for name, words in _OF_EVERY_SENSOR.items()
        if name in defaults and f":param {name}:" not in text
    ]
    lines[end:end] = added


def _with_defaults(lines: list[str], defaults: dict[str, Any]) -> Iterator[str]:
    """Yield the lines; each argument ends with its default, or says that it is required."""
    argument = ""
    for number, line in enumerate(lines):
        match = _ARGUMENT.match(line)
        argument = match[1] if match else argument
        following = lines[number + 1] if number + 1 < len(lines) else ""
        ends = bool(argument) and not following.startswith("  ")
        yield f"{line}{_words_of(argument, defaults)}" if ends else line
        if ends:
            argument = ""


def _words_of(argument: str, defaults: dict[str, Any]) -> str:
    default = defaults.get(argument, inspect.Parameter.empty)
    if default is inspect.Parameter.empty:
        return ". **Required**"
    if type(default).__name__ == "_NotGiven":
        return ". Default: not given"
    if isinstance(default, timedelta):
        default = default.total_seconds()
    return f". Default: ``{default!r}``"


def _import(name: str) -> list[str]:
    module, _, thing = name.rpartition(".")
    return [".. code-block:: python", "", f"   from {module} import {thing}", ""]


def _example(name: str) -> list[str]:
    if f"# [{name}]" not in _EXAMPLES.read_text(encoding="utf-8"):
        return []
    return [
        f".. literalinclude:: /{_EXAMPLES.relative_to(_DOCS).as_posix()}",
        "   :language: python",
        f"   :start-after: # [{name}]",
        "   :end-before: # [end]",
        "   :dedent:",
        "",
    ]


def _requests(name: str) -> list[str]:
    """Return how many requests an operator makes, as the table of them says."""
    table = (_DOCS / "performance.md").read_text(encoding="utf-8")
    short = name.removesuffix("Operator")
    rows = [row for row in _REQUESTS.findall(table) if row[0] in (name, short)]
    if not rows:
        return []
    cases = [f"{words.lstrip(':, ') or 'each time'}: {few}" for _, words, few, _ in rows]
    return [f"**Requests** (:doc:`more </performance>`): {'; '.join(cases)}.", ""]


def setup(app: Any) -> dict[str, bool]:
    """Connect the functions above to autodoc."""
    app.connect("autodoc-process-signature", process_signature)
    app.connect("autodoc-process-docstring", process_docstring)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
