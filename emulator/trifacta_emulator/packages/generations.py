"""How each release of the product writes a package.

Real packages of 6.0, 6.8, 7.1, 7.6, 7.8, 8.0, 8.6 and 8.9 were seen [P]. A release in between
writes the same as the last one seen before it [I]. The options of jobs differ by edition and stay
empty here.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Literal

from trifacta_emulator.packages.definition import NEW_FLOW_DEFINITION, Row
from trifacta_emulator.packages.reader import deep_recursion

Generation = Literal["6.0", "6.8", "8.0"]
Release = tuple[int, int, int]

_COMMENTS = (7, 1, 0)
_NAMED_FILES = (7, 6, 0)
_EXAMPLES = (7, 8, 0)
_JSON5 = (8, 0, 0)
_TEMPLATES = (8, 6, 0)
_DESCRIBED_OUTPUTS = (8, 9, 0)
#: By table: the columns that rows have from a release on, with their values for rows that lack
#: them.
_ADDED: dict[str, tuple[tuple[Release, Row], ...]] = {
    "flows": (
        (
            _COMMENTS,
            {"defaultOutputDir": None, "notes": [], "flowgraphvertices": [], "runparameters": []},
        ),
        (_NAMED_FILES, {"settings": {"optimize": "default"}}),
        (_EXAMPLES, {"fromExampleFlowHash": None, "fromExampleFlowName": None}),
        (_TEMPLATES, {"fromTemplateId": None}),
    ),
    "flownodes": ((_DESCRIBED_OUTPUTS, {"sampleLoadLimit": None}),),
    "recipes": ((_NAMED_FILES, {"dqScriptRules": []}),),
    "outputobjects": (
        (_COMMENTS, {"outputobjectdataflowoptions": [], "outputobjectsparkoptions": []}),
        (_TEMPLATES, {"ignoreRecipeErrors": False, "checkSchemaDrift": False, "sqlscripts": []}),
        (_DESCRIBED_OUTPUTS, {"name": None, "description": None}),
    ),
    "datasources": (
        (
            _TEMPLATES,
            {
                "hasDynamicBucket": False,
                "hasDynamicUserInfoOrHost": False,
                "dynamicBucket": None,
                "dynamicHost": None,
                "dynamicUserInfo": None,
            },
        ),
        (_DESCRIBED_OUTPUTS, {"hasDynamicUserInfo": False, "hasDynamicHost": False}),
    ),
}
#: By table: the columns that rows no longer have from a release on.
_REMOVED: dict[str, tuple[tuple[Release, str], ...]] = {
    "datasources": ((_JSON5, "cpProject"), (_DESCRIBED_OUTPUTS, "hasDynamicUserInfoOrHost")),
}
#: What a dataset repeats of its location: before 7.1, and from 7.1 on.
_REPEATED_BEFORE = ("path", "bucket", "container", "type", "blobHost")
_REPEATED_SINCE = ("path", "bucket", "userinfo", "type", "host")
_MIGRATIONS = (
    (_DESCRIBED_OUTPUTS, "20211003124929"),
    (_TEMPLATES, "20210525095229"),
    (_JSON5, "20210103151442"),
    (_EXAMPLES, "20201009121100"),
    (_NAMED_FILES, "20200619000001"),
    (_COMMENTS, "20200212172500"),
    (NEW_FLOW_DEFINITION, "20191114200410"),
)
# ZIP has no dates before 1980 and none after 2107.
_FIRST_DATE = (1980, 1, 1, 0, 0, 0)
_LAST_DATE = (2107, 12, 31, 0, 0, 0)
# A slash would make a folder. The replacement is our choice [?].
_NO_FILE_NAME = re.compile(r"[/\\\x00-\x1f]")
# JavaScript allows fewer letters than Python in unquoted keys.
_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def generation_of(release: Release) -> Generation:
    """Return the generation of the packages that a release exports.

    :param release: release of the product
    """
    if release < NEW_FLOW_DEFINITION:
        return "6.0"
    if release < _JSON5:
        return "6.8"
    return "8.0"


def pack(
    data: Mapping[str, Any],
    metadata: Mapping[str, Any],
    *,
    comment: str,
    release: Release,
    flow_name: str,
    moment: datetime,
    artifacts: Mapping[str, bytes] | None = None,
) -> bytes:
    """Put a flow definition into a ZIP, with the vendor's names and spelling.

    :param data: ``data`` of the definition, in the form of the release's generation
    :param metadata: its ``metadata``, as far as all releases have it
    :param comment: ``metadata.comment``, for releases that have one
    :param release: release of the exporting product
    :param flow_name: name of the primary flow
    :param moment: date of the members
    :param artifacts: further members
    :returns: the ZIP
    """
    document: dict[str, Any] = {"metadata": _header(metadata, comment, release), "data": data}
    name = _file_name(metadata["primaryFlowIds"][0], flow_name, metadata["uuid"], release)
    with deep_recursion():
        if generation_of(release) != "6.0":
            flows = [_complete(flow, release) for flow in data["flows"]]
            document["data"] = {**data, "flows": flows}
            document = {
                "type": "flow",
                "kind": "artifact",
                **document,
            }
            document["hash"] = _hash_of(document)
        definition = _spell(document, release).encode()
    members = {name: definition}
    members.update(artifacts or {})
    return _zip(members, moment)


def _hash_of(document: Mapping[str, Any]) -> str:
    # 24 bytes in base64 [P]. How the vendor computes them is not known [?].
    digest = hashlib.sha256(json.dumps(document).encode()).digest()
    return base64.b64encode(digest[:24]).decode()


def whole_location(row: Row) -> Row:
    """Add to a storage location what follows from its other columns.

    :param row: with type, bucket and path; it is not changed
    """
    kind = row["type"]
    uri = f"{kind}://{row['bucket'] or ''}{row['path'] or ''}"
    if not row["path"]:
        # A table has no path [P].
        uri = json.dumps({"protocol": kind}, separators=(",", ":"))
    digest = hashlib.sha256(uri.encode())
    return {
        **row,
        "fullUri": uri,
        "size": None,
        "hash": digest.hexdigest()[:40],
    }


def flat_parameters(sources: Sequence[Row]) -> dict[str, list[Row]]:
    """Write the parameters of datasets as the flat form has them: in tables of their own, apart
    from their values.

    :param sources: datasets with ``runParameters``
    """
    parameters = []
    edits = []
    for source in sources:
        for parameter in source.get("runParameters") or ():
            edit = parameter["runParameterEdit"]
            row = {
                "value": None,
                "insertionIndices": None,
                "id": parameter["id"],
                "type": parameter["type"],
                "runParameterEditId": edit["id"],
                "datasourceId": source["id"],
            }
            parameters.append(row)
            edits.append({**edit, "runParameterId": parameter["id"]})
    return {"runparameters": parameters, "runparameteredits": edits}


def _zip(members: Mapping[str, bytes], moment: datetime) -> bytes:
    date_time = moment.astimezone(timezone.utc).timetuple()[:6]
    date_time = min(max(date_time, _FIRST_DATE), _LAST_DATE)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, date_time)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


def _complete(flow: Row, release: Release) -> Row:
    """Add and remove columns of a nested flow, as the release does. The flow given is
    not changed.
    """
    whole = _with_columns("flows", flow, release)
    for table in ("flownodes", "recipes", "outputobjects", "datasources"):
        whole[table] = [_with_columns(table, row, release) for row in whole[table]]
    repeated = _REPEATED_SINCE if release >= _COMMENTS else _REPEATED_BEFORE
    for source in whole["datasources"]:
        for column in (*_REPEATED_BEFORE, *_REPEATED_SINCE):
            source.pop(column, None)
        location = source.get("storageLocation")
        if location is not None:
            for column in repeated:
                source[column] = location.get(column)
    return whole


def _with_columns(table: str, row: Row, release: Release) -> Row:
    columns: Row = {}
    for since, added in _ADDED[table]:
        if release >= since:
            columns |= added
    columns |= row
    for since, column in _REMOVED.get(table, ()):
        if release >= since:
            columns.pop(column, None)
    return columns


def _header(metadata: Mapping[str, Any], comment: str, release: Release) -> Row:
    """Write ``metadata``. Releases from 7.1 on have a comment; without one, 7.6 writes the word
    ``undefined`` [P].
    """
    if not comment and _NAMED_FILES <= release < _EXAMPLES:
        comment = "undefined"
    header: Row = {}
    for name, content in metadata.items():
        header[name] = content
        if name == "uuid" and release >= _COMMENTS:
            header["comment"] = comment
    for since, migration in _MIGRATIONS:
        if release >= since:
            header["lastMigration"] = migration
            break
    return header


def _file_name(
    flow_id: int,
    flow_name: str,
    uuid: str,
    release: Release,
) -> str:
    """Name the definition in the ZIP."""
    if release >= _JSON5:
        word = re.sub(r"[^A-Za-z0-9]+", "_", flow_name)
        return f"flow_{word}.json5"
    if release >= _NAMED_FILES:
        word = _NO_FILE_NAME.sub("_", flow_name)
        return f"flow_{word}.json"
    return f"flow_{flow_id}_{uuid}.json"


def _spell(document: Mapping[str, Any], release: Release) -> str:
    """Write the definition as text."""
    if release >= _JSON5:
        return _json5(document)
    if release >= NEW_FLOW_DEFINITION:
        return json.dumps(document, ensure_ascii=False, indent=2)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _json5(value: Any, indent: str = "") -> str:
    # The vendor's style: unquoted keys, single quotes, a comma after the last element [P].
    inner = indent + "  "
    if isinstance(value, dict) and value:
        text = "{\n"
        for key, member in value.items():
            text += f"{inner}{_json5_key(key)}: {_json5(member, inner)},\n"
        return f"{text}{indent}}}"
    if isinstance(value, list) and value:
        text = "[\n"
        for element in value:
            text += f"{inner}{_json5(element, inner)},\n"
        return f"{text}{indent}]"
    if isinstance(value, str):
        return _json5_text(value)
    return json.dumps(value)


def _json5_key(key: str) -> str:
    if _KEY.fullmatch(key):
        return key
    return _json5_text(key)


def _json5_text(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    escaped = quoted[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"'{escaped}'"
