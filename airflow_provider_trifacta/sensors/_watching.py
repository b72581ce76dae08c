"""What the sensors share: one watch, polled alike in every mode."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._compat import AirflowSensorTimeout, AirflowSkipException, BaseSensorOperator, conf, first_look
from .._failures import airflow_failures, check_event
from ..hooks.trifacta import TrifactaHook
from ..waits import Watch

if TYPE_CHECKING:
    from .._compat import Context
    from ..client import TrifactaClient
    from ..triggers._watching import WatchTrigger

W = TypeVar("W", bound=Watch)


class WatchSensor(BaseSensorOperator, Generic[W]):
    """Waits until a watch says that it is there, and changes nothing.

    Failures that may pass (connection, timeout, 429, 5xx) are tolerated ``tolerated_failures`` times in a row; any
    other 4xx fails at once. At the timeout it looks once more.

    :param trifacta_conn_id: the Airflow connection (templated)
    :param tolerated_failures: how many polls in a row may fail in passing. In ``reschedule`` mode the task keeps
        its slot while polls fail: a rescheduled process would not know how many failed before.
    :param deferrable: wait in the triggerer, without a worker slot; default: Airflow's ``default_deferrable``
    """

    template_fields: Sequence[str] = ("trifacta_conn_id",)
    ui_color = "#e8f3ec"

    def __init__(
        self,
        *,
        trifacta_conn_id: str = TrifactaHook.default_conn_name,
        tolerated_failures: int = 5,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.trifacta_conn_id = trifacta_conn_id
        self.tolerated_failures = tolerated_failures
        self.deferrable = deferrable
        self._watching: tuple[W, TrifactaClient] | None = None

    @abstractmethod
    def _new_watch(self) -> W:
        """Make the watch, from what the templates gave."""

    @abstractmethod
    def _trigger(self, watch: W, **waiting: Any) -> WatchTrigger:
        """Make the trigger that goes on with the watch."""

    @abstractmethod
    def _tell(self, context: Context, watch: W, client: TrifactaClient) -> None:
        """Push what the link needs, after every poll: it is wanted most when the task fails."""

    def execute(self, context: Context) -> Any:
        """Wait; deferred, after one look from here: what is there already needs no triggerer."""
        try:
            if not self.deferrable:
                return super().execute(context)
            deadline = time.time() + self.timeout
            with airflow_failures(skip=self.soft_fail or self.never_fail):
                done = self._poll(context)
        finally:
            if self._watching:
                self._watching[1].close()
        if done:
            return None
        watch, _ = self._watch()
        trigger = self._trigger(
            watch,
            trifacta_conn_id=self.trifacta_conn_id,
            tolerated_failures=self.tolerated_failures,
            failures=watch.failures,
            poke_interval=float(self.poke_interval),
            deadline=deadline,
        )
        return self.defer(trigger=trigger, method_name="execute_complete", timeout=trigger.given_up_after)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Take over from the trigger; the event says all there is to know."""
        if (event or {}).get("status") == "timeout":
            raise (AirflowSkipException if self.soft_fail else AirflowSensorTimeout)(str((event or {}).get("message")))
        with airflow_failures(skip=self.soft_fail or self.never_fail):
            self.log.info("%s", check_event(event))

    def poke(self, context: Context) -> bool:
        """Poll once; in ``reschedule`` mode until a poll got an answer."""
        with airflow_failures(skip=self.soft_fail or self.never_fail):
            done = self._poll(context)
            watch, _ = self._watch()
            while self.reschedule and watch.failures and (left := self._seconds_left(context)) > 0:
                time.sleep(min(self.poke_interval, left))
                done = self._poll(context)
            return done

    def _seconds_left(self, context: Context) -> float:
        """Return the time until the timeout of a rescheduled sensor, which counts from its first look."""
        return self.timeout - (datetime.now(timezone.utc) - first_look(context, self)).total_seconds()

    def _poll(self, context: Context) -> bool:
        watch, client = self._watch()
        try:
            return watch.poll(client)
        finally:
            self._tell(context, watch, client)

    def _watch(self) -> tuple[W, TrifactaClient]:
        if self._watching is None:
            self._watching = self._new_watch(), TrifactaHook(self.trifacta_conn_id).client.without_repetitions
        return self._watching

    def _get_next_poke_interval(self, started_at: Any, run_duration: Any, poke_count: int) -> float:
        """Never sleep past the timeout, so that the last look is at it and not an interval later."""
        interval = super()._get_next_poke_interval(started_at, run_duration, poke_count)
        # A little beyond, because Airflow's own check is for more than the timeout.
        return float(min(interval, max(self.timeout - run_duration(), 0.0) + 0.01))
