"""A part of the campaign, with the same seeds each time. ``scripts/campaign`` makes all of it."""

from __future__ import annotations

import pytest

from campaign.acts import KINDS as ACTS
from campaign.edits import KINDS as EDITS
from campaign.faults import KINDS, OF_A_GATEWAY
from campaign.judge import DOUBT, FALSE_RED, GREEN
from campaign.plans import Campaign
from campaign.project import installed
from campaign.tables import Table, about_a_run, has_journal
from campaign.variants import FLOWS

#: Split, so that two workers share them.
PARTS, RUNS = 4, 75
#: Runs of the whole group with people beside it, which other flows do not have.
GROUP_RUNS = 40
#: One for all tests of a process, since it remembers its rehearsals.
CAMPAIGN, GROUPS = Campaign(), Campaign(["group"])


@pytest.fixture
def campaign():
    with installed(CAMPAIGN.times, CAMPAIGN.send):
        yield CAMPAIGN


@pytest.mark.parametrize("part", range(PARTS))
def test_no_promise_is_broken(campaign, part, tell):
    table = Table()
    for seed in range(1 + part * RUNS, 1 + (part + 1) * RUNS):
        result = campaign.run(seed)
        table.add(result)
        said = "\n".join([*result.lines, f"scripts/campaign --replay {seed}"])
        assert not result.verdict.violations, said
        if {name for name, _ in result.plan.faults} <= OF_A_GATEWAY:
            assert result.verdict.end != FALSE_RED, said
    # Loose bounds, since a part is small. docs/reliability.md has the shares of a large campaign.
    assert table.share(GREEN) > 0.6
    assert table.share(FALSE_RED, has_journal) <= 0.05
    assert table.share(DOUBT, lambda one: has_journal(one) and not about_a_run(one)) <= 0.15
    tell(table.summary())


def test_no_promise_of_a_group_is_broken_by_what_people_do(tell):
    table = Table()
    with installed(GROUPS.times, GROUPS.send):
        for seed in range(1, 1 + GROUP_RUNS):
            result = GROUPS.run(seed)
            table.add(result)
            again = f"scripts/campaign --flow group --replay {seed}"
            assert not result.verdict.violations, "\n".join([*result.lines, again])
    tell(table.summary())


@pytest.mark.parametrize(("flows", "seed"), [(FLOWS, 7), (["group"], 3)])
def test_a_seed_makes_the_same_run_each_time(flows, seed):
    runner = Campaign(flows)
    with installed(runner.times, runner.send):
        first, second = (runner.run(seed).verdict for _ in range(2))
    assert first == second


def test_seeds_lead_to_everything_that_people_do():
    with installed(GROUPS.times, GROUPS.send):
        plans = [GROUPS.plan_of(seed) for seed in range(1, 1 + 4 * GROUP_RUNS)]
    acts = [act for plan in plans for act in plan.acts]
    assert {act.kind for act in acts} == set(ACTS)
    assert {act.alone for act in acts if act.kind == "clear"} == {True, False}


def test_seeds_lead_to_every_edit(campaign):
    plans = [campaign.plan_of(seed) for seed in range(1, 1 + PARTS * RUNS)]
    assert {edit.kind for plan in plans for edit in plan.edits} == set(EDITS)
    assert {plan.variant.line for plan in plans} == {"", "2.11", "3.0"}


def test_seeds_lead_to_every_flow_and_every_fault(campaign):
    plans = [campaign.plan_of(seed) for seed in range(1, 1 + PARTS * RUNS)]
    assert {one.variant.flow for one in plans} == set(FLOWS)
    assert {name for one in plans for name, _ in one.faults} == set(KINDS)
