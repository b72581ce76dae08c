"""Which try of a task this is: the first one, Airflow's own retry, or one that a person asked for.

A retry finishes what an earlier try began. If it cannot tell what that was, it stops. A clear does it again, because a
person who clears a task has looked at production, and a retry has not. So the two must not be mixed up.

Airflow does not tell them apart. It keeps ``max_tries`` from the time when the task was scheduled first, and a clear
raises it. The operator's ``retries`` come from the DAG file that the worker parses now, and people edit that file. So a
number that is computed from both is a hint and no proof.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from enum import Enum

from .journal import Journal


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
        """Whether this is the first try after a clear, if nobody has edited ``retries`` in the meantime."""
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
        # The clear of a task that runs keeps max_tries, so it counts as a retry. That is the safe side.
        return Kind.RETRY if facts.max_tries in earlier else Kind.CLEAR
    return Kind.CLEAR if facts.looks_cleared and facts.run_was_cleared else Kind.RETRY


@dataclass(frozen=True)
class Tries:
    """What a task knows of its tries.

    :param kind: what started it
    :param number: its number, from 1
    :param journal: what earlier tries noted; without Airflow's task state store it remembers nothing
    :param execution_id: the id by which a server takes a request once, the same in all tries between two clears
    :param run_began: when the DAG run began; None if that is not known
    :param counts_when_cleared: when a clear counts as one, as a sentence
    """

    kind: Kind = Kind.FIRST
    _: KW_ONLY
    number: int = 1
    journal: Journal = field(default_factory=Journal)
    execution_id: str | None = None
    run_began: datetime | None = None
    counts_when_cleared: str = ""

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
