"""The upload: when the server did nothing, and how its answer is proven."""

from __future__ import annotations

import contextlib
import threading
from datetime import datetime, timezone

import pytest
from request_patterns import CREATE
from trifacta_emulator import Answer, Fault, Hold, LateCommit, Reset

from airflow_provider_trifacta.client.errors import (
    AmbiguousSubmissionError,
    ConnectionLostError,
    PayloadTooLargeError,
    RedirectError,
    ReleaseNotLiveError,
    UnexpectedLiveReleaseError,
)
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.promotion.promoter import Promoter

pytestmark = pytest.mark.every_airflow

START = datetime(2024, 5, 6, tzinfo=timezone.utc)


@contextlib.contextmanager
def emulator_acts_before(emulator, method, path, act, *, after):
    """Do something before the first request of a kind that comes after one of another method."""
    armed = emulator.faults.add(
        Fault(Hold("before_body"), method=after, path="/v4/deployments/*/releases")
    )
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


# Doubt: before the last byte


def test_a_connection_cut_in_mid_upload_is_an_ordinary_error(
    emulator, make_package, client, time, ids
):
    path = make_package(
        artifacts={"artifact_1.data": bytes(range(256)) * 40_000}, exported_at=START
    )
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


def test_a_list_that_lags_behind_is_looked_at_until_it_shows_the_release(
    promote, lagging, time, live
):
    promote("A")
    lagging(3)
    result = promote("B")
    assert (result.outcome, result.release.id) == ("created", live())
    assert len(time.slept) == 3


def test_another_release_that_was_made_live_before_it_was_read_back_is_a_decision(
    promote, emulator, live
):
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


def test_an_adopted_release_is_checked_for_overlap_too(promote, emulator, time, other_person):
    armed = emulator.faults.add(Fault(LateCommit(), **CREATE))
    time.during_sleep = [other_person, armed.release]
    result = promote("A")
    assert result.outcome == "adopted"
    assert result.overrun == (min(release.id for release in emulator.store.releases(1)),)


# An answer with a wrong id


def answer_with(emulator, release_id):
    body = {"release": {"id": release_id, "active": True}, "primaryFlowIds": [77]}
    emulator.faults.add(Fault(Answer(201, body=body, when="after_commit"), **CREATE))


def test_an_id_that_was_there_before_is_no_answer(
    promote, take_baseline, emulator, live, uploads, tries
):
    """The answer names an old release of the package, so the list has to show the new one."""
    old = promote("A").release
    baseline = take_baseline()
    answer_with(emulator, old.id)
    letter, named = "A", []
    adopted = promote(
        letter, baseline=baseline, tries=tries(), on_release=lambda *known: named.append(known)
    )
    assert named == [(adopted.release.id, None)]
    assert (adopted.outcome, adopted.release.id, adopted.imported, adopted.overrun) == (
        "adopted",
        live(),
        None,
        (),
    )
    assert adopted.release.id > old.id
    again = promote(letter, baseline=baseline, tries=tries())
    assert (again.outcome, again.release.id, again.imported) == ("adopted", live(), None)
    assert len(uploads()) == 2


def test_an_id_that_does_not_show_is_named_and_nothing_else_is_taken_for_it(
    promote, take_baseline, emulator, uploads, tries
):
    """The id was passed on already. A second one would contradict it."""
    promote("A")
    baseline = take_baseline()
    answer_with(emulator, 9999)
    named = []
    options = {"baseline": baseline, "on_release": lambda *known: named.append(known)}
    with pytest.raises(AmbiguousSubmissionError, check=lambda error: error.release_id == 9999):
        promote("B", tries=tries(), **options)
    with pytest.raises(ReleaseNotLiveError, check=lambda error: error.release_id == 9999):
        promote("B", tries=tries(), **options)
    assert named == [(9999, [77]), (9999, [77])]
    assert len(uploads()) == 2


def test_a_wrong_id_is_a_doubt_where_two_releases_fit(promote, emulator, client, packages, time):
    answer_with(emulator, 9999)

    def import_too():
        with open_package(packages("A")) as package:
            client.releases.create(1, package.body())

    time.during_sleep = [import_too]
    with pytest.raises(AmbiguousSubmissionError, check=lambda error: error.release_id == 9999):
        promote("A")
