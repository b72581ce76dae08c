"""Checks of values from tests, the command line and ``/emulator/...``. Each check raises
``ValueError``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeGuard, TypeVar

_Built = TypeVar("_Built")


def check(valid: Any, message: str) -> None:
    """Check a condition.

    :param valid: true when all is well
    :param message: what is wrong otherwise
    :raises ValueError: the condition is false
    """
    if not valid:
        raise ValueError(message)


def is_whole_number(value: object) -> TypeGuard[int]:
    """Tell whether a value is a whole number. ``True`` and ``False`` are none here.

    :param value: the value
    """
    return isinstance(value, int) and not isinstance(value, bool)


def check_seconds(name: str, value: Any) -> None:
    """Check a time span.

    :param name: name of the field
    :param value: seconds
    :raises ValueError: it is not a number of at least 0
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    valid = is_number and math.isfinite(value) and value >= 0
    check(valid, f"{name} must be a number of at least 0, not {value!r}")


def check_int(
    name: str,
    value: Any,
    least: int,
    most: float = math.inf,
) -> None:
    """Check a whole number.

    :param name: name of the field
    :param value: its value
    :param least: lower bound
    :param most: upper bound
    :raises ValueError: it is not a whole number within the bounds
    """
    valid = is_whole_number(value) and least <= value <= most
    limits = f"of at least {least}"
    if most < math.inf:
        limits = f"from {least} to {most}"
    check(valid, f"{name} must be a whole number {limits}, not {value!r}")


def check_int_or_none(
    name: str,
    value: Any,
    least: int,
    most: float = math.inf,
) -> None:
    """Check a whole number that may be missing.

    :param name: name of the field
    :param value: its value, or ``None``
    :param least: lower bound
    :param most: upper bound
    :raises ValueError: it is neither ``None`` nor a whole number within the bounds
    """
    if value is not None:
        check_int(name, value, least, most)


def check_choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Check one word out of several.

    :param name: name of the field
    :param value: its value
    :param allowed: the allowed words
    :raises ValueError: it is another word
    """
    words = ", ".join(allowed)
    check(value in allowed, f"{name} must be one of {words}, not {value!r}")


def check_parameters(path: str | None, parameters: Mapping[str, str]) -> None:
    """Check the parameters of a dataset.

    :param path: path of the dataset, with the names of the parameters in braces
    :param parameters: their default values by name
    :raises ValueError: a parameter is missing in the path, or is there twice
    """
    for name in parameters:
        placeholder = f"{{{name}}}"
        times = (path or "").count(placeholder)
        check(times == 1, f"the dataset's path must hold {placeholder} once, not {path!r}")


def build(kind: type[_Built], arguments: Mapping[str, Any]) -> _Built:
    """Make a dataclass from its fields by name, as JSON gives them.

    :param kind: the dataclass
    :param arguments: the fields
    :raises ValueError: a field is unknown, missing or wrong
    """
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    words = ", ".join(known)
    for name in arguments:
        check(name in known, f"there is no {name!r}; there are: {words}")
    for name, field in known.items():
        required = field.default is MISSING and field.default_factory is MISSING
        check(not required or name in arguments, f"{name} is required")
    return kind(**arguments)


def shown(text: object, most: int = 300) -> str:
    """Write a foreign text for a terminal: without control characters, and not too long.

    :param text: the text
    :param most: longest result
    """
    words = ""
    for letter in str(text)[:most]:
        if letter.isprintable():
            words += letter
        else:
            words += letter.encode("unicode_escape").decode()
    return words[:most]
