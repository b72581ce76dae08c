"""One promotion: at most one release, and never a silent doubt.

The API has no idempotency key and no compare-and-set. So a promotion is identified by the package's ``metadata.uuid``:
it is new with every export, and the release shows it as its ``packageUuid``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from ..client.errors import InvalidInputError, OlderPackageError, TrifactaError
from ..client.imports import ImportResult, first_dropped
from ..client.models import exported_before
from ..client.retries import WRITE_RETRIES, may_repeat_write, repeating
from .baseline import Baseline
from .doubt import Doubt, overrun_by
from .journal import Entry, Journal, production_stands
from .rules import rules_changed_since
from .standing import DEFAULT_SETTLE_TIMEOUT, Standing

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Release
    from ..packages.flow_package import FlowPackage

log = logging.getLogger(__name__)

#: What to do with a package that was imported before.
IF_EXISTS = ("reuse", "create")


@dataclass(frozen=True)
class Promotion:
    """How a promotion ended.

    :param outcome: ``created`` by this task, ``reused`` from before, or ``adopted``: made by an upload whose answer was
        lost
    :param release: the release, as it was read back
    :param imported: what the import made; None unless created, because only the answer of the import tells
    :param previous_release_id: the release that was live before; None if none was, or it is unknown
    :param overrun: releases that others made during the upload, and that this one may have replaced
    :param recalled: whether an earlier try of the task made the release and noted the answer in the journal
    """

    outcome: str
    release: Release
    imported: ImportResult | None
    previous_release_id: int | None
    overrun: tuple[int, ...] = ()
    recalled: bool = False

    @property
    def replaced(self) -> bool:
        """Whether the release was live and is not any more. One that was not changed since may still go live."""
        one = self.release
        return not one.active and None not in (one.created_at, one.updated_at) and not one.untouched


@dataclass(eq=False)
class Promoter:
    """Promotes one package to one deployment, once.

    :param client: the instance
    :param deployment_id: the deployment
    :param package: the open package
    :param baseline: what the deployment looked like before this run, if it was recorded
    :param journal: what earlier tries of the task noted; without one, this is the first try
    :param began: when the run began; a retry without a baseline needs it
    :param if_exists: ``"reuse"``, or ``"create"`` to upload in every case, which is not safe to retry
    :param allow_older: whether the package may replace a live one that was exported after it
    :param settle_timeout: seconds that the server has to finish or drop an upload whose answer was lost
    :param progress: called with (bytes sent, all bytes, seconds so far) every 15 seconds of the upload
    :param before_upload: called right before the upload; an error that it raises prevents the upload
    :raises InvalidInputError: for an unknown mode
    """

    client: TrifactaClient
    deployment_id: int
    package: FlowPackage
    _: KW_ONLY
    baseline: Baseline | None = None
    journal: Journal = field(default_factory=Journal)
    began: datetime | None = None
    if_exists: str = "reuse"
    allow_older: bool = False
    settle_timeout: float = DEFAULT_SETTLE_TIMEOUT
    progress: Callable[[int, int, float], None] | None = None
    before_upload: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        if self.if_exists not in IF_EXISTS:
            raise InvalidInputError(f"if_exists must be one of {IF_EXISTS}, not {self.if_exists!r}.")
        #: The id above which a release belongs to this run. Without a baseline it is 0, and nothing tells runs apart.
        self._latest = (self.baseline.latest_release_id or 0) if self.baseline else 0
        #: The newest release of the baseline, down to which the list is read; None without a baseline.
        self._read_to = self._latest if self.baseline else None
        #: What an earlier try of this task asked for, without a noted answer.
        self._earlier: Entry | None = None
        #: What the last upload ended with, if the server was busy and did nothing.
        self._busy: TrifactaError | None = None
        self._request: dict[str, Any] = {
            "what": "create",
            "deployment_id": self.deployment_id,
            "package_uuid": self.package.info.uuid,
            "baseline": self.baseline.as_dict() if self.baseline else None,
        }

    @cached_property
    def _releases(self) -> Doubt:
        """The releases of the deployment, seen from this package."""
        return Doubt(self.client, self.deployment_id, self.package.info.uuid, self.settle_timeout)

    def run(self) -> Promotion:
        """Reuse the release that is there already, or upload the package.

        :raises ReleaseNotLiveError: the package was imported before, and another release has been activated in the
            meantime
        :raises UnexpectedLiveReleaseError: another release is live than the baseline recorded
        :raises OlderPackageError: the live release's package is newer
        :raises InvalidInputError: the settle timeout is not 0 or more seconds; no request was sent
        :raises AmbiguousSubmissionError: it cannot be told whether an upload made a release
        :raises TrifactaError: for the rest, see :mod:`airflow_provider_trifacta.client.errors`
        """
        if self.if_exists == "reuse":
            # An earlier try of this task may have uploaded the package. Either the journal holds the answer to that, or
            # it proves that no try has uploaded anything. In all other cases the release has to be looked for.
            self._earlier = self.journal.entry(**self._request)
            if self._earlier and self._earlier.answer.get("release_id"):
                return self._recall(self._earlier)
            if not self.journal.nothing_asked(**self._request) and (earlier := self._find_earlier()):
                return earlier
        return repeating(self._decide, lambda one: one is self._busy, WRITE_RETRIES, self.client.clock.sleep)

    def _recall(self, entry: Entry) -> Promotion:
        """Return what an earlier try made and noted, after it is read back."""
        found, seen = self._releases.recall(int(entry.answer["release_id"]), self._read_to)
        self._accept_recalled(found, seen)
        previous, overrun = entry.answer.get("previous_release_id"), overrun_by(entry, found, seen)
        if entry.answer.get("adopted"):
            return Promotion("adopted", found, None, previous, overrun, recalled=True)
        ids, flows, dropped = (entry.answer.get(key) for key in ("primary_flow_ids", "flows", "dropped"))
        imported = ImportResult(ids, flows or [], dropped or {}, found, entry.answer.get("rule_changes"))
        return Promotion("created", found, imported, previous, overrun, recalled=True)

    def _accept_recalled(self, release: Release, seen: Standing) -> None:
        """Refuse a release of an earlier try that was replaced since. An unchanged one may still go live."""
        if not release.active and not release.untouched:
            raise self._releases.not_live(release, seen)

    def _find_earlier(self) -> Promotion | None:
        """Look for a release that an earlier try may have made, and wait for it to show.

        :returns: the promotion, or None if it is safe to upload
        """
        doubt, seen = self._releases, self._releases.read(self._read_to)
        doubt.refuse_unidentified([release for release in seen.releases if release.id > self._latest])
        reused = self._find_reusable(seen)
        if reused:
            overrun = overrun_by(self._earlier, reused, seen)
            return Promotion("reused", reused, None, self._previous(None), overrun)
        adopted, overrun = doubt.settle_earlier(seen, self.baseline, self._earlier, self.began)
        return Promotion("adopted", adopted, None, self._previous(None), overrun) if adopted else None

    def _decide(self) -> Promotion:
        """Reuse or upload, by what is there now. If the server is busy, this runs again from the start."""
        seen = self._releases.read(self._read_to)
        if self.if_exists == "reuse":
            reused = self._find_reusable(seen)
            if reused:
                return Promotion("reused", reused, None, self._previous(None))
            self._refuse_surprises(seen)
        if self.before_upload:
            self.before_upload()
        return self._upload(seen)

    def _find_reusable(self, seen: Standing) -> Release | None:
        """Return the release that this promotion would make again; None to upload.

        :raises ReleaseNotLiveError: this run made a release of the package, and another one is live now
        """
        live, made = seen.live, self._releases.among(seen)
        of_this_run = [one for one in made if one.id > self._latest]
        if live in of_this_run:
            if not self.baseline and rules_changed_since(self.client.import_rules, self.deployment_id, live):
                return None
            log.info(
                "Release %s of deployment %s is live and was made of this package (%s): nothing to do",
                live.id,
                self.deployment_id,
                self._releases.uuid,
            )
            return live
        # With a baseline, an older release of the package may be live and is then imported once more. But if this run
        # has made a release, or another package's release replaced the older one, a person decided that.
        if of_this_run or (made and live not in made):
            raise self._releases.not_live((of_this_run or made)[0], seen)
        return None

    def _refuse_surprises(self, seen: Standing) -> None:
        """Refuse to replace a live release that this promotion was not meant to replace."""
        live = seen.live
        if self.baseline and seen.live_id != self.baseline.active_release_id:
            raise self.baseline.another_is_live(
                seen,
                "Nothing was uploaded.",
                advice="Clear the baseline's task too to promote over it, or use if_exists='create'.",
            )
        if live and not self.allow_older and exported_before(self._releases.uuid, live.package_uuid):
            raise OlderPackageError(
                f"The package {self._releases.uuid} was exported before the package {live.package_uuid} of release "
                f"{live.id}, which is live in deployment {self.deployment_id}. Nothing was uploaded. Promote a newer "
                "export, activate the release you want, or set allow_older=True.",
                **seen.about(),
            )

    def _upload(self, seen: Standing) -> Promotion:
        previous = self._previous(seen.live)
        body = self.package.body(self.progress)
        try:
            # The client does not repeat it: a person may decide something while a busy server makes us wait. So each
            # repetition begins with a new look at what is live.
            result = self.journal.ask(
                self._request,
                Baseline.of(seen).as_dict(),
                partial(self.client.releases.create, self.deployment_id, body, repeat=False),
                nothing=lambda: f"Nothing was imported. {seen.words} is live.",
                earlier=self._earlier,
            )
        except TrifactaError as error:
            self._busy = error if may_repeat_write(error) else None
            raise
        if isinstance(result, TrifactaError):
            adopted, overrun = self._releases.settle_lost(seen, result)
            return Promotion("adopted", adopted, None, previous, overrun)
        made = result.release
        # An answer about another deployment is not noted. It is not the answer to this upload, and a retry must look.
        if made.deployment_id in (None, self.deployment_id):
            self.journal.answered(
                release_id=made.id,
                primary_flow_ids=result.primary_flow_ids,
                flows=result.flows,
                dropped=first_dropped(result.dropped),
                rule_changes=result.rule_changes,
                previous_release_id=previous,
            )
        with production_stands(
            lambda: (
                f"The server answered that it made release {made.id} of deployment {self.deployment_id} from the "
                f"package, but it was not read back. It may be live in place of {seen.words.lower()}."
            )
        ):
            found, overrun = self._releases.prove(made.id, seen)
        if found.id != made.id:
            # An answer with a wrong id proves nothing else either.
            log.warning("The server answered that it made release %s, but it made release %s", made.id, found.id)
            self.journal.answered(release_id=found.id, adopted=True, previous_release_id=previous)
            return Promotion("adopted", found, None, previous, overrun)
        if found.package_uuid is None:
            log.warning("Release %s does not tell its package, so a retry could not recognise it", made.id)
        return Promotion("created", found, result, previous, overrun)

    def _previous(self, live: Release | None) -> int | None:
        """Return the release that was live before this run, by the baseline if there is one."""
        before = self.baseline.active_release_id if self.baseline else None
        return before if self.baseline or live is None else live.id
