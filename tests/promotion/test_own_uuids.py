"""What the server said decides, also where it gives releases uuids of its own; a lost answer is
left to a person."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone

import pytest
from request_patterns import CREATE, LIST
from trifacta_emulator import Answer, Fault, LateActivation, Reset

from airflow_provider_trifacta.client.errors import (
    AmbiguousSubmissionError,
    BadRequestError,
    ConnectionLostError,
    PromotionNotProvenError,
    ReleaseNotLiveError,
    TrifactaError,
    UnexpectedLiveReleaseError,
    UnexpectedResponseError,
)
from airflow_provider_trifacta.client.releases import Releases
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.promotion.baseline import Baseline
from airflow_provider_trifacta.promotion.rollback import roll_back
from airflow_provider_trifacta.promotion.staged import StagedPromoter

pytestmark = pytest.mark.every_airflow


def switch(emulator, **options):
    """Let a running emulator follow other choices."""
    for name, value in options.items():
        object.__setattr__(emulator.options, name, value)


@pytest.fixture
def own_uuids(emulator):
    """Let the instance give releases uuids of its own."""
    switch(emulator, package_uuid="own")


@pytest.fixture(params=["package", "own"])
def uuids(request, emulator):
    """Whose uuid a release shows."""
    switch(emulator, package_uuid=request.param)
    return request.param


@pytest.fixture(params=[True, False], ids=["a release before", "empty"])
def before(request, promote, uuids):  # noqa: ARG001 - that release has such an uuid too
    """The release that is live before; None in an empty deployment."""
    return promote("A").release.id if request.param else None


class Killed(BaseException):
    """Stands for the end of a process."""


@pytest.fixture
def die_after_the_answer(client, promote):
    """Return a function that promotes, and is killed after the 201 and before it notes anything of
    it."""

    def run(**options):
        create = client.releases.create

        def create_and_die(*args, **keywords):
            create(*args, **keywords)
            raise Killed

        client.releases.create = create_and_die
        with pytest.raises(Killed):
            promote("B", **options)
        client.releases.create = create

    return run


# The 201 is the proof


@pytest.mark.usefixtures("own_uuids")
@pytest.mark.parametrize("with_baseline", [False, True])
def test_two_promotions_are_created(promote, take_baseline, live, ids, caplog, with_baseline):
    made = []
    for letter in "AB":
        options = {"baseline": take_baseline()} if with_baseline else {}
        promotion = promote(letter, **options)
        assert (promotion.outcome, promotion.release.id) == ("created", live())
        assert promotion.imported.primary_flow_ids
        made.append(promotion.release.id)
    assert ids() == made
    warnings = [
        record
        for record in caplog.records
        if record.levelno == logging.WARNING and made[0] in record.args
    ]
    assert len(warnings) == 1, "one for each promotion"


@pytest.mark.parametrize("with_journal", [True, False])
def test_a_retry_recalls_what_the_answer_named(promote, uuids, tries, live, uploads, with_journal):
    first = promote("A", tries=tries())
    if with_journal:
        again = promote("A", tries=tries())
        assert (again.outcome, again.release.id, again.recalled) == (
            "created",
            first.release.id,
            True,
        )
        assert again.imported.primary_flow_ids == first.imported.primary_flow_ids
    elif uuids == "package":
        assert promote("A", first_attempt=False).outcome == "reused"
    else:
        with pytest.raises(
            AmbiguousSubmissionError, check=lambda error: error.release_id == first.release.id
        ):
            promote("A", first_attempt=False)
    assert live() == first.release.id
    assert len(uploads()) == 1


@pytest.mark.parametrize("fault", [Answer(502), Answer(403)], ids=["502", "403"])
def test_the_release_is_named_before_anything_can_fail(promote, emulator, uuids, fault):  # noqa: ARG001
    emulator.faults.add(Fault(fault, **LIST, skip=1, times=None))
    named = []
    with pytest.raises(TrifactaError):
        promote("A", on_release=lambda *known: named.append(known))
    (made,) = emulator.store.releases(1)
    assert named == [(made.id, list(made.imported.primary_flow_ids))]


def test_a_read_back_that_failed_is_made_good_by_a_retry(promote, emulator, uuids, tries, uploads):  # noqa: ARG001
    emulator.faults.add(Fault(Answer(502), **LIST, skip=1, times=None))
    with pytest.raises(TrifactaError):
        promote("A", tries=tries())
    emulator.faults.clear()
    again = promote("A", tries=tries())
    assert (again.outcome, len(uploads())) == ("created", 1)


@pytest.mark.usefixtures("uuids")
def test_the_journal_notes_the_uuid_that_the_answer_named(promote, emulator, tries):
    promote("A", tries=tries())
    entry = tries().journal
    (made,) = emulator.store.releases(1)
    answer = entry._document["answer"]
    assert (answer["release_id"], answer["release_uuid"], answer["was_live"]) == (
        made.id,
        made.package_uuid,
        True,
    )


def test_a_second_new_release_beside_its_own_is_not_hidden(promote, uuids, other_person, client):  # noqa: ARG001
    promotion = promote("A", before_upload=other_person)
    (theirs,) = promotion.overrun
    assert theirs != promotion.release.id
    assert len(client.releases.list(1)) == 2


@pytest.mark.usefixtures("own_uuids")
def test_a_staged_release_is_put_aside(client, packages, promote, take_baseline, live):
    old = promote("A").release.id
    baseline = take_baseline()
    with open_package(packages("B")) as package:
        promotion = StagedPromoter(client, 1, package, baseline=baseline).run()
    assert promotion.outcome == "created"
    assert promotion.release.id > old == live()


# What the first try leaves


EARLIER = [
    pytest.param(
        journal,
        is_live,
        id=f"{'journal' if journal else 'no journal'}-{'live' if is_live else 'not live'}",
    )
    for journal in (True, False)
    for is_live in (True, False)
]


@pytest.mark.parametrize(("with_journal", "is_live"), EARLIER)
@pytest.mark.parametrize("with_baseline", [True, False])
def test_a_try_that_was_killed_after_its_answer_is_never_followed_by_a_second_upload(
    promote,
    die_after_the_answer,
    take_baseline,
    tries,
    emulator,
    live,
    uploads,
    uuids,
    before,
    with_journal,
    is_live,
    with_baseline,
):
    """The table: a journal or none, the release live or not, a release before or none, and both
    kinds of uuid.

    A release that a person deactivated, or replaced by the one before, is a decision. It is never
    undone.
    """
    baseline = {"baseline": take_baseline()} if with_baseline else {}

    def of_try(number):
        return {"tries": tries()} if with_journal else {"first_attempt": number == 1}

    die_after_the_answer(**baseline, **of_try(1))
    made, sent = live(), len(uploads())
    if not is_live:
        if before:
            emulator.store.update_release(before, active=True)
        else:
            emulator.store.update_release(made, active=False)
    now = live()
    if uuids == "own":
        error = AmbiguousSubmissionError
    elif not is_live:
        error = PromotionNotProvenError
    else:
        error = None
    for number in (2, 3):
        if error is None:
            again = promote("B", **baseline, **of_try(number))
            assert (again.outcome in ("reused", "adopted"), again.release.id) == (True, made)
        else:
            with pytest.raises(error, check=lambda error: error.release_id == made) as caught:
                promote("B", **baseline, **of_try(number))
        if uuids == "own":
            assert emulator.store.release(made).package_uuid in str(caught.value)
    assert live() == now
    assert len(uploads()) == sent


@pytest.mark.parametrize("deleted", [True, False])
@pytest.mark.parametrize("lists_deleted", [True, False])
def test_a_release_that_was_deleted_counts_where_it_is_listed(
    promote,
    die_after_the_answer,
    take_baseline,
    emulator,
    live,
    uploads,
    uuids,
    monkeypatch,
    deleted,
    lists_deleted,
):
    baseline = take_baseline()
    die_after_the_answer(baseline=baseline)
    made, sent = live(), len(uploads())
    if deleted:
        emulator.store.delete_release(made)
    if not lists_deleted:
        read = Releases.list

        def without_deleted(self, deployment_id, *, include_deleted=False, **options):
            if include_deleted:
                raise BadRequestError("includeDeleted")
            return read(self, deployment_id, **options)

        monkeypatch.setattr(Releases, "list", without_deleted)
    if deleted and not lists_deleted:
        # An empty deployment, and nothing that could show it: this is a condition of the promise.
        assert promote("B", baseline=baseline, first_attempt=False).outcome == "created"
        return
    error = ReleaseNotLiveError if uuids == "package" else AmbiguousSubmissionError
    if uuids == "package" and not deleted:
        assert promote("B", baseline=baseline, first_attempt=False).outcome == "reused"
    else:
        with pytest.raises(error, check=lambda error: error.release_id == made):
            promote("B", baseline=baseline, first_attempt=False)
    assert len(uploads()) == sent


def test_a_release_that_was_deleted_before_the_baseline_does_not_count(
    promote,
    take_baseline,
    emulator,
    uuids,  # noqa: ARG001
):
    emulator.store.delete_release(promote("A").release.id)
    assert promote("B", baseline=take_baseline(), first_attempt=False).outcome == "created"


def test_without_a_baseline_a_release_from_before_the_run_does_not_count(promote, uuids):  # noqa: ARG001
    promote("A")
    began = datetime.now(timezone.utc)
    assert promote("B", first_attempt=False, began=began).outcome == "created"
    with pytest.raises(AmbiguousSubmissionError):
        promote("C", first_attempt=False, began=began - timedelta(hours=1))


def test_what_is_proven_to_be_another_package_does_not_stop_a_retry(
    promote, take_baseline, other_person, emulator
):
    """An older release of the package proves that this instance shows the packages' uuids."""
    old = promote("A").release
    baseline = take_baseline()
    other_person()
    emulator.store.update_release(old.id, active=True)
    baseline = Baseline.parse({**baseline.as_dict(), "active_updated_at": None})
    assert promote("A", baseline=baseline, first_attempt=False).outcome == "created"


def test_what_is_not_proven_to_be_another_package_stops_a_retry(
    promote, take_baseline, other_person, emulator
):
    """It shows an uuid that nothing explains, and this instance may give releases uuids
    of its own.
    """
    old = promote("A").release
    baseline = take_baseline()
    other_person()
    theirs = max(release.id for release in emulator.store.releases(1))
    emulator.store.update_release(old.id, active=True)
    with pytest.raises(
        AmbiguousSubmissionError, check=lambda error: error.release_id == theirs
    ) as caught:
        promote("C", baseline=baseline, first_attempt=False)
    assert emulator.store.release(theirs).package_uuid in str(caught.value)
    assert caught.value.advice.count("clear") == 2


@pytest.mark.usefixtures("own_uuids")
def test_a_lost_answer_is_left_to_a_person(promote, emulator, uploads, live):
    emulator.faults.add(Fault(Reset("after_commit"), **CREATE))
    with pytest.raises(
        AmbiguousSubmissionError, check=lambda error: error.release_id == live()
    ) as caught:
        promote("A")
    assert emulator.store.release(live()).package_uuid in str(caught.value)
    assert len(uploads()) == 1


@pytest.mark.usefixtures("uuids")
def test_a_lost_answer_to_what_was_not_done_is_an_ordinary_error(promote, emulator, ids):
    emulator.faults.add(Fault(Reset("after_body"), **CREATE))
    with pytest.raises(ConnectionLostError):
        promote("A")
    assert ids() == []
    assert promote("A", first_attempt=False).outcome == "created"


# Two looks


@pytest.mark.parametrize("looks", [1, 2])
@pytest.mark.parametrize("retry", [True, False])
def test_a_release_that_vanishes_is_not_adopted(promote, emulator, time, uploads, looks, retry):
    """An import writes its release first, and may be given up."""
    if retry:
        promote("A")
    else:
        emulator.faults.add(Fault(Reset("after_commit"), **CREATE))
    made = []

    def vanish():
        made.extend(release.id for release in emulator.store.releases(1))
        emulator.store.delete_release(made[0])

    time.during_sleep = [vanish] if looks == 1 else []
    if looks == 2:
        release = promote("A", first_attempt=not retry).release
        assert release.active
        assert sum(time.slept) == 3
        return
    with pytest.raises(AmbiguousSubmissionError, check=lambda error: error.release_id == made[0]):
        promote("A", first_attempt=not retry)
    assert len(uploads()) == 1


# Whether a release was live


@pytest.mark.parametrize("seen_live", [True, False], ids=["seen as live", "never seen as live"])
def test_a_recalled_release_is_green_only_where_it_is_live(
    promote,
    emulator,
    tries,
    client,
    time,
    uuids,  # noqa: ARG001
    seen_live,
):
    old = promote("A").release
    if not seen_live:
        emulator.faults.add(Fault(LateActivation(), **CREATE))
    made = promote("B", tries=tries()).release
    assert made.active == seen_live
    if seen_live:
        client.releases.activate(old.id)
    slept = sum(time.slept)
    error = ReleaseNotLiveError if seen_live else PromotionNotProvenError
    with pytest.raises(
        error, check=lambda error: (error.release_id, error.live_id) == (made.id, old.id)
    ):
        promote("B", tries=tries())
    assert sum(time.slept) - slept == 60


@pytest.mark.parametrize("times", ["equal", "other"])
def test_equal_times_excuse_nothing_that_was_read(promote, emulator, tries, client, times):
    """With ``replacing_touches_updated_at=False`` a release that was replaced looks as its import
    left it."""
    switch(emulator, replacing_touches_updated_at=times == "other")
    old = promote("A").release
    made = promote("B", tries=tries()).release
    client.releases.activate(old.id)
    assert client.releases.get(made.id).untouched == (times == "equal")
    with pytest.raises(ReleaseNotLiveError):
        promote("B", tries=tries())


# The way back


@pytest.mark.usefixtures("own_uuids")
def test_a_rollback_without_the_id_says_what_is_open(
    client, promote, take_baseline, packages, live
):
    promote("A")
    baseline = take_baseline()
    made = promote("B", baseline=baseline).release
    with open_package(packages("B")) as package:
        uuid = package.info.uuid
    with pytest.raises(
        UnexpectedLiveReleaseError, check=lambda error: error.live_id == made.id
    ) as caught:
        roll_back(client, baseline, uuid, settle_timeout=0)
    assert made.package_uuid in str(caught.value)
    assert uuid in str(caught.value)
    assert live() == made.id


def test_a_rollback_believes_no_list_without_the_runs_release(
    client, promote, take_baseline, emulator, monkeypatch, live
):
    """An empty deployment looks as one in which there is nothing to go back from."""
    baseline = take_baseline()
    made = promote("A", baseline=baseline).release
    monkeypatch.setattr(Releases, "list", lambda *_, **__: [])
    with pytest.raises(
        UnexpectedResponseError, check=lambda error: error.release_id == made.id
    ) as caught:
        roll_back(client, baseline, None, release_id=made.id, settle_timeout=0)
    assert caught.value.retryable
    emulator.store.delete_release(made.id)
    assert roll_back(client, baseline, None, release_id=made.id, settle_timeout=0) is None
    assert live() is None


def test_an_answer_about_another_deployment_stops_every_retry(promote, emulator, tries, uploads):
    """The server said that it made something, and no list shows what."""
    body = {"release": {"id": 7, "deployment": {"id": 2}}}
    emulator.faults.add(Fault(Answer(201, body=body, when="after_body"), **CREATE))
    for _ in range(3):
        with pytest.raises(AmbiguousSubmissionError, check=lambda error: error.release_id == 7):
            promote("A", tries=tries())
    assert len(uploads()) == 1
