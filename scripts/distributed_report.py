"""What became of promotions: what each of them says, compared with what production has."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Promotion:
    """One promotion, after its end.

    :param name: of its flow
    :param deployment_id: its deployment, which no other promotion uses
    :param before: the release that was live before it
    :param releases: those of the deployment, as production lists them
    :param job_groups: how many job groups ran this flow in production
    :param state: of its task ``promoted``; None if that task did not end
    :param status: its XCom ``promotion_status``
    """

    name: str
    deployment_id: int
    before: int
    releases: list[dict[str, Any]]
    job_groups: int
    state: str | None
    status: dict[str, Any] | None

    @property
    def made(self) -> list[int]:
        """The releases that the promotion made."""
        return [one["id"] for one in self.releases if one["id"] != self.before]

    @property
    def live(self) -> int | None:
        """The release that production says is live."""
        return next((one["id"] for one in self.releases if one["active"] is True), None)

    @property
    def outcome(self) -> str:
        """``promoted``, ``rolled back``, ``red`` for any other end that says so, or ``no word``."""
        if not self.status or self.state not in ("success", "failed"):
            return "no word"
        return {"live": "promoted", "rolled_back": "rolled back"}.get(self.status["state"], "red")

    @property
    def problems(self) -> list[str]:
        """What must never be, as phrases: a duplicate, or words that production contradicts."""
        found = []
        if len(self.made) > 1:
            found.append(f"duplicate: releases {self.made}")
        if self.job_groups > 1:
            found.append(f"duplicate: {self.job_groups} smoke runs")
        if not self.status or self.outcome == "no word":
            return [*found, f"no word of how it ended: 'promoted' is {self.state}"]
        if (self.state == "success") != (self.status["state"] == "live"):
            found.append(f"'promoted' is {self.state}, and says {self.status['state']}")
        if self.status["live_release_id"] not in (None, self.live):
            found.append(
                f"it says that release {self.status['live_release_id']} is live, and {self.live} is"
            )
        if self.outcome == "promoted" and self.made != [self.live]:
            found.append(f"it says promoted; release {self.live} is live, and it made {self.made}")
        if self.outcome == "rolled back" and self.live != self.before:
            found.append(
                f"it says rolled back; release {self.live} is live, and {self.before} was before"
            )
        return found


def summary(promotions: list[Promotion]) -> str:
    """Return a table with one line for each promotion, and the words of those that were
    not kept.
    """
    rows = ["flow         deployment  before  made      live  smoke runs  what became of it"]
    for one in promotions:
        made = ", ".join(map(str, one.made)) or "-"
        rows.append(
            f"{one.name:<13}{one.deployment_id:<12}{one.before:<8}{made:<10}"
            f"{one.live or '-':<6}{one.job_groups:<12}{one.outcome}"
        )
        if one.outcome not in ("promoted", "no word") and one.status:
            rows.append(f"             {one.status['why']} {one.status['text']}")
        rows += [f"             WRONG: {problem}" for problem in one.problems]
    counts = Counter(one.outcome for one in promotions)
    wrong = sum(bool(one.problems) for one in promotions)
    total = ", ".join(
        f"{counts[outcome]} {outcome}" for outcome in ("promoted", "rolled back", "red", "no word")
    )
    return "\n".join([*rows, "", f"{len(promotions)} promotions: {total}; {wrong or 'none'} wrong"])
