"""Answers in the vendor's API description 2025.23.2: required fields, types and words, as a
generated client has them.

A name with ``*`` is required. Only facts: the client's code is not here. A nested model is named in
place of a type. ``object`` is any object with an ``id``.
"""

from __future__ import annotations

import re
from typing import Any

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_STATES = ("Created", "InProgress", "Complete", "Failed", "Canceled")
_TIMES = {"createdAt*": "time", "updatedAt*": "time"}
_PEOPLE = {"creator": "object", "updater": "object"}
_STAMP = {"id*": "int", **_TIMES, **_PEOPLE}

MODELS: dict[str, dict[str, Any]] = {
    "flow": {
        **_STAMP,
        "name": "str",
        "description": "str",
        "folder": "object",
        "settings": "any",
        "workspace": "object",
    },
    "flowList": {"data*": ["flow"], "count": "int"},
    "wrangledDataset": {
        "id*": "int",
        "createdAt": "time",
        "updatedAt": "time",
        **_PEOPLE,
        "flow*": "object",
        "wrangled*": "bool",
        "recipe": "object",
        "activeSample": "object",
        "referenceinfo": "object",
    },
    "wrangledDatasetList": {"data*": ["wrangledDataset"], "count": "int"},
    "recipe": {
        **_STAMP,
        "name": "str",
        "description": "str",
        "active": "bool",
        "nextPortId": "int",
    },
    "flowEdge": {
        **_STAMP,
        "inPortId": "int",
        "outPortId": "int",
        "inputFlowNode": "object",
        "outputFlowNode": "object",
        "flow": "object",
    },
    "outputObject": {
        **_STAMP,
        # The words of 2025 are those of the cloud: photon, amp, xml-amp, emrSpark.
        "execution": "str",
        "profiler": "bool",
        "isAdhoc": "bool",
        "flownode": "object",
    },
    "outputObjectList": {"data*": ["outputObject"], "count": "int"},
    "writeSetting": {
        "id*": "int",
        "path": "str",
        "action": ("create", "append", "overwrite"),
        "format": ("csv", "json", "avro", "pqt", "hyper"),
        "compression": ("none", "gzip", "bzip2", "snappy"),
        "header": "bool",
        "asSingleFile": "bool",
        "delim": "str",
        "hasQuotes": "bool",
    },
    "jobGraph": {"vertices*": ["int"], "edges*": ["any"]},
    "ids": {"data*": ["object"]},
    "runJobResult": {
        "id*": "int",
        "flowRun": "object",
        "jobs": "ids",
        "jobGraph": "jobGraph",
        "reason": "str",
        "sessionId": "str",
    },
    "runFlowResult": {"flowRunId*": "int", "data*": ["runJobResult"]},
    "runJobTestModeResult": {"datasetId*": "int", "datasetName*": "str", "sessionId*": "str"},
    "flowRun": {
        "id*": "int",
        **_TIMES,
        "scheduleExecutionId": "int",
        "requestId": "str",
        "flow": "object",
    },
    "jobGroup": {
        **_STAMP,
        "name": "str",
        "description": "str",
        "ranfrom": ("ui", "schedule", "api"),
        "ranfor": (
            "recipe",
            "sampling",
            "pendingDatasource",
            "plan",
            "extract",
            "profile",
            "publish",
            "refresh",
        ),
        "status": _STATES,
        "profilingEnabled": "bool",
        "runParameterReferenceDate": "time",
        "snapshot": "object",
        "wrangledDataset": "object",
        "flowrun": "object",
    },
    "jobGroupList": {"data*": ["jobGroup"], "count": "int"},
    "job": {
        "id*": "int",
        "status*": _STATES,
        "jobType*": ("wrangle", "profile", "publish", "filewriter"),
        "sampleSize": "int",
        "percentComplete": "int",
        "jobGroup*": "object",
        "errorMessage": "any",
        "lastHeartbeatAt": "time",
        "createdAt": "time",
        "updatedAt": "time",
        "creator": "object",
    },
    "jobList": {"data*": ["job"], "count": "int"},
    "jobGroupCancelInformation": {"jobIds": ["int"], "jobgroupId*": "int"},
    "jobGroupInputs": {"data*": ["jobGroupInput"]},
    "jobGroupInput": {"name*": "str", "inputs*": ["fileOrTable"]},
    "file": {"uri*": "str", "fileType": ("FILE", "DIRECTORY"), "isPrimaryOutput": "bool"},
    "table": {
        "vendor*": "str",
        "databaseConnectString*": "str",
        "relationalPath*": ["str"],
        "table": "str",
        "action*": "str",
    },
    "jobGroupOutputs": {"files*": ["file"], "tables*": ["table"]},
    "personReadResponse": {
        "id*": "int",
        "email": "str",
        "isDisabled": "bool",
        "state": ("active", "hidden"),
        "outputHomeDir": "str",
        "uploadDir": "str",
        "lastLoginTime": "time",
        "lastStateChange": "time",
        "maximalPrivileges": ["privilege"],
    },
    "privilege": {"operations*": ["str"], "resourceType*": "str"},
    "connection": {
        "id*": "int",
        "uuid*": "str",
        "name*": "str",
        "type*": "str",
        "vendor*": "str",
        "vendorName*": "str",
        "credentialType*": "str",
        "credentials*": "any",
        "description": "str",
        "disableTypeInference": "bool",
        "isGlobal": "bool",
        "credentialsShared": "bool",
        "ssl": "bool",
        "host": "str",
        "port": "int",
        "createdAt": "time",
        "updatedAt": "time",
        **_PEOPLE,
        "workspace": "object",
    },
    "connectionList": {"data*": ["connection"], "count": "int"},
    "apiAccessToken": {
        "tokenId*": "str",
        "description": "str",
        "expiredAt": "time",
        "createdAt*": "time",
        "lastUsed": "time",
    },
    "apiAccessTokenCreateResponse": {"tokenValue*": "str", "tokenInfo*": "apiAccessToken"},
    "apiAccessTokenList": {"data*": ["apiAccessToken"], "count": "int"},
    "importedDataset": {
        **_STAMP,
        "dynamicPath": "str",
        "isDynamic": "bool",
        "isConverted": "bool",
        "disableTypeInference": "bool",
        "parsingScript": "object",
        "storageLocation": "object",
        "connection": "object",
        "type": "str",
        "workspace": "object",
    },
    "importFlowPackageSuccessfulResponse": {
        "deletedObjects": "any",
        "createdObjectMapping": "any",
        "importRuleChanges": "any",
        "primaryFlowIds*": ["int"],
        "flows*": ["flow"],
        "datasources": ["importedDataset"],
        "flownodes": ["wrangledDataset"],
        "flowedges": ["flowEdge"],
        "recipes": ["recipe"],
        "outputobjects": ["outputObject"],
        "webhookflowtasks": ["any"],
        "release": "any",
    },
    "updatedObject": {"id": "int", "updater": "object", "createdAt": "time", "updatedAt": "time"},
    "count": {"count*": "int"},
}
_SIMPLE = {"int": int, "str": str, "bool": bool}


def problems(value: Any, model: str, where: str = "") -> list[str]:
    """Compare an answer with a model: what is wrong, and where."""
    if not isinstance(value, dict):
        return [f"{where or model}: not an object but {value!r}"]
    found = []
    for key, kind in MODELS[model].items():
        name = key.removesuffix("*")
        place = f"{where or model}.{name}"
        # A field that is not required may be null, as in the vendor's own examples.
        if value.get(name) is None:
            found += [f"{place}: missing"] if key.endswith("*") else []
        elif isinstance(kind, list):
            items = value[name]
            found += [] if isinstance(items, list) else [f"{place}: not a list"]
            found += [one for item in items for one in _wrong(item, kind[0], place)]
        else:
            found += _wrong(value[name], kind, place)
    return found


def _wrong(value: Any, kind: Any, place: str) -> list[str]:
    if isinstance(kind, tuple):
        valid = value in kind
    elif kind == "fileOrTable":
        return problems(value, "file" if "uri" in value else "table", place)
    elif kind in MODELS and kind != "any":
        return problems(value, kind, place)
    elif kind == "time":
        valid = isinstance(value, str) and bool(_TIME.fullmatch(value))
    elif kind == "object":
        valid = isinstance(value, dict) and isinstance(value.get("id"), int)
    else:
        valid = kind == "any" or type(value) is _SIMPLE[kind]
    return [] if valid else [f"{place}: {value!r} is not {kind}"]
