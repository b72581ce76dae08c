"""Blocking polls beside an event loop: one client and a few threads for each instance, shared by all waits on it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from ..client import ClientConfig, TrifactaClient

T = TypeVar("T")

#: Polls of one instance that run at the same time. A triggerer's default 1,000 waits at 5 s keep about 10 busy when
#: the server answers in 50 ms; more threads only compete with the event loop.
THREADS = 16


class PollingInstance:
    """One instance, as the waits on it see it. A slow or dead one keeps only its own threads busy."""

    def __init__(self, config: ClientConfig) -> None:
        from ..client.client import TrifactaClient  # not at import: it loads requests
        from ..client.transport import Transport

        self.config = config
        self.users = 0
        self._client = TrifactaClient(config, transport=Transport(config, connections=THREADS))
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="trifacta-poll")

    async def run(self, poll: Callable[[TrifactaClient], T], longest: float) -> T:
        """Run a blocking poll in a thread, with the caller's context: Airflow finds the trigger's log by it.

        :param poll: what to run
        :param longest: seconds to wait for it, and for a thread to be free
        :raises TimeoutError: it takes longer; a poll that has begun goes on in its thread, unheard
        """
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._executor, context.run, poll, self._client)
        try:
            # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the result, and the
            # trigger would go on for ever.
            await asyncio.wait({future}, timeout=longest)
            if not future.done():
                raise TimeoutError
            return future.result()
        finally:
            future.cancel()

    def close(self) -> None:
        """Let the threads end after their present poll."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._client.close()


#: The instances with waits on them. Only event loop code touches it, between two awaits, so it needs no lock.
_instances: list[PollingInstance] = []


@asynccontextmanager
async def polling(config: ClientConfig) -> AsyncIterator[PollingInstance]:
    """Lend the instance of a configuration; the last one to give it back closes it.

    :param config: where and how; equal ones share an instance
    """
    instance = next((one for one in _instances if one.config == config), None)
    if instance is None:
        instance = PollingInstance(config)
        _instances.append(instance)
    instance.users += 1
    try:
        yield instance
    finally:
        instance.users -= 1
        if not instance.users:
            _instances.remove(instance)
            instance.close()
