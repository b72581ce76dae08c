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
from ..client.foreign_words import logger
from ..client.models import RUNNING, JobGroup, parse_time
from ..client.retries import did_nothing
from ..client.texts import shown
from .journal import Entry, production_stands
from .standing import CLOCK_TOLERANCE, DEFAULT_SETTLE_TIMEOUT, is_since, look
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
        job_group_ids = [int(number) for number in note["job_group_ids"]]
        return cls(job_group_ids, note.get("flow_run_id"))

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON, for the journal."""
        note = asdict(self)
        if self.flow_run_id is None:
            del note["flow_run_id"]
        return note


def _no_job_group(_: JobGroup) -> bool:
    """Tell that nothing shows which job groups an order started."""
    return False


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
    has: Callable[[JobGroup], bool] = _no_job_group


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
        for order in self.orders[len(self._known) :]:
            started = self._start(order, doubt)
            self._known.append(started)
            if self._noted:
                # What came after a noted request was not sent.
                doubt = ""
                self._noted = False
        flow_runs = [started.flow_run_id for started in self._known if started.flow_run_id]
        return Run(release_id, _ids_of(self._known), self._joined, flow_runs)

    def _doubt(self) -> str:
        """Join what earlier tries started, and return why the next order may have been sent; empty
        if it was not.
        """
        entry = self.journal.entry(**self.request)
        if entry:
            return self._join(entry)
        if not self.tries.is_retry:
            self._refuse_abandoned()
            return ""
        if self.journal.last_request.get("what") == self.request["what"]:
            raise self._interrupted(
                f"An earlier try of this task ran {self._names()}, with another live release or"
                " other parameters."
            )
        if self._execution_id and not self.journal.exists:
            return "an earlier try of this task may have asked for it."
        # A try whose request the journal does not take stops. So no earlier try has sent one: the
        # worker may have died while Airflow prepared the task.
        return ""

    def _join(self, entry: Entry) -> str:
        """Join what an earlier try started of the same orders.

        :param entry: what it noted
        :returns: why the next order may have been sent; empty if it was not
        """
        is_retry = self.tries.is_retry
        why = "an earlier try of this task asked for it."
        notes = [*(entry.before.get("started") or ()), entry.answer]
        known = [Started.of(note) for note in notes if note.get("job_group_ids")]
        is_lost = len(known) < len(notes)
        self._since = parse_time(entry.before.get("at"))
        is_unread = is_lost and not entry.answer.get("told")
        if is_unread and not is_retry:
            # A clear starts it again only after an error has told a person which job groups
            # appeared.
            raise self._ambiguous(self.orders[len(known)], why)
        job_group_ids = _ids_of(known)
        if is_retry or self._any_runs(job_group_ids):
            self._known = known
            self._joined = bool(known)
            log.info("An earlier try of this task ran %s: %s", self._names(), job_group_ids)
        if is_lost and is_retry:
            self._noted = True
            self._execution_id = entry.before.get("execution_id")
            return why
        return ""

    def _any_runs(self, job_group_ids: Sequence[int]) -> bool:
        """Tell whether a job group still runs. It reads no more of them than it needs."""
        return any(self.client.job_groups.status(number) in RUNNING for number in job_group_ids)

    def _refuse_abandoned(self) -> None:
        """Stop a clear where an earlier try asked for another run, and no error has told a person
        of it yet.

        No list proves that the server did nothing, so only a person can end the doubt.
        """
        abandoned = self.journal.abandoned(self.request, "job_group_ids")
        if abandoned is None:
            return
        _, entry = abandoned
        if entry.answer.get("told"):
            return
        self._since = parse_time(entry.before.get("at"))
        raise self._ambiguous(
            self.orders[0], "an earlier try of this task asked for another run, and got no answer."
        )

    def _start(self, order: Order, doubt: str) -> Started:
        """Send an order.

        :param doubt: why it may have been sent before; empty if it was not
        """
        earlier = self.journal.entry(**self.request)
        key = self._key()
        if not self._noted:
            self._note(key, doubt)
        if doubt:
            return self._settle(order, key, doubt, None)
        try:
            answer = order.send(key, False)
            if answer is ACCEPTED_BEFORE:
                raise self._ambiguous(
                    order,
                    "the server says that it took this request before, but no try of this task"
                    " has sent it.",
                )
            return self._answered(_read_answer(answer, order.name, order.needs, self.fields))
        except errors.AmbiguousSubmissionError:
            raise
        except errors.TrifactaError as error:
            did_not_send = did_nothing(error)
            if did_not_send or isinstance(error, errors.RunNotStartedError):
                self.journal.withdraw(self.request, earlier if self._known else None)
                with production_stands(self._nothing(order) if did_not_send else ""):
                    raise
            lost = error
        return self._settle(order, key, str(lost), lost)

    def _note(self, key: str | None, doubt: str) -> None:
        """Note the next order before it is sent.

        :param key: its execution id, if it has one
        :param doubt: why it may have been sent before; empty if it was not
        """
        if not doubt or self._since is None:
            self._since = pendulum.now("UTC")
        before: dict[str, Any] = {"at": self._since.isoformat()}
        if key:
            before["execution_id"] = self._execution_id
        if self._known:
            before["started"] = [started.as_dict() for started in self._known]
        with production_stands(self._started_before()):
            self.journal.asked(self.request, **before)

    def _settle(
        self, order: Order, key: str | None, doubt: str, cause: Exception | None
    ) -> Started:
        """Send an order again whose answer was lost, if the server takes it once; else leave it to
        a person.

        :param key: the execution id by which the server takes it once, if the order has one
        :param doubt: why the order may have been taken
        :param cause: the error that left it open; None if an earlier try sent it
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
            started = self._send_again(order, key)
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
            with production_stands(unknown):
                raise
        if started is None:
            raise self._ambiguous(
                order, "the server took it, and its jobs cannot be told from others."
            ) from cause
        return self._answered(started)

    def _send_again(self, order: Order, key: str) -> Started | None:
        """Send an order again, to a server that takes it once.

        :param key: its execution id
        :returns: what it started, now or before; None if the server took it before, and its job
            groups cannot be told from others
        """
        # The server may know the id only when the run exists, and may still work on the first
        # request.
        earlier = _find(self.client, order.has, self._since)
        log.info(
            "Sending the request again with the execution id %s, by which the server takes it once",
            key,
        )
        answer = order.send(key, True)
        if answer is not ACCEPTED_BEFORE:
            return _read_answer(answer, order.name, order.needs, self.fields)
        started = earlier or _find(self.client, order.has, self._since)
        if started:
            self._joined = True
            log.info(
                "The server took the request before. Job groups %s of %s run",
                started.job_group_ids,
                order.name,
            )
        return started

    def _key(self) -> str | None:
        """Return the execution id of the next order. It goes by its place, so a retry with other
        orders is noticed.
        """
        first = self._execution_id
        number = len(self._known)
        return str(uuid5(UUID(first), str(number))) if first and number else first

    def _answered(self, started: Started) -> Started:
        self.journal.answered(**started.as_dict())
        return started

    def _names(self) -> str:
        return ", ".join(order.name for order in self.orders)

    def _started_before(self) -> str:
        if not self._known:
            return ""
        return f"Job groups {_ids_of(self._known)} were started before it."

    def _nothing(self, order: Order) -> str:
        if self._known:
            return f"The run of {order.name} started nothing. {self._started_before()}"
        live = self.fields.get("live_id")
        if live:
            return f"Nothing was started. Release {live} of {order.name} is live."
        return "Nothing was started."

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
            appeared = self._appeared()
        except errors.TrifactaError as error:
            appeared = []
            to_look_at = f"The job groups cannot be listed: {error}"
        else:
            states = [f"{group.id} ({shown(group.status)})" for group in appeared]
            listed = ", ".join(states) or "none"
            to_look_at = f"Job groups that appeared since, newest first: {listed}."
        # A person can read the error from now on, so a clear may start the run again.
        self.journal.answered(told=True)
        return errors.AmbiguousSubmissionError(
            f"It is unknown whether the run of {order.name} started jobs: {why} This task does not"
            f" ask for it again, because jobs might run twice. {to_look_at}"
            f" {self._started_before()}".rstrip(),
            advice=(
                "Look at them in Trifacta, and clear this task if it should run."
                f" {self.tries.clear_again}".rstrip()
            ),
            job_group_ids=[group.id for group in appeared],
            **self.fields,
        )

    def _appeared(self) -> list[JobGroup]:
        """Return the newest job groups that an earlier request may have started."""
        since = self._since - CLOCK_TOLERANCE if self._since else None
        newest = self.client.without_repetitions.job_groups.newest()
        return [group for group in newest if is_since(group.created_at, since)]


def _ids_of(known: Sequence[Started]) -> list[int]:
    ids: list[int] = []
    for started in known:
        ids += started.job_group_ids
    return ids


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
    groups = whole.get("data", [whole])
    if not isinstance(groups, list):
        raise errors.UnexpectedResponseError(
            'The answer to the run holds no list under "data".', **fields
        )
    if not groups:
        raise errors.RunNotStartedError(f"The run of {name} started nothing. {needs}", **fields)
    ids: list[int] = []
    for group in groups:
        job_group_id = _id_of(group)
        if job_group_id:
            ids.append(job_group_id)
    if len(ids) < len(groups):
        raise errors.UnexpectedResponseError(
            f"The answer to the run does not show the id of every job group: {str(groups)[:200]}.",
            job_group_ids=ids,
            **fields,
        )
    flow_run_id = _as_id(whole.get("flowRunId"))
    return Started(ids, flow_run_id or _id_of(groups[0].get("flowRun")))


def _id_of(item: object) -> int | None:
    return _as_id(item.get("id")) if isinstance(item, Mapping) else None


def _as_id(number: object) -> int | None:
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    return number if number > 0 else None


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
    earliest = since - _TOLERANCE if since else None
    seen_before: set[int] = set()

    def fits(group: JobGroup) -> bool:
        if not has(group) or group.creator_id != me:
            return False
        return group.created_at is not None and is_since(group.created_at, earliest)

    def read(reader: TrifactaClient) -> list[JobGroup]:
        newest = reader.job_groups.newest(flows=True)
        return [group for group in newest if fits(group)]

    def shows_the_same(groups: list[JobGroup]) -> bool:
        nonlocal seen_before
        earlier = seen_before
        seen_before = {group.id for group in groups}
        return bool(groups) and seen_before == earlier

    groups = look(client, read, shows_the_same, seconds=DEFAULT_SETTLE_TIMEOUT)
    runs: set[object] = {group.flow_run_id or f"job group {group.id}" for group in groups}
    if len(runs) != 1 or not shows_the_same(groups):
        return None
    return Started(sorted(group.id for group in groups), groups[0].flow_run_id)
