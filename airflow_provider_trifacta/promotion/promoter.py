"""One promotion: at most one release, and never a silent doubt.

The API has neither an idempotency key nor a compare-and-set. What identifies a promotion is the package's
``metadata.uuid``, which is new with every export and appears as the release's ``packageUuid``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..client.errors import (
    AmbiguousSubmissionError,
    InvalidInputError,
    OlderPackageError,
    ReleaseNotLiveError,
    TrifactaError,
    UnexpectedLiveReleaseError,
)
from ..client.models import ImportResult, exported_before, first_dropped, uuid_time
from ..client.retries import WRITE_RETRIES, did_nothing, may_repeat_write, retrying
from .baseline import Baseline, live_id, live_release, new_since, shows_live
from .doubt import DEFAULT_SETTLE_TIMEOUT, Doubt, described, look, production_stands
from .journal import Entry, Journal
from .rules import rules_changed_since

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Release
    from ..packages.flow_package import FlowPackage

log = logging.getLogger(__name__)

#: What to do with a package that was imported before.
IF_EXISTS = ("reuse", "create")
#: How much older than the package's export a release is that cannot have been made of it: clocks and zones differ.
_EXPORT_TOLERANCE = timedelta(days=1)


@dataclass(frozen=True)
class Promotion:
    """How a promotion ended.

    :param outcome: ``created`` by this task, ``reused`` from before, or ``adopted``: made by an upload whose answer was
        lost
    :param release: the release, as it was read back
    :param imported: what the import made; None unless created, since only its answer tells
    :param previous_release_id: the release that was live before, None when unknown or none
    :param overrun: releases that others made while the package was uploaded, and that may be replaced by it
    :param recalled: whether an earlier try of the task made it and noted the answer in the journal
    """

    outcome: str
    release: Release
    imported: ImportResult | None
    previous_release_id: int | None
    overrun: tuple[int, ...] = ()
    recalled: bool = False

    @property
    def replaced(self) -> bool:
        """Whether the release was live and is not any more. One that nobody touched may still go live."""
        one = self.release
        return not one.active and None not in (one.created_at, one.updated_at) and not one.untouched


class Promoter:
    """Promotes one package to one deployment, once.

    :param client: the instance
    :param deployment_id: the deployment
    :param package: the open package
    :param baseline: what the deployment looked like before this run, if it was recorded
    :param journal: what earlier tries of the task noted; without one no attempt came before
    :param began: when the run began, for a retry without a baseline
    :param if_exists: ``"reuse"``, or ``"create"`` to upload in any case, which no retry makes safe
    :param allow_older: whether a package may replace a live one that was exported after it
    :param settle_timeout: seconds that the server is given to finish or drop an upload whose answer was lost
    :param progress: called with (bytes sent, bytes in all) during the upload
    :param before_upload: called when an upload is decided; an error it raises prevents it
    :raises InvalidInputError: for an unknown mode or a negative time
    """

    def __init__(
        self,
        client: TrifactaClient,
        deployment_id: int,
        package: FlowPackage,
        *,
        baseline: Baseline | None = None,
        journal: Journal | None = None,
        began: datetime | None = None,
        if_exists: str = "reuse",
        allow_older: bool = False,
        settle_timeout: float = DEFAULT_SETTLE_TIMEOUT,
        progress: Callable[[int, int], None] | None = None,
        before_upload: Callable[[], None] | None = None,
    ) -> None:
        if if_exists not in IF_EXISTS:
            raise InvalidInputError(f"if_exists must be one of {IF_EXISTS}, not {if_exists!r}.")
        self._client = client
        self._deployment_id = deployment_id
        self._package = package
        self._doubt = Doubt(client, deployment_id, package.info.uuid, settle_timeout=settle_timeout)
        self._baseline = baseline
        self._journal = journal or Journal()
        #: What an earlier try asked for and left in doubt.
        self._earlier: Entry | None = None
        self._request: dict[str, Any] = {
            "what": "create",
            "deployment_id": deployment_id,
            "package_uuid": package.info.uuid,
            "baseline": baseline.as_dict() if baseline else None,
        }
        self._began = began
        self._if_exists = if_exists
        self._allow_older = allow_older
        self._progress = progress
        self._before_upload = before_upload

    def run(self) -> Promotion:
        """Reuse the release that is there already, or upload the package.

        :raises ReleaseNotLiveError: the package was imported before, and another release was made live since
        :raises UnexpectedLiveReleaseError: another release is live than the baseline's
        :raises OlderPackageError: the live release's package is newer
        :raises AmbiguousSubmissionError: it cannot be told whether an upload made a release
        :raises TrifactaError: for the rest, see :mod:`..client.errors`
        """
        if self._if_exists == "reuse":
            self._earlier = entry = self._journal.entry(**self._request)
            if entry and entry.answer.get("release_id"):
                return self._recall(entry)
            if not self._journal.nothing_asked(**self._request):
                earlier = self._find_earlier_attempts()
                if earlier:
                    return earlier
        try:
            loop = retrying(lambda error: isinstance(error, _ServerBusyError), WRITE_RETRIES, self._client.clock.sleep)
            return loop(self._decide)
        except _ServerBusyError as nothing:
            raise nothing.error from None

    # What earlier attempts did

    def _recall(self, entry: Entry) -> Promotion:
        """Return what an earlier try made and noted, once it is read back."""
        made = int(entry.answer["release_id"])
        releases = look(
            self._client,
            lambda client: client.releases.list(self._deployment_id, until=self._reads_enough),
            lambda now: self._doubt.find(made, now) is not None,
            seconds=self._doubt.settle_timeout,
        )
        found = self._doubt.find(made, releases)
        if found is None:
            raise ReleaseNotLiveError(
                f"Release {made} of deployment {self._deployment_id}, which the server said that it made for this task "
                f"from the package {self._doubt.uuid}, is not there. {described(live_release(releases))} is live. "
                "Nothing was uploaded, since a retry does not undo a person's decision. Clear the baseline's task too, "
                "to promote the package once more."
            )
        log.info("An earlier try of this task made release %s", made)
        self._accept_recalled(found, releases)
        imported = ImportResult(found, entry.answer.get("primary_flow_ids"), entry.answer.get("dropped"))
        previous, overrun = entry.answer.get("previous_release_id"), self._overruled(found, releases)
        return Promotion("created", found, imported, previous, overrun, recalled=True)

    def _accept_recalled(self, release: Release, releases: Sequence[Release]) -> None:
        """Refuse a release of an earlier try that was replaced since."""
        # One that nobody touched may still go live.
        if not release.active and not release.untouched:
            raise self._doubt.not_live(release, live_release(releases))

    def _overruled(self, made: Release, releases: Sequence[Release]) -> tuple[int, ...]:
        """Return the releases that others made while an earlier try imported this one, as far as it is known."""
        if self._earlier is None:
            return ()
        latest = self._earlier.before.get("latest_release_id") or 0
        return tuple(sorted(one.id for one in releases if latest < one.id < made.id))

    def _find_earlier_attempts(self) -> Promotion | None:
        """Look for a release that an attempt before may have made, and wait for it to show."""
        seen = self._read()
        self._doubt.refuse_unidentified([release for release in seen if release.id > self._latest])
        reused = self._find_reusable(seen)
        if reused:
            return Promotion("reused", reused, None, self._previous(None), self._overruled(reused, seen))
        log.info(
            "An earlier attempt may have sent the package; waiting for it to show for %s s", self._doubt.settle_timeout
        )
        adopted, now = self._doubt.settle(seen)
        if adopted:
            overrun = {*_strangers(seen, now, adopted), *self._overruled(adopted, now)}
            return Promotion("adopted", adopted, None, self._previous(None), tuple(sorted(overrun)))
        # Without a baseline, what the earlier try saw stands in for it.
        known = self._baseline or (Baseline.parse(self._earlier.before) if self._earlier else None)
        self._doubt.refuse_undone(known, self._began, now)
        if not self._baseline and known and live_id(now) != known.active_release_id:
            raise ReleaseNotLiveError(
                f"{described(live_release(now))} of deployment {self._deployment_id} is live, and an earlier try that "
                f"may have uploaded the package {self._doubt.uuid} found release {known.active_release_id or 'none'}: "
                "another release has been activated since. Nothing was uploaded, since a retry does not undo that. Set "
                "if_exists='create' to promote the package all the same."
            )
        return None

    # The decision

    def _decide(self) -> Promotion:
        """Reuse or upload, by what is there now; again from the start when the server is busy."""
        seen = self._read()
        if self._if_exists == "reuse":
            reused = self._find_reusable(seen)
            if reused:
                return Promotion("reused", reused, None, self._previous(None))
            self._refuse_surprises(seen)
        if self._before_upload:
            self._before_upload()
        return self._upload(seen)

    def _read(self) -> list[Release]:
        return self._client.releases.list(self._deployment_id, until=self._reads_enough)

    def _reads_enough(self, releases: Sequence[Release]) -> bool:
        """Tell whether all that matters was read: the newest release, the live one, and all of this package.

        A release that was made before the package was exported cannot be of it.
        """
        exported, oldest = uuid_time(self._doubt.uuid), releases[-1] if releases else None
        if not shows_live(releases) or oldest is None:
            return False
        if self._baseline and oldest.id > self._latest:
            return False
        return bool(exported and oldest.created_at and oldest.created_at < exported - _EXPORT_TOLERANCE)

    @property
    def _latest(self) -> int:
        """The id above which a release belongs to this run; 0 without a baseline."""
        return (self._baseline.latest_release_id or 0) if self._baseline else 0

    def _find_reusable(self, releases: list[Release]) -> Release | None:
        """Return the release that this promotion would make again; None to upload."""
        live = live_release(releases)
        matches = self._doubt.among(releases, after=self._latest)
        if live in matches:
            if not self._baseline and rules_changed_since(self._client.import_rules, self._deployment_id, live):
                return None
            log.info("Release %s is live and made of this package (%s): nothing to do", live.id, self._doubt.uuid)
            return live
        made = self._doubt.among(releases)
        # This run's release was replaced, even if by an older one of the same package, or another package's is live.
        if matches or (made and live not in made):
            raise self._doubt.not_live((matches or made)[0], live)
        return None

    def _refuse_surprises(self, releases: list[Release]) -> None:
        """Refuse to replace a live release that this promotion was not meant to replace."""
        live = live_release(releases)
        if self._baseline and (live.id if live else None) != self._baseline.active_release_id:
            raise UnexpectedLiveReleaseError(
                f"{described(live)} of deployment {self._deployment_id} is live, but the baseline recorded "
                f"{self._baseline.active_release_id or 'none'}: another release has been activated in the meantime. "
                "Nothing was uploaded. Clear the baseline's task too to promote over it, or use if_exists='create'."
            )
        if live and not self._allow_older and exported_before(self._doubt.uuid, live.package_uuid):
            raise OlderPackageError(
                f"The package {self._doubt.uuid} was exported before the one that release {live.id} was made of "
                f"({live.package_uuid}), which is live. Nothing was uploaded. Promote a newer export, activate the "
                "release you want, or set allow_older=True."
            )

    # The upload

    def _upload(self, seen: list[Release]) -> Promotion:
        live = live_release(seen)
        previous = self._previous(live)
        body = self._package.body(self._progress)
        self._journal.asked(self._request, **Baseline.of(self._deployment_id, seen).as_dict())
        try:
            # Not repeated there: a person may decide something while a busy server makes us wait.
            result = self._client.releases.create(self._deployment_id, body, repeat=False)
        except TrifactaError as error:
            if did_nothing(error):
                self._journal.withdraw(self._request, self._earlier)
                error.standing = f"Nothing was imported. {described(live)} is live."
                if may_repeat_write(error):
                    raise _ServerBusyError(error) from error
                raise
            log.warning(
                "It is unknown whether the upload made a release; looking for it for %s s: %s",
                self._doubt.settle_timeout,
                error,
            )
            return self._settle(seen, error, previous)
        made = result.release
        if made.deployment_id in (None, self._deployment_id):
            self._journal.answered(
                release_id=made.id,
                primary_flow_ids=result.primary_flow_ids,
                dropped=first_dropped(result.dropped),
                previous_release_id=previous,
            )
        with production_stands(
            lambda: (
                f"The server answered that it made release {made.id} from the package, and that was not read back yet: "
                f"it may be live in place of {described(live).lower()}."
            )
        ):
            found, now = self._doubt.prove(made.id, seen)
        if found.package_uuid is None:
            log.warning(
                "The server does not tell the package of release %s, so a retry of this task could not recognise its "
                "own release.",
                made.id,
            )
        return Promotion("created", found, result, previous, _strangers(seen, now, found))

    def _settle(self, seen: list[Release], error: TrifactaError, previous: int | None) -> Promotion:
        """End the doubt that a lost answer leaves: adopt the release, or say that none showed."""
        unknown = f"It is unknown whether the package {self._doubt.uuid} became a release: look there first."
        with production_stands(lambda: unknown):
            try:
                adopted, now = self._doubt.settle(seen)
            except (ReleaseNotLiveError, AmbiguousSubmissionError):
                raise
            except TrifactaError as list_error:
                if list_error.retryable:
                    error.standing = unknown
                    raise error from list_error  # the next attempt looks again before it sends anything
                raise self._doubt.ambiguous(f"its releases cannot be listed ({list_error})") from error
        if adopted:
            return Promotion("adopted", adopted, None, previous, _strangers(seen, now, adopted))
        error.standing = (
            f"No release of the package {self._doubt.uuid} showed within {self._doubt.settle_timeout:g} s. "
            f"{described(live_release(now))} is live. A retry looks again before it uploads."
        )
        raise error

    def _previous(self, live: Release | None) -> int | None:
        if self._baseline:
            return self._baseline.active_release_id
        return live.id if live else None


def _strangers(seen: Sequence[Release], now: Sequence[Release], made: Release) -> tuple[int, ...]:
    """Return the releases that others made at the same time."""
    return tuple(sorted(release.id for release in new_since(seen, now) if release.id != made.id))


class _ServerBusyError(Exception):
    """The server was busy and did nothing, so that the decision may be taken again."""

    def __init__(self, error: TrifactaError) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after: float | None = getattr(error, "retry_after", None)
