"""The verdict on a promotion: what the jobs of its smoke run say, and not what a wait made of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ..client.errors import TrifactaError, UnexpectedResponseError
from ..client.models import RUNNING
from ..client.texts import shown
from .doubt import look

if TYPE_CHECKING:
    from ..client import TrifactaClient

log = logging.getLogger(__name__)

_COMPLETE = "Complete"
#: Seconds between two looks at jobs that still run.
_INTERVAL = 10.0


@dataclass(frozen=True)
class Verdict:
    """Whether a promotion is kept.

    :param kept: whether it is
    :param why: the reason, as a sentence
    :param job_group_ids: the job groups that the reason is about, where it is about any
    """

    kept: bool
    why: str
    job_group_ids: list[int] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the form that goes through XCom."""
        return asdict(self)


def verdict_of_jobs(client: TrifactaClient, job_group_ids: Sequence[int], *, patience: float) -> Verdict:
    """Judge a promotion by the job groups of its smoke run.

    All Complete: it is kept, even where the wait for them gave up. One Failed or Canceled: it is not. Jobs that still
    run, or whose state cannot be read, are waited for; after that the promotion is not kept, since nothing proves it.

    :param client: the instance
    :param job_group_ids: the job groups
    :param patience: seconds to wait
    """

    def read(reader: TrifactaClient) -> dict[int, object]:
        try:
            states = {one: reader.job_groups.status(one) for one in job_group_ids}
        except TrifactaError as error:
            # Also credentials that are refused are waited for: they may be renewed in the meantime.
            raise UnexpectedResponseError(str(error)) from error
        for one, state in states.items():
            # An unknown word is an end; what is no word at all comes of something in between, and may pass.
            if not isinstance(state, str) or not state.strip():
                raise UnexpectedResponseError(f"The status of job group {one} is no word: {str(state)[:80]!r}.")
        return states

    def decided(states: dict[int, object]) -> bool:
        return not any(state in RUNNING for state in states.values()) or bool(_ended_badly(states))

    try:
        states = look(client, read, decided, seconds=patience, interval=_INTERVAL)
    except TrifactaError as error:
        return Verdict(False, f"The state of the job groups cannot be read: {error}", list(job_group_ids))
    bad = _ended_badly(states)
    if bad:
        words = ", ".join(f"{one} is {shown(states[one])}" for one in bad)
        return Verdict(False, f"Job group {words}.", bad)
    running = [one for one, state in states.items() if state != _COMPLETE]
    if running:
        return Verdict(False, f"Job groups {running} are still running after {patience:g} s.", running)
    return Verdict(True, f"All job groups are Complete: {list(job_group_ids)}.", list(job_group_ids))


def _ended_badly(states: dict[int, object]) -> list[int]:
    return [one for one, state in states.items() if state != _COMPLETE and state not in RUNNING]
