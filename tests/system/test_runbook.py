"""The runbook: each row is an incident in a whole Airflow, whose steps are followed as the page
prints them."""

from __future__ import annotations

import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from airflow import __version__ as version
from killing import kill_client_of
from runbook import index, rows
from shell import Shell
from trifacta_emulator import (
    Emulator,
    EmulatorOptions,
    Fault,
    Hold,
    PresetFlow,
    Reset,
    RunOutcome,
    build_package,
    read_package,
    utc_now,
)

from airflow_provider_trifacta._compat import KEEPS_STATE

ROWS = rows()
#: A read is not sent again, so that an outage costs no time.
EXTRA = {"read_retries": 0}
PERSON = {
    "conn_type": "trifacta",
    "login": "admin@example.com",
    "password": "admin-password",
    "extra": EXTRA,
}
OPTIONS = EmulatorOptions(job_start_seconds=0, job_run_seconds=0)
#: Seconds for one part of a row on a busy machine.
PATIENCE = 600


class Case:
    """One row of the runbook with its own instance, and a run of one DAG."""

    def __init__(self, row, number, folder, prod):
        self.row, self.prod, self.folder = row, prod, folder
        self.deployment = prod.store.create_deployment("Orders")
        self.before = prod.store.create_release(
            self.deployment.id, read_package(io.BytesIO(build_package()))
        )
        self.conn_id, self.credentials = "prod_" + row.replace("-", "_"), PERSON
        # Each of its own time, since the commands find a run by it.
        self.date = (utc_now() - timedelta(days=number + 1)).replace(microsecond=0).isoformat()
        self.incident = INCIDENTS[row](self)
        self.dag_id = next(self.incident)

    def begin(self, airflow, shell):
        self.airflow, self.shell = airflow, shell
        conf = {"prod": self.conn_id, "folder": str(self.folder)}
        self.run_id = airflow.start_run(self.dag_id, conf, self.date)

    def hold(self, method, path, when="before_body"):
        """Hold a request, so that something happens at that moment."""
        return self.prod.faults.add(Fault(Hold(when), method=method, path=path))

    def wait(self, held):
        self.airflow.wait_for(lambda: held.waiting, f"request of {self.row}", PATIENCE)

    # What the page says, and what is there.

    def expect(self, state):
        """Wait until the run looks as a column of the page says, and compare all the
        rest with it.
        """
        tasks = {f"promote_flow.{task}": end for task, end in state.tasks.items()}

        def reached():
            return tasks.items() <= self.airflow.task_states(self.dag_id, self.run_id).items()

        if state.run:
            assert self.airflow.run_state(self.dag_id, self.run_id, PATIENCE) == state.run, (
                self.told()
            )
            assert reached(), f"not {tasks}\n{self.told()}"
        else:
            self.airflow.wait_for(reached, f"{tasks} of {self.row}", PATIENCE)
        for task, error in state.errors.items():
            assert error in self.log_of(task), f"{task} shows no {error}\n{self.told()}"
        assert (self.status or {}).get("state", "") == state.status, self.told()
        releases = self.prod.store.releases(self.live_in, include_deleted=True)
        assert len(releases) - (self.live_in == self.deployment.id) == state.new_releases, (
            self.told()
        )
        live = self.prod.store.active_release(self.live_in)
        expected = {
            "the release before": self.before.id,
            "the promoted release": releases[-1].id,
            "none": None,
        }
        assert (live and live.id) == expected[state.live], self.told()

    def log_of(self, task):
        attempt = self.airflow.tries(self.dag_id, self.run_id)[task]
        return self.airflow.task_log(self.dag_id, self.run_id, f"promote_flow.{task}", attempt)

    @property
    def live_in(self):
        """The deployment of the name, of which a person may make another one."""
        return max(one.id for one in self.prod.store.deployments(include_deleted=True))

    @property
    def status(self):
        return self.airflow.xcom(
            self.dag_id, self.run_id, "promote_flow.promoted", "promotion_status"
        )

    def told(self):
        folder = self.airflow.home / "logs" / f"dag_id={self.dag_id}" / f"run_id={self.run_id}"
        logs = {
            path.relative_to(folder): path.read_text(errors="replace")
            for path in sorted(folder.rglob("*.log"))
        }
        last = {path: re.findall(r"\w+Error: .{,300}", text)[-1:] for path, text in logs.items()}
        errors = [f"{path}: {error}" for path, found in last.items() for error in found]
        states = self.airflow.task_states(self.dag_id, self.run_id)
        return "\n".join([f"{self.row}: {states}, {self.status}", *errors])

    def type(self, code):
        """Do what the page prints, with the values of this run."""
        values = {"DAG_ID": self.dag_id, "LOGICAL_DATE": self.date, "trifacta_prod": self.conn_id}
        values["DEPLOYMENT_ID"] = str(self.deployment.id)
        values["RELEASE_ID"] = str((self.status or {}).get("release_id"))
        for name, value in values.items():
            code = code.replace(name, value)
        return self.shell.run(code)


def server_away(case):
    held = case.hold("GET", "/v4/releases/*")
    yield "smoke"
    case.wait(held)
    case.prod.faults.add(Fault(Reset(), times=None))
    held.release()
    yield case.prod.faults.clear


def password_rotated(case):
    auth = case.prod.auth
    admin = auth.people[0]
    old = auth.create_token(admin, -1)
    case.credentials = {"conn_type": "trifacta", "password": old.value, "extra": EXTRA}
    held = case.hold("GET", "/v4/releases/*")
    yield "plain"
    case.wait(held)
    auth.delete_token(old.id, admin)
    held.release()

    def edit_the_connection():
        body = {
            "connection_id": case.conn_id,
            "conn_type": "trifacta",
            "password": auth.create_token(admin, -1).value,
        }
        case.airflow.call("PATCH", f"/connections/{case.conn_id}?update_mask=password", body)

    yield edit_the_connection


def deployment_deleted(case):
    held = case.hold("GET", "/v4/releases/*")
    yield "plain"
    case.wait(held)
    case.prod.store.delete_deployment(case.deployment.id)
    held.release()
    yield lambda: case.prod.store.create_deployment("Orders")


def package_overwritten(case):
    held = case.hold("POST", "/v4/deployments/*/releases/dryRun")
    yield "checked"
    case.wait(held)
    (case.folder / "orders.zip").write_bytes(build_package())
    held.release()
    yield lambda: None


def folder_missing(case):
    # As a share that is not mounted: its folder is not there, and cannot be made.
    share, case.folder = case.folder / "mounted", case.folder / "share"
    case.folder.symlink_to(share)
    yield "plain"
    yield share.mkdir


def older_release(case):
    held = case.hold("GET", "/v4/jobGroups/*/status")
    yield "smoke"
    case.wait(held)
    case.prod.store.update_release(case.before.id, active=True)
    held.release()


def run_marked_failed(case):
    held = case.hold("GET", "/v4/jobGroups/*/status")
    yield "smoke"
    case.wait(held)
    case.airflow.call("PATCH", f"/dags/{case.dag_id}/dagRuns/{case.run_id}", {"state": "failed"})
    held.release()


def smoke_run_fails(case):
    case.prod.runs.add(RunOutcome(message="disk full"))
    yield "smoke"
    yield lambda: None


def worker_killed(case):
    held = case.hold("POST", "/v4/deployments/*/releases", "after_commit")
    yield "retried"
    case.wait(held)
    kill_client_of(case.prod.url)
    held.release()
    yield lambda: None


#: What makes the incident of each row. It yields the DAG, and then what people do in the steps
#: without code.
INCIDENTS = {
    "prod-was-away-after-the-upload": server_away,
    "the-password-was-changed-after-the-upload": password_rotated,
    "the-deployment-was-deleted": deployment_deleted,
    "the-package-was-overwritten": package_overwritten,
    "the-folder-of-the-package-is-missing": folder_missing,
    "another-release-was-activated": older_release,
    "the-smoke-run-failed": smoke_run_fails,
    "a-worker-was-killed": worker_killed,
    "the-run-was-marked-as-failed": run_marked_failed,
}
#: Rows that are followed on each line of Airflow.
CORE = (server_away, older_release, smoke_run_fails, worker_killed)


@pytest.fixture(scope="module")
def followed(request, shared_standalone, tmp_path_factory):
    """Follow all selected rows at the same time in one Airflow; return what becomes of each."""
    items = [
        item
        for item in request.session.items
        if item.path == request.path and hasattr(item, "callspec")
    ]
    chosen = [item.callspec.params["row"] for item in items]
    folder = tmp_path_factory.mktemp("rows")
    dev = Emulator(
        EmulatorOptions(flows=(PresetFlow("Daily Orders", dataset_path="/dev/orders.csv"),))
    )
    prods = [Emulator(OPTIONS) for _ in chosen]
    try:
        for emulator in (dev, *prods):
            emulator.start()
        cases = []
        for number, (row, prod) in enumerate(zip(chosen, prods, strict=True)):
            (folder / row).mkdir()
            cases.append(Case(row, number, folder / row, prod))
        airflow = shared_standalone(
            dev,
            AIRFLOW__CORE__DAGS_FOLDER=str(Path(__file__).parent / "runbook_dags"),
            AIRFLOW__CORE__PARALLELISM="4",
        )
        airflow.wait_for(lambda: airflow.query("select 1 from serialized_dag"), "DAGs", PATIENCE)
        shell = Shell(airflow)
        connections = folder / "connections.json"
        at_prods = {case.conn_id: case.credentials | {"host": case.prod.url} for case in cases}
        connections.write_text(
            json.dumps({"trifacta_dev": {**PERSON, "host": dev.url}, **at_prods})
        )
        shell.run(f"airflow connections import {connections}")
        with ThreadPoolExecutor(len(cases)) as pool:
            yield {case.row: pool.submit(follow, case, airflow, shell) for case in cases}
    finally:
        for emulator in (dev, *prods):
            emulator.stop()


def follow(case, airflow, shell):
    """Make the incident, compare what there is with the page, do its steps, and compare again."""
    row, incident = ROWS[case.row], case.incident
    case.begin(airflow, shell)
    act = next(incident, None)
    case.expect(row.find)
    for step in row.steps:
        if step:
            case.type(step)
        else:
            act()
            act = next(incident, None)
    assert act is None, f"a step of {case.row} is not on the page"
    case.expect(row.after)


def marks_of(row):
    """Older lines follow the core rows, and only with ``scripts/test --system``."""
    marks = [pytest.mark.every_airflow] if INCIDENTS[row] in CORE else []
    if not KEEPS_STATE:
        marks.append(pytest.mark.system)
    if INCIDENTS[row] is worker_killed:
        marks.append(
            pytest.mark.skipif(
                version.startswith("3.0."), reason="Airflow 3.0 does not retry a killed task"
            )
        )
    return marks


@pytest.mark.parametrize("row", [pytest.param(row, marks=marks_of(row)) for row in ROWS])
def test_row(followed, row):
    followed[row].result()


def test_the_page_has_each_incident():
    assert set(ROWS) == set(INCIDENTS) == {anchor for anchor, _ in index()}
    for anchor, row in ROWS.items():
        first_and_last = {error for task, error in row.find.errors.items() if task != "roll_back"}
        assert any(first_and_last <= errors for there, errors in index() if there == anchor)
