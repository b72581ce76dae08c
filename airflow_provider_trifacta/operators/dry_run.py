"""The gate before a promotion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._compat import BaseOperator
from .._failures import airflow_failures
from ..client.errors import DryRunFailedError, InvalidInputError
from ..hooks.trifacta import TrifactaHook
from ..links import DEPLOYMENT_URL_KEY, TrifactaDeploymentLink
from ..promotion.gate import DryRunReport, dry_run
from ._facts import Facts
from ._source import open_source
from ._target import NOT_GIVEN, check_target, find_deployment, given_or_none, target_words

if TYPE_CHECKING:
    from .._compat import Context


def check_on_warnings(on_warnings: object) -> None:
    """Check what to do with the warnings of a dry run.

    :raises InvalidInputError: it is neither ``"log"`` nor ``"fail"``
    """
    if on_warnings not in ("log", "fail"):
        raise InvalidInputError(f"on_warnings must be 'log' or 'fail', not {on_warnings!r}.")


def refuse_problems(report: DryRunReport, on_warnings: str = "log") -> None:
    """Stop where a dry run found something wrong.

    :param report: what it found
    :param on_warnings: ``"fail"`` to stop where there are only warnings, too
    :raises DryRunFailedError: with all of it
    """
    warnings = report.warnings if on_warnings == "fail" else []
    if report.problems:
        found = " ".join([*report.problems, *warnings])
        raise DryRunFailedError(f"The dry run found problems; nothing was imported. {found}")
    if warnings:
        raise DryRunFailedError(
            f"The dry run has warnings; nothing was imported (on_warnings='fail'). {' '.join(warnings)}"
        )


class DryRunReleaseOperator(BaseOperator):
    """Tries an import without making a release, and fails on what would go wrong.

    That is: what the server reports; objects of the package that it would drop; and connections of the package that
    no object rule maps and that do not exist in the instance, each with the rule to write. It warns of parameterised
    datasets, which no import rule reaches. It writes nothing, so a retry or clear just tries again.

    API page: API Releases Create DryRun v4.

    :param deployment_id: the deployment: an int, a string of digits, or an XComArg (templated)
    :param deployment_name: its exact name, in place of the id (templated)
    :param package_path: as for :class:`.CreateReleaseOperator` (templated)
    :param package_uuid: the uuid that the package must have, such as ``export.output["package_uuid"]``; any package
        if it is left out (templated)
    :param trifacta_conn_id: the Airflow connection (templated)
    :param on_warnings: what to do where there are only warnings: ``"log"`` them, or ``"fail"``
    :returns: the report as a dict with ``package_uuid``, ``flows``, ``problems``, ``warnings``,
        ``import_rule_changes`` and ``deleted_objects``. XComs, pushed before the task fails: ``report`` (the same),
        ``report_text`` (for people, in Markdown), ``package_uuid``, ``deployment_id``, ``deployment_url``
    :raises AirflowFailException: problems were found (with ``on_warnings="fail"`` also warnings), or for errors that
        a retry cannot fix
    :raises TrifactaError: for the rest
    """

    template_fields: Sequence[str] = (
        "deployment_id",
        "deployment_name",
        "package_path",
        "package_uuid",
        "trifacta_conn_id",
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
        on_warnings: str = "log",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.package_path = package_path
        self.package_uuid = given_or_none(package_uuid)
        # A value that renders to nothing is an error, and not "not given".
        self._with_uuid = package_uuid is not NOT_GIVEN
        self.deployment_id = deployment_id
        self.deployment_name = deployment_name
        self.trifacta_conn_id = trifacta_conn_id
        self.on_warnings = on_warnings

    def execute(self, context: Context) -> dict[str, Any]:
        """Try the import and report."""
        with airflow_failures():
            check_on_warnings(self.on_warnings)
            given = check_target(self.deployment_id, self.deployment_name)
            where = target_words(self.deployment_id, self.deployment_name)
            self.log.info("Will try to import %s into %s, without making a release", self.package_path, where)
            with (
                open_source(self.package_path, self.package_uuid, with_uuid=self._with_uuid) as package,
                TrifactaHook(self.trifacta_conn_id).client as client,
            ):
                deployment_id = find_deployment(client, given, self.deployment_name)
                facts = Facts(context)
                facts.add(deployment_id=deployment_id, package_uuid=package.info.uuid)
                facts.add(**{DEPLOYMENT_URL_KEY: client.deployment_url(deployment_id)})
                report = dry_run(client, deployment_id, package)
            facts.add(report=report.as_dict(), report_text=report.as_text())
            self.log.info("%s", report.as_text())
            self.log.info(
                "Tried package %s on deployment %s: %s problems, %s warnings. What is live did not change",
                report.package_uuid,
                deployment_id,
                len(report.problems),
                len(report.warnings),
            )
            refuse_problems(report, self.on_warnings)
            return report.as_dict()
