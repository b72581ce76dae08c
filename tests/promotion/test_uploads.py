"""A lost answer: the release is looked for, and adopted only if it is surely this task's."""

from __future__ import annotations

import pytest
from request_patterns import CREATE, LIST
from trifacta_emulator import (
    Answer,
    Fault,
    Hold,
    LateActivation,
    LateCommit,
    PackageUuid,
    Reset,
)

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.errors import (
    AmbiguousSubmissionError,
    ConnectionLostError,
    ReleaseNotLiveError,
    ServerError,
)
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.promotion.promoter import Promoter

pytestmark = pytest.mark.every_airflow


# Doubt: after the last byte

#: Other ways to lose an answer than those of the contract.
AFTER_COMMIT = {
    "500": Answer(500, when="after_commit"),
    "503 of a proxy with Retry-After": Answer.unavailable(3, when="after_commit"),
    "503 of the API": Answer(503, headers={"Retry-After": "3"}, when="after_commit"),
    "403 of a proxy": Answer(403, html="<h1>Forbidden</h1>", when="after_commit"),
    "429 of a proxy": Answer(429, html="<h1>Slow down</h1>", when="after_commit"),
    "408 of a proxy": Answer(408, html="<h1>Timeout</h1>", when="after_commit"),
    "a redirect": Answer.login_redirect(when="after_commit"),
    "201 without a release id": Answer(201, body={"release": {}}, when="after_commit"),
}


@pytest.mark.parametrize("effect", AFTER_COMMIT.values(), ids=AFTER_COMMIT)
def test_a_lost_answer_is_looked_for_and_adopted(promote, emulator, ids, live, uploads, effect):
    """Without a baseline, which the contract has."""
    old = promote("A").release
    emulator.faults.add(Fault(effect, **CREATE))
    result = promote("B")
    assert result.outcome == "adopted"
    assert result.release.id == live()
    assert result.imported is None
    assert result.previous_release_id == old.id
    assert len(uploads()) == len(ids()) == 2


def test_a_timeout_is_looked_for_and_adopted(emulator, packages, time, ids, live):
    config = ClientConfig(
        base_url=emulator.url,
        login="admin@example.com",
        password="admin-password",
        upload_timeout=0.2,
    )
    armed = emulator.faults.add(Fault(Hold("after_commit"), **CREATE))
    with TrifactaClient(config, clock=time) as client, open_package(packages("A")) as package:
        result = Promoter(client, 1, package).run()
    armed.release()
    assert result.outcome == "adopted"
    assert [result.release.id] == ids() == [live()]


def test_a_first_attempt_does_not_wait(promote, time):
    promote()
    assert time.slept == []


def test_a_release_that_is_not_live_yet_is_adopted_while_the_old_one_is(
    promote, emulator, client, time, live
):
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


def test_a_third_release_that_is_live_is_a_persons_decision(promote, emulator, client, time, live):
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
    assert (caught.value.deployment_id, caught.value.release_id) == (
        1,
        max(one.id for one in client.releases.list(1)),
    )


def test_a_strange_release_in_the_meantime_is_ambiguous(promote, emulator, time, other_person):
    emulator.faults.add(Fault(Reset("after_body"), **CREATE))
    time.during_sleep = [other_person]
    with pytest.raises(AmbiguousSubmissionError, check=lambda error: error.deployment_id == 1):
        promote("A")
    assert sum(time.slept) == 60, "ours may still show"


def test_ours_may_show_after_a_strange_release(promote, emulator, time, live, other_person):
    armed = emulator.faults.add(Fault(LateCommit(), **CREATE))
    time.during_sleep = [other_person, armed.release]
    result = promote("A")
    assert result.outcome == "adopted"
    assert result.release.id == live()


@pytest.mark.parametrize("absent", [False, True])
def test_a_list_without_package_uuids_is_ambiguous_after_a_lost_answer(
    promote, emulator, absent, uploads, live
):
    emulator.faults.add(Fault(Reset("after_commit"), **CREATE))
    emulator.faults.add(Fault(PackageUuid(absent=absent), **LIST, times=None))
    with pytest.raises(AmbiguousSubmissionError) as caught:
        promote()
    assert caught.value.release_id == live(), "the release in question"
    assert len(uploads()) == 1


@pytest.mark.parametrize("absent", [False, True])
def test_a_retry_does_not_upload_where_packages_cannot_be_told_apart(
    promote, emulator, absent, ids, uploads
):
    promote("A")
    emulator.faults.add(Fault(PackageUuid(absent=absent), times=None))
    with pytest.raises(AmbiguousSubmissionError):
        promote("A", first_attempt=False)
    assert len(ids()) == len(uploads()) == 1


@pytest.mark.parametrize("shown", [None, ""])
def test_a_retry_does_not_upload_beside_a_release_of_an_unknown_package(
    promote, emulator, ids, shown
):
    promote("A")
    emulator.faults.add(Fault(PackageUuid(shown), **LIST, times=None))
    with pytest.raises(AmbiguousSubmissionError):
        promote("B", first_attempt=False)
    assert len(ids()) == 1


def test_a_release_of_the_id_in_the_answer_and_of_another_uuid_is_no_proof(promote, emulator):
    emulator.faults.add(
        Fault(PackageUuid("0b0e7d43-4d5c-4b8c-9d2e-6f6f3a3c0001"), **LIST, times=None)
    )
    with pytest.raises(AmbiguousSubmissionError):
        promote()


def test_an_altered_uuid_after_a_lost_answer_is_ambiguous(promote, emulator):
    emulator.faults.add(Fault(Reset("after_commit"), **CREATE))
    emulator.faults.add(
        Fault(PackageUuid("0b0e7d43-4d5c-4b8c-9d2e-6f6f3a3c0001"), **LIST, times=None)
    )
    with pytest.raises(AmbiguousSubmissionError):
        promote()


# Doubt: while looking


def test_failing_looks_are_borne_until_the_time_is_up(promote, emulator, live):
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
    with pytest.raises(
        AmbiguousSubmissionError, check=lambda error: type(error.__cause__) is ConnectionLostError
    ):
        promote()


def test_a_retry_that_cannot_list_does_not_upload(promote, emulator, uploads):
    emulator.faults.add(Fault(Answer(502), **LIST, times=None))
    with pytest.raises(ServerError):
        promote(first_attempt=False)
    assert uploads() == []
