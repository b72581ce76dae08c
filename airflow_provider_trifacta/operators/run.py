"""The operator that runs a deployment. Import it from :mod:`.deployment`."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .._compat import (
    AirflowFailException,
    AirflowTaskTimeout,
    BaseOperator,
    TaskDeferralError,
    TaskDeferralTimeout,
    conf,
)
from .._failures import airflow_failures, check_event
from ..client.errors import FailedWaitError, InvalidInputError, TrifactaError
from ..client.ids import parse_id
from ..hooks.trifacta import TrifactaHook
from ..links import DEPLOYMENT_URL_KEY, JOB_URLS_KEY, TrifactaDeploymentLink, TrifactaJobLink
from ..promotion.run import check_parameters, run_deployment
from ..waits import JobGroupsWatch
from ._facts import Facts
from ._target import check_target, find_deployment, is_automatic_retry, open_journal

if TYPE_CHECKING:
    from .._compat import Context
    from ..client import ClientConfig, TrifactaClient


class RunDeploymentOperator(BaseOperator):
    """Runs the live release of a deployment, and waits until every job group is Complete.

    It fails when no release is live, when the run starts nothing, and as soon as a job group is Failed (with the words
    of its first failed job), Canceled or in an unknown state. When the answer to the run is lost, nobody can tell
    whether jobs started: the task fails and does not ask again.

    What happens again on a retry: **a retry may run the jobs twice**, so use ``retries=0``. Airflow's retries only
    come into play before the run was asked for, and after the task's process was killed; every failure after that, an
    ``execution_timeout`` and a lost trigger too, ends the task, whatever ``retries`` is (but Airflow 2.11 retries an
    ``execution_timeout`` that comes while the task is deferred: use ``timeout``). A clear runs the jobs again.

    API pages: API Deployments Run v4, API JobGroups Get Status v4.

    :param deployment_id: the deployment: an int, a string of digits, or an XComArg (templated)
    :param deployment_name: its exact name, in place of the id (templated)
    :param run_parameters: values by parameter name, which override the flow's own (templated)
    :param release_id: the release that must be live, or else nothing is started; None for any (templated)
    :param trifacta_conn_id: the Airflow connection (templated)
    :param wait_for_completion: False to succeed as soon as the jobs have started; a ``JobGroupSensor`` can wait
    :param poll_interval: seconds between two polls, or a timedelta
    :param timeout: seconds to wait for the jobs, or a timedelta; they go on when the time is up, and the task fails
    :param tolerated_failures: how many polls in a row may fail in passing (connection, timeout, 429, 5xx)
    :param cancel_on_kill: whether to cancel the jobs when the task is killed by Airflow (cleared, marked, timed out).
        It has no effect while the task is deferred, nor when its process dies
    :param deferrable: wait in the triggerer, without a worker slot; default: Airflow's ``default_deferrable``
    :returns: a dict with ``deployment_id``, ``release_id`` (what was live), ``job_group_ids``, ``job_urls``,
        ``deployment_url`` (the deployment's page) and ``outcome`` (``complete``, or ``started`` without waiting); all
        but the last are also pushed as XCom keys of these names before the wait
    :raises AirflowFailException: for anything that a retry cannot mend, and for everything after the start
    :raises TrifactaError: for the rest
    """

    template_fields: Sequence[str] = (
        "deployment_id",
        "deployment_name",
        "run_parameters",
        "release_id",
        "trifacta_conn_id",
    )
    operator_extra_links = (TrifactaJobLink(), TrifactaDeploymentLink())
    ui_color = "#e8f3ec"

    def __init__(
        self,
        *,
        deployment_id: Any = None,
        deployment_name: Any = None,
        run_parameters: Any = None,
        release_id: Any = None,
        trifacta_conn_id: str = TrifactaHook.default_conn_name,
        wait_for_completion: bool = True,
        poll_interval: float | timedelta = 10.0,
        timeout: float | timedelta = 24 * 60 * 60.0,
        tolerated_failures: int = 5,
        cancel_on_kill: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deployment_id = deployment_id
        self.deployment_name = deployment_name
        self.run_parameters = run_parameters
        self.release_id = release_id
        # A release that was given but renders to nothing must not pass for any.
        self._with_release = release_id is not None
        self.trifacta_conn_id = trifacta_conn_id
        self.wait_for_completion = wait_for_completion
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.tolerated_failures = tolerated_failures
        self.cancel_on_kill = cancel_on_kill
        self.deferrable = deferrable
        self._config: ClientConfig | None = None
        self._asked = False
        self._running: JobGroupsWatch | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Start the jobs, tell their ids, and wait for them."""
        try:
            return self._execute(context)
        except (TrifactaError, AirflowFailException):
            raise  # it was judged already whether a retry would run anything twice
        except (Exception, AirflowTaskTimeout) as error:  # the second is none of the first
            if not self._asked:
                raise
            if isinstance(error, AirflowTaskTimeout):
                self.on_kill()  # which Airflow calls for its own error alone
            raise AirflowFailException(
                f"{type(error).__name__} after the run was asked for: {error}. {self._state()} A retry would run them "
                "again."
            ) from error

    def _state(self) -> str:
        if self._running is None:
            return "Whether jobs were started cannot be told: look at the jobs in Trifacta."
        return f"The job groups {self._running.unfinished} were not seen Complete."

    def _execute(self, context: Context) -> dict[str, Any]:
        with airflow_failures():
            given = check_target(self.deployment_id, self.deployment_name)
            parameters = check_parameters(self.run_parameters)
            expected = parse_id(self.release_id, "release_id") if self._with_release else None
            # What is wrong with the wait is to be said before the start.
            JobGroupsWatch([], tolerated_failures=self.tolerated_failures)
            self._times()
            client = TrifactaHook(self.trifacta_conn_id).client
            self._config = client.config
            facts = Facts(context)
            with client:
                deployment_id = find_deployment(client, given, self.deployment_name)
                facts.add(deployment_id=deployment_id, **{DEPLOYMENT_URL_KEY: client.deployment_url(deployment_id)})
                journal = open_journal(context)
                self._asked = True
                run = run_deployment(
                    client,
                    deployment_id,
                    parameters,
                    release_id=expected,
                    journal=journal,
                    retry=is_automatic_retry(context, self),
                )
                live, ids = run.release_id, run.job_group_ids
                watch = self._running = JobGroupsWatch(ids, tolerated_failures=self.tolerated_failures)
                urls = [client.job_group_url(one) for one in ids]
                facts.add(release_id=live, job_group_ids=ids, **{JOB_URLS_KEY: urls})
                self.log.info("Release %s of deployment %s started the job groups %s", live, deployment_id, urls)
                if not self.wait_for_completion:
                    return {**facts.values, "outcome": "started"}
                with airflow_failures(final=True):
                    return self._wait(client, watch, facts.values)

    def _times(self) -> tuple[float, float]:
        """Return the interval and the timeout in seconds."""
        return _seconds("poll_interval", self.poll_interval), _seconds("timeout", self.timeout)

    def _wait(self, client: TrifactaClient, watch: JobGroupsWatch, facts: dict[str, Any]) -> dict[str, Any]:
        started, wall_clock = time.monotonic(), time.time()
        interval, patience = self._times()
        polling = client.without_repetitions
        while not watch.poll(polling):
            if self.deferrable:
                self._defer(watch, interval, wall_clock + patience, facts)
            left = patience - (time.monotonic() - started)
            if left <= 0:
                raise FailedWaitError(f"Not Complete in time ({patience} s); the jobs go on. {watch.state}")
            time.sleep(min(interval, left))
        return {**facts, "outcome": "complete"}

    def _defer(self, watch: JobGroupsWatch, interval: float, deadline: float, facts: dict[str, Any]) -> None:
        # Imported late: few tasks need a trigger.
        from ..triggers.job_group import JobGroupTrigger

        trigger = JobGroupTrigger(
            job_group_ids=watch.unfinished,
            trifacta_conn_id=self.trifacta_conn_id,
            tolerated_failures=self.tolerated_failures,
            failures=watch.failures,
            poke_interval=interval,
            deadline=deadline,
        )
        kwargs = {"facts": facts}
        self.defer(trigger=trigger, method_name="execute_complete", kwargs=kwargs, timeout=trigger.given_up_after)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Come back from the triggerer; where it lost the wait, Airflow's error must not run the jobs again."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)  # type: ignore[no-untyped-call, unused-ignore]
        except (TaskDeferralError, TaskDeferralTimeout) as error:
            raise AirflowFailException(
                f"The triggerer gave the wait up ({type(error).__name__}: {error}); the jobs go on. Look at them in "
                "Trifacta; a retry would run them again."
            ) from error

    def execute_complete(
        self,
        context: Context,  # noqa: ARG002
        event: dict[str, Any] | None = None,
        facts: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Take over from the trigger; the event says all there is to know."""
        with airflow_failures(final=True):
            self.log.info("%s", check_event(event))
        return {**(facts or {}), "outcome": "complete"}

    def on_kill(self) -> None:
        """Cancel the jobs, if that is wanted."""
        if not (self.cancel_on_kill and self._running and self._config):
            return
        from ..client import TrifactaClient  # not at import: it loads requests

        # Called in the middle of anything: Airflow may wait for an answer just now, and so may the other client.
        with TrifactaClient(self._config) as client:
            for job_group_id in self._running.unfinished:
                try:
                    client.job_groups.cancel(job_group_id)
                    self.log.info("Canceled job group %s", job_group_id)
                except TrifactaError as error:  # the others should be canceled all the same
                    self.log.warning("Job group %s was not canceled: %s", job_group_id, error)


def _seconds(name: str, value: Any) -> float:
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number < math.inf:
        raise InvalidInputError(f"{name} must be 0 or more seconds, or a timedelta, not {value!r}.")
    return float(number)
