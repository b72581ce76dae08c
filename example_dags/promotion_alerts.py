"""Promote a flow, and tell a Slack channel and a mailbox how production stands when the promotion
was not kept.

The alerts belong to ``promotion.promoted``, the last task of the group. When it fails, the rollback
has ended, so the message says what is live. A callback in ``default_args`` would fire when a step
fails, before the rollback.

Needs ``apache-airflow-providers-smtp``, which Airflow brings, and
``apache-airflow-providers-slack``. Without the latter this example only sends mail. Two more
connections: ``smtp_default``, whose extra has ``from_email``, and ``slack_default`` of the type
Slack Incoming Webhook.
"""

from __future__ import annotations

import os

import pendulum

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.models.param import Param

from airflow.providers.smtp.notifications.smtp import SmtpNotifier

try:
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier
except ImportError:
    SlackWebhookNotifier = None

from airflow_provider_trifacta.task_groups import promote_flow

#: The notifiers render each of their texts when the task has failed. This reads what the task
#: pushed just before.
STATUS = (
    "{% set status = ti.xcom_pull(task_ids=ti.task_id, key='promotion_status',"
    " map_indexes=ti.map_index) or {} %}"
)
#: The XCom is missing only if the task ended before it could read anything.
STATE = STATUS + "{{ status.state or 'unknown' }}"
DEPLOYMENT = STATUS + "{{ status.deployment_name or status.deployment_id or 'unknown' }}"
CAUSE = STATUS + (
    "{% if status.cause %}{{ status.cause.task }}: {{ status.cause.error or 'failed' }}."
    " {{ status.cause.text or '' }}{% else %}no step failed{% endif %}"
)
TEXT = STATUS + "{{ status.text or 'How production stands is unknown.' }} {{ status.advice }}"
LINK = STATUS + "{{ status.deployment_url or '' }}"

with DAG(
    dag_id="promotion_alerts",
    description=(
        "Exports a flow from Dev and promotes it to Prod. Slack and a mailbox get a message if that"
        " fails."
    ),
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
    # Promotions to one deployment must not overlap: the API has no lock.
    max_active_runs=1,
    tags=["trifacta", "example"],
    params={
        "flow_id": Param(int(os.environ.get("TRIFACTA_FLOW_ID", "1")), type="integer", minimum=1),
        "deployment_id": Param(
            int(os.environ.get("TRIFACTA_DEPLOYMENT_ID", "1")), type="integer", minimum=1
        ),
        "folder": Param(os.environ.get("TRIFACTA_PACKAGES", "/packages"), type="string"),
    },
) as dag:
    promotion = promote_flow(
        flow_id="{{ params.flow_id }}",
        deployment_id="{{ params.deployment_id }}",
        package_path="{{ params.folder }}/flow_{{ params.flow_id }}_{{ run_id }}.zip",
        # Runs production once, with production's outputs: that is your decision.
        smoke_run=True,
    )
    alerts = [
        SmtpNotifier(
            to="data-platform@example.com",
            subject="Promotion {{ dag.dag_id }}: " + STATE,
            # A name in Trifacta may hold any characters, so what is HTML to a mail program is
            # escaped.
            html_content=(
                "{% filter e %}" + TEXT + "{% endfilter %}"
                "<p>Cause: {% filter e %}" + CAUSE + "{% endfilter %}</p>"
                "<p>Deployment: {% filter e %}" + DEPLOYMENT + " " + LINK + "{% endfilter %}</p>"
                "<p>{{ ti.task_id }}, run {{ run_id }}</p>"
            ),
        )
    ]
    if SlackWebhookNotifier is not None:
        lines = f"{TEXT}\nCause: {CAUSE}\nDeployment: {DEPLOYMENT} {LINK}"
        words = (
            "{% filter replace('&', '&amp;') | replace('<', '&lt;') %}" + lines + "{% endfilter %}"
        )
        alerts.append(
            SlackWebhookNotifier(text="*Promotion {{ dag.dag_id }}: " + STATE + "*\n" + words)
        )
    promotion.promoted.on_failure_callback = alerts
