"""The example DAGs in a real Airflow, against the emulator."""

from __future__ import annotations

import pytest

from airflow_provider_trifacta.emulator.effects import Reset
from airflow_provider_trifacta.emulator.faults import Fault

pytestmark = pytest.mark.every_airflow


@pytest.fixture
def promote(example_dag, make_package):
    path = make_package(flow_name="Daily Orders")

    def run(name="promote_package", package_path=path):
        return example_dag(name, {"deployment_id": 1, "package_path": str(package_path)})

    return run


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
    emulator.faults.add(Fault(Reset("after_commit"), method="POST", path="/v4/deployments/*/releases"))
    run, tasks = promote()
    assert run.state == "success"
    (release,) = emulator.store.releases(1)
    message = tasks["announce"].xcom_pull(task_ids="announce")
    assert message == f"release {release.id} (adopted) is live with primary flows that Trifacta's page shows"


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
