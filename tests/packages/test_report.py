from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from datetime import datetime, timezone

import pytest
from trifacta_emulator import Connection, build_package

from airflow_provider_trifacta.client.errors import PackageChangedError
from airflow_provider_trifacta.packages import (
    ContainedFlow,
    Output,
    Recipe,
    Target,
    open_package,
    report_on,
)
from airflow_provider_trifacta.packages.report import LOCAL_ID

UUID = "9bae78c0-2fcb-11e9-9523-77f56ed58844"
WAREHOUSE = Connection(id=5, name="warehouse", uuid="e75c2470-d728-11e9-8f1a-a3332515213f")


@pytest.fixture
def report(tmp_path):
    """Return a function that reports on a package, or on a definition that is made one."""
    path = tmp_path / "flow.zip"

    def make(content):
        if not isinstance(content, bytes):
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w") as archive:
                archive.writestr("flow.json", json.dumps(content))
            content = buffer.getvalue()
        path.write_bytes(content)
        with open_package(path) as package:
            return report_on(package)

    return make


def definition(data, **metadata):
    known = {"uuid": UUID, "trifactaVersion": "8.0.0+1", "primaryFlowIds": [1]}
    return {"metadata": {**known, **metadata}, "data": data}


@pytest.mark.parametrize("generation", ["6.0", "6.8", "8.0"])
def test_every_generation_tells_the_same(report, generation):
    content = build_package(
        "Örders",
        generation=generation,
        uuid=UUID,
        exported_at=datetime(2024, 5, 6, 7, 8, 9, 123000, tzinfo=timezone.utc),
        edition="Enterprise",
        comment=" for May\n",
        connections=[WAREHOUSE],
        output_path="s3://bucket/orders.csv",
    )
    found = report(content)
    assert (found.file, found.size, found.sha256) == (
        "flow.zip",
        len(content),
        hashlib.sha256(content).hexdigest(),
    )
    assert (found.package_uuid, found.edition) == (UUID, "Enterprise")
    assert found.comment == ("for May" if generation == "8.0" else None)
    (flow,) = found.flows
    assert (flow.name, flow.primary) == ("Örders", True)
    (dataset,) = found.inputs
    assert (dataset.name, dataset.flow_id, dataset.connection) == (
        "orders.csv",
        flow.id,
        "warehouse",
    )
    (recipe,) = found.recipes  # and not the dataset's parsing
    assert (recipe.name, recipe.flow_id) == ("Örders recipe", flow.id)
    (output,) = found.outputs
    assert (output.recipe, output.flow_id, output.manual) == ("Örders recipe", flow.id, True)
    assert output.targets == [Target("file", "s3://bucket/orders.csv", "csv", "create", None)]
    (connection,) = found.connections
    assert (connection.id, connection.name, connection.type) == (5, "warehouse", "jdbc")
    assert connection.vendor == (None if generation == "6.0" else "postgres")
    assert connection.rule == {
        "tableName": "connections",
        "onCondition": {"uuid": WAREHOUSE.uuid},
        "withCondition": {"id": LOCAL_ID},
    }
    assert [warning[:21] for warning in found.warnings] == (
        ["Exported by 6.0.1+235"] if generation == "6.0" else []
    )
    assert found.as_dict()["exported_at"] == "2024-05-06T07:08:09.123+00:00"
    assert json.loads(json.dumps(found.as_dict())) == found.as_dict()


@pytest.mark.parametrize("word", ["undefined", "None", "", " \n", " undefined "])
def test_what_stands_for_no_comment_is_none(report, word):
    assert report(definition({}, comment=word)).comment is None
    assert report(definition({}, comment=f"{word} but this")).comment.endswith("but this")


@pytest.mark.parametrize("generation", ["6.0", "6.8", "8.0"])
def test_without_a_manual_output_there_is_a_warning(report, generation):
    found = report(build_package("Orders", generation=generation, adhoc_output=False))
    assert found.outputs == []
    assert found.warnings[-1].startswith("The primary flow 'Orders' has no manual output")


#: What one can count in the definitions by hand: recipes, and outputs that are manual or not.
REAL = {
    "flow_13__v6.0": (16, [], ["before 6.8", "no manual output"]),
    "flow_23__v6.0_parameterised": (13, [], ["before 6.8", "no manual output"]),
    "flow_53__v6.8_parameterised": (1, [], ["no manual output"]),
    "flow_63__v6.8": (1, [True], []),
    "flow_personalize__v7.1": (6, [True] * 4, []),
    "flow_update_reviews__v7.6": (1, [True], []),
    "flow_custom_calendars__v7.8": (1, [], ["no manual output"]),
    "flow_google_forms__v8.0_json5": (5, [True, False] * 4, []),
    "flow_pricing__v8.6_json5_artifact": (3, [True, False], []),
    "flow_dataprep_demo__v6.8_dataprep_sheet": (4, [True], []),
    "flow_customer_sales__v8.9_json5_parameterised": (4, [True], []),
}
REAL_COMMENTS = {"flow_personalize__v7.1": "personalize_completed_without_outputs"}
#: What the last output of each writes.
REAL_TARGETS = {
    "flow_63__v6.8": Target(
        "file",
        "adl://victoradls1.azuredatalakestore.net:443/home/trifacta/queryResults/Customers___2.csv",
        *("csv", "create", None),
    ),
    "flow_google_forms__v8.0_json5": Target(
        "table",
        "content-collaboration.DesignPattern.A000111_CoreAnswers",
        "bigquery",
        "dropAndLoad",
        None,
        "A000111_CoreAnswers",
    ),
    "flow_pricing__v8.6_json5_artifact": Target(
        "file",
        "gs://dataprep-staging-b1/bcariou@trifacta.com/jobrun/Schema Mapping .csv",
        *("csv", "create", None),
    ),
}


def test_real_packages(real_package):
    with open_package(real_package) as package:
        found = report_on(package)
    recipes, manual, warnings = REAL[real_package.stem]
    assert len(found.recipes) == recipes
    assert found.comment == REAL_COMMENTS.get(real_package.stem)
    assert [output.manual for output in found.outputs] == manual
    assert all(flow.primary for flow in found.flows)
    assert {recipe.flow_id for recipe in found.recipes} == {flow.id for flow in found.flows}
    assert len(found.warnings) == len(warnings)
    assert all(words in warning for words, warning in zip(warnings, found.warnings, strict=True))
    assert all(one.rule["onCondition"] == {"uuid": one.uuid} for one in found.connections)
    if real_package.stem in REAL_TARGETS:
        assert found.outputs[-1].targets == [REAL_TARGETS[real_package.stem]]


def test_flat_outputs_find_their_tables_and_connections(report):
    found = report(
        definition(
            {
                "flows": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
                "flownodes": [
                    {"id": 10, "flowId": 2, "scriptId": 20, "wrangled": True},
                    {"id": 11, "flowId": 1, "scriptId": 21, "wrangled": True},
                    {"id": 12, "flowId": 1, "scriptId": 22},
                    {"id": 13, "flowId": 1, "scriptId": 23, "wrangled": False},
                ],
                "editablescripts": [
                    {"id": 20, "name": "Upper"},
                    {"id": 21, "name": "lower"},
                    {"id": 22, "name": "set"},
                    {"id": 23, "name": "set"},
                ],
                "datasources": [{"id": 30, "parsingScriptId": 22}],
                "outputobjects": [
                    {"id": 40, "flowNodeId": 10, "isAdhoc": True},
                    {"id": 41, "flowNodeId": 11, "isAdhoc": False},
                    {"flowNodeId": 10, "isAdhoc": False},
                ],
                "publications": [
                    {
                        "outputObjectId": 40,
                        "path": ["db", "public"],
                        "tableName": "t",
                        "targetType": "postgres",
                        "action": "append",
                        "connectionId": 5,
                    },
                    {"outputObjectId": 99, "tableName": "of another"},
                    {"tableName": "of none"},
                ],
                "connections": [{"id": 5, "name": "warehouse"}],
            }
        )
    )
    assert found.flows == [ContainedFlow(1, "a", True), ContainedFlow(2, "b", False)]
    assert found.recipes == [Recipe(21, "lower", 1), Recipe(20, "Upper", 2)]
    assert found.outputs == [
        Output(41, "lower", 1, False, []),
        Output(
            40,
            "Upper",
            2,
            True,
            [Target("table", "db.public.t", "postgres", "append", "warehouse", "t")],
        ),
        Output(None, "Upper", 2, False, []),
    ]
    assert found.connections[0].rule["onCondition"] == {"id": "5"}
    # The manual output is another flow's.
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith("The primary flow 'a' has no manual output")


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("6.4.2+1", "Exported by 6.4.2+1, before 6.8"),
        ("5.10.0", "Exported by 5.10.0, before 6.8"),
        ("6.8.0+1", None),
        ("10.4", None),
        ("new", "does not say which release"),
        (None, "does not say which release"),
        (7, "does not say which release"),
    ],
)
def test_the_exporters_release_is_judged(report, version, words):
    flow = {"id": 1, "name": "f", "outputobjects": [{"id": 2, "isAdhoc": True}]}
    warnings = report(definition({"flows": [flow]}, trifactaVersion=version)).warnings
    assert [words in warning for warning in warnings] == ([True] if words else [])


@pytest.mark.parametrize("primary", [None, [], [7], ["1"], 1, [True]])
def test_an_unknown_primary_flow_is_warned_of(report, primary):
    found = report(definition({"flows": [{"id": 1, "name": "f"}]}, primaryFlowIds=primary))
    assert [flow.primary for flow in found.flows] == [False]
    assert found.warnings == [
        "The package does not say which flow is primary, and a deployment runs the primary flow."
    ]


@pytest.mark.parametrize("output", [{"flowNodeId": 9, "isAdhoc": True}, {"flowNodeId": 10}])
def test_what_is_not_told_raises_no_false_alarm(report, output):
    nodes = [{"id": 10, "flowId": 1, "scriptId": 20}]
    scripts = [{"id": 20, "name": "r"}]
    data = {
        "flows": [{"id": 1, "name": "f"}],
        "flownodes": nodes,
        "editablescripts": scripts,
        "outputobjects": [output],
    }
    assert report(definition(data)).warnings == []


ODD = [
    None,
    [],
    {},
    "text",
    5,
    True,
    [[]],
    ["x", None],
    {"id": 1},
    [{}],
    [{"id": []}],
    [{"id": None}],
    [{"id": 2**70}],
]
TABLES = [
    "flownodes",
    "recipes",
    "editablescripts",
    "datasources",
    "outputobjects",
    "writesettings",
    "publications",
]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_tables_count_as_empty(report, odd):
    tables = dict.fromkeys(TABLES, odd)
    for data in (
        odd,
        {"flows": odd, "connections": odd, **tables},
        {"flows": [{"id": 1, "name": odd, **tables}]},
    ):
        found = report(definition(data, comment=odd, exportedAt=odd))
        assert found.recipes == []
        assert {output.recipe for output in found.outputs} <= {None}
        assert [connection.rule for connection in found.connections if connection.id is None] == [
            None for _ in found.connections
        ]
        json.dumps(found.as_dict())


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_fields_count_as_not_told(report, odd):
    flow = {
        "id": 1,
        "name": "f",
        "flownodes": [{"id": 10, "scriptId": 20, "wrangled": odd}],
        "recipes": [{"id": 20, "name": "r"}],
        "outputobjects": [
            {
                "id": 40,
                "flowNodeId": 10,
                "isAdhoc": "yes",
                "publications": [
                    {"path": odd, "tableName": "t", "targetType": odd, "connectionId": odd}
                ],
            }
        ],
    }
    (output,) = report(definition({"flows": [flow]})).outputs
    assert (output.recipe, output.manual) == ("r", None)
    (target,) = output.targets
    assert target.path in ("t", "text.t", "x.t")
    assert target.connection is None


def test_a_package_that_was_cut_short_meanwhile_is_an_error(tmp_path):
    path = tmp_path / "flow.zip"
    path.write_bytes(build_package())
    with open_package(path) as package:
        with path.open("r+b") as file:
            file.truncate(100)
        with pytest.raises(PackageChangedError):
            report_on(package)


def test_many_rows_take_no_time(report):
    """Half a second where it is done right, minutes where each output looks through all that is
    written."""
    begin = time.process_time()
    count = 20_000
    rows = [{"id": number, "outputObjectId": number, "path": "p"} for number in range(1, count + 1)]
    found = report(definition({"flows": [], "outputobjects": rows, "writesettings": rows}))
    assert [len(output.targets) for output in found.outputs] == [1] * count
    assert time.process_time() - begin < 10
