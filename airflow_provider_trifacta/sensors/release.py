"""Sensors that wait for releases."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._compat import BaseSensorOperator
from .._failures import airflow_failures
from ..client.ids import parse_id
from ..client.watch import ReleaseWatch
from ..hooks.trifacta import TrifactaHook

if TYPE_CHECKING:
    from .._compat import Context
    from ..client import TrifactaClient


class ReleaseActiveSensor(BaseSensorOperator):
    """Waits until a release is the live one of its deployment, and changes nothing.

    An upload makes a release live at once, so straight after one this sensor confirms. It waits when somebody
    else is to activate the release. API page: API Releases Get v4 (an inactive release reads ``active: null``).

    A release that is deleted fails the task at once. Failures that may pass (connection, timeout, 429, 5xx) are
    tolerated ``tolerated_failures`` times in a row; any other 4xx fails at once.

    :param release_id: the release: an int, a string of digits, or an XComArg (templated)
    :param trifacta_conn_id: the Airflow connection (templated)
    :param on_superseded: what to do when a release with a higher id is live: ``"fail"``, or ``"wait"``
    :param tolerated_failures: how many polls in a row may fail in passing. In ``reschedule`` mode the task keeps
        its slot while polls fail: a rescheduled process would not know how many failed before.
    """

    template_fields: Sequence[str] = ("release_id", "trifacta_conn_id")
    ui_color = "#e8f3ec"

    def __init__(
        self,
        *,
        release_id: Any,
        trifacta_conn_id: str = TrifactaHook.default_conn_name,
        on_superseded: str = "fail",
        tolerated_failures: int = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.release_id = release_id
        self.trifacta_conn_id = trifacta_conn_id
        self.on_superseded = on_superseded
        self.tolerated_failures = tolerated_failures
        self._watching: tuple[ReleaseWatch, TrifactaClient] | None = None

    def poke(self, context: Context) -> bool:  # noqa: ARG002
        """Poll once; in ``reschedule`` mode until a poll got an answer."""
        with airflow_failures(soft_fail=self.soft_fail):
            if self._watching is None:
                watch = ReleaseWatch(
                    parse_id(self.release_id, "release_id"),
                    on_superseded=self.on_superseded,
                    tolerated_failures=self.tolerated_failures,
                )
                self._watching = watch, TrifactaHook(self.trifacta_conn_id).polling_client
            watch, client = self._watching
            active = watch.poll(client)
            while self.reschedule and watch.failures:
                time.sleep(self.poke_interval)
                active = watch.poll(client)
            return active
