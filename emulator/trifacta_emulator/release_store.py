"""The store's releases, and the import that makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from trifacta_emulator.connection_store import ConnectionStore
from trifacta_emulator.errors import ValidationError
from trifacta_emulator.import_rule_store import ImportRuleStore
from trifacta_emulator.imports import IdSequences, ImportedPackage, import_package
from trifacta_emulator.package_reader import Package
from trifacta_emulator.records import ImportRule, Release
from trifacta_emulator.rule_effects import apply_rules, changed_objects
from trifacta_emulator.store_base import find
from trifacta_emulator.versions import why_not_importable


class ReleaseStore(ImportRuleStore, ConnectionStore):
    """Imports packages as releases; at most one of a deployment is active [R: D60 API Releases Patch v4]."""

    def create_release(
        self, deployment_id: int, package: Package, user_id: int = 1, *, activate: bool = True
    ) -> Release:
        """
        Import a package as a new release, which becomes the active one [R: SEED, SMC104].

        :param deployment_id: where to.
        :param package: the package, as read by ``read_package``.
        :param user_id: who does it; default the first user.
        :param activate: off leaves it inactive and the current one active; for the fault *late activation*.
        :raises MissingObjectError: deployment unknown or deleted.
        :raises ValidationError: the package does not fit the instance's version, or its import rules refuse it.
        """
        with self._lock:
            # What is refused uses no ids up.
            ids = self._ids.copy()
            imported = self._import(deployment_id, package, ids, user_id)
            self._ids = ids
            self._dropped_next = None
            release_id = self._ids.next("releases")
            now = imported.at
            if activate:
                self._deactivate_current(deployment_id, now, user_id)
            by_comment = self._options.release_notes == "comment" and package.comment
            self._releases[release_id] = Release(
                id=release_id,
                deployment_id=deployment_id,
                package_uuid=package.uuid,
                # [I] from the export's ``comment``, "displayed when flow is imported in a deployment package".
                notes=package.comment if by_comment else package.primary_flow_name,
                active=activate,
                created_at=now,
                updated_at=now,
                creator=user_id,
                updater=user_id,
                imported=imported,
            )
            what = "release created and activated" if activate else "release created"
            if self._rules_of(deployment_id):
                what += f"; objects changed by import rules: {changed_objects(imported.rule_changes)}"
            self._log(now, user_id, deployment_id, release_id, what)
            return self._releases[release_id]

    def preview_import(self, deployment_id: int, package: Package, user_id: int = 1) -> ImportedPackage:
        """
        Import a package without keeping anything, for a dry run; the ids are those of the next import.

        :param deployment_id: where to.
        :param package: the package, as read by ``read_package``.
        :param user_id: who does it; default the first user.
        :raises MissingObjectError: deployment unknown or deleted.
        :raises ValidationError: the package does not fit the instance's version, or its import rules refuse it.
        """
        with self._lock:
            return self._import(deployment_id, package, self._ids.copy(), user_id)

    def drop_on_next_import(self, dropped: Mapping[str, Any]) -> None:
        """
        Let the next successful import report dropped objects; dry runs before it report them as well.

        :param dropped: becomes ``deletedObjects``, e.g. ``{"datasources": [12]}``; the item's shape is not
            documented.
        """
        with self._lock:
            self._dropped_next = dict(dropped)

    def release(self, release_id: int, *, include_deleted: bool = False) -> Release:
        """
        Find a release.

        :param release_id: its id.
        :param include_deleted: also find a deleted one.
        :raises MissingObjectError: unknown or deleted.
        """
        with self._lock:
            return find(self._releases, "releases", release_id, include_deleted=include_deleted)

    def releases(self, deployment_id: int | None = None, *, include_deleted: bool = False) -> tuple[Release, ...]:
        """
        List releases, oldest first.

        :param deployment_id: of one deployment; ``None`` = of all.
        :param include_deleted: deleted ones too.
        """
        with self._lock:
            return tuple(
                row
                for row in self._releases.values()
                if deployment_id in (None, row.deployment_id) and (include_deleted or row.deleted_at is None)
            )

    def active_release(self, deployment_id: int) -> Release | None:
        """
        Find the active release of a deployment.

        :param deployment_id: its id.
        """
        with self._lock:
            return next((row for row in self.releases(deployment_id) if row.active), None)

    def update_release(
        self, release_id: int, *, active: bool | None = None, notes: str | None = None, user_id: int = 1
    ) -> Release:
        """
        Activate or deactivate a release, or change its notes.

        Activating makes the current one inactive in the same step [R: D60 API Releases Patch v4].

        :param release_id: its id.
        :param active: new state; ``None`` = leave it.
        :param notes: new notes [I]; ``None`` = leave them.
        :param user_id: who does it; default the first user.
        :raises MissingObjectError: unknown or deleted.
        """
        with self._lock:
            found = self.release(release_id)
            now = self._options.clock()
            if active and not found.active:
                self._deactivate_current(found.deployment_id, now, user_id)
            self._releases[release_id] = replace(
                found,
                active=found.active if active is None else active,
                notes=found.notes if notes is None else notes,
                updated_at=now,
                updater=user_id,
            )
            if active is not None and active != found.active:
                what = "release activated" if active else "release deactivated"
                self._log(now, user_id, found.deployment_id, release_id, what)
            return self._releases[release_id]

    def delete_release(self, release_id: int, user_id: int = 1) -> None:
        """
        Delete a release, softly.

        :param release_id: its id.
        :param user_id: who does it; default the first user.
        :raises MissingObjectError: unknown or deleted.
        :raises ValidationError: it is active and the options refuse that.
        """
        with self._lock:
            found = self.release(release_id)
            if found.active and self._options.delete_active_release == "refuse":
                raise ValidationError(f"releases {release_id} is active and cannot be deleted")
            self._drop(found, self._options.clock(), user_id)

    def delete_deployment(self, deployment_id: int, user_id: int = 1) -> None:
        """
        Delete a deployment and its releases, softly [M/I].

        :param deployment_id: its id.
        :param user_id: who does it; default the first user.
        :raises MissingObjectError: unknown or deleted.
        """
        with self._lock:
            for release in self.releases(deployment_id):
                self._drop(release, self._options.clock(), user_id)
            super().delete_deployment(deployment_id, user_id)

    def _import(self, deployment_id: int, package: Package, ids: IdSequences, user_id: int) -> ImportedPackage:
        self.deployment(deployment_id)
        self._require_importable(package)
        imported = import_package(
            package, ids, at=self._options.clock(), user_id=user_id, deleted_objects=self._dropped_next
        )
        described, rules = package.tables["connections"], self._rules_of(deployment_id)
        return apply_rules(imported, described, rules, self.connections(), self._options)

    def _rules_of(self, deployment_id: int) -> tuple[ImportRule, ...]:
        return self.import_rules(deployment_id, "object") + self.import_rules(deployment_id, "value")

    def _deactivate_current(self, deployment_id: int, now: datetime, user_id: int) -> None:
        current = self.active_release(deployment_id)
        if current is not None:
            self._releases[current.id] = replace(current, active=False, updated_at=now, updater=user_id)
            self._log(now, user_id, deployment_id, current.id, "release deactivated")

    def _drop(self, release: Release, now: datetime, user_id: int) -> None:
        self._releases[release.id] = replace(release, active=False, deleted_at=now, updated_at=now, updater=user_id)
        self._log(now, user_id, release.deployment_id, release.id, "release deleted")

    def _require_importable(self, package: Package) -> None:
        reason = why_not_importable(package.version, package.edition, self._product, self._options.edition)
        if reason is not None:
            raise ValidationError(reason)
