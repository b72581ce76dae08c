"""What of a package is compared with another one: its parts by name, without an instance's ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..client.models import rows_within, within
from .contents import Contents, everywhere, read_contents
from .definition import PackageInfo, id_of, text_of
from .steps import Step, digest_of, steps_by_script, words_of

#: The fields of rows that are compared, by the table. A field that is empty counts as missing.
_FLOW = ("description",)
_OUTPUT = (
    *("execution", "profiler", "ignoreRecipeErrors", "checkSchemaDrift", "name", "description"),
    "sqlscripts",
)
_WRITE_SETTING = (
    *("path", "format", "action", "compression", "header", "asSingleFile", "delim", "hasQuotes"),
    *("prefix", "suffix", "includeMismatches"),
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
    :param fields: what is compared, by name: the words of a value, and its digest
    :param steps: the steps of a recipe, or of the parsing of an input
    """

    what: str
    flow: str | None
    name: str | None
    own_id: object = None
    fields: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)


def snapshot_of(info: PackageInfo, definition: Mapping[str, Any]) -> list[Part]:
    """Read the parts of a package.

    :param info: what the package says about itself
    :param definition: the flow definition
    """
    return list(_Reader(info, definition).parts())


class _Reader:
    """Reads the parts of one package."""

    def __init__(self, info: PackageInfo, definition: Mapping[str, Any]) -> None:
        self.data = definition.get("data")
        self.contents: Contents = read_contents(definition)
        self.info = info
        self.flows = {flow.id: flow.name for flow in info.flows}
        self.steps = steps_by_script(self.data)
        self.connections = {one.id: one.name for one in info.connections}
        self.recipes_by_node: dict[int | None, tuple[int | None, int | None]] = {
            id_of(node.get("id")): (id_of(node.get("scriptId")), flow)
            for flow, node in everywhere(self.data, "flownodes")
        }
        self.names = {
            id_of(row.get("id")): text_of(row.get("name"))
            for table in ("editablescripts", "recipes")
            for _, row in everywhere(self.data, table)
        }

    def parts(self) -> Iterator[Part]:
        """Read all parts."""
        yield from self._flows()
        yield from self._connections()
        yield from self._inputs()
        yield from self._recipes()
        yield from self._outputs()
        yield from self._parameters()

    def _flow(self, flow_id: int | None) -> str | None:
        only = self.info.flows[0].name if len(self.info.flows) == 1 else None
        return self.flows.get(flow_id, only)

    def _flows(self) -> Iterator[Part]:
        primary = {flow.id: flow.primary for flow in self.info.flows}
        for row in rows_within(self.data, "flows"):
            own, name = id_of(row.get("id")), text_of(row.get("name"))
            known = {**_fields(row, _FLOW), **_values({"primary": primary.get(own)})}
            yield Part("flow", name, name, own, {**known, **_values({"name": name})})

    def _connections(self) -> Iterator[Part]:
        for row in rows_within(self.data, "connections"):
            uuid = text_of(row.get("uuid"))
            yield Part(
                "connection", None, text_of(row.get("name")), uuid, _fields(row, _CONNECTION)
            )

    def _inputs(self) -> Iterator[Part]:
        scripts = {
            id_of(row.get("id")): id_of(row.get("parsingScriptId"))
            for _, row in everywhere(self.data, "datasources")
        }
        for dataset in self.contents.inputs:
            known = _values(
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
            flow = self._flow(dataset.flow_id)
            yield Part("input", flow, dataset.name, dataset.id, known, steps)

    def _recipes(self) -> Iterator[Part]:
        sources = self._sources()
        for recipe in self.contents.recipes:
            known = _values({"name": recipe.name, "sources": sources.get(recipe.id)})
            flow = self._flow(recipe.flow_id)
            steps = self.steps.get(recipe.id, [])
            yield Part("recipe", flow, recipe.name, recipe.id, known, steps)

    def _sources(self) -> dict[int | None, list[str]]:
        """Return what each recipe reads from, by the id of its script."""
        edges: dict[int | None, list[tuple[int, str]]] = {}
        for _, row in everywhere(self.data, "flowedges"):
            source, _ = self.recipes_by_node.get(id_of(row.get("inFlowNodeId")), (None, None))
            target, _ = self.recipes_by_node.get(id_of(row.get("outFlowNodeId")), (None, None))
            name = self.names.get(source)
            if target is not None and name is not None:
                edges.setdefault(target, []).append((id_of(row.get("outPortId")) or 0, name))
        return {script: [name for _, name in sorted(found)] for script, found in edges.items()}

    def _outputs(self) -> Iterator[Part]:
        apart: dict[int | None, list[tuple[str, Mapping[str, Any]]]] = {}
        for table in _WRITTEN_BY:
            for row in rows_within(self.data, table):
                apart.setdefault(id_of(row.get("outputObjectId")), []).append((table, row))
        for flow_id, row in everywhere(self.data, "outputobjects"):
            own = id_of(row.get("id"))
            script, node_flow = self.recipes_by_node.get(
                id_of(row.get("flowNodeId")), (None, flow_id)
            )
            flow = self._flow(node_flow if node_flow is not None else flow_id)
            kind = _KINDS_OF_OUTPUT.get(str(row.get("isAdhoc")), "unknown")
            name = f"{self.names.get(script) or '?'} ({kind})"
            yield Part("output", flow, name, own, {**_fields(row, _OUTPUT), **_options(row)})
            within_row = [(table, one) for table in _WRITTEN_BY for one in rows_within(row, table)]
            for table, target in [*within_row, *apart.pop(own, [])]:
                yield self._write_setting(flow, name, table, target)

    def _write_setting(
        self, flow: str | None, output: str, table: str, row: Mapping[str, Any]
    ) -> Part:
        known = _fields(row, _WRITTEN_BY[table])
        connection = self.connections.get(id_of(row.get("connectionId")))
        known |= _values({"connection": connection})
        kind = "file" if table == "writesettings" else "table"
        return Part("write_setting", flow, f"{output}, {kind}", id_of(row.get("id")), known)

    def _parameters(self) -> Iterator[Part]:
        edits = {id_of(row.get("id")): row for row in rows_within(self.data, "runparameteredits")}
        datasets = {dataset.id: dataset for dataset in self.contents.inputs}
        for row in rows_within(self.data, "runparameters"):
            dataset = datasets.get(id_of(row.get("datasourceId")))
            edit = edits.get(id_of(row.get("runParameterEditId")), {})
            owner = dataset.name if dataset else None
            yield _parameter(self._flow(dataset.flow_id if dataset else None), owner, row, edit)
        for flow in rows_within(self.data, "flows"):
            name = text_of(flow.get("name"))
            for row in rows_within(flow, "runparameters"):
                yield _parameter(name, None, row, within(row, "runParameterEdit"))
            yield from self._within(name, flow)
        for _, row in everywhere(self.data, "flowrunparameteroverrides"):
            known = _fields(row, ("value",))
            yield Part(
                "parameter", None, f"{text_of(row.get('overrideKey'))} (override)", None, known
            )

    def _within(self, flow: str | None, row: Mapping[str, Any]) -> Iterator[Part]:
        """Read the parameters of the inputs and of the write settings of a flow, since 6.8."""
        for dataset in rows_within(row, "datasources"):
            owner = self.names.get(id_of(dataset.get("parsingScriptId")))
            for parameter in rows_within(dataset, "runParameters"):
                yield _parameter(flow, owner, parameter, within(parameter, "runParameterEdit"))
        for output in rows_within(row, "outputobjects"):
            script, _ = self.recipes_by_node.get(id_of(output.get("flowNodeId")), (None, None))
            for table in _WRITTEN_BY:
                for target in rows_within(output, table):
                    for parameter in rows_within(target, "runParameters"):
                        edit = within(parameter, "runParameterEdit")
                        yield _parameter(flow, self.names.get(script), parameter, edit)


def _parameter(
    flow: str | None, owner: str | None, row: Mapping[str, Any], edit: Mapping[str, Any]
) -> Part:
    key = text_of(edit.get("overrideKey"))
    name = f"{key} of {owner}" if owner else key
    known = {
        **_fields(row, ("type",)),
        **_fields(edit, ("value", "insertionIndices", "isEnvironmentParameter")),
    }
    return Part("parameter", flow, name, None, known)


def _options(row: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the options of an output's jobs, by their keys."""
    options = {}
    for table in _OPTIONS:
        for option in rows_within(row, table):
            options[f"option {text_of(option.get('key'))}"] = option.get("value")
    return _values(options)


def _fields(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, tuple[str, str]]:
    return _values({name: row.get(name) for name in names})


def _values(values: Mapping[str, object]) -> dict[str, tuple[str, str]]:
    """Return the words and the digest of each value that says something."""
    return {
        name: (words_of(value), digest_of(value))
        for name, value in values.items()
        if value is not None and value is not False and value not in ("", [], {})
    }
