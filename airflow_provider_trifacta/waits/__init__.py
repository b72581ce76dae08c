"""Waiting: one decision for each poll. Sensors in every mode, triggers and runs take it here.

``watch`` holds the decision that both waits share: which errors end a wait, and which are tolerated for how long.
``release`` waits until a release is live. ``job_groups`` waits until job groups are Complete.
"""

from __future__ import annotations

from .job_groups import (
    JobGroupStatus,
    JobGroupsWatch,
    NewestJobGroups,
    WhyFailed,
    cancel_job_groups,
)
from .release import DEEP_LOOK_EVERY, ON_SUPERSEDED, NewestReleases, OneRelease, ReleaseWatch
from .watch import POKE_INTERVAL, TOLERATED_OUTAGE, Connect, Read, Steps, Watch, seconds

__all__ = [
    "DEEP_LOOK_EVERY",
    "ON_SUPERSEDED",
    "POKE_INTERVAL",
    "TOLERATED_OUTAGE",
    "Connect",
    "JobGroupStatus",
    "JobGroupsWatch",
    "NewestJobGroups",
    "NewestReleases",
    "OneRelease",
    "Read",
    "ReleaseWatch",
    "Steps",
    "Watch",
    "WhyFailed",
    "cancel_job_groups",
    "seconds",
]
