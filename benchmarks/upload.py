"""Upload a big package through CreateReleaseOperator, interleaved with ``curl -F`` and ``requests``
``files=``.

Prints wall time and peak memory of each, and the ratio to curl. Each run is a process of its own
against a server in another one that counts the bytes and answers 201; the order is shuffled in
every round.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from pathlib import Path

#: What each release shows: this instance gives releases uuids of its own.
UUID = "9bae78c0-2fcb-11e9-9523-77f56ed58844"
SMALL = 64 * 1024


def serve() -> None:
    """Run the sink: read exactly the body, answer 201, and list what was made."""
    server = socket.create_server(("127.0.0.1", 0))
    print(server.getsockname()[1], flush=True)
    releases: list[dict[str, object]] = []
    while True:
        connection, _ = server.accept()
        threading.Thread(target=answer, args=(connection, releases), daemon=True).start()


def answer(connection: socket.socket, releases: list[dict[str, object]]) -> None:
    buffer = bytearray(1 << 20)
    while True:
        head = b""
        while b"\r\n\r\n" not in head:
            received = connection.recv(65536)
            if not received:
                return
            head += received
        headers, _, rest = head.partition(b"\r\n\r\n")
        lines = dict(line.lower().split(b": ", 1) for line in headers.split(b"\r\n")[1:])
        if lines.get(b"expect"):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        left = int(lines.get(b"content-length", 0)) - len(rest)
        while left > 0:
            left -= connection.recv_into(buffer, min(left, len(buffer)))
        answered: dict[str, object] = {"data": releases}
        if head.startswith(b"POST"):
            made = {
                "id": len(releases) + 1,
                "active": True,
                "packageUuid": UUID,
                "deployment": {"id": 1},
            }
            releases[:] = [made, *({**one, "active": None} for one in releases)]
            answered = {"primaryFlowIds": [6], "deletedObjects": {}, "release": made}
        body = json.dumps(answered).encode()
        connection.sendall(
            b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length:"
            b" %d\r\n\r\n%s" % (len(body), body)
        )


def make_package(path: Path, size: int) -> None:
    """Write a valid package whose one artifact makes it ``size`` bytes long."""
    definition = {
        "type": "flow",
        # Another one for each package, so that no upload is taken for one of before.
        "metadata": {"uuid": str(uuid.uuid4()), "primaryFlowIds": [1]},
        "data": {"flows": [{"id": 1, "name": "benchmark"}], "connections": []},
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("flow_benchmark.json", json.dumps(definition))
        with archive.open("artifact_1.data", "w", force_zip64=True) as member:
            block = random.randbytes(1 << 20)
            for _ in range(0, size, len(block)):
                member.write(block[: min(len(block), size)])


def run_operator(port: int, path: str) -> None:
    os.environ["AIRFLOW_CONN_TRIFACTA_DEFAULT"] = json.dumps(
        {
            "conn_type": "trifacta",
            "host": f"http://127.0.0.1:{port}",
            "login": "me",
            "password": "long-secret",
        }
    )
    from airflow_provider_trifacta.operators.release import CreateReleaseOperator

    class Instance:
        try_number, max_tries, map_index = 1, 0, -1
        dag_id = run_id = task_id = "upload"

        def xcom_push(self, key: str, value: object) -> None:
            pass

    def upload(path: str) -> None:
        operator = CreateReleaseOperator(task_id="create", deployment_id=1, package_path=path)
        operator.execute({"ti": Instance()})

    measure(upload, path)


def run_files(port: int, path: str) -> None:
    import requests

    def upload(path: str) -> None:
        with open(path, "rb") as file:
            url = f"http://127.0.0.1:{port}/v4/deployments/1/releases"
            requests.post(url, files={"data": file}, timeout=(10, 600)).raise_for_status()

    measure(upload, path)


def measure(upload, path: str) -> None:
    """Time the big upload after a small one, so that imports and pools count as the idle client."""
    upload(f"{path}.small")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    upload(path)
    seconds = time.perf_counter() - started
    print(
        json.dumps([seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024])
    )


def run_curl(port: int, path: str) -> list[float]:
    url = f"http://127.0.0.1:{port}/v4/deployments/1/releases"
    out = subprocess.run(
        ["curl", "-sS", "-o", os.devnull, "-w", "%{time_total}", "-F", f"data=@{path}", url],
        check=True,
        capture_output=True,
        text=True,
    )
    return [float(out.stdout), float("nan")]


def run(name: str, port: int, path: Path) -> list[float]:
    if name == "curl -F":
        return run_curl(port, str(path))
    out = subprocess.run(
        [sys.executable, __file__, "--client", name, str(port), str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(out.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--client", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve()
    if options.client:
        name, port, path = options.client
        return {"operator": run_operator, "requests files=": run_files}[name](int(port), path)
    if not shutil.which("curl"):
        sys.exit("curl is needed for the comparison.")
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True
    )
    try:
        port = int(server.stdout.readline())
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "big.zip"
            make_package(path, options.mib << 20)
            make_package(Path(f"{path}.small"), SMALL)
            report(port, path, options)
    finally:
        server.kill()
    return None


def report(port: int, path: Path, options: argparse.Namespace) -> None:
    names = ["operator", "curl -F", "requests files="]
    results: dict[str, list[list[float]]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in random.sample(names, len(names)):
            results[name].append(run(name, port, path))
    print(
        f"{options.mib} MiB, {options.rounds} rounds, medians; ratios are medians of each round's"
        " ratio"
    )
    print(f"{'client':<18}{'seconds':>9}{'/ curl':>8}{'added MiB':>11}")
    for name in names:
        seconds = [row[0] for row in results[name]]
        ratios = [
            row[0] / curl[0] for row, curl in zip(results[name], results["curl -F"], strict=True)
        ]
        memory = max(row[1] for row in results[name])
        print(
            f"{name:<18}{statistics.median(seconds):>9.2f}{statistics.median(ratios):>8.2f}{memory:>11.1f}"
        )


if __name__ == "__main__":
    main()
