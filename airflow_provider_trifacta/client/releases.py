"""Releases: the imports of a package into a deployment. At most one of them is active."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import gt
from typing import TYPE_CHECKING, Any

from .calls import MultipartFile
from .errors import (
    AnswerTooLargeError,
    APIError,
    BadRequestError,
    NotFoundError,
    UnexpectedResponseError,
)
from .foreign_words import logger
from .imports import ImportResult
from .limits import IMPORT, PAGE, WHOLE_LIST, Limit
from .models import Release, object_of, optional_id, within
from .resources import Resource, list_all
from .retries import ROUTE_NOT_FOUND, refuses_form
from .transport import PAGE_SIZE, SERVERS_PAGE_SIZE, plain_page

if TYPE_CHECKING:
    from .transport import Transport

log = logger(__name__)

#: How often a list is begun again that changes while it is read.
_MOST_READINGS = 3
_Until = Callable[[Sequence[Release]], bool]


@dataclass(eq=False)
class ReleaseSource:
    """Where an instance shows the releases of a deployment. Clients of one instance share it.

    :param embedded: whether it is known to show them with their deployment only
    """

    embedded: bool = False


@dataclass(frozen=True)
class _ListForm:
    """One of the two documented ways to read the releases of a deployment.

    ``GET /v4/releases?deploymentId=`` answers the list alone [R]. ``GET
    /v4/deployments/:id?embed=releases`` answers it within the deployment [R]. There ``limit`` and
    ``offset`` may page the releases, or do nothing [?].

    :param deployment_id: the deployment
    :param deleted: whether deleted releases are wanted too; a server may not know the parameter
    :param embedded: which way it is
    """

    deployment_id: int
    deleted: bool
    embedded: bool

    @property
    def path(self) -> str:
        """The path of the list, or of the deployment."""
        return f"/v4/deployments/{self.deployment_id}" if self.embedded else "/v4/releases"

    @property
    def params(self) -> dict[str, Any]:
        """The query. What is None is not sent."""
        form = {"embed": "releases"} if self.embedded else {"deploymentId": self.deployment_id}
        return {**form, "includeDeleted": "true" if self.deleted else None}

    @property
    def limit(self) -> Limit:
        """What an answer may hold."""
        return WHOLE_LIST if self.embedded else PAGE

    def page_of(self, body: object) -> tuple[object, object]:
        """Return the releases of an answer, and the count that came with them.

        :param body: the answer
        :raises UnexpectedResponseError: it is of another deployment
        """
        if not self.embedded:
            return plain_page(body)
        deployment = within(body)
        if optional_id(deployment.get("id")) != self.deployment_id:
            raise UnexpectedResponseError(
                f"GET {self.path} did not answer deployment {self.deployment_id}."
            )
        # The deployment's own count [I] may leave deleted releases out.
        count = None if self.deleted else deployment.get("numReleases")
        return within(deployment, "releases").get("data"), count

    def own(self, releases: Iterable[Release]) -> list[Release]:
        """Return those of the releases that belong to the deployment, newest first.

        :param releases: what was read
        :raises UnexpectedResponseError: a release does not show its deployment, so it may belong to
            any
        """
        own: list[Release] = []
        homeless: list[int] = []
        for release in releases:
            if release.deleted and not self.deleted:
                continue
            if release.deployment_id is None:
                homeless.append(release.id)
                # What is embedded belongs to its deployment, unless it names another one.
                own.append(replace(release, deployment_id=self.deployment_id))
            elif release.deployment_id == self.deployment_id:
                own.append(release)
        if homeless and not self.embedded:
            raise UnexpectedResponseError(
                f"GET {self.path} does not show which deployment the releases {homeless[:5]}"
                " belong to."
            )
        return sorted(own, key=lambda release: release.id, reverse=True)


@dataclass(eq=False)
class Releases(Resource):
    """Calls for releases. Every call raises the errors of :mod:`.errors`."""

    #: Where the instance shows the releases of a deployment.
    source: ReleaseSource = field(default_factory=ReleaseSource)

    def create(
        self, deployment_id: int, package: MultipartFile, *, repeat: bool = True
    ) -> ImportResult:
        """Upload a package as a new release (API Releases Create v4 [R]). The new release is live
        at once.

        The request is sent again only if no connection was made, and after a 429 of the API. After
        any other failure the release may exist: see ``client/retries.py``.

        :param deployment_id: the deployment
        :param package: the body that :meth:`.FlowPackage.body` gives; it tells afterwards how far
            it was sent
        :param repeat: whether it is sent again at all
        :returns: the release and what was imported, as the server says it: read it back
        """
        path = f"/v4/deployments/{deployment_id}/releases"
        answer = self._transport.write("POST", path, body=package, repeat=repeat, limit=IMPORT)
        return ImportResult.from_json(answer)

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

        An instance that does not know that path shows them with their deployment (``GET
        /v4/deployments/:id?embed=releases`` [R]). Releases of other deployments are left out here
        too: a server may not know the parameter.

        :param deployment_id: the deployment
        :param until: called with the releases so far after each page; True ends the reading, since
            older ones do not matter. Without it the whole list is read. A server that does not sort
            by id gives the whole list
        :param include_deleted: whether deleted releases are wanted too; a server may not know the
            parameter
        :returns: the releases
        :raises UnexpectedResponseError: a row does not show its deployment, so it may belong to any
        """
        releases, whole, one_page = self._read_list(deployment_id, until, include_deleted)
        if one_page:
            return releases
        # A list of several pages may change while it is read. A part of it that shows one live
        # release, or none so far, is right. Anything else may come from such a change, and is read
        # once more.
        live = [release for release in releases if release.active and not release.deleted]
        none_so_far = not live and not whole
        if len(live) == 1 or none_so_far:
            return releases
        return self._read_list(deployment_id, until, include_deleted)[0]

    def _read_list(
        self, deployment_id: int, until: _Until | None, deleted: bool
    ) -> tuple[builtins.list[Release], bool, bool]:
        """Read the list once; return the releases, whether they are all, and whether they fitted on
        one page.
        """
        if not self.source.embedded:
            try:
                return self._read_form(_ListForm(deployment_id, deleted, embedded=False), until)
            except NotFoundError as error:
                if error.name != ROUTE_NOT_FOUND or not self._transport.learned.has_deployments:
                    raise
                log.info(
                    "This instance has no list of releases, so they are read with their deployment"
                )
                self.source.embedded = True
        form = _ListForm(deployment_id, deleted, embedded=True)
        try:
            return self._read_form(form, until)
        except BadRequestError:
            # It may be about the id or about the embed. A read that sends only the id shows which.
            self._transport.read(form.path)
            raise

    def _read_form(
        self, form: _ListForm, until: _Until | None
    ) -> tuple[builtins.list[Release], bool, bool]:
        whole = True

        def enough(releases: Sequence[Release]) -> bool:
            nonlocal whole
            whole = not (until and until(form.own(releases)))
            return not whole

        newest_first = _newest_first(self._transport, form, enough)
        if newest_first is None:
            releases = list_all(
                self._transport,
                form.path,
                Release.from_json,
                form.params,
                page_of=form.page_of,
                limit=form.limit,
            )
            return form.own(releases), True, False
        releases, one_page = newest_first
        return form.own(releases), whole, one_page

    def get(self, release_id: int) -> Release:
        """Return one release (API Releases Get v4 [R]).

        :param release_id: its id
        :returns: the release
        """
        release = self._transport.read(f"/v4/releases/{release_id}", build=Release.from_json)
        if release.id != release_id:
            raise UnexpectedResponseError(
                f"GET /v4/releases/{release_id} answered release {release.id}."
            )
        return release

    def activate(self, release_id: int, *, repeat: bool = True) -> None:
        """Make a release the live one; the one before becomes inactive in the same step (API
        Releases Patch v4 [R]).

        The answer does not show the new state: read the release back.

        :param release_id: the release
        :param repeat: whether it is sent again if the server provably did nothing
        """
        path = f"/v4/releases/{release_id}"
        self._transport.write("PATCH", path, json={"active": True}, repeat=repeat)

    def deactivate(self, release_id: int, *, repeat: bool = True) -> None:
        """Make a release inactive. Its deployment is then without a live release and cannot run.

        :param release_id: the release
        :param repeat: as for :meth:`activate`
        """
        path = f"/v4/releases/{release_id}"
        self._transport.write("PATCH", path, json={"active": False}, repeat=repeat)


def _newest_first(
    transport: Transport, form: _ListForm, enough: Callable[[Sequence[Release]], bool]
) -> tuple[list[Release], bool] | None:
    """Read a list of releases from its newest on, as far as it is needed.

    Each page repeats the last release of the page before. If it does not, something was deleted
    between the two requests and a release may be missing, so the list is read again from its
    beginning.

    :param transport: what sends the requests
    :param form: the list, and how it is read
    :param enough: called with the releases so far, newest first, after each page that is not the
        last; True ends the reading
    :returns: the releases, newest first, and whether they fitted on one page. None if the server
        does not sort, does not page, or its list keeps changing: read it with
        :func:`~.resources.list_all` then
    :raises UnexpectedResponseError: an answer is not a list of releases, or the list is too long
    """
    query = {**form.params, "sort": "-id", "limit": PAGE_SIZE}
    budget = transport.budget()
    for _ in range(_MOST_READINGS):
        releases: list[Release] = []
        while True:
            try:
                offset = max(len(releases) - 1, 0)
                page, count = transport.read_page(
                    form.path,
                    {**query, "offset": offset},
                    budget,
                    Release.from_json,
                    known=len(releases),
                    page_of=form.page_of,
                    limit=form.limit,
                )
            except AnswerTooLargeError:
                may_read_whole = not form.embedded and transport.reads_longer_lists()
                if releases or not may_read_whole:
                    raise
                return None  # it does not page
            except APIError as error:
                refuses_parameters = refuses_form(error) and error.name != ROUTE_NOT_FOUND
                if releases or not refuses_parameters:
                    raise
                return None  # it does not take the parameters
            ids = [release.id for release in page]
            if not all(map(gt, ids, ids[1:])):
                return None  # it is not sorted
            is_last = len(page) < SERVERS_PAGE_SIZE
            if releases:
                oldest_id = releases[-1].id
                if oldest_id not in ids:
                    break
                page_after = page[ids.index(oldest_id) + 1 :]
                if not page_after and not is_last:
                    return None  # it repeats itself
                releases += page_after
            else:
                releases += page
            is_embedded_whole = form.embedded and len(releases) == count
            if is_last or enough(releases) or is_embedded_whole:
                return releases, len(page) == len(releases)
    return None
