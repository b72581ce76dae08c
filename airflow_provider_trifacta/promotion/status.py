"""How production stands at the end of a promotion in a group: one of a few states, and what to do
next.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ..client.errors import (
    PromotionNotProvenError,
    PromotionRolledBackError,
    RollbackOwedError,
    TrifactaError,
    UnexpectedLiveReleaseError,
)
from ..client.texts import called, quoted, sentence
from .ending import End, Live, release_of_run, state_of

#: Every way in which a promotion can end. The first one that fits is the state.
#:
#: - ``skipped``: the whole group was skipped
#: - ``unknown``: production could not be read, or no baseline tells what belongs to the run
#: - ``deployment_deleted``: the server does not know the deployment any more
#: - ``nothing_live``: an outage: a release was live, none is now, and this run did not go back to
#:   none
#: - ``release_deleted``: the release of this run was deleted
#: - ``rolled_back``: the rollback took the release back, and what was live before is live again
#: - ``rollback_owed``: the release of this run is live, and is not kept
#: - ``unproven``: the same, and no rollback can help; or it is unclear whether the live release is
#:   of this run
#: - ``replaced``: the live release is neither this run's nor the one before
#: - ``unchanged``: the release before is live
#: - ``live``: the release of this run is live, and is kept
STATES = (
    "skipped",
    "unknown",
    "deployment_deleted",
    "nothing_live",
    "release_deleted",
    "rolled_back",
    "rollback_owed",
    "unproven",
    "replaced",
    "unchanged",
    "live",
)

#: What each state means for production, and what to do first: the runbook in one line each.
FIRST_AID: dict[str, tuple[str, str]] = {
    "live": (
        "the promoted release is live and kept",
        "nothing. If the run is red, the last sentence of `promoted` names the task to clear",
    ),
    "rolled_back": (
        "as before the promotion",
        "correct the `cause`, and start a new run",
    ),
    "unchanged": (
        "as before the promotion",
        "correct the `cause`, and start a new run",
    ),
    "rollback_owed": (
        "**at risk**: the promoted release is live, and it is not kept",
        "clear `roll_back` and the tasks after it when Prod answers",
    ),
    "unproven": (
        "**at risk**: a release is live that nothing has proven",
        "look at it. Keep it and mark `promoted` as success, or activate the one before",
    ),
    "replaced": (
        "on another release: a person or another DAG decided that",
        "ask who it was. To overrule it, activate the promoted release, clear the first red task",
    ),
    "nothing_live": (
        "**down**: no release is live",
        "activate a release now, and then ask who deactivated it",
    ),
    "release_deleted": (
        "on the release that `promoted` names, or on none: the promoted one was deleted",
        "ask who deleted it, and start a new run",
    ),
    "deployment_deleted": (
        "**down**, or hidden: the deployment is gone, or the user may not see it any more",
        "look there. Hidden: give the user access, clear `roll_back`. Gone: make it again",
    ),
    "unknown": (
        "not known: it could not be read",
        "when Prod answers, clear the task that the last sentence of `promoted` names",
    ),
    "skipped": (
        "untouched, if the whole group was skipped. Else not known",
        "nothing. But if the run was marked as failed, or timed out, see which release is live",
    ),
}


@dataclass(frozen=True)
class PromotionStatus:
    """How production stands at the end of a promotion.

    :param state: one of ``STATES``
    :param text: how production stands, as a sentence
    :param why: why the promotion is kept or not, as a sentence
    :param advice: what to do next, as a sentence; empty if there is nothing to do
    :param deployment_id: the deployment; None if it is unknown
    :param deployment_name: its name, if it is known
    :param deployment_url: its page
    :param release_id: the release of this run; None for none, or if it is unknown
    :param live_release_id: the release that is live, as read; None for none, or if it was not read
    :param previous_release_id: the release that the baseline recorded as live; None for none
    :param package_uuid: the package
    :param clear: the tasks to clear, if clearing them is what to do next
    :param cause: the first red step: ``task``, and the class and the first sentence of its error,
        if it left one
    :param rollback_error: what a failed rollback said last, as ``cause`` without the task
    :param read_at: when production was read, as ISO 8601; None if it was not
    """

    state: str
    text: str = ""
    why: str = ""
    advice: str = ""
    deployment_id: int | None = None
    deployment_name: str | None = None
    deployment_url: str | None = None
    release_id: int | None = None
    live_release_id: int | None = None
    previous_release_id: int | None = None
    package_uuid: str | None = None
    clear: list[str] = field(default_factory=list)
    cause: dict[str, str] | None = None
    rollback_error: dict[str, str] | None = None
    read_at: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the form that goes through XCom."""
        return asdict(self)

    def error(self, *, kept: bool = False, retryable: bool = False) -> TrifactaError:
        """Return the error for a promotion that does not end well.

        :param kept: whether the promotion is kept, so that only what is live now is wrong
        :param retryable: whether a retry may read what this try could not
        """
        kinds: dict[str, type[TrifactaError]] = {
            "rolled_back": PromotionRolledBackError,
            "rollback_owed": RollbackOwedError,
        }
        kind = kinds.get(self.state, PromotionNotProvenError)
        if kept and self.live_release_id != self.release_id and self.read_at:
            kind = UnexpectedLiveReleaseError
        ended = "The promotion was not kept."
        if kind is UnexpectedLiveReleaseError:
            ended = "The promoted release is not live."
        elif self.state == "unknown":
            ended = "It is unknown how production stands."
        elif kept:
            ended = "The promotion is proven, and a step failed."
        return kind(
            f"{ended} {self.why} {self.text}",
            advice=self.advice,
            retryable=retryable,
            deployment_id=self.deployment_id,
            release_id=self.release_id,
            live_id=self.live_release_id,
        )


def first_aid() -> str:
    """Return what to do in each state as a table in Markdown, the most frequent states first."""
    rows = ["| `promoted` says | Production is | Do |", "|---|---|---|"]
    for state, (production, advice) in FIRST_AID.items():
        rows.append(f"| `{state}` | {production} | {advice} |")
    return "\n".join(rows)


@dataclass(frozen=True)
class Story:
    """What is told of an end.

    :param end: all that decides the state
    :param where: the deployment in words
    :param read_at: when it was read
    :param unread: why it was not read, as a sentence
    :param recorded_at: when the baseline was recorded
    :param backfill: whether the run is of a backfill, in which the group does nothing
    """

    end: End
    where: str
    read_at: str | None = None
    unread: str = ""
    recorded_at: str | None = None
    backfill: bool = False

    @property
    def state(self) -> str:
        """The state."""
        return state_of(self.end)

    @property
    def text(self) -> str:
        """How production stands, as a sentence."""
        return sentence(self._text())

    def _text(self) -> str:
        state, end = self.state, self.end
        if state == "skipped":
            return "Nothing was promoted, because the whole group was skipped."
        if state == "unknown":
            return self._unknown()
        if state == "deployment_deleted":
            return (
                f"{self.where} was deleted, or the user of the connection cannot see it any more."
            )
        live = f"{self._live} of {self.where} is live"
        if state == "nothing_live":
            return (
                f"No release of {self.where} is live, so it cannot"
                f" run.{self._deleted}{self._before}"
            )
        if state == "release_deleted":
            return f"{live}.{self._deleted}{self._before}"
        if state == "rolled_back":
            return f"{live} again. {sentence(_name(end.rolled_back_id))} was rolled back."
        if state == "rollback_owed":
            return f"A rollback is owed: {live}, and nothing proves it.{self._before}"
        if state == "unproven":
            return self._unproven(live)
        if state == "replaced":
            return (
                f"{live}. It is neither of this run nor the one before.{self._made}{self._before}"
            )
        if state == "unchanged":
            return f"{live}, as before the promotion.{self._made}"
        return f"{live}, as promoted."

    def _unknown(self) -> str:
        end = self.end
        if end.baseline is None:
            words = "What was live before was not recorded, so nothing tells what this run changed."
            return f"{self._live} of {self.where} is live. {words}" if end.now else words
        at = f" at {self.recorded_at}" if self.recorded_at else ""
        recorded = end.baseline.active_release_id or "none"
        why = self.unread.rstrip(".")
        return (
            f"What is live in {self.where} could not be read; the baseline recorded {recorded}{at}."
            f" {why}."
        )

    def _unproven(self, live: str) -> str:
        end = self.end
        if end.whose is Live.UNCLEAR:
            return (
                f"{live}. It was made after the baseline, and may be of this run: nothing proves"
                f" it.{self._before}"
            )
        if end.recorded_is_gone:
            return f"{live}, and nothing proves it.{self._before}"
        return f"{live}, and nothing proves it. The group has no rollback.{self._before}"

    @property
    def _live(self) -> str:
        now = self.end.now
        return _name(now.live_id if now else None)

    @property
    def _made(self) -> str:
        made = self.made_id
        if not made:
            return ""
        return f" {sentence(_name(made))}, which this run made, is not live."

    @property
    def _deleted(self) -> str:
        made = self.made_id
        if made not in self.end.deleted:
            return self._made
        return f" {sentence(_name(made))}, which this run made, was deleted."

    @property
    def _before(self) -> str:
        """The release before, if it is another one than is live."""
        end = self.end
        recorded = self.recorded_id
        is_live = end.now is not None and recorded == end.now.live_id
        if recorded is not None and is_live:
            return " It is the release before."
        gone = ", which was deleted" if end.recorded_is_gone else ""
        return f" The release before: {recorded or 'none'}{gone}."

    @property
    def recorded_id(self) -> int | None:
        """The release that the baseline recorded as live."""
        return self.end.baseline.active_release_id if self.end.baseline else None

    @property
    def made_id(self) -> int | None:
        """The release of this run, if it is known."""
        end = self.end
        named = end.steps.made_id
        if named is not None:
            return named
        if end.now is None or end.baseline is None:
            return None
        release = release_of_run(end.now, end.baseline, end.steps)
        return release.id if release else end.rolled_back_id

    # What to do next.

    @property
    def clear(self) -> list[str]:
        """The tasks to clear, if clearing them is what to do next."""
        end = self.end
        tasks = end.steps.tasks
        state = self.state
        if self.backfill or state == "skipped":
            return []
        if state == "unknown" and end.baseline is None:
            return [tasks.baseline]
        if state in ("unknown", "rollback_owed"):
            if tasks.roll_back and not end.verdict.kept:
                return [tasks.roll_back]
            return [tasks.promoted]
        if state == "unchanged" and not end.steps.may_have_sent:
            first = end.steps.bad[:1]
            return [task for task in first if task in (tasks.baseline, tasks.export)]
        if state in ("deployment_deleted", "release_deleted") or end.whose is Live.UNCLEAR:
            return []
        if self.made_id in end.deleted or self.made_id is None:
            return []
        return self._again

    @property
    def _again(self) -> list[str]:
        """The task to clear so that the promotion goes on with the release that it made."""
        end = self.end
        tasks = end.steps.tasks
        first = next(iter(end.steps.bad), tasks.promoted)
        if end.verdict.green:
            return [tasks.promoted]
        if first in (tasks.baseline, tasks.export):
            return []  # another export would be another package
        if first == tasks.create and not end.verdict.kept:
            return []
        if first == tasks.wait and tasks.run:
            # The jobs of the smoke run have ended, so only another run can prove the release.
            return [tasks.run]
        return [first]

    @property
    def advice(self) -> str:
        """What to do next, as a sentence; empty if there is nothing to do."""
        if self.backfill:
            return "A promotion does not run in a backfill. Start one run of the DAG by hand."
        state = self.state
        end = self.end
        tasks = " and ".join(f"'{task}'" for task in self.clear)
        if state == "skipped" or (state == "live" and end.verdict.green):
            return ""
        if state == "unknown":
            return self._after_unknown(tasks)
        if state == "deployment_deleted":
            last = end.steps.tasks.roll_back or end.steps.tasks.promoted
            return (
                "If it was deleted, make another deployment, let the DAG name it, and clear the"
                f" whole group. If it is there, let the user see it, and clear '{last}' and the"
                " tasks after it."
            )
        if state == "rollback_owed":
            return f"Clear {tasks} and the tasks after it: that makes {self._target} live again."
        if state == "unproven":
            return self._after_unproven(tasks)
        if state == "unchanged" and not end.steps.may_have_sent:
            return f"Correct the cause, and clear {tasks or 'the whole group'}."
        if state == "live":
            return (
                f"Correct the cause, and clear {tasks or 'the whole group'} and the tasks after it."
            )
        again = "To promote again, correct the cause and clear the whole group."
        if state == "nothing_live":
            return f"Activate {self._activatable} in Trifacta. {again}"
        if tasks:
            made = _name(self.made_id)
            again = (
                f"To keep the promoted release, activate {made} in Trifacta and clear {tasks}."
                f" {again}"
            )
        if state in ("rolled_back", "unchanged"):
            return again
        return f"If another release should be live, activate that in Trifacta. {again}"

    @property
    def _activatable(self) -> str:
        """The releases that can be live again, in words."""
        known = [release_id for release_id in (self.recorded_id, self.made_id) if release_id]
        names = [_name(release_id) for release_id in known if release_id not in self.end.deleted]
        return " or ".join(names) or "the release that should be live"

    def _after_unknown(self, tasks: str) -> str:
        advice = f"Correct the cause, and clear {tasks} and the tasks after it."
        if self.end.baseline and "roll_back" in tasks:
            return f"{advice} It goes back to the release before, if that is due."
        return advice

    def _after_unproven(self, tasks: str) -> str:
        end = self.end
        if end.recorded_is_gone:
            back = "Activate the release that should be live in Trifacta."
        elif self.recorded_id is None:
            back = f"To go back, deactivate {self._live} in Trifacta."
        else:
            back = f"To go back, activate {_name(self.recorded_id)} in Trifacta."
        if end.whose is Live.UNCLEAR:
            return (
                f"If it is of this run or not wanted: {back[0].lower()}{back[1:]} Clearing the"
                " rollback does not help."
            )
        if not tasks:
            return back
        return f"{back} If {self._live} is right, clear {tasks} and the tasks after it."

    @property
    def _target(self) -> str:
        return _name(self.recorded_id)

    def status(self, **known: Any) -> PromotionStatus:
        """Put the status together.

        :param known: the fields that the caller knows
        """
        end = self.end
        return PromotionStatus(
            self.state,
            self.text,
            end.verdict.why,
            self.advice,
            release_id=self.made_id,
            live_release_id=end.now.live_id if end.now else None,
            previous_release_id=self.recorded_id,
            package_uuid=end.steps.package_uuid,
            clear=self.clear,
            read_at=self.read_at,
            **known,
        )


def place(deployment_id: int | None, name: str | None) -> str:
    """Return what a text calls the deployment.

    :param deployment_id: its id, None if it is unknown
    :param name: its name, if it is known
    """
    if deployment_id is None:
        return f"the deployment {quoted(name)}" if name else "the deployment"
    return called("deployment", deployment_id, name)


def _name(release_id: int | None) -> str:
    return f"release {release_id}" if release_id else "no release"
