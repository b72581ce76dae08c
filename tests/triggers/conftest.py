from __future__ import annotations

import asyncio
from concurrent.futures import Executor, Future

import pytest

from airflow_provider_trifacta.triggers import _polling, _watch_trigger


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer as soon as nothing else is to be done."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        if not self._ready:
            whens = [handle.when() for handle in self._scheduled if not handle.cancelled()]
            if whens:
                self.now = max(self.now, min(whens))
        super()._run_once()


class InlineExecutor(Executor):
    """Runs at once, in the thread of the caller."""

    def __init__(self, *arguments, **keywords) -> None:
        pass

    def submit(self, function, /, *arguments, **keywords):
        future = Future()
        try:
            future.set_result(function(*arguments, **keywords))
        except BaseException as error:
            future.set_exception(error)
        return future


def inline(function):
    async def call():
        return function()

    return call


@pytest.fixture
def virtual(monkeypatch):
    """Return a function that runs a coroutine in virtual time, without threads: what takes hours is
    over at once."""
    monkeypatch.setattr(_polling, "ThreadPoolExecutor", InlineExecutor)
    monkeypatch.setattr(_watch_trigger, "sync_to_async", inline)

    def run(coroutine):
        loop = VirtualLoop()
        try:
            return loop.run_until_complete(coroutine)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    return run


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert _watch_trigger.instances == {}
