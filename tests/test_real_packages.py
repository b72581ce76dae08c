"""Each real package, and each with one formula nested 200 deep, from the listing to a re-export."""

from __future__ import annotations

import io
import json
import zipfile

import pyjson5
import pytest
from trifacta_emulator import Emulator, EmulatorOptions, PresetConnection, read_package
from trifacta_emulator.packages.reader import deep_recursion

from airflow_provider_trifacta.client.structure import structure_of
from airflow_provider_trifacta.operators.release import CreateReleaseOperator, DryRunReleaseOperator
from airflow_provider_trifacta.packages.contents import Input
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.packages.report import report_on

DEPTH = 200


def formula() -> dict:
    value: dict = {"kind": "column", "type": "Column", "value": "a"}
    for _ in range(DEPTH):
        value = {"kind": "func", "type": "Or", "parameters": {"value1": value}}
    return value


def put_formula(definition: dict) -> None:
    """Replace the formula of one recipe step."""
    data = definition["data"]
    steps = data.get("scriptlines") or [
        step for recipe in data["flows"][0]["recipes"] for step in recipe["steps"]
    ]
    steps[0]["task"] = {"kind": "task", "type": "Filter", "parameters": {"rowExpr": formula()}}


def is_definition(name: str) -> bool:
    return name.endswith((".json", ".json5"))


def definition_text(content: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (name,) = filter(is_definition, archive.namelist())
        return archive.read(name).decode()


def deepened(content: bytes) -> bytes:
    """Write a package again, with a deep formula; JSON5 becomes JSON, which it includes."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            member = old.read(name)
            if is_definition(name):
                definition = (pyjson5.decode if name.endswith("5") else json.loads)(member.decode())
                put_formula(definition)
                with deep_recursion():
                    member = json.dumps(definition).encode()
            new.writestr(name, member)
    return made.getvalue()


@pytest.fixture(params=["as it is", "deep"])
def path(request, real_package, tmp_path):
    """The package, as it is or with a deep formula."""
    content = real_package.read_bytes()
    if request.param == "deep":
        content = deepened(content)
        assert structure_of(definition_text(content).encode(), 700_000).depth > 2 * DEPTH
    path = tmp_path / real_package.name
    path.write_bytes(content)
    return path


def test_from_the_listing_to_a_re_export(path, execute, use_connection):
    with open_package(path) as package:
        report = report_on(package)
    assert report.recipes
    connections = tuple(
        PresetConnection(connection.name, connection.uuid, connection.type, connection.vendor)
        for connection in report.connections
    )
    options = EmulatorOptions(product_version=report.product_version, connections=connections)
    with Emulator(options) as emulator:
        use_connection(emulator.url)
        emulator.store.create_deployment("Real")
        target = {"deployment_id": 1, "package_path": str(path)}

        dry, _ = execute(DryRunReleaseOperator(task_id="gate", **target))
        assert dry["problems"] == []
        assert len(of_one_input(dry["warnings"])) == len(warned_of_alone(report.inputs))

        created, _ = execute(CreateReleaseOperator(task_id="create", dry_run_first=True, **target))
        assert (created["outcome"], created["package_uuid"]) == ("created", report.package_uuid)
        assert emulator.store.active_release(1).id == created["release_id"]

        with path.open("rb") as file:
            emulator.store.import_flow(read_package(file))
        (flow,) = emulator.store.flows()
        exported = emulator.store.export_flow(flow.id)

    again_path = path.with_name("again.zip")
    again_path.write_bytes(exported)
    with open_package(again_path) as package:
        again = report_on(package)
    assert [recipe.name for recipe in again.recipes] == [recipe.name for recipe in report.recipes]
    assert [output.manual for output in again.outputs] == [
        output.manual for output in report.outputs
    ]
    assert [connection.uuid for connection in again.connections] == [
        connection.uuid for connection in report.connections
    ]
    assert list(map(survives, again.inputs)) == list(map(survives, report.inputs))
    # Before 6.8 steps stand in tables of their own, which the emulator does not keep.
    if not report.product_version.startswith("6.0"):
        before = structure_of(definition_text(path.read_bytes()).encode(), 700_000)
        after = structure_of(definition_text(exported).encode(), 700_000)
        assert after.depth == before.depth


def of_one_input(warnings: list[str]) -> list[str]:
    """Return the warnings that are of a single input; two others name all that they are of."""
    of_many = ("As in the source, ", "It is unclear ")
    return [warning for warning in warnings if not warning.startswith(of_many)]


def warned_of_alone(inputs: list[Input]) -> list[Input]:
    return [dataset for dataset in inputs if dataset.parameterised or dataset.converted]


def survives(dataset: Input) -> tuple[object, ...]:
    """Return what an import and an export keep of an input."""
    # The emulator writes the URIs of files again, but what is parameterised has its path.
    path = dataset.path if dataset.parameterised or dataset.kind != "file" else None
    return (
        dataset.name,
        dataset.kind,
        dataset.connection,
        dataset.parameterised,
        dataset.parameters,
        path,
    )
