"""The store's job groups: what the run of a deployment starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from trifacta_emulator.errors import MissingObjectError, ValidationError
from trifacta_emulator.flow_store import FlowStore
from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.package_reader import Row, Tables
from trifacta_emulator.records import Job, JobGroup, Release
from trifacta_emulator.run_outcomes import RunOutcomes


class JobStore(FlowStore):
    """
    Starts job groups, and tells what became of them.

    :param options: the instance's options.
    """

    def __init__(self, options: EmulatorOptions) -> None:
        super().__init__(options)
        #: How the next job groups end, where their data does not say it.
        self.runs = RunOutcomes()
        self._job_groups: dict[int, JobGroup] = {}

    def run_deployment(
        self, deployment_id: int, overrides: Mapping[str, str] | None = None, user_id: int = 1
    ) -> tuple[JobGroup, ...]:
        """
        Run the primary flow of the active release: one job group for each manual output [R: D64, SMC97].

        :param deployment_id: what to run.
        :param overrides: values by parameter name.
        :param user_id: who does it; default the first user.
        :return: the job groups; none where there is nothing to run and the options want no error then.
        :raises MissingObjectError: deployment unknown or deleted.
        :raises ValidationError: no active release, or no manual output, and the options refuse that.
        """
        with self._lock:
            self.deployment(deployment_id)
            release = self.active_release(deployment_id)
            outputs = _manual_outputs(release) if release else []
            if release is None or not outputs:
                if self._options.run_without_output == "empty":
                    return ()
                what = "has no active release" if release is None else "has an active release without a manual output"
                raise ValidationError(f"deployments {deployment_id} {what}")
            flow_run_id = self._ids.next("flowruns")
            started = tuple(
                self._start(release, output, flow_run_id, dict(overrides or {}), user_id) for output in outputs
            )
            ids = ", ".join(str(one.id) for one in started)
            self._log(self._options.clock(), user_id, deployment_id, release.id, f"run started job groups {ids}")
            return started

    def job_group(self, job_group_id: int) -> JobGroup:
        """
        Find a job group.

        :param job_group_id: its id.
        :raises MissingObjectError: unknown.
        """
        with self._lock:
            found = self._job_groups.get(job_group_id)
            if found is None:
                raise MissingObjectError("jobGroups", job_group_id, "unknown")
            return found

    def job_groups(self, deployment_id: int | None = None) -> tuple[JobGroup, ...]:
        """
        List job groups, oldest first.

        :param deployment_id: of one deployment; ``None`` = of all.
        """
        with self._lock:
            return tuple(row for row in self._job_groups.values() if deployment_id in (None, row.deployment_id))

    def cancel_job_group(self, job_group_id: int, user_id: int = 1) -> JobGroup:
        """
        Cancel a job group; does nothing to one that has ended [P: AAC25].

        :param job_group_id: its id.
        :param user_id: who does it; default the first user.
        :raises MissingObjectError: unknown.
        """
        with self._lock:
            found = self.job_group(job_group_id)
            if not found.finished:
                now = self._options.clock()
                found = self._job_groups[job_group_id] = replace(found, canceled_at=now)
                self._log(now, user_id, found.deployment_id, found.release_id, f"job group {job_group_id} canceled")
            return found

    def _start(
        self, release: Release, output: Row, flow_run_id: int, overrides: Mapping[str, str], user_id: int
    ) -> JobGroup:
        options, tables = self._options, release.imported.tables
        now = options.clock()
        starts_at = now + timedelta(seconds=options.job_start_seconds)
        ending, message = self._ending(release)
        group = JobGroup(
            id=self._ids.next("jobgroups"),
            deployment_id=release.deployment_id,
            release_id=release.id,
            flow_run_id=flow_run_id,
            session_id=str(uuid4()),
            # The vendor calls the node of a recipe a wrangled dataset [P].
            wrangled_dataset_id=output["flowNodeId"],
            jobs=tuple(Job(self._ids.next("jobs"), one) for one in _job_types(tables, output)),
            overrides=overrides,
            inputs=_inputs(tables, release.imported.primary_flow_ids),
            outputs=_outputs(tables, output),
            created_at=now,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(seconds=options.job_run_seconds),
            ending=ending,
            message=message,
            creator=user_id,
            clock=options.clock,
            canceled_word=options.canceled_word,
        )
        self._job_groups[group.id] = group
        return group

    def _ending(self, release: Release) -> tuple[str, str | None]:
        """Tell how a job group ends: as was demanded, or as its data says."""
        demanded = self.runs.take(release.deployment_id)
        if demanded:
            word = self._options.canceled_word if demanded.status == "Canceled" else demanded.status
            return word, demanded.message or ("Failed on demand" if word == "Failed" else None)
        for location in release.imported.tables["storagelocations"]:
            for one in self._options.missing_paths:
                if any(_is_below(path, one) for path in (location.get("path"), _uri(location))):
                    return "Failed", f"Path does not exist: {_uri(location)}"
        return "Complete", None


def _manual_outputs(release: Release) -> list[Row]:
    tables, primary = release.imported.tables, set(release.imported.primary_flow_ids)
    nodes = {row["id"] for row in tables["flownodes"] if row["flowId"] in primary}
    return [row for row in tables["outputobjects"] if row.get("isAdhoc") and row["flowNodeId"] in nodes]


def _job_types(tables: Tables, output: Row) -> list[str]:
    # Words of the API [P: DBT, AAC25]; which jobs a job group has is our choice.
    targets = {"writesettings": "filewriter", "publications": "publish"}
    written = [
        job for table, job in targets.items() if any(row["outputObjectId"] == output["id"] for row in tables[table])
    ]
    return ["wrangle", *written, *(["profile"] if output.get("profiler") else [])]


def _is_below(path: object, folder: str) -> bool:
    return isinstance(path, str) and (path == folder or path.startswith(f"{folder.rstrip('/')}/"))


def _inputs(tables: Tables, primary: tuple[int, ...]) -> dict[str, Any]:
    # [P: AAC25]; the inputs of all flows stand under the first primary one (our choice).
    name = next(row["name"] for row in tables["flows"] if row["id"] == primary[0])
    locations = {row["id"]: row for row in tables["storagelocations"]}
    relational = {row["datasourceId"]: row for row in tables["relationalsources"]}
    inputs: list[Row] = []
    for source in tables["datasources"]:
        if source["id"] in relational:
            inputs.append(_table(relational[source["id"]], "tableName", "relationalPath"))
        elif source["storageLocationId"] in locations:
            inputs.append({"uri": _uri(locations[source["storageLocationId"]])})
    return {"data": [{"name": name, "inputs": inputs}]}


def _outputs(tables: Tables, output: Row) -> dict[str, Any]:
    # [P: AAC25]
    files = [
        {
            "uri": row.get("path"),
            "fileType": "DIRECTORY" if row.get("asSingleFile") is False else "FILE",
            "isPrimaryOutput": True,
        }
        for row in tables["writesettings"]
        if row["outputObjectId"] == output["id"]
    ]
    published = [row for row in tables["publications"] if row["outputObjectId"] == output["id"]]
    return {"files": files, "tables": [_table(row, "tableName", "path") for row in published]}


def _table(row: Row, name: str, path: str) -> Row:
    return {
        "vendor": None,
        "databaseConnectString": None,
        "relationalPath": row.get(path),
        "table": row.get(name),
        "action": row.get("action"),
    }


def _uri(location: Row) -> str:
    return f"{location.get('type') or 'file'}://{location.get('bucket') or ''}{location.get('path') or ''}"
