"""What the flows of a package are made of: inputs, recipes and outputs.

The layout of a package depends on the release that exported it. Before 6.8 all rows are in tables
of the whole package. Since then most rows are within their flow, and a dataset holds its location,
table and parameters. Both are read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..client.models import rows_within, within
from .definition import id_in, text_in, text_of

_Entry = Mapping[str, Any]
_Names = Mapping[int | None, str | None]
#: Documents that an instance converts before it reads them, by the end of the path.
_DOCUMENTS = {(".xlsx", ".xls", ".xlsm"): "Excel", (".pdf",): "PDF"}
#: Characters of a name that count when names are sorted.
_SORTED_BY = 100


@dataclass(frozen=True)
class Input:
    """A dataset that a flow reads.

    :param kind: ``file``, ``table`` or ``query``
    :param path: the file's URI, without the values of parameters; schema and name of the table,
        with dots between; or the query's SQL
    :param connection: name of the package's connection that reads it
    :param parameterised: whether the package marks it as dynamic (``isDynamic``). Such a dataset
        has parameters in its path, or is a query. **No import rule changes its path**
    :param parameters: names of the parameters in its path
    :param converted: what the file is converted from: ``Google Sheets``, ``Excel`` or ``PDF``;
        ``a document`` if the package marks it as converted and shows no more; None for other inputs
    :param table: the name of the table without its schema; None for other inputs
    """

    id: int | None
    name: str | None
    flow_id: int | None
    kind: str
    path: str | None
    connection: str | None
    parameterised: bool
    parameters: list[str]
    converted: str | None = None
    table: str | None = None


@dataclass(frozen=True)
class Recipe:
    """A recipe. The package keeps the parsing of datasets in the same table; those rows are not
    recipes.
    """

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
    :param table: the name of the table without its schema; None for a file
    :param parameters: names of the parameters in its path
    """

    kind: str
    path: str | None
    format: str | None
    action: str | None
    connection: str | None
    table: str | None = None
    parameters: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Output:
    """An output of a recipe. A deployment runs the ``manual`` ones (Trifacta: ad hoc). None means
    not known.
    """

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
    connections = {
        connection_id: text_in(connection, "name")
        for connection_id, connection in _by_id(rows_within(data, "connections")).items()
    }
    scripts = script_names(data)
    recipes = _recipes(data, scripts)
    return Contents(
        inputs=_inputs(data, scripts, connections),
        recipes=sorted(recipes.values(), key=_recipe_order),
        outputs=_outputs(data, recipes, connections),
    )


def script_names(data: object) -> dict[int | None, str | None]:
    """Return the names of recipes and datasets, by the id of their script.

    :param data: the data of the flow definition
    """
    names: dict[int | None, str | None] = {}
    for table in ("editablescripts", "recipes"):
        for _, script in everywhere(data, table):
            names[id_in(script, "id")] = text_in(script, "name")
    names.pop(None, None)
    return names


def _by_id(entries: Iterable[_Entry], key: str = "id") -> dict[int | None, _Entry]:
    """Return entries by an id that they have. What has no id belongs to nothing."""
    by_id: dict[int | None, _Entry] = {id_in(entry, key): entry for entry in entries}
    by_id.pop(None, None)
    return by_id


def everywhere(data: object, table: str) -> Iterator[tuple[int | None, _Entry]]:
    """Find the rows of a table in the whole package and within its flows, each with its
    flow's id.
    """
    for row in rows_within(data, table):
        yield id_in(row, "flowId"), row
    for flow in rows_within(data, "flows"):
        flow_id = id_in(flow, "id")
        for row in rows_within(flow, table):
            yield flow_id, row


def _recipe_order(recipe: Recipe) -> tuple[str, str]:
    return _sortable(recipe.name)


def _input_order(dataset: Input) -> tuple[str, str]:
    return _sortable(dataset.name)


def _output_order(output: Output) -> tuple[tuple[str, str], bool]:
    return _sortable(output.recipe), not output.manual


def _sortable(name: str | None) -> tuple[str, str]:
    start = (name or "")[:_SORTED_BY]
    return start.casefold(), start


def _inputs(data: object, scripts: _Names, connections: _Names) -> list[Input]:
    flows = _flows_by_script(data)
    locations = _by_id(rows_within(data, "storagelocations"))
    tables = _by_id(rows_within(data, "relationalsources"), "datasourceId")
    parameters = _flat_parameters(data)
    inputs = []
    for flow_id, dataset in everywhere(data, "datasources"):
        dataset_id = id_in(dataset, "id")
        script_id = id_in(dataset, "parsingScriptId")
        location = within(dataset, "storageLocation")
        if not location:
            location = locations.get(id_in(dataset, "storageLocationId"), {})
        # A table and a parameter belong to one dataset, but a package may give many datasets the
        # same id. Only the first of them gets the table and the parameters, so that the result does
        # not grow out of bounds.
        table = within(dataset, "relationalsource") or tables.pop(dataset_id, {})
        flat_parameters = parameters.pop(dataset_id, [])
        kind, path = _source(dataset, location, table)
        inputs.append(
            Input(
                id=dataset_id,
                name=scripts.get(script_id),
                flow_id=flows.get(script_id, flow_id),
                kind=kind,
                path=path,
                connection=connections.get(id_in(dataset, "connectionId")),
                parameterised=dataset.get("isDynamic") is True,
                parameters=_parameter_names(dataset) + flat_parameters,
                converted=_converted(dataset, location) if kind == "file" else None,
                table=text_in(table, "tableName") if kind == "table" else None,
            )
        )
    return sorted(inputs, key=_input_order)


def _flows_by_script(data: object) -> dict[int | None, int | None]:
    """Return the ids of flows, by the scripts that stand in them."""
    flows: dict[int | None, int | None] = {}
    for flow_id, node in everywhere(data, "flownodes"):
        flows[id_in(node, "scriptId")] = flow_id
    flows.pop(None, None)
    return flows


def _source(dataset: _Entry, location: _Entry, table: _Entry) -> tuple[str, str | None]:
    """Return the kind of an input, and its path."""
    if table.get("raw"):
        return "query", _joined(" ", table["raw"])
    if table:
        return "table", _joined(".", table.get("relationalPath"), table.get("tableName"))
    return "file", _uri(dataset, location)


def _parameter_names(entry: _Entry) -> list[str]:
    """Return the names of the parameters of an input or a target, which it holds since 6.8."""
    names = []
    for parameter in rows_within(entry, "runParameters"):
        name = text_in(within(parameter, "runParameterEdit"), "overrideKey")
        if name:
            names.append(name)
    return names


def _converted(dataset: _Entry, location: _Entry) -> str | None:
    """Return the document that a file is converted from, None for a plain file."""
    kind = (text_in(location, "type") or "").lower()
    uri = (text_in(location, "fullUri") or "").lower()
    path = (text_in(location, "path") or uri).lower()
    if kind == "gsheets" or uri.startswith("gsheets:"):
        return "Google Sheets"
    for endings, name in _DOCUMENTS.items():
        if path.endswith(endings):
            return name
    return "a document" if dataset.get("isConverted") is True else None


def _joined(between: str, texts: object, *more: object) -> str | None:
    """Return texts as one; ``texts`` is one of them, or a list."""
    parts = list(texts) if isinstance(texts, list) else [texts]
    parts += more
    filled = filter(None, map(text_of, parts))
    return text_of(between.join(filled)) or None


def _uri(dataset: _Entry, location: _Entry) -> str | None:
    dynamic_path = text_in(dataset, "dynamicPath")
    bucket = text_in(dataset, "dynamicBucket")
    if not bucket:
        uri = _whole_uri(location, dynamic_path)
        if uri is not None:
            return uri
        bucket = text_in(location, "bucket")
    path = text_in(location, "path") if dynamic_path is None else dynamic_path
    kind = text_in(location, "type")
    if kind and (bucket or path):
        return f"{kind}://{bucket or ''}{path or ''}"
    return path


def _whole_uri(location: _Entry, dynamic_path: str | None) -> str | None:
    """Return the URI that a location has of its own, with the parameterised path in it.

    :param location: what the dataset reads with the default values of its parameters
    :param dynamic_path: the path without the values of parameters; None if it has none
    :returns: the URI; None if it is not known
    """
    uri = text_in(location, "fullUri") or ""
    if "://" not in uri:
        return None
    if dynamic_path is None:
        return uri
    path = text_in(location, "path")
    if path and uri.endswith(path):
        return uri.removesuffix(path) + dynamic_path
    return None


def _flat_parameters(data: object) -> dict[int | None, list[str]]:
    """Find the names of the parameters before 6.8, by their dataset's id."""
    names: dict[int | None, str | None] = {}
    for edit in rows_within(data, "runparameteredits"):
        names[id_in(edit, "id")] = text_in(edit, "overrideKey")
    parameters = defaultdict(list)
    for parameter in rows_within(data, "runparameters"):
        name = names.get(id_in(parameter, "runParameterEditId"))
        if name:
            parameters[id_in(parameter, "datasourceId")].append(name)
    parameters.pop(None, None)
    return parameters


def _recipes(data: object, names: _Names) -> dict[int | None, Recipe]:
    """Return the recipes by the node of the flow that they stand at."""
    datasets = {id_in(dataset, "parsingScriptId") for _, dataset in everywhere(data, "datasources")}
    nodes = list(everywhere(data, "flownodes"))
    for _, node in nodes:
        if node.get("wrangled") is False:
            datasets.add(id_in(node, "scriptId"))
    recipes = {}
    for flow_id, node in nodes:
        script_id = id_in(node, "scriptId")
        if script_id in names and script_id not in datasets:
            recipes[id_in(node, "id")] = Recipe(script_id, names[script_id], flow_id)
    return recipes


def _outputs(
    data: object, recipes: Mapping[int | None, Recipe], connections: _Names
) -> list[Output]:
    targets_apart = _targets_apart(data, connections)
    outputs = []
    for flow_id, output in everywhere(data, "outputobjects"):
        output_id = id_in(output, "id")
        recipe = recipes.get(id_in(output, "flowNodeId"))
        is_manual = output.get("isAdhoc")
        # Each target belongs to one output, but a package may give many outputs the same id. Only
        # the first gets it.
        targets = _targets_within(output, connections) + targets_apart.pop(output_id, [])
        outputs.append(
            Output(
                id=output_id,
                recipe=recipe.name if recipe else None,
                flow_id=recipe.flow_id if recipe else flow_id,
                manual=is_manual if isinstance(is_manual, bool) else None,
                targets=targets,
            )
        )
    return sorted(outputs, key=_output_order)


def _targets_within(output: _Entry, connections: _Names) -> list[Target]:
    """Return the targets that an output holds itself, since 6.8."""
    files = [_file(target, connections) for target in rows_within(output, "writesettings")]
    tables = [_table(target, connections) for target in rows_within(output, "publications")]
    return files + tables


def _targets_apart(data: object, connections: _Names) -> dict[int | None, list[Target]]:
    """Return the targets before 6.8, which stand in tables of the whole package, by the id of their
    output.
    """
    targets = defaultdict(list)
    for target in rows_within(data, "writesettings"):
        targets[id_in(target, "outputObjectId")].append(_file(target, connections))
    for target in rows_within(data, "publications"):
        targets[id_in(target, "outputObjectId")].append(_table(target, connections))
    targets.pop(None, None)
    return targets


def _file(target: _Entry, connections: _Names) -> Target:
    return Target(
        kind="file",
        path=text_in(target, "path"),
        format=text_in(target, "format"),
        action=text_in(target, "action"),
        connection=connections.get(id_in(target, "connectionId")),
        parameters=_parameter_names(target),
    )


def _table(target: _Entry, connections: _Names) -> Target:
    return Target(
        kind="table",
        path=_joined(".", target.get("path"), target.get("tableName")),
        format=text_in(target, "targetType"),
        action=text_in(target, "action"),
        connection=connections.get(id_in(target, "connectionId")),
        table=text_in(target, "tableName"),
        parameters=_parameter_names(target),
    )
