"""Flows that are made and copied over the API."""

from __future__ import annotations

from dataclasses import replace

from trifacta_emulator.packages.definition import Package, Row, Tables
from trifacta_emulator.packages.imports import TABLES, import_package
from trifacta_emulator.packages.writer import owners
from trifacta_emulator.records import Flow
from trifacta_emulator.state.state import State

#: Tables whose rows belong to a row of another table: the column, and that table.
_PARTS = {
    "relationalsources": ("datasourceId", "datasources"),
    "writesettings": ("outputObjectId", "outputobjects"),
    "publications": ("outputObjectId", "outputobjects"),
}


class FlowWrites:
    """Makes and copies flows.

    :param state: the state of the instance
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def create_empty(
        self, name: str, description: str = "", user_id: int = 1, *, increment_name: bool = False
    ) -> Flow:
        """Make a flow without datasets and recipes.

        :param name: display name; several flows may have the same [?]
        :param description: free text
        :param user_id: who makes it; default the first user
        :param increment_name: add a number to a name that is taken. Its form is our choice [?]
        """
        state = self._state
        with state.lock:
            taken, number = {one.name for one in state.flows.all()}, 1
            wanted = name
            while increment_name and wanted in taken:
                number += 1
                wanted = f"{name} ({number})"
            flow_id = state.ids.next("flows")
            row: Row = {"id": flow_id, "name": wanted, "description": description}
            tables: Tables = {**{table: [] for table in TABLES}, "flows": [row]}
            return self._keep(flow_id, tables, user_id, "created")

    def copy(
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
        :param copy_datasets: the copy gets datasets of its own. Otherwise it uses the same ones [P:
            AAC25]
        :param user_id: who copies it; default the first user
        :raises MissingObjectError: unknown or deleted
        """
        state = self._state
        with state.lock:
            flow = state.flows.find(flow_id)
            package = Package("", state.product, "", "", (flow_id,), _only(flow.tables, flow_id))
            made = import_package(package, state.ids, at=state.options.clock(), user_id=user_id)
            [row] = made.tables["flows"]
            row["name"] = name or f"Copy of {flow.name}"
            row["description"] = description or row.get("description")
            if not copy_datasets:
                old = {new: old for old, new in made.mapping["datasources"].items()}
                for table, column in (("datasources", "id"), ("relationalsources", "datasourceId")):
                    for one in made.tables[table]:
                        one[column] = old[one[column]]
            copied = self._keep(row["id"], made.tables, user_id, f"copied from flow {flow_id}")
            return state.flows.put(replace(copied, described=flow.described))

    def _keep(self, flow_id: int, tables: Tables, user_id: int, what: str) -> Flow:
        state, now = self._state, self._state.options.clock()
        state.log(now, user_id, f"flow {flow_id} {what}")
        return state.flows.put(Flow(flow_id, tables, (), now, now, user_id, user_id))


def _only(tables: Tables, flow_id: int) -> Tables:
    """Leave out what belongs to other flows of the same package."""
    owned = owners(tables)
    kept = {
        "flows": [row for row in tables["flows"] if row["id"] == flow_id],
        **{
            table: [row for row in tables[table] if flow_of.get(row["id"]) == flow_id]
            for table, flow_of in owned.items()
        },
    }
    for table, (column, parent) in _PARTS.items():
        ids = {row["id"] for row in kept[parent]}
        kept[table] = [row for row in tables[table] if row[column] in ids]
    places = {row["storageLocationId"] for row in kept["datasources"]}
    return {
        **kept,
        "storagelocations": [row for row in tables["storagelocations"] if row["id"] in places],
    }
