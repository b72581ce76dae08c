"""Sensors that wait for releases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..client.ids import parse_id
from ..links import DEPLOYMENT_URL_KEY, TrifactaDeploymentLink
from ..waits import ReleaseWatch
from ._watch_sensor import WatchSensor

if TYPE_CHECKING:
    from .._compat import Context
    from ..client import TrifactaClient
    from ..triggers._watch_trigger import WatchTrigger


class ReleaseActiveSensor(WatchSensor[ReleaseWatch]):
    """Waits until a release is the live one of its deployment. It changes nothing.

    An upload makes its release live at once, so right after an upload this sensor only confirms
    that. After a staged promotion it waits until a person activates the release. API page: API
    Releases Get v4 (a release that is not live reads ``active: null``).

    A release that is deleted or unknown to the server fails the task at once. The wait tolerates
    transient errors (connection, timeout, 429, 5xx, a page of a proxy) until all polls of
    ``tolerated_outage`` have failed. Any other 4xx fails at once. ``Retry-After`` lengthens the
    pause, and a 429 with it does not count as a failure. After a 401 the sensor reads the Airflow
    connection again, and goes on if it holds new credentials. At its timeout the sensor polls once
    more.

    :param release_id: the release: an int, a string of digits, or an XComArg (templated)
    :param on_superseded: what to do when a release with a higher id is live: ``"fail"``, or
        ``"wait"``, because a person may activate this one again
    :param trifacta_conn_id: the Airflow connection (templated)
    :param tolerated_outage: for how long all polls may fail with a transient error, in seconds or
        as a timedelta. In ``reschedule`` mode it has no effect: a transient error ends the poll,
        the task frees its slot, and ``timeout`` is the only limit
    :param deferrable: whether to wait in the triggerer, without a worker slot; default: Airflow's
        ``default_deferrable``
    """

    template_fields: Sequence[str] = ("release_id", "trifacta_conn_id")
    operator_extra_links = (TrifactaDeploymentLink(),)
    _link_key = DEPLOYMENT_URL_KEY

    def __init__(self, *, release_id: Any, on_superseded: str = "fail", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.release_id = release_id
        self.on_superseded = on_superseded

    def _new_watch(self, context: Context, **waiting: Any) -> ReleaseWatch:
        release_id = parse_id(self.release_id, "release_id")
        self.log.info("Will wait until release %s is live", release_id)
        return ReleaseWatch(
            release_id,
            on_superseded=self.on_superseded,
            polls=self._polls_before(context),
            **waiting,
        )

    def _trigger(self, watch: ReleaseWatch, **waiting: Any) -> WatchTrigger:
        # Imported here, because a sensor that does not defer needs no trigger.
        from ..triggers.release import ReleaseActiveTrigger

        return ReleaseActiveTrigger(
            release_id=watch.release_id,
            on_superseded=self.on_superseded,
            deployment_id=watch.deployment_id,
            **waiting,
        )

    def _link(self, watch: ReleaseWatch, client: TrifactaClient) -> str | None:
        if watch.deployment_id is None:
            return None
        return client.deployment_url(watch.deployment_id)
