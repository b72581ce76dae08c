"""Running flows and recipes: once for a task, with and without a journal, whether or not the server
counts keys."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from request_patterns import RUN_FLOW, RUN_RECIPE
from trifacta_emulator import (
    Answer,
    Emulator,
    EmulatorOptions,
    Fault,
    PresetFlow,
    Reset,
    User,
    read_package,
)

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.errors import (
    AmbiguousSubmissionError,
    InterruptedChangeError,
    PermissionDeniedError,
    RateLimitError,
    RunNotStartedError,
    ServerError,
    UnexpectedLiveReleaseError,
)
from airflow_provider_trifacta.client.transport import Transport
from airflow_provider_trifacta.promotion import run_flows, run_recipe
from airflow_provider_trifacta.promotion.journal import Journal
from airflow_provider_trifacta.promotion.tries import Kind, Tries, TryFacts

KEYS = [str(uuid.UUID(int=one)) for one in range(3)]
USERS = (
    User("admin@example.com", "admin-password", ("admin", "deployment")),
    User("other@example.com", "other", ("admin",)),
)
#: Other ways to lose an answer than those of the contract.
LOST = [
    Reset("before_body"),
    Answer(500, when="after_commit"),
    Answer(429, html="<h1>Slow down</h1>", when="after_commit"),
    Answer.login_redirect(when="after_commit"),
]
once = pytest.mark.parametrize("what", ["flow", "recipe"])


@pytest.fixture
def start_instance(request):
    """Return a function that starts an instance with two flows; options are the keywords."""

    def start(**options):
        flows = (PresetFlow("Orders"), PresetFlow("Customers"))
        emulator = Emulator(
            EmulatorOptions(flows=flows, users=USERS, job_run_seconds=3600, **options)
        )
        emulator.__enter__()
        request.addfinalizer(lambda: emulator.__exit__(None, None, None))
        return emulator

    return start


@pytest.fixture
def two_flows(start_instance):
    return start_instance()


@pytest.fixture
def retry():
    """A retry that nothing remembers."""
    return Tries.begin(TryFacts(2, 1, 1))


@pytest.fixture
def run_once(time):
    def start(
        emulator, what="flow", parameters=None, *, flows=1, key=KEYS[0], tries=None, **options
    ):
        config = ClientConfig(
            base_url=emulator.url,
            login="admin@example.com",
            password="admin-password",
            read_retries=0,
        )
        with TrifactaClient(
            config, transport=Transport(config, sleep=lambda _: None), clock=time
        ) as client:
            options["tries"] = replace(tries or Tries(), execution_id=key)
            if what == "recipe":
                recipe = emulator.store.recipes()[0].id
                return run_recipe(
                    client, recipe, parameters or {}, overrides={"profiler": False}, **options
                )
            ids = [one.id for one in emulator.store.flows()][:flows]
            return run_flows(client, ids, parameters or {}, **options)

    return start


def posts(emulator):
    return [call.path for call in emulator.calls if call.method == "POST"]


def ids(emulator):
    return [one.id for one in emulator.store.job_groups()]


def finish(emulator):
    for one in ids(emulator):
        emulator.store.cancel_job_group(one)


@once
def test_it_tells_what_runs(run_once, two_flows, what):
    result = run_once(two_flows, what, {"region": "02"})
    (group,) = two_flows.store.job_groups()
    assert (result.job_group_ids, result.joined, result.release_id) == ([group.id], False, None)
    assert result.flow_run_ids == ([group.flow_run_id] if what == "flow" else [])
    assert group.overrides == {"region": "02"}
    assert len(posts(two_flows)) == 1


@pytest.mark.parametrize("effect", LOST)
def test_a_lost_answer_is_asked_for_again_by_the_same_key(run_once, two_flows, effect):
    two_flows.faults.add(Fault(effect, **RUN_FLOW))
    result = run_once(two_flows)
    assert result.job_group_ids == ids(two_flows)
    assert len(ids(two_flows)) == 1
    assert len(posts(two_flows)) == 2


def test_a_server_that_still_works_on_the_first_request_is_given_time(run_once, two_flows, time):
    """It may know the key only when the run exists."""
    flow = two_flows.store.flows()[0].id
    two_flows.faults.add(Fault(Reset("after_body"), **RUN_FLOW))
    time.during_sleep += [lambda: None] * 5 + [
        lambda: two_flows.store.run_flow(flow, execution_id=KEYS[0])
    ]
    result = run_once(two_flows)
    assert (result.job_group_ids, result.joined) == (ids(two_flows), True)
    assert len(ids(two_flows)) == 1


@pytest.mark.parametrize("effect", LOST)
def test_a_server_that_ignores_keys_is_never_asked_again(run_once, start_instance, effect):
    emulator = start_instance(execution_ids="ignore")
    emulator.faults.add(Fault(effect, **RUN_FLOW))
    with pytest.raises(AmbiguousSubmissionError) as caught:
        run_once(emulator)
    assert len(posts(emulator)) == 1
    assert caught.value.job_group_ids == ids(emulator)


def test_a_retry_whose_journal_proves_that_nothing_was_asked_starts_at_once(
    run_once, start_instance, tries
):
    emulator = start_instance(execution_ids="ignore")
    tries()
    assert not run_once(emulator, tries=tries()).joined
    assert len(emulator.calls) == 1


def test_a_refused_clear_leaves_no_trace_of_the_jobs_before(run_once, two_flows, tries):
    """The retry after it starts the run: it does not take the jobs of before the clear
    for its own.
    """
    run_once(two_flows, tries=tries())
    finish(two_flows)
    two_flows.faults.add(Fault(Answer.too_many_requests(retry_after=0), **RUN_FLOW, times=None))
    with pytest.raises(RateLimitError):
        run_once(two_flows, tries=tries(Kind.CLEAR), key=KEYS[1])
    two_flows.faults.clear()
    result = run_once(two_flows, tries=tries(), key=KEYS[1])
    assert (result.job_group_ids, result.joined) == (ids(two_flows)[1:], False)


@once
def test_a_key_that_was_used_elsewhere_proves_nothing(run_once, two_flows, what):
    """Another Airflow has a DAG, a run and a task of the same names."""
    run_once(two_flows, what)
    with pytest.raises(AmbiguousSubmissionError):
        run_once(two_flows, what)
    assert len(ids(two_flows)) == 1


@once
def test_a_retry_never_runs_something_else(run_once, two_flows, tries, what):
    run_once(two_flows, what, {"region": "01"}, tries=tries())
    with pytest.raises(InterruptedChangeError):
        run_once(two_flows, what, {"region": "02"}, tries=tries())
    assert len(posts(two_flows)) == 1


def test_a_retry_without_a_journal_never_runs_another_flow(run_once, two_flows, retry):
    run_once(two_flows)
    two_flows.store.delete_flow(two_flows.store.flows()[0].id)
    with pytest.raises(AmbiguousSubmissionError):
        run_once(two_flows, tries=retry)
    assert len(ids(two_flows)) == 1


# Several flows


def test_the_second_flow_is_lost_and_the_first_is_joined(run_once, start_instance, tries):
    emulator = start_instance(execution_ids="ignore")
    emulator.faults.add(
        Fault(
            Reset("after_commit"),
            method="POST",
            path=f"/v4/flows/{emulator.store.flows()[1].id}/run",
        )
    )
    for _ in range(2):
        with pytest.raises(AmbiguousSubmissionError) as caught:
            run_once(emulator, flows=2, tries=tries())
        assert f"Job groups {ids(emulator)[:1]} were started before it" in str(caught.value)
    assert len(posts(emulator)) == 2


# Finding what a server has taken


@once
def test_others_runs_are_not_taken_for_its_own(run_once, two_flows, what):
    """They belong to another user, to another flow, or are older; a run of the flow is none of the
    recipe."""
    store, (flow, other) = two_flows.store, two_flows.store.flows()
    store.run_flow(flow.id, user_id=2)
    store.run_flow(other.id)
    if what == "recipe":
        store.run_flow(flow.id)
    two_flows.faults.add(
        Fault(Reset("after_commit"), **(RUN_FLOW if what == "flow" else RUN_RECIPE))
    )
    assert run_once(two_flows, what).job_group_ids == ids(two_flows)[-1:]


def test_several_that_may_be_it_are_a_doubt(run_once, two_flows):
    two_flows.store.run_flow(two_flows.store.flows()[0].id)
    two_flows.faults.add(Fault(Reset("after_commit"), **RUN_FLOW))
    with pytest.raises(AmbiguousSubmissionError) as caught:
        run_once(two_flows)
    assert caught.value.job_group_ids == ids(two_flows)[::-1]
    assert len(ids(two_flows)) == 2


def test_what_does_not_appear_is_a_doubt(run_once, two_flows, time):
    two_flows.faults.add(Fault(Reset("after_commit"), **RUN_FLOW))
    two_flows.faults.add(
        Fault(Answer(200, body={"data": []}), method="GET", path="/v4/jobGroups", times=None)
    )
    with pytest.raises(AmbiguousSubmissionError):
        run_once(two_flows)
    assert time.now >= 60


@pytest.mark.parametrize(
    "path", ["/v4/open-api-spec", "/v4/flows/*/run", "/v4/jobGroups", "/v4/people/current"]
)
def test_a_server_that_goes_away_in_a_doubt_is_asked_by_a_retry(run_once, retry, two_flows, path):
    two_flows.faults.add(Fault(Reset("after_commit"), **RUN_FLOW))
    two_flows.faults.add(Fault(Answer(503), path=path, times=None))
    with pytest.raises(ServerError) as caught:
        run_once(two_flows)
    assert caught.value.retryable
    assert "unknown" in caught.value.standing
    two_flows.faults.clear()
    assert run_once(two_flows, tries=retry).job_group_ids == ids(two_flows)
    assert len(ids(two_flows)) == 1


@pytest.mark.parametrize("status", [403, 404])
def test_a_server_that_does_not_describe_itself_is_not_asked_again(run_once, two_flows, status):
    two_flows.faults.add(Fault(Reset("after_commit"), **RUN_FLOW))
    two_flows.faults.add(Fault(Answer(status), path="/v4/open-api-spec"))
    with pytest.raises(AmbiguousSubmissionError):
        run_once(two_flows)
    assert len(posts(two_flows)) == 1


# What is refused


def test_a_flow_without_a_manual_output(run_once, start_instance, tries):
    emulator = start_instance(run_without_output="empty")
    emulator.store.create_flow("Empty", adhoc_output=False)
    for key in KEYS[:2]:
        with pytest.raises(RunNotStartedError):
            run_once(emulator, flows=3, tries=tries(Kind.CLEAR), key=key)
    assert len(ids(emulator)) == 2


@pytest.mark.parametrize("live", [True, False])
def test_a_release_must_be_live(run_once, start_instance, make_package, live):
    emulator = start_instance(run_release_flows="allow")
    emulator.store.create_deployment("Orders")
    with make_package().open("rb") as file:
        release = emulator.store.create_release(1, read_package(file))
    if live:
        assert run_once(emulator, release_id=release.id).release_id == release.id
        return
    emulator.store.update_release(release.id, active=False)
    with pytest.raises((UnexpectedLiveReleaseError, RunNotStartedError)):
        run_once(emulator, release_id=release.id)
    assert posts(emulator) == []


def test_a_flow_of_a_release_may_be_refused(start_instance, make_package):
    emulator = start_instance(run_release_flows="refuse")
    emulator.store.create_deployment("Orders")
    with make_package().open("rb") as file:
        release = emulator.store.create_release(1, read_package(file))
    (flow,) = release.imported.primary_flow_ids
    config = ClientConfig(
        base_url=emulator.url, login="admin@example.com", password="admin-password"
    )
    with TrifactaClient(config) as client, pytest.raises(PermissionDeniedError):
        run_flows(client, [flow], {}, tries=Tries(execution_id=KEYS[0]))
    assert ids(emulator) == []


@once
def test_a_clear_with_other_parameters_is_stopped_until_an_error_named_the_lost_run(
    run_once, two_flows, tries, monkeypatch, what
):
    """The process was killed in its request, so no person has read which job groups appeared."""
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "answered", lambda _self, **_answer: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_once(two_flows, what, {"region": "01"}, tries=tries())
    with pytest.raises(AmbiguousSubmissionError) as caught:
        run_once(two_flows, what, {"region": "02"}, tries=tries(Kind.CLEAR), key=KEYS[1])
    assert caught.value.job_group_ids == ids(two_flows)
    assert len(posts(two_flows)) == 1
    assert not run_once(
        two_flows, what, {"region": "02"}, tries=tries(Kind.CLEAR), key=KEYS[2]
    ).joined
