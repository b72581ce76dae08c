"""Reading how production stands at the end of a promotion: one look, repeated until the list
counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
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
    ids = frozenset(expected)
    lowest = min(ids, default=None)
    try:
        now = _look(client, deployment_id, ids, lowest, not_live, seconds=0)
        deleted = frozenset(one for one in ids if one not in now and is_deleted(client, one))
        if not _counts(now, ids - deleted, not_live):
            now = _look(
                client, deployment_id, ids - deleted, lowest, not_live, seconds=VERIFY_TIMEOUT
            )
    except TrifactaError as error:
        if refusal_of_id(error) and is_gone(client, deployment_id):
            return Production(None, deployment_gone=True)
        raise
    if not now.releases and is_gone(client, deployment_id):
        return Production(None, deployment_gone=True)
    missing = sorted(one for one in ids - deleted if one not in now)
    if missing:
        raise now.error(
            UnexpectedResponseError,
            f"The list of the releases of deployment {deployment_id} does not show release"
            f" {missing[0]}, which exists.",
            missing[0],
        )
    return Production(now, deleted=deleted)


def _look(
    client: TrifactaClient,
    deployment_id: int,
    ids: frozenset[int],
    lowest: int | None,
    not_live: int | None,
    *,
    seconds: float,
) -> Standing:
    def counts(now: Standing) -> bool:
        return _counts(now, ids, not_live)

    return Standing.read(client, deployment_id, counts, down_to_id=lowest, seconds=seconds)


def _counts(now: Standing, ids: frozenset[int], not_live: int | None) -> bool:
    return all(one in now for one in ids) and (not_live is None or now.live_id != not_live)


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
        # some servers answer 403 for an id that does not exist, and its list does not show it
        return True
    except TrifactaError as error:
        if refusal_of_id(error) is None:
            raise
        return True
