"""Faults on demand: a list of faults, and which requests each of them hits.

Each fault has a matcher and one effect. The first fault that matches a request applies, and is used
up.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, get_args
from urllib.parse import parse_qs

from starlette.types import Scope

from trifacta_emulator.checks import build, check, check_int, check_int_or_none
from trifacta_emulator.faults.effects import (
    Effect,
    LateActivation,
    LateCommit,
    PackageUuid,
    effect_from_json,
    effect_to_json,
)
from trifacta_emulator.faults.waiting import RequestKind, WaitingRoom, finish_from_outside

_PATHS: tuple[tuple[str, str, RequestKind], ...] = (
    ("GET", r"/v4/releases", "list"),
    ("GET", r"/v4/deployments/[^/]+/releases", "list"),
    ("GET", r"/v4/releases/[^/]+", "read"),
    ("POST", r"/v4/deployments/[^/]+/releases", "create"),
    ("GET", r"/v4/deployments(/[^/]+)?", "deployment"),
)


@dataclass(frozen=True)
class RequestLine:
    """What faults see of a request.

    :param method: in upper case
    :param path: in lower case, without a trailing slash
    :param query: as sent, without ``?``
    """

    method: str
    path: str
    query: str = ""

    @classmethod
    def of(cls, scope: Scope) -> RequestLine:
        """Read it from a request behind ``ConnectionMiddleware``.

        :param scope: scope of the request, as ASGI defines it
        """
        query = scope["query_string"].decode("latin-1")
        return cls(scope["method"], scope["path"], query)

    @property
    def is_api(self) -> bool:
        """Whether it is a call of the API, and not of the emulator's own pages and calls."""
        return self.path == "/v4" or self.path.startswith("/v4/")

    @property
    def kind(self) -> RequestKind:
        """What it is for.

        ``list`` lists releases, also with ``embed=releases``; ``read`` reads one release;
        ``create`` creates one. ``deployment`` lists deployments or reads one: both show
        ``latestRelease``. All else is ``other``.
        """
        for method, pattern, kind in _PATHS:
            if method == self.method and re.fullmatch(pattern, self.path):
                if kind == "deployment" and self._embeds_releases:
                    return "list"
                return kind
        return "other"

    @property
    def _embeds_releases(self) -> bool:
        embeds = parse_qs(self.query).get("embed", [])
        return "releases" in "".join(embeds).lower()


@dataclass(frozen=True)
class Fault:
    """An effect, and the requests that it hits: calls of the API (``/v4/...``) only, authorized or
    not.

    :param effect: what happens to the requests
    :param method: HTTP method; ``None`` = any
    :param path: pattern, case-insensitive, without the query: ``*`` is one segment or a part of it,
        ``**`` anything
    :param skip: number of matching requests to let pass first
    :param times: number of requests to hit; ``None`` = all
    """

    effect: Effect
    _: KW_ONLY
    method: str | None = None
    path: str = "/**"
    skip: int = 0
    times: int | None = 1

    def __post_init__(self) -> None:
        is_effect = isinstance(self.effect, get_args(Effect))
        check(is_effect, f"effect must be an effect, not {self.effect!r}")
        if self.method is not None:
            is_word = isinstance(self.method, str) and self.method.isalpha()
            check(is_word, f"method must be the name of a method, not {self.method!r}")
        is_path = isinstance(self.path, str) and self.path.startswith("/")
        check(
            is_path and "?" not in self.path,
            f"path must be a pattern that starts with / and has no query, not {self.path!r}",
        )
        check_int("skip", self.skip, 0)
        check_int_or_none("times", self.times, 1)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Fault:
        """Read the JSON form: the same fields, the effect with its ``type``.

        :param document: e.g. ``{"effect": {"type": "answer", "status": 503}, "method": "GET",
            "times": 2}``
        :raises ValueError: a field is unknown, missing or wrong
        """
        arguments = dict(document)
        if "effect" in arguments:
            arguments["effect"] = effect_from_json(arguments["effect"])
        return build(cls, arguments)

    def to_json(self) -> dict[str, Any]:
        """Write the JSON form, with all fields."""
        return {
            "effect": effect_to_json(self.effect),
            "method": self.method,
            "path": self.path,
            "skip": self.skip,
            "times": self.times,
        }

    def matches(self, request: RequestLine) -> bool:
        """Tell whether a request matches, regardless of earlier requests.

        :param request: the request
        """
        if self.method is not None and self.method.upper() != request.method:
            return False
        if not _pattern(self.path).fullmatch(request.path):
            return False
        if isinstance(self.effect, (LateActivation, LateCommit)):
            return request.kind == "create"
        if isinstance(self.effect, PackageUuid):
            # Both show releases.
            kind = "list" if request.kind == "deployment" else request.kind
            return kind in self.effect.answers
        return True


@dataclass(eq=False)
class ArmedFault:
    """A fault of the list, with its effects so far.

    :param id: its number
    :param fault: the fault
    :param seen: number of matching requests, with the ones that it let pass
    :param fired: number of requests that it hit
    :param outcomes: statuses of the API's real answers that the fault kept from clients
    """

    id: int
    fault: Fault
    _room: WaitingRoom = field(repr=False)
    seen: int = 0
    fired: int = 0
    outcomes: list[int] = field(default_factory=list)

    @property
    def left(self) -> int | None:
        """Number of requests that it will still hit; ``None`` = no limit."""
        if self.fault.times is None:
            return None
        return self.fault.times - self.fired

    @property
    def waiting(self) -> int:
        """Number of requests that it holds, or of late commits or activations that are pending."""
        return self._room.count(self.id)

    def wait_until_waiting(self, count: int = 1, *, seconds: float = 30) -> None:
        """Block until requests wait at this fault.

        :param count: number of requests
        :param seconds: longest time
        :raises TimeoutError: fewer requests wait after that time
        """
        if not self._room.wait_for(self.id, count, seconds):
            raise TimeoutError(
                f"{self.waiting} of {count} wait at fault {self.id} after {seconds} s"
            )

    def release(self) -> int:
        """Release what this fault holds. Late commits and late activations are done on return.

        :returns: how many
        """
        return finish_from_outside(self._room.take(fault_id=self.id))

    def to_json(self) -> dict[str, Any]:
        """Write it as ``GET /emulator/faults`` shows it."""
        return {
            "id": self.id,
            "fault": self.fault.to_json(),
            "seen": self.seen,
            "fired": self.fired,
            "left": self.left,
            "waiting": self.waiting,
            "outcomes": list(self.outcomes),
        }


class Faults:
    """The faults of an emulator, in their order. Any thread may call any method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[ArmedFault] = []
        self._last_id = 0
        #: What waits because of the faults.
        self.room = WaitingRoom()

    @property
    def idle(self) -> bool:
        """Whether there are no faults and nothing waits, so that requests need no look at them."""
        return not self._armed and not self.room.items

    def add(self, fault: Fault) -> ArmedFault:
        """Add a fault at the end of the list.

        :param fault: the fault
        :returns: the fault with its counters
        """
        with self._lock:
            self._last_id += 1
            armed = ArmedFault(self._last_id, fault, self.room)
            self._armed.append(armed)
            return armed

    def all(self) -> tuple[ArmedFault, ...]:
        """List the faults since the last :meth:`clear`, with used-up ones."""
        with self._lock:
            return tuple(self._armed)

    def clear(self) -> None:
        """Remove all faults. Held requests go on; pending late commits and activations never
        happen.
        """
        with self._lock:
            self._armed.clear()
        for item in self.room.take():
            item.abandon(False)

    def release_held(self) -> int:
        """Release all held and delayed requests.

        :returns: how many
        """
        return finish_from_outside(self.room.take(kind="held"))

    def commit_late(self) -> int:
        """Handle all uploads with a pending late commit.

        :returns: how many
        """
        return finish_from_outside(self.room.take(kind="commit"))

    def activate_late(self) -> int:
        """Activate all releases with a pending late activation.

        :returns: how many
        """
        return finish_from_outside(self.room.take(kind="activation"))

    def take(self, request: RequestLine) -> ArmedFault | None:
        """Use a fault for a request.

        :param request: the request
        :returns: the first fault that matches, or ``None``
        """
        with self._lock:
            for armed in self._armed:
                if armed.left == 0 or not armed.fault.matches(request):
                    continue
                armed.seen += 1
                if armed.seen > armed.fault.skip:
                    armed.fired += 1
                    return armed
            return None


def _pattern(path: str) -> re.Pattern[str]:
    wild = {"**": ".*", "*": "[^/]*"}
    pattern = ""
    for part in re.split(r"(\*\*|\*)", path.lower().rstrip("/")):
        pattern += wild.get(part) or re.escape(part)
    return re.compile(pattern)
