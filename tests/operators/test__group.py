"""The end of a promotion: green only for what is read back, and rolled back where it was not seen through."""

from __future__ import annotations

import json

import pytest
from trifacta_emulator import Answer, Fault, read_package

from airflow_provider_trifacta._compat import AirflowFailException, AirflowSkipException
from airflow_provider_trifacta.client import errors
from airflow_provider_trifacta.client.job_groups import JobGroups
from airflow_provider_trifacta.client.releases import Releases
from airflow_provider_trifacta.hooks.trifacta import TrifactaHook
from airflow_provider_trifacta.operators._group import ConfirmGroupOperator, PromotionTasks, RollbackGroupOperator
from airflow_provider_trifacta.operators.deployment import RunDeploymentOperator
from airflow_provider_trifacta.operators.release import ConfirmPromotionOperator
from airflow_provider_trifacta.packages.flow_package import open_package
from airflow_provider_trifacta.promotion.status import STATES, PromotionStatus

pytestmark = pytest.mark.every_airflow


@pytest.fixture
def promotion(emulator, make_package):
    """What a CreateReleaseOperator returned of the live release."""
    with make_package().open("rb") as file:
        release = emulator.store.create_release(1, read_package(file))
    return {
        "release_id": release.id,
        "deployment_id": 1,
        "package_uuid": release.package_uuid,
        "primary_flow_ids": list(release.imported.primary_flow_ids),
        "previous_release_id": None,
        "outcome": "created",
        "deployment_url": f"{emulator.url}/deployments/1",
    }


@pytest.fixture
def confirm(execute):
    return lambda promotion: execute(ConfirmPromotionOperator(task_id="promoted", promotion=promotion))


def test_what_is_live_is_confirmed_with_all_its_ids(confirm, promotion, emulator):
    result, ti = confirm(promotion)
    assert result == promotion
    assert ti.pushed == {key: value for key, value in promotion.items() if value is not None}
    assert {call.method for call in emulator.calls} == {"GET"}


@pytest.mark.parametrize("other", [True, False])
def test_what_is_not_live_any_more_is_not(confirm, promotion, emulator, make_package, execute, other, fails):
    if other:
        with make_package().open("rb") as file:
            live = emulator.store.create_release(1, read_package(file)).id
    else:
        emulator.store.update_release(promotion["release_id"], active=False)
        live = None
    with fails("UnexpectedLiveReleaseError", deployment_id=1, release_id=promotion["release_id"], live_id=live):
        confirm(promotion)
    assert execute.ti.pushed["deployment_url"], "the link is wanted most now"
    assert {call.method for call in emulator.calls} == {"GET"}


@pytest.mark.parametrize(
    "promotion",
    [None, "None", 7, {}, {"release_id": None, "deployment_id": 1}, {"release_id": 1, "deployment_id": "x"}],
)
def test_bad_input_ends_before_any_request(emulator, confirm, promotion, fails):
    with fails("InvalidInputError: promotion"):
        confirm(promotion)
    assert list(emulator.calls) == []


STEPS = ("baseline", "export", "dry_run", "create_release", "smoke_run", "smoke_jobs")
TASKS = PromotionTasks(tuple(f"g.{name}" for name in STEPS), "g.dry_run", "g.smoke_run", "g.smoke_jobs")


#: Nothing was live before.
BASELINE = {"deployment_id": 1, "active_release_id": None, "latest_release_id": None}


@pytest.fixture
def jobs(monkeypatch):
    """Return a function that makes job groups of these states; it returns their ids."""

    def make(*states):
        by_id = dict(enumerate(states, 16001))
        monkeypatch.setattr(JobGroups, "status", lambda _, one: by_id[one])
        return list(by_id)

    return make


@pytest.fixture
def end(execute, promotion):
    """Return a function that runs one of the last two tasks of a group, after all went well but for the keywords."""
    returned = {
        "baseline": BASELINE,
        "export": {"package_uuid": promotion["package_uuid"]},
        "dry_run": {"problems": []},
        "create_release": promotion,
    }

    def run(operator_class, *, job_group_ids=None, rollback=None, told=None, returns=None, **states):
        # What a task returned in an earlier try, which was cleared, is there until it begins again.
        values = {**returned, **(returns or {})}
        others = {f"g.{name}": (states.get(name, "success"), values.get(name)) for name in STEPS}
        others |= {"g.smoke_run:job_group_ids": (None, job_group_ids)}
        others |= {f"g.{key}": (None, value) for key, value in (told or {}).items()}
        options = {}
        if operator_class is ConfirmGroupOperator:
            options["rollback"] = "g.roll_back" if rollback else None
            for key, value in (rollback or {}).items():
                others[f"g.roll_back:{key}"] = (None, value)
            others["g.roll_back"] = (states.get("roll_back", "success"), None)
        operator = operator_class(task_id="end", tasks=TASKS, patience=60, **options)
        return execute(operator, others=others)

    return run


def test_what_was_seen_through_is_confirmed_and_kept(end, execute, promotion, emulator):
    assert end(ConfirmGroupOperator)[0] == promotion
    with pytest.raises(AirflowSkipException, match="The promotion is kept"):
        end(RollbackGroupOperator)
    assert execute.ti.pushed["verdict"]["kept"]
    assert emulator.store.active_release(1).id == promotion["release_id"]


@pytest.mark.parametrize("state", ["failed", "upstream_failed"])
def test_what_was_not_seen_through_is_rolled_back(end, execute, promotion, emulator, state):
    result, _ = end(RollbackGroupOperator, smoke_run=state, smoke_jobs="upstream_failed")
    assert (result["outcome"], result["rolled_back_release_id"]) == ("rolled_back", promotion["release_id"])
    assert not execute.ti.pushed["verdict"]["kept"]
    assert emulator.store.active_release(1) is None


def test_a_promotion_that_failed_after_it_promoted_is_rolled_back(end, promotion):
    later = dict.fromkeys(("smoke_run", "smoke_jobs"), "upstream_failed")
    result, _ = end(RollbackGroupOperator, create_release="failed", **later)
    assert (result["outcome"], result["rolled_back_release_id"]) == ("rolled_back", promotion["release_id"])


@pytest.mark.parametrize("state", ["skipped", None, "failed"])
def test_what_was_not_seen_through_is_not_confirmed(end, state, fails):
    with fails(f"PromotionNotProvenError: g.smoke_run is {state}"):
        end(ConfirmGroupOperator, smoke_run=state, smoke_jobs="upstream_failed")


@pytest.mark.parametrize("gate", ["failed", "upstream_failed", "skipped"])
def test_where_the_gate_never_opened_nothing_is_rolled_back(end, execute, emulator, make_package, gate):
    """Not even if a person promoted something else in the meantime."""
    with open_package(make_package()) as package, TrifactaHook().client as client:
        other = client.releases.create(1, package.body()).release.id
    emulator.calls.clear()
    later = dict.fromkeys(("create_release", "smoke_run", "smoke_jobs"), "upstream_failed")
    with pytest.raises(AirflowSkipException):
        end(RollbackGroupOperator, dry_run=gate, **later)
    assert emulator.store.active_release(1).id == other
    assert list(emulator.calls) == []
    assert not execute.ti.pushed["verdict"]["kept"]


def test_a_group_that_was_skipped_as_a_whole_is_no_failure(end, emulator):
    skipped = dict.fromkeys(STEPS, "skipped")
    for operator_class in (ConfirmGroupOperator, RollbackGroupOperator):
        with pytest.raises(AirflowSkipException):
            end(operator_class, **skipped)
    assert list(emulator.calls) == []


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_was_skipped_alone_leaves_no_green_run(end, step, fails):
    with fails("PromotionNotProvenError"):
        end(ConfirmGroupOperator, **{step: "skipped"})


# What the jobs say


def test_where_only_the_wait_gave_up_complete_jobs_keep_the_promotion(end, execute, jobs, promotion):
    ids = jobs("Complete", "Complete")
    with pytest.raises(AirflowSkipException):
        end(RollbackGroupOperator, smoke_jobs="failed", job_group_ids=ids)
    verdict = execute.ti.pushed["verdict"]
    assert (verdict["kept"], verdict["job_group_ids"]) == (True, ids)
    assert end(ConfirmGroupOperator, smoke_jobs="failed", rollback={"verdict": verdict})[0] == promotion
    assert end(ConfirmGroupOperator, smoke_jobs="failed", job_group_ids=ids)[0] == promotion, "without a rollback too"


@pytest.mark.parametrize("status", ["Failed", "Canceled"])
def test_jobs_that_failed_are_rolled_back(end, execute, jobs, status):
    ids = jobs("Complete", status, "InProgress")
    assert end(RollbackGroupOperator, smoke_jobs="failed", job_group_ids=ids)[0]["outcome"] == "rolled_back"
    assert execute.ti.pushed["verdict"]["job_group_ids"] == ids[1:2]


def test_jobs_that_still_run_are_waited_for_and_named(end, execute, jobs, virtual_time):
    ids = jobs("InProgress", "Complete")
    assert end(RollbackGroupOperator, smoke_jobs="failed", job_group_ids=ids)[0]["outcome"] == "rolled_back"
    assert sum(virtual_time.slept) == 60
    assert execute.ti.pushed["verdict"]["job_group_ids"] == ids[:1]


def test_jobs_that_cannot_be_read_are_waited_for(end, emulator, virtual_time):
    emulator.faults.add(Fault(Answer(502), method="GET", path="/v4/jobGroups/*/status", times=None))
    ids = [16001]
    assert end(RollbackGroupOperator, smoke_jobs="failed", job_group_ids=ids)[0]["outcome"] == "rolled_back"
    assert sum(virtual_time.slept) == 60


# How production stands


NOT_KEPT = {"verdict": {"kept": False, "why": "g.smoke_jobs is failed."}}


@pytest.fixture
def status(execute):
    """Return a function that returns some of what the last task told."""
    return lambda *keys: tuple(execute.ti.pushed["promotion_status"][key] for key in keys)


def test_a_release_that_is_kept(end, status, promotion):
    end(ConfirmGroupOperator)
    made = promotion["release_id"]
    keys = ("state", "deployment_id", "release_id", "live_release_id", "package_uuid", "clear", "advice")
    assert status(*keys) == ("live", 1, made, made, promotion["package_uuid"], [], "")


def test_a_release_that_was_rolled_back(end, status, promotion, fails):
    told = {"outcome": "rolled_back", "deployment_id": 1, "rolled_back_release_id": promotion["release_id"]}
    with fails("PromotionRolledBackError: g.smoke_run", deployment_id=1, release_id=promotion["release_id"]):
        end(ConfirmGroupOperator, smoke_jobs="failed", rollback={**NOT_KEPT, **told})
    # Another wait for jobs that failed would fail again.
    assert status("state", "previous_release_id", "clear") == ("rolled_back", None, ["g.smoke_run"])


def test_a_release_that_could_not_be_waited_for_is_waited_for_again(end, status, fails):
    told = {"outcome": "rolled_back", "deployment_id": 1, "rolled_back_release_id": 1}
    later = dict.fromkeys(("smoke_run", "smoke_jobs"), "upstream_failed")
    with fails("PromotionRolledBackError"):
        end(ConfirmGroupOperator, smoke_run="failed", smoke_jobs="upstream_failed", rollback={**NOT_KEPT, **told})
    assert status("clear") == (["g.smoke_run"],)
    with fails("PromotionRolledBackError"):
        end(ConfirmGroupOperator, create_release="failed", **later, rollback={**NOT_KEPT, **told})
    assert status("clear") == ([],), "clearing the promotion alone would find the release that was rolled back"


@pytest.mark.parametrize("verdict", [NOT_KEPT, {"other": None}])
def test_a_rollback_that_failed_is_owed(end, status, fails, promotion, verdict):
    made = promotion["release_id"]
    with fails("RollbackOwedError: g.roll_back", deployment_id=1, release_id=made, live_id=made):
        end(ConfirmGroupOperator, smoke_jobs="failed", roll_back="failed", rollback=verdict)
    assert status("state", "live_release_id", "clear") == ("rollback_owed", made, ["g.roll_back"])


@pytest.mark.usefixtures("virtual_time")
def test_a_rollback_is_owed_where_nothing_can_be_read(end, status, fails, emulator, promotion):
    emulator.faults.add(Fault(Answer(503), path="/v4/releases", times=None))
    with fails("RollbackOwedError: 503", release_id=promotion["release_id"], live_id=None):
        end(ConfirmGroupOperator, smoke_jobs="failed", roll_back="failed", rollback=NOT_KEPT)
    assert status("state", "live_release_id", "clear") == ("rollback_owed", None, ["g.roll_back"])


def test_without_a_rollback_the_release_stays_unproven(end, status, fails, promotion):
    with fails("PromotionNotProvenError", live_id=promotion["release_id"]):
        end(ConfirmGroupOperator, smoke_run="failed", smoke_jobs="upstream_failed")
    assert status("state", "clear") == ("unproven", ["g.smoke_run"])


@pytest.mark.parametrize("kept", [True, False])
def test_a_release_that_a_person_replaced(end, status, fails, emulator, make_package, promotion, kept):
    with make_package().open("rb") as file:
        live = emulator.store.create_release(1, read_package(file)).id
    steps = {} if kept else {"smoke_jobs": "failed", "roll_back": "failed"}
    error = "UnexpectedLiveReleaseError" if kept else "PromotionNotProvenError"
    with fails(error, live_id=live):
        end(ConfirmGroupOperator, **steps, rollback={"verdict": {"kept": kept, "why": "So."}})
    assert status("state", "live_release_id", "release_id") == ("replaced", live, promotion["release_id"])
    assert status("clear") == (["end" if kept else "g.smoke_run"],)


@pytest.mark.parametrize("roll_back", [True, False])
def test_a_deleted_deployment_makes_no_second_task_red(end, status, fails, emulator, promotion, roll_back):
    before = {**BASELINE, "active_release_id": 1}
    options = {"returns": {"baseline": before}, "smoke_run": "failed", "smoke_jobs": "upstream_failed"}
    emulator.store.delete_deployment(1)
    if roll_back:
        with pytest.raises(AirflowSkipException):
            end(RollbackGroupOperator, **options)
        options |= {"roll_back": "skipped", "rollback": NOT_KEPT}
    with fails("PromotionNotProvenError", deployment_id=1, live_id=None):
        end(ConfirmGroupOperator, **options)
    clear = ["g.roll_back" if roll_back else "g.smoke_run"]
    assert status("state", "release_id", "clear") == ("deleted", promotion["release_id"], clear)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(400, body={"exception": {"name": "InvalidAccessTokenException", "message": "Invalid access token"}}),
        Answer(404, html="404 page not found", headers={"Content-Type": "text/plain"}),
        Answer(404, body={"message": "no Route matched with those values"}),
        Answer(410, html=""),
        Answer(404, body={"exception": {"name": "RouteNotFoundException", "message": "This route does not exist"}}),
    ],
    ids=["refused token", "text", "JSON", "nothing", "unknown call"],
)
def test_only_the_api_itself_says_that_a_deployment_is_deleted(end, status, emulator, answer):
    emulator.faults.add(Fault(answer, method="GET", times=None))
    with pytest.raises((errors.TrifactaError, AirflowFailException)):
        end(ConfirmGroupOperator)
    assert status("state") != ("deleted",)


def test_a_deployment_that_is_deleted_at_the_very_end(end, status, fails, emulator):
    emulator.store.delete_deployment(1)
    with fails("UnexpectedLiveReleaseError", live_id=None):
        end(ConfirmGroupOperator)
    assert status("state", "live_release_id") == ("deleted", None)


def test_nothing_is_owed_where_a_person_left_no_release_live(end, status, fails, emulator, promotion):
    """The promotion is not known to have made a release, the baseline had one, and none is live now."""
    emulator.store.update_release(promotion["release_id"], active=False)
    before = promotion["release_id"]
    told = {"baseline": {**BASELINE, "active_release_id": before, "latest_release_id": before}, "create_release": None}
    later = dict.fromkeys(("smoke_run", "smoke_jobs"), "upstream_failed")
    with fails("PromotionNotProvenError", live_id=None):
        end(ConfirmGroupOperator, returns=told, create_release="failed", **later, roll_back="failed", rollback=NOT_KEPT)
    assert status("state", "live_release_id", "clear") == ("replaced", None, [])


@pytest.mark.usefixtures("virtual_time")
def test_a_release_that_cannot_be_read_back(end, status, emulator, promotion):
    emulator.faults.add(Fault(Answer(503), path="/v4/releases", times=None))
    with pytest.raises(errors.ServerError):
        end(ConfirmGroupOperator)
    assert status("state", "release_id", "live_release_id") == ("unproven", promotion["release_id"], None)


@pytest.mark.parametrize("gate", ["failed", "success"])
def test_what_was_never_sent_is_not_rolled_back_and_not_waited_for(end, execute, status, emulator, fails, gate):
    later = dict.fromkeys(("smoke_run", "smoke_jobs"), "upstream_failed")
    states = {"dry_run": gate, "create_release": "upstream_failed" if gate == "failed" else "failed", **later}
    sent = {"create_release:nothing_sent": True} if gate == "success" else {}
    with pytest.raises(AirflowSkipException):
        end(RollbackGroupOperator, told=sent, **states)
    verdict = execute.ti.pushed["verdict"]
    with fails("PromotionNotProvenError", deployment_id=1):
        end(ConfirmGroupOperator, told=sent, **states, roll_back="skipped", rollback={"verdict": verdict})
    # Another package may be needed, so clearing the failed step alone may lead nowhere.
    assert status("state", "clear") == ("unchanged", [])
    assert list(emulator.calls) == []


def test_a_group_that_was_skipped_says_so(end, status):
    with pytest.raises(AirflowSkipException):
        end(ConfirmGroupOperator, **dict.fromkeys(STEPS, "skipped"))
    assert status("state", "deployment_id", "advice") == ("skipped", None, "")


@pytest.mark.parametrize("state", STATES)
def test_each_state_has_words(state):
    known = PromotionStatus(state, "So.", 1, 7, 7, 6, None, ["g.task"])
    assert known.text.endswith(".")
    assert bool(known.advice) == (state not in ("live", "skipped"))
    assert json.loads(json.dumps(known.as_dict()))["text"] == known.text


def test_without_a_baseline_nothing_is_said_of_a_release(end, status, fails):
    later = dict.fromkeys(STEPS[1:], "upstream_failed")
    with fails("PromotionNotProvenError", deployment_id=None, live_id=None):
        end(ConfirmGroupOperator, told={"baseline": None}, baseline="failed", **later)
    assert status("state", "deployment_id", "clear") == ("unchanged", None, ["g.baseline"])


def test_an_error_advises_what_helps_in_a_group(execute, emulator, fails):
    emulator.store.create_deployment("Orders")
    operator = RunDeploymentOperator(task_id="smoke_run", deployment_id=2, advice="Clear the whole group.")
    with fails("RunNotStartedError", advice="Clear the whole group."):
        execute(operator)


@pytest.mark.parametrize("state", [None, {}, {"status": "Complete"}, "", 7, []])
def test_a_state_that_is_no_word_is_looked_at_again(end, execute, jobs, monkeypatch, state):
    ids, states = jobs("Complete"), [state, state, "Complete"]
    monkeypatch.setattr(JobGroups, "status", lambda _self, _one: states.pop(0))
    with pytest.raises(AirflowSkipException, match="The promotion is kept"):
        end(RollbackGroupOperator, smoke_jobs="failed", job_group_ids=ids)
    assert execute.ti.pushed["verdict"]["kept"]


def test_a_list_that_lags_behind_is_looked_at_again(confirm, promotion, monkeypatch):
    read, looks = Releases.list, []

    def lagging(self, *args, **options):
        looks.append(read(self, *args, **options))
        return [] if len(looks) < 3 else looks[-1]

    monkeypatch.setattr(Releases, "list", lagging)
    assert confirm(promotion)[0] == promotion
