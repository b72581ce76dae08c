"""What the flows of a package are made of: flows, recipes and outputs.

Packages differ by the exporter's release: before 6.8 all rows are in tables of the whole package, since then most are
within their flow. Both are read. A table that is missing, or not as expected, counts as empty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .rows import everywhere, id_of, rows_of, sortable, text_of


@dataclass(frozen=True)
class ContainedFlow:
    """A flow of the package. A deployment runs its primary one."""

    id: int | None
    name: str | None
    primary: bool


@dataclass(frozen=True)
class Recipe:
    """A recipe. Datasets, whose parsing the package keeps in the same table, are none."""

    id: int | None
    name: str | None
    flow_id: int | None


@dataclass(frozen=True)
class Target:
    """What an output writes: a file, or a table.

    :param kind: ``file`` or ``table``
    :param path: path of the file; database, schema and name of the table, with dots between
    :param format: format of the file, or the type of database
    :param action: what happens to what is there, such as ``append``
    :param connection: name of the package's connection that it is written through
    """

    kind: str
    path: str | None
    format: str | None
    action: str | None
    connection: str | None


@dataclass(frozen=True)
class Output:
    """An output of a recipe. ``manual`` (to Trifacta: ad hoc) ones are what a deployment runs; None: not told."""

    id: int | None
    recipe: str | None
    flow_id: int | None
    manual: bool | None
    targets: list[Target]


@dataclass(frozen=True)
class Contents:
    """The flows of a package, their recipes by name, and their outputs by recipe."""

    flows: list[ContainedFlow]
    recipes: list[Recipe]
    outputs: list[Output]


def read_contents(data: object, primary_ids: object, connections: Mapping[int | None, str | None]) -> Contents:
    """Read what the flows of a package are made of.

    :param data: ``data`` of the flow definition
    :param primary_ids: ``metadata.primaryFlowIds``
    :param connections: names of the package's connections, by id
    """
    recipes = _recipes(data)
    return Contents(
        flows=_flows(data, primary_ids),
        recipes=sorted(recipes.values(), key=lambda recipe: sortable(recipe.name)),
        outputs=_outputs(data, recipes, connections),
    )


def _flows(data: object, primary_ids: object) -> list[ContainedFlow]:
    primary = {id_of(one) for one in primary_ids} - {None} if isinstance(primary_ids, list) else set()
    return [
        ContainedFlow(id_of(row.get("id")), text_of(row.get("name")), id_of(row.get("id")) in primary)
        for row in rows_of(data, "flows")
    ]


def _recipes(data: object) -> dict[int | None, Recipe]:
    """Return the recipes by the node of the flow that they stand at."""
    nodes = list(everywhere(data, "flownodes"))
    scripts = [row for table in ("editablescripts", "recipes") for _, row in everywhere(data, table)]
    names = {id_of(row.get("id")): text_of(row.get("name")) for row in scripts}
    datasets = {None} | {id_of(row.get("parsingScriptId")) for _, row in everywhere(data, "datasources")}
    datasets |= {id_of(node.get("scriptId")) for _, node in nodes if node.get("wrangled") is False}
    return {
        id_of(node.get("id")): Recipe(script, names[script], flow)
        for flow, node in nodes
        if (script := id_of(node.get("scriptId"))) in names and script not in datasets
    }


def _outputs(
    data: object, recipes: Mapping[int | None, Recipe], names: Mapping[int | None, str | None]
) -> list[Output]:
    apart = defaultdict(list)
    for kind in _TARGETS:
        for row in rows_of(data, kind):
            apart[id_of(row.get("outputObjectId"))].append((kind, row))
    outputs = []
    for flow, row in everywhere(data, "outputobjects"):
        output_id, manual, recipe = id_of(row.get("id")), row.get("isAdhoc"), recipes.get(id_of(row.get("flowNodeId")))
        found = [(kind, target) for kind in _TARGETS for target in rows_of(row, kind)]
        # Each target belongs to one output. A package may give many outputs the same id, and then many times as much.
        found += apart.pop(output_id, []) if output_id is not None else []
        outputs.append(
            Output(
                id=output_id,
                recipe=recipe.name if recipe else None,
                flow_id=recipe.flow_id if recipe else flow,
                manual=manual if isinstance(manual, bool) else None,
                targets=[_TARGETS[kind](one, names.get(id_of(one.get("connectionId")))) for kind, one in found],
            )
        )
    return sorted(outputs, key=lambda output: (sortable(output.recipe), not output.manual))


def _file(row: Mapping[str, Any], connection: str | None) -> Target:
    path, form, action = (text_of(row.get(key)) for key in ("path", "format", "action"))
    return Target("file", path, form, action, connection)


def _table(row: Mapping[str, Any], connection: str | None) -> Target:
    within = row.get("path")
    parts = [*(within if isinstance(within, list) else [within]), row.get("tableName")]
    path = ".".join(part for part in parts if isinstance(part, str) and part) or None
    return Target("table", path, text_of(row.get("targetType")), text_of(row.get("action")), connection)


#: How to read what an output writes, by table.
_TARGETS = {"writesettings": _file, "publications": _table}
