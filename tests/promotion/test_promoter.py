"""The decision of a promotion: upload, reuse or refuse, by what is there. The lines are those of
the promise."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from uuid import UUID

import pytest
from request_patterns import CREATE
from trifacta_emulator import Answer, Fault, LateCommit

from airflow_provider_trifacta.client.errors import (
    AmbiguousSubmissionError,
    ConnectionLostError,
    InvalidInputError,
    OlderPackageError,
    PermissionDeniedError,
    PromotionNotProvenError,
    ReleaseNotLiveError,
    RequestTimeoutError,
    ServerError,
    UnexpectedLiveReleaseError,
)
from airflow_provider_trifacta.client.models import Release
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.promotion.promoter import Promoter

pytestmark = pytest.mark.every_airflow


def uuid_at(moment):
    """Make an uuid of version 1 of a time."""
    ticks = (moment - datetime(1582, 10, 15, tzinfo=timezone.utc)) // timedelta(microseconds=1) * 10
    fields = (
        ticks & 0xFFFFFFFF,
        ticks >> 32 & 0xFFFF,
        ticks >> 48 & 0x0FFF | 0x1000,
        0xAA,
        0x11,
        0x2A2B2C2D2E2F,
    )
    return UUID(fields=fields)


# The decision: line 4, nothing there


def test_a_package_is_uploaded_where_nothing_is(promote, ids, live):
    result = promote()
    assert result.outcome == "created"
    assert [result.release.id] == ids() == [live()]
    assert result.imported.primary_flow_ids
    assert result.previous_release_id is None


def test_another_package_replaces_the_live_one(promote, ids, live):
    first = promote("A")
    second = promote("B")
    assert second.outcome == "created"
    assert second.previous_release_id == first.release.id
    assert live() == second.release.id
    assert len(ids()) == 2


# Line 1: one of N is live


def test_the_same_package_is_reused_without_a_baseline(promote, uploads, ids):
    first = promote()
    second = promote()
    assert (second.outcome, second.release.id) == ("reused", first.release.id)
    assert second.imported is None
    assert second.previous_release_id is None, "unknown: a person made it live"
    assert len(uploads()) == len(ids()) == 1


def test_a_second_run_with_a_baseline_makes_a_new_release(promote, take_baseline, ids, live):
    first = promote(baseline=take_baseline())
    second = promote(baseline=take_baseline())
    assert second.outcome == "created"
    assert second.previous_release_id == first.release.id
    assert ids() == [first.release.id, second.release.id]
    assert live() == second.release.id


@pytest.mark.parametrize("first_attempt", [True, False])
def test_a_retry_or_clear_finds_the_release_of_its_run(
    promote, take_baseline, ids, first_attempt, time
):
    promote("A")
    baseline = take_baseline()
    first = promote("A", baseline=baseline)
    again = promote("A", baseline=baseline, first_attempt=first_attempt)
    assert (again.outcome, again.release.id) == ("reused", first.release.id)
    assert again.previous_release_id == baseline.active_release_id
    assert len(ids()) == 2
    # What an earlier try may have uploaded just now is looked at twice.
    assert time.slept == ([] if first_attempt else [3])


def test_new_import_rules_give_the_same_package_another_meaning(promote, client, caplog):
    caplog.set_level(logging.INFO)
    first = promote()
    set_rules(client)
    second = promote()
    assert second.outcome == "created"
    assert second.release.id > first.release.id
    assert "airflow_provider_trifacta.promotion.rules" in {one.name for one in caplog.records}
    assert promote().outcome == "reused", "that release has seen the rules"


def set_rules(client):
    rules = [{"type": "s3Bucket", "on": "dev", "with": "prod"}]
    client.import_rules.replace(1, "value", rules)


def test_a_retry_after_new_import_rules_waits_for_what_the_attempt_before_sent(
    promote, emulator, client, time, ids, packages
):
    promote()
    began = datetime.now(timezone.utc)
    set_rules(client)
    armed = emulator.faults.add(Fault(LateCommit(), **CREATE))
    with open_package(packages("A")) as package, pytest.raises((ServerError, ConnectionLostError)):
        client.releases.create(1, package.body())
    time.during_sleep = [armed.release]
    assert promote(first_attempt=False, began=began).outcome == "adopted"
    assert len(ids()) == 2


def test_older_import_rules_change_nothing(promote, client):
    set_rules(client)
    promote()
    assert promote().outcome == "reused"


def test_import_rules_do_not_matter_with_a_baseline(promote, take_baseline, client):
    baseline = take_baseline()
    promote(baseline=baseline)
    set_rules(client)
    assert promote(baseline=baseline).outcome == "reused"


@pytest.mark.parametrize("status", [403, 404, 405])
def test_unreadable_import_rules_are_warned_of(promote, emulator, caplog, status):
    promote()
    emulator.faults.add(Fault(Answer(status), path="/v4/deployments/*/objectImportRules"))
    assert promote().outcome == "reused"
    assert "airflow_provider_trifacta.promotion.rules" in {one.name for one in caplog.records}


def test_import_rules_that_fail_in_passing_are_no_answer(promote, emulator):
    promote()
    emulator.faults.add(Fault(Answer(500), path="/v4/deployments/*/objectImportRules", times=None))
    with pytest.raises(ServerError):
        promote()


# Line 2: P is not empty and none of it is live


@pytest.mark.parametrize("with_baseline", [False, True])
@pytest.mark.parametrize("first_attempt", [True, False])
def test_a_persons_other_choice_is_not_undone(
    promote, take_baseline, live, uploads, with_baseline, first_attempt
):
    first = promote("A")
    other = promote("B")
    baseline = take_baseline() if with_baseline else None
    # Without a baseline, a retry cannot know whether it made the release itself and it was never
    # live.
    is_own = not (with_baseline or first_attempt)
    with pytest.raises(PromotionNotProvenError if is_own else ReleaseNotLiveError) as caught:
        promote("A", baseline=baseline, first_attempt=first_attempt)
    error = caught.value
    assert (error.deployment_id, error.release_id, error.live_id) == (
        1,
        first.release.id,
        other.release.id,
    )
    assert live() == other.release.id
    assert len(uploads()) == 2


@pytest.mark.parametrize("first_attempt", [True, False])
def test_going_back_to_an_older_release_of_the_same_package_is_not_undone(
    promote, take_baseline, client, live, ids, first_attempt
):
    old = promote("A").release
    baseline = take_baseline()
    promote("A", baseline=baseline)
    client.releases.activate(old.id)
    with pytest.raises(ReleaseNotLiveError if first_attempt else PromotionNotProvenError):
        promote("A", baseline=baseline, first_attempt=first_attempt)
    assert live() == old.id
    assert len(ids()) == 2


def test_a_deactivation_is_not_undone(promote, client, live):
    first = promote("A").release
    client.releases.deactivate(first.id)
    with pytest.raises(
        PromotionNotProvenError,
        check=lambda error: (error.release_id, error.live_id) == (first.id, None),
    ):
        promote("A", first_attempt=False)
    assert live() is None


def test_a_deleted_release_does_not_count(promote, emulator):
    first = promote("A").release
    emulator.store.delete_release(first.id)
    assert promote("A").outcome == "created"


def test_releases_of_other_deployments_do_not_count(promote, emulator):
    emulator.store.create_deployment("Second")
    promote("A", deployment_id=2)
    assert promote("A", deployment_id=1).outcome == "created"


# Line 3: refusals before the upload


def test_another_live_release_than_the_baselines_is_not_replaced(
    promote, take_baseline, live, uploads
):
    promote("A")
    baseline = take_baseline()
    other = promote("B").release
    with pytest.raises(UnexpectedLiveReleaseError) as caught:
        promote("C", baseline=baseline)
    assert (
        f"Release {other.id} of deployment 1 is live, but the baseline recorded"
        f" {baseline.active_release_id}" in str(caught.value)
    )
    assert live() == other.id
    assert len(uploads()) == 2


def test_a_deployment_that_was_deactivated_since_the_baseline_is_left_so(
    promote, take_baseline, client, live
):
    first = promote("A").release
    baseline = take_baseline()
    client.releases.deactivate(first.id)
    with pytest.raises(
        UnexpectedLiveReleaseError,
        check=lambda error: (error.deployment_id, error.live_id) == (1, None),
    ):
        promote("B", baseline=baseline)
    assert live() is None


@pytest.mark.parametrize("with_baseline", [False, True])
def test_an_older_package_does_not_replace_a_newer_one(promote, take_baseline, live, with_baseline):
    newer = promote("B").release
    baseline = take_baseline() if with_baseline else None
    with pytest.raises(OlderPackageError, check=lambda error: error.live_id == newer.id) as caught:
        promote("A", baseline=baseline)
    assert "2024-05-08 18:00:00" in str(caught.value), "the export of B"
    assert "2024-05-08 17:00:00" in str(caught.value), "the export of A"
    assert live() == newer.id
    assert promote("A", baseline=baseline, allow_older=True).outcome == "created"


@pytest.mark.parametrize("seconds", [-3600, 0, 0.9])
def test_an_uuid_of_the_time_of_the_import_is_no_time_of_an_export(
    promote, client, emulator, make_package, live, seconds, caplog
):
    """The instance gave the live release an uuid of its own, or a clock is wrong."""
    caplog.set_level(logging.INFO)
    exported_at = datetime.now(timezone.utc) - timedelta(seconds=seconds)
    with open_package(make_package(exported_at=exported_at)) as package:
        newer = client.releases.create(1, package.body()).release
    emulator.calls.clear()
    assert promote("A").release.id == live() > newer.id
    assert [
        one.args
        for one in caplog.records
        if one.levelname == "INFO" and one.args and newer.id in one.args
    ]


@pytest.mark.parametrize("at", ["created a second and more later", "without a time"])
def test_an_uuid_is_compared_only_where_the_release_was_created_later(at):
    created = "2024-05-06T00:00:01.001Z" if at.startswith("created") else None
    uuid = str(uuid_at(datetime(2024, 5, 6, tzinfo=timezone.utc)))
    release = Release.from_json({"id": 1, "packageUuid": uuid, "createdAt": created})
    assert (release.exported_at is not None) == (created is not None)


@pytest.mark.parametrize(
    ("live_uuid", "new_uuid"),
    [
        ("0b0e7d43-4d5c-4b8c-9d2e-6f6f3a3c0001", "9bae78c0-2fcb-11e9-9523-77f56ed58844"),
        ("9bae78c0-2fcb-11e9-9523-77f56ed58844", "0b0e7d43-4d5c-4b8c-9d2e-6f6f3a3c0001"),
    ],
)
def test_uuids_without_a_time_are_not_compared(make_package, live_uuid, new_uuid, client):
    for uuid in (live_uuid, new_uuid):
        with open_package(make_package(uuid=uuid)) as package:
            assert Promoter(client, 1, package).run().outcome == "created"


@pytest.mark.parametrize(
    "options",
    [{"settle_timeout": -1}, {"settle_timeout": "60"}, {"settle_timeout": float("nan")}],
)
def test_bad_options_are_named_before_any_request(promote, emulator, options):
    (name,) = options
    with pytest.raises(InvalidInputError, match=name):
        promote(**options)
    assert emulator.calls == []


def test_what_may_be_retried():
    for error in (
        ReleaseNotLiveError,
        UnexpectedLiveReleaseError,
        OlderPackageError,
        AmbiguousSubmissionError,
    ):
        assert not error.retryable
    assert RequestTimeoutError.retryable
    assert not PermissionDeniedError.retryable
