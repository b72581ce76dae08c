"""Import rules as a user writes them: checked, their connection names resolved, and compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .errors import AmbiguousNameError, InvalidInputError
from .import_rules import RULE_KINDS
from .models import Connection
from .package import PackageConnection

Rule = dict[str, Any]


def check_rules(kind: str, rules: object) -> list[Rule]:
    """Check the shape of a list of rules before anything is sent.

    :param kind: ``"object"`` (``tableName``, which may be left out, ``onCondition``, ``withCondition``) or
        ``"value"`` (``type``, ``on``, ``with``)
    :param rules: the list
    :raises InvalidInputError: naming the rule and what is wrong with it
    """
    field = f"{kind}_rules"
    if isinstance(rules, (str, bytes)) or not isinstance(rules, Sequence):
        raise InvalidInputError(f"{field} must be a list of rules, not {str(rules)[:80]!r}.")
    return [_check_rule(kind, rule, f"{field}[{number}]") for number, rule in enumerate(rules)]


def _check_rule(kind: str, rule: object, where: str) -> Rule:
    keys = RULE_KINDS[kind][1]
    if not isinstance(rule, Mapping):
        raise InvalidInputError(f"{where} must be an object with {', '.join(keys)}, not {str(rule)[:80]!r}.")
    checked = {"tableName": "connections", **rule} if kind == "object" else dict(rule)
    if set(checked) != set(keys):
        raise InvalidInputError(
            f"{where} must have exactly the keys {', '.join(keys)}, not {', '.join(map(str, rule))}."
        )
    if kind == "value":
        for key in keys:
            if not isinstance(checked[key], str) or (key != "with" and not checked[key]):
                raise InvalidInputError(f"{where}[{key!r}] must be a text, not {checked[key]!r}.")
        return checked
    if checked["tableName"] != "connections":
        raise InvalidInputError(f"{where}['tableName'] must be 'connections', the only one that the API knows.")
    for key in ("onCondition", "withCondition"):
        condition = checked[key]
        if not isinstance(condition, Mapping) or not condition:
            raise InvalidInputError(f"{where}[{key!r}] must be an object such as {{'uuid': ...}}, not {condition!r}.")
        if any(isinstance(value, bool) or not isinstance(value, (str, int)) for value in condition.values()):
            raise InvalidInputError(f"{where}[{key!r}] must hold literal ids, uuids or names, not {condition!r}.")
    return checked


def needs_names(rules: Iterable[Rule], key: str) -> bool:
    """Tell whether a connection's name stands in for an id on one side (``onCondition`` or ``withCondition``)."""
    return any("name" in rule[key] for rule in rules)


def resolve_names(
    rules: Iterable[Rule], exported: Iterable[PackageConnection], local: Iterable[Connection]
) -> list[Rule]:
    """Put uuids and ids in place of connection names.

    :param rules: checked object rules
    :param exported: the package's connections, for ``onCondition``
    :param local: the instance's connections, for ``withCondition``
    :raises AmbiguousNameError: none or several have the name
    """
    exported, local = list(exported), list(local)
    resolved = []
    for rule in rules:
        on, to = dict(rule["onCondition"]), dict(rule["withCondition"])
        if "name" in on:
            on["uuid"] = _only(exported, on.pop("name"), "connections of the package").uuid
        if "name" in to:
            to["id"] = _only(local, to.pop("name"), "connections of the instance").id
        resolved.append({**rule, "onCondition": on, "withCondition": to})
    return resolved


def _only(connections: Sequence[Any], name: object, where: str) -> Any:
    found = [one for one in connections if one.name == name]
    if len(found) != 1:
        known = ", ".join(sorted(str(one.name) for one in connections)) or "none"
        raise AmbiguousNameError(f"{len(found)} {where} are called {name!r}. There are: {known}. Use the id or uuid.")
    return found[0]


def same_rules(some: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> bool:
    """Compare two lists of rules, whose order counts. Ids may be numbers or text, as the API takes both."""
    return [_plain(rule) for rule in some] == [_plain(rule) for rule in others]


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return str(value)


def is_mapped(connection: PackageConnection, rules: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether an object rule's condition fits a connection of the package."""
    fields = {"id": connection.id, "uuid": connection.uuid, "name": connection.name, "type": connection.type}
    for rule in rules:
        condition = rule.get("onCondition")
        if not isinstance(condition, Mapping) or not condition:
            continue
        if all(key in fields and str(fields[key]) == str(value) for key, value in condition.items()):
            return True
    return False
