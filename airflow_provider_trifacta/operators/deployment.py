"""Operators for deployments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._compat import BaseOperator
from .._failures import airflow_failures
from ..client.errors import InvalidInputError
from ..client.texts import quoted
from ..hooks.trifacta import TrifactaHook
from ..links import DEPLOYMENT_URL_KEY, TrifactaDeploymentLink
from ..promotion.baseline import Baseline
from ..promotion.new_deployment import create_once
from ..promotion.reading import DEFAULT_SETTLE_TIMEOUT
from ..promotion.rollback import roll_back
from ._assets import announce_live
from ._change import ChangeOperator
from ._facts import Facts
from ._target import check_name, check_target, find_deployment, is_automatic_retry, open_journal, target_words
from .run import RunDeploymentOperator

if TYPE_CHECKING:
    from .._compat import Context

__all__ = [
    "CreateDeploymentOperator",
    "GetDeploymentOperator",
    "RollbackDeploymentOperator",
    "RunDeploymentOperator",
]


class GetDeploymentOperator(BaseOperator):
    """Records which release of a deployment is live, before a run promotes anything: the baseline.

    Its return value goes whole to ``CreateReleaseOperator(baseline=...)``. Clearing the promotion alone keeps the
    baseline, and so finds the release that this run made; clearing this task too promotes once more.

    :param deployment_id: the deployment: an int, a string of digits, or an XComArg (templated)
    :param deployment_name: its exact name, in place of the id (templated)
    :param trifacta_conn_id: the Airflow connection (templated)
    :returns: ``{"deployment_id": int, "active_release_id": int | None, "latest_release_id": int | None,
        "active_updated_at": str | None}``, the last one as ISO 8601
    :raises AirflowFailException: for anything that a retry cannot mend
    :raises TrifactaError: for the rest
    """

    template_fields: Sequence[str] = ("deployment_id", "deployment_name", "trifacta_conn_id")
    operator_extra_links = (TrifactaDeploymentLink(),)
    ui_color = "#e8f3ec"

    def __init__(
        self,
        *,
        deployment_id: Any = None,
        deployment_name: Any = None,
        trifacta_conn_id: str = TrifactaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deployment_id = deployment_id
        self.deployment_name = deployment_name
        self.trifacta_conn_id = trifacta_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the deployment and its releases."""
        with airflow_failures():
            given = check_target(self.deployment_id, self.deployment_name)
            where = target_words(self.deployment_id, self.deployment_name)
            self.log.info("Will record which release of %s is live", where)
            with TrifactaHook(self.trifacta_conn_id).client as client:
                deployment_id = find_deployment(client, given, self.deployment_name)
                context["ti"].xcom_push(key=DEPLOYMENT_URL_KEY, value=client.deployment_url(deployment_id))
                # Read by itself too: a deployment that does not exist has no releases either.
                deployment = client.deployments.get(deployment_id)
                baseline = Baseline.read(client, deployment_id)
            self.log.info(
                "Deployment %s (%s): live release %s, latest release %s",
                deployment_id,
                quoted(deployment.name),
                baseline.active_release_id,
                baseline.latest_release_id,
            )
            return baseline.as_dict()


class CreateDeploymentOperator(BaseOperator):
    """Makes a deployment of a name, unless there is one.

    Names are not unique in Trifacta: one of exactly this name is reused, several are an error. What happens again on a
    retry or clear: the deployment is found. Where none is, an earlier try may have asked for it just now, so it is
    waited for (30 s). On Airflow 3.3 the journal says whether one did: if not, there is no wait, and if so, a retry
    asks no second time. A clear does.

    API page: API Deployments Create v4.

    :param name: exact display name (templated)
    :param trifacta_conn_id: the Airflow connection (templated)
    :returns: a dict with ``deployment_id``, ``deployment_url`` (its page) and ``outcome`` (``created``, ``reused``, or
        ``adopted`` when the answer was lost); each is also pushed as an XCom key of that name
    :raises AirflowFailException: for anything that a retry cannot mend
    :raises TrifactaError: for the rest
    """

    template_fields: Sequence[str] = ("name", "trifacta_conn_id")
    operator_extra_links = (TrifactaDeploymentLink(),)
    ui_color = "#e8f3ec"

    def __init__(self, *, name: Any, trifacta_conn_id: str = TrifactaHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.trifacta_conn_id = trifacta_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Find the deployment, or make it."""
        with airflow_failures():
            name = check_name(self.name, "name")
            self.log.info("Will find the deployment %r, or create it", name)
            journal = open_journal(context)
            with TrifactaHook(self.trifacta_conn_id).client as client:
                cleared = context["ti"].try_number > 1 and not is_automatic_retry(context, self)
                deployment, outcome = create_once(client, name, journal=journal, cleared=cleared)
                facts = Facts(context)
                url = client.deployment_url(deployment.id)
                facts.add(deployment_id=deployment.id, outcome=outcome, **{DEPLOYMENT_URL_KEY: url})
            self.log.info("Deployment %s (%s) %s", deployment.id, quoted(deployment.name), outcome)
            return facts.values


class RollbackDeploymentOperator(ChangeOperator):
    """Undoes what a run put live: the release that the baseline recorded becomes live again, never a guessed one.

    When the release that this run made of the package is live, the recorded one is activated, or nothing is live again
    where nothing was. When the recorded one is live, there is nothing to do. Anything else that is live was somebody's
    decision and is left alone, as is everything when the recorded release was deleted.

    It needs no release id, so it also runs when the promotion's task died; give it a trigger rule such as
    ``one_failed``. What happens again on a retry: what was rolled back stays so; a release that somebody activated
    after a rollback that was cut off is left alone, until somebody clears the task.

    :param baseline: the whole return value of a ``GetDeploymentOperator`` that ran before the promotion (templated)
    :param package_uuid: the package that the run promoted, or None when it did not come so far (templated)
    :param settle_timeout: seconds that the server is given to finish or drop an upload, when there is a package_uuid
        and no release of it: the promotion may have been killed just then
    :param trifacta_conn_id: the Airflow connection (templated)
    :returns: a dict with ``deployment_id``, ``active_release_id`` (what is live now), ``rolled_back_release_id``,
        ``deployment_url`` and ``outcome`` (``rolled_back`` or ``unchanged``); each is also pushed as an XCom key of
        that name, unless it is None
    :raises AirflowFailException: for anything that a retry cannot mend
    :raises TrifactaError: for the rest
    """

    template_fields: Sequence[str] = ("baseline", "package_uuid", "trifacta_conn_id")

    def __init__(
        self, *, baseline: Any, package_uuid: Any, settle_timeout: float = DEFAULT_SETTLE_TIMEOUT, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.baseline = baseline
        self.package_uuid = package_uuid
        self.settle_timeout = settle_timeout

    def execute(self, context: Context) -> dict[str, Any]:
        """Roll back, if there is anything of this run to roll back."""
        with airflow_failures():
            baseline = Baseline.parse(self.baseline)
            uuid = None if self.package_uuid in (None, "", "None") else self.package_uuid
            if uuid is not None and not isinstance(uuid, str):
                raise InvalidInputError(
                    f"package_uuid must be the package's uuid or None, not {repr(uuid)[:80]}. Pull it from the "
                    "promotion's task, under the key 'package_uuid'."
                )
            recorded = f"release {baseline.active_release_id}" if baseline.active_release_id else "no release"
            self.log.info(
                "Will roll deployment %s back to %s being live, if necessary", baseline.deployment_id, recorded
            )
            journal = open_journal(context)
            client = TrifactaHook(self.trifacta_conn_id).client
            facts = Facts(context)
            url = client.deployment_url(baseline.deployment_id)
            facts.add(deployment_id=baseline.deployment_id, **{DEPLOYMENT_URL_KEY: url})
            with client:
                undone = roll_back(
                    client,
                    baseline,
                    uuid,
                    retry=is_automatic_retry(context, self),
                    journal=journal,
                    settle_timeout=self.settle_timeout,
                )
            target = baseline.active_release_id
            self.log.info(
                "Release %s of deployment %s is live; rolled back: %s",
                target or "none",
                baseline.deployment_id,
                undone.release_id if undone else "nothing",
            )
            facts.add(
                active_release_id=target,
                rolled_back_release_id=undone.release_id if undone else None,
                outcome="rolled_back" if undone else "unchanged",
            )
            if undone and target is not None:
                event = {"release_id": target, "package_uuid": undone.restored_package}
                announce_live(context, self, client.config.base_url, baseline.deployment_id, **event)
            return facts.values
