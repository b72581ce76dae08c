"""Job groups: what the run of a deployment starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from trifacta_emulator.errors import ValidationError
from trifacta_emulator.packages.definition import Row, Tables
from trifacta_emulator.records import Job, JobGroup, Release
from trifacta_emulator.state.releases import Releases
from trifacta_emulator.state.state import State


class JobGroups:
    """Starts job groups, and keeps what became of them.

    :param state: the state of the instance
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def run(
        self, deployment_id: int, overrides: Mapping[str, str] | None = None, user_id: int = 1
    ) -> tuple[JobGroup, ...]:
        """Run the primary flow of the active release: one job group for each manual output [R: D64, SMC97].

        :param deployment_id: the deployment to run
        :param overrides: values by parameter name
        :param user_id: who runs it; default the first user
        :returns: the job groups; empty if there is nothing to run and the options do not refuse that
        :raises MissingObjectError: deployment unknown or deleted
        :raises ValidationError: no active release, or no manual output, and the options refuse that
        """
        state = self._state
        with state.lock:
            state.deployments.find(deployment_id)
            release = Releases(state).active(deployment_id)
            outputs = _manual_outputs(release) if release else []
            if release is None or not outputs:
                if state.options.run_without_output == "empty":
                    return ()
                what = "has no active release" if release is None else "has an active release without a manual output"
                raise ValidationError(f"deployments {deployment_id} {what}")
            flow_run_id = state.ids.next("flowruns")
            started = tuple(
                self._start(release, output, flow_run_id, dict(overrides or {}), user_id) for output in outputs
            )
            what = f"run started job groups {', '.join(str(one.id) for one in started)}"
            now = state.options.clock()
            state.log(now, user_id, what, deployment_id=deployment_id, release_id=release.id)
            return started

    def all(self, deployment_id: int | None = None) -> tuple[JobGroup, ...]:
        """List job groups, oldest first.

        :param deployment_id: only those of this deployment; ``None`` = all
        """
        return tuple(row for row in self._state.job_groups.all() if deployment_id in (None, row.deployment_id))

    def cancel(self, job_group_id: int, user_id: int = 1) -> JobGroup:
        """Cancel a job group; does nothing if it has ended [P: AAC25].

        :param job_group_id: its id
        :param user_id: who cancels it; default the first user
        :raises MissingObjectError: unknown
        """
        state = self._state
        with state.lock:
            found = state.job_groups.find(job_group_id)
            if found.finished:
                return found
            now, what = state.options.clock(), f"job group {job_group_id} canceled"
            state.log(now, user_id, what, deployment_id=found.deployment_id, release_id=found.release_id)
            return state.job_groups.put(replace(found, canceled_at=now))

    def _start(
        self, release: Release, output: Row, flow_run_id: int, overrides: Mapping[str, str], user_id: int
    ) -> JobGroup:
        state, options, tables = self._state, self._state.options, release.imported.tables
        now = options.clock()
        starts_at = now + timedelta(seconds=options.job_start_seconds)
        ending, message = self._ending(release)
        return state.job_groups.put(
            JobGroup(
                id=state.ids.next("jobgroups"),
                deployment_id=release.deployment_id,
                release_id=release.id,
                flow_run_id=flow_run_id,
                session_id=str(uuid4()),
                # The vendor calls the node of a recipe a wrangled dataset [P].
                wrangled_dataset_id=output["flowNodeId"],
                jobs=tuple(Job(state.ids.next("jobs"), one) for one in _job_types(tables, output)),
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
        )

    def _ending(self, release: Release) -> tuple[str, str | None]:
        """Return how a job group ends and why: as a test demanded, or as its data says."""
        options = self._state.options
        demanded = self._state.runs.take(release.deployment_id)
        if demanded:
            word = options.canceled_word if demanded.status == "Canceled" else demanded.status
            return word, demanded.message or ("Failed on demand" if word == "Failed" else None)
        for location in release.imported.tables["storagelocations"]:
            for one in options.missing_paths:
                if any(_is_below(path, one) for path in (location.get("path"), _uri(location))):
                    return "Failed", f"Path does not exist: {_uri(location)}"
        return "Complete", None


def _manual_outputs(release: Release) -> list[Row]:
    tables, primary = release.imported.tables, set(release.imported.primary_flow_ids)
    nodes = {row["id"] for row in tables["flownodes"] if row["flowId"] in primary}
    return [row for row in tables["outputobjects"] if row.get("isAdhoc") and row["flowNodeId"] in nodes]


def _job_types(tables: Tables, output: Row) -> list[str]:
    # The words are the API's [P: DBT, AAC25]. Which jobs a job group has is our choice [?].
    targets = {"writesettings": "filewriter", "publications": "publish"}
    written = [
        job for table, job in targets.items() if any(row["outputObjectId"] == output["id"] for row in tables[table])
    ]
    return ["wrangle", *written, *(["profile"] if output.get("profiler") else [])]


def _is_below(path: object, folder: str) -> bool:
    return isinstance(path, str) and (path == folder or path.startswith(f"{folder.rstrip('/')}/"))


def _inputs(tables: Tables, primary: tuple[int, ...]) -> dict[str, Any]:
    # [P: AAC25]. The inputs of all flows stand under the first primary flow: our choice [?].
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
