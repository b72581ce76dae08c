"""The wait for job groups: only Complete is a success."""

from __future__ import annotations

import pytest

from airflow_provider_trifacta.client.errors import (
    InvalidInputError,
    JobFailedError,
    UnexpectedResponseError,
)
from airflow_provider_trifacta.client.ids import parse_ids

PASSWORD = "very-long-secret"


def test_all_must_be_complete(watch):
    poll = watch(
        {1: ["Created", "Pending", "InProgress", "Complete"], 2: ["InProgress", "Complete"]}
    )
    assert [poll() for _ in range(4)] == [False, False, False, True]
    paths = [request.path for request in watch.server.seen]
    assert paths.count("/v4/jobGroups/2/status") == 2, "what is Complete is not asked again"
    assert watch.watch.unfinished == []


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("Failed", "failed"),
        ("Canceled", "canceled"),
        ("Cancelled", "canceled"),
        ("Paused", "'Paused'"),
        ("complete", "'complete'"),
    ],
)
def test_everything_else_is_a_failure(watch, state, word):
    poll = watch({1: ["InProgress"], 2: [state], 3: ["InProgress"]})
    with pytest.raises(JobFailedError, match=word) as caught:
        poll()
    assert caught.value.job_group_ids == [2]
    assert f"{watch.server.url}/jobs/2" in str(caught.value)
    assert "[1, 3]" in str(caught.value), "the others may still be running"
    assert not caught.value.retryable
    assert {request.method for request in watch.server.seen} == {"GET"}


COMPLETE = {"id": 21, "status": "Complete"}
FAILED = {"id": 22, "status": "Failed", "jobType": "wrangle"}


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        (
            (200, {}, {"data": [COMPLETE, {**FAILED, "errorMessage": "no such table"}]}),
            r"job 22 \(wrangle\): no such table\.",
        ),
        (
            (200, {}, {"data": [{**FAILED, "errorMessage": {"message": "no such table"}}]}),
            "wrangle.: no such table",
        ),
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


@pytest.mark.parametrize(
    ("value", "ids"), [(3, [3]), ("3", [3]), ([3, "4", 3], [3, 4]), ((5,), [5])]
)
def test_ids(value, ids):
    assert parse_ids(value, "job_group_ids") == ids


@pytest.mark.parametrize("value", [None, "None", "", [], [None], [[3]], {"id": 3}, 0, True, "3,4"])
def test_other_ids_are_refused(value):
    with pytest.raises(InvalidInputError, match="job_group_ids"):
        parse_ids(value, "job_group_ids")
