"""What a run happens in: two instances, what is in them, the connections, the clock, and what is
said."""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import json
import logging
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from campaign.clock import START, Clock, Times
from campaign.edits import Edits
from campaign.project import (
    Emulator,
    EmulatorOptions,
    PresetFlow,
    User,
    build_package,
    counting_clears,
    open_package,
    read_package,
)
from campaign.wire import TASK as TASK
from campaign.wire import Wire, is_outside

#: Seconds that a run may take.
MOST_SECONDS = 24 * 3600.0
PASSWORD = "campaign-secret-7f3a"
#: Who did something, as events tell it.
PERSON, RIVAL = 2, 3
_USERS = (
    User("admin@example.com", PASSWORD, ("admin", "deployment")),
    User("person@example.com", "person-password", ("admin", "deployment")),
    User("rival@example.com", "rival-password", ("admin", "deployment")),
)
_LETTERS = ("old", "before", "other", "ours", "person", "rival", "newer")
#: Loggers whose lines are searched for secrets, and not shown.
_NOISE = ("airflow.", "asyncio", "trifacta_emulator", "urllib3", "uvicorn")
_folder = tempfile.TemporaryDirectory(prefix="campaign-")


@dataclass(frozen=True)
class Package:
    """A package: its file, its uuid, and what the emulator reads in it."""

    path: Path
    uuid: str
    content: Any


@functools.cache
def package(name: str) -> Package:
    """Return one of the campaign's packages; those later in the list are exported later."""
    path = Path(_folder.name, f"{name}.zip")
    hours = timedelta(hours=_LETTERS.index(name) - len(_LETTERS))
    data = build_package(
        name, exported_at=START + hours, dataset_path="s3://lake/raw/in.csv", comment=name
    )
    path.write_bytes(data)
    with open_package(path) as opened:
        uuid = opened.info.uuid
    return Package(path, uuid, read_package(io.BytesIO(data)))


@dataclass(frozen=True)
class State:
    """What there is in the deployment at one moment."""

    live: int | None
    releases: frozenset[int]
    rules: str
    jobs: tuple[tuple[int, str], ...]
    flows: frozenset[int] = frozenset()


class Store:
    """Stands for Airflow's task state store of one task; it keeps JSON."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.kept: dict[str, str] = {}

    def get(self, key: str, default: Any = None) -> Any:
        self._world.check_store()
        return json.loads(self.kept[key]) if key in self.kept else default

    def set(self, key: str, value: Any) -> None:
        self._world.check_store()
        self._world.die_at_note("before")
        self.kept[key] = json.dumps(value)
        self._world.say(f"    noted {self.kept[key]}")
        self._world.die_at_note("after")


class World:
    """One run's.

    :param times: tells the time to the code under test
    :param journal: whether tasks have a state store
    :param fresh: whether nothing was ever released in the deployment
    :param dev: whether there is an instance to export from
    :param counts: whether the instance takes a request of the same execution id once
    :param own_uuids: whether the instance gives releases uuids of its own
    :param touches: whether a release that is replaced gets a new ``updatedAt``
    :param line: ``2.11`` or ``3.0``, if Airflow counts clears as that line does
    """

    def __init__(
        self,
        times: Times,
        *,
        journal: bool,
        fresh: bool,
        dev: bool,
        counts: bool = True,
        own_uuids: bool = False,
        touches: bool = True,
        line: str = "",
    ) -> None:
        self.line = line
        self.clock = times.clock = Clock(MOST_SECONDS)
        self.clock.woken = lambda: self.wire.check_alive()
        self.journal, self.skew = journal, 0.0
        self.lines: list[str] = []
        self.violations: list[str] = []
        #: All that the tasks gave to Airflow, for the search for secrets.
        self.given: list[str] = []
        #: What errors say: the task, its try and the text.
        self.claims: list[tuple[str, int, str]] = []
        self.stores: dict[str, Store] = {}
        self.xcoms: dict[str, dict[str, Any]] = {}
        self.states: dict[str, str | None] = {}
        self.store_away_until = 0.0
        self.kill_at_note = ""
        self.about_rules = False
        #: What people are to do to a run of the group, and what decides what is left open of that.
        self.acts: Sequence[Any] = ()
        #: What people edit and clear between the tries of a single operator.
        self.edits = Edits(self)
        #: Lets another group promote at the same time, with so many seconds between its tasks.
        self.promote_beside: Callable[[float], object] = lambda _: None
        #: Whether a process sent a change after the next try of its task began. No task can know of
        #: that, so fewer promises hold.
        self.overlaps = False
        #: Airflow's ``max_tries`` in each try, by the task and the number of the try.
        self.max_tries_of: dict[tuple[str, int], int] = {}
        self.chance = random.Random(0)
        self.login = (_USERS[0].email, PASSWORD)
        self.passwords = Passwords(self)
        #: Called before each request of a task, and with each line that a task logs: its level and
        #: its text.
        self.on_request: Callable[[], object] = lambda: None
        self.on_line: Callable[[int, str], object] = lambda *_: None
        self.wire = Wire(self)
        self.dag_run = SimpleNamespace(
            start_date=self.clock.datetime(), run_id="campaign", clear_number=0
        )
        options: dict[str, Any] = {
            "users": _USERS,
            "clock": lambda: self.clock.datetime(self.skew),
            "job_start_seconds": 5,
            "job_run_seconds": 60,
            "execution_ids": "count" if counts else "ignore",
            "package_uuid": "own" if own_uuids else "package",
            "replacing_touches_updated_at": touches,
        }
        self.prod = Emulator(EmulatorOptions(**options))
        flow = PresetFlow("Daily Orders", dataset_path="s3://lake/raw/in.csv")
        self.dev = Emulator(EmulatorOptions(flows=(flow,), **options)) if dev else None
        store = self.prod.store
        self.deployment_id = store.create_deployment("Orders").id
        self.other_id = store.create_deployment("Other").id
        for name in () if fresh else ("old", "before"):
            self.clock.sleep(60)
            store.create_release(self.deployment_id, package(name).content)
        store.create_release(self.other_id, package("other").content)
        store.replace_import_rules(
            self.other_id, "value", [{"type": "fileLocation", "on": "raw", "with": "x"}]
        )
        self.clock.sleep(3600)
        self.latest = max((one.id for one in store.releases(self.deployment_id)), default=0)
        live = store.active_release(self.deployment_id)
        self.first_baseline = {
            "deployment_id": self.deployment_id,
            "active_release_id": live.id if live else None,
            "latest_release_id": self.latest or None,
            "active_updated_at": live.updated_at.isoformat() if live else None,
        }
        self.events_before = self.event_count()

    @contextlib.contextmanager
    def running(self) -> Iterator[World]:
        """Start the instances, set the connections, and keep the log."""
        with contextlib.ExitStack() as stack:
            urls = {"trifacta_default": stack.enter_context(self.prod).url}
            if self.dev:
                urls["trifacta_dev"] = stack.enter_context(self.dev).url
            environment = {
                f"AIRFLOW_CONN_{name.upper()}": _connection(url, *self.login)
                for name, url in urls.items()
            }
            environment["AIRFLOW_CONN_TRIFACTA_RIVAL"] = _connection(
                self.prod.url, "rival@example.com", "rival-password"
            )
            environment["NO_PROXY"] = environment["no_proxy"] = "localhost,127.0.0.1,.invalid"
            stack.enter_context(mock.patch.dict(os.environ, environment))
            root = logging.getLogger()
            stack.callback(root.setLevel, root.level)
            root.setLevel(logging.INFO)
            stack.enter_context(mock.patch.object(root, "handlers", [_Handler(self)]))
            stack.enter_context(counting_clears(self.was_cleared, each_clear=self.line != "3.0"))
            self.passwords.url = self.prod.url
            yield self

    def was_cleared(self, context: Any) -> bool:
        """Tell what Airflow tells of clears: whether the run was cleared, or on Airflow 2, whether
        the try before had another ``max_tries``.
        """
        if self.line != "2.11":
            return bool(context["dag_run"].clear_number)
        ti = context["ti"]
        before = self.max_tries_of.get((ti.task_id, ti.try_number - 1))
        return before not in (None, ti.max_tries)

    def refuse_stale(self, what: str) -> None:
        """Refuse what a process gives to Airflow after the next try of its task began."""
        if self.wire.process.is_stale and not is_outside():
            raise ConnectionError(f"409 conflict: this task instance takes no {what} any more")

    def say(self, line: str) -> None:
        """Keep a line of what happens."""
        self.lines.append(f"{self.clock.now:9.1f} {line}")

    def wrong(self, what: str) -> None:
        """Note a violation."""
        if what not in self.violations:
            self.violations.append(what)
        self.say(f"    VIOLATION: {what}")

    def emulator_of(self, url: str) -> Emulator:
        """Return the instance that a request goes to."""
        return self.dev if self.dev and url.startswith(f"{self.dev.url}/") else self.prod

    def event_count(self) -> int:
        """How many events the production instance knows."""
        return len(self.prod.store.events())

    def state(self) -> State:
        """Return what there is in the deployment now."""
        store = self.prod.store
        live = store.active_release(self.deployment_id)
        # A deployment that was deleted has none.
        kinds = (
            ("object", "value")
            if any(one.id == self.deployment_id for one in store.deployments())
            else ()
        )
        rules = {
            kind: [one.rule for one in store.import_rules(self.deployment_id, kind)]
            for kind in kinds
        }
        return State(
            live.id if live else None,
            frozenset(one.id for one in store.releases(self.deployment_id)),
            json.dumps(rules, sort_keys=True, default=dict),
            tuple((one.id, one.status) for one in store.job_groups()),
            frozenset(one.id for one in store.flows()),
        )

    def check_store(self) -> None:
        """Refuse the journal where Airflow's API server is away."""
        self.wire.check_alive()
        self.refuse_stale("note")
        if self.clock.now < self.store_away_until:
            raise ConnectionError("the API server is away")

    def die_at_note(self, when: str) -> None:
        """Kill the task where that was to happen at its next note."""
        if self.kill_at_note == when:
            self.kill_at_note = ""
            self.say(f"    killed {when} a note")
            raise self.wire.death()

    def secrets(self) -> list[str]:
        """Return what must not appear anywhere."""
        passwords = [PASSWORD, *self.passwords.later]
        pairs = [f"{self.login[0]}:{password}" for password in passwords]
        return [*passwords, *(base64.b64encode(pair.encode()).decode() for pair in pairs)]


class Passwords:
    """The password of the tasks' user in the production instance, which may be changed.

    The instance keeps the first one. So a later one that is right is sent as the first one, and one
    that is out of date is sent as a wrong one.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.url = ""
        #: All passwords after the first one.
        self.later: list[str] = []

    def change(self, corrected_after: float | None) -> None:
        """Change the password in the instance; the Airflow connection is corrected so many seconds
        later, or never."""
        password = f"{PASSWORD}-{len(self.later)}"
        self.later.append(password)
        self._world.say("    the password is changed")
        if corrected_after is not None:
            self._world.clock.at(corrected_after, lambda: self._correct(password))

    def _correct(self, password: str) -> None:
        self._world.say("    the Airflow connection is corrected")
        os.environ["AIRFLOW_CONN_TRIFACTA_DEFAULT"] = _connection(
            self.url, self._world.login[0], password
        )

    def translate(self, request: Any) -> None:
        """Let a request carry what the instance takes, if its password is the one of now."""
        if not self.later or not request.url.startswith(self.url):
            return
        login, sent = self._world.login[0], request.headers["Authorization"]
        if not base64.b64decode(sent.split()[-1]).startswith(login.encode()):
            return  # it is another user's
        right = sent == _basic(login, self.later[-1])
        request.headers["Authorization"] = _basic(login, PASSWORD if right else "out-of-date")


def _basic(login: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{login}:{password}".encode())


def _connection(url: str, login: str, password: str) -> str:
    return json.dumps({"conn_type": "trifacta", "host": url, "login": login, "password": password})


class _Handler(logging.Handler):
    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self.setFormatter(logging.Formatter("    %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self._world.given.append(text)
        if not record.name.startswith(_NOISE) and "outside of the Task Runner" not in text:
            self._world.say(text)
            self._world.on_line(record.levelno, record.getMessage())
