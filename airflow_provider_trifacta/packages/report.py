"""Reports what a flow package holds, and what prevents its promotion, from the file alone."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

import pendulum

from ..client.gate import storable
from ..client.models import comment_of
from ..client.texts import listed, quoted, shown, shown_within
from .contents import Input, Output, Recipe
from .definition import ContainedFlow, PackageConnection
from .flow_package import FlowPackage

#: The release whose new flow definition ended the import of older packages (Changes to the APIs,
#: 6.8).
_NEW_DEFINITION = (6, 8)
#: Placeholder for an id that the reader has to fill in.
LOCAL_ID = "<id in production>"


@dataclass(frozen=True)
class MappedConnection(PackageConnection):
    """A connection of the package, and the object import rule that maps it; None if no id or uuid
    identifies it.
    """

    rule: dict[str, Any] | None


@dataclass(frozen=True)
class PackageReport:
    """A package as a person wants to see it before a promotion. Every id belongs to the *source*
    instance.
    """

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
        """Return it as plain JSON, with long texts cut."""
        at = self.exported_at
        told = {
            **asdict(self),
            "exported_at": at.isoformat(timespec="milliseconds") if at else None,
        }
        return dict(storable(shown_within(told)))


def report_on(package: FlowPackage) -> PackageReport:
    """Report on an open package. This sends no request.

    :param package: the open package
    :raises PackageChangedError: the file was changed after it was opened
    """
    info, contents = package.info, package.contents
    known = {**vars(info), **vars(contents), "comment": comment_of(info.comment)}
    known["connections"] = [
        MappedConnection(**vars(one), rule=_mapping_rule(one)) for one in info.connections
    ]
    known["warnings"] = [
        *package.warnings,
        *_version_warnings(info.product_version),
        *_run_warnings(info.flows, contents.outputs),
    ]
    return PackageReport(package.name, package.size, package.sha256(), known.pop("uuid"), **known)


def _mapping_rule(connection: PackageConnection) -> dict[str, Any] | None:
    """Write the object import rule that maps a connection, with a placeholder for the id in
    production.
    """
    if connection.uuid is None and connection.id is None:
        return None
    condition = {"uuid": connection.uuid} if connection.uuid else {"id": str(connection.id)}
    return {"tableName": "connections", "onCondition": condition, "withCondition": {"id": LOCAL_ID}}


def _version_warnings(product_version: str | None) -> list[str]:
    release = re.match(r"(\d{1,4})\.(\d{1,4})", product_version or "")
    if release is None:
        unknown = (
            "The package does not say which release exported it, so it is unknown which releases"
            " import it."
        )
        return [unknown]
    if (int(release[1]), int(release[2])) < _NEW_DEFINITION:
        what = (
            f"Exported by {shown(product_version)}, before 6.8: only that release, build and"
            " edition imports it."
        )
        return [f"{what} If production is another one, export the flow again from a newer release."]
    return []


def _run_warnings(flows: list[ContainedFlow], outputs: list[Output]) -> list[str]:
    primary = [flow for flow in flows if flow.primary]
    if not primary:
        unknown = (
            "The package does not say which flow is primary, and a deployment runs the primary"
            " flow."
        )
        return [unknown]
    # An output that may be manual, and may be of this flow, counts: a false alarm would be worse.
    runnable = {output.flow_id for output in outputs if output.manual is not False}
    without = [quoted(flow.name) for flow in primary if not {flow.id, None} & runnable]
    if not without:
        return []
    advice = "Add one in the source instance and export the flow again."
    if len(without) == 1:
        what = f"The primary flow {without[0]} has no manual output"
        return [f"{what}, so a deployment cannot run it. {advice}"]
    what = "Primary flows have no manual output, so a deployment cannot run them"
    return [f"{what}: {listed(without)}. {advice}"]
