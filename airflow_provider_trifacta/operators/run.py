"""Operators that run a deployment, flows or a recipe, and wait for their jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..links import TrifactaDeploymentLink, TrifactaJobLink
from ..promotion.run import run_deployment
from ._base import Attempt, DeploymentOperator, Target
from ._running import RunningOperator

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..promotion import Run


class RunDeploymentOperator(RunningOperator, DeploymentOperator):
    """Runs the live release of a deployment, and waits until every job group is Complete.

    It fails when no release is live, and when the run starts nothing. It fails as soon as a job group is Failed (with
    the words of its first failed job), Canceled or in an unknown state. When the answer to the run is lost, nothing
    tells whether jobs started. Then the task fails and does not ask again.

    On Airflow 3.3 a retry **joins** the jobs that an earlier try started, and never starts them a second time, as long
    as the same release is live and the parameters are the same. A clear joins jobs that still run, and starts new ones
    if they ended.

    Before Airflow 3.3 nothing remembers the jobs, and **a retry may run them twice**: use ``retries=0`` there. Airflow
    then retries only before the run was asked for, and after the task's process was killed. Every later failure ends
    the task. One exception: Airflow 2.11 retries an ``execution_timeout`` that comes while the task is deferred, so use
    ``timeout``. A clear runs the jobs again.

    API pages: API Deployments Run v4, API JobGroups Get Status v4.

    :param deployment_id: the deployment: an int, a string of digits, or an XComArg (templated)
    :param deployment_name: its exact name, in place of the id (templated)
    :param run_parameters: values by parameter name, which override the flow's own (templated)
    :param release_id: the release that must be live, else nothing is started; any release if it is left out
        (templated)
    :param trifacta_conn_id: the Airflow connection of the production instance (templated)
    :param wait_for_completion: False to succeed as soon as the jobs have started; a ``JobGroupSensor`` can wait
    :param poke_interval: seconds between two polls, or a timedelta; more than 0
    :param timeout: seconds to wait for the jobs, or a timedelta. When the time is up, the task fails and the jobs still
        run
    :param tolerated_outage: how long every poll may fail with a transient error (connection, timeout, 429, 5xx) before
        the wait fails, in seconds or as a timedelta. ``Retry-After`` lengthens the pause, and a 429 with it is not a
        failure. After a 401 the Airflow connection is read again, and the wait continues if its credentials changed
    :param cancel_on_kill: whether to cancel the jobs when Airflow kills the task (cleared, marked, timed out). While
        the task is deferred this needs Airflow 3.3, and a person who clears or marks it. It has no effect when the
        process dies
    :param deferrable: wait in the triggerer, without a worker slot; default: Airflow's ``default_deferrable``
    :returns: a dict with ``deployment_id``, ``release_id`` (what was live), ``job_group_ids``, ``job_urls``,
        ``deployment_url`` (the deployment's page) and ``outcome`` (``complete``, or ``started`` without waiting). All
        but the last are also pushed as XCom keys of these names before the wait
    :raises AirflowFailException: for errors that a retry cannot fix, and for every error after the start if nothing
        remembers the jobs
    :raises TrifactaError: for other errors
    """

    template_fields: Sequence[str] = tuple(
        dict.fromkeys((*DeploymentOperator.template_fields, *RunningOperator.template_fields))
    )
    operator_extra_links = (TrifactaJobLink(), TrifactaDeploymentLink())
    _kind = ("deployment", "deployment_id", "the live release of {}")
    # The API documents no execution id for it.
    _runs_once = False

    def _checked(self) -> Target:
        return self.target()

    def _find(self, client: TrifactaClient, checked: Target, attempt: Attempt) -> int:
        deployment_id = checked.find(client)
        attempt.tell_deployment(client, deployment_id)
        return deployment_id

    def _run(self, client: TrifactaClient, found: int, parameters: Mapping[str, str], **options: Any) -> Run:
        return run_deployment(client, found, parameters, **options)
