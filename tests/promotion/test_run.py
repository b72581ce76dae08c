"""Running a deployment: one request, and never a silent doubt."""

from __future__ import annotations

import json
import logging

import pytest

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.errors import (
    AmbiguousSubmissionError,
    BadRequestError,
    ConnectError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RunNotStartedError,
    UnexpectedLiveReleaseError,
)
from airflow_provider_trifacta.client.transport import Transport
from airflow_provider_trifacta.emulator import Answer, Emulator, EmulatorOptions, Fault, Reset, Truncate
from airflow_provider_trifacta.emulator.package_reader import read_package
from airflow_provider_trifacta.promotion.run import check_parameters, run_deployment

RUN = {"method": "POST", "path": "/v4/deployments/*/run"}


def connect(url):
    config = ClientConfig(base_url=url, login="admin@example.com", password="admin-password", read_retries=0)
    return TrifactaClient(config, transport=Transport(config, sleep=lambda seconds: None))


@pytest.fixture(params=["v4", "jobs", "flow_run"])
def prod(request, make_package):
    with Emulator(EmulatorOptions(run_answer=request.param)) as emulator:
        emulator.store.create_deployment("Orders")
        with make_package().open("rb") as file:
            emulator.store.create_release(1, read_package(file))
        yield emulator


@pytest.fixture
def run(prod):
    def start(parameters=None, **options):
        with connect(prod.url) as client:
            return run_deployment(client, 1, parameters or {}, **options)

    return start


def posts(prod):
    return len([call for call in prod.calls if call.method == "POST"])


def test_it_tells_what_runs(run, prod):
    live = prod.store.active_release(1).id
    assert run({"region": "02"}, release_id=live) == (live, [prod.store.job_groups()[0].id])
    assert prod.store.job_groups()[0].overrides == {"region": "02"}
    assert posts(prod) == 1


def test_values_stay_out_of_the_log(run, caplog):
    caplog.set_level(logging.DEBUG)
    run({"token": "very-secret"})
    assert "token" in caplog.text
    assert "very-secret" not in caplog.text


@pytest.mark.parametrize("live", [True, False])
def test_another_release_than_expected_starts_nothing(run, prod, live):
    if not live:
        prod.store.update_release(101, active=False)
    with pytest.raises(UnexpectedLiveReleaseError if live else RunNotStartedError):
        run(release_id=100)
    assert posts(prod) == 0


@pytest.mark.parametrize(
    "effect",
    [
        Reset("after_commit"),
        Reset("before_body"),
        Answer.gateway_timeout(),
        Answer(500),
        Truncate(7),
        Answer.login_redirect(),
    ],
)
def test_a_lost_answer_is_ambiguous(run, prod, effect):
    prod.faults.add(Fault(effect, **RUN))
    with pytest.raises(AmbiguousSubmissionError, match="cannot be told: POST /v4/deployments/1/run"):
        run()
    assert posts(prod) == 1


@pytest.mark.parametrize(
    ("status", "error"), [(400, BadRequestError), (403, PermissionDeniedError), (404, NotFoundError)]
)
def test_a_refusal_is_none(run, prod, status, error):
    prod.faults.add(Fault(Answer(status), **RUN))
    with pytest.raises(error):
        run()
    assert posts(prod) == 1


@pytest.mark.parametrize("effect", [Answer.too_many_requests(retry_after=1), Answer.unavailable(retry_after=1)])
def test_a_busy_server_is_asked_again(run, prod, effect):
    prod.faults.add(Fault(effect, **RUN, times=2))
    run()
    assert (posts(prod), len(prod.store.job_groups())) == (3, 1)


def test_a_server_that_stays_busy_did_nothing(run, prod):
    prod.faults.add(Fault(Answer.too_many_requests(retry_after=1), **RUN, times=None))
    with pytest.raises(RateLimitError):
        run()
    assert prod.store.job_groups() == ()


def test_a_server_that_is_not_there_did_nothing():
    with connect("http://127.0.0.1:9") as client, pytest.raises(ConnectError):
        run_deployment(client, 1, {})


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
def test_an_answer_that_does_not_tell_what_runs_is_ambiguous(scripted, answer):
    def respond(request):
        if request.method == "GET":
            return 200, {}, {"data": [{"id": 101, "active": True, "deployment": {"id": 1}}]}
        return 201, {}, answer

    server = scripted(respond)
    with connect(server.url) as client, pytest.raises(AmbiguousSubmissionError):
        run_deployment(client, 1, {})
    assert [request.method for request in server.seen] == ["GET", "POST"]


@pytest.mark.parametrize(("parameters", "sent"), [({}, b""), ({"a": "1"}, None)])
def test_what_is_sent(scripted, parameters, sent):
    bodies = []

    def respond(request):
        if request.method == "GET":
            return 200, {}, {"data": [{"id": 101, "active": True, "deployment": {"id": 1}}]}
        bodies.append(request.read_body())
        return 201, {}, {"data": [{"id": 301}, {"id": 302}]}

    with connect(scripted(respond).url) as client:
        assert run_deployment(client, 1, parameters) == (101, [301, 302])
    (body,) = bodies
    if sent is not None:
        assert body == sent
    else:
        assert json.loads(body) == {"runParameters": {"overrides": {"data": [{"key": "a", "value": "1"}]}}}


def test_parameters_become_texts():
    assert check_parameters(None) == {}
    assert check_parameters({"a": "x", "b": 2, "c": 2.5}) == {"a": "x", "b": "2", "c": "2.5"}


@pytest.mark.parametrize(
    "wrong", ["a=1", ["a"], 7, {1: "x"}, {" ": "x"}, {"a": None}, {"a": False}, {"a": ["x"]}, {"a": " None "}]
)
def test_other_parameters_are_refused(wrong):
    with pytest.raises(InvalidInputError, match="run_parameters"):
        check_parameters(wrong)
