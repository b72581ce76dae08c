"""Operators for deployments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._compat import BaseOperator
from .._failures import airflow_failures
from ..client.baseline import Baseline
from ..client.ids import parse_id
from ..hooks.trifacta import TrifactaHook
from ..links import DEPLOYMENT_URL_KEY, TrifactaDeploymentLink

if TYPE_CHECKING:
    from .._compat import Context


class GetDeploymentOperator(BaseOperator):
    """Records which release of a deployment is live, before a run promotes anything: the baseline.

    Its return value goes whole to ``CreateReleaseOperator(baseline=...)``. Clearing the promotion alone keeps the
    baseline, and so finds the release that this run made; clearing this task too starts anew.

    :param deployment_id: the deployment: an int, a string of digits, or an XComArg (templated)
    :param trifacta_conn_id: the Airflow connection (templated)
    :returns: ``{"deployment_id": int, "active_release_id": int | None, "latest_release_id": int | None}``
    :raises AirflowFailException: for anything that a retry cannot mend
    :raises TrifactaError: for the rest
    """

    template_fields: Sequence[str] = ("deployment_id", "trifacta_conn_id")
    operator_extra_links = (TrifactaDeploymentLink(),)
    ui_color = "#e8f3ec"

    def __init__(
        self, *, deployment_id: Any, trifacta_conn_id: str = TrifactaHook.default_conn_name, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.deployment_id = deployment_id
        self.trifacta_conn_id = trifacta_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the deployment and its releases."""
        with airflow_failures():
            deployment_id = parse_id(self.deployment_id, "deployment_id")
            client = TrifactaHook(self.trifacta_conn_id).client
            context["ti"].xcom_push(key=DEPLOYMENT_URL_KEY, value=client.deployment_url(deployment_id))
            with client:
                # Read by itself too: a deployment that does not exist has no releases either.
                deployment = client.deployments.get(deployment_id)
                baseline = Baseline.of(deployment_id, client.releases.list(deployment_id))
            self.log.info(
                "Deployment %s (%s): live release %s, latest release %s",
                deployment_id,
                deployment.name,
                baseline.active_release_id,
                baseline.latest_release_id,
            )
            return baseline.as_dict()
