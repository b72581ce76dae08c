"""What a run was to reach, and what it made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from campaign.tasks import Ended
from campaign.world import TASK, State, World


@dataclass
class Asked:
    """What a run was to reach, and how its tasks ended.

    :param ended: the tasks; the last one decides
    :param wanted: tells whether a state is what was asked for
    :param shows: tells whether a truthful read proves what the last task says
    :param reads: which paths such reads have
    :param releases: how many releases the run may make
    :param runs: how many runs of the deployment, of flows or of a recipe it may start: one of each
    :param imports: how many packages it may import as plain flows
    :param waits: the tasks that only wait
    :param proves_end: whether a green end must be as wanted now; else that was checked at its time
    :param forgets: whether nothing tells a retry what the first try found: no baseline, and no
        journal
    :param has_baseline: whether a retry that asks for the first time knows what was there before
    :param checks: what else is to be checked when nothing is under way any more
    """

    wanted: Callable[[State], bool]
    reads: str = "/v4/releases"
    shows: Callable[[State], bool] | None = None
    releases: int = 0
    runs: int = 0
    imports: int = 0
    waits: tuple[str, ...] = ()
    proves_end: bool = True
    forgets: bool = False
    has_baseline: bool = True
    checks: list[Callable[[], None]] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)

    @property
    def green(self) -> bool:
        """Whether the run is green."""
        return self.ended[-1].state == "success"


def own_releases(world: World) -> list[Any]:
    """Return the releases that the run's tasks made."""
    found = world.prod.store.releases(world.deployment_id)
    return [one for one in found if one.creator == TASK and one.id > world.latest]


def own_jobs(world: World) -> list[Any]:
    """Return the job groups that the run's tasks started."""
    return [one for one in world.prod.store.job_groups() if one.creator == TASK]


def own_flows(world: World) -> list[Any]:
    """Return the flows that the run's tasks imported."""
    return [one for one in world.prod.store.flows() if one.creator == TASK]


def the_one(world: World) -> int | None:
    """Return the newest release that the run's tasks made; None if they made more than they were
    asked to.
    """
    made = [release.id for release in own_releases(world)]
    return max(made) if 1 <= len(made) <= world.edits.passes else None
