"""What all parts of the store share: its tables, their lock and the history."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

from trifacta_emulator.errors import MissingObjectError
from trifacta_emulator.imports import IdSequences
from trifacta_emulator.options import EmulatorOptions
from trifacta_emulator.records import (
    Deployment,
    Event,
    ImportRule,
    LocalConnection,
    Release,
    RuleKind,
)
from trifacta_emulator.versions import parse_version


class _Deletable(Protocol):
    @property
    def deleted_at(self) -> datetime | None: ...


_Record = TypeVar("_Record", bound=_Deletable)


class StoreBase:
    """
    The tables, in memory. Every method of every part holds the lock.

    :param options: the instance's options.
    """

    def __init__(self, options: EmulatorOptions) -> None:
        self._options = options
        self._product = parse_version(options.product_version)
        self._lock = threading.RLock()
        self._ids = IdSequences()
        self._connections: dict[int, LocalConnection] = {}
        self._deployments: dict[int, Deployment] = {}
        self._releases: dict[int, Release] = {}
        self._rules: dict[tuple[int, RuleKind], tuple[ImportRule, ...]] = {}
        self._events: list[Event] = []
        self._dropped_next: Mapping[str, Any] | None = None

    def events(self) -> tuple[Event, ...]:
        """List everything that happened, oldest first."""
        with self._lock:
            return tuple(self._events)

    def _log(self, at: datetime, user_id: int, deployment_id: int | None, release_id: int | None, what: str) -> None:
        self._events.append(Event(at, user_id, deployment_id, release_id, what))


def find(rows: Mapping[int, _Record], kind: str, object_id: int, *, include_deleted: bool) -> _Record:
    """
    Find a record.

    :param rows: the table.
    :param kind: plural name of the resource.
    :param object_id: its id.
    :param include_deleted: also find a deleted one.
    :raises MissingObjectError: unknown or deleted.
    """
    found = rows.get(object_id)
    if found is None:
        raise MissingObjectError(kind, object_id, "unknown")
    if found.deleted_at is not None and not include_deleted:
        raise MissingObjectError(kind, object_id, "deleted")
    return found
