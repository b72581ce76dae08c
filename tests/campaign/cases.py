"""Runs of the group that are given in full, for tests: its options, what stands for a task, and
what people do."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import Any
from unittest import mock

from campaign import flows, scheduler
from campaign.acts import AT_THE_END, Act
from campaign.edits import Edit
from campaign.judge import Verdict
from campaign.plans import Campaign
from campaign.project import installed
from campaign.tasks import Ended
from campaign.variants import Variant
from campaign.world import World

CAMPAIGN = Campaign(["group"])
OPTIONS: dict[str, Any] = {
    "smoke_run": True,
    "rules": False,
    "fails": "none",
    "deferrable": False,
    "roll_back": True,
    "timeout": 3600.0,
    "outage": 900.0,
}
_OPERATORS = {
    "create": "CreateReleaseOperator",
    "activate": "ActivateReleaseOperator",
    "run": "RunDeploymentOperator",
}
#: What stands for a task: gets the world and its instance, and returns what the task returns.
StandIn = Callable[[World, Any], Any]


def run_case(
    stand_ins: dict[str, StandIn],
    acts: tuple[Act, ...] = (),
    *,
    journal: bool = True,
    **options: Any,
) -> tuple[World, Verdict]:
    """Run a group in which some tasks are replaced.

    :param stand_ins: what stands for a task, by its name in the group, or by its id
    :param acts: what people do
    :param journal: whether tasks have a journal
    :param options: other options of the group than ``OPTIONS``
    """
    variant = Variant("group", journal=journal, options=tuple({**OPTIONS, **options}.items()))
    real = scheduler.run_try

    def run_try(world: World, ti: Any, make: Any, process: Any, **keywords: Any) -> Ended:
        name = ti.task_id if ti.task_id in stand_ins else ti.task_id.rpartition(".")[2]
        if name not in stand_ins:
            return real(world, ti, make, process, **keywords)
        operator = make()
        stand_in = mock.Mock(retries=operator.retries)
        stand_in.prepare_for_execution.return_value = stand_in
        stand_in.execute = lambda context: stand_ins[name](world, ti)
        return real(world, ti, lambda: stand_in, process, **keywords)

    with installed(CAMPAIGN.times, CAMPAIGN.send), mock.patch.object(scheduler, "run_try", run_try):
        return CAMPAIGN.made(variant, [], acts, random.Random(1))


def run_operator(
    flow: str,
    execute: Callable[[World, Any], Any] | None,
    edits: tuple[Edit, ...],
    *,
    journal: bool = True,
    **options: Any,
) -> tuple[World, Verdict]:
    """Run a single operator, or what stands for it.

    :param flow: what is asked for
    :param execute: what stands for the operator: gets the world and the task's instance
    :param edits: what people do between its tries
    :param options: the options of the flow
    """
    variant = Variant(flow, journal=journal, options=tuple(options.items()))

    def make(**arguments: Any) -> Any:
        operator = mock.Mock()
        operator.execute = lambda context: execute(context["ti"].world, context["ti"])
        return operator

    with contextlib.ExitStack() as stack:
        stack.enter_context(installed(CAMPAIGN.times, CAMPAIGN.send))
        if execute:
            stack.enter_context(mock.patch.object(flows, _OPERATORS[flow], make))
        return CAMPAIGN.made(variant, [], (), random.Random(1), edits)


def edit_of(kind: str, request: int = 1, number: int = 0) -> Edit:
    """Return what a person does before a request of the last task."""
    return Edit(kind, request, number, dies_after=0.0)


def act_of(kind: str, task: str, moment: str = AT_THE_END) -> Act:
    """Return what a person does when another task begins, or at the end."""
    return Act(kind, moment, request=0, delay=0.0, task=task, alone=False, dies_after=0.0)
