"""Operators that make and change releases."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._compat import BaseOperator
from .._failures import airflow_failures
from ..client.errors import DroppedObjectsError, InvalidInputError
from ..client.ids import parse_id
from ..client.package import FlowPackage, open_package
from ..hooks.trifacta import TrifactaHook

if TYPE_CHECKING:
    from .._compat import Context
    from ..client.models import ImportResult

#: Seconds between two lines about a running upload.
_PROGRESS_INTERVAL = 15.0
#: Characters of the dropped objects that the error shows.
_DROPPED_EXCERPT = 1000


class CreateReleaseOperator(BaseOperator):
    """Uploads a flow package to a deployment, where it becomes the live release at once.

    The package is checked before anything is sent. API page: API Releases Create v4.

    ``docs/howto.md`` tells what a retry or a clear does.

    :param deployment_id: the deployment: an int, a string of digits, or an XComArg (templated)
    :param package_path: path of the exported ZIP on the worker (templated)
    :param trifacta_conn_id: the Airflow connection of the production instance (templated)
    :param on_deleted_objects: what to do when the import left objects of the package out, after which the release
        is live without them: ``"fail"`` (no retry) or ``"warn"``
    :returns: a dict with ``release_id``, ``primary_flow_ids``, ``deployment_id``, ``package_uuid``,
        ``release_url`` and ``outcome``; each is also pushed as an XCom key of that name, unless it is unknown
    :raises AirflowFailException: for anything that a retry cannot mend
    :raises TrifactaError: for the rest
    """

    template_fields: Sequence[str] = ("deployment_id", "package_path", "trifacta_conn_id")
    ui_color = "#e8f3ec"

    def __init__(
        self,
        *,
        deployment_id: Any,
        package_path: str,
        trifacta_conn_id: str = TrifactaHook.default_conn_name,
        on_deleted_objects: str = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deployment_id = deployment_id
        self.package_path = package_path
        self.trifacta_conn_id = trifacta_conn_id
        self.on_deleted_objects = on_deleted_objects

    def execute(self, context: Context) -> dict[str, Any]:
        """Check the package, upload it, and hand out the ids."""
        with airflow_failures():
            deployment_id = parse_id(self.deployment_id, "deployment_id")
            if self.on_deleted_objects not in ("fail", "warn"):
                raise InvalidInputError(
                    f"on_deleted_objects must be 'fail' or 'warn', not {self.on_deleted_objects!r}."
                )
            with open_package(self.package_path) as package:
                return self._create(context, deployment_id, package)

    def _create(self, context: Context, deployment_id: int, package: FlowPackage) -> dict[str, Any]:
        info = package.info
        self.log.info(
            "Package %s: %s bytes, uuid %s, exported %s by product version %s, flows %s, connections %s",
            package.name,
            package.size,
            info.uuid,
            info.exported_at,
            info.product_version,
            info.flow_names,
            [connection.name for connection in info.connections],
        )
        facts = _Facts(context)
        facts.add(deployment_id=deployment_id, package_uuid=info.uuid)
        client = TrifactaHook(self.trifacta_conn_id).client
        facts.add(release_url=client.deployment_url(deployment_id))
        with client:
            result = client.releases.create(deployment_id, package, progress=self._progress())
        release = result.release
        facts.add(release_id=release.id, primary_flow_ids=result.primary_flow_ids, outcome="created")
        self.log.info(
            "Release %s of deployment %s created; primary flows %s; %s",
            release.id,
            deployment_id,
            result.primary_flow_ids,
            facts.values["release_url"],
        )
        if result.primary_flow_ids is None:
            self.log.warning("The answer did not tell the primary flows' ids; there is no XCom primary_flow_ids.")
        if not release.active:
            self.log.warning("Release %s is not active yet. A ReleaseActiveSensor can wait for it.", release.id)
        self._report_dropped_objects(result)
        return facts.values

    def _report_dropped_objects(self, result: ImportResult) -> None:
        dropped = result.dropped
        if not dropped:
            return
        text = json.dumps(dropped, default=str)
        message = (
            f"The import dropped objects of the package: {text[:_DROPPED_EXCERPT]}. "
            f"Release {result.release.id} is live without them. Activate an earlier release if that must not be, "
            "correct the flow in the source instance and promote a new export."
        )
        if self.on_deleted_objects == "fail":
            raise DroppedObjectsError(message)
        self.log.warning(message)

    def _progress(self) -> Any:
        started = last = time.monotonic()

        def report(sent: int, size: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= _PROGRESS_INTERVAL:
                last = now
                self.log.info(
                    "Sent %.0f of %.0f MiB (%.0f %%) in %.0f s",
                    sent / 2**20,
                    size / 2**20,
                    100 * sent / size,
                    now - started,
                )

        return report


class _Facts:
    """Collects what is known, and pushes each fact once, as soon as it is known.

    An unknown fact is None in the return value and not pushed: Airflow 3 takes a null XCom for a missing one.
    """

    def __init__(self, context: Context) -> None:
        self._ti = context["ti"]
        self.values: dict[str, Any] = {}

    def add(self, **facts: Any) -> None:
        for key, value in facts.items():
            self.values[key] = value
            if value is not None:
                self._ti.xcom_push(key=key, value=value)
