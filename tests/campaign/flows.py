"""What is asked for: each flow prepares the world, runs its tasks, and tells what there should be
afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from campaign.asked import Asked, own_flows, own_jobs, the_one
from campaign.edits import ARGUMENTS, DEPLOYMENT, PACKAGE
from campaign.project import (
    ActivateReleaseOperator,
    CreateReleaseOperator,
    ExportFlowPackageOperator,
    GetDeploymentOperator,
    ImportFlowPackageOperator,
    JobGroupSensor,
    ReleaseActiveSensor,
    RollbackDeploymentOperator,
    RunDeploymentOperator,
    RunFlowOperator,
    RunJobGroupOperator,
    RunOutcome,
    SetImportRulesOperator,
    open_package,
)
from campaign.tasks import run_task
from campaign.world import PERSON, TASK, State, World, package

VALUE_RULES = [{"type": "fileLocation", "on": "raw", "with": "prod"}]
OTHER_RULES = [{"type": "fileLocation", "on": "raw", "with": "prod2"}]


def _deployment_id(world: World) -> int:
    """Return the deployment that the DAG file names now."""
    return int(world.edits.choice(DEPLOYMENT, world.deployment_id, world.other_id))


def _package_path(world: World) -> str:
    """Return the package that the DAG file names now."""
    return str(package(world.edits.choice(PACKAGE, "ours", "newer")).path)


def _baseline(world: World, asked: Asked) -> Any:
    make = lambda: GetDeploymentOperator(task_id="baseline", deployment_id=world.deployment_id)  # noqa: E731
    asked.ended.append(run_task(world, "baseline", make))
    return asked.ended[-1].value


def create(world: World, *, baseline: bool, dry_run: bool) -> Asked:
    def shows(state: State) -> bool:
        return the_one(world) in state.releases

    asked = Asked(
        lambda state: state.live is not None and state.live == the_one(world),
        shows=shows,
        releases=1,
    )
    asked.forgets, asked.has_baseline = not baseline and not world.journal, baseline
    taken = {"baseline": _baseline(world, asked)} if baseline else {}
    if baseline and not asked.green:
        return asked

    def make() -> Any:
        return CreateReleaseOperator(
            task_id="create",
            deployment_id=_deployment_id(world),
            package_path=_package_path(world),
            dry_run_first=dry_run,
            **taken,
        )

    asked.ended.append(run_task(world, "create", make))
    return asked


def staged(world: World) -> Asked:
    asked = Asked(
        lambda state: (
            taken and the_one(world) in state.releases and state.live == taken["active_release_id"]
        ),
        releases=1,
    )
    taken = _baseline(world, asked)
    if not asked.green:
        return asked

    def make() -> Any:
        return CreateReleaseOperator(
            task_id="stage",
            deployment_id=_deployment_id(world),
            package_path=_package_path(world),
            baseline=taken,
            activate=False,
        )

    asked.ended.append(run_task(world, "stage", make))
    return asked


def activate(world: World) -> Asked:
    def target() -> int:
        return int(world.edits.choice(ARGUMENTS, world.latest - 1, world.latest))

    asked = Asked(lambda state: state.live == target())
    taken = _baseline(world, asked)
    if asked.green:

        def make() -> ActivateReleaseOperator:
            return ActivateReleaseOperator(task_id="activate", release_id=target(), baseline=taken)

        asked.ended.append(run_task(world, "activate", make))
    return asked


def roll_back(world: World, *, promoted: bool, by_id: bool) -> Asked:
    ours, known = package("ours"), {}
    if promoted:
        made = world.prod.store.create_release(world.deployment_id, ours.content, user_id=TASK)
        known = {"release_id": made.id} if by_id else {}
        world.clock.sleep(100)
        world.events_before = world.event_count()
    before = world.first_baseline["active_release_id"]
    asked = Asked(lambda state: state.live == before)

    def make() -> Any:
        return RollbackDeploymentOperator(
            task_id="roll_back",
            baseline=world.first_baseline,
            package_uuid=ours.uuid,
            trigger_rule="all_done",
            **known,
        )

    asked.ended.append(run_task(world, "roll_back", make))
    return asked


def run(world: World, *, deferrable: bool, fails: bool) -> Asked:
    if fails:
        world.prod.runs.add(RunOutcome(message="no such table"))

    def wanted(state: State) -> bool:
        return _ran_once(world, state, 1)

    asked = Asked(wanted, reads="/v4/jobGroups/", runs=1)

    def make() -> Any:
        which = {} if world.edits.is_edited else {"release_id": world.latest}
        return RunDeploymentOperator(
            task_id="run",
            deployment_id=_deployment_id(world),
            **which,
            deferrable=deferrable,
        )

    # Without a state store, a retry could run the jobs twice: its documentation says so.
    asked.ended.append(run_task(world, "run", make, retries=2 if world.journal else 0))
    return asked


def run_flows(world: World, *, two: bool, by_name: bool, deferrable: bool, fails: bool) -> Asked:
    names = ["Nightly", "Weekly"][: 1 + two]
    ids = [world.prod.store.create_flow(name).id for name in names]
    what = {"flow_name": names[0]} if by_name and not two else {"flow_id": ids}
    return _run(world, RunFlowOperator, what, len(ids), deferrable=deferrable, fails=fails)


def run_recipe(world: World, *, by_name: bool, deferrable: bool, fails: bool) -> Asked:
    flow = world.prod.store.create_flow("Nightly")
    [recipe] = [one for one in world.prod.store.recipes() if one.home.flow_id == flow.id]
    what = (
        {"flow_name": flow.name, "recipe_name": recipe.name}
        if by_name
        else {"recipe_id": recipe.id}
    )
    return _run(world, RunJobGroupOperator, what, 1, deferrable=deferrable, fails=fails)


def _ran_once(world: World, state: State, runs: int) -> bool:
    """Tell whether each run was made once in each pass at most, and is Complete."""
    jobs = own_jobs(world)
    complete = [job_group for job_group in jobs if (job_group.id, "Complete") in state.jobs]
    # The server may still start what was asked for before a clear.
    return runs <= len(complete) and len(jobs) <= runs * world.edits.passes


def _run(
    world: World, operator: Any, what: dict[str, Any], runs: int, *, deferrable: bool, fails: bool
) -> Asked:
    world.clock.sleep(100)
    world.events_before = world.event_count()
    if fails:
        world.prod.runs.add(RunOutcome(message="no such table"))

    def wanted(state: State) -> bool:
        return _ran_once(world, state, runs)

    asked = Asked(wanted, reads="/v4/jobGroups/", runs=runs)
    make = lambda: operator(task_id="run", deferrable=deferrable, **what)  # noqa: E731
    asked.ended.append(run_task(world, "run", make))
    return asked


def rules(world: World) -> Asked:
    world.about_rules = True

    def value_rules() -> list[dict[str, str]]:
        return world.edits.choice(ARGUMENTS, VALUE_RULES, OTHER_RULES)  # type: ignore[no-any-return]

    def wanted(state: State) -> bool:
        goal = {"object": [], "value": value_rules()}
        return state.rules == json.dumps(goal, sort_keys=True)

    asked = Asked(wanted, reads="ImportRules")

    def make() -> Any:
        return SetImportRulesOperator(
            task_id="rules",
            deployment_id=_deployment_id(world),
            object_rules=[],
            value_rules=value_rules(),
        )

    asked.ended.append(run_task(world, "rules", make))
    return asked


def export(world: World) -> Asked:
    assert world.dev
    flow, path = world.dev.store.flows()[0], package("ours").path.with_name("export.zip")
    path.unlink(missing_ok=True)

    def make() -> Any:
        return ExportFlowPackageOperator(
            task_id="export",
            flow_id=flow.id,
            package_path=str(path),
            comment=None,
            trifacta_conn_id="trifacta_dev",
        )

    ended = run_task(world, "export", make)

    def wanted(_: State) -> bool:
        return _uuid_at(path) is not None and (
            ended.state != "success" or _uuid_at(path) == ended.value["package_uuid"]
        )

    return Asked(wanted, reads="/package", shows=wanted, ended=[ended])


def import_flow(world: World, *, dry_run: bool) -> Asked:
    def wanted(state: State) -> bool:
        flows, passes = own_flows(world), world.edits.passes
        is_there = any(flow.id in state.flows for flow in flows)
        return is_there and len(flows) <= passes

    asked = Asked(wanted, reads="/v4/flows/", imports=1)

    def make() -> Any:
        return ImportFlowPackageOperator(
            task_id="import", package_path=_package_path(world), dry_run_first=dry_run
        )

    asked.ended.append(run_task(world, "import", make))
    return asked


def _uuid_at(path: Path) -> str | None:
    if not path.exists():
        return None
    with open_package(path) as opened:
        return opened.info.uuid


def release_sensor(world: World, *, mode: str, there: bool) -> Asked:
    store = world.prod.store
    release = store.create_release(
        world.deployment_id, package("ours").content, user_id=TASK, activate=there
    )
    world.clock.sleep(100)

    def activate() -> None:
        if release.id in world.state().releases:  # another person may have deleted it
            store.update_release(release.id, active=True, user_id=PERSON)

    if not there:
        world.clock.at(45, activate)
    world.events_before = world.event_count() if there else world.event_count() + 2
    asked = Asked(lambda state: state.live == release.id, waits=("sensor",))

    def make() -> Any:
        return ReleaseActiveSensor(task_id="sensor", release_id=release.id, **_waiting(mode))

    asked.ended.append(run_task(world, "sensor", make))
    return asked


def job_sensor(world: World, *, mode: str, there: bool, fails: bool) -> Asked:
    if fails:
        world.prod.runs.add(RunOutcome(message="no such table"))
    (group,) = world.prod.store.run_deployment(world.deployment_id, user_id=TASK)
    world.clock.sleep(100 if there else 0)
    world.events_before = world.event_count()
    asked = Asked(
        lambda state: (group.id, "Complete") in state.jobs,
        reads="/v4/jobGroups/",
        waits=("sensor",),
    )

    def make() -> Any:
        return JobGroupSensor(task_id="sensor", job_group_ids=[group.id], **_waiting(mode))

    asked.ended.append(run_task(world, "sensor", make))
    return asked


def _waiting(mode: str) -> dict[str, Any]:
    how = {"deferrable": True} if mode == "deferrable" else {"mode": mode, "deferrable": False}
    return {"poke_interval": 10, "timeout": 3600, **how}
