"""The operator that exports a flow as a package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .._failures import airflow_failures
from ..client.errors import InvalidInputError
from ..client.texts import listed, parse_id, quoted, shown_within
from ..hooks.trifacta import TrifactaHook
from ..packages.flow_package import FlowPackage
from ._base import Attempt, TrifactaOperator
from ._storage import check_destination, save, temporary_file

if TYPE_CHECKING:
    from .._compat import Context

#: Most connections of a package in the XCom.
_MOST_CONNECTIONS = 1_000
#: The default comment: it tells in Trifacta where a release comes from.
_PROVENANCE = "Exported by Airflow: DAG {{ dag.dag_id }}, run {{ run_id }}"


class ExportFlowPackageOperator(TrifactaOperator):
    """Exports a flow of the source instance as a package, and saves the whole file or none of it.

    The task checks that the answer is a flow package before it saves it. **Keep the file**: the API cannot return the
    package of a release. Put the run's id into the path to keep one file for each run.

    A retry or clear exports the flow as it is then, with another uuid, and replaces the file.

    API page: API Flows Package Get v4. A process that is killed may leave a hidden ``.part`` file beside the path.

    :param flow_id: the flow in the source instance: an int, a string of digits, or an XComArg (templated)
    :param package_path: where to save it: a path on the worker, or any URL of Airflow's object storage such as
        ``s3://conn_id@bucket/{{ run_id }}/flow.zip`` (templated)
    :param comment: is written into the package, and newer instances show it as the notes of the release. The default
        names the DAG and the run. None, ``""`` and ``"None"`` mean no comment (templated)
    :param trifacta_conn_id: the Airflow connection of the source instance (templated)
    :returns: a dict with ``path``, ``size`` (bytes), ``sha256``, ``package_uuid`` and ``connections`` (the connections
        that the flows use, as the package describes them: dicts with ``id``, ``name``, ``uuid``, ``type`` and
        ``vendor``). Each is also pushed as an XCom key of that name
    :raises AirflowFailException: for errors that a retry cannot fix
    :raises TrifactaError: for other errors
    """

    template_fields: Sequence[str] = ("flow_id", "package_path", "comment", *TrifactaOperator.template_fields)
    operator_extra_links = ()

    def __init__(self, *, flow_id: Any, package_path: Any, comment: str | None = _PROVENANCE, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.flow_id = flow_id
        self.package_path = package_path
        self.comment = comment

    def execute(self, context: Context) -> dict[str, Any]:
        """Export, check and save the package, and tell what it is."""
        with airflow_failures():
            flow_id = parse_id(self.flow_id, "flow_id")
            path = check_destination(self.package_path)
            if not isinstance(self.comment, (str, type(None))):
                raise InvalidInputError(f"comment must be a text, not {self.comment!r}. Nothing was sent.")
            attempt = Attempt(self, context)
            self.log.info(
                "Will export flow %s of the instance of connection %s as %s", flow_id, self.trifacta_conn_id, path
            )
            file = temporary_file()
            try:
                with TrifactaHook(self.trifacta_conn_id).client as client:
                    client.flows.export(flow_id, file, comment=self.comment)
                package = FlowPackage(file, f"of flow {flow_id}")
            except BaseException:
                file.close()
                raise
            with package:
                digest, info = package.sha256(), package.info
                file.seek(0)
                save(file, path)
            self.log.info(
                "Flow %s saved as %s: %s bytes, uuid %s, flows %s",
                flow_id,
                path,
                package.size,
                info.uuid,
                listed(map(quoted, info.flow_names)) or "none",
            )
            attempt.tell(
                path=path,
                size=package.size,
                sha256=digest,
                package_uuid=info.uuid,
                connections=shown_within([asdict(connection) for connection in info.connections], _MOST_CONNECTIONS),
            )
            return attempt.facts
