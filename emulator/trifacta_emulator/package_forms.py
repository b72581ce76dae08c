"""
What packages look like by the release that exports them [P: exported packages of 6.0, 6.8, 7.1, 7.6, 7.8, 8.0, 8.6
and 8.9].

What a release in between writes is not known; it is taken to be as the one seen before it. The options of jobs, which
differ by edition, are left empty here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from trifacta_emulator.package_reader import Row
from trifacta_emulator.versions import NEW_FLOW_DEFINITION

Generation = Literal["6.0", "6.8", "8.0"]
Release = tuple[int, int, int]

_COMMENTS, _NAMED_FILES, _EXAMPLES = (7, 1, 0), (7, 6, 0), (7, 8, 0)
_JSON5, _TEMPLATES, _DESCRIBED_OUTPUTS = (8, 0, 0), (8, 6, 0), (8, 9, 0)
#: By table: from which release on rows have which columns, and what stands there unless the row says otherwise.
_ADDED: dict[str, tuple[tuple[Release, Row], ...]] = {
    "flows": (
        (_COMMENTS, {"defaultOutputDir": None, "notes": [], "flowgraphvertices": [], "runparameters": []}),
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
#: By table: from which release on rows no longer have which column.
_REMOVED: dict[str, tuple[tuple[Release, str], ...]] = {
    "datasources": ((_JSON5, "cpProject"), (_DESCRIBED_OUTPUTS, "hasDynamicUserInfoOrHost")),
}
#: What a dataset repeats of its location: before 7.1, and since.
_REPEATED = (("path", "bucket", "container", "type", "blobHost"), ("path", "bucket", "userinfo", "type", "host"))
_MIGRATIONS = (
    (_DESCRIBED_OUTPUTS, "20211003124929"),
    (_TEMPLATES, "20210525095229"),
    (_JSON5, "20210103151442"),
    (_EXAMPLES, "20201009121100"),
    (_NAMED_FILES, "20200619000001"),
    (_COMMENTS, "20200212172500"),
    (NEW_FLOW_DEFINITION, "20191114200410"),
)
# A slash would be a folder; what stands in its place is our choice.
_NO_FILE_NAME = re.compile(r"[/\\\x00-\x1f]")
# Unquoted only where JavaScript allows it, which knows fewer letters than Python.
_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def generation_of(release: Release) -> Generation:
    """
    Tell which generation of packages a release exports.

    :param release: of the product.
    """
    if release < NEW_FLOW_DEFINITION:
        return "6.0"
    return "8.0" if release >= _JSON5 else "6.8"


def complete(flow: Row, release: Release) -> Row:
    """
    Write a flow of the nested form as a release does.

    :param flow: with its rows in it, and each dataset with its location; not changed.
    :param release: of the product.
    """
    whole = _with_columns("flows", flow, release)
    for table in ("flownodes", "recipes", "outputobjects", "datasources"):
        whole[table] = [_with_columns(table, row, release) for row in whole[table]]
    before, since = _REPEATED
    repeated = since if release >= _COMMENTS else before
    for source in whole["datasources"]:
        for name in (*before, *since):
            source.pop(name, None)
        if "storageLocation" in source:
            source.update({name: source["storageLocation"].get(name) for name in repeated})
    return whole


def _with_columns(table: str, row: Row, release: Release) -> Row:
    columns: Row = {}
    for since, added in _ADDED[table]:
        if release >= since:
            columns |= added
    removed = [name for since, name in _REMOVED.get(table, ()) if release >= since]
    return {name: value for name, value in {**columns, **row}.items() if name not in removed}


def header(metadata: Mapping[str, Any], comment: str, release: Release) -> Row:
    """
    Write ``metadata``.

    :param metadata: what all releases have, in order.
    :param comment: written from 7.1 on. Without one, 7.6 writes the word ``undefined`` [P].
    :param release: of the product.
    """
    if not comment and _NAMED_FILES <= release < _EXAMPLES:
        comment = "undefined"
    written: Row = {}
    for name, value in metadata.items():
        written[name] = value
        if name == "uuid" and release >= _COMMENTS:
            written["comment"] = comment
    migrated = next((one for since, one in _MIGRATIONS if release >= since), None)
    return written if migrated is None else {**written, "lastMigration": migrated}


def file_name(flow_id: int, flow_name: str, uuid: str, release: Release) -> str:
    """
    Name the definition in the ZIP.

    :param flow_id: the primary flow.
    :param flow_name: its name.
    :param uuid: of the export.
    :param release: of the product.
    """
    if release >= _JSON5:
        return f"flow_{re.sub(r'[^A-Za-z0-9]+', '_', flow_name)}.json5"
    if release >= _NAMED_FILES:
        return f"flow_{_NO_FILE_NAME.sub('_', flow_name)}.json"
    return f"flow_{flow_id}_{uuid}.json"


def spell(document: Mapping[str, Any], release: Release) -> str:
    """
    Write a definition as text.

    :param document: the definition.
    :param release: of the product.
    """
    if release >= _JSON5:
        return _json5(document)
    if release >= NEW_FLOW_DEFINITION:
        return json.dumps(document, ensure_ascii=False, indent=2)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _json5(value: Any, indent: str = "") -> str:
    # Unquoted keys, single quotes, a comma after the last element: the vendor's style.
    inner = indent + "  "
    if isinstance(value, dict) and value:
        members = (f"{inner}{_json5_key(key)}: {_json5(one, inner)},\n" for key, one in value.items())
        return f"{{\n{''.join(members)}{indent}}}"
    if isinstance(value, list) and value:
        return f"[\n{''.join(f'{inner}{_json5(one, inner)},' + chr(10) for one in value)}{indent}]"
    if isinstance(value, str):
        return _json5_text(value)
    return json.dumps(value)


def _json5_key(key: str) -> str:
    return key if _KEY.fullmatch(key) else _json5_text(key)


def _json5_text(text: str) -> str:
    escaped = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"'{escaped}'"
