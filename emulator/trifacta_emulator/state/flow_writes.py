"""Flows that are made and copied over the API."""

from __future__ import annotations

from dataclasses import replace

from trifacta_emulator.packages.definition import (
    Package,
    Tables,
    ids_of,
    rows_among,
    rows_where,
)
from trifacta_emulator.packages.imports import TABLES, ImportedPackage, import_package
from trifacta_emulator.packages.writer import owners
from trifacta_emulator.records import Flow
from trifacta_emulator.state.state import Resource

#: Tables whose rows belong to a row of another table: the column, and that table.
_PARTS = {
    "relationalsources": ("datasourceId", "datasources"),
    "writesettings": ("outputObjectId", "outputobjects"),
    "publications": ("outputObjectId", "outputobjects"),
}


class FlowWrites(Resource):
    """Makes and copies flows.

    :param state: the state of the instance
    """

    def create_empty_flow(
        self,
        name: str,
        description: str = "",
        user_id: int = 1,
        *,
        increment_name: bool = False,
    ) -> Flow:
        """Make a flow without datasets and recipes.

        :param name: display name; several flows may have the same [?]
        :param description: free text
        :param user_id: who makes it; default the first user
        :param increment_name: add a number to a name that is taken. Its form is our choice [?]
        """
        state = self.state
        with state.lock:
            if increment_name:
                name = self._free_name(name)
            flow_id = state.ids.next("flows")
            tables: Tables = {table: [] for table in TABLES}
            tables["flows"] = [{"id": flow_id, "name": name, "description": description}]
            return self._keep_new(flow_id, tables, user_id, "created")

    def copy_flow(
        self,
        flow_id: int,
        *,
        name: str = "",
        description: str = "",
        copy_datasets: bool = False,
        user_id: int = 1,
    ) -> Flow:
        """Copy a flow with its recipes and outputs.

        :param flow_id: the flow to copy
        :param name: name of the copy; empty = ``Copy of`` and its name, our choice [?]
        :param description: of the copy; empty = the same
        :param copy_datasets: the copy gets datasets of its own. Otherwise it uses the same ones
            [P: AAC25]
        :param user_id: who copies it; default the first user
        :raises MissingObjectError: unknown or deleted
        """
        state = self.state
        with state.lock:
            flow = state.flows.find(flow_id)
            package = Package(
                uuid="",
                version=state.product,
                edition="",
                comment="",
                primary_flow_ids=(flow_id,),
                tables=_only(flow.tables, flow_id),
            )
            now = state.options.clock()
            imported = import_package(package, state.ids, at=now, user_id=user_id)
            [row] = imported.tables["flows"]
            row["name"] = name or f"Copy of {flow.name}"
            row["description"] = description or row.get("description")
            if not copy_datasets:
                _keep_datasets(imported)
            event = f"copied from flow {flow_id}"
            copy = self._keep_new(row["id"], imported.tables, user_id, event)
            return state.flows.put(replace(copy, described=flow.described))

    def _free_name(self, name: str) -> str:
        taken = {flow.name for flow in self.state.flows.all()}
        numbered = name
        number = 1
        while numbered in taken:
            number += 1
            numbered = f"{name} ({number})"
        return numbered

    def _keep_new(
        self,
        flow_id: int,
        tables: Tables,
        user_id: int,
        event: str,
    ) -> Flow:
        now = self.state.options.clock()
        self.state.log(now, user_id, f"flow {flow_id} {event}")
        flow = Flow(
            id=flow_id,
            tables=tables,
            described=(),
            created_at=now,
            updated_at=now,
            creator=user_id,
            updater=user_id,
        )
        return self.state.flows.put(flow)


def _keep_datasets(copy: ImportedPackage) -> None:
    """Let a copy read the datasets of the original."""
    old_ids = {new: old for old, new in copy.mapping["datasources"].items()}
    for dataset in copy.tables["datasources"]:
        dataset["id"] = old_ids[dataset["id"]]
    for source in copy.tables["relationalsources"]:
        source["datasourceId"] = old_ids[source["datasourceId"]]


def _only(tables: Tables, flow_id: int) -> Tables:
    """Leave out what belongs to other flows of the same package."""
    kept: Tables = {"flows": rows_where(tables["flows"], "id", flow_id)}
    for table, flow_of in owners(tables).items():
        kept[table] = [row for row in tables[table] if flow_of.get(row["id"]) == flow_id]
    for table, (column, parent) in _PARTS.items():
        kept[table] = rows_among(tables[table], column, ids_of(kept[parent]))
    location_ids = {dataset["storageLocationId"] for dataset in kept["datasources"]}
    kept["storagelocations"] = rows_among(tables["storagelocations"], "id", location_ids)
    return kept
