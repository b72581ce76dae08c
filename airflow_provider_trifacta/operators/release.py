"""Operators that make and change releases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..client import errors
from ..client.texts import called, listed, quoted, shown_json
from ..promotion.baseline import Baseline
from ..promotion.gate import dry_run
from ..promotion.promoter import Promoter, Promotion
from ..promotion.staged import StagedPromoter
from ..promotion.standing import DEFAULT_SETTLE_TIMEOUT
from ._base import NOT_GIVEN, Attempt, Target, check_choice, given_or_none
from ._packages import PackageOperator
from .activation import ActivateReleaseOperator, ConfirmPromotionOperator, DeactivateReleaseOperator
from .dry_run import DryRunReleaseOperator, refuse_problems

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.imports import ImportResult
    from ..packages.flow_package import FlowPackage
    from ..promotion.tries import Tries

__all__ = [
    "ActivateReleaseOperator",
    "ConfirmPromotionOperator",
    "CreateReleaseOperator",
    "DeactivateReleaseOperator",
    "DryRunReleaseOperator",
]

#: Characters of the dropped objects that the error shows.
_DROPPED_EXCERPT = 1000


class CreateReleaseOperator(PackageOperator):
    """Makes a flow package the live release of a deployment.

    A promotion makes at most one release, never undoes a person's decision, and stops with an error
    when it cannot tell what happened. The package is checked before anything is sent. A live
    release that was made of the same package is reused. With a ``baseline`` only a release of this
    run is reused, so that retries and clears find their own release.
    ``docs/how-it-works/promotion.md`` has the table of what happens when.

    API page: API Releases Create v4.

    :param deployment_id: the deployment: an int, a string of digits, or an XComArg (templated)
    :param deployment_name: its exact name, in place of the id (templated)
    :param package_path: the exported ZIP: a path on the worker, or any URL of Airflow's object
        storage such as ``s3://conn_id@bucket/flow.zip`` (templated). An object may have as many
        bytes as the connection's ``max_package_size``
    :param package_uuid: the uuid that the package must have, such as
        ``export.output["package_uuid"]``; any package if it is left out (templated)
    :param trifacta_conn_id: the Airflow connection of the production instance (templated)
    :param baseline: the whole return value of a ``GetDeploymentOperator`` that ran before
        (templated)
    :param activate: False to stage the release: what the baseline recorded as live is put back at
        once, and the new release waits until a person or a later task activates it. Needs a
        ``baseline``
    :param dry_run_first: whether to try the upload first, and to refuse it when that finds problems
    :param allow_older: whether the package may replace a live one that was exported after it
    :param settle_timeout: seconds to wait for the server to finish or drop an upload whose answer
        was lost
    :param on_deleted_objects: what to do when the import left objects of the package out, so that
        the release is live without them: ``"fail"`` (no retry) or ``"warn"``
    :param on_warnings: what to do with the warnings of ``dry_run_first``: ``"log"`` them, or
        ``"fail"``
    :returns: a dict with ``release_id``, ``primary_flow_ids``, ``flows`` (all new flows: dicts with
        ``id``, ``name`` and ``primary``), ``deployment_id``, ``package_uuid``, ``deployment_url``,
        ``previous_release_id``, ``import_rule_changes`` (what import rules changed: their
        ``count``, and the first ``objects`` as texts) and ``outcome`` (``created``, ``reused`` or
        ``adopted``). Each is also pushed as an XCom key of that name, unless it is unknown, which
        is None in the dict
    :raises AirflowFailException: for errors that a retry cannot fix
    :raises TrifactaError: for other errors
    """

    template_fields: Sequence[str] = (*PackageOperator.template_fields, "baseline")

    def __init__(
        self,
        *,
        package_path: str,
        baseline: Any = NOT_GIVEN,
        activate: bool = True,
        dry_run_first: bool = False,
        allow_older: bool = False,
        settle_timeout: float = DEFAULT_SETTLE_TIMEOUT,
        on_deleted_objects: str = "fail",
        on_warnings: str = "log",
        **kwargs: Any,
    ) -> None:
        super().__init__(package_path=package_path, **kwargs)
        self.baseline = given_or_none(baseline)
        self._with_baseline = baseline is not NOT_GIVEN
        self.activate = activate
        self.dry_run_first = dry_run_first
        self.allow_older = allow_older
        self.settle_timeout = settle_timeout
        self.on_deleted_objects = on_deleted_objects
        self.on_warnings = on_warnings

    def _act(self, attempt: Attempt) -> None:
        """Check the package, promote it, and return the ids."""
        check_choice(self.on_warnings, ("log", "fail"), "on_warnings")
        check_choice(self.on_deleted_objects, ("fail", "warn"), "on_deleted_objects")
        target = self.target()
        end = "live" if self.activate else "staged"
        self.log.info(
            "Will import %s into %s as its %s release", self.package_path, str(target), end
        )
        # Before any error that a retry may follow: the retry must be able to prove that this try
        # asked for nothing.
        self._promote(target, attempt, attempt.begin())

    def _promote(self, target: Target, attempt: Attempt, tries: Tries) -> None:
        baseline = None
        if self._with_baseline:
            baseline = Baseline.parse(self.baseline, target.deployment_id)
        if not self.activate and baseline is None:
            raise errors.InvalidInputError(
                "activate=False needs a baseline, which tells what to make live again. Nothing was"
                " sent."
            )
        client = self._client()
        with client, self.open_package(client) as package:
            self.describe(package)
            attempt.push(package_uuid=package.info.uuid)
            deployment_id = target.find(client)
            if baseline:
                words = f"deployment {quoted(target.deployment_name)} is {deployment_id}"
                baseline.refuse_other(deployment_id, words)
            attempt.push_deployment(client, deployment_id)
            before_upload = None
            if self.dry_run_first:
                before_upload = partial(self._try_out, client, deployment_id, package)
            # Without a baseline there is no staged release, which was checked above.
            promoter: Callable[..., Promoter] = Promoter if self.activate else StagedPromoter
            promotion = promoter(
                client,
                deployment_id,
                package,
                baseline=baseline,
                tries=tries,
                allow_older=self.allow_older,
                settle_timeout=self.settle_timeout,
                progress=self.progress,
                before_upload=before_upload,
                on_release=partial(_push_release, attempt),
            ).run()
            recorded_name = baseline.deployment_name if baseline else None
            name = recorded_name or self.deployment_name
            before = promotion.previous_release_id or ("none" if baseline else "unknown or none")
            self._report(promotion, called("deployment", deployment_id, name), before)
            self._finish(client, attempt, promotion, is_first_try=tries.is_first)

    def _try_out(self, client: TrifactaClient, deployment_id: int, package: FlowPackage) -> None:
        report = dry_run(client, deployment_id, package)
        self.show_report(report)
        refuse_problems(report, self.on_warnings, deployment_id)

    def _finish(
        self, client: TrifactaClient, attempt: Attempt, promotion: Promotion, *, is_first_try: bool
    ) -> None:
        """Push what was promoted, and fail if another import may have replaced it."""
        release, imported = promotion.release, promotion.imported
        attempt.push(
            flows=imported.flows if imported else None,
            previous_release_id=promotion.previous_release_id,
            import_rule_changes=imported.rule_changes if imported else None,
            outcome=promotion.outcome,
        )
        deployment_id = attempt.xcoms["deployment_id"]
        # A try before this one may have made it live and told Airflow nothing.
        made_live = promotion.outcome != "reused" or not is_first_try
        if self.activate and made_live and release.active:
            attempt.announce_live(
                client,
                deployment_id,
                release_id=release.id,
                package_uuid=attempt.xcoms["package_uuid"],
                primary_flow_ids=attempt.xcoms["primary_flow_ids"],
            )
        if imported and imported.dropped:
            self._report_dropped_objects(imported)
        fields = {"deployment_id": deployment_id, "release_id": release.id}
        if promotion.overrun and self.activate:
            raise errors.UnexpectedLiveReleaseError(
                f"Another import into deployment {deployment_id} ran at the same time (releases"
                f" {list(promotion.overrun)}). Either it or release {release.id} of this task may"
                " have replaced the other. Check which of them is live, and activate the right"
                " one. Promotions to one deployment must not overlap.",
                **fields,
            )

    def _report(self, promotion: Promotion, where: str, before: int | str) -> None:
        release, imported = promotion.release, promotion.imported
        if imported:
            self._report_contents(imported)
        state = "staged and not live"
        if self.activate:
            state = "live" if release.active else "not live"
        self.log.info(
            "Release %s of %s is %s (%s). The release before: %s. Primary flows: %s",
            release.id,
            where,
            state,
            promotion.outcome,
            before,
            imported.primary_flow_ids if imported else "unknown",
        )
        if self.activate and not release.active:
            self.log.warning(
                "Release %s is not active yet. A ReleaseActiveSensor can wait for it.", release.id
            )
        if imported is None:
            self.log.warning(
                "This task did not get the answer to the import (outcome %s). So the ids of the"
                " primary flows and the changes by import rules are unknown, and it was not checked"
                " whether the import dropped objects.",
                promotion.outcome,
            )
        elif imported.primary_flow_ids is None:
            self.log.warning(
                "The answer did not hold the primary flows' ids. There is no XCom primary_flow_ids."
            )

    def _report_contents(self, imported: ImportResult) -> None:
        if imported.counts:
            made = ", ".join(f"{kind} {count}" for kind, count in imported.counts.items())
            self.log.info("The import made: %s", made)
        changes = imported.rule_changes
        if changes is None:
            self.log.info("Changes by import rules: unknown")
        else:
            first = listed(changes["objects"], between="; ") or "none"
            self.log.info("Changes by import rules: %s (%s)", changes["count"], first)

    def _report_dropped_objects(self, imported: ImportResult) -> None:
        release = imported.release
        message = (
            "The import dropped objects of the package:"
            f" {shown_json(imported.dropped, _DROPPED_EXCERPT)}. Release {release.id} is"
            f" {'live' if self.activate else 'staged'} without them. If it needs them, activate an"
            " earlier release, correct the flow in the source instance, and promote a new export."
        )
        if self.on_deleted_objects == "fail":
            raise errors.DroppedObjectsError(
                message, deployment_id=release.deployment_id, release_id=release.id
            )
        self.log.warning("%s", message)


def _push_release(attempt: Attempt, release_id: int, primary_flow_ids: list[int] | None) -> None:
    """Push which release it is before anything can fail: a rollback, a run or a person needs it
    then.
    """
    attempt.push(release_id=release_id, primary_flow_ids=primary_flow_ids)
