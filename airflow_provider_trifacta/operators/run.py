"""The operator that runs a deployment. Import it from :mod:`.deployment`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .._compat import (
    AirflowFailException,
    AirflowTaskTimeout,
    TaskDeferralError,
    TaskDeferralTimeout,
    conf,
    looks_secret,
)
from .._failures import airflow_failures, check_event
from ..client.errors import FailedWaitError, TrifactaError
from ..client.texts import parse_id
from ..hooks.trifacta import TrifactaHook
from ..links import JOB_URLS_KEY, TrifactaDeploymentLink, TrifactaJobLink
from ..promotion.run import check_parameters, run_deployment
from ..waits import POKE_INTERVAL, TOLERATED_OUTAGE, JobGroupsWatch, cancel_job_groups, seconds
from ._base import NOT_GIVEN, Attempt, DeploymentOperator, Target, given_or_none, remembers

if TYPE_CHECKING:
    from .._compat import Context
    from ..client import ClientConfig, TrifactaClient


class RunDeploymentOperator(DeploymentOperator):
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

    template_fields: Sequence[str] = (*DeploymentOperator.template_fields, "run_parameters", "release_id")
    operator_extra_links = (TrifactaJobLink(), TrifactaDeploymentLink())

    def __init__(
        self,
        *,
        run_parameters: Any = None,
        release_id: Any = NOT_GIVEN,
        wait_for_completion: bool = True,
        poke_interval: float | timedelta = POKE_INTERVAL,
        timeout: float | timedelta = 24 * 60 * 60.0,
        tolerated_outage: float | timedelta = TOLERATED_OUTAGE,
        cancel_on_kill: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.run_parameters = run_parameters
        self.release_id = given_or_none(release_id)
        # A value that renders to nothing is an error, and not "any release".
        self._with_release = release_id is not NOT_GIVEN
        self.wait_for_completion = wait_for_completion
        self.poke_interval = poke_interval
        self.timeout = timeout
        self.tolerated_outage = tolerated_outage
        self.cancel_on_kill = cancel_on_kill
        self.deferrable = deferrable
        self._config: ClientConfig | None = None
        self._asked = False
        self._remembers = False
        self._running: JobGroupsWatch | None = None
        self._facts: dict[str, Any] = {}

    def execute(self, context: Context) -> dict[str, Any]:
        """Start the jobs, tell their ids, and wait for them."""
        try:
            return self._execute(Attempt(self, context))
        except (TrifactaError, AirflowFailException):
            raise  # these decide already whether a retry is safe
        except (Exception, AirflowTaskTimeout) as error:  # AirflowTaskTimeout is not an Exception
            if not self._asked or self._remembers:
                raise  # nothing was asked for, or a retry joins the jobs
            if isinstance(error, AirflowTaskTimeout):
                self.on_kill()  # Airflow calls it for its own error, but not for the one raised here
            raise AirflowFailException(
                f"{type(error).__name__} after the run was asked for: {error}. {self._state()} There is no "
                "retry, because it would run the jobs again."
            ) from error

    def _state(self) -> str:
        if self._running is None:
            return "Jobs may have been started. Check the jobs in Trifacta."
        return f"Job groups {self._running.unfinished} may still be running. Check them in Trifacta."

    def _execute(self, attempt: Attempt) -> dict[str, Any]:
        with airflow_failures():
            target = self.target()
            parameters = check_parameters(self.run_parameters)
            expected = parse_id(self.release_id, "release_id") if self._with_release else None
            # An invalid argument of the wait must fail before the jobs start.
            JobGroupsWatch([], tolerated_outage=self.tolerated_outage)
            self._times()
            self._say(target, parameters)
            journal = attempt.open_journal()
            client = TrifactaHook(self.trifacta_conn_id).client
            self._config = client.config
            with client:
                deployment_id = target.find(client)
                attempt.tell_deployment(client, deployment_id)
                self._asked, self._remembers = True, journal.remembers
                run = run_deployment(
                    client,
                    deployment_id,
                    parameters,
                    release_id=expected,
                    journal=journal,
                    retry=attempt.is_retry,
                )
                live, ids = run.release_id, run.job_group_ids
                watch = self._running = JobGroupsWatch(ids, tolerated_outage=self.tolerated_outage)
                urls = [client.job_group_url(one) for one in ids]
                attempt.tell(release_id=live, job_group_ids=ids, **{JOB_URLS_KEY: urls})
                self._facts = attempt.facts
                verb = "joined" if run.joined else "started"
                self.log.info("Live release %s of deployment %s: %s job groups %s", live, deployment_id, verb, ids)
                for url in urls:
                    self.log.info("%s", url)  # alone on its line, because Airflow's pages then show a link
                if not self.wait_for_completion:
                    return {**attempt.facts, "outcome": "started"}
                with airflow_failures(final=not self._remembers):
                    return self._wait(client, watch, attempt.facts)

    def _say(self, target: Target, parameters: Mapping[str, str]) -> None:
        """Log what the task will do. A parameter is shown as it is sent, unless its name looks secret."""
        shown = {name: "***" if looks_secret(name) else value for name, value in parameters.items()}
        self.log.info(
            "Will run the live release of %s%s with %s, and %s",
            target,
            f" if it is release {self.release_id}" if self._with_release else "",
            f"the parameters {shown}" if shown else "no parameters",
            "wait for its jobs" if self.wait_for_completion else "not wait for its jobs",
        )

    def _times(self) -> tuple[float, float]:
        """Return the interval and the timeout in seconds."""
        return seconds("poke_interval", self.poke_interval, positive=True), seconds("timeout", self.timeout)

    def _wait(self, client: TrifactaClient, watch: JobGroupsWatch, facts: dict[str, Any]) -> dict[str, Any]:
        started, wall_clock = time.monotonic(), time.time()
        interval, patience = self._times()
        watch.client = client.without_repetitions
        while not watch.poll(self._connect):
            if self.deferrable:
                self._defer(watch, interval, wall_clock, patience, facts)
            left = patience - (time.monotonic() - started)
            if left <= 0:
                raise FailedWaitError(
                    f"The jobs of deployment {facts['deployment_id']} are not Complete after {patience} s. They were "
                    f"not cancelled. {watch.state} Wait for them with a JobGroupSensor, or raise 'timeout'.",
                    deployment_id=facts["deployment_id"],
                    release_id=facts["release_id"],
                    job_group_ids=watch.unfinished,
                )
            time.sleep(min(watch.pause(interval), left))
        return self._complete(facts)

    def _complete(self, facts: dict[str, Any]) -> dict[str, Any]:
        self.log.info(
            "The run of deployment %s is Complete; release %s was live",
            facts.get("deployment_id"),
            facts.get("release_id"),
        )
        self._facts = {**facts, "outcome": "complete"}
        return self._facts

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002
        """Tell OpenLineage what the jobs read and wrote. Airflow calls this only if OpenLineage is on."""
        from ._lineage import lineage_of

        # After a deferral there is no client. The Airflow connection is not read where it can be avoided.
        client = self._running.client if self._running else None
        return lineage_of(lambda: (client or TrifactaHook(self.trifacta_conn_id).client).config, self._facts)

    def _connect(self) -> TrifactaClient:
        """Read the Airflow connection again, because the server refused its credentials."""
        return TrifactaHook(self.trifacta_conn_id).client.without_repetitions

    def _defer(
        self, watch: JobGroupsWatch, interval: float, began: float, patience: float, facts: dict[str, Any]
    ) -> None:
        # Imported late, because few tasks need a trigger.
        from ..triggers.job_group import JobGroupTrigger

        trigger = JobGroupTrigger(
            job_group_ids=watch.unfinished,
            cancel_on_kill=self.cancel_on_kill,
            trifacta_conn_id=self.trifacta_conn_id,
            tolerated_outage=watch.tolerated_outage,
            failing_since=watch.failing_since,
            poke_interval=interval,
            not_before=time.time() + watch.retry_after if watch.retry_after else None,
            began=began,
            deadline=began + patience,
        )
        kwargs = {"facts": facts}
        self.defer(trigger=trigger, method_name="execute_complete", kwargs=kwargs, timeout=trigger.given_up_after)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after the triggerer. If it lost the wait, a retry must not run the jobs again."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)  # type: ignore[no-untyped-call, unused-ignore]
        except (TaskDeferralError, TaskDeferralTimeout) as error:
            if remembers(context):
                raise  # a retry joins the jobs
            raise AirflowFailException(
                f"The triggerer ended the wait ({type(error).__name__}: {error}). The jobs were not cancelled. Check "
                "them in Trifacta. There is no retry, because it would run the jobs again."
            ) from error

    def execute_complete(
        self,
        context: Context,
        event: dict[str, Any] | None = None,
        facts: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Report the end of the wait that the trigger saw."""
        known = self._facts = facts or {}
        about = {key: known[key] for key in ("deployment_id", "release_id", "job_group_ids") if key in known}
        with airflow_failures(final=not remembers(context)):
            self.log.info("%s", check_event(event, **about))
        return self._complete(known)

    def on_kill(self) -> None:
        """Cancel the jobs, if ``cancel_on_kill`` is set."""
        if not (self.cancel_on_kill and self._running and self._config):
            return
        # The Airflow connection is not read here, because the kill may interrupt another request to Airflow.
        client = self._running.client
        cancel_job_groups(client.config if client else self._config, self._running.unfinished)
