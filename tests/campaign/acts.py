"""What people do to a run of the group, in Airflow's pages and in Trifacta's, and when
they do it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from campaign.hits import abandoned_upload
from campaign.people import decide
from campaign.world import package

if TYPE_CHECKING:
    from campaign.scheduler import Run

#: A moment after everything has ended.
AT_THE_END = "the end"
#: Seconds after which the server has finished an upload whose task was cleared.
ABANDONED_FOR = [0.5, 3.0, 8.0, 20.0, 45.0]
#: Tasks at whose moments more can go wrong come more often.
_WEIGHTS = {
    AT_THE_END: 6,
    "create_release": 3,
    "smoke_run": 2,
    "smoke_jobs": 3,
    "roll_back": 3,
    "promoted": 2,
}


@dataclass(frozen=True)
class Act:
    """Something that a person does, or that happens to a task.

    :param kind: one of ``KINDS``
    :param moment: the task during which it happens, or ``AT_THE_END``
    :param request: before which request of that task; where it makes fewer, after the task
    :param delay: seconds later
    :param task: the task that it is about
    :param alone: whether what follows that task is left out
    :param dies_after: seconds until a process that it ends is gone
    """

    kind: str
    moment: str
    request: int
    delay: float
    task: str
    alone: bool
    dies_after: float

    def __str__(self) -> str:
        later = f" and {self.delay:g} s" if self.delay else ""
        when = (
            self.moment if self.moment == AT_THE_END else f"request {self.request} of {self.moment}"
        )
        what = f"{self.kind} {self.task}" if self.kind in _ABOUT_A_TASK else self.kind
        return f"{what}{' alone' if self.alone and self.kind == 'clear' else ''} at {when}{later}"


def draw_acts(
    chance: random.Random, tasks: Sequence[str], requests: dict[str, int]
) -> tuple[Act, ...]:
    """Choose what people do.

    :param chance: decides
    :param tasks: the names of the group's tasks
    :param requests: how many requests each of them makes if nothing goes wrong
    """
    acts = []
    for _ in range(chance.choice([0, 1, 1, 1, 2, 2, 3])):
        moments = [*tasks, AT_THE_END]
        moment = chance.choices(moments, [_WEIGHTS.get(one, 1) for one in moments])[0]
        kind = chance.choices(list(_SHARES), list(_SHARES.values()))[0]
        task = chance.choices(tasks, [_WEIGHTS.get(one, 1) for one in tasks])[0]
        if moment != AT_THE_END and chance.random() < 0.4:
            task = moment
        acts.append(
            Act(
                kind,
                moment,
                request=chance.randint(0, requests.get(moment, 0) + 1),
                delay=chance.choice([0.0, 0.0, 0.05, 3.0, 30.0]),
                task=task,
                alone=chance.random() < 0.5,
                dies_after=chance.choice([0.0, 2.0, 5.0]),
            )
        )
    return tuple(acts)


def draw_edits(
    chance: random.Random,
    tasks: Sequence[str],
    requests: dict[str, int],
    acts: Sequence[Act],
    *,
    journal: bool,
) -> tuple[Act, ...]:
    """Add to what people do that they edit the DAG file, clear tasks during an upload, or promote
    by another group at the same time, and that a stopped worker goes on. The conditions of the
    promise hold, but for the other group.

    :param chance: decides
    :param tasks: the names of the group's tasks
    :param requests: how many requests each of them makes if nothing goes wrong
    :param acts: what they do anyway
    :param journal: whether tasks have a journal
    """
    kinds = dict(_EDITS)
    if not journal:
        # A process of an earlier try must be dead, and a run that is cleared keeps its retries.
        del kinds["stop the worker of"]
        del kinds["lower retries of"]
    drawn = list(acts)
    for _ in range(chance.choice([1, 1, 2])):
        kind = chance.choices(list(kinds), list(kinds.values()))[0]
        task = chance.choices(tasks, [_WEIGHTS.get(one, 1) for one in tasks])[0]
        moment = task
        waits = task in ("active", "smoke_jobs")
        if "upload" in kind or (kind == "stop the worker of" and waits):
            moment = task = "create_release"
        elif kind not in ("stop the worker of", "lower retries of"):
            moment = chance.choice([*tasks, "create_release", AT_THE_END])
        act = Act(
            kind,
            moment,
            request=chance.randint(0, requests.get(moment, 0) + 1),
            delay=0.0,
            task=task,
            alone=chance.random() < 0.5,
            dies_after=chance.choice([0.0, 2.0, 5.0]),
        )
        drawn.insert(chance.randint(0, len(drawn)), act)
    return tuple(drawn)


class People:
    """Acts on a run, one act after the other.

    :param run: the run
    :param acts: what is done
    :param chance: decides what is left open
    """

    def __init__(self, run: Run, acts: Sequence[Act], chance: random.Random) -> None:
        self._run, self._waiting, self._chance = run, list(acts), chance
        #: Whether anything was done.
        self.acted = False

    def on_request(self) -> None:
        """Act before a request of a task, if it is time."""
        process, act = self._run.world.wire.process, self._next
        if act and process.task.endswith(f".{act.moment}") and process.requests > act.request:
            self._begin()

    def on_end(self, name: str) -> None:
        """Act after a task has ended, if it made fewer requests than the act waits for."""
        while self._next and self._next.moment == name:
            self._begin()

    def on_idle(self) -> bool:
        """Act after everything has ended; tell whether there was anything left to do."""
        if self._next:
            self._begin()
            return True
        return False

    @property
    def _next(self) -> Act | None:
        return self._waiting[0] if self._waiting else None

    def _begin(self) -> None:
        act, self.acted = self._waiting.pop(0), True
        if act.delay:
            self._run.after(act.delay, lambda: self._do(act))
        else:
            self._do(act)

    def _do(self, act: Act) -> None:
        self._run.world.say(f"    a person: {act}")
        KINDS[act.kind](self._run, act, self._chance)


def _clear(run: Run, act: Act, chance: random.Random) -> None:
    run.clear([act.task] if act.alone else run.following(act.task), act.dies_after)


def _mark_failed(run: Run, act: Act, chance: random.Random) -> None:
    run.mark(act.task, "failed", act.dies_after)


def _mark_success(run: Run, act: Act, chance: random.Random) -> None:
    run.mark(act.task, "success", act.dies_after)


def _in_trifacta(run: Run, act: Act, chance: random.Random) -> None:
    decide(run.world, chance)


def _change_password(run: Run, act: Act, chance: random.Random) -> None:
    run.world.passwords.change(chance.choice([5.0, 30.0, 30.0, 300.0, 1200.0]))


def _lose_starts(run: Run, act: Act, chance: random.Random) -> None:
    task = run.task(act.task)
    if task:
        task.lost_starts = chance.choice([1, 3, 3])
        run.clear([act.task] if act.alone else run.following(act.task), act.dies_after)


def _lose_trigger(run: Run, act: Act, chance: random.Random) -> None:
    for name in ("active", "smoke_jobs"):
        task = run.task(name)
        if task:
            task.loses_trigger = True


def _lower_retries(run: Run, act: Act, chance: random.Random) -> None:
    _set_retries(run, act, chance.choice([0, 0, 1]))


def _raise_retries(run: Run, act: Act, chance: random.Random) -> None:
    _set_retries(run, act, chance.choice([3, 5]))


def _set_retries(run: Run, act: Act, retries: int) -> None:
    task = run.task(act.task)
    if task:
        task.retries = retries


def _edit_path(run: Run, act: Act, chance: random.Random) -> None:
    edited = package("ours").path.with_name("group-edited.zip")
    for task in run.tasks.values():
        task.edits["package_path"] = str(edited)


def _edit_rules(run: Run, act: Act, chance: random.Random) -> None:
    for task in run.tasks.values():
        task.edits["value_rules"] = [{"type": "fileLocation", "on": "raw", "with": "prod2"}]


def _clear_in_upload(run: Run, act: Act, chance: random.Random) -> None:
    names = [task.name for task in run.tasks.values()]
    _abandon_upload(run, names, chance)


def _clear_upload(run: Run, act: Act, chance: random.Random) -> None:
    names = ["create_release"] if act.alone else run.following("create_release")
    _abandon_upload(run, names, chance)


def _abandon_upload(run: Run, names: list[str], chance: random.Random) -> None:
    """Clear tasks while the next upload is under way; the server finishes it later."""
    later = chance.choice(ABANDONED_FOR)

    def clear() -> None:
        run.world.say(f"    a person clears {', '.join(names)}; the upload ends in {later:g} s")
        run.clear(names)

    run.world.wire.abandon = abandoned_upload(run.world, clear, later)


def _stop_worker(run: Run, act: Act, chance: random.Random) -> None:
    process = run.world.wire.process
    waits = process.task.endswith((".active", ".smoke_jobs"))
    if process.task in run.tasks and process.requests and not waits:
        run.stop(process, chance.choice([0.0, 1.0, 30.0, 200.0]))


def _promote_beside(run: Run, act: Act, chance: random.Random) -> None:
    run.world.promote_beside(chance.choice([0.5, 2.0, 10.0, 60.0]))


#: Everything that may be done, by its name.
KINDS: dict[str, Callable[[Run, Act, random.Random], None]] = {
    "clear": _clear,
    "mark failed": _mark_failed,
    "mark success": _mark_success,
    "act in Trifacta": _in_trifacta,
    "change the password": _change_password,
    "clear, and lose the start of": _lose_starts,
    "lose the trigger": _lose_trigger,
    "lower retries of": _lower_retries,
    "raise retries of": _raise_retries,
    "edit the package path": _edit_path,
    "edit the import rules": _edit_rules,
    "clear the group in its upload": _clear_in_upload,
    "clear the upload": _clear_upload,
    "stop the worker of": _stop_worker,
    "promote by another group": _promote_beside,
}
_SHARES = {
    "clear": 8,
    "mark failed": 2,
    "mark success": 2,
    "act in Trifacta": 4,
    "change the password": 2,
    "clear, and lose the start of": 2,
    "lose the trigger": 1,
}
#: What people edit in the DAG file, and what else makes tries and passes meet.
_EDITS = {
    "lower retries of": 4,
    "raise retries of": 1,
    "edit the package path": 3,
    "edit the import rules": 1,
    "clear the group in its upload": 4,
    "clear the upload": 2,
    "stop the worker of": 4,
    "promote by another group": 4,
}
_ABOUT_A_TASK = (
    "clear",
    "mark failed",
    "mark success",
    "clear, and lose the start of",
    "lower retries of",
    "raise retries of",
    "stop the worker of",
)
