"""The group from its first task to its last: what people do to it, and that its end is true."""

from __future__ import annotations

import io
import logging
import re
from datetime import timedelta
from types import SimpleNamespace

import pytest
from group_run import GROUP, GroupRun
from trifacta_emulator import (
    Answer,
    Emulator,
    EmulatorOptions,
    Fault,
    PresetFlow,
    Reset,
    RunOutcome,
    build_package,
    read_package,
)

from airflow_provider_trifacta._compat import KEEPS_STATE, AirflowSkipException
from airflow_provider_trifacta.client import errors
from airflow_provider_trifacta.client.foreign_words import logger
from airflow_provider_trifacta.client.releases import Releases
from airflow_provider_trifacta.operators._group import GroupBaselineOperator, RollbackGroupOperator
from airflow_provider_trifacta.operators.deployment import GetDeploymentOperator
from airflow_provider_trifacta.operators.release import ConfirmPromotionOperator

pytestmark = pytest.mark.every_airflow

JOB_STATUS = {"method": "GET", "path": "/v4/jobGroups/*/status"}
PATCH = {"method": "PATCH", "path": "/v4/releases/*"}
DRY_RUN = {"method": "POST", "path": "/v4/deployments/*/releases/dryRun"}
CREATE = {"method": "POST", "path": "/v4/deployments/*/releases"}
LIST = {"method": "GET", "path": "/v4/releases"}
UNAVAILABLE = Answer(503)


# What a single ConfirmPromotionOperator does


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
    return lambda promotion: execute(
        ConfirmPromotionOperator(task_id="promoted", promotion=promotion)
    )


def test_what_is_live_is_confirmed_with_all_its_ids(confirm, promotion, emulator):
    result, ti = confirm(promotion)
    assert result == promotion
    assert ti.pushed == {key: value for key, value in promotion.items() if value is not None}
    assert {call.method for call in emulator.calls} == {"GET"}


@pytest.mark.parametrize("other", [True, False])
def test_what_is_not_live_any_more_is_not(
    confirm, promotion, emulator, make_package, execute, other, fails
):
    if other:
        with make_package().open("rb") as file:
            live = emulator.store.create_release(1, read_package(file)).id
    else:
        emulator.store.update_release(promotion["release_id"], active=False)
        live = None
    with fails(
        "UnexpectedLiveReleaseError",
        deployment_id=1,
        release_id=promotion["release_id"],
        live_id=live,
    ):
        confirm(promotion)
    assert execute.ti.pushed["deployment_url"], "the link is wanted most now"
    assert {call.method for call in emulator.calls} == {"GET"}


@pytest.mark.parametrize(
    "promotion",
    [
        None,
        "None",
        7,
        {},
        {"release_id": None, "deployment_id": 1},
        {"release_id": 1, "deployment_id": "x"},
    ],
)
def test_bad_input_ends_before_any_request(emulator, confirm, promotion, fails):
    with fails("InvalidInputError: promotion"):
        confirm(promotion)
    assert list(emulator.calls) == []


def test_a_list_that_lags_behind_is_looked_at_again(confirm, promotion, monkeypatch):
    read, looks = Releases.list, []

    def lagging(self, *args, **options):
        looks.append(read(self, *args, **options))
        return [] if len(looks) < 3 else looks[-1]

    monkeypatch.setattr(Releases, "list", lagging)
    assert confirm(promotion)[0] == promotion


# The group


@pytest.fixture
def dev(use_connection):
    with Emulator(EmulatorOptions(flows=(PresetFlow("Orders"),))) as dev:
        use_connection(dev.url, "trifacta_dev")
        yield dev


@pytest.fixture
def prod(use_connection):
    """An instance with one deployment, whose release 1 is older and whose release 2 is live."""
    with Emulator(EmulatorOptions(job_start_seconds=0, job_run_seconds=0)) as prod:
        use_connection(prod.url, "trifacta_prod")
        prod.store.create_deployment("Orders")
        prod.older, prod.recorded = (add_release(prod) for _ in range(2))
        yield prod


def add_release(prod):
    """Make another release, as a person does."""
    return prod.store.create_release(1, read_package(io.BytesIO(build_package())))


@pytest.fixture
def make(dev, prod, store, tmp_path, monkeypatch):
    """Return a function that makes a run of the group."""
    # Sensors pause in real time.
    monkeypatch.setattr("time.sleep", lambda _: None)

    def group(**options):
        options = {
            "flow_id": dev.store.flows()[0].id,
            "deployment_id": 1,
            "package_path": str(tmp_path / "package.zip"),
            "smoke_run": True,
            "deferrable": False,
            "poke_interval": 0.01,
            **options,
        }
        made = GroupRun(type(store), **options)
        made.prod = prod
        return made

    return group


def live_of(prod):
    release = prod.store.active_release(1)
    return release and release.id


def made_of(prod):
    """The newest release, deleted or not: that of the run."""
    return max(release.id for release in prod.store.releases(1, include_deleted=True))


def check(run, state, live, *, roll_back=None, promoted="failed", error=None):
    """Compare what the last task says with production."""
    status, prod = run.status, run.prod
    seen = f"{run.states} {status} {run.errors}"
    assert status["state"] == state, seen
    assert live_of(prod) == live, seen
    read = state not in ("unknown", "skipped", "deployment_deleted")
    assert status["live_release_id"] == (live if read else None), seen
    assert bool(status["read_at"]) == (state not in ("unknown", "skipped")), seen
    assert run.state_of("promoted") == promoted, seen
    if roll_back:
        assert run.state_of("roll_back") == roll_back, seen
    if error:
        cause = run.cause("promoted")
        assert type(cause) is getattr(errors, error), seen
        assert (cause.live_id, cause.release_id) == (
            status["live_release_id"],
            status["release_id"],
        )
    if promoted == "failed" and status["deployment_id"]:
        assert run.pushed("promoted", "deployment_url") == status["deployment_url"]
    for said in re.findall(
        r"[Rr]elease (\d+) of deployment 'Orders' \(1\) is live", status["text"]
    ):
        assert int(said) == live, seen


def fail_the_smoke_run(prod):
    prod.runs.add(RunOutcome(message="Path does not exist"))


def test_a_promotion_that_is_kept(make, prod):
    run = make().go()
    made = made_of(prod)
    check(run, "live", made, roll_back="skipped", promoted="success")
    promoted = run.pushed("promoted", "return_value")
    report = run.pushed("dry_run", "report")
    assert promoted.pop("reads") == report["reads"] != []
    assert promoted.pop("writes") == report["writes"] != []
    assert promoted == run.pushed("create_release", "return_value")
    assert promoted["release_id"] == made
    assert (
        run.pushed("roll_back", "proven_release_id")
        == run.pushed("promoted", "proven_release_id")
        == made
    )
    assert not [call for call in prod.calls if call.method == "PATCH"]


def test_what_is_kept_sends_nothing(make, prod):
    run = make().go(until="roll_back")
    before = len(prod.calls)
    run.go(until="promoted")
    assert run.state_of("roll_back") == "skipped"
    assert len(prod.calls) == before


def test_a_smoke_run_that_fails_is_rolled_back(make, prod):
    fail_the_smoke_run(prod)
    run = make().go()
    check(
        run, "rolled_back", prod.recorded.id, roll_back="success", error="PromotionRolledBackError"
    )
    assert run.status["cause"]["task"] == f"{GROUP}.smoke_jobs"
    assert run.status["cause"]["error"] == "JobFailedError"
    assert run.status["cause"]["text"].endswith(".")
    assert run.status["clear"] == [f"{GROUP}.smoke_run"]


# The scenarios: what people do, and how it ends


def test_an_older_release_is_activated_before_the_upload(make, prod):
    run = make()
    run.before["create_release"] = lambda: prod.store.update_release(prod.older.id, active=True)
    check(run.go(), "replaced", prod.older.id, roll_back="skipped", error="PromotionNotProvenError")


@pytest.mark.parametrize(
    ("dry_run", "jobs", "state", "promoted"),
    [
        ("running", "Failed", "rolled_back", "failed"),
        ("running", "Complete", "live", "success"),
        ("success", "Complete", "live", "success"),
        (None, "Complete", "live", "success"),
        ("failed", "Complete", "live", "failed"),
        ("failed", "Failed", "rolled_back", "failed"),
    ],
)
def test_only_the_dry_run_is_cleared_while_the_jobs_run(make, prod, dry_run, jobs, state, promoted):
    if jobs == "Failed":
        fail_the_smoke_run(prod)
    run = make().go(until="smoke_jobs")
    run.go(until="roll_back")
    run.mark("dry_run", dry_run)
    for end in ("roll_back", "promoted"):
        run._run(end, run.tasks[end])
    live = made_of(prod) if state == "live" else prod.recorded.id
    check(
        run, state, live, roll_back="skipped" if state == "live" else "success", promoted=promoted
    )


@pytest.mark.parametrize("step", ["dry_run", "create_release", "active"])
def test_a_green_run_whose_step_is_cleared_and_fails_keeps_its_release(make, prod, step):
    run = make().go()
    made = made_of(prod)
    run.clear(step)
    run.before[step] = lambda: run.mark(step, "failed")
    check(run.go(), "live", made, roll_back="skipped", error="PromotionNotProvenError")
    assert run.status["advice"]
    # And once more: each of the last two hands the proof on.
    run.clear(step)
    run.before[step] = lambda: run.mark(step, "failed")
    check(run.go(), "live", made, roll_back="skipped")


@pytest.mark.skipif(not KEEPS_STATE, reason="only the journal keeps it")
def test_what_the_rollback_kept_stays_although_the_last_task_never_ended(make, prod):
    """Its own XCom goes when it starts again, and the last task has handed nothing on."""
    run = make().go(until="promoted")
    run.mark("promoted", "failed")
    made = made_of(prod)
    run.clear("dry_run")
    prod.faults.add(Fault(Answer(400), path="/v4/deployments/1/releases/dryRun", times=None))
    run.go()
    assert run.state_of("create_release") == "upstream_failed"
    check(run, "live", made, roll_back="skipped")


@pytest.mark.parametrize("smoke", ["smoke_run", "smoke_jobs"])
def test_a_smoke_run_that_fails_later_ends_the_proof(make, prod, smoke):
    run = make(rollback_outage=60).go()
    made = made_of(prod)
    run.clear(smoke)
    run.before[smoke] = lambda: run.mark(smoke, "failed")
    prod.faults.add(Fault(UNAVAILABLE, **PATCH, times=None))
    run.go()
    check(run, "rollback_owed", made, roll_back="failed", error="RollbackOwedError")
    assert run.status["rollback_error"]["error"] == "ServerError"
    prod.faults.clear()
    run.clear("dry_run")
    run.before["dry_run"] = lambda: run.mark("dry_run", "failed")
    check(run.go(), "rolled_back", prod.recorded.id, roll_back="success")


def test_an_owed_rollback_is_made_in_a_later_pass(make, prod):
    fail_the_smoke_run(prod)
    prod.faults.add(Fault(UNAVAILABLE, **PATCH, times=None))
    run = make(rollback_outage=60).go()
    check(run, "rollback_owed", made_of(prod), roll_back="failed", error="RollbackOwedError")
    prod.faults.clear()
    prod.faults.add(Fault(Answer(400), **DRY_RUN, times=None))
    run.clear("dry_run")
    check(run.go(), "rolled_back", prod.recorded.id, roll_back="success")


def test_a_rollback_that_cannot_start_is_owed(make, prod):
    run = make().go()
    fail_the_smoke_run(prod)
    run.clear("smoke_run")
    run.before["roll_back"] = lambda: run.mark("roll_back", "failed")
    check(run.go(), "rollback_owed", made_of(prod), error="RollbackOwedError")
    assert run.pushed("promoted", "proven_release_id") is None


def test_a_wait_that_a_person_marks_is_not_overruled(make, prod):
    run = make()
    run.before["smoke_jobs"] = lambda: run.mark("smoke_jobs", "failed")
    check(run.go(), "rolled_back", prod.recorded.id, roll_back="success")


@pytest.mark.parametrize("corrected", [True, False])
def test_the_password_is_changed_while_the_jobs_run(make, prod, use_connection, corrected):
    token = prod.auth.create_token(prod.auth.people[0], -1)
    use_connection(prod.url, "trifacta_prod", login=None, password=token.value)
    run = make()

    def correct():
        if corrected:
            use_connection(prod.url, "trifacta_prod")

    run.before["smoke_jobs"] = lambda: prod.auth.delete_token(token.id, prod.auth.people[0])
    run.between["roll_back"] = correct
    run.go(until="promoted")
    refused = [call for call in prod.calls if call.status == 401]
    assert len(refused) < 10, "accounts may lock"
    if corrected:
        assert run.state_of("smoke_jobs") == "failed"
        check(run.go(), "live", made_of(prod), roll_back="skipped", promoted="success")
        return
    assert run.state_of("roll_back") == "failed"
    assert run.tried[f"{GROUP}.roll_back"] == 3
    run.go()
    assert run.tried[f"{GROUP}.promoted"] == 3
    check(run, "unknown", made_of(prod), error="PromotionNotProvenError")
    assert run.cause("promoted").retryable


@pytest.mark.parametrize("live_before", [True, False])
def test_the_promoted_release_is_deleted_while_the_jobs_run(make, prod, live_before):
    if not live_before:
        prod.store.update_release(prod.recorded.id, active=False)
    run = make()
    run.before["smoke_jobs"] = lambda: prod.store.delete_release(made_of(prod))
    check(run.go(), "nothing_live", None, roll_back="skipped", error="UnexpectedLiveReleaseError")
    assert f"release {made_of(prod)}" not in run.status["advice"]
    assert "another release has been activated" not in str(run.cause("promoted"))


def test_a_person_goes_back_before_the_rollback(make, prod):
    fail_the_smoke_run(prod)
    run = make()
    run.before["roll_back"] = lambda: prod.store.update_release(prod.older.id, active=True)
    check(run.go(), "replaced", prod.older.id, roll_back="skipped")


def test_a_smoke_run_whose_answer_was_lost_is_not_repeated_and_rolls_back(make, prod):
    prod.faults.add(Fault(Reset("after_commit"), method="POST", path="/v4/deployments/*/run"))
    run = make().go()
    check(run, "rolled_back", prod.recorded.id, roll_back="success")
    assert run.state_of("smoke_run") == "failed"
    assert len(prod.store.job_groups()) == 1


@pytest.mark.parametrize(
    ("step", "request_of_it"),
    [
        ("baseline", {"method": "GET", "path": "/v4/deployments/1"}),
        ("export", {"method": "GET", "path": "/v4/flows/*/package"}),
        ("dry_run", DRY_RUN),
        ("create_release", CREATE),
    ],
)
def test_a_step_that_is_refused_changes_nothing(make, dev, prod, step, request_of_it):
    for instance in (dev, prod):
        instance.faults.add(Fault(Answer(403), **request_of_it, times=None))
    run = make().go(until="roll_back")
    prod.faults.clear()
    run.go()
    # What provably was not sent has nothing to roll back.
    states = [run.state_of(name) for name in (step, "roll_back", "promoted")]
    assert states == ["failed", "skipped", "failed"]
    later = list(run.tasks)[list(run.tasks).index(step) + 1 : -2]
    assert {run.state_of(name) for name in later} <= {"upstream_failed"}
    assert live_of(prod) == prod.recorded.id == made_of(prod)


@pytest.mark.parametrize(
    ("options", "without", "more"),
    [
        ({"smoke_run": False}, {"smoke_run", "smoke_jobs"}, set()),
        ({"roll_back": False}, {"roll_back"}, set()),
        (
            {"dry_run": False, "smoke_run": False, "roll_back": False},
            {"dry_run", "smoke_run", "smoke_jobs", "roll_back"},
            set(),
        ),
        (
            {"value_rules": [{"type": "s3Bucket", "on": "dev", "with": "prod"}]},
            set(),
            {"import_rules"},
        ),
        ({"object_rules": []}, set(), {"import_rules"}),
    ],
)
def test_parts_are_optional(make, prod, options, without, more):
    whole = {
        "baseline",
        "export",
        "dry_run",
        "create_release",
        "active",
        "smoke_run",
        "smoke_jobs",
        "roll_back",
        "promoted",
    }
    run = make(**options).go()
    assert set(run.tasks) == whole - without | more
    assert run.state_of("promoted") == "success"
    assert live_of(prod) == made_of(prod) > prod.recorded.id
    assert len(prod.store.job_groups()) == ("smoke_run" in run.tasks)


# The wait for steps and jobs


@pytest.mark.parametrize("answer", [Answer(403), Answer(401), UNAVAILABLE])
def test_where_only_the_wait_gave_up_complete_jobs_keep_the_promotion(make, prod, answer):
    run = make(tolerated_outage=0)
    armed = []
    run.before["smoke_jobs"] = lambda: armed.append(
        prod.faults.add(Fault(answer, **JOB_STATUS, times=None))
    )
    run.go(until="roll_back")
    note = run.pushed("smoke_jobs", "gave_up")
    assert note["job_group_ids"] == run.pushed("smoke_run", "job_group_ids")
    prod.faults.clear()
    check(run.go(), "live", made_of(prod), roll_back="skipped", promoted="success")


@pytest.mark.parametrize("roll_back", [True, False])
def test_jobs_that_still_run_are_waited_for_and_are_no_proof(
    make, use_connection, virtual_time, roll_back
):
    with Emulator(EmulatorOptions(job_run_seconds=3600)) as prod:
        use_connection(prod.url, "trifacta_prod")
        prod.store.create_deployment("Orders")
        prod.recorded = add_release(prod)
        run = make(timeout=0.05, tolerated_outage=60, roll_back=roll_back)
        run.prod = prod
        run.go()
        assert "still running" in run.status["why"]
        assert sum(virtual_time.slept) >= 60
        if roll_back:
            check(run, "rolled_back", prod.recorded.id, roll_back="success")
        else:
            check(run, "unproven", made_of(prod), error="PromotionNotProvenError")
            assert "no rollback" in run.status["text"]


def test_before_anything_is_undone_the_jobs_are_read_once_more(make, prod):
    """They cannot be read until the time is up, and are Complete right before the rollback."""
    run = make(tolerated_outage=30).go(until="smoke_jobs")
    run.before["smoke_jobs"] = lambda: prod.faults.add(Fault(Answer(403), **JOB_STATUS))
    run.go(until="roll_back")
    prod.faults.add(Fault(Answer(403), **JOB_STATUS))
    check(run.go(), "live", made_of(prod), roll_back="skipped", promoted="success")


@pytest.mark.parametrize("state", ["queued", "running", "deferred", "up_for_retry"])
@pytest.mark.parametrize("step", ["active", "smoke_run", "smoke_jobs"])
def test_a_step_that_still_runs_is_waited_for(make, virtual_time, prod, step, state):
    run = make().go(until="roll_back")
    run.mark(step, state)
    virtual_time.during_sleep.append(lambda: run.mark(step, "success"))
    check(run.go(), "live", made_of(prod), roll_back="skipped", promoted="success")


# The rollback


@pytest.fixture
def killed_after_its_rollback(make, prod, monkeypatch):
    """Return a function that runs the rollback, kills its try before that says so, and lets
    something happen before the retry."""
    if not KEEPS_STATE:
        pytest.skip("there is no journal")
    from airflow_provider_trifacta.operators import _group

    def go(between):
        fail_the_smoke_run(prod)
        run = make().go(until="roll_back")
        undo = _group.roll_back

        def killed(*args, **options):
            monkeypatch.setattr(_group, "roll_back", undo)
            undo(*args, **options)
            raise errors.ConnectionLostError("killed")

        # Outside of what tries again.
        monkeypatch.setattr(_group, "outlast", lambda _client, act, tries, **_: act(tries))
        monkeypatch.setattr(_group, "roll_back", killed)
        run.between["roll_back"] = lambda: between(run)
        return run.go()

    return go


def test_a_retried_rollback_asks_its_journal_first(killed_after_its_rollback, prod):
    """The try that rolled back is killed before it says so. The next one neither judges nor changes
    anything."""
    # A retry that judged would keep the promotion now.
    run = killed_after_its_rollback(lambda run: run.mark("smoke_jobs", "success"))
    assert run.tried[f"{GROUP}.roll_back"] == 2
    assert run.pushed("roll_back", "rolled_back_release_id") == made_of(prod)
    assert len([call for call in prod.calls if call.method == "PATCH"]) == 1
    assert live_of(prod) == prod.recorded.id
    assert run.status["state"] == "rolled_back"


def test_a_retried_rollback_tells_of_another_import(killed_after_its_rollback, prod):
    others = []

    def another_import(_):
        others.append(add_release(prod).id)
        prod.store.update_release(prod.recorded.id, active=True)

    run = killed_after_its_rollback(another_import)
    assert type(run.cause("roll_back")) is errors.UnexpectedLiveReleaseError
    assert [run.cause("roll_back").release_id] == others
    assert live_of(prod) == prod.recorded.id


def test_a_retried_rollback_that_ends_in_an_outage_says_how_production_stands(
    killed_after_its_rollback, prod
):
    fault = Fault(UNAVAILABLE, method="GET", path="/v4/releases", times=None)
    run = killed_after_its_rollback(lambda _: prod.faults.add(fault))
    error = run.cause("roll_back")
    assert isinstance(error, errors.ServerError)
    assert error.standing


def test_a_deployment_that_is_deleted(make, prod):
    run = make()
    run.before["active"] = lambda: prod.store.delete_deployment(1)
    check(
        run.go(), "deployment_deleted", None, roll_back="skipped", error="PromotionNotProvenError"
    )
    assert run.status["deployment_id"] == 1


def test_the_recorded_release_is_deleted(make, prod):
    fail_the_smoke_run(prod)
    run = make()
    run.before["smoke_jobs"] = lambda: prod.store.delete_release(prod.recorded.id)
    check(run.go(), "unproven", made_of(prod), roll_back="failed", error="PromotionNotProvenError")
    assert f"release {prod.recorded.id}" not in run.status["advice"]
    assert run.status["clear"] != [f"{GROUP}.roll_back"]


def test_a_release_that_may_be_of_this_run_is_left_to_a_person(make, prod):
    """The upload may have been sent, and a new release without a uuid of the run is live."""
    run = make()
    run.before["create_release"] = lambda: (run.mark("create_release", "failed"), add_release(prod))
    check(run.go(), "unproven", made_of(prod), roll_back="failed", error="PromotionNotProvenError")
    assert run.status["clear"] == []
    assert f"activate release {prod.recorded.id}" in run.status["advice"]
    assert not [call for call in prod.calls if call.method == "PATCH"]


@pytest.mark.parametrize("what", ["another is live", "away"])
def test_a_rollback_of_what_was_not_sent_is_skipped(make, prod, virtual_time, what):
    prod.faults.add(Fault(Answer(400), **DRY_RUN, times=None))
    run = make().go(until="roll_back")
    slept = sum(virtual_time.slept)
    if what == "away":
        prod.faults.add(Fault(UNAVAILABLE, **LIST, times=None))
    else:
        other = add_release(prod)
    run.go(until="promoted")
    assert run.state_of("roll_back") == "skipped"
    assert sum(virtual_time.slept) - slept < 60, "it is no reason to wait"
    prod.faults.clear()
    if what == "away":
        check(run.go(), "unchanged", prod.recorded.id, error="PromotionNotProvenError")
    else:
        check(run.go(), "replaced", other.id, error="PromotionNotProvenError")


def test_a_skip_has_its_reason_in_the_log(make, caplog, monkeypatch):
    # caplog sees this one on every Airflow version
    monkeypatch.setattr(RollbackGroupOperator, "log", logger("task"), raising=False)
    with caplog.at_level(logging.INFO):
        run = make().go()
    assert isinstance(run.errors["roll_back"], AirflowSkipException)
    assert f"Skipped: {run.errors['roll_back']}" in caplog.text


def test_an_upload_that_is_still_under_way_is_waited_for(make, prod, virtual_time):
    run = make()
    exported = {}

    def killed():
        run.mark("create_release", "failed")
        package = run.pushed("export", "path")
        with open(package, "rb") as file:
            exported["package"] = read_package(file)
        virtual_time.during_sleep.append(lambda: prod.store.create_release(1, exported["package"]))

    run.before["create_release"] = killed
    check(run.go(), "rolled_back", prod.recorded.id, roll_back="success")


def test_a_baseline_of_another_deployment_is_refused(make, prod):
    """A mapped list that shrank gives a map index another flow."""
    run = make().go()
    prod.store.create_deployment("Other")
    made = made_of(prod)
    run.tasks["roll_back"].deployment_id = run.tasks["promoted"].deployment_id = 2
    run.mark("smoke_run", "failed")
    for end in ("roll_back", "promoted"):
        run._run(end, run.tasks[end])
    assert type(run.cause("roll_back")) is errors.InvalidInputError
    assert live_of(prod) == made
    assert run.status["state"] == "unknown"
    assert run.state_of("promoted") == "failed"


def test_without_a_baseline_nothing_is_rolled_back(make, prod):
    prod.faults.add(Fault(Answer(403), method="GET", path="/v4/deployments/1", times=None))
    run = make().go()
    assert run.state_of("roll_back") == "skipped"
    assert (run.status["state"], run.status["clear"]) == ("unknown", [f"{GROUP}.baseline"])
    assert run.status["live_release_id"] == prod.recorded.id, "it is read in every case"


def test_a_group_that_was_skipped_as_a_whole(make, prod):
    run = make()
    for name in list(run.tasks)[:-2]:
        run.mark(name, "skipped")
    run.go()
    assert (run.state_of("roll_back"), run.state_of("promoted")) == ("skipped", "skipped")
    assert run.status["state"] == "skipped"
    assert list(prod.calls) == []


# What is read


@pytest.mark.parametrize("live", ["recorded", "none", "another"])
def test_what_a_person_made_live_at_the_very_end(make, prod, live):
    run = make().go(until="promoted")
    made = made_of(prod)
    if live == "recorded":
        prod.store.update_release(prod.recorded.id, active=True)
        expected = "unchanged", prod.recorded.id
    elif live == "none":
        prod.store.update_release(made, active=False)
        expected = "nothing_live", None
    else:
        expected = "replaced", add_release(prod).id
    check(run.go(), *expected, roll_back="skipped", error="UnexpectedLiveReleaseError")
    assert run.status["release_id"] == made
    assert str(made) in run.status["text"]


def test_what_cannot_be_read_is_not_said(make, prod):
    fail_the_smoke_run(prod)
    run = make().go(until="promoted")
    prod.faults.add(Fault(UNAVAILABLE, **LIST, times=None))
    check(run.go(), "unknown", prod.recorded.id, error="PromotionNotProvenError")
    assert run.tried[f"{GROUP}.promoted"] == 3, "a retry may read it"
    text = run.status["text"]
    assert "could not be read" in text
    assert f"the baseline recorded {prod.recorded.id} at 20" in text
    assert run.status["previous_release_id"] == prod.recorded.id


@pytest.mark.parametrize(
    "answer",
    [
        Answer(
            400,
            body={
                "exception": {
                    "name": "InvalidAccessTokenException",
                    "message": "Invalid access token",
                }
            },
        ),
        Answer(404, html="404 page not found", headers={"Content-Type": "text/plain"}),
        Answer(404, body={"message": "no Route matched with those values"}),
        Answer(410, html=""),
        Answer(
            404,
            body={
                "exception": {
                    "name": "RouteNotFoundException",
                    "message": "This route does not exist",
                }
            },
        ),
    ],
    ids=["refused token", "text", "JSON", "nothing", "unknown call"],
)
def test_only_the_api_itself_says_that_a_deployment_is_deleted(make, prod, answer):
    run = make().go(until="promoted")
    prod.faults.add(Fault(answer, method="GET", times=None))
    check(run.go(), "unknown", made_of(prod), error="PromotionNotProvenError")


def test_a_release_that_is_deleted_is_not_said_to_be_replaced(make, prod):
    run = make().go(until="promoted")
    made = made_of(prod)
    prod.store.update_release(prod.recorded.id, active=True)
    prod.store.delete_release(made)
    check(run.go(), "release_deleted", prod.recorded.id, error="UnexpectedLiveReleaseError")
    assert "activated" not in str(run.cause("promoted"))
    assert f"release {made}" not in run.status["advice"]


def test_a_rollback_that_told_nothing_is_unchanged_with_both_releases(make, prod):
    """It was killed, and there is no journal."""
    fail_the_smoke_run(prod)
    run = make().go(until="promoted")
    run.xcoms[f"{GROUP}.roll_back"] = {}
    run.mark("roll_back", "failed")
    check(run.go(), "unchanged", prod.recorded.id, error="PromotionNotProvenError")
    assert run.status["release_id"] == made_of(prod)
    assert str(made_of(prod)) in run.status["text"]


def test_what_the_rollback_said_counts_only_if_the_read_agrees(make, prod):
    fail_the_smoke_run(prod)
    run = make().go(until="promoted")
    prod.store.update_release(made_of(prod), active=True)
    check(run.go(), "rollback_owed", made_of(prod), error="RollbackOwedError")


# What is advised, helps


def with_fault(effect, request, **options):
    def prepare(run, prod):
        prod.faults.add(Fault(effect, **request, **{"times": None, **options}))
        return run.go()

    return prepare


def smoke_fails(run, prod):
    fail_the_smoke_run(prod)
    return run.go()


def rollback_is_owed(run, prod):
    prod.faults.add(Fault(UNAVAILABLE, **PATCH, times=None))
    return smoke_fails(run, prod)


def older_before_the_upload(run, prod):
    run.before["create_release"] = lambda: prod.store.update_release(prod.older.id, active=True)
    return run.go()


def goes_back_at_the_end(run, prod):
    run.before["promoted"] = lambda: prod.store.update_release(prod.recorded.id, active=True)
    return run.go()


def deactivates_at_the_end(run, prod):
    run.before["promoted"] = lambda: prod.store.update_release(made_of(prod), active=False)
    return run.go()


def imports_at_the_end(run, prod):
    run.before["promoted"] = lambda: add_release(prod)
    return run.go()


def deletes_while_the_jobs_run(run, prod):
    run.before["smoke_jobs"] = lambda: prod.store.delete_release(made_of(prod))
    return run.go()


def deletes_after_going_back(run, prod):
    def act():
        made = made_of(prod)
        prod.store.update_release(prod.recorded.id, active=True)
        prod.store.delete_release(made)

    run.before["promoted"] = act
    return run.go()


def deletes_the_recorded_one(run, prod):
    run.before["smoke_jobs"] = lambda: prod.store.delete_release(prod.recorded.id)
    return smoke_fails(run, prod)


def a_new_release_that_may_be_ours(run, prod):
    run.before["create_release"] = lambda: (run.mark("create_release", "failed"), add_release(prod))
    return run.go()


def green_then_the_dry_run_fails(run, prod):
    run.go().clear("dry_run")
    return with_fault(Answer(400), DRY_RUN)(run, prod)


def green_then_the_upload_fails(run, _prod):
    run.go().clear("create_release")
    run.before["create_release"] = lambda: run.mark("create_release", "failed")
    return run.go()


def unread_at_the_end(run, prod):
    run.before["promoted"] = lambda: prod.faults.add(Fault(UNAVAILABLE, **LIST, times=None))
    return run.go()


def away_after_the_upload(run, prod):
    run.before["active"] = lambda: prod.faults.add(Fault(Reset(), times=None))
    return run.go()


INCIDENTS = {
    "the baseline fails": with_fault(Answer(403), {"method": "GET", "path": "/v4/deployments/1"}),
    "the dry run fails": with_fault(Answer(400), DRY_RUN),
    "the upload is refused": with_fault(Answer(403), CREATE),
    "the smoke run fails": smoke_fails,
    "the smoke run does not start": with_fault(
        Answer(403), {"method": "POST", "path": "/v4/deployments/*/run"}
    ),
    "a rollback is owed": rollback_is_owed,
    "an older release before the upload": older_before_the_upload,
    "a person goes back at the end": goes_back_at_the_end,
    "a person deactivates at the end": deactivates_at_the_end,
    "another import at the end": imports_at_the_end,
    "the release is deleted": deletes_while_the_jobs_run,
    "the release is deleted and another is live": deletes_after_going_back,
    "the recorded release is deleted": deletes_the_recorded_one,
    "a release that may be ours": a_new_release_that_may_be_ours,
    "green, then the dry run fails": green_then_the_dry_run_fails,
    "green, then the upload fails": green_then_the_upload_fails,
    "unread at the end": unread_at_the_end,
    "away after the upload": away_after_the_upload,
}
#: What a sentence asks for.
ACTIVATES = re.compile(r"activate (release \d+(?: or release \d+)?)", re.IGNORECASE)
CLEARS = re.compile(r"clear '([\w.]+)'", re.IGNORECASE)
#: Arguments that the group does not have, and what only a single operator can advise.
NOT_IN_A_GROUP = (
    "allow_older",
    "if_exists",
    "activate=",
    "on_superseded",
    "settle_timeout",
    "release_id=",
)


@pytest.fixture(params=INCIDENTS)
def incident(request, make, prod):
    """Return a function that makes a red run."""
    # Sensors wait in real time, so that no outage is waited for.
    outages = {"tolerated_outage": 0, "rollback_outage": 60}
    return lambda **options: INCIDENTS[request.param](make(**outages, **options), prod)


@pytest.mark.parametrize("roll_back", [True, False])
def test_each_advice_helps(incident, dev, prod, roll_back):
    run = incident(roll_back=roll_back)
    if run.state_of("promoted") == "success":
        pytest.skip("nothing is red without a rollback")
    advice, before = run.status["advice"], run.status["state"]
    sentences = [
        one for one in re.split(r"(?<=[.]) ", advice) if CLEARS.search(one) or ACTIVATES.search(one)
    ]
    whole = [one for one in re.split(r"(?<=[.]) ", advice) if "clear the whole group" in one]
    assert sentences or whole, advice
    made, recorded, then = made_of(prod), prod.recorded.id, live_of(prod)
    releases = {release.id for release in prod.store.releases(1)}
    for sentence in sentences:
        dev.faults.clear()
        prod.faults.clear()
        prod.runs.clear()
        if then is not None and live_of(prod) != then:
            prod.store.update_release(then, active=True)  # each sentence stands for itself
        named = ACTIVATES.search(sentence)
        wanted = [int(number) for number in re.findall(r"\d+", named[1])] if named else []
        assert set(wanted) <= releases, f"a deleted release is advised: {sentence}"
        cleared = CLEARS.search(sentence)
        if wanted:
            prod.store.update_release(wanted[0], active=True)
        if cleared is None:
            assert live_of(prod) == wanted[0]
            continue
        name = cleared[1].partition(".")[2]
        assert name in run.tasks, f"no such task: {sentence}"
        run.clear(name).go()
        state = run.status["state"]
        if "live again" in sentence:
            assert (state, live_of(prod)) == ("rolled_back", recorded), sentence
        elif before == "unknown" and run.state_of("promoted") == "failed":
            assert state in ("rolled_back", "unchanged", "unproven"), (sentence, run.status)
        else:
            assert live_of(prod) == (wanted or [made_of(prod)])[0], sentence
    if whole:
        dev.faults.clear()
        prod.faults.clear()
        prod.runs.clear()
        run.clear("baseline").go()
        assert (run.status["state"], run.state_of("promoted")) == ("live", "success"), run.errors
        assert live_of(prod) == made_of(prod) > recorded
    assert made


def test_no_error_of_a_step_names_what_the_group_does_not_have(incident):
    run = incident()
    for name in run.tasks:
        text = str(run.errors.get(name) or "")
        assert not [word for word in NOT_IN_A_GROUP if word in text], (name, text)
        for task in CLEARS.findall(text):
            assert task.partition(".")[2] in run.tasks, text
        if "in the meantime" in text:
            assert run.status["state"] in ("replaced", "unchanged"), text


# The DAG's habits


@pytest.mark.usefixtures("airflow_db")
def test_the_last_tasks_do_not_take_over_the_habits_of_the_dag(make):
    habits = {
        "execution_timeout": timedelta(minutes=10),
        "do_xcom_push": False,
        "retries": 0,
        "retry_delay": timedelta(hours=3),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(days=1),
        "trigger_rule": "one_failed",
    }
    run = make(default_args=habits, rollback_outage=timedelta(hours=2), tolerated_outage=600)
    for name, task in run.tasks.items():
        assert task.do_xcom_push, name
        if name in ("roll_back", "promoted"):
            assert (task.retries, task.retry_delay) == (2, timedelta(minutes=1))
            assert not task.retry_exponential_backoff
            assert task.execution_timeout >= timedelta(hours=2, minutes=10)
            assert str(task.trigger_rule).rpartition(".")[2].lower() == "all_done"
        else:
            assert task.execution_timeout == timedelta(minutes=10)


@pytest.mark.parametrize("kind", ["backfill", SimpleNamespace(value="backfill")])
def test_a_backfill_is_refused_before_any_request(make, dev, prod, kind):
    run = make()
    run.run_type = kind
    run.go(until="promoted")
    assert type(run.cause("baseline")) is errors.InvalidInputError
    assert [*dev.calls, *prod.calls] == []
    run.go()
    assert run.status["state"] == "unknown"
    assert run.status["clear"] == []
    assert "by hand" in run.status["advice"]


def test_a_single_baseline_does_not_refuse_a_backfill(execute, emulator):  # noqa: ARG001
    baseline = GetDeploymentOperator(task_id="baseline", deployment_id=1)
    assert execute(baseline, dag_run=SimpleNamespace(run_type="backfill", start_date=None))[0]
    refused = GroupBaselineOperator(task_id="baseline", deployment_id=1)
    assert execute(refused, dag_run=SimpleNamespace(run_type="manual", start_date=None))[0][
        "recorded_at"
    ]
