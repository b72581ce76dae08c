"""What a flow package holds and what stands in the way of its promotion, told from the file alone."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

import pendulum

from ..client.models import comment_of
from ..client.texts import listed, quoted, shown, shown_within
from .contents import ContainedFlow, Output, Recipe
from .definition import PackageConnection
from .flow_package import FlowPackage
from .inputs import Input

#: The release whose new flow definition ended the import of older packages (Changes to the APIs, 6.8).
_NEW_DEFINITION = (6, 8)
#: Stands for what only the reader knows.
LOCAL_ID = "<id in production>"


@dataclass(frozen=True)
class MappedConnection(PackageConnection):
    """A connection of the package, and the object import rule that maps it; None if it has nothing to match on."""

    rule: dict[str, Any] | None


@dataclass(frozen=True)
class PackageReport:
    """A package as a person wants to see it before it is promoted. Every id is the *source* instance's."""

    file: str
    size: int
    sha256: str
    package_uuid: str
    exported_at: pendulum.DateTime | None
    product_version: str | None
    edition: str | None
    comment: str | None
    flows: list[ContainedFlow]
    inputs: list[Input]
    recipes: list[Recipe]
    outputs: list[Output]
    connections: list[MappedConnection]
    warnings: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON, in which no text is longer than people read."""
        at = self.exported_at
        told = {**asdict(self), "exported_at": at.isoformat(timespec="milliseconds") if at else None}
        return {name: shown_within(value) for name, value in told.items()}


def report_on(package: FlowPackage) -> PackageReport:
    """Report on an open package. No instance is asked.

    :param package: the open package
    :raises PackageChangedError: the file was written to since it was opened
    """
    info = package.info
    return PackageReport(
        file=package.name,
        size=package.size,
        sha256=package.sha256(),
        package_uuid=info.uuid,
        exported_at=info.exported_at,
        product_version=info.product_version,
        edition=info.edition,
        comment=comment_of(info.comment),
        flows=info.flows,
        inputs=info.inputs,
        recipes=info.recipes,
        outputs=info.outputs,
        connections=[MappedConnection(**vars(one), rule=_mapping_rule(one)) for one in info.connections],
        warnings=[
            *package.warnings,
            *_version_warnings(info.product_version),
            *_run_warnings(info.flows, info.outputs),
        ],
    )


def _mapping_rule(connection: PackageConnection) -> dict[str, Any] | None:
    """Write the object import rule that maps a connection, but for the id in production."""
    if connection.uuid is None and connection.id is None:
        return None
    condition = {"uuid": connection.uuid} if connection.uuid else {"id": str(connection.id)}
    return {"tableName": "connections", "onCondition": condition, "withCondition": {"id": LOCAL_ID}}


def _version_warnings(product_version: str | None) -> list[str]:
    release = re.match(r"(\d{1,4})\.(\d{1,4})", product_version or "")
    if release is None:
        return ["The package does not tell the release that exported it, so which ones import it is not known."]
    if (int(release[1]), int(release[2])) < _NEW_DEFINITION:
        what = f"Exported by {shown(product_version)}, before 6.8: no other release, build or edition imports it."
        return [f"{what} Unless production is just that, export the flow again from a newer one."]
    return []


def _run_warnings(flows: list[ContainedFlow], outputs: list[Output]) -> list[str]:
    primary = [flow for flow in flows if flow.primary]
    if not primary:
        return ["The package does not tell its primary flow, which is what a deployment runs."]
    # What is not known to be otherwise counts as a manual output of the flow: no false alarm.
    runnable = {output.flow_id for output in outputs if output.manual is not False}
    without = [quoted(flow.name) for flow in primary if not {flow.id, None} & runnable]
    if not without:
        return []
    advice = "Add one in the source instance and export the flow again."
    if len(without) == 1:
        return [f"The primary flow {without[0]} has no manual output, so a deployment cannot run it. {advice}"]
    return [f"Primary flows have no manual output, so a deployment cannot run them: {listed(without)}. {advice}"]
