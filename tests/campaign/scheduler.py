"""A small scheduler for one DAG run: it runs tasks by their trigger rules, and people clear and
mark them meanwhile.

It does what Airflow does with the states, tries and XComs of a run. Times are virtual, and one
process runs at a time. If a task becomes ready while another one sleeps, it runs within that sleep.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from campaign.clock import NOTICED_AFTER, RETRY_DELAY, SCHEDULED_AFTER
from campaign.tasks import Ended, TaskInstance, run_try
from campaign.wire import Process
from campaign.world import TASK

if TYPE_CHECKING:
    from campaign.world import World

#: Seconds between two tasks.
_LOOP = 1.0
#: States in which nothing more happens by itself.
ENDED = ("success", "failed", "skipped", "upstream_failed")


class Task:
    """A task of the run, as Airflow's database has it."""

    def __init__(self, operator: Any) -> None:
        self.operator = operator
        self.task_id: str = operator.task_id
        self.upstream: list[str] = sorted(operator.upstream_task_ids)
        #: Its ``retries``, and other arguments that were edited, as the DAG file has them now.
        self.retries: int = operator.retries
        self.edits: dict[str, Any] = {}
        self.state: str | None = None
        self.try_number, self.max_tries = 0, self.retries
        self.process: Process | None = None
        #: When its next try may begin, and how many of its tries are to fail before their process
        #: starts.
        self.not_before, self.lost_starts = 0.0, 0
        #: Whether the triggerer is to end its next wait with an error.
        self.loses_trigger = False
        #: How many events the instance knew when a person cleared it last.
        self.cleared = 0
        #: How often a person cleared it.
        self.clears = 0
        #: Whether its next try is the first one, or the first one since a clear that counts.
        self.fresh = True
        #: The state that a person gave it in this pass, if one did.
        self.marked: str | None = None
        #: How its last process ended.
        self.ended: Ended | None = None

    def edited(self) -> Any:
        """Return its operator, as the DAG file has it now."""
        operator = copy.copy(self.operator)
        for name, value in self.edits.items():
            if hasattr(operator, name):
                setattr(operator, name, value)
        return operator

    @property
    def name(self) -> str:
        """Its id without that of the group."""
        return self.task_id.rpartition(".")[2]


class GroupInstance(TaskInstance):
    """Airflow's task instance for a process in a run: its XComs and its state are there for others
    at once."""

    def __init__(self, run: Run, task: Task, process: Process) -> None:
        super().__init__(run.world, task.task_id, task.try_number, task.max_tries)
        self._run, self._task, self._process = run, task, process
        self.retries = task.retries
        self.loses_trigger, task.loses_trigger = task.loses_trigger, False

    def xcom_push(self, key: str, value: Any) -> None:
        super().xcom_push(key, value)
        self._run.world.xcoms[self.task_id][key] = self.pushed[key]
        self._run.on_push(self._process, key, self.pushed[key])

    def moves(self, state: str) -> None:
        if self._task.process is self._process and self._task.state in ("running", "deferred"):
            self._task.state = state

    def says(self, text: str) -> None:
        self._run.on_text(self._process, text)

    def get_task_states(
        self, *, task_ids: Iterable[str], run_ids: list[str], **_: Any
    ) -> dict[str, Any]:
        return {run_ids[0]: {task_id: self._run.tasks[task_id].state for task_id in task_ids}}


class Run:
    """One DAG run.

    :param world: where it happens
    :param operators: its tasks, in their order
    :param dag: their DAG
    :param user_id: who they are for the instance
    """

    def __init__(
        self, world: World, operators: Iterable[Any], dag: Any, user_id: int = TASK
    ) -> None:
        self.world, self._dag, self.user_id = world, dag, user_id
        self.tasks = {operator.task_id: Task(operator) for operator in operators}
        for task in self.tasks.values():
            task.upstream = [one for one in task.upstream if one in self.tasks]
        self.dag_run = SimpleNamespace(
            start_date=world.clock.datetime(), run_id="campaign", run_type="manual", clear_number=0
        )
        #: How many baselines were begun.
        self.pass_number = 0
        #: Called when a process starts, pushes an XCom, says something, and when it has ended.
        self.on_start: Callable[[Task, Process], object] = lambda *_: None
        self.on_push: Callable[[Process, str, Any], object] = lambda *_: None
        self.on_text: Callable[[Process, str], object] = lambda *_: None
        self.on_end: Callable[[Task, Process], object] = lambda *_: None
        #: Called when nothing happens any more; tells whether something may happen now.
        self.on_idle: Callable[[], bool] = lambda: False
        #: Runs that are not over before this one ends.
        self.beside: list[Run] = []
        #: Seconds between two of its tasks, if it runs beside another run.
        self.pause: float | None = None
        #: Airflow's ``max_tries`` in each try, by the task and the number of the try.
        self.max_tries_of = world.max_tries_of
        self._timers = 0

    def id_of(self, name: str) -> str:
        """Return the id of a task by its name in the group, empty if the group does not have it."""
        task = self.task(name)
        return task.task_id if task else ""

    def task(self, name: str) -> Task | None:
        """Return a task by its name in the group, None if the group does not have it."""
        return next((task for task in self.tasks.values() if task.name == name), None)

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Let something happen that this run is not over before."""
        self._timers += 1

        def due() -> None:
            self._timers -= 1
            act()

        self.world.clock.at(seconds, due)

    def run(self) -> None:
        """Run until nothing more happens by itself."""
        self.tick()
        while self.is_busy or any(run.is_busy for run in self.beside) or self.on_idle():
            self.world.clock.sleep(1.0)

    @property
    def is_busy(self) -> bool:
        """Whether something happens that it is not over before."""
        return self._timers > 0

    def tick(self) -> None:
        """Run each task that can run now, and decide about those that cannot run any more."""
        # This may happen within the sleep of a process, which may be dead by now. The scheduler is
        # not.
        sleeping, self.world.wire.process = self.world.wire.process, Process()
        try:
            self._tick()
        finally:
            self.world.wire.process = sleeping

    def _tick(self) -> None:
        while True:
            decisions = [(task, self._decide(task)) for task in self.tasks.values()]
            task, decision = next(
                ((task, found) for task, found in decisions if found), (None, None)
            )
            if task is None:
                return
            if decision == "run":
                self._run(task)
                if self.pause is not None:
                    self.after(self.pause, self.tick)
                    return
                self.world.clock.sleep(_LOOP)
            else:
                self._say(task, f"is {decision}")
                task.state = decision

    def _decide(self, task: Task) -> str | None:
        """Return ``run``, the state that a task takes without running, or None if it stays as it
        is."""
        if task.state == "up_for_retry":
            return "run" if self.world.clock.now >= task.not_before else None
        if task.state is not None:
            return None
        states = [self.tasks[one].state for one in task.upstream]
        if task.operator.trigger_rule == "all_done":
            return "run" if all(state in ENDED for state in states) else None
        for state in ("upstream_failed", "failed"):
            if state in states:
                return "upstream_failed"
        if "skipped" in states:
            return "skipped"
        return "run" if all(state == "success" for state in states) else None

    def _run(self, task: Task) -> None:
        """Run the next try of a task, in a thread of its own as it is a process of its own."""
        task.try_number += 1
        first, task.fresh = task.fresh, False
        self.max_tries_of[task.task_id, task.try_number] = task.max_tries
        if task.lost_starts:
            task.lost_starts -= 1
            task.fresh = first  # it notes nothing, so the next one is the first of the pass
            self._say(task, "fails before its process starts")
            self._fails(task)
            return
        errors: list[BaseException] = []

        def run() -> None:
            try:
                self._process(task, first=first)
            except BaseException as error:
                errors.append(error)

        # The client notes some things by thread.
        thread = threading.Thread(target=run, name=task.task_id)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]

    def _process(self, task: Task, *, first: bool) -> None:
        world = self.world
        if task.name == "baseline":
            self.pass_number += 1
        process = Process(
            task.task_id,
            task.try_number,
            self.pass_number,
            world.event_count(),
            task.cleared,
            first,
            user_id=self.user_id,
        )
        task.state, task.process, task.marked = "running", process, None
        world.xcoms[task.task_id] = {}
        self._say(task, f"starts try {task.try_number} of pass {self.pass_number}")
        ti = GroupInstance(self, task, process)
        self.on_start(task, process)
        render = {"dag": self._dag, "run_id": "campaign"}
        ended = run_try(world, ti, task.edited, process, render=render, dag_run=self.dag_run)
        world.given += (
            world.stores[task.task_id].kept.values() if task.task_id in world.stores else ()
        )
        if ended.state == "success" and not process.is_stale:
            world.xcoms[task.task_id]["return_value"] = json.loads(json.dumps(ended.value))
        if ended.state == "killed" and not process.ended:
            world.clock.sleep(NOTICED_AFTER)
        if task.process is not process:
            return  # a person marked it, or cleared it while it was deferred
        task.process = None
        if task.state == "restarting":
            task.state = None
            self._say(task, "is to start again")
            self.after(SCHEDULED_AFTER, self.tick)
            return
        task.ended = ended
        if ended.state in ("killed", "retry"):
            self._fails(task)
        else:
            task.state = ended.state
            said = f": {ended.error}" if ended.error else ""
            self._say(task, f"ends as {task.state}{said}")
        self.on_end(task, process)

    def _fails(self, task: Task) -> None:
        """Let a try fail, as Airflow retries it."""
        if task.try_number > task.max_tries:
            task.state = "failed"
            self._say(task, "ends as failed")
            return
        task.state, task.not_before = "up_for_retry", self.world.clock.now + RETRY_DELAY
        self.after(RETRY_DELAY, self.tick)

    def stop(self, process: Process, seconds: float) -> None:
        """Stop a process until some seconds after its next try began."""
        task = self.tasks.get(process.task)
        if not task or task.process is not process or task.try_number > task.max_tries:
            return
        self._say(task, "has a worker that stops")
        process.is_stale, task.process = True, None

        def lose() -> None:
            if task.state == "running" and task.process is None:
                self._fails(task)

        self.after(NOTICED_AFTER, lose)
        self.world.clock.sleep(NOTICED_AFTER + RETRY_DELAY + seconds)
        self._say(task, f"has a worker of try {process.try_number} that goes on")

    # What people do.

    def clear(self, names: Iterable[str], dies_after: float = 0.0) -> None:
        """Clear some tasks, as a person does.

        :param dies_after: seconds until a process of theirs is ended
        """
        has_ended = all(task.state in ENDED for task in self.tasks.values())
        if has_ended:
            self.dag_run.start_date = self.world.clock.datetime()
        if has_ended or self.world.line != "3.0":
            self.dag_run.clear_number += 1
        for task in [self.task(name) for name in names]:
            if task:
                self._clear(task, dies_after)
        self.after(SCHEDULED_AFTER, self.tick)

    def _clear(self, task: Task, dies_after: float) -> None:
        task.cleared, task.marked = self.world.event_count(), None
        task.clears += 1
        if task.state == "running" and task.process:
            task.state = "restarting"
            self._kill(task.process, dies_after)
            return
        if task.process:  # deferred
            self._kill(task.process, 0.0)
            task.process = None
        if task.state == "restarting":
            return
        task.state, task.max_tries = None, task.try_number + task.retries
        task.fresh = True

    def mark(self, name: str, state: str, dies_after: float = 0.0) -> None:
        """Mark a task as a success or as failed; Airflow then clears the tasks after it that
        failed."""
        task = self.task(name)
        if not task:
            return
        if task.process:
            self._kill(task.process, dies_after)
            task.process = None
        task.state = task.marked = state
        for later in self.following(name)[1:]:
            other = self.task(later)
            if other and other.state in ("failed", "upstream_failed"):
                self._clear(other, dies_after)
        self.after(SCHEDULED_AFTER, self.tick)

    def following(self, name: str) -> list[str]:
        """Return a task and all after it."""
        names = [task.name for task in self.tasks.values()]
        return names[names.index(name) :] if name in names else []

    def _kill(self, process: Process, seconds: float) -> None:
        def kill() -> None:
            process.dead = process.ended = True

        if seconds:
            self.after(seconds, kill)
        else:
            kill()

    def _say(self, task: Task, what: str) -> None:
        self.world.say(f"{task.task_id} {what}")
