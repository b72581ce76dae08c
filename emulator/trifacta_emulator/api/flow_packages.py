"""``POST /v4/flows/package``: packages become ordinary flows, with mappings of connections and
parameters.

The mappings and the answer that asks for them are those of the specification of 2025 [P: AAC25].
What the product does with them is not documented: our choice [?].
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.answers import import_answer
from trifacta_emulator.api.endpoint import (
    Context,
    Endpoint,
    context_of,
    uploaded_package,
    user_id_of,
)
from trifacta_emulator.api.query import flag, number_or_none
from trifacta_emulator.errors import ValidationError, error_response
from trifacta_emulator.packages.definition import NEW_FLOW_DEFINITION, Package, Row, rows_by
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
    context = context_of(request)
    upload = await _read(request)
    if upload.held_up:
        # Both answers are of one type in the specification, so the status is the same [I].
        return JSONResponse(upload.held_up, status_code=201)
    imported = context.store.import_flow(
        upload.package,
        user_id_of(request),
        mapping=upload.mapping,
        folder_id=upload.folder_id,
    )
    answer = _answer(context, imported, upload.folder_id)
    return JSONResponse(answer, status_code=201)


async def import_dry_run(request: Request) -> Response:
    """POST to ``package/dryRun``: the same with 200, and nothing is kept [R: D60 Flows Package Post
    DryRun v4].

    Errors are those of a release's dry run [I].
    """
    context = context_of(request)
    user_id = user_id_of(request)
    try:
        upload = await _read(request)
        if upload.held_up:
            return JSONResponse(upload.held_up)
        imported = context.store.preview_flow(upload.package, user_id, mapping=upload.mapping)
    except ValidationError as error:
        if context.options.dry_run_errors == "status":
            raise
        return error_response(error, 200)
    return JSONResponse(_answer(context, imported, upload.folder_id))


def _answer(
    context: Context,
    imported: ImportedPackage,
    folder_id: int | None,
) -> Row:
    product = context.store.state.product
    answer = import_answer(imported, product)
    for flow in answer["flows"]:
        if "folderId" in flow:
            flow["folderId"] = folder_id
    if product.release < NEW_FLOW_DEFINITION:
        # The page of 6.0 shows only this and the rule changes [R: D60]. The rest is our choice [?].
        flows = rows_by(imported.tables["flows"], "id")
        primary = flows[imported.primary_flow_ids[0]]
        answer["flowName"] = primary["name"]
    return answer


async def _read(request: Request) -> _Upload:
    context = context_of(request)
    package = await uploaded_package(request)
    # The form was read with the package; its texts are still there.
    form = await request.form()
    connections = _mappings(form, "connectionIdMapping", "connectionUuid", "mappedConnectionUuid")
    parameters = _mappings(
        form,
        "environmentParameterMapping",
        "overrideKey",
        "mappedOverrideKey",
        "mappedValue",
    )
    folder_id = number_or_none(request.query_params, "folderId")
    held_up = None
    from_ui = flag(request.query_params, "fromUI")
    if from_ui or context.options.import_hold_up == "always":
        held_up = _held_up(context, package, connections, parameters)
    rules = []
    for number, mapping in enumerate(connections, 1):
        rules.append(_rule(context, number, mapping))
    return _Upload(
        package=_with_parameters(package, parameters),
        mapping=tuple(rules),
        folder_id=folder_id,
        held_up=held_up,
    )


def _mappings(form: FormData, name: str, key: str, *targets: str) -> list[Row]:
    """Read a mapping: one part with a JSON array, or one part for each element. Either may be meant
    [?].
    """
    mappings: list[Any] = []
    for part in form.getlist(name):
        content = _parsed(name, part)
        if isinstance(content, list):
            mappings += content
        else:
            mappings.append(content)
    for mapping in mappings:
        if not _is_mapping(mapping, key, targets):
            raise ValidationError(
                f"{name} must hold objects with {key} and {' or '.join(targets)}, not {mapping!r}"
            )
    return mappings


def _parsed(name: str, part: Any) -> Any:
    try:
        content = json.loads(part)
        check_answerable(content)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(f"{name} is not valid JSON: {error}") from error
    return content


def _is_mapping(mapping: Any, key: str, targets: Collection[str]) -> bool:
    """Tell whether a value is an object with the key, a text, and exactly one of the targets."""
    if not isinstance(mapping, dict) or not isinstance(mapping.get(key), str):
        return False
    other_fields = mapping.keys() - {key}
    return any(other_fields == {target} for target in targets)


def _rule(context: Context, number: int, mapping: Row) -> ImportRule:
    now = context.options.clock()
    rule = {
        "tableName": "connections",
        "onCondition": {"uuid": mapping["connectionUuid"]},
        "withCondition": {"uuid": mapping["mappedConnectionUuid"]},
    }
    return ImportRule(
        id=number,
        deployment_id=0,
        kind="object",
        rule=rule,
        created_at=now,
        updated_at=now,
        creator=1,
        updater=1,
    )


def _held_up(
    context: Context,
    package: Package,
    connections: list[Row],
    parameters: list[Row],
) -> Row | None:
    known = {mapping["connectionUuid"] for mapping in connections}
    for local in context.store.connections():
        known.add(local.uuid)
    missing = []
    for connection in package.tables["connections"]:
        if connection.get("uuid") not in known:
            missing.append(_chosen(connection, "id", "uuid", "name", "type", "vendor"))
    mapped = {mapping["overrideKey"] for mapping in parameters}
    referenced = []
    for parameter in _environment_parameters(package):
        if parameter["overrideKey"] not in mapped:
            referenced.append(_chosen(parameter, "overrideKey", "value"))
    if not missing and not referenced:
        return None
    # The names are documented, the contents are not [P: AAC25].
    return {
        "packageContents": {
            "type": "flow",
            "kind": "artifact",
            "metadata": {"uuid": package.uuid},
        },
        "referencedEnvironmentParameters": referenced,
        "connectionsWithoutMapping": missing,
    }


def _chosen(row: Row, *names: str) -> Row:
    return {name: row.get(name) for name in names}


def _environment_parameters(package: Package) -> list[Row]:
    edits: dict[str, Row] = {}
    for source in package.tables["datasources"]:
        for parameter in _parameters(source):
            edit = parameter.get("runParameterEdit") or {}
            if _is_of_environment(edit) and isinstance(edit.get("overrideKey"), str):
                edits[edit["overrideKey"]] = edit
    return list(edits.values())


def _is_of_environment(edit: Any) -> bool:
    # A parameter of a dataset says itself whether it is one of the workspace [P].
    return isinstance(edit, dict) and edit.get("isEnvironmentParameter") is True


def _parameters(source: Row) -> list[Row]:
    parameters = source.get("runParameters") or ()
    return [parameter for parameter in parameters if isinstance(parameter, dict)]


def _with_parameters(package: Package, mappings: list[Row]) -> Package:
    """Map the environment parameters of a package: to others of this workspace, or to values."""
    if not mappings:
        return package
    by_key = rows_by(mappings, "overrideKey")
    sources = []
    for source in package.tables["datasources"]:
        parameters = []
        for parameter in _parameters(source):
            edit = _mapped(parameter.get("runParameterEdit"), by_key)
            parameters.append({**parameter, "runParameterEdit": edit})
        sources.append({**source, "runParameters": parameters})
    return replace(package, tables={**package.tables, "datasources": sources})


def _mapped(edit: Any, by_key: Mapping[str, Row]) -> Any:
    if not _is_of_environment(edit):
        return edit
    mapping = by_key.get(edit.get("overrideKey"))
    if mapping is None:
        return edit
    if "mappedOverrideKey" in mapping:
        return {**edit, "overrideKey": mapping["mappedOverrideKey"]}
    return {
        **edit,
        "value": {"variable": {"value": mapping["mappedValue"]}},
        "isEnvironmentParameter": False,
    }


ENDPOINTS = (
    Endpoint("POST", "/v4/flows/package", "importFlowPackage", import_package),
    Endpoint("POST", "/v4/flows/package/dryRun", "importFlowPackageDryRun", import_dry_run),
)
