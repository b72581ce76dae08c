"""Triggers that wait for releases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..client.ids import parse_id
from ..waits import NewestReleases, Read, ReleaseWatch
from ._watch_trigger import WatchTrigger


@dataclass(kw_only=True, eq=False, repr=False)
class ReleaseActiveTrigger(WatchTrigger):
    """Polls until a release is live. It decides as :class:`.ReleaseActiveSensor` does.

    :param release_id: the release
    :param on_superseded: as for the sensor
    :param deployment_id: its deployment, if it is known; then all waits on the deployment share its
        list
    :param waiting: as for ``WatchTrigger``
    """

    release_id: int
    on_superseded: str = "fail"
    deployment_id: int | None = None

    def _watch(self, **waiting: Any) -> ReleaseWatch:
        release_id = parse_id(self.release_id, "release_id")
        deployment_id = None
        if self.deployment_id is not None:
            deployment_id = parse_id(self.deployment_id, "deployment_id")
        return ReleaseWatch(
            release_id,
            on_superseded=self.on_superseded,
            deployment_id=deployment_id,
            **waiting,
        )

    def _needs(self, read: Read) -> bool:
        """Without the list of releases the wait cannot see that a newer one is live."""
        return isinstance(read, NewestReleases) and self.on_superseded == "fail"
