"""Operators that make and change releases."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .._compat import BaseOperator
from .._failures import airflow_failures
from ..client.errors import DroppedObjectsError, InvalidInputError, ReleaseNotLiveError, UnexpectedLiveReleaseError
from ..client.texts import listed, quoted, shown, shown_json
from ..hooks.trifacta import TrifactaHook
from ..links import DEPLOYMENT_URL_KEY, TrifactaDeploymentLink
from ..promotion.baseline import Baseline
from ..promotion.gate import dry_run
from ..promotion.promoter import Promoter, Promotion
from ..promotion.reading import DEFAULT_SETTLE_TIMEOUT
from ..promotion.staged import StagedPromoter
from ._assets import announce_live
from ._facts import Facts
from ._source import open_source
from ._target import NOT_GIVEN, check_target, find_deployment, given_or_none, open_journal, target_words
from .activation import ActivateReleaseOperator, DeactivateReleaseOperator
from .dry_run import DryRunReleaseOperator, check_on_warnings, refuse_problems

if TYPE_CHECKING:
    from .._compat import Context
    from ..client import TrifactaClient
    from ..client.models import ImportResult
    from ..packages.flow_package import FlowPackage
    from ..promotion.journal import Journal

__all__ = [
    "ActivateReleaseOperator",
    "CreateReleaseOperator",
    "DeactivateReleaseOperator",
    "DryRunReleaseOperator",
]

#: Seconds between two lines about a running upload.
_PROGRESS_INTERVAL = 15.0
#: Characters of the dropped objects that the error shows.
_DROPPED_EXCERPT = 1000


class CreateReleaseOperator(BaseOperator):
    """Makes a flow package the live release of a deployment: at most one release per promotion, and no silent doubt.

    The package is checked before anything is sent. A release that was made of the same package and is live is
    reused; with a ``baseline`` only one that this run made, so that retries and clears find their own release.
    ``docs/howto.md`` has the table of what happens when, and what to do about each error.

    API page: API Releases Create v4.

    :param deployment_id: the deployment: an int, a string of digits, or an XComArg (templated)
    :param deployment_name: its exact name, in place of the id (templated)
    :param package_path: the exported ZIP: a path on the worker, or any URL of Airflow's object storage such as
        ``s3://conn_id@bucket/flow.zip`` (templated)
    :param package_uuid: the uuid that the package must have, such as ``export.output["package_uuid"]``; any package
        if it is left out (templated)
    :param trifacta_conn_id: the Airflow connection of the production instance (templated)
    :param baseline: the whole return value of a ``GetDeploymentOperator`` that ran before (templated)
    :param activate: False to stage the release: what the baseline recorded as live is put back at once, and somebody
        activates the new one later. Needs a ``baseline``
    :param dry_run_first: whether an upload is tried first, and refused when that finds problems
    :param if_exists: what to do when the package was imported before: ``"reuse"`` that release, or ``"create"``
        another one whatever is there, which is not safe to retry
    :param allow_older: whether the package may replace a live one that was exported after it
    :param settle_timeout: seconds that the server is given to finish or drop an upload whose answer was lost
    :param on_deleted_objects: what to do when the import left objects of the package out, after which the release
        is live without them: ``"fail"`` (no retry) or ``"warn"``
    :param on_warnings: what to do with the warnings of ``dry_run_first``: ``"log"`` them, or ``"fail"``
    :returns: a dict with ``release_id``, ``primary_flow_ids``, ``deployment_id``, ``package_uuid``,
        ``deployment_url``, ``previous_release_id`` and ``outcome`` (``created``, ``reused`` or ``adopted``); each is
        also pushed as an XCom key of that name, unless it is unknown, which is None in the dict
    :raises AirflowFailException: for anything that a retry cannot mend
    :raises TrifactaError: for the rest
    """

    template_fields: Sequence[str] = (
        "deployment_id",
        "deployment_name",
        "package_path",
        "package_uuid",
        "trifacta_conn_id",
        "baseline",
    )
    operator_extra_links = (TrifactaDeploymentLink(),)
    ui_color = "#e8f3ec"

    def __init__(
        self,
        *,
        package_path: str,
        deployment_id: Any = None,
        deployment_name: Any = None,
        package_uuid: Any = NOT_GIVEN,
        trifacta_conn_id: str = TrifactaHook.default_conn_name,
        baseline: Any = NOT_GIVEN,
        activate: bool = True,
        dry_run_first: bool = False,
        if_exists: str = "reuse",
        allow_older: bool = False,
        settle_timeout: float = DEFAULT_SETTLE_TIMEOUT,
        on_deleted_objects: str = "fail",
        on_warnings: str = "log",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deployment_id = deployment_id
        self.deployment_name = deployment_name
        self.activate = activate
        self.dry_run_first = dry_run_first
        self.package_path = package_path
        self.package_uuid = given_or_none(package_uuid)
        self.trifacta_conn_id = trifacta_conn_id
        self.baseline = given_or_none(baseline)
        # A value that renders to nothing is an error, and not "not given".
        self._with_baseline = baseline is not NOT_GIVEN
        self._with_uuid = package_uuid is not NOT_GIVEN
        self.if_exists = if_exists
        self.allow_older = allow_older
        self.settle_timeout = settle_timeout
        self.on_deleted_objects = on_deleted_objects
        self.on_warnings = on_warnings

    def execute(self, context: Context) -> dict[str, Any]:
        """Check the package, promote it, and hand out the ids."""
        with airflow_failures():
            check_on_warnings(self.on_warnings)
            given = check_target(self.deployment_id, self.deployment_name)
            journal = open_journal(context)  # before anything that a retry may mend: a try that is not in it counts
            baseline = Baseline.parse(self.baseline, given) if self._with_baseline else None
            if not self.activate and baseline is None:
                raise InvalidInputError("activate=False needs a baseline: what is live must be known to be put back.")
            if self.on_deleted_objects not in ("fail", "warn"):
                raise InvalidInputError(
                    f"on_deleted_objects must be 'fail' or 'warn', not {self.on_deleted_objects!r}."
                )
            where, end = target_words(self.deployment_id, self.deployment_name), "live" if self.activate else "staged"
            self.log.info("Will import %s into %s as its %s release", self.package_path, where, end)
            with open_source(self.package_path, self.package_uuid, with_uuid=self._with_uuid) as package:
                self._describe(package)
                with TrifactaHook(self.trifacta_conn_id).client as client:
                    return self._promote(context, client, journal, given, baseline, package)

    def _promote(
        self,
        context: Context,
        client: TrifactaClient,
        journal: Journal,
        given: int | None,
        baseline: Baseline | None,
        package: FlowPackage,
    ) -> dict[str, Any]:
        facts = Facts(context)
        facts.add(package_uuid=package.info.uuid)
        deployment_id = find_deployment(client, given, self.deployment_name)
        if baseline and baseline.deployment_id != deployment_id:
            Baseline.parse(self.baseline, deployment_id)  # says what does not fit
        promoter = self._promoter(context, client, journal, deployment_id, baseline, package)
        facts.add(deployment_id=deployment_id)
        facts.add(**{DEPLOYMENT_URL_KEY: client.deployment_url(deployment_id)})
        promotion = promoter.run()
        imported = promotion.imported
        facts.add(
            release_id=promotion.release.id,
            primary_flow_ids=imported.primary_flow_ids if imported else None,
            previous_release_id=promotion.previous_release_id,
            outcome=promotion.outcome,
        )
        made_live = promotion.outcome != "reused" or context["ti"].try_number > 1
        replaced = promotion.replaced and not promotion.overrun
        if self.activate and made_live and not replaced:
            known = {key: facts.values[key] for key in ("release_id", "package_uuid", "primary_flow_ids")}
            announce_live(context, self, client.config.base_url, deployment_id, **known)
        self._report(promotion)
        if promotion.overrun and self.activate:
            raise UnexpectedLiveReleaseError(
                f"Another import into deployment {deployment_id} ran at the same time (releases "
                f"{list(promotion.overrun)}). Release {promotion.release.id} of this task may have replaced it, or "
                "been replaced by it: look which one is to be live. Promotions to one deployment must not overlap."
            )
        if replaced and self.activate:
            raise ReleaseNotLiveError(
                f"Release {promotion.release.id} of deployment {deployment_id} was made of the package, and somebody "
                "has made another release live since, or none. A retry does not undo that. Activate release "
                f"{promotion.release.id} in Trifacta if it should be live."
            )
        return facts.values

    def _promoter(
        self,
        context: Context,
        client: TrifactaClient,
        journal: Journal,
        deployment_id: int,
        baseline: Baseline | None,
        package: FlowPackage,
    ) -> Promoter:
        def gate() -> None:
            report = dry_run(client, deployment_id, package)
            self.log.info("%s", report.as_text())
            refuse_problems(report, self.on_warnings)

        options: dict[str, Any] = {
            "journal": journal,
            "began": getattr(context.get("dag_run"), "start_date", None),
            "if_exists": self.if_exists,
            "allow_older": self.allow_older,
            "settle_timeout": self.settle_timeout,
            "progress": self._progress(),
            "before_upload": gate if self.dry_run_first else None,
        }
        if baseline and not self.activate:
            return StagedPromoter(client, deployment_id, package, baseline=baseline, **options)
        return Promoter(client, deployment_id, package, baseline=baseline, **options)

    def _describe(self, package: FlowPackage) -> None:
        info = package.info
        self.log.info(
            "Package %s: %s bytes, uuid %s, exported %s by product version %s, flows %s, connections %s",
            shown(package.name),
            package.size,
            info.uuid,
            info.exported_at,
            shown(info.product_version),
            listed(map(quoted, info.flow_names)) or "none",
            listed(quoted(connection.name) for connection in info.connections) or "none",
        )

    def _report(self, promotion: Promotion) -> None:
        release, imported = promotion.release, promotion.imported
        self.log.info(
            "Release %s of deployment %s, %s: %s; the release before: %s; primary flows: %s",
            release.id,
            release.deployment_id,
            ("live" if release.active else "not live") if self.activate else "staged and not live",
            promotion.outcome,
            promotion.previous_release_id or "unknown or none",
            imported.primary_flow_ids if imported else "unknown",
        )
        if self.activate and not release.active:
            self.log.warning("Release %s is not active yet. A ReleaseActiveSensor can wait for it.", release.id)
        if imported is None:
            self.log.warning(
                "The answer to the import is not at hand (outcome %s): the primary flows' ids are unknown, and it was "
                "not checked whether the import dropped objects.",
                promotion.outcome,
            )
            return
        if imported.primary_flow_ids is None:
            self.log.warning("The answer did not tell the primary flows' ids; there is no XCom primary_flow_ids.")
        if imported.dropped:
            self._report_dropped_objects(imported)

    def _report_dropped_objects(self, imported: ImportResult) -> None:
        text = shown_json(imported.dropped, _DROPPED_EXCERPT)
        message = (
            f"The import dropped objects of the package: {text}. "
            f"Release {imported.release.id} is {'live' if self.activate else 'staged'} without them. Activate an "
            "earlier release if that must not be, "
            "correct the flow in the source instance and promote a new export."
        )
        if self.on_deleted_objects == "fail":
            raise DroppedObjectsError(message)
        self.log.warning(message)

    def _progress(self) -> Callable[[int, int], None]:
        started = last = time.monotonic()

        def report(sent: int, size: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= _PROGRESS_INTERVAL:
                last = now
                share = 100 * sent / size
                mib = 2**20
                self.log.info("Sent %.0f of %.0f MiB (%.0f %%) in %.0f s", sent / mib, size / mib, share, now - started)

        return report
