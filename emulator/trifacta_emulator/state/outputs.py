"""What a job group reads and writes, and the jobs that it needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from trifacta_emulator.packages.definition import Row, Tables

#: The API has both spellings: the later one is ``writesettings`` [P: AAC25, VC], another page has
#: ``writeSettings`` [R: D68 API JobGroups Create v4].
_SETTINGS = ("writesettings", "writeSettings")


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
    nodes = {row["id"] for row in tables["flownodes"] if row["flowId"] in flow_ids}
    return [
        Output(
            recipe_id=row["flowNodeId"],
            execution=row.get("execution"),
            profiler=bool(row.get("profiler")),
            files=_of(tables["writesettings"], row),
            tables=_of(tables["publications"], row),
        )
        for row in tables["outputobjects"]
        if row.get("isAdhoc") and row["flowNodeId"] in nodes
    ]


def overridden(output: Output, overrides: Mapping[str, Any]) -> Output:
    """Apply the overrides of a run.

    The settings of the request replace those of the output [P: AAC25]. "Override values applied to
    a job are not validated" [R: D68 API JobGroups Create v4].

    :param output: the output of the flow
    :param overrides: ``execution``, ``profiler``, ``writesettings``, ``publications``. Others
        change nothing [?]
    """
    files = next((overrides[name] for name in _SETTINGS if name in overrides), None)
    tables = overrides.get("publications")
    if files is not None or tables is not None:
        # What the request does not name is not written: our choice [?].
        output = replace(output, files=tuple(files or ()), tables=tuple(tables or ()))
    return replace(
        output,
        execution=overrides.get("execution", output.execution),
        profiler=bool(overrides.get("profiler", output.profiler)),
    )


def jobs_of(output: Output) -> list[tuple[str, Row | None]]:
    """List the jobs of a job group: the type, and the setting of a file writer.

    The words are the API's [P: DBT, AAC25]. Which jobs a job group has is our choice [?].

    :param output: what it makes
    """
    return [
        ("wrangle", None),
        *(("filewriter", row) for row in output.files),
        *(("publish", None) for _ in output.tables),
        *([("profile", None)] if output.profiler else []),
    ]


def read_by(tables: Tables, flow_name: str, vendors: Mapping[int, str]) -> dict[str, Any]:
    """Write the answer to ``/inputs`` [P: AAC25]. All inputs stand under one flow: our choice [?].

    For a job that reads files some instances answer 400 ``DataServiceInvalidRequest`` [P: AYX].
    Here a fault does that.

    :param tables: the flows of one package
    :param flow_name: the flow that runs
    :param vendors: vendor of each connection of the instance, by its id
    """
    locations = {row["id"]: row for row in tables["storagelocations"]}
    relational = {row["datasourceId"]: row for row in tables["relationalsources"]}
    inputs: list[Row] = []
    for source in tables["datasources"]:
        if source["id"] in relational:
            vendor = vendors.get(source.get("connectionId") or 0, "")
            inputs.append(
                _table({"action": "read", **relational[source["id"]]}, "relationalPath", vendor)
            )
        elif source["storageLocationId"] in locations:
            inputs.append({"uri": uri(locations[source["storageLocationId"]])})
    return {"data": [{"name": flow_name, "inputs": inputs}]}


def written_by(output: Output, vendors: Mapping[int, str]) -> dict[str, Any]:
    """Write the answer to ``/outputs`` [P: AAC25].

    :param output: what the job group makes
    :param vendors: vendor of each connection of the instance, by its id
    """
    files = [
        {
            "uri": row.get("path"),
            "fileType": "DIRECTORY" if row.get("asSingleFile") is False else "FILE",
            "isPrimaryOutput": True,
        }
        for row in output.files
    ]
    tables = [
        _table(row, "path", vendors.get(row.get("connectionId") or 0, "")) for row in output.tables
    ]
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
        if any(
            _is_below(path, one)
            for one in missing
            for path in (location.get("path"), uri(location))
        ):
            return f"Path does not exist: {uri(location)}"
    return None


def _of(rows: list[Row], output: Row) -> tuple[Row, ...]:
    return tuple(row for row in rows if row["outputObjectId"] == output["id"])


def _is_below(path: object, folder: str) -> bool:
    return isinstance(path, str) and (path == folder or path.startswith(f"{folder.rstrip('/')}/"))


def _table(row: Row, path: str, vendor: str) -> Row:
    # The form is that of "connectString" [R: D64 API Connections Get List v3]. Host and database
    # are our choice [?].
    driver = "postgresql" if vendor == "postgres" else vendor
    return {
        "vendor": vendor,
        "databaseConnectString": f"jdbc:{driver}://{vendor}.example.com:5432/trifacta",
        "relationalPath": row.get(path),
        "table": row.get("tableName"),
        "action": row.get("action"),
    }
