"""Sharing: equal reads within an interval are one request, and no answer is older than its
question."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
import threading
from dataclasses import dataclass, replace

import pytest

from airflow_provider_trifacta.client.config import ClientConfig
from airflow_provider_trifacta.client.errors import AuthenticationError, RateLimitError, ServerError
from airflow_provider_trifacta.triggers import _watch_trigger
from airflow_provider_trifacta.triggers._polling import LIST_FROM, STATUS_EVERY, THREADS, Poll
from airflow_provider_trifacta.triggers._watch_trigger import Lease, sharing_key
from airflow_provider_trifacta.waits import JobGroupStatus, NewestJobGroups, Read

pytestmark = pytest.mark.every_airflow

A = ClientConfig(base_url="https://a.example.com", password="long-secret-a")
B = ClientConfig(base_url="https://b.example.com", password="long-secret-b")


@dataclass(frozen=True)
class Question(Read):
    """A read that notes when it was asked, and answers as it is told."""

    name: str
    endpoint = "GET /v4/questions"

    def __call__(self, _client):
        return Question.answer(self)


@dataclass(frozen=True)
class OtherQuestion(Question):
    endpoint = "GET /v4/others"


@pytest.fixture
def asked(monkeypatch):
    """The times of all requests, by question."""
    times = {}

    def answer(read):
        with contextlib.suppress(RuntimeError):  # in a thread there is no time to note
            times.setdefault(read.name, []).append(asyncio.get_running_loop().time() - 1000)
        return f"{read.name} {len(times.get(read.name, []))}"

    monkeypatch.setattr(Question, "answer", staticmethod(answer), raising=False)
    return times


@contextlib.contextmanager
def leased(config=A, job_groups=0):
    lease = Lease(job_groups)
    try:
        yield lease.move(config)
    finally:
        lease.close()


def poll(due=0.0, interval=5.0, **options):
    for name in ("latest", "until"):
        if name in options:
            options[name] += 1000
    return Poll(1000 + due, interval, **options)


async def waits(instance, read, *, polls, start=0.0, interval=5.0):
    """Wait as a trigger does, and return when the answered requests began."""
    began, due = [], start
    for _ in range(polls):
        answer = await instance.ask(read, poll(due, interval))
        began.append(answer.began - 1000)
        due = began[-1] + interval
    return began


def test_what_shares():
    def shares(**changes):
        return sharing_key(replace(A, **changes)) == sharing_key(A)

    assert shares()
    assert shares(read_timeout=1.0, connect_timeout=2.0, upload_timeout=3.0, read_retries=0)
    assert not shares(base_url="https://b.example.com")
    assert not shares(password="other")
    assert not shares(login="me")
    assert not shares(verify=False)
    assert not shares(verify="True")
    assert not shares(cert="/a.pem")
    assert not shares(proxies={"https": "http://user:pass@proxy"})
    assert "long-secret" not in sharing_key(A)


def test_equal_configurations_share_an_instance_until_the_last_gives_it_back():
    with leased() as first:
        with leased(replace(A, read_timeout=1.0)) as second, leased(B) as other:
            assert second is first
            assert other is not first
        with leased() as third:
            assert third is first
    with leased() as fourth:
        assert fourth is not first


def test_a_wait_moves_with_its_credentials():
    lease = Lease()
    first = lease.move(A)
    with leased() as other:
        assert other is first
        assert lease.move(B) is not first
        assert first.users == 1
    lease.close()
    lease.close()
    assert _watch_trigger.instances == {}


def test_equal_reads_within_an_interval_are_one_request(virtual, asked):
    async def scenario():
        with leased() as instance:
            starts = [0.0, 0.0, 1.0, 2.5, 4.9]
            return await asyncio.gather(
                *[waits(instance, Question("a"), polls=4, start=start) for start in starts],
                waits(instance, Question("b"), polls=2, start=2.0),
            )

    *found, other = virtual(scenario())
    assert asked == {"a": [0, 5, 10, 15, 20], "b": [2, 7]}
    assert found[0] == found[1] == [0, 5, 10, 15]
    assert found[2] == found[3] == found[4] == [5, 10, 15, 20]
    assert other == [2, 7]


def test_a_short_interval_is_not_slowed_down_by_a_long_one(virtual, asked):
    async def scenario():
        with leased() as instance:
            return await asyncio.gather(
                waits(instance, Question("a"), polls=3, interval=60.0),
                waits(instance, Question("a"), polls=20, interval=5.0, start=1.0),
            )

    slow, quick = virtual(scenario())
    assert slow == pytest.approx([0, 60, 120])
    assert quick[:3] == [5, 10, 15]
    assert len(asked["a"]) <= 23


def test_a_request_that_began_before_answers_no_later_one(monkeypatch):
    running, go_on = threading.Event(), threading.Event()
    count = []

    def answer(read):
        count.append(read)
        number = len(count)
        if number == 1:
            running.set()
            assert go_on.wait(30)
        return number

    monkeypatch.setattr(Question, "answer", staticmethod(answer), raising=False)

    async def scenario():
        loop = asyncio.get_running_loop()
        with leased() as instance:
            first = asyncio.ensure_future(instance.ask(Question("a"), Poll(loop.time(), 0.0)))
            await loop.run_in_executor(None, running.wait)
            second = asyncio.ensure_future(instance.ask(Question("a"), Poll(loop.time(), 0.0)))
            await asyncio.sleep(0)
            assert len(count) == 1, "one request at a time"
            go_on.set()
            return (await first).value, (await second).value

    assert asyncio.run(asyncio.wait_for(scenario(), 60)) == (1, 2)


def test_a_canceled_wait_does_not_cancel_the_shared_read(virtual, asked):
    async def scenario():
        with leased() as instance:
            first = asyncio.ensure_future(instance.ask(Question("a"), poll(3)))
            second = asyncio.ensure_future(instance.ask(Question("a"), poll(3)))
            await asyncio.sleep(1)
            first.cancel("by a person")
            with pytest.raises(asyncio.CancelledError) as caught:
                await first
            assert caught.value.args == ("by a person",) or not caught.value.args, (
                "3.10 loses it for a task"
            )
            return (await second).value

    assert virtual(scenario()) == "a 1"
    assert asked == {"a": [3]}


def test_a_read_that_all_left_is_not_asked(virtual, asked):
    async def scenario():
        with leased() as instance:
            task = asyncio.ensure_future(instance.ask(Question("a"), poll(3)))
            await asyncio.sleep(1)
            task.cancel()
            await asyncio.sleep(10)
            assert instance.questions == {}

    virtual(scenario())
    assert asked == {}


@pytest.mark.usefixtures("asked")
def test_entries_expire(virtual):
    async def scenario():
        with leased() as instance:
            await asyncio.gather(
                *[instance.ask(Question(str(number)), poll()) for number in range(50)]
            )
            assert len(instance.questions) == 50
            await asyncio.sleep(4.9)
            assert len(instance.questions) == 50, "they keep equal reads an interval apart"
            await asyncio.sleep(0.2)
            assert instance.questions == {}

    virtual(scenario())


def test_each_wait_gets_an_error_of_its_own(virtual, monkeypatch):
    def answer(_read):
        raise ServerError("no", status=503, request_id="r-1")

    monkeypatch.setattr(Question, "answer", staticmethod(answer), raising=False)

    async def scenario():
        with leased() as instance:
            return await asyncio.gather(*[instance.ask(Question("a"), poll()) for _ in range(3)])

    errors = [answer.error for answer in virtual(scenario())]
    assert len({id(error) for error in errors}) == 3
    assert {(type(error), str(error), error.status, error.request_id) for error in errors} == {
        (ServerError, "no", 503, "r-1")
    }


@pytest.mark.parametrize("kind", [RateLimitError, ServerError])
def test_retry_after_pauses_the_endpoint_for_all(virtual, asked, monkeypatch, kind):
    answer = Question.answer

    def busy_once(read):
        value = answer(read)
        if value == "a 1":
            raise kind("busy", retry_after=57.0)
        return value

    monkeypatch.setattr(Question, "answer", staticmethod(busy_once))

    async def scenario():
        with leased() as instance, leased(B) as elsewhere:

            async def insist():
                refused = await instance.ask(Question("a"), poll(1))
                assert refused.error.retry_after == 57
                return (await instance.ask(Question("a"), poll(6))).value

            value, *_ = await asyncio.gather(
                insist(),
                instance.ask(Question("before"), poll(0)),
                instance.ask(Question("b"), poll(2)),
                instance.ask(Question("late"), poll(80)),
                instance.ask(Question("at its end"), poll(3, latest=20)),
                instance.ask(OtherQuestion("other"), poll(2)),
                elsewhere.ask(Question("elsewhere"), poll(2)),
            )
            return value

    assert virtual(scenario()) == "a 2"
    assert asked == {
        "before": [0],
        "a": [1, 58],
        "b": [58],
        "late": [80],
        "at its end": [20],
        "other": [2],
        "elsewhere": [2],
    }


def test_what_is_due_while_all_threads_are_busy_heeds_a_pause(virtual, asked, monkeypatch):
    answer = Question.answer

    def busy(read):
        value = answer(read)
        if len(asked) <= THREADS:
            raise RateLimitError("busy", retry_after=60.0)
        return value

    monkeypatch.setattr(Question, "answer", staticmethod(busy))

    async def scenario():
        with leased() as instance:
            await asyncio.gather(
                *[instance.ask(Question(str(number)), poll()) for number in range(3 * THREADS)]
            )

    virtual(scenario())
    times = sorted(time for (time,) in asked.values())
    assert times == [0] * THREADS + [60] * 2 * THREADS


def test_the_first_question_is_put_off_and_others_join_it(virtual, asked):
    async def scenario():
        with leased() as instance:
            answers = await asyncio.gather(
                instance.ask(Question("a"), poll(spread=3.0)),
                instance.ask(Question("a"), poll(spread=1.0)),
                instance.ask(Question("a"), poll(spread=4.0)),
            )
            return {answer.value for answer in answers}

    assert virtual(scenario()) == {"a 1"}
    assert asked == {"a": [3]}


def test_a_dead_instance_does_not_delay_the_waits_on_another(monkeypatch):
    dead = threading.Event()

    def answer(read):
        return "answered" if read.name == "quick" else dead.wait(30)

    monkeypatch.setattr(Question, "answer", staticmethod(answer), raising=False)

    async def scenario():
        now = asyncio.get_running_loop().time()
        with leased() as slow, leased(B) as quick:
            stuck = [
                asyncio.ensure_future(slow.ask(Question(str(number)), Poll(now, 5.0)))
                for number in range(3 * THREADS)
            ]
            await asyncio.sleep(0)
            assert (await quick.ask(Question("quick"), Poll(now, 5.0))).value == "answered"
            assert not any(one.done() for one in stuck)
            dead.set()
            await asyncio.gather(*stuck)

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_read_runs_in_a_thread_with_a_callers_context(monkeypatch):
    variable = contextvars.ContextVar("variable", default="outside")

    def answer(_read):
        return variable.get(), threading.current_thread().name

    monkeypatch.setattr(Question, "answer", staticmethod(answer), raising=False)

    async def scenario():
        variable.set("inside")
        with leased() as instance:
            return await instance.ask(Question("a"), Poll(asyncio.get_running_loop().time(), 5.0))

    value, name = asyncio.run(scenario()).value
    assert value == "inside"
    assert name.startswith("trifacta-poll")


def test_a_read_that_takes_too_long_is_not_waited_for(monkeypatch):
    hang = threading.Event()
    monkeypatch.setattr(Question, "answer", staticmethod(lambda _: hang.wait(30)), raising=False)

    async def scenario():
        now = asyncio.get_running_loop().time()
        with leased() as instance:
            await instance.ask(Question("a"), Poll(now, 5.0, latest=now, until=now + 0.01))

    with pytest.raises(TimeoutError):
        asyncio.run(scenario())
    hang.set()


# Job groups


@pytest.fixture
def states(monkeypatch):
    """The states of job groups; requests are noted."""
    found = {}
    found["requests"] = requests = []

    def one(read, _client):
        requests.append(read)
        return found[read.job_group_id]

    def newest(read, _client):
        requests.append(read)
        if isinstance(found.get("list"), Exception):
            raise found["list"]
        return found.get("list", {})

    monkeypatch.setattr(JobGroupStatus, "__call__", one)
    monkeypatch.setattr(NewestJobGroups, "__call__", newest)
    return found


def ask_all(virtual, ids, *, job_groups=LIST_FROM, number=1, latest=math.inf):
    async def scenario():
        with leased(job_groups=job_groups) as instance:
            answers = await asyncio.gather(
                *[
                    instance.ask(JobGroupStatus(one), poll(number=number, latest=latest))
                    for one in ids
                ]
            )
            return [answer.value for answer in answers]

    return virtual(scenario())


def test_one_list_stands_for_the_states_of_many(virtual, states):
    states["list"] = dict.fromkeys((20, 40, 60), "InProgress")
    assert ask_all(virtual, [20, 40, 60]) == ["InProgress"] * 3
    assert states["requests"] == [NewestJobGroups(100)]


def test_only_that_it_runs_is_believed_of_the_list(virtual, states):
    states["list"] = {20: "Complete", 40: "Failed", 60: None, 80: "Odd"}
    states.update({20: "InProgress", 40: "Complete", 60: "Pending", 80: "Created", 100: "Complete"})
    assert ask_all(virtual, [20, 40, 60, 80, 100]) == [
        "InProgress",
        "Complete",
        "Pending",
        "Created",
        "Complete",
    ]
    assert len(states["requests"]) == 6


def test_few_job_groups_need_no_list(virtual, states):
    states[20] = "InProgress"
    ask_all(virtual, [20], job_groups=LIST_FROM - 1)
    assert states["requests"] == [JobGroupStatus(20)]


def test_many_need_a_long_list(virtual, states):
    states["list"] = {20: "InProgress"}
    ask_all(virtual, [20], job_groups=101)
    assert states["requests"] == [NewestJobGroups(1000)]


@pytest.mark.parametrize("when", [{"number": STATUS_EVERY}, {"latest": 0}])
def test_at_times_and_at_the_end_its_own_state_is_read(virtual, states, when):
    states["list"], states[20] = {20: "InProgress"}, "Complete"
    assert ask_all(virtual, [20], **when) == ["Complete"]
    assert states["requests"] == [JobGroupStatus(20)]


def test_a_list_that_cannot_be_read_is_left_alone_for_a_while(virtual, states):
    states["list"], states[20] = ServerError("no"), "InProgress"

    async def scenario():
        with leased(job_groups=LIST_FROM) as instance:
            for number in range(1, 5):
                answer = await instance.ask(JobGroupStatus(20), poll(5 * number, number=number))
                assert answer.error is None

    virtual(scenario())
    assert states["requests"] == [NewestJobGroups(100)] + [JobGroupStatus(20)] * 4


@pytest.mark.parametrize(
    "error", [AuthenticationError("no"), RateLimitError("busy", retry_after=9.0)]
)
def test_a_refusal_or_a_pause_of_the_list_is_told(virtual, states, error):
    states["list"] = error

    async def scenario():
        with leased(job_groups=LIST_FROM) as instance:
            return (await instance.ask(JobGroupStatus(20), poll(number=1))).error

    assert type(virtual(scenario())) is type(error)
    assert states["requests"] == [NewestJobGroups(100)]


def test_a_poll_of_several_job_groups_reads_the_list_once(virtual, states):
    states["list"] = dict.fromkeys((20, 40, 60), "InProgress")
    states[80] = "InProgress"

    async def scenario():
        began = []
        with leased(job_groups=LIST_FROM) as instance:
            for number in (1, 2):
                one = poll(5 * number, number=number)
                for job_group_id in (20, 40, 80, 60):
                    await instance.ask(JobGroupStatus(job_group_id), one)
                began.append(one.began)
        return began

    assert virtual(scenario()) == [1005, 1010]
    assert states["requests"] == [NewestJobGroups(100), JobGroupStatus(80)] * 2
