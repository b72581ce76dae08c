"""Applies the import rules of a deployment to an import.

Object rules map the package's connections to connections of this instance. Value rules change
buckets and paths of imported datasets and of outputs, and nothing else [R: D51 to SMC104]. The
vendor documents ``s3Bucket`` and ``fileLocation`` [R: D60, D68 API Deployments Value Import Rules
Patch v4]. The effect of the other types follows from their names [I], which are from memory [M].
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from trifacta_emulator.errors import ValidationError
from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.packages.definition import USERS, Row, Tables
from trifacta_emulator.packages.imports import ImportedPackage
from trifacta_emulator.records import ImportRule, LocalConnection
from trifacta_emulator.rules.checks import value_pattern

#: By type of a value rule: the columns that it changes.
_PLACES = {
    "s3Bucket": (("storagelocations", "bucket"), ("writesettings", "path")),
    "fileLocation": (("storagelocations", "path"), ("writesettings", "path")),
    "dbTableName": (("relationalsources", "tableName"), ("publications", "tableName")),
    "dbPath": (("relationalsources", "relationalPath"), ("publications", "path")),
    "host": (
        ("storagelocations", "host"),
        ("storagelocations", "blobHost"),
        ("writesettings", "path"),
    ),
    "userinfo": (
        ("storagelocations", "userinfo"),
        ("storagelocations", "container"),
        ("writesettings", "path"),
    ),
}
# Outputs have a whole URI, e.g. adl://account:443/home/x.csv or gs://bucket/x.csv, or only a path
# [P].
_URI = re.compile(
    r"(?P<scheme>[A-Za-z][\w+.-]*)://(?:(?P<userinfo>[^/@]*)@)?(?P<host>[^/:]*)(?::\d+)?(?P<path>/.*)?",
    re.DOTALL,
)
_URI_PARTS = {"s3Bucket": "host", "fileLocation": "path", "host": "host", "userinfo": "userinfo"}
_S3 = ("s3", "s3a", "s3n")
_BUCKETS = (*_S3, "gs")

_Replace = Callable[[str], str]


def apply_rules(
    imported: ImportedPackage,
    described: Sequence[Row],
    rules: Sequence[ImportRule],
    local: Sequence[LocalConnection],
    options: EmulatorOptions,
) -> ImportedPackage:
    """Map the connections of an import to local ones, and change its buckets and paths.

    :param imported: the import; it is not changed
    :param described: the package's connections, as exported
    :param rules: the rules of the deployment, each kind in its order
    :param local: the connections of this instance
    :param options: the instance's options
    :returns: the import with the changes, and the report of them
    :raises ValidationError: the rules or the options refuse the package
    """
    tables = {table: [dict(row) for row in rows] for table, rows in imported.tables.items()}
    by_kind = {kind: [rule for rule in rules if rule.kind == kind] for kind in ("object", "value")}
    using = [
        row for table in USERS for row in tables[table] if isinstance(row.get("connectionId"), int)
    ]
    # A reference to a connection that the package does not describe is as broken as any other.
    known = {row["id"] for row in described}
    bare = [
        {"id": one}
        for one in dict.fromkeys(row["connectionId"] for row in using)
        if one not in known
    ]
    found, object_changes = _map_connections([*described, *bare], by_kind["object"], local, options)
    for row in using:
        row["connectionId"] = found.get(row["connectionId"], row["connectionId"])
    value_changes = _change_values(tables, by_kind["value"])
    return replace(
        imported, tables=tables, rule_changes={"object": object_changes, "value": value_changes}
    )


def changed_objects(rule_changes: Mapping[str, Sequence[Mapping[str, Any]]]) -> int:
    """Count the objects that rules changed, each once.

    :param rule_changes: ``importRuleChanges`` of an import
    """
    return len(
        {(item["tableName"], item["id"]) for items in rule_changes.values() for item in items}
    )


def _map_connections(
    described: Sequence[Row],
    rules: Sequence[ImportRule],
    local: Sequence[LocalConnection],
    options: EmulatorOptions,
) -> tuple[dict[int, int | None], list[Row]]:
    """Find the local connection for each connection of a package.

    Rules apply in their order, each to the result of the earlier ones [R: D51 Define Import Mapping
    Rules]. When no rule applies, the local connection with the same uuid is taken [I].
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
                changes.append(_connection_change(rule, exported["id"], before, current))
        if target is None:
            target = next((one for one in local if one.uuid == exported.get("uuid")), None)
        if target is not None:
            found[exported["id"]] = target.id
        elif options.unmapped_connections == "refuse":
            name, uuid = exported.get("name"), exported.get("uuid")
            raise ValidationError(
                f"connections: no rule maps {name!r} ({uuid}), and none here has that uuid"
            )
        elif options.unmapped_connections == "clear":
            found[exported["id"]] = None
    return found, changes


def _target(
    rule: ImportRule, local: Sequence[LocalConnection], options: EmulatorOptions
) -> LocalConnection | None:
    condition = rule.rule["withCondition"]
    reached = [one for one in local if _meets(_fields(one), condition)]
    if len(reached) == 1:
        return reached[0]
    if options.unknown_rule_target == "ignore":
        return None
    number = "no connection" if not reached else f"{len(reached)} connections"
    raise ValidationError(
        f"objectImportRules {rule.id}: withCondition {condition} leads to {number}"
    )


def _meets(row: Mapping[str, Any], condition: Mapping[str, Any]) -> bool:
    # Ids are written as numbers and as strings [R: D64] [P: VC]. A missing field meets no
    # condition.
    return all(
        row.get(name) is not None and str(row[name]) == str(value)
        for name, value in condition.items()
    )


def _fields(connection: LocalConnection) -> Row:
    """Return the fields that rules can ask for."""
    return {name: getattr(connection, name) for name in ("id", "uuid", "name", "type", "vendor")}


def _connection_change(
    rule: ImportRule, exported_id: int, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Row:
    # The shape is our choice [?].
    shown = ("id", "uuid", "name")
    return {
        "rule": {"id": rule.id},
        **rule.rule,
        "id": exported_id,
        "oldValue": {name: before.get(name) for name in shown},
        "newValue": {name: after[name] for name in shown},
    }


def _change_values(tables: Tables, rules: Sequence[ImportRule]) -> list[Row]:
    """Apply value rules in their order, each to the result of the earlier ones; return one item for
    each change.
    """
    changes: list[Row] = []
    reachable = _reachable(tables)
    for rule in rules:
        kind, replace_in = rule.rule["type"], _replacer(rule)
        for table, column in _PLACES[kind]:
            for row in reachable.get(table, tables[table]):
                before = row.get(column)
                after = _changed(kind, table, row, before, replace_in)
                if after != before:
                    row[column] = after
                    changes.append(_value_change(rule, table, row["id"], column, before, after))
    return changes


def _reachable(tables: Tables) -> Tables:
    """Leave out what only parameterised datasets read: no rule works for them [R: DIFF Define
    Import Mapping Rules].
    """
    fixed = [row for row in tables["datasources"] if row.get("isDynamic") is not True]
    sources, locations = (
        {row["id"] for row in fixed},
        {row.get("storageLocationId") for row in fixed},
    )
    return {
        "storagelocations": [row for row in tables["storagelocations"] if row["id"] in locations],
        "relationalsources": [
            row for row in tables["relationalsources"] if row["datasourceId"] in sources
        ],
    }


def _replacer(rule: ImportRule) -> _Replace:
    # A rule replaces every occurrence, and inserts ``with`` as it is, without groups: our choices
    # [?].
    on, to = rule.rule["on"], rule.rule["with"]
    pattern = value_pattern(on)
    if pattern is None:
        return lambda text: text.replace(on, to)
    return lambda text: pattern.sub(lambda _: to, text)


def _changed(kind: str, table: str, row: Row, value: Any, replace_in: _Replace) -> Any:
    if isinstance(value, list):
        # The path of a table: catalog, schema.
        return [replace_in(one) if isinstance(one, str) else one for one in value]
    if not isinstance(value, str) or not value:
        return value
    if table == "writesettings":
        return _in_uri(kind, value, replace_in)
    if kind == "s3Bucket" and str(row.get("type")).lower() not in _S3:
        return value
    return replace_in(value)


def _in_uri(kind: str, text: str, replace_in: _Replace) -> str:
    uri = _URI.fullmatch(text)
    if uri is None:
        return replace_in(text) if kind == "fileLocation" else text
    scheme, part = uri["scheme"].lower(), _URI_PARTS[kind]
    # A bucket is not a host, and only buckets of S3 have a rule.
    foreign = scheme not in _S3 if kind == "s3Bucket" else kind == "host" and scheme in _BUCKETS
    if foreign or not uri[part]:
        return text
    start, end = uri.span(part)
    return text[:start] + replace_in(uri[part]) + text[end:]


def _value_change(
    rule: ImportRule, table: str, row_id: int, column: str, before: Any, after: Any
) -> Row:
    # The shape is our choice [?].
    return {
        "rule": {"id": rule.id},
        **rule.rule,
        "tableName": table,
        "id": row_id,
        "field": column,
        "oldValue": before,
        "newValue": after,
    }
