"""One instance, one task, and its tries: a clock that only sleeping moves, and a wire that can be
cut."""

from __future__ import annotations

import heapq
import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import requests
from trifacta_emulator import Emulator, Fault, build_package, read_package

from airflow_provider_trifacta._compat import AirflowFailException
from airflow_provider_trifacta.client.errors import TrifactaError
from contract import truth

if TYPE_CHECKING:
    from contract.changes import Change

START = datetime(2024, 6, 3, 6, tzinfo=timezone.utc)
#: The ``retries`` of every task.
RETRIES = 2
#: Seconds until Airflow starts the next try, or until a person clears the task.
BETWEEN_TRIES = 120.0


class KilledError(BaseException):
    """The task's process is gone."""


class Timeline:
    """Stands for the time: only sleeping moves it, through all that happens until then."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._number = itertools.count()

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        """Let something happen so many seconds from now."""
        heapq.heappush(self._events, (self.now + seconds, next(self._number), act))

    def sleep(self, seconds: float) -> None:
        """Move on."""
        end = self.now + max(seconds, 0.0)
        while self._events and self._events[0][0] <= end:
            due, _, act = heapq.heappop(self._events)
            self.now = due
            act()
        self.now = end

    def monotonic(self) -> float:
        """Return the seconds since the beginning."""
        return self.now

    def datetime(self) -> datetime:
        """Return the time of day."""
        return START + timedelta(seconds=self.now)


@dataclass(frozen=True)
class Request:
    """Which request of a task an event meets: its method, and a pattern of its whole path."""

    method: str
    path: str

    def fits(self, method: str, path: str) -> bool:
        """Tell whether a request is the one."""
        return method == self.method and re.fullmatch(self.path, path) is not None


@dataclass
class Sent:
    """A request that left, and the status of its answer; 0 if none came."""

    method: str
    path: str
    status: int = 0


def _do_nothing() -> None:
    pass


class Wire:
    """Stands between the task and the instance.

    :param clock: when a late request is handled
    """

    def __init__(self, clock: Timeline) -> None:
        self._clock = clock
        self._armed: tuple[Request, str] | None = None
        self._before: Callable[[], object] = _do_nothing
        #: Whether no connection can be made.
        self.down = False
        self._outside = False
        #: What the present try sent, and how it was answered.
        self.answers: list[Sent] = []

    def arm(
        self, request: Request, fault: str, *, before: Callable[[], object] = _do_nothing
    ) -> None:
        """Let a fault meet the next request that fits.

        :param request: which one
        :param fault: ``killed before``, ``killed after``, ``late``: the server handles it once
            more, five seconds later, or ``killed and late``: five seconds after the next try began
        :param before: what happens right before the server handles it
        """
        self._armed = request, fault
        self._before = before

    def send(self, real_send: Any, adapter: Any, request: Any, **keywords: Any) -> Any:
        """Send a request, or let happen what is armed."""
        if self._outside:
            return real_send(adapter, request, **keywords)
        if self.down:
            raise requests.ConnectionError("the instance is down")
        fault = ""
        if self._armed and self._armed[0].fits(request.method, request.path_url.partition("?")[0]):
            fault, self._armed = self._armed[1], None
            self._before()
        if fault == "killed before":
            raise KilledError
        if fault == "late":
            self._handle_later(request, 5)
        if fault == "killed and late":
            self._handle_later(request, BETWEEN_TRIES + 5)
            raise KilledError
        answer = Sent(request.method, request.path_url.partition("?")[0])
        self.answers.append(answer)
        response = real_send(adapter, request, **keywords)
        answer.status = response.status_code
        if fault == "killed after":
            response.close()
            raise KilledError
        return response

    def _handle_later(self, request: Any, seconds: float) -> None:
        copy = request.copy()
        if request.body is not None and not isinstance(request.body, (str, bytes)):
            copy.body = b"".join(request.body)  # the file is closed by then

        def handle() -> None:
            self._outside = True
            with requests.Session() as session:
                session.send(copy, timeout=30).close()
            self._outside = False

        self._clock.at(seconds, handle)


def as_ours(error: BaseException | None) -> TrifactaError:
    """Return the provider's own error."""
    assert isinstance(error, TrifactaError), error
    return error


@dataclass
class Ended:
    """How a try ended.

    :param outcome: the XCom ``outcome``; None if it failed
    :param error: the provider's own error; None if it succeeded, or its process was killed
    :param final: whether Airflow does not retry it
    :param killed: whether its process was killed
    :param pushed: its XComs
    :param sent: how often it sent the change, without what the server was too busy for
    :param writes: how many requests it sent that may change something
    :param waited: for how many seconds it slept
    """

    outcome: str | None = None
    error: TrifactaError | None = None
    final: bool = False
    killed: bool = False
    pushed: dict[str, Any] = field(default_factory=dict)
    sent: int = 0
    writes: int = 0
    waited: float = 0.0


@dataclass
class World:
    """One instance and one task.

    :param emulator: the instance
    :param clock: the time of both
    :param wire: what is between them
    :param folder: where packages are written
    :param execute: runs an operator, as the fixture of this name
    :param store: Airflow's task state store; None where Airflow has none
    """

    emulator: Emulator
    clock: Timeline
    wire: Wire
    folder: Path
    execute: Any
    store: Any = None
    deployment_id: int = 1
    retries: int = RETRIES
    #: What the change that is tried has to know of the beginning.
    facts: dict[str, Any] = field(default_factory=dict)
    tries: list[Ended] = field(default_factory=list)
    clears: int = 0
    _max_tries: int = RETRIES

    def __post_init__(self) -> None:
        self._began = self.clock.datetime()

    @property
    def server(self) -> Any:
        """The state of the instance."""
        return self.emulator.store

    @property
    def live(self) -> int | None:
        """The id of the deployment's live release."""
        release = self.server.active_release(self.deployment_id)
        return release.id if release else None

    @property
    def release_ids(self) -> list[int]:
        """The ids of the deployment's releases."""
        return sorted(release.id for release in self.server.releases(self.deployment_id))

    def package(self, name: str) -> Path:
        """Write a package, and return its path. The same name gives the same package."""
        path = self.folder / f"{name}.zip"
        if not path.exists():
            hour = {"old": 1, "before": 2, "ours": 3, "person": 4}[name]
            path.write_bytes(
                build_package(flow_name=name, exported_at=START - timedelta(hours=9 - hour))
            )
        return path

    def import_release(self, name: str) -> None:
        """Import a package as a release, without the task, and keep its id."""
        self.import_at_once(name)
        self.clock.sleep(60)

    def import_at_once(self, name: str) -> None:
        """Do the same in no time."""
        with self.package(name).open("rb") as file:
            release = self.server.create_release(self.deployment_id, read_package(file))
        self.facts[name] = release.id

    def prepare_deployment(self) -> None:
        """Make a deployment with two releases; the second one is live."""
        self.server.create_deployment("Orders")
        self.import_release("old")
        self.import_release("before")
        self._began = self.clock.datetime()

    def begin(self) -> None:
        """Let the DAG run begin now."""
        self.clock.sleep(60)
        self._began = self.clock.datetime()

    def meet(self, request: Request, effect: Any, times: int = 1) -> None:
        """Let a fault of the server meet the next requests that fit."""
        pattern = re.sub(r"\[\^/\]\+|\\d\+", "*", request.path)
        self.emulator.faults.add(Fault(effect, method=request.method, path=pattern, times=times))

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Let no connection be made in the meantime."""
        self.wire.down = True
        yield
        self.wire.down = False

    def first(self, change: Change) -> Ended:
        """Run the first try of the task."""
        return self._try(change)

    def retry(self, change: Change) -> Ended:
        """Let Airflow try the task again."""
        self.clock.sleep(BETWEEN_TRIES)
        return self._try(change)

    def clear(self, change: Change, after: float = BETWEEN_TRIES) -> Ended:
        """Let a person clear the task."""
        self.clears += 1
        self._max_tries = len(self.tries) + self.retries
        self.clock.sleep(after)
        return self._try(change)

    def _try(self, change: Change) -> Ended:
        operator = change.operator(self)
        operator.retries = self.retries
        dag_run = SimpleNamespace(
            start_date=self._began, clear_number=self.clears, run_id="r", run_type="manual"
        )
        before, began = self.snapshot(), self.clock.now
        self.wire.answers.clear()
        ended = Ended()
        try:
            result, _ = self.execute(
                operator,
                dag_run,
                self.store,
                try_number=len(self.tries) + 1,
                max_tries=self._max_tries,
            )
            ended.outcome = result["outcome"]
        except KilledError:
            ended.killed = True
        except AirflowFailException as failure:
            ended.error, ended.final = as_ours(failure.__cause__), True
        except TrifactaError as error:
            ended.error = error
        ended.pushed = self.execute.ti.pushed
        ended.waited = self.clock.now - began
        first, _ = change.requests(self)
        for request in self.wire.answers:
            ended.writes += request.method != "GET"
            ended.sent += first.fits(request.method, request.path) and request.status != 429
        self.tries.append(ended)
        if ended.error:
            truth.check(self, ended.error, before)
        return ended

    def snapshot(self) -> dict[str, Any]:
        """Return all of the instance that a task may change."""
        server = self.server
        return {
            "live": self.live,
            "releases": self.release_ids,
            "rules": {
                kind: [rule.rule for rule in server.import_rules(self.deployment_id, kind)]
                for kind in RULES
            }
            if server.deployments()
            else {},
            "deployments": [deployment.id for deployment in server.deployments()],
            "flows": sorted(flow.id for flow in server.flows()),
            "jobs": sorted(group.id for group in server.job_groups()),
        }


RULES = ("object", "value")
