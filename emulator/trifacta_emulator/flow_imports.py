"""The import of a package as ordinary flows, outside of deployments."""

from __future__ import annotations

from collections.abc import Sequence

from trifacta_emulator.imports import IdSequences, ImportedPackage, import_package
from trifacta_emulator.object_rules import USERS
from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.package_builder import new_uuid
from trifacta_emulator.package_reader import Package, Row
from trifacta_emulator.records import LocalConnection
from trifacta_emulator.rule_effects import apply_rules


def import_flows(
    package: Package, ids: IdSequences, here: Sequence[LocalConnection], options: EmulatorOptions, user_id: int
) -> tuple[ImportedPackage, tuple[Row, ...]]:
    """
    Make flows of a package, with a new name each [R: D60 to D68].

    :param package: the package, as read by ``read_package``.
    :param ids: where new ids come from.
    :param here: the connections of the instance.
    :param options: the instance's options.
    :param user_id: who does it.
    :return: what was made, and the package's connections with ids of their own.
    :raises ValidationError: the options refuse it.
    """
    made = import_package(package, ids, at=options.clock(), user_id=user_id)
    # Connections get new ids like all else, or one that is not here could pass for another that is.
    new_ids = {row["id"]: ids.next("connections") for row in package.tables["connections"]}
    described = tuple({**row, "id": new_ids[row["id"]]} for row in package.tables["connections"])
    for row in (row for table in USERS for row in made.tables[table]):
        if isinstance(row.get("connectionId"), int):
            row["connectionId"] = new_ids.get(row["connectionId"], row["connectionId"])
    # No rules outside of deployments, but a connection here may be the same one.
    made = apply_rules(made, described, (), here, options)
    # The first group of a uuid of version 1: those in the documents end in 0, as only such do [I].
    prefix = new_uuid(made.at)[:8]
    for row in made.tables["flows"]:
        row["name"] = f"[{prefix}] {row['name']}"
    return made, described
