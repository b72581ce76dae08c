"""A baseline of another deployment: every operator that takes one refuses it, and
changes nothing.
"""

from __future__ import annotations

import inspect
import runpy
from pathlib import Path
from pkgutil import resolve_name

import pytest

from airflow_provider_trifacta.client import errors
from airflow_provider_trifacta.get_provider_info import get_provider_info
from airflow_provider_trifacta.operators._base import TrifactaOperator
from airflow_provider_trifacta.operators.deployment import (
    GetDeploymentOperator,
    RollbackDeploymentOperator,
)
from airflow_provider_trifacta.operators.release import (
    ActivateReleaseOperator,
    CreateReleaseOperator,
)
from airflow_provider_trifacta.promotion.baseline import Baseline

pytestmark = pytest.mark.every_airflow

GO_BACK = Path(__file__).parents[2] / "docs" / "snippets" / "dags" / "go_back.py"
#: What the two deployments look like when the task runs.
STATES = ["live in both", "live in the first", "live in the second", "live in neither"]


def test_these_are_all_operators_with_a_baseline():
    modules = [
        name for group in get_provider_info()["operators"] for name in group["python-modules"]
    ]
    operators = {
        member
        for name in modules
        for member in vars(resolve_name(name)).values()
        if inspect.isclass(member) and issubclass(member, TrifactaOperator)
        if "baseline" in inspect.signature(member).parameters
    }
    assert operators == {ActivateReleaseOperator, CreateReleaseOperator, RollbackDeploymentOperator}


@pytest.fixture
def second(emulator):
    return emulator.store.create_deployment("Second").id


@pytest.fixture
def baseline_of(execute):
    """Return a function that records the baseline of a deployment, as a task before does."""
    return lambda deployment_id: execute(
        GetDeploymentOperator(task_id="get", deployment_id=deployment_id)
    )[0]


@pytest.fixture
def release_ids(execute, emulator, make_package, second):
    """Two releases of each deployment, by deployment; the newer ones are live."""
    ids = {1: [], second: []}
    for deployment_id in (1, second, 1, second):
        operator = CreateReleaseOperator(
            task_id="t", deployment_id=deployment_id, package_path=str(make_package())
        )
        ids[deployment_id].append(execute(operator)[0]["release_id"])
    emulator.calls.clear()
    return ids


@pytest.fixture
def put(emulator, release_ids, second):
    """Return a function that makes the deployments look like one of the states."""

    def into(state):
        for deployment_id, word in ((1, "first"), (second, "second")):
            if state not in ("live in both", f"live in the {word}"):
                emulator.store.update_release(release_ids[deployment_id][1], active=False)

    return into


@pytest.fixture
def writes(emulator):
    return lambda: [call.path for call in emulator.calls if call.method != "GET"]


@pytest.mark.parametrize("try_number", [1, 2])
@pytest.mark.parametrize("newest", [True, False])
@pytest.mark.parametrize("state", STATES)
def test_a_release_of_another_deployment_is_not_activated(
    execute, baseline_of, release_ids, put, second, writes, fails, state, newest, try_number
):
    put(state)
    release_id = release_ids[second][newest]
    baseline = baseline_of(1)
    operator = ActivateReleaseOperator(task_id="t", release_id=release_id, baseline=baseline)
    with fails("InvalidInputError: deployment 1", deployment_id=second, release_id=release_id):
        execute(operator, try_number=try_number)
    assert writes() == []


@pytest.mark.parametrize("state", STATES)
def test_a_release_of_the_same_deployment_is_activated(
    execute, baseline_of, release_ids, put, emulator, second, state
):
    put(state)
    operator = ActivateReleaseOperator(
        task_id="t", release_id=release_ids[second][0], baseline=baseline_of(second)
    )
    assert execute(operator)[0]["outcome"] == "activated"
    assert emulator.store.active_release(second).id == release_ids[second][0]


@pytest.mark.parametrize("state", STATES)
def test_the_guides_dag_does_not_go_back_in_another_deployment(
    execute, use_connection, emulator, release_ids, put, second, writes, fails, state
):
    """``docs/snippets/dags/go_back.py``, started with the name of one deployment and a release of
    another one."""
    pytest.importorskip("airflow.sdk")
    put(state)
    use_connection(emulator.url, "trifacta_prod")
    tasks = runpy.run_path(str(GO_BACK))["live"].dag.task_dict
    tasks["live"].deployment_name = "Orders"
    tasks["activate"].release_id = release_ids[second][0]
    tasks["activate"].baseline = execute(tasks["live"])[0]
    with fails(
        "InvalidInputError: deployment 1", deployment_id=second, release_id=release_ids[second][0]
    ):
        execute(tasks["activate"])
    assert writes() == []


@pytest.mark.usefixtures("release_ids")
@pytest.mark.parametrize("try_number", [1, 2])
@pytest.mark.parametrize("activate", [True, False])
@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize("state", STATES)
def test_nothing_is_imported_with_a_baseline_of_another_deployment(
    execute,
    baseline_of,
    put,
    second,
    make_package,
    writes,
    fails,
    state,
    by_name,
    activate,
    try_number,
):
    put(state)
    where = {"deployment_name": "Second"} if by_name else {"deployment_id": second}
    package = str(make_package())
    operator = CreateReleaseOperator(
        task_id="t", package_path=package, baseline=baseline_of(1), activate=activate, **where
    )
    with fails("InvalidInputError: deployment 1", deployment_id=second):
        execute(operator, try_number=try_number)
    assert writes() == []


@pytest.mark.parametrize("state", STATES)
def test_a_rollback_acts_only_on_the_deployment_of_its_baseline(
    execute, baseline_of, put, emulator, second, make_package, state
):
    """It has no other argument that names a deployment, so there is nothing that could differ."""
    put(state)
    live = emulator.store.active_release(1)
    baseline, package = baseline_of(1), str(make_package())
    made = execute(CreateReleaseOperator(task_id="t", deployment_id=second, package_path=package))[
        0
    ]
    rollback = RollbackDeploymentOperator(
        task_id="t", baseline=baseline, package_uuid=made["package_uuid"]
    )
    assert execute(rollback)[0]["outcome"] == "unchanged"
    assert emulator.store.active_release(1) == live
    assert emulator.store.active_release(second).id == made["release_id"]


def test_a_baseline_says_itself_whose_it_is(baseline_of, second):
    baseline = Baseline.parse(baseline_of(second), second)
    baseline.refuse_other(second, "the same")
    for release_id in (None, 7):
        with pytest.raises(errors.InvalidInputError) as caught:
            baseline.refuse_other(1, "another", release_id=release_id)
        assert (caught.value.deployment_id, caught.value.release_id) == (1, release_id)
