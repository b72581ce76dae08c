"""Writes the packages of the probe: a flow without recipe steps and outputs, so that nothing of it
can run.

The form is that of real exports of 6.8 and 7.1 [P]. Later releases import packages of earlier ones
[R]. Releases before 6.8 only import packages of the same build, so the probe cannot write one for
them.
"""

from __future__ import annotations

import base64
import io
import json
import secrets
import zipfile
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple
from uuid import uuid1

FLOW_NAME, COMMENT = "Probe flow", "Probe comment"
#: The connection of a package: no instance has it.
CONNECTION_ID = 987_654_321
CONNECTION_UUID = "00000000-0000-1000-8000-0000000000aa"
#: A part of the path that the dataset reads, and what a value rule puts in its place.
PATH_FROM, PATH_TO = "probe-from", "probe-to"

#: The first releases of each form, with the migration that their exports name [P].
_FORMS = (((7, 1), "20200212172500"), ((6, 8), "20191114200410"))
#: The document, and what a flow since 7.1, a dataset, a table and a connection add. A dataset's
#: path is also a part of its location.
_PARTS = Path(__file__).with_name("flow_package.json")


class Package(NamedTuple):
    """A package, and what the server should make of it.

    :param content: the ZIP
    :param uuid: its ``metadata.uuid``, in lower case
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
    :param dataset: what the flow reads: nothing (``plain``), a ``file``, or a ``table`` of a
        connection
    :returns: the package; None if the instance only imports packages of its own build
    """
    found = [form for form in _FORMS if product is None or form[0] <= product[:2]]
    if not found:
        return None
    (major, minor), migration = found[0]
    comment = COMMENT if minor == 1 else None
    parts = json.loads(_PARTS.read_text(encoding="utf-8"))
    whole = parts["document"]
    data, flow = whole["data"], whole["data"]["flows"][0]
    flow |= parts["since_7_1"] if comment else {}
    if dataset != "plain":
        flow |= parts["dataset"]
        source, location = flow["datasources"][0], flow["datasources"][0]["storageLocation"]
        if dataset == "table":
            location |= parts["location_of_table"]
            source |= {**parts["table"], "connectionId": CONNECTION_ID}
            data["connections"] = [
                {**parts["connection"], "id": CONNECTION_ID, "uuid": CONNECTION_UUID}
            ]
        repeated = (
            "path",
            "bucket",
            "type",
            *(("userinfo", "host") if comment else ("container", "blobHost")),
        )
        source |= {name: location[name] for name in repeated}
    uuid = str(
        uuid1(node=secrets.randbits(48) | 1 << 40)
    )  # the usual node is an address of this machine
    exported = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    whole["metadata"] |= {
        "trifactaVersion": f"{major}.{minor}.0",
        "exportedAt": exported,
        "uuid": uuid,
    }
    whole["metadata"] |= {"lastMigration": migration, **({"comment": comment} if comment else {})}
    # How the vendor computes the hash is not known [?].
    whole["hash"] = base64.b64encode(secrets.token_bytes(24)).decode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"flow_{flow['id']}_{uuid}.json", json.dumps(whole, indent=2))
    return Package(file.getvalue(), uuid, comment, flow["name"], invented=True)
