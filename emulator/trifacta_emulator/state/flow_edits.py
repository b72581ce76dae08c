"""Changes that an author makes to a flow in the UI."""

from __future__ import annotations

from trifacta_emulator.errors import ValidationError
from trifacta_emulator.packages.content import place
from trifacta_emulator.packages.definition import (
    Row,
    Tables,
    copied,
    ids_of,
    rows_among,
    rows_where,
)
from trifacta_emulator.packages.writer import owners


def edited(
    tables: Tables,
    flow_id: int,
    *,
    name: str | None = None,
    description: str | None = None,
    dataset_path: str | None = None,
    output_path: str | None = None,
    adhoc_output: bool | None = None,
) -> Tables:
    """Change a flow. ``None`` = no change.

    :param tables: the flow, with everything in its package; they are not changed
    :param flow_id: its id
    :param name: new display name
    :param description: new free text
    :param dataset_path: new file of its first dataset, in place of a file, a table or a path with
        parameters
    :param output_path: new file of its first output
    :param adhoc_output: whether its outputs are manual
    :returns: the tables with the changes
    :raises ValidationError: a value is empty, or there is no dataset or output to change
    """
    required = {
        "name": name,
        "dataset_path": dataset_path,
        "output_path": output_path,
    }
    for field, text in required.items():
        if text == "":
            raise ValidationError(f"{field} must not be empty")
    tables = copied(tables)
    flow = rows_where(tables["flows"], "id", flow_id)[0]
    if name is not None:
        flow["name"] = name
    if description is not None:
        flow["description"] = description
    outputs = _owned(tables, "outputobjects", flow_id)
    if dataset_path is not None:
        datasets = _owned(tables, "datasources", flow_id)
        _read_file(tables, _first(datasets, flow_id, "dataset"), dataset_path)
    if output_path is not None:
        settings = rows_among(tables["writesettings"], "outputObjectId", ids_of(outputs))
        first = _first(settings, flow_id, "output to a file")
        first["path"] = output_path
    if adhoc_output is not None:
        # Without this check the missing output would show much later, when a deployment does not
        # run.
        if adhoc_output:
            _first(outputs, flow_id, "output")
        for output in outputs:
            output["isAdhoc"] = adhoc_output
    return tables


def _owned(tables: Tables, table: str, flow_id: int) -> list[Row]:
    """Return the rows of a table that belong to a flow."""
    flow_of = owners(tables)[table]
    return [row for row in tables[table] if flow_of[row["id"]] == flow_id]


def _first(rows: list[Row], flow_id: int, kind: str) -> Row:
    if not rows:
        raise ValidationError(f"flows {flow_id} has no {kind}")
    return rows[0]


def _read_file(tables: Tables, dataset: Row, path: str) -> None:
    """Let a dataset read a file, in place of a table or of a path with parameters."""
    for source in rows_where(tables["relationalsources"], "datasourceId", dataset["id"]):
        tables["relationalsources"].remove(source)
    dataset["isDynamic"] = False
    dataset["isDynamicOrConverted"] = False
    dataset["dynamicPath"] = None
    dataset["runParameters"] = []
    for location in rows_where(tables["storagelocations"], "id", dataset["storageLocationId"]):
        location |= place(path)
