"""A run is started once: what earlier tries started, when a request is repeated, and what a lost
answer means.

Some calls take an execution id [P: AAC25]. A server that documents it takes only the first request
of an id, and answers 304 to the others. So if an answer was lost, the request is sent again with
the same id. A server that does not document it may ignore it and run twice. Then nothing is sent
again, and a person decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import pendulum

from ..client import errors
from ..client.calls import ACCEPTED_BEFORE
from ..client.gate import logger
from ..client.models import RUNNING, JobGroup, parse_time
from ..client.retries import did_nothing
from ..client.texts import shown
from .journal import production_stands
from .standing import CLOCK_TOLERANCE, DEFAULT_SETTLE_TIMEOUT, look
from .tries import Tries

if TYPE_CHECKING:
    from ..client import TrifactaClient

log = logger(__name__)

#: How far the clocks may differ where a job group is taken for one of a run: an older run must not
#: be taken for it.
_TOLERANCE = timedelta(seconds=5)


@dataclass(frozen=True)
class Run:
    """A run.

    :param release_id: the release that was live; None if no release was wanted
    :param job_group_ids: the job groups that the run started
    :param joined: whether an earlier try of the task started it
    :param flow_run_ids: the runs of flows that they belong to, if the server tells
    """

    release_id: int | None
    job_group_ids: list[int]
    joined: bool = False
    flow_run_ids: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Started:
    """What one request started.

    :param job_group_ids: its job groups
    :param flow_run_id: the run of the flow that they belong to; None if the server does not tell
    """

    job_group_ids: list[int]
    flow_run_id: int | None = None

    @classmethod
    def of(cls, note: Mapping[str, Any]) -> Started:
        """Read what :meth:`as_dict` returned."""
        return cls([int(one) for one in note["job_group_ids"]], note.get("flow_run_id"))

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON, for the journal."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Order:
    """One request that starts jobs.

    :param name: what runs, for texts
    :param send: sends the request; it takes the execution id, and whether the server is known to
        take it once
    :param needs: what to do if it starts nothing
    :param path: the call in the instance's own description; empty for a call that takes no
        execution id
    :param has: tells whether a job group may be one that it started
    """

    name: str
    send: Callable[[str | None, bool], object]
    needs: str = ""
    path: str = ""
    has: Callable[[JobGroup], bool] = lambda _: False


@dataclass
class Once:
    """Sends some orders, one after the other, each once for a task.

    A retry joins what an earlier try started. So does a clear, as long as that still runs: a person
    who clears a task has looked, and a retry has not.

    :param client: the instance
    :param request: what the journal compares
    :param orders: the requests
    :param tries: the tries of the task. Their execution id is that of the first request, if the
        calls take one
    :param fields: the error's fields that name what runs
    """

    client: TrifactaClient
    request: Mapping[str, Any]
    orders: Sequence[Order]
    tries: Tries
    fields: Mapping[str, Any] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        self.journal = self.tries.journal
        takes_id = all(order.path for order in self.orders)
        #: The execution id of the first request; None if the calls take none.
        self._execution_id = self.tries.execution_id if takes_id else None
        #: When an earlier try can have asked first.
        self._since = self.tries.run_began
        self._known: list[Started] = []
        self._joined = False
        #: Whether the next order is noted already.
        self._noted = False

    def run(self, *, release_id: int | None) -> Run:
        """Send what was not sent before.

        :param release_id: the release that is live
        :returns: what runs
        """
        doubt = self._doubt()
        while len(self._known) < len(self.orders):
            self._known.append(self._start(self.orders[len(self._known)], doubt))
            # What came after a noted request was not sent.
            doubt, self._noted = "" if self._noted else doubt, False
        flow_runs = [one.flow_run_id for one in self._known if one.flow_run_id]
        return Run(release_id, self._ids(self._known), self._joined, flow_runs)

    def _doubt(self) -> str:
        """Join what earlier tries started, and return why the next order may have been sent; empty
        if it was not.
        """
        journal, retry, names = self.journal, self.tries.is_retry, self._names()
        entry, why = journal.entry(**self.request), "an earlier try of this task asked for it."
        if entry:
            notes = [*(entry.before.get("started") or ()), entry.answer]
            known = [Started.of(one) for one in notes if one.get("job_group_ids")]
            lost, self._since = len(known) < len(notes), parse_time(entry.before.get("at"))
            if lost and not retry and not entry.answer.get("told"):
                # A clear starts it again only after an error has told a person which job groups
                # appeared.
                raise self._ambiguous(self.orders[len(known)], why)
            statuses = map(self.client.job_groups.status, self._ids(known))
            if retry or any(status in RUNNING for status in statuses):
                self._known, self._joined = known, bool(known)
                log.info("An earlier try of this task ran %s: %s", names, self._ids(known))
            if lost and retry:
                self._noted = True
                self._execution_id = entry.before.get("execution_id")
                return why
            return ""
        if not retry:
            self._refuse_abandoned()
            return ""
        if journal.last_request.get("what") == self.request["what"]:
            raise self._interrupted(
                f"An earlier try of this task ran {names}, with another live release or other"
                " parameters."
            )
        if self._execution_id and not journal.exists:
            return "an earlier try of this task may have asked for it."
        # A try whose request the journal does not take stops. So no earlier try has sent one: the
        # worker may have died while Airflow prepared the task.
        return ""

    def _refuse_abandoned(self) -> None:
        """Stop a clear where an earlier try asked for another run, and no error has told a person
        of it yet.

        No list proves that the server did nothing, so only a person can end the doubt.
        """
        abandoned = self.journal.abandoned(self.request, "job_group_ids")
        if abandoned is None or abandoned[1].answer.get("told"):
            return
        self._since = parse_time(abandoned[1].before.get("at"))
        raise self._ambiguous(
            self.orders[0], "an earlier try of this task asked for another run, and got no answer."
        )

    def _start(self, order: Order, doubt: str) -> Started:
        """Send an order.

        :param doubt: why it may have been sent before; empty if it was not
        """
        before, key, cause = self.journal.entry(**self.request), self._key(), None
        if not self._noted:
            self._since = (doubt and self._since) or pendulum.now("UTC")
            noted: dict[str, Any] = {"at": self._since.isoformat()}
            noted |= {"execution_id": self._execution_id} if key else {}
            noted |= {"started": [one.as_dict() for one in self._known]} if self._known else {}
            with production_stands(self._started_before):
                self.journal.asked(self.request, **noted)
        try:
            if not doubt:
                answer = order.send(key, False)
                if answer is ACCEPTED_BEFORE:
                    why = (
                        "the server says that it took this request before, but no try of this task"
                        " has sent it."
                    )
                    raise self._ambiguous(order, why)
                return self._answered(_read_answer(answer, order.name, order.needs, self.fields))
        except errors.AmbiguousSubmissionError:
            raise
        except errors.TrifactaError as error:
            nothing = did_nothing(error)
            if nothing or isinstance(error, errors.RunNotStartedError):
                self.journal.withdraw(self.request, before if self._known else None)
                with production_stands(lambda: self._nothing(order) if nothing else ""):
                    raise
            doubt, cause = str(error), error
        return self._settle(order, key, doubt, cause)

    def _settle(
        self, order: Order, key: str | None, doubt: str, cause: Exception | None
    ) -> Started:
        """Send an order again whose answer was lost, if the server takes it once; else leave it to
        a person.
        """
        if not key:
            raise self._ambiguous(order, doubt) from cause
        try:
            if not self.client.description.takes_execution_id(order.path):
                raise self._ambiguous(order, doubt) from cause
            log.warning(
                "It is unknown whether the run of %s started jobs: %s Looking for them",
                order.name,
                doubt,
            )
            # The server may know the id only when the run exists, and may still work on the first
            # request.
            found = _find(self.client, order.has, self._since)
            log.info(
                "Sending the request again with the execution id %s, by which the server takes it"
                " once",
                key,
            )
            answer = order.send(key, True)
            if answer is not ACCEPTED_BEFORE:
                return self._answered(_read_answer(answer, order.name, order.needs, self.fields))
            found = found or _find(self.client, order.has, self._since)
        except (errors.AmbiguousSubmissionError, errors.RunNotStartedError):
            raise
        except errors.TrifactaError as error:
            if not error.retryable:
                raise self._ambiguous(order, f"{doubt} {error}") from error
            unknown = (
                f"It is unknown whether the run of {order.name} started jobs. A retry sends the"
                " request again with the same execution id, so it runs once. A clear starts it"
                " again: look at its jobs in Trifacta before."
            )
            with production_stands(lambda: unknown):
                raise
        if found is None:
            raise self._ambiguous(
                order, "the server took it, and its jobs cannot be told from others."
            ) from cause
        self._joined = True
        log.info(
            "The server took the request before. Job groups %s of %s run",
            found.job_group_ids,
            order.name,
        )
        return self._answered(found)

    def _key(self) -> str | None:
        """Return the execution id of the next order. It goes by its place, so a retry with other
        orders is noticed.
        """
        number, first = len(self._known), self._execution_id
        return str(uuid5(UUID(first), str(number))) if first and number else first

    def _answered(self, started: Started) -> Started:
        self.journal.answered(**started.as_dict())
        return started

    @staticmethod
    def _ids(known: Sequence[Started]) -> list[int]:
        return [one for started in known for one in started.job_group_ids]

    def _names(self) -> str:
        return ", ".join(one.name for one in self.orders)

    def _started_before(self) -> str:
        return f"Job groups {self._ids(self._known)} were started before it." if self._known else ""

    def _nothing(self, order: Order) -> str:
        if self._known:
            return f"The run of {order.name} started nothing. {self._started_before()}"
        live = self.fields.get("live_id")
        return f"Nothing was started.{f' Release {live} of {order.name} is live.' if live else ''}"

    def _interrupted(self, why: str) -> errors.InterruptedChangeError:
        return errors.InterruptedChangeError(
            f"{why} A retry does not run {self._names()} a second time. Nothing was started.",
            advice=(
                "Look at the jobs in Trifacta, and clear this task if it should run once more. "
                f"{self.tries.clear_again}".rstrip()
            ),
            **self.fields,
        )

    def _ambiguous(self, order: Order, why: str) -> errors.AmbiguousSubmissionError:
        """Make the error for a run that may have started, with the job groups that a person has to
        look at.
        """
        try:
            since = self._since and self._since - CLOCK_TOLERANCE
            groups = self.client.without_repetitions.job_groups.newest()
            found = [
                one for one in groups if not since or not one.created_at or one.created_at >= since
            ]
            listed = ", ".join(f"{one.id} ({shown(one.status)})" for one in found) or "none"
            what = f"Job groups that appeared since, newest first: {listed}."
            ids = [one.id for one in found]
        except errors.TrifactaError as error:
            what, ids = f"The job groups cannot be listed: {error}", []
        # A person can read the error from now on, so a clear may start the run again.
        self.journal.answered(told=True)
        return errors.AmbiguousSubmissionError(
            f"It is unknown whether the run of {order.name} started jobs: {why} This task does not"
            f" ask for it again, because jobs might run twice. {what}"
            f" {self._started_before()}".rstrip(),
            advice=(
                "Look at them in Trifacta, and clear this task if it should run."
                f" {self.tries.clear_again}".rstrip()
            ),
            job_group_ids=ids,
            **self.fields,
        )


def _read_answer(answer: object, name: str, needs: str, fields: Mapping[str, Any]) -> Started:
    """Read ``{"data": [{"id": ..., "flowRun": {"id": ...}}], "flowRunId": ...}``, or one job group
    ``{"id": ...}``.

    :param answer: the answer to a run
    :param name: what runs
    :param needs: what to do if it started nothing
    :param fields: fields of the errors
    :raises RunNotStartedError: it started nothing
    :raises UnexpectedResponseError: it does not show the id of every job group
    """
    whole: Mapping[str, Any] = answer if isinstance(answer, Mapping) else {}
    rows = whole.get("data", [whole])
    if not isinstance(rows, list):
        raise errors.UnexpectedResponseError(
            'The answer to the run holds no list under "data".', **fields
        )
    if not rows:
        raise errors.RunNotStartedError(f"The run of {name} started nothing. {needs}", **fields)
    ids = [_id(row) for row in rows]
    known = [one for one in ids if one]
    if len(known) < len(rows):
        raise errors.UnexpectedResponseError(
            f"The answer to the run does not show the id of every job group: {str(rows)[:200]}.",
            job_group_ids=known,
            **fields,
        )
    first = rows[0].get("flowRun")
    return Started(known, _id({"id": whole.get("flowRunId")}) or _id(first))


def _id(row: object) -> int | None:
    one = row.get("id") if isinstance(row, Mapping) else None
    return one if isinstance(one, int) and not isinstance(one, bool) and one > 0 else None


def _find(
    client: TrifactaClient, has: Callable[[JobGroup], bool], since: datetime | None
) -> Started | None:
    """Find what a request started that the server took, among the newest job groups of this user.

    Its job groups may appear one after the other, so they are taken once two looks show the same.

    :param client: the instance
    :param has: tells whether a job group is of what was to run
    :param since: when the request can have been sent first
    :returns: what it started; None if no run fits, or several do
    """
    me = client.people.current().id
    before: list[JobGroup] = []

    def read(reader: TrifactaClient) -> list[JobGroup]:
        return [
            one
            for one in reader.job_groups.newest(flows=True)
            if has(one)
            and one.creator_id == me
            and one.created_at is not None
            and (since is None or one.created_at >= since - _TOLERANCE)
        ]

    def same(now: list[JobGroup]) -> bool:
        earlier, before[:] = {one.id for one in before}, now
        return bool(now) and {one.id for one in now} == earlier

    found = look(client, read, same, seconds=DEFAULT_SETTLE_TIMEOUT)
    runs: set[object] = {one.flow_run_id or f"job group {one.id}" for one in found}
    if len(runs) != 1 or not same(found):
        return None
    return Started(sorted(one.id for one in found), found[0].flow_run_id)
