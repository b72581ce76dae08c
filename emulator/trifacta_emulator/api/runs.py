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
    person_of,
)
from trifacta_emulator.api.job_groups import job_group_rows
from trifacta_emulator.api.people import require_access
from trifacta_emulator.api.query import embeds, list_answer, select_fields
from trifacta_emulator.api.recipes import referenced
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
    context, deployment_id = context_of(request), path_id(request)
    context.store.deployment(deployment_id)
    body = await optional_object(request)
    # Only the documented nesting is accepted: our choice [?]. A public script has another one,
    # commented out: {"overrides": {"runParameters"}} [P: VC].
    _check_fields(body, {"runParameters"})
    started = context.store.run_deployment(deployment_id, _parameters(body), person_of(request).id)
    shape = context.options.run_answer
    answer: Row = {"data": [_started(one, shape) for one in started]}
    if shape == "flow_run" and started:
        answer["flowRunId"] = started[0].flow_run_id
    return JSONResponse(answer, status_code=201)


async def run_recipe(request: Request) -> Response:
    """POST ``{"wrangledDataset": {"id"}}``: 201, or 304 for a used ``x-execution-id`` [P: AAC25].

    ``testMode`` starts nothing [P: AAC25].
    """
    context, body = context_of(request), await json_object(request)
    _check_fields(body, _RECIPE_FIELDS)
    recipe_id, parameters, overrides = (
        referenced(body, "wrangledDataset"),
        _parameters(body),
        _overrides(body),
    )
    require_access(request, context.store.recipe(recipe_id).home.flow_id)
    if body.get("testMode") is True:
        recipe = context.store.recipe(recipe_id)
        context.store.output_of(recipe, overrides)
        return JSONResponse(
            {"datasetId": recipe_id, "datasetName": recipe.name, "sessionId": ""}, status_code=201
        )
    started = context.store.run_recipe(
        recipe_id,
        parameters,
        person_of(request).id,
        overrides=overrides,
        execution_id=_execution_id(request),
    )
    return (
        _not_again()
        if started is None
        else JSONResponse(_started(started, "recipe"), status_code=201)
    )


async def run_flow(request: Request) -> Response:
    """POST ``/v4/flows/:id/run``; the body may be empty: 201, or 304 for a used ``x-execution-id``
    [P: AAC25].

    With ``runAsync=true`` the answer is the same: our choice [?].
    """
    context, flow_id = context_of(request), path_id(request)
    require_access(request, flow_id)
    body = await optional_object(request)
    _check_fields(body, _FLOW_FIELDS)
    made = context.store.run_flow(
        flow_id,
        _parameters(body),
        person_of(request).id,
        recipe_ids=_recipe_ids(body),
        overrides=_flow_overrides(body),
        execution_id=_execution_id(request),
    )
    if made is None:
        return _not_again()
    run, started = made
    answer = {"flowRunId": run.id, "data": [_started(one, "flow_run") for one in started]}
    return JSONResponse(answer, status_code=201)


async def read(request: Request) -> Response:
    """GET ``/v4/flowRuns/:id`` [P: AAC25]."""
    context, params = context_of(request), request.query_params
    run = context.store.flow_run(path_id(request))
    wanted = embeds(params, "flowRuns", ("flow",))
    groups = _groups(context, run)
    body: Row = {
        "id": run.id,
        "createdAt": iso(run.created_at),
        "updatedAt": iso(max((one.updated_at for one in groups), default=run.created_at)),
        "scheduleExecutionId": None,
        # The key of the request stands here: our choice [?].
        "requestId": run.execution_id,
        "flow": {
            "id": run.home.flow_id,
            **({"name": run.home.flow_name} if "flow" in wanted else {}),
        },
    }
    [body] = select_fields([body], params)
    return JSONResponse(body)


async def status(request: Request) -> Response:
    """GET ``/v4/flowRuns/:id/status``: it combines those of its job groups, as a bare JSON string
    [P: AAC25, GR].
    """
    context = context_of(request)
    return JSONResponse(_combined(_groups(context, context.store.flow_run(path_id(request)))))


async def list_job_groups(request: Request) -> Response:
    """GET ``/v4/flowRuns/:id/jobGroups`` [P: AAC25]."""
    context = context_of(request)
    groups = _groups(context, context.store.flow_run(path_id(request)))
    return JSONResponse(
        list_answer(job_group_rows(context, groups, request.query_params), request.query_params)
    )


def _not_again() -> Response:
    return Response(status_code=304)


def _execution_id(request: Request) -> str | None:
    counts = context_of(request).options.execution_ids == "count"
    return (counts and request.headers.get("x-execution-id")) or None


def _groups(context: Context, run: FlowRun) -> list[JobGroup]:
    return [one for one in context.store.job_groups() if one.flow_run_id == run.id]


def _combined(groups: list[JobGroup]) -> str:
    # How they are combined is our choice [?]: while one goes on, the run does; the worst end
    # counts.
    words = [one.status for one in groups]
    if not all(one.finished for one in groups):
        return "Created" if set(words) == {"Created"} else "InProgress"
    worst = [
        word
        for word in ("Failed", "Canceled", "Cancelled", *words)
        if word in words and word != "Complete"
    ]
    return worst[0] if worst else "Complete"


def _started(group: JobGroup, shape: str) -> Row:
    # "recipe" is the answer to POST /v4/jobGroups [P: AAC25]; for the others see ``run_answer`` of
    # the options.
    body: Row = {"reason": "JobStarted", "sessionId": group.session_id, "id": group.id}
    ids = [job.id for job in group.jobs]
    if shape != "v4":
        body["jobs"] = {"data": [{"id": one} for one in ids]}
    if shape in ("recipe", "flow_run"):
        edges = [{"source": one, "target": other} for one, other in pairwise(ids)]
        body["jobGraph"] = {"vertices": ids, "edges": edges}
    if shape == "flow_run":
        body["flowRun"] = {"id": group.flow_run_id}
    return body


def _check_fields(body: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(body.keys() - known)
    if unknown:
        raise ValidationError(f"unknown fields: {', '.join(unknown)}")


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValidationError(f"{name} must be an object")
    return value


def _parameters(body: Mapping[str, Any]) -> dict[str, str]:
    parameters = _object(body.get("runParameters", {}), "runParameters")
    _check_fields(parameters, {"overrides", "referenceDate"})
    inner = _object(parameters.get("overrides", {}), "runParameters.overrides")
    _check_fields(inner, {"data"})
    items = inner.get("data", [])
    if not isinstance(items, list):
        raise ValidationError("runParameters.overrides.data must be a list")
    found = {}
    for item in items:
        if not isinstance(item, dict) or not all(
            isinstance(item.get(key), str) for key in ("key", "value")
        ):
            raise ValidationError(
                'runParameters.overrides.data must hold {"key": string, "value": string}'
            )
        found[item["key"]] = item["value"]
    return found


def _overrides(body: Mapping[str, Any], name: str = "overrides") -> dict[str, Any]:
    # Values are not validated [R: D68 API JobGroups Create v4]. The emulator checks only what it
    # works with [?].
    found = _object(body.get(name, {}), name)
    for key in _LISTS:
        rows = found.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValidationError(f"{name}.{key} must be a list of objects")
    if not isinstance(found.get("execution"), (str, type(None))):
        raise ValidationError(f"{name}.execution must be a string")
    return found


def _flow_overrides(body: Mapping[str, Any]) -> dict[str, Any]:
    # By name of the recipe [P: AAC25].
    found = _object(body.get("overrides", {}), "overrides")
    return {name: _overrides(found, name) for name in found}


def _recipe_ids(body: Mapping[str, Any]) -> list[int]:
    found = body.get("wrangledDatasetIds", [])
    if not isinstance(found, list) or not all(
        isinstance(one, int) and not isinstance(one, bool) for one in found
    ):
        raise ValidationError("wrangledDatasetIds must be a list of numbers")
    return found


_FLOW_RUN = "/v4/flowRuns/{id}"
ENDPOINTS = (
    Endpoint("POST", "/v4/deployments/{id}/run", "runDeployment", run_deployment, deployments=True),
    Endpoint("POST", "/v4/jobGroups", "runJobGroup", run_recipe, once=True),
    Endpoint("POST", "/v4/flows/{id}/run", "runFlow", run_flow, once=True),
    Endpoint("GET", _FLOW_RUN, "getFlowRun", read),
    Endpoint("GET", f"{_FLOW_RUN}/status", "getFlowRunStatus", status),
    Endpoint("GET", f"{_FLOW_RUN}/jobGroups", "getFlowRunJobGroups", list_job_groups),
)
