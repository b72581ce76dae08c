"""What others do at the same time: a person in Trifacta's pages, and a second promoter, which is
another DAG."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from campaign.asked import own_flows
from campaign.project import (
    AirflowFailException,
    CreateReleaseOperator,
    GetDeploymentOperator,
    TrifactaError,
)
from campaign.tasks import TaskInstance
from campaign.wire import Call, outside
from campaign.world import PERSON, package

if TYPE_CHECKING:
    from campaign.world import World


def act(world: World, call: Call, chance: random.Random) -> None:
    """Let a person do something that makes a difference, before a request."""
    decide(world, chance)


def decide(world: World, chance: random.Random) -> None:
    """Let a person do something that makes a difference."""
    what, do = chance.choice(_choices(world, chance))
    world.say(f"    a person {what}")
    do()


def _choices(world: World, chance: random.Random) -> list[tuple[str, Callable[[], object]]]:
    store, deployment_id = world.prod.store, world.deployment_id
    releases, live = store.releases(deployment_id), store.active_release(deployment_id)
    ours = [one for one in releases if one.id > world.latest]
    resting = [one for one in releases if one != live]
    found: list[tuple[str, Callable[[], object]]] = []

    def add(what: str, do: Callable[[], object], times: int = 1) -> None:
        found.extend([(what, do)] * times)

    for one in resting:
        add(
            f"activates release {one.id}",
            partial(store.update_release, one.id, active=True, user_id=PERSON),
            2,
        )
    if live:
        add(
            f"deactivates release {live.id}",
            partial(store.update_release, live.id, active=False, user_id=PERSON),
            2,
        )
    for one in ours:
        add(f"deletes release {one.id}", partial(store.delete_release, one.id, user_id=PERSON))
        if one == live and resting:
            what = f"goes back to release {resting[-1].id} and deletes release {one.id}"
            add(what, partial(_go_back, world, resting[-1].id, one.id))
    later = package("person")
    add(
        "imports another package",
        partial(store.create_release, deployment_id, later.content, user_id=PERSON),
        2,
    )
    rules = [{"type": "fileLocation", "on": "raw", "with": chance.choice(["person", "raw2"])}]
    change = partial(store.replace_import_rules, deployment_id, "value", rules, user_id=PERSON)
    add("changes the import rules", change, 6 if world.about_rules else 1)
    for group in store.job_groups():
        if not group.finished:
            add(
                f"cancels job group {group.id}",
                partial(store.cancel_job_group, group.id, user_id=PERSON),
            )
    for flow in own_flows(world):
        add(f"deletes flow {flow.id}", partial(store.delete_flow, flow.id, user_id=PERSON), 12)
    if live:
        add("runs the deployment", partial(store.run_deployment, deployment_id, user_id=PERSON))
    for flow in store.flows():
        add(f"runs flow {flow.id}", partial(store.run_flow, flow.id, user_id=PERSON), 2)
    return found


def _go_back(world: World, to: int, deleted: int) -> None:
    world.prod.store.update_release(to, active=True, user_id=PERSON)
    world.prod.store.delete_release(deleted, user_id=PERSON)


def promote_too(world: World, call: Call, chance: random.Random) -> None:
    """Let another DAG promote its own package, by the real operators, all of it between two
    requests.

    It takes its baseline now, or took it when the run began.
    """
    world.say("    a second promoter begins")
    early = chance.random() < 0.3

    def promote() -> None:
        with outside():
            where: dict[str, Any] = {
                "deployment_id": world.deployment_id,
                "trifacta_conn_id": "trifacta_rival",
            }
            context: Any = {"params": {}, "dag_run": world.dag_run}
            try:
                baseline = world.first_baseline
                if not early:
                    baseline = GetDeploymentOperator(task_id="rival_baseline", **where).execute(
                        {**context, "ti": TaskInstance(world, "rival", 1, 0)}
                    )
                path = str(package("rival").path)
                operator = CreateReleaseOperator(
                    task_id="rival", package_path=path, baseline=baseline, **where
                )
                operator.execute({**context, "ti": TaskInstance(world, "rival", 1, 0)})
            except (AirflowFailException, TrifactaError) as error:
                world.say(
                    f"    the second promoter is refused: {type(error.__cause__ or error).__name__}"
                )
            except Exception as error:
                world.wrong(f"the second promoter ends with {type(error).__name__}: {error}")

    # A thread of its own, as it is a process of its own: the client notes some things by thread.
    thread = threading.Thread(target=promote, name="rival")
    thread.start()
    thread.join()
