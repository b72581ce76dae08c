"""The gate: what an import would do, and what would go wrong, found out without importing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import BadRequestError, TrifactaError, UnexpectedResponseError
from .models import dropped_objects
from .rule_sets import is_mapped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .client import TrifactaClient
    from .package import FlowPackage


@dataclass(frozen=True)
class DryRunReport:
    """What a dry run found. ``problems`` is empty when the import may go ahead."""

    package_uuid: str
    flows: list[str]
    problems: list[str]
    warnings: list[str]
    import_rule_changes: Any = field(default_factory=dict)
    deleted_objects: Any = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON, for XCom."""
        return {
            "package_uuid": self.package_uuid,
            "flows": self.flows,
            "problems": self.problems,
            "warnings": self.warnings,
            "import_rule_changes": self.import_rule_changes,
            "deleted_objects": self.deleted_objects,
        }

    def as_text(self) -> str:
        """Return it for people, in Markdown: the body of an approval."""
        lines = [f"Import of package `{self.package_uuid}` (flows: {', '.join(self.flows) or 'unknown'})", ""]
        for title, entries in (("Problems", self.problems), ("Warnings", self.warnings)):
            if entries:
                lines += [f"**{title}**", "", *(f"* {entry}" for entry in entries), ""]
        changes = (
            [
                f"* {kind}: {json.dumps(change, default=str)}"
                for kind, entries in (self.import_rule_changes or {}).items()
                for change in entries or []
            ]
            if isinstance(self.import_rule_changes, dict)
            else []
        )
        lines += ["**Changed by import rules**", "", *(changes or ["* nothing"]), ""]
        if not self.problems:
            lines.append("The dry run found no problem.")
        return "\n".join(lines).strip()


def dry_run(client: TrifactaClient, deployment_id: int, package: FlowPackage) -> DryRunReport:
    """Try an import without making a release (API Releases Create DryRun v4).

    Besides what the server reports, the package's connections are checked: each must be mapped by an object rule or
    exist in the instance, else the release's jobs fail later.

    :param deployment_id: the deployment
    :param package: the open package
    :raises TrifactaError: the dry run could not be made; what it found wrong is in the report
    """
    info = package.info
    problems: list[str] = []
    warnings: list[str] = []
    answer: Mapping[str, Any] = {}
    try:
        answer = client.releases.dry_run(deployment_id, package.body())
    except BadRequestError as error:
        problems.append(str(error))
    problems += _reported_errors(answer)
    dropped = dropped_objects(answer.get("deletedObjects"))
    if dropped:
        problems.append(f"The import would drop objects of the package: {json.dumps(dropped, default=str)}.")
    unmapped, unchecked = _unmapped_connections(client, deployment_id, package)
    problems += unmapped
    warnings += unchecked
    return DryRunReport(
        package_uuid=info.uuid,
        flows=info.flow_names,
        problems=problems,
        warnings=warnings,
        import_rule_changes=answer.get("importRuleChanges") or {},
        deleted_objects=answer.get("deletedObjects") or {},
    )


def _reported_errors(answer: Mapping[str, Any]) -> list[str]:
    """Return errors inside a successful answer; where the API puts them is not documented."""
    found = [answer[key] for key in ("exception", "error", "errors") if answer.get(key)]
    return [f"The dry run reports: {json.dumps(one, default=str)}" for one in found]


def _unmapped_connections(
    client: TrifactaClient, deployment_id: int, package: FlowPackage
) -> tuple[list[str], list[str]]:
    connections = package.info.connections
    if not connections:
        return [], []
    try:
        rules = [rule.rule for rule in client.import_rules.list(deployment_id, "object")]
        local = {connection.uuid for connection in client.connections.list()}
    except (TrifactaError, UnexpectedResponseError) as error:
        if error.transient:
            raise
        return [], [f"Whether the package's connections are mapped could not be checked: {error}"]
    problems = []
    for connection in connections:
        if connection.uuid in local or is_mapped(connection, rules):
            continue
        rule = {"onCondition": {"uuid": connection.uuid}, "withCondition": {"id": "<id of the connection here>"}}
        problems.append(
            f"The package's connection {connection.name!r} ({connection.type}, uuid {connection.uuid}) does not exist "
            f"here and no object rule maps it. Add the rule {json.dumps(rule)}."
        )
    return problems, []
