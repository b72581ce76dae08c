"""What the flows of a package are made of: inputs, recipes and outputs.

The layout of a package depends on the release that exported it. Before 6.8 all rows are in tables of the whole package.
Since then most rows are within their flow, and a dataset holds its location, table and parameters. Both are read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .definition import id_of, rows_of, text_of

#: Characters of a name that count when names are sorted.
_SORTED_BY = 100


@dataclass(frozen=True)
class Input:
    """A dataset that a flow reads.

    :param kind: ``file``, ``table`` or ``query``
    :param path: the file's URI, without the values of parameters; schema and name of the table, with dots between; or
        the query's SQL
    :param connection: name of the package's connection that reads it
    :param parameterised: whether the package marks it as dynamic (``isDynamic``). Such a dataset has parameters in its
        path, or is a query. **No import rule changes its path**
    :param parameters: names of the parameters in its path
    """

    id: int | None
    name: str | None
    flow_id: int | None
    kind: str
    path: str | None
    connection: str | None
    parameterised: bool
    parameters: list[str]


@dataclass(frozen=True)
class Recipe:
    """A recipe. The package keeps the parsing of datasets in the same table; those rows are not recipes."""

    id: int | None
    name: str | None
    flow_id: int | None


@dataclass(frozen=True)
class Target:
    """What an output writes: a file, or a table.

    :param kind: ``file`` or ``table``
    :param path: path of the file; or database, schema and name of the table, with dots between
    :param format: format of the file, or the type of database
    :param action: what happens to existing data, such as ``append``
    :param connection: name of the package's connection that writes it
    """

    kind: str
    path: str | None
    format: str | None
    action: str | None
    connection: str | None


@dataclass(frozen=True)
class Output:
    """An output of a recipe. A deployment runs the ``manual`` ones (Trifacta: ad hoc). None means not known."""

    id: int | None
    recipe: str | None
    flow_id: int | None
    manual: bool | None
    targets: list[Target]


@dataclass(frozen=True)
class Contents:
    """The inputs of a package and its recipes, both by name, and its outputs, by recipe."""

    inputs: list[Input]
    recipes: list[Recipe]
    outputs: list[Output]


def read_contents(definition: Mapping[str, Any]) -> Contents:
    """Read what the flows of a package are made of.

    :param definition: the flow definition
    """
    data = definition.get("data")
    connections = {id_of(row.get("id")): text_of(row.get("name")) for row in rows_of(data, "connections")}
    connections.pop(None, None)  # a row without an id belongs to nothing
    recipes = _recipes(data)
    return Contents(
        inputs=_inputs(data, connections),
        recipes=sorted(recipes.values(), key=lambda recipe: _sortable(recipe.name)),
        outputs=_outputs(data, recipes, connections),
    )


def _everywhere(data: object, table: str) -> Iterator[tuple[int | None, Mapping[str, Any]]]:
    """Find the rows of a table in the whole package and within its flows, each with its flow's id."""
    for row in rows_of(data, table):
        yield id_of(row.get("flowId")), row
    for flow in rows_of(data, "flows"):
        for row in rows_of(flow, table):
            yield id_of(flow.get("id")), row


def _sortable(name: str | None) -> tuple[str, str]:
    start = (name or "")[:_SORTED_BY]
    return start.casefold(), start


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _inputs(data: object, connections: Mapping[int | None, str | None]) -> list[Input]:
    scripts = {
        id_of(row.get("id")): text_of(row.get("name"))
        for table in ("editablescripts", "recipes")
        for _, row in _everywhere(data, table)
    }
    flows = {id_of(node.get("scriptId")): flow for flow, node in _everywhere(data, "flownodes")}
    locations = {id_of(row.get("id")): row for row in rows_of(data, "storagelocations")}
    tables = {id_of(row.get("datasourceId")): row for row in rows_of(data, "relationalsources")}
    parameters = defaultdict(list)
    for dataset, name in _flat_parameters(data):
        parameters[dataset].append(name)
    for known in (scripts, flows, locations, tables, parameters):
        known.pop(None, None)
    found = []
    for flow, row in _everywhere(data, "datasources"):
        own, script = id_of(row.get("id")), id_of(row.get("parsingScriptId"))
        location = _object(row.get("storageLocation")) or locations.get(id_of(row.get("storageLocationId")), {})
        # A table and a parameter belong to one dataset, but a package may give many datasets the same id. Only the
        # first of them gets the table and the parameters, so that the result does not grow out of bounds.
        table = _object(row.get("relationalsource")) or tables.pop(own, {})
        kind, path = _what_is_read(row, location, table)
        found.append(
            Input(
                id=own,
                name=scripts.get(script),
                flow_id=flows.get(script, flow),
                kind=kind,
                path=path,
                connection=connections.get(id_of(row.get("connectionId"))),
                parameterised=row.get("isDynamic") is True,
                parameters=[*_nested_parameters(row), *parameters.pop(own, [])],
            )
        )
    return sorted(found, key=lambda one: _sortable(one.name))


def _what_is_read(
    row: Mapping[str, Any], location: Mapping[str, Any], table: Mapping[str, Any]
) -> tuple[str, str | None]:
    raw, within = table.get("raw"), table.get("relationalPath")
    if raw:
        lines = raw if isinstance(raw, list) else [raw]
        return "query", text_of(" ".join(text for line in lines if (text := text_of(line)))) or None
    if table:
        parts = [*(within if isinstance(within, list) else [within]), table.get("tableName")]
        return "table", text_of(".".join(text for part in parts if (text := text_of(part)))) or None
    return "file", _uri(row, location)


def _uri(row: Mapping[str, Any], location: Mapping[str, Any]) -> str | None:
    path, whole, kind = (text_of(location.get(key)) for key in ("path", "fullUri", "type"))
    dynamic, bucket = text_of(row.get("dynamicPath")), text_of(row.get("dynamicBucket"))
    if whole and "://" in whole and not bucket:
        # The location is what the dataset reads with the default values of its parameters.
        if dynamic is None:
            return whole
        if path and whole.endswith(path):
            return whole[: -len(path)] + dynamic
    bucket = bucket or text_of(location.get("bucket"))
    path = dynamic if dynamic is not None else path
    if kind and (bucket or path):
        return f"{kind}://{bucket or ''}{path or ''}"
    return path


def _nested_parameters(row: Mapping[str, Any]) -> Iterator[str]:
    for parameter in rows_of(row, "runParameters"):
        if name := text_of(_object(parameter.get("runParameterEdit")).get("overrideKey")):
            yield name


def _flat_parameters(data: object) -> Iterator[tuple[int | None, str]]:
    """Find the parameters before 6.8, each with its dataset's id."""
    names = {id_of(row.get("id")): text_of(row.get("overrideKey")) for row in rows_of(data, "runparameteredits")}
    for row in rows_of(data, "runparameters"):
        if name := names.get(id_of(row.get("runParameterEditId"))):
            yield id_of(row.get("datasourceId")), name


def _recipes(data: object) -> dict[int | None, Recipe]:
    """Return the recipes by the node of the flow that they stand at."""
    nodes = list(_everywhere(data, "flownodes"))
    scripts = [row for table in ("editablescripts", "recipes") for _, row in _everywhere(data, table)]
    names = {id_of(row.get("id")): text_of(row.get("name")) for row in scripts}
    datasets = {None} | {id_of(row.get("parsingScriptId")) for _, row in _everywhere(data, "datasources")}
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
    for flow, row in _everywhere(data, "outputobjects"):
        output_id, manual, recipe = id_of(row.get("id")), row.get("isAdhoc"), recipes.get(id_of(row.get("flowNodeId")))
        found = [(kind, target) for kind in _TARGETS for target in rows_of(row, kind)]
        # Each target belongs to one output, but a package may give many outputs the same id. Only the first gets it.
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
    return sorted(outputs, key=lambda output: (_sortable(output.recipe), not output.manual))


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
