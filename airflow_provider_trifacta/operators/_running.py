"""What the operators share that run a deployment, flows or a recipe: they start jobs once, and wait
for them.
"""

from __future__ import annotations

import time
from abc import abstractmethod
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
    mask_secret,
)
from .._failures import airflow_failures, check_event
from .._job_log import job_logs_shown
from ..client.errors import FailedWaitError, TrifactaError
from ..client.texts import called, parse_id, sentence, shown
from ..hooks.trifacta import SHORTEST_MASKED
from ..links import JOB_URLS_KEY, TrifactaJobLink
from ..promotion.run import check_parameters
from ..waits import POKE_INTERVAL, TOLERATED_OUTAGE, JobGroupsWatch, cancel_job_groups, seconds
from ._base import NOT_GIVEN, Attempt, TrifactaOperator, given_or_none, remembers

if TYPE_CHECKING:
    from .._compat import Context
    from ..client import ClientConfig, TrifactaClient
    from ..promotion import Run, Tries


class RunningOperator(TrifactaOperator):
    """Starts jobs, and waits until every job group is Complete. The public operators describe the
    parameters.
    """

    template_fields: Sequence[str] = (
        *TrifactaOperator.template_fields,
        "run_parameters",
        "release_id",
        "package_path",
    )
    operator_extra_links: Any = (TrifactaJobLink(),)
    #: What runs: the word for it, and the fact that has its id.
    _kind = ("", "")
    #: Whether the requests have an execution id, so that a retry never starts the jobs a second
    #: time.
    _runs_once = True

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
        package_path: Any = None,
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
        self.package_path = package_path
        self._asked = False
        self._retry_joins = self._runs_once
        self._running: JobGroupsWatch | None = None
        self._facts: dict[str, Any] = {}
        self._hidden: list[str] = []

    @abstractmethod
    def _checked(self) -> tuple[str, Any]:
        """Check the arguments that name what runs, before any request.

        :returns: what runs in words for the log, and for :meth:`_find`
        """

    @abstractmethod
    def _find(self, client: TrifactaClient, checked: Any, attempt: Attempt) -> Any:
        """Find the ids of what runs, and tell them."""

    @abstractmethod
    def _run(
        self,
        client: TrifactaClient,
        found: Any,
        parameters: Mapping[str, str],
        release_id: int | None,
        tries: Tries,
    ) -> Run:
        """Start the jobs, or join those of an earlier try."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Start the jobs, tell their ids, and wait for them."""
        try:
            return super().execute(context)
        except (TrifactaError, AirflowFailException):
            raise  # these decide already whether a retry is safe
        except (Exception, AirflowTaskTimeout) as error:  # AirflowTaskTimeout is not an Exception
            if not self._asked or self._retry_joins:
                raise  # nothing was asked for, or a retry joins the jobs
            if isinstance(error, AirflowTaskTimeout):
                # Airflow calls it for its own error, but not for the one raised here
                self.on_kill()
            raise AirflowFailException(
                f"{type(error).__name__} after the run was asked for: {shown(error)}."
                f" {self._state()}"
                " There is no retry, because it would run the jobs again."
            ) from error

    def _state(self) -> str:
        if self._running is None:
            return "Jobs may have been started. Check the jobs in Trifacta."
        return (
            f"Job groups {self._running.unfinished} may still be running. Check them in Trifacta."
        )

    def _act(self, attempt: Attempt) -> dict[str, Any]:
        words, checked = self._checked()
        parameters = check_parameters(self.run_parameters)
        expected = parse_id(self.release_id, "release_id") if self._with_release else None
        # An invalid argument of the wait must fail before the jobs start.
        JobGroupsWatch([], tolerated_outage=self.tolerated_outage)
        self._times()
        self._say(words, parameters)
        self._hide(parameters)
        tries = attempt.begin()
        self._retry_joins |= tries.journal.exists
        if tries.journal.lacks_earlier_tries:
            self.log.warning(
                "Airflow has no notes of the tries of this task before this one. If [state_store]"
                " clear_on_success is on, or the notes were too old, jobs of an earlier try are"
                " not known and may run twice. Turn clear_on_success off."
            )
        with self._client() as client:
            found = self._find(client, checked, attempt)
            self._asked = True
            run = self._run(client, found, parameters, expected, tries)
            watch = self._tell(client, attempt, run)
            if not self.wait_for_completion:
                return {**attempt.xcoms, "outcome": "started"}
            with (
                airflow_failures(final=not self._retry_joins, advice=self.advice),
                job_logs_shown(self._config, lambda: watch.failed),
            ):
                return self._wait(watch)

    def _hide(self, parameters: Mapping[str, str]) -> None:
        """Let Airflow's masker and the client know the values of parameters whose names look
        secret, because a server may echo what it was sent.
        """
        self._hidden = [
            value
            for name, value in parameters.items()
            if looks_secret(name) and len(value) >= SHORTEST_MASKED
        ]
        for value in self._hidden:
            mask_secret(value)

    def _client(self) -> TrifactaClient:
        """Make the client, which knows what else must not be shown."""
        client = super()._client()
        return client.hiding(self._hidden)

    def _say(self, words: str, parameters: Mapping[str, str]) -> None:
        """Log what the task will do. A parameter is shown as it is sent, unless its name looks
        secret.
        """
        values = {
            name: "***" if looks_secret(name) else value for name, value in parameters.items()
        }
        self.log.info(
            "Will run %s%s with %s, and %s",
            words,
            f" if release {self.release_id} is live" if self._with_release else "",
            f"the parameters {values}" if values else "no parameters",
            "wait for its jobs" if self.wait_for_completion else "not wait for its jobs",
        )

    def _tell(self, client: TrifactaClient, attempt: Attempt, run: Run) -> JobGroupsWatch:
        ids, flow_runs = run.job_group_ids, run.flow_run_ids
        watch = JobGroupsWatch(ids, tolerated_outage=self.tolerated_outage)
        watch.client = client.without_repetitions
        self._running = watch
        urls = [client.job_group_url(one) for one in ids]
        more = (
            {"flow_run_id": flow_runs[0] if len(flow_runs) == 1 else flow_runs} if flow_runs else {}
        )
        attempt.push(release_id=run.release_id, job_group_ids=ids, **{JOB_URLS_KEY: urls}, **more)
        self._facts = attempt.xcoms
        verb = "joined" if run.joined else "started"
        self.log.info("%s: %s job groups %s", sentence(self._what()), verb, ids)
        attempt.show(*urls)
        return watch

    def _what(self) -> str:
        """Return what runs, in words."""
        (kind, key), facts = self._kind, self._facts
        live = f", whose release {facts['release_id']} is live" if facts.get("release_id") else ""
        return called(kind, facts.get(key), getattr(self, f"{kind}_name", None)) + live

    def _times(self) -> tuple[float, float]:
        """Return the interval and the timeout in seconds."""
        return seconds("poke_interval", self.poke_interval, positive=True), seconds(
            "timeout", self.timeout
        )

    def _wait(self, watch: JobGroupsWatch) -> dict[str, Any]:
        started, wall_clock = time.monotonic(), time.time()
        interval, patience = self._times()
        while not watch.poll(self._connect):
            if self.deferrable:
                self._defer(watch, interval, wall_clock, patience)
            left = patience - (time.monotonic() - started)
            if left <= 0:
                raise FailedWaitError(
                    f"The jobs of {self._what()} are not Complete after {patience} s. They were not"
                    f" cancelled. {watch.state} Wait for them with a JobGroupSensor, or raise"
                    " 'timeout'.",
                    **{**self._fields(), "job_group_ids": watch.unfinished},
                )
            time.sleep(min(watch.pause(interval), left))
        return self._complete()

    def _complete(self) -> dict[str, Any]:
        self.log.info("The run of %s is Complete", self._what())
        self._facts = {**self._facts, "outcome": "complete"}
        return self._facts

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002
        """Tell OpenLineage what the jobs read and wrote. Airflow calls this only if OpenLineage is
        on.
        """
        from ._lineage import lineage_of

        kind, key = self._kind
        return lineage_of(
            f"{kind} {self._facts.get(key)}",
            self._facts,
            self._config,
            self.package_path,
        )

    def _config(self) -> ClientConfig:
        """Return where the instance is. The Airflow connection is not read where that can be
        avoided: after a deferral there is no client.
        """
        client = self._running.client if self._running else None
        return (client or self._client()).config

    def _connect(self) -> TrifactaClient:
        """Read the Airflow connection again, because the server refused its credentials."""
        return self._client().without_repetitions

    def _defer(self, watch: JobGroupsWatch, interval: float, began: float, patience: float) -> None:
        # Imported late, because few tasks need a trigger.
        from ..triggers.job_group import JobGroupTrigger

        trigger = JobGroupTrigger(
            job_group_ids=watch.unfinished,
            cancel_on_kill=self.cancel_on_kill,
            trifacta_conn_id=self.trifacta_conn_id,
            tolerated_outage=watch.tolerated_outage,
            failing_since=watch.failing_since,
            refusals=watch.refusals,
            poke_interval=interval,
            not_before=time.time() + watch.retry_after if watch.retry_after else None,
            began=began,
            deadline=began + patience,
        )
        kwargs = {"facts": self._facts}
        self.defer(
            trigger=trigger,
            method_name="execute_complete",
            kwargs=kwargs,
            timeout=trigger.given_up_after,
        )

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> Any:
        """Continue after the triggerer. If it lost the wait, a retry must not run the
        jobs again.
        """
        try:
            return super().resume_execution(next_method, next_kwargs, context)  # type: ignore[no-untyped-call, unused-ignore]
        except (TaskDeferralError, TaskDeferralTimeout) as error:
            if self._runs_once or remembers(context):
                raise  # a retry joins the jobs
            raise AirflowFailException(
                f"The triggerer ended the wait ({type(error).__name__}: {shown(error)}). The jobs"
                " were not cancelled. Check them in Trifacta. There is no retry, because it would"
                " run the jobs again."
            ) from error

    def execute_complete(
        self,
        context: Context,
        event: dict[str, Any] | None = None,
        facts: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Report the end of the wait that the trigger saw."""
        self._facts = facts or {}
        self._hide(check_parameters(self.run_parameters))
        failed = (event or {}).get("failed") or []
        with (
            airflow_failures(final=not (self._runs_once or remembers(context)), advice=self.advice),
            job_logs_shown(self._config, lambda: failed),
        ):
            self.log.info("%s", check_event(event, **self._fields()))
        return self._complete()

    def _fields(self) -> dict[str, Any]:
        """Return the fields of an error."""
        names = ("deployment_id", "flow_ids", "release_id", "job_group_ids")
        return {name: self._facts[name] for name in names if self._facts.get(name)}

    def on_kill(self) -> None:
        """Cancel the jobs, if ``cancel_on_kill`` is set."""
        watch = self._running
        if self.cancel_on_kill and watch and watch.client:
            # The Airflow connection is not read here, because the kill may interrupt another
            # request to Airflow.
            cancel_job_groups(watch.client.config, watch.unfinished)
