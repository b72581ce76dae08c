"""Positive controls: a group that lies, or does what it must not do, is caught by the check that is
for it."""

from __future__ import annotations

import io
from typing import Any
from unittest import mock

import pytest

from airflow_provider_trifacta.hooks.trifacta import TrifactaHook
from campaign.acts import Act
from campaign.cases import StandIn, act_of, run_case
from campaign.project import AirflowFailException, AirflowSkipException, read_package
from campaign.scheduler import GroupInstance
from campaign.world import PERSON, TASK, World, package


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
