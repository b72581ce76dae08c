"""Running a deployment: one request, and never a silent doubt."""

from __future__ import annotations

import dataclasses
import json
import logging
from datetime import timedelta

import pytest
from request_patterns import RUN
from trifacta_emulator import (
    Answer,
    Emulator,
    EmulatorOptions,
    Fault,
    Reset,
    read_package,
    utc_now,
)

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.errors import (
    AmbiguousSubmissionError,
    ConnectError,
    InterruptedChangeError,
    InvalidInputError,
    RunNotStartedError,
    UnexpectedLiveReleaseError,
)
from airflow_provider_trifacta.client.transport import Transport
from airflow_provider_trifacta.promotion import Run
from airflow_provider_trifacta.promotion.run import check_parameters, run_deployment
from airflow_provider_trifacta.promotion.tries import Kind


@pytest.fixture
def connect(time):
    """Return a function that makes a client which does not really wait."""

    def make(url):
        config = ClientConfig(
            base_url=url, login="admin@example.com", password="admin-password", read_retries=0
        )
        return TrifactaClient(config, transport=Transport(config, sleep=lambda _: None), clock=time)

    return make


@pytest.fixture(params=["v4", "jobs", "flow_run"])
def deployed(request, make_package):
    with Emulator(EmulatorOptions(run_answer=request.param)) as emulator:
        emulator.store.create_deployment("Orders")
        with make_package().open("rb") as file:
            emulator.store.create_release(1, read_package(file))
        yield emulator


@pytest.fixture
def start_run(deployed, connect):
    def start(parameters=None, **options):
        with connect(deployed.url) as client:
            return run_deployment(client, 1, parameters or {}, **options)

    return start


def posts(prod):
    return len([call for call in prod.calls if call.method == "POST"])


def test_it_tells_what_runs(start_run, deployed):
    live = deployed.store.active_release(1).id
    ran = start_run({"region": "02"}, release_id=live)
    (group,) = deployed.store.job_groups()
    flow_runs = [group.flow_run_id] if deployed.options.run_answer == "flow_run" else []
    assert ran == Run(live, [group.id], flow_run_ids=flow_runs)
    assert deployed.store.job_groups()[0].overrides == {"region": "02"}
    assert posts(deployed) == 1


def test_values_stay_out_of_the_log(start_run, caplog):
    caplog.set_level(logging.DEBUG)
    start_run({"token": "very-secret"})
    assert "token" in caplog.text
    assert "very-secret" not in caplog.text


@pytest.mark.parametrize("live", [True, False])
def test_another_release_than_expected_starts_nothing(start_run, deployed, live):
    if not live:
        deployed.store.update_release(101, active=False)
    with pytest.raises(UnexpectedLiveReleaseError if live else RunNotStartedError):
        start_run(release_id=100)
    assert posts(deployed) == 0


@pytest.mark.parametrize(
    "effect",
    [
        Reset("before_body"),
        Answer(500),
        Answer.unavailable(retry_after=1),
        Answer(503, headers={"Retry-After": "1"}, when="after_commit"),
        Answer(429, html="<h1>Slow down</h1>", when="after_commit"),
        Answer.login_redirect(),
    ],
)
def test_a_lost_answer_is_ambiguous(start_run, deployed, effect):
    deployed.faults.add(Fault(effect, **RUN))
    with pytest.raises(AmbiguousSubmissionError) as caught:
        start_run()
    assert posts(deployed) == 1
    # What a person has to look at.
    assert caught.value.job_group_ids == [one.id for one in deployed.store.job_groups()]


def test_a_server_that_is_not_there_did_nothing(connect):
    with connect("http://127.0.0.1:9") as client, pytest.raises(ConnectError):
        run_deployment(client, 1, {})


def test_a_name_that_is_not_known_any_more_starts_nothing(deployed, connect):
    """The list was read, and then the name could not be resolved: that is no doubt."""
    with connect(deployed.url) as client, connect("http://nowhere.invalid") as lost:
        client.deployments = lost.deployments
        with pytest.raises(ConnectError) as caught:
            run_deployment(client, 1, {})
    assert caught.value.standing.startswith("Nothing was started.")


def test_older_job_groups_are_not_listed(start_run, deployed):
    start_run()
    clock_of_the_server = utc_now() - timedelta(hours=1)
    for one in deployed.store.job_groups():
        deployed.store.state.job_groups.put(
            dataclasses.replace(one, created_at=clock_of_the_server)
        )
    deployed.faults.add(Fault(Reset("after_commit"), **RUN))
    with pytest.raises(AmbiguousSubmissionError) as caught:
        start_run()
    assert caught.value.job_group_ids == [max(one.id for one in deployed.store.job_groups())]


# The journal


@pytest.mark.parametrize("what", ["parameters", "release"])
def test_a_retry_never_runs_something_else(start_run, deployed, tries, make_package, what):
    start_run({"region": "01"}, tries=tries())
    if what == "release":
        with make_package().open("rb") as file:
            deployed.store.create_release(1, read_package(file))
    with pytest.raises(InterruptedChangeError):
        start_run({"region": "02" if what == "parameters" else "01"}, tries=tries())
    assert posts(deployed) == 1
    start_run({"region": "02"}, tries=tries(Kind.CLEAR))
    assert posts(deployed) == 2


def test_the_journal_keeps_no_value_of_a_parameter(start_run, tries):
    start_run({"token": "very-secret"}, tries=tries())
    assert "very-secret" not in str(tries.store.kept)


def test_a_list_that_does_not_show_the_release_yet_is_looked_at_again(
    start_run, deployed, lagging, make_package, time, connect
):
    lagging(2)
    with connect(deployed.url) as client:
        client.releases.list(1)
    with make_package().open("rb") as file:
        newest = deployed.store.create_release(1, read_package(file)).id
    assert start_run(release_id=newest).release_id == newest
    assert len(time.slept) == 2


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "started",
        {},
        {"data": None},
        {"data": {"id": 1}},
        {"data": [{}]},
        {"data": [{"id": "301"}]},
        {"data": [{"id": True}]},
        {"data": [{"id": 0}]},
        {"data": [{"id": 301}, 302]},
    ],
)
def test_an_answer_that_does_not_tell_what_runs_is_ambiguous(scripted, connect, answer):
    def respond(request):
        if request.method == "GET":
            return 200, {}, {"data": [{"id": 101, "active": True, "deployment": {"id": 1}}]}
        return 201, {}, answer

    server = scripted(respond)
    with connect(server.url) as client, pytest.raises(AmbiguousSubmissionError):
        run_deployment(client, 1, {})
    assert [request.method for request in server.seen] == ["GET", "POST", "GET"]
    assert server.seen[2].path.startswith("/v4/jobGroups?")


@pytest.mark.parametrize(("parameters", "sent"), [({}, b""), ({"a": "1"}, None)])
def test_what_is_sent(scripted, connect, parameters, sent):
    bodies = []

    def respond(request):
        if request.method == "GET":
            return 200, {}, {"data": [{"id": 101, "active": True, "deployment": {"id": 1}}]}
        bodies.append(request.read_body())
        return 201, {}, {"data": [{"id": 301}, {"id": 302}]}

    with connect(scripted(respond).url) as client:
        assert run_deployment(client, 1, parameters) == Run(101, [301, 302])
    (body,) = bodies
    if sent is not None:
        assert body == sent
    else:
        assert json.loads(body) == {
            "runParameters": {"overrides": {"data": [{"key": "a", "value": "1"}]}}
        }


def test_parameters_become_texts():
    assert check_parameters(None) == {}
    texts = {"a": "x", "b": "1.10", "c": "1_000", "d": "0x10", "e": "True", "f": ""}
    assert check_parameters(texts) == texts
    assert check_parameters({"a": 2, 2024: "x", -1: 0}) == {"a": "2", "2024": "x", "-1": "0"}


@pytest.mark.parametrize(
    "wrong",
    [
        *("a=1", ["a"], 7, {" ": "x"}, {None: "x"}, {True: "x"}, {1.5: "x"}, {1: "x", "1": "y"}),
        *({"a": None}, {"a": False}, {"a": 1.1}, {"a": ["x"]}, {"a": b"x"}, {"a": " None "}),
    ],
)
def test_other_parameters_are_refused(wrong):
    with pytest.raises(InvalidInputError, match="run_parameters"):
        check_parameters(wrong)


@pytest.mark.parametrize("value", [1.1, True])
def test_what_native_rendering_made_of_a_text_is_refused_with_a_hint(value):
    with pytest.raises(InvalidInputError, match="render_template_as_native_obj") as caught:
        check_parameters({"a": value})
    assert str(value) not in str(caught.value).replace("1.10", "").replace("=True", "")


def test_a_retry_after_a_try_that_was_killed_before_it_began_starts_the_run(
    start_run, deployed, tries
):
    tries.skip()
    assert not start_run(tries=tries()).joined
    assert posts(deployed) == 1
