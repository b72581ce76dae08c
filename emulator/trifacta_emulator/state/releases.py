"""Releases of deployments, and the imports that make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from trifacta_emulator.errors import MissingObjectError, ValidationError
from trifacta_emulator.packages.builder import new_uuid
from trifacta_emulator.packages.definition import Package
from trifacta_emulator.packages.imports import TABLES, IdSequences, ImportedPackage, import_package
from trifacta_emulator.records import ImportRule, Release
from trifacta_emulator.rules.apply import apply_rules, changed_objects
from trifacta_emulator.state.state import Resource


class Releases(Resource):
    """Imports packages as releases. A deployment has at most one active release [R: D60 API
    Releases Patch v4].

    :param state: the state of the instance
    """

    def announce_release(
        self,
        deployment_id: int,
        package: Package,
        user_id: int = 1,
    ) -> Release:
        """List a release while the rest of its package is still imported: inactive, and without its
        flows [?].

        :param deployment_id: id of the deployment
        :param package: the package, as ``read_package`` returns it
        :param user_id: who imports it; default the first user
        :raises MissingObjectError: deployment unknown or deleted
        """
        state = self.state
        with state.lock:
            state.deployments.find(deployment_id)
            imported = ImportedPackage(
                tables={table: [] for table in TABLES},
                primary_flow_ids=(),
                mapping={},
                at=state.options.clock(),
                user_id=user_id,
            )
            release_id = state.ids.next("releases")
            release = self._made(release_id, deployment_id, package, imported, activate=False)
            return state.releases.put(release)

    def withdraw_release(self, release_id: int) -> None:
        """Forget an announced release, whose import was refused.

        :param release_id: its id
        """
        self.state.releases.discard(release_id)

    def create_release(
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
        state = self.state
        with state.lock:
            # The ids are a copy, so that a refused package uses none of them.
            ids = state.ids.copy()
            rules = self._rules(deployment_id)
            imported = self._import_into(deployment_id, package, rules, ids, user_id)
            state.ids = ids
            state.dropped_next = None
            if activate:
                self._deactivate_current(deployment_id, imported.at, user_id)
            if announced is None:
                release_id = ids.next("releases")
                release = self._made(
                    release_id, deployment_id, package, imported, activate=activate
                )
            else:
                # The row is older than the rows of its flows [P: SEED].
                release = replace(announced, active=activate, imported=imported)
            event = "release created"
            if activate:
                event = "release created and activated"
            if rules:
                changed = changed_objects(imported.rule_changes)
                event += f"; objects changed by import rules: {changed}"
            self._log_release(release, event, imported.at, user_id)
            return state.releases.put(release)

    def release(self, release_id: int, *, include_deleted: bool = False) -> Release:
        """Find a release.

        :param release_id: its id
        :param include_deleted: also find a deleted one
        :raises MissingObjectError: unknown or deleted
        """
        return self.state.releases.find(release_id, include_deleted=include_deleted)

    def preview_import(
        self,
        deployment_id: int,
        package: Package,
        user_id: int = 1,
    ) -> ImportedPackage:
        """Import a package without keeping anything, for a dry run.

        The ids come from the sequence, so that the next import has others [R: D64].

        :param deployment_id: id of the deployment
        :param package: the package, as ``read_package`` returns it
        :param user_id: who imports it; default the first user
        :raises MissingObjectError: deployment unknown or deleted
        :raises ValidationError: the package does not fit the instance's version, or its import
            rules refuse it
        """
        with self.state.lock:
            rules = self._rules(deployment_id)
            ids = self.state.ids.copy()
            imported = self._import_into(deployment_id, package, rules, ids, user_id)
            self.state.ids = ids
            return imported

    def drop_on_next_import(self, dropped: Mapping[str, Any]) -> None:
        """Let the next successful import report dropped objects. Dry runs before it report them as
        well.

        :param dropped: becomes ``deletedObjects``, e.g. ``{"datasources": [12]}``. The shape of the
            items is not documented [?]
        """
        with self.state.lock:
            self.state.dropped_next = dict(dropped)

    def releases(
        self, deployment_id: int | None = None, *, include_deleted: bool = False
    ) -> tuple[Release, ...]:
        """List releases, oldest first.

        :param deployment_id: only those of this deployment; ``None`` = all
        :param include_deleted: deleted ones too
        """
        releases = self.state.releases.all(include_deleted=include_deleted)
        if deployment_id is None:
            return releases
        return tuple(release for release in releases if release.deployment_id == deployment_id)

    def active_release(self, deployment_id: int) -> Release | None:
        """Find the active release of a deployment.

        :param deployment_id: its id
        """
        for release in self.releases(deployment_id):
            if release.active:
                return release
        return None

    def update_release(
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
        state = self.state
        with state.lock:
            release = state.releases.find(release_id)
            now = state.options.clock()
            changed = replace(release, updated_at=now, updater=user_id)
            if active is not None and active != release.active:
                event = "release deactivated"
                if active:
                    event = "release activated"
                    self._deactivate_current(release.deployment_id, now, user_id)
                self._log_release(release, event, now, user_id)
                changed = replace(changed, active=active)
            if notes is not None:
                changed = replace(changed, notes=notes)
            return state.releases.put(changed)

    def activate_late(self, release_id: int) -> None:
        """Activate a release for its creator, after its upload; does nothing if it has been deleted
        in the meantime.

        :param release_id: its id
        """
        with self.state.lock:
            try:
                creator = self.state.releases.find(release_id).creator
            except MissingObjectError:
                return
            self.update_release(release_id, active=True, user_id=creator)

    def delete_release(self, release_id: int, user_id: int = 1) -> None:
        """Soft-delete a release.

        :param release_id: its id
        :param user_id: who deletes it; default the first user
        :raises MissingObjectError: unknown or deleted
        :raises ValidationError: it is active and the options refuse that
        """
        with self.state.lock:
            release = self.state.releases.find(release_id)
            if release.active and self.state.options.delete_active_release == "refuse":
                raise ValidationError(f"releases {release_id} is active and cannot be deleted")
            self._drop(release, user_id)

    def delete_releases_of(self, deployment_id: int, user_id: int) -> None:
        """Soft-delete all releases of a deployment.

        :param deployment_id: its id
        :param user_id: who deletes them
        """
        with self.state.lock:
            for release in self.releases(deployment_id):
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
        options = self.state.options
        package_uuid = package.uuid
        if options.package_uuid != "package":
            package_uuid = new_uuid(imported.at)
        notes = package.primary_flow_name
        if options.release_notes == "comment" and package.comment:
            # [I] from the export's ``comment``, "displayed when flow is imported in a deployment
            # package".
            notes = package.comment
        return Release(
            id=release_id,
            deployment_id=deployment_id,
            package_uuid=package_uuid,
            notes=notes,
            active=activate,
            created_at=imported.at,
            updated_at=imported.at,
            creator=imported.user_id,
            updater=imported.user_id,
            imported=imported,
        )

    def _import_into(
        self,
        deployment_id: int,
        package: Package,
        rules: Sequence[ImportRule],
        ids: IdSequences,
        user_id: int,
    ) -> ImportedPackage:
        state = self.state
        state.deployments.find(deployment_id)
        state.require_importable(package)
        imported = import_package(
            package,
            ids,
            at=state.options.clock(),
            user_id=user_id,
            deleted_objects=state.dropped_next,
        )
        exported = package.tables["connections"]
        return apply_rules(imported, exported, rules, state.connections.all(), state.options)

    def _rules(self, deployment_id: int) -> tuple[ImportRule, ...]:
        rules = self.state.rules
        object_rules = rules.get((deployment_id, "object"), ())
        value_rules = rules.get((deployment_id, "value"), ())
        return object_rules + value_rules

    def _deactivate_current(
        self,
        deployment_id: int,
        now: datetime,
        user_id: int,
    ) -> None:
        current = self.active_release(deployment_id)
        if current is None:
            return
        changed = replace(current, active=False, updater=user_id)
        if self.state.options.replacing_touches_updated_at:
            changed = replace(changed, updated_at=now)
        self.state.releases.put(changed)
        self._log_release(current, "release deactivated", now, user_id)

    def _drop(self, release: Release, user_id: int) -> None:
        now = self.state.options.clock()
        deleted = replace(release, active=False, deleted_at=now, updated_at=now, updater=user_id)
        self.state.releases.put(deleted)
        self._log_release(release, "release deleted", now, user_id)

    def _log_release(
        self,
        release: Release,
        event: str,
        at: datetime,
        user_id: int,
    ) -> None:
        self.state.log(
            at,
            user_id,
            event,
            deployment_id=release.deployment_id,
            release_id=release.id,
        )
