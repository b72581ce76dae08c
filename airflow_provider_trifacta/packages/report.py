"""What a flow package holds and what stands in the way of its promotion, told from the file alone.

Packages differ by the exporter's release: before 6.8 all rows are in tables of the whole package, since then most are
within their flow. Both are read. A table that is missing, or not as expected, counts as empty.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pendulum

from ..client.models import comment_of
from .definition import PackageConnection
from .flow_package import FlowPackage
from .inputs import Input
from .rows import everywhere, id_of, rows_of, sortable, text_of

#: The release whose new flow definition ended the import of older packages (Changes to the APIs, 6.8).
_NEW_DEFINITION = (6, 8)
#: Stands for what only the reader knows.
LOCAL_ID = "<id in production>"


@dataclass(frozen=True)
class ContainedFlow:
    """A flow of the package. A deployment runs its primary one."""

    id: int | None
    name: str | None
    primary: bool


@dataclass(frozen=True)
class Recipe:
    """A recipe. Datasets, whose parsing the package keeps in the same table, are none."""

    id: int | None
    name: str | None
    flow_id: int | None


@dataclass(frozen=True)
class Target:
    """What an output writes: a file, or a table.

    :param kind: ``file`` or ``table``
    :param path: path of the file; database, schema and name of the table, with dots between
    :param format: format of the file, or the type of database
    :param action: what happens to what is there, such as ``append``
    :param connection: name of the package's connection that it is written through
    """

    kind: str
    path: str | None
    format: str | None
    action: str | None
    connection: str | None


@dataclass(frozen=True)
class Output:
    """An output of a recipe. ``manual`` (to Trifacta: ad hoc) ones are what a deployment runs; None: not told."""

    id: int | None
    recipe: str | None
    flow_id: int | None
    manual: bool | None
    targets: list[Target]


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
        """Return it as plain JSON."""
        at = self.exported_at
        return {**asdict(self), "exported_at": at.isoformat(timespec="milliseconds") if at else None}


def report_on(package: FlowPackage) -> PackageReport:
    """Report on an open package. No instance is asked.

    :param package: the open package
    :raises PackageFormatError: the file was written to since it was opened
    """
    definition, info = package.definition(), package.info
    metadata, data = definition["metadata"], definition.get("data")
    flows = _flows(data, metadata.get("primaryFlowIds"))
    recipes = _recipes(data)
    outputs = _outputs(data, recipes, info.connections)
    return PackageReport(
        file=package.name,
        size=package.size,
        sha256=package.sha256(),
        package_uuid=info.uuid,
        exported_at=info.exported_at,
        product_version=info.product_version,
        edition=info.edition,
        comment=comment_of(text_of(metadata.get("comment"))),
        flows=flows,
        inputs=info.inputs,
        recipes=sorted(recipes.values(), key=lambda recipe: sortable(recipe.name)),
        outputs=outputs,
        connections=[MappedConnection(**vars(one), rule=_mapping_rule(one)) for one in info.connections],
        warnings=[*package.warnings, *_version_warnings(info.product_version), *_run_warnings(flows, outputs)],
    )


def _flows(data: object, primary_ids: object) -> list[ContainedFlow]:
    primary = {id_of(one) for one in primary_ids} - {None} if isinstance(primary_ids, list) else set()
    return [
        ContainedFlow(id_of(row.get("id")), text_of(row.get("name")), id_of(row.get("id")) in primary)
        for row in rows_of(data, "flows")
    ]


def _recipes(data: object) -> dict[int | None, Recipe]:
    """Return the recipes by the node of the flow that they stand at."""
    nodes = list(everywhere(data, "flownodes"))
    scripts = [row for table in ("editablescripts", "recipes") for _, row in everywhere(data, table)]
    names = {id_of(row.get("id")): text_of(row.get("name")) for row in scripts}
    datasets = {None} | {id_of(row.get("parsingScriptId")) for _, row in everywhere(data, "datasources")}
    datasets |= {id_of(node.get("scriptId")) for _, node in nodes if node.get("wrangled") is False}
    return {
        id_of(node.get("id")): Recipe(script, names[script], flow)
        for flow, node in nodes
        if (script := id_of(node.get("scriptId"))) in names and script not in datasets
    }


def _outputs(data: object, recipes: Mapping[int | None, Recipe], connections: list[PackageConnection]) -> list[Output]:
    names: dict[int | None, str | None] = {one.id: one.name for one in connections if one.id is not None}
    apart = defaultdict(list)
    for kind in _TARGETS:
        for row in rows_of(data, kind):
            apart[id_of(row.get("outputObjectId"))].append((kind, row))
    outputs = []
    for flow, row in everywhere(data, "outputobjects"):
        output_id, manual, recipe = id_of(row.get("id")), row.get("isAdhoc"), recipes.get(id_of(row.get("flowNodeId")))
        found = [(kind, target) for kind in _TARGETS for target in rows_of(row, kind)]
        found += apart.get(output_id, []) if output_id is not None else []
        outputs.append(
            Output(
                id=output_id,
                recipe=recipe.name if recipe else None,
                flow_id=recipe.flow_id if recipe else flow,
                manual=manual if isinstance(manual, bool) else None,
                targets=[_TARGETS[kind](one, names.get(id_of(one.get("connectionId")))) for kind, one in found],
            )
        )
    return sorted(outputs, key=lambda output: (sortable(output.recipe), not output.manual))


def _file(row: Mapping[str, Any], connection: str | None) -> Target:
    path, form, action = (text_of(row.get(key)) for key in ("path", "format", "action"))
    return Target("file", path, form, action, connection)


def _table(row: Mapping[str, Any], connection: str | None) -> Target:
    within = row.get("path")
    parts = [*(within if isinstance(within, list) else [within]), row.get("tableName")]
    path = ".".join(part for part in parts if isinstance(part, str) and part) or None
    return Target("table", path, text_of(row.get("targetType")), text_of(row.get("action")), connection)


#: How to read what an output writes, by table.
_TARGETS = {"writesettings": _file, "publications": _table}


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
        what = f"Exported by {product_version}, before 6.8: no other release, build or edition imports it."
        return [f"{what} Unless production is just that, export the flow again from a newer one."]
    return []


def _run_warnings(flows: list[ContainedFlow], outputs: list[Output]) -> list[str]:
    primary = [flow for flow in flows if flow.primary]
    if not primary:
        return ["The package does not tell its primary flow, which is what a deployment runs."]
    # What is not known to be otherwise counts as a manual output of the flow: no false alarm.
    runnable = {output.flow_id for output in outputs if output.manual is not False}
    return [
        f"The primary flow {flow.name!r} has no manual output, so a deployment cannot run it. Add one in the source "
        "instance and export the flow again."
        for flow in primary
        if not {flow.id, None} & runnable
    ]
