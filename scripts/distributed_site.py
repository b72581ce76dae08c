"""A site of many machines on one: PostgreSQL, Redis, S3, the parts of Airflow, and workers that
share no folder."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import json
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import requests
from local import free_port

HOST = "127.0.0.1"
BUCKET = "promotions"
#: Seconds for each part to start. The machine may be busy.
PATIENCE = 900.0
#: Tasks that one worker runs at a time.
SLOTS = 4
#: What makes a process adopt those that its own children leave behind (prctl of Linux).
_SUBREAPER = 36


class Site:
    """The parts of a site, as processes; all of them end with the block.

    :param home: a folder for all of their files
    :param dag: the file of the DAG; each part that reads DAGs gets a copy of its own
    """

    def __init__(self, home: Path, dag: Path) -> None:
        self._home, self._dag = home, dag
        self._parts: dict[str, psutil.Popen] = {}
        self._airflow_url = f"http://{HOST}:{free_port()}"
        self._token = ""
        self.s3_url = f"http://{HOST}:{free_port()}"
        self._secret = secrets.token_urlsafe(24)
        self._fernet_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        # What a killed worker leaves behind must not outlive this process.
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)

    def __enter__(self) -> Site:
        try:
            self._start_stores()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        print("Stopping everything ...", flush=True)
        # The stores last: the parts of Airflow say goodbye to them.
        stores = [
            self._parts.pop(name) for name in ("redis", "postgres", "s3") if name in self._parts
        ]
        _stop(list(self._parts.values()))
        _stop(stores)
        _stop(psutil.Process().children())

    def start_airflow(self, connections: dict[str, dict[str, Any]]) -> None:
        """Start the parts of Airflow other than the workers, and wait until they are healthy.

        :param connections: stored before, by connection id
        """
        stored = self._home / "connections.json"
        stored.write_text(json.dumps(connections))
        self._run("db", "migrate")
        self._run("connections", "import", str(stored))
        port = self._airflow_url.rpartition(":")[2]
        self._airflow("api-server", "--host", HOST, "--port", port, "--workers", "1")
        for part in ("scheduler", "dag-processor", "triggerer"):
            self._airflow(part)
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        self.wait_for(
            lambda: all(self._health().get(part) == "healthy" for part in parts), "healthy Airflow"
        )

    def start_worker(self, name: str) -> None:
        """Start a Celery worker with a home, a temporary folder and DAGs of its own."""
        # Each machine would have a port for its logs; here no person reads them over the network.
        options = (
            "--concurrency",
            str(SLOTS),
            "--celery-hostname",
            f"{name}@localhost",
            "--skip-serve-logs",
        )
        self._airflow(name, "celery", "worker", *options)

    def kill_worker_of(self, pid: int) -> tuple[str, set[int]]:
        """Kill the worker that runs a process, with everything that it started, as when its machine
        is lost.

        :param pid: of a task
        :returns: the worker's name, and the processes that were killed
        """
        for name, part in self._parts.items():
            group = [part, *part.children(recursive=True)]
            if name.startswith("worker") and pid in [one.pid for one in group]:
                for one in group:  # the worker itself first, so that it replaces nothing
                    with contextlib.suppress(psutil.NoSuchProcess):
                        one.kill()
                psutil.wait_procs(group, timeout=20)
                del self._parts[name]
                return name, {one.pid for one in group}
        raise RuntimeError(f"No worker runs process {pid}.")

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the REST API of Airflow; returns None where there is no such thing."""
        if not self._token:
            answer = requests.get(f"{self._airflow_url}/auth/token", timeout=60)
            answer.raise_for_status()
            self._token = answer.json()["access_token"]
        headers = {"Authorization": f"Bearer {self._token}"}
        url = f"{self._airflow_url}/api/v2{path}"
        answer = requests.request(method, url, json=body, headers=headers, timeout=60)
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        return answer.json()

    def wait_for(self, condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
        """Poll until a condition holds, and return its value.

        :raises TimeoutError: it does not hold in time
        :raises RuntimeError: a part of the site has ended
        """
        deadline = time.monotonic() + seconds
        while True:
            for name, part in self._parts.items():
                if part.poll() is not None:
                    raise RuntimeError(
                        f"{name} ended. Its log:"
                        f" {self._log(name)}\n{self._log(name).read_text()[-3000:]}"
                    )
            # A part that is busy may fail to answer once.
            with contextlib.suppress(requests.ConnectionError, requests.Timeout):
                if value := condition():
                    return value
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"No {what} after {seconds:.0f} s. The logs are in {self._home / 'logs'}"
                )
            time.sleep(1)

    def memory(self) -> dict[str, float]:
        """Return the MiB that each part has to itself now, with what it started."""
        return {
            name: sum(_private(one) for one in [part, *part.children(recursive=True)])
            for name, part in self._parts.items()
        }

    def _health(self) -> dict[str, str]:
        answer = requests.get(f"{self._airflow_url}/api/v2/monitor/health", timeout=10)
        return {part: found["status"] for part, found in answer.json().items()} if answer.ok else {}

    def _start_stores(self) -> None:
        self._start(
            "s3",
            [sys.executable, "-m", "moto.server", "-H", HOST, "-p", self.s3_url.rpartition(":")[2]],
        )
        self._redis_port, self._postgres_port = free_port(), free_port()
        redis = (
            f"bind {HOST}\nport {self._redis_port}\nrequirepass {self._secret}\nsave ''\ndir"
            f" {self._folder('redis')}\n"
        )
        # It reads its settings from here, so that no list of processes shows the password.
        self._start("redis", ["redis-server", "-"], stdin=redis)
        self._start_postgres()

    def _start_postgres(self) -> None:
        folder, password = self._folder("postgres"), self._folder("postgres") / "password"
        password.write_text(self._secret)
        user = _user_of_postgres()
        if user:
            for path in (folder, password):
                shutil.chown(path, user, pwd.getpwnam(user).pw_gid)
        data = str(folder / "data")
        made = subprocess.run(
            [
                "initdb",
                "-D",
                data,
                "-U",
                "airflow",
                "--auth=scram-sha-256",
                f"--pwfile={password}",
                "--no-sync",
            ],
            check=False,
            cwd=folder,
            capture_output=True,
            text=True,
            **_as(user),
        )
        if made.returncode:
            who = f" as the user {user}, who must be able to reach {folder}" if user else ""
            raise RuntimeError(f"initdb failed{who}:\n{made.stdout}{made.stderr}")
        settings = {
            "port": self._postgres_port,
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "max_connections": 200,
            # Nothing here outlives the run.
            "fsync": "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._start("postgres", ["postgres", "-D", data, *options], cwd=folder, **_as(user))
        self.wait_for(
            lambda: "ready to accept connections" in self._log("postgres").read_text(), "PostgreSQL"
        )

    def _run(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "airflow", *arguments]
        done = subprocess.run(
            command, env=self._environment("cli"), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(
                f"airflow {' '.join(arguments[:2])}"
                f" failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )

    def _airflow(self, name: str, *arguments: str) -> None:
        """Start a part of Airflow. Its name is its command, if no other is given."""
        command = arguments if arguments and arguments[0] == "celery" else (name, *arguments)
        self._start(name, [sys.executable, "-m", "airflow", *command], env=self._environment(name))

    def _environment(self, name: str) -> dict[str, str]:
        """Return the environment of a part: as on a machine of its own, with its own folders."""
        folder = self._folder(name)
        for own in ("tmp", "dags"):
            (folder / own).mkdir(exist_ok=True)
        shutil.copy(self._dag, folder / "dags" / "promotions.py")
        postgres = f"airflow:{self._secret}@{HOST}:{self._postgres_port}"
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("AIRFLOW", "XDG_"))
        }
        return {
            **kept,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": str(folder),
            "TMPDIR": str(folder / "tmp"),
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__FERNET_KEY": self._fernet_key,
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self._airflow_url}/execution/",
            "AIRFLOW__API__SECRET_KEY": self._secret,
            "AIRFLOW__API_AUTH__JWT_SECRET": self._secret * 3,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{postgres}/postgres",
            "AIRFLOW__CELERY__BROKER_URL": f"redis://:{self._secret}@{HOST}:{self._redis_port}/0",
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql://{postgres}/postgres",
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(free_port()),
            # A lost worker is noticed after a minute and not after five.
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
            # What it had taken and not begun is given to another after three minutes and not after
            # ten.
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "180",
        }

    def _folder(self, name: str) -> Path:
        folder = self._home / name
        folder.mkdir(exist_ok=True)
        return folder

    def _log(self, name: str) -> Path:
        return self._folder("logs") / f"{name}.log"

    def _start(self, name: str, command: list[str], stdin: str = "", **options: Any) -> None:
        options = {"cwd": self._folder(name), **options}
        with self._log(name).open("w") as log:
            # In a session of its own, so that Ctrl-C ends this script first, and the script ends
            # the parts.
            part = psutil.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )
        part.stdin.write(stdin.encode())
        part.stdin.close()
        self._parts[name] = part


def _user_of_postgres() -> str | None:
    """Return a user to run PostgreSQL as, which refuses to run as root; None for this one."""
    if os.getuid():
        return None
    known = {one.pw_name for one in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def _as(user: str | None) -> dict[str, Any]:
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}


def _private(process: psutil.Process) -> float:
    """Return the MiB that nothing else shares, of a process that may have ended."""
    try:
        return process.memory_full_info().uss / 2**20
    except psutil.Error:
        return 0.0


def _stop(processes: list[psutil.Process]) -> None:
    """End processes with all that they started."""
    every = list(_families(processes))
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.terminate()
    psutil.wait_procs(processes, timeout=20)
    for one in [*every, *_families(processes)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(every, timeout=20)


def _families(processes: list[psutil.Process]) -> Iterator[psutil.Process]:
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            yield from [one, *one.children(recursive=True)]
