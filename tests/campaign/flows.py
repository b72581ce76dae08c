"""What is asked for: each flow prepares the world, runs its tasks, and tells what there should be afterwards."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaign.project import (
    DAG,
    ActivateReleaseOperator,
    CreateReleaseOperator,
    ExportFlowPackageOperator,
    GetDeploymentOperator,
    JobGroupSensor,
    ReleaseActiveSensor,
    RollbackDeploymentOperator,
    RunDeploymentOperator,
    RunOutcome,
    SetImportRulesOperator,
    open_package,
    promote_flow,
)
from campaign.tasks import Ended, run_task
from campaign.world import PERSON, TASK, State, World, package

_VALUE_RULES = [{"type": "fileLocation", "on": "/raw/", "with": "/prod/"}]
_RULES = {"object": [], "value": _VALUE_RULES}


@dataclass
class Asked:
    """What a run was to reach, and how its tasks ended.

    :param ended: the tasks; the last one decides
    :param wanted: tells whether a state is what was asked for
    :param shows: tells whether a truthful read proves what the last task says
    :param reads: which paths such reads have
    :param releases: how many releases the run may make
    :param runs: how many runs of the deployment it may start
    :param waits: the tasks that only wait
    """

    wanted: Callable[[State], bool]
    reads: str = "/v4/releases"
    shows: Callable[[State], bool] | None = None
    releases: int = 0
    runs: int = 0
    waits: tuple[str, ...] = ()
    ended: list[Ended] = field(default_factory=list)

    @property
    def green(self) -> bool:
        """Whether the run is green."""
        return self.ended[-1].state == "success"


@dataclass(frozen=True)
class Variant:
    """A flow with its options, which a rehearsal without faults stands for."""

    flow: str
    journal: bool
    fresh: bool = False
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def needs_dev(self) -> bool:
        """Whether there is an instance to export from."""
        return self.flow in ("export", "group")

    def __str__(self) -> str:
        words = [name for name, value in self.options if value is True]
        words += [f"{name}={value}" for name, value in self.options if not isinstance(value, bool)]
        start = ["nothing live before"] if self.fresh else []
        return f"{self.flow} ({', '.join([*start, *words, 'journal' if self.journal else 'no journal'])})"


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
    elif flow == "roll back":
        options = {"promoted": yes(0.85)}
    elif flow == "run":
        options = {"deferrable": yes(0.4), "fails": yes(0.1)}
    elif flow.endswith("sensor"):
        options = {"mode": chance.choice(["poke", "reschedule", "deferrable"]), "there": yes(0.3)}
    elif flow == "group":
        options = {"smoke_run": yes(0.7), "rules": yes(0.3), "fails": yes(0.1)}
        options |= {"deferrable": yes(0.3), "roll_back": yes(0.8)}
    fresh = flow in ("create", "staged", "roll back", "rules", "group") and yes(0.2)
    return Variant(flow, journal, fresh, tuple(options.items()))


# What is the run's own


def own_releases(world: World) -> list[Any]:
    """Return the releases that the run's tasks made."""
    found = world.prod.store.releases(world.deployment_id)
    return [one for one in found if one.creator == TASK and one.id > world.latest]


def own_jobs(world: World) -> list[Any]:
    """Return the job groups that the run's tasks started."""
    return [one for one in world.prod.store.job_groups(world.deployment_id) if one.creator == TASK]


def _the_one(world: World) -> int | None:
    made = own_releases(world)
    return made[0].id if len(made) == 1 else None


def _baseline(world: World, asked: Asked) -> Any:
    make = lambda: GetDeploymentOperator(task_id="baseline", deployment_id=world.deployment_id)  # noqa: E731
    asked.ended.append(run_task(world, "baseline", make))
    return asked.ended[-1].value


def _create(world: World, *, baseline: bool, dry_run: bool) -> Asked:
    def shows(state: State) -> bool:
        return _the_one(world) in state.releases

    asked = Asked(lambda state: state.live is not None and state.live == _the_one(world), shows=shows, releases=1)
    taken = {"baseline": _baseline(world, asked)} if baseline else {}
    if baseline and not asked.green:
        return asked
    path = str(package("ours").path)

    def make() -> Any:
        return CreateReleaseOperator(
            task_id="create", deployment_id=world.deployment_id, package_path=path, dry_run_first=dry_run, **taken
        )

    asked.ended.append(run_task(world, "create", make))
    return asked


def _staged(world: World) -> Asked:
    before = world.first_baseline["active_release_id"]
    asked = Asked(lambda state: _the_one(world) in state.releases and state.live == before, releases=1)
    taken = _baseline(world, asked)
    if not asked.green:
        return asked
    path = str(package("ours").path)

    def make() -> Any:
        return CreateReleaseOperator(
            task_id="stage", deployment_id=world.deployment_id, package_path=path, baseline=taken, activate=False
        )

    asked.ended.append(run_task(world, "stage", make))
    return asked


def _activate(world: World) -> Asked:
    target = world.latest - 1
    asked = Asked(lambda state: state.live == target)
    taken = _baseline(world, asked)
    if asked.green:
        make = lambda: ActivateReleaseOperator(task_id="activate", release_id=target, baseline=taken)  # noqa: E731
        asked.ended.append(run_task(world, "activate", make))
    return asked


def _roll_back(world: World, *, promoted: bool) -> Asked:
    ours = package("ours")
    if promoted:
        world.prod.store.create_release(world.deployment_id, ours.content, user_id=TASK)
        world.clock.sleep(100)
        world.events_before = world.event_count()
    before = world.first_baseline["active_release_id"]
    asked = Asked(lambda state: state.live == before)

    def make() -> Any:
        return RollbackDeploymentOperator(
            task_id="roll_back", baseline=world.first_baseline, package_uuid=ours.uuid, trigger_rule="all_done"
        )

    asked.ended.append(run_task(world, "roll_back", make))
    return asked


def _run(world: World, *, deferrable: bool, fails: bool) -> Asked:
    if fails:
        world.prod.runs.add(RunOutcome(message="no such table"))

    def wanted(state: State) -> bool:
        jobs = own_jobs(world)
        return len(jobs) == 1 and (jobs[0].id, "Complete") in state.jobs

    asked = Asked(wanted, reads="/v4/jobGroups/", runs=1)

    def make() -> Any:
        return RunDeploymentOperator(
            task_id="run", deployment_id=world.deployment_id, release_id=world.latest, deferrable=deferrable
        )

    # Without a state store, a retry could run the jobs twice: its documentation says so.
    asked.ended.append(run_task(world, "run", make, retries=2 if world.journal else 0))
    return asked


def _rules(world: World) -> Asked:
    world.about_rules = True
    goal = json.dumps(_RULES, sort_keys=True)
    asked = Asked(lambda state: state.rules == goal, reads="ImportRules")

    def make() -> Any:
        return SetImportRulesOperator(
            task_id="rules", deployment_id=world.deployment_id, object_rules=[], value_rules=_VALUE_RULES
        )

    asked.ended.append(run_task(world, "rules", make))
    return asked


def _export(world: World) -> Asked:
    assert world.dev
    flow, path = world.dev.store.flows()[0], package("ours").path.with_name("export.zip")
    path.unlink(missing_ok=True)

    def make() -> Any:
        return ExportFlowPackageOperator(
            task_id="export", flow_id=flow.id, package_path=str(path), comment=None, trifacta_conn_id="trifacta_dev"
        )

    ended = run_task(world, "export", make)

    def wanted(_: State) -> bool:
        return _uuid_at(path) is not None and (ended.state != "success" or _uuid_at(path) == ended.value["package_uuid"])

    return Asked(wanted, reads="/package", shows=wanted, ended=[ended])


def _uuid_at(path: Path) -> str | None:
    if not path.exists():
        return None
    with open_package(path) as opened:
        return opened.info.uuid


def _release_sensor(world: World, *, mode: str, there: bool) -> Asked:
    store = world.prod.store
    release = store.create_release(world.deployment_id, package("ours").content, user_id=TASK, activate=there)
    world.clock.sleep(100)
    if not there:
        world.clock.at(45, lambda: store.update_release(release.id, active=True, user_id=PERSON))
    world.events_before = world.event_count() if there else world.event_count() + 2
    asked = Asked(lambda state: state.live == release.id, waits=("sensor",))

    def make() -> Any:
        return ReleaseActiveSensor(task_id="sensor", release_id=release.id, **_waiting(mode))

    asked.ended.append(run_task(world, "sensor", make))
    return asked


def _job_sensor(world: World, *, mode: str, there: bool) -> Asked:
    (group,) = world.prod.store.run_deployment(world.deployment_id, user_id=TASK)
    world.clock.sleep(100 if there else 0)
    world.events_before = world.event_count()
    asked = Asked(lambda state: (group.id, "Complete") in state.jobs, reads="/v4/jobGroups/", waits=("sensor",))

    def make() -> Any:
        return JobGroupSensor(task_id="sensor", job_group_ids=[group.id], **_waiting(mode))

    asked.ended.append(run_task(world, "sensor", make))
    return asked


def _waiting(mode: str) -> dict[str, Any]:
    how = {"deferrable": True} if mode == "deferrable" else {"mode": mode, "deferrable": False}
    return {"poke_interval": 10, "timeout": 3600, **how}


def _group(world: World, *, smoke_run: bool, rules: bool, fails: bool, deferrable: bool, roll_back: bool) -> Asked:
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
            value_rules=_VALUE_RULES if rules else None,
            deferrable=deferrable,
            roll_back=roll_back,
        )

    def wanted(state: State) -> bool:
        jobs = own_jobs(world)
        ran = not smoke_run or (len(jobs) == 1 and (jobs[0].id, "Complete") in state.jobs)
        return ran and state.live is not None and state.live == _the_one(world)

    asked = Asked(wanted, releases=1, runs=int(smoke_run), waits=("g.active", "g.smoke_jobs"))
    stopped = False
    for task_id, operator in group.children.items():
        if stopped and operator.trigger_rule != "all_done":
            world.states[task_id] = "upstream_failed"
            continue
        ended = run_task(
            world, task_id, lambda one=operator: one, retries=operator.retries, render={"dag": dag, "run_id": "campaign"}
        )
        asked.ended.append(ended)
        stopped = stopped or ended.state != "success"
    return asked


_FLOWS: dict[str, Callable[..., Asked]] = {
    "create": _create,
    "staged": _staged,
    "activate": _activate,
    "roll back": _roll_back,
    "run": _run,
    "rules": _rules,
    "export": _export,
    "release sensor": _release_sensor,
    "job sensor": _job_sensor,
    "group": _group,
}
FLOWS = tuple(_FLOWS)
