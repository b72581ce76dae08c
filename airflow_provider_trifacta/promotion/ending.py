"""How a promotion ends: what its steps say now, whether it is kept, and whose release is live.

These functions send nothing and know no Airflow. They decide from the states of the tasks *now*,
from objects that the tasks named (a release, a package, job groups), and from how the deployment
stands as it was just read. What a task said about how something ended, in this pass or in an
earlier one, decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from ..client.models import newest_of

if TYPE_CHECKING:
    from ..client.models import Release
    from .baseline import Baseline
    from .standing import Standing

#: States of a task that goes on by itself.
UNFINISHED = frozenset(
    {
        "scheduled",
        "queued",
        "running",
        "restarting",
        "deferred",
        "awaiting_input",
        "up_for_reschedule",
        "up_for_retry",
    }
)
#: States of a task that did not begin in its last pass.
NOT_BEGUN = frozenset({None, "upstream_failed", "skipped", "removed"})
#: States of a step that make the last task red.
_BAD_ENDS = frozenset({"failed", "upstream_failed", "skipped", "removed"})


class PromotionTasks(NamedTuple):
    """The ids of a promotion's tasks.

    :param before: the tasks before the upload, in their order: the baseline, the export, and what
        checks or prepares
    :param create: the task that uploads the package
    :param active: the task that waits until the release is live
    :param run: the task that starts the smoke run, None without one
    :param wait: the task that waits for its jobs, None without one
    :param roll_back: the rollback, None without one
    :param promoted: the last task
    """

    before: tuple[str, ...]
    create: str
    active: str
    run: str | None
    wait: str | None
    roll_back: str | None
    promoted: str

    @property
    def baseline(self) -> str:
        """The task that records what is live before."""
        return self.before[0]

    @property
    def export(self) -> str:
        """The task that exports the package."""
        return self.before[1]

    @property
    def proof(self) -> tuple[str, ...]:
        """The tasks whose success proves a release, in their order."""
        smoke = [task for task in (self.run, self.wait) if task]
        return (self.create, self.active, *smoke)

    @property
    def steps(self) -> tuple[str, ...]:
        """All tasks before the last two, in their order."""
        return (*self.before, *self.proof)


@dataclass(frozen=True)
class Steps:
    """What the steps of a promotion say now.

    :param tasks: their ids
    :param states: their states, by id; None for no state
    :param release_id: the release that the upload's task named, if it is of this run
    :param package_uuid: the package that the upload's task named, or else the one that was exported
    :param named: whether the upload's task named anything, so that it may have sent something
    :param proven_id: the release that this run has proven in an earlier pass
    :param job_group_ids: the job groups that the smoke run named
    :param gave_up_on: the job groups that the wait names in its note that it gave up. It leaves
        that note at every end except a bad end of a job
    :param waited_for: the job groups that the wait waited for; None if it named none
    """

    tasks: PromotionTasks
    states: Mapping[str, str | None]
    release_id: int | None = None
    package_uuid: str | None = None
    named: bool = False
    proven_id: int | None = None
    job_group_ids: tuple[int, ...] = ()
    gave_up_on: tuple[int, ...] = ()
    waited_for: tuple[int, ...] | None = None

    @property
    def skipped(self) -> bool:
        """Whether the whole group was skipped."""
        return set(self.states.values()) == {"skipped"}

    @property
    def unfinished(self) -> list[str]:
        """The steps from the upload on that have not ended."""
        return [task for task in self.tasks.proof if self.states[task] in UNFINISHED]

    @property
    def bad(self) -> list[str]:
        """The steps that ended otherwise than they should, in their order.

        A step before the upload that has no state was cleared, and is to run again.
        """
        before = [task for task in self.tasks.before if self.states[task] in _BAD_ENDS]
        return before + [task for task in self.tasks.proof if not self.succeeded(task)]

    @property
    def words(self) -> str:
        """How the bad steps ended."""
        return ", ".join(self._end_of(task) for task in self.bad)

    def _end_of(self, task: str) -> str:
        state = self.states[task]
        if state == "success":
            return f"{task} waited for other job groups than those of now"
        if state is None:
            return f"{task} has no state"
        return f"{task} is {state}"

    def succeeded(self, task: str) -> bool:
        """Tell whether a task succeeded. The success of the wait counts for the job groups that it
        waited for.

        :param task: the task
        """
        is_other_wait = task == self.tasks.wait and self.waited_for_others
        return self.states[task] == "success" and not is_other_wait

    @property
    def may_have_sent(self) -> bool:
        """Whether the upload's task may have sent its package."""
        return self.named or self.states[self.tasks.create] not in NOT_BEGUN

    @property
    def made_id(self) -> int | None:
        """The release of this run, if a task named it."""
        return self.release_id or self.proven_id

    @property
    def proven(self) -> bool:
        """Whether the release of this run was proven in an earlier pass."""
        return self.proven_id is not None and self.release_id in (None, self.proven_id)

    @property
    def was_live(self) -> bool:
        """Whether the release of this run is known to have been live."""
        if self.proven:
            return True
        if self.release_id is None:
            # The states are of a pass before the baseline.
            return False
        seen_live = [task for task in self.tasks.proof if task != self.tasks.create]
        return any(self.states[task] == "success" for task in seen_live)

    @property
    def wait_gave_up(self) -> bool:
        """Whether only the wait gave up, so that the jobs themselves decide.

        Without a note of the wait about just these job groups, a person marked it as failed, or its
        process was killed.
        """
        wait = self.tasks.wait
        if wait is None or not self._has_jobs:
            return False
        gave_up_on_these = set(self.job_group_ids) == set(self.gave_up_on)
        return self.states[wait] == "failed" and gave_up_on_these

    @property
    def _has_jobs(self) -> bool:
        """Whether the smoke run of now has job groups."""
        run = self.tasks.run
        return bool(run and self.states[run] == "success" and self.job_group_ids)

    @property
    def waited_for_others(self) -> bool:
        """Whether the wait succeeded for other job groups than those of now: a person cleared the
        smoke run.
        """
        wait = self.tasks.wait
        if wait is None or self.waited_for is None:
            return False
        if self.states[wait] != "success":
            return False
        return set(self.waited_for) != set(self.job_group_ids)

    @property
    def jobs_decide(self) -> bool:
        """Whether the wait says nothing about the jobs of now, so that they decide themselves."""
        return self.wait_gave_up or (self._has_jobs and self.waited_for_others)


@dataclass(frozen=True)
class Verdict:
    """Whether a promotion is kept.

    :param kept: whether it is
    :param why: the reason, as a sentence
    :param green: whether every step ended as it should, apart from a wait that gave up
    """

    kept: bool
    why: str
    green: bool = False


def judge(steps: Steps, jobs: bool | None = None, jobs_words: str = "") -> Verdict:
    """Decide whether a promotion is kept.

    A step before the upload never decides that. A release that this run has proven is only given up
    for a smoke run that failed since. One that was never proven is given up for every step that did
    not succeed.

    :param steps: what the steps say
    :param jobs: whether the jobs are all Complete, as they were just read; None if they were not
    :param jobs_words: how the jobs stand, as a sentence
    :returns: the verdict
    """
    excused: set[str | None] = set()
    if steps.jobs_decide and jobs:
        excused.add(steps.tasks.wait)
    not_succeeded = [task for task in steps.tasks.proof if not steps.succeeded(task)]
    open_steps = [task for task in not_succeeded if task not in excused]
    words = f"{steps.words}. {jobs_words}".strip() if steps.bad else ""
    if not open_steps:
        green = set(steps.bad) <= excused
        return Verdict(True, words or "All steps succeeded.", green)
    smoke = {steps.tasks.run, steps.tasks.wait} - excused
    open_smoke = [task for task in open_steps if task in smoke]
    failed = [task for task in open_smoke if steps.states[task] == "failed"]
    jobs_failed = steps.jobs_decide and jobs is False
    if steps.proven and not failed and not jobs_failed:
        return Verdict(True, f"{words} Release {steps.proven_id} was proven before in this run.")
    return Verdict(False, words)


class Live(Enum):
    """Whose release is live at the end of a promotion."""

    OURS = "ours"
    RECORDED = "recorded"
    NONE = "none"
    ANOTHER = "another"
    #: It was made after the baseline, and nothing tells whether this run made it.
    UNCLEAR = "unclear"


def release_of_run(now: Standing, baseline: Baseline, steps: Steps) -> Release | None:
    """Find the release of this run: by the id that a task named, or else by its package.

    :param now: how the deployment stands
    :param baseline: how it stood before
    :param steps: what the steps say
    :returns: the release, None if it is not listed
    """
    if steps.made_id is not None:
        return next((release for release in now if release.id == steps.made_id), None)
    if not steps.package_uuid:
        return None
    new = [release for release in now if release.id > baseline.newest_id]
    return newest_of(release for release in new if release.package_uuid == steps.package_uuid)


def whose_is_live(now: Standing, baseline: Baseline, steps: Steps) -> Live:
    """Tell whose release is live.

    A run makes one release at most. So another new release is not of this run where its own is
    known. A uuid by itself proves no other package: an instance may give its releases uuids of
    their own.

    :param now: how the deployment stands
    :param baseline: how it stood before
    :param steps: what the steps say
    """
    if now.live_id == baseline.active_release_id:
        return Live.RECORDED
    if now.live_id is None:
        return Live.NONE
    if now.live_id <= baseline.newest_id:
        return Live.ANOTHER
    release = release_of_run(now, baseline, steps)
    if release is not None:
        return Live.OURS if release.id == now.live_id else Live.ANOTHER
    known = steps.made_id is not None or not steps.may_have_sent
    return Live.ANOTHER if known else Live.UNCLEAR


@dataclass(frozen=True)
class End:
    """All that decides how a promotion stands at its end.

    :param steps: what the steps say
    :param verdict: whether the promotion is kept
    :param baseline: how the deployment stood before, None if it was not recorded
    :param now: how it stands, None if it could not be read
    :param deployment_gone: whether the server does not know the deployment any more
    :param deleted: the releases that are known to be deleted: this run's, or the recorded one
    :param rolled_back_id: the release that the rollback noted that it took back
    """

    steps: Steps
    verdict: Verdict
    baseline: Baseline | None = None
    now: Standing | None = None
    deployment_gone: bool = False
    deleted: frozenset[int] = field(default_factory=frozenset)
    rolled_back_id: int | None = None

    @property
    def whose(self) -> Live | None:
        """Whose release is live, None if that is unknown."""
        if self.baseline is None or self.now is None:
            return None
        return whose_is_live(self.now, self.baseline, self.steps)

    @property
    def recorded_is_gone(self) -> bool:
        """Whether the release that was live before was deleted."""
        return self.baseline is not None and self.baseline.active_release_id in self.deleted


def state_of(end: End) -> str:
    """Return the state of a promotion at its end: the first of :data:`.STATES` that fits.

    :param end: all that decides it
    """
    if end.steps.skipped:
        return "skipped"
    if end.deployment_gone:
        return "deployment_deleted"
    if end.baseline is None or end.now is None:
        return "unknown"
    whose = end.whose
    recorded = end.baseline.active_release_id
    went_back = end.rolled_back_id is not None and whose is Live.RECORDED
    none_live = end.now.live_id is None
    was_live = recorded is not None or end.steps.was_live
    if none_live and was_live and not went_back:
        return "nothing_live"
    if end.steps.made_id in end.deleted:
        return "release_deleted"
    if went_back:
        return "rolled_back"
    if whose is Live.OURS and end.verdict.kept:
        return "live"
    if whose is Live.OURS:
        can_go_back = end.steps.tasks.roll_back and not end.recorded_is_gone
        return "rollback_owed" if can_go_back else "unproven"
    if whose is Live.UNCLEAR:
        return "unproven"
    return "unchanged" if whose is Live.RECORDED else "replaced"
