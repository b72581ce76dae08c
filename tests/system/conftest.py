from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from airflow import __version__ as version


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark these tests. They run one after the other: two whole Airflows starve each other on two
    cores."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("whole_airflow")
            item.add_marker("slow")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Standalone:
    """A whole Airflow (scheduler, triggerer and the rest) in a folder of its own, watched through
    its database."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.home = home
        port = free_port()
        self._url = f"http://localhost:{port}"
        self._token: str | None = None
        self._triggerer: subprocess.Popen | None = None
        self._python: subprocess.Popen | None = None
        self._environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parent / "dags"),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(port),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            # Tasks of a busy machine wait longer for the API server than the 5 seconds after which
            # they fail.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
            "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "30",
            "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "3",
            **environment,
        }
        with (home / "standalone.log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "airflow", "standalone"],
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def query(self, statement: str, *values: object) -> list[tuple]:
        try:
            with sqlite3.connect(
                f"file:{self.home / 'airflow.db'}?mode=ro", uri=True, timeout=30
            ) as database:
                return database.execute(statement, values).fetchall()
        except sqlite3.OperationalError:
            return []  # not made yet

    def wait_for(self, condition, what: str, seconds: float = 180):
        """Poll until a condition holds, and return its value."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, f"no {what} after {seconds} s\n{self.log()[-4000:]}"
            assert self._process.poll() is None, f"Airflow ended\n{self.log()[-4000:]}"
            time.sleep(0.2)
        return value

    def run(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "airflow", *arguments]
        subprocess.run(command, env=self._environment, check=True, capture_output=True)

    def start_python(self, *arguments: str) -> subprocess.Popen:
        """Start Python with this Airflow's settings; it reads and writes lines, and ends with
        Airflow."""
        command, pipe = [sys.executable, *arguments], subprocess.PIPE
        log = (self.home / "python.log").open("w")
        self._python = subprocess.Popen(
            command,
            env=self._environment,
            stdin=pipe,
            stdout=pipe,
            stderr=log,
            text=True,
            bufsize=1,
        )
        return self._python

    def start_triggerer(self) -> None:
        """Start another triggerer, as a site's process manager does after one has died."""
        command = [sys.executable, "-m", "airflow", "triggerer"]
        with (self.home / "triggerer.log").open("w") as log:
            self._triggerer = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the REST API of Airflow 3."""
        self._token = self._token or self.wait_for(self._sign_in, "API")
        for tries_left in (2, 1, 0):
            try:
                return self._request(method, f"/api/v2{path}", body)
            except urllib.error.HTTPError as error:
                # Another writer held SQLite for longer than Airflow waits, and nothing was written.
                if error.code != 500 or not tries_left:
                    raise
        return None

    def _sign_in(self) -> str | None:
        try:
            return self._request("GET", "/auth/token", None)["access_token"]
        except OSError:
            return None  # not up yet

    def _request(self, method: str, path: str, body: object) -> Any:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def start_run(
        self, dag_id: str, conf: dict[str, object] | None = None, date: str | None = None
    ) -> str:
        """Trigger a DAG, and return the run's id; with its logical date, by which
        commands find it.
        """
        serialized = "select 1 from serialized_dag where dag_id = ?"
        self.wait_for(lambda: self.query(serialized, dag_id), f"DAG {dag_id}")
        if version.startswith("2."):
            run_id = f"run_{uuid4().hex}"
            dated = ["--exec-date", date] if date else []
            self.run(
                "dags",
                "trigger",
                dag_id,
                "--run-id",
                run_id,
                "--conf",
                json.dumps(conf or {}),
                *dated,
            )
            return run_id
        return self.call(
            "POST", f"/dags/{dag_id}/dagRuns", {"logical_date": date, "conf": conf or {}}
        )["dag_run_id"]

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        rows = self.query(
            "select task_id, state from task_instance where dag_id = ? and run_id = ?",
            dag_id,
            run_id,
        )
        return dict(rows)

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        """Clear tasks of a run with those after them, all where none is named, as a person does on
        Airflow 3."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "only_failed": False,
            "include_downstream": True,
        }
        self.call(
            "POST",
            f"/dags/{dag_id}/clearTaskInstances",
            body | ({"task_ids": task_ids} if task_ids else {}),
        )

    def run_state(self, dag_id: str, run_id: str | None = None, seconds: float = 240) -> str:
        def ended():
            statement = (
                "select state from dag_run where dag_id = ? and run_id = coalesce(?, run_id)"
            )
            rows = self.query(statement, dag_id, run_id)
            return rows and rows[0][0] in ("success", "failed") and rows[0][0]

        return self.wait_for(ended, "end of the run", seconds)

    def tries(self, dag_id: str, run_id: str) -> dict[str, int]:
        """Return how often each task of a run was tried, by its name within its group."""
        rows = self.query(
            "select task_id, try_number from task_instance where dag_id = ? and run_id = ?",
            dag_id,
            run_id,
        )
        return {task_id.rpartition(".")[2]: number for task_id, number in rows}

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """Return an XCom, None if there is none."""
        statement = (
            "select value from xcom where dag_id = ? and run_id = ? and task_id = ? and key = ?"
        )
        rows = self.query(statement, dag_id, run_id, task_id, key)
        return json.loads(rows[0][0]) if rows else None

    def task_log(self, dag_id: str, run_id: str, task_id: str, attempt: int) -> str:
        """Return the log of one try of a task."""
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        return (folder / f"attempt={attempt}.log").read_text()

    def log(self) -> str:
        logs = [self.home / "standalone.log", *sorted((self.home / "logs").rglob("attempt=*.log"))]
        return "\n".join(f"== {path}\n{path.read_text(errors='replace')[-3000:]}" for path in logs)

    def stop(self) -> None:
        # Airflow 2 puts what parses DAGs into a group of its own.
        started = []
        for process in filter(None, (self._process, self._triggerer, self._python)):
            with contextlib.suppress(psutil.NoSuchProcess):
                started += psutil.Process(process.pid).children(recursive=True)
        for process in filter(None, (self._triggerer, self._python)):
            process.kill()
            process.wait()
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
                self._process.wait(20)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        for process in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def _starting(folder: Path) -> Iterator[Any]:
    started = []

    def start(emulator, **environment: str) -> Standalone:
        connection = {
            "conn_type": "trifacta",
            "host": emulator.url,
            "login": "admin@example.com",
            "password": "admin-password",
        }
        home = folder / "airflow"
        home.mkdir()
        started.append(
            Standalone(
                home, {"AIRFLOW_CONN_TRIFACTA_DEFAULT": json.dumps(connection), **environment}
            )
        )
        return started[-1]

    yield start
    for airflow in started:
        airflow.stop()


@pytest.fixture
def standalone(tmp_path):
    """Return a function that starts an Airflow for an emulator; it stops after the test."""
    yield from _starting(tmp_path)


@pytest.fixture(scope="module")
def shared_standalone(tmp_path_factory):
    """Return a function that starts an Airflow for an emulator; it stops after the tests of the
    module."""
    yield from _starting(tmp_path_factory.mktemp("shared"))
