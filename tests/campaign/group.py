"""The whole group of tasks from a source instance to production, without a scheduler."""

from __future__ import annotations

from campaign.asked import Asked, own_jobs, the_one
from campaign.flows import VALUE_RULES
from campaign.project import DAG, RunOutcome, promote_flow
from campaign.tasks import run_task
from campaign.world import State, World, package


def promote(world: World, *, smoke_run: bool, rules: bool, fails: bool, deferrable: bool, roll_back: bool) -> Asked:
    """Run the tasks in their order, as their trigger rules say."""
    assert world.dev
    if fails:
        world.prod.runs.add(RunOutcome(message="no such table"))
    with DAG("campaign", schedule=None) as dag:
        group = promote_flow(
            journal=world.journal,
            group_id="g",
            flow_id=world.dev.store.flows()[0].id,
            deployment_id=world.deployment_id,
            package_path=str(package("ours").path.with_name("group.zip")),
            prod_conn_id="trifacta_default",
            smoke_run=smoke_run,
            value_rules=VALUE_RULES if rules else None,
            deferrable=deferrable,
            roll_back=roll_back,
        )

    def wanted(state: State) -> bool:
        jobs = own_jobs(world)
        ran = not smoke_run or (len(jobs) == 1 and (jobs[0].id, "Complete") in state.jobs)
        return ran and state.live is not None and state.live == the_one(world)

    asked = Asked(wanted, releases=1, runs=int(smoke_run), waits=("g.active", "g.smoke_jobs"))
    stopped = False
    for task_id, operator in group.children.items():
        if stopped and operator.trigger_rule != "all_done":
            world.states[task_id] = "upstream_failed"
            continue
        ended = run_task(
            world,
            task_id,
            lambda one=operator: one,
            retries=operator.retries,
            render={"dag": dag, "run_id": "campaign"},
        )
        asked.ended.append(ended)
        stopped = stopped or ended.state != "success"
    return asked
