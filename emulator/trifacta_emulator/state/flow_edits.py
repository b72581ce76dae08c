"""Changes that an author makes to a flow in the UI."""

from __future__ import annotations

from trifacta_emulator.errors import ValidationError
from trifacta_emulator.packages.content import place
from trifacta_emulator.packages.definition import Row, Tables
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
    for field, value in {
        "name": name,
        "dataset_path": dataset_path,
        "output_path": output_path,
    }.items():
        if value == "":
            raise ValidationError(f"{field} must not be empty")
    tables = {table: [dict(row) for row in rows] for table, rows in tables.items()}
    owned = owners(tables)
    outputs = [
        row for row in tables["outputobjects"] if owned["outputobjects"][row["id"]] == flow_id
    ]
    changes = {"name": name, "description": description}
    flow = next(row for row in tables["flows"] if row["id"] == flow_id)
    flow.update({field: value for field, value in changes.items() if value is not None})
    if dataset_path is not None:
        sources = [
            row for row in tables["datasources"] if owned["datasources"][row["id"]] == flow_id
        ]
        _read_file(tables, _first(sources, flow_id, "dataset"), dataset_path)
    if output_path is not None:
        ids = {row["id"] for row in outputs}
        settings = [row for row in tables["writesettings"] if row["outputObjectId"] in ids]
        _first(settings, flow_id, "output to a file")["path"] = output_path
    if adhoc_output is not None:
        # Without this check the missing output would show much later, when a deployment does not
        # run.
        if adhoc_output:
            _first(outputs, flow_id, "output")
        for row in outputs:
            row["isAdhoc"] = adhoc_output
    return tables


def _first(rows: list[Row], flow_id: int, what: str) -> Row:
    if not rows:
        raise ValidationError(f"flows {flow_id} has no {what}")
    return rows[0]


def _read_file(tables: Tables, source: Row, path: str) -> None:
    tables["relationalsources"] = [
        row for row in tables["relationalsources"] if row["datasourceId"] != source["id"]
    ]
    source |= {
        "isDynamic": False,
        "isDynamicOrConverted": False,
        "dynamicPath": None,
        "runParameters": [],
    }
    for location in tables["storagelocations"]:
        if location["id"] == source["storageLocationId"]:
            location |= place(path)
