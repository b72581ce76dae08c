"""What the flows of a package are made of: inputs, recipes and outputs.

The layout of a package depends on the release that exported it. Before 6.8 all rows are in tables
of the whole package. Since then most rows are within their flow, and a dataset holds its location,
table and parameters. Both are read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..client.models import rows_within, within
from .definition import id_of, text_of

_Value = TypeVar("_Value")
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
    connections = _known(
        (row.get("id"), text_of(row.get("name"))) for row in rows_within(data, "connections")
    )
    scripts = _known(
        (row.get("id"), text_of(row.get("name")))
        for table in ("editablescripts", "recipes")
        for _, row in everywhere(data, table)
    )
    recipes = _recipes(data, scripts)
    return Contents(
        inputs=_inputs(data, scripts, connections),
        recipes=sorted(recipes.values(), key=lambda recipe: _sortable(recipe.name)),
        outputs=_outputs(data, recipes, connections),
    )


def _known(pairs: Iterable[tuple[object, _Value]]) -> dict[int | None, _Value]:
    """Return values by their ids. What has no id belongs to nothing."""
    return {known: value for given, value in pairs if (known := id_of(given))}


def everywhere(data: object, table: str) -> Iterator[tuple[int | None, Mapping[str, Any]]]:
    """Find the rows of a table in the whole package and within its flows, each with its
    flow's id.
    """
    for row in rows_within(data, table):
        yield id_of(row.get("flowId")), row
    for flow in rows_within(data, "flows"):
        for row in rows_within(flow, table):
            yield id_of(flow.get("id")), row


def _sortable(name: str | None) -> tuple[str, str]:
    start = (name or "")[:_SORTED_BY]
    return start.casefold(), start


def _inputs(data: object, scripts: _Names, connections: _Names) -> list[Input]:
    flows = _known((node.get("scriptId"), flow) for flow, node in everywhere(data, "flownodes"))
    locations = _known((row.get("id"), row) for row in rows_within(data, "storagelocations"))
    tables = _known(
        (row.get("datasourceId"), row) for row in rows_within(data, "relationalsources")
    )
    parameters = defaultdict(list)
    for dataset, name in _flat_parameters(data):
        parameters[dataset].append(name)
    parameters.pop(None, None)
    found = []
    for flow, row in everywhere(data, "datasources"):
        own, script = id_of(row.get("id")), id_of(row.get("parsingScriptId"))
        location = within(row, "storageLocation") or locations.get(
            id_of(row.get("storageLocationId")), {}
        )
        # A table and a parameter belong to one dataset, but a package may give many datasets the
        # same id. Only the first of them gets the table and the parameters, so that the result does
        # not grow out of bounds.
        table = within(row, "relationalsource") or tables.pop(own, {})
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
                parameters=[*_parameter_names(row), *parameters.pop(own, [])],
                converted=_converted(row, location) if kind == "file" else None,
                table=text_of(table.get("tableName")) if kind == "table" else None,
            )
        )
    return sorted(found, key=lambda one: _sortable(one.name))


def _what_is_read(
    row: Mapping[str, Any], location: Mapping[str, Any], table: Mapping[str, Any]
) -> tuple[str, str | None]:
    if table.get("raw"):
        return "query", _joined(" ", table["raw"])
    if table:
        return "table", _joined(".", table.get("relationalPath"), table.get("tableName"))
    return "file", _uri(row, location)


def _parameter_names(row: Mapping[str, Any]) -> list[str]:
    """Return the names of the parameters that stand within a row, since 6.8."""
    names = [
        text_of(within(parameter, "runParameterEdit").get("overrideKey"))
        for parameter in rows_within(row, "runParameters")
    ]
    return [name for name in names if name]


def _converted(row: Mapping[str, Any], location: Mapping[str, Any]) -> str | None:
    """Tell from which document a file is converted, None for a plain file."""
    kind = (text_of(location.get("type")) or "").lower()
    whole = (text_of(location.get("fullUri")) or "").lower()
    path = (text_of(location.get("path")) or whole).lower()
    if kind == "gsheets" or whole.startswith("gsheets:"):
        return "Google Sheets"
    for endings, name in _DOCUMENTS.items():
        if path.endswith(endings):
            return name
    return "a document" if row.get("isConverted") is True else None


def _joined(between: str, texts: object, *more: object) -> str | None:
    """Return texts as one; ``texts`` is one of them, or a list."""
    parts = [*(texts if isinstance(texts, list) else [texts]), *more]
    return text_of(between.join(filter(None, map(text_of, parts)))) or None


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


def _flat_parameters(data: object) -> Iterator[tuple[int | None, str]]:
    """Find the parameters before 6.8, each with its dataset's id."""
    names = {
        id_of(row.get("id")): text_of(row.get("overrideKey"))
        for row in rows_within(data, "runparameteredits")
    }
    for row in rows_within(data, "runparameters"):
        if name := names.get(id_of(row.get("runParameterEditId"))):
            yield id_of(row.get("datasourceId")), name


def _recipes(data: object, names: _Names) -> dict[int | None, Recipe]:
    """Return the recipes by the node of the flow that they stand at."""
    nodes = list(everywhere(data, "flownodes"))
    datasets = {id_of(row.get("parsingScriptId")) for _, row in everywhere(data, "datasources")}
    datasets |= {id_of(node.get("scriptId")) for _, node in nodes if node.get("wrangled") is False}
    return {
        id_of(node.get("id")): Recipe(script, names[script], flow)
        for flow, node in nodes
        if (script := id_of(node.get("scriptId"))) in names and script not in datasets
    }


def _outputs(data: object, recipes: Mapping[int | None, Recipe], names: _Names) -> list[Output]:
    apart = defaultdict(list)
    for kind in _TARGETS:
        for row in rows_within(data, kind):
            apart[id_of(row.get("outputObjectId"))].append((kind, row))
    outputs = []
    for flow, row in everywhere(data, "outputobjects"):
        output_id, manual, recipe = (
            id_of(row.get("id")),
            row.get("isAdhoc"),
            recipes.get(id_of(row.get("flowNodeId"))),
        )
        found = [(kind, target) for kind in _TARGETS for target in rows_within(row, kind)]
        # Each target belongs to one output, but a package may give many outputs the same id. Only
        # the first gets it.
        found += apart.pop(output_id, []) if output_id is not None else []
        outputs.append(
            Output(
                id=output_id,
                recipe=recipe.name if recipe else None,
                flow_id=recipe.flow_id if recipe else flow,
                manual=manual if isinstance(manual, bool) else None,
                targets=[
                    _TARGETS[kind](one, names.get(id_of(one.get("connectionId"))))
                    for kind, one in found
                ],
            )
        )
    return sorted(outputs, key=lambda output: (_sortable(output.recipe), not output.manual))


def _file(row: Mapping[str, Any], connection: str | None) -> Target:
    path, form, action = (text_of(row.get(key)) for key in ("path", "format", "action"))
    return Target("file", path, form, action, connection, parameters=_parameter_names(row))


def _table(row: Mapping[str, Any], connection: str | None) -> Target:
    path = _joined(".", row.get("path"), row.get("tableName"))
    form, action, table = (text_of(row.get(key)) for key in ("targetType", "action", "tableName"))
    return Target("table", path, form, action, connection, table, _parameter_names(row))


#: How to read what an output writes, by table.
_TARGETS = {"writesettings": _file, "publications": _table}
