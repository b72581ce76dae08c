"""Sensors that wait for job groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from .._compat import AirflowRescheduleException, AirflowSkipException, AirflowTaskTimeout
from .._failures import GAVE_UP_KEY
from .._job_log import job_logs_shown
from ..client.errors import TrifactaError
from ..client.ids import parse_ids
from ..client.texts import shown
from ..hooks.trifacta import TrifactaHook
from ..links import JOB_URLS_KEY, TrifactaJobLink
from ..waits import JobGroupsWatch
from ._watch_sensor import WatchSensor

if TYPE_CHECKING:
    from .._compat import Context
    from ..client import ClientConfig, TrifactaClient
    from ..triggers._watch_trigger import WatchTrigger


class JobGroupSensor(WatchSensor[JobGroupsWatch]):
    """Waits until job groups are Complete. It changes nothing.

    It fails at once when one job group is Failed, Canceled, unknown to the server, or in a state
    that the API does not document. The error names the flow, the recipe and the outputs of a failed
    one, and holds the message of its first failed job. The other job groups go on.

    The wait tolerates transient errors (connection, timeout, 429, 5xx, a page of a proxy, an answer
    that is not one word) until all polls of ``tolerated_outage`` have failed. Any other 4xx fails
    at once. ``Retry-After`` lengthens the pause, and a 429 with it does not count as a failure.
    After a 401 the sensor reads the Airflow connection again, and goes on if it holds new
    credentials. At its timeout the sensor polls once more.

    API pages: API JobGroups Get Status v4, API JobGroups Get Jobs v4. Pushes ``job_group_ids``,
    what it waits for, and ``job_urls``, their pages. If the wait ends otherwise than by the end of
    a job, it pushes ``gave_up`` too: the job groups, and why.

    :param job_group_ids: one id, or a list of them: ints, strings of digits, or an XComArg such as
        ``run.output["job_group_ids"]`` (templated)
    :param trifacta_conn_id: the Airflow connection (templated)
    :param tolerated_outage: for how long all polls may fail with a transient error, in seconds or
        as a timedelta. In ``reschedule`` mode it has no effect: a transient error ends the poll,
        the task frees its slot, and ``timeout`` is the only limit
    :param deferrable: whether to wait in the triggerer, without a worker slot; default: Airflow's
        ``default_deferrable``
    """

    template_fields: Sequence[str] = ("job_group_ids", "trifacta_conn_id")
    operator_extra_links = (TrifactaJobLink(),)
    _link_key = JOB_URLS_KEY

    def __init__(self, *, job_group_ids: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job_group_ids = job_group_ids
        #: What the trigger saw fail.
        self._failed_before: list[int] = []

    def _reporting(self, context: Context) -> AbstractContextManager[None]:
        return self._noting(context)

    @contextmanager
    def _noting(self, context: Context) -> Iterator[None]:
        """Note every end of the wait but a job's own bad end.

        An end by a signal is a person's, and leaves no note.
        """
        logs_shown = job_logs_shown(self._config, self._failed_jobs)
        try:
            with super()._reporting(context), logs_shown:
                yield
        except (AirflowSkipException, AirflowRescheduleException):
            raise
        except (Exception, AirflowTaskTimeout) as error:  # AirflowTaskTimeout is not an Exception
            if not self._failed_jobs():
                self._note(context, error)
            raise

    def _failed_jobs(self) -> list[int]:
        """Return the job groups that were seen to end otherwise than Complete."""
        if self._failed_before or self._watching is None:
            return self._failed_before
        return self._watching.failed

    def _config(self) -> ClientConfig:
        client = self._watching.client if self._watching else None
        return client.config if client else TrifactaHook(self.trifacta_conn_id).config

    def _note(self, context: Context, error: BaseException) -> None:
        try:
            job_group_ids = parse_ids(self.job_group_ids, "job_group_ids")
        except TrifactaError:
            return  # there was nothing to wait for
        why = f"{type(error).__name__}: {shown(str(error))}"
        note = {"job_group_ids": job_group_ids, "why": why}
        context["ti"].xcom_push(key=GAVE_UP_KEY, value=note)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> None:
        """Finish after the trigger.

        :param context: the context of the task
        :param event: as :class:`.WatchTrigger` describes it
        """
        self._failed_before = (event or {}).get("failed") or []
        super().execute_complete(context, event)

    def _new_watch(self, context: Context, **waiting: Any) -> JobGroupsWatch:
        job_group_ids = parse_ids(self.job_group_ids, "job_group_ids")
        context["ti"].xcom_push(key="job_group_ids", value=job_group_ids)
        self.log.info("Will wait until job groups %s are Complete", job_group_ids)
        return JobGroupsWatch(job_group_ids, **waiting)

    def _trigger(self, watch: JobGroupsWatch, **waiting: Any) -> WatchTrigger:
        # Imported here, because a sensor that does not defer needs no trigger.
        from ..triggers.job_group import JobGroupTrigger

        return JobGroupTrigger(job_group_ids=watch.unfinished, **waiting)

    def _link(self, watch: JobGroupsWatch, client: TrifactaClient) -> list[str]:
        return [client.job_group_url(job_group_id) for job_group_id in watch.job_group_ids]
