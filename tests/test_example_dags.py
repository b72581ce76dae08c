"""The example DAGs in a real Airflow, against the emulator."""

from __future__ import annotations


def test_promote_package(example_dag, emulator, make_package):
    path = make_package(flow_name="Daily Orders")
    run, tasks = example_dag("promote_package", {"deployment_id": 1, "package_path": str(path)})
    assert run.state == "success"
    release = emulator.store.active_release(1)
    created = tasks["create_release"]
    assert created.xcom_pull(task_ids="create_release", key="release_id") == release.id
    assert created.xcom_pull(task_ids="create_release", key="outcome") == "created"
    flows = created.xcom_pull(task_ids="create_release", key="primary_flow_ids")
    assert created.xcom_pull(task_ids="announce") == f"release {release.id} is live with primary flows {flows}"


def test_a_failed_promotion_is_red(example_dag, emulator, tmp_path):
    path = tmp_path / "flow.zip"
    path.write_bytes(b"<html>not a package</html>")
    run, tasks = example_dag("promote_package", {"deployment_id": 1, "package_path": str(path)})
    assert run.state == "failed"
    assert tasks["create_release"].state == "failed"
    assert tasks["announce"].state == "upstream_failed"
    assert emulator.store.releases() == ()
