"""Recipes, which the API calls wrangled datasets, within their flows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from trifacta_emulator.errors import MissingObjectError, ValidationError
from trifacta_emulator.packages.definition import Row, Tables
from trifacta_emulator.records import Flow, Home, Recipe, Release
from trifacta_emulator.state.state import State


class Recipes:
    """Finds and makes recipes.

    :param state: the state of the instance
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def home(self, flow_id: int) -> Home:
        """Find a flow by its id: an ordinary one, or one of a release.

        :param flow_id: its id
        :raises MissingObjectError: unknown; or it, or its release, has been deleted
        """
        with self._state.lock:
            for home, deleted in self._homes():
                if home.flow_id == flow_id:
                    if deleted:
                        raise MissingObjectError("flows", flow_id, "deleted")
                    return home
        raise MissingObjectError("flows", flow_id, "unknown")

    def of(self, home: Home) -> tuple[Recipe, ...]:
        """List the nodes of a flow that hold a recipe, oldest first.

        :param home: the flow
        """
        return tuple(one for one in nodes_of(home) if one.node.get("wrangled"))

    def all(self) -> tuple[Recipe, ...]:
        """List the recipes of ordinary flows, oldest first. Those of releases are left out, as
        their flows are [?].
        """
        with self._state.lock:
            return tuple(
                recipe for flow in self._state.flows.all() for recipe in self.of(home_of_flow(flow))
            )

    def find(self, recipe_id: int) -> Recipe:
        """Find a recipe by its id. Those of releases are found too.

        :param recipe_id: its id
        :raises MissingObjectError: unknown; or its flow, or its release, has been deleted
        """
        with self._state.lock:
            for home, deleted in self._homes():
                for recipe in nodes_of(home):
                    if recipe.id == recipe_id:
                        if deleted:
                            raise MissingObjectError("wrangledDatasets", recipe_id, "deleted")
                        return recipe
        raise MissingObjectError("wrangledDatasets", recipe_id, "unknown")

    def create(
        self, flow_id: int, name: str, source_id: int, *, of_recipe: bool = False, user_id: int = 1
    ) -> Recipe:
        """Make a recipe, without an output.

        :param flow_id: an ordinary flow
        :param name: display name
        :param source_id: id of the dataset that it reads; a dataset of another flow joins this one
        :param of_recipe: ``source_id`` is that of a recipe of the same flow
        :param user_id: who makes it; default the first user
        :raises MissingObjectError: flow or source unknown or deleted
        :raises ValidationError: the recipe that it reads is in another flow
        """
        state = self._state
        with state.lock:
            flow, now = state.flows.find(flow_id), state.options.clock()
            tables = {table: list(rows) for table, rows in flow.tables.items()}
            source = (
                self._reads_recipe(flow_id, source_id)
                if of_recipe
                else self._reads(tables, flow_id, source_id)
            )
            script: Row = {
                "id": state.ids.next("recipes"),
                "name": name,
                "description": None,
                "active": True,
            }
            node = _node(state.ids.next("flownodes"), script["id"], flow_id, wrangled=True)
            edge = {
                "id": state.ids.next("flowedges"),
                "flowId": flow_id,
                "inFlowNodeId": source,
                "inPortId": None,
                "outFlowNodeId": node["id"],
                "outPortId": None,
            }
            for table, row in (("recipes", script), ("flownodes", node), ("flowedges", edge)):
                tables[table].append(row)
            # The flows of one package share their tables.
            for one in state.flows.all(include_deleted=True):
                if one.tables is flow.tables:
                    state.flows.put(replace(one, tables=tables))
            state.flows.put(replace(state.flows.find(flow_id), updated_at=now, updater=user_id))
            state.log(now, user_id, f"recipe {node['id']} of flow {flow_id} created")
            return self.find(node["id"])

    def _homes(self) -> Iterator[tuple[Home, bool]]:
        for flow in self._state.flows.all(include_deleted=True):
            yield home_of_flow(flow), flow.deleted_at is not None
        for release in self._state.releases.all(include_deleted=True):
            for home in homes_of_release(release):
                yield home, release.deleted_at is not None

    def _reads_recipe(self, flow_id: int, recipe_id: int) -> int:
        found = self.find(recipe_id)
        if found.home.flow_id != flow_id:
            raise ValidationError(f"wrangledDatasets {recipe_id} is not in flows {flow_id}")
        return recipe_id

    def _reads(self, tables: Tables, flow_id: int, dataset_id: int) -> int:
        """Find the node of a dataset in a flow; add it if it is not there."""
        # Copies of a flow share datasets, so its own come first.
        for flow in sorted(self._state.flows.all(), key=lambda one: one.id != flow_id):
            for dataset in flow.tables["datasources"]:
                if dataset["id"] == dataset_id:
                    return self._joined(tables, flow_id, flow, dataset)
        raise MissingObjectError("importedDatasets", dataset_id, "unknown")

    def _joined(self, tables: Tables, flow_id: int, other: Flow, dataset: Row) -> int:
        for node in tables["flownodes"]:
            if node["flowId"] == flow_id and node["scriptId"] == dataset["parsingScriptId"]:
                return int(node["id"])
        if all(row["id"] != dataset["id"] for row in tables["datasources"]):
            tables["datasources"].append(dataset)
            for table, column, value in (
                ("recipes", "id", dataset["parsingScriptId"]),
                ("storagelocations", "id", dataset["storageLocationId"]),
                ("relationalsources", "datasourceId", dataset["id"]),
            ):
                tables[table] += [row for row in other.tables[table] if row[column] == value]
        node = _node(
            self._state.ids.next("flownodes"), dataset["parsingScriptId"], flow_id, wrangled=False
        )
        tables["flownodes"].append(node)
        return int(node["id"])


def home_of_flow(flow: Flow) -> Home:
    """Describe an ordinary flow.

    :param flow: the flow
    """
    return Home(flow.id, flow.name, flow.tables, flow.created_at, flow.creator)


def homes_of_release(release: Release) -> list[Home]:
    """Describe the flows of a release.

    :param release: the release
    """
    made = release.imported
    return [
        Home(
            row["id"],
            row["name"],
            made.tables,
            made.at,
            made.user_id,
            release.deployment_id,
            release.id,
        )
        for row in made.tables["flows"]
    ]


def nodes_of(home: Home) -> list[Recipe]:
    """List all nodes of a flow, those of its datasets too.

    :param home: the flow
    """
    scripts = {row["id"]: row for row in home.tables["recipes"]}
    nodes = [row for row in home.tables["flownodes"] if row["flowId"] == home.flow_id]
    return [Recipe(row, scripts.get(row["scriptId"], {}), home) for row in nodes]


def _node(node_id: int, script_id: int, flow_id: int, *, wrangled: bool) -> Row:
    return {
        "id": node_id,
        "scriptId": script_id,
        "flowId": flow_id,
        "flowNodeId": None,
        "wrangled": wrangled,
        "referenceId": None,
    }
