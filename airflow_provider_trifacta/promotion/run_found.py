"""What a run started: read in its answer, or found among the newest job groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..client.errors import RunNotStartedError, UnexpectedResponseError
from .standing import DEFAULT_SETTLE_TIMEOUT, look

if TYPE_CHECKING:
    from ..client import TrifactaClient
    from ..client.models import JobGroup

#: How far the clocks may differ where a job group is taken for one of a run: an older run must not
#: be taken for it.
_TOLERANCE = timedelta(seconds=5)


@dataclass(frozen=True)
class Started:
    """What one request started.

    :param job_group_ids: its job groups
    :param flow_run_id: the run of the flow that they belong to; None if the server does not tell
    """

    job_group_ids: list[int]
    flow_run_id: int | None = None

    @classmethod
    def of(cls, note: Mapping[str, Any]) -> Started:
        """Read what :meth:`as_dict` returned."""
        return cls([int(one) for one in note["job_group_ids"]], note.get("flow_run_id"))

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON, for the journal."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def read_answer(answer: object, name: str, needs: str, fields: Mapping[str, Any]) -> Started:
    """Read ``{"data": [{"id": ..., "flowRun": {"id": ...}}], "flowRunId": ...}``, or one job group
    ``{"id": ...}``.

    :param answer: the answer to a run
    :param name: what runs
    :param needs: what to do if it started nothing
    :param fields: fields of the errors
    :raises RunNotStartedError: it started nothing
    :raises UnexpectedResponseError: it does not show the id of every job group
    """
    whole: Mapping[str, Any] = answer if isinstance(answer, Mapping) else {}
    rows = whole.get("data", [whole])
    if not isinstance(rows, list):
        raise UnexpectedResponseError('The answer to the run holds no list under "data".', **fields)
    if not rows:
        raise RunNotStartedError(f"The run of {name} started nothing. {needs}", **fields)
    ids = [_id(row) for row in rows]
    known = [one for one in ids if one]
    if len(known) < len(rows):
        raise UnexpectedResponseError(
            f"The answer to the run does not show the id of every job group: {str(rows)[:200]}.",
            job_group_ids=known,
            **fields,
        )
    first = rows[0].get("flowRun")
    return Started(known, _id({"id": whole.get("flowRunId")}) or _id(first))


def _id(row: object) -> int | None:
    one = row.get("id") if isinstance(row, Mapping) else None
    return one if isinstance(one, int) and not isinstance(one, bool) and one > 0 else None


def find(
    client: TrifactaClient, has: Callable[[JobGroup], bool], since: datetime | None
) -> Started | None:
    """Find what a request started that the server took, among the newest job groups of this user.

    Its job groups may appear one after the other, so they are taken once two looks show the same.

    :param client: the instance
    :param has: tells whether a job group is of what was to run
    :param since: when the request can have been sent first
    :returns: what it started; None if no run fits, or several do
    """
    me = client.people.current().id
    before: list[JobGroup] = []

    def read(reader: TrifactaClient) -> list[JobGroup]:
        return [
            one
            for one in reader.job_groups.newest(flows=True)
            if has(one)
            and one.creator_id == me
            and one.created_at is not None
            and (since is None or one.created_at >= since - _TOLERANCE)
        ]

    def same(now: list[JobGroup]) -> bool:
        earlier, before[:] = {one.id for one in before}, now
        return bool(now) and {one.id for one in now} == earlier

    found = look(client, read, same, seconds=DEFAULT_SETTLE_TIMEOUT)
    runs: set[object] = {one.flow_run_id or f"job group {one.id}" for one in found}
    if len(runs) != 1 or not same(found):
        return None
    return Started(sorted(one.id for one in found), found[0].flow_run_id)
