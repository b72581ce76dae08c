"""Releases of deployments, and the imports that make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from trifacta_emulator.errors import MissingObjectError, ValidationError
from trifacta_emulator.packages.builder import new_uuid
from trifacta_emulator.packages.definition import Package, Tables
from trifacta_emulator.packages.imports import TABLES, IdSequences, ImportedPackage, import_package
from trifacta_emulator.records import ImportRule, Release
from trifacta_emulator.rules.apply import apply_rules, changed_objects
from trifacta_emulator.state.state import State


class Releases:
    """Imports packages as releases. A deployment has at most one active release [R: D60 API
    Releases Patch v4].

    :param state: the state of the instance
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def announce(self, deployment_id: int, package: Package, user_id: int = 1) -> Release:
        """List a release while the rest of its package is still imported: inactive, and without its
        flows [?].

        :param deployment_id: id of the deployment
        :param package: the package, as ``read_package`` returns it
        :param user_id: who imports it; default the first user
        :raises MissingObjectError: deployment unknown or deleted
        """
        state = self._state
        with state.lock:
            state.deployments.find(deployment_id)
            nothing: Tables = {table: [] for table in TABLES}
            imported = ImportedPackage(nothing, (), {}, state.options.clock(), user_id)
            made = self._made(
                state.ids.next("releases"), deployment_id, package, imported, activate=False
            )
            return state.releases.put(made)

    def withdraw(self, release_id: int) -> None:
        """Forget an announced release, whose import was refused.

        :param release_id: its id
        """
        self._state.releases.discard(release_id)

    def create(
        self,
        deployment_id: int,
        package: Package,
        user_id: int = 1,
        *,
        activate: bool = True,
        announced: Release | None = None,
    ) -> Release:
        """Import a package as a new release, which becomes the active one [R: SEED, SMC104].

        :param deployment_id: id of the deployment
        :param package: the package, as ``read_package`` returns it
        :param user_id: who imports it; default the first user
        :param activate: ``False`` leaves the release inactive and the current one active, for the
            fault *late activation*
        :param announced: the same release, as it is listed already
        :raises MissingObjectError: deployment unknown or deleted
        :raises ValidationError: the package does not fit the instance's version, or its import
            rules refuse it
        """
        state = self._state
        with state.lock:
            # The ids are a copy, so that a refused package uses none of them.
            ids = state.ids.copy()
            rules = self._rules(deployment_id)
            imported = self._import(deployment_id, package, rules, ids, user_id)
            state.ids = ids
            state.dropped_next = None
            now = imported.at
            if activate:
                self._deactivate_current(deployment_id, now, user_id)
            release_id = announced.id if announced else ids.next("releases")
            made = self._made(release_id, deployment_id, package, imported, activate=activate)
            if announced:
                # The row is older than the rows of its flows [P: SEED].
                made = replace(
                    made,
                    package_uuid=announced.package_uuid,
                    created_at=announced.created_at,
                    updated_at=announced.updated_at,
                )
            what = "release created and activated" if activate else "release created"
            if rules:
                what += (
                    f"; objects changed by import rules: {changed_objects(imported.rule_changes)}"
                )
            state.log(now, user_id, what, deployment_id=deployment_id, release_id=made.id)
            return state.releases.put(made)

    def preview(self, deployment_id: int, package: Package, user_id: int = 1) -> ImportedPackage:
        """Import a package without keeping anything, for a dry run.

        The ids come from the sequence, so that the next import has others [R: D64].

        :param deployment_id: id of the deployment
        :param package: the package, as ``read_package`` returns it
        :param user_id: who imports it; default the first user
        :raises MissingObjectError: deployment unknown or deleted
        :raises ValidationError: the package does not fit the instance's version, or its import
            rules refuse it
        """
        with self._state.lock:
            rules, ids = self._rules(deployment_id), self._state.ids.copy()
            imported = self._import(deployment_id, package, rules, ids, user_id)
            self._state.ids = ids
            return imported

    def drop_on_next_import(self, dropped: Mapping[str, Any]) -> None:
        """Let the next successful import report dropped objects. Dry runs before it report them as
        well.

        :param dropped: becomes ``deletedObjects``, e.g. ``{"datasources": [12]}``. The shape of the
            items is not documented [?]
        """
        with self._state.lock:
            self._state.dropped_next = dict(dropped)

    def all(
        self, deployment_id: int | None = None, *, include_deleted: bool = False
    ) -> tuple[Release, ...]:
        """List releases, oldest first.

        :param deployment_id: only those of this deployment; ``None`` = all
        :param include_deleted: deleted ones too
        """
        rows = self._state.releases.all(include_deleted=include_deleted)
        return tuple(row for row in rows if deployment_id in (None, row.deployment_id))

    def active(self, deployment_id: int) -> Release | None:
        """Find the active release of a deployment.

        :param deployment_id: its id
        """
        return next((row for row in self.all(deployment_id) if row.active), None)

    def update(
        self,
        release_id: int,
        *,
        active: bool | None = None,
        notes: str | None = None,
        user_id: int = 1,
    ) -> Release:
        """Activate or deactivate a release, or change its notes.

        Activation makes the current release inactive in the same step [R: D60 API Releases Patch
        v4].

        :param release_id: its id
        :param active: new state; ``None`` = no change
        :param notes: new notes [I]; ``None`` = no change
        :param user_id: who changes it; default the first user
        :raises MissingObjectError: unknown or deleted
        """
        state = self._state
        with state.lock:
            found = state.releases.find(release_id)
            now = state.options.clock()
            if active and not found.active:
                self._deactivate_current(found.deployment_id, now, user_id)
            if active is not None and active != found.active:
                what = "release activated" if active else "release deactivated"
                state.log(
                    now, user_id, what, deployment_id=found.deployment_id, release_id=release_id
                )
            return state.releases.put(
                replace(
                    found,
                    active=found.active if active is None else active,
                    notes=found.notes if notes is None else notes,
                    updated_at=now,
                    updater=user_id,
                )
            )

    def activate_late(self, release_id: int) -> None:
        """Activate a release for its creator, after its upload; does nothing if it has been deleted
        in the meantime.

        :param release_id: its id
        """
        with self._state.lock:
            try:
                creator = self._state.releases.find(release_id).creator
            except MissingObjectError:
                return
            self.update(release_id, active=True, user_id=creator)

    def delete(self, release_id: int, user_id: int = 1) -> None:
        """Soft-delete a release.

        :param release_id: its id
        :param user_id: who deletes it; default the first user
        :raises MissingObjectError: unknown or deleted
        :raises ValidationError: it is active and the options refuse that
        """
        with self._state.lock:
            found = self._state.releases.find(release_id)
            if found.active and self._state.options.delete_active_release == "refuse":
                raise ValidationError(f"releases {release_id} is active and cannot be deleted")
            self._drop(found, user_id)

    def delete_of(self, deployment_id: int, user_id: int) -> None:
        """Soft-delete all releases of a deployment.

        :param deployment_id: its id
        :param user_id: who deletes them
        """
        with self._state.lock:
            for release in self.all(deployment_id):
                self._drop(release, user_id)

    def _made(
        self,
        release_id: int,
        deployment_id: int,
        package: Package,
        imported: ImportedPackage,
        *,
        activate: bool,
    ) -> Release:
        by_comment = self._state.options.release_notes == "comment" and package.comment
        return Release(
            id=release_id,
            deployment_id=deployment_id,
            package_uuid=package.uuid
            if self._state.options.package_uuid == "package"
            else new_uuid(imported.at),
            # [I] from the export's ``comment``, "displayed when flow is imported in a deployment
            # package".
            notes=package.comment if by_comment else package.primary_flow_name,
            active=activate,
            created_at=imported.at,
            updated_at=imported.at,
            creator=imported.user_id,
            updater=imported.user_id,
            imported=imported,
        )

    def _import(
        self,
        deployment_id: int,
        package: Package,
        rules: Sequence[ImportRule],
        ids: IdSequences,
        user_id: int,
    ) -> ImportedPackage:
        state = self._state
        state.deployments.find(deployment_id)
        state.require_importable(package)
        now, dropped = state.options.clock(), state.dropped_next
        imported = import_package(package, ids, at=now, user_id=user_id, deleted_objects=dropped)
        return apply_rules(
            imported, package.tables["connections"], rules, state.connections.all(), state.options
        )

    def _rules(self, deployment_id: int) -> tuple[ImportRule, ...]:
        rules = self._state.rules
        return rules.get((deployment_id, "object"), ()) + rules.get((deployment_id, "value"), ())

    def _deactivate_current(self, deployment_id: int, now: datetime, user_id: int) -> None:
        current = self.active(deployment_id)
        if current is not None:
            touched = self._state.options.replacing_touches_updated_at
            at = now if touched else current.updated_at
            self._state.releases.put(replace(current, active=False, updated_at=at, updater=user_id))
            self._state.log(
                now,
                user_id,
                "release deactivated",
                deployment_id=deployment_id,
                release_id=current.id,
            )

    def _drop(self, release: Release, user_id: int) -> None:
        now = self._state.options.clock()
        self._state.releases.put(
            replace(release, active=False, deleted_at=now, updated_at=now, updater=user_id)
        )
        self._state.log(
            now,
            user_id,
            "release deleted",
            deployment_id=release.deployment_id,
            release_id=release.id,
        )
