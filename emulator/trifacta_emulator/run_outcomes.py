"""How the next runs end, on demand. Not part of the product."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from trifacta_emulator.checks import check, check_int
from trifacta_emulator.effect_json import build


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """
    How job groups end that are started next.

    :param status: the state they come to: ``Failed``, ``Canceled`` or any other word, known to the API or not.
    :param message: ``errorMessage`` of the failed job; default a sentence that says it was demanded.
    :param deployment_id: only in runs of this deployment; ``None`` = of any.
    :param times: so many job groups.
    """

    status: str = "Failed"
    message: str | None = None
    deployment_id: int | None = None
    times: int = 1

    def __post_init__(self) -> None:
        check(isinstance(self.status, str) and bool(self.status), f"status must be a word, not {self.status!r}")
        check(self.message is None or isinstance(self.message, str), f"message must be a text, not {self.message!r}")
        if self.deployment_id is not None:
            check_int("deployment_id", self.deployment_id, 1)
        check_int("times", self.times, 1)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RunOutcome:
        """
        Read the JSON form: the same fields.

        :param value: e.g. ``{"status": "Failed", "message": "Path does not exist"}``.
        :raises ValueError: a field is unknown or wrong.
        """
        outcome: RunOutcome = build(cls, dict(value))
        return outcome

    def to_json(self) -> dict[str, Any]:
        """Write the JSON form, with all fields."""
        return asdict(self)


class RunOutcomes:
    """The outcomes to come. Tests may change them from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[RunOutcome, int]] = []

    def add(self, outcome: RunOutcome) -> None:
        """
        Let the next matching job groups end so, after what was added before.

        :param outcome: how they end.
        """
        with self._lock:
            self._waiting.append((outcome, outcome.times))

    def clear(self) -> None:
        """Let all job groups to come end as their data says."""
        with self._lock:
            self._waiting.clear()

    def waiting(self) -> tuple[RunOutcome, ...]:
        """List what is not used up."""
        with self._lock:
            return tuple(outcome for outcome, _ in self._waiting)

    def take(self, deployment_id: int) -> RunOutcome | None:
        """
        Use one up, for a job group that starts now.

        :param deployment_id: what runs.
        """
        with self._lock:
            for index, (outcome, left) in enumerate(self._waiting):
                if outcome.deployment_id in (None, deployment_id):
                    self._waiting[index : index + 1] = [(outcome, left - 1)] if left > 1 else []
                    return outcome
            return None
