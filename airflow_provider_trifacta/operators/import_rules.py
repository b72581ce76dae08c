"""The operator that sets import rules."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..client import errors
from ..client.resources import RULE_KINDS
from ..client.texts import shown, shown_json
from ..promotion.journal import Entry, Journal, digest_of, production_stands
from ..promotion.rules import Rule, check_rules, needs_names, refuses_to_show, resolve_names, same_rules
from ..promotion.standing import VERIFY_TIMEOUT, look, read_patiently
from ..promotion.tries import Tries
from ._base import Attempt
from ._packages import PackageOperator

if TYPE_CHECKING:
    from datetime import datetime

    from ..client import TrifactaClient
    from ..client.models import ImportRule

log = logging.getLogger(__name__)

#: Most characters of a list of rules in a log.
_RULES_EXCERPT = 20_000


class SetImportRulesOperator(PackageOperator):
    """Sets the import rules of a deployment: the whole list, as declared.

    It reads the rules first, and writes only if they differ, because the creation times of rules tell whether a package
    would be imported differently now. It reads back what it wrote. Rules apply to packages that are imported later, and
    never to an existing release.

    A retry or clear finds the rules as declared, and writes nothing. Then ``replaced_object_rules`` and
    ``replaced_value_rules`` are None, and the log of the earlier try shows what it replaced. If a person set other
    rules during the run, a retry leaves them alone; a clear sets the declared ones again.

    API pages: API Deployments Object Import Rules Patch v4, API Deployments Value Import Rules Patch v4.

    :param deployment_id: the deployment: an int, a string of digits, or an XComArg (templated)
    :param deployment_name: its exact name, in place of the id (templated)
    :param object_rules: ``[{"onCondition": {"uuid": ...}, "withCondition": {"id": ...}}]``; ``[]`` for none, and None
        to leave them as they are (templated). ``{"name": ...}`` stands for a connection's uuid (of the package) or id
        (of the instance)
    :param value_rules: ``[{"type": "s3Bucket", "on": "dev", "with": "prod"}]``; ``[]`` for none, and None to leave them
        as they are (templated)
    :param package_path: the package whose connections ``onCondition`` names (templated)
    :param package_uuid: the uuid that the package must have, such as ``export.output["package_uuid"]``; any package
        where it is left out (templated)
    :param trifacta_conn_id: the Airflow connection of the production instance (templated)
    :returns: a dict with ``deployment_id``, ``deployment_url`` (its page), ``outcome`` (``changed`` or ``unchanged``),
        and ``replaced_object_rules`` and ``replaced_value_rules``: the lists to put back, None where nothing was
        replaced or the old rules could not be read. Each is also pushed as an XCom key of that name, unless it is None.
        Where the rules cannot be read, they are always written, and the log says so
    :raises AirflowFailException: for errors that a retry cannot fix
    :raises TrifactaError: for other errors
    """

    template_fields: Sequence[str] = (*PackageOperator.template_fields, "object_rules", "value_rules")

    def __init__(
        self, *, object_rules: Any = None, value_rules: Any = None, package_path: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(package_path=package_path, **kwargs)
        self.object_rules = object_rules
        self.value_rules = value_rules

    def _act(self, attempt: Attempt) -> dict[str, Any]:
        """Compare the rules, and write them where they differ."""
        target = self.target()
        declared = {"object": self.object_rules, "value": self.value_rules}
        wanted = {kind: check_rules(kind, rules) for kind, rules in declared.items() if rules is not None}
        if not wanted:
            raise errors.InvalidInputError("Give object_rules, value_rules or both; [] for none. Nothing was sent.")
        self.log.info("Will set the %s rules of %s, if they differ", " and ".join(wanted), str(target))
        tries = attempt.begin()
        with self._client() as client:
            if "object" in wanted:
                wanted["object"] = self._resolve(client, wanted["object"])
            deployment_id = target.find(client)
            attempt.tell_deployment(client, deployment_id)
            # Versions before the parts noted both lists as one request.
            as_one = {"what": "rules", "deployment_id": deployment_id, "rules": digest_of(wanted)}
            noted_as_one = tries.journal.entry(**as_one)
            kinds = [kind for kind in RULE_KINDS if kind in wanted]
            lists = [
                _Rules(client, deployment_id, kind, wanted[kind], tries.journal.part(kind), noted_as_one)
                for kind in kinds
            ]
            pending = [rules for rules in lists if rules.differs()]
            for rules in pending:
                rules.settle_abandoned()
            if tries.is_retry:
                _refuse_after_interruption(tries, deployment_id, pending)
            done: list[str] = []
            with production_stands(lambda: f"The {done[0]} rules were set before." if done else "", also=True):
                for one in pending:
                    one.set(attempt)
                    done.append(one.kind)
        attempt.tell(outcome="changed" if pending else "unchanged")
        self.log.info(
            "The import rules of %s are %s. They apply to later imports, not to the live release",
            target.found(deployment_id),
            attempt.facts["outcome"],
        )
        return {"replaced_object_rules": None, "replaced_value_rules": None, **attempt.facts}

    def _resolve(self, client: TrifactaClient, rules: list[Rule]) -> list[Rule]:
        exported, local = [], []
        if needs_names(rules, "onCondition"):
            if self.package_path is None:
                raise errors.InvalidInputError("A name in onCondition is looked up in the package. Give package_path.")
            with self.open_package(client) as package:
                exported = package.info.connections
        if needs_names(rules, "withCondition"):
            local = client.connections.list()
        return resolve_names(rules, exported, local)


@dataclass(eq=False)
class _Rules:
    """The import rules of one kind, as the deployment has them and as they are declared."""

    client: TrifactaClient
    deployment_id: int
    kind: str
    wanted: list[Rule]
    journal: Journal
    noted_as_one: Entry | None

    def __post_init__(self) -> None:
        self._request = {"what": "rules", "deployment_id": self.deployment_id, "rules": digest_of(self.wanted)}
        self._where = f"{self.kind} rules of deployment {self.deployment_id}"
        #: What was found; None if the server does not show it.
        self.found = self._read(partial(read_patiently, self.client))

    def _read(self, look_at: Callable[[Callable[[TrifactaClient], Any]], Any]) -> list[ImportRule] | None:
        """Return the rules. None means that the server does not show them, which a retry cannot change."""
        try:
            rules: list[ImportRule] = look_at(lambda reader: reader.import_rules.list(self.deployment_id, self.kind))
            return rules
        except errors.TrifactaError as error:
            if not refuses_to_show(error):
                raise
            log.warning("The %s cannot be read: %s", self._where, error)
            return None

    def _as_declared(self, rules: list[ImportRule] | None) -> bool:
        return rules is not None and same_rules(_content(rules), self.wanted)

    def differs(self) -> bool:
        """Tell whether the rules have to be written."""
        if self._as_declared(self.found):
            log.info("The %s are as declared", self._where)
        return not self._as_declared(self.found)

    @property
    def state(self) -> str | None:
        """A digest that changes when the list is replaced; None where the list could not be read."""
        return _state_of(self.found)

    def settle_abandoned(self) -> None:
        """Wait for a list that an earlier try wrote with other rules, and whose answer was lost.

        The server may still apply it. A list that does not show it in time proves that it will not: the process that
        sent it is dead.
        """
        abandoned = self.journal.abandoned(self._request, "set")
        if abandoned is None or self.found is None:
            return
        before = abandoned[1].before.get("state")

        def is_changed(rules: list[ImportRule] | None) -> bool:
            return _state_of(rules) != before

        if not is_changed(self.found):
            self.found = self._read(lambda read: look(self.client, read, is_changed, seconds=VERIFY_TIMEOUT))

    def may_be_changed(self, tries: Tries) -> bool:
        """Tell whether an earlier try may have set the list, and a person may have set another one after that.

        The list does not tell who set it. With a journal, one that is not as it was before the earlier try counts as
        changed. Without one, a list with a rule that is newer than the run does.
        """
        if entry := self.noted_as_one:
            return bool(entry.answer.get(self.kind)) or self.state != entry.before.get(self.kind)
        if last := self.journal.last_request:
            entry = self.journal.entry(**last)
            return entry is not None and (bool(entry.answer) or self.state != entry.before.get("state"))
        if self.journal.nothing_asked(**self._request):
            return False
        return tries.run_began is not None and self.changed_since(tries.run_began)

    def changed_since(self, began: datetime) -> bool:
        """Tell whether the list has a rule that may be newer than a time."""
        return any(rule.created_at is None or rule.created_at > began for rule in self.found or ())

    def set(self, attempt: Attempt) -> None:
        """Write the rules, and read them back."""
        where = self._where
        if self.found is None:
            log.warning("The %s are written unread: it is unknown what they replace", where)
        else:
            present = _content(self.found)
            # Before the change, so that the old rules are known even if the task fails now. A retry deletes XComs, but
            # not the log.
            log.info("The %s are %s; replacing them by %s", where, _said(present), _said(self.wanted))
            attempt.tell(**{f"replaced_{self.kind}_rules": present})
        lost = self.journal.ask(
            self._request,
            {"state": self.state},
            partial(self.client.import_rules.replace, self.deployment_id, self.kind, self.wanted),
            nothing=lambda: f"The {where} were not changed.",
            earlier=self.journal.entry(**self._request),
        )
        if lost:
            log.warning("The %s may have been written; reading them back: %s", where, lost)
        with production_stands(lambda: f"The {where} may have been written. Check them in Trifacta."):
            # A list that does not show yet what was written is read again.
            now = self._read(lambda read: look(self.client, read, self._as_declared, seconds=VERIFY_TIMEOUT))
            if self._as_declared(now):
                self.journal.answered(set=True)
                log.info("The %s are now %s", where, _said(self.wanted))
            elif lost:
                raise lost
            elif now is None and self.found is None:
                log.warning("The %s were written but not verified", where)
            else:
                # A server that shows rules goes on to do so, hence a failed look is no property of the server.
                are = "could be read before, and cannot be read back" if now is None else f"are {shown(_content(now))}"
                raise errors.UnexpectedResponseError(
                    f"The {where} {are}, although {shown(self.wanted)} was written.", deployment_id=self.deployment_id
                )


def _refuse_after_interruption(tries: Tries, deployment_id: int, pending: list[_Rules]) -> None:
    """Stop a retry where a person may have set other rules after an earlier try set them."""
    changed = [rules.kind for rules in pending if rules.may_be_changed(tries)]
    if changed:
        raise errors.InterruptedChangeError(
            f"An earlier try was cut off and may have set the {' and '.join(changed)} rules of deployment "
            f"{deployment_id}. They have been changed in the meantime and are not as declared, so a person "
            "may have set them. Nothing was written. If they should be as declared, clear this task. "
            f"{tries.clear_again}".rstrip(),
            deployment_id=deployment_id,
        )


def _state_of(rules: list[ImportRule] | None) -> str | None:
    """Return a digest that changes when a list is replaced; None where it could not be read."""
    if rules is None:
        return None
    return digest_of(
        [[rule.id, dict(rule.rule), rule.created_at.isoformat() if rule.created_at else None] for rule in rules]
    )


def _said(rules: list[Rule]) -> str:
    # A person may need the log to put the old rules back.
    return shown_json(rules, _RULES_EXCERPT)


def _content(rules: list[ImportRule]) -> list[Rule]:
    return [dict(rule.rule) for rule in rules]
