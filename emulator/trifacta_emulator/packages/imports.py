"""Imports a package: gives all its objects new ids and updates the references between them.

Each import makes new flows and recipes, also of the same package [R: SMC104
deployment-manager-page]. Import rules then change the result, see ``rules/apply.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from trifacta_emulator.packages.definition import Package, Row, Tables

# Each table counts from its own number, so that an id of the wrong kind never matches by chance:
# our choice [?].
_FIRST_IDS = {
    "deployments": 1,
    "releases": 101,
    "flows": 1001,
    "flownodes": 2001,
    "recipes": 3001,
    "datasources": 4001,
    "outputobjects": 5001,
    "flowedges": 6001,
    "storagelocations": 7001,
    "references": 8001,
    "webhookflowtasks": 9001,
    "objectimportrules": 10001,
    "valueimportrules": 11001,
    "connections": 12001,
    "relationalsources": 13001,
    "writesettings": 14001,
    "publications": 15001,
    "jobgroups": 16001,
    "jobs": 17001,
    "flowruns": 18001,
}
#: Kinds of objects that have a sequence of ids.
SEQUENCES = tuple(_FIRST_IDS)
#: By table of a flow: which column refers to which table.
REFERENCES = {
    "flows": {},
    "flownodes": {
        "scriptId": "recipes",
        "flowId": "flows",
        "flowNodeId": "flownodes",
        "referenceId": "references",
    },
    "flowedges": {"flowId": "flows", "inFlowNodeId": "flownodes", "outFlowNodeId": "flownodes"},
    "recipes": {},
    "datasources": {"parsingScriptId": "recipes", "storageLocationId": "storagelocations"},
    "storagelocations": {},
    "relationalsources": {"datasourceId": "datasources"},
    "outputobjects": {"flowNodeId": "flownodes"},
    "writesettings": {"outputObjectId": "outputobjects"},
    "publications": {"outputObjectId": "outputobjects"},
    "references": {},
    "webhookflowtasks": {"flowId": "flows"},
}
#: The tables of a flow.
TABLES = tuple(REFERENCES)


class IdSequences:
    """Increasing integer ids, one sequence per table.

    :param last: the last id of each table; for :meth:`copy`
    """

    def __init__(self, last: Mapping[str, int] | None = None) -> None:
        self._last = dict(last or {})

    def next(self, table: str) -> int:
        """Return the next id.

        :param table: plural name of the objects
        """
        last = self._last.get(table, _FIRST_IDS[table] - 1)
        self._last[table] = last + 1
        return last + 1

    @property
    def last(self) -> dict[str, int]:
        """The last id of each table that has one."""
        return dict(self._last)

    def reserve(self, table: str, number: int) -> None:
        """Let the next id be greater than a number.

        :param table: plural name of the objects
        :param number: an id that is in use
        """
        last = self._last.get(table, _FIRST_IDS[table] - 1)
        self._last[table] = max(number, last)

    def copy(self) -> IdSequences:
        """Make independent sequences that continue from here, for a dry run."""
        return IdSequences(self._last)


def _no_changes() -> dict[str, list[Any]]:
    return {"object": [], "value": []}


@dataclass(frozen=True)
class ImportedPackage:
    """What an import made.

    :param tables: the rows of the package with their new ids
    :param primary_flow_ids: new ids of the primary flows
    :param mapping: by table: old id to new id
    :param at: time of the import
    :param user_id: who imported
    :param deleted_objects: objects that the import dropped, by kind
    :param rule_changes: changes by the deployment's import rules
    """

    tables: Tables
    primary_flow_ids: tuple[int, ...]
    mapping: Mapping[str, Mapping[int, int]]
    at: datetime
    user_id: int
    deleted_objects: Mapping[str, Any] = field(default_factory=dict)
    rule_changes: Mapping[str, list[Any]] = field(default_factory=_no_changes)


def import_package(
    package: Package,
    ids: IdSequences,
    *,
    at: datetime,
    user_id: int,
    deleted_objects: Mapping[str, Any] | None = None,
) -> ImportedPackage:
    """Give every object of a package a new id and update the references.

    A reference to an object outside the package becomes ``None`` [I]. ``connectionId`` stays as
    exported, because connections are not imported: import rules map them to local ones [I].

    :param package: the package as read; not changed
    :param ids: source of the new ids
    :param at: time of the import
    :param user_id: who imports
    :param deleted_objects: objects to report as dropped
    """
    mapping: dict[str, dict[int, int]] = {}
    for table in REFERENCES:
        mapping[table] = {row["id"]: ids.next(table) for row in package.tables[table]}
    tables: Tables = {}
    for table in REFERENCES:
        tables[table] = [_remapped(table, row, mapping) for row in package.tables[table]]
    primary_flow_ids = [mapping["flows"][old_id] for old_id in package.primary_flow_ids]
    return ImportedPackage(
        tables=tables,
        primary_flow_ids=tuple(primary_flow_ids),
        mapping=mapping,
        at=at,
        user_id=user_id,
        deleted_objects=deleted_objects or {},
    )


def _remapped(
    table: str,
    row: Row,
    mapping: Mapping[str, Mapping[int, int]],
) -> Row:
    new_id = mapping[table][row["id"]]
    remapped: Row = {**row, "id": new_id}
    for column, referenced in REFERENCES[table].items():
        old_id = row.get(column)
        remapped[column] = None
        if isinstance(old_id, int):
            remapped[column] = mapping[referenced].get(old_id)
    return remapped
