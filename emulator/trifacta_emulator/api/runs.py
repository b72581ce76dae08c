"""The calls that start job groups, and ``/v4/flowRuns``."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import (
    Context,
    Endpoint,
    context_of,
    json_object,
    optional_object,
    path_id,
    store_of,
    user_id_of,
)
from trifacta_emulator.api.job_groups import job_group_rows
from trifacta_emulator.api.people import require_access
from trifacta_emulator.api.query import embeds, list_answer, select_fields
from trifacta_emulator.api.recipes import referenced
from trifacta_emulator.checks import is_whole_number
from trifacta_emulator.clock import iso
from trifacta_emulator.errors import ValidationError
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.records import FlowRun, JobGroup

#: Fields of the bodies [P: AAC25]. Another field is refused: our choice [?].
_RECIPE_FIELDS = {
    "wrangledDataset",
    "runParameters",
    "overrides",
    "forceCacheUpdate",
    "ignoreRecipeErrors",
    "testMode",
    "ranfrom",
    "workspaceId",
}
_FLOW_FIELDS = {
    "runParameters",
    "overrides",
    "wrangledDatasetIds",
    "ignoreRecipeErrors",
    "execution",
    "sparkOptions",
    "databricksOptions",
    "schemaDriftOptions",
    "scheduleExecutionId",
}
#: Overrides that hold a list of objects.
_LISTS = ("writesettings", "writeSettings", "publications")


async def run_deployment(request: Request) -> Response:
    """POST with no body or with run parameters: 201, one element for each job group [R: D64 API
    Deployments Run v4].
    """
    context = context_of(request)
    deployment_id = path_id(request)
    context.store.deployment(deployment_id)
    body = await optional_object(request)
    # Only the documented nesting is accepted: our choice [?]. A public script has another one,
    # commented out: {"overrides": {"runParameters"}} [P: VC].
    _check_fields(body, {"runParameters"})
    user_id = user_id_of(request)
    groups = context.store.run_deployment(deployment_id, _parameters(body), user_id)
    shape = context.options.run_answer
    answer: Row = {"data": [_started(group, shape) for group in groups]}
    if shape == "flow_run" and groups:
        answer["flowRunId"] = groups[0].flow_run_id
    return JSONResponse(answer, status_code=201)


async def run_recipe(request: Request) -> Response:
    """POST ``{"wrangledDataset": {"id"}}``: 201, or 304 for a used ``x-execution-id`` [P: AAC25].

    ``testMode`` starts nothing [P: AAC25].
    """
    store = store_of(request)
    body = await json_object(request)
    _check_fields(body, _RECIPE_FIELDS)
    recipe_id = referenced(body, "wrangledDataset")
    parameters = _parameters(body)
    overrides = _overrides(body)
    recipe = store.recipe(recipe_id)
    require_access(request, recipe.home.flow_id)
    if body.get("testMode") is True:
        store.output_of(recipe, overrides)
        answer = {
            "datasetId": recipe_id,
            "datasetName": recipe.name,
            "sessionId": "",
        }
        return JSONResponse(answer, status_code=201)
    group = store.run_recipe(
        recipe_id,
        parameters,
        user_id_of(request),
        overrides=overrides,
        execution_id=_execution_id(request),
    )
    if group is None:
        return _not_again()
    return JSONResponse(_started(group, "recipe"), status_code=201)


async def run_flow(request: Request) -> Response:
    """POST ``/v4/flows/:id/run``; the body may be empty: 201, or 304 for a used ``x-execution-id``
    [P: AAC25].

    With ``runAsync=true`` the answer is the same: our choice [?].
    """
    context = context_of(request)
    flow_id = path_id(request)
    require_access(request, flow_id)
    body = await optional_object(request)
    _check_fields(body, _FLOW_FIELDS)
    started = context.store.run_flow(
        flow_id,
        _parameters(body),
        user_id_of(request),
        recipe_ids=_recipe_ids(body),
        overrides=_flow_overrides(body),
        execution_id=_execution_id(request),
    )
    if started is None:
        return _not_again()
    run, groups = started
    elements = [_started(group, "flow_run") for group in groups]
    return JSONResponse({"flowRunId": run.id, "data": elements}, status_code=201)


async def read(request: Request) -> Response:
    """GET ``/v4/flowRuns/:id`` [P: AAC25]."""
    context = context_of(request)
    params = request.query_params
    run = context.store.flow_run(path_id(request))
    flow: Row = {"id": run.home.flow_id}
    if "flow" in embeds(params, "flowRuns", ("flow",)):
        flow["name"] = run.home.flow_name
    updated_at = run.created_at
    for group in _groups(context, run):
        updated_at = max(updated_at, group.updated_at)
    body: Row = {
        "id": run.id,
        "createdAt": iso(run.created_at),
        "updatedAt": iso(updated_at),
        "scheduleExecutionId": None,
        # The key of the request stands here: our choice [?].
        "requestId": run.execution_id,
        "flow": flow,
    }
    [selected] = select_fields([body], params)
    return JSONResponse(selected)


async def status(request: Request) -> Response:
    """GET ``/v4/flowRuns/:id/status``: it combines those of its job groups, as a bare JSON string
    [P: AAC25, GR].
    """
    context = context_of(request)
    run = context.store.flow_run(path_id(request))
    return JSONResponse(_combined(_groups(context, run)))


async def list_job_groups(request: Request) -> Response:
    """GET ``/v4/flowRuns/:id/jobGroups`` [P: AAC25]."""
    context = context_of(request)
    params = request.query_params
    run = context.store.flow_run(path_id(request))
    rows = job_group_rows(context, _groups(context, run), params)
    return JSONResponse(list_answer(rows, params))


def _not_again() -> Response:
    return Response(status_code=304)


def _execution_id(request: Request) -> str | None:
    if context_of(request).options.execution_ids != "count":
        return None
    return request.headers.get("x-execution-id") or None


def _groups(context: Context, run: FlowRun) -> list[JobGroup]:
    return [group for group in context.store.job_groups() if group.flow_run_id == run.id]


def _combined(groups: list[JobGroup]) -> str:
    # How they are combined is our choice [?]: while one goes on, the run does; the worst end
    # counts.
    words = [group.status for group in groups]
    if not all(group.finished for group in groups):
        return "Created" if set(words) == {"Created"} else "InProgress"
    for worst in ("Failed", "Canceled", "Cancelled"):
        if worst in words:
            return worst
    for word in words:
        if word != "Complete":
            return word
    return "Complete"


def _started(group: JobGroup, shape: str) -> Row:
    # "recipe" is the answer to POST /v4/jobGroups [P: AAC25]; for the others see ``run_answer`` of
    # the options.
    body: Row = {
        "reason": "JobStarted",
        "sessionId": group.session_id,
        "id": group.id,
    }
    job_ids = [job.id for job in group.jobs]
    if shape != "v4":
        body["jobs"] = {"data": [{"id": job_id} for job_id in job_ids]}
    if shape in ("recipe", "flow_run"):
        edges = []
        for source, target in pairwise(job_ids):
            edges.append({"source": source, "target": target})
        body["jobGraph"] = {"vertices": job_ids, "edges": edges}
    if shape == "flow_run":
        body["flowRun"] = {"id": group.flow_run_id}
    return body


def _check_fields(body: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(body.keys() - known)
    if unknown:
        raise ValidationError(f"unknown fields: {', '.join(unknown)}")


def _object(fields: Any, name: str) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise ValidationError(f"{name} must be an object")
    return fields


def _parameters(body: Mapping[str, Any]) -> dict[str, str]:
    parameters = _object(body.get("runParameters", {}), "runParameters")
    _check_fields(parameters, {"overrides", "referenceDate"})
    overrides = _object(parameters.get("overrides", {}), "runParameters.overrides")
    _check_fields(overrides, {"data"})
    items = overrides.get("data", [])
    if not isinstance(items, list):
        raise ValidationError("runParameters.overrides.data must be a list")
    values = {}
    for item in items:
        if not _is_parameter(item):
            raise ValidationError(
                'runParameters.overrides.data must hold {"key": string, "value": string}'
            )
        values[item["key"]] = item["value"]
    return values


def _is_parameter(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    return isinstance(item.get("key"), str) and isinstance(item.get("value"), str)


def _overrides(body: Mapping[str, Any], name: str = "overrides") -> dict[str, Any]:
    # Values are not validated [R: D68 API JobGroups Create v4]. The emulator checks only what it
    # works with [?].
    overrides = _object(body.get(name, {}), name)
    for key in _LISTS:
        rows = overrides.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValidationError(f"{name}.{key} must be a list of objects")
    if not isinstance(overrides.get("execution"), (str, type(None))):
        raise ValidationError(f"{name}.execution must be a string")
    return overrides


def _flow_overrides(body: Mapping[str, Any]) -> dict[str, Any]:
    # By name of the recipe [P: AAC25].
    by_recipe = _object(body.get("overrides", {}), "overrides")
    return {name: _overrides(by_recipe, name) for name in by_recipe}


def _recipe_ids(body: Mapping[str, Any]) -> list[int]:
    recipe_ids = body.get("wrangledDatasetIds", [])
    if not isinstance(recipe_ids, list) or not all(map(is_whole_number, recipe_ids)):
        raise ValidationError("wrangledDatasetIds must be a list of numbers")
    return recipe_ids


_FLOW_RUN = "/v4/flowRuns/{id}"
ENDPOINTS = (
    Endpoint("POST", "/v4/deployments/{id}/run", "runDeployment", run_deployment, deployments=True),
    Endpoint("POST", "/v4/jobGroups", "runJobGroup", run_recipe, once=True),
    Endpoint("POST", "/v4/flows/{id}/run", "runFlow", run_flow, once=True),
    Endpoint("GET", _FLOW_RUN, "getFlowRun", read),
    Endpoint("GET", f"{_FLOW_RUN}/status", "getFlowRunStatus", status),
    Endpoint("GET", f"{_FLOW_RUN}/jobGroups", "getFlowRunJobGroups", list_job_groups),
)
