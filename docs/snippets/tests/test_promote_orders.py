"""Tests of dags/promote_orders.py. They need no network and no running Airflow."""

from trifacta_emulator import RunOutcome


def test_the_flow_becomes_the_live_release(promote, trifacta_prod):
    assert promote().state == "success"
    (release,) = trifacta_prod.store.releases(1)
    assert trifacta_prod.store.active_release(1) == release


def test_a_flow_that_does_not_run_is_rolled_back(promote, trifacta_prod):
    promote()
    good = trifacta_prod.store.active_release(1)
    trifacta_prod.runs.add(RunOutcome(message="no such table"))
    assert promote().state == "failed"
    assert trifacta_prod.store.active_release(1).id == good.id
