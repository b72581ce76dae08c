"""kill -9 of real tasks, then Airflow's own retry, under a real scheduler."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

import pytest
from airflow import __version__ as version
from killing import clients_of, kill_client_of
from real_clock import AheadOfTime
from trifacta_emulator import Emulator, EmulatorOptions, Fault, Hold, PresetFlow, read_package

from airflow_provider_trifacta._compat import KEEPS_STATE

PERSON = {"login": "admin@example.com", "password": "admin-password"}


@dataclass(frozen=True)
class Kill:
    """A request that is held, and whose task is killed then.

    :param when: before anything of its body is read, or with the request done and the answer not
        sent
    :param skip: so many requests of this kind come before it
    """

    method: str
    path: str
    when: str = "before_body"
    skip: int = 0

    def arm(self, instance):
        return instance.faults.add(
            Fault(Hold(self.when), method=self.method, path=self.path, skip=self.skip)
        )


UPLOAD = ("POST", "/v4/deployments/*/releases")
LIST = ("GET", "/v4/releases")
CHANGE = ("PATCH", "/v4/releases/*")


@pytest.fixture(scope="module")
def instance():
    with Emulator(EmulatorOptions(job_start_seconds=0, job_run_seconds=2)) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def dev():
    with Emulator(
        EmulatorOptions(flows=(PresetFlow("Daily Orders", dataset_path="/dev/orders.csv"),))
    ) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def clock():
    return AheadOfTime()


@pytest.fixture(scope="module")
def prod(clock):
    """An instance whose jobs take an hour."""
    with Emulator(EmulatorOptions(clock=clock, job_run_seconds=3600)) as emulator:
        emulator.store.create_deployment("Orders")
        yield emulator


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    return tmp_path_factory.mktemp("packages")


@pytest.fixture(scope="module")
def airflow(shared_standalone, instance, dev, prod, packages):
    """One Airflow for the runs of all these tests, since it takes half a minute to start."""
    environment = {
        f"AIRFLOW_CONN_TRIFACTA_{name}": json.dumps(
            {"conn_type": "trifacta", **PERSON, "host": one.url}
        )
        for name, one in (("DEV", dev), ("PROD", prod))
    }
    if KEEPS_STATE:
        # After so many seconds another triggerer takes over what the killed one had.
        environment["AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD"] = "5"
    return shared_standalone(instance, TEST_FOLDER=str(packages), **environment)


@pytest.mark.every_airflow
@pytest.mark.parametrize(
    ("kill", "made", "large", "with_journal", "without"),
    [
        # The list is read by the baseline, by the decision to upload, and after the answer.
        pytest.param(
            Kill(*LIST, skip=1),
            0,
            False,
            "created",
            "created",
            marks=pytest.mark.system,
            id="before-the-upload",
        ),
        pytest.param(
            Kill(*UPLOAD),
            0,
            True,
            "created",
            "created",
            marks=pytest.mark.system,
            id="in-the-upload",
        ),
        pytest.param(
            Kill(*UPLOAD, "after_commit"), 1, False, "reused", "reused", id="before-the-answer"
        ),
        pytest.param(
            Kill(*LIST, skip=2),
            1,
            False,
            "created",
            "reused",
            marks=pytest.mark.system,
            id="after-the-answer",
        ),
    ],
)
def test_one_release_and_a_green_run(
    airflow, instance, make_package, kill, made, large, with_journal, without
):
    # Too large for the buffers between the two, so that the task really is in the middle of it.
    options = (
        {"artifacts": {"artifact_1.data": random.Random(1).randbytes(30_000_000)}} if large else {}
    )
    deployment_id = instance.store.create_deployment("Orders").id
    # Only where it cannot be known what was asked for, a retry gives the server some time.
    dag_id = "killed_at_once" if made or (KEEPS_STATE and not large) else "killed"
    armed = kill.arm(instance)
    conf = {"deployment_id": deployment_id, "package_path": str(make_package(**options))}
    run_id = airflow.start_run(dag_id, conf)
    airflow.wait_for(lambda: armed.waiting, "request")
    assert len(instance.store.releases(deployment_id)) == made
    kill_client_of(instance.url)
    armed.release()
    if version.startswith("3.0."):
        # Airflow 3.0 does not retry a killed task: a person clears it.
        assert airflow.run_state(dag_id, run_id) == "failed"
        airflow.clear(dag_id, run_id, "create_release")
        airflow.wait_for(lambda: airflow.tries(dag_id, run_id)["create_release"] >= 2, "second try")
    assert airflow.run_state(dag_id, run_id) == "success", airflow.log()
    (release,) = instance.store.releases(deployment_id)
    assert instance.store.active_release(deployment_id) == release
    assert airflow.tries(dag_id, run_id)["create_release"] >= 2
    outcome = with_journal if KEEPS_STATE else without
    assert airflow.xcom(dag_id, run_id, "create_release", "outcome") == outcome
    flow_ids = list(release.imported.primary_flow_ids) if outcome == "created" else None
    assert airflow.xcom(dag_id, run_id, "create_release", "primary_flow_ids") == flow_ids


@pytest.mark.system
@pytest.mark.skipif(not KEEPS_STATE, reason="Airflow 3.3 has the task state store")
def test_each_change_is_made_once(airflow, instance, make_package):
    """A staged release is put back, activated and run, and each task is killed when the server has
    done it."""
    deployment_id = instance.store.create_deployment("Returns").id
    with make_package().open("rb") as package:
        before = instance.store.create_release(deployment_id, read_package(package))
    jobs_before, calls_before = len(instance.store.job_groups()), len(instance.calls)
    conf = {"deployment_id": deployment_id, "package_path": str(make_package())}
    kills = [
        Kill(*CHANGE, "after_commit"),
        Kill(*CHANGE, "after_commit"),
        Kill("GET", "/v4/jobGroups/*/status"),
    ]
    armed = kills[0].arm(instance)
    run_id = airflow.start_run("killed_changes", conf)
    live = []
    for following in [*kills[1:], None]:
        airflow.wait_for(lambda held=armed: held.waiting, "request")
        live.append(instance.store.active_release(deployment_id).id)
        held, armed = armed, following and following.arm(instance)
        kill_client_of(instance.url)
        held.release()
    assert airflow.run_state("killed_changes", run_id) == "success", airflow.log()
    _, release = instance.store.releases(deployment_id)
    assert live == [before.id, release.id, release.id]
    assert instance.store.active_release(deployment_id) == release
    assert airflow.tries("killed_changes", run_id) == {
        "baseline": 1,
        "stage": 2,
        "activate": 2,
        "run": 2,
    }
    flow_ids = airflow.xcom("killed_changes", run_id, "stage", "primary_flow_ids")
    assert flow_ids == list(release.imported.primary_flow_ids)
    (job_group,) = instance.store.job_groups()[jobs_before:]
    assert job_group.status == "Complete"
    assert airflow.xcom("killed_changes", run_id, "run")["job_group_ids"] == [job_group.id]
    changes = [call.method for call in instance.calls[calls_before:] if call.method != "GET"]
    assert changes == ["POST", "PATCH", "PATCH", "POST"]


#: For each step of a promotion, in their order: a request that it makes before the steps after it,
#: and when it is killed.
STEPS = {
    "baseline": Kill("GET", "/v4/deployments/*"),
    "export": Kill("GET", "/v4/flows/*/package", "after_commit"),
    "import_rules": Kill("PATCH", "/v4/deployments/*/valueImportRules", "after_commit"),
    "dry_run": Kill("POST", "/v4/deployments/*/releases/dryRun", "after_commit"),
    # Where a journal keeps the answer, it is killed when it has it: the lists are read before the
    # upload and after it.
    "create_release": Kill(*LIST, skip=1) if KEEPS_STATE else Kill(*UPLOAD, "after_commit"),
    "active": Kill("GET", "/v4/releases/*"),
    # The list is read before the run is asked for.
    "smoke_run": Kill(*LIST),
    "smoke_jobs": Kill("GET", "/v4/jobGroups/*/status"),
    "promoted": Kill(*LIST),
}
RUN = Kill("POST", "/v4/deployments/*/run", "after_commit")
ROLL_BACK = Kill(*CHANGE, "after_commit")


@pytest.mark.system
@pytest.mark.every_airflow
@pytest.mark.skipif(version.startswith("3.0."), reason="Airflow 3.0 does not retry a killed task")
def test_whichever_step_of_a_promotion_is_killed_it_ends_the_same(
    airflow, dev, prod, clock, packages
):
    def arm(kill):
        return kill.arm(dev if "flows" in kill.path else prod)

    def kill_in(step, held, instance):
        airflow.wait_for(lambda: held.waiting, f"request of {step}")
        kill_client_of(instance.url)
        held.release()

    # A run in which every step is killed once; where nothing remembers what was started, all but
    # the smoke run.
    killed = [step for step in STEPS if KEEPS_STATE or step != "smoke_run"]
    run_id = airflow.start_run("promotion")
    armed = arm(STEPS[killed[0]])
    for step, following in zip(killed, [*killed[1:], None], strict=True):
        held = armed
        airflow.wait_for(lambda held=held: held.waiting, f"request of {step}")
        # From here on, since steps before it read the same.
        armed = following and arm(STEPS[following])
        kill_in(step, held, dev if step == "export" else prod)
        if step == "smoke_jobs":
            # It waits in the triggerer while the jobs run.
            airflow.wait_for(
                lambda: "deferred" in airflow.task_states("promotion", run_id).values(), "deferral"
            )
            if KEEPS_STATE:
                airflow.wait_for(lambda: clients_of(prod.url), "poll of the triggerer")
                kill_client_of(prod.url)
                airflow.start_triggerer()
            clock.advance(7200)
    assert airflow.run_state("promotion", run_id) == "success", airflow.log()
    (release,) = prod.store.releases(1)
    assert prod.store.active_release(1) == release
    assert [one.status for one in prod.store.job_groups()] == ["Complete"]
    tries = airflow.tries("promotion", run_id)
    assert {step: tries[step] for step in STEPS} == {step: 1 + (step in killed) for step in STEPS}
    promoted = airflow.xcom("promotion", run_id, "promote_flow.promoted")
    flow_ids = list(release.imported.primary_flow_ids) if KEEPS_STATE else None
    assert (promoted["release_id"], promoted["primary_flow_ids"]) == (release.id, flow_ids)

    # The smoke run is killed when jobs have started and no task knows which ones: that ends in the
    # rollback, and the rollback is killed too.
    armed = arm(RUN)
    run_id = airflow.start_run("promotion")
    airflow.wait_for(lambda: armed.waiting, "smoke run")
    held, armed = armed, arm(ROLL_BACK)
    kill_in("smoke_run", held, prod)
    kill_in("roll_back", armed, prod)
    assert airflow.run_state("promotion", run_id) == "failed"
    assert prod.store.active_release(1).id == release.id
    assert len(prod.store.releases(1)) == 2
    _, started = prod.store.job_groups()
    # A retry looks which job groups there are, and starts none.
    tries = airflow.tries("promotion", run_id)
    assert (tries["smoke_run"], tries["roll_back"]) == (1 + KEEPS_STATE, 2)
    if KEEPS_STATE:
        log = airflow.task_log("promotion", run_id, "promote_flow.smoke_run", 2)
        assert "AmbiguousSubmissionError" in log
        assert f"newest first: {started.id} (" in log
    assert sorted(one.name for one in packages.iterdir() if not one.name.startswith(".")) == sorted(
        f"{row[0]}.zip"
        for row in airflow.query("select run_id from dag_run where dag_id = 'promotion'")
    )
