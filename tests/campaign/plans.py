"""What a seed stands for: a flow, its options and one or two faults. How a plan is run."""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from campaign.acts import Act, draw_acts
from campaign.acts import draw_edits as draw_acts_of_edits
from campaign.clock import Times, TooLongError
from campaign.edits import Edit, Edits, draw_edits
from campaign.faults import KINDS, Planned
from campaign.judge import Verdict, judge
from campaign.variants import FLOWS, Variant, draw_variant, run_flow
from campaign.wire import Call
from campaign.world import World

#: Of ten runs, how many have a journal and how many have two faults.
_WITH_JOURNAL, _TWO_FAULTS = 0.7, 0.3
#: In how many runs people edit or clear something between tries.
_WITH_EDITS = 0.5
#: How often a fault is looked for among the changes, and not among all requests.
_AMONG_WRITES = 0.4
#: Kinds that come more often, since more depends on when they come; and those that are likely as
#: the second one.
_MORE = {"a person acts": 4, "a second promoter": 2, "killed": 3, "slow commit": 2}
_SECOND = ("a person acts", "killed")
#: Flows in which more can go wrong come more often.
_WEIGHTS = {
    "create": 3,
    "staged": 3,
    "group": 3,
    "activate": 2,
    "roll back": 2,
    "run": 2,
    "import": 2,
}


@dataclass(frozen=True)
class Plan:
    """A run that is to be made."""

    seed: int
    variant: Variant
    faults: tuple[tuple[str, int], ...]
    acts: tuple[Act, ...] = ()
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class Result:
    """A run that was made."""

    plan: Plan
    verdict: Verdict
    lines: tuple[str, ...]


class Campaign:
    """Makes runs, one after the other.

    :param flows: which flows are drawn
    """

    def __init__(self, flows: Sequence[str] = FLOWS) -> None:
        self.times, self._flows = Times(), flows
        self._world: World | None = None
        self._rehearse = functools.cache(self._rehearsed)

    def send(
        self, adapter: object, real_send: object, request: object, **keywords: object
    ) -> object:
        """Send a request through the run that is made now."""
        assert self._world
        return self._world.wire.send(adapter, real_send, request, **keywords)

    def run(self, seed: int) -> Result:
        """Make the run that a seed stands for."""
        plan = self.plan_of(seed)
        planned = [
            Planned(name, at, random.Random(f"{seed} {number}"))
            for number, (name, at) in enumerate(plan.faults)
        ]
        random.seed(seed)  # the pauses of the code under test
        world, verdict = self.made(
            plan.variant, planned, plan.acts, random.Random(f"{seed} acts"), plan.edits
        )
        lines = [
            f"seed {seed}: {plan.variant}",
            *map(str, planned),
            *map(str, plan.acts),
            *map(str, plan.edits),
            *world.lines,
        ]
        return Result(plan, verdict, tuple(lines))

    def plan_of(self, seed: int) -> Plan:
        """Return what a seed stands for."""
        chance = random.Random(seed)
        flow = chance.choices(self._flows, [_WEIGHTS.get(one, 1) for one in self._flows])[0]
        variant = draw_variant(chance, flow, journal=chance.random() < _WITH_JOURNAL)
        calls = self._rehearse(
            replace(variant, journal=True)
        )  # which makes no difference where nothing goes wrong
        faults: list[tuple[str, int]] = []
        for _ in range(2 if chance.random() < _TWO_FAULTS else 1):
            names = [one for one in KINDS if _possible(one, variant, calls)]
            name = chance.choices(names, [_MORE.get(one, 1) for one in names])[0]
            if faults and chance.random() < 0.5:
                name = chance.choice(_SECOND)
            fitting = [one for one in calls if KINDS[name].fits(one)]
            writes = [one for one in fitting if one.writes]
            among = writes if writes and chance.random() < _AMONG_WRITES else fitting
            at = chance.choice(among).number
            # A second fault may come where only the first one leads.
            faults.append((name, at + (chance.choice([0, 1, 1, 2, 3, 5]) if faults else 0)))
        plan = Plan(seed, variant, tuple(faults), self._acts(variant, calls, chance))
        return self._edited(plan, calls)

    def _edited(self, plan: Plan, calls: Sequence[Call]) -> Plan:
        """Add to some plans what people edit and clear between tries.

        Chance of its own decides, so that the other runs are what they were.
        """
        chance, variant = random.Random(f"{plan.seed} edits"), plan.variant
        if chance.random() >= _WITH_EDITS:
            return plan
        if not variant.journal:
            variant = replace(variant, line=chance.choice(["2.11", "3.0", ""]))
        options = dict(variant.options)
        if variant.flow == "group":
            names, tasks = self._tasks(variant, calls)
            acts = draw_acts_of_edits(
                chance, tasks, Counter(names), plan.acts, journal=variant.journal
            )
            return replace(plan, variant=variant, acts=acts)
        edits = draw_edits(
            chance,
            variant.flow,
            sum(call.task == calls[-1].task for call in calls),
            journal=variant.journal,
            deferrable=options.get("deferrable", False),
        )
        return replace(plan, variant=variant, edits=edits)

    def _acts(
        self, variant: Variant, calls: Sequence[Call], chance: random.Random
    ) -> tuple[Act, ...]:
        """Choose what people do to a run of the group, which other flows do not have."""
        if variant.flow != "group":
            return ()
        names, tasks = self._tasks(variant, calls)
        return draw_acts(chance, tasks, Counter(names))

    @staticmethod
    def _tasks(variant: Variant, calls: Sequence[Call]) -> tuple[list[str], list[str]]:
        """Return the task of each request, and all tasks, by their names in the group."""
        names = [call.task.rpartition(".")[2] for call in calls]
        tasks = list(dict.fromkeys(names))
        if dict(variant.options)["roll_back"] and "roll_back" not in tasks:
            tasks.insert(-1, "roll_back")  # it makes no requests where nothing goes wrong
        return names, tasks

    def _rehearsed(self, variant: Variant) -> tuple[Call, ...]:
        random.seed(0)
        world, verdict = self.made(variant, [])
        if verdict.violations:
            raise AssertionError(
                f"without any fault, {variant}: {verdict}\n" + "\n".join(world.lines)
            )
        return tuple(world.wire.calls)

    def made(
        self,
        variant: Variant,
        planned: list[Planned],
        acts: Sequence[Act] = (),
        chance: random.Random | None = None,
        edits: Sequence[Edit] = (),
    ) -> tuple[World, Verdict]:
        """Make a run that is given in full.

        :param variant: the flow with its options
        :param planned: what goes wrong
        :param acts: what people do to a run of the group
        :param chance: decides what the acts leave open
        :param edits: what people edit and clear between the tries of a single operator
        """
        world = World(
            self.times,
            journal=variant.journal,
            fresh=variant.fresh,
            dev=variant.needs_dev,
            counts=variant.counts,
            own_uuids=variant.own_uuids,
            touches=variant.touches,
            line=variant.line,
        )
        world.wire.planned, world.acts = planned, acts
        world.edits = Edits(world, edits)
        world.chance = chance or world.chance
        self._world = world
        with world.running():
            try:
                asked = run_flow(world, variant)
            except TooLongError as error:
                world.wrong(f"no end: {error}")
                return world, Verdict(
                    "red", str(error), tuple(world.violations), world.wire.count, world.clock.now
                )
            away = any(one.lasts(world) for one in planned)
            # What is still under way comes about before anything is judged.
            world.clock.sleep(400)
            world.prod.commit_late()
            world.prod.activate_late()
            verdict = judge(world, asked, away=away)
        return world, verdict


def _possible(name: str, variant: Variant, calls: tuple[Call, ...]) -> bool:
    if name == "journal away" and not variant.journal:
        return False
    return any(KINDS[name].fits(one) for one in calls)
