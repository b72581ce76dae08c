"""Promote a flow within six hours, and tell a mailbox which release is live if the run takes
longer.

``dagrun_timeout`` ends the running tasks and skips the rest, the rollback and ``promoted`` too. So
an unproven release may stay live, and no task says so. Only the DAG's own callback runs, in the DAG
processor. On Airflow 3.0 it cannot read XComs. So it takes the deployment and the connection from
its own arguments, and reads which release is live.

Needs ``apache-airflow-providers-smtp``, which Airflow brings, and a connection ``smtp_default``
whose extra has ``from_email``. A person who marks the run as failed causes no callback.
"""

from __future__ import annotations

import os
from datetime import timedelta
from functools import partial

import pendulum

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

from airflow.providers.smtp.hooks.smtp import SmtpHook

from airflow_provider_trifacta.task_groups import promote_flow

DEPLOYMENT_ID = int(os.environ.get("TRIFACTA_DEPLOYMENT_ID", "1"))


def tell_what_is_live(context, *, conn_id: str, deployment_id: int, to: str) -> None:
    """Read which release is live, and send it. Airflow calls this when the run has failed, for any
    reason."""
    # Imported here: the file is parsed often, and the callback runs seldom.
    from airflow_provider_trifacta.client.errors import TrifactaError
    from airflow_provider_trifacta.hooks.trifacta import TrifactaHook

    try:
        with TrifactaHook(conn_id).client as client:
            page = client.deployment_url(deployment_id)
            live = [release.id for release in client.releases.list(deployment_id) if release.active]
        text = f"Release {live[0]} is live" if live else "No release is live"
        text = f"{text} in deployment {deployment_id}: {page}"
    except TrifactaError as error:
        text = f"Which release of deployment {deployment_id} is live could not be read: {error}"
    # The reason is "timed_out" where dagrun_timeout ended the run. Other failures have the alert of
    # their task too.
    reason = context.get("reason") or "unknown"
    run = f"{context['dag'].dag_id}, run {context.get('run_id')}"
    # The hook sends it as it is, and a notifier would render it as a template.
    body = (
        f"{run} failed ({reason}), and may have promoted a release that nothing has proven. {text}"
    )
    html = body.replace("&", "&amp;").replace("<", "&lt;")
    with SmtpHook("smtp_default") as smtp:
        smtp.send_email_smtp(to=to, subject="A promotion failed or was ended", html_content=html)


with DAG(
    dag_id="promotion_timeout",
    description=(
        "Exports a flow from Dev and promotes it to Prod within six hours. A mailbox gets a message"
        " if not."
    ),
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
    # Promotions to one deployment must not overlap: the API has no lock.
    max_active_runs=1,
    # Longer than all waits of the group together: a run that is ended has no rollback.
    dagrun_timeout=timedelta(hours=6),
    on_failure_callback=partial(
        tell_what_is_live,
        conn_id="trifacta_prod",
        deployment_id=DEPLOYMENT_ID,
        to="data-platform@example.com",
    ),
    tags=["trifacta", "example"],
) as dag:
    promote_flow(
        flow_id=int(os.environ.get("TRIFACTA_FLOW_ID", "1")),
        deployment_id=DEPLOYMENT_ID,
        package_path=os.environ.get("TRIFACTA_PACKAGES", "/packages") + "/flow_{{ run_id }}.zip",
        # Runs production once, with production's outputs: that is your decision.
        smoke_run=True,
    )
