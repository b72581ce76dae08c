"""Which release is live, changed on purpose: sent once, read back, and never over a person's
change."""

from __future__ import annotations

import pytest
from request_patterns import CHANGE, LIST
from trifacta_emulator import Answer, Fault, Reset, read_package

from airflow_provider_trifacta.client.errors import (
    ConnectionLostError,
    GoneError,
    InterruptedChangeError,
    PermissionDeniedError,
    RateLimitError,
    TrifactaError,
    UnexpectedLiveReleaseError,
    UnexpectedResponseError,
)
from airflow_provider_trifacta.client.models import Release
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.promotion.standing import Standing
from airflow_provider_trifacta.promotion.switch import refuse_overlap, set_live

pytestmark = pytest.mark.every_airflow


@pytest.fixture
def release_ids(client, make_package):
    """Three releases; the last one is live."""
    ids = []
    for _ in range(3):
        with open_package(make_package()) as package:
            ids.append(client.releases.create(1, package.body()).release.id)
    return ids


@pytest.fixture
def change(client, emulator):
    """Return a function that makes a release live, as decided when another one was."""

    def run(target, replacing, **options):
        seen = [
            Release(one.id, one.id == replacing, one.package_uuid, None, 1, None, None)
            for one in reversed(emulator.store.releases(1))
        ]
        return set_live(client, 1, target, seen, **options)

    return run


@pytest.fixture
def changes(emulator):
    return lambda: [call for call in emulator.calls if call.method == "PATCH"]


def test_who_is_live(client, release_ids, emulator):
    assert Standing(1, client.releases.list(1)).live_id == release_ids[2]
    emulator.store.update_release(release_ids[2], active=False)
    assert Standing(1, client.releases.list(1)).live_id is None


def test_an_activation_is_sent_and_read_back(change, release_ids, live, changes, time):
    first, _, third = release_ids
    shown = change(first, third)
    assert live() == first
    assert {release.id: release.active for release in shown} == {
        one: one == first for one in release_ids
    }
    assert len(changes()) == 1
    assert time.slept == []


def test_a_deactivation_leaves_nothing_live(change, release_ids, live, changes):
    shown = change(None, release_ids[2])
    assert live() is None
    assert not any(release.active for release in shown)
    assert [call.path for call in changes()] == [f"/v4/releases/{release_ids[2]}"]


def test_nothing_live_may_be_replaced(change, release_ids, emulator, live):
    emulator.store.update_release(release_ids[2], active=False)
    change(release_ids[1], None)
    assert live() == release_ids[1]


@pytest.mark.parametrize("same", [None, 3])
def test_no_change_is_not_sent(change, release_ids, changes, same):
    target = release_ids[2] if same else None
    assert [release.id for release in change(target, target)] == release_ids[::-1]
    assert changes() == []


def test_a_deleted_release_is_refused_at_once(change, release_ids, emulator, live, changes, time):
    emulator.store.delete_release(release_ids[0])
    with pytest.raises(GoneError):
        change(release_ids[0], release_ids[2])
    assert live() == release_ids[2]
    assert len(changes()) == 1
    assert time.slept == []


def test_a_change_that_was_taken_and_does_not_show_is_no_success(
    change, release_ids, emulator, time
):
    emulator.faults.add(Fault(Answer(200, body={"id": release_ids[0]}), **CHANGE))
    with pytest.raises(
        UnexpectedResponseError, check=lambda error: error.release_id == release_ids[0]
    ) as caught:
        change(release_ids[0], release_ids[2])
    assert caught.value.retryable
    assert sum(time.slept) == 30


@pytest.mark.parametrize("lost", [False, True])
def test_what_a_person_made_live_in_the_meantime_stays(
    change, release_ids, emulator, live, changes, time, lost
):
    """The change itself has no effect, and the third one shows: it came after."""
    first, second, third = release_ids
    effect = Answer.gateway_timeout(when="after_body") if lost else Answer(200, body={"id": first})
    emulator.faults.add(Fault(effect, **CHANGE))
    time.during_sleep = [lambda: emulator.store.update_release(second, active=True)]
    with pytest.raises(
        UnexpectedLiveReleaseError,
        check=lambda error: (error.release_id, error.live_id) == (first, second),
    ):
        change(first, third)
    assert live() == second
    assert len(changes()) == 1


@pytest.mark.parametrize(
    "look", [Answer(502), Reset(), Answer.too_many_requests(1), Answer(200, html="<h1>Hi</h1>")]
)
def test_looks_that_fail_in_passing_are_borne(
    change, release_ids, emulator, live, changes, time, look
):
    emulator.faults.add(Fault(look, **LIST, times=3))
    change(release_ids[0], release_ids[2])
    assert live() == release_ids[0]
    assert len(time.slept) == 3
    assert len(changes()) == 1


@pytest.mark.parametrize("lost", [False, True])
def test_looks_that_go_on_failing_are_no_success(change, release_ids, emulator, time, lost):
    if lost:
        emulator.faults.add(Fault(Reset("after_commit"), **CHANGE))
    emulator.faults.add(Fault(Answer.too_many_requests(1), **LIST, times=None))
    with pytest.raises(ConnectionLostError if lost else RateLimitError):
        change(release_ids[0], release_ids[2])
    assert sum(time.slept) == 30


def test_a_look_that_is_refused_ends_at_once(change, release_ids, emulator, time):
    emulator.faults.add(Fault(Answer(403), **LIST, times=None))
    with pytest.raises(PermissionDeniedError):
        change(release_ids[0], release_ids[2])
    assert time.slept == []


@pytest.mark.usefixtures("release_ids")
def test_what_was_imported_during_a_change_is_told(client, make_package):
    before = Standing.read(client, 1)
    refuse_overlap(before, [])
    with open_package(make_package()) as package:
        other = client.releases.create(1, package.body()).release
    after = Standing.read(client, 1)
    with pytest.raises(
        UnexpectedLiveReleaseError,
        check=lambda error: error.release_id == error.live_id == other.id,
    ):
        refuse_overlap(after, after.made_since(before))


def test_a_decision_taken_while_a_busy_server_makes_us_wait_is_kept(
    change, emulator, release_ids, time, live
):
    """The server was busy and did nothing; in the meantime a person activated a third release."""
    first, second, third = release_ids
    emulator.faults.add(Fault(Answer.too_many_requests(30), **CHANGE))
    time.during_sleep = [lambda: emulator.store.update_release(second, active=True)]
    with pytest.raises(UnexpectedLiveReleaseError):
        change(first, third)
    assert time.slept
    assert live() == second


def test_a_retry_compares_a_release_that_is_far_down(
    client, release_ids, emulator, make_package, live, tries
):
    with make_package().open("rb") as file:
        package = read_package(file)
    for _ in range(110):
        emulator.store.create_release(1, package)
    seen = client.releases.list(1)
    emulator.faults.add(Fault(Reset("after_body"), **CHANGE))
    with pytest.raises(ConnectionLostError):
        set_live(client, 1, release_ids[0], seen, tries=tries())
    set_live(client, 1, release_ids[0], client.releases.list(1), tries=tries())
    assert live() == release_ids[0]


def test_a_refusal_does_not_end_the_doubt_of_an_earlier_try(
    client, release_ids, emulator, live, changes, tries
):
    """What the first try asked for is done late, and a person takes it back: the third try must not
    do it again."""
    first, last = release_ids[0], release_ids[2]
    emulator.faults.add(Fault(Reset("after_body"), **CHANGE))
    with pytest.raises(ConnectionLostError):
        set_live(client, 1, first, client.releases.list(1), tries=tries())
    emulator.faults.add(Fault(Answer(403), **CHANGE))
    with pytest.raises(PermissionDeniedError):
        set_live(client, 1, first, client.releases.list(1), tries=tries())
    emulator.store.update_release(first, active=True)
    emulator.store.update_release(last, active=True)
    with pytest.raises(InterruptedChangeError):
        set_live(client, 1, first, client.releases.list(1), tries=tries())
    assert live() == last
    assert len(changes()) == 2


def test_an_empty_list_is_no_list_to_count(change, release_ids, emulator, live, time):
    emulator.faults.add(Fault(Answer(200, body={"data": []}), times=2, **LIST))
    change(release_ids[0], release_ids[2])
    assert live() == release_ids[0]
    assert time.now == 2


def test_a_list_that_stays_empty_is_no_proof(change, release_ids, emulator):
    emulator.faults.add(Fault(Answer(200, body={"data": []}), times=None, **LIST))
    with pytest.raises(UnexpectedResponseError) as caught:
        change(release_ids[0], release_ids[2])
    assert caught.value.standing


def test_a_busy_server_does_not_multiply_the_looks(change, release_ids, emulator, live, changes):
    """One look before each repetition, also where the look fails."""
    first, _, third = release_ids
    emulator.faults.add(Fault(Answer.too_many_requests(1), **CHANGE))
    emulator.faults.add(
        Fault(Answer.too_many_requests(1), method="GET", path="/v4/releases", times=2)
    )
    change(first, third)
    assert live() == first
    assert len(changes()) == 2


def test_a_look_that_keeps_failing_is_no_doubt(change, release_ids, emulator, changes):
    first, _, third = release_ids
    before = len(emulator.calls)
    emulator.faults.add(Fault(Answer.too_many_requests(1), **CHANGE, times=None))
    emulator.faults.add(
        Fault(Answer(502, html="<h1>Bad</h1>"), method="GET", path="/v4/releases", times=None)
    )
    with pytest.raises(TrifactaError) as caught:
        change(first, third)
    assert "What is live was not changed" in caught.value.standing
    assert len(emulator.calls) - before <= 6
    assert len(changes()) == 1


@pytest.mark.parametrize("is_late", [True, False])
def test_another_change_waits_for_the_one_that_was_left_without_an_answer(
    client, release_ids, emulator, live, changes, tries, time, is_late
):
    first, second, _ = release_ids
    emulator.faults.add(Fault(Reset("after_body"), **CHANGE))
    with pytest.raises(ConnectionLostError):
        set_live(client, 1, first, client.releases.list(1), tries=tries())
    asked, slept = len(changes()), time.now
    if not is_late:
        set_live(client, 1, second, client.releases.list(1), tries=tries())
        assert live() == second
        assert time.now - slept == 30
        return
    time.during_sleep = [lambda: emulator.store.update_release(first, active=True)]
    with pytest.raises(InterruptedChangeError):
        set_live(client, 1, second, client.releases.list(1), tries=tries())
    assert (live(), len(changes())) == (first, asked)
