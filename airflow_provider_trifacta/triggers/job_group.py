"""Triggers that wait for job groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..waits import JobGroupsWatch
from ._watching import WatchTrigger


class JobGroupTrigger(WatchTrigger):
    """Polls until all job groups are Complete; see :class:`.JobGroupSensor` for what it decides. It cancels nothing.

    :param job_group_ids: the job groups
    :param waiting: as for :class:`.WatchTrigger`
    """

    def __init__(self, *, job_group_ids: Sequence[int], **waiting: Any) -> None:
        super().__init__(job_group_ids=list(job_group_ids), **waiting)
        self.job_group_ids = list(job_group_ids)

    def _watch(self) -> JobGroupsWatch:
        return JobGroupsWatch(self.job_group_ids, tolerated_failures=self.tolerated_failures, failures=self.failures)
