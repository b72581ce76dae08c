from __future__ import annotations

import pytest
from trifacta_emulator import RunOutcome
from trifacta_emulator.state.runs import RunOutcomes

RUNS = "/emulator/runs"


def test_each_is_used_up_by_what_it_matches():
    outcomes = RunOutcomes()
    first, second = RunOutcome(deployment_id=2), RunOutcome(status="Canceled", times=2)
    outcomes.add(first)
    outcomes.add(second)
    assert outcomes.take(1) == second
    assert outcomes.take(2) == first
    assert outcomes.waiting() == (second,)
    assert outcomes.take(2) == second
    assert outcomes.take(1) is None
    assert outcomes.waiting() == ()


def test_a_flow_has_its_own():
    outcomes = RunOutcomes()
    outcomes.add(RunOutcome(flow_id=1001))
    assert outcomes.take(1, 1002) is None
    assert outcomes.take(None, 1001) == RunOutcome(flow_id=1001)


def test_they_can_be_dropped():
    outcomes = RunOutcomes()
    outcomes.add(RunOutcome())
    outcomes.clear()
    assert outcomes.take(1) is None


def test_over_http_without_a_login(api):
    body = {"status": "Failed", "message": "no", "deployment_id": 1, "times": 2, "flow_id": None}
    nobody = {"auth": ("nobody", "x")}
    assert api("POST", RUNS, json=body, **nobody).json() == body
    assert api("GET", RUNS, **nobody).json() == {"data": [body]}
    assert api.emulator.runs.take(1) == RunOutcome(**body)
    assert api("DELETE", RUNS, json={}, **nobody).status_code == 204
    assert api("GET", RUNS, **nobody).json() == {"data": []}


@pytest.mark.parametrize(
    "body",
    [
        {"status": ""},
        {"status": 7},
        {"message": 7},
        {"times": 0},
        {"deployment_id": "1"},
        {"flow_id": "1"},
        {"what": 1},
    ],
)
def test_a_wrong_one_is_refused(api, body):
    assert api("POST", RUNS, json=body).status_code == 400
    assert api.emulator.runs.waiting() == ()
