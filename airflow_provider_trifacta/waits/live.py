"""The look at a deployment that an event trigger repeats: which release is live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..client.errors import NotFoundError
from ..client.models import live_of, shows_live
from ..client.transport import SERVERS_PAGE_SIZE
from .release import NewestReleases, OneRelease
from .watch import Read, Steps, Watch

if TYPE_CHECKING:
    from ..client.client import TrifactaClient
    from ..client.models import Release


@dataclass(frozen=True)
class ReleasesToLive(Read):
    """The releases of a deployment, from the newest down to the live one; all if none is live."""

    deployment_id: int
    endpoint = "GET /v4/releases"

    def __call__(self, client: TrifactaClient) -> list[Release]:
        """Return the releases, newest first."""
        return client.releases.list(self.deployment_id, until=shows_live)


class LiveReleaseWatch(Watch):
    """Looks which release of a deployment is live. A poll is done when it knows that for sure.

    A poll reads the newest page of the deployment's list, whose answer it shares with the waits on
    the deployment. A list may lag behind, and a page may have been cut short. So another live
    release counts only if the release itself says so too. That none is live counts only if two
    polls in a row read it.

    :param deployment_id: the deployment
    :param waiting: as for :class:`Watch`
    """

    def __init__(self, deployment_id: int, **waiting: Any) -> None:
        super().__init__(**waiting)
        self.deployment_id = deployment_id
        #: The live release, as the last poll read it that was done; None if none is live.
        self.live: Release | None = None
        self._none_before = False

    def _look(self) -> Steps[tuple[bool, str]]:
        live = yield from self._read()
        none_before = self._none_before
        self._none_before = live is None
        is_sure = True
        if live is None:
            is_sure = none_before
        elif self.live is None or live.id != self.live.id:
            live, is_sure = yield from self._confirmed(live)
        if is_sure:
            self.live = live
        words = f"release {live.id} is live" if live else "no release is live"
        return is_sure, f"Deployment {self.deployment_id}: {words}"

    def _read(self) -> Steps[Release | None]:
        releases: list[Release] = yield NewestReleases(self.deployment_id)
        live = live_of(releases)
        if live is not None or len(releases) < SERVERS_PAGE_SIZE:
            return live
        # The live release is far below the newest page, or none is live.
        if self.live is not None:
            known, is_live = yield from self._confirmed(self.live)
            if is_live:
                return known
        releases = yield ReleasesToLive(self.deployment_id)
        return live_of(releases)

    def _confirmed(self, release: Release) -> Steps[tuple[Release, bool]]:
        """Read a release itself, and tell whether it is live."""
        try:
            own: Release = yield OneRelease(release.id)
        except NotFoundError:
            return release, False  # it was deleted since the list was read
        return own, own.active and not own.deleted
