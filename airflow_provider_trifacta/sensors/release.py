"""Sensors that wait for releases."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from .._compat import AirflowSensorTimeout, AirflowSkipException, BaseSensorOperator, conf, first_look
from .._failures import airflow_failures
from ..client.errors import FailedWaitError, PassingWaitError
from ..client.ids import parse_id
from ..client.watch import ReleaseWatch
from ..hooks.trifacta import TrifactaHook
from ..links import DEPLOYMENT_URL_KEY, TrifactaDeploymentLink

if TYPE_CHECKING:
    from .._compat import Context
    from ..client import TrifactaClient

#: Seconds after its own deadline at which a trigger that does not report is given up.
_BACKSTOP = 300.0


class ReleaseActiveSensor(BaseSensorOperator):
    """Waits until a release is the live one of its deployment, and changes nothing.

    An upload makes a release live at once, so straight after one this sensor confirms. It waits when somebody
    else is to activate the release. API page: API Releases Get v4 (an inactive release reads ``active: null``).

    A release that is deleted fails the task at once. Failures that may pass (connection, timeout, 429, 5xx) are
    tolerated ``tolerated_failures`` times in a row; any other 4xx fails at once. At the timeout it looks once more.

    :param release_id: the release: an int, a string of digits, or an XComArg (templated)
    :param trifacta_conn_id: the Airflow connection (templated)
    :param on_superseded: what to do when a release with a higher id is live: ``"fail"``, or ``"wait"``
    :param tolerated_failures: how many polls in a row may fail in passing. In ``reschedule`` mode the task keeps
        its slot while polls fail: a rescheduled process would not know how many failed before.
    :param deferrable: wait in the triggerer, without a worker slot; default: Airflow's ``default_deferrable``
    """

    template_fields: Sequence[str] = ("release_id", "trifacta_conn_id")
    operator_extra_links = (TrifactaDeploymentLink(),)
    ui_color = "#e8f3ec"

    def __init__(
        self,
        *,
        release_id: Any,
        trifacta_conn_id: str = TrifactaHook.default_conn_name,
        on_superseded: str = "fail",
        tolerated_failures: int = 5,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.release_id = release_id
        self.trifacta_conn_id = trifacta_conn_id
        self.on_superseded = on_superseded
        self.tolerated_failures = tolerated_failures
        self.deferrable = deferrable
        self._watching: tuple[ReleaseWatch, TrifactaClient] | None = None
        self._url_pushed = False

    def execute(self, context: Context) -> Any:
        """Wait; deferred, after one look from here: what is active already needs no triggerer."""
        try:
            if not self.deferrable:
                return super().execute(context)
            deadline = time.time() + self.timeout
            with airflow_failures(skip=self.soft_fail or self.never_fail):
                active = self._poll(context)
        finally:
            if self._watching:
                self._watching[1].close()
        if active:
            return None
        watch, _ = self._watch()
        # Imported late: the worker that only pokes needs no trigger.
        from ..triggers.release import ReleaseActiveTrigger

        return self.defer(
            trigger=ReleaseActiveTrigger(
                release_id=watch.release_id,
                trifacta_conn_id=self.trifacta_conn_id,
                on_superseded=self.on_superseded,
                tolerated_failures=self.tolerated_failures,
                failures=watch.failures,
                poke_interval=float(self.poke_interval),
                deadline=deadline,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout + _BACKSTOP),
        )

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Take over from the trigger; the event says all there is to know."""
        status = (event or {}).get("status")
        message = str((event or {}).get("message"))
        if status == "active":
            self.log.info(message)
            return
        if status == "timeout":
            raise (AirflowSkipException if self.soft_fail else AirflowSensorTimeout)(message)
        with airflow_failures(skip=self.soft_fail or self.never_fail):
            if status == "error":
                raise (PassingWaitError if (event or {}).get("retryable") else FailedWaitError)(message)
            raise FailedWaitError(f"The trigger reported something unknown: {sorted(event or {})}.")

    def poke(self, context: Context) -> bool:
        """Poll once; in ``reschedule`` mode until a poll got an answer."""
        with airflow_failures(skip=self.soft_fail or self.never_fail):
            active = self._poll(context)
            watch, _ = self._watch()
            while self.reschedule and watch.failures and (left := self._seconds_left(context)) > 0:
                time.sleep(min(self.poke_interval, left))
                active = self._poll(context)
            return active

    def _seconds_left(self, context: Context) -> float:
        """Return the time until the timeout of a rescheduled sensor, which counts from its first look."""
        return self.timeout - (datetime.now(timezone.utc) - first_look(context, self)).total_seconds()

    def _poll(self, context: Context) -> bool:
        watch, client = self._watch()
        try:
            return watch.poll(client)
        finally:
            # For the link, which is wanted most when the task fails.
            if watch.deployment_id is not None and not self._url_pushed:
                self._url_pushed = True
                context["ti"].xcom_push(key=DEPLOYMENT_URL_KEY, value=client.deployment_url(watch.deployment_id))

    def _watch(self) -> tuple[ReleaseWatch, TrifactaClient]:
        if self._watching is None:
            watch = ReleaseWatch(
                parse_id(self.release_id, "release_id"),
                on_superseded=self.on_superseded,
                tolerated_failures=self.tolerated_failures,
            )
            self._watching = watch, TrifactaHook(self.trifacta_conn_id).client.without_repetitions
        return self._watching

    def _get_next_poke_interval(self, started_at: Any, run_duration: Any, poke_count: int) -> float:
        """Never sleep past the timeout, so that the last look is at it and not an interval later."""
        interval = super()._get_next_poke_interval(started_at, run_duration, poke_count)
        # A little beyond, because Airflow's own check is for more than the timeout.
        return float(min(interval, max(self.timeout - run_duration(), 0.0) + 0.01))
