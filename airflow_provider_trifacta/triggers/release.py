"""Triggers that wait for releases."""

from __future__ import annotations

from typing import Any

from ..waits import ReleaseWatch
from ._watching import WatchTrigger


class ReleaseActiveTrigger(WatchTrigger):
    """Polls until a release is live. It decides as :class:`.ReleaseActiveSensor` does.

    :param release_id: the release
    :param on_superseded: as for the sensor
    :param deployment_id: its deployment, if it is known; then all waits on the deployment share its list
    :param waiting: as for ``WatchTrigger``
    """

    def __init__(
        self, *, release_id: int, on_superseded: str = "fail", deployment_id: int | None = None, **waiting: Any
    ) -> None:
        super().__init__(release_id=release_id, on_superseded=on_superseded, deployment_id=deployment_id, **waiting)
        self.release_id = release_id
        self.on_superseded = on_superseded
        self.deployment_id = deployment_id

    def _watch(self, **waiting: Any) -> ReleaseWatch:
        return ReleaseWatch(
            self.release_id, on_superseded=self.on_superseded, deployment_id=self.deployment_id, **waiting
        )
