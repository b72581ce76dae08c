"""Operators for import rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._compat import BaseOperator
from .._failures import airflow_failures
from ..client.errors import (
    AuthenticationError,
    InterruptedChangeError,
    InvalidInputError,
    RedirectError,
    TransportError,
    TrifactaError,
    UnexpectedResponseError,
)
from ..client.resources import RULE_KINDS
from ..client.retries import did_nothing
from ..client.texts import shown, shown_json
from ..hooks.trifacta import TrifactaHook
from ..links import DEPLOYMENT_URL_KEY, TrifactaDeploymentLink
from ..promotion.journal import Journal, digest_of
from ..promotion.reading import VERIFY_TIMEOUT, look, production_stands, read_patiently
from ..promotion.rules import Rule, check_rules, needs_names, resolve_names, same_rules
from ._facts import Facts
from ._source import open_source
from ._target import (
    NOT_GIVEN,
    check_target,
    find_deployment,
    given_or_none,
    is_automatic_retry,
    open_journal,
    target_words,
)

if TYPE_CHECKING:
    from .._compat import Context
    from ..client import TrifactaClient
    from ..client.models import ImportRule


#: Characters of a list of rules that a log shows.
_RULES_EXCERPT = 20_000


class SetImportRulesOperator(BaseOperator):
    """Sets the import rules of a deployment: the whole list, as declared.

    Reads first, and writes only where there is a difference, since the rules' creation times tell whether a package
    would be imported differently now. Reads back what it wrote. Rules act on packages that are imported afterwards,
    never on a release that is there. What happens again on a retry or clear: the rules are found as declared, and
    nothing is written; ``replaced_object_rules`` and ``replaced_value_rules`` are then None, and what the attempt
    before replaced stands in its log. Rules that somebody set during the run are left alone by a retry; a clear sets
    them again.

    API pages: API Deployments Object Import Rules Patch v4, API Deployments Value Import Rules Patch v4.

    :param deployment_id: the deployment: an int, a string of digits, or an XComArg (templated)
    :param deployment_name: its exact name, in place of the id (templated)
    :param object_rules: ``[{"onCondition": {"uuid": ...}, "withCondition": {"id": ...}}]``; ``[]`` for none, and None
        to leave them as they are (templated). ``{"name": ...}`` stands for a connection's uuid (of the package) or id
        (of the instance)
    :param value_rules: ``[{"type": "s3Bucket", "on": "dev", "with": "prod"}]``; likewise (templated)
    :param package_path: the package whose connections are named in ``onCondition`` (templated)
    :param package_uuid: the uuid that the package must have, such as ``export.output["package_uuid"]``; any package
        if it is left out (templated)
    :param trifacta_conn_id: the Airflow connection (templated)
    :returns: a dict with ``deployment_id``, ``deployment_url`` (its page), ``outcome`` (``changed`` or ``unchanged``),
        and ``replaced_object_rules`` and ``replaced_value_rules``: the lists to put back, None where nothing was
        replaced or the old rules could not be read; each is also pushed as an XCom key of that name, unless None.
        Where the rules cannot be read, they are always written, and the log says so
    :raises AirflowFailException: for anything that a retry cannot mend
    :raises TrifactaError: for the rest
    """

    template_fields: Sequence[str] = (
        "deployment_id",
        "deployment_name",
        "object_rules",
        "value_rules",
        "package_path",
        "package_uuid",
        "trifacta_conn_id",
    )
    operator_extra_links = (TrifactaDeploymentLink(),)
    ui_color = "#e8f3ec"

    def __init__(
        self,
        *,
        deployment_id: Any = None,
        deployment_name: Any = None,
        object_rules: Any = None,
        value_rules: Any = None,
        package_path: str | None = None,
        package_uuid: Any = NOT_GIVEN,
        trifacta_conn_id: str = TrifactaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deployment_id = deployment_id
        self.deployment_name = deployment_name
        self.object_rules = object_rules
        self.value_rules = value_rules
        self.package_path = package_path
        self.package_uuid = given_or_none(package_uuid)
        # A value that renders to nothing is an error, and not "not given".
        self._with_uuid = package_uuid is not NOT_GIVEN
        self.trifacta_conn_id = trifacta_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Compare the rules, and write them where they differ."""
        with airflow_failures():
            given = check_target(self.deployment_id, self.deployment_name)
            declared = {"object": self.object_rules, "value": self.value_rules}
            wanted = {kind: check_rules(kind, rules) for kind, rules in declared.items() if rules is not None}
            if not wanted:
                raise InvalidInputError("Give object_rules, value_rules or both; [] for none.")
            where = target_words(self.deployment_id, self.deployment_name)
            self.log.info("Will set the %s rules of %s, if they differ", " and ".join(wanted), where)
            journal = open_journal(context)
            with TrifactaHook(self.trifacta_conn_id).client as client:
                if "object" in wanted:
                    wanted["object"] = self._resolve(client, wanted["object"])
                deployment_id = find_deployment(client, given, self.deployment_name)
                facts = Facts(context)
                facts.add(deployment_id=deployment_id, **{DEPLOYMENT_URL_KEY: client.deployment_url(deployment_id)})
                kinds = [kind for kind in RULE_KINDS if kind in wanted]
                found = {kind: self._read(client, deployment_id, kind) for kind in kinds}
                pending = [kind for kind in kinds if self._differs(deployment_id, kind, found[kind], wanted[kind])]
                if pending:
                    request = {"what": "rules", "deployment_id": deployment_id, "rules": digest_of(wanted)}
                    self._refuse_after_interruption(context, journal, request, pending, found)
                    journal.asked(request, **{kind: _state(rules) for kind, rules in found.items()})
                done: list[str] = []
                with production_stands(lambda: f"The {done[0]} rules were set before." if done else "", also=True):
                    for kind in pending:
                        self._set(client, deployment_id, kind, found[kind], wanted[kind], facts)
                        journal.answered(**{kind: True})
                        done.append(kind)
            facts.add(outcome="changed" if pending else "unchanged")
            self.log.info(
                "The import rules of deployment %s are %s. They act on later imports, not on the live release",
                deployment_id,
                facts.values["outcome"],
            )
            return {"replaced_object_rules": None, "replaced_value_rules": None, **facts.values}

    def _resolve(self, client: TrifactaClient, rules: list[Rule]) -> list[Rule]:
        exported, local = [], []
        if needs_names(rules, "onCondition"):
            if self.package_path is None:
                raise InvalidInputError("A name in onCondition is looked up in the package: give package_path.")
            with open_source(self.package_path, self.package_uuid, with_uuid=self._with_uuid) as package:
                exported = package.info.connections
        if needs_names(rules, "withCondition"):
            local = client.connections.list()
        return resolve_names(rules, exported, local)

    def _differs(self, deployment_id: int, kind: str, found: list[ImportRule] | None, wanted: list[Rule]) -> bool:
        if found is not None and same_rules(_content(found), wanted):
            self.log.info("The %s rules of deployment %s are as declared", kind, deployment_id)
            return False
        return True

    def _set(
        self,
        client: TrifactaClient,
        deployment_id: int,
        kind: str,
        found: list[ImportRule] | None,
        wanted: list[Rule],
        facts: Facts,
    ) -> None:
        where = f"{kind} rules of deployment {deployment_id}"
        if found is None:
            self.log.warning("The %s are written unread: what they replace is not known", where)
        else:
            present = _content(found)
            # Before the change: whatever happens then, what was there is known. XComs do not outlive a retry, logs do.
            self.log.info("The %s are %s; replacing them by %s", where, _said(present), _said(wanted))
            facts.add(**{f"replaced_{kind}_rules": present})
        lost: TrifactaError | None = None
        try:
            client.import_rules.replace(deployment_id, kind, wanted)
        except TrifactaError as error:
            if did_nothing(error):
                error.standing = f"The {where} were not changed."
                raise
            self.log.warning("It is unknown whether the %s were written; reading them back: %s", where, error)
            lost = error
        with production_stands(lambda: f"It is unknown whether the {where} were written: look there."):
            now = self._read(client, deployment_id, kind, written=wanted)
            written = None if now is None else _content(now)
            if lost and (written is None or not same_rules(written, wanted)):
                raise lost
            if written is None:
                self.log.warning("The %s were written but not verified", where)
            elif not same_rules(written, wanted):
                raise UnexpectedResponseError(f"The {where} read {shown(written)} though {shown(wanted)} was written.")
            else:
                self.log.info("The %s are now %s", where, _said(written))

    def _refuse_after_interruption(
        self,
        context: Context,
        journal: Journal,
        request: dict[str, Any],
        pending: list[str],
        found: dict[str, list[ImportRule] | None],
    ) -> None:
        """Tell an old list, which an earlier try did not come to replace, from what somebody set after it."""
        if not is_automatic_retry(context, self) or journal.nothing_asked(**request):
            return
        entry = journal.entry(**request)
        if entry:
            changed = [
                kind for kind in pending if entry.answer.get(kind) or _state(found[kind]) != entry.before.get(kind)
            ]
        else:
            began = getattr(context.get("dag_run"), "start_date", None)
            if began is None:
                return
            changed = [
                kind
                for kind in pending
                if any(rule.created_at is None or rule.created_at > began for rule in found[kind] or ())
            ]
        if changed:
            raise InterruptedChangeError(
                f"An earlier try was cut off and may have set the {' and '.join(changed)} rules of deployment "
                f"{request['deployment_id']} already. They are not as declared, and were changed since, so somebody "
                "may have set other ones. Nothing was written. Clear this task if they should be as declared."
            )

    def _read(
        self, client: TrifactaClient, deployment_id: int, kind: str, written: list[Rule] | None = None
    ) -> list[ImportRule] | None:
        """Return the rules; None where the server does not show them, which no retry changes.

        :param written: what they are to be: a list that lags behind is looked at again
        """

        def read(reader: TrifactaClient) -> list[ImportRule]:
            return reader.import_rules.list(deployment_id, kind)

        try:
            if written is None:
                return read_patiently(client, read)
            return look(client, read, lambda now: same_rules(_content(now), written), seconds=VERIFY_TIMEOUT)
        except (AuthenticationError, RedirectError, TransportError):
            raise
        except TrifactaError as error:
            if error.transient:
                raise
            self.log.warning("The %s rules of deployment %s cannot be read: %s", kind, deployment_id, error)
            return None


def _said(rules: list[Rule]) -> str:
    # What is replaced may have to be put back from the log.
    return shown_json(rules, _RULES_EXCERPT)


def _content(rules: list[ImportRule]) -> list[Rule]:
    return [dict(rule.rule) for rule in rules]


def _state(rules: list[ImportRule] | None) -> str | None:
    """Return what tells whether anybody replaced a list of rules; None where it could not be read."""
    if rules is None:
        return None
    return digest_of(
        [[one.id, dict(one.rule), one.created_at.isoformat() if one.created_at else None] for one in rules]
    )
