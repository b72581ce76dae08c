"""A part of the campaign, with the same seeds each time. ``scripts/campaign`` makes all of it."""

from __future__ import annotations

import pytest

from campaign.faults import KINDS, OF_A_GATEWAY
from campaign.judge import DOUBT, FALSE_RED, GREEN
from campaign.plans import Campaign
from campaign.project import installed
from campaign.tables import Table, about_a_run, has_journal
from campaign.variants import FLOWS

#: Split, so that two workers share them.
PARTS, RUNS = 4, 75
#: One for all tests of a process, since it remembers its rehearsals.
CAMPAIGN = Campaign()


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


def test_a_seed_makes_the_same_run_each_time(campaign):
    first, second = (campaign.run(7).verdict for _ in range(2))
    assert first == second


def test_seeds_lead_to_every_flow_and_every_fault(campaign):
    plans = [campaign.plan_of(seed) for seed in range(1, 1 + PARTS * RUNS)]
    assert {one.variant.flow for one in plans} == set(FLOWS)
    assert {name for one in plans for name, _ in one.faults} == set(KINDS)
