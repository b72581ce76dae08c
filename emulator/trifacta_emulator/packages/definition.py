"""A flow definition as flat tables, and the product versions that write it.

Definitions of 6.0 to 6.4 have flat tables. From 6.8 on everything is nested in its flow [P]. Both
become the same tables here, so that an import knows one shape only.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeGuard

from trifacta_emulator.errors import ValidationError

Row = dict[str, Any]
Tables = dict[str, list[Row]]

#: From here on flows have the new object definition and the answers a new shape [R: D68 Changes to
#: the APIs].
NEW_FLOW_DEFINITION = (6, 8, 0)
#: Tables whose rows name a connection, as ``connectionId``.
USERS = ("datasources", "writesettings", "publications")

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:\+(.+))?")
# Our table name: its name in the flat form, its name within a flow.
_TABLES = {
    "flownodes": ("flownodes", "flownodes"),
    "flowedges": ("flowedges", "flowedges"),
    "recipes": ("editablescripts", "recipes"),
    "datasources": ("datasources", "datasources"),
    "outputobjects": ("outputobjects", "outputobjects"),
    "references": ("referenceinfos", "references"),
    "webhookflowtasks": ("webhookflowtasks", "webhookflowtasks"),
}
# What a storage location says. Its fullUri and hash follow from these, and a dataset of 6.8 repeats
# some.
_LOCATION = ("type", "bucket", "path", "host", "userinfo", "blobHost", "container")
_PARAMETER_EDIT = ("insertionIndices", "value", "id", "overrideKey")


def rows_where(rows: Iterable[Row], column: str, value: object) -> list[Row]:
    """Select the rows that have a value in a column.

    :param rows: the rows of a table; each has the column
    :param column: name of the column
    :param value: the wanted value
    """
    return [row for row in rows if row[column] == value]


def rows_among(
    rows: Iterable[Row],
    column: str,
    values: Container[object],
) -> list[Row]:
    """Select the rows that have one of several values in a column.

    :param rows: the rows of a table; each has the column
    :param column: name of the column
    :param values: the wanted values
    """
    return [row for row in rows if row[column] in values]


def ids_of(rows: Iterable[Row]) -> set[int]:
    """Collect the ids of rows.

    :param rows: the rows of a table
    """
    return {row["id"] for row in rows}


def rows_by(rows: Iterable[Row], column: str) -> dict[Any, Row]:
    """Index rows by a column. The last one of several wins.

    :param rows: the rows of a table; each has the column
    :param column: name of the column
    """
    return {row[column]: row for row in rows}


def rows_with_connection(tables: Tables) -> list[Row]:
    """Select the rows that name a connection, as ``connectionId``.

    :param tables: the flows of one package
    """
    rows = []
    for table in USERS:
        for row in tables[table]:
            if isinstance(row.get("connectionId"), int):
                rows.append(row)
    return rows


def copied(tables: Tables) -> Tables:
    """Copy tables, so that a change of a row does not change the original.

    :param tables: the flows of one package
    """
    copies: Tables = {}
    for table, rows in tables.items():
        copies[table] = [dict(row) for row in rows]
    return copies


class Version(NamedTuple):
    """A product version such as ``6.8.0+186.20191205223719.226ea1c``.

    :param release: major, minor and patch number
    :param build: the part after the ``+``, or ``""``
    """

    release: tuple[int, int, int]
    build: str

    def __str__(self) -> str:
        text = ".".join(map(str, self.release))
        if self.build:
            return f"{text}+{self.build}"
        return text


@dataclass(frozen=True)
class Connection:
    """A connection as a package describes it, without secrets.

    :param id: id on the exporting instance
    :param name: display name
    :param uuid: object import rules match on it
    :param type: e.g. ``jdbc``
    :param vendor: e.g. ``postgres``; generation 6.0 does not write it
    """

    id: int
    name: str
    uuid: str
    type: str = "jdbc"
    vendor: str = "postgres"

    def described(self, *, flat: bool) -> Row:
        """Describe the connection as a definition does.

        :param flat: in the flat form, which has no vendor
        """
        row = {
            "id": self.id,
            "name": self.name,
            "description": "",
            "type": self.type,
            "isGlobal": False,
            "credentialType": "basic",
            "credentialsShared": True,
            "uuid": self.uuid,
            "disableTypeInference": False,
        }
        if not flat:
            row["vendor"] = self.vendor
        return row


@dataclass(frozen=True)
class Package:
    """A flow package as read, with the ids of the exporting instance.

    :param uuid: ``metadata.uuid``; new at each export
    :param version: ``metadata.trifactaVersion``
    :param edition: ``metadata.edition``, or ``""``
    :param comment: ``metadata.comment``, or ``""``; exports before 7.1 have none
    :param primary_flow_ids: ``metadata.primaryFlowIds``
    :param tables: rows by table: flows, flownodes, flowedges, recipes, datasources,
        storagelocations, relationalsources, outputobjects, writesettings, publications, references,
        webhookflowtasks, connections
    """

    uuid: str
    version: Version
    edition: str
    comment: str
    primary_flow_ids: tuple[int, ...]
    tables: Tables

    @property
    def primary_flow_name(self) -> str:
        """Name of the first primary flow."""
        flows = rows_by(self.tables["flows"], "id")
        primary = flows[self.primary_flow_ids[0]]
        return str(primary["name"])


def parse_version(text: str) -> Version:
    """Read a version.

    :param text: ``major.minor[.patch][+build]``
    :raises ValueError: it is something else
    """
    match = _VERSION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a product version: {text!r}")
    major, minor, patch, build = match.groups()
    release = (int(major), int(minor), int(patch or 0))
    return Version(release, build or "")


def why_not_importable(
    exporter: Version,
    edition: str,
    product: Version,
    product_edition: str,
) -> str | None:
    """Apply the version rules of the vendor's page *Import Flow* [R: SMC87, SMC97 import-flow, D51
    overview].

    :param exporter: version that made the package
    :param edition: edition that made the package
    :param product: version of the instance
    :param product_edition: edition of the instance
    :returns: why the instance refuses the package, or ``None``
    """
    if exporter.release > product.release:
        return (
            f"the package was exported from release {exporter}, which is later than this one"
            f" ({product})"
        )
    if product.release >= NEW_FLOW_DEFINITION:
        if exporter.release < NEW_FLOW_DEFINITION:
            return (
                f"packages exported before 6.8 (this one: {exporter}) cannot be imported into"
                f" {product}"
            )
        return None
    if exporter.release != product.release or edition != product_edition:
        return f"exported from {edition} {exporter}, but this is {product_edition} {product}"
    # Without a build in the options there is nothing to compare: our choice [?].
    if product.build and exporter.build != product.build:
        return f"exported from build {exporter.build!r}, but this is build {product.build!r}"
    return None


def read_definition(document: Any) -> Package:
    """Read and check a flow definition.

    :param document: the parsed JSON or JSON5. The package takes parts of it over
    :raises ValidationError: it is no definition of a flow, or is not complete
    """
    metadata = _object(document, "metadata")
    data = _object(document, "data")
    if document.get("type", "flow") != "flow":
        raise ValidationError(f"Not a flow package but a package of type {cut(document['type'])!r}")
    try:
        version = parse_version(_text(metadata, "trifactaVersion"))
    except ValueError as error:
        raise ValidationError(f"metadata.trifactaVersion: {cut(error)}") from error
    tables = _tables(data)
    primary_flow_ids = metadata.get("primaryFlowIds")
    if not _are_flows(primary_flow_ids, tables):
        raise ValidationError(
            f"metadata.primaryFlowIds names no flow of the package: {cut(primary_flow_ids)}"
        )
    return Package(
        uuid=_text(metadata, "uuid"),
        version=version,
        edition=_text_or_empty(metadata, "edition"),
        comment=_text_or_empty(metadata, "comment"),
        primary_flow_ids=tuple(primary_flow_ids),
        tables=tables,
    )


def _are_flows(flow_ids: Any, tables: Tables) -> TypeGuard[list[int]]:
    """Tell whether a value is a list of ids of flows, with at least one."""
    if not isinstance(flow_ids, list) or not flow_ids:
        return False
    known = ids_of(tables["flows"])
    return all(isinstance(flow_id, int) and flow_id in known for flow_id in flow_ids)


def cut(text: object) -> str:
    """Shorten a text of a package for an error message, so that an answer never repeats a whole
    package.

    :param text: what the package says
    """
    return str(text)[:200]


def _tables(data: Row) -> Tables:
    flows = _rows(data, "flows")
    for flow in flows:
        _text(flow, "name")
    tables: Tables = {"flows": flows, "connections": _rows(data, "connections")}
    # In the nested form each flow holds its own nodes.
    if "flownodes" in data:
        tables |= _flat_tables(data)
    else:
        tables |= _nested_tables(flows)
    locations = []
    for location in tables["storagelocations"]:
        columns = {column: location.get(column) for column in _LOCATION}
        locations.append({"id": location["id"], **columns})
    tables["storagelocations"] = locations
    return tables


def _flat_tables(data: Row) -> Tables:
    tables: Tables = {}
    for table, (flat_name, _) in _TABLES.items():
        tables[table] = _rows(data, flat_name)
    for table in ("storagelocations", "relationalsources", "writesettings", "publications"):
        tables[table] = _rows(data, table)
    _put_parameters_within(tables["datasources"], data)
    return tables


def _nested_tables(flows: list[Row]) -> Tables:
    tables: Tables = {}
    for table, (_, nested_name) in _TABLES.items():
        tables[table] = []
        for flow in flows:
            for row in _rows(flow, nested_name):
                tables[table].append({**row, "flowId": flow["id"]})
    tables |= _within_datasources(tables["datasources"])
    tables |= _within_outputs(tables["outputobjects"])
    return tables


def _put_parameters_within(sources: list[Row], data: Row) -> None:
    # The nested form has parameters within their dataset, and the current value within the
    # parameter [P].
    edits = rows_by(_rows(data, "runparameteredits"), "id")
    parameters: dict[int, list[Row]] = {}
    for row in _rows(data, "runparameters"):
        dataset_id = row.get("datasourceId")
        edit_id = row.get("runParameterEditId")
        if not isinstance(dataset_id, int) or not isinstance(edit_id, int):
            continue
        if edit_id in edits:
            edit = {column: edits[edit_id].get(column) for column in _PARAMETER_EDIT}
            parameter = {
                "id": row["id"],
                "type": row.get("type"),
                "runParameterEdit": edit,
            }
            parameters.setdefault(dataset_id, []).append(parameter)
    for source in sources:
        # When several datasets have the same id, the first one gets the parameters.
        source["runParameters"] = parameters.pop(source["id"], [])


def _within_datasources(sources: list[Row]) -> Tables:
    # Several datasets may share a location [P].
    locations: dict[int, Row] = {}
    relational: list[Row] = []
    for source in sources:
        location = source.pop("storageLocation", None)
        if _has_id(location):
            locations.setdefault(location["id"], location)
            source["storageLocationId"] = location["id"]
        table = source.pop("relationalsource", None)
        if _has_id(table):
            relational.append({**table, "datasourceId": source["id"]})
    return {"storagelocations": list(locations.values()), "relationalsources": relational}


def _within_outputs(outputs: list[Row]) -> Tables:
    tables: Tables = {"writesettings": [], "publications": []}
    for output in outputs:
        for table, rows in tables.items():
            for row in _rows(output, table):
                rows.append({**row, "outputObjectId": output["id"]})
            output.pop(table, None)
    return tables


def _has_id(row: Any) -> TypeGuard[Row]:
    return isinstance(row, dict) and isinstance(row.get("id"), int)


def _rows(parent: Row, key: str) -> list[Row]:
    rows = parent.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValidationError(f"{key} of the flow definition is not a list of objects")
    for row in rows:
        if not _has_id(row):
            raise ValidationError(f"{key} of the flow definition holds an object without an id")
        if not isinstance(row.get("uuid"), (str, type(None))):
            raise ValidationError(
                f"{key} of the flow definition holds an object whose uuid is not a string"
            )
    return rows


def _object(document: Any, key: str) -> Row:
    part = None
    if isinstance(document, dict):
        part = document.get(key)
    if not isinstance(part, dict):
        raise ValidationError(f"The flow definition has no {key}")
    return part


def _text(parent: Row, key: str) -> str:
    text = parent.get(key)
    if not isinstance(text, str) or not text:
        raise ValidationError(f"The flow definition has no {key}")
    return text


def _text_or_empty(parent: Row, key: str) -> str:
    text = parent.get(key)
    if not isinstance(text, str):
        return ""
    return text
