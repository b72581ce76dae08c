"""The whole group of tasks from a source instance to production, by a scheduler, with people beside
it."""

from __future__ import annotations

import functools
from typing import Any

from campaign.acts import People
from campaign.asked import Asked
from campaign.ends import Ends
from campaign.flows import VALUE_RULES
from campaign.project import DAG, RunOutcome, promote_flow
from campaign.scheduler import Run, Task
from campaign.statements import Statements
from campaign.tasks import Ended
from campaign.wire import Process
from campaign.world import RIVAL, State, World, package

#: The packages of the group, of the group beside it, and of the group after an edit.
_FILES = ("group.zip", "rival-group.zip", "group-edited.zip")


@functools.cache
def group_of(
    *,
    journal: bool,
    deployment_id: int,
    flow_id: int,
    smoke_run: bool,
    rules: bool,
    deferrable: bool,
    roll_back: bool,
    timeout: float,
    outage: float,
    rival: bool = False,
) -> tuple[Any, list[Any]]:
    """Make the group; it is the same for all runs with the same options.

    :param rival: whether it is the group that promotes beside another one

    :returns: its DAG, and its tasks in their order
    """
    with DAG("campaign", schedule=None) as dag:
        group = promote_flow(
            journal=journal,
            group_id="rival" if rival else "g",
            flow_id=flow_id,
            deployment_id=deployment_id,
            package_path=str(package("ours").path.with_name(_FILES[rival])),
            prod_conn_id="trifacta_rival" if rival else "trifacta_default",
            smoke_run=smoke_run,
            value_rules=VALUE_RULES if rules else None,
            deferrable=deferrable,
            roll_back=roll_back,
            timeout=timeout,
            tolerated_outage=outage,
        )
    return dag, list(group.children.values())


def promote(world: World, *, fails: str, **options: Any) -> Asked:
    """Run the group until nothing more happens.

    :param fails: which smoke run fails: ``none``, ``first`` or ``second``
    :param options: as for :func:`group_of`
    """
    assert world.dev
    flow_id = world.dev.store.flows()[0].id
    dag, operators = group_of(
        journal=world.journal,
        deployment_id=world.deployment_id,
        flow_id=flow_id,
        **options,
    )
    if fails == "second":
        world.prod.runs.add(RunOutcome(status="Complete"))
    if fails != "none":
        world.prod.runs.add(RunOutcome(message="no such table"))
    for name in _FILES:
        package("ours").path.with_name(name).unlink(missing_ok=True)
    run = Run(world, operators, dag)
    statements = Statements(run, rolls_back=options["roll_back"])
    ends, people = Ends(run, statements), People(run, world.acts, world.chance)

    def on_start(task: Task, process: Process) -> None:
        statements.passes.setdefault(run.pass_number, process.began)
        ends.on_start(task)
        people.on_request()

    def on_end(task: Task, process: Process) -> None:
        ends.on_end(task, process)
        people.on_end(task.name)

    run.on_start, run.on_end, run.on_push = on_start, on_end, statements.on_push
    run.on_text = lambda process, text: statements.check(process, text, "its error")
    run.on_idle, world.on_request, world.on_line = (
        people.on_idle,
        people.on_request,
        statements.on_line,
    )

    def promote_beside(pause: float) -> None:
        if not run.beside:
            run.beside.append(_rival(world, {**options, "flow_id": flow_id}, pause))

    world.promote_beside = promote_beside
    run.run()
    return _asked(world, run, ends, people)


def _rival(world: World, options: dict[str, Any], pause: float) -> Run:
    """Start another group that promotes to the same deployment, of which the first one does not
    know. What it says must be true too, and it makes one release of its package at most.

    :param options: as for :func:`group_of`
    :param pause: seconds between two of its tasks
    """
    dag, operators = group_of(
        journal=world.journal, deployment_id=world.deployment_id, rival=True, **options
    )
    run = Run(world, operators, dag, RIVAL)
    run.pause = pause
    statements = Statements(run, rolls_back=options["roll_back"])
    ends = Ends(run, statements)

    def on_start(task: Task, process: Process) -> None:
        statements.passes.setdefault(run.pass_number, process.began)
        ends.on_start(task)

    def on_end(task: Task, process: Process) -> None:
        ends.on_end(task, process)
        if task.name == "promoted":
            ends.check_releases()

    run.on_start, run.on_end, run.on_push = on_start, on_end, statements.on_push
    run.on_text = lambda process, text: statements.check(process, text, "its error")
    first_on_line = world.on_line

    def on_line(level: int, text: str) -> None:
        first_on_line(level, text)
        statements.on_line(level, text)

    world.on_line = on_line
    run.after(0.0, run.tick)
    return run


def _asked(world: World, run: Run, ends: Ends, people: People) -> Asked:
    def wanted(state: State) -> bool:
        return ends.is_kept(state)

    # How many releases there may be depends on what was cleared, so it is checked here.
    most = len(world.prod.store.releases(world.deployment_id, include_deleted=True))
    asked = Asked(wanted, releases=most, runs=0, waits=("g.active", "g.smoke_jobs"))
    ends.check_releases()
    asked.checks.append(ends.check_abandoned)
    smoke_run = run.task("smoke_run")
    asked.runs = smoke_run.clears + 1 if smoke_run else 0
    asked.ended = [_ended(task) for task in run.tasks.values()]
    # What is green after a clear of some steps alone was decided before that clear.
    asked.proves_end = not people.acted
    return asked


def _ended(task: Task) -> Ended:
    """Return how a task ended; its state is the one of now."""
    last = task.ended
    state = task.state if task.state in ("success", "skipped") else "failed"
    return Ended(task.task_id, state, last and last.value, last and last.error, task.try_number)
