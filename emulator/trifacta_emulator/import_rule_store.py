"""The store's import rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trifacta_emulator.deployment_store import DeploymentStore
from trifacta_emulator.import_rule_checks import checked_rules
from trifacta_emulator.records import ImportRule, RuleKind


class ImportRuleStore(DeploymentStore):
    """Keeps the import rules of deployments."""

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
