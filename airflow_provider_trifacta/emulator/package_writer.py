"""Writes the package of a flow from its tables, in the form of the instance's product version."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_trifacta.emulator.clock import iso
from airflow_provider_trifacta.emulator.package_builder import Generation, pack
from airflow_provider_trifacta.emulator.package_content import Connection, describe
from airflow_provider_trifacta.emulator.package_reader import Row, Tables
from airflow_provider_trifacta.emulator.versions import NEW_FLOW_DEFINITION, parse_version

_JSON5, _COMMENTS = (8, 0, 0), (7, 8, 0)
# What a flat package holds besides, empty here.
_EMPTY = ("flowrunparameteroverrides", "edits", "editsscriptlines", "scriptlines", "convertedsources", "runparameters")


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


def write_package(tables: Tables, export: Export) -> bytes:
    """
    Write a package of generation 6.0, 6.8 or 8.0, as the instance's product version has it.

    :param tables: the flow and all that belongs to it; not changed.
    :param export: what to say of it.
    :return: the ZIP.
    """
    release = parse_version(export.version).release
    generation: Generation = "6.0" if release < NEW_FLOW_DEFINITION else "8.0" if release >= _JSON5 else "6.8"
    metadata: dict[str, Any] = {
        "trifactaVersion": export.version,
        "exportedAt": iso(export.at),
        "exportedBy": export.user_id,
        "uuid": export.uuid,
        "primaryFlowIds": [export.flow_id],
        "edition": export.edition,
    }
    if release >= _COMMENTS:
        metadata["comment"] = export.comment
    flat = generation == "6.0"
    described = [describe(one, flat=flat) if isinstance(one, Connection) else one for one in export.connections]
    data = _flat(tables) if flat else {"artifacts": [], "flows": _nested(tables)}
    return pack(
        {**data, "connections": described},
        metadata,
        generation=generation,
        flow_id=export.flow_id,
        flow_name=export.flow_name,
        moment=export.at,
    )


def _flat(tables: Tables) -> dict[str, Any]:
    rows = {table: list(found) for table, found in tables.items() if table not in ("recipes", "references")}
    rows["storagelocations"] = [_location(row) for row in tables["storagelocations"]]
    return {
        **{table: [] for table in _EMPTY},
        **rows,
        "editablescripts": tables["recipes"],
        "referenceinfos": tables["references"],
    }


def _nested(tables: Tables) -> list[Row]:
    owners = _owners(tables)
    return [
        {
            **flow,
            "flowrunparameteroverrides": [],
            **{
                table: [
                    _whole(tables, table, {key: value for key, value in row.items() if key != "flowId"})
                    for row in tables[table]
                    if owners[table].get(row["id"]) == flow["id"]
                ]
                for table in owners
            },
        }
        for flow in tables["flows"]
    ]


def _owners(tables: Tables) -> dict[str, dict[int, int]]:
    """By table: which flow each row belongs to; by their nodes, since not every form says it."""
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
            name: [{**one, "runParameters": []} for one in tables[name] if one["outputObjectId"] == row["id"]]
            for name in ("writesettings", "publications")
        }
        return {**row, **inner}
    if table == "datasources":
        locations = {one["id"]: one for one in tables["storagelocations"]}
        location = locations.get(row["storageLocationId"])
        relational = [one for one in tables["relationalsources"] if one["datasourceId"] == row["id"]]
        return {
            **{key: value for key, value in row.items() if key != "storageLocationId"},
            **(
                {key: location.get(key) for key in ("type", "bucket", "path", "blobHost", "container")}
                if location
                else {}
            ),
            **({"storageLocation": _location(location)} if location else {}),
            **({"relationalsource": relational[0]} if relational else {}),
            "runParameters": [],
        }
    return row


def _location(row: Row) -> Row:
    uri = f"{row.get('type') or 'file'}://{row.get('bucket') or ''}{row.get('path') or ''}"
    return {**row, "fullUri": uri, "size": None, "hash": hashlib.sha256(uri.encode()).hexdigest()[:40]}
