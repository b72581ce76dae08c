"""What people do to a promotion under a real scheduler, and how it ends."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from real_clock import AheadOfTime
from trifacta_emulator import (
    Answer,
    Emulator,
    EmulatorOptions,
    Fault,
    Hold,
    PresetFlow,
    RunOutcome,
    build_package,
    read_package,
)

from airflow_provider_trifacta._compat import KEEPS_STATE

pytestmark = pytest.mark.skipif(not KEEPS_STATE, reason="the scenarios run on the newest Airflow")

GROUP = "promote_flow"
LOGIN = {"login": "admin@example.com", "password": "admin-password"}
#: Seconds for one step of a scenario on a busy machine.
PATIENCE = 600
UNAVAILABLE = Answer(503)
REFUSED = Answer(400)
DRY_RUN = ("POST", "/v4/deployments/*/releases/dryRun")
CHANGE = ("PATCH", "/v4/releases/*")


class Scenario:
    """A run of the promotion at an instance of its own, and the people who act on it.

    Two releases are there before the run: an older one, and the one that is live.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.conn_id = f"prod_{name}"
        self.dag_id = "promotion"
        self.clock = AheadOfTime()
        self.prod = Emulator(EmulatorOptions(clock=self.clock, job_run_seconds=3600))
        self.prod.start()
        self.deployment = self.prod.store.create_deployment("Orders")
        self.token = self.prod.auth.create_token(self.prod.auth.people[0], -1)
        self.older = self._import()
        self.recorded = self._import()

    def _import(self):
        package = read_package(io.BytesIO(build_package()))
        return self.prod.store.create_release(self.deployment.id, package)

    @property
    def connection(self) -> dict[str, object]:
        # A read is not sent again, so that an outage costs no time.
        extra = {"read_retries": 0}
        where = {"conn_type": "trifacta", "host": self.prod.url}
        return {**where, "password": self.token.value, "extra": extra}

    def start(self, airflow) -> None:
        self.airflow = airflow
        conf = {"prod": self.conn_id, "folder": str(self.folder)}
        self.run_id = airflow.start_run(self.dag_id, conf)

    # What the server does.

    def hold(self, method: str, path: str):
        """Hold the next request of a kind, until the scenario releases it."""
        return self.prod.faults.add(Fault(Hold(), method=method, path=path))

    def answer(self, method: str, path: str, answer: Answer) -> None:
        self.prod.faults.add(Fault(answer, method=method, path=path, times=None))

    def wait_for_request(self, held) -> None:
        self.airflow.wait_for(lambda: held.waiting, f"request of {self.name}", PATIENCE)

    def end_jobs(self) -> None:
        self.clock.advance(3601)

    # What people do in Airflow.

    def clear(self, task: str, *, with_what_follows: bool = False) -> None:
        body = {
            "dry_run": False,
            "dag_run_id": self.run_id,
            "only_failed": False,
            "include_downstream": with_what_follows,
            "task_ids": [f"{GROUP}.{task}"],
        }
        self.airflow.call("POST", f"/dags/{self.dag_id}/clearTaskInstances", body)

    def mark_failed(self, task: str) -> None:
        path = f"/dags/{self.dag_id}/dagRuns/{self.run_id}/taskInstances/{GROUP}.{task}"
        self.airflow.call("PATCH", path, {"new_state": "failed"})

    def correct_connection(self, password: str) -> None:
        body = {"connection_id": self.conn_id, "conn_type": "trifacta", "password": password}
        self.airflow.call("PATCH", f"/connections/{self.conn_id}?update_mask=password", body)

    def open_pool(self, slots: int) -> None:
        body = {"pool": "rollbacks", "slots": slots, "include_deferred": False}
        self.airflow.call("PATCH", "/pools/rollbacks", body)

    # What there is to see.

    def wait_for(self, **states: str) -> None:
        """Wait until tasks of the group are in these states."""
        expected = {f"{GROUP}.{task}": state for task, state in states.items()}

        def reached() -> bool:
            return expected.items() <= self.airflow.task_states(self.dag_id, self.run_id).items()

        self.airflow.wait_for(reached, f"{states} of {self.name}", PATIENCE)

    def wait_for_jobs(self) -> None:
        """Wait until the smoke run has started its jobs and is waited for."""
        self.wait_for(smoke_run="success", smoke_jobs="deferred")

    def wait_for_try(self, task: str, number: int) -> None:
        def tried() -> bool:
            return self.airflow.tries(self.dag_id, self.run_id).get(task, 0) >= number

        self.airflow.wait_for(tried, f"try {number} of {task} of {self.name}", PATIENCE)

    @property
    def promoted_release(self):
        """The release that the run made, deleted or not."""
        return max(
            self.prod.store.releases(self.deployment.id, include_deleted=True),
            key=lambda release: release.id,
        )

    def expect(self, *, run: str, state: str, live, **tasks: str) -> None:
        """Compare how the run ended, what it says about production, and production itself."""
        ended = self.airflow.run_state(self.dag_id, self.run_id, PATIENCE)
        status = (
            self.airflow.xcom(self.dag_id, self.run_id, f"{GROUP}.promoted", "promotion_status")
            or {}
        )
        states = self.airflow.task_states(self.dag_id, self.run_id)
        seen = f"{self.name}: {states}, {status}"
        assert (ended, status.get("state")) == (run, state), seen
        for task, task_state in tasks.items():
            assert states[f"{GROUP}.{task}"] == task_state, seen
        active = self.prod.store.active_release(self.deployment.id)
        assert (active and active.id) == (live and live.id), seen
        assert status["live_release_id"] == (active and active.id), seen


def an_older_release_is_activated(scenario):
    """(1) Right before the upload, a person activates an older release."""
    held = scenario.hold(*DRY_RUN)
    yield
    scenario.wait_for_request(held)
    scenario.prod.store.update_release(scenario.older.id, active=True)
    held.release()
    scenario.expect(run="failed", state="replaced", live=scenario.older, roll_back="skipped")


def _clear_the_dry_run_and_hold_it(scenario):
    """Clear the dry run while the jobs run, and let the jobs end while it is under way."""
    scenario.wait_for_jobs()
    held = scenario.hold(*DRY_RUN)
    scenario.clear("dry_run")
    scenario.wait_for_request(held)
    scenario.end_jobs()
    return held


def a_cleared_step_runs_while_the_jobs_fail(scenario):
    """(2) Only the dry run is cleared, and it still runs when the jobs fail."""
    scenario.prod.runs.add(RunOutcome())
    yield
    held = _clear_the_dry_run_and_hold_it(scenario)
    scenario.wait_for(promoted="failed")
    held.release()
    scenario.expect(run="failed", state="rolled_back", live=scenario.recorded, roll_back="success")


def a_cleared_step_runs_while_the_jobs_end_well(scenario):
    """(3) The same, and the jobs become Complete."""
    yield
    held = _clear_the_dry_run_and_hold_it(scenario)
    scenario.wait_for(promoted="success")
    held.release()
    scenario.expect(
        run="success", state="live", live=scenario.promoted_release, roll_back="skipped"
    )


def a_cleared_step_fails_while_the_jobs_end_well(scenario):
    """(3) The same, and the cleared step fails."""
    yield
    scenario.wait_for_jobs()
    scenario.answer(*DRY_RUN, REFUSED)
    scenario.clear("dry_run")
    scenario.wait_for(dry_run="failed")
    scenario.end_jobs()
    scenario.expect(run="failed", state="live", live=scenario.promoted_release, roll_back="skipped")


def _end_well(scenario):
    scenario.wait_for_jobs()
    scenario.end_jobs()
    scenario.wait_for(promoted="success")


def _clear_the_dry_run_and_let_it_fail(scenario):
    scenario.answer(*DRY_RUN, REFUSED)
    ended = scenario.airflow.tries(scenario.dag_id, scenario.run_id)["promoted"]
    scenario.clear("dry_run", with_what_follows=True)
    scenario.wait_for_try("promoted", ended + 1)
    scenario.wait_for(dry_run="failed", create_release="upstream_failed", promoted="failed")


def a_proven_promotion_is_cleared_and_a_step_fails(scenario):
    """(4) A green run: its dry run is cleared with what follows, and fails."""
    yield
    _end_well(scenario)
    _clear_the_dry_run_and_let_it_fail(scenario)
    scenario.expect(run="failed", state="live", live=scenario.promoted_release, roll_back="skipped")


def an_owed_rollback_is_made_in_a_later_pass(scenario):
    """(5) A rollback is owed. Then the dry run is cleared with what follows, and fails."""
    scenario.prod.runs.add(RunOutcome())
    yield
    scenario.wait_for_jobs()
    scenario.answer(*CHANGE, UNAVAILABLE)
    scenario.end_jobs()
    scenario.wait_for(roll_back="failed", promoted="failed")
    assert (
        scenario.prod.store.active_release(scenario.deployment.id).id
        == scenario.promoted_release.id
    )
    scenario.prod.faults.clear()
    _clear_the_dry_run_and_let_it_fail(scenario)
    scenario.expect(run="failed", state="rolled_back", live=scenario.recorded, roll_back="success")


def a_second_smoke_run_fails_and_the_rollback_never_starts(scenario):
    """(6) A green run: its smoke run is cleared and fails, and the rollback fails before its
    process starts."""
    scenario.dag_id = "promotion_with_pool"
    yield
    _end_well(scenario)
    scenario.open_pool(0)
    scenario.prod.runs.add(RunOutcome())
    scenario.clear("smoke_run", with_what_follows=True)
    scenario.wait_for_try("smoke_run", 2)
    scenario.wait_for_jobs()
    scenario.end_jobs()
    scenario.wait_for(smoke_jobs="failed", roll_back="scheduled")
    scenario.mark_failed("roll_back")
    scenario.expect(
        run="failed", state="rollback_owed", live=scenario.promoted_release, roll_back="failed"
    )


def the_wait_is_marked_as_failed(scenario):
    """(7) A person marks the wait for the jobs as failed."""
    yield
    scenario.wait_for_jobs()
    scenario.mark_failed("smoke_jobs")
    scenario.expect(run="failed", state="rolled_back", live=scenario.recorded, roll_back="success")


def the_password_is_changed_while_the_jobs_run(scenario):
    """(8) The password is changed while the jobs run, and the connection is corrected later."""
    yield
    scenario.wait_for_jobs()
    auth = scenario.prod.auth
    person = auth.people[0]
    auth.delete_token(scenario.token.id, person)
    scenario.wait_for(smoke_jobs="failed", roll_back="up_for_retry")
    scenario.end_jobs()
    token = auth.create_token(person, -1)
    scenario.correct_connection(token.value)
    scenario.expect(
        run="success", state="live", live=scenario.promoted_release, roll_back="skipped"
    )


def the_promoted_release_is_deleted_while_the_jobs_run(scenario):
    """(9) A person deletes the promoted release while its jobs run."""
    yield
    scenario.wait_for_jobs()
    scenario.prod.store.delete_release(scenario.promoted_release.id)
    scenario.end_jobs()
    scenario.expect(run="failed", state="nothing_live", live=None, smoke_jobs="success")


#: A kind of act each, in .ci/run.
QUICK = (
    an_older_release_is_activated,
    a_proven_promotion_is_cleared_and_a_step_fails,
    the_wait_is_marked_as_failed,
    the_password_is_changed_while_the_jobs_run,
)
SCENARIOS = (
    *QUICK,
    a_cleared_step_runs_while_the_jobs_fail,
    a_cleared_step_runs_while_the_jobs_end_well,
    a_cleared_step_fails_while_the_jobs_end_well,
    an_owed_rollback_is_made_in_a_later_pass,
    a_second_smoke_run_fails_and_the_rollback_never_starts,
    the_promoted_release_is_deleted_while_the_jobs_run,
)


def play(scenario, acts, airflow) -> None:
    scenario.start(airflow)
    next(acts, None)


@pytest.fixture(scope="module")
def played(request, shared_standalone, tmp_path_factory):
    """Play all selected scenarios at the same time in one Airflow; return what becomes of each."""
    items = [
        item
        for item in request.session.items
        if item.path == request.path and hasattr(item, "callspec")
    ]
    chosen = [item.callspec.params["acts"] for item in items]
    folder = tmp_path_factory.mktemp("scenarios")
    dev = Emulator(
        EmulatorOptions(flows=(PresetFlow("Daily Orders", dataset_path="/dev/orders.csv"),))
    )
    dev.start()
    scenarios = []
    try:
        for acts in chosen:
            (folder / acts.__name__).mkdir()
            scenarios.append(Scenario(acts.__name__, folder / acts.__name__))
        airflow = shared_standalone(
            dev,
            AIRFLOW__CORE__DAGS_FOLDER=str(Path(__file__).parent / "scenario_dags"),
            AIRFLOW__CORE__PARALLELISM="4",
        )
        airflow.wait_for(lambda: airflow.query("select 1 from serialized_dag"), "DAGs", PATIENCE)
        connections = folder / "connections.json"
        at_dev = {"conn_type": "trifacta", **LOGIN, "host": dev.url}
        at_prods = {scenario.conn_id: scenario.connection for scenario in scenarios}
        connections.write_text(json.dumps({"trifacta_dev": at_dev, **at_prods}))
        airflow.run("connections", "import", str(connections))
        airflow.call("POST", "/pools", {"name": "rollbacks", "slots": 16})
        with ThreadPoolExecutor(len(scenarios)) as pool:
            running = {}
            for acts, scenario in zip(chosen, scenarios, strict=True):
                story = acts(scenario)
                next(story)  # what is prepared before the run starts
                running[acts] = pool.submit(play, scenario, story, airflow)
            yield running
    finally:
        dev.stop()
        for scenario in scenarios:
            scenario.prod.stop()


@pytest.mark.parametrize(
    "acts",
    [
        pytest.param(acts, marks=() if acts in QUICK else pytest.mark.system, id=acts.__name__)
        for acts in SCENARIOS
    ],
)
def test_scenario(played, acts):
    played[acts].result()
