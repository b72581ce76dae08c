"""Waiting: one decision for each poll. Sensors in every mode, triggers and runs take it here.

``watch`` holds the decision that both waits share: which errors end a wait, and which are tolerated
for how long. ``release`` waits until a release is live. ``job_groups`` waits until job groups are
Complete. ``live`` looks which release is live. ``until`` waits in one process, and has the verdict
on job groups at the end of a promotion.
"""

from __future__ import annotations

from .job_groups import JobGroupStatus as JobGroupStatus
from .job_groups import JobGroupsWatch as JobGroupsWatch
from .job_groups import NewestJobGroups as NewestJobGroups
from .job_groups import WhyFailed as WhyFailed
from .job_groups import cancel_job_groups as cancel_job_groups
from .live import LiveReleaseWatch as LiveReleaseWatch
from .live import ReleasesToLive as ReleasesToLive
from .release import DEEP_LOOK_EVERY as DEEP_LOOK_EVERY
from .release import ON_SUPERSEDED as ON_SUPERSEDED
from .release import NewestReleases as NewestReleases
from .release import OneRelease as OneRelease
from .release import ReleaseWatch as ReleaseWatch
from .until import JobsEnd as JobsEnd
from .until import JobsVerdict as JobsVerdict
from .until import wait_until as wait_until
from .watch import POKE_INTERVAL as POKE_INTERVAL
from .watch import TOLERATED_OUTAGE as TOLERATED_OUTAGE
from .watch import Connect as Connect
from .watch import Read as Read
from .watch import Steps as Steps
from .watch import Watch as Watch
from .watch import seconds as seconds
