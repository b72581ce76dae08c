"""Writes the package of a flow from its tables, in the form of the instance's product version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trifacta_emulator.clock import iso
from trifacta_emulator.errors import ValidationError
from trifacta_emulator.object_rules import USERS
from trifacta_emulator.package_builder import pack
from trifacta_emulator.package_content import Connection, describe
from trifacta_emulator.package_forms import generation_of
from trifacta_emulator.package_reader import Row, Tables
from trifacta_emulator.records import Flow, LocalConnection
from trifacta_emulator.versions import parse_version

# What a flat package holds besides, empty here.
_EMPTY = (
    "flowrunparameteroverrides",
    "edits",
    "editsscriptlines",
    "scriptlines",
    "convertedsources",
)


@dataclass(frozen=True, kw_only=True)
class Export:
    """
    What an export says of itself.

    :param flow_id: the flow, with its id on this instance.
    :param flow_name: its name.
    :param uuid: ``metadata.uuid``.
    :param at: ``metadata.exportedAt``.
    :param user_id: ``metadata.exportedBy``.
    :param comment: ``metadata.comment``.
    :param version: product version of the instance.
    :param edition: its edition.
    :param connections: the connections to describe: local ones, or rows of an imported package.
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


def used_connections(flow: Flow, here: Sequence[LocalConnection]) -> list[Row | Connection]:
    """
    Find the connections that a flow uses: as they are here, or else as the flow's package had them.

    :param flow: the flow.
    :param here: the connections of the instance.
    """
    ids = [row.get("connectionId") for table in USERS for row in flow.tables[table]]
    known: dict[int, Row | Connection] = {one.id: one.packaged for one in here}
    known |= {row["id"]: row for row in flow.described}
    return [known[one] for one in dict.fromkeys(one for one in ids if isinstance(one, int)) if one in known]


def write_package(tables: Tables, export: Export) -> bytes:
    """
    Write a package of generation 6.0, 6.8 or 8.0, as the instance's product version has it.

    :param tables: the flow and all that belongs to it; not changed.
    :param export: what to say of it.
    :return: the ZIP.
    :raises ValidationError: something in it is nested too deeply.
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
    described = [describe(one, flat=flat) if isinstance(one, Connection) else one for one in export.connections]
    data = (
        {**_flat(tables), "connections": described}
        if flat
        else {"artifacts": [], "connections": described, "flows": _nested(tables)}
    )
    try:
        return pack(
            data, metadata, comment=export.comment, release=release, flow_name=export.flow_name, moment=export.at
        )
    except RecursionError as error:
        raise ValidationError("The flow is nested too deeply to be exported") from error


def _flat(tables: Tables) -> dict[str, Any]:
    # Before 6.8 there were no webhooks, and two tables had other names [P].
    elsewhere = ("recipes", "references", "webhookflowtasks")
    rows = {table: list(found) for table, found in tables.items() if table not in elsewhere}
    rows["datasources"] = [_without(row, "runParameters") for row in tables["datasources"]]
    # Nor had locations hosts.
    rows["storagelocations"] = [
        _without(_without(_location(row), "host"), "userinfo") for row in tables["storagelocations"]
    ]
    return {
        **{table: [] for table in _EMPTY},
        **rows,
        # Their edits are not kept.
        "editablescripts": [{**row, "currentEditId": None, "redoLeafEditId": None} for row in tables["recipes"]],
        "referenceinfos": tables["references"],
        **_flat_parameters(tables["datasources"]),
    }


def _flat_parameters(sources: Sequence[Row]) -> dict[str, list[Row]]:
    """Take the parameters out of their datasets, and their values out of them."""
    found = [(one, source["id"]) for source in sources for one in source.get("runParameters") or ()]
    return {
        "runparameters": [
            {
                "value": None,
                "insertionIndices": None,
                "id": one["id"],
                "type": one["type"],
                "runParameterEditId": one["runParameterEdit"]["id"],
                "datasourceId": source_id,
            }
            for one, source_id in found
        ],
        "runparameteredits": [{**one["runParameterEdit"], "runParameterId": one["id"]} for one, _ in found],
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
    # Where things stand in the flow view names ids of the exporter, so it is left out, and notes stand nowhere.
    kept = {**flow}
    if "flowgraphvertices" in flow:
        kept["flowgraphvertices"] = []
    if "notes" in flow:
        notes = flow["notes"] or ()
        kept["notes"] = [{**note, "flowGraphVertexId": None} if isinstance(note, dict) else note for note in notes]
    return kept


def owners(tables: Tables) -> dict[str, dict[int, int]]:
    """
    Tell which flow each row belongs to; by their nodes, since not every form says it.

    :param tables: the flows of one package.
    :return: by table: id of the row to id of the flow.
    """
    nodes = {row["id"]: row["flowId"] for row in tables["flownodes"]}
    scripts = {row["scriptId"]: row["flowId"] for row in tables["flownodes"]}
    first = tables["flows"][0]["id"]
    return {
        "flownodes": nodes,
        "flowedges": {row["id"]: row["flowId"] for row in tables["flowedges"]},
        "recipes": {row["id"]: scripts.get(row["id"], first) for row in tables["recipes"]},
        "datasources": {row["id"]: scripts.get(row["parsingScriptId"], first) for row in tables["datasources"]},
        "outputobjects": {row["id"]: nodes.get(row["flowNodeId"], first) for row in tables["outputobjects"]},
        "references": {row["id"]: first for row in tables["references"]},
        "webhookflowtasks": {row["id"]: row["flowId"] or first for row in tables["webhookflowtasks"]},
    }


def _whole(tables: Tables, table: str, row: Row) -> Row:
    """Put into a row what the nested form keeps within it."""
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
        relational = [one for one in tables["relationalsources"] if one["datasourceId"] == row["id"]]
        whole = {"runParameters": [], **_without(row, "storageLocationId")}
        if location is not None:
            whole["storageLocation"] = _location(location)
        if relational:
            whole["relationalsource"] = _without(relational[0], "datasourceId")
        return whole
    return row


def _without(row: Row, key: str) -> Row:
    return {name: value for name, value in row.items() if name != key}


def _location(row: Row) -> Row:
    uri = f"{row['type']}://{row['bucket'] or ''}{row['path'] or ''}"
    if not row["path"]:
        # A table has no path [P].
        uri = json.dumps({"protocol": row["type"]}, separators=(",", ":"))
    return {**row, "fullUri": uri, "size": None, "hash": hashlib.sha256(uri.encode()).hexdigest()[:40]}
