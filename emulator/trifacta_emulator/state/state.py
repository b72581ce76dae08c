"""The state of an instance: its tables, the lock that guards them, and the history.

Each resource has a class of its own that works on one ``State``, e.g. ``Releases(state)``. Every
method of such a class holds the lock, so that a reader never sees half a change.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Generic, Protocol, TypeVar

from trifacta_emulator.errors import MissingObjectError, ValidationError
from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.packages.definition import Package, parse_version, why_not_importable
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

    def __init__(self, kind: str, lock: threading.RLock, options: EmulatorOptions) -> None:
        self._kind = kind
        self._lock = lock
        self._clock, self._lag = options.clock, timedelta(seconds=options.list_lag_seconds)
        self._rows: dict[int, _Record] = {}
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
            found = self._rows.get(object_id)
            if found is None:
                raise MissingObjectError(self._kind, object_id, "unknown")
            if found.deleted_at is not None and not include_deleted:
                raise MissingObjectError(self._kind, object_id, "deleted")
            return found

    def all(self, *, include_deleted: bool = False) -> tuple[_Record, ...]:
        """List the records, oldest first.

        :param include_deleted: deleted ones too
        """
        with self._lock:
            return tuple(
                row for row in self._rows.values() if include_deleted or row.deleted_at is None
            )

    def listed(self, *, include_deleted: bool = False) -> tuple[_Record, ...]:
        """List the records as a list over the API shows them: as they were a while ago, if the
        options say so.

        :param include_deleted: deleted ones too
        :returns: the records, newest first [R: D64]
        """
        with self._lock:
            then = self._clock() - self._lag
            rows = (
                self._rows.values()
                if not self._lag
                else [self._at(one, then) for one in self._rows]
            )
            return tuple(
                row for row in rows if row and (include_deleted or row.deleted_at is None)
            )[::-1]

    def read(self, object_id: int, *, include_deleted: bool = False) -> _Record:
        """Find a record as GET by its id shows it: a deleted one goes on being served for a moment
        [P: AYX].

        :param object_id: its id
        :param include_deleted: also find a deleted one
        :raises MissingObjectError: unknown or deleted
        """
        with self._lock:
            found = self.find(object_id, include_deleted=True)
            before = (
                self._at(object_id, self._clock() - self._lag)
                if self._lag and found.deleted_at
                else None
            )
            if before and before.deleted_at is None:
                return before
            return self.find(object_id, include_deleted=include_deleted)

    def put(self, record: _Record) -> _Record:
        """Add a record, or replace the one with the same id.

        :param record: the record
        :returns: the same record
        """
        with self._lock:
            self._rows[record.id] = record
            if self._lag:
                now, known = self._clock(), self._earlier.setdefault(record.id, [])
                # The last form that a list shows by now is kept, and what is older is not needed
                # any more.
                while len(known) > 1 and known[1][0] <= now - self._lag:
                    del known[0]
                known.append((now, record))
            return record

    def discard(self, object_id: int) -> None:
        """Forget a record, as if it had never been there.

        :param object_id: its id
        """
        with self._lock:
            self._rows.pop(object_id, None)
            self._earlier.pop(object_id, None)

    def replace(self, records: Iterable[_Record]) -> None:
        """Replace all records. Lists show the new ones at once.

        :param records: the records in their order, with deleted ones
        """
        with self._lock:
            self._rows = {record.id: record for record in records}
            self.settle()

    def settle(self) -> None:
        """Let lists show all records now, as those that exist from the start."""
        self._earlier = {
            number: [(_ALWAYS, record)] for number, record in self._rows.items() if self._lag
        }

    def _at(self, object_id: int, then: datetime) -> _Record | None:
        """Return a record as it was at a time; None if it did not exist."""
        return next(
            (record for at, record in reversed(self._earlier[object_id]) if at <= then), None
        )


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
        self.connections: Table[LocalConnection] = Table("connections", self.lock, options)
        self.flows: Table[Flow] = Table("flows", self.lock, options)
        self.deployments: Table[Deployment] = Table("deployments", self.lock, options)
        self.releases: Table[Release] = Table("releases", self.lock, options)
        self.job_groups: Table[JobGroup] = Table("jobGroups", self.lock, options)
        self.flow_runs: Table[FlowRun] = Table("flowRuns", self.lock, options)
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
        self._events.append(Event(at, user_id, deployment_id, release_id, what))

    def require_importable(self, package: Package) -> None:
        """Check that a package fits the version of the instance.

        :param package: the package
        :raises ValidationError: it does not fit
        """
        reason = why_not_importable(
            package.version, package.edition, self.product, self.options.edition
        )
        if reason is not None:
            raise ValidationError(reason)
