"""Flows: authors make them on a Dev instance, and packages are exported from them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

from trifacta_emulator.errors import MissingObjectError
from trifacta_emulator.packages.builder import build_package, new_uuid
from trifacta_emulator.packages.definition import USERS, Connection, Package, Row
from trifacta_emulator.packages.generations import generation_of
from trifacta_emulator.packages.imports import IdSequences, ImportedPackage, import_package
from trifacta_emulator.packages.reader import read_package
from trifacta_emulator.packages.writer import Export, write_package
from trifacta_emulator.records import Flow, ImportRule, LocalConnection
from trifacta_emulator.rules.apply import apply_rules
from trifacta_emulator.state.flow_edits import edited
from trifacta_emulator.state.state import State


class Flows:
    """Makes, changes, imports and exports flows.

    :param state: the state of the instance
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def create(
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
        state = self._state
        with state.lock:
            package = build_package(
                name,
                generation=generation_of(state.product.release),
                connections=[self._connection(one) for one in connections],
                adhoc_output=adhoc_output,
                dataset_path=dataset_path,
                output_path=output_path,
                dataset_parameters=dataset_parameters,
            )
            read = read_package(io.BytesIO(package))
            read.tables["flows"][0]["description"] = description
            made = import_package(read, state.ids, at=state.options.clock(), user_id=user_id)
            [flow] = self._keep(made, (), "created")
            return flow

    def released(self, flow_id: int) -> tuple[Row, ImportedPackage]:
        """Find a flow of a release.

        :param flow_id: its id
        :returns: its row, and the import that made it
        :raises MissingObjectError: unknown, or its release has been deleted
        """
        for release in self._state.releases.all(include_deleted=True):
            for row in release.imported.tables["flows"]:
                if row["id"] == flow_id:
                    if release.deleted_at is not None:
                        raise MissingObjectError("flows", flow_id, "deleted")
                    return row, release.imported
        raise MissingObjectError("flows", flow_id, "unknown")

    def share(self, flow_id: int, *user_ids: int) -> Flow:
        """Share a flow, as its owner does in the UI. This replaces whom it was shared with before.

        :param flow_id: its id
        :param user_ids: who may read, run and export it too; none = the owner only
        :raises MissingObjectError: unknown or deleted
        """
        with self._state.lock:
            found = self._state.flows.find(flow_id)
            return self._state.flows.put(replace(found, shared_with=frozenset(user_ids)))

    def edit(
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
        state = self._state
        with state.lock:
            found = state.flows.find(flow_id)
            tables = edited(
                found.tables,
                flow_id,
                name=name,
                description=description,
                dataset_path=dataset_path,
                output_path=output_path,
                adhoc_output=adhoc_output,
            )
            # The flows of one package share their tables, so that each export shows the others as
            # they are now.
            for one in state.flows.all(include_deleted=True):
                if one.tables is found.tables:
                    state.flows.put(replace(one, tables=tables))
            now = state.options.clock()
            state.log(now, user_id, f"flow {flow_id} edited")
            return state.flows.put(replace(found, tables=tables, updated_at=now, updater=user_id))

    def delete(self, flow_id: int, user_id: int = 1) -> None:
        """Soft-delete a flow.

        :param flow_id: its id
        :param user_id: who deletes it; default the first user
        :raises MissingObjectError: unknown or deleted
        """
        state = self._state
        with state.lock:
            now = state.options.clock()
            state.flows.put(
                replace(state.flows.find(flow_id), deleted_at=now, updated_at=now, updater=user_id)
            )
            state.log(now, user_id, f"flow {flow_id} deleted")

    def export(self, flow_id: int, *, comment: str = "", user_id: int = 1) -> bytes:
        """Export a flow as a package. Each export has a new uuid.

        :param flow_id: its id
        :param comment: ``metadata.comment``; releases before 7.1 do not write it [P]
        :param user_id: who exports it; default the first user
        :returns: the ZIP
        :raises MissingObjectError: unknown or deleted
        """
        state = self._state
        with state.lock:
            found, now = state.flows.find(flow_id), state.options.clock()
            uuid = new_uuid(now)
            export = Export(
                flow_id=flow_id,
                flow_name=found.name,
                uuid=uuid,
                at=now,
                user_id=user_id,
                comment=comment,
                version=state.options.product_version,
                edition=state.options.edition,
                connections=_used_connections(found, state.connections.all()),
            )
            state.flows.put(replace(found, exports=found.exports + 1))
            state.log(now, user_id, f"flow {flow_id} exported as package {uuid}")
            return write_package(found.tables, export)

    def import_package(
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
        with self._state.lock:
            # The ids are a copy, so that a refused package uses none of them.
            ids = self._state.ids.copy()
            made, described = self._import(package, ids, user_id, mapping)
            self._state.ids = ids
            self._keep(made, described, "imported", folder_id)
            return made

    def preview(
        self, package: Package, user_id: int = 1, *, mapping: Sequence[ImportRule] = ()
    ) -> ImportedPackage:
        """Import a package without keeping anything, for a dry run. The ids come from the sequence
        [R: D64].

        :param package: the package, as ``read_package`` returns it
        :param user_id: who imports it; default the first user
        :param mapping: as for :meth:`import_package`
        :raises ValidationError: the package does not fit the instance's version, or the options
            refuse it
        """
        with self._state.lock:
            ids = self._state.ids.copy()
            made, _ = self._import(package, ids, user_id, mapping)
            self._state.ids = ids
            return made

    def _import(
        self, package: Package, ids: IdSequences, user_id: int, mapping: Sequence[ImportRule]
    ) -> tuple[ImportedPackage, tuple[Row, ...]]:
        """Make flows of a package; return them, and the package's connections with new ids."""
        state = self._state
        state.require_importable(package)
        made = import_package(package, ids, at=state.options.clock(), user_id=user_id)
        # Connections get new ids too. Otherwise an exported id could match another connection of
        # this instance.
        new_ids = {row["id"]: ids.next("connections") for row in package.tables["connections"]}
        described = tuple(
            {**row, "id": new_ids[row["id"]]} for row in package.tables["connections"]
        )
        for row in (row for table in USERS for row in made.tables[table]):
            if isinstance(row.get("connectionId"), int):
                row["connectionId"] = new_ids.get(row["connectionId"], row["connectionId"])
        # There are no rules outside deployments. The mapping plays their part, and a local
        # connection may have the same uuid. The answer reports changes by rules only: our choice
        # [?].
        mapped = apply_rules(made, described, mapping, state.connections.all(), state.options)
        made = replace(mapped, rule_changes=made.rule_changes)
        # The prefix is the first group of a uuid of version 1: the documents show prefixes that end
        # in 0 [I].
        prefix = new_uuid(made.at)[:8]
        for row in made.tables["flows"]:
            row["name"] = f"[{prefix}] {row['name']}"
        return made, described

    def _keep(
        self,
        made: ImportedPackage,
        described: tuple[Row, ...],
        what: str,
        folder_id: int | None = None,
    ) -> list[Flow]:
        # Each flow keeps everything that its package brought, because its export takes all of it
        # along again. Local connections need no description: the flow has their ids.
        here = {one.uuid for one in self._state.connections.all()}
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
                folder_id=folder_id,
            )
            self._state.log(made.at, made.user_id, f"flow {flow.id} {what}")
            kept.append(self._state.flows.put(flow))
        return kept

    def _connection(self, name: str) -> Connection:
        found = [one for one in self._state.connections.all() if one.name == name]
        if len(found) != 1:
            raise ValueError(f"{len(found)} connections are named {name!r}")
        return found[0].packaged


def _used_connections(flow: Flow, here: Sequence[LocalConnection]) -> list[Row | Connection]:
    """Find the connections that a flow uses: the local ones, or else the ones that its package
    described.
    """
    ids = [row.get("connectionId") for table in USERS for row in flow.tables[table]]
    known: dict[int, Row | Connection] = {one.id: one.packaged for one in here}
    known |= {row["id"]: row for row in flow.described}
    return [
        known[one]
        for one in dict.fromkeys(one for one in ids if isinstance(one, int))
        if one in known
    ]
