"""Staged promotion: the release is there, and what was live before stays live, even if something
goes wrong."""

from __future__ import annotations

import logging
import re

import pytest
from request_patterns import CHANGE, CREATE, LIST
from trifacta_emulator import Answer, Fault, Hold, LateActivation, LateCommit, Reset

from airflow_provider_trifacta.client.errors import (
    AmbiguousSubmissionError,
    ConnectionLostError,
    InterruptedChangeError,
    OlderPackageError,
    PermissionDeniedError,
    ReleaseNotLiveError,
    ServerError,
    TrifactaError,
    UnexpectedLiveReleaseError,
)
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.promotion.journal import KEY
from airflow_provider_trifacta.promotion.staged import StagedPromoter
from airflow_provider_trifacta.promotion.tries import Tries, TryFacts

pytestmark = pytest.mark.every_airflow


@pytest.fixture
def upload(client, packages):
    """Return a function that imports a package outside the promotion, as a person would."""

    def run(letter):
        with open_package(packages(letter)) as package:
            return client.releases.create(1, package.body()).release.id

    return run


@pytest.fixture
def stage(client, packages):
    def run(letter="B", first_attempt=True, **options):
        options = {"tries": Tries.begin(TryFacts(1 if first_attempt else 2, 1, 1)), **options}
        with open_package(packages(letter)) as package:
            return StagedPromoter(client, 1, package, **options).run()

    return run


@pytest.fixture(params=["a live release before", "none before"])
def before(request, upload):
    """The release that is live before, which stays so; None in the other half of the tests."""
    if request.param == "none before":
        return None
    return upload("A")


@pytest.fixture
def baseline(before, take_baseline):  # noqa: ARG001 - it is read after that release went live
    return take_baseline()


@pytest.fixture
def sent(emulator):
    """Return a function that tells what was written since it was called last."""
    known = 0

    def get():
        nonlocal known
        calls, known = emulator.calls[known:], len(emulator.calls)
        return [(call.method, call.path) for call in calls if call.method != "GET"]

    return get


def restore(before, staged):
    return ("PATCH", f"/v4/releases/{before or staged}")


UPLOAD = ("POST", "/v4/deployments/1/releases")


# Success


def test_what_was_live_is_live_again(stage, before, baseline, live, sent, emulator, time, caplog):
    caplog.set_level(logging.INFO)
    sent()
    result = stage(baseline=baseline)
    assert result.outcome == "created"
    assert result.imported.primary_flow_ids
    assert result.previous_release_id == before
    assert live() == before
    assert not emulator.store.release(result.release.id).active
    assert sent() == [UPLOAD, restore(before, result.release.id)]
    assert time.slept == []
    (told,) = [one for one in caplog.records if one.name.endswith("promotion.staged")]
    assert told.args[:3] == (result.release.id, 1, before or "none")
    assert re.search(r"\d+\.\d s after the import", told.getMessage())


def test_the_window_is_told_by_the_servers_clock(client, emulator, upload):
    """As long as the release was really live: from its import, whose answer may come late, to the
    change."""
    from airflow_provider_trifacta.promotion.staged import _window

    old = upload("A")
    new = upload("B")
    emulator.store.update_release(old, active=True)
    releases = client.releases.list(1)
    times = {one.id: one for one in releases}
    assert (
        _window(releases, new, old)
        == (times[old].updated_at - times[new].created_at).total_seconds()
    )
    assert (
        _window(releases, new, None)
        == (times[new].updated_at - times[new].created_at).total_seconds()
    )
    assert _window(releases, new, 99) is None
    assert _window(releases, 99, old) is None


def test_a_second_run_of_the_same_package_makes_a_release_of_its_own(
    stage, before, baseline, take_baseline, live, emulator
):
    first = stage(baseline=baseline)
    second = stage(baseline=take_baseline())
    assert second.outcome == "created"
    assert second.release.id > first.release.id
    assert live() == before
    assert [one.package_uuid for one in emulator.store.releases(1)][-2:] == [
        first.release.package_uuid
    ] * 2


# Already done


def test_a_staged_release_whose_restore_is_not_proven_is_not_green(
    stage, baseline, live, emulator, tries
):
    """The change was lost, and a person activated the release: the journal does not know that it
    was put back."""
    emulator.faults.add(Fault(Answer(403), **CHANGE))
    with pytest.raises(PermissionDeniedError):
        stage(baseline=baseline, tries=tries())
    staged = live()
    emulator.store.update_release(staged, notes="approved")
    with pytest.raises(InterruptedChangeError):
        stage(baseline=baseline, tries=tries())
    assert live() == staged


def test_of_several_releases_of_the_run_the_newest_counts(
    stage, upload, before, baseline, live, emulator, sent
):
    upload("B")
    newest = upload("B")
    if before:
        emulator.store.update_release(before, active=True)
    else:
        emulator.store.update_release(newest, active=False)
    sent()
    assert stage(baseline=baseline).release.id == newest
    assert live() == before
    assert sent() == []


# Refused


def test_a_third_release_that_is_live_stops_the_upload(stage, upload, baseline, live, sent):
    third = upload("C")
    sent()
    with pytest.raises(UnexpectedLiveReleaseError, check=lambda error: error.live_id == third):
        stage("D", baseline=baseline)
    assert live() == third
    assert sent() == []


@pytest.mark.parametrize("first_attempt", [True, False])
def test_a_third_release_that_is_live_is_not_undone_to_stage_another(
    stage, upload, baseline, live, sent, first_attempt
):
    """What is put back must be what was live. A retry cannot tell whether an earlier try made the
    third release."""
    third = upload("C")
    sent()
    error = UnexpectedLiveReleaseError if first_attempt else AmbiguousSubmissionError
    with pytest.raises(error) as caught:
        stage("D", baseline=baseline, first_attempt=first_attempt)
    assert third in (caught.value.live_id, caught.value.release_id)
    assert live() == third
    assert sent() == []


@pytest.mark.parametrize("first_attempt", [True, False])
def test_a_third_release_that_went_live_after_the_staging_stays(
    stage, upload, baseline, live, sent, first_attempt
):
    staged = stage(baseline=baseline).release.id
    third = upload("C")
    sent()
    with pytest.raises(
        UnexpectedLiveReleaseError,
        check=lambda error: (error.release_id, error.live_id) == (staged, third),
    ):
        stage(baseline=baseline, first_attempt=first_attempt)
    assert live() == third
    assert sent() == []


def test_a_deactivation_after_the_staging_stays(stage, upload, take_baseline, live, emulator, sent):
    old = upload("A")
    baseline = take_baseline()
    stage(baseline=baseline)
    emulator.store.update_release(old, active=False)
    sent()
    with pytest.raises(UnexpectedLiveReleaseError, check=lambda error: error.live_id is None):
        stage(baseline=baseline, first_attempt=False)
    assert live() is None
    assert sent() == []


def test_a_release_that_was_live_and_is_deleted_cannot_be_put_back(
    stage, upload, take_baseline, emulator, sent
):
    old = upload("A")
    baseline = take_baseline()
    emulator.store.delete_release(old)
    sent()
    with pytest.raises(
        UnexpectedLiveReleaseError,
        check=lambda error: (error.deployment_id, error.live_id) == (1, None),
    ):
        stage(baseline=baseline)
    assert sent() == []


def test_an_older_package_is_not_even_staged(stage, upload, take_baseline, sent):
    upload("B")
    baseline = take_baseline()
    sent()
    with pytest.raises(OlderPackageError):
        stage("A", baseline=baseline)
    assert sent() == []
    assert stage("A", baseline=baseline, allow_older=True).outcome == "created"


def test_a_foreign_release_in_the_answer_is_never_put_back(
    stage, before, baseline, emulator, client, make_package
):
    """The server answers with a release of another deployment: that one must stay live, and a
    person has to look."""
    other = emulator.store.create_deployment("Second").id
    with open_package(make_package()) as package:
        foreign = client.releases.create(other, package.body()).release.id
    body = {
        "release": {"id": foreign, "deployment": {"id": 1}, "packageUuid": None, "active": True}
    }
    emulator.faults.add(Fault(Answer(201, body=body, when="after_commit"), **CREATE))
    with pytest.raises(
        AmbiguousSubmissionError, check=lambda error: error.release_id == foreign
    ) as caught:
        stage(baseline=baseline)
    assert "not read back" in caught.value.standing
    assert emulator.store.active_release(other).id == foreign
    made = max(one.id for one in emulator.store.releases(1))
    assert emulator.store.active_release(1).id == made != before


def test_a_list_that_lags_behind_does_not_hide_that_the_staged_release_is_live(
    stage, before, baseline, live, emulator, lagging
):
    """The change is lost, and the list still shows how it was before the import: that proves
    nothing."""
    emulator.faults.add(Fault(Answer(502, html="<h1>Bad Gateway</h1>"), **CHANGE))
    lagging(20)
    with pytest.raises(TrifactaError):
        stage(baseline=baseline)
    assert live() != before


# Lost answers


def test_what_a_person_made_live_is_not_replaced_by_what_was_recorded(
    stage, upload, baseline, live, emulator, sent, time
):
    """The upload of an earlier try is handled after a person's decision, and so replaces it."""
    armed = emulator.faults.add(Fault(LateCommit(), **CREATE))
    with pytest.raises(ServerError):
        upload("B")
    third = upload("C")
    sent()
    time.during_sleep = [armed.release]
    with pytest.raises(UnexpectedLiveReleaseError, check=lambda error: error.live_id == third):
        stage(baseline=baseline, first_attempt=False)
    assert live() > third
    assert sent() == [], "neither uploaded again, nor the recorded one put over the decision"


# Others at the same time


def test_another_import_during_the_upload_is_not_hidden(stage, upload, before, baseline, live):
    """Its release was live for a moment; what was recorded is put back, and the task says what it
    overran."""
    others = []

    def interfere():
        others.append(upload("C"))

    with pytest.raises(UnexpectedLiveReleaseError) as caught:
        stage(baseline=baseline, before_upload=interfere)
    assert [caught.value.release_id] == others
    assert caught.value.live_id == before
    assert live() == before


def test_another_import_before_the_restore_shows_is_kept(
    stage, upload, before, baseline, live, emulator, time
):
    emulator.faults.add(Fault(Answer(200, body={}), **CHANGE))  # taken, and not done yet
    time.during_sleep = [lambda: upload("C")]
    with pytest.raises(UnexpectedLiveReleaseError, check=lambda error: error.live_id == live()):
        stage(baseline=baseline)
    assert live() == max(one.id for one in emulator.store.releases(1)) != before


def test_a_way_back_without_an_answer_blocks_the_next_upload(
    stage, upload, take_baseline, emulator, sent, time, store
):
    """A person clears the whole group, and the server makes the abandoned change only then."""
    before = upload("A")
    emulator.faults.add(Fault(Reset("after_body"), **CHANGE))
    with pytest.raises(ConnectionLostError):
        stage(baseline=take_baseline(), tries=Tries.begin(TryFacts(1, 1, 1), store))
    sent()
    time.during_sleep = [lambda: emulator.store.update_release(before, active=True)]
    cleared = Tries.begin(TryFacts(2, 3, 1, run_was_cleared=True), store)
    with pytest.raises(UnexpectedLiveReleaseError, check=lambda error: error.live_id == before):
        stage("C", baseline=take_baseline(), tries=cleared)
    assert sent() == []


def test_an_approval_stands_where_only_the_way_back_itself_was_noted(
    stage, upload, take_baseline, live, emulator, sent, store
):
    """The process is killed between the two notes of one way back, and a person approves."""
    upload("A")
    baseline = take_baseline()
    release = stage(baseline=baseline, tries=Tries.begin(TryFacts(1, 1, 1), store)).release
    document = store.get(KEY)
    del document["answer"]["put_back"]
    store.set(KEY, document)
    emulator.store.update_release(release.id, active=True)
    sent()
    stage(baseline=baseline, tries=Tries.begin(TryFacts(2, 1, 1), store))
    assert live() == release.id
    assert sent() == []


def test_the_way_back_of_an_earlier_release_counts_for_that_release_only(
    stage, upload, take_baseline, live, sent, store
):
    """A person clears the whole group, and the process is killed after the second upload."""
    before = upload("A")
    stage(baseline=take_baseline(), tries=Tries.begin(TryFacts(1, 1, 1), store))
    baseline = take_baseline()

    def killed(*_):
        raise KeyboardInterrupt

    cleared = Tries.begin(TryFacts(2, 3, 1, run_was_cleared=True), store)
    with pytest.raises(KeyboardInterrupt):
        stage("C", baseline=baseline, tries=cleared, on_release=killed)
    staged = live()
    assert staged != before
    sent()
    stage("C", baseline=baseline, tries=Tries.begin(TryFacts(3, 3, 1), store))
    assert live() == before
    assert sent() == [restore(before, staged)]


# An import that goes live late


def test_an_import_that_goes_live_late_is_put_back_then(
    stage, before, baseline, live, emulator, sent, time
):
    """Put back before, it would go live after the task's success."""
    sent()
    armed = emulator.faults.add(Fault(LateActivation(), **CREATE))
    time.during_sleep = [lambda: None, armed.release]
    result = stage(baseline=baseline)
    assert live() == before
    assert sent() == [UPLOAD, restore(before, result.release.id)]
    assert armed.waiting == 0


def test_looks_that_fail_meanwhile_are_borne(stage, before, baseline, live, emulator, time):
    armed = emulator.faults.add(Fault(LateActivation(), **CREATE))
    emulator.faults.add(Fault(Answer.too_many_requests(1), **LIST, skip=1, times=2))
    time.during_sleep = [lambda: None, lambda: None, lambda: None, armed.release]
    stage(baseline=baseline)
    assert live() == before
    assert len(time.slept) == 4


def test_looks_that_go_on_failing_are_no_success(stage, baseline, emulator, time):
    emulator.faults.add(Fault(LateActivation(), **CREATE))
    emulator.faults.add(Fault(Answer(502), **LIST, skip=1, times=None))
    with pytest.raises(ServerError):
        stage(baseline=baseline, settle_timeout=20)
    assert sum(time.slept) == 20


def test_an_import_that_never_goes_live_is_staged_as_it_is(
    stage, before, baseline, live, emulator, sent, time, caplog
):
    sent()
    emulator.faults.add(Fault(LateActivation(), **CREATE))
    result = stage(baseline=baseline, settle_timeout=20)
    assert live() == before
    assert sent() == [UPLOAD]
    assert sum(time.slept) == 20
    (told,) = [one for one in caplog.records if one.name.endswith("promotion.staged")]
    assert (told.levelname, told.args[0]) == ("WARNING", result.release.id)


def test_another_change_meanwhile_is_kept(stage, upload, baseline, live, emulator, time):
    emulator.faults.add(Fault(LateActivation(), **CREATE))
    time.during_sleep = [lambda: upload("C")]
    with pytest.raises(UnexpectedLiveReleaseError, check=lambda error: error.live_id == live()):
        stage(baseline=baseline)
    assert live() == max(one.id for one in emulator.store.releases(1))


def test_the_moment_in_between_is_real(stage, before, baseline, live, emulator):
    """The API has no atomic way: the held change shows it."""
    import threading

    held = emulator.faults.add(Fault(Hold(), **CHANGE))
    thread = threading.Thread(target=lambda: stage(baseline=baseline))
    thread.start()
    held.wait_until_waiting()
    assert live() not in (None, before)
    held.release()
    thread.join(30)
    assert not thread.is_alive()
    assert live() == before


def test_a_retry_waits_for_a_release_that_goes_live_late(
    stage, before, baseline, live, emulator, time, tries
):
    """The first try was killed after the import, and the server activates the release while the
    retry looks."""
    late = emulator.faults.add(Fault(LateActivation(), **CREATE))

    def die():
        raise SystemExit

    time.during_sleep = [die]
    with pytest.raises(SystemExit):
        stage(baseline=baseline, tries=tries())
    time.during_sleep = [late.release]
    result = stage(baseline=baseline, tries=tries())
    assert live() == before
    assert not emulator.store.release(result.release.id).active


def test_a_release_that_never_went_live_was_not_put_back(stage, baseline, emulator, tries, live):
    late = emulator.faults.add(Fault(LateActivation(), **CREATE))
    staged = stage(baseline=baseline, tries=tries()).release.id
    late.release()
    assert live() == staged
    with pytest.raises(InterruptedChangeError):
        stage(baseline=baseline, tries=tries())


def test_a_staged_release_that_is_deleted_during_the_wait_is_not_green(
    stage, before, baseline, live, emulator, time
):
    """It does not go live by itself, and then a person deletes it."""
    emulator.faults.add(Fault(LateActivation()))
    gone = []

    def delete():
        if not gone:
            gone.append(max(one.id for one in emulator.store.releases(1)))
            emulator.store.delete_release(gone[0])

    time.during_sleep = [delete] * 100
    with pytest.raises(ReleaseNotLiveError) as caught:
        stage(baseline=baseline)
    assert (caught.value.release_id, caught.value.live_id) == (gone[0], before)
    assert live() == before
