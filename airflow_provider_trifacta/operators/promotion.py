"""The end of a promotion: it is kept, or rolled back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .._compat import AirflowSkipException, BaseOperator, task_states
from .._failures import airflow_failures
from ..client.errors import InvalidInputError, PromotionNotProvenError, UnexpectedLiveReleaseError
from ..client.ids import parse_id
from ..hooks.trifacta import TrifactaHook
from ..links import DEPLOYMENT_URL_KEY, TrifactaDeploymentLink
from ..promotion.baseline import down_to, live_id
from ._facts import Facts
from .deployment import RollbackDeploymentOperator

if TYPE_CHECKING:
    from .._compat import Context


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
                live = live_id(client.releases.list(deployment_id, until=down_to(release_id)))
            if live != release_id:
                raise UnexpectedLiveReleaseError(
                    f"Release {live or 'none'} of deployment {deployment_id} is live and not release {release_id}, "
                    "which was promoted: somebody decided so since."
                )
            self.log.info("Release %s of deployment %s is live", release_id, deployment_id)
            return facts.values


class PromotionTasks(NamedTuple):
    """The tasks of a promotion that decide how it ends, by their ids.

    :param baseline: a ``GetDeploymentOperator``
    :param export: an ``ExportFlowPackageOperator``
    :param gate: the last one before the promotion
    :param promotion: a ``CreateReleaseOperator``
    :param proof: the last one after it: where it succeeded, or somebody marked it so, the promotion is kept
    """

    baseline: str
    export: str
    gate: str
    promotion: str
    proof: str


def _result(context: Context, task_id: str) -> Any:
    """Return what another task of the run returned, of the same flow in a mapped group; None where it did not."""
    ti: Any = context["ti"]
    return ti.xcom_pull(task_ids=task_id, map_indexes=ti.map_index)


class ConfirmGroupOperator(ConfirmPromotionOperator):
    """The last task of a promotion in a group: confirms it, if its last step saw the release through.

    Where nothing was promoted, because the steps were skipped, it is skipped too.

    :param tasks: the promotion's tasks
    :param trifacta_conn_id: as for :class:`ConfirmPromotionOperator` (templated)
    :returns: as :class:`ConfirmPromotionOperator`
    :raises AirflowFailException: the release was promoted and not seen through, or as :class:`ConfirmPromotionOperator`
    :raises AirflowSkipException: nothing was promoted
    """

    template_fields: Sequence[str] = ("trifacta_conn_id",)

    def __init__(self, *, tasks: PromotionTasks, **kwargs: Any) -> None:
        super().__init__(promotion=None, **kwargs)
        self.tasks = tasks

    def execute(self, context: Context) -> dict[str, Any]:
        """Look how the steps before ended, and whether the release is live."""
        promoted, proven = task_states(context, [self.tasks.promotion, self.tasks.proof])
        if promoted == "skipped":
            raise AirflowSkipException("Nothing was promoted.")
        with airflow_failures():
            if proven != "success":
                raise PromotionNotProvenError(
                    f"A release was promoted, but {self.tasks.proof} is {proven} and did not see it through. Clear "
                    "that task, if the release is still to be kept."
                )
        self.promotion = _result(context, self.tasks.promotion)
        return super().execute(context)


class RollbackGroupOperator(RollbackDeploymentOperator):
    """The rollback of a promotion in a group: does nothing where the promotion's last step saw the release through.

    It looks at the steps' states by itself: a trigger rule that waits for a failure skips a task of a mapped group
    before Airflow has expanded it. So it is to run with ``none_skipped`` after the last step.

    :param tasks: the promotion's tasks
    :param settle_timeout: as for :class:`.RollbackDeploymentOperator`
    :param trifacta_conn_id: likewise (templated)
    :returns: as :class:`.RollbackDeploymentOperator`
    :raises AirflowFailException: as :class:`.RollbackDeploymentOperator`
    :raises AirflowSkipException: there is nothing to roll back
    """

    template_fields: Sequence[str] = ("trifacta_conn_id",)

    def __init__(self, *, tasks: PromotionTasks, **kwargs: Any) -> None:
        super().__init__(baseline=None, package_uuid=None, **kwargs)
        self.tasks = tasks

    def execute(self, context: Context) -> dict[str, Any]:
        """Look how the steps before ended, and roll back if need be."""
        began, opened, proven = task_states(context, [self.tasks.baseline, self.tasks.gate, self.tasks.proof])
        if proven == "success":
            raise AirflowSkipException("The promotion is kept.")
        if began != "success":
            raise AirflowSkipException("Nothing was promoted: what was live was not recorded.")
        self.baseline = _result(context, self.tasks.baseline)
        # Of the export and not of the promotion, whose last attempt may have ended before it told anything, and after
        # one that did promote. Only where the step before let it begin: there is no upload to wait for otherwise.
        export = _result(context, self.tasks.export) if opened == "success" else None
        self.package_uuid = export and export["package_uuid"]
        return super().execute(context)
