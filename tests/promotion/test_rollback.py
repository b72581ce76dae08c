"""Rolling back: to what was recorded, and only what the run itself put live."""

from __future__ import annotations

import pytest
from trifacta_emulator import Fault, LateActivation, LateCommit, PackageUuid, iso

from airflow_provider_trifacta.client.errors import (
    AmbiguousSubmissionError,
    InterruptedChangeError,
    TrifactaError,
    UnexpectedLiveReleaseError,
)
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.promotion.baseline import Baseline
from airflow_provider_trifacta.promotion.rollback import roll_back
from airflow_provider_trifacta.promotion.tries import Tries, TryFacts

pytestmark = pytest.mark.every_airflow

UUIDS = {
    letter: f"9bae78c0-2fcb-11e9-9523-77f56ed5884{number}" for number, letter in enumerate("ABCD")
}


@pytest.fixture
def upload(client, make_package):
    def run(letter):
        with open_package(make_package(uuid=UUIDS[letter])) as package:
            return client.releases.create(1, package.body()).release.id

    return run


@pytest.fixture(params=["a live release before", "none before"])
def before(request, upload):
    return None if request.param == "none before" else upload("A")


@pytest.fixture
def baseline(before, client):  # noqa: ARG001 - it is read after that release went live
    return Baseline.read(client, 1)


@pytest.fixture
def undo(client, baseline):
    def run(uuid=UUIDS["B"], interrupted=False):
        tries = Tries.begin(TryFacts(1 + interrupted, 1, 1))
        undone = roll_back(client, baseline, uuid, tries=tries, settle_timeout=0)
        return undone and undone.release_id

    return run


@pytest.fixture
def wait_and_undo(client, baseline, time):
    """Return a function that rolls back with so much patience, and does something instead of
    sleeping."""

    def run(sleep):
        time.during_sleep = [sleep] * 1000
        undone = roll_back(client, baseline, UUIDS["B"], settle_timeout=10)
        return undone and undone.release_id

    return run


@pytest.fixture
def changes(emulator):
    return lambda: [call.path for call in emulator.calls if call.method == "PATCH"]


@pytest.mark.parametrize("interrupted", [False, True])
def test_what_the_run_made_live_is_undone(undo, upload, before, live, changes, interrupted):
    """A retry finds the release as its import left it, so no person can have decided anything."""
    new = upload("B")
    assert undo(interrupted=interrupted) == new
    assert live() == before
    assert changes() == [f"/v4/releases/{before or new}"]


@pytest.mark.parametrize(
    "spelled", [str.upper, lambda uuid: uuid.replace("-", ""), lambda uuid: f"{{{uuid}}}"]
)
def test_the_package_is_found_however_its_uuid_is_spelled(undo, upload, before, live, spelled):
    new = upload("B")
    assert undo(spelled(UUIDS["B"])) == new
    assert live() == before


def test_any_release_of_the_run_may_be_the_live_one(undo, upload, before, live, emulator):
    first, second = upload("B"), upload("B")
    emulator.store.update_release(first, active=True)
    assert undo() == first
    assert live() == before
    assert not emulator.store.release(second).active


@pytest.mark.parametrize("interrupted", [False, True])
@pytest.mark.parametrize("uuid", [None, UUIDS["B"]])
def test_where_the_recorded_one_is_live_nothing_is_done(
    undo, before, live, changes, interrupted, uuid
):
    assert undo(uuid, interrupted=interrupted) is None
    assert live() == before
    assert changes() == []


def test_what_was_staged_only_needs_no_undoing(undo, upload, before, emulator, changes):
    staged = upload("B")
    if before:
        emulator.store.update_release(before, active=True)
    else:
        emulator.store.update_release(staged, active=False)
    assert undo() is None
    assert changes() == []


@pytest.mark.parametrize("uuid", [None, UUIDS["B"]])
@pytest.mark.parametrize("interrupted", [False, True])
def test_what_a_person_made_live_is_left_alone(undo, upload, live, changes, uuid, interrupted):
    upload("B")
    other = upload("C")
    with pytest.raises(
        UnexpectedLiveReleaseError,
        check=lambda error: (error.deployment_id, error.live_id) == (1, other),
    ):
        undo(uuid, interrupted=interrupted)
    assert live() == other
    assert changes() == []


def test_without_a_package_nothing_can_be_the_runs(undo, upload, live, changes):
    new = upload("B")
    with pytest.raises(UnexpectedLiveReleaseError, check=lambda error: error.live_id == new):
        undo(None)
    assert live() == new
    assert changes() == []


def test_an_older_release_of_the_same_package_is_not_the_runs(
    client, upload, live, changes, emulator
):
    """A person went back to it: the release that the run made is another one."""
    old = upload("B")
    recorded = upload("A")
    baseline = Baseline.read(client, 1)
    upload("B")
    emulator.store.update_release(old, active=True)
    with pytest.raises(
        UnexpectedLiveReleaseError,
        check=lambda error: (error.release_id, error.live_id) == (recorded, old),
    ):
        roll_back(client, baseline, UUIDS["B"], settle_timeout=0)
    assert live() == old
    assert changes() == []


def test_a_deployment_that_a_person_switched_off_stays_off(client, upload, live, changes, emulator):
    upload("A")
    baseline = Baseline.read(client, 1)
    emulator.store.update_release(upload("B"), active=False)
    with pytest.raises(
        UnexpectedLiveReleaseError,
        check=lambda error: (error.deployment_id, error.live_id) == (1, None),
    ):
        roll_back(client, baseline, UUIDS["B"], settle_timeout=0)
    assert live() is None
    assert changes() == []


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_deleted_target_is_refused_and_never_guessed(
    client, upload, live, changes, emulator, interrupted
):
    upload("C")
    recorded = upload("A")
    baseline = Baseline.read(client, 1)
    new = upload("B")
    emulator.store.delete_release(recorded)
    with pytest.raises(
        UnexpectedLiveReleaseError,
        check=lambda error: (error.release_id, error.live_id) == (recorded, new),
    ):
        roll_back(
            client,
            baseline,
            UUIDS["B"],
            tries=Tries.begin(TryFacts(1 + interrupted, 1, 1)),
            settle_timeout=0,
        )
    assert live() == new
    assert changes() == []


def test_a_release_that_the_server_activated_late_is_left_to_a_person(undo, upload, live, emulator):
    armed = emulator.faults.add(Fault(LateActivation()))
    new = upload("B")
    armed.release()
    release = emulator.store.update_release(new, notes="looked at")
    while iso(release.updated_at) == iso(
        release.created_at
    ):  # all within one tick of the API so far
        release = emulator.store.update_release(new, notes="looked at")
    assert live() == new
    with pytest.raises(InterruptedChangeError):
        undo(interrupted=True)
    assert live() == new


@pytest.mark.parametrize("absent", [False, True])
def test_where_packages_cannot_be_told_apart_nothing_is_done(
    undo, upload, live, changes, emulator, absent
):
    new = upload("B")
    emulator.faults.add(Fault(PackageUuid(absent=absent), times=None))
    with pytest.raises(UnexpectedLiveReleaseError):
        undo()
    assert live() == new
    assert changes() == []


def test_releases_of_other_deployments_do_not_count(client, make_package, emulator, changes):
    other = emulator.store.create_deployment("Second").id
    baseline = Baseline.read(client, 1)
    with open_package(make_package(uuid=UUIDS["B"])) as package:
        client.releases.create(other, package.body())
    assert roll_back(client, baseline, UUIDS["B"], settle_timeout=0) is None
    assert emulator.store.active_release(other)
    assert changes() == []


def test_an_upload_that_is_still_under_way_is_waited_for(
    client, wait_and_undo, make_package, before, live, emulator
):
    """The promotion was killed in it: its release goes live after a look that came too soon."""
    emulator.faults.add(Fault(LateCommit()))
    with open_package(make_package(uuid=UUIDS["B"])) as package, pytest.raises(TrifactaError):
        client.releases.create(1, package.body())
    undone = wait_and_undo(lambda: emulator.commit_late())
    assert undone == emulator.store.releases(1)[-1].id
    assert live() == before


def test_a_release_that_is_not_live_yet_is_waited_for(
    wait_and_undo, upload, before, live, emulator
):
    """The server lists the release of the upload before it makes it live."""
    emulator.faults.add(Fault(LateActivation()))
    new = upload("B")
    assert live() == before
    undone = wait_and_undo(lambda: emulator.activate_late())
    assert undone == new
    assert live() == before


def test_a_release_that_a_person_deactivated_is_not_waited_for(
    client, upload, baseline, live, emulator, time
):
    new = upload("B")
    release = emulator.store.update_release(new, active=False)
    while iso(release.updated_at) == iso(
        release.created_at
    ):  # all within one tick of the API so far
        release = emulator.store.update_release(new, notes="looked at")
    before = baseline.active_release_id
    if before:
        emulator.store.update_release(before, active=True)
    assert roll_back(client, baseline, UUIDS["B"], settle_timeout=10) is None
    assert time.slept == []
    assert live() == before


def test_the_wait_for_an_upload_comes_to_an_end(wait_and_undo, before, live, changes, time):
    undone = wait_and_undo(lambda: None)
    assert undone is None
    assert sum(time.slept) == 10
    assert live() == before
    assert changes() == []


def test_a_promotion_that_did_not_begin_is_not_waited_for(client, baseline, live, before, time):
    assert roll_back(client, baseline, None, settle_timeout=10) is None
    assert time.slept == []
    assert live() == before


def test_another_import_during_the_wait_is_no_doubt(wait_and_undo, upload, live, changes):
    """What is live then is of another package, whether or not the run made a release."""
    others = []
    with pytest.raises(UnexpectedLiveReleaseError, check=lambda error: error.live_id == live()):
        wait_and_undo(lambda: others or others.append(upload("C")))
    assert live() == others[0]
    assert changes() == []


def test_another_import_that_does_not_tell_its_package_is_a_doubt(
    wait_and_undo, upload, changes, emulator
):
    others = []

    def import_too():
        if not others:
            others.append(upload("C"))
            emulator.faults.add(Fault(PackageUuid(), times=None))

    with pytest.raises(AmbiguousSubmissionError):
        wait_and_undo(import_too)
    assert changes() == []


# The release's id, where the server named it

OWN_UUID = "9bae78c0-2fcb-11e9-9523-77f56ed5884f"


@pytest.fixture
def own_uuids(emulator):
    """Let the instance give its releases uuids of its own."""
    emulator.faults.add(Fault(PackageUuid(OWN_UUID), times=None))


@pytest.mark.parametrize("uuid", [None, UUIDS["B"]])
@pytest.mark.usefixtures("own_uuids")
def test_the_runs_release_is_known_by_its_id(client, before, baseline, upload, live, uuid):
    new = upload("B")
    undone = roll_back(client, baseline, uuid, release_id=new, settle_timeout=0)
    assert undone
    assert undone.release_id == new
    assert live() == before


def test_where_its_id_is_known_no_other_release_is_the_runs(
    client, baseline, upload, live, changes
):
    """A release of the same package that somebody else imported is not of this run."""
    new, other = upload("B"), upload("B")
    with pytest.raises(
        UnexpectedLiveReleaseError,
        check=lambda error: (error.deployment_id, error.live_id) == (1, other),
    ):
        roll_back(client, baseline, UUIDS["B"], release_id=new, settle_timeout=0)
    assert live() == other
    assert changes() == []


def test_an_id_that_the_baseline_knew_is_of_another_run(client, upload, live):
    old = upload("A")
    baseline = Baseline.read(client, 1)
    new = upload("B")
    undone = roll_back(client, baseline, UUIDS["B"], release_id=old, settle_timeout=0)
    assert undone
    assert undone.release_id == new
    assert live() == old


@pytest.mark.parametrize("uuid", [None, UUIDS["B"]])
@pytest.mark.usefixtures("own_uuids")
def test_a_release_that_is_known_and_not_live_yet_is_waited_for(
    client, emulator, before, baseline, upload, live, time, uuid
):
    emulator.faults.add(
        Fault(LateActivation(reads=None), method="POST", path="/v4/deployments/*/releases")
    )
    new = upload("B")
    time.during_sleep = [lambda: emulator.store.update_release(new, active=True)]
    undone = roll_back(client, baseline, uuid, release_id=new, settle_timeout=10)
    assert undone
    assert undone.release_id == new
    assert live() == before


def test_a_release_that_is_known_and_was_deleted_leaves_nothing_to_do(
    client, emulator, upload, live, time, changes
):
    old = upload("A")
    baseline = Baseline.read(client, 1)
    new = upload("B")
    emulator.store.update_release(old, active=True)
    emulator.store.delete_release(new)
    assert roll_back(client, baseline, UUIDS["B"], release_id=new, settle_timeout=10) is None
    assert live() == old
    assert changes() == []
    assert time.now >= 10
