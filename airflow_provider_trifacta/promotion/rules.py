"""Import rules as a user writes them: checked, their connection names resolved, and compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..client import errors
from ..client.foreign_words import logger
from ..client.models import Connection, ImportRule, Release
from ..client.resources import RULE_KINDS, ImportRules
from ..client.retries import refuses_form
from ..client.texts import listed, quoted
from ..packages.definition import PackageConnection

log = logger(__name__)

Rule = dict[str, Any]


def refuses_to_show(error: errors.TrifactaError) -> bool:
    """Tell whether the server itself does not show this list, now or later. Reading import rules is
    not documented.

    A lost answer, the words of a gateway, a redirect and refused credentials say nothing about the
    list.

    :param error: what ended the read
    """
    says_nothing = (errors.AuthenticationError, errors.RedirectError, errors.TransportError)
    return not (error.transient or isinstance(error, says_nothing))


def may_go_unread(error: errors.TrifactaError) -> bool:
    """Tell whether a promotion goes on without what could not be read.

    The server does not show it, or a gateway never lets the read through: that alone must not keep
    a package from being promoted.

    :param error: what ended the read
    """
    return refuses_to_show(error) or refuses_form(error)


def check_rules(kind: str, rules: object) -> list[Rule]:
    """Check the shape of a list of rules before anything is sent.

    :param kind: ``"object"`` (``tableName``, which may be left out, ``onCondition``,
        ``withCondition``) or ``"value"`` (``type``, ``on``, ``with``)
    :param rules: the list
    :returns: the rules, each with all its keys
    :raises InvalidInputError: the list is not usable; the error names the rule and what is wrong
        with it
    """
    field = f"{kind}_rules"
    if isinstance(rules, (str, bytes)) or not isinstance(rules, Sequence):
        raise errors.InvalidInputError(f"{field} must be a list of rules, not {str(rules)[:80]!r}.")
    return [_check_rule(kind, rule, f"{field}[{number}]") for number, rule in enumerate(rules)]


def _check_rule(kind: str, rule: object, where: str) -> Rule:
    keys = RULE_KINDS[kind][1]
    if not isinstance(rule, Mapping):
        raise errors.InvalidInputError(
            f"{where} must be an object with {', '.join(keys)}, not {str(rule)[:80]!r}."
        )
    checked = {"tableName": "connections", **rule} if kind == "object" else dict(rule)
    if set(checked) != set(keys):
        raise errors.InvalidInputError(
            f"{where} must have exactly the keys {', '.join(keys)}, not"
            f" {', '.join(map(str, rule)) or 'none'}."
        )
    if kind == "value":
        _check_value_rule(checked, where)
    else:
        _check_object_rule(checked, where)
    return checked


def _check_value_rule(rule: Rule, where: str) -> None:
    for key in RULE_KINDS["value"][1]:
        text = rule[key]
        may_be_empty = key == "with"
        if not isinstance(text, str) or not (text or may_be_empty):
            wanted = "a text" if may_be_empty else "a text that is not empty"
            raise errors.InvalidInputError(f"{where}[{key!r}] must be {wanted}, not {text!r}.")


def _check_object_rule(rule: Rule, where: str) -> None:
    if rule["tableName"] != "connections":
        raise errors.InvalidInputError(
            f"{where}['tableName'] must be 'connections': the API knows no other."
        )
    for key in ("onCondition", "withCondition"):
        _check_condition(rule[key], f"{where}[{key!r}]")


def _check_condition(condition: object, where: str) -> None:
    if not isinstance(condition, Mapping) or not condition:
        raise errors.InvalidInputError(
            f"{where} must be an object such as {{'uuid': ...}}, not {condition!r}."
        )
    values = condition.values()
    if not all(map(_is_literal, values)):
        raise errors.InvalidInputError(
            f"{where} must hold literal ids, uuids or names, not {condition!r}."
        )
    if any(str(value).strip() in ("", "None") for value in values):
        raise errors.InvalidInputError(
            f"{where} has an empty value: {condition!r}. An upstream XCom or a template gave"
            " nothing: check the task it comes from and the key's name."
        )


def _is_literal(value: object) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def needs_names(rules: Iterable[Rule], key: str) -> bool:
    """Tell whether a rule gives a connection's name in place of its id.

    :param rules: checked object rules
    :param key: the side to look at, ``onCondition`` or ``withCondition``
    """
    return any(_is_named(rule[key]) for rule in rules)


def _is_named(condition: Mapping[str, Any]) -> bool:
    """Tell a name in place of an id from a name that is a further condition beside an id."""
    return "name" in condition and not {"id", "uuid"} & set(condition)


def resolve_names(
    rules: Iterable[Rule], exported: Iterable[PackageConnection], local: Iterable[Connection]
) -> list[Rule]:
    """Replace the names of connections by uuids and ids. A name beside an id or uuid stays as it
    is.

    :param rules: checked object rules
    :param exported: the package's connections, for ``onCondition``
    :param local: the instance's connections, for ``withCondition``
    :returns: the rules, as they are sent
    :raises AmbiguousNameError: no connection has the name, or several have it, or the one has no
        uuid
    """
    exported = list(exported)
    local = list(local)
    resolved = []
    for rule in rules:
        on = _resolve(rule["onCondition"], "uuid", exported, "of the package")
        to = _resolve(rule["withCondition"], "id", local, "of the instance")
        resolved.append({**rule, "onCondition": on, "withCondition": to})
    return resolved


def _resolve(
    condition: Mapping[str, Any], field: str, connections: Sequence[Any], where: str
) -> Rule:
    if not _is_named(condition):
        return dict(condition)
    others = dict(condition)
    name = others.pop("name")
    matches = [connection for connection in connections if connection.name == name]
    return {field: one_of(matches, field, name, connections, where), **others}


def one_of(
    matches: Sequence[Any], field: str, name: object, connections: Sequence[Any], where: str
) -> Any:
    """Return a field of the one connection that was found.

    :param matches: the connections that were found
    :param field: the field
    :param name: what was looked for, for the error
    :param connections: all connections, for the error
    :param where: whose connections they are
    :raises AmbiguousNameError: none or several were found, or the one lacks the field
    """
    if len(matches) == 1:
        value = getattr(matches[0], field)
        if value is not None:
            return value
        wrong = f"The connection {quoted(name)} {where} has no {field}."
    else:
        wrong = f"{len(matches)} connections {where} are called {quoted(name)}."
    known = [
        f"{connection.name} (id {connection.id}, uuid {connection.uuid})"
        for connection in connections
    ]
    raise errors.AmbiguousNameError(
        f"{wrong} There are: {listed(known, between='; ') or 'none'}. Nothing was changed. Use the"
        " id or uuid.",
        found_ids=[connection.id for connection in matches],
    )


def same_rules(some: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> bool:
    """Compare two lists of rules. Their order counts. An id may be a number or a text, because the
    API takes both.
    """
    return [_plain(rule) for rule in some] == [_plain(rule) for rule in others]


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return str(value)


def fitting_rules(
    connection: PackageConnection, rules: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Return the object rules whose ``onCondition`` fits a connection of the package."""
    return [rule for rule in rules if meets(connection, rule.get("onCondition"), unknown=False)]


def same_connection(
    connection: PackageConnection, local: Iterable[Connection]
) -> Connection | None:
    """Return the connection of the instance that has the uuid of one of the package.

    :param connection: the connection of the package
    :param local: the connections of the instance
    """
    for known in local:
        if connection.uuid and known.uuid == connection.uuid:
            return known
    return None


def leads_nowhere(rule: Mapping[str, Any], local: Iterable[Connection]) -> bool:
    """Tell whether an object rule surely leads to no connection of the instance.

    :param rule: the rule, as the API gives it
    :param local: the connections of the instance
    """
    condition = rule.get("withCondition")
    return not any(meets(connection, condition, unknown=True) for connection in local)


def meets(connection: object, condition: object, *, unknown: bool) -> bool:
    """Tell whether a connection meets a condition. Values are compared as text, as the API does.

    :param connection: a connection of the package or of the instance
    :param condition: names and values of fields
    :param unknown: the result for a field that is not known
    """
    if not isinstance(condition, Mapping) or not condition:
        return unknown
    fields = vars(connection)
    for key, value in condition.items():
        known = fields.get(key)
        is_met = unknown if known is None else str(known) == str(value)
        if not is_met:
            return False
    return True


def rules_changed_since(import_rules: ImportRules, deployment_id: int, release: Release) -> bool:
    """Tell whether import rules were changed after a release was made, so that a new import would
    differ.

    A deleted rule leaves no trace, so it is not noticed. If the rules cannot be read, the release
    counts as up to date, and the log warns of it.

    :param import_rules: the calls for import rules
    :param deployment_id: the deployment of the release
    :param release: the release
    :raises TrifactaError: the rules cannot be read for a reason that may pass
    """
    unreadable = (
        "It cannot be told whether import rules of deployment %s were changed after its live"
        " release %s was made, so the release counts as up to date: %s"
    )
    rules: list[ImportRule] = []
    unread: list[object] = []
    for kind in RULE_KINDS:
        try:
            rules += import_rules.list(deployment_id, kind)
        except errors.TrifactaError as error:
            if not may_go_unread(error):
                raise
            unread.append(error)
    made_at = release.created_at
    newer = []
    is_timed = made_at is not None
    for rule in rules:
        if rule.created_at is None:
            is_timed = False
        elif made_at is not None and rule.created_at > made_at:
            newer.append(rule.id)
    if newer:
        log.info(
            "Import rules %s of deployment %s are newer than its live release %s: importing the"
            " package again",
            newer,
            deployment_id,
            release.id,
        )
        return True
    if rules and not is_timed:
        unread.append("the server does not show the times")
    for reason in unread:
        log.warning(unreadable, deployment_id, release.id, reason)
    return False
