"""What the import rules of a deployment make of an import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from trifacta_emulator.imports import ImportedPackage
from trifacta_emulator.object_rules import USERS, map_connections
from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.package_reader import Row
from trifacta_emulator.records import ImportRule, LocalConnection
from trifacta_emulator.value_rules import apply_value_rules


def apply_rules(
    imported: ImportedPackage,
    described: Sequence[Row],
    rules: Sequence[ImportRule],
    local: Sequence[LocalConnection],
    options: EmulatorOptions,
) -> ImportedPackage:
    """
    Lead the connections of an import to local ones and change its buckets and paths.

    :param imported: the import; not changed.
    :param described: the package's connections, as exported.
    :param rules: the rules of the deployment, each kind in its order; the kinds act on different things.
    :param local: the connections of this instance.
    :param options: the instance's options.
    :return: the import with the changes, and the report of them.
    :raises ValidationError: the rules or the options refuse the package.
    """
    tables = {table: [dict(row) for row in rows] for table, rows in imported.tables.items()}
    by_kind = {kind: [rule for rule in rules if rule.kind == kind] for kind in ("object", "value")}
    using = [row for table in USERS for row in tables[table] if isinstance(row.get("connectionId"), int)]
    # A reference to a connection that the package does not describe is as broken as any.
    known = {row["id"] for row in described}
    bare = [{"id": one} for one in dict.fromkeys(row["connectionId"] for row in using) if one not in known]
    found, object_changes = map_connections([*described, *bare], by_kind["object"], local, options)
    for row in using:
        row["connectionId"] = found.get(row["connectionId"], row["connectionId"])
    value_changes = apply_value_rules(tables, by_kind["value"])
    return replace(imported, tables=tables, rule_changes={"object": object_changes, "value": value_changes})


def changed_objects(rule_changes: Mapping[str, Sequence[Mapping[str, Any]]]) -> int:
    """
    Count the objects that rules changed, each once.

    :param rule_changes: ``importRuleChanges`` of an import.
    """
    return len({(item["tableName"], item["id"]) for items in rule_changes.values() for item in items})
