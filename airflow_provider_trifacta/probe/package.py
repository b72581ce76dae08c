"""Writes the packages of the probe: a flow without recipe steps and outputs, so that nothing of it can run.

The form is that of real exports of 6.8 and 7.1 [P]. Later releases import packages of earlier ones [R]. Releases before
6.8 only import packages of the same build, so the probe cannot write one for them.
"""

from __future__ import annotations

import base64
import io
import json
import secrets
import zipfile
from datetime import datetime, timezone
from typing import Any, NamedTuple
from uuid import uuid1

FLOW_NAME, COMMENT = "Probe flow", "Probe comment"
#: The connection of a package: no instance has it.
CONNECTION_ID = 987_654_321
CONNECTION_UUID = "00000000-0000-1000-8000-0000000000aa"
#: A part of the path that the dataset reads, and what a value rule puts in its place.
PATH_FROM, PATH_TO = "probe-from", "probe-to"

_FLOW_ID, _NODE_ID, _SCRIPT_ID, _SOURCE_ID = 13, 52, 54, 31
#: The first releases of each form, with the migration that their exports name [P].
_FORMS = (((7, 1), "20200212172500"), ((6, 8), "20191114200410"))


class Package(NamedTuple):
    """A package, and what the server should make of it.

    :param content: the ZIP
    :param uuid: its ``metadata.uuid``
    :param comment: its ``metadata.comment``; None where the form has none
    :param flow_name: name of its primary flow
    :param invented: whether the probe wrote it, with a hash of its own
    """

    content: bytes
    uuid: str
    comment: str | None
    flow_name: str
    invented: bool = False


def write(product: tuple[int, int] | None, dataset: str = "") -> Package | None:
    """Write a package.

    :param product: release of the instance; None if it is not known
    :param dataset: what the flow reads: nothing, a ``file``, or a ``table`` of a connection
    :returns: the package; None if the instance only imports packages of its own build
    """
    found = [form for form in _FORMS if product is None or form[0] <= product]
    if not found:
        return None
    release, migration = found[0]
    commented = release >= (7, 1)
    uuid = str(uuid1(node=secrets.randbits(48) | 1 << 40))  # the usual node is an address of this machine
    metadata: dict[str, Any] = {
        "trifactaVersion": f"{release[0]}.{release[1]}.0",
        "exportedAt": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "exportedBy": 1,
        "uuid": uuid,
        **({"comment": COMMENT} if commented else {}),
        "primaryFlowIds": [_FLOW_ID],
        "edition": "Enterprise",
        "lastMigration": migration,
    }
    data = {"artifacts": [], "connections": _connections(dataset), "flows": [_flow(dataset, commented=commented)]}
    # How the vendor computes the hash is not known [?].
    whole = {"type": "flow", "kind": "artifact", "metadata": metadata, "data": data}
    whole["hash"] = base64.b64encode(secrets.token_bytes(24)).decode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"flow_{_FLOW_ID}_{uuid}.json", json.dumps(whole, indent=2))
    return Package(file.getvalue(), uuid, COMMENT if commented else None, FLOW_NAME, True)


def _connections(dataset: str) -> list[dict[str, Any]]:
    one = {"id": CONNECTION_ID, "name": "Probe connection", "description": "", "type": "jdbc", "isGlobal": False}
    one |= {"credentialType": "basic", "credentialsShared": True, "uuid": CONNECTION_UUID}
    return [{**one, "disableTypeInference": False, "vendor": "postgres"}] if dataset == "table" else []


def _flow(dataset: str, *, commented: bool) -> dict[str, Any]:
    flow: dict[str, Any] = {"id": _FLOW_ID, "name": FLOW_NAME, "description": "", "flownodes": [], "flowedges": []}
    flow |= {"references": [], "flowrunparameteroverrides": [], "recipes": [], "outputobjects": [], "datasources": []}
    flow["webhookflowtasks"] = []
    if commented:
        flow |= {"defaultOutputDir": None, "notes": [], "flowgraphvertices": [], "runparameters": []}
    if dataset:
        node = {"id": _NODE_ID, "scriptId": _SCRIPT_ID, "flowNodeId": None, "wrangled": False, "referenceId": None}
        script = {"id": _SCRIPT_ID, "name": "probe.csv", "description": None, "active": True, "nextPortId": 1}
        source = _source(dataset, ("userinfo", "host") if commented else ("container", "blobHost"))
        flow |= {"flownodes": [node], "recipes": [{**script, "steps": []}], "datasources": [source]}
    return flow


def _source(dataset: str, further: tuple[str, str]) -> dict[str, Any]:
    of_table = dataset == "table"
    path, kind = ("", "jdbc") if of_table else (f"/{PATH_FROM}/probe.csv", "hdfs")
    uri = json.dumps({"protocol": kind}) if of_table else f"{kind}://{path}"
    location = {"fullUri": uri, "id": 66, "path": path, "size": None, "type": kind, "bucket": None, "blobHost": None}
    location |= {"container": None, "hash": secrets.token_hex(20), "host": None, "userinfo": None}
    source: dict[str, Any] = {"path": path, "bucket": None, "type": kind, **dict.fromkeys(further)}
    source |= {"isDynamicOrConverted": False, "id": _SOURCE_ID, "dynamicPath": None, "cpProject": None}
    source |= {"connectionId": CONNECTION_ID if of_table else None, "isSchematized": True, "isDynamic": False}
    source |= {"isConverted": False, "disableTypeInference": False, "hasStructuring": not of_table}
    source |= {"parsingScriptId": _SCRIPT_ID, "storageLocation": location, "runParameters": []}
    if of_table:
        table = {"relationalPath": ["public"], "columns": ["id"], "filter": None, "raw": None}
        source["relationalsource"] = {**table, "id": 20, "tableName": "probe"}
    return source
