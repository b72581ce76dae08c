"""Releases: the imports of a package into a deployment, one of which at most is active."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import UnexpectedResponseError
from .models import ImportResult, Release
from .paging import list_all
from .transport import Transport
from .upload import MultipartFile


class Releases:
    """Calls for releases. Every call raises the errors of :mod:`.errors`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, deployment_id: int, package: MultipartFile, *, repeat: bool = True) -> ImportResult:
        """Upload a package as a new release (API Releases Create v4). The new release is live at once.

        The request is sent again only after a refused connection, a 429, or a 503 with Retry-After. After any other
        failure the release may exist.

        :param deployment_id: the deployment
        :param package: the body that :meth:`.FlowPackage.body` gives; it tells afterwards how far it was sent
        :param repeat: whether it is sent again at all
        :returns: the release and what was imported
        :raises UnexpectedResponseError: the answer is about something else
        """
        path = f"/v4/deployments/{deployment_id}/releases"
        result = ImportResult.from_json(self._transport.write("POST", path, body=package, repeat=repeat))
        if result.release.deployment_id not in (None, deployment_id):
            raise UnexpectedResponseError(
                f"POST {path} answered a release of deployment {result.release.deployment_id}."
            )
        return result

    def dry_run(self, deployment_id: int, package: MultipartFile) -> Mapping[str, Any]:
        """Try an import without making a release (API Releases Create DryRun v4).

        It changes nothing, so it is repeated as a read is.

        :param deployment_id: the deployment
        :param package: the body that :meth:`.FlowPackage.body` gives
        :returns: the answer, of the shape that a create has
        """
        path = f"/v4/deployments/{deployment_id}/releases/dryRun"
        answer = self._transport.try_out(path, package)
        if not isinstance(answer, Mapping):
            raise UnexpectedResponseError(f"POST {path} did not answer an object.")
        return answer

    def list(self, deployment_id: int) -> list[Release]:
        """Return a deployment's releases that are not deleted (``GET /v4/releases?deploymentId=``).

        Releases of other deployments are left out here too: a server may not know the parameter.

        :param deployment_id: the deployment
        :raises UnexpectedResponseError: when a row does not tell its deployment: it may be anybody's
        """
        items = list_all(self._transport, "/v4/releases", {"deploymentId": deployment_id})
        releases = [release for release in map(Release.from_json, items) if not release.deleted]
        homeless = [release.id for release in releases if release.deployment_id is None]
        if homeless:
            raise UnexpectedResponseError(
                f"GET /v4/releases does not tell which deployment the releases {homeless[:5]} belong to."
            )
        return [release for release in releases if release.deployment_id == deployment_id]

    def get(self, release_id: int) -> Release:
        """Return one release (API Releases Get v4).

        :param release_id: its id
        """
        release = Release.from_json(self._transport.read(f"/v4/releases/{release_id}"))
        if release.id != release_id:
            raise UnexpectedResponseError(f"GET /v4/releases/{release_id} answered release {release.id}.")
        return release

    def activate(self, release_id: int, *, repeat: bool = True) -> None:
        """Make a release the live one; the one before becomes inactive in the same step (API Releases Patch v4).

        The answer does not tell the new state: read the release back.

        :param release_id: the release
        :param repeat: whether it is sent again after a refused connection, a 429, or a 503 with Retry-After
        """
        self._transport.write("PATCH", f"/v4/releases/{release_id}", json={"active": True}, repeat=repeat)

    def deactivate(self, release_id: int, *, repeat: bool = True) -> None:
        """Make a release inactive. Its deployment is then without a live release and cannot run.

        :param release_id: the release
        :param repeat: as for :meth:`activate`
        """
        self._transport.write("PATCH", f"/v4/releases/{release_id}", json={"active": False}, repeat=repeat)
