"""Checks of import rules: which ones a deployment accepts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from trifacta_emulator.errors import ValidationError
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.records import RuleKind

# s3Bucket and fileLocation are [R: D60, D68 API Deployments Value Import Rules Patch v4]; the
# others are [M].
VALUE_TYPES = ("s3Bucket", "fileLocation", "dbTableName", "dbPath", "host", "userinfo")
_FIELDS = {
    "object": ("tableName", "onCondition", "withCondition"),
    "value": ("type", "on", "with"),
}


def checked_rules(kind: RuleKind, rules: Any) -> list[Row]:
    """Check the body of a PATCH.

    All fields are required and no others are accepted: our choice [?]. So a client that sends rules
    back must first remove their ids and times.

    :param kind: ``object`` or ``value``
    :param rules: the parsed body
    :returns: copies of the rules
    :raises ValidationError: it is not a list of rules of this kind
    """
    if not isinstance(rules, (list, tuple)):
        raise ValidationError("The body must be a JSON array of rules")
    copies = []
    for number, rule in enumerate(rules):
        if not isinstance(rule, dict):
            raise ValidationError(f"[{number}] is not an object")
        _check_fields(number, rule, _FIELDS[kind])
        if kind == "object":
            _check_object_rule(number, rule)
        else:
            _check_value_rule(number, rule)
        copies.append(dict(rule))
    return copies


def _check_fields(number: int, rule: Row, fields: Sequence[str]) -> None:
    missing = [name for name in fields if name not in rule]
    unknown = [name for name in rule if name not in fields]
    wrong = missing + unknown
    if wrong:
        raise ValidationError(
            f"[{number}] must have {', '.join(fields)} and nothing else; wrong: {wrong}"
        )


def value_pattern(on: str) -> re.Pattern[str] | None:
    """Read the ``on`` of a value rule: a regular expression if it stands between slashes [P: VC].

    The dialect is Python's, and ``/`` and ``//`` are literals: our choices [?]. The vendor's own
    patterns in backticks [M] are not emulated.

    :param on: the text as sent
    :returns: ``None`` for a literal
    :raises re.error: the regular expression is wrong
    """
    has_slashes = on.startswith("/") and on.endswith("/")
    if len(on) < 3 or not has_slashes:
        return None
    return re.compile(on[1:-1])


def _check_object_rule(number: int, rule: Row) -> None:
    # Rules map connections only [R: D64 API Deployments Object Import Rules Patch v4].
    if rule["tableName"] != "connections":
        raise ValidationError(
            f'[{number}].tableName must be "connections", not {rule["tableName"]!r}'
        )
    for name in ("onCondition", "withCondition"):
        if not _is_condition(rule[name]):
            raise ValidationError(
                f"[{number}].{name} must be an object of field names and literal values"
            )


def _is_condition(condition: Any) -> bool:
    if not isinstance(condition, dict) or not condition:
        return False
    # Literals on fields [R: D51 Define Import Mapping Rules]. Ids are numbers or strings
    # [R: D64] [P: VC].
    return all(map(_is_literal, condition.values()))


def _check_value_rule(number: int, rule: Row) -> None:
    if rule["type"] not in VALUE_TYPES:
        raise ValidationError(
            f"[{number}].type must be one of {', '.join(VALUE_TYPES)}, not {rule['type']!r}"
        )
    if not isinstance(rule["on"], str) or not rule["on"]:
        raise ValidationError(f"[{number}].on must be a non-empty string")
    try:
        value_pattern(rule["on"])
    except re.error as error:
        raise ValidationError(f"[{number}].on is not a regular expression: {error}") from error
    if not isinstance(rule["with"], str):
        raise ValidationError(f"[{number}].with must be a string")


def _is_literal(value: object) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)
