"""Changing which release of a deployment is live, on purpose, and reading back that it is.

The API has no compare-and-set: it applies a change in any case. So two rules protect what other people decide.
The change is asked for right after a read, and only once. And whether it was applied is read from the list, which also
shows when a third release is live.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

from ..client import errors
from ..client.retries import WRITE_RETRIES, may_repeat_write, repeating
from .journal import Entry, Journal, production_stands
from .reading import VERIFY_TIMEOUT, about, described, down_to, id_of, live_id, live_release, look, strangers

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Release

log = logging.getLogger(__name__)

#: Seconds between two looks whether a change shows.
_INTERVAL = 1.0


def set_live(
    client: TrifactaClient, deployment_id: int, target: int | None, seen: Sequence[Release], **options: Any
) -> list[Release]:
    """Make one release live in place of what is live, and read back that it is.

    The change is asked for once. It is asked for again only if the server provably did nothing, and after another look.
    If its answer is lost, the list tells whether it was applied. It is not asked for again then, because a person may
    have decided otherwise.

    A retry asks again only if the journal proves that this is safe: nothing was asked for, or what was asked for was
    not applied and nothing else has changed since.

    API page: API Releases Patch v4. Read the list right before you call this.

    :param client: the instance
    :param deployment_id: the deployment
    :param target: the release to be live, None for none
    :param seen: the deployment's releases, as read just now
    :param options: ``shows``, a release that a list must show to count: without it, a list that lags behind could show
        an old state; ``journal``, what earlier tries of the task noted; and ``retry``, whether an earlier try may have
        asked for the change already
    :returns: the deployment's releases, as read back
    :raises InterruptedChangeError: an earlier try may have made the change, and another release is live now
    :raises UnexpectedLiveReleaseError: a third release is live afterwards
    :raises TrifactaError: the change was refused, or was not applied
    """
    if live_id(seen) == target:
        return list(seen)
    change = _Change(client, deployment_id, target, seen, **options)
    applied = change.resume() if change.retry else None
    return change.make() if applied is None else applied


def live_request(deployment_id: int, target: int | None) -> dict[str, Any]:
    """Return how the journal names the request to make a release live.

    :param deployment_id: the deployment
    :param target: the release, None for none
    """
    return {"what": "set_live", "deployment_id": deployment_id, "target": target}


@dataclass
class _Change:
    """One change of the live release; the parameters are those of :func:`set_live`."""

    client: TrifactaClient
    deployment_id: int
    target: int | None
    seen: Sequence[Release]
    _: KW_ONLY
    shows: int | None = None
    journal: Journal = field(default_factory=Journal)
    retry: bool = False

    def __post_init__(self) -> None:
        self._before = live_release(self.seen)
        self._request = live_request(self.deployment_id, self.target)
        self._enough = down_to(max((*(release.id for release in self.seen), self.shows or 0)))
        #: What an earlier try noted about the same change.
        self._entry: Entry | None = None

    def resume(self) -> list[Release] | None:
        """Tell whether a change that an earlier try may have asked for was applied.

        :returns: the releases, if the change was applied; None if it is safe to ask for it
        :raises InterruptedChangeError: it may have been applied, and what is live now may be a person's decision
        """
        self._entry = self.journal.entry(**self._request)
        if self.journal.nothing_asked(**self._request):
            return None
        if self._entry is None:
            raise self._interrupted(self._before)
        lower = min(filter(None, (self.target, id_of(self._before))))
        # The earlier request may be applied while this try looks, so this waits for it.
        now = self._look(lambda now: live_id(now) == self.target, down_to(lower))
        if live_id(now) == self.target:
            return now
        if _state(now, self.target) != dict(self._entry.before):
            raise self._interrupted(live_release(now))
        log.info(
            "An earlier try asked for the same change of deployment %s, and nothing has changed since: asking again",
            self.deployment_id,
        )
        return None

    def make(self) -> list[Release]:
        """Ask for the change, and read it back.

        :returns: the releases, as read back
        """
        before = f"{described(self._before)} of deployment {self.deployment_id}"
        # Noted before the request: a process that is killed during it can note nothing afterwards.
        lost = self.journal.ask(
            self._request,
            _state(self.seen, self.target),
            self._ask,
            nothing=lambda: f"Nothing was changed. {before} is live.",
            earlier=self._entry,
        )
        if lost:
            log.warning("The change of deployment %s may have been applied: %s", self.deployment_id, lost)
        with production_stands(
            lambda: (
                f"{before} was live before, and this task asked for "
                f"{f'release {self.target}' if self.target else 'no release'} to be live: look which one is."
            )
        ):
            return self._read_back(lost)

    def _ask(self) -> None:
        """Ask for the change, and again only if the server provably did nothing and nothing has changed since."""
        asked = False

        def ask() -> None:
            nonlocal asked
            if asked and self._live_before_repeating() != id_of(self._before):
                return  # a person decided otherwise while a busy server made us wait
            asked = True
            if self.target is not None:
                self.client.releases.activate(self.target, repeat=False)
            elif self._before is not None:
                self.client.releases.deactivate(self._before.id, repeat=False)

        repeating(ask, may_repeat_write, WRITE_RETRIES, self.client.clock.sleep)

    def _live_before_repeating(self) -> int | None:
        """Look once. The loop around it repeats, so a read with repetitions of its own would multiply them."""
        try:
            return live_id(self.client.without_repetitions.releases.list(self.deployment_id, until=self._enough))
        except errors.TrifactaError as error:
            error.unsent = True  # the change: this attempt did not send it, and the ones before did nothing
            raise

    def _look(
        self, shows: Callable[[list[Release]], bool], until: Callable[[Sequence[Release]], bool]
    ) -> list[Release]:
        return look(
            self.client,
            lambda reader: reader.releases.list(self.deployment_id, until=until),
            shows,
            seconds=VERIFY_TIMEOUT,
            interval=_INTERVAL,
        )

    def _counts(self, now: Sequence[Release]) -> bool:
        """Tell whether a list counts. One that lacks the releases of the change is old, or another deployment's."""
        known = (self.shows,) if self.shows else (self.target, id_of(self._before))
        return any(release.id in known for release in now)

    def _read_back(self, lost: errors.TrifactaError | None) -> list[Release]:
        """Look until the change shows.

        :param lost: the error that leaves open whether the change was applied
        """
        before = id_of(self._before)
        try:
            # Any other live release ends the wait, also a third one.
            now = self._look(lambda now: self._counts(now) and live_id(now) != before, self._enough)
        except errors.TrifactaError as error:
            if lost and error.retryable:
                raise lost from error
            raise
        live, counts = live_release(now), self._counts(now)
        if counts and id_of(live) == self.target:
            self.journal.answered(done=True)
            return now
        if id_of(live) not in (self.target, before) and (live or counts):
            raise errors.UnexpectedLiveReleaseError(
                f"{described(live)} of deployment {self.deployment_id} is live, though this task "
                f"{'asked to make' if lost else 'has just made'} release {self.target or 'none'} live in place of "
                f"{before or 'none'}: another release has been activated at the same time. This task changes nothing "
                "more. Activate the release that should be live in Trifacta.",
                **about(self.deployment_id, live, self.target),
            )
        raise lost or errors.UnexpectedResponseError(
            f"Release {self.target or 'none'} of deployment {self.deployment_id} does not show as live within "
            f"{VERIFY_TIMEOUT:g} s, though the server accepted the change.",
            **about(self.deployment_id, live, self.target),
        )

    def _interrupted(self, live: Release | None) -> errors.InterruptedChangeError:
        return errors.InterruptedChangeError(
            f"An earlier try of this task was cut off. It may have made "
            f"{f'release {self.target}' if self.target else 'no release'} of deployment {self.deployment_id} live "
            f"already. {described(live)} is live now, so another release may have been activated in the meantime. This "
            "try changed nothing. Look at the deployment, and clear this task if the change is still wanted.",
            **about(self.deployment_id, live, self.target),
        )


def _state(releases: Sequence[Release], target: int | None) -> dict[str, Any]:
    """Return what tells whether the live release or the target has been changed since."""
    live = live_release(releases)
    concerned = [one for one in releases if one.id == target or (live and one.id == live.id)]
    return {
        "live": id_of(live),
        "updated": {str(one.id): one.updated_at.isoformat() if one.updated_at else None for one in concerned},
    }


def refuse_overlap(
    deployment_id: int, before: Iterable[Release], after: Iterable[Release], *, made: int | None = None
) -> None:
    """Stop if another import ran during a change, because the change may have replaced what it made live.

    :param deployment_id: the deployment
    :param before: its releases when the change was decided
    :param after: its releases after the change
    :param made: the release that this run made itself in the meantime
    :raises UnexpectedLiveReleaseError: there are new ones
    """
    after = list(after)
    others = strangers(before, after, made)
    if others:
        live = live_release(after)
        raise errors.UnexpectedLiveReleaseError(
            f"Another import into deployment {deployment_id} ran at the same time (releases {list(others)}). "
            f"{described(live)} is live, as requested. To go back, activate the other release. Promotions and changes "
            "of one deployment must not overlap.",
            **about(deployment_id, live, others[0]),
        )
