"""Content of the packages that ``build_package`` makes: the structure of real exports [P], with
invented values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trifacta_emulator.packages.definition import Connection, Row
from trifacta_emulator.packages.generations import flat_parameters, whole_location

FLOW_ID, _INPUT_NODE, _RECIPE_NODE = 13, 52, 53
_INPUT_SCRIPT, _RECIPE_SCRIPT, _SOURCE_ID, _LOCATION_ID = 54, 55, 31, 66
_PARAMETER_ID, _PARAMETER_EDIT_ID = 71, 91
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
        return self.connections[0] if self.connections else None

    @property
    def reads_table(self) -> bool:
        """Whether the dataset reads a table rather than a file."""
        return self.connection is not None and self.dataset is None

    @property
    def default_dataset(self) -> str:
        """The file that the dataset reads with the default values of its parameters."""
        path = self.dataset or _DEFAULT_DATASET
        for name, value in self.parameters.items():
            path = path.replace(f"{{{name}}}", value)
        return path


def _script(script_id: int, name: str) -> Row:
    return {"id": script_id, "name": name, "description": None, "active": True, "nextPortId": 1}


def _steps(content: FlowContent) -> list[Row]:
    # A syntax tree: the outermost function is 11 levels deep in the definition; each further one
    # adds two [P].
    if not content.nested_functions:
        return []
    column = {"kind": "column", "type": "Column", "value": "amount", "relation": None}
    formula: Row = column
    for _ in range(content.nested_functions):
        formula = {
            "annotations": {},
            "kind": "func",
            "type": "Or",
            "parameters": {"value1": formula, "value2": column},
        }
    parameters = {"type": {"kind": "bundle", "type": "Bundle", "value": "single"}, "value": formula}
    task = {
        "annotations": {},
        "kind": "task",
        "type": "Derive",
        "parameters": parameters,
        "outputName": None,
    }
    digest = hashlib.sha256(str(content.nested_functions).encode()).hexdigest()[:40]
    return [
        {
            "portId": None,
            "task": task,
            "tableData": None,
            "columnMetadata": None,
            "id": 182,
            "hash": digest,
        }
    ]


def _nodes() -> list[Row]:
    return [
        {
            "id": node,
            "scriptId": script,
            "flowNodeId": None,
            "wrangled": wrangled,
            "referenceId": None,
        }
        for node, script, wrangled in (
            (_RECIPE_NODE, _RECIPE_SCRIPT, True),
            (_INPUT_NODE, _INPUT_SCRIPT, False),
        )
    ]


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
    """Take the parameters out of the dataset's path: return the rest, and the place of each
    parameter in it.
    """
    path, places = str(place(content.dataset or _DEFAULT_DATASET)["path"]), {}
    for name in sorted(content.parameters, key=lambda one: path.find(f"{{{one}}}")):
        places[name] = path.index(f"{{{name}}}")
        path = path.replace(f"{{{name}}}", "", 1)
    return path, places


def _parameters(content: FlowContent) -> list[Row]:
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
                # Real packages have this field from 8.9 on, always false [P]. Names of the others
                # begin so [M].
                **({"isEnvironmentParameter": True} if name.startswith("env.") else {}),
            },
        }
        for order, (name, index) in enumerate(places.items())
    ]


def place(dataset: str) -> dict[str, str | None]:
    """Split the path of a dataset.

    :param dataset: ``s3://bucket/path`` or only a path
    """
    scheme, slashes, rest = dataset.rpartition("://")
    bucket, _, path = rest.partition("/") if slashes else ("", "", rest.removeprefix("/"))
    return {"type": scheme or "hdfs", "bucket": bucket or None, "path": f"/{path}"}


def _location(content: FlowContent) -> Row:
    where: Row = place(content.default_dataset)
    if content.connection is not None and content.reads_table:
        where = {"type": content.connection.type, "bucket": None, "path": ""}
    return whole_location({"id": _LOCATION_ID, **where, "blobHost": None, "container": None})


def _output() -> Row:
    return {
        "id": 86,
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
    nested: Row = {"pbemappingartifacts": [], "targetmappingartifacts": []}
    steps = [{**step, **nested} for step in _steps(content)]
    output = {
        **_output(),
        "publications": [],
        "writesettings": [{**_write_setting(content), "runParameters": []}],
    }
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
    described = [one.described(flat=False) for one in content.connections]
    return {"artifacts": [], "connections": described, "flows": [flow]}


def flat_data(content: FlowContent, now: str) -> Row:
    """Make ``data`` of 6.0.

    :param content: content of the package
    :param now: creation time of everything, as text
    """
    name, adhoc = content.name, content.adhoc
    times = {"createdAt": now, "updatedAt": now}
    relational = (
        [{**_relational_source(), "datasourceId": _SOURCE_ID, **times}]
        if content.reads_table
        else []
    )
    stamp = {**times, "createdBy": 1, "updatedBy": 1}
    row = {"deleted_at": None, **stamp}
    owned = {"flowId": FLOW_ID, **row}
    flow = {
        "id": FLOW_ID,
        "name": name,
        "description": "",
        "cpProject": None,
        "workspaceId": 1,
        **row,
    }
    source = {**_source(content), "storageLocationId": _LOCATION_ID, "workspaceId": 1, **row}
    scripts = ((_INPUT_SCRIPT, "orders.csv"), (_RECIPE_SCRIPT, f"{name} recipe"))
    steps = [{**step, **stamp} for step in _steps(content)]
    parameters = flat_parameters([{**_source(content), "runParameters": _parameters(content)}])
    return {
        "flows": [{**flow, "flowRunParameterOverrides": [], "associatedPeople": []}],
        "flownodes": [
            {**node, **owned, "activesampleId": None, "referenceinfo": None} for node in _nodes()
        ],
        "flowedges": [{**_edge(), **owned}],
        "flowrunparameteroverrides": [],
        "editablescripts": [
            {
                **_script(*script),
                **row,
                "currentEditId": script[0] + 3,
                "redoLeafEditId": script[0] + 3,
            }
            for script in scripts
        ],
        "edits": [
            {"id": script[0] + 3, "undoBarrier": True, "editablescriptId": script[0], **stamp}
            for script in scripts
        ],
        "datasources": [source],
        "outputobjects": [{**_output(), **stamp}] if adhoc else [],
        "publications": [],
        "referenceinfos": [],
        "writesettings": [{**_write_setting(content), "outputObjectId": 86, **stamp}]
        if adhoc
        else [],
        "editsscriptlines": [
            {
                "editId": _RECIPE_SCRIPT + 3,
                "scriptlineId": step["id"],
                "index": 0,
                "portId": None,
                **times,
            }
            for step in steps
        ],
        "scriptlines": steps,
        "relationalsources": relational,
        "convertedsources": [],
        "runparameters": [
            {**one, "deleted_at": None, **stamp} for one in parameters["runparameters"]
        ],
        "storagelocations": [{**_location(content), "workspaceId": 1, **times}],
        "runparameteredits": [{**one, **stamp} for one in parameters["runparameteredits"]],
        "connections": [
            {**one.described(flat=True), "workspaceId": 1, **row, "associatedPeople": []}
            for one in content.connections
        ],
    }
