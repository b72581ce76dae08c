"""Releases: the imports of a package into a deployment. At most one of them is active."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import gt, itemgetter
from typing import TYPE_CHECKING, Any

from .calls import MultipartFile
from .errors import BadRequestError, UnexpectedResponseError
from .imports import ImportResult
from .models import Release, object_of
from .resources import Resource, list_all
from .transport import PAGE_SIZE, SERVERS_PAGE_SIZE

if TYPE_CHECKING:
    from .transport import Transport

#: How often a list is begun again that changes while it is read.
_MOST_READINGS = 3
_Until = Callable[[Sequence[Release]], bool]


class Releases(Resource):
    """Calls for releases. Every call raises the errors of :mod:`.errors`."""

    def create(self, deployment_id: int, package: MultipartFile, *, repeat: bool = True) -> ImportResult:
        """Upload a package as a new release (API Releases Create v4 [R]). The new release is live at once.

        The request is sent again only if no connection was made, and after a 429 of the API. After any other failure
        the release may exist: see ``client/retries.py``.

        :param deployment_id: the deployment
        :param package: the body that :meth:`.FlowPackage.body` gives; it tells afterwards how far it was sent
        :param repeat: whether it is sent again at all
        :returns: the release and what was imported, as the server says it: read it back
        """
        path = f"/v4/deployments/{deployment_id}/releases"
        return ImportResult.from_json(self._transport.write("POST", path, body=package, repeat=repeat))

    def dry_run(self, deployment_id: int, package: MultipartFile) -> Mapping[str, Any]:
        """Try an import without making a release (API Releases Create DryRun v4 [R]).

        It changes nothing, so it is sent again as a read is.

        :param deployment_id: the deployment
        :param package: the body that :meth:`.FlowPackage.body` gives
        :returns: the answer, of the shape that a create has
        """
        path = f"/v4/deployments/{deployment_id}/releases/dryRun"
        return object_of(self._transport.try_out(path, package), "The answer to the dry run")

    def list(
        self, deployment_id: int, *, until: _Until | None = None, include_deleted: bool = False
    ) -> builtins.list[Release]:
        """Return a deployment's releases, newest first (``GET /v4/releases?deploymentId=`` [R]).

        Releases of other deployments are left out here too: a server may not know the parameter.

        :param deployment_id: the deployment
        :param until: called with the releases so far after each page; True ends the reading, since older ones do not
            matter. Without it the whole list is read. A server that does not sort by id gives the whole list
        :param include_deleted: whether deleted releases are wanted too; a server may not know the parameter
        :returns: the releases
        :raises UnexpectedResponseError: a row does not show its deployment, so it may belong to any
        """
        releases, whole, one_page = self._read_list(deployment_id, until, include_deleted=include_deleted)
        if one_page:
            return releases
        # A list of several pages may change while it is read. A part of it that shows one live release, or none so
        # far, is right. Anything else may come from such a change, and is read once more.
        live = sum(release.active and not release.deleted for release in releases)
        if live == 1 or (live == 0 and not whole):
            return releases
        return self._read_list(deployment_id, until, include_deleted=include_deleted)[0]

    def _read_list(
        self, deployment_id: int, until: _Until | None, *, include_deleted: bool
    ) -> tuple[builtins.list[Release], bool, bool]:
        """Read the list once; return the releases, whether they are all, and whether they fitted on one page."""
        # What is None is not sent.
        params = {"deploymentId": deployment_id, "includeDeleted": "true" if include_deleted else None}
        whole = True

        def own(releases: Iterable[Release]) -> builtins.list[Release]:
            return _of_deployment(releases, deployment_id, deleted=include_deleted)

        def enough(releases: Sequence[Release]) -> bool:
            nonlocal whole
            whole = not (until and until(own(releases)))
            return not whole

        found = _newest_first(self._transport, "/v4/releases", params, enough=enough)
        if not found:
            return own(map(Release.from_json, list_all(self._transport, "/v4/releases", params))), True, False
        releases, one_page = found
        return own(releases), whole, one_page

    def get(self, release_id: int) -> Release:
        """Return one release (API Releases Get v4 [R]).

        :param release_id: its id
        :returns: the release
        """
        release = Release.from_json(self._transport.read(f"/v4/releases/{release_id}"))
        if release.id != release_id:
            raise UnexpectedResponseError(f"GET /v4/releases/{release_id} answered release {release.id}.")
        return release

    def activate(self, release_id: int, *, repeat: bool = True) -> None:
        """Make a release the live one; the one before becomes inactive in the same step (API Releases Patch v4 [R]).

        The answer does not show the new state: read the release back.

        :param release_id: the release
        :param repeat: whether it is sent again if the server provably did nothing
        """
        self._transport.write("PATCH", f"/v4/releases/{release_id}", json={"active": True}, repeat=repeat)

    def deactivate(self, release_id: int, *, repeat: bool = True) -> None:
        """Make a release inactive. Its deployment is then without a live release and cannot run.

        :param release_id: the release
        :param repeat: as for :meth:`activate`
        """
        self._transport.write("PATCH", f"/v4/releases/{release_id}", json={"active": False}, repeat=repeat)


def _of_deployment(releases: Iterable[Release], deployment_id: int, *, deleted: bool) -> list[Release]:
    """Return the releases of one deployment, newest first.

    :param deleted: whether deleted releases are wanted too
    :raises UnexpectedResponseError: a release does not show its deployment, so it may belong to any
    """
    wanted = [one for one in releases if deleted or not one.deleted]
    homeless = [one.id for one in wanted if one.deployment_id is None]
    if homeless:
        raise UnexpectedResponseError(
            f"GET /v4/releases does not show which deployment the releases {homeless[:5]} belong to."
        )
    return sorted((one for one in wanted if one.deployment_id == deployment_id), key=lambda one: one.id, reverse=True)


def _newest_first(
    transport: Transport,
    path: str,
    params: Mapping[str, Any] | None = None,
    *,
    enough: Callable[[Sequence[Release]], bool],
) -> tuple[list[Release], bool] | None:
    """Read a list of releases from its newest on, as far as it is needed.

    Each page repeats the last release of the page before. If it does not, something was deleted between the two
    requests and a release may be missing, so the list is read again from its beginning.

    :param transport: what sends the requests
    :param path: path of the list
    :param params: further query parameters
    :param enough: called with the releases so far, newest first, after each page that is not the last; True ends the
        reading
    :returns: the releases, newest first, and whether they fitted on one page. None if the server does not sort, does
        not page, or its list keeps changing: read it with :func:`~.resources.list_all` then
    :raises UnexpectedResponseError: an answer is not a list of releases, or the list is too long
    """
    query = {**(params or {}), "sort": "-id", "limit": PAGE_SIZE}
    budget = transport.budget()
    for _ in range(_MOST_READINGS):
        releases: list[Release] = []
        while True:
            try:
                offset = max(len(releases) - 1, 0)
                page, _count = transport.read_page(path, {**query, "offset": offset}, budget, known=len(releases))
            except BadRequestError:
                if releases:
                    raise
                return None  # it does not take the parameter
            ids: list[Any] = list(map(itemgetter("id"), page))
            if str in map(type, ids) or not all(map(gt, ids, ids[1:])):
                return None  # it is not sorted
            if releases and releases[-1].id not in ids:
                break
            new = [row for row in page if not releases or row["id"] < releases[-1].id]
            if releases and not new and len(page) >= SERVERS_PAGE_SIZE:
                return None  # it repeats itself
            releases += map(Release.from_json, new)
            if len(page) < SERVERS_PAGE_SIZE or enough(releases):
                return releases, len(page) == len(releases)
    return None
