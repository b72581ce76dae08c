"""The contract: for each change and each event, how the last try ends, and what the instance has
then.

A cell is the XCom ``outcome`` or the class of the error, then how many objects there are because of
the task. For a switch or rules the number is 1 (2 for two lists) if production is as the task wants
it. ``undone`` says that the last try undid what a person had decided. After ``|`` comes the cell
without the journal, if it is another one.

A row without lowered ``retries`` is also the row of the event with them: a retry stays one when the
DAG file is edited. In each way to lose an answer, the row is that of ``lost`` or of ``lost and not
done``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from contract.events import Event


@dataclass(frozen=True)
class Cell:
    """How a task ends.

    :param ends: the XCom ``outcome``, or the class of the error
    :param made: how many objects there are because of the task
    :param undone: whether a person's decision was undone
    """

    ends: str
    made: int
    undone: bool = False

    @property
    def green(self) -> bool:
        """Whether the task succeeded."""
        return not self.ends.endswith("Error")

    @classmethod
    def of(cls, text: str) -> Cell:
        """Read a cell."""
        ends, made, *undone = text.split()
        return cls(ends, int(made), undone == ["undone"])


def cell_named(change: str, event: str, *, journal: bool) -> Cell:
    """Return a cell of the contract by the names of its change and its event."""
    with_journal, _, without = ROWS[change][event].partition(" | ")
    return Cell.of(with_journal if journal or not without else without)


#: Events that have the row of another one.
_SAME_AS = {
    "503": "lost",
    "504": "lost",
    "a page": "lost",
    "cut short": "lost",
    "504 and not done": "lost and not done",
    "a page and not done": "lost and not done",
}
#: The error of a request that was not done, where it is not that of a lost connection.
_ERROR_OF = {"504 and not done": "ServerError", "a page and not done": "UnexpectedResponseError"}


def _row_of(event: Event) -> str:
    return str(replace(event, fault=_SAME_AS.get(event.fault, event.fault), lowered=False))


def cell_of(change: str, event: Event, *, journal: bool) -> Cell:
    """Return a cell of the contract."""
    cell = cell_named(change, _row_of(event), journal=journal)
    if cell.ends == "ConnectionLostError" and event.fault in _ERROR_OF:
        return replace(cell, ends=_ERROR_OF[event.fault])
    return cell


def has_row(change: str, event: Event) -> bool:
    """Tell whether an event can happen to a change: not each has a second request, jobs, or a read
    before it."""
    return _row_of(event) in ROWS[change]


def has_row_named(change: str, fault: str, then: str) -> bool:
    """Tell the same of an event that is only a fault and what follows."""
    return f"{fault}, {then}" in ROWS[change]


#: A retry that may undo a person's decision, or make something twice. It is not promised without
#: the journal, and the table of the guide has the reason.
FORGETS = ("new deployment", "run")

ROWS: dict[str, dict[str, str]] = {
    "create": {
        "done": "created 1",
        "refused": "PermissionDeniedError 0",
        "refused, clear": "created 1",
        "busy once": "created 1",
        "busy": "RateLimitError 0",
        "busy, retry": "created 1",
        "lost and not done": "ConnectionLostError 0",
        "lost": "adopted 1",
        "lost and late": "adopted 1",
        "lost and not done, retry": "created 1",
        "killed at once, retry": "created 1",
        "killed before, retry": "created 1",
        "killed after, retry": "reused 1",
        "done, retry": "created 1 | reused 1",
        "killed before, a person, retry": "ReleaseNotLiveError 0",
        "killed after, a person, retry": "PromotionNotProvenError 1",
        "done, a person, retry": "ReleaseNotLiveError 1 | PromotionNotProvenError 1",
        "lost and not done, clear": "created 1",
        "killed at once, clear": "created 1",
        "killed before, clear": "created 1",
        "killed after, clear": "reused 1",
        "done, clear": "created 1 | reused 1",
        "killed before, a person, clear": "ReleaseNotLiveError 0",
        "killed after, a person, clear": "PromotionNotProvenError 1",
        "done, a person, clear": "ReleaseNotLiveError 1 | PromotionNotProvenError 1",
        "killed after, two clears": "adopted 1 | reused 1",
        "killed after, an outage, retry": "ConnectionLostError 1",
        "lost, clear": "adopted 1 | reused 1",
        "lost, uncounted clear": "adopted 1 | reused 1",
        "killed and late, retry": "adopted 1",
    },
    "staged": {
        "done": "created 1",
        "refused": "PermissionDeniedError 0",
        "refused, clear": "created 1",
        "busy once": "created 1",
        "busy": "RateLimitError 0",
        "busy, retry": "created 1",
        "lost and not done": "ConnectionLostError 0",
        "lost": "adopted 1",
        "lost and late": "adopted 1",
        "lost and not done, retry": "created 1",
        "killed at once, retry": "created 1",
        "killed before, retry": "created 1",
        "killed after, retry": "reused 1",
        "done, retry": "created 1 | reused 1",
        "killed before, a person, retry": "ReleaseNotLiveError 0",
        "killed after, a person, retry": "InterruptedChangeError 1",
        "done, a person, retry": "created 1 | InterruptedChangeError 1",
        "lost and not done, clear": "created 1",
        "killed at once, clear": "created 1",
        "killed before, clear": "created 1",
        "killed after, clear": "reused 1",
        "done, clear": "created 1 | reused 1",
        "killed before, a person, clear": "ReleaseNotLiveError 0",
        "killed after, a person, clear": "InterruptedChangeError 1",
        "done, a person, clear": "created 1 | InterruptedChangeError 1",
        "killed after, two clears": "adopted 1 | reused 1",
        "killed after, an outage, retry": "ConnectionLostError 1",
        "the second refused": "PermissionDeniedError 1",
        "the second refused, clear": "created 1 | reused 1",
        "the second lost and not done": "ConnectionLostError 1",
        "the second lost and not done, retry": "created 1 | reused 1",
        "the second killed before, retry": "created 1 | reused 1",
        "the second killed after, retry": "created 1 | reused 1",
        "lost, clear": "adopted 1 | reused 1",
        "lost, uncounted clear": "adopted 1 | reused 1",
        "killed and late, retry": "adopted 1",
        "the second busy": "RateLimitError 1",
        "the second busy, retry": "created 1 | reused 1",
        "the second busy, a person, retry": "InterruptedChangeError 1",
        "the second lost": "created 1",
        "the second lost and late": "created 1",
        "overlapped and killed, retry": "UnexpectedLiveReleaseError 1 | reused 1",
        "the second overlapped and killed, retry": "UnexpectedLiveReleaseError 1 | reused 1",
    },
    "activate": {
        "done": "activated 1",
        "refused": "PermissionDeniedError 0",
        "refused, clear": "activated 1",
        "busy once": "activated 1",
        "busy": "RateLimitError 0",
        "busy, retry": "activated 1 | InterruptedChangeError 0",
        "lost and not done": "ConnectionLostError 0",
        "lost": "activated 1",
        "lost and late": "activated 1",
        "lost and not done, retry": "activated 1 | InterruptedChangeError 0",
        "killed at once, retry": "activated 1 | InterruptedChangeError 0",
        "killed before, retry": "activated 1 | InterruptedChangeError 0",
        "killed after, retry": "unchanged 1",
        "done, retry": "unchanged 1",
        "killed before, a person, retry": "InterruptedChangeError 0",
        "killed after, a person, retry": "InterruptedChangeError 0",
        "done, a person, retry": "InterruptedChangeError 0",
        "lost and not done, clear": "activated 1",
        "killed at once, clear": "activated 1",
        "killed before, clear": "activated 1",
        "killed after, clear": "unchanged 1",
        "done, clear": "unchanged 1",
        "killed before, a person, clear": "activated 1 undone",
        "killed after, a person, clear": "activated 1 undone",
        "done, a person, clear": "activated 1 undone",
        "killed after, two clears": "unchanged 1",
        "killed after, an outage, retry": "ConnectionLostError 1",
        "lost, clear": "unchanged 1",
        "lost, uncounted clear": "unchanged 1",
        "overlapped and killed, retry": "UnexpectedLiveReleaseError 1 | unchanged 1",
        "overlapped and killed, clear": "unchanged 1",
    },
    "deactivate": {
        "done": "deactivated 1",
        "refused": "PermissionDeniedError 0",
        "refused, clear": "deactivated 1",
        "busy once": "deactivated 1",
        "busy": "RateLimitError 0",
        "busy, retry": "deactivated 1 | InterruptedChangeError 0",
        "lost and not done": "ConnectionLostError 0",
        "lost": "deactivated 1",
        "lost and late": "deactivated 1",
        "lost and not done, retry": "deactivated 1 | InterruptedChangeError 0",
        "killed at once, retry": "deactivated 1 | InterruptedChangeError 0",
        "killed before, retry": "deactivated 1 | InterruptedChangeError 0",
        "killed after, retry": "unchanged 1",
        "done, retry": "unchanged 1",
        "killed before, a person, retry": "InterruptedChangeError 0",
        "killed after, a person, retry": "InterruptedChangeError 0",
        "done, a person, retry": "InterruptedChangeError 0",
        "lost and not done, clear": "deactivated 1",
        "killed at once, clear": "deactivated 1",
        "killed before, clear": "deactivated 1",
        "killed after, clear": "unchanged 1",
        "done, clear": "unchanged 1",
        "killed before, a person, clear": "deactivated 1 undone",
        "killed after, a person, clear": "deactivated 1 undone",
        "done, a person, clear": "deactivated 1 undone",
        "killed after, two clears": "unchanged 1",
        "killed after, an outage, retry": "ConnectionLostError 1",
        "lost, clear": "unchanged 1",
        "lost, uncounted clear": "unchanged 1",
        "overlapped and killed, retry": "UnexpectedLiveReleaseError 0 | unchanged 0",
        "overlapped and killed, clear": "unchanged 0",
    },
    "roll back": {
        "done": "rolled_back 1",
        "refused": "PermissionDeniedError 0",
        "refused, clear": "rolled_back 1",
        "busy once": "rolled_back 1",
        "busy": "RateLimitError 0",
        "busy, retry": "rolled_back 1",
        "lost and not done": "ConnectionLostError 0",
        "lost": "rolled_back 1",
        "lost and late": "rolled_back 1",
        "lost and not done, retry": "rolled_back 1",
        "killed at once, retry": "rolled_back 1",
        "killed before, retry": "rolled_back 1",
        "killed after, retry": "rolled_back 1 | unchanged 1",
        "done, retry": "rolled_back 1 | unchanged 1",
        "killed before, a person, retry": "InterruptedChangeError 0",
        "killed after, a person, retry": "InterruptedChangeError 0",
        "done, a person, retry": "InterruptedChangeError 0",
        "lost and not done, clear": "rolled_back 1",
        "killed at once, clear": "rolled_back 1",
        "killed before, clear": "rolled_back 1",
        "killed after, clear": "unchanged 1",
        "done, clear": "unchanged 1",
        "killed before, a person, clear": "rolled_back 1 undone",
        "killed after, a person, clear": "rolled_back 1 undone",
        "done, a person, clear": "rolled_back 1 undone",
        "killed after, two clears": "unchanged 1",
        "killed after, an outage, retry": "ConnectionLostError 1",
        "lost, clear": "unchanged 1",
        "lost, uncounted clear": "rolled_back 1 | unchanged 1",
        "overlapped and killed, retry": "UnexpectedLiveReleaseError 1 | unchanged 1",
        "overlapped and killed, clear": "unchanged 1",
    },
    "rules": {
        "done": "changed 2",
        "refused": "PermissionDeniedError 0",
        "refused, clear": "changed 2",
        "busy once": "changed 2",
        "busy": "RateLimitError 0",
        "busy, retry": "changed 2",
        "lost and not done": "ConnectionLostError 0",
        "lost": "changed 2",
        "lost and late": "changed 2",
        "lost and not done, retry": "changed 2",
        "killed at once, retry": "changed 2",
        "killed before, retry": "changed 2",
        "killed after, retry": "changed 2",
        "done, retry": "unchanged 2",
        "killed before, a person, retry": "InterruptedChangeError 0",
        "killed after, a person, retry": "InterruptedChangeError 0",
        "done, a person, retry": "InterruptedChangeError 0",
        "lost and not done, clear": "changed 2",
        "killed at once, clear": "changed 2",
        "killed before, clear": "changed 2",
        "killed after, clear": "changed 2",
        "done, clear": "unchanged 2",
        "killed before, a person, clear": "changed 2 undone",
        "killed after, a person, clear": "changed 2 undone",
        "done, a person, clear": "changed 2 undone",
        "killed after, two clears": "unchanged 2",
        "killed after, an outage, retry": "ConnectionLostError 1",
        "the second refused": "PermissionDeniedError 1",
        "the second refused, clear": "changed 2",
        "the second lost and not done": "ConnectionLostError 1",
        "the second lost and not done, retry": "changed 2",
        "the second killed before, retry": "changed 2",
        "the second killed after, retry": "unchanged 2",
        "lost, clear": "unchanged 2",
        "lost, uncounted clear": "unchanged 2",
        "the second busy": "RateLimitError 1",
        "the second busy, retry": "changed 2",
        "the second busy, a person, retry": "InterruptedChangeError 0",
        "the second lost": "changed 2",
        "the second lost and late": "changed 2",
    },
    "new deployment": {
        "done": "created 1",
        "refused": "PermissionDeniedError 0",
        "refused, clear": "created 1",
        "busy once": "created 1",
        "busy": "RateLimitError 0",
        "busy, retry": "created 1",
        "lost and not done": "AmbiguousSubmissionError 0",
        "lost": "adopted 1",
        "lost and late": "adopted 1",
        "killed at once, retry": "created 1",
        "killed before, retry": "AmbiguousSubmissionError 0 | created 1",
        "killed after, retry": "reused 1",
        "done, retry": "reused 1",
        "killed before, a person, retry": "AmbiguousSubmissionError 0 | created 1",
        "killed after, a person, retry": "AmbiguousSubmissionError 0 | created 1 undone",
        "done, a person, retry": "AmbiguousSubmissionError 0 | created 1 undone",
        "lost and not done, clear": "created 1",
        "killed at once, clear": "created 1",
        "killed before, clear": "AmbiguousSubmissionError 0 | created 1",
        "killed after, clear": "reused 1",
        "done, clear": "reused 1",
        "killed before, a person, clear": "AmbiguousSubmissionError 0 | created 1",
        "killed after, a person, clear": "AmbiguousSubmissionError 0 | created 1 undone",
        "done, a person, clear": "AmbiguousSubmissionError 0 | created 1 undone",
        "killed after, two clears": "reused 1",
        "killed after, an outage, retry": "ConnectionLostError 1",
        "lost, clear": "reused 1",
        "lost, uncounted clear": "reused 1",
        "killed and late, retry": "adopted 1",
    },
    "import": {
        "done": "created 1",
        "refused": "PermissionDeniedError 0",
        "refused, clear": "created 1",
        "busy once": "created 1",
        "busy": "RateLimitError 0",
        "busy, retry": "created 1",
        "lost and not done": "AmbiguousSubmissionError 0",
        "lost": "AmbiguousSubmissionError 1",
        "lost and late": "AmbiguousSubmissionError 1",
        "killed at once, retry": "created 1",
        "killed before, retry": "AmbiguousSubmissionError 0 | created 1",
        "killed after, retry": "AmbiguousSubmissionError 1",
        "done, retry": "joined 1 | AmbiguousSubmissionError 1",
        "killed before, a person, retry": "AmbiguousSubmissionError 0 | created 1",
        "killed after, a person, retry": "AmbiguousSubmissionError 0",
        "done, a person, retry": "InterruptedChangeError 0 | AmbiguousSubmissionError 0",
        "lost and not done, clear": "created 1",
        "killed at once, clear": "created 1",
        "killed before, clear": "AmbiguousSubmissionError 0 | created 1",
        "killed after, clear": "AmbiguousSubmissionError 1 | created 2",
        "done, clear": "joined 1 | created 2",
        "killed before, a person, clear": "AmbiguousSubmissionError 0 | created 1",
        "killed after, a person, clear": "AmbiguousSubmissionError 0 | created 1 undone",
        "done, a person, clear": "created 1 undone",
        "killed after, two clears": "created 2 | created 3",
        "killed after, an outage, retry": "AmbiguousSubmissionError 1 | ConnectionLostError 1",
        "lost, clear": "created 2",
        "lost, uncounted clear": "AmbiguousSubmissionError 1",
        "killed and late, retry": "AmbiguousSubmissionError 1",
    },
    "run": {
        "done": "started 1",
        "refused": "PermissionDeniedError 0",
        "refused, clear": "started 1",
        "busy once": "started 1",
        "busy": "RateLimitError 0",
        "busy, retry": "started 1",
        "lost and not done": "AmbiguousSubmissionError 0",
        "lost": "AmbiguousSubmissionError 1",
        "lost and late": "AmbiguousSubmissionError 1",
        "killed at once, retry": "started 1",
        "killed before, retry": "AmbiguousSubmissionError 0 | started 1",
        "killed after, retry": "AmbiguousSubmissionError 1 | started 2",
        "done, retry": "started 1 | started 2",
        "killed before, a person, retry": "AmbiguousSubmissionError 0 | started 1",
        "killed after, a person, retry": "AmbiguousSubmissionError 1 | started 2 undone",
        "done, a person, retry": "started 1 | started 2 undone",
        "lost and not done, clear": "started 1",
        "killed at once, clear": "started 1",
        "killed before, clear": "AmbiguousSubmissionError 0 | started 1",
        "killed after, clear": "AmbiguousSubmissionError 1 | started 2",
        "done, clear": "started 2",
        "killed before, a person, clear": "AmbiguousSubmissionError 0 | started 1",
        "killed after, a person, clear": "AmbiguousSubmissionError 1 | started 2 undone",
        "done, a person, clear": "started 2 undone",
        "killed after, two clears": "started 2 | started 3",
        "done, soon, clear": "started 1 | started 2",
        "killed after, an outage, retry": "ConnectionLostError 1",
        "lost, clear": "started 2",
        "lost, uncounted clear": "AmbiguousSubmissionError 1 | started 2",
    },
    "flows": {
        "done": "started 2",
        "refused": "PermissionDeniedError 0",
        "refused, clear": "started 2",
        "busy once": "started 2",
        "busy": "RateLimitError 0",
        "busy, retry": "started 2",
        "lost and not done": "started 2",
        "lost": "started 2",
        "lost and late": "started 2",
        "lost and not done, retry": "started 2",
        "killed before, retry": "started 2",
        "killed after, retry": "started 2",
        "done, retry": "started 2",
        "killed before, a person, retry": "started 2",
        "killed after, a person, retry": "started 2",
        "done, a person, retry": "started 2",
        "lost and not done, clear": "started 4",
        "killed before, clear": "AmbiguousSubmissionError 0 | started 2",
        "killed after, clear": "AmbiguousSubmissionError 1 | started 3",
        "done, clear": "started 4",
        "killed before, a person, clear": "AmbiguousSubmissionError 0 | started 2",
        "killed after, a person, clear": "AmbiguousSubmissionError 1 | started 3 undone",
        "done, a person, clear": "started 4 undone",
        "killed after, two clears": "started 3 | started 5",
        "done, soon, clear": "started 2 | started 4",
        "killed after, an outage, retry": "ConnectionLostError 1",
        "the second refused": "PermissionDeniedError 1",
        "the second refused, clear": "started 3",
        "the second lost and not done": "started 2",
        "the second lost and not done, retry": "started 2",
        "the second killed before, retry": "started 2",
        "the second killed after, retry": "started 2",
        "lost, clear": "started 4",
        "lost, uncounted clear": "started 2",
        "the second busy": "RateLimitError 1",
        "the second busy, retry": "started 2",
        "the second busy, a person, retry": "started 2",
        "the second lost": "started 2",
        "the second lost and late": "started 2",
    },
    "recipe": {
        "done": "started 1",
        "refused": "PermissionDeniedError 0",
        "refused, clear": "started 1",
        "busy once": "started 1",
        "busy": "RateLimitError 0",
        "busy, retry": "started 1",
        "lost and not done": "started 1",
        "lost": "started 1",
        "lost and late": "started 1",
        "lost and not done, retry": "started 1",
        "killed before, retry": "started 1",
        "killed after, retry": "started 1",
        "done, retry": "started 1",
        "killed before, a person, retry": "started 1",
        "killed after, a person, retry": "started 1",
        "done, a person, retry": "started 1",
        "lost and not done, clear": "started 2",
        "killed before, clear": "AmbiguousSubmissionError 0 | started 1",
        "killed after, clear": "AmbiguousSubmissionError 1 | started 2",
        "done, clear": "started 2",
        "killed before, a person, clear": "AmbiguousSubmissionError 0 | started 1",
        "killed after, a person, clear": "AmbiguousSubmissionError 1 | started 2 undone",
        "done, a person, clear": "started 2 undone",
        "killed after, two clears": "started 2 | started 3",
        "done, soon, clear": "started 1 | started 2",
        "killed after, an outage, retry": "ConnectionLostError 1",
        "lost, clear": "started 2",
        "lost, uncounted clear": "started 1",
    },
    "recipe, no execution id": {
        "done": "started 1",
        "refused": "PermissionDeniedError 0",
        "refused, clear": "started 1",
        "busy once": "started 1",
        "busy": "RateLimitError 0",
        "busy, retry": "started 1 | AmbiguousSubmissionError 0",
        "lost and not done": "AmbiguousSubmissionError 0",
        "lost": "AmbiguousSubmissionError 1",
        "lost and late": "AmbiguousSubmissionError 1",
        "killed before, retry": "AmbiguousSubmissionError 0",
        "killed after, retry": "AmbiguousSubmissionError 1",
        "done, retry": "started 1 | AmbiguousSubmissionError 1",
        "killed before, a person, retry": "AmbiguousSubmissionError 0",
        "killed after, a person, retry": "AmbiguousSubmissionError 1",
        "done, a person, retry": "started 1 | AmbiguousSubmissionError 1",
        "lost and not done, clear": "started 1",
        "killed before, clear": "AmbiguousSubmissionError 0 | started 1",
        "killed after, clear": "AmbiguousSubmissionError 1 | started 2",
        "done, clear": "started 2",
        "killed before, a person, clear": "AmbiguousSubmissionError 0 | started 1",
        "killed after, a person, clear": "AmbiguousSubmissionError 1 | started 2 undone",
        "done, a person, clear": "started 2 undone",
        "killed after, two clears": "started 2 | started 3",
        "done, soon, clear": "started 1 | started 2",
        "killed after, an outage, retry": "ConnectionLostError 1",
        "lost, clear": "started 2",
        "lost, uncounted clear": "AmbiguousSubmissionError 1",
    },
}

#: What today's code does not keep: the ids of the cells, by what is missing.
PENDING: dict[str, tuple[str, ...]] = {}
