"""What an earlier try did: its release is found by a retry, and a person's decision is never
undone."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from request_patterns import CREATE
from trifacta_emulator import Answer, Fault, LateActivation, LateCommit, Reset

from airflow_provider_trifacta.client.errors import (
    AmbiguousSubmissionError,
    BadRequestError,
    ConnectionLostError,
    GatewayPageError,
    JournalUnavailableError,
    PermissionDeniedError,
    PromotionNotProvenError,
    ReleaseNotLiveError,
    ServerError,
    UnexpectedLiveReleaseError,
)
from airflow_provider_trifacta.client.releases import Releases
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.promotion.baseline import Baseline
from airflow_provider_trifacta.promotion.promoter import Promoter
from airflow_provider_trifacta.promotion.tries import Kind

pytestmark = pytest.mark.every_airflow


# What was live is live: that does not prove that nothing happened


@pytest.fixture
def undone(promote, take_baseline, emulator):
    """Return a function that commits and dies; then a person goes back to the old release and
    deletes the new one."""

    def run(*, delete=True):
        old = promote("A").release
        baseline = take_baseline()
        new = promote("B", baseline=baseline).release
        emulator.store.update_release(old.id, active=True)
        if delete:
            emulator.store.delete_release(new.id)
        return baseline, old

    return run


def test_a_deleted_release_of_the_run_proves_that_a_person_acted(promote, undone, live, uploads):
    baseline, old = undone()
    without_times = dataclasses.replace(baseline, active_updated_at=None)
    with pytest.raises(
        ReleaseNotLiveError,
        check=lambda error: (error.release_id, error.live_id) == (old.id + 1, old.id),
    ):
        promote("B", baseline=without_times, first_attempt=False)
    assert live() == old.id
    assert len(uploads()) == 2


@pytest.mark.parametrize(
    "error", [BadRequestError("includeDeleted"), GatewayPageError("403", status=403)]
)
def test_a_live_release_that_was_changed_since_the_baseline_proves_that_a_person_acted(
    promote, undone, live, monkeypatch, uploads, error
):
    baseline, old = undone()
    read = Releases.list

    def without_deleted(self, deployment_id, *, include_deleted=False, **options):
        """Answer as a server that does not know the parameter."""
        if include_deleted:
            raise error
        return read(self, deployment_id, **options)

    monkeypatch.setattr(Releases, "list", without_deleted)
    with pytest.raises(
        ReleaseNotLiveError, check=lambda error: (error.release_id, error.live_id) == (None, old.id)
    ):
        promote("B", baseline=baseline, first_attempt=False)
    assert live() == old.id
    assert len(uploads()) == 2


def test_without_a_baseline_a_release_deleted_in_this_run_proves_it(promote, undone, emulator):
    _, old = undone()
    began = next(iter(emulator.store.releases(1))).created_at
    with pytest.raises(
        ReleaseNotLiveError,
        check=lambda error: (error.release_id, error.live_id) == (old.id + 1, old.id),
    ):
        promote("B", first_attempt=False, began=began)
    assert promote("B", first_attempt=False, began=began + timedelta(hours=1)).outcome == "created"


def test_no_false_alarm_on_a_first_attempt_or_where_nothing_was_changed(
    promote, undone, take_baseline
):
    undone()
    assert promote("B", baseline=take_baseline()).outcome == "created"


def test_no_false_alarm_by_a_release_that_was_deleted_before_the_baseline(
    promote, undone, take_baseline
):
    undone()
    assert promote("B", baseline=take_baseline(), first_attempt=False).outcome == "created"


def test_a_baseline_recorded_before_an_upgrade_is_still_read(promote, take_baseline):
    promote("A")
    old = {
        key: value for key, value in take_baseline().as_dict().items() if key != "active_updated_at"
    }
    assert promote("B", baseline=Baseline.parse(old), first_attempt=False).outcome == "created"


# The journal


def test_a_retry_after_a_try_that_noted_nothing_waits(promote, tries, time):
    tries.skip()
    assert promote(tries=tries()).outcome == "created"
    assert sum(time.slept) == 60


def test_a_retry_that_finds_the_answer_returns_it_whole(promote, tries, take_baseline, uploads):
    promote("A")
    baseline = take_baseline()
    first = promote("B", baseline=baseline, tries=tries())
    again = promote("B", baseline=baseline, tries=tries())
    assert (again.outcome, again.release.id, again.recalled) == ("created", first.release.id, True)
    assert again.imported.primary_flow_ids == first.imported.primary_flow_ids
    assert again.previous_release_id == first.previous_release_id
    assert len(uploads()) == 2


def test_a_retry_remembers_what_was_dropped(promote, tries, packages, client):
    dropped = {"connections": [{"id": one} for one in range(1, 31)]}

    first = tries()
    with open_package(packages("A")) as package:
        promoter = Promoter(client, 1, package, tries=first)
        create = client.releases.create
        client.releases.create = lambda *a, **k: dataclasses.replace(
            create(*a, **k), dropped=dropped
        )
        promoter.run()
    again = promote(tries=tries())
    assert again.imported.dropped["count"] == 30
    assert len(again.imported.dropped["objects"]) == 20


def test_a_release_of_an_earlier_try_that_was_deleted_is_not_made_again(
    promote, tries, emulator, uploads
):
    made = promote(tries=tries()).release
    emulator.store.delete_release(made.id)
    with pytest.raises(ReleaseNotLiveError):
        promote(tries=tries())
    assert len(uploads()) == 1


def test_an_entry_counts_for_the_same_baseline_only(promote, tries, take_baseline, ids):
    promote("A", baseline=take_baseline(), tries=tries())
    assert promote("A", baseline=take_baseline(), tries=tries()).outcome == "created"
    assert len(ids()) == 2


def test_a_store_that_fails_before_the_upload_stops_it(promote, tries, uploads):
    one = tries()
    tries.store.broken = True
    with pytest.raises(JournalUnavailableError) as caught:
        promote(tries=one)
    assert caught.value.retryable
    assert uploads() == []


def test_a_store_that_fails_after_the_upload_is_only_warned_of(promote, tries, caplog):
    one = tries()
    tries.store.breaks_after = 1
    assert promote(tries=one).outcome == "created"
    assert "airflow_provider_trifacta.promotion.journal" in {one.name for one in caplog.records}


def test_a_refusal_does_not_end_the_doubt_of_an_earlier_try(
    promote, tries, emulator, live, uploads
):
    """What the first try asked for is done late, and a person takes it back: the third try must not
    do it again."""
    old = promote("A").release
    late = emulator.faults.add(Fault(LateCommit(), **CREATE))
    with pytest.raises(ServerError):
        promote("B", tries=tries())
    emulator.faults.add(Fault(Answer(403), **CREATE))
    with pytest.raises(PermissionDeniedError):
        promote("B", tries=tries())
    late.release()
    made = live()
    emulator.store.update_release(old.id, active=True)
    emulator.store.delete_release(made)
    sent = len(uploads())
    with pytest.raises(ReleaseNotLiveError):
        promote("B", tries=tries())
    assert live() == old.id
    assert len(uploads()) == sent


def test_a_retry_without_a_baseline_does_not_replace_what_was_imported_since(
    promote, tries, emulator, client, packages, live, uploads
):
    promote("A")
    emulator.faults.add(Fault(Reset("after_body"), **CREATE))
    with pytest.raises(ConnectionLostError):
        promote("B", tries=tries())
    with open_package(packages("A")) as package:
        theirs = client.releases.create(1, package.body()).release.id
    sent = len(uploads())
    with pytest.raises(AmbiguousSubmissionError, check=lambda error: error.release_id == theirs):
        promote("B", tries=tries())
    assert live() == theirs
    assert len(uploads()) == sent


@pytest.mark.parametrize("answered", [True, False])
def test_a_retry_tells_of_what_its_release_replaced(
    promote, tries, client, packages, emulator, answered
):
    """Another person imported while an earlier try did, which was killed before it could tell."""
    promote("A")
    held = emulator.faults.add(Fault(LateCommit(), **CREATE))
    with pytest.raises(ServerError):
        promote("B", tries=tries(), settle_timeout=0)
    with open_package(packages("C")) as package:
        theirs = client.releases.create(1, package.body()).release.id
    held.release()
    if answered:
        again = promote("B", tries=tries())
        assert (again.outcome, again.overrun) == ("reused", (theirs,))
        one = tries().journal
        one.asked(one.last_request, **Baseline(1, 101, 101).as_dict())
        one.answered(release_id=again.release.id)
    assert promote("B", tries=tries()).overrun == (theirs,)


def test_a_release_of_an_earlier_try_that_goes_live_late_is_waited_for(
    promote, tries, emulator, time
):
    promote("A")
    late = emulator.faults.add(Fault(LateActivation(), **CREATE))
    made = promote("B", tries=tries())
    assert not made.release.active
    time.during_sleep = [lambda: None, late.release]
    again = promote("B", tries=tries())
    assert (again.outcome, again.release.id, again.release.active) == (
        "created",
        made.release.id,
        True,
    )


def test_a_release_of_an_earlier_try_that_never_was_live_is_not_proven(
    promote, tries, emulator, time
):
    old = promote("A").release
    emulator.faults.add(Fault(LateActivation(), **CREATE))
    made = promote("B", tries=tries()).release
    slept = sum(time.slept)
    with pytest.raises(
        PromotionNotProvenError,
        check=lambda error: (error.release_id, error.live_id) == (made.id, old.id),
    ):
        promote("B", tries=tries())
    assert sum(time.slept) - slept == 60


# An upload that was left behind


@pytest.fixture
def finish_late(promote, emulator, tries, take_baseline):
    """Leave an upload of package B without an answer, and return a function that lets the server
    finish it."""
    promote("A")
    held = emulator.faults.add(Fault(LateCommit(), **CREATE))
    with pytest.raises(ServerError):
        promote("B", baseline=take_baseline(), tries=tries(), settle_timeout=0)
    return held.release


@pytest.mark.parametrize("kind", [Kind.RETRY, Kind.CLEAR])
@pytest.mark.parametrize("with_baseline", [True, False])
def test_an_abandoned_upload_stops_the_next_package(
    promote, tries, take_baseline, finish_late, time, ids, uploads, kind, with_baseline
):
    """The whole group was cleared during the upload. The release must not go live over that of the
    new export."""
    baseline = take_baseline() if with_baseline else None
    sent = len(uploads())
    time.during_sleep = [lambda: None, finish_late]
    with pytest.raises(UnexpectedLiveReleaseError) as caught:
        promote("C", baseline=baseline, tries=tries(kind))
    theirs = ids()[-1]
    assert (caught.value.release_id, caught.value.live_id, len(uploads())) == (theirs, theirs, sent)
    assert promote("C", baseline=take_baseline(), tries=tries(Kind.CLEAR)).outcome == "created"


def test_an_abandoned_upload_that_the_baseline_recorded_stops_nothing(
    promote, tries, take_baseline, finish_late, time
):
    finish_late()
    assert promote("C", baseline=take_baseline(), tries=tries(Kind.CLEAR)).outcome == "created"
    assert time.now == 0


@pytest.mark.usefixtures("finish_late")
def test_an_abandoned_upload_that_does_not_show_is_waited_for(promote, tries, take_baseline, time):
    assert (
        promote("C", baseline=take_baseline(), tries=tries(Kind.CLEAR), settle_timeout=60).outcome
        == "created"
    )
    assert time.now == 60
    assert promote("C", baseline=take_baseline(), tries=tries(Kind.CLEAR)).outcome == "created"
    assert time.now == 60, "it is settled"


def test_an_abandoned_upload_of_the_same_package_is_adopted(
    promote, tries, take_baseline, finish_late, time, uploads
):
    baseline, sent = take_baseline(), len(uploads())
    time.during_sleep = [lambda: None, finish_late]
    assert promote("B", baseline=baseline, tries=tries(Kind.CLEAR)).outcome == "adopted"
    assert len(uploads()) == sent
