"""Running a deployment: once, with the ids told before the wait, and green only when all jobs are
Complete."""

from __future__ import annotations

import contextlib
import logging
from datetime import timedelta

import pytest
from airflow import DAG
from request_patterns import STATUS
from trifacta_emulator import (
    Answer,
    Emulator,
    EmulatorOptions,
    Fault,
    RunOutcome,
    read_package,
)

from airflow_provider_trifacta._compat import AirflowFailException, AirflowTaskTimeout
from airflow_provider_trifacta.client.errors import AuthenticationError, ConnectError, ServerError
from airflow_provider_trifacta.client.job_groups import JobGroups
from airflow_provider_trifacta.operators import _running as module
from airflow_provider_trifacta.operators._base import Attempt
from airflow_provider_trifacta.operators.deployment import RunDeploymentOperator
from airflow_provider_trifacta.promotion.journal import KEY
from airflow_provider_trifacta.waits import watch

pytestmark = pytest.mark.every_airflow


@pytest.fixture
def instance(use_connection, make_package):
    """Return a function that starts an instance with a live release; its package and options are
    the keywords."""
    with contextlib.ExitStack() as started:

        def start(package=None, **options):
            emulator = started.enter_context(Emulator(EmulatorOptions(**options)))
            use_connection(emulator.url)
            emulator.store.create_deployment("Orders")
            with (package or make_package()).open("rb") as file:
                emulator.store.create_release(1, read_package(file))
            return emulator

        yield start


@pytest.fixture
def prod(instance):
    return instance(job_start_seconds=0, job_run_seconds=0)


@pytest.fixture
def slow(instance):
    """An instance whose jobs outlast every test."""
    return instance(job_run_seconds=3600)


@pytest.fixture
def release(prod):
    return prod.store.active_release(1)


@pytest.fixture
def run(execute):
    def start(*, try_number=1, max_tries=0, store=None, **options):
        options = {"deployment_id": 1, "poke_interval": 0.001, **options}
        operator = RunDeploymentOperator(task_id="run", **options)
        return execute(operator, store=store, try_number=try_number, max_tries=max_tries)

    return start


@pytest.fixture
def posts(prod):
    return lambda: [call.path for call in prod.calls if call.method == "POST"]


def time_is_up(*_):
    raise AirflowTaskTimeout("5 s")


@pytest.fixture
def time_out(monkeypatch):
    """The first look at jobs runs into an execution timeout."""
    polls = iter([time_is_up])
    poll = module.JobGroupsWatch.poll
    monkeypatch.setattr(
        module.JobGroupsWatch, "poll", lambda *arguments: next(polls, poll)(*arguments)
    )


MODES = [{"deferrable": False}, {"deferrable": True}]


@pytest.mark.parametrize("mode", MODES)
def test_a_run_that_completes(run, prod, release, posts, mode):
    result, ti = run(run_parameters={"region": "02", "rows": 5}, release_id=str(release.id), **mode)
    (job_group,) = prod.store.job_groups()
    assert result == {
        "deployment_id": 1,
        "release_id": release.id,
        "job_group_ids": [job_group.id],
        "job_urls": [f"{prod.url}/jobs/{job_group.id}"],
        "deployment_url": f"{prod.url}/deployments/1",
        "outcome": "complete",
    }
    assert ti.pushed == {key: value for key, value in result.items() if key != "outcome"}
    assert dict(job_group.overrides) == {"region": "02", "rows": "5"}
    assert posts() == ["/v4/deployments/1/run"]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("region 2", "region 2"),
        ("'1.10'", "1.10"),
        ('"0x10"', "0x10"),
        ("1_000", "1000"),
        ("02", "02"),
        ("{{ n }}", "7"),
    ],
)
def test_natively_rendered_parameters_arrive_as_they_were_meant(prod, execute, written, sent):
    assert execute(natively(written))[0]["outcome"] == "complete"
    assert prod.store.job_groups()[0].overrides == {"p": sent}


@pytest.mark.parametrize("written", ["1.10", "1e3", "True", "[1]", "{'a': 1}", "None"])
def test_what_native_rendering_changed_is_refused_before_any_request(prod, execute, written, fails):
    with fails("InvalidInputError: run_parameters['p']"):
        execute(natively(written))
    assert list(prod.calls) == []


def natively(written):
    """Return an operator whose templates were rendered in a DAG with
    ``render_template_as_native_obj``."""
    with DAG("d", render_template_as_native_obj=True, schedule=None):
        operator = RunDeploymentOperator(
            task_id="run", deployment_id=1, run_parameters={"p": written}, poke_interval=0.01
        )
    operator.render_template_fields({"n": 7})
    return operator


@pytest.mark.usefixtures("prod")
@pytest.mark.parametrize(("opened", "warns"), [(None, True), ([1], False)])
def test_a_later_try_that_finds_no_notes_warns(run, store, caplog, opened, warns):
    """Airflow may have emptied its store after a success."""
    if opened:
        store.set(KEY, {"opened": opened})
    run(try_number=2, max_tries=2, store=store)
    warnings = [one for one in caplog.records if one.name == "task" and one.levelname == "WARNING"]
    assert any("clear_on_success" in one.getMessage() for one in warnings) is warns


@pytest.mark.usefixtures("prod")
def test_the_log_shows_the_parameters_that_are_no_secrets_and_each_link_on_a_line(run, caplog):
    caplog.set_level(logging.INFO)
    result, _ = run(run_parameters={"region": "02", "api_password": "very-secret"})
    lines = [
        one.getMessage() for one in caplog.records if one.name == "task" and one.levelname == "INFO"
    ]
    assert "'region': '02'" in lines[0]
    assert "api_password" in lines[0]
    assert "very-secret" not in caplog.text
    assert [line for line in lines if "/jobs/" in line] == result["job_urls"]


def test_without_waiting(run, prod):
    prod.runs.add(RunOutcome(status="Failed", message="later"))
    assert run(wait_for_completion=False)[0]["outcome"] == "started"
    assert not [call for call in prod.calls if "jobGroups" in call.path]


@pytest.mark.usefixtures("prod")
def test_a_name_may_stand_for_the_id(run):
    assert run(deployment_id=None, deployment_name="Orders")[0]["deployment_id"] == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (
            RunOutcome(status="Failed", message="Path does not exist: /prod/x"),
            "Path does not exist: /prod/x",
        ),
        (RunOutcome(status="Canceled"), "was canceled"),
        (RunOutcome(status="Paused"), "'Paused'"),
    ],
)
def test_every_state_but_complete_fails_without_a_retry(
    run, execute, prod, posts, mode, outcome, words, fails
):
    prod.runs.add(outcome)
    with fails(f"JobFailedError: {words}"):
        run(**mode)
    assert execute.ti.pushed["job_group_ids"] == [prod.store.job_groups()[0].id], (
        "the link is wanted most now"
    )
    assert posts() == ["/v4/deployments/1/run"]


def test_nothing_is_started_without_a_live_release(run, prod, release, posts, fails):
    prod.store.update_release(release.id, active=False)
    with fails("RunNotStartedError"):
        run()
    assert posts() == []


def test_nothing_is_started_when_another_release_is_live(run, release, posts, fails):
    with fails(f"UnexpectedLiveReleaseError: {release.id}"):
        run(release_id=9)
    assert posts() == []


@pytest.mark.parametrize("choice", ["empty", "refuse"])
def test_a_release_without_a_manual_output_is_a_failure(run, instance, make_package, choice, fails):
    emulator = instance(make_package(adhoc_output=False), run_without_output=choice)
    words = "RunNotStartedError" if choice == "empty" else "BadRequestError"
    with fails(words):
        run()
    assert emulator.store.job_groups() == ()


def test_before_the_start_retries_apply(run, prod, use_connection):
    use_connection(prod.url, extra={"read_retries": 0})
    prod.faults.add(Fault(Answer(500), method="GET", path="/v4/releases", times=None))
    with pytest.raises(ServerError):
        run()
    use_connection("http://127.0.0.1:9", extra={"read_retries": 0})
    with pytest.raises(ConnectError):
        run()


@pytest.mark.parametrize("mode", MODES)
def test_after_the_start_no_failure_is_retried(run, prod, mode):
    """A retry would run the deployment again, while these jobs go on."""
    prod.faults.add(Fault(Answer(500), **STATUS, times=None))
    with pytest.raises(AirflowFailException, match="500"):
        run(tolerated_outage=0, **mode)
    assert len([call for call in prod.calls if call.path.endswith("/status")]) == 1


@pytest.mark.parametrize("mode", MODES)
def test_an_outage_of_the_wait_is_tolerated(run, prod, mode):
    prod.faults.add(Fault(Answer(500), **STATUS, times=3))
    assert run(**mode)[0]["outcome"] == "complete"


def test_an_outage_is_measured_in_seconds(run, prod, time, monkeypatch):
    for target in (module, watch):
        monkeypatch.setattr(target, "time", time)
    prod.faults.add(Fault(Answer(503), **STATUS, times=None))
    with pytest.raises(AirflowFailException, match="503"):
        run(tolerated_outage=timedelta(minutes=1), poke_interval=10)
    assert time.slept == [10] * 6


@pytest.mark.parametrize(("status", "tolerated"), [(429, 0), (503, 60)])
def test_retry_after_sets_the_pause(run, prod, time, monkeypatch, status, tolerated):
    for target in (module, watch):
        monkeypatch.setattr(target, "time", time)
    prod.faults.add(Fault(Answer(status, headers={"Retry-After": "57"}), **STATUS, times=2))
    assert run(tolerated_outage=tolerated, poke_interval=10)[0]["outcome"] == "complete"
    assert time.slept[:2] == [57, 57]


def test_no_pause_goes_past_the_timeout(run, prod, time, monkeypatch):
    for target in (module, watch):
        monkeypatch.setattr(target, "time", time)
    prod.faults.add(Fault(Answer(429, headers={"Retry-After": "57"}), **STATUS, times=None))
    with pytest.raises(AirflowFailException, match="FailedWaitError"):
        run(timeout=100)
    assert time.slept == [57, 43]


@pytest.mark.parametrize("mode", MODES)
def test_a_token_that_is_renewed_during_the_wait_goes_on(
    run, prod, use_connection, monkeypatch, mode
):
    status, seen = JobGroups.status, []

    def refused_once(self, job_group_id):
        seen.append(self._transport.config.login)
        if len(seen) == 1:
            use_connection(prod.url, login="author@example.com", password="author-password")
            raise AuthenticationError("expired", status=401)
        return status(self, job_group_id)

    monkeypatch.setattr(JobGroups, "status", refused_once)
    assert run(tolerated_outage=0, **mode)[0]["outcome"] == "complete"
    assert seen[:2] == ["admin@example.com", "author@example.com"]


def test_deferring_hands_over_what_the_trigger_needs(run, execute, slow):
    with pytest.raises(AirflowFailException):
        run(
            deferrable=True,
            timeout=0.01,
            tolerated_outage=timedelta(minutes=4),
            cancel_on_kill=True,
        )
    keywords = execute.deferred.trigger.serialize()[1]
    assert keywords["deadline"] - keywords["began"] == pytest.approx(0.01)
    assert (keywords["tolerated_outage"], keywords["cancel_on_kill"]) == (240.0, True)
    assert keywords["job_group_ids"] == [one.id for one in slow.store.job_groups()]


@pytest.mark.parametrize("mode", MODES)
def test_the_time_is_up_and_the_jobs_go_on(run, slow, mode, fails):
    with fails("FailedWaitError", deployment_id=1) as caught:
        run(timeout=0.01, **mode)
    assert caught.value.__cause__.job_group_ids == [one.id for one in slow.store.job_groups()]
    assert slow.store.job_groups()[0].status in ("Created", "InProgress")
    assert not [call for call in slow.calls if "cancel" in call.path]


@pytest.mark.usefixtures("prod")
@pytest.mark.parametrize("mode", MODES)
def test_times_may_be_timedeltas(run, mode):
    assert (
        run(timeout=timedelta(minutes=1), poke_interval=timedelta(milliseconds=1), **mode)[0][
            "outcome"
        ]
        == "complete"
    )


@pytest.mark.parametrize("wanted", [True, False])
def test_a_killed_task_cancels_only_if_asked(execute, slow, monkeypatch, wanted):
    operator = RunDeploymentOperator(
        task_id="run", deployment_id=1, cancel_on_kill=wanted, poke_interval=7
    )

    def killed(seconds):
        assert seconds == 7
        # Airflow may be in the middle of answering the task, so it is not asked for the connection
        # again.
        monkeypatch.delenv("AIRFLOW_CONN_TRIFACTA_DEFAULT")
        operator.on_kill()
        raise KeyboardInterrupt

    monkeypatch.setattr(module.time, "sleep", killed)
    with pytest.raises(KeyboardInterrupt):
        execute(operator)
    assert (slow.store.job_groups()[0].status == "Canceled") is wanted


@pytest.mark.parametrize("wanted", [True, False])
def test_an_execution_timeout_in_the_wait_is_not_retried(run, slow, monkeypatch, wanted):
    monkeypatch.setattr(module.time, "sleep", time_is_up)
    with pytest.raises(
        AirflowFailException,
        match=r"AirflowTaskTimeout after .*groups \[\d+\] may still be running",
    ):
        run(cancel_on_kill=wanted)
    assert (slow.store.job_groups()[0].status == "Canceled") is wanted


@pytest.mark.usefixtures("prod")
def test_an_execution_timeout_in_the_request_is_not_retried(run, monkeypatch):
    monkeypatch.setattr("airflow_provider_trifacta.client.resources.Deployments.run", time_is_up)
    with pytest.raises(AirflowFailException, match="Jobs may have been started"):
        run(cancel_on_kill=True)


def test_what_airflow_fails_in_after_the_start_is_not_retried(run, posts, monkeypatch):
    push = Attempt.push

    def without_an_answer(self, **xcoms):
        if "job_group_ids" in xcoms:
            raise RuntimeError("the API server is gone")
        push(self, **xcoms)

    monkeypatch.setattr(Attempt, "push", without_an_answer)
    with pytest.raises(
        AirflowFailException, match=r"RuntimeError after .* is gone\. .*may still be running"
    ):
        run()
    assert posts() == ["/v4/deployments/1/run"]


def test_what_airflow_fails_in_before_the_start_is_retried(run, posts, monkeypatch):
    monkeypatch.setattr(Attempt, "push", lambda _self, **_xcoms: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run()
    assert posts() == []


@pytest.mark.usefixtures("prod")
def test_an_execution_timeout_before_the_request_is_retried(run, monkeypatch):
    monkeypatch.setattr(
        "airflow_provider_trifacta.client.resources.Deployments.by_name", time_is_up
    )
    with pytest.raises(AirflowTaskTimeout):
        run(deployment_id=None, deployment_name="Orders")


@pytest.mark.parametrize("error", ["Trigger timeout", "Trigger failure"])
def test_a_wait_that_the_triggerer_lost_is_not_retried(error):
    operator = RunDeploymentOperator(task_id="run", deployment_id=1, retries=5)
    with pytest.raises(AirflowFailException, match=rf"TaskDeferral\w+: {error}.*not cancelled"):
        operator.resume_execution("__fail__", {"error": error}, {})


def test_a_kill_before_the_start_has_nothing_to_cancel():
    RunDeploymentOperator(task_id="run", deployment_id=1, cancel_on_kill=True).on_kill()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"deployment_id": "x"}, "deployment_id"),
        ({"release_id": "None"}, "release_id"),
        ({"run_parameters": "region=2"}, "run_parameters"),
        ({"run_parameters": {"region": None}}, "run_parameters['region']"),
        ({"run_parameters": {"region": True}}, "run_parameters['region']"),
        ({"run_parameters": {"region": "None"}}, "run_parameters['region']"),
        ({"run_parameters": {"": "x"}}, "a name must be a text"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": float("inf")}, "timeout"),
        ({"timeout": "60"}, "timeout"),
        ({"poke_interval": True}, "poke_interval"),
        ({"poke_interval": timedelta(-1)}, "poke_interval"),
        ({"poke_interval": 0}, "poke_interval"),
        ({"tolerated_outage": -1}, "tolerated_outage"),
    ],
)
def test_bad_input_ends_before_any_request(run, prod, options, words, fails):
    with fails(f"InvalidInputError: {words}"):
        run(**options)
    assert list(prod.calls) == []


# The journal (Airflow 3.3)


@pytest.mark.usefixtures("time_out")
def test_a_failure_after_the_start_is_left_to_airflows_retries_where_they_join(run, prod, store):
    with pytest.raises(AirflowTaskTimeout):
        run(store=store)
    assert run(store=store, try_number=2)[0]["outcome"] == "complete"
    assert len(prod.store.job_groups()) == 1


# Mapped tasks


def test_a_mapped_none_is_not_any_release(run, posts, fails):
    with fails("InvalidInputError: release_id"):
        run(release_id=None)
    assert posts() == []
