"""Releases: the imports of a package into a deployment, one of which at most is active."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .errors import UnexpectedResponseError
from .models import ImportResult, Release
from .paging import list_all, list_newest_first
from .transport import Transport
from .upload import MultipartFile

#: Named here, since within the class ``list`` is the call.
_ReleaseList = list[Release]
_Until = Callable[[Sequence[Release]], bool]


class Releases:
    """Calls for releases. Every call raises the errors of :mod:`.errors`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, deployment_id: int, package: MultipartFile, *, repeat: bool = True) -> ImportResult:
        """Upload a package as a new release (API Releases Create v4). The new release is live at once.

        The request is sent again only where no connection came about, and after a 429 of the API. After any other
        failure the release may exist: see :func:`~airflow_provider_trifacta.client.retries.did_nothing`.

        :param deployment_id: the deployment
        :param package: the body that :meth:`.FlowPackage.body` gives; it tells afterwards how far it was sent
        :param repeat: whether it is sent again at all
        :returns: the release and what was imported, as the server says it: read it back
        """
        path = f"/v4/deployments/{deployment_id}/releases"
        return ImportResult.from_json(self._transport.write("POST", path, body=package, repeat=repeat))

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

    def list(
        self,
        deployment_id: int,
        *,
        until: _Until | None = None,
        include_deleted: bool = False,
    ) -> _ReleaseList:
        """Return a deployment's releases, newest first (``GET /v4/releases?deploymentId=``).

        Releases of other deployments are left out here too: a server may not know the parameter. A list of several
        pages may change while it is read. One that is read to its end and shows no live release, or any that shows two,
        is therefore read once more.

        :param deployment_id: the deployment
        :param until: called with the releases so far after each page; True ends the reading, since older ones do not
            matter. Without it the whole list is read. A server that does not sort by id gives the whole list
        :param include_deleted: whether deleted releases are wanted too; a server may not know the parameter
        :raises UnexpectedResponseError: when a row does not tell its deployment: it may be of any
        """
        for _ in range(2):
            releases, whole, one_page = self._read_list(deployment_id, until, include_deleted=include_deleted)
            live = sum(release.active and not release.deleted for release in releases)
            if one_page or live == 1 or (live == 0 and not whole):
                break
        return releases

    def _read_list(
        self, deployment_id: int, until: _Until | None, *, include_deleted: bool
    ) -> tuple[_ReleaseList, bool, bool]:
        params: dict[str, Any] = {"deploymentId": deployment_id}
        if include_deleted:
            params["includeDeleted"] = "true"
        whole = True
        parse = _Parser(deployment_id, include_deleted=include_deleted)

        def enough(rows: Sequence[Mapping[str, Any]]) -> bool:
            nonlocal whole
            whole = not (until and until(parse(rows)))
            return not whole

        found = list_newest_first(self._transport, "/v4/releases", params, enough=enough)
        rows, one_page = found or (list_all(self._transport, "/v4/releases", params), False)
        return parse(rows), whole or not found, one_page

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
        :param repeat: whether it is sent again where the server provably did nothing
        """
        self._transport.write("PATCH", f"/v4/releases/{release_id}", json={"active": True}, repeat=repeat)

    def deactivate(self, release_id: int, *, repeat: bool = True) -> None:
        """Make a release inactive. Its deployment is then without a live release and cannot run.

        :param release_id: the release
        :param repeat: as for :meth:`activate`
        """
        self._transport.write("PATCH", f"/v4/releases/{release_id}", json={"active": False}, repeat=repeat)


class _Parser:
    """Reads the rows of one deployment's releases; of a list that grows page by page, each row once."""

    def __init__(self, deployment_id: int, *, include_deleted: bool) -> None:
        self._deployment_id = deployment_id
        self._include_deleted = include_deleted
        self._rows: Sequence[Mapping[str, Any]] = ()
        self._releases: list[Release] = []

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> _ReleaseList:
        """Return the releases, newest first.

        :param rows: all rows so far: the same list as before, unless the reading was begun again
        """
        if rows is not self._rows:
            self._rows, self._releases = rows, []
        self._releases += map(Release.from_json, rows[len(self._releases) :])
        releases = [one for one in self._releases if self._include_deleted or not one.deleted]
        homeless = [release.id for release in releases if release.deployment_id is None]
        if homeless:
            raise UnexpectedResponseError(
                f"GET /v4/releases does not tell which deployment the releases {homeless[:5]} belong to."
            )
        return sorted(
            (release for release in releases if release.deployment_id == self._deployment_id),
            key=lambda release: release.id,
            reverse=True,
        )
