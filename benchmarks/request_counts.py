"""Count the requests of each operator, on a deployment of 10 releases and on one of 3,000.

Two emulators stand for Dev and Prod. The counts depend on no clock, so ``tests/test_requests.py``
asserts them with the functions of this module, and ``docs/performance.md`` shows them.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock
from uuid import uuid1

if __name__ == "__main__":  # before Airflow is imported
    os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-home-"))
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "CRITICAL"

from trifacta_emulator import (
    Emulator,
    EmulatorOptions,
    RunOutcome,
    build_package,
    read_package,
    utc_now,
)

from airflow_provider_trifacta._compat import AirflowFailException
from airflow_provider_trifacta.client.client import Clock
from airflow_provider_trifacta.hooks.trifacta import TrifactaHook
from airflow_provider_trifacta.operators.activation import (
    ActivateReleaseOperator,
    ConfirmPromotionOperator,
    DeactivateReleaseOperator,
)
from airflow_provider_trifacta.operators.deployment import (
    CreateDeploymentOperator,
    GetDeploymentOperator,
    RollbackDeploymentOperator,
    RunDeploymentOperator,
)
from airflow_provider_trifacta.operators.import_rules import SetImportRulesOperator
from airflow_provider_trifacta.operators.package import (
    ExportFlowPackageOperator,
    ImportFlowPackageOperator,
)
from airflow_provider_trifacta.operators.release import CreateReleaseOperator, DryRunReleaseOperator
from airflow_provider_trifacta.operators.run import RunFlowOperator, RunJobGroupOperator
from airflow_provider_trifacta.sensors.job_group import JobGroupSensor
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor
from airflow_provider_trifacta.waits import LiveReleaseWatch

SIZES = (10, 3000)
PROMOTION = "promote_flow, all tasks"
#: The DAG ``looped`` in it is one ``promote_flow`` with a smoke run.
DAGS = Path(__file__).parent.parent / "tests" / "dags" / "promotions.py"
RULES = [{"type": "s3Bucket", "on": "dev", "with": "prod"}]
_DEV, _PROD = "trifacta_dev", "trifacta_prod"


class TaskInstance:
    """As much of Airflow's as the operators need."""

    max_tries, dag_id, task_id, map_index = 1, "d", "t", -1

    def __init__(self, try_number: int, run_id: str = "r") -> None:
        self.try_number, self.run_id = try_number, run_id

    #: By this a task instance of Airflow 3 is known.
    get_task_states = None

    def xcom_push(self, key: str, value: object) -> None:
        pass


class Notes(dict):
    """Stands for the task state store of Airflow 3.3."""

    def set(self, key: str, value: object) -> None:
        self[key] = json.loads(json.dumps(value))


class Site:
    """Dev with a flow, and Prod with a deployment of many releases, one an hour; the newest is two
    days old.

    :param size: how many releases
    :param oldest_is_live: whether the oldest release is the live one, and not the newest
    """

    def __init__(self, size: int, *, oldest_is_live: bool = False) -> None:
        self._age = timedelta(0)
        self.size = size
        self._oldest_is_live = oldest_is_live
        self.folder = Path()
        self.dev = Emulator(EmulatorOptions(job_start_seconds=0, job_run_seconds=0))
        self.prod = Emulator(
            EmulatorOptions(clock=self._clock, job_start_seconds=0, job_run_seconds=0)
        )

    def _clock(self) -> datetime:
        return utc_now() - self._age

    @contextmanager
    def open(self) -> Iterator[Site]:
        """Start both, and make them Airflow's connections."""
        with self.dev, self.prod, tempfile.TemporaryDirectory() as folder:
            self.folder = Path(folder)
            self.flow_id = self.dev.store.create_flow("Orders").id
            self.deployment_id = self.prod.store.create_deployment("Orders").id
            package = read_package(io.BytesIO(build_package()))
            for number in range(1, self.size + 1):
                self._age = timedelta(days=2, hours=self.size - number)
                live = number == (1 if self._oldest_is_live else self.size)
                of_its_own = replace(package, uuid=str(uuid1()))
                self.prod.store.create_release(self.deployment_id, of_its_own, activate=live)
            self._age = timedelta(0)
            connections = {_DEV: self.dev.url, _PROD: self.prod.url}
            user = {
                "conn_type": "trifacta",
                "login": "admin@example.com",
                "password": "admin-password",
            }
            environment = {
                f"AIRFLOW_CONN_{conn_id.upper()}": json.dumps({**user, "host": url})
                for conn_id, url in connections.items()
            }
            with mock.patch.dict(os.environ, environment):
                yield self

    def new_package(self) -> str:
        """Write a package that was never imported, and return its path."""
        path = self.folder / f"{uuid1()}.zip"
        path.write_bytes(build_package(connections=[]))
        return str(path)

    def live_release_id(self) -> int:
        """Return which release is live."""
        return self.prod.store.active_release(self.deployment_id).id

    def live_flow_ids(self) -> list[int]:
        """Return the primary flows of the live release."""
        return list(self.prod.store.active_release(self.deployment_id).imported.primary_flow_ids)

    def count(self, action: Callable[[], Any]) -> tuple[int, Any]:
        """Do something, and return how many requests both instances got, and its result."""
        before = self._calls()
        result = action()
        return self._calls() - before, result

    def _calls(self) -> int:
        return len(self.dev.calls) + len(self.prod.calls)


def execute(
    operator_class: type,
    *,
    try_number: int = 1,
    notes: Notes | None = None,
    run_id: str = "r",
    **arguments: Any,
) -> Any:
    """Run an operator without Airflow's database, and return its result."""
    arguments = {"task_id": "t", "trifacta_conn_id": _PROD, "retries": 1, **arguments}
    ti = TaskInstance(try_number, run_id)
    began = SimpleNamespace(start_date=utc_now() - timedelta(minutes=1))
    context = {
        "ti": ti,
        "task_instance": ti,
        "params": {},
        "dag_run": began,
        "task_state_store": notes,
    }
    return operator_class(**arguments).execute(context)


def fail(operator_class: type, **arguments: Any) -> None:
    """Run an operator that fails because a job failed."""
    with suppress(AirflowFailException):
        execute(operator_class, **arguments)


def look(watch: LiveReleaseWatch) -> bool:
    """Look once which release is live, as the trigger does."""
    return watch.poll(lambda: TrifactaHook(_PROD).client.without_repetitions)


class Looks:
    """A sensor that looks when it is told to."""

    def __init__(self, sensor_class: type, **arguments: Any) -> None:
        self._sensor = sensor_class(
            task_id="t", trifacta_conn_id=_PROD, deferrable=False, **arguments
        )
        ti = TaskInstance(1)
        self._context = {"ti": ti, "task_instance": ti, "params": {}, "dag_run": None}

    def look(self) -> bool:
        return bool(self._sensor.poke(self._context))


def measure(size: int) -> dict[str, int]:
    """Count the requests of each operator on a deployment of so many releases.

    Call it with a clock that does not really sleep. The cases follow each other as in the life of a
    deployment.

    :param size: how many releases the deployment has
    :returns: number of requests by what was done
    """
    counts: dict[str, int] = {}
    with Site(size).open() as site:
        where = {"deployment_id": site.deployment_id}

        def done(what: str, operator_class: type, **arguments: Any) -> Any:
            counts[what], result = site.count(lambda: execute(operator_class, **arguments))
            return result

        def baseline() -> dict[str, Any]:
            return execute(GetDeploymentOperator, **where)

        done("GetDeployment", GetDeploymentOperator, **where)
        done("GetDeployment, by name", GetDeploymentOperator, deployment_name="Orders")
        done(
            "ExportFlowPackage",
            ExportFlowPackageOperator,
            flow_id=site.flow_id,
            package_path=str(site.folder / "export.zip"),
            trifacta_conn_id=_DEV,
        )
        done(
            "ExportFlowPackage, by name",
            ExportFlowPackageOperator,
            flow_name="Orders",
            package_path=str(site.folder / "export.zip"),
            trifacta_conn_id=_DEV,
        )
        notes, package = Notes(), {"package_path": site.new_package()}
        done("ImportFlowPackage: created", ImportFlowPackageOperator, notes=notes, **package)
        again = {"notes": notes, "try_number": 2, **package}
        done("ImportFlowPackage: retry, with the journal", ImportFlowPackageOperator, **again)
        done("CreateDeployment: created", CreateDeploymentOperator, name="New")
        done("CreateDeployment: reused", CreateDeploymentOperator, name="New")
        done("SetImportRules: changed", SetImportRulesOperator, value_rules=RULES, **where)
        done("SetImportRules: unchanged", SetImportRulesOperator, value_rules=RULES, **where)

        package = {"package_path": site.new_package(), **where}
        done("DryRunRelease", DryRunReleaseOperator, **package)
        watch = LiveReleaseWatch(site.deployment_id)
        counts["DeploymentChangedTrigger: first look"], _ = site.count(lambda: look(watch))
        counts["DeploymentChangedTrigger: each further look"], _ = site.count(lambda: look(watch))
        before, notes = baseline(), Notes()
        made = done(
            "CreateRelease: created", CreateReleaseOperator, baseline=before, notes=notes, **package
        )
        counts["DeploymentChangedTrigger: a look that sees a change"], _ = site.count(
            lambda: look(watch)
        )
        retry = {"baseline": before, "try_number": 2, **package}
        done("CreateRelease: retry, with the journal", CreateReleaseOperator, notes=notes, **retry)
        done("CreateRelease: retry, without a journal", CreateReleaseOperator, **retry)
        package["package_path"] = site.new_package()
        done("CreateRelease: created, without a baseline", CreateReleaseOperator, **package)
        package["package_path"] = site.new_package()
        staged = done(
            "CreateRelease: staged",
            CreateReleaseOperator,
            baseline=baseline(),
            activate=False,
            **package,
        )
        waiting = {"release_id": staged["release_id"]}
        sensor = Looks(ReleaseActiveSensor, **waiting)
        counts["ReleaseActiveSensor: first look, not yet live"], _ = site.count(sensor.look)
        counts["ReleaseActiveSensor: each further look"], _ = site.count(sensor.look)
        done("ActivateRelease", ActivateReleaseOperator, release_id=staged["release_id"])
        done(
            "ActivateRelease: live already",
            ActivateReleaseOperator,
            release_id=staged["release_id"],
        )
        counts["ReleaseActiveSensor: first look, live"], _ = site.count(
            Looks(ReleaseActiveSensor, **waiting).look
        )
        run = done("RunDeployment, with one look", RunDeploymentOperator, **where)
        site.prod.runs.add(RunOutcome(message="no such table"))
        counts["RunDeployment, with one look, and its job failed"], _ = site.count(
            lambda: fail(RunDeploymentOperator, **where)
        )
        sensor = Looks(JobGroupSensor, job_group_ids=run["job_group_ids"])
        counts["JobGroupSensor: one look, one job group"], _ = site.count(sensor.look)
        flows, recipe = {"trifacta_conn_id": _DEV}, site.dev.store.recipes()[0]
        done("RunFlow, with one look", RunFlowOperator, flow_id=site.flow_id, **flows)
        done(
            "RunFlow: retry, without a journal",
            RunFlowOperator,
            flow_id=site.flow_id,
            try_number=2,
            **flows,
        )
        done("RunFlow, by name", RunFlowOperator, flow_name="Orders", run_id="r2", **flows)
        with_release = {"flow_id": site.live_flow_ids(), "release_id": staged["release_id"]}
        done("RunFlow, if its release is live", RunFlowOperator, **with_release)
        done("RunJobGroup, with one look", RunJobGroupOperator, recipe_id=recipe.id, **flows)
        names = {"flow_name": "Orders", "recipe_name": recipe.name}
        done("RunJobGroup, by names", RunJobGroupOperator, run_id="r2", **names, **flows)
        done("ConfirmPromotion", ConfirmPromotionOperator, promotion=staged)
        done("DeactivateRelease", DeactivateReleaseOperator, release_id=staged["release_id"])
        done("GetDeployment, and no release is live", GetDeploymentOperator, **where)
        execute(ActivateReleaseOperator, release_id=made["release_id"])

        before = baseline()
        done(
            "RollbackDeployment: nothing to do",
            RollbackDeploymentOperator,
            baseline=before,
            package_uuid=None,
        )
        bad = execute(
            CreateReleaseOperator, baseline=before, package_path=site.new_package(), **where
        )
        undo = {"baseline": before, "package_uuid": bad["package_uuid"]}
        done("RollbackDeployment: rolled back", RollbackDeploymentOperator, **undo)
    return counts


def measure_far_back(size: int) -> dict[str, int]:
    """Count the requests where the oldest release of a deployment is live, which a list shows last.

    :param size: how many releases the deployment has
    :returns: number of requests by what was done
    """
    counts: dict[str, int] = {}
    with Site(size, oldest_is_live=True).open() as site:
        where = {"deployment_id": site.deployment_id}
        count, before = site.count(lambda: execute(GetDeploymentOperator, **where))
        counts["GetDeployment"] = count
        package = {"package_path": site.new_package(), **where}
        count, bad = site.count(lambda: execute(CreateReleaseOperator, baseline=before, **package))
        counts["CreateRelease: created"] = count
        undo = {"baseline": before, "package_uuid": bad["package_uuid"]}
        counts["RollbackDeployment: rolled back"], _ = site.count(
            lambda: execute(RollbackDeploymentOperator, **undo)
        )
    return {f"{what}, and the oldest release was live": count for what, count in counts.items()}


def promote(size: int) -> tuple[int, str]:
    """Count the requests of a whole promotion, in a real DAG run. It needs Airflow's database.

    :param size: how many releases the deployment has
    :returns: number of requests to both instances, and the state of the run
    """
    bundle = {
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(DAGS.parent)},
    }
    with Site(size).open() as site:
        environment = {
            # Airflow 3 only runs what is in one of its bundles.
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(
                [{"name": "dags-folder", **bundle}]
            ),
            "TEST_FLOWS": json.dumps([[site.flow_id, site.deployment_id]]),
            "TEST_FOLDER": str(site.folder),
            "TEST_OPTIONS": json.dumps({"value_rules": RULES}),
        }
        with mock.patch.dict(os.environ, environment):
            from airflow.models import DagBag

            bag = DagBag(str(DAGS))
            count, run = site.count(bag.dags["looped"].test)
        return count, str(run.state)


@contextmanager
def time_that_flies() -> Iterator[None]:
    """Let every wait of a client be over at once."""
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def monotonic() -> float:
        return now

    with mock.patch.multiple(Clock, sleep=staticmethod(sleep), monotonic=staticmethod(monotonic)):
        yield


def as_table(counts: dict[int, dict[str, int]]) -> str:
    """Return the counts as the table that ``docs/performance.md`` has.

    :param counts: what :func:`measure` returned, by size
    """
    names = list(next(iter(counts.values())))
    head = [
        "| What | " + " | ".join(f"{size:,} releases" for size in counts) + " |",
        "|---|" + "--:|" * len(counts),
    ]
    rows = [
        f"| {name} | {' | '.join(str(of_size[name]) for of_size in counts.values())} |"
        for name in names
    ]
    return "\n".join(head + rows)


def main() -> None:
    import subprocess
    import sys

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--no-promotion",
        action="store_true",
        help="leave out the whole promotion, which runs a DAG",
    )
    options = parser.parse_args()
    with time_that_flies():
        counts = {size: measure(size) | measure_far_back(size) for size in SIZES}
        if not options.no_promotion:
            subprocess.run(
                [sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True
            )
            for size in SIZES:
                counts[size][PROMOTION], _ = promote(size)
    print(as_table(counts))


if __name__ == "__main__":
    main()
