"""Job groups: what the run of a deployment, a flow or a recipe starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from trifacta_emulator.errors import AccessError, ValidationError
from trifacta_emulator.packages.definition import Row
from trifacta_emulator.records import FlowRun, Home, Job, JobGroup, Recipe
from trifacta_emulator.state.outputs import (
    Output,
    jobs_of,
    manual_outputs,
    overridden,
    read_by,
    why_unreadable,
    written_by,
)
from trifacta_emulator.state.recipes import Recipes, homes_of_release, nodes_of
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
        """Run the primary flow of the active release: one job group for each manual output [R: D64,
        SMC97].

        :param deployment_id: the deployment to run
        :param overrides: values by parameter name
        :param user_id: who runs it; default the first user
        :returns: the job groups; empty if there is nothing to run and the options do not refuse
            that
        :raises MissingObjectError: deployment unknown or deleted
        :raises ValidationError: no active release, or no manual output, and the options refuse that
        """
        state = self._state
        with state.lock:
            state.deployments.find(deployment_id)
            release = Releases(state).active(deployment_id)
            if release is None:
                return self._nothing(f"deployments {deployment_id} has no active release")
            primary = release.imported.primary_flow_ids
            homes = [one for one in homes_of_release(release) if one.flow_id in primary]
            outputs = [
                (home, one)
                for home in homes
                for one in manual_outputs(home.tables, (home.flow_id,))
            ]
            if not outputs:
                return self._nothing(
                    f"deployments {deployment_id} has an active release without a manual output"
                )
            run = self._flow_run(homes[0], user_id)
            parameters = dict(overrides or {})
            # A job group reads what its release reads, under the name of the first primary flow.
            started = tuple(
                self._start(
                    home, one, parameters, user_id, flow_run_id=run.id, read_as=homes[0].flow_name
                )
                for home, one in outputs
            )
            self._log(homes[0], f"run started job groups {_listed(started)}", user_id)
            return started

    def run_flow(
        self,
        flow_id: int,
        parameters: Mapping[str, str] | None = None,
        user_id: int = 1,
        *,
        recipe_ids: Sequence[int] = (),
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
        execution_id: str | None = None,
    ) -> tuple[FlowRun, tuple[JobGroup, ...]] | None:
        """Run a flow: one job group for each manual output [P: AAC25].

        :param flow_id: the flow
        :param parameters: values by parameter name
        :param user_id: who runs it; default the first user
        :param recipe_ids: only the outputs of these recipes; empty = all
        :param overrides: other settings of an output, by the name of its recipe
        :param execution_id: key of the request; ``None`` = no key
        :returns: the run and its job groups; ``None`` if the key was used before
        :raises MissingObjectError: flow unknown or deleted
        :raises ValidationError: no manual output and the options refuse that; or a recipe is not of
            this flow
        """
        state = self._state
        with state.lock:
            home = Recipes(state).home(flow_id)
            self._check_release(home)
            if (FlowRun, execution_id) in state.execution_ids:
                return None
            names = {one.id: one.name for one in nodes_of(home)}
            outputs = manual_outputs(home.tables, (flow_id,))
            wrong = [
                one for one in recipe_ids if one not in {output.recipe_id for output in outputs}
            ]
            if wrong:
                raise ValidationError(
                    f"wrangledDatasetIds: flows {flow_id} has no manual output of {wrong}"
                )
            unknown = sorted(set(overrides or {}) - set(names.values()))
            if unknown:
                raise ValidationError(
                    f"overrides: flows {flow_id} has no recipe {', '.join(map(repr, unknown))}"
                )
            wanted = [one for one in outputs if not recipe_ids or one.recipe_id in recipe_ids]
            if not wanted:
                self._nothing(f"flows {flow_id} has no manual output")
            run = self._flow_run(home, user_id, execution_id)
            started = tuple(
                self._start(
                    home,
                    overridden(one, (overrides or {}).get(names[one.recipe_id], {})),
                    parameters or {},
                    user_id,
                    flow_run_id=run.id,
                )
                for one in wanted
            )
            self._log(
                home,
                f"run {run.id} of flow {flow_id} started job groups {_listed(started)}",
                user_id,
            )
            return run, started

    def run_recipe(
        self,
        recipe_id: int,
        parameters: Mapping[str, str] | None = None,
        user_id: int = 1,
        *,
        overrides: Mapping[str, Any] | None = None,
        execution_id: str | None = None,
    ) -> JobGroup | None:
        """Run one recipe [P: AAC25].

        :param recipe_id: the recipe
        :param parameters: values by parameter name
        :param user_id: who runs it; default the first user
        :param overrides: other settings of its output
        :param execution_id: key of the request; ``None`` = no key
        :returns: the job group; ``None`` if the key was used before
        :raises MissingObjectError: recipe unknown, or its flow has been deleted
        :raises ValidationError: it has no manual output, and the overrides name none either
        """
        state = self._state
        with state.lock:
            recipe = Recipes(state).find(recipe_id)
            self._check_release(recipe.home)
            if (JobGroup, execution_id) in state.execution_ids:
                return None
            output = self.output_of(recipe, overrides or {})
            started = self._start(recipe.home, output, parameters or {}, user_id, flow_run_id=None)
            self._keep_key(JobGroup, execution_id)
            self._log(
                recipe.home, f"run of recipe {recipe_id} started job groups {started.id}", user_id
            )
            return started

    def output_of(self, recipe: Recipe, overrides: Mapping[str, Any]) -> Output:
        """Find what a run of a recipe makes.

        :param recipe: the recipe
        :param overrides: other settings of its output
        :raises ValidationError: it has no manual output, and the overrides name none either
        """
        found = [
            one
            for one in manual_outputs(recipe.home.tables, (recipe.home.flow_id,))
            if one.recipe_id == recipe.id
        ]
        output = overridden(
            found[0] if found else Output(recipe.id, None, profiler=False), overrides
        )
        if not recipe.node.get("wrangled"):
            raise ValidationError(f"wrangledDatasets {recipe.id} is a dataset without a recipe")
        if output.is_empty:
            # The name is recorded [P: SAA].
            details = (
                f"wrangledDatasets {recipe.id} has no manual output; overrides must define one"
            )
            raise ValidationError(details, "ValidationFailed")
        return output

    def all(self, deployment_id: int | None = None) -> tuple[JobGroup, ...]:
        """List job groups, oldest first.

        :param deployment_id: only those of this deployment; ``None`` = all
        """
        return tuple(
            row
            for row in self._state.job_groups.all()
            if deployment_id in (None, row.deployment_id)
        )

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
            self._log(found.recipe.home, f"job group {job_group_id} canceled", user_id)
            return state.job_groups.put(replace(found, canceled_at=state.options.clock()))

    def _nothing(self, why: str) -> tuple[JobGroup, ...]:
        if self._state.options.run_without_output == "refuse":
            raise ValidationError(why)
        return ()

    def _check_release(self, home: Home) -> None:
        if home.release_id is not None and self._state.options.run_release_flows == "refuse":
            raise AccessError(
                f"flows {home.flow_id} belongs to a release and runs with its deployment only"
            )

    def _flow_run(self, home: Home, user_id: int, execution_id: str | None = None) -> FlowRun:
        state = self._state
        self._keep_key(FlowRun, execution_id)
        run_id, now = state.ids.next("flowruns"), state.options.clock()
        return state.flow_runs.put(FlowRun(run_id, home, now, user_id, execution_id))

    def _keep_key(self, kind: type, execution_id: str | None) -> None:
        # A key counts for one kind of run: "if a JobGroup with the same executionId already exists"
        # [P: AAC25].
        if execution_id is not None:
            self._state.execution_ids.add((kind, execution_id))

    def _log(self, home: Home, what: str, user_id: int) -> None:
        now = self._state.options.clock()
        self._state.log(
            now, user_id, what, deployment_id=home.deployment_id, release_id=home.release_id
        )

    def _start(
        self,
        home: Home,
        output: Output,
        parameters: Mapping[str, str],
        user_id: int,
        *,
        flow_run_id: int | None,
        read_as: str | None = None,
    ) -> JobGroup:
        state, options = self._state, self._state.options
        now = options.clock()
        starts_at = now + timedelta(seconds=options.job_start_seconds)
        ending, message = self._ending(home)
        vendors = {one.id: one.vendor for one in state.connections.all(include_deleted=True)}
        return state.job_groups.put(
            JobGroup(
                id=state.ids.next("jobgroups"),
                recipe=next(one for one in nodes_of(home) if one.id == output.recipe_id),
                flow_run_id=flow_run_id,
                session_id=str(uuid4()),
                jobs=tuple(
                    Job(state.ids.next("jobs"), kind, setting and self._setting(setting))
                    for kind, setting in jobs_of(output)
                ),
                execution=output.execution,
                overrides=dict(parameters),
                inputs=read_by(home.tables, read_as or home.flow_name, vendors),
                outputs=written_by(output, vendors),
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

    def _setting(self, setting: Row) -> Row:
        # A setting of the request has no id yet.
        return (
            setting if "id" in setting else {**setting, "id": self._state.ids.next("writesettings")}
        )

    def _ending(self, home: Home) -> tuple[str, str | None]:
        """Return how a job group ends and why: as a test demanded, or as its data says."""
        options = self._state.options
        demanded = self._state.runs.take(home.deployment_id, home.flow_id)
        if demanded:
            word = options.canceled_word if demanded.status == "Canceled" else demanded.status
            return word, demanded.message or ("Failed on demand" if word == "Failed" else None)
        reason = why_unreadable(home.tables, options.missing_paths)
        return ("Complete", None) if reason is None else ("Failed", reason)


def _listed(groups: Sequence[JobGroup]) -> str:
    return ", ".join(str(one.id) for one in groups)
