"""The base of both sensors: they poll one watch, in the same way in every mode."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._compat import (
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    conf,
    first_look,
)
from .._failures import airflow_failures, check_event, reported
from .._logs import OneLineLog
from ..client.foreign_words import one_line, storable
from ..hooks.trifacta import TrifactaHook
from ..waits import POKE_INTERVAL, TOLERATED_OUTAGE, Watch, seconds
from ..waits.watch import MOST_REFUSALS

if TYPE_CHECKING:
    from .._compat import Context
    from ..client import TrifactaClient
    from ..triggers._watch_trigger import WatchTrigger

W = TypeVar("W", bound=Watch)


class WatchSensor(OneLineLog, BaseSensorOperator, Generic[W]):
    """Waits until a watch says that the awaited state is there. It changes nothing.

    The public sensors describe the parameters. :class:`.Watch` decides at each poll.
    """

    template_fields: Sequence[str] = ("trifacta_conn_id",)
    ui_color = "#e8f3ec"
    #: What an error says to do next, in place of its own words. A task group sets it for its steps.
    advice: str | None = None
    #: Whether the task is a step of a group, whose last task shows what it ended with.
    in_group: bool = False
    #: The XCom that the operator's link reads.
    _link_key = ""

    def __init__(
        self,
        *,
        trifacta_conn_id: str = TrifactaHook.default_conn_name,
        tolerated_outage: float | timedelta = TOLERATED_OUTAGE,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.trifacta_conn_id = trifacta_conn_id
        self.tolerated_outage = tolerated_outage
        self.deferrable = deferrable
        self._linked = False
        self._watching: W | None = None
        self._client: TrifactaClient | None = None

    @abstractmethod
    def _new_watch(self, context: Context, **waiting: Any) -> W:
        """Make the watch, after the templates are rendered."""

    @abstractmethod
    def _trigger(self, watch: W, **waiting: Any) -> WatchTrigger:
        """Make the trigger that continues the watch."""

    @abstractmethod
    def _link(self, watch: W, client: TrifactaClient) -> Any:
        """Return what the operator's link needs; None if it is not known yet."""

    def execute(self, context: Context) -> Any:
        """Wait.

        A deferrable sensor polls once before it defers: what is there already needs no triggerer.
        """
        with self._reporting(context):
            return self._begin(context)

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> Any:
        """Continue after the triggerer. If it lost the wait, that ends it here."""
        with self._reporting(context):
            return super().resume_execution(next_method, next_kwargs, context)  # type: ignore[no-untyped-call, unused-ignore]

    def _reporting(self, context: Context) -> AbstractContextManager[None]:
        """Return what sees how the wait ends, in each of its processes."""
        return reported(context["ti"], in_group=self.in_group)

    def _begin(self, context: Context) -> Any:
        began = time.time()
        try:
            if not self.deferrable:
                return super().execute(context)
            with self._failures():
                done = self._poll(context)
        finally:
            self._close()
        if done:
            return None
        watch = self._watch(context)
        not_before = None
        if watch.retry_after:
            not_before = time.time() + watch.retry_after
        max_wait = getattr(self, "max_wait", None)
        if max_wait is not None:
            max_wait = seconds("max_wait", max_wait)
        trigger = self._trigger(
            watch,
            trifacta_conn_id=self.trifacta_conn_id,
            tolerated_outage=watch.tolerated_outage,
            failing_since=watch.failing_since,
            refusals=watch.refusals,
            poke_interval=float(self.poke_interval),
            exponential_backoff=bool(self.exponential_backoff),
            max_wait=max_wait,
            began=began,
            not_before=not_before,
            deadline=began + self.timeout,
        )
        return self.defer(
            trigger=trigger, method_name="execute_complete", timeout=trigger.given_up_after
        )

    def _close(self) -> None:
        if self._client:
            self._client.close()

    def _failures(self) -> AbstractContextManager[None]:
        return airflow_failures(skip=self.soft_fail or self.never_fail, advice=self.advice)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> None:
        """Finish after the trigger. Its event holds all that is needed.

        :param context: the context of the task
        :param event: as :class:`.WatchTrigger` describes it
        """
        event = event or {}
        status = event.get("status")
        message = one_line(event.get("message"))
        if status == "timeout":
            raise self._timed_out(message)
        if status == "needs_worker":
            self.log.info(
                "The triggerer cannot go on, so the wait goes on in this worker: %s", message
            )
            self._wait_here(context, event.get("deadline"))
            return
        with self._failures():
            self.log.info("%s", check_event(event))

    def _timed_out(self, message: str) -> Exception:
        if self.soft_fail:
            return AirflowSkipException(message)
        return AirflowSensorTimeout(message)

    def _wait_here(self, context: Context, deadline: float | None) -> None:
        """Poll in this process until the deadline that the wait had in the triggerer.

        :param context: the context of the task
        :param deadline: in seconds since the epoch; None for the whole timeout
        """
        began = time.monotonic()
        polls = 1
        if deadline is not None:
            self.timeout = max(deadline - time.time(), 0.0)

        def waited() -> float:
            return time.monotonic() - began

        try:
            while not self.poke(context):
                if waited() >= self.timeout:
                    raise self._timed_out(one_line(f"Not in time. {self._watch(context).state}"))
                time.sleep(self._get_next_poke_interval(began, waited, polls))
                polls += 1
        finally:
            self._close()

    def poke(self, context: Context) -> bool:
        """Poll once."""
        with self._failures():
            done = self._poll(context)
            if not self._forgets:
                return done
            # The next process would not know how often the credentials were refused, and accounts
            # may lock.
            watch = self._watch(context)
            for _ in range(MOST_REFUSALS - 1):
                if not watch.refusals:
                    break
                time.sleep(watch.pause(POKE_INTERVAL))
                done = self._poll(context)
            return done

    @property
    def _forgets(self) -> bool:
        """Whether each poll runs in a new process, which knows nothing of the polls before."""
        return bool(self.reschedule and not self.deferrable)

    def _poll(self, context: Context) -> bool:
        watch = self._watch(context)
        try:
            return watch.poll(self._connect)
        finally:
            # After every poll, because a reader needs the link most after a failure.
            self._push_link(context, watch)

    def _push_link(self, context: Context, watch: W) -> None:
        """Push what the operator's link needs, once it is known."""
        if self._linked or not watch.client:
            return
        link = self._link(watch, watch.client)
        if link:
            self._linked = True
            context["ti"].xcom_push(key=self._link_key, value=storable(link))

    def _connect(self) -> TrifactaClient:
        """Read the Airflow connection.

        The watch calls this again when the server refuses the credentials.
        """
        client = TrifactaHook(self.trifacta_conn_id).client.without_repetitions
        self._close()
        self._client = client
        return client

    def _watch(self, context: Context) -> W:
        if self._watching is None:
            seconds("poke_interval", self.poke_interval, positive=True)
            tolerated_outage = seconds("tolerated_outage", self.tolerated_outage)
            if self._forgets:
                # A process that does not know since when polls fail cannot tell how long they have
                # failed.
                tolerated_outage = math.inf
            self._watching = self._new_watch(context, tolerated_outage=tolerated_outage)
        return self._watching

    def _polls_before(self, context: Context) -> int:
        """Return about how many polls a rescheduled sensor has made before; 0 in other modes."""
        if not self._forgets:
            return 0
        waited = datetime.now(timezone.utc) - first_look(context, self)
        polls = round(waited.total_seconds() / self.poke_interval)
        return max(polls, 0)

    def _get_next_poke_interval(self, started_at: Any, run_duration: Any, poke_count: int) -> float:
        """Wait as long as the server asks, but never past the timeout: the last poll is then."""
        interval = super()._get_next_poke_interval(started_at, run_duration, poke_count)
        if self._watching is not None:
            interval = self._watching.pause(interval)
        left = max(self.timeout - run_duration(), 0.0)
        # Slightly past it, because Airflow only gives up after the timeout.
        return float(min(interval, left + 0.01))
