"""``/v4/deployments/:id/run``, ``/v4/jobGroups`` and ``/v4/jobs``: runs and their job groups."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import Context, Endpoint, context_of, json_object, path_id, person_of
from trifacta_emulator.api.query import embedded_list, embeds, list_answer, select_fields
from trifacta_emulator.clock import iso
from trifacta_emulator.errors import ApiError, MissingObjectError, ValidationError
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.records import Job, JobGroup


async def run(request: Request) -> Response:
    """POST with no body or with run parameters: 201, one element for each job group [R: D64 API Deployments Run v4]."""
    context, deployment_id = context_of(request), path_id(request)
    context.store.deployment(deployment_id)
    overrides = _overrides(await json_object(request)) if await request.body() else {}
    started = context.store.run_deployment(deployment_id, overrides, person_of(request).id)
    shape = context.options.run_answer
    answer: Row = {"data": [_started(one, shape) for one in started]}
    if shape == "flow_run" and started:
        answer["flowRunId"] = started[0].flow_run_id
    return JSONResponse(answer, status_code=201)


def _overrides(body: Mapping[str, Any]) -> dict[str, str]:
    # Only the documented nesting is accepted: our choice [?]. A public script has another one, commented out:
    # {"overrides": {"runParameters"}} [P: VC].
    inner: Any = body
    for key in ("runParameters", "overrides", "data"):
        if not isinstance(inner, dict) or not inner.keys() <= {key}:
            raise ValidationError('The body must be {"runParameters": {"overrides": {"data": [{"key", "value"}]}}}')
        if key not in inner:
            return {}
        inner = inner[key]
    if not isinstance(inner, list):
        raise ValidationError("runParameters.overrides.data must be a list")
    overrides = {}
    for item in inner:
        if not isinstance(item, dict) or not all(isinstance(item.get(key), str) for key in ("key", "value")):
            raise ValidationError('runParameters.overrides.data must hold {"key": string, "value": string}')
        overrides[item["key"]] = item["value"]
    return overrides


def _started(group: JobGroup, shape: str) -> Row:
    body: Row = {"reason": "JobStarted", "sessionId": group.session_id, "id": group.id}
    if shape != "v4":
        body["jobs"] = {"data": [{"id": job.id} for job in group.jobs]}
    if shape == "flow_run":
        ids = [job.id for job in group.jobs]
        edges = [{"source": one, "target": other} for one, other in pairwise(ids)]
        body |= {"flowRun": {"id": group.flow_run_id}, "jobGraph": {"vertices": ids, "edges": edges}}
    return body


#: Embeds of a job group that show no more than an id: our choice [?].
_REFERENCES = ("wrangledDataset", "creator", "updater", "workspace", "snapshot", "flowrun")
#: All embeds [P: AAC25]. Those within jobs are accepted but not shown: our choice [?].
_EMBEDS = ("jobs", "jobs.fileWriterJob.writeSetting", "jobs.scriptResults", *_REFERENCES)


async def list_all(request: Request) -> Response:
    """GET [P: AAC25]. The newest comes first, and every user sees all: our choices [?]."""
    embeds(request.query_params, "jobGroups", _REFERENCES)
    rows = [_body(row) for row in context_of(request).store.state.job_groups.listed()]
    return JSONResponse(list_answer(rows, request.query_params))


async def read(request: Request) -> Response:
    """GET one, with ``embed=jobs`` [R: D64 API JobGroups Get v4]."""
    context, params = context_of(request), request.query_params
    group = context.store.job_group(path_id(request))
    wanted = embeds(params, "jobGroups", _EMBEDS)
    [body] = select_fields([_body(group)], params)
    if any(name.startswith("jobs") for name in wanted):
        body["jobs"] = embedded_list(_jobs(context, group), wanted.get("jobs", {}), "status")
    return JSONResponse(body)


async def status(request: Request) -> Response:
    """GET the state: a bare JSON string [P: AAC25, SDK]."""
    return JSONResponse(context_of(request).store.job_group(path_id(request)).status)


async def list_jobs(request: Request) -> Response:
    """GET the jobs of a job group [R: VS-136168568]."""
    context = context_of(request)
    jobs = _jobs(context, context.store.job_group(path_id(request)))
    return JSONResponse(list_answer(jobs, request.query_params, "status"))


async def job_status(request: Request) -> Response:
    """GET the state of one job: a bare JSON string [P: DBT, AAC25]."""
    job_id = path_id(request)
    for group in context_of(request).store.job_groups():
        for job in group.jobs:
            if job.id == job_id:
                return JSONResponse(_job_status(group, job))
    raise MissingObjectError("jobs", job_id, "unknown")


async def cancel(request: Request) -> Response:
    """POST: does nothing if the job group has ended [P: AAC25]. The status is 200, or 202 in some builds [M]."""
    context = context_of(request)
    group = context.store.cancel_job_group(path_id(request), person_of(request).id)
    answer = {"jobIds": [job.id for job in group.jobs], "jobgroupId": group.id}
    return JSONResponse(answer, status_code=context.options.cancel_status)


async def inputs(request: Request) -> Response:
    """GET what a job group reads [P: AAC25]. For files the answer can be a 400 [P: AYX]."""
    context = context_of(request)
    found = context.store.job_group(path_id(request)).inputs
    files = [one for flow in found["data"] for one in flow["inputs"] if "uri" in one]
    if files and context.options.file_inputs == "refuse":
        details = "Illegal Argument: Only Jdbc sources have connect String"
        raise ApiError(400, details, name="DataServiceInvalidRequest")
    return JSONResponse(found)


async def outputs(request: Request) -> Response:
    """GET what a job group writes [P: AAC25]. It is the same before the end: our choice [?]."""
    return JSONResponse(context_of(request).store.job_group(path_id(request)).outputs)


def _body(group: JobGroup) -> Row:
    # [R: D64 API JobGroups Get v4] [P: AAC25, NZ]
    return {
        "id": group.id,
        "name": None,
        "description": None,
        "ranfrom": "api",
        "ranfor": "recipe",
        "status": group.status,
        "profilingEnabled": any(job.type == "profile" for job in group.jobs),
        "runParameterReferenceDate": iso(group.created_at),
        "createdAt": iso(group.created_at),
        "updatedAt": iso(group.updated_at),
        "workspace": {"id": 1},
        "creator": {"id": group.creator},
        "updater": {"id": group.creator},
        "snapshot": {"id": group.id},
        "wrangledDataset": {"id": group.wrangled_dataset_id},
        "flowrun": {"id": group.flow_run_id},
    }


def _jobs(context: Context, group: JobGroup) -> list[Row]:
    return [_job_body(context, group, job) for job in group.jobs]


def _job_body(context: Context, group: JobGroup, job: Job) -> Row:
    state = _job_status(group, job)
    message: Any = group.message if state == "Failed" else None
    if message is not None and context.options.job_error_shape == "object":
        message = {"message": message}
    return {
        "id": job.id,
        "status": state,
        "jobType": job.type,
        "sampleSize": 100,
        "percentComplete": 100 if state == "Complete" else 0,
        "lastHeartbeatAt": iso(group.updated_at),
        "createdAt": iso(group.created_at),
        "updatedAt": iso(group.updated_at),
        "creator": {"id": group.creator},
        "jobGroup": {"id": group.id},
        "errorMessage": message,
    }


def _job_status(group: JobGroup, job: Job) -> str:
    # The first job does the work and may fail; the others then never start: our choice [?].
    state = group.status
    if state in ("InProgress", "Failed") and job is not group.jobs[0]:
        return "Created"
    return state


ENDPOINTS = (
    Endpoint("POST", "/v4/deployments/{id}/run", "runDeployment", run, deployments=True),
    Endpoint("GET", "/v4/jobGroups", "listJobGroups", list_all),
    Endpoint("GET", "/v4/jobGroups/{id}", "getJobGroup", read),
    Endpoint("GET", "/v4/jobGroups/{id}/status", "getJobGroupStatus", status),
    Endpoint("GET", "/v4/jobGroups/{id}/jobs", "getJobGroupJobs", list_jobs),
    Endpoint("POST", "/v4/jobGroups/{id}/cancel", "cancelJobGroup", cancel),
    Endpoint("GET", "/v4/jobGroups/{id}/inputs", "getJobGroupInputs", inputs),
    Endpoint("GET", "/v4/jobGroups/{id}/outputs", "getJobGroupOutputs", outputs),
    Endpoint("GET", "/v4/jobs/{id}/status", "getJobStatus", job_status),
)
