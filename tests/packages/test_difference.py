"""How two packages differ: pairs of the emulator's builder, and real ones."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict
from datetime import datetime, timezone

import pytest
from trifacta_emulator import Connection, Emulator, EmulatorOptions, build_package

from airflow_provider_trifacta.package import main
from airflow_provider_trifacta.packages import compare, open_package

DEV = Connection(24, "orders dev", "2d7c1650-7daa-11e9-b9eb-0fd11bed75ab")
GENERATIONS = ["6.0", "6.8", "8.0"]
LATER = datetime(2030, 1, 1, tzinfo=timezone.utc)
generations = pytest.mark.parametrize("generation", GENERATIONS)


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a package of the builder."""
    number = iter(range(100))

    def write(**options):
        path = tmp_path / f"{next(number)}.zip"
        path.write_bytes(build_package(**options))
        return path

    return write


@pytest.fixture
def write_data(tmp_path):
    """Return a function that writes a package of this data."""
    number = iter(range(100))

    def write_data(flow, **more):
        path = tmp_path / f"data-{next(number)}.zip"
        metadata = {"uuid": "9bae78c0-2fcb-11e9-9523-77f56ed58844", "trifactaVersion": "9.7.0"}
        document = {"metadata": metadata, "data": {"flows": [flow], **more}}
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("flow_f.json", json.dumps(document))
        return path

    return write_data


def between(old, new):
    with open_package(old) as before, open_package(new) as after:
        return compare(before, after)


def short(difference):
    return [(change.kind, change.what, change.name) for change in difference.changes]


def fields(change):
    return {one.field: (one.before, one.after) for one in change.fields}


@generations
def test_two_exports_of_an_unchanged_flow_are_equal(write, generation):
    options = {"generation": generation, "connections": [DEV], "nested_functions": 3}
    old, new = write(**options), write(**options, exported_at=LATER)
    assert between(old, new).changes == []


@pytest.mark.parametrize("old", GENERATIONS)
@generations
def test_the_product_that_exports_makes_no_difference(write, old, generation):
    options = {
        "dataset_path": "s3://dev/{region}.csv",
        "dataset_parameters": {"region": "eu"},
        "nested_functions": 2,
    }
    assert (
        between(write(generation=old, **options), write(generation=generation, **options)).changes
        == []
    )


@generations
def test_an_export_of_an_imported_flow_differs_in_its_name_only(write, generation):
    """Another instance gives ids of its own, and a prefix to the name."""
    version = {"6.0": "6.0.1+235.20190426172824.493d6f8"}.get(generation, "9.7.0")
    old = write(generation=generation, connections=[], flow_name="Orders")
    with Emulator(EmulatorOptions(product_version=version)) as emulator:
        from trifacta_emulator import read_package

        for _ in range(2):
            with old.open("rb") as file:
                emulator.store.import_flow(read_package(file))
        exported = emulator.store.export_flow(max(flow.id for flow in emulator.store.flows()))
    new = old.with_name("exported.zip")
    new.write_bytes(exported)
    assert {(kind, what) for kind, what, _ in short(between(old, new))} == {("changed", "flow")}


@generations
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"flow_name": "Orders 2"}, {("changed", "flow"), ("changed", "recipe")}),
        ({"dataset_path": "s3://prod/a.csv"}, {("changed", "input")}),
        ({"output_path": "/other.csv"}, {("changed", "write_setting")}),
        ({"adhoc_output": False}, {("removed", "output"), ("removed", "write_setting")}),
        ({"nested_functions": 2}, {("changed", "step")}),
        ({"nested_functions": 0}, {("removed", "step")}),
        (
            {
                "dataset_path": "/trifacta/uploads/{d}.csv",
                "dataset_parameters": {"d": "orders"},
            },
            {("changed", "input"), ("added", "parameter")},
        ),
        (
            {"connections": [DEV], "dataset_path": "/a.csv"},
            {("added", "connection"), ("changed", "input")},
        ),
    ],
    ids=[
        *("name", "input", "write setting", "output", "step", "steps", "parameter", "connection"),
    ],
)
def test_each_kind_of_change_is_found(write, generation, options, expected):
    common = {"generation": generation, "nested_functions": 1, "flow_name": "Orders"}
    found = between(write(**common), write(**{**common, **options}))
    assert {(kind, what) for kind, what, _ in short(found)} == expected


@generations
def test_a_parameter_with_another_default(write, generation):
    def package(default):
        return write(
            generation=generation,
            dataset_path="s3://dev/{region}.csv",
            dataset_parameters={"region": default},
        )

    (change,) = between(package("eu"), package("us")).changes
    assert (change.what, change.name) == ("parameter", "region of orders.csv")
    before, after = fields(change)["value"]
    assert "eu" in before
    assert "us" in after


def task(kind, **parameters):
    values = {
        key: {"kind": "constant", "type": "String", "value": value}
        for key, value in parameters.items()
    }
    return {"id": 1, "hash": "x", "task": {"kind": "task", "type": kind, "parameters": values}}


def flow_of(*steps, name="f", recipe="r"):
    return {
        "id": 1,
        "name": name,
        "flownodes": [{"id": 5, "scriptId": 6, "wrangled": True}],
        "recipes": [{"id": 6, "name": recipe, "steps": list(steps)}],
    }


def test_steps_in_the_words_of_their_transforms(write_data):
    first, second = task("Drop", col="a"), task("Rename", col="b", to="c")
    third, other = task("Sort", col="d"), task("Rename", col="b", to="e")
    old, new = write_data(flow_of(first, second, third)), write_data(flow_of(second, third, other))
    found = between(old, new)
    assert [(change.kind, change.number, change.fields[0]) for change in found.changes]
    told = [
        (change.kind, change.number, change.fields[0].before, change.fields[0].after)
        for change in found.changes
    ]
    assert told == [
        ("removed", 1, "Drop col: 'a'", None),
        ("added", 3, None, "Rename col: 'b' to: 'e'"),
    ]


def test_ids_and_samples_make_no_difference(write_data):
    load = task("Load", location="id://29")
    other = task("Load", location="id://7") | {"id": 99, "hash": "y", "columnMetadata": {"a": 1}}
    other["task"]["annotations"] = {"outputColumnAnnotations": {"a": 1}}
    assert between(write_data(flow_of(load)), write_data(flow_of(other))).changes == []


def test_a_renamed_recipe_of_one_instance_is_a_change(write_data):
    step = task("Drop", col="a")
    old, new = write_data(flow_of(step)), write_data(flow_of(step, recipe="s"))
    (change,) = between(old, new).changes
    assert (change.kind, change.what, fields(change)) == ("changed", "recipe", {"name": ("r", "s")})


def test_very_many_steps_take_no_long_time(write_data):
    def steps(word):
        return [task("Drop", col=f"{word}{number}") for number in range(3_000)]

    found = between(write_data(flow_of(*steps("a"))), write_data(flow_of(*steps("b"))))
    assert len(found.changes) == 3_000


def test_a_deep_formula_is_compared(write):
    old, new = write(nested_functions=400), write(nested_functions=401)
    (change,) = between(old, new).changes
    assert change.what == "step"
    assert len(change.fields[0].after) < 600


@pytest.mark.parametrize("damage", [None, [], "x", 7, [None, 3, {"id": True}], {"a": 1}])
@pytest.mark.parametrize(
    "table",
    [
        *("recipes", "flownodes", "flowedges", "outputobjects", "datasources", "runparameters"),
        *("flowrunparameteroverrides", "name", "description"),
    ],
)
def test_odd_values_are_compared_without_errors(write_data, table, damage):
    flow = flow_of(task("Drop", col="a"))
    found = between(write_data(flow), write_data({**flow, table: damage}))
    assert json.dumps(found.as_dict())
    assert found.as_text()


# The real ones

SALES = (
    "flow_dataprep_demo__v6.8_dataprep_sheet.zip",
    "flow_customer_sales__v8.9_json5_parameterised.zip",
)


def test_the_two_ages_of_customer_sales(read_real, tmp_path):
    paths = []
    for name in SALES:
        paths.append(tmp_path / name)
        paths[-1].write_bytes(read_real(name))
    found = short(between(*paths))
    assert found.count(("added", "connection", "redshift")) == 1
    assert ("changed", "input", "Dynamic Customer CSV File") in found
    assert ("added", "step", "Clean and Enrich") in found
    assert ("added", "step", "Clean and Standardization") in found
    assert ("changed", "output", "Customers Exceptions (manual)") in found
    assert ("removed", "parameter", "FileName of Dynamic Customer CSV File") in found
    assert not [what for _, what, _ in found if what == "flow"]


def test_a_real_package_equals_itself(real_package):
    assert between(real_package, real_package).changes == []


# What is printed


def test_the_three_forms(write, capsys):
    old, new = str(write(output_path="/a.csv")), str(write(output_path="/b.csv"))
    assert main([old, new]) == 0
    text = capsys.readouterr().out
    assert main(["--markdown", old, new]) == 0
    markdown = capsys.readouterr().out
    assert main(["--json", old, new]) == 0
    document = json.loads(capsys.readouterr().out)
    assert "'/a.csv' to '/b.csv'" in text
    assert "`/a.csv` to `/b.csv`" in markdown
    (change,) = document["changes"]
    assert change["fields"] == [{"field": "path", "before": "/a.csv", "after": "/b.csv"}]
    assert document["count"] == 1
    assert change == asdict(between(old, new).changes[0])


def test_a_file_that_is_no_package(write, tmp_path, capsys):
    path = tmp_path / "x.zip"
    path.write_text("<html>")
    assert main([str(write()), str(path)]) == 1
    assert "FAILED: " in capsys.readouterr().err


def test_names_cannot_make_markdown(write_data):
    lie = "`](http://evil.example/) <img src=x>"
    odd = {"id": 9, "flowNodeId": 5, "isAdhoc": True}
    option = {"key": lie, "value": lie}
    old = write_data({**flow_of(), "outputobjects": [odd]})
    new = write_data(
        {**flow_of(name=lie), "outputobjects": [{**odd, "outputobjectsparkoptions": [option]}]}
    )
    found = between(old, new)
    assert {change.what for change in found.changes} == {"flow", "output"}
    for line in found.as_markdown().splitlines():
        outside = "".join(line.split("`")[::2])
        assert not {"<", ">", "[", "]"} & set(outside), line


def test_no_line_of_markdown_begins_a_list_within_a_list(write):
    difference = between(write(adhoc_output=False), write(connections=[DEV]))
    lines = difference.markdown_lines()
    assert len(lines) == len(difference.changes)
    assert all(line[2].isalpha() for line in lines)
