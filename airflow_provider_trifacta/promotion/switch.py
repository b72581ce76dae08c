"""Changing which release of a deployment is live, on purpose, and reading back that it is.

The API has no compare-and-set: it applies a change in any case. So two rules protect what other
people decide. The change is asked for right after a read, and only once. And whether it was applied
is read from the list, which also shows when a third release is live.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..client import errors
from ..client.foreign_words import logger
from ..client.retries import WRITE_RETRIES, may_repeat_write, repeating
from .journal import Entry, production_stands
from .standing import VERIFY_TIMEOUT, Standing, at_once
from .tries import Tries

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Release

log = logger(__name__)

#: Seconds between two looks whether a change shows.
_INTERVAL = 1.0
#: The key of a note that holds the newest release when the change was decided.
_NEWEST = "newest"


def set_live(
    client: TrifactaClient,
    deployment_id: int,
    target: int | None,
    seen: Iterable[Release],
    *,
    shows: int | None = None,
    tries: Tries | None = None,
) -> Standing:
    """Make one release live in place of what is live, and read back that it is.

    The change is asked for once. It is asked for again only if the server provably did nothing, and
    after another look. If its answer is lost, the list tells whether it was applied. It is not
    asked for again then, because a person may have decided otherwise.

    A retry asks again only if the journal proves that this is safe: nothing was asked for, or what
    was asked for was not applied and nothing else has changed since.

    API page: API Releases Patch v4. Read the list right before you call this.

    :param client: the instance
    :param deployment_id: the deployment
    :param target: the release to be live, None for none
    :param seen: the deployment's releases, as read just now
    :param shows: a release that a list must show to count. Without it, a list that lags behind
        could show an old state
    :param tries: the tries of the task; without them, this is a first try
    :returns: how the deployment stands, as read back
    :raises InterruptedChangeError: an earlier try may have made the change, and another release is
        live now
    :raises UnexpectedLiveReleaseError: a third release is live afterwards, or an earlier try made
        the change while another import ran
    :raises TrifactaError: the change was refused, or was not applied
    """
    before = Standing(deployment_id, list(seen))
    tries = tries or Tries()
    if before.live_id == target:
        refuse_earlier_overlap(before, target, tries)
        return before
    change = _Change(client, before, target, shows, tries)
    change.settle_abandoned()
    if tries.is_retry:
        applied = change.resume()
        if applied:
            return applied
    return change.make()


def put_back(
    client: TrifactaClient, release: Release, target: int | None, now: Standing, tries: Tries
) -> Standing:
    """Make what was live before a release of this run live again. A rollback and a staged promotion
    end with it.

    A release that was not changed since its import was never put back. So no person can have undone
    that, and the change may be asked for as in a first try.

    :param client: the instance
    :param release: the release of this run, which is live
    :param target: the release to be live again, None for none
    :param now: how the deployment stands, as read just now
    :param tries: the tries of this change
    :returns: how the deployment stands, as read back. Whether another import ran at the same time
        is for the caller to check
    :raises TrifactaError: as :func:`set_live`
    """
    if release.untouched:
        tries = tries.as_first()
    return set_live(client, now.deployment_id, target, now, shows=release.id, tries=tries)


def settle_switch(client: TrifactaClient, deployment_id: int, tries: Tries) -> None:
    """Wait for a change of the live release that an earlier try asked for, and whose answer was
    lost.

    The server may still apply it, over what this try makes.

    :param client: the instance
    :param deployment_id: the deployment
    :param tries: the tries of this change
    :raises TrifactaError: the last look failed
    """
    change = {"what": "set_live", "deployment_id": deployment_id}
    abandoned = tries.journal.abandoned(change, "done")
    if abandoned is None:
        return
    request, _ = abandoned
    target = request.get("target")
    log.info(
        "An earlier try asked for release %s of deployment %s to be live, and got no answer."
        " Waiting %s s for it",
        target or "none",
        deployment_id,
        VERIFY_TIMEOUT,
    )
    _await_change(client, deployment_id, target, down_to_id=target)


def _await_change(
    client: TrifactaClient, deployment_id: int, target: int | None, *, down_to_id: int | None
) -> Standing:
    """Look until a change that an earlier try asked for shows, or the time is up.

    A list that does not show it in time proves that the server will not apply it: the process that
    asked is dead.

    :param client: the instance
    :param deployment_id: the deployment
    :param target: the release that was to be live, None for none
    :param down_to_id: how far down to read; None for the live release
    :returns: how the deployment stands, as read last
    """

    def shows(now: Standing) -> bool:
        return now.live_id == target

    return Standing.read(client, deployment_id, shows, down_to_id=down_to_id, interval=_INTERVAL)


def live_request(deployment_id: int, target: int | None) -> dict[str, Any]:
    """Return how the journal names the request to make a release live."""
    return {"what": "set_live", "deployment_id": deployment_id, "target": target}


def _in_words(target: int | None) -> str:
    return f"release {target}" if target else "no release"


@dataclass
class _Change:
    """One change of the live release; the parameters are those of :func:`set_live`."""

    client: TrifactaClient
    before: Standing
    target: int | None
    shows: int | None
    tries: Tries

    def __post_init__(self) -> None:
        self._request = live_request(self.before.deployment_id, self.target)
        self._wanted = _in_words(self.target)
        #: What an earlier try noted about the same change.
        self._entry: Entry | None = None

    def settle_abandoned(self) -> None:
        """Wait for another change that an earlier try asked for, and whose answer was lost.

        :raises InterruptedChangeError: it was applied just now, so what this change was decided by
            has changed
        """
        journal = self.tries.journal
        abandoned = journal.abandoned(self._request, "done")
        if abandoned is None:
            return
        request, _ = abandoned
        target = request.get("target")
        lower = min(self._newest, target or self._newest)
        now = _await_change(self.client, self.before.deployment_id, target, down_to_id=lower)
        if now.live_id == self.before.live_id:
            return
        journal.answered(done=True)
        raise self._interrupted(now)

    def resume(self) -> Standing | None:
        """Tell whether a change that an earlier try may have asked for was applied.

        :returns: how the deployment stands, if the change was applied; None if it is safe to ask
            for it
        :raises InterruptedChangeError: it may have been applied, and what is live now may be a
            person's decision
        :raises UnexpectedLiveReleaseError: it was applied, and another import ran since
        """
        self._entry = self.tries.journal.entry(**self._request)
        if self.tries.journal.nothing_asked(**self._request):
            return None
        if self._entry is None:
            raise self._interrupted(self.before)
        # One of them is a release: what is live is not what is wanted.
        lower = min(filter(None, (self.target, self.before.live_id)))
        # The earlier request may be applied while this try looks, so this waits for it.
        now = _await_change(self.client, self.before.deployment_id, self.target, down_to_id=lower)
        if now.live_id == self.target:
            refuse_earlier_overlap(now, self.target, self.tries)
            return now
        noted = {key: value for key, value in self._entry.before.items() if key != _NEWEST}
        if now.state(self.target) != noted:
            raise self._interrupted(now)
        log.info(
            "An earlier try asked for the same change of deployment %s, and nothing has changed"
            " since: asking again",
            now.deployment_id,
        )
        return None

    def make(self) -> Standing:
        """Ask for the change, and read it back."""
        before = f"{self.before.words} of deployment {self.before.deployment_id}"
        noted = self.before.state(self.target)
        noted[_NEWEST] = self.before.newest_id
        # Noted before the request: a process that is killed during it can note nothing afterwards.
        lost = self.tries.journal.ask(
            self._request,
            noted,
            self._ask,
            nothing=f"What is live was not changed: {before} is live.",
            earlier=self._entry,
        )
        if lost:
            log.warning(
                "The change of deployment %s may have been applied: %s",
                self.before.deployment_id,
                lost,
            )
        asked = f"this task asked for {self._wanted} to be live: look which one is."
        with production_stands(f"{before} was live before, and {asked}"):
            return self._read_back(lost)

    def _ask(self) -> None:
        """Ask for the change, and again only if the server provably did nothing and nothing has
        changed since.
        """
        is_asked = False

        def ask() -> None:
            nonlocal is_asked
            if is_asked and self._live_before_repeating() != self.before.live_id:
                return  # a person decided otherwise while a busy server made us wait
            is_asked = True
            if self.target is not None:
                self.client.releases.activate(self.target, repeat=False)
            elif self.before.live is not None:
                self.client.releases.deactivate(self.before.live.id, repeat=False)

        repeating(ask, may_repeat_write, WRITE_RETRIES, self.client.clock.sleep)

    def _live_before_repeating(self) -> int | None:
        """Look once. The loop around it repeats, so a read with repetitions of its own would
        multiply them.
        """
        try:
            return self._look(at_once, seconds=0).live_id
        except errors.TrifactaError as error:
            # This attempt did not send the change, and the ones before did nothing.
            error.unsent = True
            raise

    @property
    def _newest(self) -> int:
        return max(self.before.newest_id, self.shows or 0)

    def _look(
        self, counts: Callable[[Standing], bool], seconds: float = VERIFY_TIMEOUT
    ) -> Standing:
        return Standing.read(
            self.client,
            self.before.deployment_id,
            counts,
            down_to_id=self._newest,
            seconds=seconds,
            interval=_INTERVAL,
        )

    def _counts(self, now: Standing) -> bool:
        """Tell whether a list counts. One that lacks the releases of the change is old, or another
        deployment's.
        """
        if self.shows:
            return self.shows in now
        return self.target in now or self.before.live_id in now

    def _read_back(self, lost: errors.TrifactaError | None) -> Standing:
        """Look until the change shows.

        :param lost: the error that leaves open whether the change was applied
        """
        before = self.before.live_id
        target = self.target or "none"

        def shows_a_change(now: Standing) -> bool:
            # Any other live release ends the wait, also a third one.
            return self._counts(now) and now.live_id != before

        try:
            now = self._look(shows_a_change)
        except errors.TrifactaError as error:
            if lost and error.retryable:
                raise lost from error
            raise
        counts = self._counts(now)
        if counts and now.live_id == self.target:
            self.tries.journal.answered(done=True)
            return now
        is_third = now.live_id not in (self.target, before)
        if is_third and (now.live or counts):
            did = "asked to make" if lost else "has just made"
            raise now.error(
                errors.UnexpectedLiveReleaseError,
                f"{now.words} of deployment {now.deployment_id} is live, though this task {did}"
                f" release {target} live in place of {before or 'none'}: another release has been"
                " activated at the same time. This task changes nothing more. Activate the release"
                " that should be live in Trifacta.",
                self.target,
            )
        raise lost or now.error(
            errors.UnexpectedResponseError,
            f"Release {target} of deployment {now.deployment_id} does not show as live in time,"
            " though the server accepted the change.",
            self.target,
        )

    def _interrupted(self, now: Standing) -> errors.TrifactaError:
        return now.error(
            errors.InterruptedChangeError,
            f"An earlier try of this task was cut off. It may have made {self._wanted} of"
            f" deployment {now.deployment_id} live already. {now.words} is live now, so another"
            " release may have been activated in the meantime. This try changed nothing. Look at"
            " the deployment, and clear this task if the change is still wanted."
            f" {self.tries.clear_again}".rstrip(),
            self.target,
        )


def refuse_overlap(now: Standing, others: Sequence[int]) -> None:
    """Stop if another import ran during a change, because the change may have replaced what it made
    live.

    :param now: how the deployment stands after the change
    :param others: the releases that others made since the change was decided
    :raises UnexpectedLiveReleaseError: there are some
    """
    if not others:
        return
    raise now.error(
        errors.UnexpectedLiveReleaseError,
        f"Another import into deployment {now.deployment_id} ran at the same time (releases"
        f" {tuple(others)}). {now.words} is live, as requested. To go back, activate the other"
        " release. Promotions and changes of one deployment must not overlap.",
        others[0],
    )


def refuse_earlier_overlap(now: Standing, target: int | None, tries: Tries) -> None:
    """Stop if another import ran since an earlier try asked for what a retry finds now.

    The earlier try ended before it could compare the releases before and after its change. Call
    this in each try that finds things as they should be.

    :param now: how the deployment stands, read down to the newest release of the earlier try
    :param target: the release that the task makes live, None for none
    :param tries: the tries of the task. Only a retry is judged, and only if the earlier try noted
        its newest release
    :raises UnexpectedLiveReleaseError: there are releases that the earlier try did not know
    """
    if not tries.is_retry:
        return
    request = live_request(now.deployment_id, target)
    entry = tries.journal.entry(**request)
    newest = entry.before.get(_NEWEST) if entry else None
    if newest is None:
        return
    others = sorted(release.id for release in now if release.id > newest)
    if not others:
        return
    # This is true of all tries of the task, also of the one that asked for the change.
    with production_stands(f"{now.words} is live."):
        raise now.error(
            errors.UnexpectedLiveReleaseError,
            f"Another import into deployment {now.deployment_id} may have run at the same time"
            f" (releases {others}): this task asked for {_in_words(target)} to be live, and these"
            " releases were not there before. The change may have replaced what the other"
            " import made live. Look which release should be live, and activate it in Trifacta."
            " Promotions and changes of one deployment must not overlap.",
            others[0],
        )
