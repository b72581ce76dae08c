"""Shared polls beside an event loop: the waits on one instance share a client, a few threads, and what they ask."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import functools
import hashlib
import logging
import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from ..client.errors import AuthenticationError, RateLimitError, TrifactaError
from ..client.models import RUNNING
from ..waits import JobGroupStatus, NewestJobGroups, Read

if TYPE_CHECKING:
    from ..client import ClientConfig

log = logging.getLogger(__name__)

#: Reads of one instance that run at the same time. A triggerer's default 1,000 waits at 5 s keep about 10 busy when
#: the server answers in 50 ms; more threads only compete with the event loop.
THREADS = 16

#: From this many awaited job groups on, one read of the list stands for their states.
LIST_FROM = 10
#: Rows of that list that are asked for: the second number where the first does not cover what is awaited.
_LIST_ROWS = (100, 1000)
#: Every so many polls the state itself is read, in case the list is wrong or cannot be read.
STATUS_EVERY = 20

#: What does not change an answer, and so may differ between waits that share it.
_HOW_TO_ASK = (
    "connect_timeout",
    "read_timeout",
    "upload_timeout",
    "total_timeout",
    "upload_total_timeout",
    "read_retries",
)


def sharing_key(config: ClientConfig) -> str:
    """Return what two waits must have in common to share answers: the instance, the user, TLS and proxies.

    It is a digest, since it covers the credentials. The Airflow connection's id is not in it: two of them may lead to
    the same instance as the same user.
    """
    what = [(one.name, getattr(config, one.name)) for one in fields(config) if one.init and one.name not in _HOW_TO_ASK]
    return hashlib.sha256(repr(what).encode()).hexdigest()


@dataclass(eq=False)
class Poll:
    """One poll of one wait: when its reads may begin. All times are the event loop's.

    :param due: when to ask, and not before
    :param interval: seconds between two requests with the same question
    :param latest: when to ask at the latest
    :param until: when to give an answer up
    :param spread: seconds to put off what no other wait asked yet
    :param number: how many polls of the wait there were before
    """

    due: float
    interval: float
    latest: float = math.inf
    until: float = math.inf
    spread: float = 0.0
    number: int = 0
    #: When the first request of the poll began.
    began: float | None = None
    #: The lists that this poll read.
    lists: dict[Read, Answer] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What became of a read.

    :param began: when its request began, in the event loop's time
    :param value: the answer, or
    :param error: what was raised instead; an object of the receiver's own
    """

    began: float
    value: Any = None
    error: Exception | None = None


@dataclass(eq=False)
class _Waiter:
    """A wait that asked for its poll, and when it must be asked at the latest."""

    poll: Poll
    latest: float
    answer: asyncio.Future[Answer]


def _give_up(waiter: _Waiter) -> None:
    if not waiter.answer.done():
        waiter.answer.set_exception(TimeoutError())


@dataclass(eq=False)
class _Question:
    """A read that waits ask for: its requests begin an interval apart, and one at a time."""

    read: Read
    not_before: float
    began: float = -math.inf
    #: The shortest interval of the waits that its last request served.
    interval: float = math.inf
    waiters: list[_Waiter] = field(default_factory=list)
    #: When the timer rings, and the timer.
    next: float = math.inf
    timer: asyncio.TimerHandle | None = None
    #: Whether its request runs, or waits for a thread.
    busy: bool = False
    context: contextvars.Context | None = None


class PollingInstance:
    """One instance, as the waits on it see it. A slow or dead one keeps only its own threads busy.

    A wait gets the answer to a request that began after it asked. Equal reads wait for each other: their next request
    begins an interval after the one before, and serves everybody who asked until then. Where the server answers with
    ``Retry-After``, all requests to that endpoint pause.

    Only code of the event loop touches it, so it needs no lock.
    """

    def __init__(self, config: ClientConfig) -> None:
        from ..client.client import TrifactaClient
        from ..client.transport import Transport

        self.users = 0
        #: How many job groups the waits on this instance wait for.
        self.job_groups = 0
        self.client = TrifactaClient(config, transport=Transport(config, connections=THREADS))
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="trifacta-poll")
        self._questions: dict[Read, _Question] = {}
        self._ready: deque[_Question] = deque()
        self._running: set[asyncio.Future[Any]] = set()
        #: Until when an endpoint is not to be asked.
        self._paused: dict[str, float] = {}
        #: Until when the list of job groups is left alone, because it could not be read.
        self._no_list_before = -math.inf

    async def ask(self, read: Read, poll: Poll) -> Answer:
        """Ask, together with all waits that ask the same.

        :param read: the question
        :param poll: the poll that needs it
        :raises TimeoutError: there is no answer until the poll's end
        """
        answer = None
        if isinstance(read, JobGroupStatus):
            answer = await self._listed(read.job_group_id, poll)
        if answer is None:
            answer = await self._ask(read, poll)
        if poll.began is None:
            poll.began = answer.began
        return answer

    async def _listed(self, job_group_id: int, poll: Poll) -> Answer | None:
        """Look a job group up in the list of all, if that is cheaper; None to ask for its own state.

        Only that it is running is believed of the list: what has ended is read from the job group itself.
        """
        own_turn = (poll.number + job_group_id) % STATUS_EVERY == 0
        if self.job_groups < LIST_FROM or own_turn or poll.due >= poll.latest or poll.due < self._no_list_before:
            return None
        read = NewestJobGroups(_LIST_ROWS[self.job_groups > _LIST_ROWS[0]])
        answer = poll.lists.get(read)
        if answer is None:
            answer = poll.lists[read] = await self._ask(read, poll)
            # The next poll is to be in time for the next list.
            poll.began = answer.began
        if isinstance(answer.error, AuthenticationError) or _asks_for_patience(answer.error):
            return answer
        if answer.error is not None:
            log.debug("The list of job groups cannot be read, so each is asked for its state: %s", answer.error)
            self._no_list_before = answer.began + STATUS_EVERY * poll.interval
            return None
        state = answer.value.get(job_group_id)
        return Answer(answer.began, state) if state in RUNNING else None

    async def _ask(self, read: Read, poll: Poll) -> Answer:
        loop = asyncio.get_running_loop()
        question = self._questions.get(read)
        if question is None:
            question = self._questions[read] = _Question(read, loop.time() + poll.spread)
        waiter = _Waiter(poll, loop.time() if read.urgent else poll.latest, loop.create_future())
        question.waiters.append(waiter)
        # The request's log lines go to one of those who wait for it.
        question.context = contextvars.copy_context()
        self._ring(question, self._begins(question, waiter))
        patience = loop.call_at(poll.until, _give_up, waiter) if poll.until < math.inf else None
        try:
            return await waiter.answer
        finally:
            waiter.answer.cancel()  # a canceled wait leaves; the request goes on
            if patience is not None:
                patience.cancel()

    def _begins(self, question: _Question, waiter: _Waiter) -> float:
        """Return when the next request may begin, as far as one waiter is concerned."""
        paused = self._paused.get(question.read.endpoint, -math.inf)
        poll = waiter.poll
        apart = min(poll.interval, question.interval)
        return min(max(poll.due, question.began + apart, question.not_before, paused), waiter.latest)

    def _ring(self, question: _Question, when: float) -> None:
        """See to it that the question is looked at then, or sooner."""
        if question.busy or when >= question.next:
            return
        if question.timer is not None:
            question.timer.cancel()
        question.next = when
        question.timer = asyncio.get_running_loop().call_at(when, self._due, question)

    def _due(self, question: _Question) -> None:
        """Begin the request, or look again when it may begin; forget a question that nobody asks any more."""
        question.timer, question.next = None, math.inf
        now = asyncio.get_running_loop().time()
        question.waiters = [one for one in question.waiters if not one.answer.done()]
        if not question.waiters:
            if question.began == -math.inf or now + _CLOCK_STEP >= question.began + question.interval:
                self._questions.pop(question.read, None)
            else:
                self._ring(question, question.began + question.interval)
            return
        when = min(self._begins(question, one) for one in question.waiters)
        if when > now + _CLOCK_STEP:
            self._ring(question, when)
            return
        question.busy = True
        self._ready.append(question)
        self._begin()

    def _begin(self) -> None:
        """Begin requests as long as there are threads."""
        loop = asyncio.get_running_loop()
        while self._ready and len(self._running) < THREADS:
            question = self._ready.popleft()
            now = loop.time()
            # The endpoint may be paused since it came here.
            waiters = [one for one in question.waiters if not one.answer.done()]
            if not waiters or min(self._begins(question, one) for one in waiters) > now + _CLOCK_STEP:
                question.busy = False
                self._due(question)
                continue
            served: list[_Waiter] = []
            question.waiters = []
            for one in waiters:
                in_time = min(one.poll.due, one.latest) <= now + _CLOCK_STEP
                (served if in_time else question.waiters).append(one)
            question.began = now
            question.interval = min(one.poll.interval for one in waiters)
            context = question.context or contextvars.copy_context()
            running = loop.run_in_executor(self._executor, context.run, question.read, self.client)
            self._running.add(running)
            running.add_done_callback(functools.partial(self._end, question, served))

    def _end(self, question: _Question, served: list[_Waiter], done: asyncio.Future[Any]) -> None:
        self._running.discard(done)
        if done.cancelled():  # the instance is closed
            return
        error, now = done.exception(), asyncio.get_running_loop().time()
        asked = getattr(error, "retry_after", None)
        if asked:
            endpoint = question.read.endpoint
            self._paused[endpoint] = max(now + asked, self._paused.get(endpoint, now))
        for waiter in served:
            if not waiter.answer.done():
                waiter.answer.set_result(
                    Answer(question.began, error=_own(error)) if error else Answer(question.began, done.result())
                )
        question.busy = False
        self._due(question)
        self._begin()

    def close(self) -> None:
        """Let the threads end after their present read."""
        for question in self._questions.values():
            if question.timer is not None:
                question.timer.cancel()
        for running in list(self._running):
            running.cancel()
        self._executor.shutdown(wait=False, cancel_futures=True)
        self.client.close()


def _asks_for_patience(error: Exception | None) -> bool:
    return isinstance(error, RateLimitError) and error.retry_after is not None


#: A timer may ring this much too early.
_CLOCK_STEP = 0.001


def _own(error: BaseException) -> Exception:
    """Return an error of the same kind and text for one of several receivers, each of which adds its traceback."""
    if isinstance(error, TrifactaError):
        return copy.copy(error)
    return error if isinstance(error, Exception) else RuntimeError(repr(error))


#: The instances with waits on them. Only event loop code touches it, between two awaits, so it needs no lock.
_instances: dict[str, PollingInstance] = {}


class Lease:
    """The instance of one wait. It changes with the connection's credentials; the last wait on an instance closes it.

    :param job_groups: how many job groups the wait waits for
    """

    def __init__(self, job_groups: int = 0) -> None:
        self._job_groups = job_groups
        self._key = ""
        self.instance: PollingInstance | None = None

    def move(self, config: ClientConfig) -> PollingInstance:
        """Take the instance of a configuration, and give the one before back.

        :param config: where and how; what it has in common with others is :func:`sharing_key`
        """
        key = sharing_key(config)
        instance = _instances.get(key)
        if instance is None:
            instance = _instances[key] = PollingInstance(config)
        instance.users += 1
        instance.job_groups += self._job_groups
        self.close()
        self._key, self.instance = key, instance
        return instance

    def close(self) -> None:
        """Give the instance back."""
        instance, self.instance = self.instance, None
        if instance is None:
            return
        instance.users -= 1
        instance.job_groups -= self._job_groups
        if not instance.users:
            del _instances[self._key]
            instance.close()
