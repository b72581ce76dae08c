"""Two DAGs that promote to one deployment and take turns: one every week, and one for what cannot
wait.

They share a pool with one slot, which also counts tasks that are deferred. Make it once, before the
first run::

    airflow pools set trifacta_orders 1 "Promotions to the deployment Orders" --include-deferred

Why a pool: the API has no lock, and ``max_active_runs=1`` only holds within one DAG. Why one slot:
then no two tasks of these promotions run at the same time, so two packages are never uploaded side
by side. Why ``--include-deferred``: without it a wait in the triggerer frees the slot, and the
other DAG goes on while the smoke run's jobs still write. Use a pool for each deployment, and for
nothing else: other tasks would wait for it too.

``promote_flow(pool=...)`` puts all tasks of the group into the pool. Their priority grows from task
to task, so that a promotion that has begun goes before one that has not.

A pool is not a lock on the whole promotion. The slot is free for a moment between two tasks, and
while a task waits for its retry. Now and then the other promotion begins just there. Each still
makes at most one release, and neither undoes the other's, but one of them stops with
``UnexpectedLiveReleaseError``: look which release is live, and clear the whole group to promote
again. Where that must not happen, let one DAG with ``max_active_runs=1`` do all promotions of a
deployment, and trigger it.
"""

from __future__ import annotations

import os

import pendulum

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.models.param import Param

from airflow_provider_trifacta.task_groups import promote_flow

#: Name of the pool, the same in each DAG that promotes to this deployment.
POOL = "trifacta_orders"

for dag_id, description in (
    ("promote_orders_weekly", "Promotes the flow every week, in turn with the urgent promotions."),
    (
        "promote_orders_urgent",
        "Promotes the flow when a person starts it, in turn with the weekly promotion.",
    ),
):
    with DAG(
        dag_id=dag_id,
        description=description,
        start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
        # A DAG with a schedule may run as soon as it is unpaused, and so promote. Give the weekly
        # one "0 6 * * 1".
        schedule=None,
        catchup=False,
        # The pool is for the other DAG. Runs of one DAG still follow each other as a whole.
        max_active_runs=1,
        tags=["trifacta", "example"],
        params={
            "flow_id": Param(
                int(os.environ.get("TRIFACTA_FLOW_ID", "1")), type="integer", minimum=1
            ),
            "deployment_id": Param(
                int(os.environ.get("TRIFACTA_DEPLOYMENT_ID", "1")), type="integer", minimum=1
            ),
            "folder": Param(os.environ.get("TRIFACTA_PACKAGES", "/packages"), type="string"),
        },
    ) as dag:
        promote_flow(
            flow_id="{{ params.flow_id }}",
            deployment_id="{{ params.deployment_id }}",
            # Each DAG and run keeps a package of its own.
            package_path="{{ params.folder }}/{{ dag.dag_id }}_{{ run_id }}.zip",
            dev_conn_id="trifacta_dev",
            prod_conn_id="trifacta_prod",
            value_rules=[{"type": "fileLocation", "on": "//dev//", "with": "/prod/"}],
            smoke_run=True,
            pool=POOL,
            poke_interval=5,
            timeout=3600,
        )
    globals()[dag_id] = dag
