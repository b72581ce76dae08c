"""
Applies value import rules: buckets and paths of imported datasets and of outputs, nothing else [R: D51 to SMC104].

``s3Bucket`` and ``fileLocation`` are documented [R: D60/D68 API Deployments Value Import Rules Patch v4]. What the
other types act on follows from their names, which are [M].
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from trifacta_emulator.import_rule_checks import value_pattern
from trifacta_emulator.package_reader import Row, Tables
from trifacta_emulator.records import ImportRule

_PLACES = {
    "s3Bucket": (("storagelocations", "bucket"), ("writesettings", "path")),
    "fileLocation": (("storagelocations", "path"), ("writesettings", "path")),
    "dbTableName": (("relationalsources", "tableName"), ("publications", "tableName")),
    "dbPath": (("relationalsources", "relationalPath"), ("publications", "path")),
    "host": (("storagelocations", "host"), ("storagelocations", "blobHost"), ("writesettings", "path")),
    "userinfo": (("storagelocations", "userinfo"), ("storagelocations", "container"), ("writesettings", "path")),
}
# Outputs have a whole URI, e.g. adl://account:443/home/x.csv or gs://bucket/x.csv, or only a path [P].
_URI = re.compile(
    r"(?P<scheme>[A-Za-z][\w+.-]*)://(?:(?P<userinfo>[^/@]*)@)?(?P<host>[^/:]*)(?::\d+)?(?P<path>/.*)?", re.DOTALL
)
_URI_PARTS = {"s3Bucket": "host", "fileLocation": "path", "host": "host", "userinfo": "userinfo"}
_S3 = ("s3", "s3a", "s3n")
_BUCKETS = (*_S3, "gs")

_Replace = Callable[[str], str]


def apply_value_rules(tables: Tables, rules: Sequence[ImportRule]) -> list[Row]:
    """
    Apply the rules in their order, each to what the earlier ones left [R: D51 Define Import Mapping Rules].

    :param tables: the imported rows; changed in place.
    :param rules: the value rules of the deployment, in order.
    :return: the items for ``importRuleChanges.value``: one per rule and changed field.
    """
    changes: list[Row] = []
    within_reach = _within_reach(tables)
    for rule in rules:
        kind, replace = rule.rule["type"], _replacer(rule)
        for table, column in _PLACES[kind]:
            for row in within_reach.get(table, tables[table]):
                before = row.get(column)
                after = _changed(kind, table, row, before, replace)
                if after != before:
                    row[column] = after
                    changes.append(_change(rule, table, row["id"], column, before, after))
    return changes


def _within_reach(tables: Tables) -> Tables:
    """Leave out what only parameterised datasets read: no rule works for them [R: DIFF Define Import Mapping Rules]."""
    fixed = [row for row in tables["datasources"] if row.get("isDynamic") is not True]
    sources, locations = {row["id"] for row in fixed}, {row.get("storageLocationId") for row in fixed}
    return {
        "storagelocations": [row for row in tables["storagelocations"] if row["id"] in locations],
        "relationalsources": [row for row in tables["relationalsources"] if row["datasourceId"] in sources],
    }


def _replacer(rule: ImportRule) -> _Replace:
    # Every occurrence, and ``with`` as it is written, without groups: our choices [?].
    on, to = rule.rule["on"], rule.rule["with"]
    pattern = value_pattern(on)
    if pattern is None:
        return lambda text: text.replace(on, to)
    return lambda text: pattern.sub(lambda _: to, text)


def _changed(kind: str, table: str, row: Row, value: Any, replace: _Replace) -> Any:
    if isinstance(value, list):
        # The path of a table: catalog, schema.
        return [replace(one) if isinstance(one, str) else one for one in value]
    if not isinstance(value, str) or not value:
        return value
    if table == "writesettings":
        return _in_uri(kind, value, replace)
    if kind == "s3Bucket" and str(row.get("type")).lower() not in _S3:
        return value
    return replace(value)


def _in_uri(kind: str, text: str, replace: _Replace) -> str:
    uri = _URI.fullmatch(text)
    if uri is None:
        return replace(text) if kind == "fileLocation" else text
    scheme, part = uri["scheme"].lower(), _URI_PARTS[kind]
    # A bucket is no host, and only that of S3 has a rule.
    foreign = scheme not in _S3 if kind == "s3Bucket" else kind == "host" and scheme in _BUCKETS
    if foreign or not uri[part]:
        return text
    start, end = uri.span(part)
    return text[:start] + replace(uri[part]) + text[end:]


def _change(rule: ImportRule, table: str, row_id: int, column: str, before: Any, after: Any) -> Row:
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
