"""Between the tasks and the instances: each request is counted, may be hit by a fault, and is
noted."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import requests
import urllib3

from campaign.clock import TooLongError

if TYPE_CHECKING:
    from campaign.faults import Planned
    from campaign.world import World

#: Requests that a run may make.
MOST_REQUESTS = 1500
#: Seconds that a request takes, and an upload.
_SECONDS, _UPLOAD_SECONDS = 0.1, 2.0
_own = threading.local()
#: Who the tasks are for the instance.
TASK = 1


class KilledError(BaseException):
    """The task's process is gone."""


@contextlib.contextmanager
def outside() -> Iterator[None]:
    """Let requests pass that are not the tasks'."""
    _own.outside = True
    try:
        yield
    finally:
        _own.outside = False


def is_outside() -> bool:
    """Tell whether the code that runs now is not the tasks'."""
    return bool(getattr(_own, "outside", False))


@dataclass
class Process:
    """A process of a task, from its start to its end or to the end of its deferral.

    :param pass_number: which pass of the group it belongs to: each new baseline begins one
    :param began: how many events the instance knew when it started
    :param cleared: how many events the instance knew when a person cleared the task last
    :param first: whether it is the first try, or the first one since a person cleared the task
    :param dead: whether the process is gone: nothing of it gets out any more
    :param ended: whether a person ended it, so that nothing continues it
    :param requests: how many requests it has made
    :param is_stale: whether it stopped, and goes on after the next try began
    :param user_id: who it is for the instance
    """

    task: str = ""
    try_number: int = 1
    pass_number: int = 0
    began: int = 0
    cleared: int = 0
    first: bool = True
    dead: bool = False
    ended: bool = False
    requests: int = 0
    is_stale: bool = False
    user_id: int = TASK


@dataclass
class Call:
    """One request of a task.

    :param process: the process that made it
    :param events: how many events the instance knew before it, and after it
    :param shown: what the instance showed truthfully, if the task got that
    """

    number: int
    process: Process
    method: str
    path: str
    query: str
    events: list[int] = field(default_factory=list)
    fault: str = ""
    end: str = ""
    shown: Any = None

    @property
    def task(self) -> str:
        """The id of the task that made it."""
        return self.process.task

    @property
    def try_number(self) -> int:
        """The number of the try that made it."""
        return self.process.try_number

    @property
    def writes(self) -> bool:
        """Whether it asks for a change."""
        return self.method != "GET" and not self.path.endswith("/dryRun")

    @property
    def uploads(self) -> bool:
        """Whether it sends a package that is to become a release."""
        return self.method == "POST" and self.path.endswith("/releases")

    @property
    def lists(self) -> bool:
        """Whether it reads a list of releases."""
        return self.method == "GET" and self.path == "/v4/releases"

    def __str__(self) -> str:
        fault = f" !{self.fault}" if self.fault else ""
        return (
            f"{self.number:3} {self.task}/{self.try_number} {self.method} {self.path}{fault} ->"
            f" {self.end}"
        )


class Wire:
    """The requests of one run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.calls: list[Call] = []
        self.planned: list[Planned] = []
        #: The process that runs now.
        self.process = Process()
        #: What happens to the next upload, in place of what is planned.
        self.abandon: Callable[[Call, Any, Callable[[], Any]], Any] | None = None
        #: What every answer passes on its way: a function of the call and the answer.
        self.filters: list[Callable[[Call, requests.Response], requests.Response]] = []

    @property
    def count(self) -> int:
        """How many requests there were."""
        return len(self.calls)

    def check_alive(self) -> None:
        """Let nothing more come from a process that is gone."""
        if self.process.dead:
            raise KilledError

    def death(self) -> KilledError:
        """Let the task's process be gone, by an error that nothing of it may catch."""
        self.process.dead = True
        return KilledError()

    def truthful(self, call: Call, response: Any) -> requests.Response:
        """Note what an answer shows that comes as the instance gave it."""
        if call.method == "GET" and response.status_code == 200:
            call.shown = self._world.state()
        return response

    def send(self, adapter: Any, real_send: Any, request: Any, **keywords: Any) -> Any:
        """Send a request of a task, or what becomes of it."""
        if is_outside():
            return real_send(adapter, request, **keywords)
        self.check_alive()
        parts = urlsplit(request.url)
        call = Call(self.count, self.process, request.method, parts.path, parts.query)
        if call.number >= MOST_REQUESTS:
            raise TooLongError(f"more than {MOST_REQUESTS} requests")
        self.calls.append(call)
        world = self._world
        call.process.requests += 1
        world.on_request()
        world.edits.on_request()
        self.check_alive()
        if call.writes and call.process.is_stale:
            world.overlaps = True
        for one in self.planned:
            one.before(world, call)
        call.events.append(world.event_count())
        world.clock.sleep(_UPLOAD_SECONDS if call.uploads else _SECONDS)

        def real() -> Any:
            return real_send(adapter, request, **keywords)

        world.passwords.translate(request)
        try:
            if call.uploads and self.abandon and call.process.user_id == TASK:
                abandon, self.abandon, call.fault = self.abandon, None, "abandoned"
                abandon(call, request, real)
            # What goes wrong goes wrong for the run that is judged.
            planned = self.planned if call.process.user_id == TASK else []
            fault = next((one for one in planned if one.hits(world, call)), None)
            if fault:
                call.fault = fault.name
                response = fault.hit(world, call, request, real, keywords)
            else:
                response = self.truthful(call, real())
            for change in self.filters:
                response = change(call, response)
            call.end = str(response.status_code)
            return response
        except BaseException as error:
            call.end = type(error).__name__
            raise
        finally:
            call.events.append(world.event_count())
            world.say(str(call))


def changed(response: requests.Response, change: Callable[[Any], Any]) -> requests.Response:
    """Return an answer with another JSON body; what is no JSON stays as it is."""
    content = response.content
    with contextlib.suppress(ValueError):
        content = json.dumps(change(json.loads(content))).encode()
    return with_content(response, content)


def with_content(response: requests.Response, content: bytes) -> requests.Response:
    """Return an answer with another body."""
    fresh = requests.Response()
    fresh.status_code, fresh.url, fresh.request = (
        response.status_code,
        response.url,
        response.request,
    )
    fresh.headers = response.headers.copy()
    fresh.headers["Content-Length"] = str(len(content))
    fresh.raw = urllib3.HTTPResponse(
        body=io.BytesIO(content),
        headers=dict(fresh.headers),
        status=response.status_code,
        preload_content=False,
    )
    return fresh


def query_of(call: Call) -> dict[str, str]:
    """Return the query of a request."""
    return {name: values[-1] for name, values in parse_qs(call.query).items()}
