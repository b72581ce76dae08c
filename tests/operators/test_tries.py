"""What started a try, as each operator takes it: a retry stays a retry where people edit the DAG
file meanwhile."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from trifacta_emulator import Answer, Fault, read_package

from airflow_provider_trifacta import _compat
from airflow_provider_trifacta._compat import AirflowFailException
from airflow_provider_trifacta.client.errors import JournalUnavailableError, ServerError
from airflow_provider_trifacta.operators import _base
from airflow_provider_trifacta.operators._base import Attempt
from airflow_provider_trifacta.operators.activation import ActivateReleaseOperator
from airflow_provider_trifacta.operators.run import RunDeploymentOperator
from airflow_provider_trifacta.promotion.journal import KEY

pytestmark = pytest.mark.every_airflow

CLEARED = SimpleNamespace(clear_number=1)


@pytest.fixture
def release_ids(emulator, make_package):
    """Three releases; the last is live."""
    with make_package().open("rb") as file:
        package = read_package(file)
    return [emulator.store.create_release(1, package).id for _ in range(3)]


def posts(emulator):
    return [call for call in emulator.calls if call.method != "GET"]


def test_a_retry_after_retries_were_lowered_activates_over_no_person(
    execute, emulator, release_ids, store, fails
):
    """The run was cleared before, and began with ``retries=2``. The DAG file says 1 by now: that
    looks like a clear, and only the journal knows better. The contract has runs without a clear."""
    first, _, last = release_ids
    execute(
        ActivateReleaseOperator(task_id="t", release_id=first, retries=2), max_tries=2, store=store
    )
    emulator.store.update_release(last, active=True)
    with fails("InterruptedChangeError"):
        edited = ActivateReleaseOperator(task_id="t", release_id=first, retries=1)
        execute(edited, dag_run=CLEARED, try_number=2, max_tries=2, store=store)
    assert emulator.store.active_release(1).id == last


def test_a_retry_after_retries_were_lowered_runs_a_deployment_once(
    execute,
    emulator,
    release_ids,  # noqa: ARG001
    store,
):
    def run(retries, **about):
        operator = RunDeploymentOperator(
            task_id="t", deployment_id=1, poke_interval=0.001, retries=retries
        )
        return execute(operator, max_tries=2, store=store, **about)

    first = run(2)[0]
    again = run(1, try_number=2, dag_run=CLEARED)[0]
    assert again["job_group_ids"] == first["job_group_ids"]
    assert len(posts(emulator)) == 1


@pytest.mark.parametrize("retries", [0, 1, 2, 9])
def test_the_journal_tells_a_clear_also_where_retries_were_edited(
    execute, emulator, release_ids, store, retries
):
    first, _, last = release_ids
    execute(
        ActivateReleaseOperator(task_id="t", release_id=first, retries=2), max_tries=2, store=store
    )
    emulator.store.update_release(last, active=True)
    cleared = ActivateReleaseOperator(task_id="t", release_id=first, retries=retries)
    result, _ = execute(cleared, try_number=2, max_tries=3, store=store)
    assert result["outcome"] == "activated"


def test_each_try_notes_its_max_tries(execute, release_ids, store):
    for number, max_tries in ((1, 2), (2, 2), (3, 5)):
        operator = ActivateReleaseOperator(task_id="t", release_id=release_ids[2], retries=2)
        execute(operator, try_number=number, max_tries=max_tries, store=store)
    assert store.get(KEY)["max_tries"] == {"1": 2, "2": 2, "3": 5}


@pytest.mark.parametrize(("max_tries", "kind"), [(1, "retry"), (2, "clear")])
def test_a_journal_of_an_earlier_version_is_read(
    execute, emulator, release_ids, store, fails, max_tries, kind
):
    first, _, last = release_ids
    asked = {"what": "set_live", "deployment_id": 1, "target": first}
    store.set(
        KEY,
        {
            "opened": [1],
            "asked": asked,
            "before": {"live": last, "updated": {}},
            "answer": {"done": True},
        },
    )
    operator = ActivateReleaseOperator(task_id="t", release_id=first, retries=1)
    if kind == "retry":
        with fails("InterruptedChangeError"):
            execute(operator, try_number=2, max_tries=max_tries, store=store)
        return
    execute(operator, try_number=2, max_tries=max_tries, store=store)
    assert emulator.store.active_release(1).id == first


@pytest.mark.parametrize(
    ("remembers", "counts_each_clear", "words"),
    [
        (True, True, "clear it once more"),
        (False, True, "clear it once more"),
        (True, False, "clear it once more"),
        (False, False, "clear it again when the run has ended"),
    ],
)
def test_an_error_says_when_a_clear_counts(
    execute, emulator, release_ids, store, monkeypatch, remembers, counts_each_clear, words
):
    """The clear of a task that still runs keeps ``max_tries``, so it is taken for a retry."""
    monkeypatch.setattr(_base, "COUNTS_EACH_CLEAR", counts_each_clear)
    first, _, last = release_ids
    memory = store if remembers else None
    operator = ActivateReleaseOperator(task_id="t", release_id=first, retries=2)
    execute(operator, max_tries=2, store=memory)
    emulator.store.update_release(last, active=True)
    with pytest.raises(AirflowFailException, match=words):
        execute(operator, try_number=2, max_tries=2, store=memory)
    result, _ = execute(operator, try_number=3, max_tries=4, store=memory)
    assert result["outcome"] == "activated"


@pytest.mark.parametrize(("before", "is_retry"), [(2, True), (1, False), (None, True)])
def test_airflow_2_compares_the_try_before(monkeypatch, before, is_retry):
    """It counts no clears, and keeps the tries before; None if it kept none."""
    monkeypatch.setattr(_compat, "_max_tries_of_the_try_before", lambda _: before)
    ti = SimpleNamespace(
        dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=2, max_tries=2
    )
    operator = ActivateReleaseOperator(task_id="t", release_id=1, retries=1)
    assert Attempt(operator, {"ti": ti, "dag_run": None}).begin().is_retry is is_retry


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("has_asked", [True, False])
def test_a_later_try_that_ends_in_an_outage_says_how_production_stands(
    execute, emulator, release_ids, store, number, has_asked
):
    operator = ActivateReleaseOperator(task_id="t", release_id=release_ids[0], retries=2)
    if number == 2:
        if has_asked:
            execute(operator, max_tries=2, store=store)
        else:
            store.set(KEY, {"opened": [1]})
    emulator.faults.add(Fault(Answer(503), times=None))
    with pytest.raises(ServerError) as caught:
        execute(operator, try_number=number, max_tries=2, store=store)
    assert bool(caught.value.standing) is (number == 2)
    assert ("may have changed production" in caught.value.standing) is (number == 2 and has_asked)


@pytest.mark.parametrize("number", [1, 2])
def test_a_later_try_without_its_journal_says_how_production_stands(
    execute, release_ids, store, number
):
    operator = ActivateReleaseOperator(task_id="t", release_id=release_ids[0], retries=2)
    store.broken = True
    with pytest.raises(JournalUnavailableError) as caught:
        execute(operator, try_number=number, max_tries=2, store=store)
    assert bool(caught.value.standing) is (number == 2)


@pytest.mark.parametrize("has_asked", [True, False])
def test_a_first_try_that_asked_and_ends_in_an_outage_says_how_production_stands(store, has_asked):
    ti = SimpleNamespace(
        dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1, max_tries=2
    )
    operator = ActivateReleaseOperator(task_id="t", release_id=1, retries=2)
    attempt = Attempt(operator, {"ti": ti, "dag_run": None, "task_state_store": store})
    tries = attempt.begin()
    if has_asked:
        tries.journal.asked({"what": "set_live"})
    with pytest.raises(ServerError) as caught, attempt.says_how_production_stands():
        raise ServerError("away")
    assert bool(caught.value.standing) is has_asked
