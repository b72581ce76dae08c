"""The gate: checks an import without performing it, and tells what would go wrong."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..client.errors import BadRequestError, TrifactaError
from ..client.imports import dropped_objects
from ..client.retries import refuses_form
from ..client.texts import listed, quoted, shown, shown_json, shown_within
from .rules import fitting_rules, leads_nowhere, refuses_to_show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..client.client import TrifactaClient
    from ..client.models import Connection
    from ..packages.contents import Input
    from ..packages.definition import PackageConnection
    from ..packages.flow_package import FlowPackage

log = logging.getLogger(__name__)

#: How many problems and warnings are named one by one, and how many entries of a server's list go
#: to an XCom.
_MOST_NAMED = 100
#: Characters of one of them. The texts from outside in it are cut already.
_MOST_CHARACTERS = 2_000


@dataclass(frozen=True)
class DryRunReport:
    """What a dry run found.

    :param package_uuid: the package
    :param flows: the names of its flows
    :param problems: what would go wrong; empty if the import may go ahead
    :param warnings: what may go wrong later, in the jobs of the release
    :param import_rule_changes: what the import rules would change, as the server tells it
    :param deleted_objects: what the import would leave out, as the server tells it
    """

    package_uuid: str
    flows: list[str]
    problems: list[str]
    warnings: list[str]
    import_rule_changes: Any = field(default_factory=dict)
    deleted_objects: Any = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON, for XCom."""
        lists = ("flows", "import_rule_changes", "deleted_objects")
        return vars(self) | {key: shown_within(getattr(self, key), _MOST_NAMED) for key in lists}

    def as_text(self) -> str:
        """Return it in Markdown for a reader, for example as the body of an approval."""
        flows = listed(self.flows) or "unknown"
        lines = [f"Import of package `{self.package_uuid}` (flows: {flows})", ""]
        for title, entries in (("Problems", self.problems), ("Warnings", self.warnings)):
            if entries:
                lines += [
                    f"**{title}**",
                    "",
                    *(f"* {shown(entry, _MOST_CHARACTERS)}" for entry in entries),
                    "",
                ]
        lines += [
            "**Changed by import rules**",
            "",
            *(f"* {line}" for line in _changes(self.import_rule_changes)),
            "",
        ]
        if not self.problems:
            lines.append(
                "The dry run found no"
                f" problem{', only the warnings above' if self.warnings else ''}."
            )
        return "\n".join(lines).strip()


def _changes(changes: object) -> list[str]:
    """Describe ``importRuleChanges``. The API does not document what is in it."""
    if not changes:
        return ["unknown: the answer does not say"]
    if not isinstance(changes, dict):
        return [shown_json(changes, _MOST_CHARACTERS)]
    told = [
        f"{shown(kind)}: {shown_json(change, _MOST_CHARACTERS)}"
        for kind, entries in changes.items()
        for change in (entries if isinstance(entries, list) else [entries])
        if change
    ]
    return _first(told) or ["nothing"]


def _first(entries: list[str]) -> list[str]:
    """Return the first entries of a list, and how many more there are."""
    more = len(entries) - _MOST_NAMED
    return entries if more <= 0 else [*entries[:_MOST_NAMED], f"and {more} more"]


def dry_run(client: TrifactaClient, deployment_id: int, package: FlowPackage) -> DryRunReport:
    """Try an import without making a release (API Releases Create DryRun v4).

    The server reports some problems, and this function finds two more. Each connection of the
    package must be mapped by an object rule or exist in the instance, or the jobs of the release
    fail later. And no import rule changes what a parameterised dataset reads, so each one is a
    warning.

    :param client: the instance
    :param deployment_id: the deployment
    :param package: the open package
    :returns: the report, with all problems that were found
    :raises TrifactaError: the dry run could not be made
    """
    return Gate(
        client,
        package,
        lambda: client.releases.dry_run(deployment_id, package.body()),
        lambda: [rule.rule for rule in client.import_rules.list(deployment_id, "object")],
        _rule_to_write,
        [_warning(one) for one in package.contents.inputs if one.parameterised],
    ).report()


@dataclass(frozen=True)
class Gate:
    """Tries an import, and checks where the connections of its package lead.

    :param client: the instance
    :param package: the open package
    :param try_out: makes the dry run, and returns its answer
    :param rules: returns what maps connections, as object rules
    :param to_write: says what to write for a connection that leads nowhere
    :param warnings: what is known already
    """

    client: TrifactaClient
    package: FlowPackage
    try_out: Callable[[], Mapping[str, Any]]
    rules: Callable[[], list[Any]]
    to_write: Callable[[PackageConnection], str]
    warnings: Sequence[str] = ()

    def report(self) -> DryRunReport:
        """Try the import.

        :returns: the report, with all problems that were found
        :raises TrifactaError: the dry run could not be made
        """
        info = self.package.info
        problems: list[str] = []
        answer: Mapping[str, Any] = {}
        try:
            answer = self.try_out()
        except BadRequestError as error:
            if (
                not error.from_api
            ):  # a gateway refuses the form of the request: that is no verdict on the package
                raise
            problems.append(str(error))
        # The API does not document where a successful answer puts errors.
        reported = [answer[key] for key in ("exception", "error", "errors") if answer.get(key)]
        problems += [f"The dry run reports: {shown_json(one)}" for one in reported]
        dropped = dropped_objects(answer.get("deletedObjects"))
        if dropped:
            problems.append(f"The import would drop objects of the package: {shown_json(dropped)}.")
        unmapped, unchecked = self._check_connections(info.connections)
        problems, found = _first(problems + unmapped), _first(unchecked + list(self.warnings))
        for warning in found:
            log.warning("%s", warning)
        return DryRunReport(
            package_uuid=info.uuid,
            flows=info.flow_names,
            problems=problems,
            warnings=found,
            import_rule_changes=answer.get("importRuleChanges") or {},
            deleted_objects=answer.get("deletedObjects") or {},
        )

    def _check_connections(
        self, connections: Sequence[PackageConnection]
    ) -> tuple[list[str], list[str]]:
        """Find the package's connections that would lead nowhere.

        :returns: the problems, and warnings about connections that could not be checked
        """
        if not connections:
            return [], []
        unreadable: list[str] = []
        local = _read(self.client.connections.list, unreadable)
        rules = _read(self.rules, unreadable)
        problems, unchecked = [], []
        for connection in connections:
            problem = self._what_is_wrong(connection, rules or [], local)
            if problem and not unreadable:
                problems.append(problem)
            elif problem:
                unchecked.append(connection.name)
        if not unchecked:
            return problems, []
        names = listed(map(quoted, unchecked))
        what = (
            "Whether these connections of the package are mapped or exist here could not be"
            f" checked: {names}."
        )
        return problems, [" ".join([what, *unreadable])]

    def _what_is_wrong(
        self,
        connection: PackageConnection,
        rules: Sequence[Mapping[str, Any]],
        local: Sequence[Connection] | None,
    ) -> str | None:
        """Tell why a connection of the package leads nowhere, None when it leads somewhere.

        :param connection: the connection
        :param rules: the object rules of the deployment
        :param local: the connections of the instance; None if they are unknown, and then every rule
            counts
        """
        fitting = fitting_rules(connection, rules)
        leading = [rule for rule in fitting if local is None or not leads_nowhere(rule, local)]
        if leading or (connection.uuid and connection.uuid in {one.uuid for one in local or []}):
            return None
        named = (
            f"{quoted(connection.name)} ({shown(connection.type)}, uuid {shown(connection.uuid)})"
        )
        what = f"The package's connection {named} does not exist here and"
        if fitting:
            return (
                f"{what} the object rule {shown_json(fitting[0])} leads to no connection that this"
                " user can see. Correct its withCondition."
            )
        return f"{what} {self.to_write(connection)}"


def _warning(dataset: Input) -> str:
    what = shown(dataset.path or "unknown")
    named = f" (parameters: {listed(dataset.parameters)})" if dataset.parameters else ""
    return (
        f"The dataset {quoted(dataset.name)} is parameterised: no import rule reaches its"
        f" {'path' if dataset.kind == 'file' else dataset.kind} {what}{named}. Production would"
        " read what the source instance reads."
    )


def _read(read: Callable[[], list[Any]], unreadable: list[str]) -> list[Any] | None:
    """Read a list. If this user may not read it, note why and return None: that alone must not stop
    a promotion.
    """
    try:
        return read()
    except TrifactaError as error:
        if not refuses_to_show(error) and not refuses_form(error):
            raise
        unreadable.append(str(error))
        return None


def _rule_to_write(connection: PackageConnection) -> str:
    condition = {"uuid": connection.uuid} if connection.uuid else {"id": str(connection.id)}
    rule = {"onCondition": condition, "withCondition": {"id": "<id of the connection here>"}}
    return f"no object rule maps it. Add the rule {shown_json(rule)}."
