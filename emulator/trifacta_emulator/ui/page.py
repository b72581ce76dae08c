"""Pages for people at ``/`` and at the addresses of the product's UI. They do not look like the
product's pages.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from trifacta_emulator.api.endpoint import (
    Context,
    context_of,
    path_id,
    store_of,
)
from trifacta_emulator.clock import iso
from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.records import Deployment, Event, Flow, JobGroup, Release
from trifacta_emulator.ui.assets import SCRIPT, STYLE

_ROWS_SHOWN = 30


def _hash_of(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


_POLICY = (
    f"default-src 'none'; style-src {_hash_of(STYLE)}; script-src {_hash_of(SCRIPT)}; connect-src"
    " 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: By type of the instance: what it is. It is the title where the instance has no name.
_TITLES = {
    "dev": "Dev instance",
    "prod": "Prod instance: Deployment Manager",
    "both": "Dev and Prod instance: Deployment Manager",
}
_NO_DEPLOYMENTS = '<h2>No deployments yet</h2><p class="none">POST /v4/deployments makes one.</p>'
_EMPTY = {
    "dev": '<h2>No flows yet</h2><p class="none">POST /v4/flows/package imports one.</p>',
    "prod": _NO_DEPLOYMENTS,
    "both": _NO_DEPLOYMENTS,
}


async def show(request: Request) -> Response:
    """GET the page of the instance, without a login."""
    context = context_of(request)
    sections = _flows(context.store.flows())
    for deployment in context.store.deployments():
        sections += _deployment(context, deployment)
    if not sections:
        sections = f'<section id="empty">{_EMPTY[_kind(context.options)]}</section>'
    sections += _job_groups(context.store.job_groups())
    sections += _history(context)
    return _page(request, sections)


async def show_deployment(request: Request) -> Response:
    """GET the page of one deployment. Links of Airflow tasks lead here."""
    context = context_of(request)
    deployment_id = path_id(request)
    sections = _deployment(context, context.store.deployment(deployment_id))
    sections += _job_groups(context.store.job_groups(deployment_id))
    return _page(request, sections)


async def show_job_group(request: Request) -> Response:
    """GET the page of one job group. Links of Airflow tasks lead here."""
    group = store_of(request).job_group(path_id(request))
    jobs = []
    for job in group.jobs:
        jobs.append(f'<tr><th scope="row">{job.id}</th><td>{escape(job.type)}</td></tr>')
    data = {
        "Reads": group.inputs,
        "Writes": group.outputs,
        "Parameters": dict(group.overrides),
    }
    rows = []
    for name, content in data.items():
        words = escape(json.dumps(content))
        rows.append(f'<tr><th scope="row">{name}</th><td class="code">{words}</td></tr>')
    sections = _job_groups((group,))
    sections += _section("jobs", "Jobs", ("Job", "Type"), jobs)
    sections += _section("data", "Data", ("What", "Value"), rows)
    return _page(request, sections)


def _kind(options: EmulatorOptions) -> str:
    # Without Deployment Manager an instance has flows only, like a Dev instance.
    return options.instance_type if options.has_deployments else "dev"


def _page(request: Request, sections: str) -> Response:
    context = context_of(request)
    options, kind = context.options, _TITLES[_kind(context.options)]
    # Two instances of one kind differ by their address, or by the name that a person gave them.
    title = f"{context.server.name or kind} at {request.headers.get('host', '')}"
    return HTMLResponse(
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} (emulator)</title>
<link rel="icon" href="data:,"><style>{STYLE}</style></head>
<body><header><h1>{escape(title)} &ndash; emulator</h1>
<p>{kind}. Emulates Trifacta {escape(options.edition)} {escape(options.product_version)}, API v4.
State is in
memory only. This page exists in the emulator only and needs no login.</p></header>
<main><div id="said" role="status"></div><div id="sections">{sections}</div></main>
<script>{SCRIPT}</script></body></html>
""",
        # No other page may show this one in a frame and lead a click to a button.
        headers={
            "Content-Security-Policy": _POLICY,
            "X-Frame-Options": "DENY",
            "Cache-Control": "no-store",
        },
    )


def _section(
    name: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[str],
    note: str = "",
) -> str:
    """Write a section with a table. The title and the names of columns are texts of this module, or
    escaped.
    """
    heading = f'<h2 id="{name}-title">{title}</h2>'
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    table = (
        f'<div class="scroll" role="region" tabindex="0" id="{name}-table"'
        f' aria-labelledby="{name}-title"><table>'
        f"<caption>{title}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    return (
        f'<section id="{name}"'
        f' aria-labelledby="{name}-title">{heading}{note}{table if rows else ""}</section>'
    )


def _time(at: datetime) -> str:
    return f'<td class="time">{iso(at)}</td>'


def _deployment(context: Context, deployment: Deployment) -> str:
    releases = context.store.releases(deployment.id)[::-1]
    title = f"{escape(deployment.name)}<small>deployment {deployment.id}</small>"
    name = f"deployment-{deployment.id}"
    if not releases:
        return _section(name, title, (), (), '<p class="none">No releases.</p>')
    warning = ""
    if not any(release.active for release in releases):
        warning = '<p class="none warning">No release is active: this deployment cannot run.</p>'
    columns = ("Release", "State", "Notes", "Package", "Created")
    rows = [_release(release) for release in releases]
    return _section(name, title, columns, rows, warning)


def _release(release: Release) -> str:
    state = "active" if release.active else "inactive"
    button = ""
    if not release.active:
        button = (
            f'<button type="button" id="activate-{release.id}" data-release="{release.id}">'
            f'Activate<span class="unseen"> release {release.id}</span></button>'
        )
    return (
        f'<tr class="{state}"><th scope="row">{release.id}</th>'
        f'<td class="state"><span class="badge {state}">{state}</span>{button}</td>'
        f'<td>{escape(release.notes)}</td><td class="code">{escape(release.package_uuid)}</td>'
        f"{_time(release.created_at)}</tr>"
    )


def _flows(flows: Sequence[Flow]) -> str:
    if not flows:
        return ""
    rows = []
    for flow in flows:
        rows.append(
            f'<tr><th scope="row">{flow.id}</th><td>{escape(flow.name)}</td>'
            f"{_time(flow.updated_at)}<td>{flow.exports}</td></tr>"
        )
    return _section("flows", "Flows", ("Flow", "Name", "Changed", "Exports"), rows)


def _job_groups(groups: Sequence[JobGroup]) -> str:
    if not groups:
        return ""
    newest = groups[::-1][:_ROWS_SHOWN]
    rows = [_job_group(group) for group in newest]
    columns = ("Job group", "State", "Flow", "Deployment", "Release", "Started", "Message")
    return _section("job-groups", "Job groups", columns, rows)


def _job_group(group: JobGroup) -> str:
    kind = {"Complete": "active", "Failed": "failed"}.get(group.status, "")
    message = escape(group.message or "") if group.status == "Failed" else ""
    return (
        f'<tr><th scope="row"><a id="job-{group.id}" href="/jobs/{group.id}">{group.id}</a></th>'
        f'<td class="state"><span class="badge {kind}">{escape(group.status)}</span></td>'
        f"<td>{group.recipe.home.flow_id}</td><td>{group.deployment_id or ''}</td>"
        f"<td>{group.release_id or ''}</td>{_time(group.created_at)}<td>{message}</td></tr>"
    )


def _history(context: Context) -> str:
    newest = context.store.events()[::-1][:_ROWS_SHOWN]
    if not newest:
        return ""
    emails = {person.id: person.user.email for person in context.auth.people}
    rows = []
    for event in newest:
        person = emails.get(event.user_id, str(event.user_id))
        rows.append(_event(event, person))
    return _section("history", "History", ("Time", "Deployment", "Release", "What", "Who"), rows)


def _event(event: Event, who: str) -> str:
    release = "" if event.release_id is None else str(event.release_id)
    deployment = "" if event.deployment_id is None else str(event.deployment_id)
    return (
        f'<tr><th scope="row" class="time">{iso(event.at)}</th>'
        f"<td>{deployment}</td><td>{release}</td>"
        f"<td>{escape(event.what)}</td><td>{escape(who)}</td></tr>"
    )
