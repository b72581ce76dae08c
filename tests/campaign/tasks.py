"""Runs an operator as Airflow does: its tries, its death, its deferral, its XComs and
its journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import pkgutil
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from campaign.clock import NOTICED_AFTER, RETRY_DELAY, SCHEDULED_AFTER
from campaign.edits import Record
from campaign.project import (
    DOUBTS,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferralError,
    TaskDeferred,
    TrifactaError,
    VirtualLoop,
    XComNotFound,
)
from campaign.wire import KilledError, Process
from campaign.world import Store

if TYPE_CHECKING:
    from datetime import datetime

    from campaign.world import World

_OURS = (TrifactaError, AirflowFailException, AirflowSkipException, AirflowSensorTimeout)
#: What Airflow itself raises for a task: its trigger is lost, or what it is to get was never
#: pushed.
_AIRFLOWS = (TaskDeferralError, XComNotFound)


@dataclass
class Ended:
    """How a task ended.

    :param state: ``success``, ``failed`` or ``skipped``
    :param value: what it returned
    :param error: what it ended with; None also where its process was killed
    :param tries: how many tries it took
    """

    task_id: str
    state: str
    value: Any = None
    error: BaseException | None = None
    tries: int = 1

    @property
    def cause(self) -> BaseException | None:
        """The provider's own error."""
        return self.error.__cause__ if isinstance(self.error, AirflowFailException) else self.error

    @property
    def doubts(self) -> bool:
        """Whether it failed because it cannot tell what happened."""
        return self.state == "failed" and isinstance(self.cause, DOUBTS)


class TaskInstance:
    """Stands for Airflow's task instance in a context."""

    def __init__(self, world: World, task_id: str, try_number: int, retries: int) -> None:
        self.world, self.task_id, self.try_number, self.max_tries = (
            world,
            task_id,
            try_number,
            retries,
        )
        #: The ``retries`` of the operator, by which it tells a retry from a clear.
        self.retries = retries
        self.dag_id, self.run_id, self.map_index = "campaign", "campaign", -1
        self.first_look: datetime | None = None
        self.pushed: dict[str, Any] = {}
        #: Whether the triggerer ends its wait with an error of its own.
        self.loses_trigger = False

    def xcom_push(self, key: str, value: Any) -> None:
        self.world.wire.check_alive()
        self.world.refuse_stale("XCom")
        if value is None or key in self.pushed:
            self.world.wrong(
                f"{self.task_id} pushes the XCom {key} {'as null' if value is None else 'twice'}"
            )
        self.world.given.append(json.dumps(value))
        self.pushed[key] = json.loads(json.dumps(value))

    def xcom_pull(
        self, *, task_ids: str, key: str = "return_value", default: Any = None, **_: Any
    ) -> Any:
        return self.world.xcoms.get(task_ids, {}).get(key, default)

    def get_task_states(
        self, *, task_ids: list[str], run_ids: list[str], **_: Any
    ) -> dict[str, Any]:
        return {run_ids[0]: {one: self.world.states.get(one) for one in task_ids}}

    def moves(self, state: str) -> None:
        """Take a state that other tasks of the run may read."""

    def says(self, text: str) -> None:
        """End with an error."""

    def get_first_reschedule_date(self, context: object) -> datetime | None:
        return self.first_look


def run_task(
    world: World,
    task_id: str,
    make: Callable[[], Any],
    *,
    retries: int = 2,
    render: dict[str, Any] | None = None,
) -> Ended:
    """Run a task to its end.

    :param make: makes the operator, again for each process
    :param retries: how often Airflow tries it again
    :param render: what its templates need, if they are to be rendered
    """
    store = world.stores.setdefault(task_id, Store(world))
    record = Record(task_id, retries, max_tries=retries, thread=threading.current_thread())
    if task_id != "baseline":
        world.edits.watch(record)
    ended, ti = _run_tries(world, record, make, render)
    world.xcoms[task_id] = dict(ti.pushed)
    if ended.state == "success":
        world.xcoms[task_id]["return_value"] = json.loads(json.dumps(ended.value))
    ended.state = "failed" if ended.state in ("killed", "retry") else ended.state
    world.states[task_id] = ended.state
    world.given += store.kept.values()
    said = f": {ended.error}" if ended.error else ""
    world.say(f"{task_id} ends as {ended.state} after {ended.tries} tries{said}")
    return ended


def _run_tries(
    world: World, record: Record, make: Callable[[], Any], render: dict[str, Any] | None
) -> tuple[Ended, TaskInstance]:
    """Run the tries of a task that are left, also those after clears.

    :returns: how the last one ended, and its task instance
    """
    edits = world.edits
    while True:
        record.number += 1
        world.max_tries_of[record.task_id, record.number] = record.max_tries
        ti = TaskInstance(world, record.task_id, record.number, record.max_tries)
        ti.retries = record.retries
        process = Process(record.task_id, record.number, cleared=record.cleared, first=record.fresh)
        record.fresh = False
        edits.begin(process)
        edits.go_on = functools.partial(_run_later_tries, world, record, make, render)
        ended = run_try(world, ti, make, process, render=render)
        taken_over = edits.after(process, ended)
        if taken_over:
            ended, ti = taken_over
            return ended, ti
        if record.is_restarting:
            record.is_restarting = False
            world.clock.sleep(SCHEDULED_AFTER)
            continue
        if ended.state in ("killed", "retry"):
            world.clock.sleep(NOTICED_AFTER if ended.state == "killed" else 0.0)
            if record.number <= record.max_tries:
                world.clock.sleep(RETRY_DELAY)
                continue
        if not (record is edits.record and edits.on_end()):
            return ended, ti


def _run_later_tries(
    world: World, record: Record, make: Callable[[], Any], render: dict[str, Any] | None
) -> tuple[Ended, TaskInstance]:
    """Run the tries after one whose process stopped, as Airflow does when it misses a heartbeat."""
    record.thread, world.wire.process = threading.current_thread(), Process()
    world.clock.sleep(NOTICED_AFTER + RETRY_DELAY)
    return _run_tries(world, record, make, render)


def run_try(
    world: World,
    ti: TaskInstance,
    make: Callable[[], Any],
    process: Process,
    *,
    render: dict[str, Any] | None = None,
    dag_run: Any = None,
) -> Ended:
    """Run one try of a task.

    :param ti: the task instance
    :param make: makes the operator, again for each process
    :param process: the process that runs it
    :param render: what its templates need, if they are to be rendered
    :param dag_run: the run, if it is not the world's
    :returns: how it ended: beside the states of :class:`Ended` also ``retry``, if Airflow may try
        again, and ``killed``
    """
    before, world.wire.process = world.wire.process, process
    ended = Ended(ti.task_id, "retry", tries=ti.try_number)
    context: dict[str, Any] = {
        "ti": ti,
        "task_instance": ti,
        "params": {},
        "dag_run": dag_run or world.dag_run,
    }
    context |= render or {}
    if world.journal:
        context["task_state_store"] = world.stores.setdefault(ti.task_id, Store(world))
    try:
        ended.value = _execute(world, make, ti, context, rendered=render is not None)
        ended.state = "success"
        world.given.append(json.dumps(ended.value))
    except KilledError:
        ended.state = "killed"
    except AirflowSkipException as error:
        ended.state, ended.error = "skipped", error
        ti.says(str(error))
    except Exception as error:
        ended.error = error
        ti.says(str(error))
        _note(world, ti, error)
        if isinstance(error, (AirflowFailException, AirflowSensorTimeout)):
            ended.state = "failed"
    finally:
        world.wire.process = before
    return ended


def _note(world: World, ti: TaskInstance, error: BaseException) -> None:
    world.claims.append((ti.task_id, ti.try_number, str(error)))
    world.given.append("".join(traceback.format_exception(error)))
    world.say(f"    {type(error).__name__}: {error}")
    cause = error.__cause__ if isinstance(error, AirflowFailException) else error
    ours = isinstance(error, _OURS) and (cause is None or isinstance(cause, _OURS))
    if not ours and not isinstance(error, _AIRFLOWS) and not world.wire.process.is_stale:
        world.wrong(f"{ti.task_id} ends with {type(error).__name__}: {str(error)[:200]}")


def _execute(
    world: World,
    make: Callable[[], Any],
    ti: TaskInstance,
    context: dict[str, Any],
    *,
    rendered: bool,
) -> Any:
    """Run one try, over its deferral and its rescheduling."""
    while True:
        operator = make()
        if rendered:
            operator = operator.prepare_for_execution()
        operator.retries = ti.retries
        if rendered:
            operator.render_template_fields(context)
        first = world.clock.datetime()
        try:
            return operator.execute(context)
        except TaskDeferred as deferred:
            ti.moves("deferred")
            method, keywords = deferred.method_name, dict(deferred.kwargs or {})
            if ti.loses_trigger:
                method, keywords = "__fail__", {"error": "Trigger failure"}
                world.say("    the triggerer loses the wait")
            else:
                keywords["event"] = _event_of(world, deferred.trigger.serialize())
            ti.moves("running")
            return operator.resume_execution(method, keywords, context)
        except AirflowRescheduleException as again:
            # A process of its own each time; it keeps the try.
            ti.first_look = ti.first_look or first
            ti.pushed.clear()
            world.clock.sleep((again.reschedule_date - world.clock.datetime()).total_seconds())


def _event_of(world: World, serialized: tuple[str, dict[str, Any]]) -> Any:
    """Run a trigger until its event; a triggerer that is killed is started again, and runs it from
    its keywords."""
    process, path, keywords = world.wire.process, serialized[0], json.dumps(serialized[1])
    world.given.append(keywords)
    while True:
        loop = VirtualLoop(world.clock)
        trigger = pkgutil.resolve_name(path)(**json.loads(keywords))
        found: Any = None
        with contextlib.closing(loop):
            try:
                found = loop.run_until_complete(_first(trigger))
            except BaseException:
                if not process.dead:
                    raise
                # Its process is gone, so nothing of it gets out any more.
                loop.run_until_complete(cancel_all())
            loop.run_until_complete(loop.shutdown_default_executor())
        if not process.dead:
            world.given.append(json.dumps(found.payload))
            return json.loads(json.dumps(found.payload))
        if process.ended:
            raise KilledError
        process.dead = False
        world.clock.sleep(NOTICED_AFTER)


async def cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _first(trigger: Any) -> Any:
    async for event in trigger.run():
        return event
    return None
