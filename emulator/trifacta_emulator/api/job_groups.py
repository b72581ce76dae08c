"""``/v4/jobGroups`` and ``/v4/jobs``: what became of runs."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trifacta_emulator.api.endpoint import (
    Context,
    Endpoint,
    context_of,
    path_id,
    store_of,
    user_id_of,
)
from trifacta_emulator.api.people import PEOPLE, embed_people
from trifacta_emulator.api.query import embedded_list, embeds, list_answer, select_fields
from trifacta_emulator.api.recipes import recipe_body
from trifacta_emulator.clock import iso
from trifacta_emulator.errors import ApiError, MissingObjectError
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.records import Job, JobGroup

#: Embeds that public clients use [P: SDK, NZ, CMP, VDC]. The product has more of them.
_EMBEDS = (
    "jobs",
    "jobs.errorMessage",
    "jobs.scriptResults",
    "jobs.scriptResults.storageLocation",
    "jobs.fileWriterJob",
    "jobs.fileWriterJob.writeSetting",
    "wrangledDataset",
    "wrangledDataset.flow",
    "wrangledDataset.recipe",
    "jobGroupDataflowOptions",
    *PEOPLE,
)
#: Names of WriteSetting in the API description [P: AAC25].
_SETTING = (
    "id",
    "path",
    "action",
    "format",
    "compression",
    "header",
    "asSingleFile",
    "delim",
    "hasQuotes",
)
#: A document without a page. Nothing is computed here.
_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count"
    b" 0>>endobj\n%%EOF\n"
)


async def list_all(request: Request) -> Response:
    """GET, newest first [R: D60, D64], with ``flowNodeId`` and ``ranfor`` [P: AAC25]. Every user
    sees all [?].
    """
    context = context_of(request)
    params = request.query_params
    node_id = params.get("flowNodeId")
    groups = []
    # All runs are those of recipes.
    if params.get("ranfor") in (None, "recipe"):
        for group in context.store.state.job_groups.listed():
            if node_id in (None, str(group.recipe.id)):
                groups.append(group)
    return JSONResponse(list_answer(job_group_rows(context, groups, params), params))


async def read(request: Request) -> Response:
    """GET one, with ``embed=jobs`` [R: D64 API JobGroups Get v4]."""
    context = context_of(request)
    params = request.query_params
    group = context.store.job_group(path_id(request))
    bodies = job_group_rows(context, [group], params)
    [selected] = select_fields(bodies, params)
    return JSONResponse(selected)


async def status(request: Request) -> Response:
    """GET the state: a bare JSON string [P: AAC25, SDK]."""
    group = store_of(request).job_group(path_id(request))
    return JSONResponse(group.status)


async def list_jobs(request: Request) -> Response:
    """GET the jobs of a job group [R: VS-136168568]."""
    context = context_of(request)
    group = context.store.job_group(path_id(request))
    jobs = [_job_body(context, group, job, ()) for job in group.jobs]
    return JSONResponse(list_answer(jobs, request.query_params, "status"))


async def job_status(request: Request) -> Response:
    """GET the state of one job: a bare JSON string [P: DBT, AAC25]."""
    job_id = path_id(request)
    for group in store_of(request).job_groups():
        for job in group.jobs:
            if job.id == job_id:
                return JSONResponse(_job_status(group, job))
    raise MissingObjectError("jobs", job_id, "unknown")


async def cancel(request: Request) -> Response:
    """POST: does nothing if the job group has ended [P: AAC25]. The status is 200, or 202 in some
    builds [M].
    """
    context = context_of(request)
    group = context.store.cancel_job_group(path_id(request), user_id_of(request))
    job_ids = [job.id for job in group.jobs]
    answer = {"jobIds": job_ids, "jobgroupId": group.id}
    return JSONResponse(answer, status_code=context.options.cancel_status)


async def inputs(request: Request) -> Response:
    """GET what a job group reads [P: AAC25]. For files the answer can be a 400 [P: AYX]."""
    context = context_of(request)
    group = context.store.job_group(path_id(request))
    if context.options.file_inputs == "refuse" and _reads_files(group):
        details = "Illegal Argument: Only Jdbc sources have connect String"
        raise ApiError(400, details, name="DataServiceInvalidRequest")
    return JSONResponse(group.inputs)


def _reads_files(group: JobGroup) -> bool:
    datasets: list[Row] = []
    for flow in group.inputs["data"]:
        datasets += flow["inputs"]
    return any("uri" in dataset for dataset in datasets)


async def outputs(request: Request) -> Response:
    """GET what a job group writes [P: AAC25]. It is the same before the end: our choice [?]."""
    group = store_of(request).job_group(path_id(request))
    return JSONResponse(group.outputs)


async def profile(request: Request) -> Response:
    """GET ``profile``, or ``profileResults``, which has the profiles by job [P: AAC25]. All
    profiles are empty here.
    """
    group = store_of(request).job_group(path_id(request))
    if group.status != "Complete" or not group.has_profile:
        raise _no_profile(group)
    # The fields that a public client reads [P: SDK].
    results: Row = {
        "profilerTypeCheckHistograms": {},
        "profilerValidValueHistograms": {},
        "columnTypes": {},
    }
    if not request.url.path.endswith("profileresults"):
        return JSONResponse(results)
    by_job = {}
    for job in group.jobs:
        if job.type == "profile":
            # The key is our choice [?].
            by_job[str(job.id)] = results
    return JSONResponse(by_job)


async def pdf(request: Request) -> Response:
    """GET the profile as a document: 404 until it exists [P: SDK], 400 for a job group without one
    [P: AYX].
    """
    group = store_of(request).job_group(path_id(request))
    ended_without = group.finished and group.status != "Complete"
    if not group.has_profile or ended_without:
        raise _no_profile(group)
    if not group.finished:
        raise ApiError(404, f"jobGroups {group.id} has no PDF yet")
    return Response(_PDF, media_type="application/pdf")


async def logs(request: Request) -> Response:
    """GET the logs, a ZIP [P: SAA]. Each job has a file whose name ends in ``job.log``.

    A line begins with a time of 23 characters [P: SAA]. The words are our choice [?].
    """
    group = store_of(request).job_group(path_id(request))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for job in group.jobs:
            archive.writestr(f"jobs/{job.id}/job.log", _log_of(group, job))
    name = f"jobGroup_{group.id}_logs.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(buffer.getvalue(), media_type="application/zip", headers=headers)


def _log_of(group: JobGroup, job: Job) -> str:
    state = _job_status(group, job)
    created = f"Job {job.id} ({job.type}) of job group {group.id} was created"
    lines = [f"{iso(group.created_at)[:23]} INFO {created}"]
    if state != "Created":
        lines.append(f"{iso(group.starts_at)[:23]} INFO Job {job.id} started")
    if group.finished and state != "Created":
        lines.append(f"{iso(group.updated_at)[:23]} INFO Job {job.id} ended: {state}")
    if state == "Failed" and group.message:
        lines.append(f"{iso(group.updated_at)[:23]} ERROR {' '.join(group.message.splitlines())}")
    return "".join(f"{line}\n" for line in lines)


def job_group_rows(
    context: Context,
    groups: Sequence[JobGroup],
    params: Mapping[str, str],
) -> list[Row]:
    """Write job groups with what ``embed`` asks for.

    :param context: the emulator
    :param groups: the job groups, in the order of the answer
    :param params: query parameters
    """
    wanted = embeds(params, "jobGroups", _EMBEDS)
    roots = {name.partition(".")[0] for name in wanted}
    rows = []
    for group in groups:
        row = _body(context, group)
        if "jobs" in roots:
            jobs = [_job_body(context, group, job, wanted) for job in group.jobs]
            row["jobs"] = embedded_list(jobs, wanted.get("jobs", {}), "status")
        if "wrangledDataset" in roots:
            # Its flow comes with it [R: D60 API JobGroups Get List v4].
            recipe_embeds = ["flow"]
            if "wrangledDataset.recipe" in wanted:
                recipe_embeds.append("recipe")
            row["wrangledDataset"] = recipe_body(group.recipe, recipe_embeds)
        if "jobGroupDataflowOptions" in roots:
            # Nothing runs on Dataflow here [?].
            row["jobGroupDataflowOptions"] = {"data": []}
        rows.append(embed_people(context, row, roots))
    return rows


def _no_profile(group: JobGroup) -> ApiError:
    # [P: AYX]
    return ApiError(
        400,
        f"Job group {group.id} does not have profiling data",
        name="ProfilingDataNotFoundException",
        message="Profiling data not found",
    )


def _body(context: Context, group: JobGroup) -> Row:
    flow_run = None
    if group.flow_run_id is not None:
        flow_run = {"id": group.flow_run_id}
    # [R: D64 API JobGroups Get v4] [P: AAC25, NZ]
    return {
        "id": group.id,
        "name": None,
        "description": None,
        "ranfrom": "api",
        "ranfor": "recipe",
        "status": group.status,
        "profilingEnabled": group.has_profile,
        "runParameterReferenceDate": iso(group.created_at),
        "createdAt": iso(group.created_at),
        "updatedAt": iso(group.updated_at),
        "workspace": {"id": 1},
        "creator": {"id": group.creator},
        "updater": {"id": group.creator},
        "snapshot": {"id": group.id},
        "wrangledDataset": {"id": group.recipe.id},
        context.options.flow_run_name: flow_run,
    }


def _job_body(
    context: Context,
    group: JobGroup,
    job: Job,
    wanted: Collection[str],
) -> Row:
    state = _job_status(group, job)
    message: Any = None
    if state == "Failed":
        message = group.message
    if message is not None and context.options.job_error_shape == "object":
        message = {"message": message}
    body: Row = {
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
        # The id at the engine in the cloud, e.g. Dataflow. There is no such engine here [?].
        "cpJobId": None,
    }
    with_places = "jobs.scriptResults.storageLocation" in wanted
    if with_places or "jobs.scriptResults" in wanted:
        results: list[Row] = []
        if state == "Complete":
            results = _script_results(group, job, with_places=with_places)
        body["scriptResults"] = {"data": results}
    with_setting = "jobs.fileWriterJob.writeSetting" in wanted
    if with_setting or "jobs.fileWriterJob" in wanted:
        body["fileWriterJob"] = _file_writer(job, whole=with_setting)
    return body


def _script_results(
    group: JobGroup,
    job: Job,
    *,
    with_places: bool,
) -> list[Row]:
    # A file has its result at the job that writes it [P: SDK], and a table at the one that makes it
    # [P: VDC].
    if job.setting is not None:
        place = {
            "type": "file",
            "container": None,
            "path": job.setting.get("path"),
        }
    elif job is group.jobs[0] and group.outputs["tables"]:
        table = group.outputs["tables"][0]
        # The path is a list, written as text [P: VDC].
        path = json.dumps(table["relationalPath"])
        place = {
            "type": "jdbc",
            "container": table["table"],
            "path": path,
        }
    else:
        return []
    result: Row = {"id": job.id, "isPrimaryOutput": True}
    if with_places:
        result["storageLocation"] = {"id": job.id, **place}
    return [result]


def _file_writer(job: Job, *, whole: bool) -> Row | None:
    if job.setting is None:
        return None
    return {"id": job.id, "writeSetting": _setting(job.setting, whole=whole)}


def _setting(setting: Row, *, whole: bool) -> Row:
    if not whole:
        return {"id": setting.get("id")}
    return {name: setting.get(name) for name in _SETTING}


def _job_status(group: JobGroup, job: Job) -> str:
    # The first job does the work and may fail; the others then never start: our choice [?].
    state = group.status
    if state in ("InProgress", "Failed") and job is not group.jobs[0]:
        return "Created"
    return state


_GROUP = "/v4/jobGroups/{id}"
ENDPOINTS = (
    Endpoint("GET", "/v4/jobGroups", "listJobGroups", list_all),
    Endpoint("GET", _GROUP, "getJobGroup", read),
    Endpoint("GET", f"{_GROUP}/status", "getJobGroupStatus", status),
    Endpoint("GET", f"{_GROUP}/jobs", "getJobGroupJobs", list_jobs),
    Endpoint("POST", f"{_GROUP}/cancel", "cancelJobGroup", cancel),
    Endpoint("GET", f"{_GROUP}/inputs", "getJobGroupInputs", inputs),
    Endpoint("GET", f"{_GROUP}/outputs", "getJobGroupOutputs", outputs),
    Endpoint("GET", f"{_GROUP}/profile", "getProfilingInformationForJobGroup", profile),
    Endpoint(
        "GET", f"{_GROUP}/profileResults", "getProfilingInformationForJobGroupConsistent", profile
    ),
    Endpoint(
        "GET", f"{_GROUP}/pdfResults", "getJobGroupPdfResults", pdf, produces="application/pdf"
    ),
    Endpoint("GET", f"{_GROUP}/logs", "getJobGroupLogs", logs, produces="application/zip"),
    Endpoint("GET", "/v4/jobs/{id}/status", "getJobStatus", job_status),
)
