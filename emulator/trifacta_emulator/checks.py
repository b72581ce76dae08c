"""Checks of what a test or an administrator hands over; each raises ``ValueError``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def check(valid: Any, message: str) -> None:
    """
    Check anything.

    :param valid: whether it is all right.
    :param message: what is wrong otherwise.
    """
    if not valid:
        raise ValueError(message)


def check_answerable(value: Any) -> None:
    """
    Check that parsed JSON can be written again, in an answer: not so a NaN, nor half of a surrogate pair.

    :param value: what was parsed.
    """
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"a text holds half of a surrogate pair: {error.object[error.start]!r}") from error


def check_seconds(name: str, value: Any) -> None:
    """
    Check a time.

    :param name: of the field.
    :param value: seconds.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    check(number and math.isfinite(value) and value >= 0, f"{name} must be a number of at least 0, not {value!r}")


def check_int(name: str, value: Any, least: int, most: float = math.inf) -> None:
    """
    Check a whole number.

    :param name: of the field.
    :param value: its value.
    :param least: lower bound.
    :param most: upper bound.
    """
    valid = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    limits = f"from {least} to {most}" if most < math.inf else f"of at least {least}"
    check(valid, f"{name} must be a whole number {limits}, not {value!r}")


def check_choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """
    Check a word.

    :param name: of the field.
    :param value: its value.
    :param allowed: the words there are.
    """
    check(value in allowed, f"{name} must be one of {', '.join(allowed)}, not {value!r}")


def check_parameters(path: str | None, parameters: Mapping[str, str]) -> None:
    """
    Check the parameters of a dataset.

    :param path: of the dataset, with their names in braces.
    :param parameters: their default values by name.
    """
    for name in parameters:
        check((path or "").count(f"{{{name}}}") == 1, f"the dataset's path must hold {{{name}}} once, not {path!r}")
