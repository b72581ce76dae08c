"""The two last tasks of a promotion in a group: it is kept, or rolled back. Only ``promote_flow`` uses them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from .._compat import AirflowFailException, AirflowSkipException, task_states
from .._failures import airflow_failures
from ..client.errors import TrifactaError, UnexpectedLiveReleaseError
from ..promotion.baseline import Baseline
from ..promotion.rollback import Verdict, verdict_of_jobs, what_is_live
from ..promotion.status import PromotionStatus
from ..waits import TOLERATED_OUTAGE, seconds
from ..waits.watch import refusal_of_id
from ._base import TrifactaOperator
from .activation import ConfirmPromotionOperator
from .deployment import RollbackDeploymentOperator
from .release import NOTHING_SENT

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


#: The XCom that tells how production stands.
STATUS_KEY = "promotion_status"
#: The XCom that carries the verdict from the rollback to the end.
_VERDICT = "verdict"


class _GroupEnd(TrifactaOperator):
    """What the two last tasks share: they read how the steps before them ended.

    :param tasks: the promotion's tasks
    :param patience: seconds to wait for jobs that are still running
    """

    template_fields = TrifactaOperator.template_fields

    def __init__(self, *, tasks: PromotionTasks, patience: Any = TOLERATED_OUTAGE, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tasks = tasks
        self.patience = patience

    def _steps(self, context: Context) -> dict[str, str | None]:
        return dict(zip(self.tasks.steps, task_states(context, list(self.tasks.steps)), strict=True))

    def _package_uuid(self, context: Context) -> str | None:
        """Return the package of the run.

        From the export and not from the promotion. An earlier try of the promotion may have promoted the package, and
        its last try may have failed before it pushed an XCom.
        """
        uuid: str | None = (_result(context, self.tasks.export) or {}).get("package_uuid")
        return uuid

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
            verdict = verdict_of_jobs(client, ids, patience=seconds("patience", self.patience))
            return replace(verdict, why=f"{words}. {verdict.why}")
        return Verdict(False, f"{words}.")

    def _deployment_is_gone(self, context: Context) -> bool:
        """Tell whether the server does not know the deployment any more."""
        try:
            with self._client() as client:
                client.without_repetitions.deployments.get(_result(context, self.tasks.baseline)["deployment_id"])
        except TrifactaError as error:
            return refusal_of_id(error) is not None
        return False


class ConfirmGroupOperator(_GroupEnd, ConfirmPromotionOperator):
    """The last task of a promotion in a group. It runs in every case, so that no failed promotion leaves a green run.

    It needs the trigger rule ``all_done``. If the whole group was skipped, it is skipped too. If a step failed and the
    promotion was not kept, it fails without retry.

    :param tasks: the promotion's tasks
    :param rollback: the id of the rollback's task, whose verdict counts; None without one
    :param patience: seconds to wait for jobs that are still running, if there is no rollback
    :param trifacta_conn_id: as for :class:`.ConfirmPromotionOperator` (templated)
    :returns: as :class:`.ConfirmPromotionOperator`. In every case the XCom ``promotion_status`` tells how production
        stands: the dict of :class:`.PromotionStatus`
    :raises AirflowFailException: the promotion was not kept (the cause is a :class:`.PromotionNotProvenError`, a
        :class:`.PromotionRolledBackError` or a :class:`.RollbackOwedError`), or as :class:`.ConfirmPromotionOperator`
    :raises AirflowSkipException: the whole group was skipped
    """

    template_fields = TrifactaOperator.template_fields

    def __init__(self, *, rollback: str | None, **kwargs: Any) -> None:
        super().__init__(promotion=None, **kwargs)
        self.rollback = rollback

    def execute(self, context: Context) -> dict[str, Any]:
        """Read how the steps before ended, and check that the release is live. Tell how production stands."""
        steps = self._steps(context)
        if set(steps.values()) == {"skipped"}:
            self._tell(context, PromotionStatus("skipped", "All steps were skipped."))
            raise AirflowSkipException("The group was skipped: nothing was promoted.")
        with airflow_failures():
            verdict = self._verdict(context, steps)
            if not verdict.kept:
                raise self._tell(context, self._not_kept(context, steps, verdict)).error()
        self.log.info("The promotion is kept. %s", verdict.why)
        self.promotion = _result(context, self.tasks.promotion)
        try:
            facts = super().execute(context)
        except (AirflowFailException, TrifactaError) as error:
            cause: Any = error.__cause__ or error
            live = getattr(cause, "live_id", None)
            state = "replaced" if isinstance(cause, UnexpectedLiveReleaseError) else "unproven"
            if state == "replaced" and live is None and self._deployment_is_gone(context):
                state = "deleted"
            self._tell(context, self._status(context, state, verdict, live))
            raise
        self._tell(context, self._status(context, "live", verdict, facts["release_id"]))
        return facts

    def _tell(self, context: Context, status: PromotionStatus) -> PromotionStatus:
        """Log how production stands, and push it for callbacks and tasks after the group."""
        self.log.info("How production stands: %s %s", status.text, status.advice)
        ti: Any = context["ti"]
        ti.xcom_push(key=STATUS_KEY, value=status.as_dict())
        return status

    def _verdict(self, context: Context, steps: dict[str, str | None]) -> Verdict:
        if self.rollback:
            found = _result(context, self.rollback, _VERDICT)
            if found:
                return Verdict(**found)
            # The rollback pushes its verdict before it changes anything. Without a verdict it did not get that far, and
            # only the steps tell how the promotion ended.
            (state,) = task_states(context, [self.rollback])
            if set(steps.values()) != {"success"}:
                return Verdict(False, f"{self.rollback} is {state}.")
        with self._client() as client:
            return self._judge(context, client, steps)

    def _status(
        self, context: Context, state: str, verdict: Verdict, live: int | None, **known: Any
    ) -> PromotionStatus:
        """Put together what the tasks before told."""
        made, before = (_result(context, one) or {} for one in (self.tasks.promotion, self.tasks.baseline))
        return PromotionStatus(
            state,
            verdict.why,
            deployment_id=before.get("deployment_id"),
            deployment_name=before.get("deployment_name"),
            release_id=known.pop("release_id", None) or made.get("release_id"),
            live_release_id=live,
            previous_release_id=before.get("active_release_id"),
            package_uuid=self._package_uuid(context),
            **known,
        )

    def _not_kept(self, context: Context, steps: dict[str, str | None], verdict: Verdict) -> PromotionStatus:
        """Find out how a promotion that was not kept left production. Only if no task has told it, it is read."""
        failed = [step for step, state in steps.items() if state != "success"]
        recorded = _result(context, self.tasks.baseline)
        live = (recorded or {}).get("active_release_id")
        if not recorded or not _began(context, self.tasks, steps):
            # Not a single request could have changed anything.
            return self._status(context, "unchanged", verdict, live, clear=failed[:1])
        made, outcome = (
            _result(context, self.rollback, key) if self.rollback else None
            for key in ("rolled_back_release_id", "outcome")
        )
        clear = [] if self.tasks.promotion in failed else failed[:1]
        if clear == [self.tasks.wait] and self.tasks.run:
            # The jobs of the smoke run have ended, so only another run can prove the release.
            clear = [self.tasks.run]
        if outcome == "rolled_back":
            return self._status(context, outcome, verdict, live, release_id=made, clear=clear)
        if outcome == "unchanged":
            return self._status(context, outcome, verdict, live)
        undo = [self.rollback] if self.rollback else clear
        if self._deployment_is_gone(context):
            return self._status(context, "deleted", verdict, None, clear=undo)
        owed = "rollback_owed" if self.rollback else "unproven"
        try:
            with self._client() as client:
                now, made = what_is_live(client, Baseline.parse(recorded), self._package_uuid(context))
        except TrifactaError as error:
            unknown = f"What is live cannot be read: {error}"
            return self._status(context, owed, verdict, None, clear=undo, unknown=unknown)
        if now == live:
            return self._status(context, "unchanged", verdict, live)
        if now is not None and now == made:
            return self._status(context, owed, verdict, now, release_id=made, clear=undo)
        return self._status(context, "replaced", verdict, now, release_id=made)


def _began(context: Context, tasks: PromotionTasks, steps: dict[str, str | None]) -> bool:
    """Tell whether the promotion's task may have sent its package."""
    return steps[tasks.gate] == "success" and not _result(context, tasks.promotion, NOTHING_SENT)


class RollbackGroupOperator(_GroupEnd, RollbackDeploymentOperator):
    """The rollback of a promotion in a group. It is skipped if the promotion is kept, or never began.

    It reads the states of the steps itself, so it needs the trigger rule ``all_done`` after the last step. A trigger
    rule that waits for a failure would skip a task of a mapped group before Airflow has expanded it.

    :param tasks: the promotion's tasks
    :param patience: seconds to wait for jobs of the smoke run that are still running or cannot be read
    :param tolerated_outage: as for :class:`.RollbackDeploymentOperator`
    :param settle_timeout: as for :class:`.RollbackDeploymentOperator`
    :param trifacta_conn_id: as for :class:`.RollbackDeploymentOperator` (templated)
    :returns: as :class:`.RollbackDeploymentOperator`. The XCom ``verdict`` tells whether the promotion is kept, and why
    :raises AirflowFailException: as :class:`.RollbackDeploymentOperator`
    :raises AirflowSkipException: there is nothing to roll back, or the deployment was deleted
    """

    template_fields = TrifactaOperator.template_fields

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(baseline=None, package_uuid=None, **kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Read how the steps before ended, and roll back if necessary."""
        steps = self._steps(context)
        ti: Any = context["ti"]
        if not _began(context, self.tasks, steps):
            # The promotion's task sent nothing, so the live release is not of this run.
            words = ", ".join(f"{step} is {state}" for step, state in steps.items() if state != "success")
            ti.xcom_push(key=_VERDICT, value=Verdict(False, f"Nothing was promoted: {words}.").as_dict())
            raise AirflowSkipException("Nothing was promoted, so there is nothing to roll back.")
        with airflow_failures(), self._client() as client:
            verdict = self._judge(context, client, steps)
        ti.xcom_push(key=_VERDICT, value=verdict.as_dict())
        if verdict.kept:
            raise AirflowSkipException(f"The promotion is kept. {verdict.why}")
        self.log.info("Will roll back, because the promotion is not kept. %s", verdict.why)
        self.baseline = _result(context, self.tasks.baseline)
        self.package_uuid = self._package_uuid(context)
        try:
            return super().execute(context)
        except (AirflowFailException, TrifactaError):
            if not self._deployment_is_gone(context):
                raise
        # The task 'promoted' is red for it. A second red task would only hide that.
        raise AirflowSkipException("The deployment was deleted, or cannot be seen, so nothing can be rolled back.")
