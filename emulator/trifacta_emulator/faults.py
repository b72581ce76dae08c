"""
Faults on demand: what goes wrong with which requests.

A list of faults, each with a matcher and one effect; the first one that matches a request applies and is used up.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, get_args

from trifacta_emulator.checks import check, check_int
from trifacta_emulator.effect_json import build, effect_from_json, effect_to_json
from trifacta_emulator.effects import Effect, LateActivation, LateCommit, PackageUuid
from trifacta_emulator.request_line import RequestLine
from trifacta_emulator.waiting import WaitingRoom, finish_from_outside


@dataclass(frozen=True)
class Fault:
    """
    An effect and the requests it hits: of the API (``/v4/...``) only, whether they are authorized or not.

    :param effect: what happens to them.
    :param method: HTTP method; ``None`` = any.
    :param path: pattern in any case: ``*`` is one segment or a part of it, ``**`` anything. The query is not
        looked at.
    :param skip: let so many matching requests pass first.
    :param times: hit so many; ``None`` = all from then on.
    """

    effect: Effect
    _: KW_ONLY
    method: str | None = None
    path: str = "/**"
    skip: int = 0
    times: int | None = 1

    def __post_init__(self) -> None:
        check(isinstance(self.effect, get_args(Effect)), f"effect is none: {self.effect!r}")
        check(
            self.method is None or (isinstance(self.method, str) and self.method.isalpha()),
            f"method must be the name of a method, not {self.method!r}",
        )
        check(
            isinstance(self.path, str) and self.path.startswith("/") and "?" not in self.path,
            f"path must be a pattern that starts with / and has no query, not {self.path!r}",
        )
        check_int("skip", self.skip, 0)
        if self.times is not None:
            check_int("times", self.times, 1)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Fault:
        """
        Read the JSON form: the same fields, the effect with its ``type``.

        :param value: e.g. ``{"effect": {"type": "answer", "status": 503}, "method": "GET", "times": 2}``.
        :raises ValueError: a field is unknown, missing or wrong.
        """
        arguments = dict(value)
        if "effect" in arguments:
            arguments["effect"] = effect_from_json(arguments["effect"])
        fault: Fault = build(cls, arguments)
        return fault

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
        """
        Tell whether a request is meant, whatever has been hit before.

        :param request: the request.
        """
        if self.method is not None and self.method.upper() != request.method:
            return False
        if not _pattern(self.path).fullmatch(request.path):
            return False
        if isinstance(self.effect, (LateActivation, LateCommit)):
            return request.kind == "create"
        if isinstance(self.effect, PackageUuid):
            kind = "list" if request.kind == "deployment" else request.kind
            return kind in self.effect.answers
        return True


@dataclass(eq=False)
class ArmedFault:
    """
    A fault of the list, with what it did so far.

    :param id: its number.
    :param fault: the fault.
    :param seen: how many requests matched, with those let pass.
    :param fired: how many it hit.
    :param outcomes: the statuses of the answers that the API really gave to requests it hit and nobody saw.
    """

    id: int
    fault: Fault
    _room: WaitingRoom = field(repr=False)
    seen: int = 0
    fired: int = 0
    outcomes: list[int] = field(default_factory=list)

    @property
    def left(self) -> int | None:
        """How many more requests it hits; ``None`` = any number."""
        return None if self.fault.times is None else self.fault.times - self.fired

    @property
    def waiting(self) -> int:
        """How many requests it holds, or late commits or activations it has under way."""
        return self._room.count(self.id)

    def wait_until_waiting(self, count: int = 1, *, seconds: float = 30) -> None:
        """
        Block until requests have got as far as the fault lets them.

        :param count: how many.
        :param seconds: for how long at most.
        :raises TimeoutError: they have not.
        """
        if not self._room.wait_for(self.id, count, seconds):
            raise TimeoutError(f"{self.waiting} of {count} wait at fault {self.id} after {seconds} s")

    def release(self) -> int:
        """
        Let go what this fault holds: requests, late commits, late activations; the latter two are done on return.

        :return: how many.
        """
        return finish_from_outside(self._room.take(fault_id=self.id))

    def to_json(self) -> dict[str, Any]:
        """Write it as the administration shows it."""
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
    """The faults of an emulator, in their order. Any method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[ArmedFault] = []
        self._last_id = 0
        #: What waits because of them.
        self.room = WaitingRoom()

    def add(self, fault: Fault) -> ArmedFault:
        """
        Add a fault at the end of the list.

        :param fault: what to add.
        """
        with self._lock:
            self._last_id += 1
            armed = ArmedFault(self._last_id, fault, self.room)
            self._armed.append(armed)
            return armed

    def all(self) -> tuple[ArmedFault, ...]:
        """List the faults added since the last :meth:`clear`, those used up too."""
        with self._lock:
            return tuple(self._armed)

    def clear(self) -> None:
        """Remove all. Held requests go on; late commits and activations that wait never come."""
        with self._lock:
            self._armed.clear()
        for item in self.room.take():
            item.abandon(False)

    def release_held(self) -> int:
        """
        Let go all requests that are held or delayed.

        :return: how many.
        """
        return finish_from_outside(self.room.take(kind="held"))

    def commit_late(self) -> int:
        """
        Handle all uploads that wait for their late commit.

        :return: how many.
        """
        return finish_from_outside(self.room.take(kind="commit"))

    def activate_late(self) -> int:
        """
        Activate all releases that wait for their late activation.

        :return: how many.
        """
        return finish_from_outside(self.room.take(kind="activation"))

    def take(self, request: RequestLine) -> ArmedFault | None:
        """
        Use up a fault for a request.

        :param request: the request.
        :return: the first fault that matches; ``None`` = none does.
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
    parts = re.split(r"(\*\*|\*)", path.lower().rstrip("/"))
    wild = {"**": ".*", "*": "[^/]*"}
    return re.compile("".join(wild.get(part) or re.escape(part) for part in parts))
