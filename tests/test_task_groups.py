"""Whole promotions between two emulators, in real DAG runs: what Airflow itself does to a group.
``tests/operators/test__group.py`` has what the tasks decide."""

from __future__ import annotations

import collections
import http.client
import io
import itertools
import json
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pendulum
import pytest
from airflow import __version__ as version
from airflow.models import DagBag

try:
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG

from trifacta_emulator import (
    Emulator,
    EmulatorOptions,
    RunOutcome,
    read_package,
)

from airflow_provider_trifacta._compat import KEEPS_STATE
from airflow_provider_trifacta.client.client import Clock
from airflow_provider_trifacta.client.errors import ConnectionLostError
from airflow_provider_trifacta.operators import _group
from airflow_provider_trifacta.promotion.promoter import Promoter
from airflow_provider_trifacta.task_groups import promote_flow

DAGS = Path(__file__).parent / "dags" / "promotions.py"
#: The steps, in their order.
STEPS = ("baseline", "export", "dry_run", "create_release", "active", "smoke_run", "smoke_jobs")
ENDS = ("roll_back", "promoted")


@pytest.fixture
def dev(use_connection):
    with Emulator(EmulatorOptions()) as emulator:
        use_connection(emulator.url, "trifacta_dev")
        yield emulator


@pytest.fixture
def prod(use_connection):
    with Emulator(EmulatorOptions(job_start_seconds=0, job_run_seconds=0)) as emulator:
        use_connection(emulator.url, "trifacta_prod")
        yield emulator


@pytest.fixture
def promote_flows(airflow_db, dev, prod, monkeypatch, tmp_path):  # noqa: ARG001
    """Return a function that promotes so many flows of Dev, each to a deployment of its own."""
    flows = []
    # Airflow 3 only runs what is in one of its bundles.
    bundle = {
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(DAGS.parent)},
    }
    bundles = json.dumps([{"name": "dags-folder", **bundle}])
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", bundles)

    def prepare(count=1):
        while len(flows) < count:
            number = len(flows) + 1
            flow = dev.store.create_flow(f"Flow {number}")
            flows.append((flow.id, prod.store.create_deployment(f"Deployment {number}").id))

    def promote_by_hand(count=1):
        """Make a release of each flow live, as a run before would have."""
        prepare(count)
        return [
            prod.store.create_release(
                deployment_id, read_package(io.BytesIO(dev.store.export_flow(flow_id)))
            )
            for flow_id, deployment_id in flows
        ]

    def start(count=1, *, dag_id="looped", **options):
        prepare(count)
        monkeypatch.setenv("TEST_FLOWS", json.dumps(flows[:count]))
        monkeypatch.setenv("TEST_OPTIONS", json.dumps(options))
        monkeypatch.setenv("TEST_FOLDER", str(start.packages))
        bag = DagBag(str(DAGS))
        assert bag.import_errors == {}
        dag_run = bag.dags[dag_id].test()
        tasks = {(one.task_id, one.map_index): one for one in dag_run.get_task_instances()}
        return SimpleNamespace(state=str(dag_run.state), tasks=tasks)

    # No upload is under way in these runs, so that nothing is waited for.
    monkeypatch.setattr(_group, "DEFAULT_SETTLE_TIMEOUT", 1)
    start.flows, start.promote_by_hand, start.packages = (
        flows,
        promote_by_hand,
        tmp_path / "packages",
    )
    start.prepare = prepare
    return start


def states(run, group, map_index=-1):
    """The states of a group's tasks by their short names."""
    return {
        task_id.rpartition(".")[2]: str(one.state)
        for (task_id, index), one in run.tasks.items()
        if task_id.startswith(f"{group}.") and index == map_index
    }


def ended(*, failed=None):
    """The states that a run with everything in it ends with: all green, or from the step that
    failed on.

    The last task fails where the promotion is not kept, and the rollback is skipped where nothing
    was promoted.
    """
    expected = dict.fromkeys(STEPS, "success") | {"roll_back": "skipped", "promoted": "success"}
    if failed:
        later = STEPS[STEPS.index(failed) + 1 :]
        expected |= (
            {failed: "failed"} | dict.fromkeys(later, "upstream_failed") | {"promoted": "failed"}
        )
        if STEPS.index(failed) > STEPS.index("dry_run"):
            expected["roll_back"] = "success"
    return expected


def pull(run, group, task_id, key="return_value", map_index=-1):
    name = f"{group}.{task_id}"
    return run.tasks[name, map_index].xcom_pull(task_ids=name, key=key, map_indexes=map_index)


@pytest.mark.every_airflow
@pytest.mark.parametrize("deferrable", [False, True])
def test_a_flow_becomes_the_live_release(promote_flows, prod, deferrable):
    result = promote_flows(deferrable=deferrable)
    [(flow_id, deployment_id)] = promote_flows.flows
    group = f"flow_{flow_id}"
    assert result.state == "success"
    assert states(result, group) == ended()
    release = prod.store.active_release(deployment_id)
    assert prod.store.releases(deployment_id) == (release,)
    promoted = pull(result, group, "promoted")
    assert promoted["release_id"] == release.id
    assert (
        promoted["package_uuid"]
        == release.package_uuid
        == pull(result, group, "export", "package_uuid")
    )
    assert promoted["primary_flow_ids"] == list(release.imported.primary_flow_ids)
    assert [one.status for one in prod.store.job_groups()] == ["Complete"]
    assert (
        result.tasks[f"announce_{flow_id}", -1].xcom_pull(task_ids=f"announce_{flow_id}")
        == release.id
    )
    assert "DAG looped, run " in release.notes


@pytest.mark.parametrize(
    "live_before", [pytest.param(True, marks=pytest.mark.every_airflow), False]
)
def test_a_failing_smoke_run_restores_what_was_live_and_ends_red(promote_flows, prod, live_before):
    if live_before:
        [before] = promote_flows.promote_by_hand()
    prod.runs.add(RunOutcome(status="Failed", message="Path does not exist"))
    result = promote_flows()
    [(flow_id, deployment_id)] = promote_flows.flows
    group = f"flow_{flow_id}"
    assert result.state == "failed"
    assert states(result, group) == ended(failed="smoke_jobs")
    assert str(result.tasks[f"announce_{flow_id}", -1].state) == "upstream_failed"
    live = prod.store.active_release(deployment_id)
    assert (live and live.id) == (before.id if live_before else None)
    bad = prod.store.releases(deployment_id)[-1]
    assert pull(result, group, "roll_back", "rolled_back_release_id") == bad.id
    # The alert comes after the rollback, and says how production stands.
    error, status = json.loads(promote_flows.packages.with_name("alerts").read_text())
    assert error == (
        None if version.startswith(("3.0.", "3.1.")) else ["PromotionRolledBackError", bad.id]
    )
    assert (status["state"], status["release_id"]) == ("rolled_back", bad.id)
    assert status["live_release_id"] == (before.id if live_before else None)
    assert status["clear"] == [f"{group}.smoke_run"]


@pytest.mark.every_airflow
def test_a_promotion_whose_last_attempt_told_nothing_is_rolled_back(
    promote_flows, prod, monkeypatch
):
    """The attempt that promoted was cut off, and the next one runs where the package is not."""
    [before] = promote_flows.promote_by_hand()
    [(flow_id, deployment_id)] = promote_flows.flows
    promote = Promoter.run

    def promote_and_lose(self):
        promote(self)
        for path in promote_flows.packages.rglob("*.zip"):
            path.unlink()
        raise ConnectionLostError("cut off")

    monkeypatch.setattr(Promoter, "run", promote_and_lose)
    result = promote_flows()
    assert (result.state, states(result, f"flow_{flow_id}")) == (
        "failed",
        ended(failed="create_release"),
    )
    assert prod.store.active_release(deployment_id).id == before.id
    assert len(prod.store.releases(deployment_id)) == 2
    assert pull(result, f"flow_{flow_id}", "create_release", "package_uuid") is None


@pytest.mark.usefixtures("airflow_db")
@pytest.mark.every_airflow
def test_default_args_cannot_make_a_promotion_green_that_is_not():
    careless = {
        "trigger_rule": "all_done",
        "soft_fail": True,
        "never_fail": True,
        "wait_for_completion": True,
        "outlets": ["anything"],
        "depends_on_past": True,
        "wait_for_downstream": True,
        "on_superseded": "wait",
        "activate": False,
        "retries": 5,
    }
    with DAG(
        "careless", start_date=pendulum.datetime(2024, 1, 1), schedule=None, default_args=careless
    ):
        tasks = [
            promote_flow(
                group_id="a", flow_id=1, deployment_id=1, package_path="x", smoke_run=True
            ).children
        ]
        own = {**careless, "owner": "me"}
        options = {"flow_id": 1, "deployment_id": 1, "package_path": "x", "smoke_run": True}
        tasks.append(promote_flow(group_id="b", default_args=own, **options).children)
    for group, children in zip("ab", tasks, strict=True):
        retries = 2 if group == "a" else 5
        assert children[f"{group}.baseline"].retries == retries
        assert [children[f"{group}.{name}"].retries for name in ENDS] == [2, 2]
        # Where a state store remembers what was started, a retry joins it.
        assert children[f"{group}.smoke_run"].retries == (retries if KEEPS_STATE else 0)
        assert not children[f"{group}.smoke_run"].wait_for_completion
        assert children[f"{group}.smoke_jobs"].retries == retries
        assert not any(one.outlets for one in children.values())
        assert not children[f"{group}.active"].soft_fail
        assert not children[f"{group}.active"].never_fail
        assert children[f"{group}.active"].on_superseded == "fail"
        assert children[f"{group}.create_release"].activate
        assert not any(one.depends_on_past or one.wait_for_downstream for one in children.values())
        rules = {name.partition(".")[2]: task.trigger_rule for name, task in children.items()}
        assert rules == dict.fromkeys(rules, "all_success") | dict.fromkeys(ENDS, "all_done")


@pytest.mark.every_airflow
@pytest.mark.parametrize(
    ("dag_id", "failing"),
    [
        ("mapped", ()),
        ("mapped_at_run_time", (1,)),
    ],
)
def test_mapped_promotions_stand_each_for_itself(promote_flows, prod, dag_id, failing):
    before = [release.id for release in promote_flows.promote_by_hand(3)]
    for index in failing:
        prod.runs.add(
            RunOutcome(status="Failed", message="no", deployment_id=promote_flows.flows[index][1])
        )
    result = promote_flows(3, dag_id=dag_id)
    assert result.state == ("failed" if failing else "success")
    group = "promote.promote_flow"
    assert [states(result, group, index) for index in range(3)] == [
        ended(failed="smoke_jobs") if index in failing else ended() for index in range(3)
    ]
    announced = [str(result.tasks["promote.announce", index].state) for index in range(3)]
    assert announced == ["upstream_failed" if index in failing else "success" for index in range(3)]
    after = [
        prod.store.active_release(deployment_id).id for _, deployment_id in promote_flows.flows
    ]
    assert [now == then for then, now in zip(before, after, strict=True)] == [
        index in failing for index in range(3)
    ]
    # Airflow's pages show the name of the deployment in place of the number.
    ours = [(index, one) for (name, index), one in result.tasks.items() if name.startswith(group)]
    labels = {
        (index, one.rendered_map_index)
        for index, one in ours
        if str(one.state) in ("success", "failed")
    }
    assert labels == {(index, f"Deployment {index + 1}") for index in range(3)}


@pytest.mark.every_airflow
@pytest.mark.parametrize(
    ("how", "state"), [("empty", "success"), ("skipped", "success"), ("failing", "failed")]
)
def test_a_list_of_flows_that_is_none(promote_flows, prod, how, state):
    promote_flows.promote_by_hand()
    before = prod.store.releases()
    result = promote_flows(dag_id=f"mapped_{how}")
    assert result.state == state
    assert prod.store.releases() == before
    expected = {"skipped": "skipped", "failing": "upstream_failed", "empty": "skipped"}[how]
    promoted = [
        str(one.state)
        for (name, _), one in result.tasks.items()
        if name.endswith((".promoted", ".announce"))
    ]
    assert promoted == [expected] * 2


@pytest.mark.every_airflow
@pytest.mark.parametrize("dag_id", ["skipped", "parameters"])
def test_what_is_skipped_is_skipped_as_a_whole(promote_flows, prod, dag_id):
    """A branch skips the group, or the task that its parameters come from: not to be found only
    once it is live."""
    promote_flows.promote_by_hand()
    before = prod.store.releases()
    result = promote_flows(dag_id=dag_id)
    assert result.state == "success"
    assert set(states(result, "promote_flow").values()) == {"skipped"}
    assert prod.store.releases() == before


@pytest.mark.every_airflow
def test_each_flow_is_promoted_from_its_own_package(promote_flows, prod):
    """Three flows, and one path for all."""
    before = [release.id for release in promote_flows.promote_by_hand(3)]
    result = promote_flows(3, dag_id="one_path")
    assert result.state == "failed"
    # Which of them finds its own package, if any, depends on what runs first.
    for index, (_, deployment_id) in enumerate(promote_flows.flows):
        live = prod.store.active_release(deployment_id)
        assert (
            live.id == before[index]
            or live.imported.tables["flows"][0]["name"] == f"Flow {index + 1}"
        )


def too_late(request):
    """Let the client wait until it gives up."""
    request.handler.connection.recv(1)


def gateway_error(_):
    return 502, {"Content-Type": "text/html"}, b"<html>Bad gateway</html>"


def no_answer(request):
    """Close the connection."""


class Flaky:
    """Stands before an instance, and fails the first of every two requests that are the same, in
    turn in each way."""

    #: Whether the instance gets the request, and what the client gets.
    WAYS = ((True, no_answer), (False, gateway_error), (True, too_late), (False, no_answer))

    def __init__(self, scripted, url: str) -> None:
        self._target = urlsplit(url)
        self._seen: collections.Counter = collections.Counter()
        self._lock = threading.Lock()
        #: How often it failed in which way, for requests that change something and for others.
        self.failed: collections.Counter = collections.Counter()
        self.url = scripted(self._respond).url

    def _respond(self, request):
        body = request.read_body()
        changes = request.method != "GET" and not request.path.endswith("/dryRun")
        with self._lock:
            key = (request.method, request.path)
            self._seen[key] += 1
            fails = self._seen[key] % 2 == 1
            way = sum(count for (kind, _), count in self.failed.items() if kind == changes) % len(
                self.WAYS
            )
            self.failed[changes, way] += fails
        forwarded, answer = self.WAYS[way] if fails else (True, None)
        got = self._forward(request, body) if forwarded else None
        return answer(request) if answer else got

    def _forward(self, request, body):
        connection = http.client.HTTPConnection(
            self._target.hostname, self._target.port, timeout=30
        )
        headers = {
            name: request.headers[name]
            for name in ("Authorization", "Content-Type")
            if name in request.headers
        }
        connection.request(request.method, request.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, {"Content-Type": answer.headers["Content-Type"] or ""}, content


@pytest.mark.parametrize(
    ("count", "troubled"),
    [
        pytest.param(20, False, marks=pytest.mark.system, id="twenty, calm"),
        pytest.param(20, True, marks=pytest.mark.system, id="twenty, slow and flaky"),
        pytest.param(3, True, id="three, slow and flaky"),
    ],
)
def test_many_flows(
    promote_flows, dev, prod, scripted, use_connection, monkeypatch, count, troubled
):
    proxies, options = [], {}
    if troubled:
        # An upload that was not taken is waited for, and then tried again by Airflow. The time is
        # enough for two answers that come too late, which take 50 s each.
        options["default_args"] = {"settle_timeout": 120, "retry_delay": 0}
        # Time goes a hundred times as fast for what looks again.
        monkeypatch.setattr(Clock, "sleep", lambda _, seconds: time.sleep(seconds / 100))
        monkeypatch.setattr(Clock, "monotonic", lambda _: time.monotonic() * 100)
        for conn_id, instance in (("trifacta_dev", dev), ("trifacta_prod", prod)):
            proxies.append(Flaky(scripted, instance.url))
            use_connection(
                proxies[-1].url, conn_id, extra={"read_timeout": 0.5, "upload_timeout": 0.5}
            )
    rules = [{"type": "fileLocation", "on": "//dev//", "with": "/prod/"}]
    result = promote_flows(count, smoke_run=not troubled, value_rules=rules, **options)
    assert result.state == "success"
    failed = sum((proxy.failed for proxy in proxies), collections.Counter())
    if troubled:
        kinds_and_ways = itertools.product((False, True), range(len(Flaky.WAYS)))
        assert set(failed) == set(kinds_and_ways), "each kind of request failed in each way"
    for flow_id, deployment_id in promote_flows.flows:
        (release,) = prod.store.releases(deployment_id)
        assert prod.store.active_release(deployment_id) == release
        assert pull(result, f"flow_{flow_id}", "promoted", "release_id") == release.id
    assert len(prod.store.releases()) == count
    assert len(prod.store.job_groups()) == (0 if troubled else count)
