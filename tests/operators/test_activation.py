"""Activating and deactivating a release, over HTTP: done, already done, refused. The contract has
the rest."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from request_patterns import CHANGE
from trifacta_emulator import Answer, Fault, Reset

from airflow_provider_trifacta._compat import Asset, AssetAlias
from airflow_provider_trifacta.client import errors
from airflow_provider_trifacta.client.releases import Releases
from airflow_provider_trifacta.operators.release import (
    ActivateReleaseOperator,
    CreateReleaseOperator,
    DeactivateReleaseOperator,
)

pytestmark = pytest.mark.every_airflow


@pytest.fixture
def release_ids(execute, emulator, make_package):
    """Three releases; the last one is live."""
    ids = []
    for _ in range(3):
        operator = CreateReleaseOperator(
            task_id="create", deployment_id=1, package_path=str(make_package())
        )
        ids.append(execute(operator)[0]["release_id"])
    emulator.calls.clear()
    return ids


@pytest.fixture
def activate(execute):
    def run(release_id, *, try_number=1, store=None, **options):
        return execute(
            ActivateReleaseOperator(task_id="activate", release_id=release_id, **options),
            store=store,
            try_number=try_number,
        )

    return run


@pytest.fixture
def deactivate(execute):
    def run(release_id, *, try_number=1, store=None, **options):
        return execute(
            DeactivateReleaseOperator(task_id="deactivate", release_id=release_id, **options),
            store=store,
            try_number=try_number,
        )

    return run


@pytest.fixture
def changes(emulator):
    return lambda: [call.path for call in emulator.calls if call.method != "GET"]


@pytest.fixture
def clear(execute):
    """Return a function that runs an operator as a person's clear does, after one try: (result,
    what was pushed)."""

    def run(operator):
        result, ti = execute(operator, try_number=2, max_tries=1 + operator.retries)
        return result, ti.pushed

    return run


# Success


@pytest.mark.parametrize("spelled", [int, str, lambda number: f" {number} "])
def test_a_release_is_made_live(activate, release_ids, emulator, live, changes, spelled):
    first, _, third = release_ids
    result, ti = activate(spelled(first))
    assert result == {
        "release_id": first,
        "deployment_id": 1,
        "deployment_url": f"{emulator.url}/deployments/1",
        "previous_release_id": third,
        "outcome": "activated",
    }
    assert ti.pushed == result
    assert live() == first
    assert changes() == [f"/v4/releases/{first}"]


def test_a_release_is_made_live_where_none_is(activate, release_ids, emulator, live):
    emulator.store.update_release(release_ids[2], active=False)
    result, ti = activate(release_ids[0])
    assert live() == release_ids[0]
    assert result["previous_release_id"] is None
    assert "previous_release_id" not in ti.pushed


def test_a_release_is_made_inactive(deactivate, release_ids, emulator, live, changes):
    result, ti = deactivate(release_ids[2])
    assert result == {
        "release_id": release_ids[2],
        "deployment_id": 1,
        "deployment_url": f"{emulator.url}/deployments/1",
        "outcome": "deactivated",
    }
    assert ti.pushed == result
    assert live() is None
    assert changes() == [f"/v4/releases/{release_ids[2]}"]


# Already done


@pytest.mark.parametrize("try_number", [1, 2])
@pytest.mark.parametrize(
    "expected", [{}, {"expected_active_release_id": None}, {"expected_active_release_id": 1}]
)
def test_a_live_release_is_left_as_it_is(
    activate, release_ids, live, changes, try_number, expected
):
    result, ti = activate(release_ids[2], try_number=try_number, **expected)
    assert result["outcome"] == ti.pushed["outcome"] == "unchanged"
    assert result["previous_release_id"] is None
    assert live() == release_ids[2]
    assert changes() == []


@pytest.mark.parametrize("try_number", [1, 2])
def test_an_inactive_release_is_left_as_it_is(deactivate, release_ids, live, changes, try_number):
    result, ti = deactivate(release_ids[0], try_number=try_number)
    assert result["outcome"] == ti.pushed["outcome"] == "unchanged"
    assert live() == release_ids[2]
    assert changes() == []


# The expected release


@pytest.mark.parametrize("spelled", [int, str])
def test_the_expected_release_may_be_replaced(activate, release_ids, live, spelled):
    activate(release_ids[0], expected_active_release_id=spelled(release_ids[2]))
    assert live() == release_ids[0]


def test_nothing_may_be_expected(activate, release_ids, emulator, live):
    emulator.store.update_release(release_ids[2], active=False)
    activate(release_ids[0], expected_active_release_id=None)
    assert live() == release_ids[0]


@pytest.mark.parametrize("try_number", [1, 2])
@pytest.mark.parametrize("nothing", [True, False])
def test_another_release_than_the_expected_one_stays(
    activate, execute, release_ids, live, changes, nothing, try_number, fails
):
    first, second, third = release_ids
    expected = None if nothing else second
    case = f"UnexpectedLiveReleaseError: expected {expected or 'none'}"
    with fails(case, deployment_id=1, release_id=first, live_id=third):
        activate(first, expected_active_release_id=expected, try_number=try_number)
    assert live() == third
    assert changes() == []
    assert set(execute.ti.pushed) == {"release_id", "deployment_id", "deployment_url"}


def test_a_deployment_that_was_switched_off_stays_so(
    activate, release_ids, emulator, live, changes, fails
):
    emulator.store.update_release(release_ids[2], active=False)
    with fails(
        "UnexpectedLiveReleaseError", deployment_id=1, release_id=release_ids[0], live_id=None
    ):
        activate(release_ids[0], expected_active_release_id=release_ids[2])
    assert live() is None
    assert changes() == []


# Refused


@pytest.mark.parametrize("release_id", [None, "None", "", 0, -1, True, "x", {"release_id": 1}])
@pytest.mark.parametrize("operator", ["activate", "deactivate"])
def test_a_bad_id_is_named_before_any_request(
    request, execute, emulator, release_id, operator, fails
):
    run = request.getfixturevalue(operator)
    with fails("InvalidInputError: release_id"):
        run(release_id)
    assert emulator.calls == []
    assert execute.ti.pushed == {}


@pytest.mark.parametrize("expected", ["", "nobody", 0, True, {"release_id": 1}])
def test_a_bad_expectation_is_named_before_any_request(activate, emulator, expected, fails):
    with fails("InvalidInputError: expected_active_release_id"):
        activate(1, expected_active_release_id=expected)
    assert emulator.calls == []


@pytest.mark.parametrize("operator", ["activate", "deactivate"])
@pytest.mark.parametrize("deleted", [False, True])
def test_a_release_that_is_not_there_cannot_change(
    request, execute, emulator, release_ids, changes, operator, deleted, fails
):
    run = request.getfixturevalue(operator)
    release_id = 999
    if deleted:
        release_id = release_ids[0]
        emulator.store.delete_release(release_id)
    with fails("GoneError" if deleted else "NotFoundError"):
        run(release_id)
    assert changes() == []
    assert execute.ti.pushed == {"release_id": release_id}


@pytest.mark.parametrize("operator", ["activate", "deactivate"])
def test_a_deleted_release_that_is_shown_cannot_change(
    request, emulator, release_ids, changes, operator, fails
):
    """A server may answer a deleted release, and tell when that was."""
    shown = {
        "id": release_ids[0],
        "deployment": {"id": 1},
        "active": True,
        "deleted_at": "2024-05-06T00:00:00.000Z",
    }
    emulator.faults.add(Fault(Answer(200, body=shown), method="GET", path="/v4/releases/*"))
    with fails("ReleaseDeletedError", deployment_id=1, release_id=release_ids[0]):
        request.getfixturevalue(operator)(release_ids[0])
    assert changes() == []


@pytest.mark.parametrize("operator", ["activate", "deactivate"])
def test_a_release_whose_deployment_is_not_told_cannot_be_checked(
    request, emulator, release_ids, changes, operator
):
    shown = {"id": release_ids[0], "active": None}
    emulator.faults.add(Fault(Answer(200, body=shown), method="GET", path="/v4/releases/*"))
    with pytest.raises(errors.UnexpectedResponseError) as caught:
        request.getfixturevalue(operator)(release_ids[0])
    assert (caught.value.release_id, caught.value.deployment_id) == (release_ids[0], None)
    assert changes() == []


# Tried again


def test_a_clear_keeps_to_the_expected_release(clear, release_ids, live, fails):
    first, second, third = release_ids
    operator = ActivateReleaseOperator(
        task_id="t", release_id=first, expected_active_release_id=second
    )
    with fails("UnexpectedLiveReleaseError"):
        clear(operator)
    assert live() == third


# Templates and events


def test_the_constructors_only_assign():
    activate = ActivateReleaseOperator(
        task_id="a",
        release_id="{{ x }}",
        baseline="{{ b }}",
        expected_active_release_id="{{ y }}",
        trifacta_conn_id="{{ z }}",
    )
    assert [getattr(activate, name) for name in activate.template_fields] == [
        "{{ x }}",
        "{{ b }}",
        "{{ y }}",
        "{{ z }}",
    ]
    deactivate = DeactivateReleaseOperator(
        task_id="d", release_id="{{ x }}", trifacta_conn_id="{{ z }}"
    )
    assert [getattr(deactivate, name) for name in deactivate.template_fields] == [
        "{{ x }}",
        "{{ z }}",
    ]


@pytest.mark.skipif(AssetAlias is None, reason="Airflow 2 has datasets instead")
@pytest.mark.parametrize(
    ("index", "try_number", "max_tries", "told"),
    [
        (0, 1, 0, True),  # activated
        (2, 1, 0, False),  # was live before this run
        (2, 2, 0, True),  # an earlier try may have activated it, and died before it told Airflow
        (2, 2, 1, False),  # cleared: the run before has told it
    ],
)
def test_an_event_tells_what_this_run_made_live(
    release_ids, execute, emulator, index, try_number, max_tries, told
):
    events = []
    alias = AssetAlias("live")
    operator = ActivateReleaseOperator(task_id="t", release_id=release_ids[index], outlets=[alias])
    outlet = SimpleNamespace(add=lambda asset, extra: events.append((asset, extra)))
    # Not a dict: aliases cannot be hashed on Airflow 3.0.
    by_alias = type("Events", (), {"__getitem__": lambda _, key: {alias.name: outlet}[key.name]})()
    execute(operator, try_number=try_number, max_tries=max_tries, outlet_events=by_alias)
    host = emulator.url.partition("://")[2]
    expected = (
        Asset(f"trifacta://{host}/deployments/1"),
        {
            "deployment_id": 1,
            "release_id": release_ids[index],
            "package_uuid": emulator.store.release(release_ids[index]).package_uuid,
        },
    )
    assert events == ([expected] if told else [])


# The journal


def test_a_failed_first_read_costs_no_retry(activate, release_ids, emulator, virtual_time):
    """Nothing was written yet, so the server may be away for a while."""
    emulator.faults.add(Fault(Answer(502), method="GET", path="/v4/releases/*", times=20))
    assert activate(release_ids[0])[0]["outcome"] == "activated"
    assert sum(virtual_time.slept) == 60


def test_a_server_that_stays_away_is_left_to_airflows_retries(
    activate, release_ids, emulator, changes, virtual_time
):
    emulator.faults.add(Fault(Answer(502), method="GET", path="/v4/releases/*", times=None))
    with pytest.raises(errors.ServerError):
        activate(release_ids[0])
    assert sum(virtual_time.slept) == 120
    assert changes() == []


@pytest.mark.parametrize(("operator", "index"), [("activate", 0), ("deactivate", 2)])
def test_a_retry_does_not_ask_again_where_anything_was_touched_since(
    request, emulator, release_ids, changes, operator, index, store, fails
):
    run, release_id = request.getfixturevalue(operator), release_ids[index]
    emulator.faults.add(Fault(Reset("after_body"), **CHANGE))
    with pytest.raises(errors.ConnectionLostError) as caught:
        run(release_id, store=store)
    assert caught.value.standing
    emulator.store.update_release(release_ids[2], notes="looked at")
    with fails("InterruptedChangeError"):
        run(release_id, try_number=2, store=store)
    assert len(changes()) == 1


# The guard


def test_the_baseline_guards(activate, release_ids, live, fails):
    baseline = {
        "deployment_id": 1,
        "active_release_id": release_ids[2],
        "latest_release_id": release_ids[2],
    }
    assert activate(release_ids[0], baseline=baseline)[0]["outcome"] == "activated"
    with fails("UnexpectedLiveReleaseError"):
        activate(release_ids[1], baseline=baseline)
    assert live() == release_ids[0]


@pytest.mark.parametrize(
    "guard",
    [
        {"baseline": None},
        {"baseline": {}},
        {"expected_active_release_id": ""},
        {"expected_active_release_id": "None"},
        {"expected_active_release_id": "any"},
    ],
)
def test_a_guard_that_renders_to_nothing_is_an_error(activate, release_ids, changes, guard, fails):
    with fails("InvalidInputError"):
        activate(release_ids[0], **guard)
    assert changes() == []


def test_two_guards_are_one_too_many(activate, release_ids, changes, fails):
    baseline = {
        "deployment_id": 1,
        "active_release_id": release_ids[2],
        "latest_release_id": release_ids[2],
    }
    with fails("InvalidInputError"):
        activate(release_ids[0], baseline=baseline, expected_active_release_id=release_ids[2])
    assert changes() == []


# A list that lags behind


@pytest.mark.parametrize(
    ("operator", "index", "stays"), [("activate", 1, False), ("deactivate", 2, True)]
)
def test_a_list_that_lags_behind_is_not_taken_for_what_is(
    request, release_ids, live, changes, monkeypatch, virtual_time, operator, index, stays
):
    """The list shows for a while how it was before the last release was imported."""
    read, release_id = Releases.list, release_ids[index]

    def lagging(self, deployment_id, **options):
        rows = read(self, deployment_id, **options)
        if virtual_time.now >= 5:
            return rows
        return [
            replace(one, active=one.id == release_ids[1])
            for one in rows
            if one.id != release_ids[2]
        ]

    monkeypatch.setattr(Releases, "list", lagging)
    assert request.getfixturevalue(operator)(release_id)[0]["outcome"] == f"{operator}d"
    assert live() == (None if stays else release_id)
    assert len(changes()) == 1


def test_a_list_that_never_agrees_is_no_proof(activate, release_ids, changes, monkeypatch):
    read = Releases.list
    monkeypatch.setattr(
        Releases,
        "list",
        lambda self, *a, **k: [one for one in read(self, *a, **k) if one.id != release_ids[0]],
    )
    with pytest.raises(errors.UnexpectedResponseError) as caught:
        activate(release_ids[0])
    assert (caught.value.deployment_id, caught.value.release_id) == (1, release_ids[0])
    assert changes() == []
