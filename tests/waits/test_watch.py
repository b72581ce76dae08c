"""The decision that both waits share: what is tolerated, for how long, and what ends a wait."""

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
    InvalidInputError,
    JobFailedError,
    MissingConnectionError,
    NotFoundError,
    PermissionDeniedError,
    ReleaseDeletedError,
    ServerError,
)
from airflow_provider_trifacta.waits import JobGroupsWatch, ReleaseWatch, seconds

PASSWORD = "very-long-secret"


FAILURE = (500, {}, b"")


#: The server answers nothing and closes the connection.
LOST = ConnectionResetError


def test_an_outage_is_measured_in_seconds_and_not_in_polls(watch):
    poll = watch({1: ["InProgress", *[FAILURE] * 70]}, tolerated_outage=60)
    assert not poll()
    assert not any(poll(after=1) for _ in range(60)), "59 s after the first failure"
    with pytest.raises(ServerError):
        poll(after=1)


@pytest.mark.parametrize(
    "failure",
    [FAILURE, (502, {}, b"<html>"), (408, {}, b""), (429, {}, b""), LOST, (200, {}, b"<p>")],
)
def test_every_transient_error_runs_the_clock(watch, failure):
    poll = watch({1: [failure]}, tolerated_outage=60)
    assert not poll()
    assert not poll(after=59)
    with pytest.raises(Exception) as caught:  # noqa: PT011
        poll(after=1)
    assert caught.value.retryable


def test_a_success_ends_an_outage(watch):
    poll = watch(
        {1: [FAILURE, FAILURE, "InProgress", FAILURE, FAILURE, "Complete"]}, tolerated_outage=60
    )
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
    poll = watch(
        {1: [busy] * 20 + [FAILURE, busy, busy, FAILURE, "Complete"]}, tolerated_outage=120
    )
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
    """Stands for the Airflow connection: each look-up gives the next configuration, or raises the
    next error."""

    def __init__(self, *found):
        self.found = list(found)
        self.looked_up = 0

    def __call__(self):
        self.looked_up += 1
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(found, Exception):
            raise found
        return TrifactaClient(found)


#: A 401 in the API's own words.
UNAUTHORIZED = (401, {}, {"exception": {"name": "AjaxUnauthorized", "message": "Unauthorized"}})
#: A refused token in the API's own words, with the status that was seen.
BAD_TOKEN = (
    400,
    {},
    {"exception": {"name": "InvalidAccessTokenException", "message": "Invalid access token"}},
)
#: 401s that may be of a gateway.
FOREIGN = [
    (401, {"Content-Type": "text/html"}, b"<html>Sign in</html>"),
    (401, {"WWW-Authenticate": "Basic"}, b""),
    (401, {"Content-Type": "text/plain"}, b"Unauthorized"),
    (401, {}, {"message": "Unauthorized"}),
]


class Guarded:
    """A server that takes one token at a time."""

    def __init__(self, scripted):
        self.token, self.refusal = "token-1", UNAUTHORIZED
        #: What comes in place of the next answers.
        self.instead = []
        self.refused = 0
        self.url = scripted(self).url

    def __call__(self, request):
        if self.instead:
            return self.instead.pop(0)
        if request.headers["Authorization"] == f"Bearer {self.token}":
            return 200, {}, "InProgress"
        self.refused += 1
        return self.refusal

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


@pytest.mark.parametrize("refusal", [UNAUTHORIZED, BAD_TOKEN], ids=["401", "400"])
def test_the_same_token_ends_the_wait_and_so_does_a_second_refusal(guarded, refusal):
    guarded.token, guarded.refusal = "token-9", refusal
    connections = Connections(guarded.config("token-1"))
    with pytest.raises(AuthenticationError):
        JobGroupsWatch([1]).poll(connections)
    assert connections.looked_up == 2
    connections = Connections(guarded.config("token-1"), guarded.config("token-2"))
    with pytest.raises(AuthenticationError):
        JobGroupsWatch([1]).poll(connections)
    assert connections.looked_up == 2


def test_a_renewed_token_goes_on_where_a_refusal_has_status_400(guarded):
    guarded.refusal = BAD_TOKEN
    connections = Connections(guarded.config("token-1"), guarded.config("token-2"))
    watch = JobGroupsWatch([1], tolerated_outage=0)
    assert not watch.poll(connections)
    guarded.token = "token-2"
    assert not watch.poll(connections)
    assert guarded.refused == 1


@pytest.mark.parametrize("refusal", FOREIGN)
@pytest.mark.parametrize("outage", [0, 900])
def test_the_same_token_ends_the_wait_at_the_third_401_that_may_be_of_a_gateway(
    guarded, refusal, outage
):
    guarded.token, guarded.refusal = "token-9", refusal
    connections = Connections(guarded.config("token-1"))
    watch = JobGroupsWatch([1, 2, 3], tolerated_outage=outage)
    assert not watch.poll(connections)
    assert not watch.poll(connections)
    with pytest.raises(AuthenticationError, check=lambda error: not error.from_api):
        watch.poll(connections)
    assert guarded.refused == 3
    assert connections.looked_up == 4, "the connection is read again after each"


@pytest.mark.parametrize("between", [FAILURE, (404, {}, b""), (429, {"Retry-After": "1"}, b"")])
def test_a_poll_that_says_nothing_of_the_token_does_not_begin_the_count_again(guarded, between):
    """Accounts may lock, so the credentials are sent three times in all."""
    guarded.token, guarded.refusal = "token-9", FOREIGN[0]
    connections = Connections(guarded.config("token-1"))
    watch = JobGroupsWatch([1])
    for _ in range(2):
        assert not watch.poll(connections)
        guarded.instead = [between]
        assert not watch.poll(connections)
    with pytest.raises(AuthenticationError):
        watch.poll(connections)
    assert guarded.refused == 3


def test_an_accepted_poll_begins_the_count_again(guarded):
    guarded.refusal = FOREIGN[0]
    connections = Connections(guarded.config("token-1"))
    watch = JobGroupsWatch([1])
    for _ in range(4):
        guarded.token = "token-9"
        assert not watch.poll(connections)
        assert not watch.poll(connections)
        guarded.token = "token-1"
        assert not watch.poll(connections)
    assert (watch.refusals, watch.failing_since) == (0, None)


def test_new_credentials_have_three_polls_of_their_own(guarded):
    guarded.token, guarded.refusal = "token-9", FOREIGN[0]
    old, new = guarded.config("token-1"), guarded.config("token-2")
    connections = Connections(old, old, old, new)
    watch = JobGroupsWatch([1])
    assert not watch.poll(connections)
    assert not watch.poll(connections)
    assert not watch.poll(connections), "the third one finds new credentials, which are refused too"
    assert watch.refusals == 1
    assert not watch.poll(connections)
    with pytest.raises(AuthenticationError):
        watch.poll(connections)
    assert guarded.refused == 6


def test_after_the_third_refusal_nothing_is_sent_until_the_connection_can_be_read(guarded):
    guarded.token, guarded.refusal = "token-9", FOREIGN[0]
    old, gone = guarded.config("token-1"), RuntimeError("vault is sealed")
    connections = Connections(old, old, old, gone, gone, guarded.config("token-9"))
    watch = JobGroupsWatch([1])
    for _ in range(4):
        assert not watch.poll(connections)
    assert guarded.refused == 3
    assert not watch.poll(connections)
    assert (guarded.refused, watch.refusals) == (3, 0)


def test_a_401_in_the_words_of_the_api_ends_the_wait_also_after_others(guarded):
    guarded.token, guarded.refusal = "token-9", FOREIGN[0]
    connections = Connections(guarded.config("token-1"))
    watch = JobGroupsWatch([1])
    assert not watch.poll(connections)
    guarded.refusal = UNAUTHORIZED
    with pytest.raises(AuthenticationError, check=lambda error: error.from_api):
        watch.poll(connections)


def test_a_look_up_that_fails_is_tolerated(guarded, time):
    gone = RuntimeError("vault is sealed")
    connections = Connections(
        gone, gone, guarded.config("token-1"), gone, guarded.config("token-2")
    )
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
    with pytest.raises(
        ConnectionLookUpError, check=lambda error: type(error.__cause__) is RuntimeError
    ):
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


API_ERROR = {
    "exception": {
        "name": "ValidationFailed",
        "message": "Input validation failed",
        "details": "no such id",
    }
}


@pytest.mark.parametrize(
    ("status", "release", "job_group"),
    [
        (404, ReleaseDeletedError, JobFailedError),
        (410, ReleaseDeletedError, JobFailedError),
        (403, PermissionDeniedError, PermissionDeniedError),
    ],
)
def test_an_unknown_id_is_named(watch, scripted, status, release, job_group):
    with pytest.raises(job_group, check=lambda error: error.job_group_ids == [1]):
        watch({1: [(status, {}, API_ERROR)]})()
    server = scripted(lambda _: (status, {}, API_ERROR))
    config = ClientConfig(base_url=server.url, login="me", password=PASSWORD)
    with (
        TrifactaClient(config) as client,
        pytest.raises(release, check=lambda error: error.release_id == 7),
    ):
        ReleaseWatch(7).poll(lambda: client)


def test_a_400_in_the_apis_words_means_an_unknown_id(watch):
    with pytest.raises(JobFailedError, check=lambda error: error.job_group_ids == [1]) as caught:
        watch({1: [(400, {}, API_ERROR)]})()
    assert "package" not in str(caught.value), "that advice is for uploads"


NO_ROUTE = {"exception": {"name": "RouteNotFoundException", "message": "This route does not exist"}}


def test_an_instance_that_does_not_know_the_call_says_nothing_about_an_id(watch, scripted):
    with pytest.raises(NotFoundError, check=lambda error: type(error) is NotFoundError):
        watch({1: [(404, {}, NO_ROUTE)]})()
    rows = (200, {}, {"data": []})
    server = scripted(
        lambda request: rows if request.path.startswith("/v4/deployments") else (404, {}, NO_ROUTE)
    )
    client = TrifactaClient(ClientConfig(base_url=server.url, password=PASSWORD, read_retries=0))
    with client, pytest.raises(NotFoundError, check=lambda error: type(error) is NotFoundError):
        ReleaseWatch(7).poll(lambda: client)


def test_only_news_is_logged(watch, caplog):
    caplog.set_level(logging.INFO, "airflow_provider_trifacta")
    poll = watch({1: ["InProgress", "InProgress", "Complete"]})
    while not poll():
        pass
    assert [record.message for record in caplog.records] == [
        "Job groups: 1 InProgress",
        "Job groups: 1 Complete",
    ]


@pytest.mark.parametrize(
    "outage", [-1, "60", None, True, float("nan"), timedelta(-1), timedelta.max, 10**400, 1e12]
)
def test_a_wrong_tolerance_is_refused(outage):
    with pytest.raises(InvalidInputError, match="tolerated_outage"):
        JobGroupsWatch([1], tolerated_outage=outage)


def test_a_time_is_seconds_or_a_timedelta():
    assert seconds("x", timedelta(minutes=1)) == seconds("x", 60) == 60
    assert JobGroupsWatch([1], tolerated_outage=timedelta(minutes=2)).tolerated_outage == 120
    assert JobGroupsWatch([1]).tolerated_outage == 900
    with pytest.raises(InvalidInputError, match="x"):
        seconds("x", 0, positive=True)


#: What gateways say in place of the API.
BODIES = [
    ({"Content-Type": "text/html"}, b"<html>Closed</html>"),
    ({"Content-Type": "text/plain"}, b"404 page not found\n"),
    ({"Content-Type": "application/json"}, b'{"message":"no Route matched with those values"}'),
    ({}, b""),
]
PAGES = [
    *((status, headers, body) for status in (400, 403, 404, 409, 410) for headers, body in BODIES),
    (302, {"Location": "https://login.example.com/"}, b""),
]


@pytest.mark.parametrize("page", PAGES)
def test_what_is_in_front_of_the_api_says_nothing_about_a_job_group(watch, page):
    poll = watch({1: [page, "Complete"]})
    assert poll() is False
    assert poll() is True


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("deployment_id", [None, 1])
def test_nor_about_a_release(scripted, page, deployment_id):
    answers = [page, page]
    row = {"id": 7, "active": True, "deployment": {"id": 1}}

    def respond(request):
        if answers:
            return answers.pop(0)
        return 200, {}, row if request.path.endswith("/7") else {"data": [row]}

    config = ClientConfig(base_url=scripted(respond).url, password=PASSWORD, read_retries=0)
    with TrifactaClient(config) as client:
        watch = ReleaseWatch(7, deployment_id=deployment_id)
        assert watch.poll(lambda: client) is False
        assert [watch.poll(lambda: client) for _ in range(2)][-1] is True
