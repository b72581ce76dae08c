from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from airflow_provider_trifacta.client.config import ClientConfig
from airflow_provider_trifacta.triggers import _polling
from airflow_provider_trifacta.triggers._polling import THREADS, polling

pytestmark = pytest.mark.every_airflow

A = ClientConfig(base_url="https://a.example.com", password="long-secret-a")
B = ClientConfig(base_url="https://b.example.com", password="long-secret-b")


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert _polling._instances == []


def test_equal_configurations_share_an_instance_until_the_last_gives_it_back():
    async def scenario():
        async with polling(A) as first:
            async with polling(ClientConfig(base_url=A.base_url, password=A.password)) as second, polling(B) as other:
                assert second is first
                assert other is not first
            async with polling(A) as third:
                assert third is first
        async with polling(A) as fourth:
            assert fourth is not first

    asyncio.run(scenario())


def test_a_poll_runs_in_a_thread_with_the_callers_context():
    variable = contextvars.ContextVar("variable", default="outside")

    async def scenario():
        variable.set("inside")
        async with polling(A) as instance:
            return await instance.run(lambda client: (variable.get(), threading.current_thread().name), 30)

    value, name = asyncio.run(scenario())
    assert value == "inside"
    assert name.startswith("trifacta-poll")


def test_a_dead_instance_does_not_delay_the_waits_on_another():
    dead = threading.Event()

    async def scenario():
        async with polling(A) as slow, polling(B) as quick:
            stuck = [asyncio.ensure_future(slow.run(lambda client: dead.wait(30), 60)) for _ in range(3 * THREADS)]
            await asyncio.sleep(0)
            assert await quick.run(lambda client: "answered", 10) == "answered"
            assert not any(one.done() for one in stuck)
            dead.set()
            await asyncio.gather(*stuck)

    asyncio.run(scenario())


def test_an_error_of_a_poll_is_raised_to_the_wait():
    def fail(client):
        raise ValueError("no")

    async def scenario():
        async with polling(A) as instance:
            await instance.run(fail, 30)

    with pytest.raises(ValueError, match="no"):
        asyncio.run(scenario())


def test_a_poll_that_takes_too_long_is_not_waited_for():
    hang = threading.Event()

    async def scenario():
        async with polling(A) as instance:
            await instance.run(lambda client: hang.wait(30), 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(scenario())
    hang.set()


def test_a_cancellation_that_comes_together_with_the_result_is_not_lost():
    async def scenario():
        async with polling(A) as instance:
            task = asyncio.ensure_future(instance.run(lambda client: "answer", 30))
            await asyncio.sleep(0)
            # The thread is done, and its result is on the way to the loop, when the cancellation comes.
            instance._executor.submit(lambda: None).result()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    for _ in range(50):
        asyncio.run(scenario())
