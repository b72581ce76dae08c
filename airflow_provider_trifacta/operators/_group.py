"""The tasks that only a promotion in a group has: the baseline, the rollback and the end.

Only ``promote_flow`` uses them. What decides is in :mod:`..promotion.ending`: these tasks read what
it needs, and act.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from .._compat import AirflowSkipException, task_states
from .._failures import ERROR_KEY, GAVE_UP_KEY, airflow_failures, reported
from ..client.errors import (
    AmbiguousSubmissionError,
    AuthenticationError,
    InvalidInputError,
    TrifactaError,
)
from ..client.texts import listed, sentence
from ..links import DEPLOYMENT_URL_KEY
from ..promotion.baseline import Baseline
from ..promotion.ending import (
    End,
    Live,
    Steps,
    Verdict,
    judge,
    whose_is_live,
)
from ..promotion.ending import PromotionTasks as PromotionTasks
from ..promotion.freight import freight_made, place_in_words
from ..promotion.rollback import Undone, outlast, roll_back
from ..promotion.standing import DEFAULT_SETTLE_TIMEOUT, VERIFY_TIMEOUT, Standing
from ..promotion.status import PromotionStatus, Story, first_aid, place
from ..promotion.switch import live_request, refuse_earlier_overlap
from ..waits import TOLERATED_OUTAGE, JobsEnd, JobsVerdict, seconds, wait_until
from ._base import Attempt, Target, TrifactaOperator, announced
from ._production import Production, is_gone, read_production
from .deployment import ROLLBACK_OUTAGE, GetDeploymentOperator

if TYPE_CHECKING:
    from .._compat import Context
    from ..client import TrifactaClient
    from ..promotion.journal import Journal
    from ..promotion.tries import Tries

#: The XCom that tells how production stands.
STATUS_KEY = "promotion_status"
#: The XCom by which the last two tasks hand on which release this run has proven. A task's XComs go
#: when it starts.
PROVEN_KEY = "proven_release_id"
#: When the baseline was recorded, in its return value.
_RECORDED_AT = "recorded_at"


def is_backfill(context: Context) -> bool:
    """Tell whether the run is one of a backfill."""
    run: Any = context.get("dag_run")
    kind = getattr(run, "run_type", None)
    return str(getattr(kind, "value", kind)).startswith("backfill")


class GroupBaselineOperator(GetDeploymentOperator):
    """The first task of a promotion in a group: a ``GetDeploymentOperator`` that refuses a
    backfill.

    A backfill ignores the DAG's ``max_active_runs``, and would promote today's flow once for every
    day.

    :param deployment_id: as for :class:`.GetDeploymentOperator` (templated)
    :param deployment_name: as for :class:`.GetDeploymentOperator` (templated)
    :param trifacta_conn_id: as for :class:`.GetDeploymentOperator` (templated)
    :returns: as :class:`.GetDeploymentOperator`, and ``recorded_at``
    :raises AirflowFailException: as :class:`.GetDeploymentOperator`, or the run is one of a
        backfill
    """

    template_fields = GetDeploymentOperator.template_fields

    def execute(self, context: Context) -> dict[str, Any]:
        """Record the baseline."""
        with reported(context["ti"], in_group=self.in_group), airflow_failures():
            if is_backfill(context):
                raise InvalidInputError(
                    "This run is part of a backfill. A backfill ignores max_active_runs, and would"
                    " promote today's flow once for every day. Nothing was read and nothing was"
                    " changed.",
                    advice="Start one run of the DAG by hand.",
                )
        return {**super().execute(context), _RECORDED_AT: _now()}


class _Session:
    """The client of one try. It is made when it is needed first, and again after refused
    credentials.

    :param operator: the task's operator
    """

    def __init__(self, operator: _GroupEnd) -> None:
        self._operator = operator
        self._client: TrifactaClient | None = None

    @property
    def client(self) -> TrifactaClient:
        """The client with the credentials that the Airflow connection held last."""
        if self._client is None:
            self._client = self._operator._client()
        return self._client

    def renew(self) -> TrifactaClient:
        """Read the Airflow connection again."""
        client = self._operator._client()
        self.close()
        self._client = client
        return client.without_repetitions

    def close(self) -> None:
        """Close the client."""
        if self._client is not None:
            self._client.close()


class _Progress:
    """The steps and the jobs of a promotion, as the last poll read them.

    :param read_steps: reads what the steps say
    :param new_jobs: makes what reads the jobs that the steps name
    """

    def __init__(
        self, read_steps: Callable[[], Steps], new_jobs: Callable[[Steps], JobsVerdict]
    ) -> None:
        self._read_steps = read_steps
        self._new_jobs = new_jobs
        self._jobs: JobsVerdict | None = None
        self.steps = read_steps()
        #: How the jobs ended, if they decide.
        self.jobs_end = JobsEnd(None, "")

    def poll(self) -> bool:
        """Read the steps, and the jobs if they decide. Tell whether all have ended."""
        self.steps = self._read_steps()
        if self.steps.unfinished:
            return False
        if not self.steps.jobs_decide:
            self.jobs_end = JobsEnd(None, "")
            return True
        # A step that was cleared may have started other jobs.
        if self._jobs is None or self._jobs.job_group_ids != self.steps.job_group_ids:
            self._jobs = self._new_jobs(self.steps)
        self.jobs_end = self._jobs.look()
        return self.jobs_end.complete is not None

    def pause(self, usual: float) -> float:
        """Return the pause before the next poll, in seconds."""
        return self._jobs.pause(usual) if self._jobs else usual

    def failing(self) -> str:
        """Return why the jobs cannot be read; empty if they can."""
        return self._jobs.failing() if self._jobs else ""


class _GroupEnd(TrifactaOperator):
    """What the two last tasks share: they read what the steps say now, and judge.

    :param tasks: the promotion's tasks
    :param deployment_id: the group's deployment, as the caller gave it
    :param deployment_name: its name, in place of the id
    :param patience: seconds to wait for steps and jobs that are still running
    """

    template_fields = TrifactaOperator.template_fields

    def __init__(
        self,
        *,
        tasks: PromotionTasks,
        deployment_id: Any = None,
        deployment_name: Any = None,
        patience: float | timedelta = TOLERATED_OUTAGE,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.tasks = tasks
        # They are no template fields: a value that an earlier task did not give must not end this
        # task.
        self.deployment_id = deployment_id
        self.deployment_name = deployment_name
        self.patience = patience

    @contextmanager
    def _try(self, attempt: Attempt) -> Iterator[_Session]:
        """Run a try. Refused credentials are red at once, and Airflow tries again: they may be
        corrected by then.
        """
        session = _Session(self)
        try:
            with airflow_failures(), attempt.says_how_production_stands():
                try:
                    yield session
                except AuthenticationError as error:
                    error.retryable = True
                    raise
        finally:
            session.close()

    def _target(self, context: Context) -> Target | None:
        """Return the group's deployment, None if its value was not given."""
        try:
            deployment_id = self.render_template(self.deployment_id, context)
            deployment_name = self.render_template(self.deployment_name, context)
            return Target.of(deployment_id, deployment_name)
        except Exception as error:  # what a value comes from raises errors of its own
            self.log.info("The deployment of the group is not known: %s", error)
            return None

    def _baseline(self, context: Context) -> Baseline | None:
        """Return the baseline, None if there is none.

        :raises InvalidInputError: it is of another deployment: for example, a mapped list has
            changed
        """
        recorded = _pull(context, self.tasks.baseline)
        if not recorded:
            return None
        baseline = Baseline.parse(recorded)
        target = self._target(context)
        if target is None:
            return baseline
        if target.deployment_id is None:
            fits = target.deployment_name == baseline.deployment_name
        else:
            fits = target.deployment_id == baseline.deployment_id
        if not fits:
            raise InvalidInputError(
                f"The baseline is of {baseline.where}, and this task promotes to {target}. This"
                " task changes nothing. The list of the mapped group may have changed since the"
                " baseline was recorded.",
                advice="Clear the whole group.",
                deployment_id=baseline.deployment_id,
            )
        return baseline

    def _steps(
        self,
        context: Context,
        baseline: Baseline | None,
        proven_by: str | None,
        kept_id: int | None = None,
    ) -> Steps:
        """Read what the steps say now.

        :param proven_by: the task that hands on which release this run has proven
        :param kept_id: the release that an earlier try of this task kept
        """
        tasks = self.tasks
        states = task_states(context, tasks.steps)

        def made_in_run(task: str | None, key: str) -> int | None:
            """Return the release that a task named, if it is of this run."""
            release_id = _xcom_or_item(context, task, key)
            if baseline is None:
                return None
            return _made_since(baseline, release_id)

        release_id = _xcom_or_item(context, tasks.create, "release_id")
        package_uuid = _xcom_or_item(context, tasks.create, "package_uuid")
        exported_uuid = _xcom_or_item(context, tasks.export, "package_uuid")
        job_group_ids = _pull(context, tasks.run, "job_group_ids") or ()
        note = _pull(context, tasks.wait, GAVE_UP_KEY) or {}
        waited_for = _pull(context, tasks.wait, "job_group_ids")
        if waited_for is not None:
            waited_for = tuple(waited_for)
        return Steps(
            tasks,
            dict(zip(tasks.steps, states, strict=True)),
            release_id=made_in_run(tasks.create, "release_id"),
            package_uuid=package_uuid or exported_uuid,
            named=package_uuid is not None or release_id is not None,
            proven_id=made_in_run(proven_by, PROVEN_KEY) or kept_id,
            job_group_ids=tuple(job_group_ids),
            gave_up_on=tuple(note.get("job_group_ids") or ()),
            waited_for=waited_for,
        )

    def _judge(
        self,
        context: Context,
        session: _Session,
        baseline: Baseline | None,
        proven_by: str | None,
        kept_id: int | None = None,
    ) -> tuple[Steps, Verdict]:
        """Wait for steps and jobs that still run, and decide whether the promotion is kept.

        :raises AuthenticationError: the server refuses the credentials, so that the jobs cannot be
            read
        """
        from ..client.client import Clock  # not at import: it loads requests

        patience = seconds("patience", self.patience)

        def read_steps() -> Steps:
            return self._steps(context, baseline, proven_by, kept_id)

        def new_jobs(steps: Steps) -> JobsVerdict:
            return self._jobs(session, steps, patience)

        progress = _Progress(read_steps, new_jobs)
        wait_until(
            progress.poll,
            f"the steps {', '.join(self.tasks.proof)} and their jobs",
            clock=Clock(),
            seconds=patience,
            pause=progress.pause,
            failing=progress.failing,
        )
        steps, end = progress.steps, progress.jobs_end
        return steps, judge(steps, end.complete, end.words)

    def _jobs(self, session: _Session, steps: Steps, tolerated_outage: float) -> JobsVerdict:
        return JobsVerdict(
            steps.job_group_ids, session.client, session.renew, tolerated_outage=tolerated_outage
        )


class RollbackGroupOperator(_GroupEnd):
    """The rollback of a promotion in a group. It is skipped if the promotion is kept, or nothing of
    it is live.

    It judges by what the steps say now, so it needs the trigger rule ``all_done`` after the last
    step. A trigger rule that waits for a failure would skip a task of a mapped group before Airflow
    has expanded it.

    :param tolerated_outage: how long to try again if the instance does not answer, if something may
        have been sent
    :param waiting: as for ``_GroupEnd``
    :returns: ``deployment_id``, ``active_release_id``, ``rolled_back_release_id``,
        ``deployment_url`` and ``outcome``. Each is also pushed as an XCom key of that name, unless
        it is None
    :raises AirflowFailException: a rollback is due and cannot be made
    :raises AirflowSkipException: there is nothing to roll back
    """

    template_fields = TrifactaOperator.template_fields
    in_group = True

    def __init__(
        self, *, tolerated_outage: float | timedelta = ROLLBACK_OUTAGE, **waiting: Any
    ) -> None:
        super().__init__(**waiting)
        self.tolerated_outage = tolerated_outage

    def execute(self, context: Context) -> dict[str, Any]:
        """Judge what the steps say, and roll back if necessary."""
        attempt = Attempt(self, context)
        with reported(context["ti"], in_group=True), self._try(attempt) as session:
            return self._act_with(context, attempt, session)

    def _act_with(self, context: Context, attempt: Attempt, session: _Session) -> dict[str, Any]:
        patience = seconds("tolerated_outage", self.tolerated_outage)
        baseline = self._baseline(context)
        if baseline is None:
            self._skip("There is no baseline, so nothing tells what to go back to.")
        tries = attempt.begin()
        undone = _own_change(session.client, baseline, tries) if tries.is_retry else None
        if undone is None:
            kept = _Kept(tries.journal, baseline)
            steps, verdict = self._judge(
                context, session, baseline, self.tasks.promoted, kept.release_id
            )
            if verdict.kept:
                kept.note(steps.made_id)
                self._keep(attempt, steps, verdict)
            kept.forget()
            self.log.info("Will roll back %s, if necessary. %s", baseline.where, verdict.why)
            undo = _Undo(self, attempt, session, baseline, tries, steps, patience)
            undone = undo.run()
        client = session.client
        target = baseline.active_release_id
        attempt.push_deployment(client, baseline.deployment_id)
        if undone is None:
            self._skip(
                f"Nothing is rolled back: {_live_words(target)} of {baseline.where} is live, as"
                " recorded."
            )
        self.log.info("Rolled back release %s of %s", undone.release_id, baseline.where)
        attempt.push(
            active_release_id=target,
            rolled_back_release_id=undone.release_id,
            outcome="rolled_back",
        )
        if target is not None:
            attempt.announce_live(
                client,
                baseline.deployment_id,
                release_id=target,
                package_uuid=undone.restored_package,
            )
        return attempt.xcoms

    def _keep(self, attempt: Attempt, steps: Steps, verdict: Verdict) -> NoReturn:
        """Hand on the proof, and end without a change."""
        attempt.push(**{PROVEN_KEY: steps.made_id})
        self._skip(f"The promotion is kept. {verdict.why}")

    def _skip(self, reason: str) -> NoReturn:
        """End without a change. The reason is a line of the log, because Airflow's page shows no
        reason of a skip.
        """
        self.log.info("Skipped: %s", reason)
        raise AirflowSkipException(reason)


class _Undo:
    """One rollback of a try: it looks, and takes the release of this run back."""

    def __init__(
        self,
        operator: RollbackGroupOperator,
        attempt: Attempt,
        session: _Session,
        baseline: Baseline,
        tries: Tries,
        steps: Steps,
        patience: float,
    ) -> None:
        self._operator = operator
        self._attempt = attempt
        self._session = session
        self._baseline = baseline
        self._tries = tries
        self._steps = steps
        # Only what may have been sent is worth a long outage.
        self._patience = patience if steps.may_have_sent else 0.0
        #: Whether this try may have changed something.
        self._begun = False

    def run(self) -> Undone | None:
        """Roll back, and again as long as the instance does not answer.

        :returns: what was rolled back, None if the recorded release is live
        """
        baseline = self._baseline
        recorded = _live_words(baseline.active_release_id)
        try:
            return outlast(
                self._session.client,
                self._act,
                self._tries,
                seconds=self._patience,
                what=f"The rollback of {baseline.where} to {recorded} is owed",
            )
        except AuthenticationError:
            raise
        except TrifactaError as error:
            if not self._steps.may_have_sent:
                self._operator._skip(
                    f"This run sent nothing, and production cannot be read: {error.told}"
                )
            if self._is_gone():
                # The task 'promoted' is red for it. A second red task would only hide that.
                self._operator._skip(
                    "The deployment was deleted, or cannot be seen, so nothing can be rolled back."
                )
            raise

    def _act(self, tries: Tries) -> Undone | None:
        baseline = self._baseline
        steps = self._steps
        if not self._begun:
            self._look_at_jobs()
        # It may be another one now: refused credentials renew it.
        client = self._session.client
        self._refuse_what_is_not_ours(client)
        package_uuid = None
        settle_timeout = 0.0
        if steps.may_have_sent:
            package_uuid = steps.package_uuid
            settle_timeout = DEFAULT_SETTLE_TIMEOUT
        try:
            return roll_back(
                client,
                baseline,
                package_uuid,
                release_id=steps.made_id,
                tries=tries,
                settle_timeout=settle_timeout,
            )
        except TrifactaError as error:
            # From the first change on, an error says how production stands.
            self._begun = self._begun or bool(error.standing)
            raise

    def _look_at_jobs(self) -> None:
        """Read the jobs once more with the client that is about to undo, because they may be
        Complete by now.
        """
        if not self._steps.jobs_decide:
            return
        end = self._operator._jobs(self._session, self._steps, 0.0).look()
        verdict = judge(self._steps, end.complete, end.words)
        if verdict.kept:
            self._operator._keep(self._attempt, self._steps, verdict)

    def _refuse_what_is_not_ours(self, client: TrifactaClient) -> None:
        """End where the live release is not of this run, or it is unclear whether it is.

        :raises AirflowSkipException: another release is live, so nothing of this run is
        :raises AmbiguousSubmissionError: it is unclear
        """
        baseline = self._baseline
        now = self._settled(client)
        whose = whose_is_live(now, baseline, self._steps)
        if whose in (Live.OURS, Live.RECORDED):
            return
        live = f"{now.words} of {baseline.where} is live"
        if whose is Live.UNCLEAR:
            back = _live_words(baseline.active_release_id)
            raise AmbiguousSubmissionError(
                f"{live}. It was made after the baseline, and nothing tells whether this run made"
                " it. Nothing was changed.",
                advice=f"If it is of this run or not wanted, make {back} live in Trifacta by hand.",
                **now.about(),
            )
        self._operator._skip(
            f"Nothing of this run is live: {live}, and the baseline recorded"
            f" {baseline.active_release_id or 'none'}."
        )

    def _settled(self, client: TrifactaClient) -> Standing:
        """Read how the deployment stands. Where another release is live, wait for an upload that
        may still come.
        """
        baseline = self._baseline
        latest_id = baseline.latest_release_id or 0
        active_id = baseline.active_release_id
        lowest = latest_id if active_id is None else min(latest_id, active_id)
        # One look: what calls this repeats it through an outage.
        now = Standing.read(client, baseline.deployment_id, down_to_id=lowest, seconds=0)
        if now.live_id == active_id or now.newest_id > latest_id:
            return now
        if not self._steps.may_have_sent:
            return now

        def came(later: Standing) -> bool:
            return later.newest_id > latest_id

        return Standing.read(
            client, baseline.deployment_id, came, down_to_id=lowest, seconds=DEFAULT_SETTLE_TIMEOUT
        )

    def _is_gone(self) -> bool:
        try:
            return is_gone(self._session.client, self._baseline.deployment_id)
        except TrifactaError:
            return False


class _Kept:
    """The release that the rollback kept, as its journal notes it.

    The rollback hands a proof on to the last task. If that task never ended and this one starts
    again, its own XCom is gone by then. Without a journal nothing is noted.

    :param journal: the task's journal
    :param baseline: how the deployment stood before: a note belongs to one baseline
    """

    def __init__(self, journal: Journal, baseline: Baseline) -> None:
        self._journal = journal.part("kept")
        self._request = {
            "what": "keep",
            "deployment_id": baseline.deployment_id,
            "latest_release_id": baseline.latest_release_id,
        }

    @property
    def release_id(self) -> int | None:
        """The release, None if none was kept."""
        entry = self._journal.entry(**self._request)
        return entry.answer.get("release_id") if entry else None

    def note(self, release_id: int | None) -> None:
        """Note which release is kept.

        :param release_id: the release
        """
        self._journal.asked(self._request)
        self._journal.answered(release_id=release_id)

    def forget(self) -> None:
        """End the proof, because the promotion is not kept."""
        if self.release_id is not None:
            self._journal.withdraw()


def _own_change(client: TrifactaClient, baseline: Baseline, tries: Tries) -> Undone | None:
    """Return the rollback that an earlier try of the task made and noted.

    It is neither judged nor made again.

    :param client: the instance
    :param baseline: how the deployment stood before
    :param tries: the tries of the task, of which this is a retry
    :returns: the rollback, None if none was made
    :raises UnexpectedLiveReleaseError: it was made, and another import ran since
    """
    target = baseline.active_release_id
    entry = tries.journal.entry(**live_request(baseline.deployment_id, target))
    if entry is None:
        return None
    live_before = _made_since(baseline, entry.before.get("live"))
    if live_before is None:
        return None

    def is_done(now: Standing) -> bool:
        return now.live_id == target

    # A change whose answer was lost may be applied while this looks.
    patience = 0.0 if entry.answer else VERIFY_TIMEOUT
    now = Standing.read(
        client,
        baseline.deployment_id,
        is_done,
        down_to_id=target or live_before,
        seconds=patience,
    )
    if not is_done(now):
        return None
    refuse_earlier_overlap(now, target, tries)
    return Undone(live_before, now.live.package_uuid if now.live else None)


class ConfirmGroupOperator(_GroupEnd):
    """The last task of a promotion in a group. It runs in every case, so that no failed promotion
    leaves a green run.

    It needs the trigger rule ``all_done``. It judges for itself, reads how production stands, and
    says so. If the whole group was skipped, it is skipped too.

    :param dry_run_task: the task whose report says what the release reads and writes; None for none
    :param waiting: as for ``_GroupEnd``
    :returns: the dict of the promotion. Each item is also pushed as an XCom key of its name, unless
        it is None. In every case the XCom ``promotion_status`` tells how production stands: the
        dict of :class:`.PromotionStatus`
    :raises AirflowFailException: the promotion does not end well. The cause is a
        :class:`.PromotionNotProvenError`, one of its subclasses, or an
        :class:`.UnexpectedLiveReleaseError`
    :raises PromotionNotProvenError: the same, where production could not be read and a retry may
        read it
    :raises AirflowSkipException: the whole group was skipped
    """

    template_fields = TrifactaOperator.template_fields

    def __init__(self, *, dry_run_task: str | None = None, **waiting: Any) -> None:
        super().__init__(**waiting)
        self.dry_run_task = dry_run_task

    def execute(self, context: Context) -> dict[str, Any]:
        """Judge what the steps say, read how production stands, and tell it."""
        attempt = Attempt(self, context)
        with self._try(attempt) as session:
            return self._end(context, attempt, session)

    def _end(self, context: Context, attempt: Attempt, session: _Session) -> dict[str, Any]:
        # The first of the errors that a retry may not meet again, or that left something unread.
        trouble: TrifactaError | None = None
        proven_by = self.tasks.roll_back
        baseline: Baseline | None = None
        try:
            baseline = self._baseline(context)
            steps, verdict = self._judge(context, session, baseline, proven_by)
        except TrifactaError as error:
            trouble = error
            steps = self._steps(context, baseline, proven_by)
            verdict = Verdict(False, f"{steps.words}. {error.told}".removeprefix(". "))
        if steps.skipped:
            self._publish(attempt, Story(End(steps, verdict), "").status())
            raise AirflowSkipException("The group was skipped: nothing was promoted.")
        rolled_back = self._rolled_back(context, baseline)
        where = self._where(context, baseline)
        production, unread = self._read(session, where.deployment_id, baseline, steps, rolled_back)
        trouble = trouble or unread
        seen = production or Production(None)
        end = End(
            steps, verdict, baseline, seen.now, seen.deployment_gone, seen.deleted, rolled_back
        )
        story = Story(
            end,
            place(where.deployment_id, where.deployment_name),
            read_at=_now() if production else None,
            unread=unread.told if unread else "",
            recorded_at=(_pull(context, self.tasks.baseline) or {}).get(_RECORDED_AT),
            backfill=is_backfill(context),
        )
        status = story.status(
            deployment_id=where.deployment_id,
            deployment_name=where.deployment_name,
            deployment_url=self._url(session, where.deployment_id),
            cause=self._cause(context, steps),
            rollback_error=self._rollback_error(context),
        )
        self._publish(attempt, status)
        if verdict.kept:
            proven_id = status.release_id if status.state == "live" else steps.proven_id
            attempt.push(**{PROVEN_KEY: proven_id})
        if status.state == "live" and verdict.green:
            return self._confirm(context, attempt, session, status)
        attempt.push(**{DEPLOYMENT_URL_KEY: status.deployment_url})
        if status.deployment_url:
            attempt.show(status.deployment_url)
        raise status.error(kept=verdict.kept, retryable=_may_pass(trouble)) from trouble

    def _rolled_back(self, context: Context, baseline: Baseline | None) -> int | None:
        """Return the release that the rollback took back, if it is of this run."""
        release_id = _pull(context, self.tasks.roll_back, "rolled_back_release_id")
        return _made_since(baseline, release_id)

    def _where(self, context: Context, baseline: Baseline | None) -> Target:
        """Return the deployment: of the baseline, or else of the group."""
        if baseline is not None:
            return Target(baseline.deployment_id, baseline.deployment_name)
        return self._target(context) or Target(None, None)

    def _read(
        self,
        session: _Session,
        deployment_id: int | None,
        baseline: Baseline | None,
        steps: Steps,
        rolled_back: int | None,
    ) -> tuple[Production | None, TrifactaError | None]:
        """Read how production stands, with the client of this try.

        :returns: what was read, or the error why it was not
        """
        if deployment_id is None:
            return None, None
        known = [steps.made_id, rolled_back]
        if baseline is not None:
            known += [baseline.active_release_id, baseline.latest_release_id]
        expected = [release_id for release_id in known if release_id is not None]
        try:
            production = read_production(
                session.client, deployment_id, expected, not_live=rolled_back
            )
        except TrifactaError as error:
            return None, error
        return production, None

    def _url(self, session: _Session, deployment_id: int | None) -> str | None:
        """Return the page of the deployment, None if the Airflow connection cannot be read."""
        if deployment_id is None:
            return None
        try:
            return session.client.deployment_url(deployment_id)
        except TrifactaError:
            return None

    def _cause(self, context: Context, steps: Steps) -> dict[str, str] | None:
        """Return the first red step, and what it said."""
        for task in steps.tasks.steps:
            if steps.states[task] == "failed":
                return {"task": task, **(_pull(context, task, ERROR_KEY) or {})}
        return None

    def _rollback_error(self, context: Context) -> dict[str, str] | None:
        """Return what the rollback said last, if it failed."""
        task = self.tasks.roll_back
        if task is None or task_states(context, [task]) != ["failed"]:
            return None
        error: dict[str, str] | None = _pull(context, task, ERROR_KEY)
        return error

    def _publish(self, attempt: Attempt, status: PromotionStatus) -> None:
        """Log how production stands, and push it for callbacks and tasks after the group."""
        self.log.info("How production stands: %s. %s %s", status.state, status.text, status.advice)
        attempt.push(**{STATUS_KEY: status.as_dict()})

    def _confirm(
        self, context: Context, attempt: Attempt, session: _Session, status: PromotionStatus
    ) -> dict[str, Any]:
        """Return the promotion that was read back, and announce it."""
        assert status.deployment_id is not None  # the state is "live"  # noqa: S101
        created = _pull(context, self.tasks.create)
        promotion: dict[str, Any] = {"package_uuid": status.package_uuid}
        if isinstance(created, Mapping):
            promotion = dict(created)
        promotion |= {
            "release_id": status.release_id,
            "deployment_id": status.deployment_id,
            DEPLOYMENT_URL_KEY: status.deployment_url,
            **self._freight(context, promotion),
        }
        attempt.push(**promotion)
        attempt.announce_live(session.client, status.deployment_id, **announced(promotion))
        return promotion

    def _freight(self, context: Context, promotion: Mapping[str, Any]) -> dict[str, Any]:
        """Repeat what the release reads and writes, if the dry run's report is about this import.

        :param promotion: the dict of ``create_release``
        """
        report = _pull(context, self.dry_run_task, "report")
        if not isinstance(report, Mapping):
            return {}
        freight = freight_made(report, promotion)
        for title, places in freight.items():
            self.log.info("%s", sentence(f"{title}: {listed(map(place_in_words, places))}"))
        return freight


def _may_pass(trouble: TrifactaError | None) -> bool:
    """Tell whether a retry may not meet an error again. Refused credentials may be corrected."""
    if trouble is None:
        return False
    return trouble.retryable or isinstance(trouble, AuthenticationError)


def _pull(context: Context, task_id: str | None, key: str = "return_value") -> Any:
    """Return what a task of the run pushed; None if it pushed nothing.

    In a mapped group it is the task at the same map index.
    """
    if not task_id:
        return None
    ti: Any = context["ti"]
    return ti.xcom_pull(task_ids=task_id, key=key, map_indexes=ti.map_index)


def _xcom_or_item(context: Context, task_id: str | None, key: str) -> Any:
    """Return the XCom of a key, or else the item of that key in the dict that the task returned."""
    pushed = _pull(context, task_id, key)
    if pushed is not None:
        return pushed
    returned = _pull(context, task_id)
    return returned.get(key) if isinstance(returned, Mapping) else None


def _made_since(baseline: Baseline | None, release_id: Any) -> int | None:
    """Return a release if it was made after the baseline, so that it may be of this run.

    Ids only grow. Without a baseline every release counts.

    :param release_id: what a task or a note says, which may be anything
    """
    if not isinstance(release_id, int):
        return None
    latest_id = baseline.latest_release_id if baseline else None
    return release_id if release_id > (latest_id or 0) else None


def _live_words(release_id: int | None) -> str:
    return f"release {release_id}" if release_id else "no release"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


@cache
def first_aid_page() -> str:
    """Return what Airflow's pages show beside the last two tasks: what to do in each state."""
    return f"{first_aid()}\n\n{_runbook()} has the steps."


def _runbook() -> str:
    """Return the runbook by name, with a link if the package was built with an address of it."""
    from importlib.metadata import metadata

    entries = metadata("airflow-provider-trifacta").get_all("Project-URL") or []
    addresses = dict(entry.split(", ", 1) for entry in entries)
    pages = addresses.get("Documentation")
    if not pages:
        return "The page *Runbook* of the documentation"
    if pages.endswith("/index.md"):
        return f"[The runbook]({pages.removesuffix('index.md')}runbook.md)"
    return f"[The runbook]({pages.rstrip('/')}/runbook.html)"
