"""How much an answer may hold, by the kind of its call; and what one process reads at the same
time.

A process reads for many: the waits of all users share a triggerer, and tasks of a worker may use
threads. So one instance must not fill its memory, and must not keep Python's interpreter lock for
long.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_KIB, _MIB = 2**10, 2**20
#: Bytes of an answer for each part of it. A part is an object, a list, a comma or a colon, and
#: costs up to 170 bytes.
_BYTES_OF_A_PART = 16
#: Parts of any answer. A longer one that is honest has more text for each.
_MOST_PARTS = 200_000


@dataclass(frozen=True)
class Limit:
    """What an answer to one kind of call may hold.

    :param kind: what the answer is, for an error
    :param size: bytes, after it is unpacked
    """

    kind: str
    size: int

    @property
    def parts(self) -> int:
        """Objects, lists, commas and colons outside of texts."""
        return min(self.size // _BYTES_OF_A_PART, _MOST_PARTS)

    def within(self, largest: int) -> Limit:
        """Return the same kind in a process that reads no larger answer.

        :param largest: bytes
        """
        return self if self.size <= largest else Limit(self.kind, largest)


STATE = Limit("a state", 64 * _KIB)
ROW = Limit("one object", 256 * _KIB)
PAGE = Limit("a page of a list", _MIB)
#: A list that the server does not page, or that it embeds in an object.
WHOLE_LIST = Limit("a list that is not paged", 8 * _MIB)
#: What an upload made, or would make.
IMPORT = Limit("an import", 8 * _MIB)
DESCRIPTION = Limit("the description of the API", 8 * _MIB)
#: A ZIP. What it unpacks to is bounded where it is unpacked.
JOB_LOG = Limit("the log of a job", 8 * _MIB)
#: The body of a redirect or an error. It is cut there, because its status is what matters.
ERROR_PAGE = Limit("an error", 64 * _KIB)

#: Bytes of all answers to one call, with its repetitions and pages.
MOST_OF_A_CALL = 64 * _MIB
#: Bytes of the texts that the rows of one list keep.
MOST_KEPT = 16 * _MIB
#: Bytes of the largest answer that a triggerer reads: the waits of all users share its process.
LARGEST_IN_A_TRIGGERER = _MIB
#: Bytes of each answer that are read without asking whether there is room: most answers have no
#: more.
FREE = 64 * _KIB


@dataclass(eq=False)
class Claim:
    """What one answer holds of the memory, and of which instance it is."""

    instance: str
    size: int = 0


@dataclass
class Memory:
    """The bytes of answers that are read at the same time in one process.

    An answer takes its room at once and before it is read further, so nobody holds a part and waits
    for more: there is no deadlock. Whoever came first is served first. Only who waits for its own
    instance is passed by others.

    :param size: bytes of all answers together. A quarter of them may be of one instance
    """

    size: int = 32 * _MIB
    #: Those that wait for room, in their order.
    waiting: list[Claim] = field(default_factory=list)
    #: Held while an answer is parsed and becomes models. Python runs one thread at a time anyhow.
    #: Without this, many threads would compete with the event loop for their turn, and keep many
    #: parsed answers.
    parsing: threading.Lock = field(default_factory=threading.Lock)
    _held: Counter[str] = field(default_factory=Counter)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def held(self) -> int:
        """Bytes that are taken."""
        return self._held.total()

    @property
    def share(self) -> int:
        """Bytes that one instance may have."""
        return self.size // 4

    @contextmanager
    def claim(self, instance: str) -> Iterator[Claim]:
        """Give an answer the means to take room, and take back at the end what it took.

        :param instance: the instance that answers
        """
        claim = Claim(instance)
        try:
            yield claim
        finally:
            self.give_back(claim)

    def take(self, claim: Claim, size: int, left: Callable[[], float]) -> None:
        """Wait until there is room, and take it.

        :param claim: the answer; it has taken nothing yet
        :param size: the most that it may come to; more than the share of an instance counts as that
            share
        :param left: returns the seconds that the call has left, and raises its error if there are
            none
        """
        claim.size = min(size, self.share)
        with self._changed:
            self.waiting.append(claim)
            try:
                while not self._is_next(claim):
                    self._changed.wait(min(left(), threading.TIMEOUT_MAX))
                self._held[claim.instance] += claim.size
            except BaseException:
                claim.size = 0
                raise
            finally:
                self.waiting.remove(claim)
                self._changed.notify_all()

    def give_back(self, claim: Claim) -> None:
        """Give back what an answer took. It may take room again afterwards.

        :param claim: the answer
        """
        if not claim.size:
            return
        with self._changed:
            self._held[claim.instance] -= claim.size
            if not self._held[claim.instance]:
                del self._held[claim.instance]
            claim.size = 0
            self._changed.notify_all()

    def _is_next(self, claim: Claim) -> bool:
        """Tell whether it is the turn of an answer, and there is room for it."""
        full: set[str] = set()
        for first in self.waiting:
            too_much = self._held[first.instance] + first.size > self.share
            if too_much or first.instance in full:
                full.add(first.instance)
                continue
            return first is claim and self.held + claim.size <= self.size
        return False


#: The memory of this process.
memory = Memory()
# A fork does not copy the threads of the parent process, so what they hold would be held for ever.
os.register_at_fork(after_in_child=lambda: memory.__init__(memory.size))  # type: ignore[misc]
