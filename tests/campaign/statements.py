"""Whether what the group says is true: its errors, its warnings, and how it says that production
stands.

A statement is compared with the instance itself. If others acted since the task looked last, what
was so at any moment since counts as true.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from campaign import history

if TYPE_CHECKING:
    from campaign.scheduler import Run
    from campaign.wire import Process

STATUS_KEY = "promotion_status"
#: "Release 5 of deployment 'Orders' (1) is live", "no release is live", and what may stand between.
_LIVE = re.compile(
    r"\b(?:release (?P<id>\d+)|(?P<none>no release))(?: of (?:the )?deployment(?: \d+| '[^']*'"
    r" \(\d+\)))?"
    r"(?:, which this run made,)? (?P<verb>is|stays) (?P<no>not )?live\b",
    re.IGNORECASE,
)
#: Before it in the sentence, one of these makes it no statement.
_OPEN = re.compile(
    r"\b(?:if|whether|that|until|check|should|when|once|unless|will)\b", re.IGNORECASE
)
_DELETED = re.compile(r"\brelease (\d+)[^.:]{0,80}? was deleted", re.IGNORECASE)
_ROLLED_BACK = re.compile(r"\brelease (\d+)(?: of [^.]{0,60}?)? was rolled back", re.IGNORECASE)
_NOTHING = re.compile(r"\bNothing was (?:imported|uploaded|written|changed|started|sent)\b")
_OTHERS = re.compile(r"another release has been activated|changed in the meantime", re.IGNORECASE)
_ARGUMENTS = re.compile(r"\b(allow_older|if_exists|expected_active_release_id)\b")
_RELEASE = re.compile(r"\brelease (\d+)", re.IGNORECASE)


class Statements:
    """Checks what a run of the group says, at the moment when it says it.

    :param run: the run
    :param rolls_back: whether the group has a rollback
    """

    def __init__(self, run: Run, *, rolls_back: bool) -> None:
        self._run, self._world, self._rolls_back = run, run.world, rolls_back
        #: How many events had happened when each pass began.
        self.passes: dict[int, int] = {0: run.world.event_count()}
        #: How many statements were compared.
        self.count = 0

    def on_line(self, level: int, text: str) -> None:
        """Check a line of the log."""
        process = self._world.wire.process
        ours = process.user_id == self._run.user_id
        if level >= logging.INFO and ours and threading.current_thread().name != "rival":
            self.check(process, text, "the log")

    def on_push(self, process: Process, key: str, value: Any) -> None:
        """Check how a task says that production stands."""
        if key != STATUS_KEY:
            return
        self.check(process, str(value.get("text")), "the status")
        if not history.was_lied_to(self._world):
            self._check_fields(process, value)

    def check(self, process: Process, text: str, where: str) -> None:
        """Check every statement of a text.

        :param process: the process that says it
        :param where: where it says it
        """
        if history.was_lied_to(self._world):
            return
        for sentence in re.split(r"(?<=[.;])\s+|: (?=[A-Z])", text):
            for problem in self._problems(process, sentence):
                self._wrong(process, f"{problem} [{where}: {sentence[:200]}]")

    def _problems(self, process: Process, sentence: str) -> list[str]:
        world, found = self._world, []
        for match in _LIVE.finditer(sentence):
            if _OPEN.search(sentence[: match.start()]):
                continue
            self.count += 1
            release_id = int(match["id"]) if match["id"] else None
            live = self._live(process)
            if match["no"] and live == [release_id]:
                found.append(f"release {release_id} is live")
            elif not match["no"] and release_id not in live:
                found.append(f"live is {live}")
        for match in _DELETED.finditer(sentence):
            self.count += 1
            if int(match[1]) not in history.deleted_ids(world):
                found.append(f"release {match[1]} was not deleted")
        for match in _ROLLED_BACK.finditer(sentence):
            self.count += 1
            if int(match[1]) not in history.undone_by(world, self._run.id_of("roll_back")):
                found.append(f"release {match[1]} was not rolled back by the group")
        if _NOTHING.search(sentence):
            self.count += 1
            if history.changed_anything(world, process):
                found.append("this try changed something")
        if "Nothing was promoted" in sentence:
            self.count += 1
            began = self.passes[process.pass_number]
            if made := self._made(began):
                found.append(f"this pass made release {sorted(made)}")
        if _OTHERS.search(sentence):
            self.count += 1
            if not self._others_changed(process):
                found.append("nobody else changed what is live")
        if "has no rollback" in sentence and self._rolls_back:
            found.append("the group has a rollback")
        if match := _ARGUMENTS.search(sentence):
            found.append(f"the group has no argument {match[1]}")
        return found

    def _check_fields(self, process: Process, status: Mapping[str, Any]) -> None:
        world, live = self._world, self._live(process)
        said, baseline = status.get("live_release_id"), self.baseline
        unread = "could not be read" in status["text"] or "cannot be read" in status["text"]
        unread = unread or status["state"] in ("skipped", "deleted", "deployment_deleted")
        unread = unread or ("read_at" in status and status["read_at"] is None)
        self.count += 1
        if unread and said is not None:
            self._wrong(process, f"live_release_id is {said}, and it was not read")
        if not unread and said not in live:
            self._wrong(
                process, f"live_release_id is {said}, and live is {live} [state {status['state']}]"
            )
        for release_id in map(int, _RELEASE.findall(str(status.get("advice")))):
            if release_id in history.deleted_ids(world):
                self._wrong(process, f"the advice names release {release_id}, which was deleted")
        for task in status.get("clear") or ():
            if task not in self._run.tasks:
                self._wrong(
                    process, f"the advice is to clear {task}, which the group does not have"
                )
        if baseline is None:
            return
        if status.get("previous_release_id") != baseline["active_release_id"]:
            self._wrong(process, f"previous_release_id is {status.get('previous_release_id')}")
        made = self._made()
        if status.get("release_id") not in {None, *made}:
            self._wrong(
                process,
                f"release_id is {status.get('release_id')}, and the run made {sorted(made)}",
            )
        if not unread and len(live) == 1:
            self._check_state(process, status, live[0], baseline, made)

    def _check_state(
        self,
        process: Process,
        status: Mapping[str, Any],
        live: int | None,
        baseline: Mapping[str, Any],
        made: set[int],
    ) -> None:
        """Check the state: the first one that fits what the instance knows."""
        state, before = status["state"], baseline["active_release_id"]
        rollback, since = self._run.id_of("roll_back"), self.passes[process.pass_number]
        undone = bool(history.undone_by(self._world, rollback, since))
        if live is None and before is None and made:
            fitting = self._with_none_before(made, undone=undone)
        elif live is None and before is not None:
            fitting = {"nothing_live"}
        elif made and made <= history.deleted_ids(self._world):
            fitting = {"release_deleted"} | (
                {"rolled_back"} if undone and live == before else set()
            )
            # Nothing names a release that the upload's task never knew.
            fitting |= (
                {"unchanged" if live == before else "replaced"}
                if not self._is_named(made)
                else set()
            )
        elif live == before:
            fitting = {"rolled_back", "unchanged"} if undone else {"unchanged"}
        elif live in made:
            fitting = {"live", "rollback_owed", "unproven"}
        else:
            # Without uuids it may be unclear whose a new release is.
            fitting = {"replaced"} | (
                {"unproven"} if live is not None and live > self.newest_before else set()
            )
        self.count += 1
        if state not in fitting | {"unknown"}:
            self._wrong(process, f"the state is {state}, and {' or '.join(sorted(fitting))} fits")

    def _with_none_before(self, made: set[int], *, undone: bool) -> set[str]:
        """Return the states that fit where none is live, none was before, and the run made a
        release."""
        deleted = {"release_deleted"} if made <= history.deleted_ids(self._world) else set()
        rollback, active = self._run.task("roll_back"), self._run.task("active")
        if undone and rollback and rollback.state == "success":
            return {"rolled_back", "unchanged"}
        if undone or not active or active.state != "success":
            # After a clear nothing tells that the rollback went back to none, or that the release
            # was live at all.
            return {"unchanged", "nothing_live", *deleted} | ({"rolled_back"} if undone else set())
        return {"nothing_live"}

    def _is_named(self, made: set[int]) -> bool:
        """Tell whether the upload's task named one of these releases."""
        task = self._run.task("create_release")
        return bool(task and self._world.xcoms.get(task.task_id, {}).get("release_id") in made)

    @property
    def baseline(self) -> Mapping[str, Any] | None:
        """What the baseline of this pass recorded, None if it is not there."""
        task = self._run.task("baseline")
        found = self._world.xcoms.get(task.task_id, {}).get("return_value") if task else None
        return found if isinstance(found, Mapping) else None

    @property
    def newest_before(self) -> int:
        """The newest release that the baseline knows."""
        return (self.baseline or {}).get("latest_release_id") or 0

    def _made(self, since: int = 0) -> set[int]:
        """Return the releases that the run made since so many events."""
        return history.made_by_run(
            self._world, self.newest_before, since, user_id=self._run.user_id
        )

    def _others_changed(self, process: Process) -> bool:
        """Tell whether others changed what is live in the pass of a process."""
        since = self.passes[process.pass_number]
        return history.others_changed(self._world, since, user_id=self._run.user_id)

    def _live(self, process: Process) -> list[int | None]:
        """Return what may be said to be live: what was live at any moment since the process looked
        last."""
        read = history.last_read(self._world, process)
        return history.live_ids(self._world, self._world.event_count() if read is None else read)

    def _wrong(self, process: Process, what: str) -> None:
        self._world.wrong(f"untrue: {process.task}: {what}")
