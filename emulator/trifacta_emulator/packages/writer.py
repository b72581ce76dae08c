"""Writes the package of a flow from its tables, as the instance's product version does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trifacta_emulator.clock import iso
from trifacta_emulator.errors import ValidationError
from trifacta_emulator.packages.definition import Connection, Row, Tables, parse_version
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
    described = [
        one.described(flat=flat) if isinstance(one, Connection) else one
        for one in export.connections
    ]
    data = (
        {**_flat(tables), "connections": described}
        if flat
        else {"artifacts": [], "connections": described, "flows": _nested(tables)}
    )
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
    # Before 6.8 there are no webhooks, and two tables have other names [P].
    elsewhere = ("recipes", "references", "webhookflowtasks")
    rows = {table: list(found) for table, found in tables.items() if table not in elsewhere}
    rows["datasources"] = [_without(row, "runParameters") for row in tables["datasources"]]
    # Before 6.8 locations have no hosts [P].
    rows["storagelocations"] = [
        _without(_without(whole_location(row), "host"), "userinfo")
        for row in tables["storagelocations"]
    ]
    return {
        **{table: [] for table in _EMPTY},
        **rows,
        # An import does not keep the edits.
        "editablescripts": [
            {**row, "currentEditId": None, "redoLeafEditId": None} for row in tables["recipes"]
        ],
        "referenceinfos": tables["references"],
        **flat_parameters(tables["datasources"]),
    }


def _nested(tables: Tables) -> list[Row]:
    owned = owners(tables)
    return [
        {
            "flowrunparameteroverrides": [],
            **_without_positions(flow),
            **{
                table: [
                    _whole(tables, table, _without(row, "flowId"))
                    for row in tables[table]
                    if owned[table].get(row["id"]) == flow["id"]
                ]
                for table in owned
            },
        }
        for flow in tables["flows"]
    ]


def _without_positions(flow: Row) -> Row:
    # Positions in the flow view name ids of the exporter, so they are left out. Notes have no
    # position then.
    kept = {**flow}
    if "flowgraphvertices" in flow:
        kept["flowgraphvertices"] = []
    if "notes" in flow:
        notes = flow["notes"] or ()
        kept["notes"] = [
            {**note, "flowGraphVertexId": None} if isinstance(note, dict) else note
            for note in notes
        ]
    return kept


def owners(tables: Tables) -> dict[str, dict[int, int]]:
    """Find the flow of each row. Not every form says it, so the nodes decide.

    :param tables: the flows of one package
    :returns: by table: id of the row to id of the flow
    """
    nodes = {row["id"]: row["flowId"] for row in tables["flownodes"]}
    scripts = {row["scriptId"]: row["flowId"] for row in tables["flownodes"]}
    first = tables["flows"][0]["id"]
    return {
        "flownodes": nodes,
        "flowedges": {row["id"]: row["flowId"] for row in tables["flowedges"]},
        "recipes": {row["id"]: scripts.get(row["id"], first) for row in tables["recipes"]},
        "datasources": {
            row["id"]: scripts.get(row["parsingScriptId"], first) for row in tables["datasources"]
        },
        "outputobjects": {
            row["id"]: nodes.get(row["flowNodeId"], first) for row in tables["outputobjects"]
        },
        "references": {row["id"]: first for row in tables["references"]},
        "webhookflowtasks": {
            row["id"]: row["flowId"] or first for row in tables["webhookflowtasks"]
        },
    }


def _whole(tables: Tables, table: str, row: Row) -> Row:
    """Add to a row what the nested form keeps within it."""
    if table == "outputobjects":
        inner = {
            name: [
                {"runParameters": [], **_without(one, "outputObjectId")}
                for one in tables[name]
                if one["outputObjectId"] == row["id"]
            ]
            for name in ("writesettings", "publications")
        }
        return {**row, **inner}
    if table == "datasources":
        locations = {one["id"]: one for one in tables["storagelocations"]}
        location = locations.get(row["storageLocationId"])
        relational = [
            one for one in tables["relationalsources"] if one["datasourceId"] == row["id"]
        ]
        whole = {"runParameters": [], **_without(row, "storageLocationId")}
        if location is not None:
            whole["storageLocation"] = whole_location(location)
        if relational:
            whole["relationalsource"] = _without(relational[0], "datasourceId")
        return whole
    return row


def _without(row: Row, key: str) -> Row:
    return {name: value for name, value in row.items() if name != key}
