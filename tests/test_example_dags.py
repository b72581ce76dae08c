"""The example DAGs in a real Airflow, against the emulator."""

from __future__ import annotations

import json
import re
import threading
from datetime import datetime, timezone
from pathlib import Path

import pytest
from airflow import __version__ as version
from trifacta_emulator import (
    Connection,
    Emulator,
    EmulatorOptions,
    Fault,
    Hold,
    PresetConnection,
    PresetFlow,
    Reset,
    RunOutcome,
    read_package,
)

from airflow_provider_trifacta._compat import KEEPS_STATE, AssetAlias
from airflow_provider_trifacta.operators.run import RunFlowOperator
from airflow_provider_trifacta.sensors.release import ReleaseActiveSensor

pytestmark = pytest.mark.every_airflow

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "example_dags"


@pytest.fixture
def promote(example_dag, make_package):
    path = make_package(flow_name="Daily Orders")

    def run(name="promote_package", package_path=path, dag_id=None, **params):
        return example_dag(
            name, {"deployment_id": 1, "package_path": str(package_path), **params}, dag_id
        )

    return run


@pytest.fixture
def import_release(emulator, make_package):
    """Return a function that makes a release of an old package, live at once, as a
    person does it.
    """

    def make():
        package = make_package(
            flow_name="Of another person", exported_at=datetime(2020, 1, 1, tzinfo=timezone.utc)
        )
        with package.open("rb") as file:
            return emulator.store.create_release(1, read_package(file))

    return make


@pytest.fixture
def when_awaited(emulator, monkeypatch):
    """Return a function that lets a person act once: when a sensor has looked, and has seen nothing
    of it yet."""
    monkeypatch.setattr(
        ReleaseActiveSensor,
        "poke_interval",
        property(lambda _: 0.2, lambda _self, _value: None),
        raising=False,
    )
    look = emulator.faults.add(Fault(Hold("after_commit"), method="GET", path="/v4/releases/*"))
    threads, over = [], threading.Event()

    def a_person(act):
        while not look.waiting and not over.wait(0.01):
            pass
        try:
            if look.waiting:
                act(emulator.store.releases(1)[-1])
        finally:
            look.release()

    def when(act):
        threads.append(threading.Thread(target=a_person, args=(act,)))
        threads[0].start()

    yield when
    over.set()
    for thread in threads:
        thread.join()


def states(tasks):
    return {name: task.state for name, task in tasks.items()}


def result_of(tasks, task_id, key="return_value"):
    return tasks[task_id].xcom_pull(task_ids=task_id, key=key)


def test_promote_package(promote, emulator):
    run, tasks = promote()
    assert run.state == "success"
    release = emulator.store.active_release(1)
    created = tasks["create_release"]
    assert created.xcom_pull(task_ids="create_release", key="release_id") == release.id
    assert created.xcom_pull(task_ids="create_release", key="outcome") == "created"
    flows = created.xcom_pull(task_ids="create_release", key="primary_flow_ids")
    message = created.xcom_pull(task_ids="announce")
    assert message == f"release {release.id} (created) is live with primary flows {flows}"


def test_each_run_makes_a_release_of_its_own(promote, emulator):
    runs = [promote()[0] for _ in range(2)]
    assert [run.state for run in runs] == ["success", "success"]
    assert len(emulator.store.releases(1)) == 2


def test_a_lost_answer_ends_green_with_one_release(promote, emulator):
    emulator.faults.add(
        Fault(Reset("after_commit"), method="POST", path="/v4/deployments/*/releases")
    )
    run, tasks = promote()
    assert run.state == "success"
    (release,) = emulator.store.releases(1)
    message = tasks["announce"].xcom_pull(task_ids="announce")
    assert (
        message
        == f"release {release.id} (adopted) is live with primary flows that Trifacta's page shows"
    )


def test_a_failed_promotion_is_red(promote, emulator, tmp_path):
    path = tmp_path / "flow.zip"
    path.write_bytes(b"<html>not a package</html>")
    run, tasks = promote(package_path=path)
    assert run.state == "failed"
    assert tasks["create_release"].state == "failed"
    assert tasks["announce"].state == "upstream_failed"
    assert emulator.store.releases() == ()


def test_promote_and_use_ids(promote, emulator):
    for outcome in ("created", "reused"):
        run, tasks = promote("promote_and_use_ids")
        assert run.state == "success"
        (release,) = emulator.store.releases(1)
        ticket = tasks["open_change_ticket"].xcom_pull(task_ids="open_change_ticket")
        assert ticket == f"release {release.id} was {outcome}: {emulator.url}/deployments/1"


CONNECTION = Connection(12, "orders dev", "c5c1f8a8-8a6b-4f0e-9f4c-0d6f6f8a3a11")


def test_gated_release(promote, emulator, make_package):
    prod = emulator.store.create_connection("orders prod")
    package = make_package(connections=[CONNECTION])
    rules = {
        "object_rules": [
            {"onCondition": {"name": "orders dev"}, "withCondition": {"name": "orders prod"}}
        ],
        "value_rules": [{"type": "s3Bucket", "on": "dev", "with": "prod"}],
    }
    for changed in ("changed", "unchanged"):
        run, tasks = promote("gated_release", package, **rules)
        assert run.state == "success"
        assert result_of(tasks, "set_rules", "outcome") == changed
    assert [
        (row.rule["onCondition"], row.rule["withCondition"])
        for row in emulator.store.import_rules(1, "object")
    ] == [({"uuid": CONNECTION.uuid}, {"id": prod.id})]
    assert [row.rule for row in emulator.store.import_rules(1, "value")] == rules["value_rules"]
    assert len(emulator.store.releases(1)) == 2
    assert emulator.store.active_release(1).id == result_of(tasks, "create_release", "release_id")


def test_gated_release_leaves_rules_alone_that_it_does_not_declare(promote, emulator):
    emulator.store.replace_import_rules(
        1, "value", [{"type": "s3Bucket", "on": "dev", "with": "prod"}]
    )
    before = emulator.store.import_rules(1, "value")
    run, tasks = promote("gated_release")
    assert run.state == "success"
    assert tasks["set_rules"].state == "skipped"
    assert emulator.store.import_rules(1, "value") == before
    run, tasks = promote("gated_release", value_rules=[])
    assert run.state == "success"
    assert emulator.store.import_rules(1, "value") == ()


def test_gated_release_refuses_what_would_go_wrong(promote, emulator, make_package):
    run, tasks = promote("gated_release", make_package(connections=[CONNECTION]))
    assert run.state == "failed"
    assert states(tasks) == {
        "rules_are_given": "success",
        "set_rules": "skipped",
        "dry_run": "failed",
        "baseline": "upstream_failed",
        "create_release": "upstream_failed",
    }
    assert CONNECTION.uuid in result_of(tasks, "dry_run", "report_text")
    assert emulator.store.releases() == ()


def test_gated_release_stops_where_its_rules_are_refused(promote, emulator):
    run, tasks = promote("gated_release", value_rules=[{"type": "s3Bucket"}])
    assert run.state == "failed"
    assert (tasks["set_rules"].state, tasks["dry_run"].state) == ("failed", "upstream_failed")
    assert emulator.store.releases() == ()


def test_staged_release(promote, emulator, import_release, when_awaited):
    live = import_release()
    seen = []

    def activate(release):
        seen.append(emulator.store.active_release(1).id)
        emulator.store.update_release(release.id, active=True)

    when_awaited(activate)
    run, tasks = promote("staged_release")
    assert run.state == "success"
    assert seen == [live.id]
    release = emulator.store.active_release(1)
    assert release.id > live.id
    flows = result_of(tasks, "create_release", "primary_flow_ids")
    assert (
        result_of(tasks, "announce")
        == f"release {release.id} was activated, with primary flows {flows}"
    )


@pytest.mark.parametrize("decision", ["deleted", "overtaken"])
def test_staged_release_that_is_not_wanted(
    promote, emulator, import_release, when_awaited, decision
):
    import_release()
    when_awaited(
        lambda release: (
            import_release()
            if decision == "overtaken"
            else emulator.store.delete_release(release.id)
        )
    )
    run, tasks = promote("staged_release")
    assert run.state == "failed"
    assert tasks["create_release"].state == "success"
    assert (tasks["wait_for_a_person"].state, tasks["announce"].state) == (
        "failed",
        "upstream_failed",
    )


def test_staged_release_without_a_live_one_before(promote, emulator, when_awaited):
    seen = []

    def activate(release):
        seen.append(emulator.store.active_release(1))
        emulator.store.update_release(release.id, active=True)

    when_awaited(activate)
    run, _ = promote("staged_release")
    assert run.state == "success"
    assert seen == [None]


def test_a_good_promotion_is_not_rolled_back(promote, emulator, import_release):
    live = import_release()
    run, tasks = promote("rollback")
    assert run.state == "success"
    assert tasks["roll_back"].state == "skipped"
    assert emulator.store.active_release(1).id > live.id


@pytest.mark.parametrize("live_before", [True, False])
def test_a_failed_check_rolls_back_and_is_red(promote, emulator, import_release, live_before):
    live = import_release() if live_before else None
    run, tasks = promote("rollback", check_fails=True)
    assert run.state == "failed"
    assert states(tasks) == {
        "baseline": "success",
        "create_release": "success",
        "wait_until_active": "success",
        "check": "failed",
        "announce": "upstream_failed",
        "roll_back": "success",
    }
    active = emulator.store.active_release(1)
    assert (active and active.id) == (live and live.id)
    assert result_of(tasks, "roll_back", "rolled_back_release_id") == result_of(
        tasks, "create_release", "release_id"
    )


def test_a_promotion_that_failed_when_live_is_rolled_back(promote, emulator, import_release):
    live = import_release()
    emulator.drop_on_next_import({"datasources": [12]})
    run, tasks = promote("rollback")
    assert run.state == "failed"
    assert (tasks["create_release"].state, tasks["roll_back"].state) == ("failed", "success")
    assert emulator.store.active_release(1).id == live.id


def test_a_promotion_that_did_not_begin_has_nothing_to_roll_back(promote, emulator, import_release):
    live = import_release()
    run, tasks = promote("rollback", "/nowhere/flow.zip")
    assert run.state == "failed"
    assert (tasks["create_release"].state, tasks["roll_back"].state) == ("failed", "success")
    assert result_of(tasks, "roll_back", "outcome") == "unchanged"
    assert emulator.store.active_release(1).id == live.id


def test_what_a_person_promoted_in_the_meantime_is_not_rolled_back(
    promote, emulator, import_release, when_awaited
):
    when_awaited(lambda _: import_release())
    run, tasks = promote("rollback", check_fails=True)
    assert run.state == "failed"
    assert (tasks["check"].state, tasks["roll_back"].state) == ("failed", "failed")
    assert emulator.store.active_release(1) == emulator.store.releases(1)[-1]
    assert not [call for call in emulator.calls if call.method == "PATCH"]


@pytest.mark.skipif(AssetAlias is None, reason="there are assets on Airflow 3")
@pytest.mark.parametrize("fails", [False, True])
def test_a_promotion_adds_an_asset_event(promote, emulator, fails):
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    if fails:
        emulator.drop_on_next_import({"datasources": [12]})
    run, tasks = promote("release_events", dag_id="release_events_promote")
    assert run.state == ("failed" if fails else "success")
    with create_session() as session:
        query = session.query(AssetEvent).filter(AssetEvent.source_run_id == run.run_id)
        events = [(event.asset.uri, event.extra) for event in query]
    release = emulator.store.active_release(1)
    extra = {
        "deployment_id": 1,
        "release_id": release.id,
        "package_uuid": release.package_uuid,
        "primary_flow_ids": json.dumps(result_of(tasks, "create_release", "primary_flow_ids")),
    }
    host = emulator.url.partition("://")[2]
    assert events == ([] if fails else [(f"trifacta://{host}/deployments/1", extra)])


@pytest.fixture
def watched(emulator, monkeypatch):
    """The emulator's deployment is the one that the examples watch."""
    monkeypatch.setenv("TRIFACTA_HOST", emulator.url)
    monkeypatch.setenv("TRIFACTA_GRACE_MINUTES", "0")


@pytest.mark.usefixtures("watched")
@pytest.mark.skipif(not KEEPS_STATE, reason="the watch needs Airflow 3.3")
def test_a_drift_is_red(promote, example_dag, import_release):
    def drift():
        run, tasks = example_dag("deployment_changes", {}, "deployment_drift")
        return run.state, result_of(tasks, "compare")

    _, tasks = promote("release_events", dag_id="release_events_promote")
    promoted = result_of(tasks, "create_release", "release_id")
    assert drift() == ("success", promoted)
    import_release()
    assert drift() == ("failed", None)


@pytest.mark.usefixtures("watched")
@pytest.mark.skipif(not KEEPS_STATE, reason="the watch needs Airflow 3.3")
def test_what_a_person_starts_by_hand_says_nothing(example_dag):
    run, tasks = example_dag("deployment_changes", {}, "deployment_changed")
    assert run.state == "success"
    assert result_of(tasks, "tell") == []


@pytest.mark.usefixtures("airflow_db")
def test_examples_are_there_from_their_airflow_on():
    from airflow.models import DagBag

    bag = DagBag(str(EXAMPLES))
    assert bag.import_errors == {}
    wanted = {
        "deployment_changed": (3, 3),
        "deployment_drift": (3, 3),
        "gated_release": (2, 11),
        "promote_and_run": (2, 11),
        "promote_and_use_ids": (2, 11),
        "promote_flow_dev_to_prod": (2, 11),
        "promote_orders_urgent": (2, 11),
        "promote_orders_weekly": (2, 11),
        "promote_package": (2, 11),
        "promotion_alerts": (2, 11),
        "promotion_timeout": (2, 11),
        "release_events_consume": (3, 0),
        "release_events_promote": (3, 0),
        "rollback": (2, 11),
        "run_flow": (2, 11),
        "staged_release": (2, 11),
        "staged_release_with_approval": (3, 1),
        "what_changes": (2, 11),
    }
    here = tuple(map(int, version.split(".")[:2]))
    found = {name: dag for name, dag in bag.dags.items() if name in wanted}
    assert sorted(found) == [name for name, first in wanted.items() if here >= first]
    # Unpausing an example must not promote. Those with a schedule only read.
    scheduled = [
        name for name, dag in bag.dags.items() if type(dag.timetable).__name__ != "NullTimetable"
    ]
    reading = ("deployment_changed", "deployment_drift", "release_events_consume")
    assert scheduled == [name for name in bag.dags if name in reading]
    for dag in found.values():
        assert (dag.max_active_runs, dag.catchup) == (1, False)
        assert set(dag.tags) == {"trifacta", "example"}


def test_open_a_deployment_and_take_it_offline(example_dag, emulator, make_package):
    conf = {"deployment_name": "Invoices", "package_path": str(make_package())}
    for outcome in ("created", "reused"):
        run, tasks = example_dag("deployment_lifecycle", conf, dag_id="open_deployment")
        assert run.state == "success"
        assert tasks["deployment"].xcom_pull(task_ids="deployment", key="outcome") == outcome
    names = [deployment.name for deployment in emulator.store.deployments()]
    assert sorted(names) == ["Invoices", "Orders"]
    deployment_id = tasks["deployment"].xcom_pull(task_ids="deployment", key="deployment_id")
    (release,) = emulator.store.releases(deployment_id)
    assert emulator.store.active_release(deployment_id) == release
    run, _ = example_dag(
        "deployment_lifecycle", {"deployment_id": deployment_id}, dag_id="take_offline"
    )
    assert run.state == "success"
    assert emulator.store.active_release(deployment_id) is None


@pytest.fixture
def instances(use_connection):
    """Dev with a flow, and Prod with a deployment."""
    dev_options = EmulatorOptions(
        flows=(PresetFlow("Daily Orders", dataset_path="/dev/orders.csv"),)
    )
    prod_options = EmulatorOptions(
        missing_paths=("/prod/returns.csv",), job_start_seconds=0, job_run_seconds=0
    )
    with Emulator(dev_options) as dev, Emulator(prod_options) as prod:
        use_connection(dev.url, "trifacta_dev")
        use_connection(prod.url, "trifacta_prod")
        prod.store.create_deployment("Orders")
        yield dev, prod


def test_from_dev_to_prod_and_back_when_it_does_not_run(example_dag, instances, tmp_path):
    dev, prod = instances
    (flow,) = dev.store.flows()
    conf = {"flow_id": flow.id, "deployment_id": 1, "folder": str(tmp_path)}
    run, tasks = example_dag("promote_flow_dev_to_prod", conf)
    assert run.state == "success"
    good = prod.store.active_release(1)
    words = f"release {good.id} is live, with the flows {list(good.imported.primary_flow_ids)}"
    assert tasks["announce"].xcom_pull(task_ids="announce") == words
    (job_group,) = prod.store.job_groups()
    assert job_group.inputs["data"][0]["inputs"] == [{"uri": "hdfs:///prod/orders.csv"}]

    # A person changes the flow, and forgets that Prod does not have that file.
    dev.store.edit_flow(flow.id, dataset_path="/dev/returns.csv")
    run, tasks = example_dag("promote_flow_dev_to_prod", conf)
    assert run.state == "failed"
    assert str(tasks["promote_flow.smoke_jobs"].state) == "failed"
    assert str(tasks["promote_flow.roll_back"].state) == "success"
    assert str(tasks["promote_flow.promoted"].state) == "failed"
    assert str(tasks["announce"].state) == "upstream_failed"
    assert prod.store.active_release(1).id == good.id
    assert len(prod.store.releases(1)) == len(list(tmp_path.glob("*.zip"))) == 2


def test_what_a_release_reads_writes_and_changes(example_dag, instances, tmp_path):
    dev, prod = instances
    (flow,) = dev.store.flows()
    conf = {"flow_id": flow.id, "deployment_id": 1, "folder": str(tmp_path)}
    run, tasks = example_dag("what_changes", conf)
    assert run.state == "success"
    report = result_of(tasks, "promote_flow.dry_run", "report")
    assert report["comparison"]["difference"] is None, "the first run has nothing to compare with"
    (read,) = result_of(tasks, "promote_flow.promoted", "reads")
    assert (read["path"], read["change"]) == ("hdfs:///prod/orders.csv", "changed")
    (written,) = result_of(tasks, "promote_flow.promoted", "writes")
    assert written["change"] == "as_in_source"
    assert result_of(tasks, "keep") == ["hdfs:///prod/orders.csv"]

    dev.store.edit_flow(flow.id, dataset_path="/dev/2025/orders.csv")
    first = prod.store.active_release(1)
    run, tasks = example_dag("what_changes", conf)
    assert run.state == "success"
    report = result_of(tasks, "promote_flow.dry_run", "report")
    (change,) = report["comparison"]["difference"]["changes"]
    assert (change["kind"], change["what"], change["name"]) == ("changed", "input", "orders.csv")
    assert report["comparison"]["shown_live"] is True
    assert report["scene"]["live_release_id"] == first.id


def test_a_flow_and_a_recipe_run_once_though_an_answer_is_lost(example_dag, use_connection):
    flows = (PresetFlow("Orders"),)
    with Emulator(EmulatorOptions(flows=flows, job_start_seconds=0, job_run_seconds=0)) as emulator:
        use_connection(emulator.url)
        emulator.faults.add(Fault(Reset("after_commit"), method="POST", path="/v4/flows/*/run"))
        conf = {
            "flow_name": "Orders",
            "recipe_name": emulator.store.recipes()[0].name,
            "path": "hdfs:///out/a.csv",
        }
        run, tasks = example_dag("run_flows_and_recipes", conf, "run_flow")
        assert run.state == "success"
        by_flow, by_recipe = emulator.store.job_groups()
        assert result_of(tasks, "flow", "job_group_ids") == [by_flow.id]
        assert result_of(tasks, "flow", "flow_run_id") == by_flow.flow_run_id
        assert result_of(tasks, "recipe", "job_urls") == [f"{emulator.url}/jobs/{by_recipe.id}"]
        assert (by_flow.overrides, by_recipe.outputs["files"][0]["uri"]) == (
            {"region": "02"},
            "hdfs:///out/a.csv",
        )


@pytest.mark.parametrize("task", ["flow", "jobs"])
def test_a_job_that_fails_leaves_its_log_in_the_tasks(example_dag, use_connection, task):
    flows = (PresetFlow("Orders"),)
    with Emulator(EmulatorOptions(flows=flows, job_start_seconds=0, job_run_seconds=0)) as emulator:
        use_connection(emulator.url)
        if task == "jobs":
            emulator.runs.add(RunOutcome(status="Complete"))
        emulator.runs.add(RunOutcome(message="no such table"))
        conf = {"recipe_name": emulator.store.recipes()[0].name}
        run, tasks = example_dag("run_flows_and_recipes", conf, "run_flow")
        assert (run.state, tasks[task].state) == ("failed", "failed")
        failed = emulator.store.job_groups()[-1]
        asked = [call.path for call in emulator.calls if call.path.endswith("/logs")]
        assert asked == [f"/v4/jobGroups/{failed.id}/logs"]


def test_what_a_promotion_brought_runs_while_it_is_live(promote, emulator):
    run, tasks = promote("run_flows_and_recipes", dag_id="promote_and_run")
    assert run.state == "success"
    (group,) = emulator.store.job_groups()
    assert result_of(tasks, "run", "flow_ids") == result_of(
        tasks, "create_release", "primary_flow_ids"
    )
    assert result_of(tasks, "run", "job_group_ids") == [group.id]


def test_after_a_lost_answer_the_run_says_in_its_own_words_what_is_missing(
    promote, emulator, monkeypatch
):
    emulator.faults.add(
        Fault(Reset("after_commit"), method="POST", path="/v4/deployments/*/releases")
    )
    given = []
    checked = RunFlowOperator._checked

    def note(operator):
        given.append(operator.flow_id)
        return checked(operator)

    monkeypatch.setattr(RunFlowOperator, "_checked", note)
    run, tasks = promote("run_flows_and_recipes", dag_id="promote_and_run")
    assert states(tasks) == {"create_release": "success", "run": "failed"}
    assert run.state == "failed"
    (promotion,) = given
    assert (promotion["outcome"], promotion["primary_flow_ids"]) == ("adopted", None)
    assert promotion["release_id"] == emulator.store.active_release(1).id
    assert emulator.store.job_groups() == ()


def test_two_dags_share_one_slot(example_dag, instances, tmp_path):
    dev, prod = instances
    (flow,) = dev.store.flows()
    conf = {"flow_id": flow.id, "deployment_id": 1, "folder": str(tmp_path)}
    steps = (
        "baseline",
        "export",
        "import_rules",
        "dry_run",
        "create_release",
        "active",
        "smoke_run",
        "smoke_jobs",
    )
    for count, dag_id in enumerate(("promote_orders_weekly", "promote_orders_urgent"), 1):
        run, tasks = example_dag("one_deployment_two_dags", conf, dag_id)
        assert run.state == "success"
        assert len(prod.store.releases(1)) == len(list(tmp_path.glob("*.zip"))) == count
        assert prod.store.active_release(1).id == result_of(
            tasks, "promote_flow.promoted", "release_id"
        )
        assert {(task.pool, task.pool_slots) for task in tasks.values()} == {("trifacta_orders", 1)}
        # What comes later goes first.
        weights = [
            tasks[f"promote_flow.{step}"].priority_weight
            for step in (*steps, "roll_back", "promoted")
        ]
        assert weights == sorted(set(weights))


@pytest.fixture
def workspaces(use_connection):
    """Two workspaces without Deployment Manager: Dev with a flow, and Prod with the
    flow of before.
    """
    cloud = {"edition": "SaaS"}
    orders = PresetFlow(
        "Daily Orders", connections=("orders dev",), dataset_path="/data/orders.csv"
    )
    dev_options = EmulatorOptions(
        connections=(PresetConnection("orders dev"),), flows=(orders,), **cloud
    )
    prod_options = EmulatorOptions(
        connections=(PresetConnection("orders"),),
        flows=(PresetFlow("Daily Orders"),),
        missing_paths=("/data/returns.csv",),
        job_start_seconds=0,
        job_run_seconds=0,
        **cloud,
    )
    with Emulator(dev_options) as dev, Emulator(prod_options) as prod:
        use_connection(dev.url, "trifacta_dev")
        use_connection(prod.url, "trifacta_prod")
        yield dev, prod


def test_a_flow_is_moved_and_takes_the_name_over_when_it_has_run(example_dag, workspaces, tmp_path):
    dev, prod = workspaces
    (old,) = prod.store.flows()
    conf = {
        "flow_name": "Daily Orders",
        "connections": {"orders dev": "orders"},
        "folder": str(tmp_path),
    }
    run, tasks = example_dag("move_flow_between_workspaces", conf)
    assert states(tasks) == dict.fromkeys(("export", "import_flow", "run", "take_over"), "success")
    assert run.state == "success"
    (new,) = (flow for flow in prod.store.flows() if flow.id != old.id)
    assert new.name == "Daily Orders"
    assert prod.store.flow(old.id).name == f"Daily Orders (before flow {new.id})"
    assert [group.status for group in prod.store.job_groups()] == ["Complete"]

    # A person lets the flow read a file that Prod does not have.
    dev.store.edit_flow(dev.store.flows()[0].id, dataset_path="/data/returns.csv")
    run, tasks = example_dag("move_flow_between_workspaces", conf)
    assert run.state == "failed"
    assert states(tasks) | {"run": "failed", "take_over": "upstream_failed"} == states(tasks)
    assert prod.store.flow(new.id).name == "Daily Orders"
    assert len(prod.store.flows()) == 3


def test_nothing_needs_a_logical_date():
    """A run of Airflow 3 may have none, and its ``ds`` is then an error."""
    texts = [
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "example_dags").glob("*.py"),
    ]
    texts += (ROOT / "airflow_provider_trifacta").rglob("*.py")
    words = re.compile(r"\{\{\s*(ds|ts|data_interval)|logical_date|execution_date")
    assert [path.name for path in texts if words.search(path.read_text())] == []
