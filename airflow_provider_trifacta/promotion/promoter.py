"""One promotion: at most one release, and never a silent doubt.

The API has neither an idempotency key nor a compare-and-set. What identifies a promotion is the package's
``metadata.uuid``, which is new with every export and appears as the release's ``packageUuid``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..client.errors import (
    AmbiguousSubmissionError,
    InvalidInputError,
    OlderPackageError,
    ReleaseNotLiveError,
    ServerError,
    TransportError,
    TrifactaError,
    UnexpectedLiveReleaseError,
    UnexpectedResponseError,
)
from ..client.models import exported_before
from ..client.retries import WRITE_RETRIES, may_repeat_write, retrying
from .baseline import Baseline, live_release, new_since
from .doubt import DEFAULT_SETTLE_TIMEOUT, PackageReleases
from .rules import rules_changed_since

if TYPE_CHECKING:
    from ..client.client import TrifactaClient
    from ..client.models import ImportResult, Release
    from ..packages.flow_package import FlowPackage

log = logging.getLogger(__name__)

#: What to do with a package that was imported before.
IF_EXISTS = ("reuse", "create")


#: What leaves open whether the server took a package that was sent completely.
_DOUBTFUL = (TransportError, ServerError, UnexpectedResponseError)


@dataclass(frozen=True)
class Promotion:
    """How a promotion ended.

    :param outcome: ``created`` by this attempt, ``reused`` from before, or ``adopted``: made by an upload whose
        answer was lost
    :param release: the release
    :param imported: what the import made; None unless created, since only its answer tells
    :param previous_release_id: the release that was live before, None when unknown or none
    :param overrun: releases that somebody else made while the package was uploaded, and that may be replaced by it
    """

    outcome: str
    release: Release
    imported: ImportResult | None
    previous_release_id: int | None
    overrun: tuple[int, ...] = ()


class Promoter:
    """Promotes one package to one deployment, once.

    :param client: the instance
    :param deployment_id: the deployment
    :param package: the open package
    :param baseline: what the deployment looked like before this run, if it was recorded
    :param first_attempt: False when an attempt before may have sent the package already
    :param if_exists: ``"reuse"``, or ``"create"`` to upload whatever is there, which no retry makes safe
    :param allow_older: whether a package may replace a live one that was exported after it
    :param settle_timeout: seconds that the server is given to finish or drop an upload whose answer was lost
    :param progress: called with (bytes sent, bytes in all) during the upload
    :param before_upload: called when an upload is decided; an error it raises prevents it
    :param sleep: how to wait, in seconds
    :param clock: a clock for the waits, in seconds
    :raises InvalidInputError: for an unknown mode or a negative time
    """

    def __init__(
        self,
        client: TrifactaClient,
        deployment_id: int,
        package: FlowPackage,
        *,
        baseline: Baseline | None = None,
        first_attempt: bool = True,
        if_exists: str = "reuse",
        allow_older: bool = False,
        settle_timeout: float = DEFAULT_SETTLE_TIMEOUT,
        progress: Callable[[int, int], None] | None = None,
        before_upload: Callable[[], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if if_exists not in IF_EXISTS:
            raise InvalidInputError(f"if_exists must be one of {IF_EXISTS}, not {if_exists!r}.")
        self._client = client
        self._deployment_id = deployment_id
        self._package = package
        self._releases = PackageReleases(
            deployment_id,
            package.info.uuid,
            lambda: client.releases.list(deployment_id),
            lambda: client.without_repetitions.releases.list(deployment_id),
            settle_timeout=settle_timeout,
            sleep=sleep,
            clock=clock,
        )
        self._sleep = sleep
        self._baseline = baseline
        self._first_attempt = first_attempt
        self._if_exists = if_exists
        self._allow_older = allow_older
        self._progress = progress
        self._before_upload = before_upload

    def run(self) -> Promotion:
        """Reuse the release that is there already, or upload the package.

        :raises ReleaseNotLiveError: the package was imported before and somebody made another release live since
        :raises UnexpectedLiveReleaseError: another release is live than the baseline's
        :raises OlderPackageError: the live release's package is newer
        :raises AmbiguousSubmissionError: it cannot be told whether an upload made a release
        :raises TrifactaError: for the rest, see :mod:`.errors`
        """
        if not self._first_attempt and self._if_exists == "reuse":
            earlier = self._find_earlier_attempts()
            if earlier:
                return earlier
        try:
            loop = retrying(lambda error: isinstance(error, _ServerBusyError), WRITE_RETRIES, self._sleep)
            return loop(self._decide)
        except _ServerBusyError as nothing:
            raise nothing.error from None

    def _find_earlier_attempts(self) -> Promotion | None:
        """Look for a release that an attempt before may have made, and wait for it to show."""
        seen = self._releases.list()
        self._releases.refuse_unidentified([release for release in seen if release.id > self._latest])
        reused = self._find_reusable(seen)
        if reused:
            return Promotion("reused", reused, None, self._previous(None))
        log.info(
            "An earlier attempt may have sent the package; waiting for it to show for %s s",
            self._releases.settle_timeout,
        )
        adopted, _ = self._releases.settle(seen)
        return Promotion("adopted", adopted, None, self._previous(None)) if adopted else None

    def _decide(self) -> Promotion:
        """Reuse or upload, by what is there now; again from the start when the server is busy."""
        seen = self._releases.list()
        if self._if_exists == "reuse":
            reused = self._find_reusable(seen)
            if reused:
                return Promotion("reused", reused, None, self._previous(None))
            self._refuse_surprises(seen)
        if self._before_upload:
            self._before_upload()
        return self._upload(seen)

    # What is there already

    @property
    def _latest(self) -> int:
        """The id above which a release belongs to this run; 0 without a baseline."""
        return (self._baseline.latest_release_id or 0) if self._baseline else 0

    def _find_reusable(self, releases: list[Release]) -> Release | None:
        """Return the release that this promotion would make again; None to upload."""
        live = live_release(releases)
        matches = self._releases.among(releases, after=self._latest)
        if live in matches:
            if not self._baseline and rules_changed_since(self._client.import_rules, self._deployment_id, live):
                return None
            log.info("Release %s is live and made of this package (%s): nothing to do", live.id, self._releases.uuid)
            return live
        made = self._releases.among(releases)
        # This run's release was replaced, even if by an older one of the same package, or another package's is live.
        if matches or (made and live not in made):
            raise self._releases.not_live((matches or made)[0], live)
        return None

    def _refuse_surprises(self, releases: list[Release]) -> None:
        """Refuse to replace a live release that this promotion was not meant to replace."""
        live = live_release(releases)
        if self._baseline and (live.id if live else None) != self._baseline.active_release_id:
            raise UnexpectedLiveReleaseError(
                f"Release {live.id if live else 'none'} of deployment {self._deployment_id} is live, but the baseline "
                f"recorded {self._baseline.active_release_id or 'none'}: somebody changed it since. Nothing was "
                "uploaded. Clear the baseline's task too to promote over it, or use if_exists='create'."
            )
        if live and not self._allow_older and exported_before(self._releases.uuid, live.package_uuid):
            raise OlderPackageError(
                f"The package {self._releases.uuid} was exported before the one that release {live.id} was made of "
                f"({live.package_uuid}), which is live. Nothing was uploaded. Promote a newer export, activate the "
                "release you want, or set allow_older=True."
            )

    # The upload

    def _upload(self, seen: list[Release]) -> Promotion:
        live = live_release(seen)
        previous = self._previous(live)
        body = self._package.body(self._progress)
        try:
            # Not repeated there: a person may decide something while a busy server makes us wait.
            result = self._client.releases.create(self._deployment_id, body, repeat=False)
        except TrifactaError as error:
            if may_repeat_write(error):
                raise _ServerBusyError(error) from error
            # Before the last byte the server cannot have taken it, and a refusal is an answer.
            if not body.sent_completely or not isinstance(error, _DOUBTFUL):
                raise
            log.warning(
                "Whether the upload made a release is in doubt; looking for %s s: %s",
                self._releases.settle_timeout,
                error,
            )
            adopted = self._settle_doubt(seen, error)
            return Promotion("adopted", adopted, None, previous)
        if result.release.package_uuid != self._releases.uuid:
            log.warning(
                "The server answers packageUuid %r for the package %s: it does not identify releases by it, so a "
                "retry of this task could not recognise its own release.",
                result.release.package_uuid,
                self._releases.uuid,
            )
        return Promotion("created", result.release, result, previous, self._overrun(seen, result.release))

    def _overrun(self, seen: list[Release], made: Release) -> tuple[int, ...]:
        try:
            now = self._releases.list()
        except TrifactaError as error:
            log.warning("Whether somebody else imported at the same time cannot be seen: %s", error)
            return ()
        return tuple(sorted(release.id for release in new_since(seen, now) if release.id != made.id))

    def _previous(self, live: Release | None) -> int | None:
        if self._baseline:
            return self._baseline.active_release_id
        return live.id if live else None

    # Doubt

    def _settle_doubt(self, seen: list[Release], error: TrifactaError) -> Release:
        try:
            adopted, _ = self._releases.settle(seen)
        except (ReleaseNotLiveError, AmbiguousSubmissionError):
            raise
        except TrifactaError as list_error:
            if list_error.retryable:
                raise error from list_error  # the next attempt looks again before it sends anything
            raise self._releases.ambiguous(f"its releases cannot be listed ({list_error})") from error
        if adopted:
            return adopted
        raise error


class _ServerBusyError(Exception):
    """The server was busy and did nothing, so that the decision may be taken again."""

    def __init__(self, error: TrifactaError) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after: float | None = getattr(error, "retry_after", None)
