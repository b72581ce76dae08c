from __future__ import annotations

import os
import tempfile

# Before Airflow is imported anywhere: each test process has an Airflow home, and so a database, of
# its own.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-home-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "example_dags"
)

import asyncio
import contextlib
import functools
import itertools
import json
import pkgutil
import shutil
import ssl
import subprocess
import sys
import threading
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy
from trifacta_emulator import build_package

from airflow_provider_trifacta._compat import BaseSensorOperator
from airflow_provider_trifacta.client import ClientConfig, Clock, TrifactaClient
from airflow_provider_trifacta.client.foreign_words import logger
from airflow_provider_trifacta.promotion.journal import Journal
from airflow_provider_trifacta.promotion.tries import Kind, Tries, TryFacts

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:
    from airflow.exceptions import TaskDeferred

# All servers of the tests are on this machine: the environment's proxy would answer in their place.
for _name in [
    name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")
]:
    del os.environ[_name]

ROOT = Path(__file__).resolve().parent.parent
#: Exported packages of real instances, which are not part of the repository. Not TRIFACTA_PACKAGES:
#: that is where the example DAGs write theirs.
REAL_FOLDER = Path(
    os.environ.get("TRIFACTA_REAL_PACKAGES") or ROOT.parent / "shared" / "packages"
).resolve()
REAL_PACKAGES = sorted(REAL_FOLDER.glob("*.zip"))
NO_REAL_PACKAGES = f"no real packages in {REAL_FOLDER}"


def pytest_configure() -> None:
    if os.environ.get("TRIFACTA_REAL_PACKAGES") and not REAL_PACKAGES:
        raise pytest.UsageError(f"TRIFACTA_REAL_PACKAGES: {NO_REAL_PACKAGES}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the fuzzers, which ask for ``rounds``, and what needs an Airflow database, because it
    runs whole DAGs."""
    for item in items:
        for fixture, marker in (("rounds", "fuzz"), ("airflow_db", "slow")):
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)


@pytest.fixture
def read_real():
    """Return a function that reads one of the real packages, or skips the test where they are not
    here."""

    def read(name: str) -> bytes:
        path = REAL_FOLDER / name
        if not path.is_file():
            pytest.skip(NO_REAL_PACKAGES)
        return path.read_bytes()

    return read


@pytest.fixture
def rounds():
    """Return a function that says how many rounds a fuzzer makes: the number given, times
    FUZZ_FACTOR."""
    return lambda few: few * int(os.environ.get("FUZZ_FACTOR", "1"))


@pytest.fixture
def tell(request):
    """Return a function that says something at the end of the test run, as a fuzzer does of what it
    tried."""
    return lambda text: request.node.user_properties.append(("told", text))


def pytest_terminal_summary(terminalreporter) -> None:
    for report in [
        one for outcome in ("passed", "failed") for one in terminalreporter.stats.get(outcome, [])
    ]:
        for name, value in getattr(report, "user_properties", []):
            if name == "told" and report.when == "call":
                terminalreporter.write_line(f"{report.nodeid}: {value}")
    skipped = [
        one
        for one in terminalreporter.stats.get("skipped", [])
        if NO_REAL_PACKAGES in str(one.longrepr)
    ]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} tests skipped: {NO_REAL_PACKAGES} (TRIFACTA_REAL_PACKAGES)"
        )


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["AIRFLOW_HOME"], ignore_errors=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes ``real_package`` once for each real package, or skip it where there are
    none."""
    if "real_package" in metafunc.fixturenames:
        missing = pytest.param(None, marks=pytest.mark.skip(reason=NO_REAL_PACKAGES))
        metafunc.parametrize(
            "real_package", REAL_PACKAGES or [missing], ids=lambda path: path and path.stem
        )


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their parameter: those of a package differ in every process, and workers
    compare names."""
    return argname if isinstance(val, bytes) else None


class Time:
    """A clock that only sleeping moves. Something may happen during a sleep."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.during_sleep: list = []

    def sleep(self, seconds):
        assert seconds >= 0
        self.slept.append(seconds)
        self.now += seconds
        if self.during_sleep:
            self.during_sleep.pop(0)()

    def monotonic(self):
        return self.now

    time = monotonic


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def virtual_time(monkeypatch, time):
    """The time of every client: only sleeping moves it."""
    monkeypatch.setattr(Clock, "sleep", lambda _, seconds: time.sleep(seconds))
    monkeypatch.setattr(Clock, "monotonic", lambda _: time.monotonic())
    return time


class Store:
    """Stands for Airflow's task state store: it keeps JSON, until a test breaks it."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.broken = False
        self.breaks_after: int | None = None

    def get(self, key, default=None):
        return json.loads(self.kept[key]) if key in self.kept else default

    def set(self, key, value):
        if self.breaks_after is not None:
            self.broken, self.breaks_after = self.breaks_after <= 0, self.breaks_after - 1
        if self.broken:
            raise ConnectionError("the API server is away")
        self.kept[key] = json.dumps(value)


@pytest.fixture
def store():
    """What the tries of a task share on Airflow 3.3."""
    return Store()


@pytest.fixture
def journal():
    """Return a function that opens the journal of the next try; ``journal.store`` is what they
    share."""
    tries = itertools.count(1)

    def open_next():
        one = Journal(open_next.store, next(tries))
        one.open()
        return one

    open_next.store = Store()
    open_next.skip = lambda: next(tries)
    return open_next


@pytest.fixture
def tries():
    """Return a function that begins the next try of a task, as Airflow does: after the first one a
    retry, or a clear.

    ``tries.forgotten`` begins one that no store remembers, and ``tries.skip`` is a try that died
    before it began. ``tries.store`` is what they share.
    """
    now = SimpleNamespace(number=0, max_tries=1)

    def facts(kind):
        now.number += 1
        is_clear = kind is Kind.CLEAR
        now.max_tries += is_clear
        retries = now.max_tries - now.number + 1 if is_clear else now.max_tries
        return TryFacts(now.number, now.max_tries, retries, run_was_cleared=is_clear)

    def begin(kind=Kind.RETRY, **options):
        return Tries.begin(facts(kind), begin.store, **options)

    def skip():
        now.number += 1

    begin.store, begin.skip = Store(), skip
    begin.forgotten = lambda kind=Kind.RETRY: Tries.begin(facts(kind))
    return begin


class ScriptedServer:
    """A server that answers what a test tells it to, for what no faithful emulator would do."""

    def __init__(self, respond, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[SimpleNamespace] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body are two writes. The second would wait 40 ms for an acknowledgement.
            disable_nagle_algorithm = True

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                request = SimpleNamespace(
                    method=self.command,
                    path=self.path,
                    headers=self.headers,
                    length=length,
                    handler=self,
                )
                request.read_body = lambda: self.rfile.read(length)
                outer.seen.append(request)
                reply = respond(request)
                if reply is None:
                    self.close_connection = True
                    return
                status, headers, body = reply
                if not isinstance(body, bytes):
                    body = json.dumps(body).encode()
                    headers = {"Content-Type": "application/json", **headers}
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PATCH = answer

            def log_message(self, *args) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        name = "localhost" if tls else "127.0.0.1"
        self.url = f"{'https' if tls else 'http'}://{name}:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def scripted():
    """Return a function that starts a scripted server; it stops after the test."""
    servers = []

    def start(respond, tls=None) -> ScriptedServer:
        servers.append(ScriptedServer(respond, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


class TaskInstance:
    """Stands for Airflow's task instance in a context: it keeps what is pushed.

    :param others: the state of other tasks and what they returned, by their ids
    """

    #: When a rescheduled sensor looked first, if it did before.
    first_look: datetime | None = None

    def __init__(
        self,
        try_number: int = 1,
        others: dict[str, tuple[str, object]] | None = None,
        max_tries: int = 0,
    ) -> None:
        self.try_number = try_number
        self._others = others or {}
        self.max_tries, self.dag_id, self.task_id, self.run_id, self.map_index = (
            max_tries,
            "d",
            "t",
            "r",
            -1,
        )
        self.pushed: dict[str, object] = {}

    def xcom_push(self, key: str, value: object) -> None:
        assert key not in self.pushed, f"XCom {key} is pushed twice"
        assert value is not None, f"XCom {key} is null"
        self.pushed[key] = json.loads(json.dumps(value))

    def xcom_pull(self, *, task_ids: str, map_indexes: int, key: str = "return_value") -> object:
        assert map_indexes == self.map_index
        name = task_ids if key == "return_value" else f"{task_ids}:{key}"
        return self._others.get(name, (None, None))[1]

    def get_task_states(
        self, *, dag_id: str, map_index: int, task_ids: list[str], run_ids: list[str]
    ) -> dict:
        assert (dag_id, map_index, run_ids) == (self.dag_id, self.map_index, [self.run_id])
        return {self.run_id: {one: self._others[one][0] for one in task_ids}}

    def get_first_reschedule_date(self, _context: object) -> datetime | None:
        return self.first_look


@pytest.fixture
def execute(monkeypatch):
    """Return a function that runs an operator, deferred or not, without a database: (result, task
    instance).

    The task instance of a failed run is ``execute.ti``.
    """

    def run(operator, dag_run=None, store=None, outlet_events=None, **keywords):
        run.ti = TaskInstance(**keywords)
        run.ti.first_look = run.first_look
        # A clear raises max_tries, and Airflow counts it. A test of edited retries gives another
        # count.
        was_cleared = run.ti.max_tries > operator.retries
        about_run = {
            "start_date": None,
            "clear_number": int(was_cleared),
            **vars(dag_run or SimpleNamespace()),
        }
        # caplog sees this one on every Airflow version
        monkeypatch.setattr(type(operator), "log", logger("task"), raising=False)
        # Airflow 2 looks in its database for when a rescheduled sensor began.
        base = sys.modules[BaseSensorOperator.__module__]
        monkeypatch.setattr(base, "_orig_start_date", lambda **_: run.first_look, raising=False)
        context = {
            "ti": run.ti,
            "task_instance": run.ti,
            "params": {},
            "dag_run": SimpleNamespace(**about_run),
        }
        if outlet_events is not None:
            context["outlet_events"] = outlet_events
        if store is not None:
            context["task_state_store"] = store
        try:
            return operator.execute(context), run.ti
        except TaskDeferred as deferred:
            run.deferred = deferred
        path, trigger_keywords = run.deferred.trigger.serialize()
        trigger = pkgutil.resolve_name(path)(**json.loads(json.dumps(trigger_keywords)))

        async def first_event():
            async for event in trigger.run():
                return event
            return None

        event = asyncio.run(asyncio.wait_for(first_event(), 60))
        keywords = {**(run.deferred.kwargs or {}), "event": json.loads(json.dumps(event.payload))}
        return operator.resume_execution(run.deferred.method_name, keywords, context), run.ti

    run.first_look = None
    return run


@pytest.fixture
def use_connection(monkeypatch):
    """Return a function that makes a server the connection trifacta_default."""

    def use(url: str, conn_id: str = "trifacta_default", **fields) -> None:
        value = {
            "conn_type": "trifacta",
            "host": url,
            "login": "admin@example.com",
            "password": "admin-password",
            **fields,
        }
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(value))

    return use


@pytest.fixture
def emulator(trifacta_emulator, use_connection):
    """An emulator with one deployment (id 1), as the connection trifacta_default."""
    use_connection(trifacta_emulator.url)
    trifacta_emulator.store.create_deployment("Orders")
    return trifacta_emulator


@pytest.fixture
def client(emulator):
    """A client of that emulator, as its administrator."""
    config = ClientConfig(
        base_url=emulator.url, login="admin@example.com", password="admin-password"
    )
    with TrifactaClient(config) as client:
        yield client


@pytest.fixture
def live(emulator):
    """Return a function that tells the id of deployment 1's live release, or None."""

    def get():
        release = emulator.store.active_release(1)
        return release.id if release else None

    return get


@pytest.fixture
def make_package(tmp_path):
    """Return a function that writes a new package and returns its path."""
    made = itertools.count(1)

    def make(**options) -> Path:
        path = tmp_path / f"flow_{next(made)}.zip"
        path.write_bytes(build_package(**options))
        return path

    return make


def no_sync(connection: object, _record: object) -> None:
    """Let SQLite not wait for the disk at each commit. Nothing of these databases outlives a test
    run."""
    if "sqlite" in type(connection).__module__.lower():
        connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """An Airflow database, for tests that run a whole DAG."""
    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "connect", no_sync)
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True
    )
    with contextlib.suppress(ImportError):  # Airflow 2 runs tasks without an API
        from airflow.sdk.execution_time import supervisor

        # One API for all tasks, as Airflow 3.3 has it; before that, each task waits a second for
        # its own.
        supervisor.in_process_api_server = functools.cache(supervisor.in_process_api_server)


@pytest.fixture
def example_dag(airflow_db):  # noqa: ARG001
    """Return a function that runs an example DAG and returns the run and its task
    instances by id.
    """
    from airflow.models import DagBag

    def run(name: str, conf: dict[str, object], dag_id: str | None = None):
        bag = DagBag(str(ROOT / "example_dags" / f"{name}.py"))
        assert bag.import_errors == {}
        dag_run = bag.dags[dag_id or name].test(run_conf=conf)
        return dag_run, {instance.task_id: instance for instance in dag_run.get_task_instances()}

    return run
