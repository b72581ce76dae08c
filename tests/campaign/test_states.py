"""Each state in which a promotion can end, by what people do to a run of the group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from campaign import acts
from campaign.cases import StandIn, act_of, run_case
from campaign.judge import GREEN
from campaign.project import AirflowSkipException
from campaign.scheduler import Run
from campaign.world import PERSON, World

#: The live release of the run in these cases, and those that were there before.
OURS, BEFORE, OLDER = 104, 102, 101


def activate(run: Run, release_id: int) -> None:
    """Make a release live, as a person does."""
    run.world.prod.store.update_release(release_id, active=True, user_id=PERSON)


def deactivate(run: Run) -> None:
    """Let no release be live."""
    run.world.prod.store.update_release(OURS, active=False, user_id=PERSON)


def go_back_and_delete(run: Run) -> None:
    """Make the release live that was live before, and delete the one of the run."""
    activate(run, BEFORE)
    run.world.prod.store.delete_release(OURS, user_id=PERSON)


def delete_deployment(run: Run) -> None:
    """Delete the deployment."""
    run.world.prod.store.delete_deployment(run.world.deployment_id, user_id=PERSON)


def refuse(run: Run) -> None:
    """Change the password, and never correct the Airflow connection."""
    run.world.passwords.change(None)


def skip(world: World, ti: Any) -> Any:
    """Skip the task, and so the group."""
    raise AirflowSkipException("Not today.")


def when(moment: str, do: Callable[[Run], None]) -> dict[str, Any]:
    """Return what happens when a task begins."""
    return {"moment": moment, "do": do}


CASES: list[tuple[str, dict[str, Any], dict[str, StandIn], dict[str, Any]]] = [
    ("live", {}, {}, {}),
    ("rolled_back", {}, {}, {"fails": "first"}),
    ("unchanged", when("dry_run", lambda run: run.mark("dry_run", "failed")), {}, {}),
    ("replaced", when("create_release", lambda run: activate(run, OLDER)), {}, {}),
    (
        "rollback_owed",
        when("roll_back", lambda run: run.mark("roll_back", "failed")),
        {},
        {"fails": "first"},
    ),
    ("unproven", {}, {}, {"fails": "first", "roll_back": False}),
    ("nothing_live", when("smoke_jobs", deactivate), {}, {}),
    ("release_deleted", when("smoke_jobs", go_back_and_delete), {}, {}),
    ("deployment_deleted", when("smoke_jobs", delete_deployment), {}, {}),
    ("unknown", when("roll_back", refuse), {}, {"fails": "first"}),
    ("skipped", {}, {"baseline": skip}, {}),
]


@pytest.mark.parametrize(
    ("state", "act", "stand_ins", "options"), CASES, ids=[one[0] for one in CASES]
)
def test_a_promotion_ends_in_this_state_and_says_so_truly(state, act, stand_ins, options):
    planned = (act_of("do", "promoted", act["moment"]),) if act else ()
    does = {"do": lambda run, planned, chance: act["do"](run)}
    with mock.patch.dict(acts.KINDS, does):
        world, verdict = run_case(stand_ins, planned, **options)
    assert world.xcoms["g.promoted"]["promotion_status"]["state"] == state
    assert verdict.violations == ()
    assert (verdict.end == GREEN) == (state == "live")


@pytest.mark.parametrize("seconds", [0.5, 8, 45])
@pytest.mark.parametrize("journal", [True, False])
def test_a_group_that_is_cleared_during_its_upload_says_what_the_server_finished(journal, seconds):
    clear = act_of("clear the group in its upload", "create_release", "create_release")
    with mock.patch.object(acts, "ABANDONED_FOR", [seconds]):
        world, verdict = run_case({}, (clear,), journal=journal, smoke_run=False)
    assert verdict.violations == ()
    uploads = [call for call in world.wire.calls if call.uploads]
    if seconds < 1:
        # The baseline of the second pass records it.
        assert (len(uploads), verdict.end) == (2, GREEN)
        return
    assert len(uploads) == 1
    assert verdict.end != GREEN
    expected = "own abandoned upload" if journal else "may be an earlier upload of this run"
    assert any(expected in text for _, _, text in world.claims)
