"""Setting the import rules of a deployment: each list is noted, written once, and read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..client import errors
from ..client.foreign_words import logger
from ..client.texts import shown, shown_json
from .journal import Entry, Journal, digest_of, noted_time, production_stands
from .rules import Rule, refuses_to_show, same_rules
from .standing import READ_PATIENCE, VERIFY_TIMEOUT, at_once, look
from .tries import Tries

if TYPE_CHECKING:
    from datetime import datetime

    from ..client import TrifactaClient
    from ..client.models import ImportRule

log = logger(__name__)

#: Most characters of a list of rules in a log.
_RULES_EXCERPT = 20_000


@dataclass(eq=False)
class RuleList:
    """The import rules of one kind, as the deployment has them and as they are declared.

    :param client: the instance
    :param deployment_id: the deployment
    :param kind: ``"object"`` or ``"value"``
    :param wanted: the rules as they are declared
    :param journal: the part of the task's journal for this list
    :param noted_as_one: what an earlier version of the provider noted about both lists
    """

    client: TrifactaClient
    deployment_id: int
    kind: str
    wanted: list[Rule]
    journal: Journal
    noted_as_one: Entry | None

    def __post_init__(self) -> None:
        self._request = {
            "what": "rules",
            "deployment_id": self.deployment_id,
            "rules": digest_of(self.wanted),
        }
        self._where = f"{self.kind} rules of deployment {self.deployment_id}"
        #: What was found; None if the server does not show it.
        self.found = self._read(at_once, READ_PATIENCE)

    def _read(
        self, shows: Callable[[list[ImportRule]], bool], seconds: float = VERIFY_TIMEOUT
    ) -> list[ImportRule] | None:
        """Return the rules. None means that the server does not show them, which a retry cannot
        change.

        :param shows: tells whether the awaited rules are there
        :param seconds: for how long to look for them
        """

        def read(reader: TrifactaClient) -> list[ImportRule]:
            return reader.import_rules.list(self.deployment_id, self.kind)

        try:
            return look(self.client, read, shows, seconds=seconds)
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
        """A digest that changes when the list is replaced; None where it could not be read."""
        return _state_of(self.found)

    def settle_abandoned(self) -> None:
        """Wait for a list that an earlier try wrote with other rules, and whose answer was lost.

        The server may still apply it. A list that does not show it in time proves that it will not:
        the process that sent it is dead.
        """
        abandoned = self.journal.abandoned(self._request, "set")
        if abandoned is None or self.found is None:
            return
        _, entry = abandoned
        before = entry.before.get("state")

        def is_changed(rules: list[ImportRule]) -> bool:
            return _state_of(rules) != before

        if not is_changed(self.found):
            self.found = self._read(is_changed)

    @property
    def noted_states(self) -> dict[str, str | None]:
        """What all lists of the task were when an earlier try decided to write this one, by their
        kinds.
        """
        entry = self.journal.entry(**self.journal.last_request)
        return dict(entry.before.get("states") or {}) if entry else {}

    def may_be_changed(self, tries: Tries, noted: Mapping[str, str | None]) -> bool:
        """Tell whether an earlier try may have set the list, and a person may have set another one
        after that.

        The list does not show who set it. With a journal, one that is not as it was before the
        earlier try counts as changed. Without one, a list with a rule that is newer than the run
        does.

        :param tries: the tries of the task
        :param noted: what the lists were when an earlier try decided to write one of them
        """
        if self.noted_as_one:
            noted_as_one = self.noted_as_one
            is_set = bool(noted_as_one.answer.get(self.kind))
            return is_set or self.state != noted_as_one.before.get(self.kind)
        last = self.journal.last_request
        if last:
            entry = self.journal.entry(**last)
            if entry is None:
                return False
            return bool(entry.answer) or self.state != entry.before.get("state")
        if self.kind in noted:
            return self.state != noted[self.kind]
        if self.journal.nothing_asked(**self._request):
            return False
        return tries.run_began is not None and self.changed_since(tries.run_began)

    def changed_since(self, began: datetime) -> bool:
        """Tell whether the list has a rule that may be newer than a time.

        :param began: the time
        """
        rules = self.found or ()
        return any(rule.created_at is None or rule.created_at > began for rule in rules)

    def set(self, tell: Callable[..., None], states: Mapping[str, str | None]) -> None:
        """Write the rules, and read them back.

        :param tell: called with the rules that are replaced, before they are
        :param states: what all lists of the task were when it decided to write
        :raises TrifactaError: they were not written, or it is unknown whether they were
        """
        where = self._where
        if self.found is None:
            log.warning("The %s are written unread: it is unknown what they replace", where)
        else:
            present = _content(self.found)
            # Before the change, so that the old rules are known even if the task fails now. A retry
            # deletes XComs, but not the log.
            log.info(
                "The %s are %s; replacing them by %s", where, _said(present), _said(self.wanted)
            )
            tell(**{f"replaced_{self.kind}_rules": present})
        lost = self.journal.ask(
            self._request,
            {"state": self.state, "states": dict(states)},
            partial(self.client.import_rules.replace, self.deployment_id, self.kind, self.wanted),
            nothing=f"The {where} were not changed.",
            earlier=self.journal.entry(**self._request),
        )
        if lost:
            log.warning("The %s may have been written; reading them back: %s", where, lost)
        with production_stands(f"The {where} may have been written. Check them in Trifacta."):
            # A list that does not show yet what was written is read again.
            now = self._read(self._as_declared)
            if self._as_declared(now):
                self.journal.answered(set=True)
                log.info("The %s are now %s", where, _said(self.wanted))
            elif lost:
                raise lost
            elif now is None and self.found is None:
                log.warning("The %s were written but not verified", where)
            else:
                # A server that shows rules goes on to do so, hence a failed look is no property of
                # the server.
                are = "could be read before, and cannot be read back"
                if now is not None:
                    are = f"are {shown(_content(now))}"
                raise errors.UnexpectedResponseError(
                    f"The {where} {are}, although {shown(self.wanted)} was written.",
                    deployment_id=self.deployment_id,
                )


def settle_earlier(
    deployment_id: int, lists: Sequence[RuleList], pending: Sequence[RuleList], tries: Tries
) -> None:
    """Settle what earlier tries wrote, before anything is written.

    :param deployment_id: the deployment
    :param lists: the lists that the task declares
    :param pending: those of them that are not as declared
    :param tries: the tries of the task
    :raises InterruptedChangeError: a retry, and a person may have set other rules after an earlier
        try set them
    """
    for rules in pending:
        rules.settle_abandoned()
    if not tries.is_retry:
        return
    noted: dict[str, str | None] = {}
    for rules in lists:
        noted |= rules.noted_states
    changed = [rules.kind for rules in pending if rules.may_be_changed(tries, noted)]
    if changed:
        raise errors.InterruptedChangeError(
            f"An earlier try was cut off and may have set the {' and '.join(changed)} rules of"
            f" deployment {deployment_id}. They have been changed in the meantime and are not as"
            " declared, so a person may have set them. Nothing was written. If they should be as"
            f" declared, clear this task. {tries.clear_again}".rstrip(),
            deployment_id=deployment_id,
        )


def _state_of(rules: list[ImportRule] | None) -> str | None:
    """Return a digest that changes when a list is replaced; None where it could not be read."""
    if rules is None:
        return None
    content = [[rule.id, dict(rule.rule), noted_time(rule.created_at)] for rule in rules]
    return digest_of(content)


def _said(rules: list[Rule]) -> str:
    # A person may need the log to put the old rules back.
    return shown_json(rules, _RULES_EXCERPT)


def _content(rules: list[ImportRule]) -> list[Rule]:
    return [dict(rule.rule) for rule in rules]
