"""The base of the operators that run something: they start jobs once, and wait for them."""

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
from ..client.ids import parse_id
from ..client.texts import called, sentence, shown
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
    """Starts jobs, and waits until every job group is Complete.

    The public operators describe the parameters.
    """

    template_fields: Sequence[str] = (
        *TrifactaOperator.template_fields,
        "run_parameters",
        "release_id",
        "package_path",
    )
    operator_extra_links: Any = (TrifactaJobLink(),)
    #: What runs: the word for it, and the XCom that has its id.
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
        #: What the operator returns: its XComs, and the outcome once the jobs have ended.
        self._result: dict[str, Any] = {}
        self._hidden: list[str] = []

    @abstractmethod
    def _checked(self) -> tuple[str, Any]:
        """Check the arguments that name what runs, before any request.

        :returns: what runs in words for the log, and for :meth:`_find`
        """

    @abstractmethod
    def _find(self, client: TrifactaClient, checked: Any, attempt: Attempt) -> Any:
        """Find the ids of what runs, and push them."""

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
        """Start the jobs, push their ids, and wait for them."""
        try:
            return super().execute(context)
        except (TrifactaError, AirflowFailException):
            raise  # these decide already whether a retry is safe
        except (Exception, AirflowTaskTimeout) as error:  # AirflowTaskTimeout is not an Exception
            if not self._asked or self._retry_joins:
                raise  # nothing was asked for, or a retry joins the jobs
            if isinstance(error, AirflowTaskTimeout):
                # Airflow calls it for its own error, but not for the one raised here.
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
        self._interval()
        self._patience()
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
            watch = self._new_watch(client, run)
            self._push_jobs(client, attempt, run)
            if not self.wait_for_completion:
                return {**attempt.xcoms, "outcome": "started"}

            def failed_jobs() -> list[int]:
                return watch.failed

            with (
                airflow_failures(final=not self._retry_joins, advice=self.advice),
                job_logs_shown(self._config, failed_jobs),
            ):
                return self._wait(watch)

    def _hide(self, parameters: Mapping[str, str]) -> None:
        """Hide the values of parameters whose names look secret from Airflow's logs and the client.

        A server may echo what it was sent.
        """
        self._hidden = []
        for name, value in parameters.items():
            if looks_secret(name) and len(value) >= SHORTEST_MASKED:
                self._hidden.append(value)
                mask_secret(value)

    def _client(self) -> TrifactaClient:
        """Make the client, which knows what else must not be shown."""
        client = super()._client()
        return client.hiding(self._hidden)

    def _say(self, words: str, parameters: Mapping[str, str]) -> None:
        """Log what the task will do.

        A parameter is shown as it is sent, unless its name looks secret.
        """
        values: dict[str, str] = {}
        for name, value in parameters.items():
            values[name] = "***" if looks_secret(name) else value
        if self._with_release:
            words = f"{words} if release {self.release_id} is live"
        self.log.info(
            "Will run %s with %s, and %s",
            words,
            f"the parameters {values}" if values else "no parameters",
            "wait for its jobs" if self.wait_for_completion else "not wait for its jobs",
        )

    def _new_watch(self, client: TrifactaClient, run: Run) -> JobGroupsWatch:
        watch = JobGroupsWatch(run.job_group_ids, tolerated_outage=self.tolerated_outage)
        watch.client = client.without_repetitions
        self._running = watch
        return watch

    def _push_jobs(self, client: TrifactaClient, attempt: Attempt, run: Run) -> None:
        """Push the jobs before the wait, and log them with their pages."""
        job_urls = [client.job_group_url(job_group_id) for job_group_id in run.job_group_ids]
        xcoms: dict[str, Any] = {JOB_URLS_KEY: job_urls}
        if run.flow_run_ids:
            is_single = len(run.flow_run_ids) == 1
            xcoms["flow_run_id"] = run.flow_run_ids[0] if is_single else run.flow_run_ids
        attempt.push(release_id=run.release_id, job_group_ids=run.job_group_ids, **xcoms)
        self._result = attempt.xcoms
        verb = "joined" if run.joined else "started"
        self.log.info("%s: %s job groups %s", sentence(self._what_runs()), verb, run.job_group_ids)
        attempt.show(*job_urls)

    def _what_runs(self) -> str:
        """Return what runs, in words."""
        kind, id_key = self._kind
        words = called(kind, self._result.get(id_key), getattr(self, f"{kind}_name", None))
        release_id = self._result.get("release_id")
        return f"{words}, whose release {release_id} is live" if release_id else words

    def _interval(self) -> float:
        """Return the seconds between two polls."""
        return seconds("poke_interval", self.poke_interval, positive=True)

    def _patience(self) -> float:
        """Return the seconds to wait for the jobs."""
        return seconds("timeout", self.timeout)

    def _wait(self, watch: JobGroupsWatch) -> dict[str, Any]:
        began = time.monotonic()
        began_at = time.time()
        interval = self._interval()
        patience = self._patience()
        while not watch.poll(self._connect):
            if self.deferrable:
                self._defer(watch, interval, began_at, deadline=began_at + patience)
            left = patience - (time.monotonic() - began)
            if left <= 0:
                raise FailedWaitError(
                    f"The jobs of {self._what_runs()} are not Complete after {patience} s. They"
                    f" were not cancelled. {watch.state} Wait for them with a JobGroupSensor, or"
                    " raise 'timeout'.",
                    **{**self._fields(), "job_group_ids": watch.unfinished},
                )
            time.sleep(min(watch.pause(interval), left))
        return self._complete()

    def _complete(self) -> dict[str, Any]:
        self.log.info("The run of %s is Complete", self._what_runs())
        self._result = {**self._result, "outcome": "complete"}
        return self._result

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002
        """Tell OpenLineage what the jobs read and wrote.

        Airflow calls this only if OpenLineage is on.
        """
        from ._lineage import lineage_of

        kind, id_key = self._kind
        subject = f"{kind} {self._result.get(id_key)}"
        return lineage_of(subject, self._result, self._config, self.package_path)

    def _config(self) -> ClientConfig:
        """Return where the instance is. The Airflow connection is not read where that can be
        avoided: after a deferral there is no client.
        """
        client = self._running.client if self._running else None
        return (client or self._client()).config

    def _connect(self) -> TrifactaClient:
        """Read the Airflow connection again, because the server refused its credentials."""
        return self._client().without_repetitions

    def _defer(
        self, watch: JobGroupsWatch, interval: float, began_at: float, *, deadline: float
    ) -> None:
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
            began=began_at,
            deadline=deadline,
        )
        self.defer(
            trigger=trigger,
            method_name="execute_complete",
            # Tasks that an earlier version deferred come back with this name.
            kwargs={"facts": self._result},
            timeout=trigger.given_up_after,
        )

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> Any:
        """Continue after the triggerer.

        If it lost the wait, a retry must not run the jobs again.
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
        """Report the end of the wait that the trigger saw.

        :param context: the context of the task
        :param event: as the trigger describes it
        :param facts: the operator's result so far
        """
        self._result = facts or {}
        self._hide(check_parameters(self.run_parameters))
        retry_joins = self._runs_once or remembers(context)

        def failed_jobs() -> list[int]:
            return (event or {}).get("failed") or []

        with (
            airflow_failures(final=not retry_joins, advice=self.advice),
            job_logs_shown(self._config, failed_jobs),
        ):
            self.log.info("%s", check_event(event, **self._fields()))
        return self._complete()

    def _fields(self) -> dict[str, Any]:
        """Return the fields of an error."""
        names = ("deployment_id", "flow_ids", "release_id", "job_group_ids")
        return {name: self._result[name] for name in names if self._result.get(name)}

    def on_kill(self) -> None:
        """Cancel the jobs, if ``cancel_on_kill`` is set."""
        watch = self._running
        # The Airflow connection is not read here, because the kill may interrupt another request to
        # Airflow.
        if self.cancel_on_kill and watch and watch.client:
            cancel_job_groups(watch.client.config, watch.unfinished)
