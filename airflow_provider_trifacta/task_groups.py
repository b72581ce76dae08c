"""Groups of tasks that belong together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ._compat import TaskGroup
from .operators.deployment import GetDeploymentOperator, RunDeploymentOperator
from .operators.import_rules import SetImportRulesOperator
from .operators.package import ExportFlowPackageOperator
from .operators.promotion import ConfirmGroupOperator, PromotionTasks, RollbackGroupOperator
from .operators.release import CreateReleaseOperator, DryRunReleaseOperator
from .sensors.release import ReleaseActiveSensor

if TYPE_CHECKING:
    from ._compat import BaseOperator

#: What applies to each task of the group unless the caller says otherwise; a smoke run is never repeated.
_DEFAULT_ARGS = {"retries": 2, "retry_delay": timedelta(minutes=1)}
#: What applies to each task of the group whatever anybody says; the last two tasks have rules of their own.
_FIXED_ARGS = {
    "trigger_rule": "all_success",
    # An earlier run must not keep one of them from running once the release is live.
    "depends_on_past": False,
    "wait_for_downstream": False,
    "soft_fail": False,
    "never_fail": False,
    "on_superseded": "fail",
    "wait_for_completion": True,
    "if_exists": "reuse",
    "activate": True,
}


class PromotionGroup(TaskGroup):
    """What :func:`promote_flow` returns: the group, to be put before or after other tasks, and its result."""

    @property
    def output(self) -> Any:
        """The result of the promotion as an XComArg: the dict of :class:`.CreateReleaseOperator`.

        Whatever consumes it runs after the whole group, and only where the promotion was kept.
        """
        return self.children[f"{self.group_id}.promoted"].output  # type: ignore[attr-defined]


def promote_flow(
    *,
    flow_id: Any,
    package_path: Any,
    deployment_id: Any = None,
    deployment_name: Any = None,
    dev_conn_id: str = "trifacta_dev",
    prod_conn_id: str = "trifacta_prod",
    group_id: str = "promote_flow",
    object_rules: Any = None,
    value_rules: Any = None,
    dry_run: bool = True,
    smoke_run: bool = True,
    run_parameters: Any = None,
    roll_back: bool = True,
    deferrable: bool | None = None,
    poke_interval: float = 10.0,
    timeout: float = 60 * 60.0,
    default_args: Mapping[str, Any] | None = None,
) -> PromotionGroup:
    """Promote a flow from a source instance to a deployment of a production instance, and keep it only if it runs.

    The tasks, in their order: ``baseline`` (what is live), ``export``, ``import_rules``, ``dry_run``,
    ``create_release``, ``active``, ``smoke_run``, then ``roll_back`` where one of them did not succeed, and
    ``promoted``. That last one reads back that the release is live. After a rollback it is ``upstream_failed`` and so
    the run is red; a task after the group with a trigger rule such as ``all_done`` would hide that, unless the run has
    another leaf.

    What belongs to the run is told by its ``baseline``: tasks that are retried or cleared find the release that this
    run made. Clearing the whole group promotes anew. Promotions to one deployment must not overlap, so give the DAG
    ``max_active_runs=1``. Call it in a loop for several flows, with a ``group_id`` for each, or from a mapped task
    group; each flow needs a path of its own. Another package at that path than the exported one is refused.

    :param flow_id: the flow in the source instance: an int, a string of digits, or an XComArg (templated)
    :param package_path: where to keep the package, which every worker must reach: a path, or any URL of Airflow's
        object storage; with ``{{ run_id }}`` in it, each run keeps its own (templated)
    :param deployment_id: the deployment in the production instance, likewise (templated)
    :param deployment_name: its exact name, in place of the id (templated)
    :param dev_conn_id: the Airflow connection of the source instance (templated)
    :param prod_conn_id: the Airflow connection of the production instance (templated)
    :param group_id: name of the group, and the prefix of its tasks
    :param object_rules: as for :class:`.SetImportRulesOperator`; names in ``onCondition`` are looked up in the package
        (templated). Without any rules the deployment's stay as they are
    :param value_rules: likewise (templated)
    :param dry_run: whether the import is tried first
    :param smoke_run: whether the deployment is run once, which writes to production as every run of it does
    :param run_parameters: of the smoke run, by parameter name, for example an output path of its own (templated);
        tasks that they come from run before everything else
    :param roll_back: whether a failure makes live again what was live before
    :param deferrable: whether the waits are deferred; None for Airflow's ``default_deferrable``
    :param poke_interval: seconds between two looks of each wait
    :param timeout: seconds for each wait
    :param default_args: for the tasks of the group, over its own, ``retries=2`` and ``retry_delay`` of a minute, which
        themselves go over the DAG's. What keeps a promotion honest is not theirs to say: the smoke run has no retries
        and is waited for, no wait fails softly, and each task follows on the success of the one before
    :returns: the group; ``.output`` is the promotion's result
    """
    waiting: dict[str, Any] = {"timeout": timeout}
    if deferrable is not None:
        waiting["deferrable"] = deferrable
    where = {"deployment_id": deployment_id, "deployment_name": deployment_name, "trifacta_conn_id": prod_conn_id}
    arguments: dict[str, Any] = {**_DEFAULT_ARGS, **(default_args or {}), **_FIXED_ARGS}
    group: PromotionGroup = PromotionGroup(group_id, default_args=arguments)  # type: ignore[arg-type, unused-ignore]
    with group:
        baseline = GetDeploymentOperator(task_id="baseline", **where)
        export = ExportFlowPackageOperator(
            task_id="export", flow_id=flow_id, package_path=package_path, trifacta_conn_id=dev_conn_id
        )
        package = {"package_path": _item(export, "path"), "package_uuid": _item(export, "package_uuid")}
        steps: list[BaseOperator] = [baseline, export]
        if object_rules is not None or value_rules is not None:
            rules = {"object_rules": object_rules, "value_rules": value_rules}
            steps.append(SetImportRulesOperator(task_id="import_rules", **package, **rules, **where))
        if dry_run:
            steps.append(DryRunReleaseOperator(task_id="dry_run", **package, **where))
        gate = steps[-1]
        create = CreateReleaseOperator(task_id="create_release", baseline=baseline.output, **package, **where)
        release_id = _item(create, "release_id")
        active = ReleaseActiveSensor(
            task_id="active",
            release_id=release_id,
            trifacta_conn_id=prod_conn_id,
            poke_interval=poke_interval,
            **waiting,
        )
        steps += [create, active]
        if smoke_run:
            run = RunDeploymentOperator(
                task_id="smoke_run",
                release_id=release_id,
                run_parameters=run_parameters,
                poke_interval=poke_interval,
                retries=0,
                **where,
                **waiting,
            )
            # What the parameters come from has to be there before anything is promoted.
            for source in run.upstream_list:
                if source not in steps:
                    source.set_downstream(baseline)
            steps.append(run)
        tasks = PromotionTasks(
            baseline=baseline.task_id,
            export=export.task_id,
            gate=gate.task_id,
            promotion=create.task_id,
            proof=steps[-1].task_id,
        )
        end: dict[str, Any] = {"tasks": tasks, "trifacta_conn_id": prod_conn_id}
        # The rollback is skipped when all is well.
        promoted = ConfirmGroupOperator(task_id="promoted", trigger_rule="none_failed", **end)
        for before, after in zip(steps, [*steps[1:], promoted], strict=True):
            before.set_downstream(after)
        if roll_back:
            undo = RollbackGroupOperator(task_id="roll_back", trigger_rule="none_skipped", **end)
            steps[-1] >> undo >> promoted
    return group


def _item(operator: BaseOperator, key: str) -> Any:
    output: Any = operator.output  # Airflow's type does not tell that it can be indexed
    return output[key]
