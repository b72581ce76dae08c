"""The end of a promotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .._compat import BaseOperator
from .._failures import airflow_failures
from ..client.activation import live_id
from ..client.errors import InvalidInputError, UnexpectedLiveReleaseError
from ..client.ids import parse_id
from ..hooks.trifacta import TrifactaHook
from ..links import DEPLOYMENT_URL_KEY, TrifactaDeploymentLink
from ._facts import Facts

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
            facts = Facts(context)
            with TrifactaHook(self.trifacta_conn_id).client as client:
                url = client.deployment_url(deployment_id)
                facts.add(**{**self.promotion, DEPLOYMENT_URL_KEY: url})
                live = live_id(client.releases.list(deployment_id))
            if live != release_id:
                raise UnexpectedLiveReleaseError(
                    f"Release {live or 'none'} of deployment {deployment_id} is live and not release {release_id}, "
                    "which was promoted: somebody decided so since."
                )
            self.log.info("Release %s of deployment %s is live", release_id, deployment_id)
            return facts.values
