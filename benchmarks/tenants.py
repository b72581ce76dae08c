"""Measure what hostile instances cost the process that reads their answers.

First the calls: the largest answer to each kind of call, in each shape that parses to much memory,
in a process of its own. Prints the most that the memory grew, in a worker and in a triggerer.

Then a triggerer: an event loop with waits on a good instance, alone and beside 40 waits on a
hostile one, for each kind of hostility. Prints how much more memory that took, how late the loop
was (a ticker of 10 ms), and how many of the good waits ended, and when. The aims: at most 64 MiB,
at most 200 ms, and all good waits, no later than an interval.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import io
import itertools
import json
import os
import re
import socketserver
import statistics
import subprocess
import sys
import time
from pathlib import Path

KIB, MIB = 2**10, 2**20
TICK = 0.01
#: MiB that any read, and 40 hostile waits, may take; and ms that the loop may be late.
MOST_MEMORY, LONGEST_LAG = 64, 200
HEAD = "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"


def repeated(piece: str, size: int, parts: int, each: int) -> str:
    """Return a piece as often as so many bytes hold it, and so many parts, of which it has some."""
    return ",".join(
        itertools.repeat(piece, min(size // (len(piece.encode()) + 1), parts // each) - 20)
    )


def numbered(piece: str, size: int, parts: int, each: int) -> str:
    """Return a piece with another number each time."""
    count = min(size // (len(piece.encode()) + 8), parts // each) - 20
    return ",".join(piece % number for number in range(count))


#: Values of JSON for so many bytes and parts: each takes much memory for its size.
SHAPES = {
    "wide text": lambda size, _: '"' + "\u0100" * (size // 2 - 200) + '"',
    "text with an emoji": lambda size, _: '"' + "x" * (size - 400) + '\U0001f600"',
    "escaped emoji": lambda size, _: '"' + "x" * (size - 400) + '\\ud83d\\ude00"',
    "escapes": lambda size, _: '"' + "\\u0100" * (size // 6 - 100) + '"',
    "short texts": lambda size, parts: "[" + repeated('"\u0100"', size - 400, parts, 1) + "]",
    "empty lists": lambda size, parts: "[" + repeated("[]", size - 400, parts, 2) + "]",
    "small objects": lambda size, parts: (
        "[" + repeated('{"\u0100":1.5}', size - 400, parts, 3) + "]"
    ),
    "many keys": lambda size, parts: (
        "{" + numbered('"\u0100%d":"\u0101"', size - 400, parts, 2) + "}"
    ),
    "deep": lambda size, parts: "[" * 900 + "]" * 900,  # noqa: ARG005
    "not JSON": lambda size, _: "x " * (size // 2 - 200),
}


def body_of(call: str, shape: str, size: int, parts: int) -> bytes:
    """Return the largest answer to a call in a shape."""
    if shape == "many rows":
        rows = ",".join(
            f'{{"id":{9_999 - number},"name":"{chr(0x100) * 20}","deployment":{{"id":1}}}}'
            for number in range(min(parts // 8, size // 100, 24_000) - 9)
        )
        value = "null"
    else:
        value, rows = SHAPES[shape](size, parts), ""
    if call == "state":
        text = value
    elif call in ("object", "import", "spec", "error"):
        text = f'{{"id":101,"name":{value},"release":{{"id":101}},"paths":{{"/v4/x":{{}}}}}}'
    else:
        text = (
            f'{{"id":1,"releases":{{"data":[{rows}]}},"data":['
            + (rows or f'{{"id":101,"name":{value}}}')
            + "]}"
        )
    return text.encode()


class Server(socketserver.ThreadingTCPServer):
    """Answers every request with what :attr:`answer` makes of its path."""

    daemon_threads = allow_reuse_address = True
    request_queue_size = 2048

    def __init__(self, answer) -> None:
        self.answer = answer
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, *_) -> None:
        """Say nothing: the client breaks off what is too large."""


class Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while True:
            head = b""
            while line := self.rfile.readline():
                if line == b"\r\n":
                    break
                head += line
            if not head:
                return
            length = re.search(rb"(?i)content-length: (\d+)", head)
            left = int(length[1]) if length else 0
            while left > 0 and (piece := self.rfile.read(min(left, 65536))):
                left -= len(piece)
            try:
                for piece in self.server.answer(head.split(b" ", 2)[1].decode()):
                    self.wfile.write(piece)
            except OSError:
                return


def plain(body: bytes, status: str = "200 OK"):
    return [HEAD.format(status=status, size=len(body)).encode(), body]


# The calls


def calls() -> dict[str, tuple[str, object]]:
    """Return each kind of call: its limit, and how it is made."""
    from airflow_provider_trifacta.client import limits
    from airflow_provider_trifacta.client.calls import MultipartFile

    def package():
        return MultipartFile(io.BytesIO(b"x"), 1, "x.zip")

    return {
        "state": (limits.STATE, lambda client: client.job_groups.status(1)),
        "object": (limits.ROW, lambda client: client.flows.get(101)),
        "page": (limits.PAGE, lambda client: client.flows.newest()),
        "pages of a list": (limits.PAGE, lambda client: client.deployments.by_name("x")),
        "list that is not paged": (
            limits.WHOLE_LIST,
            lambda client: client.import_rules.list(1, "value"),
        ),
        "embedded releases": (limits.WHOLE_LIST, embedded),
        "import": (
            limits.IMPORT,
            lambda client: client.releases.create(1, package(), repeat=False),
        ),
        "dry run": (limits.IMPORT, lambda client: client.releases.dry_run(1, package())),
        "spec": (limits.DESCRIPTION, lambda client: client.description.takes_execution_id("/x")),
        "error": (limits.Limit("an error", MIB), lambda client: client.flows.get(101)),
    }


def embedded(client) -> None:
    client.releases.source.embedded = True
    client.releases.list(1)


IN_A_TRIGGERER = ("state", "object", "page", "embedded releases", "error")


def peak() -> float:
    """Return the most MiB that this process had; what getrusage says includes the one that started
    it."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def make_call(call: str, port: int, largest: int) -> None:
    """Make a call, in a process of its own, and print what it took."""
    from airflow_provider_trifacta.client import ClientConfig, TrifactaClient
    from airflow_provider_trifacta.client.errors import TrifactaError
    from airflow_provider_trifacta.client.transport import Transport

    def client(path: str) -> TrifactaClient:
        config = ClientConfig(
            base_url=f"http://127.0.0.1:{port}{path}", password="long-token", read_retries=0
        )
        return TrifactaClient(config, transport=Transport(config, largest_answer=largest))

    make = calls()[call][1]
    for path in ("/small", ""):  # the first one loads what any call loads
        before, began, said = peak(), time.process_time(), "read"
        try:
            make(client(path))
        except TrifactaError as error:
            said = type(error).__name__
    print(json.dumps([peak() - before, time.process_time() - began, said]))


def measure_calls() -> float:
    import threading

    print(
        f"{'MiB by kind of call':<28}{'worker':>10}{'triggerer':>12}{'seconds':>10}  the most with"
    )
    worst = 0.0
    for call, (limit, _) in calls().items():
        most: dict[str, tuple[float, float, str]] = {}
        for where, largest in (("worker", 8 * MIB), ("triggerer", MIB)):
            if where == "triggerer" and call not in IN_A_TRIGGERER:
                continue
            rows = ["many rows"] if "list" in call or call in ("page", "embedded releases") else []
            for shape in (*SHAPES, *rows):
                kind = limit.within(largest)
                body = body_of(call, shape, kind.size - 64, kind.parts)
                status = "500 Error" if call == "error" else "200 OK"

                def answer(path: str, body=body, status=status):
                    return plain(b"{}" if path.startswith("/small") else body, status)

                with Server(answer) as server:
                    threading.Thread(target=server.serve_forever, daemon=True).start()
                    command = [
                        sys.executable,
                        __file__,
                        "--call",
                        call,
                        str(server.server_address[1]),
                        str(largest),
                    ]
                    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                    server.shutdown()
                memory, seconds, said = json.loads(out.stdout.splitlines()[-1])
                most[where] = max(
                    most.get(where, (0.0, 0.0, "")), (memory, seconds, f"{shape} ({said})")
                )
        worker, triggerer = most["worker"], most.get("triggerer")
        shown = f"{triggerer[0]:>12.1f}" if triggerer else f"{'-':>12}"
        print(f"{call:<28}{worker[0]:>10.1f}{shown}{worker[1]:>10.2f}  {worker[2]}", flush=True)
        worst = max(worst, worker[0])
    return worst


# The triggerer


def chunked(piece: bytes, count: int):
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    for _ in range(count):
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def drip():
    yield HEAD.format(status="200 OK", size=MIB).encode()
    yield b'["' + b"x" * (70 * KIB)
    while True:
        time.sleep(0.05)
        yield b"x"


def page(shape: str):
    """Answer each call with the largest answer that it may have."""
    from airflow_provider_trifacta.client import limits

    bodies = {
        call: body_of(call, shape, limit.size - 64, limit.parts)
        for call, limit in (("state", limits.STATE), ("object", limits.ROW), ("page", limits.PAGE))
    }

    def answer(path: str):
        call = "state" if path.endswith("/status") else "page" if "?" in path else "object"
        return plain(bodies[call])

    return answer


def hostile(kind: str):
    """Return what makes the answers of a hostile instance."""
    if kind in (*SHAPES, "many rows"):
        return page(kind)
    eight = b"[" + b",".join(['"\u0100"'.encode()] * (8 * MIB // 5 - 10)) + b"]"
    packed = gzip.compress(b"[" + b" " * (50 * MIB) + b"]")
    lines = "".join(f"X-{number}: {'x' * 10_000}\r\n" for number in range(95))
    return {
        "8 MiB of short texts": lambda _: plain(eight),
        "8 MiB in chunks": lambda _: chunked(eight[: 64 * KIB], 128),
        "a drip": lambda _: drip(),
        "gzip of 50 MiB": lambda _: [
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n",
            f"Content-Length: {len(packed)}\r\n\r\n".encode(),
            packed,
        ],
        "headers of 1 MiB": lambda _: [
            f"HTTP/1.1 200 OK\r\n{lines}Content-Length: 2\r\n\r\n{{}}".encode()
        ],
        "an error of 8 MiB": lambda _: plain(eight, "500 Error"),
    }[kind]


KINDS = (
    *(
        "8 MiB of short texts",
        "8 MiB in chunks",
        "a drip",
        "gzip of 50 MiB",
        "headers of 1 MiB",
        "an error of 8 MiB",
    ),
    *(
        "short texts",
        "small objects",
        "many keys",
        "escapes",
        "text with an emoji",
        "many rows",
        "deep",
        "not JSON",
    ),
)


def good(ends: float):
    """Return what makes the answers of an instance where everything ends at a time."""

    def answer(path: str):
        numbers = {name: int(value) for name, value in re.findall(r"[?&](\w+)=(\d+)", path)}
        over = time.time() >= ends
        if path.startswith("/v4/releases?"):
            first = (numbers["deploymentId"] - 1) * 5
            return plain(
                json.dumps(
                    {"data": [release(first + one, over) for one in (5, 4, 3, 2, 1)]}
                ).encode()
            )
        if path.startswith("/v4/releases/"):
            return plain(json.dumps(release(int(path.rpartition("/")[2]), over)).encode())
        state = "Complete" if over else "InProgress"
        if path.startswith("/v4/jobGroups?"):
            rows = [
                {"id": one, "status": state} for one in range(1000, 1000 - numbers["limit"], -1)
            ]
            return plain(json.dumps({"data": rows}).encode())
        return plain(json.dumps(state).encode())

    return answer


def release(number: int, over: bool) -> dict[str, object]:
    return {
        "id": number,
        "active": over or None,
        "packageUuid": None,
        "deployment": {"id": (number - 1) // 5 + 1},
    }


def serve(kind: str, ends: float) -> None:
    with Server(good(ends) if kind == "good" else hostile(kind)) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


def trigger_of(number: int, conn_id: str, interval: float):
    from airflow_provider_trifacta.triggers.job_group import JobGroupTrigger
    from airflow_provider_trifacta.triggers.release import ReleaseActiveTrigger

    waiting = {
        "trifacta_conn_id": conn_id,
        "poke_interval": interval,
        "deadline": time.time() + 3600,
    }
    if number % 2:
        return JobGroupTrigger(job_group_ids=[number], **waiting)
    deployment = None if number % 4 else (number - 1) // 5 + 1
    return ReleaseActiveTrigger(
        release_id=number, deployment_id=deployment, on_superseded="wait", **waiting
    )


async def triggerer(options: argparse.Namespace) -> dict[str, float]:
    ends, interval = options.ends, options.interval
    ended: list[float] = []

    async def good_wait(number: int) -> None:
        async for event in trigger_of(number, "good", interval).run():
            if event.payload["status"] == "success":
                ended.append(time.time() - ends)

    async def hostile_wait(number: int) -> None:
        while True:
            async for _ in trigger_of(number, "hostile", interval).run():
                pass

    before = peak()
    tasks = [asyncio.ensure_future(good_wait(number + 1)) for number in range(options.good)]
    if "AIRFLOW_CONN_HOSTILE" in os.environ:
        tasks += [
            asyncio.ensure_future(hostile_wait(number + 1)) for number in range(options.hostile)
        ]
    await asyncio.sleep(2)  # what a first wait loads
    lags: list[float] = []
    while time.time() < ends + 3 * interval and len(ended) < options.good:
        due = time.perf_counter() + TICK
        await asyncio.sleep(TICK)
        lags.append(1000 * (time.perf_counter() - due))
    result = {
        "MiB": peak() - before,
        "lag p99 ms": statistics.quantiles(lags, n=100)[98],
        "lag max ms": max(lags),
        "ended": len(ended),
        "last s": max(ended, default=0.0),
    }
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return result


def measure_triggerer(kind: str | None, options: argparse.Namespace) -> dict[str, float]:
    ends = time.time() + options.seconds
    servers, environment = [], dict(os.environ)
    try:
        for conn_id, answers in (("good", "good"), ("hostile", kind)):
            if answers:
                command = [sys.executable, __file__, "--serve", answers, f"--ends={ends}"]
                servers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
                port = servers[-1].stdout.readline().strip()
                connection = {
                    "conn_type": "trifacta",
                    "host": f"http://127.0.0.1:{port}",
                    "password": "long-token",
                }
                environment[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps(connection)
        shared = [f"--{name}={getattr(options, name)}" for name in ("good", "hostile", "interval")]
        command = [sys.executable, __file__, "--triggerer", f"--ends={ends}", *shared]
        out = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=environment
        )
        return json.loads(out.stdout.splitlines()[-1])
    finally:
        for server in servers:
            server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--good", type=int, default=1000, help="waits on the good instance")
    parser.add_argument("--hostile", type=int, default=40, help="waits on the hostile one")
    parser.add_argument("--interval", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=30.0, help="when the good waits end")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only this one")
    parser.add_argument("--only", choices=("calls", "triggerer"))
    parser.add_argument("--ends", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--triggerer", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--call", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve, options.ends)
    if options.call:
        return make_call(options.call[0], int(options.call[1]), int(options.call[2]))
    if options.triggerer:
        print(json.dumps(asyncio.run(triggerer(options))), flush=True)
        os._exit(0)  # a read that drips goes on in its thread
    if options.only != "triggerer":
        worst = measure_calls()
        print(f"  at most {worst:.0f} MiB for any read (aim: {MOST_MEMORY})\n")
    if options.only != "calls":
        print(
            f"{options.good} good waits beside {options.hostile} hostile ones,"
            f" {options.interval:g} s"
        )
        alone = measure_triggerer(None, options)
        show("alone", alone, alone)
        for kind in options.kind or KINDS:
            show(kind, measure_triggerer(kind, options), alone)
        print(f"  aims: {MOST_MEMORY} MiB more, {LONGEST_LAG} ms, all ended")
    return None


def show(kind: str, result: dict[str, float], alone: dict[str, float]) -> None:
    if result is alone:
        print(f"{'':<24}" + "".join(f"{name:>12}" for name in result) + f"{'MiB more':>12}")
    more = result["MiB"] - alone["MiB"]
    print(
        f"{kind:<24}" + "".join(f"{value:>12.1f}" for value in result.values()) + f"{more:>12.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
