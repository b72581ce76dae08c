"""Polls that the waits on one instance share: its client, a few threads, and the answers.

A triggerer may hold a thousand waits in one process. If each asked for itself, they would exceed
the server's quotas and need as many threads. So equal questions are asked once, and every wait that
asked receives the answer.
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
import functools
import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..client.errors import AuthenticationError, RateLimitError, TrifactaError
from ..client.foreign_words import logger
from ..client.limits import LARGEST_IN_A_TRIGGERER
from ..client.models import RUNNING
from ..waits import JobGroupStatus, NewestJobGroups, Read

if TYPE_CHECKING:
    from ..client import ClientConfig

log = logger(__name__)

#: Reads of one instance that run at the same time. A triggerer's default of 1,000 waits at 5 s
#: keeps about 10 busy if the server answers in 50 ms. More threads only compete with the event
#: loop.
THREADS = 16

#: From this many awaited job groups on, one read of the list replaces the reads of their states.
LIST_FROM = 10
#: How many job groups of that list are read, and how many if more than that are awaited.
_SHORT_LIST = 100
_LONG_LIST = 1000
#: A timer may end this much too early.
_CLOCK_STEP = 0.001
#: Every so many polls the state itself is read, because the list may be wrong or unreadable.
STATUS_EVERY = 20


@dataclass(eq=False)
class Poll:
    """One poll of one wait, and when its reads may begin. All times are times of the event loop.

    :param due: the earliest time to ask
    :param interval: seconds between two requests with the same question
    :param latest: the latest time to ask
    :param until: when to stop waiting for an answer
    :param spread: seconds by which to delay a question that no other wait has asked yet
    :param number: how many polls the wait made before
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
    """How a read ended.

    :param began: when its request began, in the event loop's time
    :param value: the answer, if there is no error
    :param error: what was raised; each receiver has its own object
    """

    began: float
    value: Any = None
    error: Exception | None = None


@dataclass(eq=False)
class _Waiter:
    """A wait that asked a question, and the latest time to send it."""

    poll: Poll
    latest: float
    answer: asyncio.Future[Answer]


def _give_up(waiter: _Waiter) -> None:
    if not waiter.answer.done():
        waiter.answer.set_exception(TimeoutError())


@dataclass(eq=False)
class _Question:
    """A question that waits ask. Its requests begin an interval apart, one at a time."""

    read: Read
    not_before: float
    began: float = -math.inf
    #: The shortest interval of the waits that its last request served.
    interval: float = math.inf
    waiters: list[_Waiter] = field(default_factory=list)
    #: When the timer ends, and the timer.
    next: float = math.inf
    timer: asyncio.TimerHandle | None = None
    #: Whether its request runs, or waits for a thread.
    busy: bool = False
    context: contextvars.Context | None = None

    def take_served(self) -> list[_Waiter]:
        """Take the waiters that the request which begins now serves. The others stay.

        :returns: those whose polls are due
        """
        soon = self.began + _CLOCK_STEP
        self.interval = min(waiter.poll.interval for waiter in self.waiters)
        served: list[_Waiter] = []
        others: list[_Waiter] = []
        for waiter in self.waiters:
            if min(waiter.poll.due, waiter.latest) <= soon:
                served.append(waiter)
            else:
                others.append(waiter)
        self.waiters = others
        return served


class PollingInstance:
    """One instance, shared by the waits on it.

    Each instance has its own threads, so a slow one does not delay the others.

    A wait always receives the answer to a request that began after the wait asked. Equal questions
    share requests: the next one begins an interval after the one before, and serves all waits that
    asked until then. If the server answers with ``Retry-After``, all requests to that endpoint
    pause.

    Only code of the event loop uses it, so it needs no lock.

    :param config: where and how to ask
    """

    def __init__(self, config: ClientConfig) -> None:
        from ..client.client import TrifactaClient
        from ..client.transport import Transport

        self.users = 0
        #: How many job groups the waits on this instance wait for.
        self.job_groups = 0
        transport = Transport(config, connections=THREADS, largest_answer=LARGEST_IN_A_TRIGGERER)
        self.client = TrifactaClient(config, transport=transport)
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="trifacta-poll")
        #: What is asked now, or was within its interval: equal reads share an entry.
        self.questions: dict[Read, _Question] = {}
        self._ready: deque[_Question] = deque()
        self._running: set[asyncio.Future[Any]] = set()
        #: Until when an endpoint must not be asked.
        self._paused: dict[str, float] = {}
        #: Until when the list of job groups is not read, because it could not be read before.
        self._no_list_before = -math.inf

    async def ask(self, read: Read, poll: Poll) -> Answer:
        """Ask a question, together with all waits that ask the same.

        :param read: the question
        :param poll: the poll that needs the answer
        :returns: the answer, or the error
        :raises TimeoutError: there is no answer by the end of the poll
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
        """Look up a job group in the list of all, if that is cheaper.

        The list only decides that a job group is still running. That it has ended is read from the
        job group itself.

        :returns: the answer; None to ask for the job group's own state
        """
        if not self._may_use_list(job_group_id, poll):
            return None
        read = NewestJobGroups(_LONG_LIST if self.job_groups > _SHORT_LIST else _SHORT_LIST)
        answer = poll.lists.get(read)
        if answer is None:
            answer = await self._ask(read, poll)
            poll.lists[read] = answer
            # The next poll is due an interval after this list, so that it can share the next one.
            poll.began = answer.began
        error = answer.error
        asks_to_wait = isinstance(error, RateLimitError) and error.retry_after is not None
        if asks_to_wait or isinstance(error, AuthenticationError):
            return answer
        if error is not None:
            log.debug(
                "The list of job groups cannot be read, so each is asked for its state: %s", error
            )
            self._no_list_before = answer.began + STATUS_EVERY * poll.interval
            return None
        state = answer.value.get(job_group_id)
        return Answer(answer.began, state) if state in RUNNING else None

    def _may_use_list(self, job_group_id: int, poll: Poll) -> bool:
        if self.job_groups < LIST_FROM or poll.due < self._no_list_before:
            return False
        is_last_poll = poll.due >= poll.latest
        is_turn_of_own_state = (poll.number + job_group_id) % STATUS_EVERY == 0
        return not is_last_poll and not is_turn_of_own_state

    async def _ask(self, read: Read, poll: Poll) -> Answer:
        loop = asyncio.get_running_loop()
        question = self.questions.get(read)
        if question is None:
            question = _Question(read, loop.time() + poll.spread)
            self.questions[read] = question
        latest = loop.time() if read.urgent else poll.latest
        waiter = _Waiter(poll, latest, loop.create_future())
        question.waiters.append(waiter)
        # The request's log lines go to one of those who wait for it.
        question.context = contextvars.copy_context()
        self._ring(question, self._begins(question, waiter))
        patience = None
        if poll.until < math.inf:
            patience = loop.call_at(poll.until, _give_up, waiter)
        try:
            return await waiter.answer
        finally:
            waiter.answer.cancel()  # a canceled wait leaves, but others may need the request
            if patience is not None:
                patience.cancel()

    def _begins(self, question: _Question, waiter: _Waiter) -> float:
        """Return when the next request may begin, as far as one waiter is concerned."""
        poll = waiter.poll
        paused_until = self._paused.get(question.read.endpoint, -math.inf)
        after_last = question.began + min(poll.interval, question.interval)
        earliest = max(poll.due, after_last, question.not_before, paused_until)
        return min(earliest, waiter.latest)

    def _ring(self, question: _Question, when: float) -> None:
        """Set the timer of a question, unless it is due sooner already."""
        if question.busy or when >= question.next:
            return
        if question.timer is not None:
            question.timer.cancel()
        question.next = when
        question.timer = asyncio.get_running_loop().call_at(when, self._due, question)

    def _due(self, question: _Question) -> None:
        """Begin the request of a question as soon as there is a thread."""
        if self._may_begin(question):
            question.busy = True
            self._ready.append(question)
            self._begin()

    def _may_begin(self, question: _Question) -> bool:
        """Tell whether the request of a question may begin now.

        If not, its timer is set again. A question that no wait asks any more is forgotten after its
        interval.
        """
        question.timer = None
        question.next = math.inf
        question.busy = False
        soon = asyncio.get_running_loop().time() + _CLOCK_STEP
        question.waiters = [waiter for waiter in question.waiters if not waiter.answer.done()]
        if question.waiters:
            when = min(self._begins(question, waiter) for waiter in question.waiters)
        elif question.began > -math.inf:
            when = question.began + question.interval
        else:
            when = soon
        if when > soon:
            self._ring(question, when)
            return False
        if not question.waiters:
            self.questions.pop(question.read, None)
            return False
        return True

    def _begin(self) -> None:
        """Begin requests as long as there are threads."""
        loop = asyncio.get_running_loop()
        while self._ready and len(self._running) < THREADS:
            question = self._ready.popleft()
            # The endpoint may have been paused since the question became ready.
            if not self._may_begin(question):
                continue
            question.busy = True
            question.began = loop.time()
            served = question.take_served()
            context = question.context or contextvars.copy_context()
            running = loop.run_in_executor(self._executor, context.run, question.read, self.client)
            self._running.add(running)
            running.add_done_callback(functools.partial(self._end, question, served))

    def _end(self, question: _Question, served: list[_Waiter], done: asyncio.Future[Any]) -> None:
        """Hand on how a request ended, and begin the next ones."""
        self._running.discard(done)
        if done.cancelled():  # the instance is closed
            return
        error = done.exception()
        retry_after = getattr(error, "retry_after", None)
        if retry_after:
            now = asyncio.get_running_loop().time()
            endpoint = question.read.endpoint
            self._paused[endpoint] = max(now + retry_after, self._paused.get(endpoint, now))
        for waiter in served:
            if waiter.answer.done():
                continue
            if error:
                answer = Answer(question.began, error=_own(error))
            else:
                answer = Answer(question.began, done.result())
            waiter.answer.set_result(answer)
        self._due(question)
        self._begin()

    def close(self) -> None:
        """Close the instance. A read that is running ends by itself."""
        for question in self.questions.values():
            if question.timer is not None:
                question.timer.cancel()
        for running in list(self._running):
            running.cancel()
        self._executor.shutdown(wait=False, cancel_futures=True)
        self.client.close()


def _own(error: BaseException) -> Exception:
    """Return a copy of an error for one of several receivers. Each adds its own traceback."""
    if isinstance(error, TrifactaError):
        return copy.copy(error)
    if isinstance(error, Exception):
        return error
    return RuntimeError(repr(error))
