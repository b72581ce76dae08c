"""Pages for people at ``/`` and at the addresses of the product's UI. They do not look like the product's pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from trifacta_emulator.api.endpoint import Context, context_of, path_id
from trifacta_emulator.clock import iso
from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.records import Deployment, Event, Flow, JobGroup, Release

_ROWS_SHOWN = 30
#: By type of the instance: its name in the title and in the heading.
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

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0; background: #f3f5f8; color: #1d2733; }
header { background: #17324d; color: #fff; padding: 18px 32px; }
header h1 { margin: 0; font-size: 20px; }
header p { margin: 4px 0 0; color: #c5d3e2; font-size: 13px; }
main { max-width: 1080px; margin: 24px auto; padding: 0 24px; }
section { background: #fff; border: 1px solid #dbe2ea; border-radius: 8px; margin-bottom: 20px; }
section h2 { font-size: 16px; margin: 0; padding: 14px 18px; }
section h2 small { color: #6b7a8b; font-weight: normal; margin-left: 8px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 8px 18px; border-top: 1px solid #e8edf2; }
th { font-size: 12px; color: #6b7a8b; text-transform: uppercase; letter-spacing: .04em; }
td.time { white-space: nowrap; }
td.code { font-family: ui-monospace, monospace; font-size: 13px; }
tr.active { background: #eaf7ef; }
.badge { border-radius: 10px; padding: 2px 10px; font-size: 12px; background: #e8edf2; color: #53616f; }
.badge.active { background: #1d8a4a; color: #fff; font-weight: 600; }
.badge.failed { background: #b3261e; color: #fff; font-weight: 600; }
.none { padding: 0 18px 14px; margin: 0; color: #6b7a8b; }
.warning { color: #a33b00; }
"""


async def show(request: Request) -> Response:
    """GET the page of the instance, without a login."""
    context = context_of(request)
    deployments, flows = context.store.deployments(), context.store.flows()
    sections = _flows(flows) + "".join(_deployment(context, one) for one in deployments)
    if not sections:
        sections = f"<section>{_EMPTY[_kind(context.options)]}</section>"
    return _page(context, sections + _job_groups(context.store.job_groups()) + _history(context))


async def show_deployment(request: Request) -> Response:
    """GET the page of one deployment. Links of Airflow tasks lead here."""
    context, deployment_id = context_of(request), path_id(request)
    deployment = context.store.deployment(deployment_id)
    return _page(context, _deployment(context, deployment) + _job_groups(context.store.job_groups(deployment_id)))


async def show_job_group(request: Request) -> Response:
    """GET the page of one job group. Links of Airflow tasks lead here."""
    context = context_of(request)
    group = context.store.job_group(path_id(request))
    head = "<tr><th>Job</th><th>Type</th></tr>"
    jobs = "".join(f"<tr><td>{job.id}</td><td>{escape(job.type)}</td></tr>" for job in group.jobs)
    facts = {"Reads": group.inputs, "Writes": group.outputs, "Parameters": dict(group.overrides)}
    rows = "".join(
        f'<tr><th>{name}</th><td class="code">{escape(json.dumps(value))}</td></tr>' for name, value in facts.items()
    )
    section = f"<section><h2>Jobs</h2><table>{head}{jobs}</table></section><section><table>{rows}</table></section>"
    return _page(context, _job_groups((group,)) + section)


def _kind(options: EmulatorOptions) -> str:
    # Without Deployment Manager an instance has flows only, like a Dev instance.
    return options.instance_type if options.has_deployments else "dev"


def _page(context: Context, sections: str) -> Response:
    options = context.options
    title = _TITLES[_kind(options)]
    return HTMLResponse(
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<title>{title} (emulator)</title><style>{_STYLE}</style></head>
<body><header><h1>{title} &ndash; emulator</h1>
<p>Emulates Trifacta {escape(options.edition)} {escape(options.product_version)}, API v4. State is in
memory only. This page exists in the emulator only and needs no login.</p></header>
<main>{sections}</main></body></html>
"""
    )


def _time(at: datetime) -> str:
    return f'<td class="time">{iso(at)}</td>'


def _deployment(context: Context, deployment: Deployment) -> str:
    releases = context.store.releases(deployment.id)[::-1]
    title = f"<h2>{escape(deployment.name)}<small>deployment {deployment.id}</small></h2>"
    if not releases:
        return f'<section>{title}<p class="none">No releases.</p></section>'
    warning = ""
    if not any(release.active for release in releases):
        warning = '<p class="none warning">No release is active: this deployment cannot run.</p>'
    rows = "".join(_release(release) for release in releases)
    head = "<tr><th>Release</th><th>Notes</th><th>Package</th><th>Created</th><th>State</th></tr>"
    return f"<section>{title}{warning}<table>{head}{rows}</table></section>"


def _release(release: Release) -> str:
    state = "active" if release.active else "inactive"
    return (
        f'<tr class="{state}"><td>{release.id}</td><td>{escape(release.notes)}</td>'
        f'<td class="code">{escape(release.package_uuid)}</td>{_time(release.created_at)}'
        f'<td><span class="badge {state}">{state}</span></td></tr>'
    )


def _flows(flows: Sequence[Flow]) -> str:
    rows = "".join(
        f"<tr><td>{flow.id}</td><td>{escape(flow.name)}</td>{_time(flow.updated_at)}<td>{flow.exports}</td></tr>"
        for flow in flows
    )
    head = "<tr><th>Flow</th><th>Name</th><th>Changed</th><th>Exports</th></tr>"
    return f"<section><h2>Flows</h2><table>{head}{rows}</table></section>" if flows else ""


def _job_groups(groups: Sequence[JobGroup]) -> str:
    rows = "".join(map(_job_group, groups[::-1][:_ROWS_SHOWN]))
    head = "".join(f"<th>{one}</th>" for one in ("Job group", "Flow", "Deployment", "Release", "Started", "State", ""))
    return f"<section><h2>Job groups</h2><table><tr>{head}</tr>{rows}</table></section>" if groups else ""


def _job_group(group: JobGroup) -> str:
    kind = {"Complete": "active", "Failed": "failed"}.get(group.status, "")
    message = escape(group.message or "") if group.status == "Failed" else ""
    return (
        f'<tr><td><a href="/jobs/{group.id}">{group.id}</a></td>'
        f"<td>{group.recipe.home.flow_id}</td><td>{group.deployment_id or ''}</td>"
        f"<td>{group.release_id or ''}</td>{_time(group.created_at)}"
        f'<td><span class="badge {kind}">{escape(group.status)}</span></td><td>{message}</td></tr>'
    )


def _history(context: Context) -> str:
    events = context.store.events()[::-1][:_ROWS_SHOWN]
    if not events:
        return ""
    emails = {person.id: person.user.email for person in context.auth.people}
    rows = "".join(_event(event, emails.get(event.user_id, str(event.user_id))) for event in events)
    head = "<tr><th>Time</th><th>Deployment</th><th>Release</th><th>What</th><th>Who</th></tr>"
    return f"<section><h2>History</h2><table>{head}{rows}</table></section>"


def _event(event: Event, who: str) -> str:
    release = "" if event.release_id is None else str(event.release_id)
    deployment = "" if event.deployment_id is None else str(event.deployment_id)
    return (
        f"<tr>{_time(event.at)}<td>{deployment}</td><td>{release}</td>"
        f"<td>{escape(event.what)}</td><td>{escape(who)}</td></tr>"
    )
