"""Run outcomes on demand: a test decides how the next runs end. Not part of the product."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from trifacta_emulator.checks import build, check, check_int, check_int_or_none


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """How the next job groups end.

    :param status: their last state: ``Failed``, ``Canceled`` or any other word, even one that the
        API does not know
    :param message: ``errorMessage`` of the failed job; default "Failed on demand"
    :param deployment_id: only runs of this deployment; ``None`` = any deployment
    :param times: how many job groups
    :param flow_id: only runs of this flow; ``None`` = any flow
    """

    status: str = "Failed"
    message: str | None = None
    deployment_id: int | None = None
    times: int = 1
    flow_id: int | None = None

    def __post_init__(self) -> None:
        is_word = isinstance(self.status, str) and bool(self.status)
        check(is_word, f"status must be a word, not {self.status!r}")
        is_text = self.message is None or isinstance(self.message, str)
        check(is_text, f"message must be a text, not {self.message!r}")
        check_int_or_none("deployment_id", self.deployment_id, 1)
        check_int_or_none("flow_id", self.flow_id, 1)
        check_int("times", self.times, 1)

    def fits(self, deployment_id: int | None, flow_id: int | None) -> bool:
        """Tell whether the outcome is for a job group.

        :param deployment_id: the deployment that runs; ``None`` = no deployment
        :param flow_id: the flow that runs
        """
        if self.deployment_id not in (None, deployment_id):
            return False
        return self.flow_id in (None, flow_id)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> RunOutcome:
        """Read the JSON form: the same fields.

        :param fields: e.g. ``{"status": "Failed", "message": "Path does not exist"}``
        :raises ValueError: a field is unknown or wrong
        """
        return build(cls, dict(fields))

    def to_json(self) -> dict[str, Any]:
        """Write the JSON form, with all fields."""
        return asdict(self)


class RunOutcomes:
    """The outcomes that wait for their runs. Any thread may call any method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[RunOutcome, int]] = []

    def add(self, outcome: RunOutcome) -> None:
        """Add an outcome for the next matching job groups, after the outcomes that already wait.

        :param outcome: how they end
        """
        with self._lock:
            self._waiting.append((outcome, outcome.times))

    def clear(self) -> None:
        """Remove all outcomes: the next job groups end as their data says."""
        with self._lock:
            self._waiting.clear()

    def waiting(self) -> tuple[RunOutcome, ...]:
        """List the outcomes that are not used up."""
        with self._lock:
            return tuple(outcome for outcome, _ in self._waiting)

    def counted(self) -> tuple[tuple[RunOutcome, int], ...]:
        """List the outcomes that are not used up, each with the number of job groups that it is
        left for.
        """
        with self._lock:
            return tuple(self._waiting)

    def replace(self, counted: Iterable[tuple[RunOutcome, int]]) -> None:
        """Replace all outcomes.

        :param counted: as :meth:`counted` returns them
        """
        with self._lock:
            self._waiting = list(counted)

    def take(self, deployment_id: int | None, flow_id: int | None = None) -> RunOutcome | None:
        """Use one outcome for a job group that starts now.

        :param deployment_id: the deployment that runs; ``None`` = no deployment
        :param flow_id: the flow that runs
        :returns: the first matching outcome, or ``None``
        """
        with self._lock:
            for index, (outcome, left) in enumerate(self._waiting):
                if not outcome.fits(deployment_id, flow_id):
                    continue
                if left > 1:
                    self._waiting[index] = (outcome, left - 1)
                else:
                    del self._waiting[index]
                return outcome
            return None
