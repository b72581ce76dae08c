"""Operators that run a deployment, flows or a recipe, and wait for their jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..client.errors import InvalidInputError
from ..client.ids import parse_id, parse_ids
from ..client.models import optional_id
from ..client.texts import quoted, shown
from ..links import TrifactaDeploymentLink, TrifactaJobLink
from ..promotion.run import run_deployment, run_flows, run_recipe
from ._base import Attempt, DeploymentOperator, Target, check_name, given_name
from ._running import RunningOperator

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..promotion import Run, Tries


#: The item of an import's result that has the ids of the flows to run.
_PRIMARY_FLOWS = "primary_flow_ids"
_FLOWS_UNKNOWN = (
    "A promotion that reused or adopted a release, or whose answer did not show them, does not know"
    " its flows. Nothing was sent. Run the deployment with RunDeploymentOperator, or give"
    " flow_name."
)


class RunDeploymentOperator(RunningOperator, DeploymentOperator):
    """Runs the live release of a deployment, and waits until every job group is Complete.

    It fails when no release is live, and when the run starts nothing. It fails as soon as a job
    group is Failed (with the words of its first failed job), Canceled or in an unknown state. When
    the answer to the run is lost, nothing tells whether jobs started. Then the task fails and does
    not ask again.

    On Airflow 3.3 a retry **joins** the jobs that an earlier try started, and never starts them a
    second time, as long as the same release is live and the parameters are the same. A clear joins
    jobs that still run, and starts new ones if they ended.

    Before Airflow 3.3 nothing remembers the jobs, and **a retry may run them twice**: use
    ``retries=0`` there. Airflow then retries only before the run was asked for, and after the
    task's process was killed. Every later failure ends the task. One exception: Airflow 2.11
    retries an ``execution_timeout`` that comes while the task is deferred, so use ``timeout``. A
    clear runs the jobs again.

    API pages: API Deployments Run v4, API JobGroups Get Status v4.

    :param deployment_id: the deployment: an int, a string of digits, or an XComArg (templated)
    :param deployment_name: its exact name, in place of the id (templated)
    :param run_parameters: values by parameter name, which override the flow's own (templated)
    :param release_id: the release that must be live, else nothing is started; any release if it is
        left out (templated)
    :param trifacta_conn_id: the Airflow connection of the production instance (templated)
    :param wait_for_completion: False to succeed as soon as the jobs have started; a
        ``JobGroupSensor`` can wait
    :param poke_interval: seconds between two polls, or a timedelta; more than 0
    :param timeout: seconds to wait for the jobs, or a timedelta. When the time is up, the task
        fails and the jobs still run
    :param tolerated_outage: how long every poll may fail with a transient error (connection,
        timeout, 429, 5xx) before the wait fails, in seconds or as a timedelta. ``Retry-After``
        lengthens the pause, and a 429 with it is not a failure. After a 401 the Airflow connection
        is read again, and the wait continues if its credentials changed
    :param cancel_on_kill: whether to cancel the jobs when Airflow kills the task (cleared, marked,
        timed out). While the task is deferred this needs Airflow 3.3, and a person who clears or
        marks it. It has no effect when the process dies
    :param package_path: the package of what runs. Only OpenLineage reads it, and only if the
        instance does not tell what a job read (templated)
    :param deferrable: wait in the triggerer, without a worker slot; default: Airflow's
        ``default_deferrable``
    :returns: a dict with ``deployment_id``, ``release_id`` (what was live), ``job_group_ids``,
        ``job_urls``, ``deployment_url`` (the deployment's page) and ``outcome`` (``complete``, or
        ``started`` without waiting). All but the last are also pushed as XCom keys of these names
        before the wait
    :raises AirflowFailException: for errors that a retry cannot fix, and for every error after the
        start if nothing remembers the jobs
    :raises TrifactaError: for other errors
    """

    template_fields: Sequence[str] = (
        *DeploymentOperator.template_fields,
        "run_parameters",
        "release_id",
        "package_path",
    )
    operator_extra_links = (TrifactaJobLink(), TrifactaDeploymentLink())
    _kind = ("deployment", "deployment_id")
    # The API documents no execution id for it.
    _runs_once = False

    def _checked(self) -> tuple[str, Target]:
        target = self.target()
        return f"the live release of {target}", target

    def _find(self, client: TrifactaClient, checked: Target, attempt: Attempt) -> int:
        deployment_id = checked.find(client)
        attempt.push_deployment(client, deployment_id)
        return deployment_id

    def _run(
        self,
        client: TrifactaClient,
        found: int,
        parameters: Mapping[str, str],
        release_id: int | None,
        tries: Tries,
    ) -> Run:
        return run_deployment(client, found, parameters, release_id=release_id, tries=tries)


class RunFlowOperator(RunningOperator):
    """Runs flows, and waits until every job group is Complete.

    Each flow runs its manual outputs. Several flows run at the same time; they are started in their
    order.

    A retry **joins** the jobs that an earlier try started, on every line of Airflow, and never
    starts them a second time. Each request has an execution id that is the same in all tries
    between two clears. If an answer was lost, the request is sent again, but only to a server whose
    own description says that it takes an execution id once. With any other server the task fails
    with the list of the job groups that appeared, and a person decides.

    API pages: runFlow, API JobGroups Get Status v4.

    :param flow_id: the flow, or a list of flows: ints, strings of digits, or an XComArg. Or the
        whole return value of an operator that imports, such as ``create.output``: its primary flows
        (templated)
    :param flow_name: the exact name of one flow, in place of the id (templated)
    :param run_parameters: values by parameter name, for each of the flows (templated)
    :param release_id: the release that must be live, else nothing is started: give it with the
        flows of a release, so that no flow runs that was rolled back. Its deployment is found by it
        (templated)
    :param waiting: all other parameters are those of :class:`RunDeploymentOperator`
    :returns: a dict with ``flow_ids``, ``release_id`` (None if none was given), ``job_group_ids``,
        ``job_urls``, ``flow_run_id`` (for several flows a list; missing if the server does not
        tell) and ``outcome`` (``complete``, or ``started`` without waiting). All but the last are
        also pushed as XCom keys of these names before the wait, unless they are None
    :raises AirflowFailException: for errors that a retry cannot fix
    :raises TrifactaError: for other errors
    """

    template_fields: Sequence[str] = ("flow_id", "flow_name", *RunningOperator.template_fields)
    _kind = ("flows", "flow_ids")

    def __init__(self, *, flow_id: Any = None, flow_name: Any = None, **waiting: Any) -> None:
        super().__init__(**waiting)
        self.flow_id = flow_id
        self.flow_name = flow_name

    def _checked(self) -> tuple[str, list[int] | str]:
        name = given_name(self.flow_name, self.flow_id, "flow")
        if name:
            return f"flow {quoted(name)}", name
        if self.flow_id in (None, "None"):
            raise InvalidInputError(f"flow_id is None. {_FLOWS_UNKNOWN}")
        if isinstance(self.flow_id, Mapping):
            flow_ids = _imported_flows(self.flow_id)
        else:
            flow_ids = parse_ids(self.flow_id, "flow_id")
        return f"flows {flow_ids}", flow_ids

    def _find(
        self, client: TrifactaClient, checked: list[int] | str, attempt: Attempt
    ) -> list[int]:
        flow_ids = [client.flows.by_name(checked).id] if isinstance(checked, str) else checked
        attempt.push(flow_ids=flow_ids)
        return flow_ids

    def _run(
        self,
        client: TrifactaClient,
        found: list[int],
        parameters: Mapping[str, str],
        release_id: int | None,
        tries: Tries,
    ) -> Run:
        return run_flows(client, found, parameters, release_id=release_id, tries=tries)


def _imported_flows(imported: Mapping[str, Any]) -> list[int]:
    """Return the primary flows of what an operator that imports a package returned.

    :raises InvalidInputError: it does not tell them
    """
    if _PRIMARY_FLOWS not in imported:
        raise InvalidInputError(
            f"flow_id is a dict without {_PRIMARY_FLOWS!r}. Nothing was sent. Give the whole return"
            " value of a CreateReleaseOperator or an ImportFlowPackageOperator, such as"
            " create.output, or ids."
        )
    flow_ids = imported[_PRIMARY_FLOWS]
    if flow_ids is not None:
        return parse_ids(flow_ids, f"flow_id[{_PRIMARY_FLOWS!r}]")
    release_id = optional_id(imported.get("release_id"))
    origin = f"release {release_id}" if release_id else "the import"
    raise InvalidInputError(
        f"flow_id does not tell the primary flows of {origin} (outcome"
        f" {shown(imported.get('outcome'))}). {_FLOWS_UNKNOWN}",
        release_id=release_id,
        deployment_id=optional_id(imported.get("deployment_id")),
    )


def _is_list_of_dicts(value: Any) -> bool:
    """Tell whether a value is a list of dicts that has at least one."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(item, dict) for item in value)


class RunJobGroupOperator(RunningOperator):
    """Runs one recipe, as one job group, and waits until it is Complete.

    A retry joins the job group of an earlier try, as with :class:`RunFlowOperator`.

    API pages: runJobGroup, API JobGroups Get Status v4.

    :param recipe_id: the recipe, which the API calls a wrangled dataset: an int, a string of
        digits, or an XComArg. Recipes of a release have a new id with every import (templated)
    :param flow_name: the exact name of its flow, and (templated)
    :param recipe_name: its exact name within that flow, in place of the id (templated)
    :param run_parameters: values by parameter name (templated)
    :param write_settings: what to write, in place of the files of the recipe's output: a list of
        dicts as the API takes them, such as ``{"path": ..., "action": "create", "format": "csv"}``
        (templated)
    :param execution: where it runs, such as ``"photon"`` or ``"spark"``; as its output says if it
        is left out (templated)
    :param profiler: whether to profile the result; as its output says if it is left out
    :param waiting: all other parameters are those of :class:`RunFlowOperator`
    :returns: a dict with ``recipe_id`` and the values of :class:`RunFlowOperator` except
        ``flow_ids`` and ``flow_run_id``
    :raises AirflowFailException: for errors that a retry cannot fix
    :raises TrifactaError: for other errors
    """

    template_fields: Sequence[str] = (
        *("recipe_id", "flow_name", "recipe_name", "write_settings", "execution"),
        *RunningOperator.template_fields,
    )
    _kind = ("recipe", "recipe_id")

    def __init__(
        self,
        *,
        recipe_id: Any = None,
        flow_name: Any = None,
        recipe_name: Any = None,
        write_settings: Any = None,
        execution: Any = None,
        profiler: bool | None = None,
        **waiting: Any,
    ) -> None:
        super().__init__(**waiting)
        self.recipe_id = recipe_id
        self.flow_name = flow_name
        self.recipe_name = recipe_name
        self.write_settings = write_settings
        self.execution = execution
        self.profiler = profiler

    def _checked(self) -> tuple[str, int | tuple[str, str]]:
        self._overrides()
        if self.flow_name is None and self.recipe_name is None:
            recipe_id = parse_id(self.recipe_id, "recipe_id")
            return f"recipe {recipe_id}", recipe_id
        if self.recipe_id is not None:
            raise InvalidInputError(
                "Give recipe_id, or flow_name and recipe_name, not both. Nothing was sent."
            )
        flow_name = check_name(self.flow_name, "flow_name")
        recipe_name = check_name(self.recipe_name, "recipe_name")
        words = f"recipe {quoted(recipe_name)} of flow {quoted(flow_name)}"
        return words, (flow_name, recipe_name)

    def _overrides(self) -> dict[str, Any]:
        """Check the settings that replace those of the output, and return them."""
        if self.write_settings is not None and not _is_list_of_dicts(self.write_settings):
            raise InvalidInputError("write_settings must be a list of dicts. Nothing was sent.")
        if self.profiler not in (None, True, False):
            raise InvalidInputError(
                f"profiler must be True, False or None, not {self.profiler!r}. Nothing was sent."
            )
        overrides: dict[str, Any] = {}
        if self.execution is not None:
            overrides["execution"] = check_name(self.execution, "execution")
        if self.profiler is not None:
            overrides["profiler"] = self.profiler
        if self.write_settings is not None:
            overrides["writesettings"] = self.write_settings
        return overrides

    def _find(
        self, client: TrifactaClient, checked: int | tuple[str, str], attempt: Attempt
    ) -> int:
        if isinstance(checked, tuple):
            flow_name, recipe_name = checked
            flow_id = client.flows.by_name(flow_name).id
            recipe_id = client.flows.recipe_by_name(flow_id, recipe_name).id
        else:
            recipe_id = checked
        attempt.push(recipe_id=recipe_id)
        return recipe_id

    def _run(
        self,
        client: TrifactaClient,
        found: int,
        parameters: Mapping[str, str],
        release_id: int | None,
        tries: Tries,
    ) -> Run:
        return run_recipe(
            client,
            found,
            parameters,
            overrides=self._overrides(),
            release_id=release_id,
            tries=tries,
        )
