"""Every line of the promise: at most one release per promotion, a person's decision never undone, no silent doubt."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from datetime import datetime, timedelta, timezone

import pytest
from trifacta_emulator.effects import (
    Answer,
    Hold,
    LateActivation,
    LateCommit,
    PackageUuid,
    Reset,
    Truncate,
)
from trifacta_emulator.faults import Fault

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.errors import (
    AmbiguousSubmissionError,
    BadRequestError,
    ConnectionLostError,
    InvalidInputError,
    JournalUnavailableError,
    OlderPackageError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    ReleaseNotLiveError,
    RequestTimeoutError,
    ServerError,
    UnexpectedLiveReleaseError,
    UnexpectedResponseError,
)
from airflow_provider_trifacta.client.releases import Releases
from airflow_provider_trifacta.client.transport import Transport
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.promotion.baseline import Baseline
from airflow_provider_trifacta.promotion.journal import Journal
from airflow_provider_trifacta.promotion.promoter import Promoter

pytestmark = pytest.mark.every_airflow

CREATE = {"method": "POST", "path": "/v4/deployments/*/releases"}
LIST = {"method": "GET", "path": "/v4/releases"}
START = datetime(2024, 5, 6, tzinfo=timezone.utc)


@pytest.fixture
def client(emulator, time):
    config = ClientConfig(base_url=emulator.url, login="admin@example.com", password="admin-password", upload_timeout=5)
    # The client's own repetitions take no part in the fake time of the wait.
    with TrifactaClient(config, transport=Transport(config, sleep=lambda seconds: None), clock=time) as client:
        yield client


@pytest.fixture
def somebody_else(client, packages):
    """Return a function that makes a release of package B, as another person would."""

    def create():
        with open_package(packages("B")) as package:
            client.releases.create(1, package.body())

    return create


@pytest.fixture
def promote(client, packages, time):
    def run(letter="A", deployment_id=1, first_attempt=True, **options):
        options = {"journal": Journal(None, 1 if first_attempt else 2), **options}
        with open_package(packages(letter)) as package:
            return Promoter(client, deployment_id, package, **options).run()

    return run


@pytest.fixture
def uploads(emulator):
    return lambda: [call for call in emulator.calls if call.method == "POST"]


@pytest.fixture
def ids(emulator):
    return lambda: sorted(release.id for release in emulator.store.releases(1))


@contextlib.contextmanager
def emulator_acts_before(emulator, method, path, act, *, after):
    """Do something before the first request of a kind that comes after one of another method."""
    armed = emulator.faults.add(Fault(Hold("before_body"), method=after, path="/v4/deployments/*/releases"))
    stop = threading.Event()

    def work():
        while not armed.waiting and not stop.wait(0.001):
            pass
        held = emulator.faults.add(Fault(Hold("before_body"), method=method, path=path))
        armed.release()
        while not held.waiting and not stop.wait(0.001):
            pass
        if not stop.is_set():
            act()
        held.release()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


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


# Line 1: if_exists="create"


def test_create_uploads_whatever_is_there(promote, ids, client):
    first = promote("A")
    second = promote("A", if_exists="create")
    assert second.outcome == "created"
    client.releases.activate(first.release.id)
    client.releases.deactivate(first.release.id)
    assert promote("A", if_exists="create", first_attempt=False).outcome == "created"
    assert len(ids()) == 3


def test_create_ignores_the_baseline_and_the_age(promote, take_baseline, ids):
    baseline = take_baseline()
    promote("B")
    assert promote("A", if_exists="create", baseline=baseline).outcome == "created"


# Line 2: one of N is live


def test_the_same_package_is_reused_without_a_baseline(promote, uploads, ids, live):
    first = promote()
    second = promote()
    assert (second.outcome, second.release.id) == ("reused", first.release.id)
    assert second.imported is None
    assert second.previous_release_id is None, "unknown: somebody else made it live"
    assert len(uploads()) == len(ids()) == 1


def test_a_second_run_with_a_baseline_makes_a_new_release(promote, take_baseline, ids, live):
    first = promote(baseline=take_baseline())
    second = promote(baseline=take_baseline())
    assert second.outcome == "created"
    assert second.previous_release_id == first.release.id
    assert ids() == [first.release.id, second.release.id]
    assert live() == second.release.id


@pytest.mark.parametrize("first_attempt", [True, False])
def test_a_retry_or_clear_finds_the_release_of_its_run(promote, take_baseline, ids, first_attempt, time):
    promote("A")
    baseline = take_baseline()
    first = promote("A", baseline=baseline)
    again = promote("A", baseline=baseline, first_attempt=first_attempt)
    assert (again.outcome, again.release.id) == ("reused", first.release.id)
    assert again.previous_release_id == baseline.active_release_id
    assert len(ids()) == 2
    assert time.slept == []


def test_new_import_rules_give_the_same_package_another_meaning(promote, emulator, ids, client, caplog):
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
    client._transport.write("PATCH", "/v4/deployments/1/valueImportRules", json=rules)


def test_a_retry_after_new_import_rules_waits_for_what_the_attempt_before_sent(
    promote, emulator, client, time, ids, packages
):
    promote()
    set_rules(client)
    armed = emulator.faults.add(Fault(LateCommit(), **CREATE))
    with open_package(packages("A")) as package, pytest.raises((ServerError, ConnectionLostError)):
        client.releases.create(1, package.body())
    time.during_sleep = [armed.release]
    assert promote(first_attempt=False).outcome == "adopted"
    assert len(ids()) == 2


def test_older_import_rules_change_nothing(promote, client):
    set_rules(client)
    promote()
    assert promote().outcome == "reused"


def test_import_rules_do_not_matter_with_a_baseline(promote, take_baseline, client, emulator):
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


# Line 3: P is not empty and none of it is live


@pytest.mark.parametrize("with_baseline", [False, True])
@pytest.mark.parametrize("first_attempt", [True, False])
def test_a_persons_other_choice_is_not_undone(promote, take_baseline, live, uploads, with_baseline, first_attempt):
    first = promote("A")
    other = promote("B")
    baseline = take_baseline() if with_baseline else None
    with pytest.raises(ReleaseNotLiveError) as caught:
        promote("A", baseline=baseline, first_attempt=first_attempt)
    error = caught.value
    assert (error.deployment_id, error.release_id, error.live_id) == (1, first.release.id, other.release.id)
    assert "if_exists='create'" in str(error)
    assert live() == other.release.id
    assert len(uploads()) == 2


def test_going_back_after_a_promotion_is_not_undone_by_its_retry(promote, take_baseline, client, live):
    old = promote("A").release
    baseline = take_baseline()
    promote("B", baseline=baseline)
    client.releases.activate(old.id)
    with pytest.raises(ReleaseNotLiveError):
        promote("B", baseline=baseline, first_attempt=False)
    assert live() == old.id


@pytest.mark.parametrize("first_attempt", [True, False])
def test_going_back_to_an_older_release_of_the_same_package_is_not_undone(
    promote, take_baseline, client, live, ids, first_attempt
):
    old = promote("A").release
    baseline = take_baseline()
    promote("A", baseline=baseline)
    client.releases.activate(old.id)
    with pytest.raises(ReleaseNotLiveError):
        promote("A", baseline=baseline, first_attempt=first_attempt)
    assert live() == old.id
    assert len(ids()) == 2


def test_a_deactivation_is_not_undone(promote, client, live):
    first = promote("A").release
    client.releases.deactivate(first.id)
    with pytest.raises(ReleaseNotLiveError, check=lambda error: (error.release_id, error.live_id) == (first.id, None)):
        promote("A", first_attempt=False)
    assert live() is None


def test_a_deleted_release_does_not_count(promote, emulator, ids):
    first = promote("A").release
    emulator.store.delete_release(first.id)
    assert promote("A").outcome == "created"


def test_releases_of_other_deployments_do_not_count(promote, emulator):
    emulator.store.create_deployment("Second")
    promote("A", deployment_id=2)
    assert promote("A", deployment_id=1).outcome == "created"


# Line 4: refusals before the upload


def test_another_live_release_than_the_baselines_is_not_replaced(promote, take_baseline, live, uploads):
    promote("A")
    baseline = take_baseline()
    other = promote("B").release
    with pytest.raises(UnexpectedLiveReleaseError) as caught:
        promote("C", baseline=baseline)
    assert f"Release {other.id} of deployment 1 is live, but the baseline recorded {baseline.active_release_id}" in str(
        caught.value
    )
    assert live() == other.id
    assert len(uploads()) == 2


def test_a_deployment_that_was_deactivated_since_the_baseline_is_left_so(promote, take_baseline, client, live):
    first = promote("A").release
    baseline = take_baseline()
    client.releases.deactivate(first.id)
    with pytest.raises(
        UnexpectedLiveReleaseError, check=lambda error: (error.deployment_id, error.live_id) == (1, None)
    ):
        promote("B", baseline=baseline)
    assert live() is None


@pytest.mark.parametrize("with_baseline", [False, True])
def test_an_older_package_does_not_replace_a_newer_one(promote, take_baseline, live, with_baseline):
    newer = promote("B").release
    baseline = take_baseline() if with_baseline else None
    with pytest.raises(OlderPackageError, check=lambda error: error.live_id == newer.id):
        promote("A", baseline=baseline)
    assert live() == newer.id
    assert promote("A", baseline=baseline, allow_older=True).outcome == "created"


@pytest.mark.parametrize(
    ("live_uuid", "new_uuid"),
    [
        ("0b0e7d43-4d5c-4b8c-9d2e-6f6f3a3c0001", "9bae78c0-2fcb-11e9-9523-77f56ed58844"),
        ("9bae78c0-2fcb-11e9-9523-77f56ed58844", "0b0e7d43-4d5c-4b8c-9d2e-6f6f3a3c0001"),
    ],
)
def test_uuids_without_a_time_are_not_compared(
    promote, packages, make_package, live_uuid, new_uuid, monkeypatch, client
):
    for uuid in (live_uuid, new_uuid):
        with open_package(make_package(uuid=uuid)) as package:
            assert Promoter(client, 1, package).run().outcome == "created"


# Doubt: before the last byte


def test_a_connection_cut_in_mid_upload_is_an_ordinary_error(
    promote, emulator, make_package, client, time, ids, uploads
):
    path = make_package(artifacts={"artifact_1.data": bytes(range(256)) * 40_000}, exported_at=START)
    emulator.faults.add(Fault(Reset("in_body", after_bytes=10_000), **CREATE))
    path.write_bytes(path.read_bytes())
    big = make_big(path)
    with open_package(big) as package, pytest.raises(ConnectionLostError):
        Promoter(client, 1, package).run()
    assert time.slept == []
    assert ids() == []


def make_big(path):
    """Add an incompressible member, so that the upload has a middle."""
    import random
    import zipfile

    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr("artifact_2.data", random.Random(1).randbytes(20_000_000))
    return path


@pytest.mark.parametrize(("status", "error"), [(401, "AuthenticationError"), (403, "PermissionDeniedError")])
def test_a_refusal_is_no_doubt(promote, emulator, time, status, error):
    emulator.faults.add(Fault(Answer(status, when="after_body"), **CREATE))
    with pytest.raises(Exception, check=lambda error: error.status == status) as caught:
        promote()
    assert type(caught.value).__name__ == error
    assert time.slept == []


def test_a_413_is_no_doubt(promote, emulator, time):
    emulator.faults.add(Fault(Answer(413, html="<h1>Request Entity Too Large</h1>"), **CREATE))
    with pytest.raises(PayloadTooLargeError):
        promote()
    assert time.slept == []


def test_a_login_page_is_doubt(promote, emulator, time, ids):
    emulator.faults.add(Fault(Answer.login_redirect(when="after_body"), **CREATE))
    with pytest.raises(RedirectError):
        promote()
    assert sum(time.slept) == 60
    assert ids() == []


# Doubt: where the server did nothing


@pytest.mark.parametrize(
    "busy",
    [Answer.too_many_requests(3), Answer.too_many_requests(x_retry_after=3)],
    ids=["429", "429 x-retry-after"],
)
def test_a_busy_server_is_asked_again(promote, emulator, ids, uploads, busy):
    emulator.faults.add(Fault(busy, **CREATE, times=2))
    assert promote().outcome == "created"
    assert len(uploads()) == 3
    assert len(ids()) == 1


def test_a_server_that_stays_busy_is_an_ordinary_error_without_doubt(promote, emulator, time, ids):
    emulator.faults.add(Fault(Answer.too_many_requests(3, when="after_body"), **CREATE, times=None))
    with pytest.raises(RateLimitError):
        promote()
    assert len(time.slept) == 4, "between the attempts, and not for a release to show"
    assert ids() == []


def test_a_decision_taken_while_a_busy_server_makes_us_wait_is_not_undone(
    promote, emulator, client, time, live, take_baseline
):
    old = promote("A").release
    promote("B")
    baseline = take_baseline()
    emulator.faults.add(Fault(Answer.too_many_requests(30), **CREATE))
    time.during_sleep = [lambda: client.releases.activate(old.id)]
    with pytest.raises(UnexpectedLiveReleaseError):
        promote("C", baseline=baseline)
    assert live() == old.id


# Doubt: after the last byte

AFTER_COMMIT = {
    "reset": (Reset("after_commit"), ConnectionLostError),
    "504": (Answer.gateway_timeout(), ServerError),
    "500": (Answer(500, when="after_commit"), ServerError),
    "503 without Retry-After": (Answer.unavailable(when="after_commit"), ServerError),
    "503 of a proxy with Retry-After": (Answer.unavailable(3, when="after_commit"), ServerError),
    "503 of the API": (Answer(503, headers={"Retry-After": "3"}, when="after_commit"), ServerError),
    "403 of a proxy": (Answer(403, html="<h1>Forbidden</h1>", when="after_commit"), PermissionDeniedError),
    "429 of a proxy": (Answer(429, html="<h1>Slow down</h1>", when="after_commit"), RateLimitError),
    "408 of a proxy": (Answer(408, html="<h1>Timeout</h1>", when="after_commit"), ServerError),
    "a redirect": (Answer.login_redirect(when="after_commit"), RedirectError),
    "unreadable 201": (Answer(201, html="<h1>Created</h1>", when="after_commit"), UnexpectedResponseError),
    "201 without a release id": (Answer(201, body={"release": {}}, when="after_commit"), UnexpectedResponseError),
    "truncated 201": (Truncate(), ConnectionLostError),
}


@pytest.mark.parametrize("effect", [effect for effect, _ in AFTER_COMMIT.values()], ids=list(AFTER_COMMIT))
@pytest.mark.parametrize("with_baseline", [False, True])
def test_a_lost_answer_is_looked_for_and_adopted(
    promote, emulator, take_baseline, ids, live, uploads, effect, with_baseline
):
    old = promote("A").release
    baseline = take_baseline() if with_baseline else None
    emulator.faults.add(Fault(effect, **CREATE))
    result = promote("B", baseline=baseline)
    assert result.outcome == "adopted"
    assert result.release.id == live()
    assert result.imported is None
    assert result.previous_release_id == old.id
    assert len(uploads()) == len(ids()) == 2


def test_a_timeout_is_looked_for_and_adopted(promote, emulator, packages, time, ids, live):
    config = ClientConfig(
        base_url=emulator.url, login="admin@example.com", password="admin-password", upload_timeout=0.2
    )
    armed = emulator.faults.add(Fault(Hold("after_commit"), **CREATE))
    with TrifactaClient(config, clock=time) as client, open_package(packages("A")) as package:
        result = Promoter(client, 1, package).run()
    armed.release()
    assert result.outcome == "adopted"
    assert [result.release.id] == ids() == [live()]


BEFORE_COMMIT = {
    "reset": (Reset("after_body"), ConnectionLostError),
    "504": (Answer.gateway_timeout(when="after_body"), ServerError),
    "unreadable 201": (Answer(201, html="<h1>Created</h1>", when="after_body"), UnexpectedResponseError),
}


@pytest.mark.parametrize(("effect", "error"), list(BEFORE_COMMIT.values()), ids=list(BEFORE_COMMIT))
def test_nothing_found_in_time_is_an_ordinary_error(promote, emulator, time, ids, uploads, effect, error):
    emulator.faults.add(Fault(effect, **CREATE))
    with pytest.raises(error) as caught:
        promote(settle_timeout=60)
    assert caught.value.retryable
    assert sum(time.slept) == 60
    assert ids() == []
    assert len(uploads()) == 1


def test_the_next_attempt_then_waits_again_and_uploads_once(promote, emulator, time, ids, take_baseline):
    baseline = take_baseline()
    emulator.faults.add(Fault(Reset("after_body"), **CREATE))
    with pytest.raises(ConnectionLostError):
        promote(baseline=baseline)
    time.slept.clear()
    assert promote(baseline=baseline, first_attempt=False).outcome == "created"
    assert sum(time.slept) == 60
    assert len(ids()) == 1


def test_a_server_that_finishes_late_is_waited_for(promote, emulator, time, live, ids, uploads):
    armed = emulator.faults.add(Fault(LateCommit(), **CREATE))
    time.during_sleep = [lambda: None, armed.release]
    result = promote()
    assert result.outcome == "adopted"
    assert [result.release.id] == ids() == [live()]
    assert 3 < sum(time.slept) < 60
    assert len(uploads()) == 1


def test_a_retry_waits_for_what_the_attempt_before_sent(promote, emulator, time, live, ids, uploads, packages, client):
    """The process died after it had sent everything; the server finishes while the retry waits."""
    armed = emulator.faults.add(Fault(LateCommit(), **CREATE))
    with open_package(packages("A")) as package, pytest.raises((ServerError, ConnectionLostError)):
        client.releases.create(1, package.body())
    time.during_sleep = [lambda: None, armed.release]
    result = promote("A", first_attempt=False)
    assert result.outcome == "adopted"
    assert [result.release.id] == ids() == [live()]
    assert result.previous_release_id is None
    assert len(uploads()) == 1


def test_a_first_attempt_does_not_wait(promote, time):
    promote()
    assert time.slept == []


def test_a_release_that_is_not_live_yet_is_adopted_while_the_old_one_is(promote, emulator, client, time, live):
    old = promote("A").release
    armed = emulator.faults.add(Fault(LateCommit(), **CREATE))

    def finish_without_activating():
        armed.release()
        client.releases.activate(old.id)

    time.during_sleep = [finish_without_activating]
    result = promote("B")
    assert result.outcome == "adopted"
    assert not result.release.active
    assert result.release.id > live() == old.id


def test_a_release_that_is_activated_late_is_created(promote, emulator, live):
    old = promote("A").release
    emulator.faults.add(Fault(LateActivation(), **CREATE))
    result = promote("B")
    assert result.outcome == "created"
    assert not result.release.active
    assert live() == old.id


# Doubt: what is found is not simply ours


def test_a_third_release_that_is_live_is_a_persons_decision(promote, emulator, client, time, live, packages):
    third = promote("A").release
    old = promote("B").release
    armed = emulator.faults.add(Fault(LateCommit(), **CREATE))

    def finish_and_go_back():
        armed.release()
        client.releases.activate(third.id)

    time.during_sleep = [finish_and_go_back]
    with pytest.raises(ReleaseNotLiveError, check=lambda error: error.live_id == third.id):
        promote("C")
    assert live() == third.id != old.id


def test_several_matches_are_ambiguous(promote, emulator, time, client, packages):
    armed = emulator.faults.add(Fault(LateCommit(), **CREATE))

    def twice():
        armed.release()
        with open_package(packages("A")) as package:
            client.releases.create(1, package.body())

    time.during_sleep = [twice]
    with pytest.raises(AmbiguousSubmissionError) as caught:
        promote("A")
    assert (caught.value.deployment_id, caught.value.release_id) == (1, max(one.id for one in client.releases.list(1)))


def test_a_strange_release_in_the_meantime_is_ambiguous(promote, emulator, time, somebody_else):
    emulator.faults.add(Fault(Reset("after_body"), **CREATE))
    time.during_sleep = [somebody_else]
    with pytest.raises(AmbiguousSubmissionError, check=lambda error: error.deployment_id == 1):
        promote("A")
    assert sum(time.slept) == 60, "ours may still show"


def test_ours_may_show_after_a_strange_release(promote, emulator, time, live, somebody_else):
    armed = emulator.faults.add(Fault(LateCommit(), **CREATE))
    time.during_sleep = [somebody_else, armed.release]
    result = promote("A")
    assert result.outcome == "adopted"
    assert result.release.id == live()


@pytest.mark.parametrize("absent", [False, True])
def test_a_list_without_package_uuids_is_ambiguous_after_a_lost_answer(promote, emulator, absent, uploads, live):
    emulator.faults.add(Fault(Reset("after_commit"), **CREATE))
    emulator.faults.add(Fault(PackageUuid(absent=absent), **LIST, times=None))
    with pytest.raises(AmbiguousSubmissionError) as caught:
        promote()
    assert caught.value.release_id == live(), "the release in question"
    assert len(uploads()) == 1


@pytest.mark.parametrize("absent", [False, True])
def test_a_retry_does_not_upload_where_packages_cannot_be_told_apart(promote, emulator, absent, ids, uploads):
    promote("A")
    emulator.faults.add(Fault(PackageUuid(absent=absent), times=None))
    with pytest.raises(AmbiguousSubmissionError):
        promote("A", first_attempt=False)
    assert len(ids()) == len(uploads()) == 1


@pytest.mark.parametrize("shown", [None, ""])
def test_a_retry_does_not_upload_beside_a_release_of_an_unknown_package(promote, emulator, ids, shown, make_package):
    promote("A")
    emulator.faults.add(Fault(PackageUuid(shown), **LIST, times=None))
    with pytest.raises(AmbiguousSubmissionError):
        promote("B", first_attempt=False)
    assert len(ids()) == 1


def test_an_altered_uuid_is_no_proof_of_the_upload(promote, emulator):
    other = "0b0e7d43-4d5c-4b8c-9d2e-6f6f3a3c0001"
    emulator.faults.add(Fault(PackageUuid(other), times=None))
    with pytest.raises(AmbiguousSubmissionError):
        promote()


def test_an_altered_uuid_after_a_lost_answer_is_ambiguous(promote, emulator):
    emulator.faults.add(Fault(Reset("after_commit"), **CREATE))
    emulator.faults.add(Fault(PackageUuid("0b0e7d43-4d5c-4b8c-9d2e-6f6f3a3c0001"), **LIST, times=None))
    with pytest.raises(AmbiguousSubmissionError):
        promote()


# Doubt: while looking


def test_failing_looks_are_borne_until_the_time_is_up(promote, emulator, live, time):
    emulator.faults.add(Fault(Reset("after_commit"), **CREATE))
    emulator.faults.add(Fault(Answer(502, html="<h1>Bad Gateway</h1>"), **LIST, skip=1, times=12))
    result = promote()
    assert result.outcome == "adopted"
    assert result.release.id == live()


def test_a_list_that_cannot_be_had_leaves_the_first_error(promote, emulator):
    emulator.faults.add(Fault(Reset("after_commit"), **CREATE))
    emulator.faults.add(Fault(Answer(502), **LIST, skip=1, times=None))
    with pytest.raises(ConnectionLostError) as caught:
        promote()
    assert isinstance(caught.value.__cause__, ServerError)


def test_a_list_that_is_refused_while_in_doubt_is_ambiguous(promote, emulator):
    emulator.faults.add(Fault(Reset("after_commit"), **CREATE))
    emulator.faults.add(Fault(Answer(403), **LIST, skip=1, times=None))
    with pytest.raises(AmbiguousSubmissionError, check=lambda error: type(error.__cause__) is ConnectionLostError):
        promote()


def test_a_retry_that_cannot_list_does_not_upload(promote, emulator, uploads):
    emulator.faults.add(Fault(Answer(502), **LIST, times=None))
    with pytest.raises(ServerError):
        promote(first_attempt=False)
    assert uploads() == []


@pytest.mark.parametrize(
    "options",
    [{"if_exists": "fail"}, {"settle_timeout": -1}, {"settle_timeout": "60"}, {"settle_timeout": float("nan")}],
)
def test_bad_options_are_named_before_any_request(promote, emulator, options):
    (name,) = options
    with pytest.raises(InvalidInputError, match=name):
        promote(**options)
    assert emulator.calls == []


def test_what_may_be_retried():
    for error in (ReleaseNotLiveError, UnexpectedLiveReleaseError, OlderPackageError, AmbiguousSubmissionError):
        assert not error.retryable
    assert RequestTimeoutError.retryable
    assert not PermissionDeniedError.retryable


# Every read after a write proves it


def test_a_release_that_was_removed_before_it_was_read_back_is_not_green(promote, emulator, live):
    """The 201 says that it is there; the list right after it says that it is not."""
    old = promote("A").release

    def remove():
        made = max(release.id for release in emulator.store.releases(1))
        emulator.store.delete_release(made)
        emulator.store.update_release(old.id, active=True)

    with (
        emulator_acts_before(emulator, "GET", "/v4/releases", remove, after="POST"),
        pytest.raises(AmbiguousSubmissionError) as caught,
    ):
        promote("B")
    assert "may be live in place of release" in caught.value.standing
    assert live() == old.id


def test_a_list_that_lags_behind_is_looked_at_until_it_shows_the_release(promote, lagging, time, live):
    promote("A")
    lagging(3)
    result = promote("B")
    assert (result.outcome, result.release.id) == ("created", live())
    assert len(time.slept) == 3


def test_another_release_that_was_made_live_before_it_was_read_back_is_a_decision(promote, emulator, live):
    third = promote("A").release
    promote("B")

    def go_back():
        emulator.store.update_release(third.id, active=True)

    with (
        emulator_acts_before(emulator, "GET", "/v4/releases", go_back, after="POST"),
        pytest.raises(ReleaseNotLiveError),
    ):
        promote("C")
    assert live() == third.id


def test_an_adopted_release_is_checked_for_overlap_too(promote, emulator, time, client, somebody_else):
    armed = emulator.faults.add(Fault(LateCommit(), **CREATE))
    time.during_sleep = [somebody_else, armed.release]
    result = promote("A")
    assert result.outcome == "adopted"
    assert result.overrun == (min(release.id for release in emulator.store.releases(1)),)


# What was live is live: that does not prove that nothing happened


@pytest.fixture
def undone(promote, take_baseline, client, emulator):
    """Return a function that commits and dies; then a person goes back to the old release and deletes the new one."""

    def run(*, delete=True):
        old = promote("A").release
        baseline = take_baseline()
        new = promote("B", baseline=baseline).release
        emulator.store.update_release(old.id, active=True)
        if delete:
            emulator.store.delete_release(new.id)
        return baseline, old

    return run


def test_a_deleted_release_of_the_run_proves_that_a_person_acted(promote, undone, live, ids, uploads):
    baseline, old = undone()
    without_times = dataclasses.replace(baseline, active_updated_at=None)
    with pytest.raises(
        ReleaseNotLiveError, check=lambda error: (error.release_id, error.live_id) == (old.id + 1, old.id)
    ):
        promote("B", baseline=without_times, first_attempt=False)
    assert live() == old.id
    assert len(uploads()) == 2


def test_a_live_release_that_was_changed_since_the_baseline_proves_that_a_person_acted(
    promote, undone, live, monkeypatch, uploads
):
    baseline, old = undone()
    read = Releases.list

    def without_deleted(self, deployment_id, *, include_deleted=False, **options):
        """Answer as a server that does not know the parameter."""
        if include_deleted:
            raise BadRequestError("includeDeleted")
        return read(self, deployment_id, **options)

    monkeypatch.setattr(Releases, "list", without_deleted)
    with pytest.raises(ReleaseNotLiveError, check=lambda error: (error.release_id, error.live_id) == (None, old.id)):
        promote("B", baseline=baseline, first_attempt=False)
    assert live() == old.id
    assert len(uploads()) == 2


def test_without_a_baseline_a_release_deleted_in_this_run_proves_it(promote, undone, live, emulator, uploads):
    _, old = undone()
    began = next(iter(emulator.store.releases(1))).created_at
    with pytest.raises(
        ReleaseNotLiveError, check=lambda error: (error.release_id, error.live_id) == (old.id + 1, old.id)
    ):
        promote("B", first_attempt=False, began=began)
    assert promote("B", first_attempt=False, began=began + timedelta(hours=1)).outcome == "created"


def test_no_false_alarm_on_a_first_attempt_or_where_nothing_was_changed(promote, undone, take_baseline):
    undone()
    assert promote("B", baseline=take_baseline()).outcome == "created"


def test_no_false_alarm_by_a_release_that_was_deleted_before_the_baseline(promote, undone, take_baseline, live):
    undone()
    assert promote("B", baseline=take_baseline(), first_attempt=False).outcome == "created"


def test_a_baseline_recorded_before_an_upgrade_is_still_read(promote, take_baseline):
    promote("A")
    old = {key: value for key, value in take_baseline().as_dict().items() if key != "active_updated_at"}
    assert promote("B", baseline=Baseline.parse(old), first_attempt=False).outcome == "created"


# The journal


def test_a_retry_that_finds_no_entry_uploads_at_once(promote, journal, time, ids):
    journal()  # an earlier try that died before it asked
    assert promote(journal=journal()).outcome == "created"
    assert time.slept == []


def test_a_retry_after_a_try_without_a_journal_waits(promote, journal, time, ids):
    journal.skip()
    assert promote(journal=journal()).outcome == "created"
    assert sum(time.slept) == 60


def test_a_retry_that_finds_the_answer_returns_it_whole(promote, journal, take_baseline, uploads, emulator):
    promote("A")
    baseline = take_baseline()
    first = promote("B", baseline=baseline, journal=journal())
    again = promote("B", baseline=baseline, journal=journal())
    assert (again.outcome, again.release.id, again.recalled) == ("created", first.release.id, True)
    assert again.imported.primary_flow_ids == first.imported.primary_flow_ids
    assert again.previous_release_id == first.previous_release_id
    assert len(uploads()) == 2


def test_a_retry_remembers_what_was_dropped(promote, journal, emulator, packages, client):
    dropped = {"deletedObjects": {"connections": [{"id": one} for one in range(1, 31)]}}

    first = journal()
    with open_package(packages("A")) as package:
        promoter = Promoter(client, 1, package, journal=first)
        create = client.releases.create
        client.releases.create = lambda *a, **k: dataclasses.replace(
            create(*a, **k), deleted_objects=dropped["deletedObjects"]
        )
        promoter.run()
    again = promote(journal=journal())
    assert again.imported.dropped["count"] == 30
    assert len(again.imported.dropped["objects"]) == 20


def test_a_release_of_an_earlier_try_that_was_deleted_is_not_made_again(promote, journal, emulator, uploads):
    made = promote(journal=journal()).release
    emulator.store.delete_release(made.id)
    with pytest.raises(ReleaseNotLiveError):
        promote(journal=journal())
    assert len(uploads()) == 1


def test_a_release_of_an_earlier_try_that_was_replaced_is_not_made_live_again(promote, journal, client, live):
    old = promote("A").release
    promote("B", journal=journal())
    client.releases.activate(old.id)
    with pytest.raises(ReleaseNotLiveError):
        promote("B", journal=journal())
    assert live() == old.id


def test_an_entry_counts_for_the_same_baseline_only(promote, journal, take_baseline, ids):
    promote("A", baseline=take_baseline(), journal=journal())
    assert promote("A", baseline=take_baseline(), journal=journal()).outcome == "created"
    assert len(ids()) == 2


def test_a_store_that_fails_before_the_upload_stops_it(promote, journal, uploads):
    one = journal()
    journal.store.broken = True
    with pytest.raises(JournalUnavailableError) as caught:
        promote(journal=one)
    assert caught.value.retryable
    assert uploads() == []


def test_a_store_that_fails_after_the_upload_is_only_warned_of(promote, journal, emulator, caplog):
    one = journal()
    journal.store.breaks_after = 1
    assert promote(journal=one).outcome == "created"
    assert "airflow_provider_trifacta.promotion.journal" in {one.name for one in caplog.records}


def test_an_upload_that_was_provably_refused_needs_no_wait_in_a_retry(promote, journal, emulator, time):
    emulator.faults.add(Fault(Answer(403), **CREATE))
    with pytest.raises(PermissionDeniedError) as caught:
        promote(journal=journal())
    assert caught.value.standing == "Nothing was imported. No release is live."
    assert promote(journal=journal()).outcome == "created"
    assert time.slept == []


def test_a_refusal_does_not_end_the_doubt_of_an_earlier_try(promote, journal, emulator, live, uploads):
    """What the first try asked for is done late, and a person takes it back: the third try must not do it again."""
    old = promote("A").release
    late = emulator.faults.add(Fault(LateCommit(), **CREATE))
    with pytest.raises(ServerError):
        promote("B", journal=journal())
    emulator.faults.add(Fault(Answer(403), **CREATE))
    with pytest.raises(PermissionDeniedError):
        promote("B", journal=journal())
    late.release()
    made = live()
    emulator.store.update_release(old.id, active=True)
    emulator.store.delete_release(made)
    sent = len(uploads())
    with pytest.raises(ReleaseNotLiveError):
        promote("B", journal=journal())
    assert live() == old.id
    assert len(uploads()) == sent


def test_a_retry_without_a_baseline_does_not_replace_what_was_imported_since(
    promote, journal, emulator, client, packages, live, uploads
):
    promote("A")
    emulator.faults.add(Fault(Reset("after_body"), **CREATE))
    with pytest.raises(ConnectionLostError):
        promote("B", journal=journal())
    with open_package(packages("A")) as package:
        theirs = client.releases.create(1, package.body()).release.id
    sent = len(uploads())
    with pytest.raises(ReleaseNotLiveError):
        promote("B", journal=journal())
    assert live() == theirs
    assert len(uploads()) == sent


@pytest.mark.parametrize("answered", [True, False])
def test_a_retry_tells_of_what_its_release_replaced(promote, journal, client, packages, emulator, answered):
    """Somebody imported while an earlier try did, which was killed before it could tell."""
    promote("A")
    held = emulator.faults.add(Fault(LateCommit(), **CREATE))
    with pytest.raises(ServerError):
        promote("B", journal=journal(), settle_timeout=0)
    with open_package(packages("C")) as package:
        theirs = client.releases.create(1, package.body()).release.id
    held.release()
    if answered:
        again = promote("B", journal=journal())
        assert (again.outcome, again.overrun) == ("reused", (theirs,))
        one = journal()
        one.asked(one.last_request, **Baseline(1, 101, 101).as_dict())
        one.answered(release_id=again.release.id)
    assert promote("B", journal=journal()).overrun == (theirs,)


def test_a_release_of_an_earlier_try_that_goes_live_late_is_not_taken_for_replaced(promote, journal, emulator, live):
    promote("A")
    emulator.faults.add(Fault(LateActivation(), **CREATE))
    made = promote("B", journal=journal())
    again = promote("B", journal=journal())
    assert (again.outcome, again.release.id, again.replaced) == ("created", made.release.id, False)


def test_a_server_that_stays_busy_says_what_is_live(promote, emulator, journal):
    old = promote("A").release
    emulator.faults.add(Fault(Answer.too_many_requests(), times=None, **CREATE))
    with pytest.raises(RateLimitError) as caught:
        promote("B", journal=journal())
    assert caught.value.standing == f"Nothing was imported. Release {old.id} is live."
