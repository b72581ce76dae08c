"""Two runs at one deployment at the same time, with the real operators: both tell a story that the
history confirms."""

from __future__ import annotations

import logging
import threading
from types import SimpleNamespace

import pytest
from request_patterns import CHANGE, CREATE, LIST
from trifacta_emulator import Fault, Hold

from airflow_provider_trifacta._compat import AirflowFailException
from airflow_provider_trifacta.client.errors import TrifactaError, UnexpectedLiveReleaseError
from airflow_provider_trifacta.client.foreign_words import logger
from airflow_provider_trifacta.operators.deployment import (
    GetDeploymentOperator,
    RollbackDeploymentOperator,
)
from airflow_provider_trifacta.operators.release import (
    ActivateReleaseOperator,
    CreateReleaseOperator,
)

pytestmark = [pytest.mark.every_airflow, pytest.mark.usefixtures("emulator")]


def package_uuid(letter, number=0):
    """Name a package; it carries no time, so any may follow any."""
    return f"0b0e7d43-4d5c-4b8c-9d2e-6f6f3a3c{number:02}{ord(letter):02x}"


class Task(threading.Thread):
    """An operator that runs in a thread of its own, as in a worker."""

    def __init__(self, operator, start_after=None):
        super().__init__(name=operator.task_id, daemon=True)
        self.operator = operator
        self.pushed = {}
        self.result = self.error = None
        self._start_after = start_after
        self.start()

    def _push(self, key, value):
        assert key not in self.pushed
        assert value is not None
        self.pushed[key] = value

    def run(self):
        ti = SimpleNamespace(
            dag_id="d",
            run_id="r",
            task_id=self.operator.task_id,
            map_index=-1,
            try_number=1,
            max_tries=0,
            xcom_push=self._push,
        )
        if self._start_after:
            self._start_after.wait(30)
        # Airflow 2 wraps it in a check that works in its own thread only.
        execute = getattr(type(self.operator).execute, "__wrapped__", type(self.operator).execute)
        try:
            self.result = execute(self.operator, {"ti": ti})
        except Exception as error:
            self.error = error

    def end(self):
        self.join(60)
        assert not self.is_alive()
        return self

    def fails(self, cause=TrifactaError):
        """Return the client's error with which the task failed."""
        self.end()
        assert self.result is None
        assert isinstance(self.error, AirflowFailException), self.error
        assert isinstance(self.error.__cause__, cause), self.error
        return self.error.__cause__

    def succeeds(self):
        self.end()
        assert self.error is None
        return self.result


@pytest.fixture
def log(caplog, monkeypatch):
    """Return a function that gives what the client and the operators logged in a task."""
    caplog.set_level(logging.INFO)
    for operator in (CreateReleaseOperator, RollbackDeploymentOperator, ActivateReleaseOperator):
        monkeypatch.setattr(operator, "log", logger("task"), raising=False)  # seen on every Airflow
    return lambda task: "\n".join(
        one.getMessage() for one in caplog.records if one.threadName == task.name
    )


@pytest.fixture
def baseline():
    return lambda: Task(GetDeploymentOperator(task_id="baseline", deployment_id=1)).succeeds()


@pytest.fixture
def promote(make_package):
    def run(letter, number=0, *, start_after=None, **options):
        path = make_package(uuid=package_uuid(letter, number))
        task_id = f"promote_{letter}_{number}"
        operator = CreateReleaseOperator(
            task_id=task_id, deployment_id=1, package_path=str(path), **options
        )
        return Task(operator, start_after)

    return run


@pytest.fixture
def went_live(emulator):
    """Return a function that gives the releases in the order in which they became live."""
    words = ("release created and activated", "release activated")
    return lambda: [event.release_id for event in emulator.store.events() if event.what in words]


# One after the other, with baselines taken before


def test_who_comes_second_sees_who_came_first(promote, baseline, live, went_live, log):
    old = promote("A").succeeds()["release_id"]
    first_baseline, second_baseline = baseline(), baseline()
    first = promote("B", baseline=first_baseline)
    made = first.succeeds()["release_id"]
    second = promote("C", baseline=second_baseline)
    assert second.fails(UnexpectedLiveReleaseError).live_id == made
    assert "release_id" not in second.pushed
    assert live() == made
    assert went_live() == [old, made]
    assert (
        f"Release {made} of deployment 'Orders' (1) is live (created). The release before: {old}."
        in log(first)
    )


@pytest.mark.parametrize(
    "staged", [(), ("C",), ("B", "C")], ids=["none staged", "one staged", "both staged"]
)
def test_in_every_order_outcomes_and_history_agree(
    emulator, promote, baseline, live, went_live, log, staged
):
    """No order is imposed here, so this holds for each."""
    promote("A").succeeds()
    for number in range(6):
        taken, known, start = baseline(), len(went_live()), threading.Event()
        tasks = [
            promote(
                letter, number, start_after=start, baseline=taken, activate=letter not in staged
            )
            for letter in ("B", "C")
        ]
        start.set()
        green = [task for task in tasks if task.end().error is None]
        events = went_live()[known:]
        new = {
            one.id: one for one in emulator.store.releases(1) if one.id > taken["latest_release_id"]
        }
        # Green: its release is there, is of its package, was live, and is not unless it was meant
        # to be.
        for task in green:
            release = new.pop(task.result["release_id"])
            assert release.package_uuid == task.result["package_uuid"]
            assert release.id in events
            assert task.result["outcome"] == "created"
            assert task.result["previous_release_id"] == taken["active_release_id"]
            assert task.operator.activate or not release.active
        # Red: it names a release of the other one. It imported nothing, or says that it did.
        for task in tasks:
            if task not in green:
                text = str(task.fails(UnexpectedLiveReleaseError))
                assert any(str(one) in text for one in events)
                if "release_id" in task.pushed:  # a plain one imported, and so did the other
                    assert (
                        new.pop(task.pushed["release_id"]).package_uuid
                        == task.pushed["package_uuid"]
                    )
                    continue
                told = [
                    one
                    for one in new
                    if f"Release {one} of deployment 1 is staged" in log(task)
                    or f"Release {one} of deployment 1 was imported" in text
                ]
                assert len(told) <= (not task.operator.activate)
                for one in told:
                    assert new.pop(one).package_uuid == task.pushed["package_uuid"]
        assert new == {}, [task.error for task in tasks if task not in green]
        assert live() == events[-1]
        if len(staged) == 2:
            assert live() == taken["active_release_id"]


# A plain and a staged promotion


def test_a_promotion_during_the_window_of_a_staged_one_is_refused(
    promote, baseline, emulator, live, went_live, log
):
    old = promote("A").succeeds()["release_id"]
    taken = baseline()
    held = emulator.faults.add(Fault(Hold(), **CHANGE))
    staged = promote("B", baseline=taken, activate=False)
    held.wait_until_waiting()
    window = live()
    plain = promote("C", baseline=taken)
    assert plain.fails(UnexpectedLiveReleaseError).live_id == window
    held.release()
    assert staged.succeeds()["release_id"] == window
    assert live() == old
    assert went_live() == [old, window, old]
    assert f"Release {window} of deployment 1 is staged: release {old} is live again" in log(staged)


def test_a_staged_promotion_that_runs_over_another_says_so(
    promote, baseline, emulator, live, went_live
):
    """Both decided to upload before either did: the API has no lock. The recorded release is live,
    as promised."""
    old = promote("A").succeeds()["release_id"]
    taken = baseline()
    held = emulator.faults.add(Fault(Hold(), **CREATE))
    staged = promote("B", baseline=taken, activate=False)
    held.wait_until_waiting()
    plain = promote("C", baseline=taken)
    replaced = plain.succeeds()["release_id"]
    held.release()
    error = staged.fails(UnexpectedLiveReleaseError)
    assert (error.release_id, error.live_id) == (replaced, old)
    assert live() == old
    assert went_live() == [old, replaced, replaced + 1, old]


def test_a_staged_promotion_beside_a_slower_one(promote, baseline, emulator, live, went_live):
    old = promote("A").succeeds()["release_id"]
    taken = baseline()
    held = emulator.faults.add(Fault(Hold(), **CREATE))
    plain = promote("C", baseline=taken)
    held.wait_until_waiting()
    staged = promote("B", baseline=taken, activate=False).succeeds()["release_id"]
    assert live() == old
    held.release()
    assert str(staged) in str(plain.fails(UnexpectedLiveReleaseError))
    made = plain.pushed["release_id"]
    assert live() == made > staged
    assert plain.pushed["previous_release_id"] == old
    assert went_live() == [old, staged, old, made]


def test_a_promotion_that_runs_over_another_says_so(promote, baseline, emulator, live, went_live):
    """Both decided to upload before either did: the API has no lock, but nothing is replaced
    without a word."""
    old = promote("A").succeeds()["release_id"]
    taken = baseline()
    held = emulator.faults.add(Fault(Hold(), **CREATE))
    slow = promote("B", baseline=taken)
    held.wait_until_waiting()
    replaced = promote("C", baseline=taken).succeeds()["release_id"]
    held.release()
    assert str(replaced) in str(slow.fails(UnexpectedLiveReleaseError))
    assert live() == slow.pushed["release_id"]
    assert went_live() == [old, replaced, live()]


# A promotion while the release is changed on purpose


def test_a_rollback_that_runs_over_a_promotion_says_so(
    promote, baseline, emulator, live, went_live
):
    old = promote("A").succeeds()["release_id"]
    taken = baseline()
    wrong = promote("B", baseline=taken).succeeds()["release_id"]
    later = baseline()
    held = emulator.faults.add(Fault(Hold(), **CHANGE))
    undo = Task(
        RollbackDeploymentOperator(
            settle_timeout=0, task_id="undo", baseline=taken, package_uuid=package_uuid("B")
        )
    )
    held.wait_until_waiting()
    replaced = promote("C", baseline=later).succeeds()["release_id"]
    held.release()
    error = undo.fails(UnexpectedLiveReleaseError)
    assert (error.release_id, error.live_id) == (replaced, old)
    assert "outcome" not in undo.pushed
    assert live() == old
    assert went_live() == [old, wrong, replaced, old]


def test_an_activation_that_runs_over_a_promotion_says_so(
    promote, baseline, emulator, live, went_live
):
    old = promote("A").succeeds()["release_id"]
    promote("B").succeeds()
    held = emulator.faults.add(Fault(Hold(), **CHANGE))
    activate = Task(ActivateReleaseOperator(task_id="activate", release_id=old))
    held.wait_until_waiting()
    replaced = promote("C", baseline=baseline()).succeeds()["release_id"]
    held.release()
    error = activate.fails(UnexpectedLiveReleaseError)
    assert (error.release_id, error.live_id) == (replaced, old)
    assert "outcome" not in activate.pushed
    assert live() == old
    assert went_live()[-2:] == [replaced, old]


def test_a_promotion_right_after_an_activation_is_not_taken_for_its_failure(
    promote, baseline, emulator, live
):
    """The change is made, and something else is live by the time it is read back."""
    old = promote("A").succeeds()["release_id"]
    promote("B").succeeds()
    taken = {**baseline(), "active_release_id": old}
    held = emulator.faults.add(Fault(Hold(), **LIST, skip=1))
    activate = Task(ActivateReleaseOperator(task_id="activate", release_id=old))
    held.wait_until_waiting()
    assert live() == old
    newest = promote("C", baseline=taken).succeeds()["release_id"]
    held.release()
    error = activate.fails(UnexpectedLiveReleaseError)
    assert (error.release_id, error.live_id) == (old, newest)
    assert live() == newest


def test_two_that_activate_with_an_expectation(promote, live, went_live):
    """The one that comes second is refused: what it expected is no longer live."""
    one = promote("A").succeeds()["release_id"]
    two = promote("B").succeeds()["release_id"]
    three = promote("C").succeeds()["release_id"]
    tasks = {
        release_id: Task(
            ActivateReleaseOperator(
                task_id=f"activate_{release_id}",
                release_id=release_id,
                expected_active_release_id=three,
            )
        ).end()
        for release_id in (one, two)
    }
    assert tasks[one].succeeds()["previous_release_id"] == three
    assert f"Release {one}" in str(tasks[two].fails(UnexpectedLiveReleaseError))
    assert live() == one
    assert went_live() == [one, two, three, one]
