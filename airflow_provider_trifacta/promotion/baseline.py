"""The baseline: which release of a deployment was live before a run promoted anything to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pendulum

from ..client.errors import InvalidInputError, UnexpectedLiveReleaseError
from ..client.ids import parse_id
from ..client.models import parse_time, shows_live
from ..client.texts import called
from .journal import noted_time
from .standing import Standing

if TYPE_CHECKING:
    from ..client import TrifactaClient

#: The keys that every form of a baseline has, of all versions of the provider.
_KEYS = {"deployment_id", "active_release_id", "latest_release_id"}


@dataclass(frozen=True)
class Baseline:
    """Which release of a deployment was live at one moment, and which was the latest.

    A task of its own records it before the promotion, so it stays the same in every retry of the
    promotion. A release with a higher id than ``latest_release_id`` belongs to this run, and an
    older one of the same package does not.
    """

    deployment_id: int
    active_release_id: int | None
    latest_release_id: int | None
    #: When the live release was changed last. If a retry reads another time, a person may have gone
    #: back to that release. None if no release was live, or the server did not show the time.
    active_updated_at: pendulum.DateTime | None = None
    #: When it was read, by the clock of Airflow. None in a baseline of an earlier version.
    read_at: pendulum.DateTime | None = field(default=None, compare=False)
    #: For logs only. None if the baseline was not recorded by a task.
    deployment_name: str | None = field(default=None, compare=False)

    @property
    def newest_id(self) -> int:
        """The id above which a release belongs to this run; 0 if there was no release."""
        return self.latest_release_id or 0

    @property
    def where(self) -> str:
        """What a log calls the deployment."""
        return called("deployment", self.deployment_id, self.deployment_name)

    @classmethod
    def read(cls, client: TrifactaClient, deployment_id: int) -> Baseline:
        """Record the baseline of a deployment. It reads the list only as far as the live release.

        :param client: the instance
        :param deployment_id: the deployment
        """
        releases = client.releases.list(deployment_id, until=shows_live)
        return cls.of(Standing(deployment_id, releases))

    @classmethod
    def of(cls, now: Standing) -> Baseline:
        """Make the baseline of how a deployment stands.

        :param now: how it stands
        """
        changed = now.live.updated_at if now.live else None
        read_at = pendulum.now("UTC")
        return cls(now.deployment_id, now.live_id, now.newest_id or None, changed, read_at)

    @classmethod
    def parse(cls, value: object, deployment_id: int | None = None) -> Baseline:
        """Read what ``GetDeploymentOperator`` returned.

        :param value: its whole return value
        :param deployment_id: the deployment that it must belong to, if that is known
        :returns: the baseline
        :raises InvalidInputError: for another shape or another deployment
        """
        if not isinstance(value, Mapping) or not set(value) >= _KEYS:
            raise InvalidInputError(
                "baseline must be the whole return value of GetDeploymentOperator (get.output),"
                f" not {repr(value)[:80]}. Nothing was changed. If it is None, the task that"
                " records it failed, was skipped, or was marked as success by hand: clear that"
                " task."
            )
        baseline = cls(
            deployment_id=parse_id(value["deployment_id"], "baseline['deployment_id']"),
            active_release_id=_optional_id(
                value["active_release_id"], "baseline['active_release_id']"
            ),
            latest_release_id=_optional_id(
                value["latest_release_id"], "baseline['latest_release_id']"
            ),
            active_updated_at=parse_time(value.get("active_updated_at")),
            read_at=parse_time(value.get("read_at")),
            deployment_name=value.get("deployment_name"),
        )
        if deployment_id is not None:
            baseline.refuse_other(deployment_id, f"deployment_id is {deployment_id}")
        return baseline

    def refuse_other(
        self, deployment_id: int, words: str, *, release_id: int | None = None
    ) -> None:
        """Refuse to use the baseline for another deployment: what it recorded says nothing about
        that one.

        :param deployment_id: the deployment that the task acts on
        :param words: how the task knows that deployment, as the end of a sentence
        :param release_id: the release that the task acts on, if it acts on one
        :raises InvalidInputError: the baseline belongs to another deployment
        """
        if deployment_id != self.deployment_id:
            raise InvalidInputError(
                f"The baseline belongs to deployment {self.deployment_id}, but {words}. Nothing was"
                " changed. Give both tasks the same deployment.",
                deployment_id=deployment_id,
                release_id=release_id,
            )

    def another_is_live(
        self,
        now: Standing,
        then: str,
        *,
        where: str = "",
        when: str = "since then",
        release_id: int | None = None,
        advice: str = "",
    ) -> UnexpectedLiveReleaseError:
        """Make the error for a live release that neither the baseline nor the run explains.

        :param now: how the deployment stands
        :param then: what was and was not changed, and what to do next
        :param where: what else is known of the live release
        :param when: when what is live changed
        :param release_id: the release of this run, if there is one
        :param advice: what to do next, if a task group may replace it
        """
        return UnexpectedLiveReleaseError(
            f"{now.words} of deployment {self.deployment_id} is live{where}, but the baseline"
            f" recorded {self.active_release_id or 'none'}: what is live has changed {when}."
            f" {then}",
            advice=advice,
            **now.about(release_id),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the form that goes through XCom."""
        form = asdict(self)
        for name in ("active_updated_at", "read_at"):
            form[name] = noted_time(form[name])
        if self.read_at is None:
            # A journal of an earlier version compares this form, and it has no such key.
            del form["read_at"]
        return form


def _optional_id(value: object, field: str) -> int | None:
    return None if value is None else parse_id(value, field)
