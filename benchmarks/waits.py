"""Wait for 1,000 releases in one event loop, as a triggerer does, next to one aiohttp session for each trigger.

Every wait polls each 5 s a server that takes 50 ms to answer. Prints how late the event loop was (a ticker of 10 ms),
the polls that were done of those that were due, CPU, and memory for each wait. Runs are interleaved, each in a process
of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time

TICK = 0.01


async def serve(delay: float) -> None:
    """Answer every request after a delay, and GET /count with the number of requests so far."""
    release = {"active": None, "packageUuid": None, "deployment": {"id": 1}, "createdAt": "2019-02-13T20:39:41.764Z"}
    polls = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal polls
        while head := await reader.readuntil(b"\r\n\r\n"):
            path = head.split(b" ", 2)[1].decode()
            if path == "/count":
                body: object = polls
            else:
                polls += 1
                await asyncio.sleep(delay)
                numbers = range(1, 6)
                body = (
                    {"data": [{"id": number, **release} for number in numbers]}
                    if "?" in path
                    else {"id": int(path.rpartition("/")[2]), **release}
                )
            text = json.dumps(body).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)
            )

    async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(quiet, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def ours(number: int, port: int, interval: float) -> None:  # noqa: ARG001
    from airflow_provider_trifacta.triggers.release import ReleaseActiveTrigger

    trigger = ReleaseActiveTrigger(
        release_id=number % 5 + 1,
        trifacta_conn_id="trifacta_default",
        on_superseded="fail",
        tolerated_failures=5,
        failures=0,
        poke_interval=interval,
        deadline=time.time() + 3600,
    )
    async for event in trigger.run():
        sys.exit(f"a wait ended: {event}")


async def session_each(number: int, port: int, interval: float) -> None:
    import aiohttp

    await asyncio.sleep(interval * random.random())
    async with aiohttp.ClientSession(auth=aiohttp.BasicAuth("me", "long-secret")) as session:
        while True:
            async with session.get(f"http://127.0.0.1:{port}/v4/releases/{number % 5 + 1}") as response:
                if (await response.json())["active"]:
                    return
            await asyncio.sleep(interval)


async def measure(wait, port: int, waits: int, interval: float, intervals: int) -> dict[str, float]:
    import aiohttp

    async with aiohttp.ClientSession() as session:

        async def count() -> int:
            async with session.get(f"http://127.0.0.1:{port}/count") as response:
                return int(await response.text())

        await count()
        await asyncio.gather(*[_one_poll(wait, port)])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        tasks = [asyncio.ensure_future(wait(number, port, interval)) for number in range(waits)]
        await asyncio.sleep(2 * interval)  # everyone has begun and polled
        lags: list[float] = []
        first, cpu, started = await count(), time.process_time(), time.perf_counter()
        while time.perf_counter() - started < intervals * interval:
            due = time.perf_counter() + TICK
            await asyncio.sleep(TICK)
            lags.append(1000 * (time.perf_counter() - due))
        seconds = time.perf_counter() - started
        result = {
            "lag p50 ms": statistics.median(lags),
            "lag p99 ms": statistics.quantiles(lags, n=100)[98],
            "lag max ms": max(lags),
            "polls / due": (await count() - first) / (waits * seconds / interval),
            "core %": 100 * (time.process_time() - cpu) / seconds,
            "KiB / wait": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / waits,
        }
        failed = [task for task in tasks if task.done()]
        if failed:
            failed[0].result()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return result


async def _one_poll(wait, port: int) -> None:
    """Load what a first wait loads, so that it does not count as memory of the waits."""
    task = asyncio.ensure_future(wait(1, port, 0.1))
    await asyncio.sleep(3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def client(name: str, port: int, options: argparse.Namespace) -> None:
    os.environ["AIRFLOW_CONN_TRIFACTA_DEFAULT"] = json.dumps(
        {"conn_type": "trifacta", "host": f"http://127.0.0.1:{port}", "login": "me", "password": "long-secret"}
    )
    wait = {"ours": ours, "session each": session_each}[name]
    print(json.dumps(asyncio.run(measure(wait, port, options.waits, options.interval, options.intervals))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waits", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=5.0)
    parser.add_argument("--intervals", type=int, default=4, help="how many to measure")
    parser.add_argument("--delay", type=float, default=0.05, help="seconds that the server takes to answer")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--client", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return asyncio.run(serve(options.delay))
    if options.client:
        return client(options.client[0], int(options.client[1]), options)
    names = ["ours", "session each"]
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in random.sample(names, len(names)):
            results[name].append(run(name, options))
    keys = list(results[names[0]][0])
    print(f"{options.waits} waits, {options.interval} s, {options.rounds} rounds, medians (lag max: the worst)")
    print(f"{'':<14}" + "".join(f"{key:>13}" for key in keys))
    for name in names:
        values = [(max if "max" in key else statistics.median)(row[key] for row in results[name]) for key in keys]
        print(f"{name:<14}" + "".join(f"{value:>13.2f}" for value in values))
    return None


def run(name: str, options: argparse.Namespace) -> dict[str, float]:
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", "--delay", str(options.delay)], stdout=subprocess.PIPE, text=True
    )
    try:
        port = server.stdout.readline().strip()
        shared = [f"--{key}={getattr(options, key)}" for key in ("waits", "interval", "intervals")]
        out = subprocess.run(
            [sys.executable, __file__, "--client", name, port, *shared], check=True, stdout=subprocess.PIPE, text=True
        )
        return json.loads(out.stdout.splitlines()[-1])
    finally:
        server.kill()


if __name__ == "__main__":
    main()
