from __future__ import annotations

import logging
import threading
from datetime import timedelta

import pendulum
import pytest
from request_patterns import CHANGE
from trifacta_emulator import (
    Answer,
    Emulator,
    EmulatorOptions,
    Fault,
    Hold,
    LateCommit,
    Reset,
    iso,
)

from airflow_provider_trifacta._compat import AirflowFailException
from airflow_provider_trifacta.client import errors
from airflow_provider_trifacta.client.releases import Releases
from airflow_provider_trifacta.hooks.trifacta import TrifactaHook
from airflow_provider_trifacta.operators.deployment import (
    CreateDeploymentOperator,
    GetDeploymentOperator,
    RollbackDeploymentOperator,
)
from airflow_provider_trifacta.operators.release import CreateReleaseOperator
from airflow_provider_trifacta.promotion.new_deployment import create_once
from airflow_provider_trifacta.promotion.tries import Kind, Tries, TryFacts

pytestmark = pytest.mark.every_airflow

CREATE = {"method": "POST", "path": "/v4/deployments"}
UUIDS = [f"9bae78c0-2fcb-11e9-9523-77f56ed5884{number}" for number in range(4)]


@pytest.fixture
def changes(emulator):
    return lambda: [(call.method, call.path) for call in emulator.calls if call.method != "GET"]


# GetDeploymentOperator


@pytest.fixture
def get(execute):
    return lambda **options: execute(
        GetDeploymentOperator(**{"task_id": "get", "deployment_id": 1, **options})
    )


def test_an_empty_deployment(get, emulator):
    result, ti = get(deployment_id="1")
    assert pendulum.parse(result.pop("read_at")) <= pendulum.now()
    assert result == {
        "deployment_id": 1,
        "active_release_id": None,
        "latest_release_id": None,
        "active_updated_at": None,
        "deployment_name": "Orders",
    }
    assert ti.pushed == {
        "deployment_id": 1,
        "deployment_url": f"{emulator.url}/deployments/1",
        "deployment_name": "Orders",
    }


def test_the_live_and_the_latest_release(get, execute, emulator, make_package):
    ids = []
    for _ in range(2):
        operator = CreateReleaseOperator(
            task_id="create", deployment_id=1, package_path=str(make_package())
        )
        ids.append(execute(operator)[0]["release_id"])
    emulator.store.update_release(ids[0], active=True)
    changed = iso(emulator.store.active_release(1).updated_at)
    result = get()[0]
    assert pendulum.parse(result.pop("read_at")) <= pendulum.now()
    assert pendulum.parse(result.pop("active_updated_at")) == pendulum.parse(changed)
    ids = {"active_release_id": ids[0], "latest_release_id": ids[1]}
    assert result == {"deployment_id": 1, "deployment_name": "Orders", **ids}


@pytest.mark.parametrize(
    ("deployment_id", "words"),
    [("None", "InvalidInputError"), (99, "NotFoundError: GET /v4/deployments/99 answered 404")],
)
def test_failures_end_without_retry(get, emulator, deployment_id, words, fails):
    with fails(words):
        get(deployment_id=deployment_id)
    assert {call.method for call in emulator.calls} <= {"GET"}


def test_a_name_may_stand_for_the_id(get, emulator):
    second = emulator.store.create_deployment("Second").id
    result, ti = get(deployment_id=None, deployment_name="Second")
    assert result["deployment_id"] == second
    assert ti.pushed["deployment_id"] == second
    assert ti.pushed["deployment_url"] == f"{emulator.url}/deployments/{second}"
    assert ti.pushed["deployment_name"] == "Second"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"deployment_name": "Orders"}, "InvalidInputError: deployment_id or deployment_name"),
        ({"deployment_id": None}, "InvalidInputError: deployment_id"),
        ({"deployment_id": None, "deployment_name": "None"}, "InvalidInputError: deployment_name"),
        ({"deployment_id": None, "deployment_name": "orders"}, "AmbiguousNameError: 0 deployments"),
        ({"deployment_id": None, "deployment_name": "Twice"}, "AmbiguousNameError: 2 deployments"),
    ],
)
def test_a_name_that_means_nothing_ends_without_retry(
    get, execute, emulator, options, words, fails
):
    emulator.store.create_deployment("Twice")
    emulator.store.create_deployment("Twice")
    with fails(words):
        get(**options)
    assert execute.ti.pushed == {}


# CreateReleaseOperator by name


@pytest.fixture
def promote(execute, make_package):
    """Return a function that runs a promotion, of the package with that number where
    one is given.
    """
    paths = {}

    def run(number=None, *, try_number=1, **options):
        if number not in paths:
            paths[number] = make_package(**({} if number is None else {"uuid": UUIDS[number]}))
        target = {} if "deployment_name" in options else {"deployment_id": 1}
        operator = CreateReleaseOperator(
            task_id="create", package_path=str(paths[number]), **target, **options
        )
        return execute(operator, try_number=try_number)[0]

    return run


def test_a_promotion_may_name_its_deployment(promote, get, execute, emulator):
    second = emulator.store.create_deployment("Second").id
    baseline = get(deployment_id=second)[0]
    result = promote(deployment_name="Second", baseline=baseline)
    assert result["deployment_id"] == execute.ti.pushed["deployment_id"] == second
    assert result["release_id"] == emulator.store.active_release(second).id
    assert emulator.store.releases(1) == ()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"deployment_name": "orders"}, "AmbiguousNameError: 'orders'"),
        ({"deployment_name": "Twice"}, "AmbiguousNameError: 'Twice'"),
        (
            {"deployment_name": "Orders", "deployment_id": 1},
            "InvalidInputError: deployment_id or deployment_name",
        ),
        ({"deployment_name": ""}, "InvalidInputError: deployment_name"),
    ],
)
def test_a_promotion_to_a_name_that_means_nothing_sends_nothing(
    promote, emulator, changes, options, words, fails
):
    emulator.store.create_deployment("Twice")
    emulator.store.create_deployment("Twice")
    with fails(words):
        promote(**options)
    assert changes() == []


def test_the_baseline_of_another_deployment_does_not_fit_a_name(
    promote, get, emulator, changes, fails
):
    emulator.store.create_deployment("Second")
    with fails("InvalidInputError: baseline"):
        promote(deployment_name="Second", baseline=get()[0])
    assert changes() == []


# CreateReleaseOperator, staged


def test_a_staged_release_is_not_live(promote, get, execute, live, changes):
    old = promote(0)["release_id"]
    result = promote(1, activate=False, baseline=get()[0])
    assert live() == old
    assert result["outcome"] == "created"
    assert result["previous_release_id"] == old
    assert execute.ti.pushed == result
    assert changes()[1:] == [
        ("POST", "/v4/deployments/1/releases"),
        ("PATCH", f"/v4/releases/{old}"),
    ]


def test_where_nothing_was_live_nothing_is(promote, get, execute, emulator, live):
    result = promote(1, activate=False, baseline=get()[0])
    assert live() is None
    assert result["previous_release_id"] is None
    assert "previous_release_id" not in execute.ti.pushed
    assert (
        execute.ti.pushed["release_id"] == result["release_id"] == emulator.store.releases(1)[0].id
    )


@pytest.mark.parametrize("try_number", [1, 2])
def test_staging_without_a_baseline_is_refused_before_any_request(
    promote, execute, emulator, try_number, fails
):
    with fails("InvalidInputError: activate=False"):
        promote(activate=False, try_number=try_number)
    assert emulator.calls == []
    # Without a journal, a second try cannot know what the first one sent.
    assert not execute.ti.pushed


def test_a_staged_release_has_its_xcoms_though_objects_were_dropped(
    promote, get, execute, emulator, live, fails
):
    old = promote(0)["release_id"]
    baseline = get()[0]
    emulator.drop_on_next_import({"datasources": [12]})
    with fails("DroppedObjectsError: staged", deployment_id=1) as caught:
        promote(1, activate=False, baseline=baseline)
    assert caught.value.__cause__.release_id == execute.ti.pushed["release_id"]
    assert live() == old
    assert execute.ti.pushed["release_id"] > old


# CreateDeploymentOperator


@pytest.fixture
def create(execute):
    def run(name="New", *, try_number=1, store=None, **options):
        operator = CreateDeploymentOperator(task_id="make", name=name, **options)
        return execute(operator, try_number=try_number, store=store)

    return run


@pytest.fixture
def named(emulator):
    return lambda name="New": [one.id for one in emulator.store.deployments() if one.name == name]


def test_a_deployment_is_made(create, emulator, named, changes):
    result, ti = create()
    (made,) = named()
    assert result == ti.pushed
    assert result == {
        "deployment_id": made,
        "deployment_url": f"{emulator.url}/deployments/{made}",
        "outcome": "created",
    }
    assert changes() == [("POST", "/v4/deployments")]


@pytest.mark.parametrize("try_number", [1, 2])
def test_a_deployment_of_the_name_is_reused(create, named, changes, try_number):
    first = create()[0]
    again, ti = create(try_number=try_number)
    assert again == ti.pushed == {**first, "outcome": "reused"}
    assert len(named()) == 1
    assert len(changes()) == 1


def test_only_exactly_that_name_is_reused(create, emulator, named):
    for name in ("new", "New ", "New 2", "Ne"):
        emulator.store.create_deployment(name)
    assert create()[0]["outcome"] == "created"
    assert len(named()) == 1


def test_a_deleted_deployment_is_not_reused(create, emulator, named):
    first = create()[0]["deployment_id"]
    emulator.store.delete_deployment(first)
    assert create()[0]["deployment_id"] > first
    assert len(named()) == 1


@pytest.mark.parametrize("try_number", [1, 2])
def test_several_deployments_of_the_name_are_listed(
    create, execute, emulator, named, changes, try_number
):
    emulator.store.create_deployment("New")
    emulator.store.create_deployment("New")
    with pytest.raises(AirflowFailException) as caught:
        create(try_number=try_number)
    assert (
        f"AmbiguousNameError: 2 deployments are called 'New': {named()[0]}, {named()[1]}."
        in str(caught.value)
    )
    assert changes() == []
    assert execute.ti.pushed == {}


@pytest.mark.parametrize("name", [None, "", "  ", "None", 7, ["New"]])
def test_a_bad_name_is_refused_before_any_request(create, emulator, name, fails):
    with fails("InvalidInputError: name"):
        create(name)
    assert emulator.calls == []


@pytest.fixture
def make_once(use_connection, emulator):
    def run(name="New", first_attempt=True, **options):
        use_connection(emulator.url, extra={"read_retries": 0})
        with TrifactaHook().client as client:
            options = {"tries": Tries.begin(TryFacts(1 if first_attempt else 2, 1, 1)), **options}
            return create_once(client, name, **options)

    return run


def test_a_first_attempt_does_not_wait(make_once, time):
    assert make_once()[1] == "created"
    assert make_once(first_attempt=False)[1] == "reused"
    assert time.now == 0


def test_a_retry_that_waited_in_vain_makes_one(make_once, named, time):
    assert make_once(first_attempt=False)[1] == "created"
    assert len(named()) == 1
    assert time.now == 30


@pytest.mark.parametrize(
    "look", [Answer(502), Reset(), Answer.too_many_requests(1), Answer(200, html="<h1>Hi</h1>")]
)
def test_looks_that_fail_in_passing_are_borne(make_once, emulator, named, time, look):
    emulator.faults.add(Fault(Reset("after_commit"), **CREATE))
    emulator.faults.add(Fault(look, method="GET", path="/v4/deployments", skip=1, times=3))
    made, outcome = make_once()
    assert (outcome, [made.id]) == ("adopted", named())
    assert time.now == 9


def test_looks_that_go_on_failing_leave_a_doubt(make_once, emulator, time):
    emulator.faults.add(Fault(Reset("after_commit"), **CREATE))
    emulator.faults.add(
        Fault(Answer(502), method="GET", path="/v4/deployments", skip=1, times=None)
    )
    with pytest.raises(errors.AmbiguousSubmissionError) as caught:
        make_once()
    assert isinstance(caught.value.__cause__, errors.ConnectionLostError)
    assert time.now == 30


def test_a_look_that_is_refused_ends_at_once(make_once, emulator, time):
    emulator.faults.add(Fault(Reset("after_commit"), **CREATE))
    emulator.faults.add(
        Fault(Answer(403), method="GET", path="/v4/deployments", skip=1, times=None)
    )
    with pytest.raises(errors.AmbiguousSubmissionError):
        make_once()
    assert time.now == 0


def test_another_name_waits_for_the_deployment_that_was_left_without_an_answer(
    make_once, emulator, tries, changes
):
    """No list proves that it will not be made, so a person has to look, and to clear the task."""
    emulator.faults.add(Fault(Reset("after_body"), **CREATE))
    with pytest.raises(errors.AmbiguousSubmissionError):
        make_once(tries=tries())
    with pytest.raises(errors.AmbiguousSubmissionError):
        make_once("Other", tries=tries())
    assert len(changes()) == 1
    assert make_once("Other", tries=tries(Kind.CLEAR))[1] == "created"


def test_a_deployment_that_shows_another_name_is_not_made_again_and_again(make_once, emulator):
    """As by a server that trims names: found by none of the next runs, each of which would make
    another one."""
    emulator.faults.add(Fault(Answer(201, body={"id": 1, "name": "Orders"}), **CREATE))
    with pytest.raises(
        errors.AmbiguousNameError, check=lambda error: error.deployment_id == 1
    ) as caught:
        make_once()
    assert not caught.value.retryable


def test_two_that_make_the_same_deployment_do_not_both_succeed(emulator, named):
    """The API takes both; whoever reads back last says so."""
    held = emulator.faults.add(Fault(Hold(), **CREATE))
    ended = []

    def run():
        with TrifactaHook().client as client:
            try:
                ended.append(create_once(client, "New"))
            except errors.AmbiguousNameError as error:
                ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    held.wait_until_waiting()
    with TrifactaHook().client as client:
        assert create_once(client, "New")[1] == "created"
    held.release()
    thread.join(30)
    (error,) = ended
    assert f"2 deployments are called 'New': {named()[0]}, {named()[1]}" in str(error)


def test_a_server_that_takes_a_name_once_refuses_the_second(execute, use_connection):
    with Emulator(EmulatorOptions(unique_deployment_names=True)) as strict:
        use_connection(strict.url)
        operator = CreateDeploymentOperator(task_id="make", name="New")
        first = execute(operator)[0]
        assert execute(operator)[0] == {**first, "outcome": "reused"}


# RollbackDeploymentOperator


@pytest.fixture
def undo(execute):
    def run(baseline, package_uuid, *, try_number=1, tolerated_outage=0, **options):
        operator = RollbackDeploymentOperator(
            **options,
            settle_timeout=0,
            tolerated_outage=tolerated_outage,
            task_id="undo",
            baseline=baseline,
            package_uuid=package_uuid,
        )
        return execute(operator, try_number=try_number)

    return run


def test_what_the_run_made_live_is_rolled_back(undo, get, promote, emulator, live):
    old = promote(0)["release_id"]
    baseline = get()[0]
    new = promote(1, baseline=baseline)["release_id"]
    result, ti = undo(baseline, UUIDS[1])
    assert live() == old
    assert result == ti.pushed
    assert result == {
        "deployment_id": 1,
        "deployment_url": f"{emulator.url}/deployments/1",
        "active_release_id": old,
        "rolled_back_release_id": new,
        "outcome": "rolled_back",
    }


def test_where_nothing_was_live_nothing_is_again(undo, get, promote, live):
    baseline = get()[0]
    new = promote(1, baseline=baseline)["release_id"]
    result, ti = undo(baseline, UUIDS[1])
    assert live() is None
    assert result["active_release_id"] is None
    assert result["rolled_back_release_id"] == new
    assert "active_release_id" not in ti.pushed


@pytest.mark.parametrize("uuid", [None, UUIDS[1], UUIDS[2]])
@pytest.mark.parametrize("kind", [int, str])
def test_the_release_id_of_the_promotion_decides(undo, get, promote, live, uuid, kind):
    old = promote(0)["release_id"]
    baseline = get()[0]
    new = promote(1, baseline=baseline)["release_id"]
    assert undo(baseline, uuid, release_id=kind(new))[0]["rolled_back_release_id"] == new
    assert live() == old


@pytest.mark.parametrize("release_id", [None, "None", ""])
def test_a_release_id_that_the_run_does_not_know_leaves_it_to_the_package(
    undo, get, promote, live, release_id
):
    old = promote(0)["release_id"]
    baseline = get()[0]
    new = promote(1, baseline=baseline)["release_id"]
    assert undo(baseline, UUIDS[1], release_id=release_id)[0]["rolled_back_release_id"] == new
    assert live() == old


@pytest.mark.parametrize("release_id", ["x", 0, {"release_id": 7}])
def test_a_release_id_that_is_none_is_named_before_any_request(
    undo, get, emulator, release_id, fails
):
    baseline = get()[0]
    emulator.calls.clear()
    with fails("InvalidInputError: release_id"):
        undo(baseline, UUIDS[1], release_id=release_id)
    assert emulator.calls == []


@pytest.mark.parametrize("try_number", [1, 2])
@pytest.mark.parametrize("uuid", [None, "None", "", UUIDS[1]])
def test_a_run_that_promoted_nothing_needs_no_rollback(
    undo, get, promote, live, changes, uuid, try_number
):
    old = promote(0)["release_id"]
    done = changes()
    result, ti = undo(get()[0], uuid, try_number=try_number)
    assert result["outcome"] == "unchanged"
    assert result["active_release_id"] == old
    assert result["rolled_back_release_id"] is None
    assert "rolled_back_release_id" not in ti.pushed
    assert live() == old
    assert changes() == done


@pytest.mark.parametrize("lost", [Reset("after_commit"), LateCommit(reads=0)])
def test_it_runs_when_the_promotion_died(undo, get, promote, execute, emulator, live, lost, fails):
    """No release id was ever told; the package's uuid was pushed before the upload."""
    old = promote(0)["release_id"]
    baseline = get()[0]
    emulator.faults.add(Fault(lost, method="POST", path="/v4/deployments/*/releases"))
    # The list is asked for once more without its order.
    emulator.faults.add(Fault(Answer(403), method="GET", path="/v4/releases", skip=1, times=2))
    with fails("AmbiguousSubmissionError"):
        promote(1, baseline=baseline)
    assert "release_id" not in execute.ti.pushed
    emulator.commit_late()
    new = live()
    assert new > old
    assert undo(baseline, execute.ti.pushed["package_uuid"])[0]["rolled_back_release_id"] == new
    assert live() == old


@pytest.mark.parametrize("uuid", [None, UUIDS[1]])
def test_a_release_of_another_run_stays(undo, get, promote, execute, live, changes, uuid, fails):
    promote(0)
    baseline = get()[0]
    promote(1, baseline=baseline)
    other = promote(2)["release_id"]
    done = changes()
    with fails(f"UnexpectedLiveReleaseError: {other}"):
        undo(baseline, uuid)
    assert live() == other
    assert changes() == done
    assert set(execute.ti.pushed) == {"deployment_id", "deployment_url"}


def test_a_deleted_target_is_refused(undo, get, promote, emulator, live, changes):
    old = promote(0)["release_id"]
    baseline = get()[0]
    new = promote(1, baseline=baseline)["release_id"]
    emulator.store.delete_release(old)
    with pytest.raises(AirflowFailException, match=rf"UnexpectedLiveReleaseError: .*\b{old}\b"):
        undo(baseline, UUIDS[1])
    assert live() == new
    assert [method for method, _ in changes()] == ["POST", "POST"]


def test_a_deployment_that_was_deleted_has_nothing_to_go_back_to(
    undo, get, promote, emulator, changes
):
    promote(0)
    baseline = get()[0]
    promote(1, baseline=baseline)
    emulator.store.delete_deployment(1)
    with pytest.raises(AirflowFailException, match="UnexpectedLiveReleaseError"):
        undo(baseline, UUIDS[1])
    assert [method for method, _ in changes()] == ["POST", "POST"]


@pytest.mark.parametrize(
    ("baseline", "uuid", "words"),
    [
        (None, UUIDS[1], "baseline"),
        ("None", UUIDS[1], "baseline"),
        ({"deployment_id": 1}, UUIDS[1], "baseline"),
        (
            {"deployment_id": "x", "active_release_id": None, "latest_release_id": None},
            UUIDS[1],
            "baseline['deployment_id']",
        ),
        (
            {"deployment_id": 1, "active_release_id": "x", "latest_release_id": None},
            UUIDS[1],
            "baseline['active_release_id']",
        ),
        (
            {"deployment_id": 1, "active_release_id": None, "latest_release_id": None},
            {"package_uuid": UUIDS[1]},
            "package_uuid",
        ),
    ],
)
def test_bad_input_is_named_before_any_request(
    undo, execute, emulator, baseline, uuid, words, fails
):
    with fails(f"InvalidInputError: {words}"):
        undo(baseline, uuid)
    assert emulator.calls == []
    assert execute.ti.pushed == {}


@pytest.mark.usefixtures("virtual_time")
@pytest.mark.parametrize(("path", "least"), [("/v4/releases", 20), ("/v4/releases/*", 2)])
def test_a_rollback_outlasts_a_maintenance_window(
    undo, get, promote, emulator, live, time, path, least
):
    """Whether the instance goes away before the change or with it. A lost change is looked for each
    second."""
    old = promote(0)["release_id"]
    baseline = get()[0]
    promote(1, baseline=baseline)
    fault = emulator.faults.add(Fault(Answer(503), path=path, times=None))
    time.during_sleep = [lambda: None] * 48 + [emulator.faults.clear]
    assert (
        undo(baseline, UUIDS[1], tolerated_outage=timedelta(hours=1))[0]["outcome"] == "rolled_back"
    )
    assert live() == old
    assert fault.fired >= least


@pytest.mark.usefixtures("virtual_time")
def test_a_rollback_that_began_a_change_does_not_say_that_nothing_was_changed(
    undo, get, promote, emulator, live, time
):
    """The change is made and cannot be read back, and then a person activates a third release."""
    third = promote(2)["release_id"]
    promote(0)
    baseline = get()[0]
    promote(1, baseline=baseline)
    emulator.faults.add(Fault(Reset("after_commit"), **CHANGE))
    emulator.faults.add(Fault(Answer(503), method="GET", path="/v4/releases", skip=1, times=None))

    def decide():
        emulator.faults.clear()
        emulator.store.update_release(third, active=True)

    time.during_sleep = [lambda: None] * 31 + [decide]
    with pytest.raises(errors.TrifactaError) as caught:
        undo(baseline, UUIDS[1], tolerated_outage=1800)
    assert caught.value.standing
    assert "Nothing was changed" not in str(caught.value)
    assert isinstance(caught.value.__cause__, errors.UnexpectedLiveReleaseError)
    assert live() == third


@pytest.mark.usefixtures("virtual_time")
def test_a_rollback_that_looks_again_later_tells_of_another_import(
    undo, get, promote, emulator, live, time, fails, monkeypatch
):
    """Another import ends right before the change is made, and the read back fails."""
    old = promote(0)["release_id"]
    baseline = get()[0]
    promote(1, baseline=baseline)
    activate = Releases.activate

    def overlapped(*args, **options):
        promote(2)
        emulator.faults.add(Fault(Answer(503), method="GET", path="/v4/releases", times=None))
        return activate(*args, **options)

    monkeypatch.setattr(Releases, "activate", overlapped)
    time.during_sleep = [lambda: None] * 31 + [emulator.faults.clear]
    with fails("UnexpectedLiveReleaseError", live_id=old) as caught:
        undo(baseline, UUIDS[1], tolerated_outage=1800)
    assert caught.value.__cause__.standing
    assert live() == old


@pytest.mark.usefixtures("virtual_time")
def test_a_rollback_gives_up_at_last(undo, get, promote, emulator, live, time):
    promote(0)
    baseline = get()[0]
    new = promote(1, baseline=baseline)["release_id"]
    emulator.faults.add(Fault(Answer(503), path="/v4/releases", times=None))
    with pytest.raises(errors.ServerError):
        undo(baseline, UUIDS[1], tolerated_outage=1800)
    assert 1800 <= time.now <= 1800 + 120 + 60
    emulator.faults.clear()
    assert live() == new


@pytest.mark.usefixtures("virtual_time")
def test_a_refusal_is_not_waited_for(undo, get, promote, emulator, time, fails):
    promote(0)
    baseline = get()[0]
    promote(1, baseline=baseline)
    emulator.faults.add(Fault(Answer(403), method="PATCH", path="/v4/releases/*", times=None))
    with fails("PermissionDeniedError"):
        undo(baseline, UUIDS[1], tolerated_outage=1800)
    assert time.now < 60


@pytest.mark.usefixtures("emulator")
def test_the_log_tells_what_was_rolled_back(undo, get, promote, caplog):
    caplog.set_level(logging.INFO)
    baseline = get()[0]
    new = promote(1, baseline=baseline)["release_id"]
    undo(baseline, UUIDS[1])
    assert f"Release none of deployment 'Orders' (1) is live; rolled back: {new}" in caplog.text


def test_the_constructors_only_assign():
    undo = RollbackDeploymentOperator(
        settle_timeout=0,
        task_id="u",
        baseline="{{ x }}",
        package_uuid="{{ y }}",
        release_id="{{ r }}",
        trifacta_conn_id="{{ z }}",
    )
    assert [getattr(undo, name) for name in undo.template_fields] == [
        "{{ x }}",
        "{{ y }}",
        "{{ r }}",
        "{{ z }}",
    ]
    create = CreateDeploymentOperator(task_id="c", name="{{ x }}", trifacta_conn_id="{{ z }}")
    assert [getattr(create, name) for name in create.template_fields] == ["{{ x }}", "{{ z }}"]
