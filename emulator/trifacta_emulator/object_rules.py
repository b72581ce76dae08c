"""Applies object import rules: which connection here takes the place of a connection of the package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trifacta_emulator.errors import ValidationError
from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.package_reader import Row
from trifacta_emulator.records import ImportRule, LocalConnection

# Tables of an import whose rows name a connection, as ``connectionId``.
USERS = ("datasources", "writesettings", "publications")


def map_connections(
    described: Sequence[Row],
    rules: Sequence[ImportRule],
    local: Sequence[LocalConnection],
    options: EmulatorOptions,
) -> tuple[dict[int, int | None], list[Row]]:
    """
    Find the local connection for each connection of a package.

    The rules apply in their order, each to what the earlier ones led to [R: D51 Define Import Mapping Rules].
    Where none applies, the connection here with the same uuid is taken [I].

    :param described: the package's connections, as exported.
    :param rules: the object rules of the deployment, in order.
    :param local: the connections of this instance.
    :param options: decides about rules that lead nowhere.
    :return: new id by exported id, and the items for ``importRuleChanges.object``. A connection that is not
        here has no id, unless the options clear or refuse it.
    :raises ValidationError: a rule that applies leads to no connection, or the options refuse unmapped ones.
    """
    found: dict[int, int | None] = {}
    changes: list[Row] = []
    for exported in described:
        current: Mapping[str, Any] = exported
        target: LocalConnection | None = None
        for rule in rules:
            if not _meets(current, rule.rule["onCondition"]):
                continue
            reached = _target(rule, local, options)
            if reached is not None and reached is not target:
                target, before = reached, current
                current = _fields(reached)
                changes.append(_change(rule, exported["id"], before, current))
        if target is None:
            target = next((one for one in local if one.uuid == exported.get("uuid")), None)
        if target is not None:
            found[exported["id"]] = target.id
        elif options.unmapped_connections == "refuse":
            name, uuid = exported.get("name"), exported.get("uuid")
            raise ValidationError(f"connections: no rule maps {name!r} ({uuid}), and there is none with that uuid")
        elif options.unmapped_connections == "clear":
            found[exported["id"]] = None
    return found, changes


def _target(rule: ImportRule, local: Sequence[LocalConnection], options: EmulatorOptions) -> LocalConnection | None:
    condition = rule.rule["withCondition"]
    reached = [one for one in local if _meets(_fields(one), condition)]
    if len(reached) == 1:
        return reached[0]
    if options.unknown_rule_target == "ignore":
        return None
    number = "no connection" if not reached else f"{len(reached)} connections"
    raise ValidationError(f"objectImportRules {rule.id}: withCondition {condition} leads to {number}")


def _meets(row: Mapping[str, Any], condition: Mapping[str, Any]) -> bool:
    # Ids are written as numbers and as strings [R: D64, P: VC]; a field that is not there meets nothing.
    return all(row.get(name) is not None and str(row[name]) == str(value) for name, value in condition.items())


def _fields(connection: LocalConnection) -> Row:
    # What rules can ask for.
    return {name: getattr(connection, name) for name in ("id", "uuid", "name", "type", "vendor")}


def _change(rule: ImportRule, exported_id: int, before: Mapping[str, Any], after: Mapping[str, Any]) -> Row:
    # The shape is our choice [?].
    shown = ("id", "uuid", "name")
    return {
        "rule": {"id": rule.id},
        **rule.rule,
        "id": exported_id,
        "oldValue": {name: before.get(name) for name in shown},
        "newValue": {name: after[name] for name in shown},
    }
