"""Reports what a flow package holds, and what prevents its promotion, from the file alone."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

import pendulum

from ..client.foreign_words import storable
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
        plain = asdict(self)
        if self.exported_at:
            plain["exported_at"] = self.exported_at.isoformat(timespec="milliseconds")
        return dict(storable(shown_within(plain)))


def report_on(package: FlowPackage) -> PackageReport:
    """Report on an open package. This sends no request.

    :param package: the open package
    :raises PackageChangedError: the file was changed after it was opened
    """
    info = package.info
    contents = package.contents
    warnings = [
        _version_warning(info.product_version),
        _run_warning(info.flows, contents.outputs),
    ]
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
        inputs=contents.inputs,
        recipes=contents.recipes,
        outputs=contents.outputs,
        connections=[_with_rule(connection) for connection in info.connections],
        warnings=[*package.warnings, *filter(None, warnings)],
    )


def _with_rule(connection: PackageConnection) -> MappedConnection:
    return MappedConnection(**vars(connection), rule=_mapping_rule(connection))


def _mapping_rule(connection: PackageConnection) -> dict[str, Any] | None:
    """Write the object import rule that maps a connection, with a placeholder for the id in
    production.
    """
    if connection.uuid is None and connection.id is None:
        return None
    condition = {"uuid": connection.uuid} if connection.uuid else {"id": str(connection.id)}
    return {"tableName": "connections", "onCondition": condition, "withCondition": {"id": LOCAL_ID}}


def _version_warning(product_version: str | None) -> str | None:
    release = re.match(r"(\d{1,4})\.(\d{1,4})", product_version or "")
    if release is None:
        return (
            "The package does not say which release exported it, so it is unknown which releases"
            " import it."
        )
    if (int(release[1]), int(release[2])) < _NEW_DEFINITION:
        return (
            f"Exported by {shown(product_version)}, before 6.8: only that release, build and"
            " edition imports it. If production is another one, export the flow again from a newer"
            " release."
        )
    return None


def _run_warning(flows: list[ContainedFlow], outputs: list[Output]) -> str | None:
    primary = [flow for flow in flows if flow.primary]
    if not primary:
        return (
            "The package does not say which flow is primary, and a deployment runs the primary"
            " flow."
        )
    # An output that may be manual, and may be of this flow, counts: a false alarm would be worse.
    runnable = {output.flow_id for output in outputs if output.manual is not False}
    without = [quoted(flow.name) for flow in primary if flow.id not in runnable]
    if not without or None in runnable:
        return None
    advice = "Add one in the source instance and export the flow again."
    if len(without) == 1:
        return (
            f"The primary flow {without[0]} has no manual output, so a deployment cannot run it."
            f" {advice}"
        )
    return (
        "Primary flows have no manual output, so a deployment cannot run them:"
        f" {listed(without)}. {advice}"
    )
