"""The datasets that the flows of a package read.

Before 6.8 a dataset, its location, its table and its parameters are rows of four tables of the package. Since then all
of that stands within the dataset, and the dataset within its flow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .rows import everywhere, id_of, rows_of, sortable, text_of


@dataclass(frozen=True)
class Input:
    """A dataset that a flow reads.

    :param kind: ``file``, ``table`` or ``query``
    :param path: the file's URI, in which the values of parameters are left out; schema and name of the table, with
        dots between; or the query's SQL
    :param connection: name of the package's connection that it is read through
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


def read_inputs(data: object) -> list[Input]:
    """List the datasets of a package, by name.

    :param data: ``data`` of the flow definition
    """
    connections = {id_of(row.get("id")): text_of(row.get("name")) for row in rows_of(data, "connections")}
    scripts = {
        id_of(row.get("id")): text_of(row.get("name"))
        for table in ("editablescripts", "recipes")
        for _, row in everywhere(data, table)
    }
    flows = {id_of(node.get("scriptId")): flow for flow, node in everywhere(data, "flownodes")}
    locations = {id_of(row.get("id")): row for row in rows_of(data, "storagelocations")}
    tables = {id_of(row.get("datasourceId")): row for row in rows_of(data, "relationalsources")}
    parameters = defaultdict(list)
    for dataset, name in _flat_parameters(data):
        parameters[dataset].append(name)
    for known in (connections, scripts, flows, locations, tables, parameters):
        known.pop(None, None)
    found = []
    for flow, row in everywhere(data, "datasources"):
        own, script = id_of(row.get("id")), id_of(row.get("parsingScriptId"))
        location = _object(row.get("storageLocation")) or locations.get(id_of(row.get("storageLocationId")), {})
        # A table and a parameter belong to one dataset. A package may give many datasets the same id.
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
    return sorted(found, key=lambda one: sortable(one.name))


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
        # The location is what the dataset reads while its parameters have their default values.
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


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
