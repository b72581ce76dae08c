"""What people do to a single operator between its tries and passes: they edit its DAG file, or
clear it. And what happens if the process of an earlier try is not dead.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from campaign.clock import SCHEDULED_AFTER

if TYPE_CHECKING:
    from campaign.wire import Process
    from campaign.world import World

LOWER, RAISE = "lower retries", "raise retries"
DEPLOYMENT, PACKAGE, ARGUMENTS = "another deployment", "another package", "other arguments"
CLEAR, CLEAR_RUNNING, TWICE = "clear", "clear while it runs", "double execution"
#: Every kind, and how often it comes.
KINDS = {
    LOWER: 4,
    RAISE: 2,
    DEPLOYMENT: 2,
    PACKAGE: 3,
    ARGUMENTS: 3,
    CLEAR: 4,
    CLEAR_RUNNING: 4,
    TWICE: 4,
}
#: The edits of arguments that each flow has. All flows have those that are not about arguments.
_OF_ARGUMENTS = {
    "create": (DEPLOYMENT, PACKAGE),
    "staged": (DEPLOYMENT, PACKAGE),
    "activate": (ARGUMENTS,),
    "roll back": (),
    "run": (DEPLOYMENT, ARGUMENTS),
    "run flow": (),
    "run recipe": (),
    "rules": (DEPLOYMENT, ARGUMENTS),
    "import": (PACKAGE,),
}


@dataclass(frozen=True)
class Edit:
    """Something that a person does to a task, or that happens to its tries.

    :param kind: one of ``KINDS``
    :param request: before which request of the task; where it makes fewer, after its end
    :param number: the new ``retries``; for a double execution, at which request of the later try
        the earlier one goes on
    :param dies_after: seconds until the process of a cleared task is gone
    """

    kind: str
    request: int
    number: int
    dies_after: float

    def __str__(self) -> str:
        number = f" ({self.number})" if self.kind in (LOWER, RAISE, TWICE) else ""
        return f"{self.kind}{number} at request {self.request} of the last task"


def draw_edits(
    chance: random.Random, flow: str, requests: int, *, journal: bool, deferrable: bool
) -> tuple[Edit, ...]:
    """Choose what people edit and clear; the conditions of the promise hold.

    :param chance: decides
    :param flow: what is asked for
    :param requests: how many requests its task makes if nothing goes wrong
    :param journal: whether the task has a journal
    :param deferrable: whether its task waits in the triggerer
    """
    if flow not in _OF_ARGUMENTS:
        return ()
    kinds = [LOWER, RAISE, CLEAR, CLEAR_RUNNING, *_OF_ARGUMENTS[flow]]
    if journal and not deferrable:
        kinds.append(TWICE)
    chosen = [
        chance.choices(kinds, [KINDS[kind] for kind in kinds])[0]
        for _ in range(chance.choice([1, 1, 2, 2, 3]))
    ]
    if not journal and any(kind in chosen for kind in (CLEAR, CLEAR_RUNNING)):
        chosen = [kind for kind in chosen if kind != LOWER]
    if TWICE in chosen:
        chosen = [kind for kind in chosen if kind not in (CLEAR_RUNNING, TWICE)] + [TWICE]
    edits = [
        Edit(
            kind,
            request=chance.randint(0, requests + 1),
            number=_number(chance, kind),
            dies_after=chance.choice([0.0, 2.0, 5.0]),
        )
        for kind in chosen
    ]
    return tuple(sorted(edits, key=lambda edit: edit.request))


def _number(chance: random.Random, kind: str) -> int:
    if kind == LOWER:
        return chance.choice([0, 0, 1])
    return chance.choice([3, 5]) if kind == RAISE else chance.choice([0, 1, 2, 4, 99])


@dataclass
class Record:
    """A task, as Airflow's database and its DAG file have it.

    :param retries: the operator's, in the DAG file of now
    :param max_tries: Airflow's, of the time when the task was scheduled first or cleared last
    :param fresh: whether its next try is the first one, or the first one since a clear that counts
    :param is_restarting: whether it was cleared while it ran
    :param cleared: how many events the instance knew when a person cleared it last
    """

    task_id: str
    retries: int
    max_tries: int
    number: int = 0
    fresh: bool = True
    is_restarting: bool = False
    cleared: int = 0
    process: Process | None = None
    thread: threading.Thread | None = None


class Handover:
    """Lets two processes of a task go on in turns."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.first_goes, self.second_goes = threading.Event(), threading.Event()
        self.later: threading.Thread | None = None
        self.ended: Any = None
        self.error: BaseException | None = None


class Edits:
    """Does what people do to the last task of a flow.

    :param world: where it happens
    :param edits: what is done
    """

    def __init__(self, world: World, edits: Sequence[Edit] = ()) -> None:
        self._world, self._waiting = world, list(edits)
        #: Whether anything is done in this run.
        self.planned = bool(edits)
        self.record: Record | None = None
        #: The kinds of arguments that were edited, and when: the number of the events then.
        self.edited: dict[str, int] = {}
        #: Those that the last process knew when it began.
        self.used: frozenset[str] = frozenset()
        #: How often a person cleared the task.
        self.clears = 0
        self.handover: Handover | None = None
        #: Runs what is left of the tries of the task.
        self.go_on: Callable[[], Any] = lambda: None

    def watch(self, record: Record) -> None:
        """Do the rest to this task."""
        self.record = record

    def begin(self, process: Process) -> None:
        """Let a process read the DAG file."""
        record = self.record
        if record and record.task_id == process.task:
            record.process, self.used = process, frozenset(self.edited)

    @property
    def is_edited(self) -> bool:
        """Whether an argument of the task was edited."""
        return bool(self.used)

    @property
    def passes(self) -> int:
        """How often a person asked for the task, the first time included; a new argument is a
        reason too.
        """
        return 1 + self.clears + len(self.used)

    def choice(self, kind: str, before: Any, after: Any) -> Any:
        """Return what the DAG file had for an argument when the last process began."""
        return after if kind in self.used else before

    def on_request(self) -> None:
        """Act before a request of the task, if it is time."""
        record, process = self.record, self._world.wire.process
        if record is None or process is not record.process:
            return
        self._hand_over(process)
        if threading.current_thread() is not record.thread:
            return  # a request of the triggerer
        while self._waiting and process.requests > self._waiting[0].request:
            edit = self._waiting[0]
            if edit.kind == CLEAR:
                return  # it comes after the end
            self._waiting.pop(0)
            self._do(edit, process)

    def on_end(self) -> bool:
        """Act after the task has ended; tell whether it was cleared."""
        while self._waiting:
            edit = self._waiting.pop(0)
            if edit.kind in (CLEAR, CLEAR_RUNNING):
                self._clear_ended()
                return True
            if edit.kind != TWICE:
                self._do(edit, None)
        return False

    def _do(self, edit: Edit, process: Process | None) -> None:
        record = self.record
        assert record
        self._world.say(f"    a person: {edit}")
        if edit.kind in (LOWER, RAISE):
            record.retries = edit.number
        elif edit.kind == CLEAR_RUNNING and process:
            self._clear_running(process, edit.dies_after)
        elif edit.kind == TWICE and process:
            self._stop(process, edit.number)
        else:
            self.edited[edit.kind] = self._world.event_count()

    def _clear_running(self, process: Process, dies_after: float) -> None:
        """Clear the task while it runs: Airflow keeps its ``max_tries``."""
        record = self.record
        assert record
        record.is_restarting, record.cleared = True, self._world.event_count()
        self.clears += 1
        if self._world.line != "3.0":
            self._world.dag_run.clear_number += 1

        def kill() -> None:
            process.dead = process.ended = True

        self._world.clock.at(dies_after, kill)

    def _clear_ended(self) -> None:
        record, world = self.record, self._world
        assert record
        world.say("    a person: clears the task that has ended")
        world.clock.sleep(SCHEDULED_AFTER)
        record.cleared, record.fresh = world.event_count(), True
        record.max_tries = record.number + record.retries
        self.clears += 1
        world.dag_run.clear_number += 1
        world.dag_run.start_date = world.clock.datetime()

    def _stop(self, process: Process, at: int) -> None:
        """Stop the process until the next try has made some requests, or has ended.

        Its heartbeat is missing, so Airflow starts the next try.
        """
        record, world = self.record, self._world
        assert record
        if record.number > record.max_tries:
            return  # it has no next try
        world.say(f"    the worker of {process.task}/{process.try_number} stops")
        process.is_stale = True
        handover = self.handover = Handover(at)

        def go_on() -> None:
            try:
                handover.ended = self.go_on()
            except BaseException as error:
                handover.error = error
            finally:
                handover.first_goes.set()

        # The time passes for the others; the process itself is not there meanwhile.
        handover.later = threading.Thread(target=go_on, name=record.task_id)
        handover.later.start()
        handover.first_goes.wait()
        world.wire.process = process
        world.say(f"    the worker of {process.task}/{process.try_number} goes on")

    def _hand_over(self, process: Process) -> None:
        """Let the earlier process go on, at a request of the later one."""
        handover = self.handover
        if (
            handover is None
            or handover.first_goes.is_set()
            or threading.current_thread() is not handover.later
            or process.requests <= handover.at
        ):
            return
        handover.first_goes.set()
        handover.second_goes.wait()
        self._world.wire.process = process

    def after(self, process: Process, ended: Any) -> Any:
        """Return how the task ended, if the next try runs already; else None."""
        handover = self.handover
        if handover is None or not process.is_stale:
            return None
        self._world.say(f"    the stopped process ends as {ended.state}")
        handover.second_goes.set()
        assert handover.later
        handover.later.join()
        if handover.error:
            raise handover.error
        return handover.ended
