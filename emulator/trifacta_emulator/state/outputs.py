"""What a job group reads and writes, and the jobs that it needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from trifacta_emulator.packages.definition import (
    Row,
    Tables,
    ids_of,
    rows_among,
    rows_by,
    rows_where,
)

#: The API has both spellings: the later one is ``writesettings`` [P: AAC25, VC], another page has
#: ``writeSettings`` [R: D68 API JobGroups Create v4].
_LATER_SETTINGS = "writesettings"
_SETTINGS = "writeSettings"


@dataclass(frozen=True)
class Output:
    """An output of a recipe, as one run makes it.

    :param recipe_id: the recipe
    :param execution: the engine, e.g. ``photon``
    :param profiler: whether a profile is made
    :param files: settings of the files that it writes
    :param tables: publications, one for each table that it writes
    """

    recipe_id: int
    execution: str | None
    profiler: bool
    files: tuple[Row, ...] = ()
    tables: tuple[Row, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it writes nothing."""
        return not self.files and not self.tables


def manual_outputs(tables: Tables, flow_ids: Collection[int]) -> list[Output]:
    """Find the manual outputs of flows.

    :param tables: the flows of one package
    :param flow_ids: the wanted ones
    """
    node_ids = ids_of(rows_among(tables["flownodes"], "flowId", flow_ids))
    outputs = []
    for row in rows_among(tables["outputobjects"], "flowNodeId", node_ids):
        if not row.get("isAdhoc"):
            continue
        files = rows_where(tables["writesettings"], "outputObjectId", row["id"])
        publications = rows_where(tables["publications"], "outputObjectId", row["id"])
        output = Output(
            recipe_id=row["flowNodeId"],
            execution=row.get("execution"),
            profiler=bool(row.get("profiler")),
            files=tuple(files),
            tables=tuple(publications),
        )
        outputs.append(output)
    return outputs


def overridden(output: Output, overrides: Mapping[str, Any]) -> Output:
    """Apply the overrides of a run.

    The settings of the request replace those of the output [P: AAC25]. "Override values applied to
    a job are not validated" [R: D68 API JobGroups Create v4].

    :param output: the output of the flow
    :param overrides: ``execution``, ``profiler``, ``writesettings``, ``publications``. Others
        change nothing [?]
    """
    files = overrides.get(_LATER_SETTINGS, overrides.get(_SETTINGS))
    tables = overrides.get("publications")
    if files is not None or tables is not None:
        # What the request does not name is not written: our choice [?].
        files = tuple(files or ())
        tables = tuple(tables or ())
        output = replace(output, files=files, tables=tables)
    execution = overrides.get("execution", output.execution)
    profiler = overrides.get("profiler", output.profiler)
    return replace(output, execution=execution, profiler=bool(profiler))


def jobs_of(output: Output) -> list[tuple[str, Row | None]]:
    """List the jobs of a job group: the type, and the setting of a file writer.

    The words are the API's [P: DBT, AAC25]. Which jobs a job group has is our choice [?].

    :param output: what it makes
    """
    jobs: list[tuple[str, Row | None]] = [("wrangle", None)]
    for setting in output.files:
        jobs.append(("filewriter", setting))
    for _ in output.tables:
        jobs.append(("publish", None))
    if output.profiler:
        jobs.append(("profile", None))
    return jobs


def read_by(
    tables: Tables,
    flow_name: str,
    vendors: Mapping[int, str],
) -> dict[str, Any]:
    """Write the answer to ``/inputs`` [P: AAC25]. All inputs stand under one flow: our choice [?].

    For a job that reads files some instances answer 400 ``DataServiceInvalidRequest`` [P: AYX].
    Here a fault does that.

    :param tables: the flows of one package
    :param flow_name: the flow that runs
    :param vendors: vendor of each connection of the instance, by its id
    """
    locations = rows_by(tables["storagelocations"], "id")
    relational = rows_by(tables["relationalsources"], "datasourceId")
    inputs: list[Row] = []
    for dataset in tables["datasources"]:
        location = locations.get(dataset["storageLocationId"])
        if dataset["id"] in relational:
            table = {"action": "read", **relational[dataset["id"]]}
            vendor = _vendor(dataset, vendors)
            inputs.append(_table(table, table.get("relationalPath"), vendor))
        elif location is not None:
            inputs.append({"uri": uri(location)})
    return {"data": [{"name": flow_name, "inputs": inputs}]}


def written_by(output: Output, vendors: Mapping[int, str]) -> dict[str, Any]:
    """Write the answer to ``/outputs`` [P: AAC25].

    :param output: what the job group makes
    :param vendors: vendor of each connection of the instance, by its id
    """
    files = []
    for setting in output.files:
        is_folder = setting.get("asSingleFile") is False
        file = {
            "uri": setting.get("path"),
            "fileType": "DIRECTORY" if is_folder else "FILE",
            "isPrimaryOutput": True,
        }
        files.append(file)
    tables = []
    for publication in output.tables:
        vendor = _vendor(publication, vendors)
        tables.append(_table(publication, publication.get("path"), vendor))
    return {"files": files, "tables": tables}


def uri(location: Row) -> str:
    """Write the place of a dataset as a URI.

    :param location: a storage location
    """
    scheme = location.get("type") or "file"
    bucket = location.get("bucket") or ""
    path = location.get("path") or ""
    return f"{scheme}://{bucket}{path}"


def why_unreadable(tables: Tables, missing: Collection[str]) -> str | None:
    """Tell why the datasets of a package cannot be read.

    :param tables: the flows of one package
    :param missing: paths that do not exist
    :returns: the message of the failed job, or ``None`` if all can be read
    """
    for location in tables["storagelocations"]:
        address = uri(location)
        for folder in missing:
            if _is_below(location.get("path"), folder) or _is_below(address, folder):
                return f"Path does not exist: {address}"
    return None


def _vendor(row: Row, vendors: Mapping[int, str]) -> str:
    """Return the vendor of the connection that a row names, ``""`` for none."""
    connection_id = row.get("connectionId") or 0
    return vendors.get(connection_id, "")


def _is_below(path: object, folder: str) -> bool:
    if not isinstance(path, str):
        return False
    parent = folder.rstrip("/")
    return path == folder or path.startswith(f"{parent}/")


def _table(
    row: Row,
    path: Any,
    vendor: str,
) -> Row:
    # The form is that of "connectString" [R: D64 API Connections Get List v3]. Host and database
    # are our choice [?].
    driver = vendor
    if vendor == "postgres":
        driver = "postgresql"
    return {
        "vendor": vendor,
        "databaseConnectString": f"jdbc:{driver}://{vendor}.example.com:5432/trifacta",
        "relationalPath": path,
        "table": row.get("tableName"),
        "action": row.get("action"),
    }
