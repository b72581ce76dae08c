"""What may happen to a change: each event is a function that runs the tries of the task."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

from trifacta_emulator import Answer, Reset, Truncate

from contract.changes import Change
from contract.world import BETWEEN_TRIES, Ended, Request, World


def refused(world: World, request: Request) -> None:
    world.meet(request, Answer(403))


def busy_once(world: World, request: Request) -> None:
    world.meet(request, Answer.too_many_requests(2))


def busy(world: World, request: Request) -> None:
    """Let the server be busy as often as one try asks it."""
    world.meet(request, Answer.too_many_requests(2), times=5)


def lost_not_done(world: World, request: Request) -> None:
    world.meet(request, Reset("after_body"))


def lost(world: World, request: Request) -> None:
    world.meet(request, Reset("after_commit"))


def lost_by_504(world: World, request: Request) -> None:
    world.meet(request, Answer.gateway_timeout())


def lost_by_503(world: World, request: Request) -> None:
    world.meet(request, Answer.unavailable(when="after_commit"))


def lost_to_a_page(world: World, request: Request) -> None:
    """Let a proxy answer in place of the API, after the change."""
    world.meet(request, Answer(200, html="<h1>OK</h1>", when="after_commit"))


def cut_short(world: World, request: Request) -> None:
    world.meet(request, Truncate())


def not_done_504(world: World, request: Request) -> None:
    world.meet(request, Answer.gateway_timeout(when="after_body"))


def not_done_page(world: World, request: Request) -> None:
    world.meet(request, Answer(200, html="<h1>OK</h1>", when="after_body"))


def late(world: World, request: Request) -> None:
    """Lose the request, and let the server handle it five seconds later."""
    world.meet(request, Reset("after_body"))
    world.wire.arm(request, "late")


def killed_before(world: World, request: Request) -> None:
    world.wire.arm(request, "killed before")


def killed_after(world: World, request: Request) -> None:
    world.wire.arm(request, "killed after")


def killed_and_late(world: World, request: Request) -> None:
    """Let the process die in its request, and the server handle it while the second try looks."""
    world.wire.arm(request, "killed and late")


def overlapped(world: World, request: Request) -> None:
    """Let another import end right before the server makes the change, and kill the process after
    that."""
    world.wire.arm(request, "killed after", before=lambda: world.import_at_once("person"))


def killed_at_once(world: World, request: Request) -> None:  # noqa: ARG001
    """Let the process die at its first read, before it has asked for anything."""
    world.wire.arm(Request("GET", ".*"), "killed before")


def nothing(world: World, request: Request) -> None:
    """Let nothing happen: the try ends, and Airflow never hears of it, or a person clears a task
    that succeeded."""


#: What may happen to the request of a change.
FAULTS = {
    "refused": refused,
    "busy once": busy_once,
    "busy": busy,
    "lost and not done": lost_not_done,
    "lost": lost,
    "504": lost_by_504,
    "503": lost_by_503,
    "a page": lost_to_a_page,
    "cut short": cut_short,
    "504 and not done": not_done_504,
    "a page and not done": not_done_page,
    "lost and late": late,
    "killed before": killed_before,
    "killed after": killed_after,
    "killed and late": killed_and_late,
    "killed at once": killed_at_once,
    "overlapped and killed": overlapped,
    "done": nothing,
}


@dataclass(frozen=True)
class Event:
    """What happens to a task: a fault in its first try, and what follows.

    :param fault: what happens to the request, one of :data:`FAULTS`
    :param then: ``retry``, ``clear``, ``two clears``, or ``uncounted clear``: one that Airflow
        takes for a retry, because the run has not ended. Empty if the first try is all
    :param second: whether the fault meets the second request of the change
    :param person: whether a person undoes the change, or decides otherwise, before the second try
    :param lowered: whether ``retries`` are lowered in the DAG file before the second try
    :param outage: whether no connection can be made during the second try
    :param soon: whether a person clears the task at once, while jobs still run
    """

    fault: str
    then: str = ""
    second: bool = False
    person: bool = False
    lowered: bool = False
    outage: bool = False
    soon: bool = False

    def __str__(self) -> str:
        parts = [f"{'the second ' if self.second else ''}{self.fault}"]
        parts += ["a person"] if self.person else []
        parts += ["retries lowered"] if self.lowered else []
        parts += ["an outage"] if self.outage else []
        parts += ["soon"] if self.soon else []
        parts += [self.then] if self.then else []
        return ", ".join(parts)

    def play(self, world: World, change: Change) -> Ended:
        """Run the tries, and return how the last one ended."""
        first, second = change.requests(world)
        request = second if self.second else first
        assert request
        FAULTS[self.fault](world, request)
        ended = world.first(change)
        if self.fault == "lost and late":
            world.clock.sleep(10)
        if self.person:
            world.clock.sleep(30)
            change.person(world)
        if self.lowered:
            world.retries -= 1
        if self.then == "retry":
            assert not ended.final, "Airflow does not retry such an error"
            with world.outage() if self.outage else nullcontext():
                return world.retry(change)
        if self.then == "uncounted clear":
            return world.retry(change)
        if self.then == "clear":
            return world.clear(change, after=10 if self.soon else BETWEEN_TRIES)
        if self.then == "two clears":
            world.clear(change)
            return world.clear(change)
        return ended


def _second_tries() -> list[Event]:
    events = []
    for then in ("retry", "clear"):
        faults = ("lost and not done", "killed at once", "killed before", "killed after", "done")
        events += [Event(fault, then) for fault in faults]
        events += [
            Event(fault, then, person=True) for fault in ("killed before", "killed after", "done")
        ]
    return events


_SECOND_REQUEST = [
    Event("refused", second=True),
    Event("refused", "clear", second=True),
    Event("busy", second=True),
    Event("busy", "retry", second=True),
    Event("busy", "retry", second=True, person=True),
    Event("lost", second=True),
    Event("lost and late", second=True),
    Event("lost and not done", second=True),
    Event("lost and not done", "retry", second=True),
    Event("killed before", "retry", second=True),
    Event("killed after", "retry", second=True),
    Event("overlapped and killed", "retry", second=True),
]
EVENTS = [
    Event("done"),
    Event("refused"),
    Event("refused", "clear"),
    Event("busy once"),
    Event("busy"),
    Event("busy", "retry"),
    Event("lost and not done"),
    Event("lost"),
    Event("503"),
    Event("504"),
    Event("a page"),
    Event("cut short"),
    Event("504 and not done"),
    Event("a page and not done"),
    Event("lost and late"),
    Event("lost", "clear"),
    Event("lost", "uncounted clear"),
    Event("killed and late", "retry"),
    *_second_tries(),
    Event("killed after", "two clears"),
    Event("done", "clear", soon=True),
    Event("killed before", "retry", lowered=True),
    Event("killed after", "retry", person=True, lowered=True),
    Event("done", "retry", person=True, lowered=True),
    Event("killed after", "retry", outage=True),
    Event("overlapped and killed", "retry"),
    Event("overlapped and killed", "clear"),
    *_SECOND_REQUEST,
]
