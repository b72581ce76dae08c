"""The journal: what a task was about to ask for and what was answered, kept where a retry can read
it.

Airflow 3.3 has a state store for each task of a run. It outlives the worker process, retries and
clears. Before 3.3 there is no store: a journal then remembers nothing, and a retry decides by what
the server shows.

A try reads the store before it asks for anything, and stops if it cannot. It notes a request before
the request leaves.

The store has one key, :data:`KEY`, with this document:

``opened``
    The numbers of the tries that opened the journal. If every earlier try is in this list and there
    is no entry, that proves that nothing was asked for. A try that is missing died while Airflow
    prepared it, or Airflow emptied the store (``[state_store] clear_on_success``, or the end of its
    retention).
``max_tries``
    Airflow's ``max_tries`` in each of these tries, by which a retry is told from a clear. Earlier
    versions of the provider did not note it.
``asked``
    What the last request was for. Written before the request leaves. An entry counts only for
    exactly the same request, that is, if all keys are equal.
``before``
    How production stood when the request was decided, as far as a retry compares it. Written with
    ``asked``.
``answer``
    What the server answered, as far as a retry needs it. Written after the answer; absent if the
    answer was lost.

``parts``
    The same three keys for each change of a task that makes several, by the name of the change. A
    task that makes one change has no parts.

The document holds ids, times and digests. It never holds a secret or the value of a run parameter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from ..client.errors import JournalUnavailableError, TrifactaError
from ..client.foreign_words import logger, storable
from ..client.retries import did_nothing

log = logger(__name__)

T = TypeVar("T")

#: The key of the store.
KEY = "trifacta_journal"


class Store(Protocol):
    """The part of Airflow's task state store that a journal needs. Any object with these two
    methods will do.
    """

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value."""

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""


@dataclass(frozen=True)
class Entry:
    """What an earlier try of this task noted about the same request.

    :param before: how production stood when the request was decided
    :param answer: what the server answered; empty if the answer was lost
    """

    before: Mapping[str, Any] = field(default_factory=dict)
    answer: Mapping[str, Any] = field(default_factory=dict)


class Journal:
    """The notes of one task in one run. Call :meth:`open` once, before the task asks the server for
    anything.

    :param store: Airflow's task state store, None before Airflow 3.3
    :param try_number: the number of this try, from 1
    """

    def __init__(self, store: Store | None = None, try_number: int = 1) -> None:
        self._store = store
        #: Whether what is noted now can be read by a retry.
        self.exists = store is not None
        self._try_number = try_number
        self._document: dict[str, Any] = {"opened": []}
        #: The part of the document that holds the last request.
        self._slot = self._document

    def part(self, name: str) -> Journal:
        """Return the journal of one of several changes that the task makes. Open this journal
        before.

        :param name: the change
        """
        parts = self._document.setdefault("parts", {})
        part = copy(self)
        part._slot = parts.setdefault(name, {})
        return part

    def open(self, max_tries: int | None = None) -> None:
        """Read what earlier tries noted, and note that this one began.

        :param max_tries: Airflow's ``max_tries`` in this try
        :raises JournalUnavailableError: the store cannot be read, or not written
        """
        if self._store is None:
            return
        try:
            document = self._store.get(KEY)
        except Exception as error:  # a store raises errors of its own
            raise JournalUnavailableError(
                "Airflow's task state store does not give the notes of this task"
                f" ({type(error).__name__}: {error}). Nothing was sent. Retry when Airflow's API"
                " server answers."
            ) from error
        if isinstance(document, Mapping) and isinstance(document.get("opened"), list):
            self._document = dict(document)
            self._slot = self._document
        opened = {*self._document["opened"], self._try_number}
        self._document["opened"] = sorted(opened)
        if max_tries is not None:
            noted = self._document.get("max_tries") or {}
            self._document["max_tries"] = {**noted, str(self._try_number): max_tries}
        self._write()

    @property
    def noted_max_tries(self) -> dict[int, int]:
        """The ``max_tries`` of each try that noted it, by the number of the try. Earlier versions
        noted none.
        """
        noted = self._document.get("max_tries") or {}
        return {int(number): int(max_tries) for number, max_tries in noted.items()}

    @property
    def lacks_earlier_tries(self) -> bool:
        """Whether Airflow keeps notes, and has none of the tries before this one."""
        is_noted = any(number < self._try_number for number in self._document["opened"])
        return self.exists and self._try_number > 1 and not is_noted

    def nothing_asked(self, **request: Any) -> bool:
        """Tell whether it is proven that no earlier try asked for this.

        :param request: the request
        """
        return self._is_proof and self.entry(**request) is None

    @property
    def never_asked(self) -> bool:
        """Whether it is proven that no try of the task, this one included, asked for anything."""
        parts = self._document.get("parts") or {}
        slots = [self._document, *parts.values()]
        is_asked = any(slot.get("asked") for slot in slots)
        return self._is_proof and not is_asked

    @property
    def _is_proof(self) -> bool:
        """Whether every earlier try opened this journal, so that a missing note is a proof."""
        earlier_tries = range(1, self._try_number)
        return set(earlier_tries) <= set(self._document["opened"])

    def entry(self, **request: Any) -> Entry | None:
        """Return what an earlier try noted about exactly this request, None if nothing.

        :param request: the request
        """
        if self._slot.get("asked") != _plain(request):
            return None
        return Entry(self._slot.get("before") or {}, self._slot.get("answer") or {})

    def abandoned(
        self, request: Mapping[str, Any], answered_by: str
    ) -> tuple[Mapping[str, Any], Entry] | None:
        """Return another request for the same deployment that was left without an answer, with its
        entry.

        The server may still apply it. So it blocks the next request of the task, also another one.

        :param request: what is to be asked for now
        :param answered_by: the key of the answer that ends the doubt
        """
        last = self.last_request
        if last == _plain(request):
            return None
        for key in ("what", "deployment_id"):
            if last.get(key) != request.get(key):
                return None
        entry = self.entry(**last)
        if entry is None or answered_by in entry.answer:
            return None
        return last, entry

    @property
    def last_request(self) -> Mapping[str, Any]:
        """The last request of an earlier try; empty if nothing is noted."""
        return self._slot.get("asked") or {}

    def asked(self, request: Mapping[str, Any], **before: Any) -> None:
        """Note what is about to be asked for. Call it before the request leaves.

        :param request: the request
        :param before: the state of production now
        :raises JournalUnavailableError: the store does not take the note, so the request must not
            be sent
        """
        self._slot.update(asked=_plain(request), before=_plain(before), answer=None)
        self._write()

    def withdraw(
        self, request: Mapping[str, Any] | None = None, entry: Entry | None = None
    ) -> None:
        """Take back the note of a request, because the server provably did nothing.

        An earlier try may have asked for the same, and that may still be in doubt. Its note is then
        restored.

        :param request: what the earlier try asked for
        :param entry: what it noted
        """
        self._slot.update(asked=None, before=None, answer=None)
        if request and entry:
            answer = dict(entry.answer) or None
            self._slot.update(asked=_plain(request), before=dict(entry.before), answer=answer)
        self._write(
            "The journal does not take the note that nothing was done, so a retry looks for it: %s"
        )

    def ask(
        self,
        request: Mapping[str, Any],
        before: Mapping[str, Any],
        send: Callable[[], T],
        *,
        nothing: str,
        refused: type[TrifactaError] | tuple[()] = (),
        earlier: Entry | None = None,
    ) -> T | TrifactaError:
        """Note a request, and send it. If the server provably did nothing, take the note back.

        :param request: the request
        :param before: the state of production now
        :param send: sends it
        :param nothing: how production stands if the server did nothing, as a sentence
        :param refused: another error that proves that the server did nothing
        :param earlier: what an earlier try noted about the same request
        :returns: the answer, or the error that leaves open whether the server did it
        :raises TrifactaError: the server did nothing
        """
        self.asked(request, **before)
        try:
            return send()
        except TrifactaError as error:
            is_proof = did_nothing(error) or isinstance(error, refused)
            if not is_proof:
                return error
            self.withdraw(request, earlier)
            with production_stands(nothing):
                raise

    def answered(self, **answer: Any) -> None:
        """Note what was answered, in addition to what was noted of the answer before.

        The request is done by now. So if the store does not take the note, the log warns of it, and
        the task goes on.

        :param answer: what a retry needs to know
        """
        noted = self._slot.get("answer") or {}
        self._slot["answer"] = {**noted, **_plain(answer)}
        self._write(
            "The journal does not take the answer, so a retry has to look for what was done: %s"
        )

    def _write(self, otherwise: str = "") -> None:
        """Write the document.

        :param otherwise: what to log if the store does not take it; without it, that is an error
        """
        if self._store is None:
            return
        try:
            self._store.set(KEY, _plain(self._document))
        except Exception as error:  # a store raises errors of its own
            if otherwise:
                log.warning(otherwise, error)
                return
            raise JournalUnavailableError(
                f"Airflow's task state store does not take a note ({type(error).__name__}:"
                f" {error}). The request was not sent. This task notes what it asks for, so that a"
                " retry never asks twice. Retry when Airflow's API server answers."
            ) from error


@contextmanager
def production_stands(
    words: str | Callable[[], str],
    *,
    also: bool = False,
    kinds: type[TrifactaError] | tuple[type[TrifactaError], ...] = TrifactaError,
) -> Iterator[None]:
    """Make every error that leaves the block say how production stands, unless it says so already.

    :param words: the sentence; or what makes it when there is an error, if it depends on what the
        block does
    :param also: whether to add the sentence to what the error says already
    :param kinds: the errors that are to say it
    """
    try:
        yield
    except kinds as error:
        if also or not error.standing:
            sentence = words if isinstance(words, str) else words()
            error.standing = f"{error.standing} {sentence}".strip()
        raise


def digest_of(value: Any) -> str:
    """Return a digest in place of a value that must not be kept, to compare it with another one.

    :param value: plain JSON
    """
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def noted_time(time: datetime | None) -> str | None:
    """Return a time as a journal or an XCom keeps it.

    :param time: the time
    """
    return time.isoformat() if time else None


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value as the store gives it back, so that both can be compared."""
    text = json.dumps(storable(value))
    return dict(json.loads(text))
