"""The journal: what a task was about to ask for and what was answered, kept where a retry can read it.

Airflow 3.3 has a state store for each task of a run. It outlives the death of the process, retries and clears. Before
3.3 there is none: a journal then remembers nothing, and every decision is taken as if no attempt had told anything.

The store has one key, :data:`KEY`, with this document:

``opened``
    The numbers of the tries that began with a working journal. Each try writes its own before it asks for anything. So
    "no entry" proves that nothing was asked for, but only if every earlier try is in this list.
``asked``
    What the last request was for. Written before the request leaves. ``what`` and the other keys say whose it is: an
    entry counts for exactly the same request only.
``before``
    How production stood when the request was decided, as far as a retry compares it. Written with ``asked``.
``answer``
    What the server answered, as far as a retry needs it. Written after the answer; absent where it was lost.

It holds ids, times and digests, and never a secret or the value of a run parameter.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..client.errors import JournalUnavailableError

log = logging.getLogger(__name__)

#: The key of the store.
KEY = "trifacta_journal"


class Store(Protocol):
    """What a journal needs of Airflow's task state store."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value."""

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""


@dataclass(frozen=True)
class Entry:
    """What an earlier try of this task noted about the same request.

    :param before: how production stood when it was decided
    :param answer: what the server answered; empty where the answer was lost
    """

    before: Mapping[str, Any] = field(default_factory=dict)
    answer: Mapping[str, Any] = field(default_factory=dict)


class Journal:
    """The notes of one task in one run. Call :meth:`open` once, before anything is asked for.

    :param store: Airflow's task state store, None before Airflow 3.3
    :param try_number: the number of this try, from 1
    """

    def __init__(self, store: Store | None = None, try_number: int = 1) -> None:
        self._store = store
        #: Whether there is a journal at all, be it readable at the moment or not.
        self.exists = store is not None
        self._try_number = try_number
        self._document: dict[str, Any] = {"opened": []}

    @property
    def remembers(self) -> bool:
        """Whether what is noted now can be read by a retry."""
        return self._store is not None

    def open(self) -> None:
        """Read what earlier tries noted, and note that this one began.

        A store that cannot be read is as good as none.

        :raises JournalUnavailableError: it can be read and not written
        """
        if self._store is None:
            return
        try:
            found = self._store.get(KEY)
        except Exception as error:  # the store has its own
            log.warning("The task's journal cannot be read, so this try does without it: %s", error)
            self._store = None
            return
        if isinstance(found, Mapping) and isinstance(found.get("opened"), list):
            self._document = dict(found)
        self._document["opened"] = sorted({*self._document["opened"], self._try_number})
        self._write()

    def nothing_asked(self, **request: Any) -> bool:
        """Tell whether it is proven that no earlier try asked for this.

        :param request: whose entry it would be
        """
        earlier = set(range(1, self._try_number))
        return earlier <= set(self._document["opened"]) and self.entry(**request) is None

    def entry(self, **request: Any) -> Entry | None:
        """Return what an earlier try noted about exactly this request, None if nothing.

        :param request: whose entry it is
        """
        if self._document.get("asked") != _plain(request):
            return None
        return Entry(self._document.get("before") or {}, self._document.get("answer") or {})

    @property
    def last_request(self) -> Mapping[str, Any]:
        """What the last request of an earlier try was for; empty if nothing is noted."""
        return self._document.get("asked") or {}

    def asked(self, request: Mapping[str, Any], **before: Any) -> None:
        """Note what is about to be asked for. Call it before the request leaves.

        :param request: whose entry it is
        :param before: how production stands now
        :raises JournalUnavailableError: the store takes no note, so nothing must be sent
        """
        self._document.update(asked=_plain(request), before=_plain(before), answer=None)
        self._write()

    def withdraw(self, request: Mapping[str, Any] | None = None, entry: Entry | None = None) -> None:
        """Take back what was noted as asked for: the server provably did nothing.

        :param request: what an earlier try asked for, if that is still in doubt
        :param entry: what it noted, which then stands again
        """
        self._document.update(asked=None, before=None, answer=None)
        if request and entry:
            self._document.update(asked=_plain(request), before=dict(entry.before), answer=dict(entry.answer) or None)
        try:
            self._write()
        except JournalUnavailableError as error:
            log.warning("It could not be noted that nothing was done, so a retry will look for it: %s", error)

    def answered(self, **answer: Any) -> None:
        """Note what was answered, beside what was noted of the answer before.

        A store that takes no note is only warned of: the request is done.

        :param answer: what a retry needs to know
        """
        self._document["answer"] = {**(self._document.get("answer") or {}), **_plain(answer)}
        try:
            self._write()
        except JournalUnavailableError as error:
            log.warning("The answer could not be noted, so a retry will have to look for what was done: %s", error)

    def _write(self) -> None:
        if self._store is None:
            return
        try:
            self._store.set(KEY, _plain(self._document))
        except Exception as error:  # the store has its own
            raise JournalUnavailableError(
                f"Airflow's task state store takes no note ({type(error).__name__}: {error}). Nothing was sent. This "
                "task notes what it asks for, so that a retry never asks twice. Try again when the API server answers."
            ) from error


def digest_of(value: Any) -> str:
    """Return a digest that stands for a value which must not be kept.

    :param value: plain JSON
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value as the store gives it back, so that it can be compared."""
    return dict(json.loads(json.dumps(value)))
