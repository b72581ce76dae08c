"""The gate: checks an import without performing it, and tells what would go wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..client.errors import BadRequestError, TrifactaError
from ..client.foreign_words import code_span, logger
from ..client.imports import dropped_objects
from ..client.models import parse_time, shows_live
from ..client.texts import MOST_ENTRIES, listed, quoted, shown, shown_json, shown_within
from .freight import (
    MOST_PLACES,
    Freight,
    Place,
    Rules,
    checked_with,
    freight_of,
    lines_of,
    warnings_of,
)
from .rules import fitting_rules, leads_nowhere, may_go_unread, same_connection
from .standing import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..client.client import TrifactaClient
    from ..client.models import Connection
    from ..packages.definition import PackageConnection
    from ..packages.difference import PackageDifference
    from ..packages.flow_package import FlowPackage

log = logger(__name__)

T = TypeVar("T")

#: How many problems and warnings are named one by one, and how many entries of a server's list go
#: to an XCom.
_MOST_NAMED = 100
#: Characters of one of them. The texts from outside in it are cut already.
_MOST_CHARACTERS = 2_000


@dataclass(frozen=True)
class Scene:
    """What an approver needs to know beside the import itself.

    :param deployment_id: the deployment
    :param deployment_name: its name; None if it is unknown
    :param live_release_id: the release that is live; None for none
    :param live_since: when that release was changed last, so that it is live since then at the
        latest; None if it is unknown
    :param live_package_uuid: the package uuid that the live release shows
    :param unread: why what is live is not known; empty if it was read
    """

    deployment_id: int
    deployment_name: str | None = None
    live_release_id: int | None = None
    live_since: str | None = None
    live_package_uuid: str | None = None
    unread: str = ""

    @classmethod
    def read(cls, client: TrifactaClient, deployment_id: int) -> Scene:
        """Read the deployment, and what is live in it. What this user may not read stays unknown.

        :param client: the instance
        :param deployment_id: the deployment
        :raises TrifactaError: it cannot be read for a reason that may pass
        """
        unread: list[str] = []
        deployment = _read(partial(client.deployments.get, deployment_id), unread)
        name = deployment.name if deployment else None
        releases = _read(partial(client.releases.list, deployment_id, until=shows_live), unread)
        if releases is None:
            return cls(deployment_id, name, unread=" ".join(unread))
        live = Standing(deployment_id, releases).live
        if live is None:
            return cls(deployment_id, name)
        return cls(
            deployment_id,
            name,
            live_release_id=live.id,
            live_since=live.updated_at.isoformat() if live.updated_at else None,
            live_package_uuid=live.package_uuid,
        )

    def as_text(self) -> str:
        """Return it as sentences of Markdown."""
        name = f"{code_span(self.deployment_name)} ({self.deployment_id})"
        where = name if self.deployment_name else str(self.deployment_id)
        return f"Deployment: {where}. {self._live}"

    @property
    def _live(self) -> str:
        if self.unread:
            return "What is live now could not be read."
        if self.live_release_id is None:
            return "No release is live now."
        since = f", since {_moment(self.live_since)} at the latest" if self.live_since else ""
        return f"Live now: release {self.live_release_id}{since}."


@dataclass(frozen=True)
class Comparison:
    """How the package differs from another one.

    :param path: where the other package is
    :param difference: what is different; None if the other package could not be compared
    :param why_not: why it could not be compared
    :param shown_live: whether the live release shows the other package's uuid; None if no release
        is live, or that was not read
    """

    path: str
    difference: PackageDifference | None = None
    why_not: str = ""
    shown_live: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON, with the first changes."""
        difference = self.difference.as_dict(_MOST_NAMED) if self.difference else None
        return {**vars(self), "path": shown(self.path), "difference": difference}

    def lines(self) -> list[str]:
        """Return it as lines of Markdown."""
        if self.difference is None:
            return ["**Changes of the package**", "", f"* Not compared: {code_span(self.why_not)}"]
        note = ""
        if self.shown_live is not None:
            live = "it is live now" if self.shown_live else "the live release shows another package"
            note = f" ({live})"
        title = f"**Changes since package {code_span(self.difference.old.uuid)}**{note}"
        return [title, "", *self.difference.markdown_lines(_MOST_NAMED)]


@dataclass(frozen=True)
class DryRunReport:
    """What a dry run found.

    :param package_uuid: the package
    :param flows: the names of its flows
    :param problems: what would go wrong; empty if the import may go ahead
    :param warnings: what may go wrong later, in the jobs of the release
    :param import_rule_changes: what the import rules would change, as the server tells it
    :param deleted_objects: what the import would leave out, as the server tells it
    :param reads: what the flows would read
    :param writes: what the flows would write
    :param exported_at: when the package was exported, as ISO 8601; None if it does not say
    :param scene: the deployment, and what is live in it; None if that was not read
    :param comparison: how the package differs from another one; None if none was given
    """

    package_uuid: str
    flows: list[str]
    problems: list[str]
    warnings: list[str]
    import_rule_changes: Any = field(default_factory=dict)
    deleted_objects: Any = field(default_factory=dict)
    reads: list[Place] = field(default_factory=list)
    writes: list[Place] = field(default_factory=list)
    exported_at: str | None = None
    scene: Scene | None = None
    comparison: Comparison | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON, for XCom."""
        plain = dict(vars(self))
        for key in ("flows", "import_rule_changes", "deleted_objects"):
            plain[key] = shown_within(plain[key], _MOST_NAMED)
        plain["reads"] = [place.as_dict() for place in self.reads[:MOST_PLACES]]
        plain["writes"] = [place.as_dict() for place in self.writes[:MOST_PLACES]]
        plain["scene"] = shown_within(asdict(self.scene)) if self.scene else None
        plain["comparison"] = self.comparison.as_dict() if self.comparison else None
        return plain

    def as_text(self) -> str:
        """Return it in Markdown for a reader, for example as the body of an approval.

        The author of a package, and the server, write only within code spans. So what they write
        is no link, no picture and no heading for the person who approves.
        """
        package = code_span(self.package_uuid)
        lines = [f"Import of package {package} (flows: {self._flows_in_markdown()})", ""]
        lines += self._about()
        lines += _section("Problems", _bullets(self.problems))
        lines += _section("Warnings", _bullets(self.warnings))
        lines += lines_of("Reads", self.reads)
        lines += lines_of("Writes", self.writes)
        if self.comparison:
            lines += [*self.comparison.lines(), ""]
        lines += _section("Changed by import rules", self._changes_in_markdown())
        if not self.problems:
            rest = ", only the warnings above" if self.warnings else ""
            lines.append(f"The dry run found no problem{rest}.")
        return "\n".join(lines).strip()

    def _about(self) -> list[str]:
        """Say when the package was exported, and what is live where it goes."""
        parts = [self.scene.as_text()] if self.scene else []
        if self.exported_at:
            parts.append(f"The package was exported at {_moment(self.exported_at)}.")
        return [" ".join(parts), ""] if parts else []

    def _flows_in_markdown(self) -> str:
        names = ", ".join(map(code_span, self.flows[:MOST_ENTRIES]))
        more = len(self.flows) - MOST_ENTRIES
        if more > 0:
            return f"{names} and {more} more"
        return names or "unknown"

    def _changes_in_markdown(self) -> list[str]:
        if not self.import_rule_changes:
            return ["* unknown: the answer does not say"]
        return _bullets(_changes(self.import_rule_changes)) or ["* nothing"]


def _section(title: str, bullets: Sequence[str]) -> list[str]:
    """Return a list of Markdown under its title; nothing if the list is empty."""
    return [f"**{title}**", "", *bullets, ""] if bullets else []


def _bullets(entries: Sequence[str]) -> list[str]:
    """Return a list of Markdown. Each entry is code, because it holds words from outside."""
    return [f"* {code_span(entry, _MOST_CHARACTERS)}" for entry in entries]


def _moment(text: str | None) -> str:
    """Return a time of a report in words."""
    time = parse_time(text)
    return time.in_timezone("UTC").format("YYYY-MM-DD HH:mm:ss [UTC]") if time else "unknown"


def _changes(changes: object) -> list[str]:
    """Describe ``importRuleChanges``. The API does not document what is in it."""
    if not isinstance(changes, dict):
        return [shown_json(changes, _MOST_CHARACTERS)]
    lines = []
    for kind, entries in changes.items():
        for change in entries if isinstance(entries, list) else [entries]:
            if change:
                lines.append(f"{shown(kind)}: {shown_json(change, _MOST_CHARACTERS)}")
    return _first(lines)


def _first(entries: list[str]) -> list[str]:
    """Return the first entries of a list, and how many more there are."""
    more = len(entries) - _MOST_NAMED
    return entries if more <= 0 else [*entries[:_MOST_NAMED], f"and {more} more"]


def dry_run(
    client: TrifactaClient,
    deployment_id: int,
    package: FlowPackage,
    *,
    scene: Scene | None = None,
    comparison: Comparison | None = None,
) -> DryRunReport:
    """Try an import without making a release (API Releases Create DryRun v4).

    The server reports some problems, and this function finds more. Each connection of the package
    must be mapped by an object rule or exist in the instance, or the jobs of the release fail
    later. And it tells what the release will read and write: what no import rule changes is a
    warning.

    :param client: the instance
    :param deployment_id: the deployment
    :param package: the open package
    :param scene: the deployment and what is live in it, for the report
    :param comparison: how the package differs from another one, for the report
    :returns: the report, with all problems that were found
    :raises TrifactaError: the dry run could not be made
    """

    def try_out() -> Mapping[str, Any]:
        return client.releases.dry_run(deployment_id, package.body())

    def rules(kind: str) -> list[Any]:
        return [rule.rule for rule in client.import_rules.list(deployment_id, kind)]

    return Gate(
        client,
        package,
        try_out,
        object_rules=partial(rules, "object"),
        to_write=_rule_to_write,
        value_rules=partial(rules, "value"),
        scene=scene,
        comparison=comparison,
    ).report()


@dataclass(frozen=True)
class Gate:
    """Tries an import, and checks where it leads.

    :param client: the instance
    :param package: the open package
    :param try_out: makes the dry run, and returns its answer
    :param object_rules: returns what maps connections, as object rules
    :param to_write: says what to write for a connection that leads nowhere
    :param value_rules: returns what changes paths, as value rules; None where an import changes no
        path
    :param scene: the deployment and what is live in it
    :param comparison: how the package differs from another one
    """

    client: TrifactaClient
    package: FlowPackage
    try_out: Callable[[], Mapping[str, Any]]
    object_rules: Callable[[], list[Any]]
    to_write: Callable[[PackageConnection], str]
    value_rules: Callable[[], list[Any]] | None = None
    scene: Scene | None = None
    comparison: Comparison | None = None

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
            # A gateway refuses the form of the request, which is no verdict on the package.
            if not error.from_api:
                raise
            problems.append(str(error))
        # The API does not document where a successful answer puts errors.
        for key in ("exception", "error", "errors"):
            if answer.get(key):
                problems.append(f"The dry run reports: {shown_json(answer[key])}")
        dropped = dropped_objects(answer.get("deletedObjects"))
        if dropped:
            problems.append(f"The import would drop objects of the package: {shown_json(dropped)}.")
        unreadable: list[str] = []
        rules = self._rules(info.connections, unreadable)
        unmapped, unchecked = self._check_connections(info.connections, rules, unreadable)
        freight, unmoved = self._freight(rules, answer)
        warnings = _first(unchecked + unmoved + self._not_compared)
        for warning in warnings:
            log.warning("%s", warning)
        return DryRunReport(
            package_uuid=info.uuid,
            flows=info.flow_names,
            problems=_first(problems + unmapped),
            warnings=warnings,
            import_rule_changes=answer.get("importRuleChanges") or {},
            deleted_objects=answer.get("deletedObjects") or {},
            reads=freight.reads,
            writes=freight.writes,
            exported_at=info.exported_at.isoformat() if info.exported_at else None,
            scene=self.scene,
            comparison=self.comparison,
        )

    @property
    def _not_compared(self) -> list[str]:
        if self.comparison is None or not self.comparison.why_not:
            return []
        path = quoted(self.comparison.path)
        return [f"The package was not compared with {path}: {shown(self.comparison.why_not)}"]

    def _rules(self, connections: Sequence[PackageConnection], unreadable: list[str]) -> Rules:
        """Read what the import goes by, as far as the package needs it.

        :param connections: the connections of the package
        :param unreadable: gets the reasons why the rules or the connections of the instance cannot
            be read
        """
        if not connections:
            return Rules()
        local = _read(self.client.connections.list, unreadable)
        return Rules(_read(self.object_rules, unreadable), (), local)

    def _freight(self, rules: Rules, answer: Mapping[str, Any]) -> tuple[Freight, list[str]]:
        """Tell what the release reads and writes, and what to warn of."""
        if self.value_rules is None:
            freight = freight_of(self.package, rules)
            return freight, warnings_of(freight, "import into a workspace")
        contents = self.package.contents
        unread: list[str] = []
        if contents.inputs or contents.outputs:
            rules = replace(rules, value_rules=_read(self.value_rules, unread))
        freight = freight_of(self.package, rules)
        freight, doubts = checked_with(freight, answer.get("importRuleChanges"))
        warnings = warnings_of(freight) + doubts
        if unread:
            unchecked = "Whether import rules change the paths could not be checked."
            warnings.append(" ".join([unchecked, *unread]))
        return freight, warnings

    def _check_connections(
        self,
        connections: Sequence[PackageConnection],
        rules: Rules,
        unreadable: Sequence[str],
    ) -> tuple[list[str], list[str]]:
        """Find the package's connections that would lead nowhere.

        :param connections: the connections of the package
        :param rules: what the import goes by
        :param unreadable: why a part of that is not known
        :returns: the problems, and warnings about connections that could not be checked
        """
        problems = []
        unchecked = []
        for connection in connections:
            problem = self._problem(connection, rules.object_rules or [], rules.local)
            if problem and not unreadable:
                problems.append(problem)
            elif problem:
                unchecked.append(connection.name)
        if not unchecked:
            return problems, []
        names = listed(map(quoted, unchecked))
        warning = (
            "Whether these connections of the package are mapped or exist here could not be"
            f" checked: {names}."
        )
        return problems, [" ".join([warning, *unreadable])]

    def _problem(
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
        if same_connection(connection, local or []):
            return None
        fitting = fitting_rules(connection, rules)
        for rule in fitting:
            if local is None or not leads_nowhere(rule, local):
                return None
        uuid = shown(connection.uuid)
        named = f"{quoted(connection.name)} ({shown(connection.type)}, uuid {uuid})"
        problem = f"The package's connection {named} does not exist here and"
        if fitting:
            return (
                f"{problem} the object rule {shown_json(fitting[0])} leads to no connection that"
                " this user can see. Correct its withCondition."
            )
        return f"{problem} {self.to_write(connection)}"


def _read(read: Callable[[], T], unreadable: list[str]) -> T | None:
    """Read a list or an object. If it may go unread, note why, and return None."""
    try:
        return read()
    except TrifactaError as error:
        if not may_go_unread(error):
            raise
        unreadable.append(str(error))
        return None


def _rule_to_write(connection: PackageConnection) -> str:
    condition = {"uuid": connection.uuid} if connection.uuid else {"id": str(connection.id)}
    rule = {"onCondition": condition, "withCondition": {"id": "<id of the connection here>"}}
    return f"no object rule maps it. Add the rule {shown_json(rule)}."
