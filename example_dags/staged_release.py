"""Stage a release, wait until a person activates it in Trifacta, then use its ids.

``create_release`` imports the package and puts back what was live before. An import goes live by
itself, so for that moment the new release is the live one; the log says for how long. Then a person
looks, and

* activates the release: the wait ends and ``announce`` runs;
* deletes it: the wait fails, since it cannot become active any more;
* promotes something newer: the wait fails, since activating this release would undo that.

Clearing ``create_release`` finds the staged release, and leaves it alone when a person has
activated it since. Clearing ``baseline`` too stages the package once more. Clearing
``wait_for_a_person`` waits again.
"""

from __future__ import annotations

import os
from typing import Any

import pendulum

try:
    from airflow.sdk import DAG, Param, task
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.decorators import task
    from airflow.models.param import Param

from airflow_provider_trifacta.operators.deployment import GetDeploymentOperator
from airflow_provider_trifacta.operators.release import CreateReleaseOperator
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor

with DAG(
    dag_id="staged_release",
    description=(
        "Uploads a flow package without making it live, and waits until a person activates it."
    ),
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
    # Promotions to one deployment must not overlap: the API has no lock. The next run waits for the
    # person too.
    max_active_runs=1,
    tags=["trifacta", "example"],
    params={
        "deployment_id": Param(
            int(os.environ.get("TRIFACTA_DEPLOYMENT_ID", "1")), type="integer", minimum=1
        ),
        "package_path": Param(
            os.environ.get("TRIFACTA_PACKAGE", "/packages/flow.zip"), type="string"
        ),
    },
) as dag:
    baseline = GetDeploymentOperator(task_id="baseline", deployment_id="{{ params.deployment_id }}")

    create = CreateReleaseOperator(
        task_id="create_release",
        deployment_id="{{ params.deployment_id }}",
        package_path="{{ params.package_path }}",
        baseline=baseline.output,
        activate=False,
        retries=2,
        retry_delay=pendulum.duration(minutes=2),
    )

    wait = ReleaseActiveSensor(
        task_id="wait_for_a_person",
        release_id=create.output["release_id"],
        # The release that stays live has a lower id and does not end the wait. A higher one means
        # that another promotion overtook this one. Waiting for days would be useless then, and
        # would delay the next run.
        on_superseded="fail",
        # People take days: in the triggerer that costs no worker slot.
        deferrable=True,
        poke_interval=30,
        timeout=pendulum.duration(days=7).total_seconds(),
        # A server that is down for an hour must not end a wait of days.
        tolerated_outage=pendulum.duration(hours=2),
    )

    @task
    def announce(release: dict[str, Any]) -> str:
        """Use the ids: they are the production instance's.

        The flows' ids are unknown when the answer to the upload was lost, or its release was made
        before.
        """
        flows = release["primary_flow_ids"]
        named = (
            f"primary flows {flows}"
            if flows is not None
            else "primary flows that Trifacta's page shows"
        )
        message = f"release {release['release_id']} was activated, with {named}"
        print(message)  # noqa: T201 - a task's output is its log
        return message

    wait >> announce(create.output)
