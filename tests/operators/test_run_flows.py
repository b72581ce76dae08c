"""Running flows and recipes as tasks: what goes in, what comes out, and what a retry does on every
line of Airflow."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest
from airflow import DAG
from request_patterns import STATUS
from trifacta_emulator import (
    Answer,
    Emulator,
    EmulatorOptions,
    Fault,
    PresetFlow,
    RunOutcome,
    read_package,
)

from airflow_provider_trifacta._compat import AirflowTaskTimeout
from airflow_provider_trifacta.client.errors import ServerError, WaitOutageError
from airflow_provider_trifacta.operators import _running as module
from airflow_provider_trifacta.operators._base import Attempt
from airflow_provider_trifacta.operators.release import CreateReleaseOperator
from airflow_provider_trifacta.operators.run import RunFlowOperator, RunJobGroupOperator

pytestmark = pytest.mark.every_airflow
MODES = [{"deferrable": False}, {"deferrable": True}]
modes = pytest.mark.parametrize("mode", MODES)
kinds = pytest.mark.parametrize("kind", ["flow", "recipe"])


@pytest.fixture
def start_instance(use_connection):
    """Return a function that starts an instance with two flows; its options are the keywords."""
    with contextlib.ExitStack() as started:

        def start(**options):
            flows = (PresetFlow("Orders"), PresetFlow("Customers"))
            emulator = started.enter_context(Emulator(EmulatorOptions(flows=flows, **options)))
            use_connection(emulator.url)
            return emulator

        yield start


@pytest.fixture
def two_flows(start_instance):
    return start_instance(job_start_seconds=0, job_run_seconds=0)


@pytest.fixture
def slow(start_instance):
    return start_instance(job_run_seconds=3600)


@pytest.fixture
def run_flow(execute):
    """Return a function that runs the first flow, or its recipe, as a task."""

    def start(emulator, kind="flow", *, try_number=1, max_tries=1, store=None, **options):
        options = {"task_id": "run", "poke_interval": 0.001, "retries": 1, **options}
        if kind == "recipe":
            operator = RunJobGroupOperator(
                **{"recipe_id": emulator.store.recipes()[0].id, **options}
            )
        else:
            operator = RunFlowOperator(**{"flow_id": emulator.store.flows()[0].id, **options})
        dag_run = SimpleNamespace(start_date=None)
        return execute(
            operator, dag_run=dag_run, store=store, try_number=try_number, max_tries=max_tries
        )

    return start


def posts(emulator):
    return [call.path for call in emulator.calls if call.method == "POST"]


@modes
def test_a_flow_that_completes(run_flow, two_flows, mode):
    flow = two_flows.store.flows()[0]
    result, ti = run_flow(
        two_flows, flow_id=str(flow.id), run_parameters={"region": "02", "rows": 5}, **mode
    )
    (group,) = two_flows.store.job_groups()
    assert result == {
        "flow_ids": [flow.id],
        "release_id": None,
        "job_group_ids": [group.id],
        "job_urls": [f"{two_flows.url}/jobs/{group.id}"],
        "flow_run_id": group.flow_run_id,
        "outcome": "complete",
    }
    assert ti.pushed == {
        key: value for key, value in result.items() if key not in ("outcome", "release_id")
    }
    assert dict(group.overrides) == {"region": "02", "rows": "5"}


@modes
def test_a_recipe_that_completes(run_flow, two_flows, mode):
    recipe = two_flows.store.recipes()[0]
    settings = [{"path": "hdfs:///out/x.csv", "action": "create", "format": "csv"}]
    result, ti = run_flow(
        two_flows, "recipe", write_settings=settings, execution="spark", profiler=False, **mode
    )
    (group,) = two_flows.store.job_groups()
    assert result == {
        "recipe_id": recipe.id,
        "release_id": None,
        "job_group_ids": [group.id],
        "job_urls": [f"{two_flows.url}/jobs/{group.id}"],
        "outcome": "complete",
    }
    assert ti.pushed == {
        key: value for key, value in result.items() if key not in ("outcome", "release_id")
    }
    assert group.execution == "spark"
    assert [one["uri"] for one in group.outputs["files"]] == ["hdfs:///out/x.csv"]


def test_names_stand_for_ids(run_flow, two_flows):
    assert run_flow(two_flows, flow_id=None, flow_name="Orders")[0]["flow_ids"] == [
        two_flows.store.flows()[0].id
    ]
    recipe = two_flows.store.recipes()[0]
    result, _ = run_flow(
        two_flows, "recipe", recipe_id=None, flow_name="Orders", recipe_name=recipe.name
    )
    assert result["recipe_id"] == recipe.id


def test_a_name_that_nothing_has_starts_nothing(run_flow, two_flows, fails):
    with fails("AmbiguousNameError: Orders"):
        run_flow(two_flows, flow_id=None, flow_name="orders")
    assert posts(two_flows) == []


def test_what_a_promotion_brought_runs_as_it_is_and_only_while_it_is_live(
    run_flow, two_flows, make_package, fails
):
    two_flows.store.create_deployment("Orders")
    with make_package().open("rb") as file:
        release = two_flows.store.create_release(1, read_package(file))
    flows = list(release.imported.primary_flow_ids)
    result, ti = run_flow(two_flows, flow_id=flows, release_id=release.id)
    assert (result["flow_ids"], ti.pushed["release_id"]) == (flows, release.id)
    with make_package().open("rb") as file:
        live = two_flows.store.create_release(1, read_package(file))
    with fails("UnexpectedLiveReleaseError", release_id=release.id, live_id=live.id):
        run_flow(two_flows, flow_id=flows, release_id=release.id)
    assert len(posts(two_flows)) == 1


def test_the_whole_return_value_of_a_promotion_names_its_flows(
    run_flow, execute, two_flows, make_package
):
    two_flows.store.create_deployment("Orders")
    made, _ = execute(
        CreateReleaseOperator(task_id="t", deployment_id=1, package_path=str(make_package()))
    )
    result, _ = run_flow(two_flows, flow_id=made, release_id=made["release_id"])
    assert result["flow_ids"] == made["primary_flow_ids"]
    assert len(two_flows.store.job_groups()) == 1


@pytest.mark.parametrize("release_id", [7, None])
@pytest.mark.parametrize("outcome", ["adopted", "reused", "joined", None])
def test_flows_that_a_promotion_does_not_know_run_nothing(
    run_flow, two_flows, outcome, release_id, fails
):
    promotion = {"release_id": release_id, "primary_flow_ids": None, "outcome": outcome}
    with fails("InvalidInputError: RunDeploymentOperator", release_id=release_id):
        run_flow(two_flows, flow_id=promotion, release_id=release_id or 1)
    assert list(two_flows.calls) == []


def test_several_flows(run_flow, two_flows):
    flows = [one.id for one in two_flows.store.flows()]
    result, _ = run_flow(two_flows, flow_id=flows)
    assert (result["flow_ids"], len(result["job_group_ids"]), len(result["flow_run_id"])) == (
        flows,
        2,
        2,
    )


@kinds
@modes
@pytest.mark.parametrize("outcome", ["Failed", "Canceled", "Paused"])
def test_every_state_but_complete_fails_without_a_retry(
    run_flow, two_flows, kind, mode, outcome, fails
):
    two_flows.runs.add(
        RunOutcome(status=outcome, message="no such table" if outcome == "Failed" else None)
    )
    with fails("JobFailedError: flow 'Orders'" if outcome == "Failed" else "JobFailedError"):
        run_flow(two_flows, kind, **mode)
    assert len(posts(two_flows)) == 1


@modes
def test_a_failure_of_the_wait_is_retried_because_the_retry_joins(run_flow, two_flows, mode):
    fault = Fault(Answer(500), **STATUS, times=None)
    two_flows.faults.add(fault)
    with pytest.raises((ServerError, WaitOutageError)):
        run_flow(two_flows, tolerated_outage=0, **mode)
    two_flows.faults.clear()
    assert run_flow(two_flows, try_number=2, **mode)[0]["outcome"] == "complete"
    assert len(two_flows.store.job_groups()) == 1


def test_an_execution_timeout_is_left_to_airflow(run_flow, slow, monkeypatch):
    def time_is_up(_):
        raise AirflowTaskTimeout("5 s")

    monkeypatch.setattr(module.time, "sleep", time_is_up)
    with pytest.raises(AirflowTaskTimeout):
        run_flow(slow)


@kinds
@pytest.mark.parametrize("wanted", [True, False])
def test_a_killed_task_cancels_only_if_asked(execute, slow, monkeypatch, kind, wanted):
    options = {"task_id": "run", "cancel_on_kill": wanted, "poke_interval": 7}
    if kind == "recipe":
        operator = RunJobGroupOperator(recipe_id=slow.store.recipes()[0].id, **options)
    else:
        operator = RunFlowOperator(flow_id=[one.id for one in slow.store.flows()], **options)

    def killed(_):
        operator.on_kill()
        raise KeyboardInterrupt

    monkeypatch.setattr(module.time, "sleep", killed)
    with pytest.raises(KeyboardInterrupt):
        execute(operator)
    assert {one.status == "Canceled" for one in slow.store.job_groups()} == {wanted}


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("flow", {"flow_id": None}, "flow_id is None"),
        ("flow", {"flow_id": "None"}, "flow_id is None"),
        ("flow", {"flow_id": []}, "flow_id"),
        ("flow", {"flow_id": [None]}, "flow_id"),
        ("flow", {"flow_id": {}}, "without 'primary_flow_ids'"),
        (
            "flow",
            {"flow_id": {"deployment_id": 1, "active_release_id": 7}},
            "without 'primary_flow_ids'",
        ),
        ("flow", {"flow_id": {"primary_flow_ids": []}}, "primary_flow_ids"),
        ("flow", {"flow_id": {"primary_flow_ids": ["x"]}}, "primary_flow_ids"),
        ("flow", {"flow_name": "Orders"}, "flow_id or flow_name"),
        ("flow", {"flow_id": None, "flow_name": ""}, "flow_name"),
        ("flow", {"release_id": None}, "release_id"),
        ("flow", {"run_parameters": {"a": None}}, "run_parameters['a']"),
        ("flow", {"timeout": -1}, "timeout"),
        ("recipe", {"recipe_id": None}, "recipe_id"),
        ("recipe", {"recipe_id": [1]}, "recipe_id"),
        ("recipe", {"recipe_name": "x"}, "recipe_id, or flow_name and recipe_name"),
        ("recipe", {"recipe_id": None, "recipe_name": "x"}, "flow_name"),
        ("recipe", {"recipe_id": None, "flow_name": "x"}, "recipe_name"),
        ("recipe", {"write_settings": []}, "write_settings"),
        ("recipe", {"write_settings": ["x"]}, "write_settings"),
        ("recipe", {"execution": "None"}, "execution"),
        ("recipe", {"profiler": "yes"}, "profiler"),
    ],
)
def test_bad_input_ends_before_any_request(run_flow, two_flows, kind, options, words, fails):
    with fails(f"InvalidInputError: {words}"):
        run_flow(two_flows, kind, **options)
    assert list(two_flows.calls) == []


# The key of a task's requests


def key_of(**about):
    ids = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1}
    ti = SimpleNamespace(
        **{"try_number": 1, "max_tries": 2, "get_task_states": None, **ids, **about}
    )
    return Attempt(RunFlowOperator(task_id="t"), {"ti": ti}).begin().execution_id


def test_each_round_of_each_task_has_a_key_of_its_own():
    others = [
        {"dag_id": "x"},
        {"run_id": "x"},
        {"task_id": "x"},
        {"map_index": 0},
        {"max_tries": 3},
    ]
    assert len({key_of(), *(key_of(**one) for one in others)}) == 1 + len(others)
    assert key_of(try_number=1) == key_of(try_number=3)


def test_mapped_flows_are_templated():
    with DAG("d", schedule=None):
        operator = RunFlowOperator(
            task_id="t", flow_id="{{ flow }}", run_parameters={"a": "{{ flow }}"}
        )
    operator.render_template_fields({"flow": 7})
    assert (operator.flow_id, operator.run_parameters) == ("7", {"a": "7"})
