"""Positive controls: a group that lies, or does what it must not do, is caught by the check that is
for it."""

from __future__ import annotations

import io
from typing import Any
from unittest import mock

import pytest

from airflow_provider_trifacta.hooks.trifacta import TrifactaHook
from campaign import history
from campaign.acts import Act
from campaign.cases import StandIn, act_of, edit_of, run_case, run_operator
from campaign.edits import CLEAR, LOWER, PACKAGE, TWICE
from campaign.edits import KINDS as EDITS
from campaign.judge import GREEN
from campaign.project import AirflowFailException, AirflowSkipException, read_package
from campaign.scheduler import GroupInstance
from campaign.world import PERSON, RIVAL, TASK, World, package

CREATE = {"baseline": True, "dry_run": False}
RUN = {"deferrable": False, "fails": False}


def run_group(
    stand_ins: dict[str, StandIn], acts: tuple[Act, ...] = (), **options: Any
) -> tuple[str, ...]:
    """Run a group in which some tasks are replaced, and return the violations."""
    return run_case(stand_ins, acts, **options)[1].violations


def run_with_status(**lies: Any) -> tuple[str, ...]:
    """Run a group whose status says something else, and return the violations."""
    real = GroupInstance.xcom_push

    def xcom_push(ti: Any, key: str, value: Any) -> None:
        real(ti, key, {**value, **lies} if key == "promotion_status" else value)

    with mock.patch.object(GroupInstance, "xcom_push", xcom_push):
        return run_group({})


def do_nothing(world: World, ti: Any) -> Any:
    """Return as a task that did all it is for."""
    return {}


def skip(world: World, ti: Any) -> Any:
    """End as skipped."""
    raise AirflowSkipException("There is nothing to do.")


def go_back(world: World, ti: Any) -> Any:
    """Make the release live that was live before, by a request of the task."""
    with TrifactaHook("trifacta_default").client as client:
        client.releases.list(world.deployment_id)
        client.releases.activate(world.latest)
    return {}


def say(text: str) -> StandIn:
    """Return what ends with an error of this text."""

    def stand_in(world: World, ti: Any) -> Any:
        raise AirflowFailException(text)

    return stand_in


def test_a_group_that_says_what_is_so_is_not_accused():
    assert run_group({}) == ()
    assert run_group({"roll_back": skip}) == ()


@pytest.mark.parametrize(
    ("lies", "expected"),
    [
        ({"live_release_id": 102}, "live_release_id is 102"),
        ({"live_release_id": None}, "live_release_id is None"),
        ({"previous_release_id": 101}, "previous_release_id is 101"),
        ({"release_id": 102}, "release_id is 102"),
        ({"state": "unchanged"}, "the state is unchanged"),
        ({"state": "nothing_live"}, "the state is nothing_live"),
        ({"text": "Release 102 of deployment 'Orders' (1) is live."}, "live is [104]"),
        (
            {"text": "No release of deployment 'Orders' (1) is live, so it cannot run."},
            "live is [104]",
        ),
        (
            {"text": "Release 104 of deployment 1, which this run made, is not live."},
            "release 104 is live",
        ),
        ({"text": "Release 104 was rolled back."}, "was not rolled back by the group"),
        (
            {"text": "Release 102, which was live before, was deleted."},
            "release 102 was not deleted",
        ),
        ({"text": "Nothing was promoted."}, "this pass made release [104]"),
        (
            {"text": "Another release has been activated in the meantime."},
            "nobody else changed what is live",
        ),
        ({"text": "The group has no rollback."}, "the group has a rollback"),
        ({"clear": ["g.undo"]}, "which the group does not have"),
    ],
)
def test_a_status_that_is_not_so_is_found(lies, expected):
    assert any(expected in violation for violation in run_with_status(**lies))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Release 102 of deployment 1 is live.", "live is [104]"),
        ("Nothing to do. Set if_exists='create'.", "no argument if_exists"),
    ],
)
def test_an_error_that_is_not_so_is_found(text, expected):
    assert any(expected in violation for violation in run_group({"smoke_jobs": say(text)}))


def test_a_task_that_changed_something_and_says_nothing_was_changed_is_found():
    def stand_in(world: World, ti: Any) -> Any:
        go_back(world, ti)
        return say("Nothing was changed.")(world, ti)

    violations = run_group({"roll_back": stand_in}, fails="first")
    assert any("this try changed something" in violation for violation in violations)


def test_a_rollback_that_is_owed_and_not_made_is_found():
    violations = run_group({"roll_back": skip}, fails="first")
    assert any(
        "a rollback of release 104 is owed, and roll_back is skipped" in one for one in violations
    )


def test_a_rollback_of_what_is_proven_is_found():
    assert any(
        "though every step proves it" in violation
        for violation in run_group({"roll_back": go_back})
    )


def test_a_rollback_of_what_was_proven_before_is_found():
    went = []

    def stand_in(world: World, ti: Any) -> Any:
        went.append(ti.try_number)
        return go_back(world, ti) if len(went) > 1 else skip(world, ti)

    mark = act_of("mark failed", "create_release")
    clear = act_of("clear", "roll_back")
    violations = run_group({"roll_back": stand_in}, (mark, clear))
    assert any(
        "was proven before, no smoke run failed, and it was rolled back" in one
        for one in violations
    )


@pytest.mark.parametrize("fails", ["none", "first"])
def test_a_green_end_that_nothing_proves_is_found(fails):
    stand_ins = {"promoted": do_nothing}
    if fails == "none":
        stand_ins["active"] = say("The release does not show.")
    violations = run_group({**stand_ins, "roll_back": skip}, fails=fails)
    assert any(
        "promoted is green, and nothing proves release 104" in violation for violation in violations
    )


def test_a_green_end_without_a_release_of_the_run_is_found():
    violations = run_group({"create_release": say("No."), "promoted": do_nothing})
    assert any("which is not of this run" in violation for violation in violations)


def test_an_end_that_does_not_say_how_production_stands_is_found():
    assert any(
        "does not say how production stands" in one
        for one in run_group({"promoted": say("Something.")})
    )


def test_a_second_release_of_one_pass_is_found():
    def stand_in(world: World, ti: Any) -> Any:
        exported = package("ours").path.with_name("group.zip")
        content = read_package(io.BytesIO(exported.read_bytes()))
        world.prod.store.create_release(world.deployment_id, content, user_id=TASK)
        return {}

    assert any("of one package" in violation for violation in run_group({"active": stand_in}))


def test_a_retry_that_undoes_what_a_person_decided_is_found():
    def stand_in(world: World, ti: Any) -> Any:
        go_back(world, ti)
        if ti.try_number == 1:
            world.prod.store.update_release(104, active=True, user_id=PERSON)
            raise ConnectionError("The try is lost.")
        return {}

    violations = run_group({"roll_back": stand_in}, fails="first")
    assert any("over another's decision" in violation for violation in violations)


# Edits between tries, and tries that meet.


def upload(world: World, ti: Any) -> Any:
    """Make a release at each try, by no request of the task."""
    world.prod.store.create_release(world.deployment_id, package("ours").content, user_id=TASK)
    return {}


def lose(act: StandIn) -> StandIn:
    """Return what acts at each try, and loses the first one."""

    def stand_in(world: World, ti: Any) -> Any:
        act(world, ti)
        if ti.try_number == 1:
            raise ConnectionError("The try is lost.")
        return {}

    return stand_in


def start_jobs(world: World, ti: Any) -> Any:
    """Run the deployment at each try."""
    world.prod.store.run_deployment(world.deployment_id, user_id=TASK)
    return {}


def touch_another(world: World, ti: Any) -> Any:
    """Make a release in a deployment that the task does not name."""
    world.prod.store.create_release(world.other_id, package("ours").content, user_id=TASK)
    return {}


def activate_over_a_person(world: World, ti: Any) -> Any:
    """Make a release live at each try, also after a person has gone back."""
    with TrifactaHook("trifacta_default").client as client:
        client.releases.list(world.deployment_id)
        client.releases.activate(101)
        if ti.try_number == 1:
            world.prod.store.update_release(102, active=True, user_id=PERSON)
            raise ConnectionError("The try is lost.")
    return {}


def say_nothing_was_changed(world: World, ti: Any) -> Any:
    """Change something, and deny it."""
    with TrifactaHook("trifacta_default").client as client:
        client.releases.list(world.deployment_id)
        client.releases.activate(101)
    raise AirflowFailException("Nothing was changed.")


@pytest.mark.parametrize(
    ("flow", "options", "stand_in", "edits", "expected"),
    [
        ("create", CREATE, upload, (edit_of(CLEAR),), "2 releases were made"),
        ("create", CREATE, lose(upload), (), "2 releases were made"),
        ("create", CREATE, touch_another, (edit_of(PACKAGE),), "deployment 2 was touched"),
        ("run", RUN, lose(start_jobs), (edit_of(LOWER),), "jobs were started 2 times"),
        ("activate", {}, activate_over_a_person, (edit_of(LOWER),), "over another's decision"),
        (
            "activate",
            {},
            say_nothing_was_changed,
            (edit_of(TWICE, number=99),),
            "changed something, and says",
        ),
    ],
)
def test_what_a_try_must_not_do_after_an_edit_is_found(flow, options, stand_in, edits, expected):
    _, verdict = run_operator(flow, stand_in, edits, **options)
    assert any(expected in violation for violation in verdict.violations)


@pytest.mark.parametrize("journal", [True, False])
@pytest.mark.parametrize("flow", ["create", "run", "activate"])
@pytest.mark.parametrize("kind", EDITS)
def test_an_operator_that_keeps_its_promise_is_not_accused(flow, kind, journal):
    options = {"create": CREATE, "run": RUN, "activate": {}}[flow]
    edits = (edit_of(kind, number=2),) if journal or kind != TWICE else ()
    _, verdict = run_operator(flow, None, edits, journal=journal, **options)
    assert verdict.violations == ()


@pytest.mark.parametrize("at", [0, 1, 99])
def test_a_stopped_process_that_goes_on_sends_nothing_where_its_note_is_refused(at):
    world, verdict = run_operator("create", None, (edit_of(TWICE, 0, at),), **CREATE)
    stopped = [call for call in world.wire.calls if call.process.is_stale]
    assert stopped
    assert not any(call.writes for call in stopped)
    assert not world.overlaps
    assert (verdict.end, verdict.violations) == (GREEN, ())


def test_a_stopped_process_that_had_made_its_note_sends_too():
    """This is the condition of the promise: nothing can hold the request back then."""
    world, verdict = run_operator("create", None, (edit_of(TWICE, 1, 99),), **CREATE)
    assert world.overlaps
    assert len(history.releases_made(world)) == 2
    assert verdict.violations == ()


#: It begins when the first one has ended, so that no task of it is refused.
BESIDE = act_of("promote by another group", "baseline")


@pytest.mark.parametrize(
    ("stand_in", "expected"),
    [
        ({"rival.active": say("Release 101 of deployment 1 is live.")}, "live is"),
        ({"rival.promoted": say("Something.")}, "does not say how production stands"),
        ({"rival.active": go_back, "rival.promoted": do_nothing}, "which is not of this run"),
    ],
)
def test_what_a_group_beside_another_one_must_not_say_is_found(stand_in, expected):
    assert any(expected in violation for violation in run_group(stand_in, (BESIDE,)))


def test_a_second_release_of_a_group_beside_another_one_is_found():
    def stand_in(world: World, ti: Any) -> Any:
        exported = package("ours").path.with_name("rival-group.zip")
        content = read_package(io.BytesIO(exported.read_bytes()))
        world.prod.store.create_release(world.deployment_id, content, user_id=RIVAL)
        return {}

    assert any(
        "of one package" in violation
        for violation in run_group({"rival.active": stand_in}, (BESIDE,))
    )


def test_an_abandoned_upload_that_goes_live_over_a_green_end_is_found():
    def stand_in(world: World, ti: Any) -> Any:
        exported = package("ours").path.with_name("group.zip")
        content = read_package(io.BytesIO(exported.read_bytes()))
        world.clock.at(300, lambda: upload(world, ti))
        made = world.prod.store.create_release(world.deployment_id, content, user_id=TASK)
        return {"release_id": made.id}

    def end(world: World, ti: Any) -> Any:
        with TrifactaHook("trifacta_default").client as client:
            client.releases.list(world.deployment_id)
        return world.xcoms["g.create_release"]["return_value"]

    stand_ins = {"create_release": stand_in, "active": do_nothing, "promoted": end}
    violations = run_group(stand_ins, smoke_run=False)
    assert any("went live over it" in violation for violation in violations)
