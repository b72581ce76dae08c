"""Writes the package of a flow from its tables, as the instance's product version does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trifacta_emulator.clock import iso
from trifacta_emulator.errors import ValidationError
from trifacta_emulator.packages.definition import (
    Connection,
    Row,
    Tables,
    parse_version,
    rows_by,
    rows_where,
)
from trifacta_emulator.packages.generations import (
    flat_parameters,
    generation_of,
    pack,
    whole_location,
)

# Further tables of a flat package; empty here.
_EMPTY = (
    "flowrunparameteroverrides",
    "edits",
    "editsscriptlines",
    "scriptlines",
    "convertedsources",
)


@dataclass(frozen=True, kw_only=True)
class Export:
    """What an export says about itself.

    :param flow_id: the flow, with its id on this instance
    :param flow_name: its name
    :param uuid: ``metadata.uuid``
    :param at: ``metadata.exportedAt``
    :param user_id: ``metadata.exportedBy``
    :param comment: ``metadata.comment``
    :param version: product version of the instance
    :param edition: its edition
    :param connections: the connections to describe: local ones, or rows of an imported package
    """

    flow_id: int
    flow_name: str
    uuid: str
    at: datetime
    user_id: int
    comment: str
    version: str
    edition: str
    connections: Sequence[Row | Connection]


def write_package(tables: Tables, export: Export) -> bytes:
    """Write a package in the generation of the instance's product version.

    :param tables: the flow and all that belongs to it; they are not changed
    :param export: what the export says about itself
    :returns: the ZIP
    :raises ValidationError: the flow is nested too deeply
    """
    release = parse_version(export.version).release
    metadata: dict[str, Any] = {
        "trifactaVersion": export.version,
        "exportedAt": iso(export.at),
        "exportedBy": export.user_id,
        "uuid": export.uuid,
        "primaryFlowIds": [export.flow_id],
        "edition": export.edition,
    }
    flat = generation_of(release) == "6.0"
    described = []
    for connection in export.connections:
        if isinstance(connection, Connection):
            connection = connection.described(flat=flat)
        described.append(connection)
    if flat:
        data = {**_flat(tables), "connections": described}
    else:
        data = {
            "artifacts": [],
            "connections": described,
            "flows": _nested(tables),
        }
    try:
        return pack(
            data,
            metadata,
            comment=export.comment,
            release=release,
            flow_name=export.flow_name,
            moment=export.at,
        )
    except RecursionError as error:
        raise ValidationError("The flow is nested too deeply to be exported") from error


def _flat(tables: Tables) -> dict[str, Any]:
    data: dict[str, Any] = {table: [] for table in _EMPTY}
    for table, rows in tables.items():
        # Before 6.8 there are no webhooks, and two tables have other names [P].
        if table not in ("recipes", "references", "webhookflowtasks"):
            data[table] = list(rows)
    data["datasources"] = [_without(row, "runParameters") for row in tables["datasources"]]
    # Before 6.8 locations have no hosts [P].
    data["storagelocations"] = []
    for location in tables["storagelocations"]:
        whole = whole_location(location)
        data["storagelocations"].append(_without(whole, "host", "userinfo"))
    # An import does not keep the edits.
    data["editablescripts"] = []
    for recipe in tables["recipes"]:
        script = {
            **recipe,
            "currentEditId": None,
            "redoLeafEditId": None,
        }
        data["editablescripts"].append(script)
    data["referenceinfos"] = tables["references"]
    return data | flat_parameters(tables["datasources"])


def _nested(tables: Tables) -> list[Row]:
    owned = owners(tables)
    flows = []
    for flow in tables["flows"]:
        nested = {"flowrunparameteroverrides": [], **_without_positions(flow)}
        for table, flow_of in owned.items():
            nested[table] = []
            for row in tables[table]:
                if flow_of.get(row["id"]) == flow["id"]:
                    nested_row = _without(row, "flowId")
                    nested[table].append(_whole(tables, table, nested_row))
        flows.append(nested)
    return flows


def _without_positions(flow: Row) -> Row:
    # Positions in the flow view name ids of the exporter, so they are left out. Notes have no
    # position then.
    kept = dict(flow)
    if "flowgraphvertices" in flow:
        kept["flowgraphvertices"] = []
    if "notes" in flow:
        kept["notes"] = []
        for note in flow["notes"] or ():
            if isinstance(note, dict):
                note = {**note, "flowGraphVertexId": None}
            kept["notes"].append(note)
    return kept


def owners(tables: Tables) -> dict[str, dict[int, int]]:
    """Find the flow of each row. Not every form says it, so the nodes decide.

    :param tables: the flows of one package
    :returns: by table: id of the row to id of the flow
    """
    flow_of_node: dict[Any, int] = {}
    flow_of_script: dict[Any, int] = {}
    for node in tables["flownodes"]:
        flow_of_node[node["id"]] = node["flowId"]
        flow_of_script[node["scriptId"]] = node["flowId"]
    first: int = tables["flows"][0]["id"]
    owned: dict[str, dict[int, int]] = {
        "flownodes": flow_of_node,
        "flowedges": {},
        "recipes": {},
        "datasources": {},
        "outputobjects": {},
        "references": {},
        "webhookflowtasks": {},
    }
    for edge in tables["flowedges"]:
        owned["flowedges"][edge["id"]] = edge["flowId"]
    for recipe in tables["recipes"]:
        owned["recipes"][recipe["id"]] = flow_of_script.get(recipe["id"], first)
    for dataset in tables["datasources"]:
        script_id = dataset["parsingScriptId"]
        owned["datasources"][dataset["id"]] = flow_of_script.get(script_id, first)
    for output in tables["outputobjects"]:
        owned["outputobjects"][output["id"]] = flow_of_node.get(output["flowNodeId"], first)
    for reference in tables["references"]:
        owned["references"][reference["id"]] = first
    for webhook in tables["webhookflowtasks"]:
        owned["webhookflowtasks"][webhook["id"]] = webhook["flowId"] or first
    return owned


def _whole(tables: Tables, table: str, row: Row) -> Row:
    """Add to a row what the nested form keeps within it."""
    if table == "outputobjects":
        return _whole_output(tables, row)
    if table == "datasources":
        return _whole_dataset(tables, row)
    return row


def _whole_output(tables: Tables, output: Row) -> Row:
    whole = dict(output)
    for table in ("writesettings", "publications"):
        whole[table] = []
        for row in rows_where(tables[table], "outputObjectId", output["id"]):
            whole[table].append({"runParameters": [], **_without(row, "outputObjectId")})
    return whole


def _whole_dataset(tables: Tables, dataset: Row) -> Row:
    whole = {"runParameters": [], **_without(dataset, "storageLocationId")}
    locations = rows_by(tables["storagelocations"], "id")
    location = locations.get(dataset["storageLocationId"])
    if location is not None:
        whole["storageLocation"] = whole_location(location)
    relational = rows_where(tables["relationalsources"], "datasourceId", dataset["id"])
    if relational:
        whole["relationalsource"] = _without(relational[0], "datasourceId")
    return whole


def _without(row: Row, *columns: str) -> Row:
    kept = dict(row)
    for column in columns:
        kept.pop(column, None)
    return kept
