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
from trifacta_emulator.packages.definition import (
    Row,
    Tables,
    copied,
    ids_of,
    rows_among,
    rows_with_connection,
)
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
    tables = copied(imported.tables)
    object_rules = [rule for rule in rules if rule.kind == "object"]
    value_rules = [rule for rule in rules if rule.kind == "value"]
    using = rows_with_connection(tables)
    exported = _with_undescribed(described, using)
    local_ids, object_changes = _map_connections(exported, object_rules, local, options)
    for row in using:
        exported_id = row["connectionId"]
        row["connectionId"] = local_ids.get(exported_id, exported_id)
    value_changes = _change_values(tables, value_rules)
    changes = {"object": object_changes, "value": value_changes}
    return replace(imported, tables=tables, rule_changes=changes)


def _with_undescribed(described: Sequence[Row], using: Sequence[Row]) -> list[Row]:
    """Add the connections that rows name but the package does not describe: such a reference is as
    broken as any other.
    """
    connections = list(described)
    known = ids_of(described)
    for row in using:
        connection_id = row["connectionId"]
        if connection_id not in known:
            known.add(connection_id)
            connections.append({"id": connection_id})
    return connections


def changed_objects(rule_changes: Mapping[str, Sequence[Mapping[str, Any]]]) -> int:
    """Count the objects that rules changed, each once.

    :param rule_changes: ``importRuleChanges`` of an import
    """
    changed = set()
    for changes in rule_changes.values():
        for change in changes:
            changed.add((change["tableName"], change["id"]))
    return len(changed)


def _map_connections(
    described: Sequence[Row],
    rules: Sequence[ImportRule],
    local: Sequence[LocalConnection],
    options: EmulatorOptions,
) -> tuple[dict[int, int | None], list[Row]]:
    """Find the local connection for each connection of a package.

    When no rule applies, the local connection with the same uuid is taken [I].
    """
    local_ids: dict[int, int | None] = {}
    changes: list[Row] = []
    for exported in described:
        target, own_changes = _follow_rules(exported, rules, local, options)
        changes += own_changes
        if target is None:
            target = _with_uuid(local, exported.get("uuid"))
        if target is not None:
            local_ids[exported["id"]] = target.id
        elif options.unmapped_connections == "refuse":
            name = exported.get("name")
            uuid = exported.get("uuid")
            raise ValidationError(
                f"connections: no rule maps {name!r} ({uuid}), and none here has that uuid"
            )
        elif options.unmapped_connections == "clear":
            local_ids[exported["id"]] = None
    return local_ids, changes


def _follow_rules(
    exported: Row,
    rules: Sequence[ImportRule],
    local: Sequence[LocalConnection],
    options: EmulatorOptions,
) -> tuple[LocalConnection | None, list[Row]]:
    """Apply the rules in their order, each to the result of the earlier ones [R: D51 Define Import
    Mapping Rules]. Return the last connection that one leads to, and the changes.
    """
    current = exported
    target: LocalConnection | None = None
    changes = []
    for rule in rules:
        if not _meets(current, rule.rule["onCondition"]):
            continue
        reached = _target(rule, local, options)
        if reached is None or reached is target:
            continue
        fields = _fields(reached)
        changes.append(_connection_change(rule, exported["id"], current, fields))
        current = fields
        target = reached
    return target, changes


def _with_uuid(local: Sequence[LocalConnection], uuid: Any) -> LocalConnection | None:
    for connection in local:
        if connection.uuid == uuid:
            return connection
    return None


def _target(
    rule: ImportRule,
    local: Sequence[LocalConnection],
    options: EmulatorOptions,
) -> LocalConnection | None:
    condition = rule.rule["withCondition"]
    reached = [connection for connection in local if _meets(_fields(connection), condition)]
    if len(reached) == 1:
        return reached[0]
    if options.unknown_rule_target == "ignore":
        return None
    number = "no connection"
    if reached:
        number = f"{len(reached)} connections"
    raise ValidationError(
        f"objectImportRules {rule.id}: withCondition {condition} leads to {number}"
    )


def _meets(row: Mapping[str, Any], condition: Mapping[str, Any]) -> bool:
    for name, wanted in condition.items():
        # A missing field meets no condition.
        if row.get(name) is None:
            return False
        # Ids are written as numbers and as strings [R: D64] [P: VC].
        if str(row[name]) != str(wanted):
            return False
    return True


def _fields(connection: LocalConnection) -> Row:
    """Return the fields that rules can ask for."""
    return {
        "id": connection.id,
        "uuid": connection.uuid,
        "name": connection.name,
        "type": connection.type,
        "vendor": connection.vendor,
    }


def _connection_change(
    rule: ImportRule,
    exported_id: int,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
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
        kind = rule.rule["type"]
        replace_in = _replacer(rule)
        for table, column in _PLACES[kind]:
            for row in reachable.get(table, tables[table]):
                before = row.get(column)
                after = _changed(kind, table, row, before, replace_in)
                if after == before:
                    continue
                row[column] = after
                change = _value_change(rule, table, row["id"], column, before, after)
                changes.append(change)
    return changes


def _reachable(tables: Tables) -> Tables:
    """Leave out what only parameterised datasets read: no rule works for them
    [R: DIFF Define Import Mapping Rules].
    """
    dataset_ids = set()
    location_ids = set()
    for dataset in tables["datasources"]:
        if dataset.get("isDynamic") is not True:
            dataset_ids.add(dataset["id"])
            location_ids.add(dataset.get("storageLocationId"))
    return {
        "storagelocations": rows_among(tables["storagelocations"], "id", location_ids),
        "relationalsources": rows_among(tables["relationalsources"], "datasourceId", dataset_ids),
    }


def _replacer(rule: ImportRule) -> _Replace:
    # A rule replaces every occurrence, and inserts ``with`` as it is, without groups: our choices
    # [?].
    old = rule.rule["on"]
    new = rule.rule["with"]
    pattern = value_pattern(old)

    def replaced(text: str) -> str:
        return text.replace(old, new)

    def substituted(text: str) -> str:
        return pattern.sub(inserted, text) if pattern else text

    def inserted(_: re.Match[str]) -> str:
        return str(new)

    if pattern is None:
        return replaced
    return substituted


def _changed(
    kind: str,
    table: str,
    row: Row,
    before: Any,
    replace_in: _Replace,
) -> Any:
    if isinstance(before, list):
        # The path of a table: catalog, schema.
        return [replace_in(name) if isinstance(name, str) else name for name in before]
    if not isinstance(before, str) or not before:
        return before
    if table == "writesettings":
        return _in_uri(kind, before, replace_in)
    if kind == "s3Bucket" and str(row.get("type")).lower() not in _S3:
        return before
    return replace_in(before)


def _in_uri(kind: str, text: str, replace_in: _Replace) -> str:
    uri = _URI.fullmatch(text)
    if uri is None:
        # Only a path.
        return replace_in(text) if kind == "fileLocation" else text
    part = _URI_PARTS[kind]
    if not uri[part] or not _concerns(kind, uri["scheme"].lower()):
        return text
    start, end = uri.span(part)
    return text[:start] + replace_in(uri[part]) + text[end:]


def _concerns(kind: str, scheme: str) -> bool:
    """Tell whether rules of a type are for addresses of a scheme: a bucket is not a host, and only
    buckets of S3 have a rule.
    """
    if kind == "s3Bucket":
        return scheme in _S3
    if kind == "host":
        return scheme not in _BUCKETS
    return True


def _value_change(
    rule: ImportRule,
    table: str,
    row_id: int,
    column: str,
    before: Any,
    after: Any,
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
