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
from typing import Any, NamedTuple
from uuid import uuid1

FLOW_NAME = "Probe flow"
COMMENT = "Probe comment"
#: The connection of a package: no instance has it.
CONNECTION_ID = 987_654_321
CONNECTION_UUID = "00000000-0000-1000-8000-0000000000aa"
#: A part of the path that the dataset reads, and what a value rule puts in its place.
PATH_FROM = "probe-from"
PATH_TO = "probe-to"

#: The document, and what a flow since 7.1, a dataset, a table and a connection add. A dataset's
#: path is also a part of its location.
_PARTS = Path(__file__).with_name("flow_package.json")


class _Form(NamedTuple):
    """A form of packages.

    :param since: the first release whose exports have it
    :param migration: the migration that those exports name [P]
    :param has_comment: whether it has a comment, and a flow the fields of 7.1
    :param location_fields: fields of a location that its dataset repeats
    """

    since: tuple[int, int]
    migration: str
    has_comment: bool
    location_fields: tuple[str, ...]


_LOCATION = ("path", "bucket", "type")
#: The newest first.
_FORMS = (
    _Form((7, 1), "20200212172500", True, (*_LOCATION, "userinfo", "host")),
    _Form((6, 8), "20191114200410", False, (*_LOCATION, "container", "blobHost")),
)


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
    form = _form_for(product)
    if form is None:
        return None
    comment = COMMENT if form.has_comment else None
    document, flow = _document(form, dataset)
    uuid = _uuid()
    document["metadata"] |= _metadata(form, uuid)
    # How the vendor computes the hash is not known [?].
    document["hash"] = base64.b64encode(secrets.token_bytes(24)).decode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"flow_{flow['id']}_{uuid}.json", json.dumps(document, indent=2))
    return Package(file.getvalue(), uuid, comment, flow["name"], invented=True)


def _form_for(product: tuple[int, int, int] | None) -> _Form | None:
    """Return the newest form that an instance takes. Without its release, that is the newest."""
    for form in _FORMS:
        if product is None or form.since <= product[:2]:
            return form
    return None


def _document(form: _Form, dataset: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the document of a package without its metadata, and the flow in it."""
    parts = json.loads(_PARTS.read_text(encoding="utf-8"))
    document = parts["document"]
    data = document["data"]
    flow = data["flows"][0]
    if form.has_comment:
        flow |= parts["since_7_1"]
    if dataset == "plain":
        return document, flow
    flow |= parts["dataset"]
    source = flow["datasources"][0]
    location = source["storageLocation"]
    if dataset == "table":
        location |= parts["location_of_table"]
        source |= parts["table"]
        source["connectionId"] = CONNECTION_ID
        connection = {**parts["connection"], "id": CONNECTION_ID, "uuid": CONNECTION_UUID}
        data["connections"] = [connection]
    for name in form.location_fields:
        source[name] = location[name]
    return document, flow


def _uuid() -> str:
    """Return a UUID of the vendor's kind. Its usual node is an address of this machine."""
    return str(uuid1(node=secrets.randbits(48) | 1 << 40))


def _metadata(form: _Form, uuid: str) -> dict[str, str]:
    major, minor = form.since
    exported = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    metadata = {
        "trifactaVersion": f"{major}.{minor}.0",
        "exportedAt": exported.replace("+00:00", "Z"),
        "uuid": uuid,
        "lastMigration": form.migration,
    }
    if form.has_comment:
        metadata["comment"] = COMMENT
    return metadata
