"""The flows with their options."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from campaign import flows
from campaign.asked import Asked
from campaign.group import promote
from campaign.watch import watch
from campaign.world import World


@dataclass(frozen=True)
class Variant:
    """A flow with its options, which a rehearsal without faults stands for."""

    flow: str
    journal: bool
    fresh: bool = False
    options: tuple[tuple[str, Any], ...] = ()
    counts: bool = True  #: Whether the instance takes a request of the same execution id once.
    own_uuids: bool = False  #: Whether the instance gives releases uuids of its own.
    touches: bool = True  #: Whether a release that is replaced gets a new ``updatedAt``.
    line: str = ""  #: An older line of Airflow, if clears are counted as that line does.

    @property
    def needs_dev(self) -> bool:
        """Whether there is an instance to export from."""
        return self.flow in ("export", "group")

    def __str__(self) -> str:
        words = [name for name, value in self.options if value is True]
        words += [f"{name}={value}" for name, value in self.options if not isinstance(value, bool)]
        start = ["nothing live before"] if self.fresh else []
        start += [] if self.counts else ["ignores execution ids"]
        start += ["own uuids"] if self.own_uuids else []
        start += [] if self.touches else ["leaves updatedAt"]
        start += [f"Airflow {self.line}"] if self.line else []
        return (
            f"{self.flow}"
            f" ({', '.join([*start, *words, 'journal' if self.journal else 'no journal'])})"
        )


def run_flow(world: World, variant: Variant) -> Asked:
    """Run a flow to its end."""
    asked = _FLOWS[variant.flow](world, **dict(variant.options))
    assert asked.ended
    return asked


def draw_variant(chance: random.Random, flow: str, *, journal: bool) -> Variant:
    """Choose a flow's options."""

    def yes(share: float) -> bool:
        return chance.random() < share

    options: dict[str, Any] = {}
    if flow == "create":
        options = {"baseline": yes(0.8), "dry_run": yes(0.2)}
    elif flow == "import":
        options = {"dry_run": yes(0.3)}
    elif flow == "roll back":
        options = {"promoted": yes(0.85), "by_id": yes(0.5)}
    elif flow == "run":
        options = {"deferrable": yes(0.4), "fails": yes(0.1)}
    elif flow in ("run flow", "run recipe"):
        options = {"by_name": yes(0.3), "deferrable": yes(0.4), "fails": yes(0.1)}
        options |= {"two": yes(0.3)} if flow == "run flow" else {}
    elif flow.endswith("sensor"):
        options = {"mode": chance.choice(["poke", "reschedule", "deferrable"]), "there": yes(0.3)}
        options |= {"fails": yes(0.2)} if flow == "job sensor" else {}
    elif flow == "group":
        fails = chance.choices(["none", "first", "second"], [6, 2, 2])[0]
        options = {"smoke_run": yes(0.75), "rules": yes(0.3), "fails": fails}
        options |= {"deferrable": yes(0.3), "roll_back": yes(0.85)}
        options |= {"timeout": 30.0 if yes(0.2) else 3600.0, "outage": 120.0 if yes(0.2) else 900.0}
    fresh = flow in ("create", "staged", "roll back", "rules", "group") and yes(0.2)
    counts = not flow.startswith("run ") or yes(0.7)
    releases = flow in ("create", "staged", "roll back", "activate")
    own_uuids, touches = releases and yes(0.25), not releases or yes(0.75)
    return Variant(flow, journal, fresh, tuple(options.items()), counts, own_uuids, touches)


_FLOWS: dict[str, Callable[..., Asked]] = {
    "create": flows.create,
    "staged": flows.staged,
    "activate": flows.activate,
    "roll back": flows.roll_back,
    "run": flows.run,
    "run flow": flows.run_flows,
    "run recipe": flows.run_recipe,
    "rules": flows.rules,
    "export": flows.export,
    "import": flows.import_flow,
    "release sensor": flows.release_sensor,
    "job sensor": flows.job_sensor,
    "watch": watch,
    "group": promote,
}
FLOWS = tuple(_FLOWS)
