"""The JSON form of effects: the fields of the dataclass and ``type``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from trifacta_emulator.checks import check, check_choice
from trifacta_emulator.effects import (
    Answer,
    Delay,
    Effect,
    Hold,
    LateActivation,
    LateCommit,
    PackageUuid,
    Reset,
    Truncate,
)

#: By their ``type`` in JSON.
EFFECTS: dict[str, type[Effect]] = {
    "answer": Answer,
    "delay": Delay,
    "hold": Hold,
    "reset": Reset,
    "truncate": Truncate,
    "package_uuid": PackageUuid,
    "late_activation": LateActivation,
    "late_commit": LateCommit,
}


def effect_from_json(value: Any) -> Effect:
    """
    Read the JSON form of an effect.

    :param value: an object with ``type`` and the fields of the effect.
    :raises ValueError: something else.
    """
    check(isinstance(value, dict), f"effect must be an object, not {value!r}")
    arguments = dict(value)
    name = arguments.pop("type", None)
    check_choice("effect.type", name, tuple(EFFECTS))
    try:
        effect: Effect = build(EFFECTS[name], arguments)
        return effect
    except ValueError as error:
        raise ValueError(f"effect {name}: {error}") from error


def effect_to_json(effect: Effect) -> dict[str, Any]:
    """
    Write the JSON form of an effect, with all its fields.

    :param effect: what to write.
    """
    [name] = [name for name, kind in EFFECTS.items() if type(effect) is kind]
    values = {one.name: getattr(effect, one.name) for one in fields(effect)}
    return {"type": name, **{key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}}


def build(kind: type[Any], arguments: Mapping[str, Any]) -> Any:
    """
    Make a dataclass from its fields by name.

    :param kind: the dataclass.
    :param arguments: the fields.
    :raises ValueError: a field is unknown, missing or wrong.
    """
    known = {one.name: one for one in fields(kind)}
    for name in arguments:
        check(name in known, f"there is no {name!r}; there are: {', '.join(known)}")
    for name, one in known.items():
        required = one.default is MISSING and one.default_factory is MISSING
        check(not required or name in arguments, f"{name} is required")
    return kind(**arguments)
