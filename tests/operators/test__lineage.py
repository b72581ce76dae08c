"""What OpenLineage is told of a run: names of datasets, the jobs, and nothing secret."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import time
from pathlib import Path
from uuid import UUID

import pytest
from airflow.models import DagBag
from trifacta_emulator import (
    Answer,
    Connection,
    Emulator,
    EmulatorOptions,
    Fault,
    Hold,
    PresetFlow,
    Reset,
    RunOutcome,
    read_package,
)

from airflow_provider_trifacta._compat import KEEPS_STATE, AirflowFailException
from airflow_provider_trifacta.client import ClientConfig
from airflow_provider_trifacta.operators import _lineage
from airflow_provider_trifacta.operators.deployment import RunDeploymentOperator
from airflow_provider_trifacta.operators.run import RunFlowOperator

HERE = "https://trifacta.example.com:3005"
DAGS = Path(__file__).parent.parent / "dags"


@pytest.mark.parametrize(
    ("uri", "namespace", "name"),
    [
        ("s3://bucket/in/a.csv", "s3://bucket", "in/a.csv"),
        ("s3a://KEY:SECRET@bucket/in/", "s3://bucket", "in"),
        ("gs://bucket/a b@c.csv", "gs://bucket", "a b@c.csv"),
        ("hdfs://name-node:8020/out/a.csv", "hdfs://name-node:8020", "/out/a.csv"),
        ("hdfs:///out/a.csv", "hdfs", "/out/a.csv"),
        ("file:///out/a.csv", "file://trifacta.example.com", "/out/a.csv"),
        ("/out/a.csv", "file://trifacta.example.com", "/out/a.csv"),
        (
            "abfss://data@account.dfs.core.windows.net/in/a.csv",
            "abfss://data@account.dfs.core.windows.net",
            "in/a.csv",
        ),
        (
            "wasb://data@account.blob.core.windows.net/a?sig=SECRET",
            "wasbs://data@account.blob.core.windows.net",
            "a",
        ),
        (
            "wasb://me:SECRET@account.blob.core.windows.net/a",
            "wasbs://account.blob.core.windows.net",
            "a",
        ),
        ("adl://account:443/home/x.csv", "adl://account:443", "/home/x.csv"),
        ("https://me:SECRET@host/a.csv?token=SECRET#SECRET", "https://host", "/a.csv"),
    ],
)
def test_files(uri, namespace, name):
    assert _lineage.dataset_name({"uri": uri}, HERE) == (namespace, name)


@pytest.mark.parametrize(
    ("vendor", "text", "path", "dataset"),
    [
        (
            "postgres",
            "jdbc:postgresql://DB.example.com:5432/trifacta?ssl=true",
            "public",
            "postgres://db.example.com:5432 trifacta.public.orders",
        ),
        (
            "postgres",
            "jdbc:postgresql://db/other",
            "trifacta public",
            "postgres://db:5432 trifacta.public.orders",
        ),
        (
            "postgres",
            "jdbc:postgresql://me:SEC/RET@db/x?password=SECRET",
            "public",
            "postgres://db:5432 x.public.orders",
        ),
        (
            "redshift",
            "jdbc:redshift://dw.ab1.us-east-1.redshift.amazonaws.com:5439/dev",
            "public",
            "redshift://dw.us-east-1:5439 dev.public.orders",
        ),
        (
            "oracle",
            "jdbc:oracle:thin:@//db:1521/ORCL",
            "SALES",
            "oracle://db:1521 ORCL.SALES.orders",
        ),
        (
            "oracle",
            "jdbc:oracle:thin:me/SECRET@db:1522:SID",
            "SALES",
            "oracle://db:1522 SID.SALES.orders",
        ),
        (
            "sqlserver",
            "jdbc:sqlserver://db:1433;databaseName=shop;user=me;password=SECRET",
            "dbo",
            "mssql://db:1433 shop.dbo.orders",
        ),
        (
            "sqldatawarehouse",
            "jdbc:sqlserver://dw:1433;database=shop",
            "shop dbo",
            "sqlserver://dw:1433 dbo.orders",
        ),
        (
            "snowflake",
            "jdbc:snowflake://acme-x.snowflakecomputing.com/?db=SHOP&warehouse=W",
            "PUBLIC",
            "snowflake://acme-x SHOP.PUBLIC.orders",
        ),
        (
            "bigquery",
            "jdbc:bigquery://https://host/v2:443;ProjectId=acme-1;OAuthPvtKey=SECRET",
            "sales",
            "bigquery acme-1.sales.orders",
        ),
        ("bigquery", "", "acme-1 sales", "bigquery acme-1.sales.orders"),
        ("mysql", "jdbc:mysql://db:3306/", "shop", "mysql://db:3306 shop.orders"),
        (
            "teradata",
            "jdbc:teradata://db/DATABASE=x,USER=me,PASSWORD=SECRET,DBS_PORT=1026",
            "shop",
            "teradata://db:1026 shop.orders",
        ),
        (
            "db2",
            "jdbc:db2://db:50000/shop:user=me;password=SECRET;",
            "SALES",
            "db2://db:50000 shop.SALES.orders",
        ),
        (
            "hive",
            "jdbc:hive2://db:10000/default;principal=hive/_HOST",
            "shop",
            "hive://db:10000 shop.orders",
        ),
        (
            "greenplum",
            "jdbc:pivotal:greenplum://db:5432;DatabaseName=shop",
            "dbo",
            "greenplum://db:5432 dbo.orders",
        ),
    ],
)
def test_tables(vendor, text, path, dataset):
    """A dataset is written here as namespace and name."""
    row = {
        "vendor": vendor,
        "databaseConnectString": text,
        "relationalPath": path.split(),
        "table": "orders",
    }
    assert _lineage.dataset_name(row, HERE) == tuple(dataset.split())


@pytest.mark.parametrize(
    "row",
    [
        {"uri": "s3:///no-bucket"},
        {"uri": "s3://bucket/a\x1b[2J.csv"},
        {"uri": "s3://bucket/\ud83d.csv"},
        {"uri": "s3://bucket/a\nb.csv"},
        {"uri": f"s3://bucket/{'x' * 10_000}"},
        {"vendor": "bigquery", "relationalPath": ["p", "d"], "table": "t\u202e"},
        {"uri": "s3://KEY:SEC/RET@bucket/a.csv"},
        {"uri": "hdfs://me:12/34@host/a"},
        {"uri": "jdbc:postgresql://me:SECRET@db/x"},
        {"uri": None},
        {
            "vendor": "postgres",
            "databaseConnectString": "jdbc:postgresql://db:5432/x",
            "query": ["select 1"],
        },
        {
            "vendor": "postgres",
            "databaseConnectString": "jdbc:postgresql://db:5432/",
            "table": "orders",
        },
        {
            "vendor": None,
            "databaseConnectString": None,
            "relationalPath": ["public"],
            "table": "orders",
        },
        {
            "vendor": "bigquery",
            "databaseConnectString": "",
            "relationalPath": ["sales"],
            "table": "orders",
        },
    ],
)
def test_a_name_that_would_be_a_guess_is_left_out(row):
    assert _lineage.dataset_name(row, HERE) is None


@pytest.mark.parametrize(
    "text",
    [
        "mysql://me:12;SECRET@db/x",
        "mysql://me:1@2;SECRET@db/x",
        "mysql://db:3306;password=S@3",
        "mysql:db",
        "db",
    ],
)
def test_what_may_be_a_part_of_a_login_is_no_address(text):
    row = {
        "vendor": "mysql",
        "databaseConnectString": f"jdbc:{text}",
        "relationalPath": ["shop"],
        "table": "orders",
    }
    assert _lineage.dataset_name(row, HERE) is None


FILES = [[("s3://dev", "in.csv")], [("s3://prod", "out.csv")]]
INPUTS = {"method": "GET", "path": "/v4/jobGroups/*/inputs"}


@pytest.fixture
def instance(use_connection, make_package):
    """An instance whose live release, and whose flow, read and write a bucket."""
    places = {"dataset_path": "s3://dev/in.csv", "output_path": "s3://prod/out.csv"}
    package, flow = make_package(**places), PresetFlow("Daily", **places)
    options = EmulatorOptions(job_start_seconds=0, job_run_seconds=0.2, flows=(flow,))
    with Emulator(options) as emulator, package.open("rb") as file:
        use_connection(emulator.url)
        emulator.store.create_deployment("Orders")
        emulator.store.create_release(1, read_package(file))
        yield emulator


@pytest.fixture
def ask(instance):
    """Return a function that runs the deployment, and asks what its jobs read and wrote."""

    def run(count=1, **package):
        ids = [one.id for _ in range(count) for one in instance.store.run_deployment(1)]
        config = ClientConfig(
            base_url=instance.url, login="admin@example.com", password="admin-password"
        )
        return _lineage._ask(lambda: config, ids, **package)

    return run


def asked(emulator):
    return [
        call.path.rpartition("/")[2]
        for call in emulator.calls
        if call.path.endswith(("/inputs", "/outputs"))
    ]


def test_job_groups_of_one_run_tell_each_dataset_once(ask, instance):
    assert list(ask(2)) == FILES
    assert asked(instance) == ["inputs", "outputs"] * 2


def test_a_table_of_a_connection(ask, make_package, instance):
    connection = instance.store.create_connection("orders")
    package = make_package(connections=[Connection(24, "orders", connection.uuid)])
    with package.open("rb") as file:
        instance.store.create_release(1, read_package(file))
    [[dataset], _] = ask()
    assert dataset == ("postgres://postgres.example.com:5432", "trifacta.public.orders")


@pytest.mark.parametrize("status", [400, 403, 404])
def test_what_is_not_told_for_a_job_is_left_out(ask, instance, status):
    instance.faults.add(Fault(Answer(status), **INPUTS))
    assert list(ask()) == [[], FILES[1]]


@pytest.mark.parametrize("status", [400, 403, 404])
@pytest.mark.parametrize(
    ("package", "told"),
    [
        ({"dataset_path": "s3://dev/kept.csv"}, [("s3://dev", "kept.csv")]),
        ({"connections": [Connection(24, "orders", str(UUID(int=1)))]}, []),
    ],
)
def test_the_package_stands_in_for_inputs_that_are_not_told(
    ask, instance, make_package, status, package, told
):
    instance.faults.add(Fault(Answer(status), **INPUTS))
    assert list(ask(package_path=make_package(**package))) == [told, FILES[1]]


def test_the_package_is_not_read_if_the_instance_tells(ask, tmp_path):
    assert list(ask(package_path=tmp_path / "missing.zip")) == FILES


def test_a_missing_package_is_no_failure(ask, instance, tmp_path):
    instance.faults.add(Fault(Answer(400), **INPUTS))
    assert list(ask(package_path=tmp_path / "missing.zip")) == [[], FILES[1]]


@pytest.mark.parametrize(
    "rows", [None, "x", [3, {}, {"uri": 5}, {"vendor": 1, "table": "x", "relationalPath": "y"}]]
)
def test_rows_that_are_not_as_documented_are_left_out(ask, instance, rows):
    instance.faults.add(
        Fault(Answer(200, body={"data": [3, {"name": "Daily", "inputs": rows}]}), **INPUTS)
    )
    assert list(ask()) == [[], FILES[1]]


@pytest.mark.parametrize(
    "effect", [Reset("before_body"), Answer(500), Answer(401), Answer(200, html="<p>Sign in</p>")]
)
def test_a_failure_ends_the_questions(ask, instance, effect, caplog):
    instance.faults.add(Fault(effect, **INPUTS))
    assert list(ask(2)) == [[], []]
    assert asked(instance) == ["inputs"]
    levels = [one.levelname for one in caplog.records if one.name == _lineage.__name__]
    assert levels.count("WARNING") == 1


def test_a_slow_instance_is_not_waited_for(ask, instance, monkeypatch):
    monkeypatch.setattr(_lineage, "_SECONDS", 0.1)
    instance.faults.add(Fault(Hold("before_body"), **INPUTS))
    began = time.monotonic()
    assert list(ask(3)) == [[], []]
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("deferrable", [False, True])
def test_nothing_is_asked_without_openlineage(execute, instance, deferrable):
    result, _ = execute(
        RunDeploymentOperator(
            task_id="run", deployment_id=1, poke_interval=0.1, deferrable=deferrable
        )
    )
    assert result["outcome"] == "complete"
    assert asked(instance) == []


needs_openlineage = pytest.mark.skipif(
    not importlib.util.find_spec("openlineage"),
    reason="apache-airflow-providers-openlineage is not installed",
)


@needs_openlineage
@pytest.mark.parametrize("deferrable", [False, True])
def test_a_run_of_a_flow(execute, instance, deferrable):
    flow = instance.store.flows()[0]
    operator = RunFlowOperator(
        task_id="run", flow_name="Daily", poke_interval=0.1, deferrable=deferrable
    )
    execute(operator)
    told = operator.get_openlineage_facets_on_complete(None)
    assert [
        [(one.namespace, one.name) for one in datasets] for datasets in (told.inputs, told.outputs)
    ] == FILES
    assert (
        told.job_facets["documentation"].description == f"Runs flows [{flow.id}] of {instance.url}"
    )


@needs_openlineage
@pytest.mark.parametrize("waiting", [{}, {"wait_for_completion": False}])
def test_a_run_that_is_not_complete_tells_its_jobs_only(execute, instance, waiting):
    """It has failed, or was only started."""
    instance.runs.add(RunOutcome(status="Failed"))
    operator = RunDeploymentOperator(task_id="run", deployment_id=1, poke_interval=0.1, **waiting)
    with contextlib.suppress(AirflowFailException):
        execute(operator)
    before = asked(instance)
    told = operator.get_openlineage_facets_on_complete(None)
    (job_group,) = instance.store.job_groups()
    assert told.run_facets["externalQuery"].externalQueryId == str(job_group.id)
    assert (told.inputs, told.outputs, asked(instance)) == ([], [], before)


@needs_openlineage
def test_a_run_that_did_not_start_tells_nothing():
    told = RunDeploymentOperator(task_id="run", deployment_id=1).get_openlineage_facets_on_complete(
        None
    )
    assert (told.inputs, told.outputs, told.run_facets, told.job_facets) == ([], [], {}, {})


@pytest.fixture
def events(tmp_path, monkeypatch):
    """Turn OpenLineage on as a site does, with a file for its events, and return a function that
    reads them."""
    from airflow.providers.openlineage.plugins.listener import OpenLineageListener
    from airflow.sdk.listener import get_listener_manager

    class TaskListener(OpenLineageListener):
        on_dag_run_running = on_dag_run_success = None  # these would start a process of their own

    listeners = (
        get_listener_manager()
    )  # it loads the plugin, which must not stay on after this test
    path = tmp_path / "events"
    transport = {"type": "file", "log_file_path": str(path), "append": True}
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(transport))
    policy = [
        {"scope": {}, "controls": {"include_full_task_info": True}}
    ]  # the operator's attributes too
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__EMISSION_POLICY", json.dumps(policy))
    listeners.add_listener(TaskListener())
    yield path.read_text
    listeners.clear()


@pytest.fixture
def run_dag(airflow_db, monkeypatch):  # noqa: ARG001
    """Return a function that runs the DAG. It resumes a deferred task as the scheduler does, and
    unlike ``dag.test``, which drops what the task gave to the trigger."""
    from airflow.sdk.definitions import dag
    from airflow.sdk.execution_time import supervisor

    run_task, run_trigger, last = supervisor.run_task_in_process, dag._run_inline_trigger, []

    def run(**keywords):
        last[:] = [run_task(**keywords)]
        return last[0]

    def trigger(*arguments):
        last[0].msg.next_kwargs["event"] = run_trigger(*arguments).payload

    monkeypatch.setattr(supervisor, "run_task_in_process", run)
    monkeypatch.setattr(dag, "_run_inline_trigger", trigger)
    bundle = {
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(DAGS)},
    }
    bundles = json.dumps([{"name": "dags-folder", **bundle}])
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", bundles)
    return lambda: DagBag(str(DAGS / "lineage.py")).dags["lineage"].test()


@needs_openlineage
@pytest.mark.skipif(not KEEPS_STATE, reason="dag.test is another one before Airflow 3.3")
def test_events_of_a_dag_run(events, run_dag, instance):
    assert run_dag().state == "success"
    text = events()
    told = [one for one in map(json.loads, text.splitlines()) if one["eventType"] == "COMPLETE"]
    assert [one["job"]["name"] for one in told] == ["lineage.in_worker", "lineage.deferred"]
    for event, job_group in zip(told, instance.store.job_groups(), strict=True):
        names = [
            [(one["namespace"], one["name"]) for one in event[key]] for key in ("inputs", "outputs")
        ]
        assert names == FILES
        facets = event["run"]["facets"]
        query, tags = facets["externalQuery"], facets["tags"]["tags"]
        assert (query["externalQueryId"], query["source"]) == (str(job_group.id), instance.url)
        assert ("trifacta_job_url", f"{instance.url}/jobs/{job_group.id}") in [
            (one["key"], one["value"]) for one in tags
        ]
        assert (
            event["job"]["facets"]["documentation"]["description"]
            == f"Runs deployment 1 of {instance.url}"
        )
    assert asked(instance) == ["inputs", "outputs"] * 2
    assert "admin-password" not in text
