"""Triggers that wait for job groups."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ..client.ids import parse_ids
from ..hooks.trifacta import TrifactaHook
from ..waits import JobGroupsWatch, cancel_job_groups
from ._watch_trigger import WatchTrigger


@dataclass(kw_only=True, eq=False, repr=False)
class JobGroupTrigger(WatchTrigger):
    """Polls until all job groups are Complete. It decides as :class:`.JobGroupSensor` does.

    :param job_group_ids: the job groups
    :param cancel_on_kill: whether to cancel them when a person clears or marks the deferred task
        (Airflow 3.3). A restart of the triggerer or a timeout does not cancel them
    :param waiting: as for ``WatchTrigger``
    """

    job_group_ids: Sequence[int]
    cancel_on_kill: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.job_group_ids, Sequence):
            self.job_group_ids = list(self.job_group_ids)
            self._job_groups = len(self.job_group_ids)
        self._watching: JobGroupsWatch | None = None

    def _watch(self, **waiting: Any) -> JobGroupsWatch:
        self.job_group_ids = parse_ids(self.job_group_ids, "job_group_ids")
        self._watching = JobGroupsWatch(self.job_group_ids, **waiting)
        return self._watching

    def _more(self) -> dict[str, Any]:
        return {"failed": self._watching.failed if self._watching else []}

    async def on_kill(self) -> None:
        """Cancel the job groups, if ``cancel_on_kill`` says so.

        Airflow 3.3 calls this and gives it about a second.
        """
        if not self.cancel_on_kill:
            return
        # A thread of its own goes on after the triggerer stops waiting for it.
        executor = ThreadPoolExecutor(1, thread_name_prefix="trifacta-cancel")
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        canceling = loop.run_in_executor(executor, context.run, self._cancel_job_groups)
        executor.shutdown(wait=False)
        await asyncio.wait({canceling})
        canceling.result()

    def _cancel_job_groups(self) -> None:
        config = self._polls.config if self._polls else None
        if config is None:
            config = TrifactaHook(self.trifacta_conn_id).config.without_repetitions
        cancel_job_groups(config, self.job_group_ids)
