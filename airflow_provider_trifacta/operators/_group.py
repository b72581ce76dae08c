"""The two last tasks of a promotion in a group: it is kept, or rolled back. Only ``promote_flow`` uses them."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from .._compat import AirflowFailException, AirflowSkipException, task_states
from .._failures import airflow_failures
from ..client.errors import TrifactaError, UnexpectedLiveReleaseError
from ..promotion.baseline import Baseline
from ..promotion.rollback import Verdict, verdict_of_jobs, what_is_live
from ..promotion.status import PromotionStatus
from ..waits import TOLERATED_OUTAGE, seconds
from ..waits.watch import refusal_of_id
from ._base import Attempt, TrifactaOperator
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


class _Steps:
    """How the steps of a promotion ended, and what they told.

    :param context: the context of one of the two last tasks
    :param tasks: the promotion's tasks
    """

    def __init__(self, context: Context, tasks: PromotionTasks) -> None:
        self._ti: Any = context["ti"]
        self._tasks = tasks
        self.states = dict(zip(tasks.steps, task_states(context, list(tasks.steps)), strict=True))
        failed = {step: state for step, state in self.states.items() if state != "success"}
        self.failed = list(failed)
        #: How the failed ones ended, in words.
        self.words = ", ".join(f"{step} is {state}" for step, state in failed.items())

    def told(self, task_id: str | None, key: str = "return_value") -> Any:
        """Return what a task of the run pushed, in a mapped group at the same map index; None if it did not."""
        return self._ti.xcom_pull(task_ids=task_id, key=key, map_indexes=self._ti.map_index) if task_id else None

    @property
    def package_uuid(self) -> str | None:
        """The package of the run.

        From the export and not from the promotion. An earlier try of the promotion may have promoted the package, and
        its last try may have failed before it pushed an XCom.
        """
        uuid: str | None = (self.told(self._tasks.export) or {}).get("package_uuid")
        return uuid

    @property
    def began(self) -> bool:
        """Whether the promotion's task may have sent its package."""
        return self.states[self._tasks.gate] == "success" and not self.told(self._tasks.promotion, NOTHING_SENT)


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

    def _judge(self, client: TrifactaClient, steps: _Steps) -> Verdict:
        """Decide whether the promotion is kept.

        The states of the steps decide. If only the wait for the jobs failed, the jobs themselves decide, because the
        wait may have ended too early.
        """
        if not steps.failed:
            return Verdict(True, "All steps succeeded.")
        ids = steps.told(self.tasks.run, "job_group_ids")
        if steps.failed == [self.tasks.wait] and ids:
            verdict = verdict_of_jobs(client, ids, patience=seconds("patience", self.patience))
            return replace(verdict, why=f"{steps.words}. {verdict.why}")
        return Verdict(False, f"{steps.words}.")

    def _deployment_is_gone(self, steps: _Steps) -> bool:
        """Tell whether the server does not know the deployment any more."""
        try:
            with self._client() as client:
                client.without_repetitions.deployments.get(steps.told(self.tasks.baseline)["deployment_id"])
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
        steps = _Steps(context, self.tasks)
        if set(steps.states.values()) == {"skipped"}:
            self._tell(context, PromotionStatus("skipped", "All steps were skipped."))
            raise AirflowSkipException("The group was skipped: nothing was promoted.")
        with airflow_failures():
            verdict = self._verdict(context, steps)
            if not verdict.kept:
                raise self._tell(context, self._not_kept(steps, verdict)).error()
        self.log.info("The promotion is kept. %s", verdict.why)
        self.promotion = steps.told(self.tasks.promotion)
        try:
            facts = super().execute(context)
        except (AirflowFailException, TrifactaError) as error:
            cause: Any = error.__cause__ or error
            live = getattr(cause, "live_id", None)
            state = "replaced" if isinstance(cause, UnexpectedLiveReleaseError) else "unproven"
            if state == "replaced" and live is None and self._deployment_is_gone(steps):
                state = "deleted"
            # All steps succeeded, so only this task has to look again.
            self._tell(context, self._status(steps, state, verdict, live, clear=[self.task_id]))
            raise
        self._tell(context, self._status(steps, "live", verdict, facts["release_id"]))
        return facts

    def _tell(self, context: Context, status: PromotionStatus) -> PromotionStatus:
        """Log how production stands, and push it for callbacks and tasks after the group."""
        self.log.info("How production stands: %s %s", status.text, status.advice)
        Attempt(self, context).tell(**{STATUS_KEY: status.as_dict()})
        return status

    def _verdict(self, context: Context, steps: _Steps) -> Verdict:
        if self.rollback:
            found = steps.told(self.rollback, _VERDICT)
            if found:
                return Verdict(**found)
            # The rollback pushes its verdict before it changes anything. Without a verdict it did not get that far, and
            # only the steps tell how the promotion ended.
            (state,) = task_states(context, [self.rollback])
            if steps.failed:
                return Verdict(False, f"{self.rollback} is {state}.")
        with self._client() as client:
            return self._judge(client, steps)

    def _status(self, steps: _Steps, state: str, verdict: Verdict, live: int | None, **known: Any) -> PromotionStatus:
        """Put together what the tasks before told."""
        made, before = (steps.told(one) or {} for one in (self.tasks.promotion, self.tasks.baseline))
        return PromotionStatus(
            state,
            verdict.why,
            deployment_id=before.get("deployment_id"),
            deployment_name=before.get("deployment_name"),
            release_id=known.pop("release_id", None) or made.get("release_id"),
            live_release_id=live,
            previous_release_id=before.get("active_release_id"),
            package_uuid=steps.package_uuid,
            **known,
        )

    def _not_kept(self, steps: _Steps, verdict: Verdict) -> PromotionStatus:
        """Find out how a promotion that was not kept left production. Only if no task has told it, it is read."""
        first = steps.failed[:1]
        recorded = steps.told(self.tasks.baseline)
        live = (recorded or {}).get("active_release_id")
        if not recorded or not steps.began:
            # Not a single request could have changed anything. After the export the package may be the cause, and then
            # only the whole group helps.
            clear = [one for one in first if one in self.tasks.steps[:2]]
            return self._status(steps, "unchanged", verdict, live, clear=clear)
        made, outcome = steps.told(self.rollback, "rolled_back_release_id"), steps.told(self.rollback, "outcome")
        clear = [] if self.tasks.promotion in steps.failed else first
        if clear == [self.tasks.wait] and self.tasks.run:
            # The jobs of the smoke run have ended, so only another run can prove the release.
            clear = [self.tasks.run]
        if outcome == "rolled_back":
            return self._status(steps, outcome, verdict, live, release_id=made, clear=clear)
        if outcome == "unchanged":
            return self._status(steps, outcome, verdict, live)
        undo = [self.rollback] if self.rollback else clear
        if self._deployment_is_gone(steps):
            return self._status(steps, "deleted", verdict, None, clear=undo)
        owed = "rollback_owed" if self.rollback else "unproven"
        try:
            with self._client() as client:
                now, made = what_is_live(client, Baseline.parse(recorded), steps.package_uuid)
        except TrifactaError as error:
            unknown = f"What is live cannot be read: {error}"
            return self._status(steps, owed, verdict, None, clear=undo, unknown=unknown)
        if now == live:
            return self._status(steps, "unchanged", verdict, live)
        if now is not None and now == made:
            return self._status(steps, owed, verdict, now, release_id=made, clear=undo)
        return self._status(steps, "replaced", verdict, now, release_id=made, clear=clear)


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
        steps, attempt = _Steps(context, self.tasks), Attempt(self, context)
        if not steps.began:
            # The promotion's task sent nothing, so the live release is not of this run.
            attempt.tell(**{_VERDICT: asdict(Verdict(False, f"Nothing was promoted: {steps.words}."))})
            raise AirflowSkipException("Nothing was promoted, so there is nothing to roll back.")
        with airflow_failures(), self._client() as client:
            verdict = self._judge(client, steps)
        attempt.tell(**{_VERDICT: asdict(verdict)})
        if verdict.kept:
            raise AirflowSkipException(f"The promotion is kept. {verdict.why}")
        self.log.info("Will roll back, because the promotion is not kept. %s", verdict.why)
        self.baseline = steps.told(self.tasks.baseline)
        self.package_uuid = steps.package_uuid
        try:
            return super().execute(context)
        except (AirflowFailException, TrifactaError):
            if not self._deployment_is_gone(steps):
                raise
        # The task 'promoted' is red for it. A second red task would only hide that.
        raise AirflowSkipException("The deployment was deleted, or cannot be seen, so nothing can be rolled back.")
