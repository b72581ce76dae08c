"""Job groups: what runs, how far it is, and why it failed."""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .errors import TrifactaError
from .job_logs import JobLog, end_of_log
from .limits import JOB_LOG, PAGE, STATE, WHOLE_LIST
from .models import Job, JobGroup, object_of, rows_within, within
from .resources import Resource, list_all, rows_of, run_parameters
from .texts import quoted
from .transport import PAGE_SIZE

#: Shows the recipe of a job group, and the flow in it [P: AYX].
_WITH_FLOW = {"embed": "wrangledDataset"}
#: How many outputs of a failed job group are named.
_OUTPUTS_SHOWN = 3
#: What is kept of an input or an output.
_PLACE = ("uri", "vendor", "databaseConnectString", "relationalPath", "table", "query")

T = TypeVar("T")


class JobGroups(Resource):
    """Calls below ``/v4/jobGroups``: what a run starts, one for each output."""

    def status(self, job_group_id: int) -> object:
        """Return the state of a job group: one word, if the server keeps to the API (API JobGroups
        Get Status v4 [R]).

        :param job_group_id: its id
        :returns: the answer
        """
        return self._transport.read(f"/v4/jobGroups/{job_group_id}/status", limit=STATE)

    def start(
        self,
        recipe_id: int,
        parameters: Mapping[str, str],
        overrides: Mapping[str, Any],
        *,
        execution_id: str | None = None,
        again: bool = False,
    ) -> object:
        """Run a recipe (``POST /v4/jobGroups`` [P]). After a failure it may run, as with a
        deployment.

        :param recipe_id: the recipe, which the API calls a wrangled dataset
        :param parameters: values by parameter name
        :param overrides: settings in place of those of the recipe's output: ``execution``,
            ``profiler``, ``writesettings``
        :param execution_id: as for :meth:`.Flows.run`
        :param again: as for :meth:`.Flows.run`
        :returns: the answer, ``{"id": <job group>, ...}`` if it is as documented; or
            ``ACCEPTED_BEFORE``
        """
        request = {"wrangledDataset": {"id": recipe_id}, **run_parameters(parameters)}
        if overrides:
            request["overrides"] = dict(overrides)
        return self._transport.write(
            "POST",
            "/v4/jobGroups",
            json=request,
            slow=True,
            execution_id=execution_id,
            again=again,
        )

    def newest(self, *, flows: bool = False) -> builtins.list[JobGroup]:
        """Return the newest job groups that the user can see, one page of them (``GET
        /v4/jobGroups`` [R]).

        :param flows: whether each shows its flow too, which is an embed [P]
        """
        query: dict[str, Any] = {"limit": PAGE_SIZE}
        if flows:
            query |= _WITH_FLOW
        job_groups = self._newest(query, _job_groups)
        return sorted(job_groups, key=lambda job_group: job_group.id, reverse=True)

    def newest_states(self, limit: int) -> dict[int, object]:
        """Return the states of the newest job groups, as the list has them (``GET /v4/jobGroups``
        [R]).

        :param limit: how many at most; the server may give fewer
        :returns: the states by id
        """
        return self._newest({"limit": limit, "fields": "id;status"}, _states)

    def _newest(
        self, query: Mapping[str, Any], build: Callable[[builtins.list[Mapping[str, Any]]], T]
    ) -> T:
        """Read the beginning of the list, which the API gives newest first."""
        path = "/v4/jobGroups"

        def built(answer: object) -> T:
            rows = rows_of(answer, path)
            return build([object_of(row, f"A row of GET {path}") for row in rows])

        return self._transport.read(path, query, build=built, limit=PAGE)

    def why_failed(self, job_group_id: int) -> str:
        """Return what failed in a job group: flow, recipe, output, and the words of its first
        failed job.

        It never fails itself: the caller is reporting a failure already. API pages: API JobGroups
        Get Jobs v4 [R], API JobGroups Get v4 with an embed [P].

        :param job_group_id: its id
        :returns: words for an error
        """
        names = self._names(job_group_id)
        message = self._message(job_group_id)
        return f"{names}: {message}" if names else message

    def _names(self, job_group_id: int) -> str:
        """Return the flow, the recipe and the outputs of a job group in words; empty if the server
        does not tell.
        """
        path = f"/v4/jobGroups/{job_group_id}"
        names: builtins.list[str] = []
        with contextlib.suppress(TrifactaError):
            names = self._transport.read(path, _WITH_FLOW, build=_flow_and_recipe)
            uris = [output.get("uri") for output in self.outputs(job_group_id)]
            names += [f"output {quoted(uri)}" for uri in uris[:_OUTPUTS_SHOWN] if uri]
        return self._transport.redact.excerpt(", ".join(filter(None, names)))

    def _message(self, job_group_id: int) -> str:
        try:
            jobs = list_all(self._transport, f"/v4/jobGroups/{job_group_id}/jobs", Job.from_json)
        except TrifactaError as error:
            return f"its jobs could not be read: {error}"
        for job in jobs:
            if job.status == "Failed":
                message = job.message or "no message"
                return self._transport.redact.excerpt(f"job {job.id} ({job.type}): {message}")
        return "none of its jobs says why"

    def log(self, job_group_id: int) -> JobLog:
        """Return the last lines of the log of a job group (``GET /v4/jobGroups/:id/logs``, a ZIP
        [P: SAA]).

        :param job_group_id: its id
        :returns: at most 50 lines, fit for a reader
        :raises UnexpectedResponseError: the answer is not such a ZIP
        :raises AnswerTooLargeError: it is larger than what is read of it
        """
        content = self._transport.read_bytes(f"/v4/jobGroups/{job_group_id}/logs", JOB_LOG)
        log = end_of_log(content)
        lines = [self._transport.redact.excerpt(line) for line in log.lines]
        return JobLog(lines, log.is_cut)

    def cancel(self, job_group_id: int) -> None:
        """Cancel a job group; does nothing to one that has ended (``POST /v4/jobGroups/:id/cancel``
        [P]).

        :param job_group_id: its id
        """
        self._transport.write("POST", f"/v4/jobGroups/{job_group_id}/cancel")

    def inputs(self, job_group_id: int) -> builtins.list[Mapping[str, Any]]:
        """Return what a job group reads (``GET /v4/jobGroups/:id/inputs`` [P]).

        Some instances answer 400 for jobs that read files [P].

        :param job_group_id: its id
        :returns: files, with ``uri``; and tables, with ``vendor``, ``databaseConnectString``,
            ``relationalPath`` and ``table``, or ``query`` in place of the last
        """
        path = f"/v4/jobGroups/{job_group_id}/inputs"

        def places(answer: object) -> builtins.list[Mapping[str, Any]]:
            inputs: builtins.list[Mapping[str, Any]] = []
            for flow in rows_of(answer, path):
                inputs += map(_place, rows_within(flow, "inputs"))
            return inputs

        return self._transport.read(path, build=places, limit=WHOLE_LIST)

    def outputs(self, job_group_id: int) -> builtins.list[Mapping[str, Any]]:
        """Return what a job group writes (``GET /v4/jobGroups/:id/outputs`` [P]).

        :param job_group_id: its id
        :returns: files and tables, as :meth:`inputs` does
        """
        path = f"/v4/jobGroups/{job_group_id}/outputs"
        return self._transport.read(path, build=_outputs, limit=WHOLE_LIST)


def _outputs(answer: object) -> list[Mapping[str, Any]]:
    files = rows_within(answer, "files")
    tables = rows_within(answer, "tables")
    return [_place(output) for output in files + tables]


def _place(dataset: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: dataset[key] for key in _PLACE if key in dataset}


def _job_groups(rows: list[Mapping[str, Any]]) -> list[JobGroup]:
    return [JobGroup.from_json(row) for row in rows]


def _states(job_groups: list[Mapping[str, Any]]) -> dict[int, object]:
    states = {}
    for job_group in job_groups:
        job_group_id = job_group.get("id")
        if isinstance(job_group_id, int):
            states[job_group_id] = job_group.get("status")
    return states


def _flow_and_recipe(job_group: object) -> list[str]:
    flow = within(job_group, "wrangledDataset", "flow")
    recipe = within(job_group, "wrangledDataset")
    name = recipe.get("name") or within(recipe, "recipe").get("name")
    return [
        _named("flow", flow.get("id"), flow.get("name")),
        _named("recipe", recipe.get("id"), name),
    ]


def _named(kind: str, number: object, name: object) -> str:
    if name:
        return f"{kind} {quoted(name)} ({number})"
    return f"{kind} {number}" if number else ""
