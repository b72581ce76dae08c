"""The end of a promotion: it is kept, or rolled back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from .._compat import AirflowSkipException, BaseOperator, task_states
from .._failures import airflow_failures
from ..client.errors import InvalidInputError, PromotionNotProvenError, UnexpectedLiveReleaseError
from ..client.texts import parse_id
from ..hooks.trifacta import TrifactaHook
from ..links import DEPLOYMENT_URL_KEY, TrifactaDeploymentLink
from ..promotion.reading import VERIFY_TIMEOUT, down_to, live_id, look
from ..promotion.rollback import Verdict, verdict_of_jobs
from ..waits import TOLERATED_OUTAGE, seconds
from ._assets import announce_live
from ._facts import Facts
from .deployment import RollbackDeploymentOperator

if TYPE_CHECKING:
    from .._compat import Context
    from ..client import TrifactaClient


class ConfirmPromotionOperator(BaseOperator):
    """Reads back that what was promoted is live, and hands out its ids: the task that tasks after a promotion wait for.

    It changes nothing, so a retry or clear just looks again.

    API page: ``GET /v4/releases?deploymentId=``.

    :param promotion: the whole return value of the :class:`.CreateReleaseOperator` (templated)
    :param trifacta_conn_id: the Airflow connection of the production instance (templated)
    :returns: the same dict; each item is also pushed as an XCom key of its name, unless it is None
    :raises AirflowFailException: another release is live, or anything else that a retry cannot mend
    :raises TrifactaError: for the rest
    """

    template_fields: Sequence[str] = ("promotion", "trifacta_conn_id")
    operator_extra_links = (TrifactaDeploymentLink(),)
    ui_color = "#e8f3ec"

    def __init__(
        self, *, promotion: Any, trifacta_conn_id: str = TrifactaHook.default_conn_name, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.promotion = promotion
        self.trifacta_conn_id = trifacta_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Look whether the release is live."""
        with airflow_failures():
            if not isinstance(self.promotion, Mapping):
                raise InvalidInputError(
                    "promotion must be the dict that a CreateReleaseOperator returned, not "
                    f"{str(self.promotion)[:80]!r}."
                )
            release_id = parse_id(self.promotion.get("release_id"), "promotion['release_id']")
            deployment_id = parse_id(self.promotion.get("deployment_id"), "promotion['deployment_id']")
            self.log.info("Will check that release %s of deployment %s is live", release_id, deployment_id)
            facts = Facts(context)
            with TrifactaHook(self.trifacta_conn_id).client as client:
                url = client.deployment_url(deployment_id)
                facts.add(**{**self.promotion, DEPLOYMENT_URL_KEY: url})
                # A list that does not show the release is older than that release.
                releases = look(
                    client,
                    lambda reader: reader.releases.list(deployment_id, until=down_to(release_id)),
                    lambda now: any(one.id == release_id for one in now),
                    seconds=VERIFY_TIMEOUT,
                )
            live = live_id(releases)
            if live != release_id:
                raise UnexpectedLiveReleaseError(
                    f"Release {live or 'none'} of deployment {deployment_id} is live and not release {release_id}, "
                    "which was promoted: another release has been activated in the meantime."
                )
            self.log.info("Release %s of deployment %s is live", release_id, deployment_id)
            known = {key: self.promotion.get(key) for key in ("release_id", "package_uuid", "primary_flow_ids")}
            announce_live(context, self, client.config.base_url, deployment_id, **known)
            return facts.values


class PromotionTasks(NamedTuple):
    """The tasks of a promotion that decide how it ends, by their ids.

    :param steps: all of them before the end, in their order
    :param gate: the last one before the promotion
    :param run: the one that starts the smoke run, None without one
    :param wait: the one that waits for its jobs, None without one
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
    """Return what another task of the run pushed, of the same flow in a mapped group; None where it did not."""
    ti: Any = context["ti"]
    return ti.xcom_pull(task_ids=task_id, key=key, map_indexes=ti.map_index)


#: The XCom that carries the verdict from the rollback to the end.
_VERDICT = "verdict"


class _GroupEnd:
    """What the two last tasks of a promotion in a group share: they look how the steps before them ended."""

    tasks: PromotionTasks
    tolerated_outage: Any

    def _steps(self, context: Context) -> dict[str, str | None]:
        return dict(zip(self.tasks.steps, task_states(context, list(self.tasks.steps)), strict=True))

    def _judge(self, context: Context, client: TrifactaClient, steps: dict[str, str | None]) -> Verdict:
        """Tell whether the promotion is kept: by its steps, and where only a wait gave up, by the jobs themselves."""
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
    """The last task of a promotion in a group. It runs in every case: no failed promotion leaves a green run.

    It runs with ``all_done``. Where the whole group was skipped, it is skipped too. Where a step failed and the
    promotion was not kept, it fails without retry.

    :param tasks: the promotion's tasks
    :param rollback: the id of the rollback's task, whose verdict counts; None without one
    :param tolerated_outage: seconds to wait for jobs that still run, where there is no rollback
    :param trifacta_conn_id: as for :class:`ConfirmPromotionOperator` (templated)
    :returns: as :class:`ConfirmPromotionOperator`
    :raises AirflowFailException: the promotion was not kept, or as :class:`ConfirmPromotionOperator`
    :raises AirflowSkipException: the whole group was skipped
    """

    template_fields: Sequence[str] = ("trifacta_conn_id",)

    def __init__(
        self, *, tasks: PromotionTasks, rollback: str | None, tolerated_outage: Any = TOLERATED_OUTAGE, **kwargs: Any
    ) -> None:
        super().__init__(promotion=None, **kwargs)
        self.tasks = tasks
        self.rollback = rollback
        self.tolerated_outage = tolerated_outage

    def execute(self, context: Context) -> dict[str, Any]:
        """Look how the steps before ended, and whether the release is live."""
        steps = self._steps(context)
        if set(steps.values()) == {"skipped"}:
            raise AirflowSkipException("The group was skipped: nothing was promoted.")
        with airflow_failures():
            verdict = self._verdict(context, steps)
            if not verdict.kept:
                raise PromotionNotProvenError(f"The promotion was not kept. {verdict.why}{self._rolled_back(context)}")
        self.log.info("The promotion is kept. %s", verdict.why)
        self.promotion = _result(context, self.tasks.promotion)
        return super().execute(context)

    def _verdict(self, context: Context, steps: dict[str, str | None]) -> Verdict:
        if self.rollback:
            found = _result(context, self.rollback, _VERDICT)
            if found:
                return Verdict(**found)
            (state,) = task_states(context, [self.rollback])
            if set(steps.values()) != {"success"}:
                return Verdict(False, f"{self.rollback} is {state} and did not say how production stands: look there.")
        with TrifactaHook(self.trifacta_conn_id).client as client:
            return self._judge(context, client, steps)

    def _rolled_back(self, context: Context) -> str:
        outcome = _result(context, self.rollback, "outcome") if self.rollback else None
        live = _result(context, self.rollback, "active_release_id") if self.rollback else None
        if outcome == "rolled_back":
            return f" It was rolled back: release {live or 'none'} is live again."
        if outcome == "unchanged":
            return f" There was nothing to roll back: release {live or 'none'} is live."
        return " It was not rolled back: look which release is live."


class RollbackGroupOperator(_GroupEnd, RollbackDeploymentOperator):
    """The rollback of a promotion in a group. It is skipped where the promotion is kept, or never began.

    It looks at the steps' states by itself, so it is to run with ``all_done`` after the last step: a trigger rule that
    waits for a failure skips a task of a mapped group before Airflow has expanded it.

    :param tasks: the promotion's tasks
    :param tolerated_outage: seconds to wait for jobs of the smoke run that still run or cannot be read
    :param settle_timeout: as for :class:`.RollbackDeploymentOperator`
    :param trifacta_conn_id: as for :class:`.RollbackDeploymentOperator` (templated)
    :returns: as :class:`.RollbackDeploymentOperator`. The XCom ``verdict`` says whether the promotion is kept, and why
    :raises AirflowFailException: as :class:`.RollbackDeploymentOperator`
    :raises AirflowSkipException: there is nothing to roll back
    """

    template_fields: Sequence[str] = ("trifacta_conn_id",)

    def __init__(self, *, tasks: PromotionTasks, tolerated_outage: Any = TOLERATED_OUTAGE, **kwargs: Any) -> None:
        super().__init__(baseline=None, package_uuid=None, **kwargs)
        self.tasks = tasks
        self.tolerated_outage = tolerated_outage

    def execute(self, context: Context) -> dict[str, Any]:
        """Look how the steps before ended, and roll back if necessary."""
        steps = self._steps(context)
        ti: Any = context["ti"]
        if steps[self.tasks.gate] != "success":
            # The promotion's task never began: what is live now, whoever made it so, is not this run's.
            words = ", ".join(f"{step} is {state}" for step, state in steps.items() if state != "success")
            ti.xcom_push(key=_VERDICT, value=Verdict(False, f"Nothing was promoted: {words}.").as_dict())
            raise AirflowSkipException("Nothing was promoted, so there is nothing to roll back.")
        with airflow_failures(), TrifactaHook(self.trifacta_conn_id).client as client:
            verdict = self._judge(context, client, steps)
        ti.xcom_push(key=_VERDICT, value=verdict.as_dict())
        if verdict.kept:
            raise AirflowSkipException(f"The promotion is kept. {verdict.why}")
        self.log.info("Rolling back, since the promotion was not proven. %s", verdict.why)
        self.baseline = _result(context, self.tasks.baseline)
        # Of the export and not of the promotion, whose last attempt may have ended before it told anything, and after
        # one that did promote.
        self.package_uuid = (_result(context, self.tasks.export) or {}).get("package_uuid")
        return super().execute(context)
