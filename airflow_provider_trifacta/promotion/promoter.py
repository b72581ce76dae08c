"""One promotion: at most one release, and never a silent doubt.

The API has no idempotency key and no compare-and-set. The answer to the upload names the release,
and that is the proof. Where the answer was lost, the release is looked for by the package's
``metadata.uuid``. It is new with every export, and most likely the release shows it as its
``packageUuid``. Where it does not, a lost answer is left to a person.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from ..client.errors import OlderPackageError, TrifactaError, UnexpectedLiveReleaseError
from ..client.foreign_words import logger
from ..client.imports import ImportResult, first_dropped
from ..client.models import uuid_time
from ..client.retries import WRITE_RETRIES, may_repeat_write, repeating
from .baseline import Baseline
from .journal import Entry, production_stands
from .rules import rules_changed_since
from .standing import DEFAULT_SETTLE_TIMEOUT, Standing
from .tries import Tries
from .uploads import PackageReleases, Settled, Since, overrun_by

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import Release
    from ..packages.flow_package import FlowPackage

log = logger(__name__)


@dataclass(frozen=True)
class Promotion:
    """How a promotion ended.

    :param outcome: ``created`` by this task, ``reused`` from before, or ``adopted``: made by an
        upload whose answer was lost
    :param release: the release, as it was read back
    :param imported: what the import made; None unless created, because only the answer of the
        import tells
    :param previous_release_id: the release that was live before; None if none was, or it is unknown
    :param overrun: releases that others made during the upload, and that this one may have replaced
    :param recalled: whether an earlier try of the task made the release and noted the answer in the
        journal
    """

    outcome: str
    release: Release
    imported: ImportResult | None
    previous_release_id: int | None
    overrun: tuple[int, ...] = ()
    recalled: bool = False


@dataclass(eq=False)
class Promoter:
    """Promotes one package to one deployment, once.

    :param client: the instance
    :param deployment_id: the deployment
    :param package: the open package
    :param baseline: what the deployment looked like before this run, if it was recorded
    :param tries: the tries of the task; without them, this is a first try
    :param allow_older: whether the package may replace a live one that was exported after it
    :param settle_timeout: seconds that the server has to finish or drop an upload whose answer was
        lost
    :param progress: called with (bytes sent, all bytes, seconds so far) every 15 seconds of the
        upload
    :param before_upload: called right before the upload; an error that it raises prevents the
        upload
    :param on_release: called once, with the release and the primary flows that the server named, as
        soon as the release is known: before it is read back, where the server named it. The flows
        are None if no answer shows them
    """

    client: TrifactaClient
    deployment_id: int
    package: FlowPackage
    _: KW_ONLY
    baseline: Baseline | None = None
    tries: Tries = field(default_factory=Tries)
    allow_older: bool = False
    settle_timeout: float = DEFAULT_SETTLE_TIMEOUT
    progress: Callable[[int, int, float], None] | None = None
    before_upload: Callable[[], None] | None = None
    on_release: Callable[[int, list[int] | None], None] | None = None

    def __post_init__(self) -> None:
        #: The id above which a release belongs to this run. Without a baseline it is 0, and nothing
        #: tells runs apart.
        self._latest = self.baseline.newest_id if self.baseline else 0
        #: The newest release of the baseline, down to which the list is read; None without a
        #: baseline.
        self._read_to = self._latest if self.baseline else None
        #: What an earlier try of this task asked for, without a noted answer.
        self._earlier: Entry | None = None
        #: Whether an earlier try may have sent the package.
        self._may_have_sent = False
        #: Whether an earlier try sent this package for another baseline, and got no answer.
        self._same_is_abandoned = False
        #: Whether the release was passed on.
        self._is_named = False
        #: What the last upload ended with, if the server was busy and did nothing.
        self._busy: TrifactaError | None = None
        self._request: dict[str, Any] = {
            "what": "create",
            "deployment_id": self.deployment_id,
            "package_uuid": self.package.info.uuid,
            "baseline": self.baseline.as_dict() if self.baseline else None,
        }

    @cached_property
    def _releases(self) -> PackageReleases:
        """The releases of the deployment, seen from this package."""
        return PackageReleases(
            self.client, self.deployment_id, self.package.info.uuid, self.settle_timeout
        )

    def run(self) -> Promotion:
        """Reuse the release that is there already, or upload the package.

        :raises ReleaseNotLiveError: the release was live, and another one has been activated in the
            meantime
        :raises PromotionNotProvenError: an earlier try made the release, and nothing shows that it
            ever was live
        :raises UnexpectedLiveReleaseError: another release is live than the baseline recorded
        :raises OlderPackageError: the live release's package is newer
        :raises InvalidInputError: the settle timeout is not 0 or more seconds; no request was sent
        :raises AmbiguousSubmissionError: it cannot be told whether an upload made a release
        :raises TrifactaError: for the rest, see :mod:`airflow_provider_trifacta.client.errors`
        """
        # An earlier try of this task may have uploaded the package. Either the journal holds the
        # answer to that, or it proves that no try has uploaded anything. In all other cases the
        # release has to be looked for.
        self._refuse_abandoned()
        self._earlier = self.tries.journal.entry(**self._request)
        if self._earlier and self._earlier.answer.get("release_id"):
            return self._recall(self._earlier)
        if self._same_is_abandoned or not self.tries.journal.nothing_asked(**self._request):
            self._may_have_sent = True
            earlier = self._find_earlier()
            if earlier:
                return earlier
        return repeating(self._decide, self._is_busy, WRITE_RETRIES, self.client.clock.sleep)

    def _is_busy(self, error: BaseException) -> bool:
        """Tell whether an error says that the server was busy, and did not take the upload."""
        return error is self._busy

    def _refuse_abandoned(self) -> None:
        """Settle an upload that an earlier try of this task began for another package or baseline.

        A person may clear the whole group during an upload. The server may still finish it, and its
        release would go live over the one that this try makes.

        :raises UnexpectedLiveReleaseError: its release shows, and another package is wanted now
        :raises TrifactaError: the list cannot be read
        """
        journal = self.tries.journal
        abandoned = journal.abandoned(self._request, "release_id")
        if abandoned is None:
            return
        request, entry = abandoned
        is_new_baseline = (
            self.baseline is None or request.get("baseline") != self._request["baseline"]
        )
        if self.tries.is_clear and entry.answer.get("told") and is_new_baseline:
            return
        uuid = str(request.get("package_uuid"))
        if uuid == self._releases.uuid:
            # Its release is one of this package, so the usual wait for an earlier try finds it.
            self._same_is_abandoned = True
            return
        releases = PackageReleases(self.client, self.deployment_id, uuid, self.settle_timeout)
        known = entry.before.get("latest_release_id") or 0

        def made(now: Standing) -> list[Release]:
            new = [release for release in now if release.id > known]
            others = [release for release in new if release.package_uuid != self._releases.uuid]
            return releases.not_proven_others(others, now)

        def shows(now: Standing) -> bool:
            return bool(made(now))

        log.info(
            "An earlier try of this task uploaded the package %s and got no answer. Waiting %s s"
            " for its release",
            uuid,
            self.settle_timeout,
        )
        now = releases.look(known, shows)
        unrecorded = [release for release in made(now) if release.id > self._latest]
        if not unrecorded:
            # It does not show, and the process that sent it is dead. Or the baseline was recorded
            # after it.
            return
        journal.answered(told=True)
        newest = max(release.id for release in unrecorded)
        raise UnexpectedLiveReleaseError(
            f"An earlier try of this task uploaded another package, {uuid}, and got no answer."
            f" Release {newest} of deployment {self.deployment_id} may be this task's own abandoned"
            f" upload. {now.words} is live. This try wants another package, and uploaded nothing.",
            advice=(
                "Look at the deployment in Trifacta. To promote over it, clear the baseline's task"
                " too."
            ),
            **now.about(newest),
        )

    def _name_release(self, release_id: int, primary_flow_ids: list[int] | None = None) -> None:
        """Pass on which release it is, once."""
        if self.on_release and not self._is_named:
            self._is_named = True
            self.on_release(release_id, primary_flow_ids)

    def _recall(self, entry: Entry) -> Promotion:
        """Return what an earlier try made and noted, after it is read back."""
        answer = entry.answer
        release_id = int(answer["release_id"])
        primary_flow_ids = answer.get("primary_flow_ids")
        self._name_release(release_id, primary_flow_ids)
        uuid = answer.get("release_uuid")
        release, seen = self._releases.recall(release_id, uuid, self._read_to)
        was_live = release.active or bool(answer.get("was_live"))
        release, seen = self._accept_recalled(release, seen, was_live)
        previous = answer.get("previous_release_id")
        overrun = overrun_by(entry, release, seen)
        if answer.get("adopted"):
            return Promotion("adopted", release, None, previous, overrun, recalled=True)
        imported = ImportResult(
            primary_flow_ids,
            answer.get("flows") or [],
            answer.get("dropped") or {},
            release,
            answer.get("rule_changes"),
        )
        return Promotion("created", release, imported, previous, overrun, recalled=True)

    def _accept_recalled(
        self, release: Release, seen: Standing, was_live: bool
    ) -> tuple[Release, Standing]:
        """Wait for a release of an earlier try to be live."""
        return self._accept(release, seen, was_live=was_live, retry=True)

    def _accept(
        self, release: Release, now: Standing, *, was_live: bool, retry: bool
    ) -> tuple[Release, Standing]:
        """Read back that a release is live, as far as it must be, and note it."""
        release, now = self._releases.await_live(release, now, was_live=was_live, retry=retry)
        if release.active and (self._earlier or not retry):
            # A retry that finds it replaced knows then that it was live.
            self.tries.journal.answered(was_live=True)
        return release, now

    def _find_earlier(self) -> Promotion | None:
        """Look for a release that an earlier try may have made, and wait for it to show.

        :returns: the promotion, or None if it is safe to upload
        """
        releases = self._releases
        seen = releases.read(self._read_to)
        since = Since.of(self.baseline, self._earlier, self.tries.run_began)
        releases.refuse_unidentified([release for release in seen if since.counts(release)])
        reused = self._find_reusable(seen)
        if reused:
            # The import of an earlier try may not have ended yet, and what it wrote may vanish.
            seen = releases.look_again(min(reused.id, since.oldest(seen)))
            if reused.id not in seen:
                raise releases.vanished(reused)
            reused = self._find_reusable(seen)
        if reused:
            self._name_release(reused.id)
            if self._earlier:
                live_before = self._earlier.before.get("active_release_id")
                self._note_adopted(reused, live_before, was_live=reused.active)
            overrun = overrun_by(self._earlier, reused, seen)
            return Promotion("reused", reused, None, self._previous(None), overrun)
        settled = releases.settle_earlier(seen, since, has_baseline=self.baseline is not None)
        if settled.release is None:
            if self._earlier and "wrong_release_id" in self._earlier.answer:
                # The server said that it made a release. That none shows does not prove the
                # contrary.
                raise self._wrong_answer(self._earlier.answer["wrong_release_id"])
            return None
        others = {*settled.now.made_since(seen, settled.release.id)}
        others |= set(overrun_by(self._earlier, settled.release, settled.now))
        overrun = tuple(sorted(others))
        return self._adopt(settled.release, settled, self._previous(None), overrun, retry=True)

    def _note_adopted(self, release: Release, previous: int | None, *, was_live: bool) -> None:
        self.tries.journal.answered(
            release_id=release.id,
            release_uuid=release.package_uuid,
            adopted=True,
            was_live=was_live,
            previous_release_id=previous,
        )

    def _adopt(
        self,
        release: Release,
        settled: Settled,
        previous: int | None,
        overrun: tuple[int, ...],
        *,
        retry: bool,
    ) -> Promotion:
        """Take a release whose answer was lost for the one that this task made."""
        self._name_release(release.id)
        if self._earlier or not retry:
            self._note_adopted(release, previous, was_live=settled.was_live)
        if not overrun:
            release, _ = self._accept(release, settled.now, was_live=settled.was_live, retry=retry)
        return Promotion("adopted", release, None, previous, overrun)

    def _decide(self) -> Promotion:
        """Reuse or upload, by what is there now. If the server is busy, this runs again."""
        seen = self._releases.read(self._read_to)
        reused = self._find_reusable(seen)
        if reused:
            self._name_release(reused.id)
            return Promotion("reused", reused, None, self._previous(None))
        self._refuse_surprises(seen)
        if self.before_upload:
            self.before_upload()
        return self._upload(seen)

    def _find_reusable(self, seen: Standing) -> Release | None:
        """Return the release that this promotion would make again; None to upload.

        :raises ReleaseNotLiveError: this run made a release of the package, and another one is live
            now
        """
        live = seen.live
        made = self._releases.among(seen)
        of_this_run = [release for release in made if release.id > self._latest]
        if live in of_this_run:
            if not self.baseline and self._rules_changed_since(live):
                return None
            log.info(
                "Release %s of deployment %s is live and was made of this package (%s): nothing"
                " to do",
                live.id,
                self.deployment_id,
                self._releases.uuid,
            )
            return live
        if of_this_run and self._may_have_sent:
            # It may go live in a moment.
            return None
        # With a baseline, an older release of the package may be live and is then imported once
        # more. But if this run has made a release, or another package's release replaced the older
        # one, a person decided that.
        if of_this_run or (made and live not in made):
            raise self._releases.not_live((of_this_run or made)[0], seen)
        return None

    def _rules_changed_since(self, release: Release) -> bool:
        return rules_changed_since(self.client.import_rules, self.deployment_id, release)

    def _refuse_surprises(self, seen: Standing) -> None:
        """Refuse to replace a live release that this promotion was not meant to replace."""
        live = seen.live
        if self.baseline and seen.live_id != self.baseline.active_release_id:
            raise self.baseline.another_is_live(
                seen,
                "Nothing was uploaded.",
                advice="Clear the baseline's task too to promote over it.",
            )
        if live and not self.allow_older:
            self._refuse_older(live, seen)

    def _refuse_older(self, live: Release, seen: Standing) -> None:
        """Refuse a package that was exported before the live one, if both show when that was."""
        ours = uuid_time(self._releases.uuid)
        theirs = live.exported_at
        if ours is None or theirs is None:
            log.info(
                "It is unknown whether the package %s is older than release %s, which is live:"
                " their uuids do not both show when they were exported",
                self._releases.uuid,
                live.id,
            )
            return
        if ours < theirs:
            raise OlderPackageError(
                f"The package {self._releases.uuid} was exported at {ours}, before the package"
                f" {live.package_uuid} of release {live.id} (exported at {theirs}), which is live"
                f" in deployment {self.deployment_id}. Or the clock of an instance was wrong at an"
                " export. Nothing was uploaded.",
                advice=(
                    "Promote a newer export, activate the release you want, or set"
                    " allow_older=True."
                ),
                **seen.about(),
            )

    def _upload(self, seen: Standing) -> Promotion:
        previous = self._previous(seen.live)
        body = self.package.body(self.progress)
        began = self.client.clock.monotonic()
        log.info(
            "Uploading the package %s to deployment %s", self._releases.uuid, self.deployment_id
        )
        try:
            # The client does not repeat it: a person may decide something while a busy server makes
            # us wait. So each repetition begins with a new look at what is live.
            result = self.tries.journal.ask(
                self._request,
                Baseline.of(seen).as_dict(),
                partial(self.client.releases.create, self.deployment_id, body, repeat=False),
                nothing=f"Nothing was imported. {seen.words} is live.",
                earlier=self._earlier,
            )
        except TrifactaError as error:
            self._busy = error if may_repeat_write(error) else None
            raise
        finally:
            seconds = self.client.clock.monotonic() - began
            log.info("The upload to deployment %s ended after %.0f s", self.deployment_id, seconds)
        if isinstance(result, TrifactaError):
            release, settled = self._releases.settle_lost(seen, result)
            return self._adopt_new(release, settled, seen, previous)
        made = result.release
        with production_stands(
            f"The server answered that it made release {made.id} of deployment"
            f" {self.deployment_id} from the package, but it was not read back. It may be live"
            f" in place of {seen.words.lower()}."
        ):
            # An answer about another deployment, or about a release that was there before, is not
            # noted. It is not the answer to this upload, and a retry must look.
            if made.deployment_id not in (None, self.deployment_id) or made.id <= seen.newest_id:
                return self._settle_wrong(made, seen, previous)
            self.tries.journal.answered(
                release_id=made.id,
                release_uuid=made.package_uuid,
                was_live=made.active,
                primary_flow_ids=result.primary_flow_ids,
                flows=result.flows,
                dropped=first_dropped(result.dropped),
                rule_changes=result.rule_changes,
                previous_release_id=previous,
            )
            self._name_release(made.id, result.primary_flow_ids)
            release, now = self._releases.prove(made, seen)
        self._warn_of_uuid(release)
        overrun = now.made_since(seen, release.id)
        if not overrun:
            was_live = made.active or release.active
            release, now = self._accept(release, now, was_live=was_live, retry=False)
            overrun = now.made_since(seen, release.id)
        return Promotion("created", release, result, previous, overrun)

    def _settle_wrong(self, made: Release, seen: Standing, previous: int | None) -> Promotion:
        """End the doubt that an answer about another release leaves."""
        self.tries.journal.answered(wrong_release_id=made.id)
        settled = self._releases.settle_new(seen)
        if settled.release is None:
            raise self._wrong_answer(made.id)
        log.warning(
            "The server answered that it made release %s, but it made release %s",
            made.id,
            settled.release.id,
        )
        return self._adopt_new(settled.release, settled, seen, previous)

    def _wrong_answer(self, release_id: int) -> TrifactaError:
        """Make the error for an upload that was answered with another release, and whose own does
        not show.
        """
        return self._releases.ambiguous(
            f"the server answered that it made release {release_id}, which is no new release of"
            " this deployment, and no other is new",
            release_id,
        )

    def _adopt_new(
        self, release: Release, settled: Settled, seen: Standing, previous: int | None
    ) -> Promotion:
        """Adopt a release that an upload of this try made."""
        overrun = settled.now.made_since(seen, release.id)
        return self._adopt(release, settled, previous, overrun, retry=False)

    def _warn_of_uuid(self, release: Release) -> None:
        """Warn if a retry without a journal could not recognise the release."""
        if release.package_uuid is None:
            log.warning(
                "Release %s does not show its package, so a retry could not recognise it",
                release.id,
            )
        elif release.package_uuid != self._releases.uuid:
            log.warning(
                "Release %s shows the uuid %s, and the package has the uuid %s: this instance gives"
                " releases uuids of its own. So a retry that did not get the answer to its upload"
                " cannot recognise the release, and stops",
                release.id,
                release.package_uuid,
                self._releases.uuid,
            )

    def _previous(self, live: Release | None) -> int | None:
        """Return the release that was live before this run, by the baseline if there is one."""
        if self.baseline:
            return self.baseline.active_release_id
        return live.id if live else None
