"""One task of each kind for each echoing server, as the test's environment says."""

from __future__ import annotations

import json
import os

import pendulum
from airflow.sdk import DAG
from canary.tasks import tasks

with DAG(
    dag_id="canary",
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    schedule=None,
    catchup=False,
) as dag:
    for conn_id, names in json.loads(os.environ["CANARY_TASKS"]).items():
        made = tasks(conn_id, os.environ["CANARY_PACKAGE"], os.environ["CANARY_FOLDER"])
        for name, (kind, arguments) in made.items():
            if name in names:
                kind(task_id=f"{conn_id}.{name}".replace(".", "_"), **arguments)
