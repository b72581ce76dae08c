"""``POST /v4/flows/package``: packages become ordinary flows, with mappings of connections and
parameters.

The mappings and the answer that asks for them are those of the specification of 2025 [P: AAC25].
What the product does with them is not documented: our choice [?].
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.answers import import_answer
from trifacta_emulator.api.endpoint import (
    Context,
    Endpoint,
    context_of,
    person_of,
    uploaded_package,
)
from trifacta_emulator.api.query import flag
from trifacta_emulator.errors import ValidationError, error_response
from trifacta_emulator.packages.definition import NEW_FLOW_DEFINITION, Package, Row
from trifacta_emulator.packages.imports import ImportedPackage
from trifacta_emulator.packages.reader import check_answerable
from trifacta_emulator.records import ImportRule


@dataclass(frozen=True)
class _Upload:
    """A package, and what it is imported with."""

    package: Package
    mapping: tuple[ImportRule, ...]
    folder_id: int | None
    #: The answer of an import that is held up, because it lacks mappings.
    held_up: Row | None


async def import_package(request: Request) -> Response:
    """POST a package, which becomes ordinary flows [R: D64, D68 Flows Package Post].

    The query may hold ``folderId`` and ``fromUI``, the form ``connectionIdMapping`` and
    ``environmentParameterMapping`` [P: AAC25].
    """
    context, upload = context_of(request), await _read(request)
    if upload.held_up:
        # Both answers are of one type in the specification, so the status is the same [I].
        return JSONResponse(upload.held_up, status_code=201)
    made = context.store.import_flow(
        upload.package, person_of(request).id, mapping=upload.mapping, folder_id=upload.folder_id
    )
    return JSONResponse(_answer(context, made, upload.folder_id), status_code=201)


async def import_dry_run(request: Request) -> Response:
    """POST to ``package/dryRun``: the same with 200, and nothing is kept [R: D60 Flows Package Post
    DryRun v4].

    Errors are those of a release's dry run [I].
    """
    context = context_of(request)
    try:
        upload = await _read(request)
        if upload.held_up:
            return JSONResponse(upload.held_up)
        made = context.store.preview_flow(
            upload.package, person_of(request).id, mapping=upload.mapping
        )
    except ValidationError as error:
        if context.options.dry_run_errors == "status":
            raise
        return error_response(error, 200)
    return JSONResponse(_answer(context, made, upload.folder_id))


def _answer(context: Context, made: ImportedPackage, folder_id: int | None) -> Row:
    product = context.store.state.product
    answer = import_answer(made, product)
    for row in answer["flows"]:
        if "folderId" in row:
            row["folderId"] = folder_id
    if product.release < NEW_FLOW_DEFINITION:
        # The page of 6.0 shows only this and the rule changes [R: D60]. The rest is our choice [?].
        names = {row["id"]: row["name"] for row in made.tables["flows"]}
        answer["flowName"] = names[made.primary_flow_ids[0]]
    return answer


async def _read(request: Request) -> _Upload:
    context = context_of(request)
    package = await uploaded_package(request)
    form = await request.form()  # read before; its texts are still there
    connections = _mappings(
        "connectionIdMapping", form.getlist("connectionIdMapping"), ("mappedConnectionUuid",)
    )
    parameters = _mappings(
        "environmentParameterMapping",
        form.getlist("environmentParameterMapping"),
        ("mappedOverrideKey", "mappedValue"),
    )
    folder = request.query_params.get("folderId")
    if folder is not None and not (folder.isascii() and folder.isdigit() and 0 < len(folder) < 19):
        raise ValidationError(f"folderId must be a number, not {folder!r}")
    held_up = None
    if context.options.import_hold_up == "always" or flag(request.query_params, "fromUI"):
        held_up = _held_up(context, package, connections, parameters)
    return _Upload(
        _with_parameters(package, parameters),
        tuple(_rule(context, number, one) for number, one in enumerate(connections, 1)),
        int(folder) if folder else None,
        held_up,
    )


def _mappings(name: str, parts: Sequence[Any], targets: tuple[str, ...]) -> list[Row]:
    """Read a mapping: one part with a JSON array, or one part for each element. Either may be meant
    [?].
    """
    key = "connectionUuid" if name == "connectionIdMapping" else "overrideKey"
    found: list[Any] = []
    for part in parts:
        try:
            value = json.loads(part)
            check_answerable(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValidationError(f"{name} is not valid JSON: {error}") from error
        found += value if isinstance(value, list) else [value]
    for one in found:
        given = set(one) if isinstance(one, dict) else set()
        if not any(given == {key, target} for target in targets) or not isinstance(one[key], str):
            raise ValidationError(
                f"{name} must hold objects with {key} and {' or '.join(targets)}, not {one!r}"
            )
    return found


def _rule(context: Context, number: int, mapping: Row) -> ImportRule:
    now = context.options.clock()
    rule = {
        "tableName": "connections",
        "onCondition": {"uuid": mapping["connectionUuid"]},
        "withCondition": {"uuid": mapping["mappedConnectionUuid"]},
    }
    return ImportRule(number, 0, "object", rule, now, now, 1, 1)


def _held_up(
    context: Context, package: Package, connections: list[Row], parameters: list[Row]
) -> Row | None:
    here = {one.uuid for one in context.store.connections()} | {
        one["connectionUuid"] for one in connections
    }
    missing = [row for row in package.tables["connections"] if row.get("uuid") not in here]
    mapped = {one["overrideKey"] for one in parameters}
    referenced = [
        one for one in _environment_parameters(package) if one["overrideKey"] not in mapped
    ]
    if not missing and not referenced:
        return None
    # The names are documented, the contents are not [P: AAC25].
    return {
        "packageContents": {"type": "flow", "kind": "artifact", "metadata": {"uuid": package.uuid}},
        "referencedEnvironmentParameters": [
            {"overrideKey": one["overrideKey"], "value": one.get("value")} for one in referenced
        ],
        "connectionsWithoutMapping": [
            {key: row.get(key) for key in ("id", "uuid", "name", "type", "vendor")}
            for row in missing
        ],
    }


def _environment_parameters(package: Package) -> list[Row]:
    # A parameter of a dataset says itself whether it is one of the workspace [P].
    edits = (
        one.get("runParameterEdit")
        for row in package.tables["datasources"]
        for one in _parameters(row)
    )
    found = [
        edit
        for edit in edits
        if isinstance(edit, dict) and edit.get("isEnvironmentParameter") is True
    ]
    return list(
        {
            one["overrideKey"]: one for one in found if isinstance(one.get("overrideKey"), str)
        }.values()
    )


def _parameters(row: Row) -> list[Row]:
    return [one for one in row.get("runParameters") or () if isinstance(one, dict)]


def _with_parameters(package: Package, mappings: list[Row]) -> Package:
    """Map the environment parameters of a package: to others of this workspace, or to values."""
    by_key = {one["overrideKey"]: one for one in mappings}
    if not by_key:
        return package

    def edited(edit: Any) -> Any:
        mapping = by_key.get(edit.get("overrideKey")) if isinstance(edit, dict) else None
        if mapping is None or edit.get("isEnvironmentParameter") is not True:
            return edit
        if "mappedOverrideKey" in mapping:
            return {**edit, "overrideKey": mapping["mappedOverrideKey"]}
        return {
            **edit,
            "value": {"variable": {"value": mapping["mappedValue"]}},
            "isEnvironmentParameter": False,
        }

    sources = [
        {
            **row,
            "runParameters": [
                {**one, "runParameterEdit": edited(one.get("runParameterEdit"))}
                for one in _parameters(row)
            ],
        }
        for row in package.tables["datasources"]
    ]
    return replace(package, tables={**package.tables, "datasources": sources})


ENDPOINTS = (
    Endpoint("POST", "/v4/flows/package", "importFlowPackage", import_package),
    Endpoint("POST", "/v4/flows/package/dryRun", "importFlowPackageDryRun", import_dry_run),
)
