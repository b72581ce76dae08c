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
            return await instance.run(lambda client: (variable.get(), threading.current_thread().name))

    value, name = asyncio.run(scenario())
    assert value == "inside"
    assert name.startswith("trifacta-poll")


def test_a_dead_instance_does_not_delay_the_waits_on_another():
    dead = threading.Event()

    async def scenario():
        async with polling(A) as slow, polling(B) as quick:
            stuck = [asyncio.ensure_future(slow.run(lambda client: dead.wait(30))) for _ in range(3 * THREADS)]
            await asyncio.sleep(0)
            assert await asyncio.wait_for(quick.run(lambda client: "answered"), 10) == "answered"
            assert not any(one.done() for one in stuck)
            dead.set()
            await asyncio.gather(*stuck)

    asyncio.run(scenario())


def test_an_error_of_a_poll_is_raised_to_the_wait():
    def fail(client):
        raise ValueError("no")

    async def scenario():
        async with polling(A) as instance:
            await instance.run(fail)

    with pytest.raises(ValueError, match="no"):
        asyncio.run(scenario())
