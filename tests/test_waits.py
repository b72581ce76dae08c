"""Waiting for job groups: done only when all are Complete, and closed on everything else."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
from airflow_provider_trifacta.client.errors import (
    InvalidInputError,
    JobFailedError,
    PermissionDeniedError,
    ServerError,
)
from airflow_provider_trifacta.waits import JobGroupsWatch, parse_job_group_ids

PASSWORD = "very-long-secret"


@pytest.fixture
def watch(scripted):
    """Return a function that makes a poll of a watch, on a server with these states (the last one stays)."""

    def make(states, jobs=(200, {}, {"data": []}), tolerated_failures=1):
        left = {job_group_id: list(answers) for job_group_id, answers in states.items()}

        def respond(request):
            _, _, _, job_group_id, what = request.path.partition("?")[0].split("/")
            if what == "jobs":
                return jobs
            answers = left[int(job_group_id)]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            return answer if isinstance(answer, tuple) else (200, {}, answer)

        make.server = scripted(respond)
        config = ClientConfig(base_url=make.server.url, login="me", password=PASSWORD, read_retries=0)
        client = TrifactaClient(config)
        made = JobGroupsWatch(list(states), tolerated_failures=tolerated_failures)
        make.watch = made
        return lambda: made.poll(client)

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
        ("", "unknown state ''"),
        (None, "unknown state 'None'"),
        (7, "unknown state '7'"),
        (["Complete"], "unknown state"),
        ({"status": "Complete"}, "unknown state"),
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


def test_failures_in_passing_are_tolerated_in_a_row(watch):
    poll = watch(
        {1: [(500, {}, b""), None, "InProgress", (502, {}, b""), (429, {}, b""), (503, {}, b"")]}, tolerated_failures=2
    )
    with pytest.raises(JobFailedError, match="unknown state 'None'"):
        [poll() for _ in range(2)]
    poll = watch(
        {1: [(500, {}, b""), (200, {}, b"<p>"), "InProgress", (502, {}, b""), (429, {}, b""), (503, {}, b"")]},
        tolerated_failures=2,
    )
    assert [poll() for _ in range(5)] == [False] * 5
    with pytest.raises(ServerError):
        poll()


def test_one_that_nobody_knows_is_a_failure_and_a_refusal_too(watch):
    with pytest.raises(JobFailedError, match="Job group 1 does not exist, or this user cannot see it"):
        watch({1: [(404, {}, {})]})()
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


def test_a_wrong_tolerance_is_refused():
    with pytest.raises(InvalidInputError, match="tolerated_failures"):
        JobGroupsWatch([1], tolerated_failures=-1)
