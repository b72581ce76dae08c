"""The demo: two emulators, Dev and Prod, and a real Airflow, all living in .build/demo and removed
at its end."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

from local import HOME, LOGIN, PASSWORD, ROOT, Emulator, airflow_pages, configure_airflow, output_to

#: What the flow reads in Dev, after the edit too; the second has no counterpart in Prod.
DATASET, EDITED = "/dev/orders.csv", "/dev/returns.csv"
#: What the import rules of the DAG make of the second.
MISSING = EDITED.replace("dev", "prod")
_DAG = "promote_flow_dev_to_prod"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description="Promote a flow from Dev to Prod, in Airflow."
    )
    parser.add_argument(
        "package", nargs="?", type=Path, help="an exported flow package, to be promoted by itself"
    )
    parser.add_argument(
        "--ui", action="store_true", help="start Airflow's pages with everything in place"
    )
    parser.add_argument(
        "--workspace",
        action="store_true",
        help="move a flow between two workspaces without Deployment Manager",
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    shutil.rmtree(HOME, ignore_errors=True)
    (HOME / "packages").mkdir(parents=True)
    if options.workspace:
        return _move_between_workspaces()
    package, version = _package(options.package)
    product = ("--product-version", version) if options.package and version else ()
    with ExitStack() as stack:
        dev = stack.enter_context(Emulator("dev", "--flow", "Daily Orders", *product))
        prod = stack.enter_context(
            Emulator(
                "prod",
                "--deployment",
                "Orders",
                "--missing-path",
                MISSING,
                *product,
            )
        )
        flow_id = _make_flow(dev)
        urls = {"trifacta_dev": dev.url, "trifacta_prod": prod.url, "trifacta_default": prod.url}
        configure_airflow(
            urls,
            _dags(_DAG) if options.ui else ROOT / "example_dags",
            TRIFACTA_PACKAGE=str(package),
            TRIFACTA_PACKAGES=str(HOME / "packages"),
            TRIFACTA_FLOW_ID=str(flow_id),
            TRIFACTA_DEPLOYMENT_ID="1",
        )
        if options.ui:
            return _show_ui(dev, prod, flow_id)
        if options.package:
            return _promote_package(prod, package)
        return _promote_flow(dev, prod, flow_id)


def _dags(name: str) -> Path:
    """Return a folder with one of the example DAGs: the pages then open on it."""
    folder = HOME / "dags"
    folder.mkdir()
    shutil.copy(ROOT / "example_dags" / f"{name}.py", folder)
    return folder


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _package(given: Path | None) -> tuple[Path, str | None]:
    """Return a package to promote and its version, checked, so that a wrong path ends here and not
    in a task's log."""
    from trifacta_emulator import build_package

    from airflow_provider_trifacta.client.errors import PackageError
    from airflow_provider_trifacta.packages.flow_package import open_package

    path = given.resolve() if given else HOME / "flow_demo.zip"
    if not given:
        path.write_bytes(build_package(flow_name="Daily Orders"))
    try:
        with open_package(path) as package:
            if given:
                print(
                    f"package      {path.name}: flows {package.info.flow_names}, uuid"
                    f" {package.info.uuid}"
                )
            return path, package.info.product_version
    except PackageError as error:
        sys.exit(f"{error}")


def _make_flow(dev: Emulator) -> int:
    """Return the flow of Dev, made to read the dataset of this demo."""
    flow_id = int(_api(dev, "GET", "/v4/flows?flowsFilter=all")["data"][0]["id"])
    _edit(dev, flow_id, DATASET)
    return flow_id


def _edit(dev: Emulator, flow_id: int, dataset: str) -> None:
    _api(dev, "PATCH", f"/emulator/flows/{flow_id}", {"dataset_path": dataset})


def _api(emulator: Emulator, method: str, path: str, json: object = None) -> Any:
    import requests

    answer = requests.request(
        method, f"{emulator.url}{path}", json=json, auth=(LOGIN, PASSWORD), timeout=10
    )
    answer.raise_for_status()
    return answer.json() if answer.content else None


def _promote_flow(dev: Emulator, prod: Emulator, flow_id: int) -> int:
    """Promote twice. Before the second time the flow changes, so that it does not run in Prod."""
    print(f"\n1. The flow {flow_id} of Dev is promoted to deployment 1 of Prod.", flush=True)
    first = _run(_DAG, {})
    _print_tasks(first)
    before = _releases(prod)
    print(
        f"\n2. Its author lets it read {EDITED}, and it is promoted again. In Prod that is"
        f" {MISSING}, a file that does not exist there.",
        flush=True,
    )
    _edit(dev, flow_id, EDITED)
    second = _run(_DAG, {})
    _print_tasks(second)
    job = _api(prod, "GET", "/v4/jobGroups?sort=-id&limit=1")["data"][0]["id"]
    jobs = _api(prod, "GET", f"/v4/jobGroups/{job}/jobs")["data"]
    words = [one["errorMessage"] for one in jobs if one["status"] == "Failed"]
    print(f"  job group {job}: {', '.join(map(str, words)) or 'no failed job'}")
    after = _releases(prod)
    print("\nDeployment 1 of Prod, as read back:\n")
    print("  release  package                               before the 2nd   after it")
    for release in after:
        states = [_state(release, listed) for listed in (before, after)]
        print(f"  {release['id']:<8} {release['packageUuid']}  {states[0]:<16} {states[1]}")
    live = [[one["id"] for one in listed if one["active"] is True] for listed in (before, after)]
    runs = [str(run.state) for run, _ in (first, second)]
    good = (
        runs == ["success", "failed"]
        and len(before) == 1
        and len(after) == 2
        and live[0] == live[1] != []
    )
    print(
        f"\nThe runs ended as {runs[0]} and {runs[1]}; release"
        f" {', '.join(map(str, live[1])) or 'none'} is live."
    )
    print("The promotion that failed was rolled back." if good else "It did NOT end as it should.")
    return 0 if good else 1


def _move_between_workspaces() -> int:
    """Move a flow twice between emulators of a cloud edition. The second time it does not run in
    Prod."""
    cloud = ("--edition", "SaaS", "--flow", "Daily Orders")
    with Emulator("dev", *cloud) as dev, Emulator("prod", "--missing-path", EDITED, *cloud) as prod:
        flow_id = _make_flow(dev)
        urls = {"trifacta_dev": dev.url, "trifacta_prod": prod.url, "trifacta_default": prod.url}
        configure_airflow(urls, TRIFACTA_PACKAGES=str(HOME / "packages"))
        before = _flows(prod)
        print(
            f"\n1. The flow {flow_id} of Dev is imported into Prod, run there, and takes the old"
            " flow's name.",
            flush=True,
        )
        first = _run("move_flow_between_workspaces", {})
        _print_tasks(first)
        moved = _flows(prod)
        print(
            f"\n2. Its author lets it read {EDITED}, which Prod does not have, and it is moved"
            " again.",
            flush=True,
        )
        _edit(dev, flow_id, EDITED)
        second = _run("move_flow_between_workspaces", {})
        _print_tasks(second)
        after = _flows(prod)
    print("\nThe flows of Prod, as read back:\n")
    print("  flow     before          after the 1st                      after the 2nd")
    for one in after:
        print(f"  {one:<8} {before.get(one, '-'):<15} {moved.get(one, '-'):<34} {after[one]}")
    live = [
        [one for one, name in names.items() if name == "Daily Orders"]
        for names in (before, moved, after)
    ]
    runs = [str(run.state) for run, _ in (first, second)]
    good = runs == ["success", "failed"] and live[0] != live[1] == live[2] and len(after) == 3
    print(
        f"\nThe runs ended as {runs[0]} and {runs[1]}; flow {', '.join(map(str, live[2]))} is"
        " called Daily Orders."
    )
    print("The flow that failed did not get the name." if good else "It did NOT end as it should.")
    return 0 if good else 1


def _flows(prod: Emulator) -> dict[int, str]:
    rows = _api(prod, "GET", "/v4/flows?flowsFilter=all")["data"]
    return {
        int(flow["id"]): str(flow["name"]) for flow in sorted(rows, key=lambda one: int(one["id"]))
    }


def _releases(prod: Emulator) -> list[dict[str, Any]]:
    rows = _api(prod, "GET", "/v4/releases?deploymentId=1")["data"]
    return sorted(rows, key=lambda release: int(release["id"]))


def _state(release: dict[str, Any], listed: list[dict[str, Any]]) -> str:
    found = [one for one in listed if one["id"] == release["id"]]
    if not found:
        return "-"
    return "LIVE" if found[0]["active"] is True else "inactive"


def _promote_package(prod: Emulator, package: Path) -> int:
    run, tasks = _run("promote_package", {"package_path": str(package)})
    _print_tasks((run, tasks))
    created = tasks["create_release"]
    for key in ("outcome", "release_id", "primary_flow_ids", "package_uuid", "deployment_url"):
        print(f"  XCom       {key:<18} {created.xcom_pull(task_ids='create_release', key=key)}")
    releases = _releases(prod)
    active = [release["id"] for release in releases if release["active"] is True]
    print(f"read back    {len(releases)} release(s), active: {active}")
    green = str(run.state) == "success" and active == [
        created.xcom_pull(task_ids="create_release", key="release_id")
    ]
    print(
        "\nThe package is the active release."
        if green
        else "\nThe promotion did NOT end as it should."
    )
    return 0 if green else 1


def _run(dag_id: str, conf: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Run an example DAG; returns the run, and its task instances in order."""
    from airflow.models import DagBag

    log = HOME / "dag.log"
    print(
        f"airflow      running the DAG {dag_id}; its log goes to {log.relative_to(ROOT)}",
        flush=True,
    )
    with output_to(log):
        dag = DagBag(str(ROOT / "example_dags" / f"{dag_id}.py")).dags[dag_id]
        run = dag.test(run_conf=conf)
    instances = {instance.task_id: instance for instance in run.get_task_instances()}
    return run, {task.task_id: instances[task.task_id] for task in dag.topological_sort()}


def _print_tasks(result: tuple[Any, dict[str, Any]]) -> None:
    run, tasks = result
    print(f"run          {run.run_id}: {run.state}")
    for task_id, instance in tasks.items():
        print(f"  task       {task_id:<28} {instance.state}")


def _show_ui(dev: Emulator, prod: Emulator, flow_id: int) -> int:
    try:
        with airflow_pages(f"/dags/{_DAG}") as airflow:
            print("             Unpause the DAG, and press Trigger.")
            print(f"             Then let the flow read {EDITED}, and trigger it again.")
            print(f"             In Prod that is {MISSING}, a file that does not exist there:")
            print(
                "             curl -X PATCH -H 'Content-Type: application/json'"
                f" {dev.url}/emulator/flows/{flow_id} "
                f'-d \'{{"dataset_path": "{EDITED}"}}\''
            )
            print(f"dev          {dev.url}  has the flow")
            print(f"prod         {prod.url}  shows what became of it")
            print("Ctrl-C stops everything.", flush=True)
            airflow.wait()
            print(f"Airflow ended by itself; its log is {HOME / 'airflow.log'}")
            return 1
    except KeyboardInterrupt:
        print("\nStopping ...", flush=True)
        return 0


if __name__ == "__main__":
    sys.exit(main())
