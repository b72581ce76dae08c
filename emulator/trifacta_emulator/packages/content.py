"""Content of the packages that ``build_package`` makes: the structure of real exports [P], with
invented values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trifacta_emulator.packages.definition import Connection, Row, Tables
from trifacta_emulator.packages.generations import flat_parameters, whole_location

FLOW_ID = 13
_INPUT_NODE = 52
_RECIPE_NODE = 53
_INPUT_SCRIPT = 54
_RECIPE_SCRIPT = 55
_SOURCE_ID = 31
_LOCATION_ID = 66
_OUTPUT_ID = 86
_PARAMETER_ID = 71
_PARAMETER_EDIT_ID = 91
_DEFAULT_DATASET = "/trifacta/uploads/orders.csv"
DEFAULT_OUTPUT = "/trifacta/queryResults/orders_clean.csv"


@dataclass(frozen=True)
class FlowContent:
    """What a package holds; see :func:`build_package`.

    :param name: name of the flow
    :param connections: the dataset reads from the first one
    :param adhoc: add a manual output
    :param dataset: file that the dataset reads; ``None`` = a table of the connection, or a default
        file
    :param output: file that the output writes
    :param nested_functions: depth of nested functions in the one step of the recipe; 0 = no step
    :param parameters: default values of the parameters that ``dataset`` has in braces, by name
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
        """The connection that the dataset reads from."""
        if not self.connections:
            return None
        return self.connections[0]

    @property
    def reads_table(self) -> bool:
        """Whether the dataset reads a table rather than a file."""
        return self.connection is not None and self.dataset is None

    @property
    def default_dataset(self) -> str:
        """The file that the dataset reads with the default values of its parameters."""
        path = self.dataset or _DEFAULT_DATASET
        for name, default in self.parameters.items():
            path = path.replace(f"{{{name}}}", default)
        return path


def _script(script_id: int, name: str) -> Row:
    return {
        "id": script_id,
        "name": name,
        "description": None,
        "active": True,
        "nextPortId": 1,
    }


def _steps(content: FlowContent) -> list[Row]:
    # A syntax tree: the outermost function is 11 levels deep in the definition; each further one
    # adds two [P].
    if not content.nested_functions:
        return []
    column = {
        "kind": "column",
        "type": "Column",
        "value": "amount",
        "relation": None,
    }
    formula: Row = column
    for _ in range(content.nested_functions):
        formula = {
            "annotations": {},
            "kind": "func",
            "type": "Or",
            "parameters": {"value1": formula, "value2": column},
        }
    kind = {
        "kind": "bundle",
        "type": "Bundle",
        "value": "single",
    }
    task = {
        "annotations": {},
        "kind": "task",
        "type": "Derive",
        "parameters": {"type": kind, "value": formula},
        "outputName": None,
    }
    digest = hashlib.sha256(str(content.nested_functions).encode())
    step = {
        "portId": None,
        "task": task,
        "tableData": None,
        "columnMetadata": None,
        "id": 182,
        "hash": digest.hexdigest()[:40],
    }
    return [step]


def _nodes() -> list[Row]:
    return [
        _node(_RECIPE_NODE, _RECIPE_SCRIPT, wrangled=True),
        _node(_INPUT_NODE, _INPUT_SCRIPT, wrangled=False),
    ]


def _node(node_id: int, script_id: int, *, wrangled: bool) -> Row:
    return {
        "id": node_id,
        "scriptId": script_id,
        "flowNodeId": None,
        "wrangled": wrangled,
        "referenceId": None,
    }


def _edge() -> Row:
    return {
        "id": 39,
        "inFlowNodeId": _INPUT_NODE,
        "inPortId": None,
        "outFlowNodeId": _RECIPE_NODE,
        "outPortId": None,
    }


def _source(content: FlowContent) -> Row:
    dynamic = bool(content.parameters)
    dynamic_path = None
    if dynamic:
        dynamic_path, _ = _dynamic_path(content)
    connection_id = None
    if content.connection:
        connection_id = content.connection.id
    return {
        "isDynamicOrConverted": dynamic,
        "id": _SOURCE_ID,
        "dynamicPath": dynamic_path,
        "cpProject": None,
        "connectionId": connection_id,
        "isSchematized": True,
        "isDynamic": dynamic,
        "isConverted": False,
        "disableTypeInference": False,
        "hasStructuring": not content.reads_table,
        "parsingScriptId": _INPUT_SCRIPT,
    }


def _dynamic_path(content: FlowContent) -> tuple[str, dict[str, int]]:
    """Take the parameters out of the dataset's path: return the rest, and the place of each
    parameter in it.
    """
    path = str(place(content.dataset or _DEFAULT_DATASET)["path"])
    by_position = {}
    for name in content.parameters:
        by_position[path.find(f"{{{name}}}")] = name
    places = {}
    for _, name in sorted(by_position.items()):
        placeholder = f"{{{name}}}"
        places[name] = path.index(placeholder)
        path = path.replace(placeholder, "", 1)
    return path, places


def _parameters(content: FlowContent) -> list[Row]:
    if not content.parameters:
        return []
    _, places = _dynamic_path(content)
    parameters = []
    for order, (name, index) in enumerate(places.items()):
        edit = {
            "insertionIndices": [{"index": index, "order": order}],
            "value": {"variable": {"value": content.parameters[name]}},
            "id": _PARAMETER_EDIT_ID + order,
            "overrideKey": name,
        }
        # Real packages have this field from 8.9 on, always false [P]. Names of the others begin so
        # [M].
        if name.startswith("env."):
            edit["isEnvironmentParameter"] = True
        parameter = {
            "id": _PARAMETER_ID + order,
            "type": "path",
            "runParameterEdit": edit,
        }
        parameters.append(parameter)
    return parameters


def place(dataset: str) -> dict[str, str | None]:
    """Split the path of a dataset.

    :param dataset: ``s3://bucket/path`` or only a path
    """
    scheme, slashes, rest = dataset.rpartition("://")
    bucket = ""
    path = rest.removeprefix("/")
    if slashes:
        bucket, _, path = rest.partition("/")
    return {
        "type": scheme or "hdfs",
        "bucket": bucket or None,
        "path": f"/{path}",
    }


def _location(content: FlowContent) -> Row:
    location: Row = {"id": _LOCATION_ID, **place(content.default_dataset)}
    if content.connection is not None and content.reads_table:
        location |= {
            "type": content.connection.type,
            "bucket": None,
            "path": "",
        }
    location |= {"blobHost": None, "container": None}
    return whole_location(location)


def _output() -> Row:
    return {
        "id": _OUTPUT_ID,
        "execution": "photon",
        "profiler": True,
        "flowNodeId": _RECIPE_NODE,
        "isAdhoc": True,
    }


def _relational_source() -> Row:
    return {
        "relationalPath": ["public"],
        "columns": ["id", "amount"],
        "filter": None,
        "raw": None,
        "id": 20,
        "tableName": "orders",
    }


def _write_setting(content: FlowContent) -> Row:
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


def nested_data(content: FlowContent) -> Row:
    """Make ``data`` of 6.8 and later, with the columns that all these releases have.

    :param content: content of the package
    """
    name = content.name
    steps = []
    for step in _steps(content):
        steps.append({**step, "pbemappingartifacts": [], "targetmappingartifacts": []})
    output = {
        **_output(),
        "publications": [],
        "writesettings": [{**_write_setting(content), "runParameters": []}],
    }
    source = {
        **_source(content),
        "storageLocation": {**_location(content), "host": None, "userinfo": None},
        "runParameters": _parameters(content),
    }
    if content.reads_table:
        source["relationalsource"] = _relational_source()
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
    connections = [connection.described(flat=False) for connection in content.connections]
    return {
        "artifacts": [],
        "connections": connections,
        "flows": [flow],
    }


def flat_data(content: FlowContent, now: str) -> Row:
    """Make ``data`` of 6.0.

    :param content: content of the package
    :param now: creation time of everything, as text
    """
    times = {"createdAt": now, "updatedAt": now}
    stamp = {
        **times,
        "createdBy": 1,
        "updatedBy": 1,
    }
    row = {"deleted_at": None, **stamp}
    owned = {"flowId": FLOW_ID, **row}
    flow = {
        "id": FLOW_ID,
        "name": content.name,
        "description": "",
        "cpProject": None,
        "workspaceId": 1,
        **row,
        "flowRunParameterOverrides": [],
        "associatedPeople": [],
    }
    source = {
        **_source(content),
        "storageLocationId": _LOCATION_ID,
        "workspaceId": 1,
        **row,
    }
    data: Row = {
        "flows": [flow],
        "flownodes": [],
        "flowedges": [{**_edge(), **owned}],
        "flowrunparameteroverrides": [],
        "datasources": [source],
        "outputobjects": [],
        "publications": [],
        "referenceinfos": [],
        "writesettings": [],
        "relationalsources": [],
        "convertedsources": [],
        "storagelocations": [{**_location(content), "workspaceId": 1, **times}],
        "connections": [],
        **_flat_scripts(content, row, stamp),
        **_flat_steps(content, stamp, times),
        **_flat_parameters(content, stamp),
    }
    for node in _nodes():
        flat_node = {**node, **owned, "activesampleId": None, "referenceinfo": None}
        data["flownodes"].append(flat_node)
    if content.adhoc:
        setting = {
            **_write_setting(content),
            "outputObjectId": _OUTPUT_ID,
            **stamp,
        }
        data["outputobjects"].append({**_output(), **stamp})
        data["writesettings"].append(setting)
    if content.reads_table:
        table = {
            **_relational_source(),
            "datasourceId": _SOURCE_ID,
            **times,
        }
        data["relationalsources"].append(table)
    for connection in content.connections:
        described = connection.described(flat=True)
        data["connections"].append({**described, "workspaceId": 1, **row, "associatedPeople": []})
    return data


def _flat_scripts(content: FlowContent, row: Row, stamp: Row) -> Tables:
    """Write the recipes, each with its current edit."""
    scripts = [
        _script(_INPUT_SCRIPT, "orders.csv"),
        _script(_RECIPE_SCRIPT, f"{content.name} recipe"),
    ]
    edits = []
    for script in scripts:
        edit_id = _edit_of(script["id"])
        script |= {
            **row,
            "currentEditId": edit_id,
            "redoLeafEditId": edit_id,
        }
        edit = {
            "id": edit_id,
            "undoBarrier": True,
            "editablescriptId": script["id"],
            **stamp,
        }
        edits.append(edit)
    return {"editablescripts": scripts, "edits": edits}


def _flat_steps(content: FlowContent, stamp: Row, times: Row) -> Tables:
    lines = []
    positions = []
    for step in _steps(content):
        lines.append({**step, **stamp})
        position = {
            "editId": _edit_of(_RECIPE_SCRIPT),
            "scriptlineId": step["id"],
            "index": 0,
            "portId": None,
            **times,
        }
        positions.append(position)
    return {"scriptlines": lines, "editsscriptlines": positions}


def _flat_parameters(content: FlowContent, stamp: Row) -> Tables:
    source = {**_source(content), "runParameters": _parameters(content)}
    tables = flat_parameters([source])
    for parameter in tables["runparameters"]:
        parameter |= {"deleted_at": None, **stamp}
    for edit in tables["runparameteredits"]:
        edit |= stamp
    return tables


def _edit_of(script_id: int) -> int:
    return script_id + 3
