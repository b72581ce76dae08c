"""What a plain import maps, as a user writes it: connections by name, id or uuid, and environment
parameters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..client.errors import InvalidInputError
from ..client.texts import shown, shown_json
from .rules import one_of

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..packages.definition import PackageConnection
    from ..packages.flow_package import FlowPackage


@dataclass(frozen=True)
class Mappings:
    """What an import maps: connections of the package, by their uuids, and environment parameters.

    :param connections: the uuid of a connection of the instance, by that of one of the package
    :param parameters: the elements of the API's ``environmentParameterMapping`` [P]
    """

    connections: Mapping[str, str] = field(default_factory=dict)
    parameters: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def resolve(
        cls, client: TrifactaClient, package: FlowPackage, connections: object, parameters: object
    ) -> Mappings:
        """Find the uuids of the connections that a user named.

        :param client: the instance
        :param package: the open package
        :param connections: connections of the instance by those of the package, each by name, id or
            uuid
        :param parameters: by the name of a parameter in the package: the name of a parameter of the
            instance, or ``{"value": ...}``
        :raises InvalidInputError: one of them is not a usable dict
        :raises AmbiguousNameError: no connection has the name, or several have it, or the one has
            no uuid
        """
        named = _checked(connections, "connections")
        mapped = _checked(parameters, "environment_parameters")
        local = client.connections.list() if named else []
        uuids = {}
        for theirs, ours in named.items():
            package_uuid = _uuid(theirs, package.info.connections, "of the package")
            uuids[package_uuid] = _uuid(ours, local, "of the instance")
        elements = [{"overrideKey": key, **_parameter(key, value)} for key, value in mapped.items()]
        return cls(uuids, elements)

    @property
    def fields(self) -> dict[str, str]:
        """The parts of the form, by name."""
        pairs = [
            {"connectionUuid": package_uuid, "mappedConnectionUuid": local_uuid}
            for package_uuid, local_uuid in self.connections.items()
        ]
        parts = {"connectionIdMapping": pairs, "environmentParameterMapping": self.parameters}
        return {name: json.dumps(part) for name, part in parts.items() if part}

    @property
    def rules(self) -> list[dict[str, Any]]:
        """The same as object rules."""
        return [
            {"onCondition": {"uuid": package_uuid}, "withCondition": {"uuid": local_uuid}}
            for package_uuid, local_uuid in self.connections.items()
        ]


def _uuid(given: object, connections: Sequence[Any], where: str) -> str:
    text = str(given).strip()
    matches = []
    for connection in connections:
        if text in (connection.name, connection.uuid, str(connection.id)):
            matches.append(connection)
    return str(one_of(matches, "uuid", given, connections, where))


def _parameter(key: str, value: object) -> dict[str, Any]:
    if isinstance(value, str):
        return {"mappedOverrideKey": value}
    if isinstance(value, Mapping) and set(value) == {"value"}:
        return {"mappedValue": value["value"]}
    raise InvalidInputError(
        f"environment_parameters[{key!r}] must be the name of a parameter here, or {{'value':"
        " ...}. Nothing was sent."
    )


def _checked(mapping: object, name: str) -> dict[str, Any]:
    """Check the shape of a mapping, before any request.

    :param mapping: what a user or a template gave: a dict, or None
    :param name: name of the argument, for the error
    :returns: the mapping
    :raises InvalidInputError: it is not a dict, or a key or a value is empty
    """
    if mapping is None:
        return {}
    if not isinstance(mapping, Mapping):
        raise InvalidInputError(
            f"{name} must be a dict, not {str(mapping)[:80]!r}. Nothing was sent."
        )
    checked = {str(key).strip(): value for key, value in mapping.items()}
    for key, value in checked.items():
        if _is_empty(key) or _is_empty(value):
            raise InvalidInputError(
                f"{name} has an empty name or value: {shown_json(checked)}. An upstream XCom or a"
                " template gave nothing. Nothing was sent."
            )
    return checked


def _is_empty(part: object) -> bool:
    return str(part).strip() in ("", "None")


def mapping_to_write(connection: PackageConnection) -> str:
    """Say what to write for a connection of a package that leads nowhere."""
    key = shown(connection.name or connection.uuid)
    return f"no mapping names it. Add connections={shown_json({key: '<name here>'})}."
