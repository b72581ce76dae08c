"""What a release will read and write: the inputs and outputs of a package after the import rules.

The rules are applied here as the vendor documents them: in their order, each to the result of the
earlier ones, object rules to connections, and value rules to buckets, paths and tables [R: Define
Import Mapping Rules]. What documents leave open is never guessed: it is ``unclear``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from ..client.foreign_words import code_span
from ..client.texts import listed, quoted, shown, shown_within
from .rules import meets, same_connection

if TYPE_CHECKING:
    from ..client.models import Connection
    from ..packages.contents import Input, Output, Target
    from ..packages.definition import PackageConnection
    from ..packages.flow_package import FlowPackage

Change = Literal["changed", "as_in_source", "parameterised", "unclear"]

#: How many places go to an XCom, and how many are named one by one in a text.
MOST_PLACES = 100
#: The parts of a URI. An output has a whole one, or only a path [P].
_URI = re.compile(
    r"(?P<scheme>[A-Za-z][\w+.-]*)://(?:(?P<userinfo>[^/@]*)@)?(?P<host>[^/:]*)(?P<port>:\d+)?"
    r"(?P<path>/.*)?",
    re.DOTALL,
)
_S3 = ("s3", "s3a", "s3n")
_BUCKETS = (*_S3, "gs")
#: By type of a value rule: the part of a URI that it changes.
_URI_PARTS = {"s3Bucket": "host", "fileLocation": "path", "host": "host", "userinfo": "userinfo"}
#: By type of a value rule: whether it changes the table's name, or what stands before it.
_TABLE_PARTS = {"dbTableName": True, "dbPath": False}
#: A text is cut at this length when a package is read, so a rule may reach what was cut off.
_CUT = 500
#: A regular expression that can take long, or that JavaScript and Python read differently.
_NOT_EVALUATED = re.compile(r"\)[*+{]|\(\?|\\[1-9kpPuAZz]|\[\^?\]")
_MOST_REPETITIONS = 2
_WORDS: dict[str, str] = {
    "changed": "changed by a rule",
    "as_in_source": "as in the source",
    "parameterised": "parameterised, as in the source",
    "unclear": "unclear what the import makes of it",
}


@dataclass(frozen=True)
class Place:
    """What a flow reads or writes, as it will be in production.

    :param flow: the flow
    :param name: the dataset, or the recipe whose output it is
    :param kind: ``file``, ``table`` or ``query``
    :param path: the file, the table or the SQL, after the rules
    :param connection: the connection as production names it; None for none, or if it is unknown
    :param parameterised: whether parameters are part of it
    :param change: ``changed`` by a rule; ``as_in_source``, because no rule touches it;
        ``parameterised``, so that no rule reaches it; or ``unclear``
    :param source_path: the file, the table or the SQL in the package
    :param source_connection: the connection as the package names it
    :param parameters: the names of the parameters
    :param converted: the document that an input is converted from, such as ``Excel``
    :param action: what an output does with existing data
    :param manual: for an output, whether a run of the deployment makes it
    """

    flow: str | None
    name: str | None
    kind: str
    path: str | None
    connection: str | None
    parameterised: bool
    change: Change
    source_path: str | None
    source_connection: str | None
    parameters: list[str] = field(default_factory=list)
    converted: str | None = None
    action: str | None = None
    manual: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return dict(shown_within(asdict(self)))

    def as_text(self) -> str:
        """Return it as a line of Markdown."""
        parts = [f"{code_span(self.name)}: {self.kind} {code_span(self.path)}"]
        if self.connection or self.source_connection:
            parts.append(f"through {self._connection}")
        how = [self._change, *self._details]
        return f"{' '.join(parts)} ({', '.join(how)})"

    @property
    def _change(self) -> str:
        if self.change == "changed" and self.path == self.source_path:
            return "its connection is mapped"
        return _WORDS[self.change]

    @property
    def _connection(self) -> str:
        if self.connection is None:
            return f"the source's connection {code_span(self.source_connection)}"
        return code_span(self.connection)

    @property
    def _details(self) -> list[str]:
        details = []
        if self.path != self.source_path:
            details.append(f"in the source {code_span(self.source_path)}")
        if self.connection and self.connection != self.source_connection:
            details.append(f"in the source through {code_span(self.source_connection)}")
        if self.parameters:
            details.append(f"parameters {', '.join(map(code_span, self.parameters))}")
        if self.converted:
            details.append(f"converted from {self.converted}")
        if self.action:
            details.append(f"action {code_span(self.action)}")
        if self.manual is False:
            details.append("scheduled, so a run of the deployment does not write it")
        return details


@dataclass(frozen=True)
class Freight:
    """What a release reads and what it writes."""

    reads: list[Place]
    writes: list[Place]

    @property
    def places(self) -> list[Place]:
        """All of them."""
        return [*self.reads, *self.writes]


@dataclass(frozen=True)
class Rules:
    """The rules that an import goes by. None stands for rules that could not be read.

    :param object_rules: what maps connections
    :param value_rules: what changes paths
    :param local: the connections of the instance
    """

    object_rules: Sequence[Mapping[str, Any]] | None = ()
    value_rules: Sequence[Mapping[str, Any]] | None = ()
    local: Sequence[Connection] | None = ()


def freight_of(package: FlowPackage, rules: Rules) -> Freight:
    """Tell what a release of a package reads and writes.

    :param package: the open package
    :param rules: the rules of its import
    """
    info = package.info
    mapped = _all_mapped(info.connections, rules)
    reads = []
    for dataset in package.contents.inputs:
        place = _read(info.flow_name(dataset.flow_id), dataset)
        reads.append(_after_rules(place, dataset.table, mapped, rules))
    writes = []
    for output in package.contents.outputs:
        flow = info.flow_name(output.flow_id)
        for target in output.targets:
            place = _written(flow, output, target)
            writes.append(_after_rules(place, target.table, mapped, rules))
    return Freight(reads, writes)


@dataclass(frozen=True)
class _Mapped:
    """Where a connection of the package leads.

    :param name: the name of the connection of the instance; None if it is unknown
    :param change: whether a rule leads there
    """

    name: str | None
    change: Change


def _all_mapped(
    connections: Iterable[PackageConnection], rules: Rules
) -> dict[str | None, _Mapped]:
    """Tell where the connections of the package lead, by their names."""
    mapped: dict[str | None, _Mapped] = {}
    for connection in connections:
        target = _mapped(connection, rules)
        if mapped.setdefault(connection.name, target) != target:
            # An input names its connection only, and two of this name lead to different places.
            mapped[connection.name] = _Mapped(None, "unclear")
    mapped.pop(None, None)
    return mapped


def _mapped(connection: PackageConnection, rules: Rules) -> _Mapped:
    if rules.object_rules is None or rules.local is None:
        return _Mapped(None, "unclear")
    current: object = connection
    target: Connection | None = None
    for rule in rules.object_rules:
        if not meets(current, rule.get("onCondition"), unknown=False):
            continue
        condition = rule.get("withCondition")
        # The API may not show the field that the condition asks for.
        possible = [local for local in rules.local if meets(local, condition, unknown=True)]
        if len(possible) != 1:
            return _Mapped(None, "unclear")
        target = current = possible[0]
    if target is not None:
        return _Mapped(target.name, "changed")
    local = same_connection(connection, rules.local)
    return _Mapped(local.name if local else None, "as_in_source")


def _read(flow: str | None, dataset: Input) -> Place:
    """Return what an input reads in the source."""
    return Place(
        flow=flow,
        name=dataset.name,
        kind=dataset.kind,
        path=dataset.path,
        connection=None,
        parameterised=dataset.parameterised,
        change="parameterised" if dataset.parameterised else "as_in_source",
        source_path=dataset.path,
        source_connection=dataset.connection,
        parameters=dataset.parameters,
        converted=dataset.converted,
    )


def _written(flow: str | None, output: Output, target: Target) -> Place:
    """Return what an output writes in the source."""
    return Place(
        flow=flow,
        name=output.recipe,
        kind=target.kind,
        path=target.path,
        connection=None,
        parameterised=bool(target.parameters),
        change="as_in_source",
        source_path=target.path,
        source_connection=target.connection,
        parameters=target.parameters,
        action=target.action,
        manual=output.manual,
    )


def _after_rules(
    place: Place, table: str | None, mapped: Mapping[str | None, _Mapped], rules: Rules
) -> Place:
    """Apply the rules to a place of the package."""
    connection = mapped.get(place.source_connection)
    if connection is not None:
        place = replace(place, connection=connection.name)
    if place.change == "parameterised":
        return place
    path, change = _path_after(place, table, rules.value_rules)
    if place.parameterised and change == "changed":
        # Documents say of datasets only that no rule reaches a parameterised path.
        path, change = place.path, "unclear"
    # A table is in the database of its connection. A file's path names its place alone.
    is_where_connection_leads = place.kind != "file" and change == "as_in_source"
    if connection is not None and is_where_connection_leads:
        change = connection.change
    return replace(place, path=path, change=change)


def _path_after(
    place: Place, table: str | None, rules: Sequence[Mapping[str, Any]] | None
) -> tuple[str | None, Change]:
    path = place.path
    if place.kind == "query":
        return path, "as_in_source"
    if rules is None:
        return path, "unclear"
    if path is None:
        return None, "unclear" if rules else "as_in_source"
    is_table = place.kind == "table"
    after = _table_after(path, table, rules) if is_table else _file_after(path, rules)
    may_be_cut = bool(rules) and len(path) >= _CUT
    if after is None or may_be_cut:
        return path, "unclear"
    return after, "as_in_source" if after == path else "changed"


def _file_after(path: str, rules: Iterable[Mapping[str, Any]]) -> str | None:
    """Return a file's path after the rules, None if documents do not tell it."""
    for rule in rules:
        kind = str(rule.get("type"))
        if kind in _TABLE_PARTS:
            continue
        if kind not in _URI_PARTS:
            return None
        changed = _in_uri(path, kind, rule)
        if changed is None:
            return None
        path = changed
    return path


def _in_uri(path: str, kind: str, rule: Mapping[str, Any]) -> str | None:
    uri = _URI.fullmatch(path)
    if uri is None:
        return _replaced(path, rule) if kind == "fileLocation" else path
    scheme = uri["scheme"].lower()
    part = _URI_PARTS[kind]
    if kind == "s3Bucket" and scheme not in _S3:
        return path
    if kind == "host" and scheme in _BUCKETS:
        return path
    if not uri[part]:
        return path
    start, end = uri.span(part)
    changed = _replaced(uri[part], rule)
    return None if changed is None else path[:start] + changed + path[end:]


def _table_after(path: str, table: str | None, rules: Iterable[Mapping[str, Any]]) -> str | None:
    """Return a table after the rules, None if documents do not tell it."""
    schema, name = path, ""
    if table and path.endswith(table):
        schema, name = path.removesuffix(table), table
    for rule in rules:
        kind = str(rule.get("type"))
        if kind in _URI_PARTS:
            continue
        if kind not in _TABLE_PARTS:
            return None
        is_of_name = _TABLE_PARTS[kind]
        changed = _replaced(name if is_of_name else schema, rule)
        if changed is None:
            return None
        if is_of_name:
            name = changed
        else:
            schema = changed
    return schema + name


def _replaced(text: str, rule: Mapping[str, Any]) -> str | None:
    """Apply a value rule to a text.

    :returns: the text after it; None if documents do not tell it, such as how often a rule replaces
        what stands in a text twice
    """
    old = rule.get("on")
    new = rule.get("with")
    if not isinstance(old, str) or not isinstance(new, str):
        return None
    if not old or "`" in old:
        return None  # backticks make a pattern of the vendor's own
    is_pattern = len(old) > 2 and old.startswith("/") and old.endswith("/")
    if is_pattern:
        return _pattern_replaced(text, old[1:-1], new)
    times = text.count(old)
    if times > 1:
        return None
    return text.replace(old, new)


def _pattern_replaced(text: str, regex: str, new: str) -> str | None:
    pattern = _pattern(regex)
    if pattern is None:
        return None
    matches = list(pattern.finditer(text))
    if not matches:
        return text
    if len(matches) > 1 or "$" in new:
        return None
    start, end = matches[0].span()
    return text[:start] + new + text[end:]


def _pattern(text: str) -> re.Pattern[str] | None:
    """Read a regular expression, None if it is wrong, or may take long."""
    repetitions = len(re.findall(r"(?<!\\)[*+{]", text))
    if len(text) > _CUT or _NOT_EVALUATED.search(text) or repetitions > _MOST_REPETITIONS:
        return None
    try:
        return re.compile(text, re.ASCII)
    except (re.error, OverflowError, RecursionError):
        return None


def checked_with(freight: Freight, changes: object) -> tuple[Freight, list[str]]:
    """Compare what the rules should change with what the server says that they change.

    :param freight: what the release reads and writes by the rules
    :param changes: ``importRuleChanges`` of the server; the shape of its items is not documented
    :returns: the same, with ``unclear`` where the two differ; and a warning if they do
    """
    if not isinstance(changes, Mapping):
        return freight, []
    doubt = _doubt(freight, changes.get("value"), changes.get("object"))
    if doubt is None:
        return freight, []
    reads = [_doubted(place) for place in freight.reads]
    writes = [_doubted(place) for place in freight.writes]
    return Freight(reads, writes), [
        f"The answer of the dry run {doubt}. So Reads and Writes are not certain."
    ]


def _doubt(freight: Freight, paths: object, connections: object) -> str | None:
    """Tell in which way the server says something else than the rules; None if it does not.

    :param freight: what the release reads and writes by the rules
    :param paths: the paths that the server says are changed
    :param connections: the connections that it says are changed
    """
    is_moved = any(place.path != place.source_path for place in freight.places)
    is_unclear = any(place.change == "unclear" for place in freight.places)
    if paths == [] and is_moved:
        return "names no changed path, and rules of the deployment fit paths of the package"
    names_paths = isinstance(paths, list) and bool(paths)
    if names_paths and not is_moved and not is_unclear:
        return "names changed paths, and no rule of the deployment fits one of the package"
    if connections == [] and any(map(_is_mapped, freight.places)):
        return "names no changed connection, and rules of the deployment fit one"
    return None


def _is_mapped(place: Place) -> bool:
    return place.change == "changed" and place.path == place.source_path


def _doubted(place: Place) -> Place:
    return place if place.change == "parameterised" else replace(place, change="unclear")


def warnings_of(freight: Freight, mover: str = "import rule") -> list[str]:
    """Warn of what nothing moves to production.

    :param freight: what the release reads and writes
    :param mover: what might have moved it, for the text
    """
    warnings = []
    summed_up = []
    for place in freight.reads:
        if _is_warned_of_alone(place):
            warnings.append(_warning(place, mover))
        else:
            summed_up.append(place)
    reads = _changed_as(summed_up, "as_in_source")
    writes = _changed_as(freight.writes, "as_in_source")
    unclear = _changed_as([*summed_up, *freight.writes], "unclear")
    parts = []
    if reads:
        parts.append(f"read {_paths(reads)}")
    if writes:
        parts.append(f"write {_paths(writes)}")
    if parts:
        warnings.append(
            f"As in the source, because no {mover} changes them: production would"
            f" {' and '.join(parts)}."
        )
    if unclear:
        warnings.append(f"It is unclear what the import makes of these: {_paths(unclear)}.")
    return warnings


def _is_warned_of_alone(place: Place) -> bool:
    if place.change == "parameterised":
        return True
    return bool(place.converted) and place.change != "changed"


def _changed_as(places: Iterable[Place], change: Change) -> list[Place]:
    return [place for place in places if place.change == change]


def _paths(places: Sequence[Place]) -> str:
    return listed(dict.fromkeys(quoted(place.path or place.name) for place in places))


def _warning(place: Place, mover: str) -> str:
    noun = "path" if place.kind == "file" else place.kind
    named = f" (parameters: {listed(place.parameters)})" if place.parameters else ""
    path = f"its {noun} {shown(place.path or 'unknown')}{named}"
    end = "Production would read what the source instance reads."
    if place.change == "parameterised":
        return (
            f"The dataset {quoted(place.name)} is parameterised: no {mover} reaches {path}. {end}"
        )
    return (
        f"The dataset {quoted(place.name)} is converted from {place.converted}: no {mover} moves"
        f" {path}. {end} Another instance may not be able to read it."
    )


def lines_of(title: str, places: Sequence[Place]) -> list[str]:
    """Return places as lines of Markdown, flow by flow.

    :param title: what they are
    :param places: the places
    """
    by_flow: dict[str | None, list[Place]] = {}
    for place in places[:MOST_PLACES]:
        by_flow.setdefault(place.flow, []).append(place)
    lines: list[str] = []
    for flow, places_of_flow in by_flow.items():
        lines += [f"**{title} of {code_span(flow)}**", ""]
        lines += [f"* {place.as_text()}" for place in places_of_flow]
        lines.append("")
    if len(places) > MOST_PLACES:
        lines += [f"And {len(places) - MOST_PLACES} more.", ""]
    return lines


def freight_made(
    report: Mapping[str, Any], promotion: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """Return what a release reads and writes, as the dry run before its import found it.

    :param report: the dict of the dry run's report
    :param promotion: the dict of the promotion
    :returns: ``reads`` and ``writes``; empty if the report is of another package, or the server
        named another number of changes by rules than in the dry run: a rule may have been changed
        in between
    """
    if report.get("package_uuid") != promotion.get("package_uuid"):
        return {}
    if not _same_changes(report.get("import_rule_changes"), promotion.get("import_rule_changes")):
        return {}
    freight = {}
    for key in ("reads", "writes"):
        places = report.get(key)
        if isinstance(places, list):
            freight[key] = places
    return freight


def _same_changes(reported: object, imported: object) -> bool:
    """Compare the changes by rules in a dry run and in the import, as far as both are countable.

    :param reported: the server's lists of changes, by kind
    :param imported: the ``count`` of the changes that the import made
    """
    if not isinstance(reported, Mapping) or not isinstance(imported, Mapping):
        return True
    count = 0
    for entries in reported.values():
        if not isinstance(entries, list):
            return True
        count += len(entries)
    return bool(count == imported.get("count"))


def place_in_words(place: Mapping[str, Any]) -> str:
    """Return a place of a report in words, for a log.

    :param place: an entry of ``reads`` or ``writes``
    """
    through = f" through {place['connection']}" if place.get("connection") else ""
    change = _WORDS.get(str(place.get("change")), "")
    return f"{place.get('kind')} {place.get('path')}{through} ({change})"
