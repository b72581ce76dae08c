"""Promotes many flows on a site of many machines, kills a worker in the middle, and tells what
became of each flow.

The moment is the worst one: production has made a release, and the worker dies before it gets the
answer.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

import requests
from distributed_report import Promotion, summary
from distributed_site import BUCKET, SLOTS, Site
from local import LOGIN, PASSWORD, ROOT, Emulator

HOME = ROOT / ".build" / "distributed"
#: Each flow with a number that this divides reads a file that production does not have, so it is
#: rolled back.
BROKEN = 6
UPLOADS = {"method": "POST", "path": "/v4/deployments/*/releases"}
DAG, CREATE, PROMOTED = (
    "promotions",
    "promote.promote_flow.create_release",
    "promote.promote_flow.promoted",
)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/distributed", description="Promote many flows, and lose a worker."
    )
    parser.add_argument("--flows", type=int, default=12, help="how many (default: 12)")
    parser.add_argument(
        "--minutes", type=float, default=40, help="for all promotions together (default: 40)"
    )
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    names = [f"Orders {number:02}" for number in range(1, options.flows + 1)]
    try:
        with ExitStack() as stack:
            site = stack.enter_context(Site(HOME, Path(__file__).with_name("distributed_dag.py")))
            return _promote(site, *_emulators(stack, names), names, 60 * options.minutes)
    except KeyboardInterrupt:
        return 130
    except (RuntimeError, TimeoutError) as error:
        print(f"It did NOT come to an end: {error}", file=sys.stderr)
        return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _emulators(stack: ExitStack, names: list[str]) -> tuple[Instance, Instance]:
    """Start Dev with the flows, and Prod with a deployment for each, whose first
    release is live.
    """
    flows = [word for name in names for word in ("--flow", name)]
    deployments = [word for name in names for word in ("--deployment", name)]
    jobs = ("--job-seconds", "15", "--missing-path", "/prod/returns.csv")
    dev = Instance(stack.enter_context(Emulator("dev", *flows, home=HOME)).url)
    prod = Instance(stack.enter_context(Emulator("prod", *deployments, *jobs, home=HOME)).url)
    return dev, prod


class Instance:
    """An emulator, as a person and a test see it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, method: str, path: str, **options: Any) -> Any:
        answer = requests.request(
            method, f"{self.url}{path}", auth=(LOGIN, PASSWORD), timeout=60, **options
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def all(self, path: str) -> list[dict[str, Any]]:
        """Return a list from its oldest to its newest object."""
        rows = self.call("GET", f"{path}{'&' if '?' in path else '?'}noLimit=true")["data"]
        return sorted(rows, key=lambda one: int(one["id"]))

    def count(self) -> None:
        """Count the requests from now on: with a fault that never hits."""
        self.call("POST", "/emulator/faults", json={"effect": {"type": "reset"}, "skip": 10**9})

    def faults(self) -> list[dict[str, Any]]:
        return self.call("GET", "/emulator/faults")["data"]


def _promote(site: Site, dev: Instance, prod: Instance, names: list[str], seconds: float) -> int:
    rows = _prepare(dev, prod, names)
    _make_bucket(site.s3_url)
    print(
        f"airflow      starting, with PostgreSQL, Redis, S3 and 2 Celery workers of {SLOTS}"
        " slots ...",
        flush=True,
    )
    site.start_airflow(_connections(site, dev, prod))
    for name in ("worker-1", "worker-2"):
        site.start_worker(name)
    site.wait_for(lambda: site.call("GET", f"/dags/{DAG}"), "DAG")
    before = {row["deployment_id"]: _releases(prod, row["deployment_id"])[0]["id"] for row in rows}
    # The first uploads pass; then one is held when its release is made and its answer is not sent.
    hold = {"effect": {"type": "hold", "when": "after_commit"}, "skip": len(rows) // 3, **UPLOADS}
    prod.call("POST", "/emulator/faults", json=hold)
    for instance in (dev, prod):
        instance.count()
    started = time.monotonic()
    run = site.call(
        "POST", f"/dags/{DAG}/dagRuns", {"logical_date": None, "conf": {"flows": rows}}
    )["dag_run_id"]
    print(f"run          {run}: {len(rows)} flows, each to its own deployment", flush=True)
    site.wait_for(lambda: prod.faults()[0]["waiting"], "held upload", seconds)
    _lose_worker(site, prod, run, names, started)
    site.start_worker("worker-3")
    print(f"{_after(started)}  worker-3 takes its place, with an empty disk", flush=True)
    state = site.wait_for(lambda: _ended(site, run), "end of the run", seconds)
    print(f"{_after(started)}  the run has ended: {state}", flush=True)
    return _report(
        site,
        dev,
        prod,
        run,
        [(name, row, before[row["deployment_id"]]) for name, row in zip(names, rows, strict=True)],
    )


def _prepare(dev: Instance, prod: Instance, names: list[str]) -> list[dict[str, Any]]:
    """Make a first live release in each deployment, and return the arguments of each promotion."""
    from trifacta_emulator import build_package

    flows = {flow["name"]: flow["id"] for flow in dev.all("/v4/flows?flowsFilter=all")}
    rows = []
    for number, deployment in enumerate(prod.all("/v4/deployments"), 1):
        name, place = deployment["name"], f"/v4/deployments/{deployment['id']}/releases"
        prod.call("POST", place, files={"data": build_package(flow_name=name)})
        path = "/dev/returns.csv" if number % BROKEN == 0 else "/dev/orders.csv"
        dev.call("PATCH", f"/emulator/flows/{flows[name]}", json={"dataset_path": path})
        package = f"s3://packages@{BUCKET}/{flows[name]}.zip"
        rows.append(
            {"flow_id": flows[name], "deployment_id": deployment["id"], "package_path": package}
        )
    assert [deployment["name"] for deployment in prod.all("/v4/deployments")] == names
    return rows


def _s3(url: str) -> Any:
    import boto3

    keys = {"aws_access_key_id": LOGIN, "aws_secret_access_key": PASSWORD}
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)


def _make_bucket(url: str) -> None:
    from botocore.exceptions import EndpointConnectionError

    for _ in range(60):
        try:
            _s3(url).create_bucket(Bucket=BUCKET)
            return
        except EndpointConnectionError:
            time.sleep(1)
    raise TimeoutError(f"The S3 server did not start; its log is in {HOME / 'logs'}")


def _connections(site: Site, dev: Instance, prod: Instance) -> dict[str, dict[str, Any]]:
    user = {"login": LOGIN, "password": PASSWORD}
    trifacta = {"conn_type": "trifacta", **user}
    return {
        "trifacta_dev": {**trifacta, "host": dev.url},
        "trifacta_prod": {**trifacta, "host": prod.url},
        "packages": {
            "conn_type": "aws",
            **user,
            "extra": {"endpoint_url": site.s3_url, "region_name": "us-east-1"},
        },
    }


def _lose_worker(site: Site, prod: Instance, run: str, names: list[str], started: float) -> None:
    """Kill the worker whose upload is held, with all of its tasks, and let the server go on."""
    running = [one for one in _tasks(site, run) if one["state"] == "running" and one["pid"]]
    # The held one is the upload that takes longest.
    held = min(
        (one for one in running if one["task_id"] == CREATE), key=lambda one: one["start_date"]
    )
    worker, killed = site.kill_worker_of(held["pid"])
    lost = [one for one in running if one["pid"] in killed]
    tasks = ", ".join(
        f"{one['task_id'].rpartition('.')[2]} of {names[one['map_index']]}" for one in lost
    )
    print(f"{_after(started)}  {worker} is killed (SIGKILL). It ran: {tasks}", flush=True)
    prod.call("POST", "/emulator/release-held", json={})


def _tasks(site: Site, run: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = site.call(
            "GET", f"/dags/{DAG}/dagRuns/{run}/taskInstances?limit=100&offset={len(found)}"
        )
        found += page["task_instances"]
        if len(found) >= page["total_entries"] or not page["task_instances"]:
            return found


def _ended(site: Site, run: str) -> str | None:
    state = site.call("GET", f"/dags/{DAG}/dagRuns/{run}")["state"]
    return str(state) if state in ("success", "failed") else None


def _releases(prod: Instance, deployment_id: int) -> list[dict[str, Any]]:
    return prod.all(f"/v4/releases?deploymentId={deployment_id}")


def _report(
    site: Site, dev: Instance, prod: Instance, run: str, rows: list[tuple[str, dict[str, Any], int]]
) -> int:
    requests_of = {
        name: instance.faults()[-1]["seen"] for name, instance in (("Dev", dev), ("Prod", prod))
    }
    tasks = _tasks(site, run)
    states = {one["map_index"]: one["state"] for one in tasks if one["task_id"] == PROMOTED}
    ran = [
        one["wrangledDataset"]["flow"]["name"]
        for one in prod.all("/v4/jobGroups?embed=wrangledDataset.flow")
    ]
    promotions = []
    for index, (name, row, before) in enumerate(rows):
        entry = f"taskInstances/{PROMOTED}/xcomEntries/promotion_status?map_index={index}"
        status = (site.call("GET", f"/dags/{DAG}/dagRuns/{run}/{entry}") or {}).get("value")
        releases = _releases(prod, row["deployment_id"])
        promotions.append(
            Promotion(
                name,
                row["deployment_id"],
                before,
                releases,
                ran.count(name),
                states.get(index),
                status,
            )
        )
    print(f"\nProduction, as read back, and what each promotion says:\n\n{summary(promotions)}")
    again = [one for one in tasks if one["try_number"] > 1]
    for one in sorted(again, key=lambda one: (one["map_index"], one["task_id"])):
        name = rows[one["map_index"]][0] if one["map_index"] >= 0 else "all"
        print(
            f"tried again  {one['task_id'].rpartition('.')[2]} of {name}: {one['try_number']}"
            f" tries, {one['state']}"
        )
    objects = _s3(site.s3_url).list_objects_v2(Bucket=BUCKET).get("KeyCount", 0)
    stray = list(HOME.rglob("*.zip"))
    print(f"packages     {objects} in S3, {len(stray)} on disks of workers")
    print(f"requests     {', '.join(f'{name} {count}' for name, count in requests_of.items())}")
    print(
        "memory       " + ", ".join(f"{name} {mib:.0f} MiB" for name, mib in site.memory().items())
    )
    return 1 if stray or any(one.problems for one in promotions) else 0


def _after(started: float) -> str:
    return f"{time.monotonic() - started:>8.0f} s "


if __name__ == "__main__":
    sys.exit(main())
