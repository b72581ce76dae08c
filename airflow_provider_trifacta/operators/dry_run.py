"""The operator that tries an import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..client.errors import DryRunFailedError, PackageError, SourceError
from ..packages import compare
from ..promotion.gate import Comparison, DryRunReport, Scene, dry_run
from ._base import Attempt, check_choice
from ._packages import PackageOperator, open_from

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..packages.flow_package import FlowPackage


def refuse_problems(
    report: DryRunReport, on_warnings: str, deployment_id: int | None = None
) -> None:
    """Fail if a dry run found something wrong.

    :param report: what it found
    :param on_warnings: ``"fail"`` to fail also if there are only warnings
    :param deployment_id: the deployment that it was made for, if any
    :raises DryRunFailedError: with all that was found
    """
    warnings = report.warnings if on_warnings == "fail" else []
    if report.problems:
        found = " ".join([*report.problems, *warnings])
        raise DryRunFailedError(
            f"The dry run found problems. Nothing was imported. {found}",
            deployment_id=deployment_id,
        )
    if warnings:
        raise DryRunFailedError(
            "The dry run has warnings, and on_warnings is 'fail'. Nothing was imported."
            f" {' '.join(warnings)}",
            deployment_id=deployment_id,
        )


class DryRunReleaseOperator(PackageOperator):
    """Checks an import without performing it, and fails if it would go wrong.

    It fails on errors that the server reports, and on objects of the package that the server would
    drop. It also fails on each connection of the package that no object rule maps and that the
    instance does not have, and says which rule to write.

    Its report says what the release will read and write after the import rules, and what is live
    now. It warns about what no import rule changes, because production would read and write where
    the source instance does. It writes nothing, so a retry or clear checks again.

    API page: API Releases Create DryRun v4.

    :param deployment_id: the deployment: an int, a string of digits, or an XComArg (templated)
    :param deployment_name: its exact name, in place of the id (templated)
    :param package_path: as for :class:`.CreateReleaseOperator` (templated)
    :param package_uuid: the uuid that the package must have, such as
        ``export.output["package_uuid"]``; any package if it is left out (templated)
    :param trifacta_conn_id: the Airflow connection of the production instance (templated)
    :param on_warnings: what to do if there are only warnings: ``"log"`` them, or ``"fail"``
    :param compare_with: another package, such as the one that is live: a path or a URL as for
        ``package_path``. The report says how the package differs from it. If it cannot be read,
        that is a warning (templated)
    :returns: the report as a dict with ``package_uuid``, ``flows``, ``problems``, ``warnings``,
        ``import_rule_changes``, ``deleted_objects``, ``reads``, ``writes``, ``exported_at``,
        ``scene`` and ``comparison``. These XComs are pushed before the task
        fails: ``report`` (the same), ``report_text`` (for people, in Markdown), ``package_uuid``,
        ``deployment_id``, ``deployment_url``
    :raises AirflowFailException: problems were found (with ``on_warnings="fail"`` also warnings),
        or for errors that a retry cannot fix
    :raises TrifactaError: for other errors
    """

    template_fields: Sequence[str] = (*PackageOperator.template_fields, "compare_with")

    def __init__(
        self,
        *,
        package_path: str,
        on_warnings: str = "log",
        compare_with: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(package_path=package_path, **kwargs)
        self.on_warnings = on_warnings
        self.compare_with = compare_with

    def _act(self, attempt: Attempt) -> dict[str, Any]:
        """Try the import and report."""
        check_choice(self.on_warnings, ("log", "fail"), "on_warnings")
        target = self.target()
        self.log.info(
            "Will try to import %s into %s, without making a release",
            self.package_path,
            str(target),
        )
        client = self._client()
        with client, self.open_package(client) as package:
            deployment_id = target.find(client)
            attempt.push_deployment(client, deployment_id, package_uuid=package.info.uuid)
            scene = Scene.read(client, deployment_id)
            comparison = self._comparison(client, package, scene)
            report = dry_run(client, deployment_id, package, scene=scene, comparison=comparison)
        attempt.push(report=report.as_dict(), report_text=report.as_text())
        self.show_report(report)
        self.log.info(
            "Tried package %s on %s: %s problems, %s warnings. The live release did not change",
            report.package_uuid,
            target.found(deployment_id),
            len(report.problems),
            len(report.warnings),
        )
        refuse_problems(report, self.on_warnings, deployment_id)
        return report.as_dict()

    def _comparison(
        self, client: TrifactaClient, package: FlowPackage, scene: Scene
    ) -> Comparison | None:
        """Compare the package with the other one, None if none was given."""
        if self.compare_with is None:
            return None
        path = str(self.compare_with)
        try:
            with open_from(path, client) as other:
                difference = compare(other, package)
        except (PackageError, SourceError) as error:
            if error.retryable:
                raise
            return Comparison(path, why_not=str(error))
        shown_live = None
        if scene.live_package_uuid is not None:
            shown_live = scene.live_package_uuid == difference.old.uuid
        return Comparison(path, difference, shown_live=shown_live)
