"""What the operators that change which release is live have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._compat import BaseOperator
from ..client.errors import ReleaseDeletedError, UnexpectedResponseError
from ..hooks.trifacta import TrifactaHook
from ..links import DEPLOYMENT_URL_KEY, TrifactaDeploymentLink
from ..promotion.reading import READ_PATIENCE, down_to, look

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

    def _look(self, client: TrifactaClient, release_id: int, facts: Facts) -> tuple[int, list[Release]]:
        """Read the deployment of a release, and its releases as far down as that one and the live one.

        A list that does not show the release as it is by itself lags behind: it would decide by what was before.
        """

        def read(reader: TrifactaClient) -> tuple[Release, list[Release]]:
            release = reader.releases.get(release_id)
            known = release.deployment_id
            if known and "deployment_id" not in facts.values:
                facts.add(deployment_id=known, **{DEPLOYMENT_URL_KEY: client.deployment_url(known)})
            if not known or release.deleted:
                return release, [release]
            return release, reader.releases.list(known, until=down_to(release_id))

        def agree(found: tuple[Release, list[Release]]) -> bool:
            release, releases = found
            return any(one.id == release_id and one.active == release.active for one in releases)

        release, releases = found = look(client, read, agree, seconds=READ_PATIENCE)
        deployment_id = release.deployment_id
        if deployment_id is None:
            raise UnexpectedResponseError(f"GET /v4/releases/{release_id} does not tell the release's deployment.")
        if release.deleted:
            raise ReleaseDeletedError(
                f"Release {release_id} of deployment {deployment_id} was deleted. Nothing was written."
            )
        if not agree(found):
            raise UnexpectedResponseError(
                f"Release {release_id} and the list of the releases of deployment {deployment_id} do not agree whether "
                "it is live. Nothing was written."
            )
        return deployment_id, releases
