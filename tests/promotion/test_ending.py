"""The verdict on a promotion and the state that it ends with, as tables: what the steps say in, the
decision out."""

from __future__ import annotations

import json

import pytest

from airflow_provider_trifacta.client.models import Release
from airflow_provider_trifacta.promotion.baseline import Baseline
from airflow_provider_trifacta.promotion.ending import (
    NOT_BEGUN,
    UNFINISHED,
    End,
    Live,
    PromotionTasks,
    Steps,
    Verdict,
    judge,
    state_of,
    whose_is_live,
)
from airflow_provider_trifacta.promotion.standing import Standing
from airflow_provider_trifacta.promotion.status import STATES, Story

TASKS = PromotionTasks(
    ("baseline", "export", "dry_run"), "create", "active", "run", "wait", "roll_back", "promoted"
)
WITHOUT_ROLLBACK = TASKS._replace(roll_back=None)
WITHOUT_RUN = TASKS._replace(run=None, wait=None)
#: Release 6 was live before, and 7 is of this run.
BASELINE = Baseline(1, 6, 6)
MADE = 7


def steps_of(tasks=TASKS, *, said=None, **states):
    said = {"release_id": MADE, "job_group_ids": (1, 2), "named": True, **(said or {})}
    return Steps(tasks, {task: states.get(task, "success") for task in tasks.steps}, **said)


LATER = {"active": "upstream_failed", "run": "upstream_failed", "wait": "upstream_failed"}
PROVEN = {"proven_id": MADE}
NOTE = {"gave_up_on": (2, 1)}
OTHERS = {"waited_for": (8, 9)}


@pytest.mark.parametrize(
    ("said", "states", "jobs", "kept", "green"),
    [
        pytest.param({}, {}, None, True, True, id="all succeeded"),
        pytest.param(
            {}, {"dry_run": "failed"}, None, True, False, id="a step before the upload failed"
        ),
        pytest.param({}, {"dry_run": "running"}, None, True, True, id="a cleared step still runs"),
        pytest.param({}, {"dry_run": None}, None, True, True, id="a cleared step is to run"),
        pytest.param(
            {}, {"export": "skipped"}, None, True, False, id="a step before the upload was skipped"
        ),
        pytest.param(
            {}, {"run": "failed", "wait": "upstream_failed"}, None, False, False, id="no smoke run"
        ),
        pytest.param({}, {"create": "failed", **LATER}, None, False, False, id="the upload failed"),
        pytest.param(
            {},
            {"dry_run": "failed", "create": "upstream_failed", **LATER},
            None,
            False,
            False,
            id="owed",
        ),
        pytest.param({}, {"wait": None}, None, False, False, id="no state"),
        pytest.param({}, {"wait": "running"}, None, False, False, id="still running"),
        # The jobs decide only where the wait noted that it gave up on just these.
        pytest.param(NOTE, {"wait": "failed"}, True, True, True, id="only the wait gave up"),
        pytest.param(NOTE, {"wait": "failed"}, False, False, False, id="the jobs failed"),
        pytest.param(NOTE, {"wait": "failed"}, None, False, False, id="the jobs still run"),
        pytest.param({}, {"wait": "failed"}, True, False, False, id="a person marked the wait"),
        pytest.param(
            {"gave_up_on": (1,)}, {"wait": "failed"}, True, False, False, id="a note of other jobs"
        ),
        pytest.param(
            {**NOTE, "job_group_ids": ()},
            {"wait": "failed"},
            True,
            False,
            False,
            id="a note without a smoke run",
        ),
        pytest.param(
            NOTE,
            {"run": "failed", "wait": "failed"},
            True,
            False,
            False,
            id="the run was marked too",
        ),
        pytest.param(
            NOTE, {"dry_run": "failed", "wait": "failed"}, True, True, False, id="and a step failed"
        ),
        # The success of the wait counts for what it waited for.
        pytest.param({"waited_for": (2, 1)}, {}, None, True, True, id="it waited for these"),
        pytest.param(
            OTHERS, {}, True, True, True, id="it waited for others, and these are Complete"
        ),
        pytest.param(OTHERS, {}, False, False, False, id="it waited for others, and these failed"),
        pytest.param(
            OTHERS, {}, None, False, False, id="it waited for others, and these still run"
        ),
        pytest.param(
            {**PROVEN, **OTHERS}, {}, False, False, False, id="proven, and the jobs of now failed"
        ),
        pytest.param(
            {**PROVEN, **OTHERS}, {}, None, True, False, id="proven, and the jobs of now still run"
        ),
        # What was proven in this run is given up only for a smoke run.
        pytest.param(
            PROVEN,
            {"dry_run": "failed", "create": "upstream_failed", **LATER},
            None,
            True,
            False,
            id="kept",
        ),
        pytest.param(
            PROVEN, {"create": "failed", **LATER}, None, True, False, id="proven, the upload failed"
        ),
        pytest.param(
            PROVEN,
            {"active": "failed", "run": "skipped", "wait": None},
            None,
            True,
            False,
            id="proven, active",
        ),
        pytest.param(
            PROVEN,
            {"run": "failed", "wait": "upstream_failed"},
            None,
            False,
            False,
            id="proven, no run",
        ),
        pytest.param(PROVEN, {"wait": "failed"}, None, False, False, id="proven, the jobs failed"),
        pytest.param(
            {**PROVEN, **NOTE}, {"wait": "failed"}, True, True, True, id="proven, the wait gave up"
        ),
        pytest.param(
            {**PROVEN, **NOTE},
            {"wait": "failed"},
            False,
            False,
            False,
            id="proven, the new jobs failed",
        ),
        pytest.param(
            {**PROVEN, **NOTE},
            {"active": "failed", "wait": "failed"},
            True,
            True,
            False,
            id="proven, and active",
        ),
        pytest.param(
            {"proven_id": 8},
            {"active": "failed"},
            None,
            False,
            False,
            id="another release was proven",
        ),
        pytest.param(
            {"proven_id": 8, "release_id": None},
            {"create": "failed"},
            None,
            True,
            False,
            id="proven, unnamed",
        ),
    ],
)
def test_a_promotion_is_kept(said, states, jobs, kept, green):
    verdict = judge(steps_of(said=said, **states), jobs, "So they stand.")
    assert (verdict.kept, verdict.green) == (kept, green)
    assert verdict.why.endswith(".")


@pytest.mark.parametrize("step", ["baseline", "export", "dry_run"])
@pytest.mark.parametrize(
    "state", ["failed", "upstream_failed", "skipped", "removed", "running", None]
)
def test_a_step_before_the_upload_never_causes_a_rollback(step, state):
    assert judge(steps_of(**{step: state})).kept


@pytest.mark.parametrize("state", sorted(UNFINISHED))
@pytest.mark.parametrize("step", ["create", "active", "run", "wait"])
def test_a_step_that_goes_on_is_waited_for(step, state):
    assert steps_of(**{step: state}).unfinished == [step]
    assert steps_of(dry_run=state).unfinished == []


@pytest.mark.parametrize("tasks", [WITHOUT_RUN, WITHOUT_ROLLBACK])
def test_a_group_without_optional_tasks(tasks):
    assert judge(steps_of(tasks)).green
    assert not judge(steps_of(tasks, active="failed")).kept


@pytest.mark.parametrize("state", sorted(NOT_BEGUN, key=str))
def test_an_upload_that_did_not_begin_sent_nothing(state):
    assert not steps_of(said={"named": False, "release_id": None}, create=state).may_have_sent
    assert steps_of(said={"named": True}, create=state).may_have_sent, "an earlier pass may have"
    assert steps_of(said={"named": False}, create="failed").may_have_sent


# Whose release is live


def standing(live, *ids, uuids=None):
    def release(number):
        uuid = (uuids or {}).get(number)
        return Release(
            id=number,
            deployment_id=1,
            active=number == live,
            package_uuid=uuid,
            notes=None,
            created_at=None,
            updated_at=None,
        )

    return Standing(1, [release(number) for number in sorted(ids or (5, 6, 7), reverse=True)])


@pytest.mark.parametrize(
    ("now", "said", "states", "whose"),
    [
        (standing(7), {}, {}, Live.OURS),
        (standing(6), {}, {}, Live.RECORDED),
        (standing(None), {}, {}, Live.NONE),
        (standing(5), {}, {}, Live.ANOTHER),
        (standing(8, 6, 7, 8), {}, {}, Live.ANOTHER),
        # The release of this run was deleted, and a run makes one at most.
        (standing(8, 6, 8), {}, {}, Live.ANOTHER),
        # It is unknown: a uuid shows it, or nothing does.
        (
            standing(8, 6, 8, uuids={8: "u"}),
            {"release_id": None, "package_uuid": "u"},
            {},
            Live.OURS,
        ),
        (
            standing(8, 6, 7, 8, uuids={7: "u", 8: "v"}),
            {"release_id": None, "package_uuid": "u"},
            {},
            Live.ANOTHER,
        ),
        (
            standing(8, 6, 8, uuids={8: "v"}),
            {"release_id": None, "package_uuid": "u"},
            {},
            Live.UNCLEAR,
        ),
        (
            standing(8, 6, 8),
            {"release_id": None, "named": False},
            {"create": "failed"},
            Live.UNCLEAR,
        ),
        (
            standing(8, 6, 8),
            {"release_id": None, "named": False},
            {"create": "upstream_failed"},
            Live.ANOTHER,
        ),
    ],
)
def test_whose_release_is_live(now, said, states, whose):
    assert whose_is_live(now, BASELINE, steps_of(said=said, **states)) is whose


# The state

KEPT, NOT_KEPT = Verdict(True, "All steps succeeded.", True), Verdict(False, "wait is failed.")
NONE_BEFORE = Baseline(1, None, 6)


@pytest.mark.parametrize(
    ("state", "verdict", "options", "said"),
    [
        ("unknown", KEPT, {"baseline": None, "now": standing(7)}, {}),
        ("unknown", NOT_KEPT, {"now": None}, {}),
        ("deployment_deleted", NOT_KEPT, {"now": None, "deployment_gone": True}, {}),
        ("nothing_live", KEPT, {"now": standing(None)}, {}),
        ("nothing_live", KEPT, {"now": standing(None), "baseline": NONE_BEFORE}, {}),
        ("nothing_live", NOT_KEPT, {"now": standing(None, 6), "deleted": frozenset({7})}, {}),
        ("nothing_live", NOT_KEPT, {"now": standing(None), "rolled_back_id": 7}, {}),
        ("release_deleted", KEPT, {"now": standing(6, 6), "deleted": frozenset({7})}, {}),
        ("release_deleted", KEPT, {"now": standing(8, 6, 8), "deleted": frozenset({7})}, {}),
        ("rolled_back", NOT_KEPT, {"now": standing(6), "rolled_back_id": 7}, {}),
        (
            "rolled_back",
            NOT_KEPT,
            {"now": standing(None), "rolled_back_id": 7, "baseline": NONE_BEFORE},
            {},
        ),
        ("rollback_owed", NOT_KEPT, {"now": standing(7)}, {}),
        ("rollback_owed", NOT_KEPT, {"now": standing(7), "rolled_back_id": 7}, {}),
        ("unproven", NOT_KEPT, {"now": standing(7, 7), "deleted": frozenset({6})}, {}),
        ("unproven", NOT_KEPT, {"now": standing(8, 6, 8)}, {"release_id": None}),
        ("replaced", KEPT, {"now": standing(5)}, {}),
        ("replaced", NOT_KEPT, {"now": standing(8, 6, 7, 8)}, {}),
        ("unchanged", NOT_KEPT, {"now": standing(6)}, {}),
        ("unchanged", KEPT, {"now": standing(6)}, {}),
        ("live", KEPT, {"now": standing(7)}, {}),
        ("live", KEPT, {"now": standing(7), "rolled_back_id": 7}, {}),
    ],
)
def test_the_first_state_that_fits(state, verdict, options, said):
    end = End(steps_of(said=said), verdict, **{"baseline": BASELINE, **options})
    assert state_of(end) == state
    story = Story(end, "deployment 1", unread="GET answered 503.")
    live = end.now.live_id if end.now else None
    status = story.status(deployment_id=1)
    assert (status.state, status.live_release_id) == (state, live)
    assert json.loads(json.dumps(status.as_dict()))["text"].endswith(".")
    assert bool(status.advice) == (state != "live")
    for release in end.deleted:
        assert f"release {release}" not in status.advice, "a deleted release is no advice"


def test_a_group_that_was_skipped():
    skipped = steps_of(**dict.fromkeys(TASKS.steps, "skipped"))
    assert state_of(End(skipped, judge(skipped))) == "skipped"


def test_without_a_rollback_none_is_owed():
    end = End(steps_of(WITHOUT_ROLLBACK), NOT_KEPT, BASELINE, standing(7))
    assert state_of(end) == "unproven"
    assert "no rollback" in Story(end, "deployment 1").text
    other = End(steps_of(), NOT_KEPT, BASELINE, standing(7, 7), deleted=frozenset({6}))
    assert "no rollback" not in Story(other, "deployment 1").text


def test_nothing_was_live_and_nothing_is():
    """This run's release is not known to have been live."""
    steps = steps_of(create="failed", **LATER)
    assert state_of(End(steps, NOT_KEPT, NONE_BEFORE, standing(None))) == "unchanged"


def test_states_of_a_pass_before_the_baseline_say_nothing():
    """The baseline was recorded again, and the release of the pass before is below it."""
    steps = steps_of(said={"release_id": None, "named": False}, create="failed")
    assert state_of(End(steps, NOT_KEPT, NONE_BEFORE, standing(None))) == "unchanged"


def test_every_state_is_tried():
    tried = {
        mark.args[1][row][0]
        for mark in test_the_first_state_that_fits.pytestmark
        for row in range(21)
    }
    assert tried | {"skipped"} == set(STATES)
