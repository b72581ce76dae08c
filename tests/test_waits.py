"""Waiting: one policy for each poll; job groups are done only when all are Complete, and closed on everything else."""

from __future__ import annotations

import logging
import math
from datetime import timedelta

import pytest

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionLookUpError,
    DeploymentManagerMissingError,
    InvalidInputError,
    JobFailedError,
    MissingConnectionError,
    PermissionDeniedError,
    ReleaseDeletedError,
    ReleaseSupersededError,
    ServerError,
    UnexpectedResponseError,
)
from airflow_provider_trifacta.waits import JobGroupsWatch, ReleaseWatch, parse_job_group_ids, seconds

PASSWORD = "very-long-secret"


@pytest.fixture
def watch(scripted, time):
    """Return a function that makes a poll of a watch, on a server with these states (the last one stays)."""

    def make(states, jobs=(200, {}, {"data": []}), tolerated_outage=60):
        left = {job_group_id: list(answers) for job_group_id, answers in states.items()}

        def respond(request):
            _, _, _, job_group_id, what = request.path.partition("?")[0].split("/")
            if what == "jobs":
                return jobs
            answers = left[int(job_group_id)]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if answer is LOST:
                return None
            return answer if isinstance(answer, tuple) else (200, {}, answer)

        make.server = scripted(respond)
        config = ClientConfig(base_url=make.server.url, login="me", password=PASSWORD, read_retries=0)
        client = TrifactaClient(config)
        make.watch = made = JobGroupsWatch(list(states), tolerated_outage=tolerated_outage, clock=time.monotonic)

        def poll(after=0):
            time.now += after
            return made.poll(lambda: client)

        return poll

    return make


def test_all_must_be_complete(watch):
    poll = watch({1: ["Created", "Pending", "InProgress", "Complete"], 2: ["InProgress", "Complete"]})
    assert [poll() for _ in range(4)] == [False, False, False, True]
    paths = [request.path for request in watch.server.seen]
    assert paths.count("/v4/jobGroups/2/status") == 2, "what is Complete is not asked again"
    assert watch.watch.unfinished == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("Failed", "Job group 2 failed: none of its jobs says why"),
        ("Canceled", "Job group 2 was canceled"),
        ("Cancelled", "Job group 2 was canceled"),
        ("Paused", "unknown state 'Paused'"),
        ("complete", "unknown state 'complete'"),
    ],
)
def test_everything_else_is_a_failure(watch, state, words):
    poll = watch({1: ["InProgress"], 2: [state], 3: ["InProgress"]})
    with pytest.raises(JobFailedError, match=words) as caught:
        poll()
    assert f"{watch.server.url}/jobs/2" in str(caught.value)
    assert "[1, 3]; they go on" in str(caught.value)
    assert not caught.value.retryable
    assert {request.method for request in watch.server.seen} == {"GET"}


FAILED = {"id": 22, "status": "Failed", "jobType": "wrangle"}


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        ((200, {}, {"data": [{"id": 21, "status": "Complete"}, {**FAILED, "errorMessage": "no such table"}]}),
         r"job 22 \(wrangle\): no such table\."),
        ((200, {}, {"data": [{**FAILED, "errorMessage": {"message": "no such table"}}]}), "wrangle.: no such table"),
        ((200, {}, {"data": [{**FAILED, "errorMessage": {"id": 7}}]}), 'wrangle.: {"id": 7}'),
        ((200, {}, {"data": [{**FAILED, "errorMessage": ["a", "b"]}]}), r'wrangle.: \["a", "b"\]'),
        ((200, {}, {"data": [FAILED]}), "wrangle.: no message"),
        ((200, {}, {"data": [{"id": 21, "status": "Created"}]}), "none of its jobs says why"),
        ((500, {}, b"oops"), "its jobs could not be read: GET .* answered 500"),
        ((200, {}, b"<html>"), "its jobs could not be read"),
    ],
)  # fmt: skip
def test_the_failing_jobs_words_are_told_as_far_as_they_are_known(watch, jobs, words):
    with pytest.raises(JobFailedError, match=words):
        watch({1: ["Failed"]}, jobs)()


def test_no_credentials_come_through_in_them(watch):
    jobs = {"data": [{**FAILED, "errorMessage": f"jdbc://me:{PASSWORD}@db\nrefused"}]}
    with pytest.raises(JobFailedError) as caught:
        watch({1: ["Failed"]}, (200, {}, jobs))()
    assert "jdbc://me:***@db refused" in str(caught.value)


FAILURE = (500, {}, b"")
LOST = object()


@pytest.mark.parametrize(
    "state",
    [
        (200, {}, b""),
        "",
        7,
        None,
        True,
        ["Complete"],
        {"status": "Complete"},
        {"error": {"code": 500}},
        "upstream connect error or disconnect/reset before headers",
        "\n",
    ],
)
def test_what_is_no_word_is_no_state(watch, state):
    poll = watch({1: ["InProgress", state, state, "Complete"]})
    assert [poll(after=10) for _ in range(4)] == [False, False, False, True]
    poll = watch({1: [state]}, tolerated_outage=0)
    with pytest.raises(UnexpectedResponseError):
        poll()


def test_an_outage_is_measured_in_seconds_and_not_in_polls(watch):
    poll = watch({1: ["InProgress", *[FAILURE] * 70]}, tolerated_outage=60)
    assert not poll()
    assert not any(poll(after=1) for _ in range(60)), "59 s after the first failure"
    with pytest.raises(ServerError):
        poll(after=1)


@pytest.mark.parametrize(
    "failure", [FAILURE, (502, {}, b"<html>"), (408, {}, b""), (429, {}, b""), LOST, (200, {}, b"<p>")]
)
def test_every_transient_error_runs_the_clock(watch, failure):
    poll = watch({1: [failure]}, tolerated_outage=60)
    assert not poll()
    assert not poll(after=59)
    with pytest.raises(Exception) as caught:  # noqa: PT011
        poll(after=1)
    assert caught.value.retryable


def test_a_success_ends_an_outage(watch):
    poll = watch({1: [FAILURE, FAILURE, "InProgress", FAILURE, FAILURE, "Complete"]}, tolerated_outage=60)
    assert [poll(after=50) for _ in range(6)] == [False] * 5 + [True]


def test_nothing_is_tolerated_in_no_time(watch):
    with pytest.raises(ServerError):
        watch({1: [FAILURE]}, tolerated_outage=0)()


def test_an_outage_goes_on_where_it_was_handed_over(watch):
    poll = watch({1: [FAILURE]}, tolerated_outage=60)
    watch.watch.failing_since = 5
    assert not poll(after=64)
    assert watch.watch.failing_since == 5
    with pytest.raises(ServerError):
        poll(after=1)


def test_a_429_with_retry_after_is_no_failure_and_no_success(watch):
    busy = (429, {"Retry-After": "57"}, b"")
    poll = watch({1: [busy] * 20 + [FAILURE, busy, busy, FAILURE, "Complete"]}, tolerated_outage=120)
    assert not any(poll(after=57) for _ in range(20)), "19 minutes"
    assert watch.watch.failing_since is None
    assert (watch.watch.pause(10), watch.watch.pause(60)) == (57, 60)
    assert not poll(after=57)
    began = watch.watch.failing_since
    assert watch.watch.pause(10) == 10
    assert not poll(after=57)
    assert not poll(after=57)
    assert watch.watch.failing_since == began, "it is no success either"
    with pytest.raises(ServerError):
        poll(after=57)


def test_a_429_with_retry_after_never_ends_a_wait(watch):
    poll = watch({1: [(429, {"Retry-After": "0"}, b"")]}, tolerated_outage=0)
    assert not poll()
    watch.watch.failing_since = 0
    assert not poll(after=3600)


def test_a_503_sets_the_pause_while_the_outage_clock_runs(watch):
    poll = watch({1: [(503, {"Retry-After": "30"}, b"")]}, tolerated_outage=60)
    assert not poll()
    assert watch.watch.pause(10) == 30
    assert not poll(after=30)
    with pytest.raises(ServerError):
        poll(after=30)


def test_an_outage_may_be_tolerated_for_ever(watch):
    poll = watch({1: [FAILURE]}, tolerated_outage=math.inf)
    assert not any(poll(after=1e6) for _ in range(3))


class Connections:
    """Stands for the Airflow connection: each look-up gives the next configuration, or raises the next error."""

    def __init__(self, *found):
        self.found = list(found)
        self.looked_up = 0

    def __call__(self):
        self.looked_up += 1
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(found, Exception):
            raise found
        return TrifactaClient(found)


class Guarded:
    """A server that takes one token at a time."""

    def __init__(self, scripted):
        self.token = "token-1"
        self.url = scripted(self).url

    def __call__(self, request):
        known = request.headers["Authorization"] == f"Bearer {self.token}"
        return (200, {}, "InProgress") if known else (401, {}, {})

    def config(self, token):
        return ClientConfig(base_url=self.url, password=token, read_retries=0)


@pytest.fixture
def guarded(scripted):
    return Guarded(scripted)


def test_a_renewed_token_goes_on(guarded):
    connections = Connections(*[guarded.config(f"token-{number}") for number in (1, 2, 3)])
    watch = JobGroupsWatch([1], tolerated_outage=0)
    assert not watch.poll(connections)
    for token in ("token-2", "token-3"):
        guarded.token = token
        assert not watch.poll(connections)
        assert not watch.poll(connections)
    assert connections.looked_up == 3, "only where it is needed"


def test_the_same_token_ends_the_wait_and_so_does_a_second_refusal(guarded):
    guarded.token = "token-9"
    connections = Connections(guarded.config("token-1"))
    with pytest.raises(AuthenticationError):
        JobGroupsWatch([1]).poll(connections)
    assert connections.looked_up == 2
    connections = Connections(guarded.config("token-1"), guarded.config("token-2"))
    with pytest.raises(AuthenticationError):
        JobGroupsWatch([1]).poll(connections)
    assert connections.looked_up == 2


def test_a_look_up_that_fails_is_tolerated(guarded, time):
    gone = RuntimeError("vault is sealed")
    connections = Connections(gone, gone, guarded.config("token-1"), gone, guarded.config("token-2"))
    watch = JobGroupsWatch([1], tolerated_outage=60, clock=time.monotonic)
    assert not watch.poll(connections)
    time.now = 59
    assert not watch.poll(connections)
    assert watch.failing_since == 0
    assert not watch.poll(connections)
    assert watch.failing_since is None
    guarded.token = "token-2"
    assert not watch.poll(connections), "a 401, and the connection cannot be read"
    assert watch.failing_since == 59
    assert not watch.poll(connections)
    assert watch.failing_since is None


def test_a_look_up_that_fails_too_long_ends_the_wait(time):
    watch = JobGroupsWatch([1], tolerated_outage=60, clock=time.monotonic)
    connections = Connections(RuntimeError("vault is sealed"))
    assert not watch.poll(connections)
    time.now = 60
    with pytest.raises(ConnectionLookUpError, match="RuntimeError: vault is sealed"):
        watch.poll(connections)


def test_a_connection_that_cannot_be_used_ends_the_wait():
    for error in (ConfigurationError("no host"), MissingConnectionError("no such connection")):
        with pytest.raises(type(error)):
            JobGroupsWatch([1]).poll(Connections(error))


def test_a_connection_that_was_there_may_be_missing_for_a_while(guarded):
    missing = MissingConnectionError("no such connection")
    watch = JobGroupsWatch([1], connected_before=True)
    assert not watch.poll(Connections(missing))
    assert watch.failing_since is not None
    with pytest.raises(ConnectionLookUpError):
        JobGroupsWatch([1], connected_before=True, tolerated_outage=0).poll(Connections(missing))
    watch = JobGroupsWatch([1])
    connections = Connections(guarded.config("token-1"), missing, guarded.config("token-2"))
    assert not watch.poll(connections)
    guarded.token = "token-2"
    assert not watch.poll(connections)
    assert not watch.poll(connections)
    assert watch.failing_since is None


class Deployment:
    """A server with the releases of one deployment, by id, of which one may be live."""

    def __init__(self, scripted, ids):
        self.ids = set(ids)
        self.live = None
        server = scripted(self)
        self.seen = server.seen
        self.client = TrifactaClient(ClientConfig(base_url=server.url, login="me", password=PASSWORD, read_retries=0))

    def row(self, number):
        return {"id": number, "active": True if number == self.live else None, "deployment": {"id": 4}}

    def __call__(self, request):
        path, _, query = request.path.partition("?")
        if not query:
            number = int(path.rpartition("/")[2])
            return (200, {}, self.row(number)) if number in self.ids else (404, {}, {})
        values = dict(part.split("=") for part in query.split("&"))
        assert (values["sort"], values["deploymentId"]) == ("-id", "4")
        first = int(values.get("offset", 0))
        rows = sorted(self.ids, reverse=True)[first : first + int(values["limit"])]
        return 200, {}, {"data": [self.row(number) for number in rows]}

    def polls(self, watch, times):
        """Poll some times, and return how many requests each poll cost."""
        costs = []
        for _ in range(times):
            before = len(self.seen)
            assert watch.poll(lambda: self.client) is False
            costs.append(len(self.seen) - before)
        return costs


@pytest.mark.parametrize("mode", ["fail", "wait"])
@pytest.mark.parametrize("count", [10, 3000])
def test_a_poll_for_a_new_release_costs_one_request(scripted, count, mode):
    server = Deployment(scripted, range(1, count + 1))
    server.live = 1
    assert server.polls(ReleaseWatch(count, on_superseded=mode, deployment_id=4), 30) == [1] * 30
    # Without the deployment the first poll finds it.
    first = 2 if mode == "fail" else 1
    assert server.polls(ReleaseWatch(count - 5, on_superseded=mode), 30) == [first] + [1] * 29


def test_a_release_below_the_newest_page_costs_its_own_request_and_the_pages_above_at_times(scripted):
    server = Deployment(scripted, range(1, 3001))
    server.live = 1
    costs = server.polls(ReleaseWatch(2500, deployment_id=4), 21)
    assert costs[0] == 2 + 6, "the newest page, the release, and the pages down to it"
    assert costs[1:10] == [1] * 9
    assert costs[10:] == [7] + [1] * 9 + [7]


def test_a_newer_live_release_between_is_seen_at_the_tenth_poll(scripted):
    server = Deployment(scripted, range(1, 1001))
    watch = ReleaseWatch(500, deployment_id=4)
    server.polls(watch, 1)
    server.live = 600
    server.polls(watch, 9)
    with pytest.raises(ReleaseSupersededError):
        watch.poll(lambda: server.client)


def test_a_rescheduled_look_counts_the_looks_before(scripted):
    server = Deployment(scripted, range(1, 1001))
    costs = [server.polls(ReleaseWatch(500, polls=number), 1)[0] for number in (0, 1, 9, 10)]
    assert costs == [1 + 6, 2, 2, 1 + 6]


def test_a_release_that_slips_off_the_newest_page_is_still_found(scripted):
    server = Deployment(scripted, range(1, 101))
    watch = ReleaseWatch(1, deployment_id=4)
    assert server.polls(watch, 2) == [1, 1]
    server.ids.add(101)
    assert server.polls(watch, 3) == [2, 1, 1]
    server.live = 1
    assert watch.poll(lambda: server.client) is True


@pytest.mark.parametrize(
    ("status", "name", "error"),
    [
        (404, "DataNotFoundException", ReleaseDeletedError),
        (410, "GoneException", ReleaseDeletedError),
        (400, "ValidationFailed", ReleaseDeletedError),
        (404, "RouteNotFoundException", DeploymentManagerMissingError),
    ],
)
def test_a_release_that_is_not_there_and_an_instance_that_has_none(scripted, status, name, error):
    server = scripted(lambda _: (status, {}, {"exception": {"name": name, "message": "no"}}))
    client = TrifactaClient(ClientConfig(base_url=server.url, login="me", password=PASSWORD, read_retries=0))
    with pytest.raises(error):
        ReleaseWatch(7).poll(lambda: client)


def test_one_that_nobody_knows_is_a_failure_and_a_refusal_too(watch):
    with pytest.raises(JobFailedError, match="Job group 1 does not exist, or this user cannot see it"):
        watch({1: [(404, {}, {})]})()
    with pytest.raises(JobFailedError, match="Job group 1 does not exist, or this user cannot see it"):
        watch({1: [(400, {}, {"exception": {"name": "ValidationFailed", "message": "jobGroups 1 does not exist"}})]})()
    with pytest.raises(PermissionDeniedError):
        watch({1: [(403, {}, {})]})()


def test_only_news_is_logged(watch, caplog):
    caplog.set_level(logging.INFO, "airflow_provider_trifacta")
    poll = watch({1: ["InProgress", "InProgress", "Complete"]})
    while not poll():
        pass
    assert [record.message for record in caplog.records] == ["Job groups: 1 InProgress", "Job groups: 1 Complete"]


@pytest.mark.parametrize(("value", "ids"), [(3, [3]), ("3", [3]), ([3, "4", 3], [3, 4]), ((5,), [5])])
def test_ids(value, ids):
    assert parse_job_group_ids(value) == ids


@pytest.mark.parametrize("value", [None, "None", "", [], [None], [[3]], {"id": 3}, 0, True, "3,4"])
def test_other_ids_are_refused(value):
    with pytest.raises(InvalidInputError, match="job_group_ids"):
        parse_job_group_ids(value)


@pytest.mark.parametrize("outage", [-1, "60", None, True, float("nan"), timedelta(-1)])
def test_a_wrong_tolerance_is_refused(outage):
    with pytest.raises(InvalidInputError, match="tolerated_outage"):
        JobGroupsWatch([1], tolerated_outage=outage)


def test_a_time_is_seconds_or_a_timedelta():
    assert seconds("x", timedelta(minutes=1)) == seconds("x", 60) == 60
    assert JobGroupsWatch([1], tolerated_outage=timedelta(minutes=2)).tolerated_outage == 120
    assert JobGroupsWatch([1]).tolerated_outage == 900
    with pytest.raises(InvalidInputError, match="x must be more than 0"):
        seconds("x", 0, positive=True)
