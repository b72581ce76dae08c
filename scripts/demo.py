"""The demo: an emulator and a real Airflow, both living in .build/demo and gone with it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".build" / "demo"
LOGIN, PASSWORD = "admin@example.com", "admin-password"


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Promote a flow package in a real Airflow.")
    parser.add_argument("package", nargs="?", type=Path, help="an exported flow package; default: one made here")
    parser.add_argument("--ui", action="store_true", help="start Airflow's pages with everything in place")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    package = _package(options.package)
    with Emulator(package) as emulator:
        _configure_airflow(emulator.url, package)
        return _show_ui(emulator) if options.ui else _run_dag(emulator, package)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _package(given: Path | None) -> Path:
    """Return the package to promote, checked, so that a wrong path ends here and not in a task's log."""
    from airflow_provider_trifacta.client.errors import PackageError
    from airflow_provider_trifacta.client.package import open_package
    from airflow_provider_trifacta.emulator import build_package

    path = given.resolve() if given else HOME / "flow_demo.zip"
    if not given:
        path.write_bytes(build_package(flow_name="Daily Orders"))
    try:
        with open_package(path) as package:
            print(f"package      {path.name}: flows {package.info.flow_names}, uuid {package.info.uuid}")
    except PackageError as error:
        sys.exit(f"{error}")
    return path


class Emulator:
    """The emulator as a process of its own, with one deployment, taking the package's product version."""

    def __init__(self, package: Path) -> None:
        from airflow_provider_trifacta.client.package import open_package

        with open_package(package) as opened:
            version = opened.info.product_version
        self._url_file = HOME / "emulator-url"
        command = [sys.executable, "-m", "airflow_provider_trifacta.emulator", "--port", "0"]
        command += [
            "--url-file",
            str(self._url_file),
            "--deployment",
            "Orders",
            "--user",
            f"{LOGIN}:{PASSWORD}:deployment",
        ]
        command += ["--product-version", version] if version else []
        with (HOME / "emulator.log").open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def __enter__(self) -> Emulator:
        deadline = time.monotonic() + 60
        while not self._url_file.exists() or not self._url_file.read_text().strip():
            if self._process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"The emulator did not start:\n{(HOME / 'emulator.log').read_text()}")
            time.sleep(0.1)
        self.url = self._url_file.read_text().strip()
        print(f"emulator     {self.url} (its page shows deployments and releases)")
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait(20)


def _configure_airflow(url: str, package: Path) -> None:
    port = _free_port()
    os.environ |= {
        # "airflow standalone" starts its parts by this name
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "AIRFLOW_HOME": str(HOME / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(_free_port()),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(_free_port()),
        "TRIFACTA_PACKAGE": str(package),
        "TRIFACTA_DEPLOYMENT_ID": "1",
    }
    _airflow("db", "migrate")
    # The normal way: a stored connection, visible and editable on Airflow's Connections page.
    _airflow(
        *("connections", "add", "trifacta_default", "--conn-json"),
        json.dumps({"conn_type": "trifacta", "host": url, "login": LOGIN, "password": PASSWORD}),
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _airflow(*arguments: str) -> None:
    out = subprocess.run(
        [sys.executable, "-m", "airflow", *arguments],
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if out.returncode:
        sys.exit(f"airflow {' '.join(arguments[:2])} failed:\n{out.stdout}")


def _run_dag(emulator: Emulator, package: Path) -> int:
    import requests
    from airflow.models import DagBag

    log = HOME / "dag.log"
    print(f"airflow      running the DAG promote_package; its log goes to {log.relative_to(ROOT)}", flush=True)
    with _output_to(log):
        dag = DagBag(str(ROOT / "example_dags" / "promote_package.py")).dags["promote_package"]
        run = dag.test(run_conf={"deployment_id": 1, "package_path": str(package)})
    print(f"run          {run.run_id}: {run.state}")
    instances = {instance.task_id: instance for instance in run.get_task_instances()}
    for task_id in dag.topological_sort():
        print(f"  task       {task_id.task_id:<18} {instances[task_id.task_id].state}")
    created = instances["create_release"]
    for key in ("outcome", "release_id", "primary_flow_ids", "package_uuid", "release_url"):
        print(f"  XCom       {key:<18} {created.xcom_pull(task_ids='create_release', key=key)}")
    print(f"  returned   announce           {created.xcom_pull(task_ids='announce')!r}")
    answer = requests.get(
        f"{emulator.url}/v4/releases", params={"deploymentId": 1}, auth=(LOGIN, PASSWORD), timeout=10
    ).json()
    active = [release["id"] for release in answer["data"] if release["active"] is True]
    print(f"read back    {len(answer['data'])} release(s), active: {active}")
    green = str(run.state) == "success" and active == [created.xcom_pull(task_ids="create_release", key="release_id")]
    print("\nThe package is the active release." if green else "\nThe promotion did NOT end as it should.")
    return 0 if green else 1


@contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Send everything that the process prints to a file: Airflow logs a screenful for each task."""
    sys.stdout.flush()
    saved = os.dup(1), os.dup(2)
    with path.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)


def _show_ui(emulator: Emulator) -> int:
    url = f"http://localhost:{os.environ['AIRFLOW__API__PORT']}"
    with (HOME / "airflow.log").open("w") as log:
        airflow = subprocess.Popen(
            [sys.executable, "-m", "airflow", "standalone"],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for(url, airflow)
        passwords = json.loads((HOME / "airflow" / "simple_auth_manager_passwords.json.generated").read_text())
        print(f"airflow      {url}  login admin, password {passwords['admin']}")
        print("             Open the DAG promote_package, unpause it, and press Trigger.")
        print(f"emulator     {emulator.url}  shows what became of it")
        print("Ctrl-C stops everything.", flush=True)
        airflow.wait()
        print(f"Airflow ended by itself; its log is {HOME / 'airflow.log'}")
        return 1
    except KeyboardInterrupt:
        print("\nStopping ...", flush=True)
        return 0
    finally:
        _stop_group(airflow)


def _wait_for(url: str, airflow: subprocess.Popen[bytes]) -> None:
    import requests

    print("airflow      starting (half a minute) ...", flush=True)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and airflow.poll() is None:
        try:
            if requests.get(f"{url}/api/v2/monitor/health", timeout=5).json()["scheduler"]["status"] == "healthy":
                return
        except (requests.RequestException, ValueError, KeyError):
            pass
        time.sleep(1)
    sys.exit(f"Airflow did not start; its log is {HOME / 'airflow.log'}")


def _stop_group(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


if __name__ == "__main__":
    sys.exit(main())
