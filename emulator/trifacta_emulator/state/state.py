"""The state of an instance: its tables, the lock that guards them, and the history.

Each resource has a class of its own that works on one ``State``, e.g. ``Releases(state)``. Every
method of such a class holds the lock, so that a reader never sees half a change. ``Store`` has the
methods of all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, Generic, Protocol, TypeVar

from trifacta_emulator.errors import MissingObjectError, ValidationError
from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.packages.definition import (
    Package,
    Tables,
    parse_version,
    why_not_importable,
)
from trifacta_emulator.packages.imports import IdSequences
from trifacta_emulator.records import (
    Deployment,
    Event,
    Flow,
    FlowRun,
    ImportRule,
    JobGroup,
    LocalConnection,
    Release,
    RuleKind,
)
from trifacta_emulator.state.runs import RunOutcomes


class _Kept(Protocol):
    @property
    def id(self) -> int: ...

    @property
    def deleted_at(self) -> datetime | None: ...


_Record = TypeVar("_Record", bound=_Kept)
#: Before any lag.
_ALWAYS = datetime.min.replace(tzinfo=timezone.utc)


class Table(Generic[_Record]):
    """The records of one kind. A deleted record stays, with the time of its deletion.

    :param kind: plural name of the resource, as in its path
    :param lock: the lock of the state
    :param options: have the clock, and how long a list lags behind it
    """

    def __init__(
        self,
        kind: str,
        lock: threading.RLock,
        options: EmulatorOptions,
    ) -> None:
        self._kind = kind
        self._lock = lock
        self._clock = options.clock
        self._lag = timedelta(seconds=options.list_lag_seconds)
        self._records: dict[int, _Record] = {}
        #: Only if lists lag: earlier forms of each record that a list may still show, each with its
        #: time.
        self._earlier: dict[int, list[tuple[datetime, _Record]]] = {}

    def find(self, object_id: int, *, include_deleted: bool = False) -> _Record:
        """Find a record.

        :param object_id: its id
        :param include_deleted: also find a deleted one
        :raises MissingObjectError: unknown or deleted
        """
        with self._lock:
            record = self._records.get(object_id)
            if record is None:
                raise MissingObjectError(self._kind, object_id, "unknown")
            if record.deleted_at is not None and not include_deleted:
                raise MissingObjectError(self._kind, object_id, "deleted")
            return record

    def all(self, *, include_deleted: bool = False) -> tuple[_Record, ...]:
        """List the records, oldest first.

        :param include_deleted: deleted ones too
        """
        with self._lock:
            return tuple(_selected(self._records.values(), include_deleted=include_deleted))

    def listed(self, *, include_deleted: bool = False) -> tuple[_Record, ...]:
        """List the records as a list over the API shows them: as they were a while ago, if the
        options say so.

        :param include_deleted: deleted ones too
        :returns: the records, newest first [R: D64]
        """
        with self._lock:
            records = list(self._records.values())
            if self._lag:
                records = self._lagging()
            listed = _selected(records, include_deleted=include_deleted)
            return tuple(reversed(listed))

    def read(self, object_id: int, *, include_deleted: bool = False) -> _Record:
        """Find a record as GET by its id shows it: a deleted one goes on being served for a moment
        [P: AYX].

        :param object_id: its id
        :param include_deleted: also find a deleted one
        :raises MissingObjectError: unknown or deleted
        """
        with self._lock:
            record = self.find(object_id, include_deleted=True)
            if self._lag and record.deleted_at is not None:
                earlier = self._at(object_id, self._clock() - self._lag)
                if earlier is not None and earlier.deleted_at is None:
                    return earlier
            return self.find(object_id, include_deleted=include_deleted)

    def put(self, record: _Record) -> _Record:
        """Add a record, or replace the one with the same id.

        :param record: the record
        :returns: the same record
        """
        with self._lock:
            self._records[record.id] = record
            if self._lag:
                self._remember(record)
            return record

    def discard(self, object_id: int) -> None:
        """Forget a record, as if it had never been there.

        :param object_id: its id
        """
        with self._lock:
            self._records.pop(object_id, None)
            self._earlier.pop(object_id, None)

    def replace(self, records: Iterable[_Record]) -> None:
        """Replace all records. Lists show the new ones at once.

        :param records: the records in their order, with deleted ones
        """
        with self._lock:
            self._records = {record.id: record for record in records}
            self.settle()

    def settle(self) -> None:
        """Let lists show all records now, as those that exist from the start."""
        self._earlier.clear()
        if self._lag:
            for object_id, record in self._records.items():
                self._earlier[object_id] = [(_ALWAYS, record)]

    def _remember(self, record: _Record) -> None:
        now = self._clock()
        forms = self._earlier.setdefault(record.id, [])
        # The last form that a list shows by now is kept. What is older is not needed any more.
        while len(forms) > 1 and forms[1][0] <= now - self._lag:
            del forms[0]
        forms.append((now, record))

    def _lagging(self) -> list[_Record]:
        """Return the records as they were a while ago, without those that did not exist then."""
        then = self._clock() - self._lag
        records = []
        for object_id in self._records:
            record = self._at(object_id, then)
            if record is not None:
                records.append(record)
        return records

    def _at(self, object_id: int, then: datetime) -> _Record | None:
        """Return a record as it was at a time; None if it did not exist."""
        for at, record in reversed(self._earlier[object_id]):
            if at <= then:
                return record
        return None


def _selected(records: Iterable[_Record], *, include_deleted: bool) -> list[_Record]:
    if include_deleted:
        return list(records)
    return [record for record in records if record.deleted_at is None]


class State:
    """All state of an instance, in memory.

    :param options: the instance's options
    :raises ValueError: the product version cannot be read
    """

    def __init__(self, options: EmulatorOptions) -> None:
        self.options = options
        self.product = parse_version(options.product_version)
        #: Hold it while you read or change more than one record.
        self.lock = threading.RLock()
        self.ids = IdSequences()
        self.connections = Table[LocalConnection]("connections", self.lock, options)
        self.flows = Table[Flow]("flows", self.lock, options)
        self.deployments = Table[Deployment]("deployments", self.lock, options)
        self.releases = Table[Release]("releases", self.lock, options)
        self.job_groups = Table[JobGroup]("jobGroups", self.lock, options)
        self.flow_runs = Table[FlowRun]("flowRuns", self.lock, options)
        #: Keys of requests that started a run, with the kind of record that they made.
        self.execution_ids: set[tuple[type, str | None]] = set()
        self.rules: dict[tuple[int, RuleKind], tuple[ImportRule, ...]] = {}
        #: What the next successful import reports as ``deletedObjects``.
        self.dropped_next: Mapping[str, Any] | None = None
        #: How the next job groups end, unless their data decides it.
        self.runs = RunOutcomes()
        self._events: list[Event] = []

    def events(self) -> tuple[Event, ...]:
        """List everything that happened, oldest first."""
        with self.lock:
            return tuple(self._events)

    def replace_events(self, events: Iterable[Event]) -> None:
        """Replace the history.

        :param events: the events, oldest first
        """
        with self.lock:
            self._events = list(events)

    def replace_tables(self, old: Tables, new: Tables) -> None:
        """Replace the tables of flows. The flows of one package share them, so that each export
        shows the others as they are now.

        :param old: the tables that the flows have
        :param new: the tables that they get
        """
        for flow in self.flows.all(include_deleted=True):
            if flow.tables is old:
                self.flows.put(replace(flow, tables=new))

    def log(
        self,
        at: datetime,
        user_id: int,
        what: str,
        *,
        deployment_id: int | None = None,
        release_id: int | None = None,
    ) -> None:
        """Add an event to the history.

        :param at: when it happened
        :param user_id: who did it
        :param what: what happened
        :param deployment_id: the deployment that it happened to
        :param release_id: the release that it happened to
        """
        event = Event(at, user_id, deployment_id, release_id, what)
        self._events.append(event)

    def require_importable(self, package: Package) -> None:
        """Check that a package fits the version of the instance.

        :param package: the package
        :raises ValidationError: it does not fit
        """
        edition = self.options.edition
        reason = why_not_importable(package.version, package.edition, self.product, edition)
        if reason is not None:
            raise ValidationError(reason)


class Resource:
    """What the classes of the resources share.

    :param state: the state of the instance
    """

    def __init__(self, state: State) -> None:
        #: The tables themselves.
        self.state = state
