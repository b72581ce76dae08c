"""
State of the emulated instance: deployments, their import rules, releases and what happened to them.

Records are immutable and replaced as a whole, and every method holds one lock, so that a reader never sees
half a change: at most one release of a deployment is active at any moment [R: D60 API Releases Patch v4].
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from airflow_provider_trifacta.emulator.errors import MissingObjectError, ValidationError
from airflow_provider_trifacta.emulator.import_rule_checks import checked_rules
from airflow_provider_trifacta.emulator.imports import IdSequences, ImportedPackage, import_package
from airflow_provider_trifacta.emulator.options import EmulatorOptions
from airflow_provider_trifacta.emulator.package_reader import Package
from airflow_provider_trifacta.emulator.records import Deployment, Event, ImportRule, Release, RuleKind
from airflow_provider_trifacta.emulator.versions import parse_version, why_not_importable


class Store:
    """
    All state, in memory. Tests may call any method from any thread while the emulator serves.

    :param options: the instance's options.
    """

    def __init__(self, options: EmulatorOptions) -> None:
        self._options = options
        self._product = parse_version(options.product_version)
        self._lock = threading.RLock()
        self._ids = IdSequences()
        self._deployments: dict[int, Deployment] = {}
        self._releases: dict[int, Release] = {}
        self._rules: dict[tuple[int, RuleKind], tuple[ImportRule, ...]] = {}
        self._events: list[Event] = []
        self._dropped_next: Mapping[str, Any] | None = None

    # -- deployments ---------------------------------------------------------------------------------------

    def create_deployment(self, name: str, user_id: int = 1) -> Deployment:
        """
        Create a deployment.

        :param name: display name.
        :param user_id: who does it; default the first user.
        :raises ValidationError: the name is taken and the options want unique ones.
        """
        with self._lock:
            self._check_name(name)
            now = self._options.clock()
            new_id = self._ids.next("deployments")
            self._deployments[new_id] = Deployment(new_id, name, now, now, user_id, user_id)
            self._log(now, user_id, new_id, None, "deployment created")
            return self._deployments[new_id]

    def deployment(self, deployment_id: int, *, include_deleted: bool = False) -> Deployment:
        """
        Find a deployment.

        :param deployment_id: its id.
        :param include_deleted: also find a deleted one.
        :raises MissingObjectError: unknown or deleted.
        """
        with self._lock:
            found = self._deployments.get(deployment_id)
            if found is None:
                raise MissingObjectError("deployments", deployment_id, "unknown")
            if found.deleted_at is not None and not include_deleted:
                raise MissingObjectError("deployments", deployment_id, "deleted")
            return found

    def deployments(self, *, include_deleted: bool = False) -> tuple[Deployment, ...]:
        """
        List deployments, newest first [R: VS-143186630].

        :param include_deleted: deleted ones too.
        """
        with self._lock:
            rows = reversed(self._deployments.values())
            return tuple(row for row in rows if include_deleted or row.deleted_at is None)

    def rename_deployment(self, deployment_id: int, name: str, user_id: int = 1) -> Deployment:
        """
        Change the name of a deployment.

        :param deployment_id: its id.
        :param name: new name.
        :param user_id: who does it; default the first user.
        :raises MissingObjectError: unknown or deleted.
        :raises ValidationError: the name is taken and the options want unique ones.
        """
        with self._lock:
            found = self.deployment(deployment_id)
            if name != found.name:
                self._check_name(name)
            now = self._options.clock()
            self._deployments[deployment_id] = replace(found, name=name, updated_at=now, updater=user_id)
            self._log(now, user_id, deployment_id, None, "deployment renamed")
            return self._deployments[deployment_id]

    def delete_deployment(self, deployment_id: int, user_id: int = 1) -> None:
        """
        Delete a deployment and its releases, softly [M/I].

        :param deployment_id: its id.
        :param user_id: who does it; default the first user.
        :raises MissingObjectError: unknown or deleted.
        """
        with self._lock:
            found = self.deployment(deployment_id)
            now = self._options.clock()
            for release in self.releases(deployment_id):
                self._drop(release, now, user_id)
            self._deployments[deployment_id] = replace(found, deleted_at=now, updated_at=now, updater=user_id)
            self._log(now, user_id, deployment_id, None, "deployment deleted")

    # -- import rules --------------------------------------------------------------------------------------

    def import_rules(self, deployment_id: int, kind: RuleKind) -> tuple[ImportRule, ...]:
        """
        List the import rules of a deployment in the order in which they apply.

        :param deployment_id: its id.
        :param kind: ``object`` or ``value``.
        :raises MissingObjectError: deployment unknown or deleted.
        """
        with self._lock:
            self.deployment(deployment_id)
            return self._rules.get((deployment_id, kind), ())

    def replace_import_rules(
        self, deployment_id: int, kind: RuleKind, rules: Sequence[Mapping[str, Any]], user_id: int = 1
    ) -> tuple[ImportRule, ...]:
        """
        Replace all import rules of one kind.

        :param deployment_id: of which deployment.
        :param kind: ``object`` or ``value``.
        :param rules: the new rules, in order, as the API takes them; empty = none.
        :param user_id: who does it; default the first user.
        :return: the rules that were replaced.
        :raises MissingObjectError: deployment unknown or deleted.
        :raises ValidationError: a rule is wrong; nothing is changed then.
        """
        with self._lock:
            replaced = self.import_rules(deployment_id, kind)
            checked = checked_rules(kind, rules)
            now = self._options.clock()
            self._rules[deployment_id, kind] = tuple(
                ImportRule(
                    id=self._ids.next(f"{kind}importrules"),
                    deployment_id=deployment_id,
                    kind=kind,
                    rule=rule,
                    created_at=now,
                    updated_at=now,
                    creator=user_id,
                    updater=user_id,
                )
                for rule in checked
            )
            what = f"{kind} import rules changed: {len(checked)} in place of {len(replaced)}"
            self._log(now, user_id, deployment_id, None, what)
            return replaced

    # -- releases ------------------------------------------------------------------------------------------

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
        :raises ValidationError: the package does not fit the instance's version.
        """
        with self._lock:
            imported = self._import(deployment_id, package, self._ids, user_id)
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
            self._log(now, user_id, deployment_id, release_id, what)
            return self._releases[release_id]

    def preview_import(self, deployment_id: int, package: Package, user_id: int = 1) -> ImportedPackage:
        """
        Import a package without keeping anything, for a dry run; the ids are those of the next import.

        :param deployment_id: where to.
        :param package: the package, as read by ``read_package``.
        :param user_id: who does it; default the first user.
        :raises MissingObjectError: deployment unknown or deleted.
        :raises ValidationError: the package does not fit the instance's version.
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
            found = self._releases.get(release_id)
            if found is None:
                raise MissingObjectError("releases", release_id, "unknown")
            if found.deleted_at is not None and not include_deleted:
                raise MissingObjectError("releases", release_id, "deleted")
            return found

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

    def events(self) -> tuple[Event, ...]:
        """List everything that happened, oldest first."""
        with self._lock:
            return tuple(self._events)

    # -- inside the lock -----------------------------------------------------------------------------------

    def _check_name(self, name: str) -> None:
        # Uniqueness is not documented [?].
        taken = any(row.name == name for row in self.deployments())
        if taken and self._options.unique_deployment_names:
            raise ValidationError(f"name: there is already a deployment named {name!r}")

    def _import(self, deployment_id: int, package: Package, ids: IdSequences, user_id: int) -> ImportedPackage:
        self.deployment(deployment_id)
        reason = why_not_importable(package.version, package.edition, self._product, self._options.edition)
        if reason is not None:
            raise ValidationError(reason)
        # The place where ``self._rules`` of the deployment will be handed over; they are not applied yet.
        return import_package(
            package, ids, at=self._options.clock(), user_id=user_id, deleted_objects=self._dropped_next
        )

    def _deactivate_current(self, deployment_id: int, now: datetime, user_id: int) -> None:
        current = self.active_release(deployment_id)
        if current is not None:
            self._releases[current.id] = replace(current, active=False, updated_at=now, updater=user_id)
            self._log(now, user_id, deployment_id, current.id, "release deactivated")

    def _drop(self, release: Release, now: datetime, user_id: int) -> None:
        self._releases[release.id] = replace(release, active=False, deleted_at=now, updated_at=now, updater=user_id)
        self._log(now, user_id, release.deployment_id, release.id, "release deleted")

    def _log(self, at: datetime, user_id: int, deployment_id: int, release_id: int | None, what: str) -> None:
        self._events.append(Event(at, user_id, deployment_id, release_id, what))
