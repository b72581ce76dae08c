"""The store's flows: what authors make in a Dev instance, and what packages are exported from."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

from trifacta_emulator.errors import MissingObjectError
from trifacta_emulator.flow_edits import edited
from trifacta_emulator.flow_imports import import_flows
from trifacta_emulator.imports import IdSequences, ImportedPackage, import_package
from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.package_builder import build_package, new_uuid
from trifacta_emulator.package_content import Connection
from trifacta_emulator.package_forms import generation_of
from trifacta_emulator.package_reader import Package, Row, read_package
from trifacta_emulator.package_writer import Export, used_connections, write_package
from trifacta_emulator.records import Flow
from trifacta_emulator.release_store import ReleaseStore
from trifacta_emulator.store_base import find


class FlowStore(ReleaseStore):
    """
    Makes, changes, imports and exports flows.

    :param options: the instance's options; some flows may be there from the start.
    """

    def __init__(self, options: EmulatorOptions) -> None:
        super().__init__(options)
        self._flows: dict[int, Flow] = {}
        emails = [user.email for user in options.users]
        for one in options.flows:
            self.create_flow(
                one.name,
                connections=one.connections,
                dataset_path=one.dataset_path,
                output_path=one.output_path,
                adhoc_output=one.adhoc_output,
                description=one.description,
                dataset_parameters=one.dataset_parameters,
                user_id=emails.index(one.owner) + 1 if one.owner else 1,
            )

    def create_flow(
        self,
        name: str,
        *,
        connections: Sequence[str] = (),
        dataset_path: str | None = None,
        output_path: str | None = None,
        adhoc_output: bool = True,
        description: str = "",
        dataset_parameters: Mapping[str, str] | None = None,
        user_id: int = 1,
    ) -> Flow:
        """
        Make a flow: a dataset, a recipe on it and an output, as :func:`build_package` describes them.

        :param name: display name.
        :param connections: names of connections of this instance; without a ``dataset_path`` the dataset reads a
            table of the first one.
        :param dataset_path: the file the dataset reads.
        :param output_path: the file the output writes.
        :param adhoc_output: with a manual output.
        :param description: free text.
        :param dataset_parameters: default values of the parameters that ``dataset_path`` has in braces.
        :param user_id: who does it; default the first user.
        :raises ValueError: no connection has the name, or several have; a parameter is not in the path.
        """
        with self._lock:
            package = build_package(
                name,
                generation=generation_of(self._product.release),
                connections=[self._exported(one) for one in connections],
                adhoc_output=adhoc_output,
                dataset_path=dataset_path,
                output_path=output_path,
                dataset_parameters=dataset_parameters,
            )
            read = read_package(io.BytesIO(package))
            read.tables["flows"][0]["description"] = description
            made = import_package(read, self._ids, at=self._options.clock(), user_id=user_id)
            [flow] = self._keep(made, (), "created")
            return flow

    def flow(self, flow_id: int, *, include_deleted: bool = False) -> Flow:
        """
        Find a flow that can be edited here.

        :param flow_id: its id.
        :param include_deleted: also find a deleted one.
        :raises MissingObjectError: unknown or deleted.
        """
        with self._lock:
            return find(self._flows, "flows", flow_id, include_deleted=include_deleted)

    def released_flow(self, flow_id: int) -> tuple[Row, ImportedPackage]:
        """
        Find a flow of a release.

        :param flow_id: its id.
        :return: its row, and the import that made it.
        :raises MissingObjectError: unknown, or its release has been deleted.
        """
        with self._lock:
            for release in self.releases(include_deleted=True):
                for row in release.imported.tables["flows"]:
                    if row["id"] == flow_id:
                        if release.deleted_at is not None:
                            raise MissingObjectError("flows", flow_id, "deleted")
                        return row, release.imported
            raise MissingObjectError("flows", flow_id, "unknown")

    def flows(self, *, include_deleted: bool = False) -> tuple[Flow, ...]:
        """
        List the flows that can be edited here, oldest first.

        :param include_deleted: deleted ones too.
        """
        with self._lock:
            return tuple(row for row in self._flows.values() if include_deleted or row.deleted_at is None)

    def edit_flow(
        self,
        flow_id: int,
        *,
        name: str | None = None,
        dataset_path: str | None = None,
        output_path: str | None = None,
        adhoc_output: bool | None = None,
        user_id: int = 1,
    ) -> Flow:
        """
        Change a flow, as its author does in the UI.

        :param flow_id: its id.
        :param name: new display name; ``None`` = leave it, as for the others.
        :param dataset_path: the file its first dataset reads from now on, over the connection it has, if any.
        :param output_path: the file its first output writes.
        :param adhoc_output: whether its outputs are manual ones.
        :param user_id: who does it; default the first user.
        :raises MissingObjectError: unknown or deleted.
        :raises ValidationError: a value is empty, or the flow has no dataset or output to change.
        """
        with self._lock:
            found = self.flow(flow_id)
            tables = edited(
                found.tables,
                flow_id,
                name=name,
                dataset_path=dataset_path,
                output_path=output_path,
                adhoc_output=adhoc_output,
            )
            # The flows of one package go along with each other, as they are at the time.
            for one in self._flows.values():
                if one.tables is found.tables:
                    self._flows[one.id] = replace(one, tables=tables)
            now = self._options.clock()
            self._flows[flow_id] = replace(found, tables=tables, updated_at=now, updater=user_id)
            self._log(now, user_id, None, None, f"flow {flow_id} edited")
            return self._flows[flow_id]

    def delete_flow(self, flow_id: int, user_id: int = 1) -> None:
        """
        Delete a flow, softly.

        :param flow_id: its id.
        :param user_id: who does it; default the first user.
        :raises MissingObjectError: unknown or deleted.
        """
        with self._lock:
            now = self._options.clock()
            self._flows[flow_id] = replace(self.flow(flow_id), deleted_at=now, updated_at=now, updater=user_id)
            self._log(now, user_id, None, None, f"flow {flow_id} deleted")

    def export_flow(self, flow_id: int, *, comment: str = "", user_id: int = 1) -> bytes:
        """
        Export a flow as a package, with a uuid of its own each time.

        :param flow_id: its id.
        :param comment: ``metadata.comment``; not written before 7.1, which had none [P].
        :param user_id: who does it; default the first user.
        :return: the ZIP.
        :raises MissingObjectError: unknown or deleted.
        """
        with self._lock:
            found, now = self.flow(flow_id), self._options.clock()
            uuid = new_uuid(now)
            export = Export(
                flow_id=flow_id,
                flow_name=found.name,
                uuid=uuid,
                at=now,
                user_id=user_id,
                comment=comment,
                version=self._options.product_version,
                edition=self._options.edition,
                connections=used_connections(found, self.connections()),
            )
            self._flows[flow_id] = replace(found, exports=found.exports + 1)
            self._log(now, user_id, None, None, f"flow {flow_id} exported as package {uuid}")
            return write_package(found.tables, export)

    def import_flow(self, package: Package, user_id: int = 1) -> ImportedPackage:
        """
        Import a package as ordinary flows, with a new name each [R: D60 to D68].

        :param package: the package, as read by ``read_package``.
        :param user_id: who does it; default the first user.
        :raises ValidationError: the package does not fit the instance's version, or the options refuse it.
        """
        with self._lock:
            # What is refused uses no ids up.
            ids = self._ids.copy()
            made, described = self._imported(package, ids, user_id)
            self._ids = ids
            self._keep(made, described, "imported")
            return made

    def preview_flow(self, package: Package, user_id: int = 1) -> ImportedPackage:
        """
        Import a package without keeping anything, for a dry run.

        :param package: the package, as read by ``read_package``.
        :param user_id: who does it; default the first user.
        :raises ValidationError: the package does not fit the instance's version, or the options refuse it.
        """
        with self._lock:
            return self._imported(package, self._ids.copy(), user_id)[0]

    def _imported(self, package: Package, ids: IdSequences, user_id: int) -> tuple[ImportedPackage, tuple[Row, ...]]:
        self._require_importable(package)
        return import_flows(package, ids, self.connections(), self._options, user_id)

    def _keep(self, made: ImportedPackage, described: tuple[Row, ...], what: str) -> list[Flow]:
        # Whatever the package brought along goes along again: each of its flows keeps all of it. Connections that
        # are here as well need no description: they have got the ids of this instance.
        here = {one.uuid for one in self.connections()}
        described = tuple(row for row in described if row.get("uuid") not in here)
        kept = []
        for row in made.tables["flows"]:
            flow = Flow(
                id=row["id"],
                tables=made.tables,
                described=described,
                created_at=made.at,
                updated_at=made.at,
                creator=made.user_id,
                updater=made.user_id,
            )
            self._flows[flow.id] = flow
            self._log(made.at, made.user_id, None, None, f"flow {flow.id} {what}")
            kept.append(flow)
        return kept

    def _exported(self, name: str) -> Connection:
        found = [one for one in self.connections() if one.name == name]
        if len(found) != 1:
            raise ValueError(f"{len(found)} connections are named {name!r}")
        return found[0].packaged
