"""Content of the packages :mod:`package_builder` makes; structures as in real exports [P], values invented."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FLOW_ID, _INPUT_NODE, _RECIPE_NODE = 13, 52, 53
_INPUT_SCRIPT, _RECIPE_SCRIPT, _SOURCE_ID, _LOCATION_ID = 54, 55, 31, 66


@dataclass(frozen=True)
class Connection:
    """
    A connection as a package describes it, without secrets.

    :param id: id on the exporting instance.
    :param name: display name.
    :param uuid: what object import rules match on.
    :param type: e.g. ``jdbc``.
    :param vendor: e.g. ``postgres``; not written in generation 6.0, which had none.
    """

    id: int
    name: str
    uuid: str
    type: str = "jdbc"
    vendor: str = "postgres"


def _script(script_id: int, name: str) -> dict[str, Any]:
    return {"id": script_id, "name": name, "description": None, "active": True, "nextPortId": 1}


def _nodes() -> list[dict[str, Any]]:
    return [
        {"id": node, "scriptId": script, "flowNodeId": None, "wrangled": wrangled, "referenceId": None}
        for node, script, wrangled in (
            (_RECIPE_NODE, _RECIPE_SCRIPT, True),
            (_INPUT_NODE, _INPUT_SCRIPT, False),
        )
    ]


def _edge() -> dict[str, Any]:
    return {
        "id": 39,
        "inFlowNodeId": _INPUT_NODE,
        "inPortId": None,
        "outFlowNodeId": _RECIPE_NODE,
        "outPortId": None,
    }


def _source(connections: Sequence[Connection]) -> dict[str, Any]:
    return {
        "isDynamicOrConverted": False,
        "id": _SOURCE_ID,
        "dynamicPath": None,
        "cpProject": None,
        "connectionId": connections[0].id if connections else None,
        "isSchematized": True,
        "isDynamic": False,
        "isConverted": False,
        "disableTypeInference": False,
        "hasStructuring": not connections,
        "parsingScriptId": _INPUT_SCRIPT,
    }


def _location(connections: Sequence[Connection]) -> dict[str, Any]:
    kind, path = (connections[0].type, "") if connections else ("hdfs", "/trifacta/uploads/orders.csv")
    uri = json.dumps({"protocol": kind}) if connections else f"{kind}://{path}"
    return {
        "fullUri": uri,
        "id": _LOCATION_ID,
        "path": path,
        "size": None,
        "type": kind,
        "bucket": None,
        "blobHost": None,
        "container": None,
        "hash": hashlib.sha256(uri.encode()).hexdigest()[:40],
    }


def _output() -> dict[str, Any]:
    return {
        "id": 86,
        "execution": "photon",
        "profiler": True,
        "flowNodeId": _RECIPE_NODE,
        "isAdhoc": True,
    }


def _write_setting() -> dict[str, Any]:
    return {
        "delim": ",",
        "id": 135,
        "path": "/trifacta/queryResults/orders_clean.csv",
        "action": "create",
        "format": "csv",
        "compression": "none",
        "header": True,
        "asSingleFile": True,
        "prefix": None,
        "suffix": "_increment",
        "hasQuotes": True,
        "connectionId": None,
    }


def _connection(connection: Connection) -> dict[str, Any]:
    return {
        "id": connection.id,
        "name": connection.name,
        "description": "",
        "type": connection.type,
        "isGlobal": False,
        "credentialType": "basic",
        "credentialsShared": True,
        "uuid": connection.uuid,
        "disableTypeInference": False,
    }


def nested_data(name: str, connections: Sequence[Connection], adhoc: bool) -> dict[str, Any]:
    """
    Make ``data`` of 6.8 and later.

    :param name: name of the flow.
    :param connections: the dataset reads from the first one.
    :param adhoc: with a manual output.
    """
    output = {**_output(), "publications": [], "writesettings": [{**_write_setting(), "runParameters": []}]}
    location = _location(connections)
    source = {
        **{key: location[key] for key in ("path", "bucket", "container", "type", "blobHost")},
        **_source(connections),
        "storageLocation": {**location, "host": None, "userinfo": None},
        "runParameters": [],
    }
    flow = {
        "id": FLOW_ID,
        "name": name,
        "description": "",
        "flownodes": _nodes(),
        "flowedges": [_edge()],
        "references": [],
        "flowrunparameteroverrides": [],
        "recipes": [
            {**_script(_RECIPE_SCRIPT, f"{name} recipe"), "steps": []},
            {**_script(_INPUT_SCRIPT, "orders.csv"), "steps": []},
        ],
        "outputobjects": [output] if adhoc else [],
        "datasources": [source],
        "webhookflowtasks": [],
    }
    described = [{**_connection(one), "vendor": one.vendor} for one in connections]
    return {"artifacts": [], "connections": described, "flows": [flow]}


def flat_data(name: str, connections: Sequence[Connection], now: str, adhoc: bool) -> dict[str, Any]:
    """
    Make ``data`` of 6.0.

    :param name: name of the flow.
    :param connections: the dataset reads from the first one.
    :param now: creation time of everything, as written.
    :param adhoc: with a manual output.
    """
    times = {"createdAt": now, "updatedAt": now}
    stamp = {**times, "createdBy": 1, "updatedBy": 1}
    row = {"deleted_at": None, **stamp}
    owned = {"flowId": FLOW_ID, **row}
    flow = {"id": FLOW_ID, "name": name, "description": "", "cpProject": None, "workspaceId": 1, **row}
    source = {**_source(connections), "storageLocationId": _LOCATION_ID, "workspaceId": 1, **row}
    scripts = ((_INPUT_SCRIPT, "orders.csv"), (_RECIPE_SCRIPT, f"{name} recipe"))
    return {
        "flows": [{**flow, "flowRunParameterOverrides": [], "associatedPeople": []}],
        "flownodes": [{**node, **owned, "activesampleId": None, "referenceinfo": None} for node in _nodes()],
        "flowedges": [{**_edge(), **owned}],
        "flowrunparameteroverrides": [],
        "editablescripts": [
            {**_script(*script), **row, "currentEditId": script[0] + 3, "redoLeafEditId": script[0] + 3}
            for script in scripts
        ],
        "edits": [
            {"id": script[0] + 3, "undoBarrier": True, "editablescriptId": script[0], **stamp} for script in scripts
        ],
        "datasources": [source],
        "outputobjects": [{**_output(), **stamp}] if adhoc else [],
        "publications": [],
        "referenceinfos": [],
        "writesettings": [{**_write_setting(), "outputObjectId": 86, **stamp}] if adhoc else [],
        "editsscriptlines": [],
        "scriptlines": [],
        "relationalsources": [],
        "convertedsources": [],
        "runparameters": [],
        "storagelocations": [{**_location(connections), "workspaceId": 1, **times}],
        "runparameteredits": [],
        "connections": [{**_connection(one), "workspaceId": 1, **row, "associatedPeople": []} for one in connections],
    }
