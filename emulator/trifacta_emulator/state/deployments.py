"""Deployments and their import rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from trifacta_emulator.errors import ValidationError
from trifacta_emulator.records import Deployment, ImportRule, RuleKind
from trifacta_emulator.rules.checks import checked_rules
from trifacta_emulator.state.releases import Releases
from trifacta_emulator.state.state import Resource


class Deployments(Resource):
    """Creates and changes deployments, and keeps their import rules.

    :param state: the state of the instance
    """

    def create_deployment(self, name: str, user_id: int = 1) -> Deployment:
        """Create a deployment.

        :param name: display name
        :param user_id: who creates it; default the first user
        :raises ValidationError: the name is taken and the options require unique names
        """
        state = self.state
        with state.lock:
            self._check_name(name)
            now = state.options.clock()
            deployment_id = state.ids.next("deployments")
            deployment = Deployment(deployment_id, name, now, now, user_id, user_id)
            state.log(now, user_id, "deployment created", deployment_id=deployment_id)
            return state.deployments.put(deployment)

    def deployment(self, deployment_id: int, *, include_deleted: bool = False) -> Deployment:
        """Find a deployment.

        :param deployment_id: its id
        :param include_deleted: also find a deleted one
        :raises MissingObjectError: unknown or deleted
        """
        return self.state.deployments.find(deployment_id, include_deleted=include_deleted)

    def deployments(self, *, include_deleted: bool = False) -> tuple[Deployment, ...]:
        """List deployments, newest first [R: VS-143186630].

        :param include_deleted: deleted ones too
        """
        deployments = self.state.deployments.all(include_deleted=include_deleted)
        return tuple(reversed(deployments))

    def rename_deployment(
        self,
        deployment_id: int,
        name: str,
        user_id: int = 1,
    ) -> Deployment:
        """Change the name of a deployment.

        :param deployment_id: its id
        :param name: new name
        :param user_id: who renames it; default the first user
        :raises MissingObjectError: unknown or deleted
        :raises ValidationError: the name is taken and the options require unique names
        """
        state = self.state
        with state.lock:
            deployment = state.deployments.find(deployment_id)
            if name != deployment.name:
                self._check_name(name)
            now = state.options.clock()
            state.log(now, user_id, "deployment renamed", deployment_id=deployment_id)
            renamed = replace(deployment, name=name, updated_at=now, updater=user_id)
            return state.deployments.put(renamed)

    def delete_deployment(self, deployment_id: int, user_id: int = 1) -> None:
        """Soft-delete a deployment and its releases [M].

        :param deployment_id: its id
        :param user_id: who deletes it; default the first user
        :raises MissingObjectError: unknown or deleted
        """
        state = self.state
        with state.lock:
            deployment = state.deployments.find(deployment_id)
            Releases(state).delete_releases_of(deployment_id, user_id)
            now = state.options.clock()
            deleted = replace(deployment, deleted_at=now, updated_at=now, updater=user_id)
            state.deployments.put(deleted)
            state.log(now, user_id, "deployment deleted", deployment_id=deployment_id)

    def import_rules(self, deployment_id: int, kind: RuleKind) -> tuple[ImportRule, ...]:
        """List the import rules of a deployment in the order in which they apply.

        :param deployment_id: its id
        :param kind: ``object`` or ``value``
        :raises MissingObjectError: deployment unknown or deleted
        """
        with self.state.lock:
            self.state.deployments.find(deployment_id)
            return self.state.rules.get((deployment_id, kind), ())

    def replace_import_rules(
        self,
        deployment_id: int,
        kind: RuleKind,
        rules: Sequence[Mapping[str, Any]],
        user_id: int = 1,
    ) -> tuple[ImportRule, ...]:
        """Replace all import rules of one kind.

        :param deployment_id: id of the deployment
        :param kind: ``object`` or ``value``
        :param rules: the new rules, in order and in the API's form; empty = no rules
        :param user_id: who replaces them; default the first user
        :returns: the replaced rules
        :raises MissingObjectError: deployment unknown or deleted
        :raises ValidationError: a rule is wrong; nothing is changed then
        """
        state = self.state
        with state.lock:
            replaced = self.import_rules(deployment_id, kind)
            now = state.options.clock()
            new_rules = []
            for rule in checked_rules(kind, rules):
                new_rule = ImportRule(
                    id=state.ids.next(f"{kind}importrules"),
                    deployment_id=deployment_id,
                    kind=kind,
                    rule=rule,
                    created_at=now,
                    updated_at=now,
                    creator=user_id,
                    updater=user_id,
                )
                new_rules.append(new_rule)
            state.rules[deployment_id, kind] = tuple(new_rules)
            event = f"{kind} import rules changed: {len(new_rules)} in place of {len(replaced)}"
            state.log(now, user_id, event, deployment_id=deployment_id)
            return replaced

    def _check_name(self, name: str) -> None:
        # Uniqueness is not documented [?].
        taken = any(deployment.name == name for deployment in self.deployments())
        if taken and self.state.options.unique_deployment_names:
            raise ValidationError(f"name: there is already a deployment named {name!r}")
