"""Reading how production stands at the end of a promotion: one look, repeated until the list
counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..client.errors import PermissionDeniedError, TrifactaError, UnexpectedResponseError
from ..promotion.standing import VERIFY_TIMEOUT, Standing
from ..waits.watch import refusal_of_id

if TYPE_CHECKING:
    from ..client import TrifactaClient


@dataclass(frozen=True)
class Production:
    """What one read shows.

    :param now: how the deployment stands, None if there is no deployment
    :param deployment_gone: whether the server does not know the deployment
    :param deleted: the expected releases that were deleted
    """

    now: Standing | None
    deployment_gone: bool = False
    deleted: frozenset[int] = field(default_factory=frozenset)


def read_production(
    client: TrifactaClient,
    deployment_id: int,
    expected: Iterable[int],
    *,
    not_live: int | None = None,
) -> Production:
    """Read how a deployment stands.

    A list counts if it shows all releases that must be there. A release that it does not show is
    read by its id: it was deleted, or the list is out of date and is read again.

    :param client: the instance
    :param deployment_id: the deployment
    :param expected: the releases that must be listed, unless they were deleted
    :param not_live: a release that was just taken back, so that a list that shows it as live is out
        of date
    :raises TrifactaError: it could not be read
    """
    release_ids = frozenset(expected)
    must_list = _MustList(release_ids, not_live, down_to_id=min(release_ids, default=None))
    try:
        now = must_list.read(client, deployment_id, seconds=0)
        deleted = frozenset(
            release_id for release_id in must_list.missing(now) if is_deleted(client, release_id)
        )
        must_list = replace(must_list, release_ids=release_ids - deleted)
        if not must_list.fits(now):
            now = must_list.read(client, deployment_id, seconds=VERIFY_TIMEOUT)
    except TrifactaError as error:
        if refusal_of_id(error) and is_gone(client, deployment_id):
            return Production(None, deployment_gone=True)
        raise
    if not now.releases and is_gone(client, deployment_id):
        return Production(None, deployment_gone=True)
    missing = must_list.missing(now)
    if missing:
        raise now.error(
            UnexpectedResponseError,
            f"The list of the releases of deployment {deployment_id} does not show release"
            f" {missing[0]}, which exists.",
            missing[0],
        )
    return Production(now, deleted=deleted)


@dataclass(frozen=True)
class _MustList:
    """What a list of releases must show, else it is out of date.

    :param release_ids: the releases that must be listed
    :param not_live: the release that must not be live
    :param down_to_id: how far down it is read
    """

    release_ids: frozenset[int]
    not_live: int | None
    down_to_id: int | None

    def missing(self, now: Standing) -> list[int]:
        """Return the releases that the list does not show, the oldest first."""
        return sorted(release_id for release_id in self.release_ids if release_id not in now)

    def fits(self, now: Standing) -> bool:
        """Tell whether the list counts."""
        if self.not_live is not None and now.live_id == self.not_live:
            return False
        return not self.missing(now)

    def read(self, client: TrifactaClient, deployment_id: int, *, seconds: float) -> Standing:
        """Read the list until it counts, or the time is over."""
        return Standing.read(
            client, deployment_id, self.fits, down_to_id=self.down_to_id, seconds=seconds
        )


def is_gone(client: TrifactaClient, deployment_id: int) -> bool:
    """Tell whether the server does not know a deployment any more.

    :param client: the instance
    :param deployment_id: the deployment
    :raises TrifactaError: it could not be read
    """
    try:
        client.without_repetitions.deployments.get(deployment_id)
    except TrifactaError as error:
        if refusal_of_id(error) is None:
            raise
        return True
    return False


def is_deleted(client: TrifactaClient, release_id: int) -> bool:
    """Tell whether a release was deleted.

    :param client: the instance
    :param release_id: the release
    :raises TrifactaError: it could not be read
    """
    try:
        return client.releases.get(release_id).deleted
    except PermissionDeniedError:
        # Some servers answer 403 for an id that does not exist, and its list does not show it.
        return True
    except TrifactaError as error:
        if refusal_of_id(error) is None:
            raise
        return True
