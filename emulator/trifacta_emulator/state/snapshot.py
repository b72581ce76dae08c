"""All state of an instance at one moment, so that it can be put back: for a reset, and for a state
document.

Records are immutable: a snapshot holds the records themselves and takes no time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trifacta_emulator.packages.imports import IdSequences
from trifacta_emulator.records import Event, ImportRule, RuleKind
from trifacta_emulator.state.people import Authenticator, Person, Token
from trifacta_emulator.state.runs import RunOutcome
from trifacta_emulator.state.state import State, Table

#: Attributes of :class:`State` that are tables.
TABLES = ("connections", "flows", "deployments", "releases", "job_groups", "flow_runs")


@dataclass(frozen=True)
class Snapshot:
    """What :func:`take_snapshot` returns."""

    tables: Mapping[str, tuple[Any, ...]]
    ids: IdSequences
    execution_ids: frozenset[tuple[type, str | None]]
    rules: Mapping[tuple[int, RuleKind], tuple[ImportRule, ...]]
    dropped_next: Mapping[str, Any] | None
    outcomes: tuple[tuple[RunOutcome, int], ...]
    events: tuple[Event, ...]
    people: tuple[Person, ...]
    tokens: tuple[Token, ...]


def take_snapshot(state: State, auth: Authenticator) -> Snapshot:
    """Keep what an instance remembers.

    :param state: its state
    :param auth: its users and tokens
    """
    with state.lock:
        tables = {}
        for name in TABLES:
            table: Table[Any] = getattr(state, name)
            tables[name] = table.all(include_deleted=True)
        return Snapshot(
            tables=tables,
            ids=state.ids.copy(),
            execution_ids=frozenset(state.execution_ids),
            rules=dict(state.rules),
            dropped_next=state.dropped_next,
            outcomes=state.runs.counted(),
            events=state.events(),
            people=auth.people,
            tokens=auth.all_tokens,
        )


def put_back(snapshot: Snapshot, state: State, auth: Authenticator) -> None:
    """Let an instance remember what a snapshot holds, and nothing else.

    :param snapshot: the snapshot
    :param state: the state to change
    :param auth: its users and tokens
    """
    with state.lock:
        for name, records in snapshot.tables.items():
            table: Table[Any] = getattr(state, name)
            table.replace(records)
        state.ids = snapshot.ids.copy()
        state.execution_ids = set(snapshot.execution_ids)
        state.rules = dict(snapshot.rules)
        state.dropped_next = snapshot.dropped_next
        state.runs.replace(snapshot.outcomes)
        state.replace_events(snapshot.events)
        auth.replace(snapshot.people, snapshot.tokens)
