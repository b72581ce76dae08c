"""The two last tasks of a promotion in a group: it is kept, or rolled back. Only ``promote_flow`` uses them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from .._compat import AirflowSkipException, task_states
from .._failures import airflow_failures
from ..client.errors import PromotionNotProvenError
from ..hooks.trifacta import TrifactaHook
from ..promotion.rollback import Verdict, verdict_of_jobs
from ..waits import TOLERATED_OUTAGE, seconds
from ._base import TrifactaOperator
from .activation import ConfirmPromotionOperator
from .deployment import RollbackDeploymentOperator

if TYPE_CHECKING:
    from .._compat import Context
    from ..client import TrifactaClient


class PromotionTasks(NamedTuple):
    """The ids of the tasks that decide how a promotion ends.

    :param steps: all tasks before the two last ones, in their order
    :param gate: the task before the promotion
    :param run: the task that starts the smoke run, None without one
    :param wait: the task that waits for its jobs, None without one
    """

    steps: tuple[str, ...]
    gate: str
    run: str | None
    wait: str | None

    @property
    def baseline(self) -> str:
        """A ``GetDeploymentOperator``."""
        return self.steps[0]

    @property
    def export(self) -> str:
        """An ``ExportFlowPackageOperator``."""
        return self.steps[1]

    @property
    def promotion(self) -> str:
        """A ``CreateReleaseOperator``: the step after the gate."""
        return self.steps[self.steps.index(self.gate) + 1]


def _result(context: Context, task_id: str, key: str = "return_value") -> Any:
    """Return what another task of the run pushed, in a mapped group at the same map index; None if it did not."""
    ti: Any = context["ti"]
    return ti.xcom_pull(task_ids=task_id, key=key, map_indexes=ti.map_index)


#: The XCom that carries the verdict from the rollback to the end.
_VERDICT = "verdict"


class _GroupEnd:
    """What the two last tasks share: they read how the steps before them ended."""

    tasks: PromotionTasks
    tolerated_outage: Any

    def _steps(self, context: Context) -> dict[str, str | None]:
        return dict(zip(self.tasks.steps, task_states(context, list(self.tasks.steps)), strict=True))

    def _judge(self, context: Context, client: TrifactaClient, steps: dict[str, str | None]) -> Verdict:
        """Decide whether the promotion is kept.

        The states of the steps decide. If only the wait for the jobs failed, the jobs themselves decide, because the
        wait may have ended too early.
        """
        failed = {step: state for step, state in steps.items() if state != "success"}
        if not failed:
            return Verdict(True, "All steps succeeded.")
        words = ", ".join(f"{step} is {state}" for step, state in failed.items())
        ids = _result(context, self.tasks.run, "job_group_ids") if self.tasks.run else None
        if set(failed) == {self.tasks.wait} and ids:
            verdict = verdict_of_jobs(client, ids, patience=seconds("tolerated_outage", self.tolerated_outage))
            return replace(verdict, why=f"{words}. {verdict.why}")
        return Verdict(False, f"{words}.")


class ConfirmGroupOperator(_GroupEnd, ConfirmPromotionOperator):
    """The last task of a promotion in a group. It runs in every case, so that no failed promotion leaves a green run.

    It needs the trigger rule ``all_done``. If the whole group was skipped, it is skipped too. If a step failed and the
    promotion was not kept, it fails without retry.

    :param tasks: the promotion's tasks
    :param rollback: the id of the rollback's task, whose verdict counts; None without one
    :param tolerated_outage: seconds to wait for jobs that are still running, if there is no rollback
    :param trifacta_conn_id: as for :class:`.ConfirmPromotionOperator` (templated)
    :returns: as :class:`.ConfirmPromotionOperator`
    :raises AirflowFailException: the promotion was not kept, or as :class:`.ConfirmPromotionOperator`
    :raises AirflowSkipException: the whole group was skipped
    """

    template_fields = TrifactaOperator.template_fields

    def __init__(
        self, *, tasks: PromotionTasks, rollback: str | None, tolerated_outage: Any = TOLERATED_OUTAGE, **kwargs: Any
    ) -> None:
        super().__init__(promotion=None, **kwargs)
        self.tasks = tasks
        self.rollback = rollback
        self.tolerated_outage = tolerated_outage

    def execute(self, context: Context) -> dict[str, Any]:
        """Read how the steps before ended, and check that the release is live."""
        steps = self._steps(context)
        if set(steps.values()) == {"skipped"}:
            raise AirflowSkipException("The group was skipped: nothing was promoted.")
        with airflow_failures():
            verdict = self._verdict(context, steps)
            if not verdict.kept:
                raise self._not_kept(context, verdict)
        self.log.info("The promotion is kept. %s", verdict.why)
        self.promotion = _result(context, self.tasks.promotion)
        return super().execute(context)

    def _verdict(self, context: Context, steps: dict[str, str | None]) -> Verdict:
        if self.rollback:
            found = _result(context, self.rollback, _VERDICT)
            if found:
                return Verdict(**found)
            # The rollback pushes its verdict before it changes anything. Without a verdict it did not get that far, and
            # only the steps tell how the promotion ended.
            (state,) = task_states(context, [self.rollback])
            if set(steps.values()) != {"success"}:
                return Verdict(False, f"{self.rollback} is {state} and did not tell which release is live.")
        with TrifactaHook(self.trifacta_conn_id).client as client:
            return self._judge(context, client, steps)

    def _not_kept(self, context: Context, verdict: Verdict) -> PromotionNotProvenError:
        found = {
            key: _result(context, self.rollback, key) if self.rollback else None
            for key in ("outcome", "deployment_id", "active_release_id", "rolled_back_release_id")
        }
        live, outcome = found["active_release_id"], found["outcome"]
        stands = {
            "rolled_back": f"It was rolled back: release {live or 'none'} is live again.",
            "unchanged": f"There was nothing to roll back: release {live or 'none'} is live.",
        }.get(str(outcome), "It was not rolled back. Check which release is live.")
        return PromotionNotProvenError(
            f"The promotion was not kept. {verdict.why} {stands}",
            deployment_id=found["deployment_id"],
            release_id=found["rolled_back_release_id"],
            live_id=live,
        )


class RollbackGroupOperator(_GroupEnd, RollbackDeploymentOperator):
    """The rollback of a promotion in a group. It is skipped if the promotion is kept, or never began.

    It reads the states of the steps itself, so it needs the trigger rule ``all_done`` after the last step. A trigger
    rule that waits for a failure would skip a task of a mapped group before Airflow has expanded it.

    :param tasks: the promotion's tasks
    :param tolerated_outage: seconds to wait for jobs of the smoke run that are still running or cannot be read
    :param settle_timeout: as for :class:`.RollbackDeploymentOperator`
    :param trifacta_conn_id: as for :class:`.RollbackDeploymentOperator` (templated)
    :returns: as :class:`.RollbackDeploymentOperator`. The XCom ``verdict`` tells whether the promotion is kept, and why
    :raises AirflowFailException: as :class:`.RollbackDeploymentOperator`
    :raises AirflowSkipException: there is nothing to roll back
    """

    template_fields = TrifactaOperator.template_fields

    def __init__(self, *, tasks: PromotionTasks, tolerated_outage: Any = TOLERATED_OUTAGE, **kwargs: Any) -> None:
        super().__init__(baseline=None, package_uuid=None, **kwargs)
        self.tasks = tasks
        self.tolerated_outage = tolerated_outage

    def execute(self, context: Context) -> dict[str, Any]:
        """Read how the steps before ended, and roll back if necessary."""
        steps = self._steps(context)
        ti: Any = context["ti"]
        if steps[self.tasks.gate] != "success":
            # The promotion's task never began, so the live release is not of this run.
            words = ", ".join(f"{step} is {state}" for step, state in steps.items() if state != "success")
            ti.xcom_push(key=_VERDICT, value=Verdict(False, f"Nothing was promoted: {words}.").as_dict())
            raise AirflowSkipException("Nothing was promoted, so there is nothing to roll back.")
        with airflow_failures(), TrifactaHook(self.trifacta_conn_id).client as client:
            verdict = self._judge(context, client, steps)
        ti.xcom_push(key=_VERDICT, value=verdict.as_dict())
        if verdict.kept:
            raise AirflowSkipException(f"The promotion is kept. {verdict.why}")
        self.log.info("Will roll back, because the promotion is not kept. %s", verdict.why)
        self.baseline = _result(context, self.tasks.baseline)
        # From the export and not from the promotion. An earlier try of the promotion may have promoted the package, and
        # its last try may have failed before it pushed an XCom.
        self.package_uuid = (_result(context, self.tasks.export) or {}).get("package_uuid")
        return super().execute(context)
