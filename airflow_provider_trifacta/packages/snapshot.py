"""What of a package is compared with another one: its parts by name, without an instance's ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..client.models import rows_within, within
from .contents import everywhere, read_contents, script_names
from .definition import PackageInfo, id_in, text_in
from .steps import Compared, is_filled, steps_by_script

_Entry = Mapping[str, Any]
_Fields = dict[str, Compared]
#: The fields of rows that are compared, by the table. A field that is empty counts as missing.
_FLOW = ("description",)
_OUTPUT = (
    "execution",
    "profiler",
    "ignoreRecipeErrors",
    "checkSchemaDrift",
    "name",
    "description",
    "sqlscripts",
)
_WRITE_SETTING = (
    "path",
    "format",
    "action",
    "compression",
    "header",
    "asSingleFile",
    "delim",
    "hasQuotes",
    "prefix",
    "suffix",
    "includeMismatches",
)
_PUBLICATION = ("path", "tableName", "targetType", "action", "parameters")
_CONNECTION = ("name", "type", "vendor", "description")
_OPTIONS = ("outputobjectdataflowoptions", "outputobjectsparkoptions")
_KINDS_OF_OUTPUT = {"True": "manual", "False": "scheduled"}
_WRITTEN_BY = {"writesettings": _WRITE_SETTING, "publications": _PUBLICATION}


@dataclass(frozen=True)
class Part:
    """A part of a package, such as an input.

    :param what: its kind, as in :class:`.PackageChange`
    :param flow: the name of its flow
    :param name: its name
    :param own_id: its id in the source instance, by which a part with a new name is found
    :param fields: what is compared, by name
    :param steps: the steps of a recipe, or of the parsing of an input
    """

    what: str
    flow: str | None
    name: str | None
    own_id: object = None
    fields: Mapping[str, Compared] = field(default_factory=dict)
    steps: list[Compared] = field(default_factory=list)


def snapshot_of(info: PackageInfo, definition: Mapping[str, Any]) -> list[Part]:
    """Read the parts of a package.

    :param info: what the package says about itself
    :param definition: the flow definition
    """
    return list(_Reader(info, definition).parts())


@dataclass(frozen=True)
class _Node:
    """A node of a flow, at which a recipe or a dataset stands.

    :param script_id: the script of the recipe or dataset
    :param flow_id: the flow
    """

    script_id: int | None = None
    flow_id: int | None = None


_NO_NODE = _Node()


class _Reader:
    """Reads the parts of one package."""

    def __init__(self, info: PackageInfo, definition: Mapping[str, Any]) -> None:
        self.info = info
        self.data = definition.get("data")
        self.contents = read_contents(definition)
        self.steps = steps_by_script(self.data)
        self.script_names = script_names(self.data)
        self.connection_names = {connection.id: connection.name for connection in info.connections}
        self.nodes: dict[int | None, _Node] = {}
        for flow_id, node in everywhere(self.data, "flownodes"):
            script_id = id_in(node, "scriptId")
            self.nodes[id_in(node, "id")] = _Node(script_id, flow_id)

    def parts(self) -> Iterator[Part]:
        """Read all parts."""
        yield from self._flows()
        yield from self._connections()
        yield from self._inputs()
        yield from self._recipes()
        yield from self._outputs()
        yield from self._parameters()

    def _node_in(self, entry: _Entry, key: str) -> _Node:
        """Return the node whose id an entry has."""
        return self.nodes.get(id_in(entry, key), _NO_NODE)

    def _name_at(self, node: _Node) -> str | None:
        """Return the name of the recipe or dataset at a node."""
        return self.script_names.get(node.script_id)

    def _flows(self) -> Iterator[Part]:
        primary = {flow.id: flow.primary for flow in self.info.flows}
        for flow in rows_within(self.data, "flows"):
            flow_id = id_in(flow, "id")
            name = text_in(flow, "name")
            fields = _fields(flow, _FLOW)
            fields |= _compared({"primary": primary.get(flow_id), "name": name})
            yield Part("flow", name, name, flow_id, fields)

    def _connections(self) -> Iterator[Part]:
        for connection in rows_within(self.data, "connections"):
            name = text_in(connection, "name")
            uuid = text_in(connection, "uuid")
            yield Part("connection", None, name, uuid, _fields(connection, _CONNECTION))

    def _inputs(self) -> Iterator[Part]:
        scripts = {}
        for _, entry in everywhere(self.data, "datasources"):
            scripts[id_in(entry, "id")] = id_in(entry, "parsingScriptId")
        for dataset in self.contents.inputs:
            fields = _compared(
                {
                    "name": dataset.name,
                    "kind": dataset.kind,
                    "path": dataset.path,
                    "connection": dataset.connection,
                    "parameterised": dataset.parameterised,
                    "converted from": dataset.converted,
                }
            )
            steps = self.steps.get(scripts.get(dataset.id), [])
            flow = self.info.flow_name(dataset.flow_id)
            yield Part("input", flow, dataset.name, dataset.id, fields, steps)

    def _recipes(self) -> Iterator[Part]:
        sources = self._sources()
        for recipe in self.contents.recipes:
            fields = _compared({"name": recipe.name, "sources": sources.get(recipe.id)})
            flow = self.info.flow_name(recipe.flow_id)
            steps = self.steps.get(recipe.id, [])
            yield Part("recipe", flow, recipe.name, recipe.id, fields, steps)

    def _sources(self) -> dict[int | None, list[str]]:
        """Return what each recipe reads from, by the id of its script."""
        sources_by_port: dict[int | None, list[tuple[int, str]]] = {}
        for _, edge in everywhere(self.data, "flowedges"):
            source = self._name_at(self._node_in(edge, "inFlowNodeId"))
            script_id = self._node_in(edge, "outFlowNodeId").script_id
            if script_id is not None and source is not None:
                port = id_in(edge, "outPortId") or 0
                sources_by_port.setdefault(script_id, []).append((port, source))
        sources: dict[int | None, list[str]] = {}
        for script_id, ports in sources_by_port.items():
            sources[script_id] = [source for _, source in sorted(ports)]
        return sources

    def _outputs(self) -> Iterator[Part]:
        targets_apart = self._targets_apart()
        for flow_id, output in everywhere(self.data, "outputobjects"):
            output_id = id_in(output, "id")
            node = self.nodes.get(id_in(output, "flowNodeId"), _Node(None, flow_id))
            flow = self.info.flow_name(flow_id if node.flow_id is None else node.flow_id)
            kind = _KINDS_OF_OUTPUT.get(str(output.get("isAdhoc")), "unknown")
            name = f"{self._name_at(node) or '?'} ({kind})"
            fields = _fields(output, _OUTPUT) | _options(output)
            yield Part("output", flow, name, output_id, fields)
            for table, target in _targets_within(output):
                yield self._write_setting(flow, name, table, target)
            for table, target in targets_apart.pop(output_id, []):
                yield self._write_setting(flow, name, table, target)

    def _targets_apart(self) -> dict[int | None, list[tuple[str, _Entry]]]:
        """Return the targets before 6.8 with their tables, by the id of their output."""
        targets: dict[int | None, list[tuple[str, _Entry]]] = {}
        for table, target in _targets_within(self.data):
            output_id = id_in(target, "outputObjectId")
            targets.setdefault(output_id, []).append((table, target))
        return targets

    def _write_setting(self, flow: str | None, output: str, table: str, target: _Entry) -> Part:
        fields = _fields(target, _WRITTEN_BY[table])
        connection = self.connection_names.get(id_in(target, "connectionId"))
        fields |= _compared({"connection": connection})
        kind = "file" if table == "writesettings" else "table"
        return Part("write_setting", flow, f"{output}, {kind}", id_in(target, "id"), fields)

    def _parameters(self) -> Iterator[Part]:
        yield from self._flat_parameters()
        for flow in rows_within(self.data, "flows"):
            flow_name = text_in(flow, "name")
            yield from _parameters_of(flow, "runparameters", flow_name, None)
            for dataset in rows_within(flow, "datasources"):
                name = self.script_names.get(id_in(dataset, "parsingScriptId"))
                yield from _parameters_of(dataset, "runParameters", flow_name, name)
            for output in rows_within(flow, "outputobjects"):
                name = self._name_at(self._node_in(output, "flowNodeId"))
                for _, target in _targets_within(output):
                    yield from _parameters_of(target, "runParameters", flow_name, name)
        for _, override in everywhere(self.data, "flowrunparameteroverrides"):
            name = f"{text_in(override, 'overrideKey')} (override)"
            yield Part("parameter", None, name, None, _fields(override, ("value",)))

    def _flat_parameters(self) -> Iterator[Part]:
        """Read the parameters before 6.8, which stand in tables of the whole package."""
        edits = {id_in(edit, "id"): edit for edit in rows_within(self.data, "runparameteredits")}
        datasets = {dataset.id: dataset for dataset in self.contents.inputs}
        for parameter in rows_within(self.data, "runparameters"):
            edit = edits.get(id_in(parameter, "runParameterEditId"), {})
            dataset = datasets.get(id_in(parameter, "datasourceId"))
            if dataset is None:
                yield _parameter(self.info.flow_name(None), None, parameter, edit)
            else:
                yield _parameter(
                    self.info.flow_name(dataset.flow_id), dataset.name, parameter, edit
                )


def _targets_within(entry: object) -> list[tuple[str, _Entry]]:
    """Return the targets in an entry, each with its table."""
    targets = []
    for table in _WRITTEN_BY:
        for target in rows_within(entry, table):
            targets.append((table, target))
    return targets


def _parameters_of(
    entry: _Entry, table: str, flow: str | None, owner: str | None
) -> Iterator[Part]:
    """Read the parameters that an entry holds, as since 6.8."""
    for parameter in rows_within(entry, table):
        yield _parameter(flow, owner, parameter, within(parameter, "runParameterEdit"))


def _parameter(flow: str | None, owner: str | None, parameter: _Entry, edit: _Entry) -> Part:
    key = text_in(edit, "overrideKey")
    name = f"{key} of {owner}" if owner else key
    fields = _fields(parameter, ("type",))
    fields |= _fields(edit, ("value", "insertionIndices", "isEnvironmentParameter"))
    return Part("parameter", flow, name, None, fields)


def _options(output: _Entry) -> _Fields:
    """Return the options of an output's jobs, by their keys."""
    options = {}
    for table in _OPTIONS:
        for option in rows_within(output, table):
            options[f"option {text_in(option, 'key')}"] = option.get("value")
    return _compared(options)


def _fields(entry: _Entry, names: Iterable[str]) -> _Fields:
    return _compared({name: entry.get(name) for name in names})


def _compared(values: Mapping[str, object]) -> _Fields:
    """Return each value that says something, as it is compared."""
    fields = {}
    for name, value in values.items():
        if is_filled(value) and value != "":
            fields[name] = Compared.of(value)
    return fields
