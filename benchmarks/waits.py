"""Wait 1,000 times in one event loop, as a triggerer does, next to one aiohttp session for each
trigger.

Three loads: 5 releases of one deployment, 1,000 releases in 200 deployments, 1,000 job groups.
Every wait polls each 5 s a server that takes 50 ms to answer. Prints how late the event loop was (a
ticker of 10 ms), the polls that were decided of those that were due, requests, CPU, memory for each
wait, and what ours costs of what the other costs. Runs are interleaved, each in a process of its
own.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import time

TICK = 0.01

#: For each load: what it is, and the most that our CPU may be of that of a session each.
LOADS = {
    "one deployment": ("5 releases of one deployment", 1.0),
    "many deployments": ("1,000 releases in 200 deployments", 1.5),
    "job groups": ("1,000 job groups", 1.5),
}
#: The most that the event loop may be late, in ms.
LONGEST_LAG = 20.0

decided = 0


def deployment_of(release_id: int) -> int:
    return (release_id - 1) // 5 + 1


def release(release_id: int) -> dict[str, object]:
    times = dict.fromkeys(("createdAt", "updatedAt"), "2019-02-13T20:39:41.764Z")
    deployment = {"id": deployment_of(release_id)}
    return {
        "id": release_id,
        "active": None,
        "packageUuid": None,
        "deployment": deployment,
        **times,
    }


def respond(path: str, waits: int) -> object:
    """Answer as an instance whose releases stay inactive and whose job groups run on."""
    numbers = {name: int(value) for name, value in re.findall(r"[?&](\w+)=(\d+)", path)}
    if path.startswith("/v4/releases?"):
        first = (numbers["deploymentId"] - 1) * 5 + 1
        return {"data": [release(number) for number in range(first + 4, first - 1, -1)]}
    if path.startswith("/v4/releases/"):
        return release(int(path.rpartition("/")[2]))
    if path.startswith("/v4/jobGroups?"):
        newest = range(waits, max(waits - numbers["limit"], 0), -1)
        return {"data": [{"id": number, "status": "InProgress"} for number in newest]}
    return "InProgress"


async def serve(delay: float, waits: int) -> None:
    """Answer every request after a delay, and GET /count with the number of requests so far."""
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
                body = respond(path, waits)
            text = json.dumps(body).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (len(text), text)
            )

    async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(quiet, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def awaited(load: str, number: int) -> int:
    """Return the id that a wait is for."""
    return number % 5 + 1 if load == "one deployment" else number + 1


async def ours(load: str, number: int, port: int, interval: float) -> None:  # noqa: ARG001
    from airflow_provider_trifacta.triggers.job_group import JobGroupTrigger
    from airflow_provider_trifacta.triggers.release import ReleaseActiveTrigger

    one = awaited(load, number)
    waiting = {"poke_interval": interval, "deadline": time.time() + 3600}
    if load == "job groups":
        trigger = JobGroupTrigger(job_group_ids=[one], **waiting)
    else:
        trigger = ReleaseActiveTrigger(release_id=one, deployment_id=deployment_of(one), **waiting)
    poll = trigger._poll

    async def counted(*arguments):
        global decided
        done = await poll(*arguments)
        decided += 1
        return done

    trigger._poll = counted
    async for event in trigger.run():
        sys.exit(f"a wait ended: {event}")


async def session_each(load: str, number: int, port: int, interval: float) -> None:
    global decided
    import aiohttp

    one = awaited(load, number)
    path = f"jobGroups/{one}/status" if load == "job groups" else f"releases/{one}"
    await asyncio.sleep(interval * random.random())
    credentials = base64.b64encode(b"me:long-secret").decode()
    async with aiohttp.ClientSession(headers={"Authorization": f"Basic {credentials}"}) as session:
        while True:
            async with session.get(f"http://127.0.0.1:{port}/v4/{path}") as response:
                body = await response.json()
                if body == "Complete" or (isinstance(body, dict) and body["active"]):
                    return
            decided += 1
            await asyncio.sleep(interval)


async def measure(
    wait, load: str, port: int, waits: int, interval: float, intervals: int
) -> dict[str, float]:
    import aiohttp

    async with aiohttp.ClientSession() as session:

        async def count() -> int:
            async with session.get(f"http://127.0.0.1:{port}/count") as response:
                return int(await response.text())

        await count()
        await asyncio.gather(*[_one_poll(wait, load, port)])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        tasks = [
            asyncio.ensure_future(wait(load, number, port, interval)) for number in range(waits)
        ]
        await asyncio.sleep(2 * interval)  # everyone has begun and polled
        lags: list[float] = []
        first, before_it, cpu, started = (
            await count(),
            decided,
            time.process_time(),
            time.perf_counter(),
        )
        while time.perf_counter() - started < intervals * interval:
            due = time.perf_counter() + TICK
            await asyncio.sleep(TICK)
            lags.append(1000 * (time.perf_counter() - due))
        seconds = time.perf_counter() - started
        result = {
            "lag p50 ms": statistics.median(lags),
            "lag p99 ms": statistics.quantiles(lags, n=100)[98],
            "lag max ms": max(lags),
            "polls / due": (decided - before_it) / (waits * seconds / interval),
            "requests / s": (await count() - first) / seconds,
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


async def _one_poll(wait, load: str, port: int) -> None:
    """Load what a first wait loads, so that it does not count as memory of the waits."""
    task = asyncio.ensure_future(wait(load, 1, port, 0.1))
    await asyncio.sleep(3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def client(name: str, load: str, port: int, options: argparse.Namespace) -> None:
    os.environ["AIRFLOW_CONN_TRIFACTA_DEFAULT"] = json.dumps(
        {
            "conn_type": "trifacta",
            "host": f"http://127.0.0.1:{port}",
            "login": "me",
            "password": "long-secret",
        }
    )
    wait = {"ours": ours, "session each": session_each}[name]
    print(
        json.dumps(
            asyncio.run(
                measure(wait, load, port, options.waits, options.interval, options.intervals)
            )
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waits", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=5.0)
    parser.add_argument("--intervals", type=int, default=4, help="how many to measure")
    parser.add_argument(
        "--delay", type=float, default=0.05, help="seconds that the server takes to answer"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--load", action="append", choices=LOADS, help="only this one")
    parser.add_argument("--client", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return asyncio.run(serve(options.delay, options.waits))
    if options.client:
        return client(options.client[0], options.client[1], int(options.client[2]), options)
    print(
        f"{options.waits} waits, {options.interval} s, {options.rounds} rounds, medians (lag max:"
        " the worst)"
    )
    for load in options.load or LOADS:
        compare(load, options)
    return None


def compare(load: str, options: argparse.Namespace) -> None:
    """Measure one load, and print what it costs."""
    names = ["ours", "session each"]
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in random.sample(names, len(names)):
            results[name].append(run(name, load, options))
    keys = list(results[names[0]][0])
    what, most = LOADS[load]
    print(f"\n{what:<36}" + "".join(f"{key:>13}" for key in keys))
    values: dict[str, dict[str, float]] = {}
    for name in names:
        values[name] = {
            key: (max if "max" in key else statistics.median)(row[key] for row in results[name])
            for key in keys
        }
        print(f"  {name:<34}" + "".join(f"{value:>13.2f}" for value in values[name].values()))
    ratio = values["ours"]["core %"] / values["session each"]["core %"]
    lag = values["ours"]["lag p99 ms"]
    print(
        f"  CPU: {ratio:.2f} times a session each (at most {most}); p99: {lag:.1f} ms (below"
        f" {LONGEST_LAG:.0f})"
    )


def run(name: str, load: str, options: argparse.Namespace) -> dict[str, float]:
    server = subprocess.Popen(
        [
            sys.executable,
            __file__,
            "--serve",
            f"--delay={options.delay}",
            f"--waits={options.waits}",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        port = server.stdout.readline().strip()
        shared = [f"--{key}={getattr(options, key)}" for key in ("waits", "interval", "intervals")]
        command = [sys.executable, __file__, "--client", name, load, port, *shared]
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(out.stdout.splitlines()[-1])
    finally:
        server.kill()


if __name__ == "__main__":
    main()
