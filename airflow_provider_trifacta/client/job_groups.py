"""Job groups: what runs, how far it is, and why it failed."""

from __future__ import annotations

import builtins
import contextlib
import json
from collections.abc import Mapping
from typing import Any

from .errors import TrifactaError
from .models import JobGroup, object_of, rows_within, within
from .resources import Resource, list_all, rows_of, run_parameters
from .texts import quoted
from .transport import PAGE_SIZE

#: Shows the recipe of a job group, and the flow in it [P: AYX].
_WITH_FLOW = {"embed": "wrangledDataset"}
#: How many outputs of a failed job group are named.
_OUTPUTS_SHOWN = 3


class JobGroups(Resource):
    """Calls below ``/v4/jobGroups``: what a run starts, one for each output."""

    def status(self, job_group_id: int) -> object:
        """Return the state of a job group: one word, if the server keeps to the API (API JobGroups Get Status v4 [R]).

        :param job_group_id: its id
        :returns: the answer
        """
        return self._transport.read(f"/v4/jobGroups/{job_group_id}/status")

    def start(
        self,
        recipe_id: int,
        parameters: Mapping[str, str],
        overrides: Mapping[str, Any],
        *,
        execution_id: str | None = None,
        again: bool = False,
    ) -> object:
        """Run a recipe (``POST /v4/jobGroups`` [P]). After a failure it may run, as with a deployment.

        :param recipe_id: the recipe, which the API calls a wrangled dataset
        :param parameters: values by parameter name
        :param overrides: settings in place of those of the recipe's output: ``execution``, ``profiler``,
            ``writesettings``
        :param execution_id: as for :meth:`.Flows.run`
        :param again: as for :meth:`.Flows.run`
        :returns: the answer, ``{"id": <job group>, ...}`` if it is as documented; or ``ACCEPTED_BEFORE``
        """
        body = {"wrangledDataset": {"id": recipe_id}, **run_parameters(parameters)}
        body |= {"overrides": dict(overrides)} if overrides else {}
        return self._transport.write(
            "POST", "/v4/jobGroups", json=body, slow=True, execution_id=execution_id, again=again
        )

    def newest(self, *, flows: bool = False) -> builtins.list[JobGroup]:
        """Return the newest job groups that the user can see, one page of them (``GET /v4/jobGroups`` [R]).

        :param flows: whether each shows its flow too, which is an embed [P]
        """
        found = map(JobGroup.from_json, self._newest({"limit": PAGE_SIZE, **(_WITH_FLOW if flows else {})}))
        return sorted(found, key=lambda one: one.id, reverse=True)

    def newest_states(self, limit: int) -> dict[int, object]:
        """Return the states of the newest job groups, as the list has them (``GET /v4/jobGroups`` [R]).

        :param limit: how many at most; the server may give fewer
        :returns: the states by id
        """
        rows = self._newest({"limit": limit, "fields": "id;status"})
        return {row["id"]: row.get("status") for row in rows if isinstance(row.get("id"), int)}

    def _newest(self, params: Mapping[str, Any]) -> builtins.list[Mapping[str, Any]]:
        """Read the beginning of the list, which the API gives newest first."""
        rows = rows_of(self._transport.read("/v4/jobGroups", params), "/v4/jobGroups")
        return [object_of(row, "A row of GET /v4/jobGroups") for row in rows]

    def why_failed(self, job_group_id: int) -> str:
        """Return what failed in a job group: flow, recipe, output, and the words of its first failed job.

        It never fails itself: the caller is reporting a failure already. API pages: API JobGroups Get Jobs v4 [R], API
        JobGroups Get v4 with an embed [P].

        :param job_group_id: its id
        :returns: words for an error
        """
        what = self._what_runs(job_group_id)
        return f"{what}: {self._message(job_group_id)}" if what else self._message(job_group_id)

    def _what_runs(self, job_group_id: int) -> str:
        """Return the flow, the recipe and the outputs of a job group in words; empty if the server does not tell."""
        path = f"/v4/jobGroups/{job_group_id}"
        words: builtins.list[str] = []
        with contextlib.suppress(TrifactaError):
            recipe = within(self._transport.read(path, _WITH_FLOW), "wrangledDataset")
            name = recipe.get("name") or within(recipe, "recipe").get("name")
            words = [_named("flow", within(recipe, "flow")), _named("recipe", {"id": recipe.get("id"), "name": name})]
            uris = [one.get("uri") for one in self.outputs(job_group_id)]
            words += [f"output {quoted(one)}" for one in uris[:_OUTPUTS_SHOWN] if one]
        return self._transport.redact.excerpt(", ".join(filter(None, words)))

    def _message(self, job_group_id: int) -> str:
        try:
            jobs = list_all(self._transport, f"/v4/jobGroups/{job_group_id}/jobs")
        except TrifactaError as error:
            return f"its jobs could not be read: {error}"
        failed = [job for job in jobs if job.get("status") == "Failed"]
        if not failed:
            return "none of its jobs says why"
        words = failed[0].get("errorMessage")
        if isinstance(words, Mapping):  # an object in some releases
            words = words.get("message") or words
        text = words if isinstance(words, str) else json.dumps(words, default=str) if words else "no message"
        return self._transport.redact.excerpt(f"job {failed[0].get('id')} ({failed[0].get('jobType')}): {text}")

    def cancel(self, job_group_id: int) -> None:
        """Cancel a job group; does nothing to one that has ended (``POST /v4/jobGroups/:id/cancel`` [P]).

        :param job_group_id: its id
        """
        self._transport.write("POST", f"/v4/jobGroups/{job_group_id}/cancel")

    def inputs(self, job_group_id: int) -> builtins.list[Mapping[str, Any]]:
        """Return what a job group reads (``GET /v4/jobGroups/:id/inputs`` [P]).

        Some instances answer 400 for jobs that read files [P].

        :param job_group_id: its id
        :returns: files, with ``uri``; and tables, with ``vendor``, ``databaseConnectString``, ``relationalPath`` and
            ``table``, or ``query`` in place of the last
        """
        path = f"/v4/jobGroups/{job_group_id}/inputs"
        flows = rows_of(self._transport.read(path), path)
        return [row for flow in flows for row in rows_within(flow, "inputs")]

    def outputs(self, job_group_id: int) -> builtins.list[Mapping[str, Any]]:
        """Return what a job group writes (``GET /v4/jobGroups/:id/outputs`` [P]).

        :param job_group_id: its id
        :returns: files and tables, as :meth:`inputs` does
        """
        body = self._transport.read(f"/v4/jobGroups/{job_group_id}/outputs")
        return [*rows_within(body, "files"), *rows_within(body, "tables")]


def _named(kind: str, row: Mapping[str, Any]) -> str:
    name, number = row.get("name"), row.get("id")
    return f"{kind} {quoted(name)} ({number})" if name else f"{kind} {number}" if number else ""
