"""The store's deployments."""

from __future__ import annotations

from dataclasses import replace

from trifacta_emulator.errors import ValidationError
from trifacta_emulator.records import Deployment
from trifacta_emulator.store_base import StoreBase, find


class DeploymentStore(StoreBase):
    """Creates, finds and changes deployments."""

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
            return find(self._deployments, "deployments", deployment_id, include_deleted=include_deleted)

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
        Delete a deployment, softly [M/I].

        :param deployment_id: its id.
        :param user_id: who does it; default the first user.
        :raises MissingObjectError: unknown or deleted.
        """
        with self._lock:
            found = self.deployment(deployment_id)
            now = self._options.clock()
            self._deployments[deployment_id] = replace(found, deleted_at=now, updated_at=now, updater=user_id)
            self._log(now, user_id, deployment_id, None, "deployment deleted")

    def _check_name(self, name: str) -> None:
        # Uniqueness is not documented [?].
        taken = any(row.name == name for row in self.deployments())
        if taken and self._options.unique_deployment_names:
            raise ValidationError(f"name: there is already a deployment named {name!r}")
