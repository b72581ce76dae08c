"""The operators that export a flow as a package, and import a package as flows of a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..client.errors import DroppedObjectsError, InvalidInputError
from ..client.ids import parse_id
from ..client.texts import called, listed, quoted, shown_json, shown_within
from ..packages.flow_package import FlowPackage
from ..promotion.mappings import Mappings
from ..promotion.workspace import WorkspaceImporter
from ._base import Attempt, TrifactaOperator, given_name
from ._packages import PackageReader
from ._storage import check_destination, close_quietly, save, temporary_file
from .dry_run import refuse_problems

if TYPE_CHECKING:
    from ..client import FlowImport, TrifactaClient

#: Most connections of a package in the XCom.
_MOST_CONNECTIONS = 1_000
#: The default comment: it tells in Trifacta where a release comes from.
_PROVENANCE = "Exported by Airflow: DAG {{ dag.dag_id }}, run {{ run_id }}"


class ExportFlowPackageOperator(TrifactaOperator):
    """Exports a flow of the source instance as a package, and saves the whole file or none of it.

    A folder that cannot move files, such as a bucket that is mounted, gets the file in its place.
    If that fails, the error says that the file may be incomplete.

    The task checks that the answer is a flow package before it saves it. **Keep the file**: the API
    cannot return the package of a release. Put the run's id into the path to keep one file for each
    run.

    A retry or clear exports the flow as it is then, with another uuid, and replaces the file.

    API page: API Flows Package Get v4. A process that is killed may leave a hidden ``.part`` file
    beside the path.

    :param flow_id: the flow in the source instance: an int, a string of digits, or an XComArg
        (templated)
    :param flow_name: its exact name, in place of the id (templated)
    :param package_path: where to save it: a path on the worker, or any URL of Airflow's object
        storage such as ``s3://conn_id@bucket/{{ run_id }}/flow.zip`` (templated)
    :param create_intermediate_dirs: whether to make local folders of the path that do not exist. By
        default that is an error before any request, because a share that is not mounted looks like
        that
    :param comment: is written into the package, and newer instances show it as the notes of the
        release. The default names the DAG and the run. None, ``""`` and ``"None"`` mean no comment
        (templated)
    :param trifacta_conn_id: the Airflow connection of the source instance (templated)
    :returns: a dict with ``path``, ``size`` (bytes), ``sha256``, ``package_uuid`` and
        ``connections`` (the connections that the flows use, as the package describes them: dicts
        with ``id``, ``name``, ``uuid``, ``type`` and ``vendor``). Each is also pushed as an XCom
        key of that name
    :raises AirflowFailException: for errors that a retry cannot fix
    :raises TrifactaError: for other errors
    """

    template_fields: Sequence[str] = (
        "flow_id",
        "flow_name",
        "package_path",
        "comment",
        *TrifactaOperator.template_fields,
    )
    operator_extra_links = ()

    def __init__(
        self,
        *,
        package_path: Any,
        flow_id: Any = None,
        flow_name: Any = None,
        create_intermediate_dirs: bool = False,
        comment: str | None = _PROVENANCE,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.flow_id = flow_id
        self.flow_name = flow_name
        self.package_path = package_path
        self.create_intermediate_dirs = create_intermediate_dirs
        self.comment = comment

    def _act(self, attempt: Attempt) -> None:
        """Export, check and save the package, and push what it is."""
        name = given_name(self.flow_name, self.flow_id, "flow")
        flow_id = None if name else parse_id(self.flow_id, "flow_id")
        flow_words = flow_id or quoted(name)
        folders = {"make_folders": self.create_intermediate_dirs}
        path = check_destination(self.package_path, **folders)
        if not isinstance(self.comment, (str, type(None))):
            raise InvalidInputError(
                f"comment must be a text, not {self.comment!r}. Nothing was sent."
            )
        self.log.info(
            "Will export flow %s of the instance of connection %s as %s",
            flow_words,
            self.trifacta_conn_id,
            path,
        )
        file = temporary_file()
        try:
            with self._client() as client:
                flow_id = flow_id or client.flows.by_name(str(name)).id
                client.flows.export(flow_id, file, comment=self.comment)
            package = FlowPackage(file, f"of flow {flow_id}")
        except BaseException:
            close_quietly(file)
            raise
        with package:
            info = package.info
            digest = package.sha256()
            file.seek(0)
            save(file, path, **folders)
        connections = [asdict(connection) for connection in info.connections]
        self.log.info(
            "%s saved as %s: %s bytes, uuid %s, flows %s",
            called("Flow", flow_id, name or next(iter(info.flow_names), None)),
            path,
            package.size,
            info.uuid,
            listed(map(quoted, info.flow_names)) or "none",
        )
        attempt.push(
            path=path,
            size=package.size,
            sha256=digest,
            package_uuid=info.uuid,
            connections=shown_within(connections, _MOST_CONNECTIONS),
        )


class ImportFlowPackageOperator(PackageReader):
    """Imports a flow package as new flows of a workspace: the way to production without Deployment
    Manager.

    Every import makes new flows, with new ids and a prefix before their names. So a task imports a
    package at most once. On Airflow 3.3 a retry or clear **joins** the flows that an earlier try
    made. If the answer is lost, the task fails with the flows that appeared since, and imports
    again only after a person clears it. Before Airflow 3.3 a retry looks whether such flows
    appeared, and does not import if they did.

    Nothing changes the paths of datasets and outputs in such an import. Use environment parameters
    for what differs.

    API pages: API Flows Package Post v4, API Flows Package Post DryRun v4.

    :param package_path: the exported ZIP: a path on the worker, or any URL of Airflow's object
        storage (templated)
    :param package_uuid: the uuid that the package must have, such as
        ``export.output["package_uuid"]``; any package if it is left out (templated)
    :param folder_id: the folder of the new flows: an int or digits; None for no folder (templated)
    :param connections: connections of this instance by those of the package, each by its name, id
        or uuid: ``{"orders dev": "orders"}``. Others must exist here with the same uuid (templated)
    :param environment_parameters: by the name of a parameter in the package: the name of a
        parameter here, or ``{"value": "..."}`` (templated)
    :param dry_run_first: whether to try the upload first, and to refuse it if that finds problems
    :param trifacta_conn_id: the Airflow connection of the instance (templated)
    :returns: a dict with ``flow_ids``, ``primary_flow_ids``, ``flows`` (dicts with ``id``, ``name``
        and ``primary``), ``flow_urls``, ``package_uuid`` and ``outcome`` (``created``, or
        ``joined`` if an earlier try made the flows). Each is also pushed as an XCom key of that
        name, unless it is unknown, which is None in the dict. If the upload was tried first, the
        XComs ``report`` and ``report_text`` say what the flows read and write, as those of
        :class:`.DryRunReleaseOperator` do
    :raises AirflowFailException: for errors that a retry cannot fix
    :raises TrifactaError: for other errors
    """

    template_fields: Sequence[str] = (
        *PackageReader.template_fields,
        *("folder_id", "connections", "environment_parameters"),
    )
    operator_extra_links = ()

    def __init__(
        self,
        *,
        folder_id: Any = None,
        connections: Any = None,
        environment_parameters: Any = None,
        dry_run_first: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.folder_id = folder_id
        self.connections = connections
        self.environment_parameters = environment_parameters
        self.dry_run_first = dry_run_first

    def _act(self, attempt: Attempt) -> dict[str, Any]:
        """Check the package, import it once, and push the new flows."""
        folder_id = None if self.folder_id is None else parse_id(self.folder_id, "folder_id")
        self.log.info(
            "Will import %s into the workspace of connection %s",
            self.package_path,
            self.trifacta_conn_id,
        )
        tries = attempt.begin()
        client = self._client()
        with client, self.open_package(client) as package:
            self.describe(package)
            attempt.push(package_uuid=package.info.uuid)
            mappings = Mappings.resolve(
                client, package, self.connections, self.environment_parameters
            )
            importer = WorkspaceImporter(
                client, package, mappings, folder_id=folder_id, tries=tries, progress=self.progress
            )

            def try_first() -> None:
                if self.dry_run_first:
                    self._try(importer, attempt)

            outcome, flow_import = importer.run(try_first)
            self._finish(client, attempt, outcome, flow_import)
        # A try that joins an earlier import makes no report.
        reports = ("report", "report_text")
        return {key: xcom for key, xcom in attempt.xcoms.items() if key not in reports}

    def _try(self, importer: WorkspaceImporter, attempt: Attempt) -> None:
        """Try the import, push what it will read and write, and refuse it if it has problems."""
        report = importer.dry_run()
        attempt.push(report=report.as_dict(), report_text=report.as_text())
        self.show_report(report)
        refuse_problems(report, "log")

    def _finish(
        self, client: TrifactaClient, attempt: Attempt, outcome: str, flow_import: FlowImport
    ) -> None:
        flow_ids = [flow["id"] for flow in flow_import.flows]
        flow_urls = [client.flow_url(flow_id) for flow_id in flow_ids]
        attempt.push(
            flow_ids=flow_ids,
            primary_flow_ids=flow_import.primary_flow_ids,
            flows=flow_import.flows,
            flow_urls=flow_urls,
            outcome=outcome,
        )
        attempt.show(*flow_urls)
        self.log.info(
            "Package %s is imported (%s) as flows %s",
            attempt.xcoms["package_uuid"],
            outcome,
            listed(f"{flow['id']} ({quoted(flow['name'])})" for flow in flow_import.flows),
        )
        if flow_import.dropped:
            raise DroppedObjectsError(
                "The import dropped objects of the package:"
                f" {shown_json(flow_import.dropped)}. The flows {flow_ids} exist without them."
                " Delete them, correct the flow in the source instance, and import a new export.",
                flow_ids=flow_ids,
            )
