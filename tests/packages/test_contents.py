from __future__ import annotations

import json

import pytest
from trifacta_emulator import Connection, build_package

from airflow_provider_trifacta.packages import Input, open_package
from airflow_provider_trifacta.packages.contents import read_contents

WAREHOUSE = Connection(id=5, name="warehouse", uuid="e75c2470-d728-11e9-8f1a-a3332515213f")


def read_inputs(data: dict) -> list[Input]:
    return read_contents({"data": data}).inputs


@pytest.fixture
def built(tmp_path):
    """Return a function that builds a package and gives its inputs."""

    def make(**options):
        path = tmp_path / "flow.zip"
        path.write_bytes(build_package(**options))
        with open_package(path) as package:
            return package.contents.inputs

    return make


@pytest.mark.parametrize("generation", ["6.0", "6.8", "8.0"])
@pytest.mark.parametrize(
    ("options", "kind", "path", "connection", "parameters"),
    [
        ({"dataset_path": "s3://dev/in.csv"}, "file", "s3://dev/in.csv", None, []),
        ({"dataset_path": "/in/orders.csv"}, "file", "hdfs:///in/orders.csv", None, []),
        ({"connections": [WAREHOUSE]}, "table", "public.orders", "warehouse", []),
        (
            {"connections": [WAREHOUSE], "dataset_path": "s3://dev/in.csv"},
            *("file", "s3://dev/in.csv", "warehouse", []),
        ),
        (
            {
                "dataset_path": "s3://dev/{region}/orders-{day}.csv",
                "dataset_parameters": {"day": "mon", "region": "eu"},
            },
            *("file", "s3://dev//orders-.csv", None, ["region", "day"]),
        ),
    ],
)
def test_every_generation_tells_the_same(
    built, generation, options, kind, path, connection, parameters
):
    (one,) = built(generation=generation, **options)
    assert one == Input(
        one.id,
        "orders.csv",
        one.flow_id,
        kind,
        path,
        connection,
        bool(parameters),
        parameters,
        table="orders" if kind == "table" else None,
    )
    assert one.id is not None
    assert one.flow_id is not None


UPLOAD = "7cdd47f0-449b-4a95-82a0-dbe4f4d1a626"
#: Name, kind, path and connection of each dataset, and the names of its parameters, None where it
#: is not parameterised.
REAL = {
    "flow_13__v6.0": [
        ("Contrats.csv", "file", "adl:///developpement/data/Contrats.csv", None, None),
        ("Referentiel", "table", "public.Referentiel", "postgres", None),
        ("Risques.csv", "file", "adl:///developpement/data/Risques.csv", None, None),
        ("Societaires.csv", "file", "adl:///developpement/data/Societaires.csv", None, None),
    ],
    "flow_23__v6.0_parameterised": [
        ("Fichier Contrats", "file", "hdfs:///production/data/.csv", None, ["Fichier_Contrats"]),
        ("Fichier Risques", "file", "hdfs:///production/data/.csv", None, ["Fichier_Risques"]),
        (
            "Fichier Sociétaires",
            "file",
            "hdfs:///production/data/.csv",
            None,
            ["Fichier_Societaires"],
        ),
        ("Referentiel", "table", "public.Referentiel", "postgres", None),
    ],
    "flow_53__v6.8_parameterised": [
        ("SQL Dataset 1", "query", 'select * from "Customers"', "PostgreSQL", [])
    ],
    "flow_63__v6.8": [("Customers", "table", "public.Customers", "PostgreSQL", None)],
    "flow_personalize__v7.1": [
        (
            "IMDB title",
            "file",
            f"s3://personalize.amer.trifacta.net/trifacta/uploads/1/{UPLOAD}/title%20%E2%80%93%202.basics.tsv.gz",
            *(None, None),
        ),
        (
            "links.csv",
            "file",
            "s3://personalize.amer.trifacta.net/ml-latest-small/links.csv",
            None,
            None,
        ),
        (
            "movies.csv",
            "file",
            "s3://personalize.amer.trifacta.net/ml-latest-small/movies.csv",
            None,
            None,
        ),
        ("u.data", "file", "s3://personalize.amer.trifacta.net/ml-100k/u.data", None, None),
    ],
    "flow_update_reviews__v7.6": [
        ("hotel_reviewdata", "table", "dev.hotel_reviewdata", "Internal Analytics", None)
    ],
    "flow_custom_calendars__v7.8": [("dummy", "query", "select 1 as dummy", None, [])],
    "flow_google_forms__v8.0_json5": [
        (
            "Design Pattern Analytics Knowledge Survey (Responses)/Form Responses 1 \u2013 3",
            *("file", "gsheets:///1DgIlvlLceFDqWEJs91F8rt1B-X0PJGLY6shkKGBPWpk", None, None),
        )
    ],
    "flow_pricing__v8.6_json5_artifact": [
        (
            "Company_Descriptions \u2013 2",
            *("table", "trifactausers-all.Bertrand_Dataprep.Company_Descriptions", None, None),
        ),
        (
            "Product Pricing Data/Sheet1",
            *("file", "gsheets:///1dfYQT2eV_AN3_o6_uDY0STsQ3YjWTpHhEjUZNSQueAU", None, None),
        ),
        *(
            (
                f"Transaction Data/20200{month} \u2013 2",
                *("file", "gsheets:///17uHlnaCAlpi1szPEDp8yNMXzFZ2T4Pg7rJvKZC_yZkY", None, None),
            )
            for month in (1, 2, 3)
        ),
    ],
    "flow_dataprep_demo__v6.8_dataprep_sheet": [
        (
            *("Dynamic Customer CSV File", "file"),
            *(
                "gs://dataprep-staging-0b9ad034-9473-4777-98f1-0f3e643d0dce/landingzone/",
                None,
                ["FileName"],
            ),
        ),
        (
            *("Occupation Mapping Sheet", "file"),
            *("gsheets:///10EvnxBM1jXcJj62K7ovAdcA3I8JMOWGU8XUty4bU_C4", None, None),
        ),
    ],
    "flow_customer_sales__v8.9_json5_parameterised": [
        ("Dynamic Customer CSV File", "file", "s3://customer-sales/", None, ["Filename"]),
        (
            "Occupation Mapping.xlsx/File 1 \u2013 2",
            "file",
            "s3://abhi-demo-s3/Occupation Mapping.xlsx",
            None,
            None,
        ),
    ],
}


def test_real_packages(real_package):
    with open_package(real_package) as package:
        inputs = package.contents.inputs
    assert [
        (
            one.name,
            one.kind,
            one.path,
            one.connection,
            one.parameters if one.parameterised else None,
        )
        for one in inputs
    ] == REAL[real_package.stem]


@pytest.mark.parametrize(
    ("row", "kind", "path"),
    [
        ({}, "file", None),
        ({"storageLocation": {"path": "/a.csv"}}, "file", "/a.csv"),
        (
            {"storageLocation": {"type": "s3", "bucket": "b", "path": "/a.csv"}},
            "file",
            "s3://b/a.csv",
        ),
        (
            {"storageLocation": {"type": "jdbc", "fullUri": '{"protocol":"jdbc"}', "path": ""}},
            "file",
            "",
        ),
        ({"dynamicPath": "/.csv"}, "file", "/.csv"),
        (
            {"dynamicPath": "/.csv", "storageLocation": {"fullUri": "s3://b/x", "path": "/y"}},
            "file",
            "/.csv",
        ),
        (
            {
                "dynamicPath": "/.csv",
                "dynamicBucket": "all-",
                "storageLocation": {"type": "s3", "fullUri": "s3://b/a", "path": "/a"},
            },
            *("file", "s3://all-/.csv"),
        ),
        ({"relationalsource": {"raw": ["select 1", "from t"]}}, "query", "select 1 from t"),
        ({"relationalsource": {"raw": "select 1"}}, "query", "select 1"),
        ({"relationalsource": {"raw": None, "tableName": "t"}}, "table", "t"),
        ({"relationalsource": {"relationalPath": "s", "tableName": None}}, "table", "s"),
    ],
)
def test_what_is_read(row, kind, path):
    (one,) = read_inputs({"flows": [{"id": 1, "datasources": [row]}]})
    assert (one.kind, one.path, one.flow_id) == (kind, path, 1)


@pytest.mark.parametrize(
    ("dynamic", "expected"), [(True, True), (False, False), (None, False), ("true", False)]
)
def test_what_is_dynamic_is_parameterised(dynamic, expected):
    (one,) = read_inputs({"datasources": [{"id": 1, "isDynamic": dynamic}]})
    assert one.parameterised is expected


def test_rows_that_have_no_ids_belong_to_nothing():
    data = {
        "flownodes": [{"flowId": 2}],
        "editablescripts": [{"name": "of nothing"}],
        "datasources": [{}],
        "storagelocations": [{"path": "/of nothing"}],
        "relationalsources": [{"tableName": "of nothing"}],
        "runparameters": [{}],
        "runparameteredits": [{"overrideKey": "of nothing"}],
        "connections": [{"name": "of nothing"}],
    }
    assert read_inputs(data) == [Input(None, None, None, "file", None, None, False, [])]


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
    "editablescripts",
    "recipes",
    "storagelocations",
    "relationalsources",
    "connections",
]
PARAMETERS = ["runparameters", "runparameteredits"]
FIELDS = [
    *(
        "id",
        "parsingScriptId",
        "storageLocationId",
        "connectionId",
        "isDynamic",
        "dynamicPath",
        "dynamicBucket",
    ),
    *("storageLocation", "relationalsource", "runParameters"),
]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_what_is_odd_is_not_told(odd):
    row = {"id": 1, "isDynamic": True}
    (one,) = read_inputs({"datasources": [row], **dict.fromkeys([*TABLES, *PARAMETERS], odd)})
    assert (one.parameterised, one.parameters, one.kind) == (True, [], "file")
    for field in FIELDS:
        (one,) = read_inputs({"flows": [{"id": 1, "datasources": [{**row, field: odd}]}]})
        json.dumps(vars(one))
        assert one.name is None
    for field in ("path", "fullUri", "type", "bucket"):
        (one,) = read_inputs({"datasources": [{"storageLocation": {field: odd, "id": 1}}]})
        assert one.path in (None, "text")
    for field in ("raw", "relationalPath", "tableName"):
        (one,) = read_inputs({"datasources": [{"relationalsource": {field: odd, "id": 1}}]})
        assert one.path in (None, "text", "x")
    for parameter in ({"runParameterEdit": odd}, {"runParameterEdit": {"overrideKey": odd}}):
        (one,) = read_inputs({"datasources": [{"runParameters": [parameter]}]})
        assert one.parameters in ([], ["text"])
