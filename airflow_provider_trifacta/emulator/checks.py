"""Checks of what a test or an administrator hands over; each raises ``ValueError``."""

from __future__ import annotations

import math
from typing import Any


def check(valid: Any, message: str) -> None:
    """
    Check anything.

    :param valid: whether it is all right.
    :param message: what is wrong otherwise.
    """
    if not valid:
        raise ValueError(message)


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
