"""Importing a package into a plain workspace: new flows, once, also if the answer is lost."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace

import pendulum
import pytest
from airflow import DAG
from trifacta_emulator import (
    Answer,
    Connection,
    Fault,
    PresetConnection,
    Reset,
    read_package,
)

from airflow_provider_trifacta.client.errors import (
    ConnectError,
    JournalUnavailableError,
    ServerError,
)
from airflow_provider_trifacta.operators.package import ImportFlowPackageOperator
from airflow_provider_trifacta.task_groups import promote_flow

pytestmark = pytest.mark.every_airflow

IMPORT = {"method": "POST", "path": "/v4/flows/package"}
DEV, PROD = "d75255f0-a245-11e7-8618-adc1dbb4bed0", "11111111-1111-11e7-8618-adc1dbb4bed0"
READS_DEV = {"connections": [Connection(24, "dev", DEV)]}
RETRY, CLEAR = {"try_number": 2, "max_tries": 1}, {"try_number": 2, "max_tries": 2}


@pytest.fixture
def prod(start):
    """Return a function that starts a workspace with the connection prod."""
    return lambda **options: start(
        connections=(PresetConnection("prod", PROD),),
        edition="SaaS",
        deployment_manager=False,
        **options,
    )


@pytest.fixture
def run(execute, make_package):
    """Return a function that imports one package; ``retries`` is 1, so that a try may be a retry or
    a clear."""
    paths = []

    def start(*, package=None, store=None, try_number=1, max_tries=1, dag_run=None, **options):
        if package is not None or not paths:
            paths.append(make_package(**{"flow_name": "Orders", **(package or {})}))
        operator = ImportFlowPackageOperator(
            task_id="t", package_path=str(paths[-1]), retries=1, **options
        )
        return execute(
            operator, store=store, try_number=try_number, max_tries=max_tries, dag_run=dag_run
        )

    return start


def imports(emulator):
    """Count the imports that an emulator did."""
    return sum("imported" in event.what for event in emulator.store.events())


def uses(emulator, flow_id):
    [described] = read_package(io.BytesIO(emulator.store.export_flow(flow_id))).tables[
        "connections"
    ]
    return described["name"]


def test_the_new_flows_are_told(run, prod):
    emulator = prod()
    result, ti = run()
    [flow] = emulator.store.flows()
    assert re.fullmatch(r"\[[0-9a-f]{8}\] Orders", flow.name)
    assert result == {
        "flow_ids": [flow.id],
        "primary_flow_ids": [flow.id],
        "flows": [{"id": flow.id, "name": flow.name, "primary": True}],
        "flow_urls": [f"{emulator.url}/flows/{flow.id}"],
        "package_uuid": ti.pushed["package_uuid"],
        "outcome": "created",
    }
    report = ti.pushed.pop("report")
    assert [place["change"] for place in report["reads"] + report["writes"]] == ["as_in_source"] * 2
    assert "**Reads of `Orders`**" in ti.pushed.pop("report_text")
    assert ti.pushed == result


@pytest.mark.parametrize("theirs", ["dev", "24", 24, DEV])
@pytest.mark.parametrize("ours", ["prod", PROD, "id"])
def test_connections_are_named_in_any_way(run, prod, theirs, ours):
    emulator = prod()
    ours = emulator.store.connections()[0].id if ours == "id" else ours
    result, _ = run(package=READS_DEV, connections={theirs: ours})
    assert uses(emulator, result["flow_ids"][0]) == "prod"


@pytest.mark.parametrize("connections", [{"nobody": "prod"}, {"dev": "nowhere"}])
def test_a_connection_that_is_not_there_is_an_error_before_the_import(
    run, prod, fails, connections
):
    emulator = prod()
    with fails("AmbiguousNameError", found_ids=[]):
        run(package=READS_DEV, connections=connections)
    assert imports(emulator) == 0


@pytest.mark.parametrize(
    "options",
    [
        {"connections": ["dev"]},
        {"connections": {"dev": ""}},
        {"connections": {"dev": None}},
        {"environment_parameters": {"env.a": 5}},
        {"environment_parameters": {"env.a": {"value": 1, "more": 2}}},
        {"folder_id": "None"},
    ],
)
def test_unusable_arguments_are_refused(run, prod, fails, options):
    emulator = prod()
    with fails("InvalidInputError"):
        run(**options)
    assert {call.method for call in emulator.calls} <= {"GET"}


def test_a_connection_without_a_mapping_is_named_with_the_mapping_to_write(run, prod, fails):
    emulator = prod()
    with fails('DryRunFailedError: Add connections={"dev": "<name here>"}'):
        run(package=READS_DEV)
    assert imports(emulator) == 0


@pytest.mark.parametrize("dry_run_first", [True, False])
def test_the_answer_that_asks_for_mappings_shows_them(run, prod, store, fails, dry_run_first):
    emulator = prod(import_hold_up="always")
    package = {
        **READS_DEV,
        "dataset_path": "s3://in/{env.region}",
        "dataset_parameters": {"env.region": "eu"},
    }
    needed = {
        "connections": {"dev": "<name here>"},
        "environment_parameters": {"env.region": "<name here>"},
    }
    with fails("MissingMappingError", mapping=needed):
        run(package=package, store=store, dry_run_first=dry_run_first)
    assert imports(emulator) == 0
    mapped = {
        "connections": {"dev": "prod"},
        "environment_parameters": {"env.region": {"value": "us"}},
    }
    result, _ = run(store=store, dry_run_first=dry_run_first, **CLEAR, **mapped)
    assert (result["outcome"], imports(emulator)) == ("created", 1)


def test_the_folder_and_the_mappings_leave_as_documented(run, prod):
    emulator = prod()
    result, _ = run(folder_id="5")
    assert emulator.store.flow(result["flow_ids"][0]).folder_id == 5
    assert [call.path for call in emulator.calls if call.method == "POST"] == [
        "/v4/flows/package/dryRun",
        "/v4/flows/package",
    ]


def test_a_retry_joins_what_was_made(run, prod, store):
    emulator = prod()
    first, _ = run(store=store)
    again, ti = run(store=store, **RETRY)
    assert again == ti.pushed == {**first, "outcome": "joined"}
    assert imports(emulator) == 1


def test_a_retry_joins_although_the_answer_was_not_read_back(run, prod, store):
    emulator = prod()
    emulator.faults.add(Fault(Answer.unavailable(), method="GET", path="/v4/flows/*", times=None))
    with pytest.raises(ServerError) as caught:
        run(store=store)
    assert str(emulator.store.flows()[0].id) in caught.value.standing
    emulator.faults.clear()
    result, _ = run(store=store, **RETRY)
    assert (result["outcome"], imports(emulator)) == ("joined", 1)


@pytest.mark.parametrize("change", [{"package": {}}, {"folder_id": 5}])
def test_an_abandoned_import_blocks_another_one_until_an_error_named_it(
    run, prod, store, fails, change
):
    """The process died between the request and the answer, and a person wants something else."""
    emulator = prod()
    emulator.faults.add(Fault(Reset("after_commit"), **IMPORT, times=1))
    store.breaks_after = 2  # the try can note the request, and no answer
    with fails("AmbiguousSubmissionError"):
        run(store=store)
    store.broken, store.breaks_after = False, None
    [abandoned] = emulator.store.flows()
    with fails("AmbiguousSubmissionError", flow_ids=[abandoned.id]):
        run(store=store, **CLEAR, **change)
    assert imports(emulator) == 1
    again = {"try_number": 3, "max_tries": 3}
    options = {key: value for key, value in change.items() if key != "package"}
    assert run(store=store, **again, **options)[0]["outcome"] == "created"
    assert imports(emulator) == 2


def test_a_broken_connection_before_the_request_may_be_retried(run, prod, store, use_connection):
    emulator = prod()
    use_connection("http://127.0.0.1:1", extra={"read_retries": 0})
    with pytest.raises(ConnectError):
        run(store=store)
    use_connection(emulator.url)
    assert run(store=store, **RETRY)[0]["outcome"] == "created"
    assert imports(emulator) == 1


@pytest.mark.parametrize("again", [RETRY, CLEAR])
def test_flows_that_a_person_renamed_are_joined(run, prod, store, again):
    emulator = prod()
    first, _ = run(store=store)
    emulator.store.edit_flow(first["flow_ids"][0], name="Other name")
    result, _ = run(store=store, **again)
    assert (result["outcome"], result["flows"][0]["name"], imports(emulator)) == (
        "joined",
        "Other name",
        1,
    )


@pytest.mark.parametrize("change", [{"package": {}}, {"folder_id": 5}])
def test_a_retry_imports_nothing_else(run, prod, store, fails, change):
    emulator = prod()
    run(store=store)
    with fails("InterruptedChangeError"):
        run(store=store, **RETRY, **change)
    assert run(store=store, **CLEAR, **change)[0]["outcome"] == "created"
    assert imports(emulator) == 2


def test_a_retry_without_its_journal_imports_nothing(run, prod, store):
    emulator = prod()
    run(store=store)
    store.get = lambda *_: 1 / 0
    with pytest.raises(JournalUnavailableError):
        run(store=store, **RETRY)
    assert imports(emulator) == 1


@pytest.mark.parametrize("deleted", [True, False])
def test_before_airflow_3_3_a_retry_does_not_import_if_such_flows_are_there(
    run, prod, fails, deleted
):
    emulator = prod()
    first, _ = run()
    if deleted:
        emulator.store.delete_flow(first["flow_ids"][0])
    with fails("AmbiguousSubmissionError", flow_ids=first["flow_ids"]):
        run(dag_run=SimpleNamespace(start_date=pendulum.now("UTC").add(hours=1)), **RETRY)
    assert imports(emulator) == 1


def test_before_airflow_3_3_flows_of_earlier_runs_that_were_renamed_do_not_stop_a_retry(run, prod):
    emulator = prod()
    emulator.store.edit_flow(run()[0]["flow_ids"][0], name="Orders")
    result, _ = run(dag_run=SimpleNamespace(start_date=pendulum.now("UTC").add(hours=1)), **RETRY)
    assert (result["outcome"], imports(emulator)) == ("created", 2)


@pytest.mark.parametrize(
    "wrong", [{"primaryFlowIds": [1001], "flows": []}, {"primaryFlowIds": None}, []]
)
def test_an_answer_that_does_not_fit_is_a_doubt(run, prod, fails, wrong):
    emulator = prod()
    emulator.store.create_flow("Other")
    emulator.faults.add(Fault(Answer(201, body=wrong, when="after_commit"), **IMPORT, times=1))
    with fails("AmbiguousSubmissionError", flow_ids=[1003]):  # the dry run took an id
        run()


def test_dropped_objects_fail_after_the_xcoms(run, prod, store, execute, fails):
    emulator = prod()
    body = {
        "flows": [{"id": 1002, "name": "x"}],
        "primaryFlowIds": [1002],
        "deletedObjects": {"outputs": [7]},
    }
    emulator.faults.add(Fault(Answer(201, body=body, when="after_commit"), **IMPORT, times=1))
    for again in ({}, RETRY):
        with fails("DroppedObjectsError", flow_ids=[1002]):
            run(store=store, **again)
        assert execute.ti.pushed["flow_ids"] == [1002]


def test_another_package_than_expected_is_not_imported(run, prod, fails):
    emulator = prod()
    with fails("WrongPackageError"):
        run(package_uuid="None")
    assert imports(emulator) == 0


def test_a_promotion_says_at_once_that_there_is_no_deployment_manager(prod, execute, fails):
    emulator = prod()
    with DAG("d", start_date=pendulum.datetime(2024, 1, 1), schedule=None):
        tasks = promote_flow(
            group_id="g",
            flow_name="Orders",
            package_path="x",
            deployment_id=1,
            prod_conn_id="trifacta_default",
            smoke_run=False,
        ).children
    first = [task for task in tasks.values() if not task.upstream_task_ids]
    assert tasks["g.export"].flow_name == "Orders"
    with fails("DeploymentManagerMissingError: ImportFlowPackageOperator"):
        execute(first[0])
    assert (len(first), {call.method for call in emulator.calls}) == (1, {"GET"})
