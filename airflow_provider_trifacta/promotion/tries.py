"""Which try of a task this is: the first one, Airflow's own retry, or one that a person asked for.

A retry finishes what an earlier try began. If it cannot tell what that was, it stops. A clear does
it again, because a person who clears a task has looked at production, and a retry has not. So the
two must not be mixed up.

Airflow does not tell them apart. It keeps ``max_tries`` from the time when the task was scheduled
first, and a clear raises it. The operator's ``retries`` come from the DAG file that the worker
parses now, and people edit that file. So a number that is computed from both is a hint and no
proof.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime
from enum import Enum

from .journal import Journal, Store

#: What a person does whose clear counted as a retry.
_CLEAR_ONCE_MORE = "The clear of a task that still runs counts as a retry: then clear it once more."
_CLEAR_AFTER_THE_RUN = (
    "This version of Airflow counts a clear only if the run had ended: clear it again when the run"
    " has ended."
)


class Kind(Enum):
    """What started a try."""

    FIRST = "first try"
    RETRY = "retry"
    CLEAR = "clear"


@dataclass(frozen=True)
class TryFacts:
    """What Airflow keeps of a try.

    :param number: the number of the try, from 1
    :param max_tries: Airflow's ``max_tries`` of the task, which a clear of an ended task raises
    :param retries: the ``retries`` of the operator in the DAG file of now
    :param run_was_cleared: whether a task of the run was cleared. Airflow 2 keeps the tries before
        instead: whether the last one had another ``max_tries``
    """

    number: int
    max_tries: int
    retries: int
    run_was_cleared: bool = False

    @property
    def looks_cleared(self) -> bool:
        """Whether this is the first try after a clear, if nobody has edited ``retries`` since."""
        first_after_clear = max(1, self.max_tries - self.retries + 1)
        return 1 < self.number <= first_after_clear


def kind_of(facts: TryFacts, noted: Mapping[int, int]) -> Kind:
    """Decide what started a try.

    :param facts: what Airflow keeps of it
    :param noted: the ``max_tries`` that the journal noted, by the number of the try
    """
    if facts.number <= 1:
        return Kind.FIRST
    earlier = [max_tries for number, max_tries in noted.items() if number < facts.number]
    if earlier:
        # The clear of a task that runs keeps max_tries, so it counts as a retry. That is the safe
        # side.
        return Kind.RETRY if facts.max_tries in earlier else Kind.CLEAR
    return Kind.CLEAR if facts.looks_cleared and facts.run_was_cleared else Kind.RETRY


@dataclass(frozen=True)
class Tries:
    """What a task knows of its tries. Without arguments this is a first try that nothing remembers.

    :param kind: what started this try
    :param journal: what earlier tries noted; without Airflow's task state store it remembers
        nothing
    :param execution_id: the id by which a server takes a request once. It is the same in all tries
        between two clears
    :param run_began: when the DAG run began; None if that is not known
    :param counts_when_cleared: what a person does whose clear looks like a retry, as a sentence
    """

    kind: Kind = Kind.FIRST
    _: KW_ONLY
    journal: Journal = field(default_factory=Journal)
    execution_id: str | None = None
    run_began: datetime | None = None
    counts_when_cleared: str = ""

    @classmethod
    def begin(
        cls,
        facts: TryFacts,
        store: Store | None = None,
        *,
        execution_id: str | None = None,
        run_began: datetime | None = None,
        counts_each_clear: bool = True,
    ) -> Tries:
        """Begin a try: open its journal, and decide what started it.

        :param facts: what Airflow keeps of the try
        :param store: Airflow's task state store, None before Airflow 3.3
        :param execution_id: as for :class:`Tries`
        :param run_began: as for :class:`Tries`
        :param counts_each_clear: whether Airflow counts the clear of a run that has not ended
        :raises JournalUnavailableError: the store cannot be read, or not written
        """
        journal = Journal(store, facts.number)
        journal.open(facts.max_tries)
        can_tell = journal.exists or counts_each_clear
        return cls(
            kind_of(facts, journal.noted_max_tries),
            journal=journal,
            execution_id=execution_id,
            run_began=run_began,
            counts_when_cleared=_CLEAR_ONCE_MORE if can_tell else _CLEAR_AFTER_THE_RUN,
        )

    @property
    def is_first(self) -> bool:
        """Whether no try came before."""
        return self.kind is Kind.FIRST

    @property
    def is_retry(self) -> bool:
        """Whether Airflow started it by itself, after a try that failed or was killed."""
        return self.kind is Kind.RETRY

    @property
    def is_clear(self) -> bool:
        """Whether a person asked for it."""
        return self.kind is Kind.CLEAR

    @property
    def clear_again(self) -> str:
        """What an error says to a person whose clear may look like a retry; else empty."""
        return self.counts_when_cleared if self.is_retry else ""

    def part(self, name: str) -> Tries:
        """Return the same for one of several changes that the task makes.

        :param name: the change
        """
        return replace(self, journal=self.journal.part(name))

    def as_first(self) -> Tries:
        """Return the same for a change that no earlier try can have asked for."""
        return replace(self, kind=Kind.FIRST)

    def as_retry(self) -> Tries:
        """Return the same for a repetition within this try."""
        return replace(self, kind=Kind.RETRY)
