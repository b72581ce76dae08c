"""Content of the packages :mod:`package_builder` makes; structures as in real exports [P], values invented."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FLOW_ID, _INPUT_NODE, _RECIPE_NODE = 13, 52, 53
_INPUT_SCRIPT, _RECIPE_SCRIPT, _SOURCE_ID, _LOCATION_ID = 54, 55, 31, 66
_PARAMETER_ID, _PARAMETER_EDIT_ID = 71, 91
_DEFAULT_DATASET = "/trifacta/uploads/orders.csv"
DEFAULT_OUTPUT = "/trifacta/queryResults/orders_clean.csv"


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


@dataclass(frozen=True)
class FlowContent:
    """
    What a package holds; see :func:`build_package`.

    :param name: name of the flow.
    :param connections: the dataset reads from the first one.
    :param adhoc: with a manual output.
    :param dataset: the file the dataset reads; ``None`` = a table of the connection, or a file of ours.
    :param output: the file the output writes.
    :param nested_functions: functions within each other in the one step of the recipe; 0 = it has no step.
    :param parameters: name and default value of what ``dataset`` has in braces.
    """

    name: str
    connections: Sequence[Connection]
    adhoc: bool
    dataset: str | None
    output: str
    nested_functions: int = 0
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def connection(self) -> Connection | None:
        """The connection the dataset reads from."""
        return self.connections[0] if self.connections else None

    @property
    def reads_table(self) -> bool:
        """Whether the dataset reads a table rather than a file."""
        return self.connection is not None and self.dataset is None

    @property
    def default_dataset(self) -> str:
        """The file the dataset reads while its parameters have their default values."""
        path = self.dataset or _DEFAULT_DATASET
        for name, value in self.parameters.items():
            path = path.replace(f"{{{name}}}", value)
        return path


def _script(script_id: int, name: str) -> dict[str, Any]:
    return {"id": script_id, "name": name, "description": None, "active": True, "nextPortId": 1}


def _steps(content: FlowContent) -> list[dict[str, Any]]:
    # A syntax tree: its outermost function is 11 levels deep in the definition, and each further one two more [P].
    if not content.nested_functions:
        return []
    column = {"kind": "column", "type": "Column", "value": "amount", "relation": None}
    formula: dict[str, Any] = column
    for _ in range(content.nested_functions):
        formula = {"annotations": {}, "kind": "func", "type": "Or", "parameters": {"value1": formula, "value2": column}}
    parameters = {"type": {"kind": "bundle", "type": "Bundle", "value": "single"}, "value": formula}
    task = {"annotations": {}, "kind": "task", "type": "Derive", "parameters": parameters, "outputName": None}
    digest = hashlib.sha256(str(content.nested_functions).encode()).hexdigest()[:40]
    return [{"portId": None, "task": task, "tableData": None, "columnMetadata": None, "id": 182, "hash": digest}]


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


def _source(content: FlowContent) -> dict[str, Any]:
    dynamic = bool(content.parameters)
    return {
        "isDynamicOrConverted": dynamic,
        "id": _SOURCE_ID,
        "dynamicPath": _dynamic_path(content)[0] if dynamic else None,
        "cpProject": None,
        "connectionId": content.connection.id if content.connection else None,
        "isSchematized": True,
        "isDynamic": dynamic,
        "isConverted": False,
        "disableTypeInference": False,
        "hasStructuring": not content.reads_table,
        "parsingScriptId": _INPUT_SCRIPT,
    }


def _dynamic_path(content: FlowContent) -> tuple[str, dict[str, int]]:
    """Take the parameters out of the dataset's path: what is left of it, and where in that each of them goes."""
    path, places = str(place(content.dataset or _DEFAULT_DATASET)["path"]), {}
    for name in sorted(content.parameters, key=lambda one: path.find(f"{{{one}}}")):
        places[name] = path.index(f"{{{name}}}")
        path = path.replace(f"{{{name}}}", "", 1)
    return path, places


def _parameters(content: FlowContent) -> list[dict[str, Any]]:
    places = _dynamic_path(content)[1] if content.parameters else {}
    return [
        {
            "id": _PARAMETER_ID + order,
            "type": "path",
            "runParameterEdit": {
                "insertionIndices": [{"index": index, "order": order}],
                "value": {"variable": {"value": content.parameters[name]}},
                "id": _PARAMETER_EDIT_ID + order,
                "overrideKey": name,
            },
        }
        for order, (name, index) in enumerate(places.items())
    ]


def place(dataset: str) -> dict[str, str | None]:
    """
    Take the path of a dataset apart.

    :param dataset: ``s3://bucket/path`` or only a path.
    """
    scheme, slashes, rest = dataset.rpartition("://")
    bucket, _, path = rest.partition("/") if slashes else ("", "", rest.removeprefix("/"))
    return {"type": scheme or "hdfs", "bucket": bucket or None, "path": f"/{path}"}


def describe(connection: Connection, *, flat: bool) -> dict[str, Any]:
    """
    Describe a connection as a package does, without secrets.

    :param connection: the connection.
    :param flat: in the form of 6.0, which has no vendor.
    """
    return _connection(connection) if flat else {**_connection(connection), "vendor": connection.vendor}


def _location(content: FlowContent) -> dict[str, Any]:
    if content.connection is not None and content.dataset is None:
        where = {"type": content.connection.type, "bucket": None, "path": ""}
        uri = json.dumps({"protocol": content.connection.type}, separators=(",", ":"))
    else:
        where = place(content.default_dataset)
        uri = f"{where['type']}://{where['bucket'] or ''}{where['path']}"
    return {
        "fullUri": uri,
        "id": _LOCATION_ID,
        "size": None,
        **where,
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


def _relational_source() -> dict[str, Any]:
    return {
        "relationalPath": ["public"],
        "columns": ["id", "amount"],
        "filter": None,
        "raw": None,
        "id": 20,
        "tableName": "orders",
    }


def _write_setting(content: FlowContent) -> dict[str, Any]:
    return {
        "delim": ",",
        "id": 135,
        "path": content.output,
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


def nested_data(content: FlowContent) -> dict[str, Any]:
    """
    Make ``data`` of 6.8 and later, as far as all of these releases have it.

    :param content: what it holds.
    """
    name = content.name
    nested: dict[str, Any] = {"pbemappingartifacts": [], "targetmappingartifacts": []}
    steps = [{**step, **nested} for step in _steps(content)]
    output = {**_output(), "publications": [], "writesettings": [{**_write_setting(content), "runParameters": []}]}
    source = {
        **_source(content),
        **({"relationalsource": _relational_source()} if content.reads_table else {}),
        "storageLocation": {**_location(content), "host": None, "userinfo": None},
        "runParameters": _parameters(content),
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
            {**_script(_RECIPE_SCRIPT, f"{name} recipe"), "steps": steps},
            {**_script(_INPUT_SCRIPT, "orders.csv"), "steps": []},
        ],
        "outputobjects": [output] if content.adhoc else [],
        "datasources": [source],
        "webhookflowtasks": [],
    }
    described = [describe(one, flat=False) for one in content.connections]
    return {"artifacts": [], "connections": described, "flows": [flow]}


def flat_data(content: FlowContent, now: str) -> dict[str, Any]:
    """
    Make ``data`` of 6.0.

    :param content: what it holds.
    :param now: creation time of everything, as written.
    """
    name, adhoc = content.name, content.adhoc
    times = {"createdAt": now, "updatedAt": now}
    relational = [{**_relational_source(), "datasourceId": _SOURCE_ID, **times}] if content.reads_table else []
    stamp = {**times, "createdBy": 1, "updatedBy": 1}
    row = {"deleted_at": None, **stamp}
    owned = {"flowId": FLOW_ID, **row}
    flow = {"id": FLOW_ID, "name": name, "description": "", "cpProject": None, "workspaceId": 1, **row}
    source = {**_source(content), "storageLocationId": _LOCATION_ID, "workspaceId": 1, **row}
    scripts = ((_INPUT_SCRIPT, "orders.csv"), (_RECIPE_SCRIPT, f"{name} recipe"))
    steps = [{**step, **stamp} for step in _steps(content)]
    parameters = _parameters(content)
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
        "writesettings": [{**_write_setting(content), "outputObjectId": 86, **stamp}] if adhoc else [],
        "editsscriptlines": [
            {"editId": _RECIPE_SCRIPT + 3, "scriptlineId": step["id"], "index": 0, "portId": None, **times}
            for step in steps
        ],
        "scriptlines": steps,
        "relationalsources": relational,
        "convertedsources": [],
        "runparameters": [
            {
                "value": None,
                "insertionIndices": None,
                "id": one["id"],
                "type": one["type"],
                "runParameterEditId": one["runParameterEdit"]["id"],
                "datasourceId": _SOURCE_ID,
                "deleted_at": None,
                **stamp,
            }
            for one in parameters
        ],
        "storagelocations": [{**_location(content), "workspaceId": 1, **times}],
        "runparameteredits": [{**one["runParameterEdit"], "runParameterId": one["id"], **stamp} for one in parameters],
        "connections": [
            {**_connection(one), "workspaceId": 1, **row, "associatedPeople": []} for one in content.connections
        ],
    }
