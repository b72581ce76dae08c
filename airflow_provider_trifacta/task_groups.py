"""A task group that promotes a flow from a source instance to production."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ._compat import KEEPS_STATE, TaskGroup
from .operators._group import (
    ConfirmGroupOperator,
    GroupBaselineOperator,
    PromotionTasks,
    RollbackGroupOperator,
    first_aid_page,
)
from .operators.deployment import NAME_KEY, ROLLBACK_OUTAGE, RunDeploymentOperator
from .operators.import_rules import SetImportRulesOperator
from .operators.package import ExportFlowPackageOperator
from .operators.release import CreateReleaseOperator, DryRunReleaseOperator
from .sensors.job_group import JobGroupSensor
from .sensors.release import ReleaseActiveSensor
from .waits import TOLERATED_OUTAGE

if TYPE_CHECKING:
    from ._compat import BaseOperator

#: Arguments of each task of the group, which callers can override.
_DEFAULT_ARGS = {"retries": 2, "retry_delay": timedelta(minutes=1)}
#: Arguments that callers cannot override. The last two tasks have their own trigger rule.
_FIXED_ARGS = {
    "trigger_rule": "all_success",
    # Once the release is live, an earlier run must not keep a task from running.
    "depends_on_past": False,
    "wait_for_downstream": False,
    "soft_fail": False,
    "never_fail": False,
    "on_superseded": "fail",
    "wait_for_completion": False,
    "activate": True,
    # Only the last task announces that a release is live, because it may be rolled back before.
    "outlets": [],
    # The last two tasks read what the others push.
    "do_xcom_push": True,
}
#: Arguments of the last two tasks. A retry may find corrected credentials, or an instance that
#: answers again.
_END_ARGS: dict[str, Any] = {
    # They also run if a step failed, because they read themselves how the steps ended.
    "trigger_rule": "all_done",
    "retries": 2,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": False,
    "max_retry_delay": None,
}
#: What the last two tasks may take beside their waits, for slow answers.
_END_MARGIN = timedelta(minutes=30)


# What the errors of the steps advise in the group, where clearing the failed task alone would not
# help.
_PROMOTE_AGAIN = (
    "The task '{promoted}' of this group tells how production stands. To promote again, correct the"
    " cause and clear the whole group."
)
_AFTER_ROLLBACK = (
    "This group goes back to the release that was live before, unless the promoted one is proven."
    " Its task '{promoted}' tells how production stands then, and what to do next."
)
_WITHOUT_ROLLBACK = (
    "This group does not go back by itself (roll_back=False). Its task '{promoted}' tells how"
    " production stands, and what to do next."
)


class PromotionGroup(TaskGroup):
    """What :func:`promote_flow` returns: the group, and its result.

    It can be placed before or after other tasks.
    """

    @property
    def promoted(self) -> BaseOperator:
        """The last task, which says how production stands. Callbacks and notifiers belong here."""
        return self.children[f"{self.group_id}.promoted"]  # type: ignore[return-value]

    @property
    def output(self) -> Any:
        """The result of the promotion as an XComArg: the dict of :class:`.CreateReleaseOperator`.

        A task that consumes it runs after the whole group, and only if the promotion was kept.
        """
        return self.promoted.output


def promote_flow(
    *,
    package_path: Any,
    flow_id: Any = None,
    flow_name: Any = None,
    deployment_id: Any = None,
    deployment_name: Any = None,
    dev_conn_id: str = "trifacta_dev",
    prod_conn_id: str = "trifacta_prod",
    smoke_run: bool,
    group_id: str = "promote_flow",
    object_rules: Any = None,
    value_rules: Any = None,
    create_intermediate_dirs: bool = False,
    dry_run: bool = True,
    on_warnings: str = "log",
    compare_with: Any = None,
    run_parameters: Any = None,
    roll_back: bool = True,
    deferrable: bool | None = None,
    poke_interval: float = 10.0,
    timeout: float = 3600.0,
    tolerated_outage: float | timedelta = TOLERATED_OUTAGE,
    rollback_outage: float | timedelta = ROLLBACK_OUTAGE,
    outlets: Sequence[Any] | None = None,
    pool: str | None = None,
    default_args: Mapping[str, Any] | None = None,
) -> PromotionGroup:
    """Promote a flow from a source instance to a deployment of a production instance, and keep it
    only if it runs.

    The tasks, in their order: ``baseline`` (what is live), ``export``, ``import_rules``,
    ``dry_run``, ``create_release``, ``active``, ``smoke_run`` (starts the jobs), ``smoke_jobs``
    (waits for them). Then ``roll_back``, which is skipped if the promotion is kept, and
    ``promoted``.

    ``promoted`` runs in every case. It reads how production stands, and says so in its log, in
    its error, and as the XCom ``promotion_status``, a dict of :class:`.PromotionStatus`. It is
    skipped if the whole group was skipped. If the promotion was not kept, or a step failed, it
    fails, so that the run is red. So a failure callback of this task
    (:attr:`PromotionGroup.promoted`) or of the DAG is enough for alerts. A task after the group
    with a trigger rule such as ``all_done`` would hide that failure, unless the run has another
    leaf.

    The promotion is kept if all steps from the upload on succeeded. It is also kept if only the
    wait for the jobs gave up and the jobs are Complete, or if this run has proven the release
    before and no smoke run failed since. Steps and jobs that still run are waited for, up to
    ``tolerated_outage``; then the promotion is rolled back.

    A run of a backfill is refused, because it ignores ``max_active_runs``.

    The ``baseline`` tells what belongs to the run, so tasks that are retried or cleared find the
    release of this run. Clearing the whole group promotes once more. Promotions to one deployment
    must not overlap: give the DAG ``max_active_runs=1``, and use a ``pool`` for several DAGs. For
    several flows, call it in a loop with a ``group_id`` for each, or from a mapped task group. Each
    flow needs a path of its own: the group refuses another package at that path than the exported
    one.

    The first task reads the deployment. So an instance without Deployment Manager fails before
    anything is exported. ``docs/guides/workspaces.md`` has the way for those.

    :param flow_id: the flow in the source instance: an int, a string of digits, or an XComArg
        (templated)
    :param flow_name: its exact name, in place of the id (templated)
    :param package_path: where to keep the package, which every worker must reach: a path, or any
        URL of Airflow's object storage; with ``{{ run_id }}`` in it, each run keeps its own
        (templated)
    :param deployment_id: the deployment in the production instance: an int, a string of digits, or
        an XComArg (templated)
    :param deployment_name: its exact name, in place of the id (templated)
    :param dev_conn_id: the Airflow connection of the source instance (templated)
    :param prod_conn_id: the Airflow connection of the production instance (templated)
    :param group_id: name of the group, and the prefix of its tasks
    :param object_rules: as for :class:`.SetImportRulesOperator`; names in ``onCondition`` are
        looked up in the package (templated). Without any rules the deployment's rules stay as they
        are
    :param value_rules: as for :class:`.SetImportRulesOperator` (templated)
    :param create_intermediate_dirs: as for :class:`.ExportFlowPackageOperator`
    :param dry_run: whether to try the import first
    :param on_warnings: ``"fail"`` to stop if the dry run has warnings, or ``"log"``
    :param compare_with: as for :class:`.DryRunReleaseOperator`; the report of ``dry_run`` says how
        the exported package differs from it (templated)
    :param smoke_run: whether to run the deployment once, which writes to production as every run of
        it does. There is no default, because only the caller can decide to run production
    :param run_parameters: parameters of the smoke run, by name, for example an output path of its
        own (templated). Tasks that they come from run before the group
    :param roll_back: whether a failure makes the release live again that was live before
    :param deferrable: whether the waits are deferred; None for Airflow's ``default_deferrable``
    :param poke_interval: seconds between two polls of each wait
    :param timeout: seconds for each wait
    :param tolerated_outage: seconds of uninterrupted failures that each wait tolerates, or a
        timedelta. The rollback also waits that long for jobs that are still running
    :param rollback_outage: how long the rollback tries again if the instance does not answer, in
        seconds or as a timedelta. If the promotion cannot have sent anything, it does not wait
    :param outlets: assets or aliases that get an event when the release is proven; never for one
        that is rolled back
    :param pool: a pool with one slot that counts deferred tasks, shared by the DAGs that promote to
        one deployment. The tasks of a promotion that has begun run before those of one that has not
    :param default_args: for the tasks of the group. In a mapped group, ``map_index_template`` is
        the name of the deployment, if it is not among them. They override the group's own
        ``retries=2`` and ``retry_delay`` of a minute, which override the DAG's. They cannot change
        what keeps a promotion safe: before Airflow 3.3 the smoke run has no retries, no wait fails
        softly, each task needs the success of the one before, and the last two tasks have their own
        retries, timeout and trigger rule
    :returns: the group; ``.output`` is the promotion's result
    """
    waiting: dict[str, Any] = {
        "timeout": timeout,
        "poke_interval": poke_interval,
        "tolerated_outage": tolerated_outage,
        "trifacta_conn_id": prod_conn_id,
    }
    if deferrable is not None:
        waiting["deferrable"] = deferrable
    where = {
        "deployment_id": deployment_id,
        "deployment_name": deployment_name,
        "trifacta_conn_id": prod_conn_id,
    }
    arguments: dict[str, Any] = {**_DEFAULT_ARGS, **(default_args or {}), **_FIXED_ARGS}
    if pool is not None:
        # Later tasks get a higher priority, so that a promotion that has begun ends before another
        # one begins.
        arguments |= {"pool": pool, "weight_rule": "upstream"}
    group: PromotionGroup = PromotionGroup(group_id, default_args=arguments)  # type: ignore[arg-type, unused-ignore]
    if next(group.iter_mapped_task_groups(), None):
        # The tasks of a mapped promotion show the name of their deployment in place of a number.
        baseline_id = group.child_id("baseline")  # type: ignore[no-untyped-call, unused-ignore]
        name = f"ti.xcom_pull(task_ids='{baseline_id}', key='{NAME_KEY}', map_indexes=ti.map_index)"
        label = f"{{{{ ({name} or ti.map_index) | string | truncate(100) }}}}"
        group.default_args = {"map_index_template": label, **group.default_args}
    with group:
        baseline = GroupBaselineOperator(task_id="baseline", **where)
        export = ExportFlowPackageOperator(
            task_id="export",
            flow_id=flow_id,
            flow_name=flow_name,
            package_path=package_path,
            create_intermediate_dirs=create_intermediate_dirs,
            trifacta_conn_id=dev_conn_id,
        )
        package = {
            "package_path": _item(export, "path"),
            "package_uuid": _item(export, "package_uuid"),
        }
        steps: list[BaseOperator] = [baseline, export]
        if object_rules is not None or value_rules is not None:
            rules = {"object_rules": object_rules, "value_rules": value_rules}
            steps.append(
                SetImportRulesOperator(task_id="import_rules", **package, **rules, **where)
            )
        if dry_run:
            steps.append(
                DryRunReleaseOperator(
                    task_id="dry_run",
                    on_warnings=on_warnings,
                    compare_with=compare_with,
                    **package,
                    **where,
                )
            )
        before_upload = [step.task_id for step in steps]
        create = CreateReleaseOperator(
            task_id="create_release", baseline=baseline.output, **package, **where
        )
        release_id = _item(create, "release_id")
        active = ReleaseActiveSensor(task_id="active", release_id=release_id, **waiting)
        steps += [create, active]
        run = jobs = None
        if smoke_run:
            # If nothing remembers the jobs of an earlier try, a second try would run production
            # twice.
            retries: dict[str, Any] = {} if KEEPS_STATE else {"retries": 0}
            run = RunDeploymentOperator(
                task_id="smoke_run",
                release_id=release_id,
                run_parameters=run_parameters,
                **retries,
                **where,
            )
            # Tasks that the parameters come from must succeed before anything is promoted.
            for source in run.upstream_list:
                if source not in steps:
                    source.set_downstream(baseline)
            jobs = JobGroupSensor(
                task_id="smoke_jobs",
                job_group_ids=_item(run, "job_group_ids"),
                **waiting,
            )
            steps += [run, jobs]
        tasks = PromotionTasks(
            before=tuple(before_upload),
            create=create.task_id,
            active=active.task_id,
            run=run.task_id if run else None,
            wait=jobs.task_id if jobs else None,
            roll_back=group.child_id("roll_back") if roll_back else None,  # type: ignore[no-untyped-call, unused-ignore]
            promoted=group.child_id("promoted"),  # type: ignore[no-untyped-call, unused-ignore]
        )
        _advise(steps, tasks)
        end: dict[str, Any] = {
            **_END_ARGS,
            **where,
            "tasks": tasks,
            "patience": tolerated_outage,
            "doc_md": first_aid_page(),
            "execution_timeout": _total(tolerated_outage, rollback_outage) + _END_MARGIN,
        }
        undo = None
        if roll_back:
            undo = RollbackGroupOperator(
                task_id="roll_back", tolerated_outage=rollback_outage, **end
            )
        promoted = ConfirmGroupOperator(
            task_id="promoted",
            # It comes last before the upload.
            dry_run_task=before_upload[-1] if dry_run else None,
            outlets=list(outlets or ()),
            **end,
        )
        for step, after in zip(steps, [*steps[1:], promoted], strict=True):
            step.set_downstream(after)
        if undo:
            steps[-1] >> undo >> promoted
    return group


def _advise(steps: Sequence[Any], tasks: PromotionTasks) -> None:
    """Let the errors of the steps advise what helps in the group."""
    after_upload = _AFTER_ROLLBACK if tasks.roll_back else _WITHOUT_ROLLBACK
    for step in steps:
        step.in_group = True
        if step.task_id == tasks.create:
            step.advice = _PROMOTE_AGAIN.format(promoted=tasks.promoted)
        elif step.task_id in tasks.proof:
            step.advice = after_upload.format(promoted=tasks.promoted)


def _total(*durations: float | timedelta) -> timedelta:
    """Add durations. One that cannot be read counts as none here: the task that uses it says so."""
    total = timedelta()
    for duration in durations:
        if isinstance(duration, timedelta):
            total += duration
        elif isinstance(duration, (int, float)):
            total += timedelta(seconds=duration)
    return total


def _item(operator: BaseOperator, key: str) -> Any:
    output: Any = operator.output  # Airflow's type does not say that it can be indexed
    return output[key]
