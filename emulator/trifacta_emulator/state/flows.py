"""Flows: authors make them on a Dev instance, and packages are exported from them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

from trifacta_emulator.errors import MissingObjectError
from trifacta_emulator.options import PresetFlow
from trifacta_emulator.packages.builder import build_package, new_uuid
from trifacta_emulator.packages.definition import (
    Connection,
    Package,
    Row,
    rows_where,
    rows_with_connection,
)
from trifacta_emulator.packages.generations import generation_of
from trifacta_emulator.packages.imports import IdSequences, ImportedPackage, import_package
from trifacta_emulator.packages.reader import read_package
from trifacta_emulator.packages.writer import Export, write_package
from trifacta_emulator.records import Flow, ImportRule, LocalConnection
from trifacta_emulator.rules.apply import apply_rules
from trifacta_emulator.state.flow_edits import edited
from trifacta_emulator.state.state import Resource


class Flows(Resource):
    """Makes, changes, imports and exports flows.

    :param state: the state of the instance
    """

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
        """Make a flow with a dataset, a recipe on it and an output; see :func:`build_package`.

        :param name: display name
        :param connections: names of connections of this instance. Without a ``dataset_path`` the
            dataset reads a table of the first one
        :param dataset_path: file that the dataset reads
        :param output_path: file that the output writes
        :param adhoc_output: add a manual output
        :param description: free text
        :param dataset_parameters: default values of the parameters that ``dataset_path`` has in
            braces, by name
        :param user_id: who makes it; default the first user
        :raises ValueError: no connection has the name, or several have it; or the path lacks a
            parameter
        """
        state = self.state
        with state.lock:
            archive = build_package(
                name,
                generation=generation_of(state.product.release),
                connections=[self._packaged(connection) for connection in connections],
                adhoc_output=adhoc_output,
                dataset_path=dataset_path,
                output_path=output_path,
                dataset_parameters=dataset_parameters,
            )
            package = read_package(io.BytesIO(archive))
            package.tables["flows"][0]["description"] = description
            now = state.options.clock()
            imported = import_package(package, state.ids, at=now, user_id=user_id)
            [flow] = self._keep_imported(imported, (), "created")
            return flow

    def create_preset_flow(self, preset: PresetFlow, user_ids: Mapping[str, int]) -> Flow:
        """Make a flow as the options or a state document describe it, and share it.

        :param preset: the flow
        :param user_ids: ids of the users by email
        :raises ValueError: see :meth:`create_flow`
        """
        owner_id = 1
        if preset.owner:
            owner_id = user_ids[preset.owner]
        flow = self.create_flow(
            preset.name,
            connections=preset.connections,
            dataset_path=preset.dataset_path,
            output_path=preset.output_path,
            adhoc_output=preset.adhoc_output,
            description=preset.description,
            dataset_parameters=preset.dataset_parameters,
            user_id=owner_id,
        )
        shared_with = [user_ids[email] for email in preset.shared_with]
        return self.share_flow(flow.id, *shared_with)

    def flow(self, flow_id: int, *, include_deleted: bool = False) -> Flow:
        """Find an ordinary flow.

        :param flow_id: its id
        :param include_deleted: also find a deleted one
        :raises MissingObjectError: unknown or deleted
        """
        return self.state.flows.find(flow_id, include_deleted=include_deleted)

    def flows(self, *, include_deleted: bool = False) -> tuple[Flow, ...]:
        """List ordinary flows, oldest first.

        :param include_deleted: deleted ones too
        """
        return self.state.flows.all(include_deleted=include_deleted)

    def released_flow(self, flow_id: int) -> tuple[Row, ImportedPackage]:
        """Find a flow of a release.

        :param flow_id: its id
        :returns: its row, and the import that made it
        :raises MissingObjectError: unknown, or its release has been deleted
        """
        for release in self.state.releases.all(include_deleted=True):
            for row in rows_where(release.imported.tables["flows"], "id", flow_id):
                if release.deleted_at is not None:
                    raise MissingObjectError("flows", flow_id, "deleted")
                return row, release.imported
        raise MissingObjectError("flows", flow_id, "unknown")

    def share_flow(self, flow_id: int, *user_ids: int) -> Flow:
        """Share a flow, as its owner does in the UI. This replaces whom it was shared with before.

        :param flow_id: its id
        :param user_ids: who may read, run and export it too; none = the owner only
        :raises MissingObjectError: unknown or deleted
        """
        with self.state.lock:
            flow = self.state.flows.find(flow_id)
            shared = replace(flow, shared_with=frozenset(user_ids))
            return self.state.flows.put(shared)

    def edit_flow(
        self,
        flow_id: int,
        *,
        name: str | None = None,
        description: str | None = None,
        dataset_path: str | None = None,
        output_path: str | None = None,
        adhoc_output: bool | None = None,
        user_id: int = 1,
    ) -> Flow:
        """Change a flow, as its author does in the UI. ``None`` = no change.

        :param flow_id: its id
        :param name: new display name
        :param description: new free text
        :param dataset_path: new file of its first dataset, over the connection that the dataset
            has, if any
        :param output_path: new file of its first output
        :param adhoc_output: whether its outputs are manual
        :param user_id: who changes it; default the first user
        :raises MissingObjectError: unknown or deleted
        :raises ValidationError: a value is empty, or the flow has no dataset or output to change
        """
        state = self.state
        with state.lock:
            flow = state.flows.find(flow_id)
            tables = edited(
                flow.tables,
                flow_id,
                name=name,
                description=description,
                dataset_path=dataset_path,
                output_path=output_path,
                adhoc_output=adhoc_output,
            )
            state.replace_tables(flow.tables, tables)
            now = state.options.clock()
            state.log(now, user_id, f"flow {flow_id} edited")
            changed = replace(flow, tables=tables, updated_at=now, updater=user_id)
            return state.flows.put(changed)

    def delete_flow(self, flow_id: int, user_id: int = 1) -> None:
        """Soft-delete a flow.

        :param flow_id: its id
        :param user_id: who deletes it; default the first user
        :raises MissingObjectError: unknown or deleted
        """
        state = self.state
        with state.lock:
            now = state.options.clock()
            flow = state.flows.find(flow_id)
            deleted = replace(flow, deleted_at=now, updated_at=now, updater=user_id)
            state.flows.put(deleted)
            state.log(now, user_id, f"flow {flow_id} deleted")

    def export_flow(
        self,
        flow_id: int,
        *,
        comment: str = "",
        user_id: int = 1,
    ) -> bytes:
        """Export a flow as a package. Each export has a new uuid.

        :param flow_id: its id
        :param comment: ``metadata.comment``; releases before 7.1 do not write it [P]
        :param user_id: who exports it; default the first user
        :returns: the ZIP
        :raises MissingObjectError: unknown or deleted
        """
        state = self.state
        with state.lock:
            flow = state.flows.find(flow_id)
            now = state.options.clock()
            uuid = new_uuid(now)
            export = Export(
                flow_id=flow_id,
                flow_name=flow.name,
                uuid=uuid,
                at=now,
                user_id=user_id,
                comment=comment,
                version=state.options.product_version,
                edition=state.options.edition,
                connections=_used_connections(flow, state.connections.all()),
            )
            state.flows.put(replace(flow, exports=flow.exports + 1))
            state.log(now, user_id, f"flow {flow_id} exported as package {uuid}")
            return write_package(flow.tables, export)

    def import_flow(
        self,
        package: Package,
        user_id: int = 1,
        *,
        mapping: Sequence[ImportRule] = (),
        folder_id: int | None = None,
    ) -> ImportedPackage:
        """Import a package as ordinary flows, each with a new name [R: D60 to D68].

        :param package: the package, as ``read_package`` returns it
        :param user_id: who imports it; default the first user
        :param mapping: what the import maps connections to, as object rules
        :param folder_id: the folder of the new flows
        :raises ValidationError: the package does not fit the instance's version, or the options
            refuse it
        """
        with self.state.lock:
            # The ids are a copy, so that a refused package uses none of them.
            ids = self.state.ids.copy()
            imported, described = self._make_flows(package, ids, user_id, mapping)
            self.state.ids = ids
            self._keep_imported(imported, described, "imported", folder_id)
            return imported

    def preview_flow(
        self,
        package: Package,
        user_id: int = 1,
        *,
        mapping: Sequence[ImportRule] = (),
    ) -> ImportedPackage:
        """Import a package without keeping anything, for a dry run. The ids come from the sequence
        [R: D64].

        :param package: the package, as ``read_package`` returns it
        :param user_id: who imports it; default the first user
        :param mapping: as for :meth:`import_flow`
        :raises ValidationError: the package does not fit the instance's version, or the options
            refuse it
        """
        with self.state.lock:
            ids = self.state.ids.copy()
            imported, _ = self._make_flows(package, ids, user_id, mapping)
            self.state.ids = ids
            return imported

    def _make_flows(
        self,
        package: Package,
        ids: IdSequences,
        user_id: int,
        mapping: Sequence[ImportRule],
    ) -> tuple[ImportedPackage, tuple[Row, ...]]:
        """Make flows of a package; return them, and the package's connections with new ids."""
        state = self.state
        state.require_importable(package)
        imported = import_package(package, ids, at=state.options.clock(), user_id=user_id)
        # Connections get new ids too. Otherwise an exported id could match another connection of
        # this instance.
        new_ids = {}
        described = []
        for connection in package.tables["connections"]:
            new_id = ids.next("connections")
            new_ids[connection["id"]] = new_id
            described.append({**connection, "id": new_id})
        for row in rows_with_connection(imported.tables):
            old_id = row["connectionId"]
            row["connectionId"] = new_ids.get(old_id, old_id)
        # There are no rules outside deployments. The mapping plays their part, and a local
        # connection may have the same uuid. The answer reports changes by rules only: our choice
        # [?].
        local = state.connections.all()
        mapped = apply_rules(imported, described, mapping, local, state.options)
        mapped = replace(mapped, rule_changes=imported.rule_changes)
        # The prefix is the first group of a uuid of version 1: the documents show prefixes that end
        # in 0 [I].
        prefix = new_uuid(mapped.at)[:8]
        for flow in mapped.tables["flows"]:
            flow["name"] = f"[{prefix}] {flow['name']}"
        return mapped, tuple(described)

    def _keep_imported(
        self,
        imported: ImportedPackage,
        described: Sequence[Row],
        event: str,
        folder_id: int | None = None,
    ) -> list[Flow]:
        # Each flow keeps everything that its package brought, because its export takes all of it
        # along again. Local connections need no description: the flow has their ids.
        local = {connection.uuid for connection in self.state.connections.all()}
        foreign = [row for row in described if row.get("uuid") not in local]
        flows = []
        for row in imported.tables["flows"]:
            flow = Flow(
                id=row["id"],
                tables=imported.tables,
                described=tuple(foreign),
                created_at=imported.at,
                updated_at=imported.at,
                creator=imported.user_id,
                updater=imported.user_id,
                folder_id=folder_id,
            )
            self.state.log(imported.at, imported.user_id, f"flow {flow.id} {event}")
            flows.append(self.state.flows.put(flow))
        return flows

    def _packaged(self, name: str) -> Connection:
        local = self.state.connections.all()
        matching = [connection for connection in local if connection.name == name]
        if len(matching) != 1:
            raise ValueError(f"{len(matching)} connections are named {name!r}")
        return matching[0].packaged


def _used_connections(flow: Flow, local: Sequence[LocalConnection]) -> list[Row | Connection]:
    """Find the connections that a flow uses: the local ones, or else the ones that its package
    described.
    """
    known: dict[int, Row | Connection] = {}
    for connection in local:
        known[connection.id] = connection.packaged
    for described in flow.described:
        known[described["id"]] = described
    used: dict[int, Row | Connection] = {}
    for row in rows_with_connection(flow.tables):
        connection_id = row["connectionId"]
        if connection_id in known:
            used[connection_id] = known[connection_id]
    return list(used.values())
