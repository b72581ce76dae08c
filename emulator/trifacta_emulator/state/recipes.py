"""Recipes, which the API calls wrangled datasets, within their flows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from trifacta_emulator.errors import MissingObjectError, ValidationError
from trifacta_emulator.packages.definition import Row, Tables, rows_by, rows_where
from trifacta_emulator.records import Flow, Home, Recipe, Release
from trifacta_emulator.state.state import Resource


class Recipes(Resource):
    """Finds and makes recipes.

    :param state: the state of the instance
    """

    def flow_home(self, flow_id: int) -> Home:
        """Find a flow by its id: an ordinary one, or one of a release.

        :param flow_id: its id
        :raises MissingObjectError: unknown; or it, or its release, has been deleted
        """
        with self.state.lock:
            for home, deleted in self._homes():
                if home.flow_id != flow_id:
                    continue
                if deleted:
                    raise MissingObjectError("flows", flow_id, "deleted")
                return home
        raise MissingObjectError("flows", flow_id, "unknown")

    def recipes(self) -> tuple[Recipe, ...]:
        """List the recipes of ordinary flows, oldest first. Those of releases are left out, as
        their flows are [?].
        """
        with self.state.lock:
            recipes: list[Recipe] = []
            for flow in self.state.flows.all():
                nodes = nodes_of(home_of_flow(flow))
                recipes += [node for node in nodes if node.node.get("wrangled")]
            return tuple(recipes)

    def recipe(self, recipe_id: int) -> Recipe:
        """Find a recipe by its id. Those of releases are found too.

        :param recipe_id: its id
        :raises MissingObjectError: unknown; or its flow, or its release, has been deleted
        """
        with self.state.lock:
            for home, deleted in self._homes():
                for recipe in nodes_of(home):
                    if recipe.id != recipe_id:
                        continue
                    if deleted:
                        raise MissingObjectError("wrangledDatasets", recipe_id, "deleted")
                    return recipe
        raise MissingObjectError("wrangledDatasets", recipe_id, "unknown")

    def create_recipe(
        self,
        flow_id: int,
        name: str,
        source_id: int,
        *,
        of_recipe: bool = False,
        user_id: int = 1,
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
        state = self.state
        with state.lock:
            flow = state.flows.find(flow_id)
            now = state.options.clock()
            tables = {table: list(rows) for table, rows in flow.tables.items()}
            if of_recipe:
                self._check_in_flow(source_id, flow_id)
                source_node_id = source_id
            else:
                source_node_id = self._dataset_node(tables, flow_id, source_id)
            script: Row = {
                "id": state.ids.next("recipes"),
                "name": name,
                "description": None,
                "active": True,
            }
            node_id = state.ids.next("flownodes")
            node = _node(node_id, script["id"], flow_id, wrangled=True)
            edge: Row = {
                "id": state.ids.next("flowedges"),
                "flowId": flow_id,
                "inFlowNodeId": source_node_id,
                "inPortId": None,
                "outFlowNodeId": node["id"],
                "outPortId": None,
            }
            tables["recipes"].append(script)
            tables["flownodes"].append(node)
            tables["flowedges"].append(edge)
            state.replace_tables(flow.tables, tables)
            changed = state.flows.find(flow_id)
            state.flows.put(replace(changed, updated_at=now, updater=user_id))
            state.log(now, user_id, f"recipe {node['id']} of flow {flow_id} created")
            return self.recipe(node["id"])

    def _homes(self) -> Iterator[tuple[Home, bool]]:
        for flow in self.state.flows.all(include_deleted=True):
            yield home_of_flow(flow), flow.deleted_at is not None
        for release in self.state.releases.all(include_deleted=True):
            for home in homes_of_release(release):
                yield home, release.deleted_at is not None

    def _check_in_flow(self, recipe_id: int, flow_id: int) -> None:
        if self.recipe(recipe_id).home.flow_id != flow_id:
            raise ValidationError(f"wrangledDatasets {recipe_id} is not in flows {flow_id}")

    def _dataset_node(
        self,
        tables: Tables,
        flow_id: int,
        dataset_id: int,
    ) -> int:
        """Find the node of a dataset in a flow; add it if it is not there."""
        # Copies of a flow share datasets, so its own come first.
        flows = [self.state.flows.find(flow_id), *self.state.flows.all()]
        for flow in flows:
            for dataset in rows_where(flow.tables["datasources"], "id", dataset_id):
                return self._joined(tables, flow_id, flow, dataset)
        raise MissingObjectError("importedDatasets", dataset_id, "unknown")

    def _joined(
        self,
        tables: Tables,
        flow_id: int,
        origin: Flow,
        dataset: Row,
    ) -> int:
        script_id = dataset["parsingScriptId"]
        for node in rows_where(tables["flownodes"], "flowId", flow_id):
            if node["scriptId"] == script_id:
                return int(node["id"])
        if not rows_where(tables["datasources"], "id", dataset["id"]):
            tables["datasources"].append(dataset)
            _take(tables, origin, "recipes", "id", script_id)
            _take(tables, origin, "storagelocations", "id", dataset["storageLocationId"])
            _take(tables, origin, "relationalsources", "datasourceId", dataset["id"])
        node_id = self.state.ids.next("flownodes")
        node = _node(node_id, script_id, flow_id, wrangled=False)
        tables["flownodes"].append(node)
        return node_id


def home_of_flow(flow: Flow) -> Home:
    """Describe an ordinary flow.

    :param flow: the flow
    """
    return Home(
        flow_id=flow.id,
        flow_name=flow.name,
        tables=flow.tables,
        at=flow.created_at,
        user_id=flow.creator,
    )


def homes_of_release(release: Release) -> list[Home]:
    """Describe the flows of a release.

    :param release: the release
    """
    imported = release.imported
    homes = []
    for flow in imported.tables["flows"]:
        home = Home(
            flow_id=flow["id"],
            flow_name=flow["name"],
            tables=imported.tables,
            at=imported.at,
            user_id=imported.user_id,
            deployment_id=release.deployment_id,
            release_id=release.id,
        )
        homes.append(home)
    return homes


def nodes_of(home: Home) -> list[Recipe]:
    """List all nodes of a flow, those of its datasets too.

    :param home: the flow
    """
    scripts = rows_by(home.tables["recipes"], "id")
    nodes = []
    for node in rows_where(home.tables["flownodes"], "flowId", home.flow_id):
        script = scripts.get(node["scriptId"], {})
        nodes.append(Recipe(node, script, home))
    return nodes


def _take(
    tables: Tables,
    origin: Flow,
    table: str,
    column: str,
    value: object,
) -> None:
    """Add to the tables what another flow has."""
    tables[table] += rows_where(origin.tables[table], column, value)


def _node(
    node_id: int,
    script_id: int,
    flow_id: int,
    *,
    wrangled: bool,
) -> Row:
    return {
        "id": node_id,
        "scriptId": script_id,
        "flowId": flow_id,
        "flowNodeId": None,
        "wrangled": wrangled,
        "referenceId": None,
    }
