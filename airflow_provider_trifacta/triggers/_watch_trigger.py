"""The base of both triggers: they poll until a watch decides, and share answers with other waits.

The triggers of one triggerer run in one process. Waits on the same instance as the same user share
one :class:`.PollingInstance`, which the first of them opens and the last of them closes.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from ..client.errors import AnswerTooLargeError, TrifactaError
from ..client.foreign_words import logger, storable
from ..hooks.trifacta import TrifactaHook
from ..waits import POKE_INTERVAL, TOLERATED_OUTAGE, Connect, Read, Watch, seconds
from ._polling import Answer, Poll, PollingInstance

if TYPE_CHECKING:
    from ..client import ClientConfig, TrifactaClient

log = logger(__name__)

#: Settings that do not change an answer. They may differ between waits that share one.
_HOW_TO_ASK = (
    "connect_timeout",
    "read_timeout",
    "upload_timeout",
    "total_timeout",
    "upload_total_timeout",
    "read_retries",
)


def sharing_key(config: ClientConfig) -> str:
    """Return what waits that share answers have in common: the instance, the user, TLS and proxies.

    It is a digest, because it covers the credentials. The id of the Airflow connection is not part
    of it: two connections may lead to the same instance as the same user.

    :param config: where and how to ask
    """
    settings: list[tuple[str, Any]] = []
    for setting in fields(config):
        if setting.init and setting.name not in _HOW_TO_ASK:
            settings.append((setting.name, getattr(config, setting.name)))
    return hashlib.sha256(repr(settings).encode()).hexdigest()


#: The instances with waits on them. Only code of the event loop uses it, between two awaits, so it
#: needs no lock.
instances: dict[str, PollingInstance] = {}


class Lease:
    """The share of one wait in an instance. The last wait on an instance closes it.

    :param job_groups: how many job groups the wait waits for
    """

    def __init__(self, job_groups: int = 0) -> None:
        self._job_groups = job_groups
        self._key = ""
        self.instance: PollingInstance | None = None

    def move(self, config: ClientConfig) -> PollingInstance:
        """Take the instance of a configuration, and give back the one before.

        A wait moves when the Airflow connection holds new credentials.

        :param config: where and how to ask
        :returns: the instance
        """
        key = sharing_key(config)
        instance = instances.get(key)
        if instance is None:
            instance = instances[key] = PollingInstance(config)
        instance.users += 1
        instance.job_groups += self._job_groups
        # The new one is counted first, because it may be the same one, which must stay open.
        self.close()
        self._key = key
        self.instance = instance
        return instance

    def close(self) -> None:
        """Give back the instance."""
        instance = self.instance
        if instance is None:
            return
        self.instance = None
        instance.users -= 1
        instance.job_groups -= self._job_groups
        if not instance.users:
            del instances[self._key]
            instance.close()


def _needs_no_answer(_read: Read) -> bool:
    return False


class Polls:
    """The polls of one wait, with answers that it shares with the other waits on the instance.

    :param trifacta_conn_id: the Airflow connection
    :param job_groups: how many job groups the wait waits for
    :param needs: tells whether the wait goes back to a worker if the answer to a question is too
        large for the triggerer
    """

    def __init__(
        self,
        trifacta_conn_id: str,
        *,
        job_groups: int = 0,
        needs: Callable[[Read], bool] = _needs_no_answer,
    ) -> None:
        self._trifacta_conn_id = trifacta_conn_id
        self._needs = needs
        self._lease = Lease(job_groups)
        #: The connection as it was read last.
        self.config: ClientConfig | None = None

    def close(self) -> None:
        """Give back the share in the instance."""
        self._lease.close()

    async def poll(self, watch: Watch, poll: Poll) -> bool:
        """Take the steps of one poll.

        :param watch: what decides
        :param poll: when to ask
        :returns: whether the awaited state is there
        :raises TrifactaError: the wait has ended
        :raises TimeoutError: the instance does not answer in time
        """
        steps = watch.steps()
        answer: Any = None
        error: Exception | None = None
        while True:
            try:
                step = steps.throw(error) if error else steps.send(answer)
            except StopIteration as stop:
                return bool(stop.value)
            answer = error = None
            if isinstance(step, Connect):
                try:
                    answer = await self._connect(poll, first=watch.client is None)
                except Exception as failure:
                    error = failure
                continue
            reply = await self._ask(step, poll)
            answer = reply.value
            error = reply.error
            if isinstance(error, AnswerTooLargeError) and self._needs(step):
                raise _NeedsWorkerError(str(error))

    async def _connect(self, poll: Poll, *, first: bool) -> TrifactaClient:
        """Read the Airflow connection, and return the client of its instance."""
        self.config = await self.look_up(poll, first=first)
        client = self._lease.move(self.config).client
        poll.lists.clear()  # they were read as another user
        return client

    async def _ask(self, read: Read, poll: Poll) -> Answer:
        instance = self._lease.instance
        assert instance is not None  # the first step of the first poll connects  # noqa: S101
        assert self.config is not None  # noqa: S101
        poll.until = poll.latest + self.config.connect_timeout + self.config.read_timeout
        return await instance.ask(read, poll)

    async def look_up(self, poll: Poll, *, first: bool = False) -> ClientConfig:
        """Read the Airflow connection.

        :param poll: when to read it
        :param first: whether to wait until the poll is due
        :returns: where the instance is, and how to ask
        """
        loop = asyncio.get_running_loop()
        if first and poll.due > loop.time():
            await asyncio.sleep(poll.due - loop.time())
        # The whole connection is read in one call outside of the event loop. The call is a task of
        # its own: if it were awaited directly, a cancellation would lose the message that tells
        # Airflow a kill from a restart.
        look_up = asyncio.ensure_future(sync_to_async(self._read_connection)())
        look_up.add_done_callback(_take_note)
        timeout = None
        if poll.latest < math.inf:
            timeout = max(poll.latest - loop.time(), 0) + _LOOK_UP_GRACE
        await asyncio.wait({look_up}, timeout=timeout)
        if not look_up.done():
            raise TimeoutError("The look-up of the Airflow connection took too long")
        return look_up.result()

    def _read_connection(self) -> ClientConfig:
        return TrifactaHook(self._trifacta_conn_id).config.without_repetitions


def _take_note(done: asyncio.Future[Any]) -> None:
    """Look at the error of a look-up that nobody waits for any more, else asyncio logs it."""
    if not done.cancelled():
        done.exception()


class _NeedsWorkerError(Exception):
    """A wait cannot go on without an answer that is too large for the triggerer."""


#: Seconds after its deadline for which Airflow still waits for the event of a trigger.
_BACKSTOP = 300.0
#: Seconds after its deadline for which a trigger still waits for the look-up of the connection.
_LOOK_UP_GRACE = 60.0


@dataclass(kw_only=True, eq=False, repr=False)
class WatchTrigger(BaseTrigger):
    """Polls until a watch decides, as the sensor of the same watch does. It changes nothing.

    Nothing blocks the event loop: reads run in threads, and waits on the same instance as the same
    user share them. When the trigger is canceled, it only stops. A restart of the triggerer cancels
    it too.

    The event is ``{"status": "success" | "timeout" | "error", "message": str, "retryable": bool}``.
    An error has ``advice`` too: what to do next. The event of job groups has ``failed``: those that
    ended otherwise than Complete. The status ``needs_worker`` has ``deadline``: the wait has not
    ended, and goes on in a worker until then.

    All arguments except the awaited ids have defaults. So a wait that an older version deferred
    goes on after an upgrade.

    :param trifacta_conn_id: the Airflow connection
    :param tolerated_outage: for how many seconds all polls may fail with a transient error
    :param failing_since: when the polls before began to fail, in seconds since the epoch; None if
        the last one succeeded
    :param refusals: how many polls before were refused with a 401 that is not in the API's own
        words
    :param poke_interval: seconds between two polls
    :param exponential_backoff: whether the pauses grow: each is as long as the wait so far plus the
        interval
    :param max_wait: the longest such pause, in seconds
    :param began: when the wait began, in seconds since the epoch; None for now
    :param not_before: when to poll first, in seconds since the epoch, if the server asked to wait
    :param deadline: when to give up, in seconds since the epoch; None for never. It is a time of
        day, because the trigger may move to another host
    """

    trifacta_conn_id: str = TrifactaHook.default_conn_name
    tolerated_outage: float = TOLERATED_OUTAGE
    failing_since: float | None = None
    refusals: int = 0
    poke_interval: float = POKE_INTERVAL
    exponential_backoff: bool = False
    max_wait: float | None = None
    began: float | None = None
    not_before: float | None = None
    deadline: float | None = None

    #: How many job groups it waits for. The trigger for job groups sets it.
    _job_groups = 0
    #: Its polls, while it waits.
    _polls = None

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the keywords that make an equal trigger."""
        keywords = {field.name: getattr(self, field.name) for field in fields(self)}
        return f"{type(self).__module__}.{type(self).__name__}", keywords

    @property
    def given_up_after(self) -> timedelta | None:
        """For how long, from now on, Airflow waits for the event.

        It matters if the triggerer loses the trigger.
        """
        if self.deadline is None:
            return None
        return timedelta(seconds=self.deadline - time.time() + _BACKSTOP)

    @abstractmethod
    def _watch(self, **waiting: Any) -> Watch:
        """Make the watch."""

    def _needs(self, read: Read) -> bool:  # noqa: ARG002
        """Tell whether the wait needs a worker if an answer is too large for the triggerer."""
        return False

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield one event."""
        try:
            event = await self._wait()
        except _NeedsWorkerError as error:
            event = {
                "status": "needs_worker",
                "message": str(error),
                "retryable": False,
                "deadline": self.deadline,
            }
        except TrifactaError as error:
            event = {
                "status": "error",
                "message": f"{type(error).__name__}: {error.told}",
                "advice": error.advice,
                "retryable": error.retryable,
            }
        except Exception as error:
            # Without an event Airflow would fail the task, and not say why. What is waited for
            # goes on, so another try may wait again.
            log.exception("The wait ended unexpectedly")
            event = {
                "status": "error",
                "message": f"The wait ended unexpectedly: {type(error).__name__}: {error}",
                "retryable": True,
            }
        yield TriggerEvent(storable({**event, **self._more()}))  # type: ignore[no-untyped-call, unused-ignore]

    def _more(self) -> dict[str, Any]:
        """Return what else the event has."""
        return {}

    def _check_times(self) -> None:
        """Check what tells when to poll: a wait that never pauses would ask without end.

        :raises InvalidInputError: a time cannot be used
        """
        seconds("poke_interval", self.poke_interval, positive=True)
        if self.max_wait is not None:
            seconds("max_wait", self.max_wait)
        for name in ("failing_since", "began", "not_before", "deadline"):
            time_of_day = getattr(self, name)
            if time_of_day is not None:
                seconds(name, time_of_day)

    async def _wait(self) -> dict[str, Any]:
        self._check_times()
        watch = self._watch(
            tolerated_outage=self.tolerated_outage,
            failing_since=self.failing_since,
            refusals=self.refusals,
            # The task has read the Airflow connection before it deferred.
            connected_before=True,
        )
        loop = asyncio.get_running_loop()
        # The clock of the host may be set during the wait, so only the loop's time counts from here
        # on.
        offset = loop.time() - time.time()
        began = loop.time() if self.began is None else self.began + offset
        deadline = math.inf if self.deadline is None else self.deadline + offset
        due = loop.time()
        if self.not_before is not None:
            due = max(due, self.not_before + offset)
        # The task has just polled. A random pause keeps waits apart that began at the same time.
        spread = self.poke_interval * random.random()  # noqa: S311
        polls = Polls(self.trifacta_conn_id, job_groups=self._job_groups, needs=self._needs)
        self._polls = polls
        number = 0
        try:
            while True:
                due = min(due, deadline)
                poll = Poll(due, self.poke_interval, latest=deadline, spread=spread, number=number)
                try:
                    done = await polls.poll(watch, poll)
                except TimeoutError:
                    # The instance does not answer, and the wait must still end in time.
                    done = False
                    due = deadline
                if done:
                    return {"status": "success", "message": watch.state, "retryable": False}
                asked = loop.time() if poll.began is None else poll.began
                if max(due, asked) >= deadline:
                    return {
                        "status": "timeout",
                        "message": f"Not in time. {watch.state}",
                        "retryable": False,
                    }
                due = max(asked + self._pause(asked - began), loop.time() + watch.retry_after)
                spread = 0.0
                number += 1
        finally:
            polls.close()

    def _pause(self, waited: float) -> float:
        """Return the usual pause after some seconds of waiting.

        Each growing pause about doubles the wait so far.
        """
        if not self.exponential_backoff:
            return self.poke_interval
        pause = self.poke_interval + waited
        if self.max_wait is None:
            return pause
        return min(pause, self.max_wait)
