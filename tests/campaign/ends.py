"""What must hold when the last two tasks of a group have ended: what is proven stays, and what is
not goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from campaign import history
from campaign.statements import STATUS_KEY
from campaign.world import TASK

if TYPE_CHECKING:
    from campaign.scheduler import Run, Task
    from campaign.statements import Statements
    from campaign.wire import Process
    from campaign.world import State

#: The steps whose success proves a release.
_PROOF = ("create_release", "active", "smoke_run", "smoke_jobs")


class Ends:
    """Checks the ends of a run's last two tasks.

    :param run: the run
    :param statements: knows the baseline of the pass
    """

    def __init__(self, run: Run, statements: Statements) -> None:
        self._run, self._world, self._statements = run, run.world, statements
        #: The releases that one of the two tasks kept rightly, as long as nothing said otherwise.
        self._proven: set[int] = set()
        #: How the steps were when each of the two tasks began.
        self._begun: dict[str, dict[str, str | None]] = {}

    def on_start(self, task: Task) -> None:
        """Keep how the steps are when one of the last two tasks begins."""
        if task.name == "baseline":
            self._proven.clear()
        self._begun[task.task_id] = self._states()

    def on_end(self, task: Task, process: Process) -> None:
        """Check the end of a task."""
        if self._world.overlaps:
            return  # two processes of one task sent
        if task.name in ("smoke_run", "smoke_jobs") and task.state == "failed":
            self._proven.clear()
        if task.name in ("roll_back", "promoted") and task.state in (
            "success",
            "skipped",
            "failed",
        ):
            if self._begun[task.task_id] != self._states() or history.was_lied_to(self._world):
                return  # somebody changed a step meanwhile, or the instance said what is not so
            if task.name == "roll_back":
                self._after_rollback(task, process)
            else:
                self._after_all(task, process)

    def check_releases(self) -> None:
        """Check that each pass made at most one release of a package; only a new export is another
        package."""
        if self._world.overlaps:
            return
        found: dict[tuple[int, str | None], list[int]] = {}
        for release, call in history.releases_made(self._world, user_id=self._run.user_id):
            found.setdefault((call.process.pass_number, release.package_uuid), []).append(
                release.id
            )
        # Without a journal nothing is left of a process that a person ended. If the server takes
        # longer with its upload than it may, the next try cannot know of it.
        uploads = [call for call in self._world.wire.calls if call.uploads and call.process.ended]
        lost = any(call.fault == "slow commit" for call in uploads) and not self._world.journal
        for (number, _), ids in found.items():
            if len(ids) > 1 + lost:
                self._wrong(f"pass {number} made the releases {ids} of one package")

    def check_abandoned(self) -> None:
        """Check that after a green end nothing that was under way went live over the release."""
        task = self._run.task("promoted")
        if self._world.overlaps or not task or task.state != "success" or task.marked:
            return
        calls = [call for call in self._world.wire.calls if call.process.user_id == TASK]
        of_end = [call for call in calls if call.task == task.task_id]
        if not of_end or any(call.writes and call.number > of_end[-1].number for call in calls):
            return  # a step was cleared alone after it
        since = of_end[-1].events[-1]
        named = self._world.xcoms[task.task_id].get("return_value", {}).get("release_id")
        late = history.made_by_run(self._world, 0, since)
        if named and late and self._live() in late - {named}:
            self._wrong(
                f"promoted is green for release {named}, and then release {self._live()} of an"
                " abandoned upload went live over it"
            )

    def is_kept(self, state: State) -> bool:
        """Tell whether a state is what the group promises when it is green."""
        return state.live in self._made() and self._jobs_complete()

    def _after_rollback(self, task: Task, process: Process) -> None:
        changes = history.changed_by(self._world, task.task_id, process.began)
        undone = [event.release_id for event in changes if event.what == "release deactivated"]
        keeps = self._keeps()
        for release_id in undone:
            if release_id in self._proven and "failed" not in self._smoke_states():
                self._wrong(
                    f"release {release_id} was proven before, no smoke run failed, and it was"
                    " rolled back"
                )
            elif keeps is True and not self._jobs_were_unreadable(process):
                self._wrong(
                    f"release {release_id} was rolled back, though every step proves it:"
                    f" {self._states()}"
                )
        live, quiet = self._live(), not self._others_changed(process)
        if task.state == "skipped" and keeps is True and live in self._made():
            self._proven.add(live or 0)
        ours = self._statements.baseline and live in self._made() and live not in self._proven
        if ours and quiet and keeps is False and task.state in ("success", "skipped"):
            self._wrong(
                f"a rollback of release {live} is owed, and roll_back is {task.state}:"
                f" {self._states()}"
            )

    def _after_all(self, task: Task, process: Process) -> None:
        status = self._world.xcoms[task.task_id].get(STATUS_KEY)
        live, quiet = self._live(), not self._others_changed(process)
        if task.state == "success":
            if live in self._made() and self._keeps() is not False:
                self._proven.add(live or 0)
            if quiet and live not in self._made():
                self._wrong(
                    f"promoted is green, and release {live} is live, which is not of this run"
                )
            if not self._jobs_complete() and not self._marked("smoke_run", "smoke_jobs"):
                self._wrong("promoted is green, and the jobs of the smoke run are not Complete")
            if self._keeps() is False and live not in self._proven:
                self._wrong(
                    f"promoted is green, and nothing proves release {live}: {self._states()}"
                )
            return
        if self._keeps() is True and live in self._made():
            self._proven.add(live or 0)
        if task.ended is None or task.ended.error is None:
            return  # it was killed, and said nothing
        if status is None:
            self._wrong(f"promoted is {task.state}, and does not say how production stands")
            return
        unproven = live in self._made() and live not in self._proven and self._keeps() is False
        if quiet and unproven and status["state"] not in ("rollback_owed", "unproven", "unknown"):
            self._wrong(
                f"release {live} is live and not proven, and promoted says {status['state']}"
            )

    def _keeps(self) -> bool | None:
        """Tell whether the steps prove the release, as they are now: None if that may be seen in
        either way."""
        states, jobs = self._states(), self._jobs_complete()
        wait = self._run.task("smoke_jobs")
        before = [
            state for name, state in states.items() if name in _PROOF and name != "smoke_jobs"
        ]
        if set(before) - {"success"}:
            return False
        if self._marked("smoke_jobs"):
            # A wait that gave up at the moment of the mark leaves its note, which counts.
            gave_up = wait and self._world.xcoms.get(wait.task_id, {}).get("gave_up")
            either = wait is None or wait.state == "success" or gave_up
            return None if either else False
        if self._marked("smoke_run"):
            return None
        if wait is None or wait.state == "success":
            return jobs or None
        if wait.state != "failed":
            return None
        if not jobs:
            return False
        # Only the wait gave up. If it was killed or never began, it could not leave a note of that.
        ended = wait.ended
        noted = ended is not None and ended.error is not None and ended.tries == wait.try_number
        return True if noted and "Job" not in type(ended.cause).__name__ else None

    def _jobs_complete(self) -> bool:
        """Tell whether the jobs are Complete that the smoke run names now."""
        task = self._run.task("smoke_run")
        if task is None:
            return True
        ids = self._world.xcoms.get(task.task_id, {}).get("job_group_ids") or ()
        states = dict(self._world.state().jobs)
        return all(states.get(one) == "Complete" for one in ids)

    def _jobs_were_unreadable(self, process: Process) -> bool:
        """Tell whether the last thing that a process read well before its change was not the jobs,
        and it tried."""
        reads = [
            call
            for call in self._world.wire.calls
            if call.process is process and call.method == "GET"
        ]
        change = next(
            call for call in self._world.wire.calls if call.process is process and call.writes
        )
        before = [call for call in reads if call.number < change.number]
        jobs = [call for call in before if "/jobGroups/" in call.path]
        # A later read that went well shows that it could have looked at the jobs once more.
        return bool(
            jobs
            and jobs[-1].fault
            and all(call.fault for call in before if call.number > jobs[-1].number)
        )

    def _states(self) -> dict[str, str | None]:
        return {
            task.name: task.state
            for task in self._run.tasks.values()
            if task.name not in ("roll_back", "promoted")
        }

    def _smoke_states(self) -> list[str | None]:
        return [self._states().get(name) for name in ("smoke_run", "smoke_jobs")]

    def _marked(self, *names: str) -> bool:
        tasks = [self._run.task(name) for name in names]
        return any(task is not None and task.marked is not None for task in tasks)

    def _made(self) -> set[int | None]:
        if self._statements.baseline is None:
            return set()
        newest = self._statements.newest_before
        return set(history.made_by_run(self._world, newest, user_id=self._run.user_id))

    def _others_changed(self, process: Process) -> bool:
        return history.others_changed(self._world, process.began, user_id=self._run.user_id)

    def _live(self) -> int | None:
        return self._world.state().live

    def _wrong(self, what: str) -> None:
        self._world.wrong(f"end: {what}")
