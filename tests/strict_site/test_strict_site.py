"""Promotions against a server that was written from the vendor's pages alone."""

from __future__ import annotations

import base64
import json
import re
import sys
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests
from strict_site import server as strict
from strict_site.server import (
    DEPLOYMENT,
    EMAIL,
    FLOW,
    PASSWORD,
    UNKNOWN,
    StrictServer,
    package_of,
    uuid_of,
)

from airflow_provider_trifacta._compat import AirflowFailException
from airflow_provider_trifacta.client import errors
from airflow_provider_trifacta.client.check import check
from airflow_provider_trifacta.hooks.trifacta import TrifactaHook
from airflow_provider_trifacta.operators.deployment import (
    GetDeploymentOperator,
    RollbackDeploymentOperator,
    RunDeploymentOperator,
)
from airflow_provider_trifacta.operators.release import CreateReleaseOperator
from airflow_provider_trifacta.operators.run import RunFlowOperator
from airflow_provider_trifacta.sensors.job_group import JobGroupSensor
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor

#: What the pages leave open.
FORMS = {
    "uuid of the package": {},
    "uuid of its own": {"own_uuids": True},
    "no list of releases": {"has_list": False},
}
#: What the provider sends beyond the pages, for fewer reads or better words.
SORT = frozenset({"sort"})
UNDOCUMENTED = {
    "GET /v4/jobGroups",
    "GET /v4/jobGroups/:id",
    "GET /v4/jobGroups/:id/jobs",
    "GET /v4/jobGroups/:id/logs",
}
DAGS = Path(__file__).resolve().parent.parent / "dags" / "promotions.py"

WAITS = ["in the worker", "deferred"]
either_wait = pytest.mark.parametrize("deferrable", [False, True], ids=WAITS)


class Site:
    """The server, and how tasks run on it.

    :param server: the server
    :param execute: the fixture
    :param folder: where packages go
    """

    def __init__(self, server: StrictServer, execute, folder: Path) -> None:
        self.server, self.execute, self.folder = server, execute, folder
        #: The packages were exported before the first import, as in a queue of promotions.
        self.exports = iter(server.began - timedelta(minutes=minutes) for minutes in (30, 20, 10))

    def does(self, operator_class, **options):
        """Run a task; return its XComs."""
        operator = operator_class(task_id="task", **options)
        returned, ti = self.execute(operator)
        return {**ti.pushed, "return_value": returned}

    def fails(self, operator_class, error_class, **options):
        """Run a task that must fail without a retry, for this reason."""
        with pytest.raises(AirflowFailException) as caught:
            self.does(operator_class, **options)
        cause = caught.value.__cause__
        # A deferred task hands its error over in words, which begin with its class.
        in_words = str(cause).startswith(f"{error_class.__name__}:")
        assert in_words or type(cause) is error_class, repr(caught.value)

    def export(self):
        """Return the path and the uuid of a new package."""
        exported_at = next(self.exports)
        path = self.folder / f"{uuid_of(exported_at)}.zip"
        path.write_bytes(package_of(exported_at))
        return str(path), uuid_of(exported_at)

    def baseline(self):
        return self.does(GetDeploymentOperator, deployment_id=DEPLOYMENT)["return_value"]

    def promote(self, path):
        """Promote a package; return the baseline, and the XComs of the promotion."""
        baseline = self.baseline()
        options = {"deployment_id": DEPLOYMENT, "package_path": path, "baseline": baseline}
        return baseline, self.does(CreateReleaseOperator, **options)

    def run_fails_and_is_rolled_back(self, deferrable=False):
        """Promote twice; the jobs of the second release fail, and the first one is put back."""
        self.promote(self.export()[0])
        path, package_uuid = self.export()
        baseline, created = self.promote(path)
        assert (baseline["active_release_id"], created["release_id"], self.server.live) == (1, 2, 2)
        self.server.end_of_jobs = "Failed"
        waiting = {"deferrable": deferrable, "poke_interval": 0.001}
        run = {"deployment_id": DEPLOYMENT, "release_id": created["release_id"], **waiting}
        self.fails(RunDeploymentOperator, errors.JobFailedError, **run)
        known = {"package_uuid": package_uuid, "release_id": created["release_id"]}
        undone = self.does(RollbackDeploymentOperator, baseline=baseline, **known)
        assert (undone["outcome"], undone["rolled_back_release_id"]) == ("rolled_back", 2)
        assert undone["active_release_id"] == 1
        assert (self.server.live, len(self.server.releases)) == (1, 2)


@pytest.fixture
def open_site(virtual_time, use_connection, execute, tmp_path):  # noqa: ARG001
    """Return a function that starts a server of some form, as each connection of the tests."""
    with ExitStack() as running:

        def start(**form) -> Site:
            server = running.enter_context(StrictServer(**form))
            for conn_id in ("trifacta_default", "trifacta_dev", "trifacta_prod"):
                use_connection(server.url, conn_id, login=EMAIL, password=PASSWORD)
            return Site(server, execute, tmp_path)

        yield start


@pytest.fixture(params=FORMS.values(), ids=FORMS.keys())
def site(request, open_site):
    return open_site(**request.param)


def test_a_package_becomes_the_live_release(site):
    path, package_uuid = site.export()
    baseline, created = site.promote(path)
    assert (baseline["active_release_id"], baseline["latest_release_id"]) == (None, None)
    assert (created["outcome"], created["release_id"]) == ("created", 1)
    assert created["package_uuid"] == package_uuid
    assert (site.server.live, len(site.server.writes)) == (1, 1)
    assert (site.server.releases[1]["packageUuid"] == package_uuid) == (not site.server.own_uuids)


def test_a_second_package_replaces_the_first(site):
    site.promote(site.export()[0])
    baseline, created = site.promote(site.export()[0])
    assert (baseline["active_release_id"], baseline["latest_release_id"]) == (1, 1)
    assert (created["outcome"], created["release_id"]) == ("created", 2)
    assert created["previous_release_id"] == 1
    assert (site.server.live, len(site.server.writes)) == (2, 2)


def test_a_retry_with_its_journal_sends_nothing(site, store):
    path, _ = site.export()
    options = {"deployment_id": DEPLOYMENT, "package_path": path, "baseline": site.baseline()}
    for try_number in (1, 2):
        operator = CreateReleaseOperator(task_id="task", **options)
        _, ti = site.execute(operator, store=store, try_number=try_number)
        assert (ti.pushed["outcome"], ti.pushed["release_id"]) == ("created", 1)
    assert len(site.server.writes) == 1


def test_a_retry_without_a_journal_sends_nothing(site):
    path, _ = site.export()
    baseline, _ = site.promote(path)
    options = {"deployment_id": DEPLOYMENT, "package_path": path, "baseline": baseline}
    retry = CreateReleaseOperator(task_id="task", **options)
    if site.server.own_uuids:
        with pytest.raises(AirflowFailException) as caught:
            site.execute(retry, try_number=2)
        assert isinstance(caught.value.__cause__, errors.AmbiguousSubmissionError)
    else:
        _, ti = site.execute(retry, try_number=2)
        assert (ti.pushed["outcome"], ti.pushed["release_id"]) == ("reused", 1)
    assert (len(site.server.writes), site.server.live) == (1, 1)


@either_wait
def test_the_wait_for_a_release_ends_as_it_is_live_or_replaced(site, deferrable):
    _, first = site.promote(site.export()[0])
    waiting = {"deferrable": deferrable, "poke_interval": 0.001}
    site.does(ReleaseActiveSensor, release_id=first["release_id"], **waiting)
    site.promote(site.export()[0])
    replaced = errors.ReleaseSupersededError
    site.fails(ReleaseActiveSensor, replaced, release_id=first["release_id"], **waiting)
    site.fails(ReleaseActiveSensor, errors.ReleaseDeletedError, release_id=UNKNOWN, **waiting)


def test_the_next_task_takes_the_ids_of_a_promotion(site):
    _, created = site.promote(site.export()[0])
    flows, release_id = created["primary_flow_ids"], created["release_id"]
    run = site.does(RunFlowOperator, flow_id=flows, release_id=release_id, poke_interval=0.001)
    assert site.server.writes[-1] == ("POST", f"/v4/flows/{flows[0]}/run")
    assert site.server.job_groups == {run["job_group_ids"][0]: ["Complete"]}


@either_wait
def test_a_run_of_the_deployment_waits_for_its_jobs(site, deferrable):
    _, created = site.promote(site.export()[0])
    waiting = {"deferrable": deferrable, "poke_interval": 0.001}
    options = {"deployment_id": DEPLOYMENT, "release_id": created["release_id"], **waiting}
    run = site.does(RunDeploymentOperator, run_parameters={"region": "02"}, **options)
    ended = run["return_value"]
    assert (ended["outcome"], ended["release_id"]) == ("complete", created["release_id"])
    assert site.server.job_groups == {run["job_group_ids"][0]: ["Complete"]}


@either_wait
def test_the_jobs_of_a_run_can_be_waited_for_by_another_task(site, deferrable):
    site.promote(site.export()[0])
    run = site.does(RunDeploymentOperator, deployment_id=DEPLOYMENT, wait_for_completion=False)
    waiting = {"deferrable": deferrable, "poke_interval": 0.001}
    site.does(JobGroupSensor, job_group_ids=run["job_group_ids"], **waiting)
    assert site.server.job_groups == {run["job_group_ids"][0]: ["Complete"]}


@either_wait
def test_a_release_whose_run_fails_is_rolled_back(site, deferrable):
    site.run_fails_and_is_rolled_back(deferrable)


@pytest.mark.usefixtures("site")
def test_the_test_of_the_connection_says_yes():
    assert check(TrifactaHook().client.config, "prod")[0]


@pytest.mark.parametrize("fails", [False, True], ids=["kept", "rolled back"])
def test_a_whole_group_promotes(site, airflow_db, monkeypatch, fails):  # noqa: ARG001
    from airflow.models import DagBag

    site.promote(site.export()[0])
    site.server.end_of_jobs = "Failed" if fails else "Complete"
    # Airflow 3 only runs what is in one of its bundles.
    bundle = {
        "name": "dags-folder",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(DAGS.parent)},
    }
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
    monkeypatch.setenv("TEST_FLOWS", json.dumps([[FLOW, DEPLOYMENT]]))
    # The dry run is described on a page of its own.
    monkeypatch.setenv("TEST_OPTIONS", json.dumps({"dry_run": False}))
    monkeypatch.setenv("TEST_FOLDER", str(site.folder / "packages"))
    dag_run = DagBag(str(DAGS)).dags["looped"].test()
    tasks = dag_run.get_task_instances()
    states = {task.task_id.rpartition(".")[2]: str(task.state) for task in tasks}
    assert (states["create_release"], states["active"], states["smoke_run"]) == ("success",) * 3
    end = ("failed", "success", "failed") if fails else ("success", "skipped", "success")
    assert (states["smoke_jobs"], states["roll_back"], states["promoted"]) == end
    assert (site.server.live, len(site.server.releases)) == (1 if fails else 2, 2)


# What the provider asks for beyond the pages


@pytest.mark.parametrize("ignores", [frozenset(), SORT], ids=["refused", "ignored"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_query_parameter_of_no_page_may_be_refused_or_ignored(open_site, form, ignores):
    site = open_site(ignores=ignores, **form)
    site.run_fails_and_is_rolled_back()
    path = "/v4/releases" if site.server.has_list else "/v4/deployments/:id"
    assert site.server.unknown_parameters == {(path, name) for name in SORT}


@pytest.mark.parametrize("status", [404, 400])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_request_of_no_page_may_be_refused(open_site, form, status):
    site = open_site(refuses_by=status, **form)
    # Many job groups are looked for in their list, and only the triggers do that.
    many = [site.server.run()["id"] for _ in range(12)]
    site.does(JobGroupSensor, job_group_ids=many, deferrable=True, poke_interval=0.001)
    site.run_fails_and_is_rolled_back()
    assert site.server.unknown_calls == UNDOCUMENTED


# The server itself


def test_the_server_shares_no_code_with_the_emulator_or_the_provider():
    source = Path(strict.__file__).read_text()
    modules = re.findall(r"^\s*(?:from|import) (\w+)", source, re.MULTILINE)
    assert {"json", "http"} <= set(modules) <= sys.stdlib_module_names


GOOD = {
    "Authorization": f"Basic {base64.b64encode(f'{EMAIL}:{PASSWORD}'.encode()).decode()}",
    "Accept": "application/json",
}
RELEASES = f"/v4/deployments/{DEPLOYMENT}/releases"
PACKAGE = ("flow.zip", package_of(datetime(2019, 2, 13, tzinfo=timezone.utc)))


@pytest.mark.parametrize(
    ("status", "method", "path", "options"),
    [
        (401, "GET", "/v4/people/current", {"headers": {"Authorization": "Bearer token"}}),
        (404, "GET", "/v4/jobGroups", {}),
        (404, "GET", RELEASES, {}),
        (404, "DELETE", "/v4/releases/1", {}),
        (404, "GET", f"/v4/releases/{UNKNOWN}", {}),
        (400, "GET", "/v4/releases", {}),
        (400, "GET", "/v4/releases", {"params": {"deploymentId": 1, "sort": "-id"}}),
        (400, "GET", "/v4/deployments/1", {"params": {"embed": "flows"}}),
        (400, "GET", "/v4/people/current", {"headers": {"x-execution-id": "1"}}),
        (415, "GET", "/v4/people/current", {"headers": {"Accept": "text/html"}}),
        (400, "POST", RELEASES, {"files": {"file": PACKAGE}}),
        (400, "POST", RELEASES, {"files": {"data": PACKAGE, "more": PACKAGE}}),
        (400, "POST", RELEASES, {"files": {"data": ("flow.zip", b"no package")}}),
        (415, "POST", RELEASES, {"data": PACKAGE[1]}),
        (400, "POST", f"/v4/deployments/{DEPLOYMENT}/run", {"json": {"overrides": {}}}),
        (201, "POST", RELEASES, {"files": {"data": PACKAGE}}),
    ],
)
def test_the_server_refuses_what_is_not_as_documented(open_site, status, method, path, options):
    server = open_site().server
    headers = {**GOOD, **options.pop("headers", {})}
    answer = requests.request(method, server.url + path, headers=headers, timeout=30, **options)
    assert (answer.status_code, len(server.releases)) == (status, int(status == 201))
