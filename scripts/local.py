"""What the demo runs on: emulators and an Airflow, as processes of their own that live in one
folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".build" / "demo"
LOOPBACK = "127.0.0.1"
#: The parts of ``airflow standalone``. That one also starts two servers of logs, which listen on
#: all addresses.
PARTS = (
    "airflow dag-processor & airflow scheduler --skip-serve-logs & "
    "airflow triggerer --skip-serve-logs & exec airflow api-server"
)
LOGIN, PASSWORD = "admin@example.com", "admin-password"


class Emulator:
    """An emulator that ends with the block.

    :param name: of its files, and of the instance for people
    :param arguments: of its command line
    :param home: the folder of its files
    """

    def __init__(self, name: str, *arguments: str, home: Path = HOME) -> None:
        self._name = name
        self._log = home / f"{name}.log"
        self._url_file = home / f"{name}-url"
        command = [sys.executable, "-m", "trifacta_emulator", "--port", "0"]
        command += [
            "--name",
            name.capitalize(),
            "--url-file",
            str(self._url_file),
            "--user",
            f"{LOGIN}:{PASSWORD}:deployment",
            *arguments,
        ]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def __enter__(self) -> Emulator:
        deadline = time.monotonic() + 60
        while not self._url_file.exists() or not self._url_file.read_text().strip():
            if self._process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"The emulator did not start:\n{self._log.read_text()}")
            time.sleep(0.1)
        self.url = self._url_file.read_text().strip()
        print(f"{self._name:<12} {self.url} (an emulator; its page shows what is there)")
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait(20)


def configure_airflow(
    connections: dict[str, str], dags: Path = ROOT / "example_dags", **environment: str
) -> None:
    """Make an Airflow home with connections.

    :param connections: URL by connection id
    :param dags: the folder of the DAGs
    :param environment: what the example DAGs read
    """
    port = free_port()
    os.environ |= {
        # the parts of Airflow are started by this name
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "AIRFLOW_HOME": str(HOME / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        # Its login is printed here, and its tasks run as the person who started it: no other
        # machine may reach it.
        "AIRFLOW__API__HOST": LOOPBACK,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{LOOPBACK}:{port}/execution/",
        **environment,
    }
    _airflow("db", "migrate")
    # The normal way: stored connections, visible and editable on Airflow's Connections page.
    stored = HOME / "connections.json"
    fields = {"conn_type": "trifacta", "login": LOGIN, "password": PASSWORD}
    stored.write_text(
        json.dumps({conn_id: {**fields, "host": url} for conn_id, url in connections.items()})
    )
    _airflow("connections", "import", str(stored))


def free_port() -> int:
    """Find a port that is free now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
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


@contextmanager
def output_to(path: Path) -> Iterator[None]:
    """Send everything that the process prints to a file: Airflow logs a screenful for each task."""
    sys.stdout.flush()
    saved = os.dup(1), os.dup(2)
    with path.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)


@contextmanager
def airflow_pages(path: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """Start all parts of Airflow, for this machine alone, and print where it is.

    It ends with the block.

    :param path: of the page to begin with
    """
    url = f"http://{LOOPBACK}:{os.environ['AIRFLOW__API__PORT']}"
    with (HOME / "airflow.log").open("w") as log:
        airflow = subprocess.Popen(
            ["bash", "-c", PARTS],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for(url, airflow)
        passwords = json.loads(
            (HOME / "airflow" / "simple_auth_manager_passwords.json.generated").read_text()
        )
        print(f"airflow      {url}{path}  login admin, password {passwords['admin']}")
        yield airflow
    finally:
        stop_group(airflow)


def _wait_for(url: str, airflow: subprocess.Popen[bytes]) -> None:
    import requests

    print("airflow      starting (half a minute) ...", flush=True)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and airflow.poll() is None:
        try:
            if (
                requests.get(f"{url}/api/v2/monitor/health", timeout=5).json()["scheduler"][
                    "status"
                ]
                == "healthy"
            ):
                return
        except (requests.RequestException, ValueError, KeyError):
            pass
        time.sleep(1)
    sys.exit(f"Airflow did not start; its log is {HOME / 'airflow.log'}")


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a session, with all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
