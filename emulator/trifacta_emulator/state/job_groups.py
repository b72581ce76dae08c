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
from trifacta_emulator.state.state import Resource


class JobGroups(Resource):
    """Starts job groups, and keeps what became of them.

    :param state: the state of the instance
    """

    def run_deployment(
        self,
        deployment_id: int,
        overrides: Mapping[str, str] | None = None,
        user_id: int = 1,
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
        state = self.state
        with state.lock:
            state.deployments.find(deployment_id)
            release = Releases(state).active_release(deployment_id)
            if release is None:
                return self._nothing(f"deployments {deployment_id} has no active release")
            homes = []
            for home in homes_of_release(release):
                if home.flow_id in release.imported.primary_flow_ids:
                    homes.append(home)
            outputs = []
            for home in homes:
                for output in manual_outputs(home.tables, (home.flow_id,)):
                    outputs.append((home, output))
            if not outputs:
                return self._nothing(
                    f"deployments {deployment_id} has an active release without a manual output"
                )
            first = homes[0]
            run = self._start_flow_run(first, user_id)
            parameters = dict(overrides or {})
            groups = []
            for home, output in outputs:
                # A job group reads what its release reads, under the name of the first primary
                # flow.
                group = self._start(
                    home,
                    output,
                    parameters,
                    user_id,
                    flow_run_id=run.id,
                    read_as=first.flow_name,
                )
                groups.append(group)
            self._log_run(first, f"run started job groups {_listed(groups)}", user_id)
            return tuple(groups)

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
        state = self.state
        overrides = overrides or {}
        with state.lock:
            home = Recipes(state).flow_home(flow_id)
            self._check_release(home)
            if (FlowRun, execution_id) in state.execution_ids:
                return None
            recipe_names = {recipe.id: recipe.name for recipe in nodes_of(home)}
            outputs = _wanted_outputs(home, recipe_ids)
            unknown = sorted(overrides.keys() - set(recipe_names.values()))
            if unknown:
                names = ", ".join(map(repr, unknown))
                raise ValidationError(f"overrides: flows {flow_id} has no recipe {names}")
            if not outputs:
                self._nothing(f"flows {flow_id} has no manual output")
            run = self._start_flow_run(home, user_id, execution_id)
            groups = []
            for output in outputs:
                own_overrides = overrides.get(recipe_names[output.recipe_id], {})
                group = self._start(
                    home,
                    overridden(output, own_overrides),
                    parameters or {},
                    user_id,
                    flow_run_id=run.id,
                )
                groups.append(group)
            event = f"run {run.id} of flow {flow_id} started job groups {_listed(groups)}"
            self._log_run(home, event, user_id)
            return run, tuple(groups)

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
        state = self.state
        with state.lock:
            recipe = Recipes(state).recipe(recipe_id)
            self._check_release(recipe.home)
            if (JobGroup, execution_id) in state.execution_ids:
                return None
            output = self.output_of(recipe, overrides or {})
            group = self._start(recipe.home, output, parameters or {}, user_id, flow_run_id=None)
            self._keep_key(JobGroup, execution_id)
            event = f"run of recipe {recipe_id} started job groups {group.id}"
            self._log_run(recipe.home, event, user_id)
            return group

    def flow_run(self, flow_run_id: int) -> FlowRun:
        """Find the run of a flow.

        :param flow_run_id: its id
        :raises MissingObjectError: unknown
        """
        return self.state.flow_runs.find(flow_run_id)

    def job_group(self, job_group_id: int) -> JobGroup:
        """Find a job group.

        :param job_group_id: its id
        :raises MissingObjectError: unknown
        """
        return self.state.job_groups.find(job_group_id)

    def output_of(self, recipe: Recipe, overrides: Mapping[str, Any]) -> Output:
        """Find what a run of a recipe makes.

        :param recipe: the recipe
        :param overrides: other settings of its output
        :raises ValidationError: it has no manual output, and the overrides name none either
        """
        output = Output(recipe.id, None, profiler=False)
        for manual in manual_outputs(recipe.home.tables, (recipe.home.flow_id,)):
            if manual.recipe_id == recipe.id:
                output = manual
                break
        output = overridden(output, overrides)
        if not recipe.node.get("wrangled"):
            raise ValidationError(f"wrangledDatasets {recipe.id} is a dataset without a recipe")
        if output.is_empty:
            # The name is recorded [P: SAA].
            raise ValidationError(
                f"wrangledDatasets {recipe.id} has no manual output; overrides must define one",
                "ValidationFailed",
            )
        return output

    def job_groups(self, deployment_id: int | None = None) -> tuple[JobGroup, ...]:
        """List job groups, oldest first.

        :param deployment_id: only those of this deployment; ``None`` = all
        """
        groups = self.state.job_groups.all()
        if deployment_id is None:
            return groups
        return tuple(group for group in groups if group.deployment_id == deployment_id)

    def cancel_job_group(self, job_group_id: int, user_id: int = 1) -> JobGroup:
        """Cancel a job group; does nothing if it has ended [P: AAC25].

        :param job_group_id: its id
        :param user_id: who cancels it; default the first user
        :raises MissingObjectError: unknown
        """
        state = self.state
        with state.lock:
            group = state.job_groups.find(job_group_id)
            if group.finished:
                return group
            self._log_run(group.recipe.home, f"job group {job_group_id} canceled", user_id)
            canceled = replace(group, canceled_at=state.options.clock())
            return state.job_groups.put(canceled)

    def _nothing(self, reason: str) -> tuple[JobGroup, ...]:
        if self.state.options.run_without_output == "refuse":
            raise ValidationError(reason)
        return ()

    def _check_release(self, home: Home) -> None:
        of_release = home.release_id is not None
        if of_release and self.state.options.run_release_flows == "refuse":
            raise AccessError(
                f"flows {home.flow_id} belongs to a release and runs with its deployment only"
            )

    def _start_flow_run(
        self,
        home: Home,
        user_id: int,
        execution_id: str | None = None,
    ) -> FlowRun:
        self._keep_key(FlowRun, execution_id)
        run_id = self.state.ids.next("flowruns")
        now = self.state.options.clock()
        run = FlowRun(run_id, home, now, user_id, execution_id)
        return self.state.flow_runs.put(run)

    def _keep_key(self, kind: type, execution_id: str | None) -> None:
        # A key counts for one kind of run: "if a JobGroup with the same executionId already exists"
        # [P: AAC25].
        if execution_id is not None:
            self.state.execution_ids.add((kind, execution_id))

    def _log_run(self, home: Home, event: str, user_id: int) -> None:
        self.state.log(
            self.state.options.clock(),
            user_id,
            event,
            deployment_id=home.deployment_id,
            release_id=home.release_id,
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
        state = self.state
        options = state.options
        created_at = options.clock()
        starts_at = created_at + timedelta(seconds=options.job_start_seconds)
        ends_at = starts_at + timedelta(seconds=options.job_run_seconds)
        ending, message = self._ending(home)
        connections = state.connections.all(include_deleted=True)
        vendors = {connection.id: connection.vendor for connection in connections}
        recipe = next(recipe for recipe in nodes_of(home) if recipe.id == output.recipe_id)
        group_id = state.ids.next("jobgroups")
        group = JobGroup(
            id=group_id,
            recipe=recipe,
            flow_run_id=flow_run_id,
            session_id=str(uuid4()),
            jobs=self._jobs(output),
            execution=output.execution,
            overrides=dict(parameters),
            inputs=read_by(home.tables, read_as or home.flow_name, vendors),
            outputs=written_by(output, vendors),
            created_at=created_at,
            starts_at=starts_at,
            ends_at=ends_at,
            ending=ending,
            message=message,
            creator=user_id,
            clock=options.clock,
            canceled_word=options.canceled_word,
        )
        return state.job_groups.put(group)

    def _jobs(self, output: Output) -> tuple[Job, ...]:
        jobs = []
        for kind, setting in jobs_of(output):
            job_id = self.state.ids.next("jobs")
            if setting is not None:
                setting = self._with_id(setting)
            jobs.append(Job(job_id, kind, setting))
        return tuple(jobs)

    def _with_id(self, setting: Row) -> Row:
        # A setting of the request has no id yet.
        if "id" in setting:
            return setting
        return {**setting, "id": self.state.ids.next("writesettings")}

    def _ending(self, home: Home) -> tuple[str, str | None]:
        """Return how a job group ends and why: as a test demanded, or as its data says."""
        options = self.state.options
        demanded = self.state.runs.take(home.deployment_id, home.flow_id)
        if demanded is None:
            reason = why_unreadable(home.tables, options.missing_paths)
            if reason is None:
                return "Complete", None
            return "Failed", reason
        if demanded.status == "Canceled":
            return options.canceled_word, demanded.message
        if demanded.status == "Failed":
            return "Failed", demanded.message or "Failed on demand"
        return demanded.status, demanded.message


def _wanted_outputs(home: Home, recipe_ids: Sequence[int]) -> list[Output]:
    """Return the manual outputs of a flow: those of the given recipes, or all."""
    outputs = manual_outputs(home.tables, (home.flow_id,))
    if not recipe_ids:
        return outputs
    with_output = {output.recipe_id for output in outputs}
    wrong = [recipe_id for recipe_id in recipe_ids if recipe_id not in with_output]
    if wrong:
        raise ValidationError(
            f"wrangledDatasetIds: flows {home.flow_id} has no manual output of {wrong}"
        )
    return [output for output in outputs if output.recipe_id in recipe_ids]


def _listed(groups: Sequence[JobGroup]) -> str:
    return ", ".join(str(group.id) for group in groups)
