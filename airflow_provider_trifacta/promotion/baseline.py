"""The baseline: what a deployment looked like before a run promoted anything to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pendulum

from ..client.errors import InvalidInputError
from ..client.models import Release, canonical_uuid, parse_time
from ..client.texts import parse_id

if TYPE_CHECKING:
    from ..client import TrifactaClient


def live_release(releases: Iterable[Release]) -> Release | None:
    """Return the live one of a deployment's releases; the newest, should a server show several."""
    return max((release for release in releases if release.active), key=lambda release: release.id, default=None)


def live_id(releases: Iterable[Release]) -> int | None:
    """Return the id of the live one of a deployment's releases, None when none is."""
    live = live_release(releases)
    return live.id if live else None


def shows_live(releases: Sequence[Release]) -> bool:
    """Tell whether a list was read far enough to know its newest and its live release."""
    return live_release(releases) is not None


def down_to(release_id: int) -> Callable[[Sequence[Release]], bool]:
    """Return what tells whether a list was read far enough to know all that is newer, and the live release.

    :param release_id: the newest release that was known before
    """
    return lambda releases: shows_live(releases) and releases[-1].id <= release_id


def made_of(releases: Iterable[Release], uuid: str, *, after: int = 0) -> list[Release]:
    """Return the releases made of a package that have a higher id than ``after``.

    :param uuid: the package's ``metadata.uuid``
    """
    wanted = canonical_uuid(uuid)
    return [one for one in releases if one.id > after and one.package_uuid == wanted]


def new_since(seen: Iterable[Release], now: Iterable[Release]) -> list[Release]:
    """Return the releases that were made after all those that were seen before."""
    newest = max((release.id for release in seen), default=0)
    return [release for release in now if release.id > newest]


@dataclass(frozen=True)
class Baseline:
    """Which release of a deployment was live, and which was the latest, at one moment.

    Taken by a task of its own before the promotion, it survives the promotion's retries and so tells this run's
    release from older ones of the same package.
    """

    deployment_id: int
    active_release_id: int | None
    latest_release_id: int | None
    #: When the live release was changed last. Where a retry reads another time, a person may have gone back to it. None
    #: where nothing is live, and in baselines that were recorded before this was.
    active_updated_at: pendulum.DateTime | None = None

    @classmethod
    def read(cls, client: TrifactaClient, deployment_id: int) -> Baseline:
        """Take the baseline of a deployment, from as much of its list of releases as that needs.

        :param client: the instance
        :param deployment_id: the deployment
        """
        return cls.of(deployment_id, client.releases.list(deployment_id, until=shows_live))

    @classmethod
    def of(cls, deployment_id: int, releases: Sequence[Release]) -> Baseline:
        """Take the baseline from a deployment's releases."""
        live = live_release(releases)
        return cls(
            deployment_id=deployment_id,
            active_release_id=live.id if live else None,
            latest_release_id=max((release.id for release in releases), default=None),
            active_updated_at=live.updated_at if live else None,
        )

    @classmethod
    def parse(cls, value: object, deployment_id: int | None = None) -> Baseline:
        """Read what ``GetDeploymentOperator`` returned.

        :param value: its return value, whole
        :param deployment_id: the deployment that it must be of, if that is known otherwise
        :raises InvalidInputError: for another shape or another deployment
        """
        if not isinstance(value, Mapping) or not {"deployment_id", "active_release_id", "latest_release_id"} <= set(
            value
        ):
            raise InvalidInputError(
                "baseline must be the whole return value of GetDeploymentOperator (get.output), not "
                f"{repr(value)[:80]}. If it is None, the task it comes from failed, was skipped, or was marked as "
                "success by hand: clear that task."
            )
        baseline = cls(
            deployment_id=parse_id(value["deployment_id"], "baseline['deployment_id']"),
            active_release_id=_optional_id(value["active_release_id"], "baseline['active_release_id']"),
            latest_release_id=_optional_id(value["latest_release_id"], "baseline['latest_release_id']"),
            active_updated_at=parse_time(value.get("active_updated_at")),
        )
        if deployment_id not in (None, baseline.deployment_id):
            raise InvalidInputError(
                f"baseline is of deployment {baseline.deployment_id}, but deployment_id is {deployment_id}."
            )
        return baseline

    def as_dict(self) -> dict[str, Any]:
        """Return the form that goes through XCom."""
        return {
            "deployment_id": self.deployment_id,
            "active_release_id": self.active_release_id,
            "latest_release_id": self.latest_release_id,
            "active_updated_at": self.active_updated_at.isoformat() if self.active_updated_at else None,
        }


def _optional_id(value: object, field: str) -> int | None:
    return None if value is None else parse_id(value, field)
