"""What the operators that change which release is live have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._compat import BaseOperator
from ..client.errors import ReleaseDeletedError, UnexpectedResponseError
from ..hooks.trifacta import TrifactaHook
from ..links import DEPLOYMENT_URL_KEY, TrifactaDeploymentLink
from ..promotion.baseline import down_to
from ..promotion.doubt import read_patiently

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Release
    from ._facts import Facts


class ChangeOperator(BaseOperator):
    """What activating, deactivating and rolling back share."""

    operator_extra_links = (TrifactaDeploymentLink(),)
    ui_color = "#e8f3ec"

    def __init__(self, *, trifacta_conn_id: str = TrifactaHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.trifacta_conn_id = trifacta_conn_id

    def _deployment_of(self, client: TrifactaClient, release_id: int, facts: Facts) -> int:
        release = read_patiently(client, lambda reader: reader.releases.get(release_id))
        deployment_id = release.deployment_id
        if deployment_id is None:
            raise UnexpectedResponseError(f"GET /v4/releases/{release_id} does not tell the release's deployment.")
        facts.add(deployment_id=deployment_id, **{DEPLOYMENT_URL_KEY: client.deployment_url(deployment_id)})
        if release.deleted:
            raise ReleaseDeletedError(
                f"Release {release_id} of deployment {deployment_id} was deleted. Nothing was written."
            )
        return deployment_id

    def _list(self, client: TrifactaClient, deployment_id: int, release_id: int) -> list[Release]:
        """Read the releases, as far down as the one that is meant and the live one."""
        enough = down_to(release_id)
        return read_patiently(client, lambda reader: reader.releases.list(deployment_id, until=enough))
