"""The operator that sets import rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..client import errors
from ..client.resources import RULE_KINDS
from ..promotion.journal import digest_of, production_stands
from ..promotion.rules import Rule, check_rules, needs_names, resolve_names
from ..promotion.set_rules import RuleList, settle_earlier
from ._base import Attempt
from ._packages import PackageOperator

if TYPE_CHECKING:
    from ..client import TrifactaClient


class SetImportRulesOperator(PackageOperator):
    """Sets the import rules of a deployment: the whole list, as declared.

    It reads the rules first, and writes only if they differ, because the creation times of rules
    tell whether a package would be imported differently now. It reads back what it wrote. Rules
    apply to packages that are imported later, and never to an existing release.

    A retry or clear finds the rules as declared, and writes nothing. Then ``replaced_object_rules``
    and ``replaced_value_rules`` are None, and the log of the earlier try shows what it replaced. If
    a person set other rules during the run, a retry leaves them alone; a clear sets the declared
    ones again.

    API pages: API Deployments Object Import Rules Patch v4, API Deployments Value Import Rules
    Patch v4.

    :param deployment_id: the deployment: an int, a string of digits, or an XComArg (templated)
    :param deployment_name: its exact name, in place of the id (templated)
    :param object_rules: ``[{"onCondition": {"uuid": ...}, "withCondition": {"id": ...}}]``; ``[]``
        for none, and None to leave them as they are (templated). ``{"name": ...}`` stands for a
        connection's uuid (of the package) or id (of the instance)
    :param value_rules: ``[{"type": "s3Bucket", "on": "dev", "with": "prod"}]``; ``[]`` for none,
        and None to leave them as they are (templated)
    :param package_path: the package whose connections ``onCondition`` names (templated)
    :param package_uuid: the uuid that the package must have, such as
        ``export.output["package_uuid"]``; any package where it is left out (templated)
    :param trifacta_conn_id: the Airflow connection of the production instance (templated)
    :returns: a dict with ``deployment_id``, ``deployment_url`` (its page), ``outcome`` (``changed``
        or ``unchanged``), and ``replaced_object_rules`` and ``replaced_value_rules``: the lists to
        put back, None where nothing was replaced or the old rules could not be read. Each is also
        pushed as an XCom key of that name, unless it is None. Where the rules cannot be read, they
        are always written, and the log says so
    :raises AirflowFailException: for errors that a retry cannot fix
    :raises TrifactaError: for other errors
    """

    template_fields: Sequence[str] = (
        *PackageOperator.template_fields,
        "object_rules",
        "value_rules",
    )

    def __init__(
        self,
        *,
        object_rules: Any = None,
        value_rules: Any = None,
        package_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(package_path=package_path, **kwargs)
        self.object_rules = object_rules
        self.value_rules = value_rules

    def _act(self, attempt: Attempt) -> dict[str, Any]:
        """Compare the rules, and write them where they differ."""
        target = self.target()
        declared = {"object": self.object_rules, "value": self.value_rules}
        wanted: dict[str, list[Rule]] = {}
        for kind, declared_rules in declared.items():
            if declared_rules is not None:
                wanted[kind] = check_rules(kind, declared_rules)
        if not wanted:
            raise errors.InvalidInputError(
                "Give object_rules, value_rules or both; [] for none. Nothing was sent."
            )
        self.log.info(
            "Will set the %s rules of %s, if they differ", " and ".join(wanted), str(target)
        )
        tries = attempt.begin()
        with self._client() as client:
            if "object" in wanted:
                wanted["object"] = self._resolve(client, wanted["object"])
            deployment_id = target.find(client)
            attempt.push_deployment(client, deployment_id)
            # Versions before the parts noted both lists as one request.
            as_one = {"what": "rules", "deployment_id": deployment_id, "rules": digest_of(wanted)}
            noted_as_one = tries.journal.entry(**as_one)
            lists: list[RuleList] = []
            for kind in RULE_KINDS:
                if kind in wanted:
                    part = tries.journal.part(kind)
                    rules = RuleList(client, deployment_id, kind, wanted[kind], part, noted_as_one)
                    lists.append(rules)
            pending = [rules for rules in lists if rules.differs()]
            settle_earlier(deployment_id, lists, pending, tries)
            states = {rules.kind: rules.state for rules in lists}
            done: list[str] = []

            def set_before() -> str:
                return f"The {done[0]} rules were set before." if done else ""

            with production_stands(set_before, also=True):
                for rules in pending:
                    rules.set(attempt.push, states)
                    done.append(rules.kind)
        attempt.push(outcome="changed" if pending else "unchanged")
        self.log.info(
            "The import rules of %s are %s. They apply to later imports, not to the live release",
            target.found(deployment_id),
            attempt.xcoms["outcome"],
        )
        return {"replaced_object_rules": None, "replaced_value_rules": None, **attempt.xcoms}

    def _resolve(self, client: TrifactaClient, rules: list[Rule]) -> list[Rule]:
        exported, local = [], []
        if needs_names(rules, "onCondition"):
            if self.package_path is None:
                raise errors.InvalidInputError(
                    "A name in onCondition is looked up in the package. Give package_path."
                )
            with self.open_package(client) as package:
                exported = package.info.connections
        if needs_names(rules, "withCondition"):
            local = client.connections.list()
        return resolve_names(rules, exported, local)
