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

COMMENT = "Probe comment"
#: The connection of a package: no instance has it.
CONNECTION_ID = 987_654_321
CONNECTION_UUID = "00000000-0000-1000-8000-0000000000aa"
#: A part of the path that the dataset reads, and what a value rule puts in its place.
PATH_FROM, PATH_TO = "probe-from", "probe-to"

#: The first releases of each form, with the migration that their exports name [P].
_FORMS = (((7, 1), "20200212172500"), ((6, 8), "20191114200410"))
_FLOW = """
{"id": 13, "name": "Probe flow", "description": "", "flownodes": [], "flowedges": [], "references": [], "recipes": [],
"flowrunparameteroverrides": [], "outputobjects": [], "datasources": [], "webhookflowtasks": []}
"""
_SINCE_7_1 = '{"defaultOutputDir": null, "notes": [], "flowgraphvertices": [], "runparameters": []}'
#: What a dataset adds to the flow.
_DATASET = """
{"flownodes": [{"id": 52, "scriptId": 54, "flowNodeId": null, "wrangled": false, "referenceId": null}],
"recipes": [{"id": 54, "name": "probe", "description": null, "active": true, "nextPortId": 1, "steps": []}],
"datasources": [{"id": 31, "isDynamicOrConverted": false, "dynamicPath": null, "cpProject": null, "connectionId": null,
"isSchematized": true, "isDynamic": false, "isConverted": false, "disableTypeInference": false, "hasStructuring": true,
"parsingScriptId": 54, "runParameters": [], "storageLocation": {"id": 66, "size": null, "bucket": null, "host": null,
"blobHost": null, "container": null, "userinfo": null}}]}
"""
_TABLE = """
{"relationalPath": ["public"], "columns": ["id"], "filter": null, "raw": null, "id": 20, "tableName": "probe"}
"""
_CONNECTION = """
{"name": "Probe connection", "description": "", "type": "jdbc", "isGlobal": false, "credentialType": "basic",
"credentialsShared": true, "disableTypeInference": false, "vendor": "postgres"}
"""


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


def write(product: tuple[int, int, int] | None, dataset: str) -> Package | None:
    """Write a package.

    :param product: release of the instance; None if it is not known
    :param dataset: what the flow reads: nothing (``plain``), a ``file``, or a ``table`` of a connection
    :returns: the package; None if the instance only imports packages of its own build
    """
    found = [form for form in _FORMS if product is None or form[0] <= product[:2]]
    if not found:
        return None
    (major, minor), migration = found[0]
    comment = COMMENT if minor == 1 else None
    flow = json.loads(_FLOW) | (json.loads(_SINCE_7_1) if comment else {}) | _dataset(dataset, commented=bool(comment))
    described = (
        [{**json.loads(_CONNECTION), "id": CONNECTION_ID, "uuid": CONNECTION_UUID}] if dataset == "table" else []
    )
    uuid = str(uuid1(node=secrets.randbits(48) | 1 << 40))  # the usual node is an address of this machine
    metadata = {
        "trifactaVersion": f"{major}.{minor}.0",
        "exportedAt": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "exportedBy": 1,
        "uuid": uuid,
        **({"comment": comment} if comment else {}),
        "primaryFlowIds": [flow["id"]],
        "edition": "Enterprise",
        "lastMigration": migration,
    }
    data = {"artifacts": [], "connections": described, "flows": [flow]}
    # How the vendor computes the hash is not known [?].
    digest = base64.b64encode(secrets.token_bytes(24)).decode()
    whole = {"type": "flow", "kind": "artifact", "metadata": metadata, "data": data, "hash": digest}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"flow_{flow['id']}_{uuid}.json", json.dumps(whole, indent=2))
    return Package(file.getvalue(), uuid, comment, flow["name"], invented=True)


def _dataset(kind: str, *, commented: bool) -> dict[str, Any]:
    if kind == "plain":
        return {}
    whole: dict[str, Any] = json.loads(_DATASET)
    source, path = whole["datasources"][0], f"/{PATH_FROM}/probe.csv"
    where = {"type": "hdfs", "path": path, "fullUri": f"hdfs://{path}", "hash": secrets.token_hex(20)}
    if kind == "table":
        where |= {"type": "jdbc", "path": "", "fullUri": '{"protocol":"jdbc"}'}
        source |= {"connectionId": CONNECTION_ID, "hasStructuring": False, "relationalsource": json.loads(_TABLE)}
    source["storageLocation"] |= where
    # A dataset repeats a part of its location.
    repeated = ("userinfo", "host") if commented else ("container", "blobHost")
    source |= {name: source["storageLocation"][name] for name in ("path", "bucket", "type", *repeated)}
    return whole
